//! SHA-256 of two to four streams at once through the SHA extensions of x86.
//!
//! One stream leaves these units idle most of the time: each instruction waits for the one before. Two independent
//! streams, step by step in turn, nearly double the throughput. Three and four keep the units no busier than two, and
//! lose a little to registers that run out; three are still better than two and one left over.
#![allow(unsafe_code)]

use super::{Block, K, State};
use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_blend_epi16, _mm_loadu_si128, _mm_set_epi64x, _mm_setzero_si128,
    _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8, _mm_shuffle_epi32,
    _mm_storeu_si128,
};

/// True if this processor has the instructions.
pub(super) fn available() -> bool {
    is_x86_feature_detected!("sha") && is_x86_feature_detected!("ssse3") && is_x86_feature_detected!("sse4.1")
}

/// Puts `count` blocks of each stream through its state. Every slice has at least `count` blocks.
///
/// # Safety
/// Only where [`available`] is true.
#[target_feature(enable = "sha,ssse3,sse4.1")]
pub(super) fn compress<const WIDTH: usize>(states: [&mut State; WIDTH], data: [&[Block]; WIDTH], count: usize) {
    let swap = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    let (keys, _) = K.as_chunks::<4>();
    // The instructions want the state as words (a b e f) and (c d g h), highest first.
    let mut abef = [_mm_setzero_si128(); WIDTH];
    let mut cdgh = [_mm_setzero_si128(); WIDTH];
    for i in 0..WIDTH {
        let (low, high) = states[i].split_at(4);
        let dcba = _mm_shuffle_epi32::<0xb1>(load(low));
        let hgfe = _mm_shuffle_epi32::<0x1b>(load(high));
        abef[i] = _mm_alignr_epi8::<8>(dcba, hgfe);
        cdgh[i] = _mm_blend_epi16::<0xf0>(hgfe, dcba);
    }
    let data = data.map(|blocks| &blocks[..count]);
    for number in 0..count {
        let blocks = data.map(|blocks| &blocks[number]);
        let (before_abef, before_cdgh) = (abef, cdgh);
        let mut w = [[_mm_setzero_si128(); 4]; WIDTH];
        for (part, key) in keys.iter().enumerate() {
            let key = load(key);
            for i in 0..WIDTH {
                let at = part % 4;
                w[i][at] = if part < 4 {
                    // SAFETY: `part` is below 4 and a block is 64 bytes long; the load needs no alignment.
                    let bytes = unsafe { _mm_loadu_si128(blocks[i].as_ptr().cast::<__m128i>().add(part)) };
                    _mm_shuffle_epi8(bytes, swap)
                } else {
                    let [v0, v1, v2, v3] = [w[i][at], w[i][(at + 1) % 4], w[i][(at + 2) % 4], w[i][(at + 3) % 4]];
                    let sum = _mm_add_epi32(_mm_sha256msg1_epu32(v0, v1), _mm_alignr_epi8::<4>(v3, v2));
                    _mm_sha256msg2_epu32(sum, v3)
                };
                let keyed = _mm_add_epi32(w[i][at], key);
                cdgh[i] = _mm_sha256rnds2_epu32(cdgh[i], abef[i], keyed);
                abef[i] = _mm_sha256rnds2_epu32(abef[i], cdgh[i], _mm_shuffle_epi32::<0x0e>(keyed));
            }
        }
        for i in 0..WIDTH {
            abef[i] = _mm_add_epi32(abef[i], before_abef[i]);
            cdgh[i] = _mm_add_epi32(cdgh[i], before_cdgh[i]);
        }
    }
    for (i, state) in states.into_iter().enumerate() {
        let feba = _mm_shuffle_epi32::<0x1b>(abef[i]);
        let dchg = _mm_shuffle_epi32::<0xb1>(cdgh[i]);
        let (low, high) = state.split_at_mut(4);
        store(low, _mm_blend_epi16::<0xf0>(feba, dchg));
        store(high, _mm_alignr_epi8::<8>(dchg, feba));
    }
}

#[inline]
#[target_feature(enable = "sse2")]
fn load(words: &[u32]) -> __m128i {
    assert!(words.len() == 4);
    // SAFETY: four words are 16 bytes; the load needs no alignment.
    unsafe { _mm_loadu_si128(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "sse2")]
fn store(words: &mut [u32], value: __m128i) {
    assert!(words.len() == 4);
    // SAFETY: four words are 16 bytes; the store needs no alignment.
    unsafe { _mm_storeu_si128(words.as_mut_ptr().cast(), value) };
}
