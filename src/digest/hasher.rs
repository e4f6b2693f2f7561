//! One streaming hasher for any set of algorithms.

use super::algorithm::{Algorithm, Digest, Digests};
use crate::error::Error;
use sha2::Digest as _;

/// Hashes a stream with several algorithms at once.
///
/// ```
/// use mverify::digest::{Algorithm, Hasher};
/// let mut hasher = Hasher::new(&[Algorithm::Sha256, Algorithm::Blake3], None)?;
/// hasher.update(b"hello ");
/// hasher.update(b"world");
/// let digests = hasher.finish();
/// let sha256 = digests.get(Algorithm::Sha256).map(|digest| digest.to_string());
/// assert_eq!(sha256.as_deref(), Some("b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"));
/// # Ok::<(), mverify::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Hasher {
    states: Vec<State>,
    declared: Option<u64>,
    seen: u64,
}

#[derive(Clone, Debug)]
enum State {
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
    Blake3(Box<blake3::Hasher>),
    Blake2b512(Box<blake2::Blake2b512>),
    Sha1Git(sha1::Sha1),
    Md5(md5::Md5),
}

impl Hasher {
    /// A hasher for `algorithms`; repeats do no harm. [`Algorithm::Sha1Git`] starts with the length, so it needs to know
    /// it: without a `length` this fails with [`Error::Usage`].
    pub fn new(algorithms: &[Algorithm], length: Option<u64>) -> Result<Hasher, Error> {
        let mut wanted = algorithms.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        let states = wanted.into_iter().map(|algorithm| State::new(algorithm, length)).collect::<Result<_, _>>()?;
        Ok(Hasher { states, declared: length, seen: 0 })
    }

    /// Takes the next bytes of the stream.
    pub fn update(&mut self, bytes: &[u8]) {
        self.seen = self.seen.saturating_add(bytes.len() as u64);
        self.states.iter_mut().for_each(|state| state.update(bytes));
    }

    /// As [`Hasher::update`], on all threads of the pool that the current thread belongs to: an algorithm per thread,
    /// BLAKE3 on all that are idle.
    #[cfg(feature = "parallel")]
    pub(super) fn update_parallel(&mut self, bytes: &[u8]) {
        use rayon::iter::{IntoParallelRefMutIterator, ParallelIterator};
        self.seen = self.seen.saturating_add(bytes.len() as u64);
        match self.states.as_mut_slice() {
            [one] => one.update_parallel(bytes),
            states => states.par_iter_mut().for_each(|state| state.update_parallel(bytes)),
        }
    }

    /// The digests. That of [`Algorithm::Sha1Git`] is missing if the stream did not have the length that was declared.
    pub fn finish(self) -> Digests {
        let honest = self.declared.is_none_or(|length| length == self.seen);
        self.states
            .into_iter()
            .filter(|state| honest || !matches!(state, State::Sha1Git(_)))
            .filter_map(State::finish)
            .collect()
    }
}

impl State {
    fn new(algorithm: Algorithm, length: Option<u64>) -> Result<State, Error> {
        Ok(match algorithm {
            Algorithm::Sha256 => State::Sha256(sha2::Sha256::new()),
            Algorithm::Sha512 => State::Sha512(sha2::Sha512::new()),
            Algorithm::Blake3 => State::Blake3(Box::default()),
            Algorithm::Blake2b512 => State::Blake2b512(Box::new(blake2::Blake2b512::new())),
            Algorithm::Sha1Git => {
                let length = length.ok_or_else(|| {
                    Error::Usage("sha1-git needs the length of the stream before its first byte".to_owned())
                })?;
                let mut sha1 = sha1::Sha1::new();
                sha1.update(format!("blob {length}\0"));
                State::Sha1Git(sha1)
            }
            Algorithm::Md5 => State::Md5(md5::Md5::new()),
        })
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            State::Sha256(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
            State::Blake3(state) => {
                state.update(bytes);
            }
            State::Blake2b512(state) => state.update(bytes),
            State::Sha1Git(state) => state.update(bytes),
            State::Md5(state) => state.update(bytes),
        }
    }

    #[cfg(feature = "parallel")]
    fn update_parallel(&mut self, bytes: &[u8]) {
        match self {
            // Below this the tree is too small to be shared out.
            State::Blake3(state) if bytes.len() >= 128 << 10 => {
                state.update_rayon(bytes);
            }
            other => other.update(bytes),
        }
    }

    fn finish(self) -> Option<(Algorithm, Digest)> {
        Some(match self {
            State::Sha256(state) => (Algorithm::Sha256, Digest::new(&state.finalize())?),
            State::Sha512(state) => (Algorithm::Sha512, Digest::new(&state.finalize())?),
            State::Blake3(state) => (Algorithm::Blake3, Digest::new(state.finalize().as_bytes())?),
            State::Blake2b512(state) => (Algorithm::Blake2b512, Digest::new(&state.finalize())?),
            State::Sha1Git(state) => (Algorithm::Sha1Git, Digest::new(&state.finalize())?),
            State::Md5(state) => (Algorithm::Md5, Digest::new(&state.finalize())?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8], pieces: usize) -> Digests {
        let mut hasher = Hasher::new(&Algorithm::ALL, Some(bytes.len() as u64)).unwrap();
        bytes.chunks(pieces).for_each(|piece| hasher.update(piece));
        hasher.finish()
    }

    #[test]
    fn known_answers() {
        // From FIPS 180-4, RFC 1321, RFC 7693, the BLAKE3 paper's test vectors, and `git hash-object`.
        let abc = all(b"abc", 1);
        let empty = all(b"", 1);
        for (digests, algorithm, expected) in [
            (&abc, Algorithm::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                &abc,
                Algorithm::Sha512,
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
            (
                &abc,
                Algorithm::Blake2b512,
                "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
            ),
            (&abc, Algorithm::Md5, "900150983cd24fb0d6963f7d28e17f72"),
            (&empty, Algorithm::Blake3, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"),
            (&empty, Algorithm::Sha1Git, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"),
            (&empty, Algorithm::Sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ] {
            assert_eq!(digests.get(algorithm).unwrap().to_string(), expected, "{algorithm}");
        }
    }

    #[test]
    fn pieces_do_not_matter() {
        let bytes: Vec<u8> = (0..300_000u32).map(|i| (i * 7 + i / 251) as u8).collect();
        let whole = all(&bytes, usize::MAX);
        assert_eq!(whole.iter().count(), Algorithm::ALL.len());
        for pieces in [1, 63, 64, 65, 1024, 131_072] {
            assert_eq!(all(&bytes, pieces), whole);
        }
        for (algorithm, digest) in whole.iter() {
            assert_eq!(digest.as_bytes().len(), algorithm.size());
        }
    }

    #[test]
    fn git_needs_the_length_and_checks_it() {
        assert!(matches!(Hasher::new(&[Algorithm::Sha1Git], None), Err(Error::Usage(_))));
        let mut hasher = Hasher::new(&[Algorithm::Sha1Git, Algorithm::Md5], Some(4)).unwrap();
        hasher.update(b"abc");
        let digests = hasher.finish();
        assert!(digests.get(Algorithm::Sha1Git).is_none() && digests.get(Algorithm::Md5).is_some());
    }
}
