//! Digests through compression: of a stored file, of what comes out of it, and of the files of a tar archive in there, all
//! from one read.
//!
//! Threat: bombs, and archives that two readers unpack differently: whatever could be read in two ways is an error or a
//! problem, so no digest stands for content that another tool would not get. Bound: linear in the stored plus the
//! decompressed bytes; memory is the window of the decompressor, one block, and 16 bytes per name (`max_entries`).

mod members;

use crate::budget::{Budget, Spent};
use crate::container::stream::{self, Fault, Progress};
use crate::digest::{Algorithm, Digests, Hasher};
use crate::error::Error;
use crate::format::detect::Codec;
use crate::source::{ReadAt, View, Window};
use members::Members;
use std::io;
use std::sync::{Mutex, PoisonError};

/// Bytes read at a time.
const BLOCK: usize = 1 << 16;

/// What lies around the content: a compressed stream, a tar archive, or a tar archive in a compressed stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layers {
    codec: Option<Codec>,
    tar: bool,
}

/// A file of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name as the archive has it. Any bytes but NUL.
    pub name: Vec<u8>,
    /// Its size in bytes.
    pub size: u64,
    /// Its digests.
    pub digests: Digests,
}

/// What was found.
#[derive(Debug)]
pub struct Found {
    /// Digests of the stored bytes.
    pub stored: Digests,
    /// What is behind the layers, or why that was not read to its end: never [`Failure::Io`].
    pub inside: Result<Inside, Failure>,
}

/// What was found behind the layers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inside {
    /// Size and digests of the decompressed bytes, where there is compression.
    pub inner: Option<(u64, Digests)>,
    /// What keeps the digests from speaking of everything: links, members that stand there twice, unsafe names.
    pub problems: Vec<String>,
}

/// Why there are no digests.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// A limit was reached.
    #[error("it is over the limit {limit}; if you trust the source, raise it and run again")]
    Limit {
        /// The name of the limit.
        limit: &'static str,
    },
    /// The content is not what the layers say, or is cut off.
    #[error("{what} (at byte {at}); fetch the file again")]
    Broken {
        /// Offset in the stored bytes, or in the archive.
        at: u64,
        /// What is wrong.
        what: String,
    },
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Layers {
    /// The layers with these names, outermost first: one of gzip, zlib, bzip2, xz, lzma, lz4 and zstd, or tar, or such a
    /// one and then tar.
    ///
    /// # Errors
    /// [`Error::Usage`] for anything else.
    pub fn parse<S: AsRef<str>>(names: &[S]) -> Result<Layers, Error> {
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        let (codec, tar) = match names.as_slice() {
            ["tar"] => (None, true),
            [codec] => (Some(*codec), false),
            [codec, "tar"] => (Some(*codec), true),
            _ => return Err(Error::Usage("expected one kind of compression, or tar, or one and then tar".to_owned())),
        };
        let codec = codec.map(|name| {
            STREAMS.iter().find(|(_, known, _)| *known == name).map(|(codec, ..)| *codec).ok_or_else(|| {
                let known: Vec<&str> = STREAMS.iter().map(|(_, name, _)| *name).collect();
                Error::Usage(format!("there is no layer {name}; known are {} and tar", known.join(", ")))
            })
        });
        Ok(Layers { codec: codec.transpose()?, tar })
    }

    /// The name that decompression gives a file: without the suffix, as `gzip -d` and its like do. Where the suffix is
    /// unusual, the name with `!` and the kind of compression. `None` where there is no compression.
    pub fn inner_name(self, name: &[u8]) -> Option<Vec<u8>> {
        let (_, kind, suffixes) = STREAMS.iter().find(|(codec, ..)| Some(*codec) == self.codec)?;
        for (suffix, instead) in *suffixes {
            if let Some(stem) = name.strip_suffix(suffix.as_bytes()).filter(|stem| !matches!(stem, [] | [.., b'/'])) {
                return Some([stem, instead.as_bytes()].concat());
            }
        }
        Some([name, b"!", kind.as_bytes()].concat())
    }
}

type Suffixes = &'static [(&'static str, &'static str)];

/// Kinds of compression: how they are called, their suffixes, and what stands in place of these afterwards.
static STREAMS: &[(Codec, &str, Suffixes)] = &[
    (Codec::Gzip, "gzip", &[(".tgz", ".tar"), (".gz", "")]),
    (Codec::Zlib, "zlib", &[(".zlib", ""), (".z", "")]),
    (Codec::Bzip2, "bzip2", &[(".tbz2", ".tar"), (".bz2", "")]),
    (Codec::Xz, "xz", &[(".txz", ".tar"), (".xz", "")]),
    (Codec::Lzma, "lzma", &[(".lzma", "")]),
    (Codec::Lz4, "lz4", &[(".lz4", "")]),
    (Codec::Zstd, "zstd", &[(".tzst", ".tar"), (".zst", ""), (".zstd", "")]),
];

/// Reads `source` once and hashes it, what is in it, and each file of an archive in there, which `member` is handed as soon
/// as it is complete. An error of `member` ends it.
///
/// Where the inside fails, the stored bytes are hashed to their end all the same. Members that were handed out before are
/// true, and say nothing about the rest.
///
/// # Errors
/// [`Failure`] where the stored bytes could not be read to their end.
pub fn through(
    source: &dyn ReadAt,
    layers: Layers,
    algorithms: &[Algorithm],
    budget: &mut Budget,
    member: &mut dyn FnMut(Member) -> io::Result<()>,
) -> Result<Found, Failure> {
    let hasher = || Hasher::new(algorithms, None).map_err(|error| Failure::Io(io::Error::other(error.to_string())));
    let reader = Hashing {
        source,
        hashed: Mutex::new((0, Hasher::new(algorithms, Some(source.len())).map_err(io::Error::other)?)),
    };
    let view = View::new(&reader);
    let mut members = layers.tar.then(|| Members::new(algorithms, budget.limits().max_entries, member));
    let mut inner = layers.codec.map(|_| hasher()).transpose()?;
    let (mut size, mut refused) = (0u64, None);
    let mut take = |part: &[u8]| {
        size = size.saturating_add(part.len() as u64);
        if let Some(inner) = &mut inner {
            inner.update(part);
        }
        members.as_mut().map_or(Ok(()), |members| members.take(part)).map_err(|failure| {
            refused = Some(failure);
            Fault::Broken(io::ErrorKind::InvalidData.into())
        })
    };
    let mut progress = Progress::default();
    let result = match layers.codec {
        Some(codec) => stream::decode(&view, codec, &mut progress, budget, &mut take),
        None => plain(&view, budget, &mut take),
    };
    let inside = match refused {
        Some(refused) => Err(refused),
        None => ended(result, progress).and_then(|()| {
            let problems = members.map(Members::finish).transpose()?.unwrap_or_default();
            Ok(Inside { inner: inner.map(|inner| (size, inner.finish())), problems })
        }),
    };
    if let Err(Failure::Io(error)) = inside {
        return Err(error.into());
    }
    // a read that failed inside the decoder fails here again, and then it is no broken stream
    reader.rest(budget)?;
    source.settle()?;
    let (_, stored) = reader.hashed.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Found { stored: stored.finish(), inside })
}

/// How decoding ended.
fn ended(result: Result<(), Fault>, progress: Progress) -> Result<(), Failure> {
    match result {
        Ok(()) => match progress.trailing {
            None => Ok(()),
            Some(at) => Err(Failure::Broken { at, what: "other bytes follow the stream".to_owned() }),
        },
        Err(Fault::Spent(Spent(limit))) => Err(Failure::Limit { limit }),
        Err(Fault::Broken(error)) if crate::source::Changed::is(&error) => Err(error.into()),
        Err(Fault::Broken(error)) => {
            let cut = error.kind() == io::ErrorKind::UnexpectedEof;
            let what = if cut { "is cut off" } else { "is broken, or of another kind" };
            Err(Failure::Broken { at: progress.used, what: format!("the stream that starts here {what}") })
        }
    }
}

/// Hands the bytes on as they are.
fn plain(view: &View<'_>, budget: &mut Budget, take: &mut dyn FnMut(&[u8]) -> Result<(), Fault>) -> Result<(), Fault> {
    let mut block = vec![0; BLOCK];
    let mut at = 0;
    while at < view.len() {
        budget.entries(0).map_err(Fault::Spent)?;
        let len = usize::try_from(view.len() - at).unwrap_or(BLOCK).min(BLOCK);
        view.read_at(at, &mut block[..len])?;
        at += len as u64;
        take(&block[..len])?;
    }
    Ok(())
}

/// A source that hashes its bytes as they are read for the first time, which happens in order. What is hashed is the very
/// copy that is handed out.
struct Hashing<'a> {
    source: &'a dyn ReadAt,
    /// How far it was hashed.
    hashed: Mutex<(u64, Hasher)>,
}

impl Hashing<'_> {
    /// Hashes what was not read: padding, and everything behind the place where the inside failed.
    fn rest(&self, budget: &mut Budget) -> Result<(), Failure> {
        let mut block = vec![0; BLOCK];
        loop {
            budget.entries(0).map_err(|Spent(limit)| Failure::Limit { limit })?;
            let at = self.hashed.lock().unwrap_or_else(PoisonError::into_inner).0;
            let len = usize::try_from(self.len() - at).unwrap_or(BLOCK).min(BLOCK);
            if len == 0 {
                return Ok(());
            }
            self.read_at(at, &mut block[..len])?;
        }
    }
}

impl ReadAt for Hashing<'_> {
    fn len(&self) -> u64 {
        self.source.len()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let mut done = 0;
        while done < buf.len() {
            let rest = &mut buf[done..];
            let most = rest.len();
            // bytes of a mapping may change: they are copied before anything looks at them
            done += match self.source.window(offset + done as u64, most, rest)? {
                Window::Read(0) | Window::Direct([]) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Window::Read(n) => n,
                Window::Direct(bytes) => {
                    let bytes = bytes.get(..most).unwrap_or(bytes);
                    rest[..bytes.len()].copy_from_slice(bytes);
                    bytes.len()
                }
            };
        }
        let mut hashed = self.hashed.lock().unwrap_or_else(PoisonError::into_inner);
        let end = offset + buf.len() as u64;
        if offset <= hashed.0 && hashed.0 < end {
            let fresh = (hashed.0 - offset) as usize;
            hashed.1.update(&buf[fresh..]);
            hashed.0 = end;
        }
        Ok(())
    }
    fn copy(&self, range: std::ops::Range<u64>) -> io::Result<std::borrow::Cow<'_, [u8]>> {
        let len = range.end.checked_sub(range.start).and_then(|len| usize::try_from(len).ok());
        let mut bytes = vec![0; len.filter(|_| range.end <= self.len()).ok_or(io::ErrorKind::UnexpectedEof)?];
        self.read_at(range.start, &mut bytes)?;
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests;
