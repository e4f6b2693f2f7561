//! SHA-256 of sixteen streams at once: AVX-512, one 32-bit lane for each stream.
//!
//! Each step of FIPS 180-4 section 6.2.2 is done on vectors of sixteen words. Rotations and three-input logic are single
//! instructions there, so that one vector round costs little more than a scalar one. Throughput on the machine of
//! `docs/performance.md`: three times one stream through the SHA extensions.
#![allow(unsafe_code)]

use super::{Block, K, State};
use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_loadu_si512, _mm512_ror_epi32, _mm512_set1_epi32, _mm512_set4_epi32,
    _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_shuffle_i32x4, _mm512_srli_epi32, _mm512_storeu_si512,
    _mm512_ternarylogic_epi32, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32,
    _mm512_unpacklo_epi64,
};

/// Streams at once.
pub(super) const WIDTH: usize = 16;

/// True if this processor has the instructions.
pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")
}

/// Puts `count` blocks of each stream through its state. Every slice has at least `count` blocks.
///
/// # Safety
/// Only where [`available`] is true.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn compress(states: &mut [State; WIDTH], data: &[&[Block]; WIDTH], count: usize) {
    let mut rows = [[0u32; WIDTH]; 8];
    for (lane, state) in states.iter().enumerate() {
        for (row, word) in rows.iter_mut().zip(state) {
            row[lane] = *word;
        }
    }
    let mut state = [_mm512_setzero_si512(); 8];
    for (vector, row) in state.iter_mut().zip(&rows) {
        // SAFETY: a row is 64 bytes long; the load needs no alignment.
        *vector = unsafe { _mm512_loadu_si512(row.as_ptr().cast()) };
    }
    for number in 0..count {
        let mut words = [_mm512_setzero_si512(); 16];
        for (vector, blocks) in words.iter_mut().zip(data) {
            let block: &Block = &blocks[number];
            // SAFETY: a block is 64 bytes long; the load needs no alignment.
            *vector = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
        }
        rounds(&mut state, &mut transpose(words));
    }
    for (vector, row) in state.iter().zip(&mut rows) {
        // SAFETY: a row is 64 bytes long; the store needs no alignment.
        unsafe { _mm512_storeu_si512(row.as_mut_ptr().cast(), *vector) };
    }
    for (lane, state) in states.iter_mut().enumerate() {
        for (row, word) in rows.iter().zip(state) {
            *word = row[lane];
        }
    }
}

/// From a block per vector to a message word per vector, and from big-endian to the processor's order.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn transpose(blocks: [__m512i; 16]) -> [__m512i; 16] {
    let swap = _mm512_set4_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203);
    let mut pairs = [_mm512_setzero_si512(); 16];
    for i in 0..8 {
        let (a, b) = (_mm512_shuffle_epi8(blocks[2 * i], swap), _mm512_shuffle_epi8(blocks[2 * i + 1], swap));
        pairs[2 * i] = _mm512_unpacklo_epi32(a, b);
        pairs[2 * i + 1] = _mm512_unpackhi_epi32(a, b);
    }
    let mut fours = [_mm512_setzero_si512(); 16];
    for i in 0..4 {
        let [a, b, c, d] = [pairs[4 * i], pairs[4 * i + 1], pairs[4 * i + 2], pairs[4 * i + 3]];
        fours[4 * i] = _mm512_unpacklo_epi64(a, c);
        fours[4 * i + 1] = _mm512_unpackhi_epi64(a, c);
        fours[4 * i + 2] = _mm512_unpacklo_epi64(b, d);
        fours[4 * i + 3] = _mm512_unpackhi_epi64(b, d);
    }
    let mut words = [_mm512_setzero_si512(); 16];
    for i in 0..4 {
        let even = _mm512_shuffle_i32x4::<0x88>(fours[i], fours[4 + i]);
        let even_high = _mm512_shuffle_i32x4::<0x88>(fours[8 + i], fours[12 + i]);
        let odd = _mm512_shuffle_i32x4::<0xdd>(fours[i], fours[4 + i]);
        let odd_high = _mm512_shuffle_i32x4::<0xdd>(fours[8 + i], fours[12 + i]);
        words[i] = _mm512_shuffle_i32x4::<0x88>(even, even_high);
        words[4 + i] = _mm512_shuffle_i32x4::<0x88>(odd, odd_high);
        words[8 + i] = _mm512_shuffle_i32x4::<0xdd>(even, even_high);
        words[12 + i] = _mm512_shuffle_i32x4::<0xdd>(odd, odd_high);
    }
    words
}

/// The truth table of three-input XOR, of "choose" and of "majority" (bit 4a + 2b + c).
const XOR: i32 = 0x96;
const CHOOSE: i32 = 0xca;
const MAJORITY: i32 = 0xe8;

/// The 64 rounds of one block.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn rounds(state: &mut [__m512i; 8], w: &mut [__m512i; 16]) {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    // Written out with the names in turn, so that no value has to be moved.
    macro_rules! round {
        ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident, $i:expr, $k:expr) => {
            let big1 = _mm512_ternarylogic_epi32::<XOR>(
                _mm512_ror_epi32::<6>($e),
                _mm512_ror_epi32::<11>($e),
                _mm512_ror_epi32::<25>($e),
            );
            let big0 = _mm512_ternarylogic_epi32::<XOR>(
                _mm512_ror_epi32::<2>($a),
                _mm512_ror_epi32::<13>($a),
                _mm512_ror_epi32::<22>($a),
            );
            let choose = _mm512_ternarylogic_epi32::<CHOOSE>($e, $f, $g);
            let majority = _mm512_ternarylogic_epi32::<MAJORITY>($a, $b, $c);
            let keyed = _mm512_add_epi32($h, _mm512_add_epi32(w[$i], _mm512_set1_epi32($k.cast_signed())));
            let t1 = _mm512_add_epi32(_mm512_add_epi32(keyed, choose), big1);
            $d = _mm512_add_epi32($d, t1);
            $h = _mm512_add_epi32(t1, _mm512_add_epi32(big0, majority));
        };
    }
    macro_rules! eight {
        ($i:expr, $k:expr) => {
            round!(a b c d e f g h, $i, $k[$i]);
            round!(h a b c d e f g, $i + 1, $k[$i + 1]);
            round!(g h a b c d e f, $i + 2, $k[$i + 2]);
            round!(f g h a b c d e, $i + 3, $k[$i + 3]);
            round!(e f g h a b c d, $i + 4, $k[$i + 4]);
            round!(d e f g h a b c, $i + 5, $k[$i + 5]);
            round!(c d e f g h a b, $i + 6, $k[$i + 6]);
            round!(b c d e f g h a, $i + 7, $k[$i + 7]);
        };
    }
    let (keys, _) = K.as_chunks::<16>();
    for (part, k) in keys.iter().enumerate() {
        if part > 0 {
            for i in 0..16 {
                let (two, fifteen) = (w[(i + 14) % 16], w[(i + 1) % 16]);
                let small1 = _mm512_ternarylogic_epi32::<XOR>(
                    _mm512_ror_epi32::<17>(two),
                    _mm512_ror_epi32::<19>(two),
                    _mm512_srli_epi32::<10>(two),
                );
                let small0 = _mm512_ternarylogic_epi32::<XOR>(
                    _mm512_ror_epi32::<7>(fifteen),
                    _mm512_ror_epi32::<18>(fifteen),
                    _mm512_srli_epi32::<3>(fifteen),
                );
                let sum = _mm512_add_epi32(_mm512_add_epi32(w[i], w[(i + 9) % 16]), small0);
                w[i] = _mm512_add_epi32(sum, small1);
            }
        }
        eight!(0, k);
        eight!(8, k);
    }
    for (sum, value) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *sum = _mm512_add_epi32(*sum, value);
    }
}
