//! A stream that is verified while it comes in: a download, an object store, a browser. Nothing here opens a file, maps or
//! makes a thread, so it is what remains of the library everywhere (`--no-default-features`).
//!
//! A stream proves which bytes they are, not what they do: [`crate::Verifier::verify_bytes`] looks into bytes that were
//! kept, [`crate::Verifier::open_verified`] into a file they were written to.
//!
//! Bound: constant memory, unless the bytes are kept. Threats: a body that never ends (refused at the first byte too many),
//! one that ends early, an error page in place of weights, and bytes that are used before the end was proven.

use crate::budget::Limits;
use crate::digest::{Algorithm, Digest, Digests, Hasher};
use crate::error::Error;
use crate::manifest::lock::Entry;
use std::io::{self, Write};

/// Verifies bytes chunk by chunk.
///
/// ```
/// use mverify::digest::{Algorithm, Digest};
/// use mverify::stream::{Stream, StreamError};
/// let expected = Digest::from_hex(b"b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9").unwrap();
/// let mut stream = Stream::expecting(&[(Algorithm::Sha256, expected)])?.size(11).keep();
/// for chunk in ["hello ", "world"] {
///     stream.update(chunk.as_bytes())?;
/// }
/// let verified = stream.finish()?;
/// assert_eq!(verified.bytes.as_deref(), Some(&b"hello world"[..]));
///
/// let mut stream = Stream::expecting(&[(Algorithm::Sha256, expected)])?;
/// stream.update(b"<html>404</html>")?;
/// assert!(matches!(stream.finish(), Err(StreamError::Differs { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Stream {
    hasher: Hasher,
    expected: Vec<(Algorithm, Digest)>,
    size: Option<u64>,
    limits: Limits,
    seen: u64,
    kept: Option<Vec<u8>>,
    failed: Option<StreamError>,
}

/// A stream that is what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Its length in bytes.
    pub len: u64,
    /// The digests that were compared.
    pub digests: Digests,
    /// The bytes, where they were kept.
    pub bytes: Option<Vec<u8>>,
}

/// Why a stream is not what was expected. Once one was given, the stream gives it again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// Proven bad: the bytes are others.
    #[error("the {algorithm} is {found}, expected was {expected}")]
    Differs {
        /// By which digest.
        algorithm: Algorithm,
        /// The digest that was expected.
        expected: Box<Digest>,
        /// The digest of what came.
        found: Box<Digest>,
    },
    /// Proven bad: more bytes came than were expected.
    #[error("more than the expected {expected} bytes came")]
    Longer {
        /// Bytes that were expected.
        expected: u64,
    },
    /// Not proven: the stream ended early. It can be fetched again.
    #[error("it ended after {len} of {expected} bytes")]
    Shorter {
        /// Bytes that came.
        len: u64,
        /// Bytes that were expected.
        expected: u64,
    },
    /// Not proven: more bytes came than a limit allows.
    #[error("over the limit {name} ({limit} bytes)")]
    Limit {
        /// The name of the limit, in [`Limits`].
        name: &'static str,
        /// The limit.
        limit: u64,
    },
    /// Not proven: the bytes that are to be kept do not fit into memory.
    #[error("there is no memory for them")]
    Memory,
}

impl Stream {
    /// A stream that must have all of these digests.
    ///
    /// # Errors
    /// [`Error::Usage`] where no digest would prove anything: none was given, only weak ones (md5, sha1-git), or one that
    /// has another length than its algorithm's.
    pub fn expecting(digests: &[(Algorithm, Digest)]) -> Result<Stream, Error> {
        if digests.iter().all(|(algorithm, _)| algorithm.is_weak()) {
            let message = "a stream needs a digest to compare with that proves something, as sha256 or blake3";
            return Err(Error::Usage(message.to_owned()));
        }
        if let Some((algorithm, digest)) = digests.iter().find(|(a, digest)| digest.as_bytes().len() != a.size()) {
            return Err(Error::Usage(format!("{digest} is no {algorithm}, which has {} bytes", algorithm.size())));
        }
        let digests: Vec<_> = digests.iter().copied().filter(|(algorithm, _)| !algorithm.is_weak()).collect();
        let algorithms: Vec<Algorithm> = digests.iter().map(|(algorithm, _)| *algorithm).collect();
        Ok(Stream {
            hasher: Hasher::new(&algorithms, None)?,
            expected: digests,
            size: None,
            limits: Limits::default(),
            seen: 0,
            kept: None,
            failed: None,
        })
    }

    /// A stream of what a lock lists: its size and SHA-256.
    ///
    /// # Errors
    /// None that a parsed lock could give.
    pub fn of(entry: &Entry) -> Result<Stream, Error> {
        Ok(Stream::expecting(&[(Algorithm::Sha256, entry.sha256)])?.size(entry.size))
    }

    /// Also expects exactly so many bytes, so that a stream that is longer ends at once.
    #[must_use]
    pub fn size(mut self, bytes: u64) -> Stream {
        self.size = Some(bytes);
        self
    }

    /// Upper bounds: `max_file_bytes` for the stream and, where the bytes are kept and no size is expected,
    /// `max_header_bytes`.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Stream {
        self.limits = limits;
        self
    }

    /// Keeps the bytes in memory, and gives them out when they are proven ([`Verified::bytes`]).
    #[must_use]
    pub fn keep(mut self) -> Stream {
        self.kept = Some(Vec::new());
        self
    }

    /// Takes the next bytes. They are not proven before [`Stream::finish`] says so.
    ///
    /// # Errors
    /// [`StreamError`] as soon as the stream cannot become what was expected.
    pub fn update(&mut self, chunk: &[u8]) -> Result<(), StreamError> {
        let taken = self.take(chunk);
        if let Err(error) = &taken {
            self.failed = Some(error.clone());
            self.kept = None;
        }
        taken
    }

    fn take(&mut self, chunk: &[u8]) -> Result<(), StreamError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let seen = self.seen.saturating_add(chunk.len() as u64);
        if let Some(expected) = self.size.filter(|size| seen > *size) {
            return Err(StreamError::Longer { expected });
        }
        let in_memory = self.kept.is_some() && self.size.is_none();
        let Limits { max_file_bytes, max_header_bytes, .. } = self.limits;
        for (name, limit, holds) in
            [("max_file_bytes", max_file_bytes, true), ("max_header_bytes", max_header_bytes, in_memory)]
        {
            if holds && seen > limit {
                return Err(StreamError::Limit { name, limit });
            }
        }
        if let Some(kept) = &mut self.kept {
            kept.try_reserve(chunk.len()).map_err(|_| StreamError::Memory)?;
            kept.extend_from_slice(chunk);
        }
        self.hasher.update(chunk);
        self.seen = seen;
        Ok(())
    }

    /// Bytes taken so far.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The end of the stream.
    ///
    /// # Errors
    /// [`StreamError`] unless the stream is exactly what was expected.
    pub fn finish(self) -> Result<Verified, StreamError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let len = self.seen;
        if let Some(expected) = self.size.filter(|size| len < *size) {
            return Err(StreamError::Shorter { len, expected });
        }
        let digests = self.hasher.finish();
        for (algorithm, expected) in self.expected {
            match digests.get(algorithm) {
                Some(found) if found == expected => {}
                Some(found) => {
                    let (expected, found) = (Box::new(expected), Box::new(found));
                    return Err(StreamError::Differs { algorithm, expected, found });
                }
                // every algorithm that is expected was computed
                None => return Err(StreamError::Memory),
            }
        }
        Ok(Verified { len, digests, bytes: self.kept })
    }
}

/// So that `io::copy` can fill it. An error of the stream travels inside the [`io::Error`].
impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.update(buf).map_err(io::Error::other)?;
        Ok(buf.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha256(bytes: &[u8]) -> (Algorithm, Digest) {
        let mut hasher = Hasher::new(&[Algorithm::Sha256], None).unwrap();
        hasher.update(bytes);
        (Algorithm::Sha256, hasher.finish().get(Algorithm::Sha256).unwrap())
    }

    fn run(mut stream: Stream, bytes: &[u8], chunk: usize) -> Result<Verified, StreamError> {
        for chunk in bytes.chunks(chunk) {
            let _ = stream.update(chunk); // who ignores the error gets it at the end
        }
        stream.finish()
    }

    #[test]
    fn chunks_make_no_difference_and_every_other_stream_fails() {
        let bytes: Vec<u8> = (0..10_000u32).map(|i| (i * 7 + i / 251) as u8).collect();
        let stream = || Stream::expecting(&[sha256(&bytes)]).unwrap();
        for chunk in [1, 999, 10_000] {
            let verified = run(stream().size(10_000).keep(), &bytes, chunk).unwrap();
            assert_eq!((verified.len, verified.bytes.as_deref()), (10_000, Some(&bytes[..])));
            assert_eq!(run(stream(), &bytes, chunk).unwrap().bytes, None);
            let mut other = bytes.clone();
            other[5000] ^= 1;
            assert!(matches!(run(stream(), &other, chunk), Err(StreamError::Differs { .. })));
            let short = run(stream().size(10_000), &bytes[1..], chunk);
            assert_eq!(short, Err(StreamError::Shorter { len: 9_999, expected: 10_000 }));
            other.push(0);
            assert_eq!(run(stream().size(10_000), &other, chunk), Err(StreamError::Longer { expected: 10_000 }));
        }
        assert!(matches!(stream().finish(), Err(StreamError::Differs { .. })), "nothing came");
    }

    #[test]
    fn limits_hold_and_an_error_stays() {
        let small = Limits { max_file_bytes: 10, max_header_bytes: 5, ..Limits::default() };
        let stream = || Stream::expecting(&[sha256(b"0123456789")]).unwrap().limits(small.clone());
        assert!(run(stream(), b"0123456789", 3).is_ok());
        assert!(run(stream().size(10).keep(), b"0123456789", 3).is_ok(), "the size bounds what is kept");
        let limit = StreamError::Limit { name: "max_header_bytes", limit: 5 };
        assert_eq!(run(stream().keep(), b"0123456789", 3), Err(limit));
        let mut over = stream();
        let limit = Err(StreamError::Limit { name: "max_file_bytes", limit: 10 });
        assert_eq!(over.update(b"0123456789x"), limit);
        assert_eq!(over.update(b"0123456789"), limit);
        assert!(over.finish().is_err());
    }

    #[test]
    fn a_comparison_that_proves_nothing_is_refused() {
        assert!(Stream::expecting(&[]).is_err());
        let md5 = Digest::new(&[0; 16]).unwrap();
        assert!(Stream::expecting(&[(Algorithm::Md5, md5)]).is_err());
        assert!(Stream::expecting(&[(Algorithm::Sha256, md5)]).is_err());
    }

    #[test]
    fn every_digest_must_match() {
        let other = (Algorithm::Blake3, sha256(b"x").1);
        let stream = Stream::expecting(&[sha256(b"x"), other]).unwrap();
        assert!(matches!(run(stream, b"x", 1), Err(StreamError::Differs { algorithm: Algorithm::Blake3, .. })));
    }

    #[test]
    fn it_can_be_copied_into() {
        let mut stream = Stream::expecting(&[sha256(b"abc")]).unwrap();
        io::copy(&mut &b"abc"[..], &mut stream).unwrap();
        assert_eq!((stream.seen(), stream.finish().unwrap().len), (3, 3));
    }
}
