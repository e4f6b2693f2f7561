//! SHA-256 of many streams in one thread.
//!
//! One stream is bound by the latency of its own rounds, however wide the processor is. Streams are independent of each
//! other, so several go side by side: sixteen in the lanes of AVX-512, two interleaved on the SHA extensions. What a
//! stream has alone (its last block with the padding, a rest below a block) goes through the `sha2` crate.
//!
//! Threat: a kernel that is wrong on some processor, or that swaps lanes, would call good files bad and bad ones good.
//! So each kernel must pass a known-answer test before its first use, property tests compare every lane with `sha2`, and
//! a caller that finds a mismatch computes the digest again on the plain path before it says so
//! ([`confirmed`](super::confirmed)). Tests force each path with `Kernels::forced`, whatever machine they run on.

#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod shani;

use sha2::block_api::compress256;
use std::sync::OnceLock;

/// Most streams that can go side by side.
pub(super) const MOST: usize = 16;

/// From so many streams on, sixteen lanes that are not all in use are still faster than pairs.
#[cfg(target_arch = "x86_64")]
const WIDE_FROM: usize = 10;

type State = [u32; 8];
type Block = [u8; 64];

/// The first 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4, section 4.2.2).
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const K: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];

/// The same of the square roots of the first eight primes (section 5.3.3).
#[rustfmt::skip]
const START: State = [
    0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
];

/// Which kernels may be used besides the plain one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kernels {
    wide: bool,
    pair: bool,
    /// A defect: the results of these two lanes are swapped.
    #[cfg(test)]
    swapped: Option<(usize, usize)>,
}

#[cfg(test)]
thread_local! {
    static FORCED: std::cell::Cell<Option<Kernels>> = const { std::cell::Cell::new(None) };
}

impl Kernels {
    /// Those that this processor has and that compute the known answer. Found out once.
    pub(super) fn detected() -> Kernels {
        #[cfg(test)]
        if let Some(forced) = FORCED.get() {
            return forced;
        }
        static DETECTED: OnceLock<Kernels> = OnceLock::new();
        *DETECTED.get_or_init(|| {
            let here = Kernels::available();
            let wide = here.wide && Kernels::new(true, false).is_right();
            let pair = here.pair && Kernels::new(false, true).is_right();
            Kernels::new(wide, pair)
        })
    }

    fn new(wide: bool, pair: bool) -> Kernels {
        Kernels {
            wide,
            pair,
            #[cfg(test)]
            swapped: None,
        }
    }

    fn available() -> Kernels {
        #[cfg(target_arch = "x86_64")]
        return Kernels::new(avx512::available(), shani::available());
        #[cfg(not(target_arch = "x86_64"))]
        return Kernels::new(false, false);
    }

    /// Every path that this machine can take.
    #[cfg(test)]
    pub(super) fn paths() -> Vec<Kernels> {
        let here = Kernels::available();
        let all = [(false, false), (false, true), (true, false), (true, true)];
        let possible = all.into_iter().filter(|(wide, pair)| (!wide || here.wide) && (!pair || here.pair));
        possible.map(|(wide, pair)| Kernels::new(wide, pair)).collect()
    }

    /// These kernels, with two lanes swapped.
    #[cfg(test)]
    pub(crate) fn with_swapped(self, one: usize, other: usize) -> Kernels {
        Kernels { swapped: Some((one, other)), ..self }
    }

    /// Runs something in which [`Kernels::detected`] says this, as far as it is asked on the current thread.
    #[cfg(test)]
    pub(crate) fn forced<T>(self, run: impl FnOnce() -> T) -> T {
        let before = FORCED.replace(Some(self));
        let result = run();
        FORCED.set(before);
        result
    }

    /// True if there is any reason to hash several streams side by side.
    pub(super) fn any(self) -> bool {
        self.wide || self.pair
    }

    /// The known-answer test: sixteen messages of 119 bytes (a whole block and the longest rest), byte `j` of message
    /// `i` being `17i + 29j + 3`; the digest of all their digests is known.
    fn is_right(self) -> bool {
        const ANSWER: [u8; 32] = [
            0x79, 0xfa, 0x26, 0xf0, 0x4a, 0x0f, 0x88, 0x7a, 0xaa, 0x88, 0x51, 0xc3, 0x1d, 0x9d, 0xd1, 0x6e, 0x40, 0xf0,
            0xea, 0xb7, 0x73, 0xad, 0x39, 0x04, 0x1d, 0x5b, 0xef, 0x00, 0xd0, 0x53, 0x8b, 0x8c,
        ];
        let messages: Vec<Vec<u8>> = (0..MOST as u8)
            .map(|i| (0..119u8).map(|j| i.wrapping_mul(17).wrapping_add(j.wrapping_mul(29)).wrapping_add(3)).collect())
            .collect();
        let slices: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        let mut all = Stream::new();
        digests(self, &slices).iter().for_each(|digest| all.absorb(digest));
        all.finish() == ANSWER
    }
}

/// SHA-256 of one stream in progress.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    state: State,
    /// Bytes so far.
    len: u64,
    /// The bytes behind the last whole block, in front.
    rest: Block,
    held: usize,
}

impl Stream {
    pub(super) fn new() -> Stream {
        Stream { state: START, len: 0, rest: [0; 64], held: 0 }
    }

    /// Bytes that are missing to a whole block; 0 if the stream can go on in a lane.
    pub(super) fn missing(&self) -> usize {
        if self.held == 0 { 0 } else { 64 - self.held }
    }

    /// Takes any bytes, on the plain path.
    pub(super) fn absorb(&mut self, bytes: &[u8]) {
        self.len = self.len.wrapping_add(bytes.len() as u64);
        let (first, bytes) = bytes.split_at(self.missing().min(bytes.len()));
        self.hold(first);
        let (blocks, rest) = bytes.as_chunks::<64>();
        compress256(&mut self.state, blocks);
        self.hold(rest);
    }

    /// Puts less than a block, or what is missing to one, behind the last block.
    fn hold(&mut self, bytes: &[u8]) {
        for (slot, byte) in self.rest.iter_mut().skip(self.held).zip(bytes) {
            *slot = *byte;
        }
        self.held += bytes.len();
        if self.held == 64 {
            compress256(&mut self.state, &[self.rest]);
            self.held = 0;
        }
    }

    /// The digest.
    pub(super) fn finish(mut self) -> [u8; 32] {
        let bits = self.len.wrapping_mul(8).to_be_bytes();
        let zeros = if self.held < 56 { 55 - self.held } else { 119 - self.held };
        let mut padding = [0; 128];
        padding[0] = 0x80;
        padding[1 + zeros..9 + zeros].copy_from_slice(&bits);
        self.absorb(&padding[..9 + zeros]);
        let mut digest = [0; 32];
        for (bytes, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(self.state) {
            *bytes = word.to_be_bytes();
        }
        digest
    }
}

/// A stream that is between blocks, and its next blocks.
#[derive(Debug)]
pub(super) struct Lane<'a> {
    pub(super) stream: &'a mut Stream,
    /// At least one.
    pub(super) blocks: &'a [Block],
    /// How many of the blocks were taken.
    pub(super) taken: usize,
}

impl<'a> Lane<'a> {
    /// A lane for a stream that is missing nothing.
    pub(super) fn new(stream: &'a mut Stream, blocks: &'a [Block]) -> Lane<'a> {
        Lane { stream, blocks, taken: 0 }
    }

    fn advance_alone(&mut self) {
        compress256(&mut self.stream.state, self.blocks);
        self.took(self.blocks.len());
    }

    fn took(&mut self, count: usize) {
        self.taken = count;
        self.stream.len = self.stream.len.wrapping_add(64 * count as u64);
    }
}

/// Moves every lane on, by as many blocks as suits: at least one, and all of at least one lane. At most [`MOST`] lanes.
pub(super) fn advance(kernels: Kernels, lanes: &mut [Lane<'_>]) {
    advance_right(kernels, lanes);
    #[cfg(test)]
    if let Some((one, other)) = kernels.swapped
        && let Ok([one, other]) = lanes.get_disjoint_mut([one, other])
    {
        std::mem::swap(&mut one.stream.state, &mut other.stream.state);
    }
}

fn advance_right(kernels: Kernels, lanes: &mut [Lane<'_>]) {
    #[cfg(not(target_arch = "x86_64"))]
    let _ = kernels;
    #[cfg(target_arch = "x86_64")]
    if kernels.wide && lanes.len() >= WIDE_FROM && lanes.len() <= avx512::WIDTH {
        return advance_wide(lanes);
    }
    let mut left = lanes;
    while !left.is_empty() {
        let width = if left.len() == 3 { 3 } else { left.len().min(2) };
        let (now, later) = left.split_at_mut(width);
        match now {
            #[cfg(target_arch = "x86_64")]
            [one, two] if kernels.pair => advance_interleaved([one, two]),
            #[cfg(target_arch = "x86_64")]
            [one, two, three] if kernels.pair => advance_interleaved([one, two, three]),
            other => other.iter_mut().for_each(Lane::advance_alone),
        }
        left = later;
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
fn advance_wide(lanes: &mut [Lane<'_>]) {
    let count = lanes.iter().map(|lane| lane.blocks.len()).min().unwrap_or(0);
    // A lane without a stream works on the blocks of the first one, for nothing.
    let idle = lanes.first().map_or(&[][..], |lane| lane.blocks);
    let mut states = [START; avx512::WIDTH];
    let mut data = [idle; avx512::WIDTH];
    for (lane, (state, blocks)) in lanes.iter().zip(states.iter_mut().zip(&mut data)) {
        (*state, *blocks) = (lane.stream.state, lane.blocks);
    }
    // SAFETY: `Kernels::wide` is set only where the instructions are available.
    unsafe { avx512::compress(&mut states, &data, count) };
    for (lane, state) in lanes.iter_mut().zip(states) {
        lane.stream.state = state;
        lane.took(count);
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
fn advance_interleaved<const WIDTH: usize>(mut lanes: [&mut Lane<'_>; WIDTH]) {
    let count = lanes.iter().map(|lane| lane.blocks.len()).min().unwrap_or(0);
    let blocks = lanes.each_ref().map(|lane| lane.blocks);
    let states = lanes.each_mut().map(|lane| &mut lane.stream.state);
    // SAFETY: `Kernels::pair` is set only where the instructions are available.
    unsafe { shani::compress(states, blocks, count) };
    lanes.into_iter().for_each(|lane| lane.took(count));
}

/// The digests of messages in memory, up to [`MOST`] side by side.
fn digests(kernels: Kernels, messages: &[&[u8]]) -> Vec<[u8; 32]> {
    let mut streams: Vec<(Stream, &[u8])> = messages.iter().map(|message| (Stream::new(), *message)).collect();
    loop {
        let ready = streams.iter_mut().filter(|(_, left)| left.len() >= 64).take(MOST);
        let (mut lanes, lefts): (Vec<Lane<'_>>, Vec<&mut &[u8]>) =
            ready.map(|(stream, left)| (Lane::new(stream, left.as_chunks().0), left)).unzip();
        if lanes.is_empty() {
            break;
        }
        advance(kernels, &mut lanes);
        for (lane, left) in lanes.iter().zip(lefts) {
            *left = left.get(64 * lane.taken..).unwrap_or_default();
        }
    }
    let finish = |(mut stream, left): (Stream, &[u8])| {
        stream.absorb(left);
        stream.finish()
    };
    streams.into_iter().map(finish).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sha2::Digest;

    fn message(seed: usize, len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 31 + i / 251 + seed * 97 + seed / 256) as u8).collect()
    }

    fn agrees(kernels: Kernels, messages: &[Vec<u8>]) {
        let slices: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        for (lane, (digest, message)) in digests(kernels, &slices).iter().zip(messages).enumerate() {
            assert_eq!(digest[..], sha2::Sha256::digest(message)[..], "{kernels:?}: lane {lane} of {}", messages.len());
        }
    }

    #[test]
    fn every_kernel_knows_the_answer() {
        for path in Kernels::paths() {
            assert!(path.is_right(), "{path:?}");
        }
        assert_eq!(Kernels::detected(), Kernels::available());
    }

    #[test]
    fn a_swapped_lane_is_noticed_by_the_known_answer() {
        for path in Kernels::paths() {
            for one in 0..MOST {
                for other in 0..one {
                    assert!(!path.with_swapped(one, other).is_right(), "{path:?}: {one} and {other}");
                }
            }
        }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code)]
    fn the_extensions_take_one_to_four_streams() {
        fn agrees<const WIDTH: usize>() {
            let messages: [Vec<u8>; WIDTH] = std::array::from_fn(|lane| message(lane, 64 * 9));
            let mut states = [START; WIDTH];
            // SAFETY: asked below.
            unsafe { shani::compress(states.each_mut(), messages.each_ref().map(|m| m.as_chunks().0), 7) };
            for (state, message) in states.into_iter().zip(&messages) {
                let mut plain = START;
                compress256(&mut plain, &message.as_chunks().0[..7]);
                assert_eq!(state, plain, "{WIDTH}");
            }
        }
        if shani::available() {
            [agrees::<1>, agrees::<2>, agrees::<3>, agrees::<4>].iter().for_each(|agrees| agrees());
        }
    }

    #[test]
    fn every_length_around_block_boundaries() {
        for path in Kernels::paths() {
            for base in (0..=5 * 64).step_by(MOST) {
                agrees(path, &(base..base + MOST).map(|len| message(len, len)).collect::<Vec<_>>());
                agrees(path, &(0..MOST).map(|lane| message(lane, base + 7)).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn every_number_of_lanes() {
        for path in Kernels::paths() {
            for count in 0..=2 * MOST + 1 {
                agrees(path, &(0..count).map(|lane| message(lane, 1000)).collect::<Vec<_>>());
                agrees(path, &(0..count).map(|lane| message(lane, 64 * (count - lane) + lane)).collect::<Vec<_>>());
            }
        }
    }

    proptest! {
        #[test]
        fn uneven_lengths(lens in proptest::collection::vec(0usize..3000, 0..40), seed in 0usize..1000) {
            for path in Kernels::paths() {
                agrees(path, &lens.iter().enumerate().map(|(i, len)| message(seed + i, *len)).collect::<Vec<_>>());
            }
        }

        #[test]
        fn pieces_do_not_matter(len in 0usize..500, cuts in proptest::collection::vec(0usize..500, 0..6)) {
            let message = message(1, len);
            let mut stream = Stream::new();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(len)).collect();
            cuts.sort_unstable();
            cuts.push(len);
            let mut at = 0;
            for cut in cuts {
                stream.absorb(&message[at..cut]);
                at = cut;
            }
            prop_assert_eq!(&stream.finish()[..], &sha2::Sha256::digest(&message)[..]);
        }
    }
}
