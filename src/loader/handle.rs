//! A file whose bytes were verified, for loaders: by descriptor, by path, as bytes, or to be read.

use super::mode::Mode;
use super::private::Directory;
use super::refusal::LoadError;
use super::verity::Measured;
use crate::error::Error;
#[cfg(all(feature = "mmap", target_os = "linux"))]
use crate::source::mmap::Final;
use crate::source::{Changed, Lease, ReadAt, copy_range, read_exact_at};
use crate::{Artifact, Report};
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// What keeps the bytes as they are.
#[derive(Debug)]
pub(super) enum Keeper {
    Sealed,
    /// The path of the copy, in a directory that goes with it.
    Private {
        copy: PathBuf,
        _directory: Directory,
    },
    Lease(Lease),
    Verity(Measured),
}

/// A file whose bytes were verified, and which are kept as they were. Everything handed out is that: by [`Read`] and
/// [`Seek`] (with an offset of its own), by [`VerifiedFile::as_bytes`], by [`VerifiedFile::path`], by descriptor.
///
/// ```
/// use mverify::{Verifier, loader::Options};
/// use std::io::Read;
/// let directory = tempfile::tempdir()?;
/// let path = directory.path().join("model.safetensors");
/// std::fs::write(&path, b"\x02\0\0\0\0\0\0\0{}")?;
///
/// let mut file = Verifier::builder().build()?.open_verified(&path, &Options::default())?;
/// std::fs::write(&path, "something else")?; // too late
/// let mut bytes = Vec::new();
/// file.read_to_end(&mut bytes)?;
/// assert_eq!(bytes, b"\x02\0\0\0\0\0\0\0{}");
/// assert_eq!(std::fs::read(file.path())?, bytes);
/// assert_eq!(file.as_bytes()?, bytes);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct VerifiedFile {
    file: File,
    len: u64,
    at: u64,
    keeper: Keeper,
    report: Report,
    path: PathBuf,
    bytes: OnceLock<Bytes>,
}

enum Bytes {
    #[cfg(all(feature = "mmap", target_os = "linux"))]
    Mapped(Final),
    Read(Vec<u8>),
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            #[cfg(all(feature = "mmap", target_os = "linux"))]
            Bytes::Mapped(bytes) => write!(f, "{} bytes, mapped", bytes.len()),
            Bytes::Read(bytes) => write!(f, "{} bytes", bytes.len()),
        }
    }
}

impl VerifiedFile {
    pub(super) fn new(file: File, len: u64, keeper: Keeper, report: Report) -> VerifiedFile {
        let path = match &keeper {
            Keeper::Private { copy, .. } => copy.clone(),
            _ => descriptor_path(&file),
        };
        VerifiedFile { file, len, at: 0, keeper, report, path, bytes: OnceLock::new() }
    }

    /// The report that let it through: one artifact, with verdict ok.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// What is known about the file.
    pub fn artifact(&self) -> Option<&Artifact> {
        self.report.artifacts.first()
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// True if the file has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What keeps the bytes as they are.
    pub fn mode(&self) -> Mode {
        match self.keeper {
            Keeper::Sealed => Mode::Sealed,
            Keeper::Private { .. } => Mode::Private,
            Keeper::Lease(_) => Mode::Lease,
            Keeper::Verity(_) => Mode::Verity,
        }
    }

    /// A path by which loaders can open the verified bytes, as long as this handle lives: `/proc/self/fd/N` or, in mode
    /// [`Mode::Private`], the copy, under its own name. The former leads this process and its threads there, and a child
    /// that was given the descriptor under the same number ([`VerifiedFile::share`]).
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file as another open file, at its start, with an offset of its own.
    ///
    /// # Errors
    /// Where `/proc` is not there.
    pub fn file(&self) -> io::Result<File> {
        reopen(&self.file)
    }

    /// A descriptor that spawned processes inherit, for handing sealed bytes on: `open_verified_file` of the other process
    /// takes it without another copy. Close it after the spawn.
    ///
    /// # Errors
    /// Where the system has no descriptor left.
    pub fn share(&self) -> io::Result<OwnedFd> {
        let shared = self.file()?;
        rustix::io::fcntl_setfd(&shared, rustix::io::FdFlags::empty())?;
        Ok(shared.into())
    }

    /// All bytes. A sealed copy is mapped (with feature `mmap`): that costs nothing, and cannot raise SIGBUS, since nobody
    /// can shrink it. In other modes they are read into memory, once.
    ///
    /// # Errors
    /// Where the bytes cannot be read, do not fit into memory, or a lease was lost.
    pub fn as_bytes(&self) -> io::Result<&[u8]> {
        if self.bytes.get().is_none() {
            let bytes = self.load()?;
            // another thread may have been faster, with the same bytes
            let _ = self.bytes.set(bytes);
        }
        Ok(match self.bytes.get() {
            #[cfg(all(feature = "mmap", target_os = "linux"))]
            Some(Bytes::Mapped(bytes)) => bytes,
            Some(Bytes::Read(bytes)) => bytes,
            None => &[],
        })
    }

    fn load(&self) -> io::Result<Bytes> {
        #[cfg(all(feature = "mmap", target_os = "linux"))]
        if let Some(bytes) = Final::of(&self.file) {
            return Ok(Bytes::Mapped(bytes));
        }
        let len = usize::try_from(self.len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        bytes.resize(len, 0);
        self.read_at(0, &mut bytes)?;
        Ok(Bytes::Read(bytes))
    }

    /// Fills `out` with the bytes from `offset` on.
    ///
    /// # Errors
    /// Where they cannot be read, or a lease was lost; `UnexpectedEof` beyond the end. `out` holds zeros then.
    pub fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let inside = offset.checked_add(out.len() as u64).is_some_and(|end| end <= self.len);
        let read = match inside {
            true => read_exact_at(&self.file, out, offset).and_then(|()| self.held()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        };
        if read.is_err() {
            out.fill(0);
        }
        read
    }

    fn held(&self) -> io::Result<()> {
        match &self.keeper {
            Keeper::Lease(lease) if !lease.holds(&self.file) => Err(Changed.into()),
            _ => Ok(()),
        }
    }

    /// Call when the load is done, and keep what was loaded only if this succeeds: in mode [`Mode::Lease`] it fails if
    /// somebody wanted to write meanwhile. The other modes cannot fail.
    ///
    /// # Errors
    /// [`LoadError::Error`] with [`Error::Changed`].
    pub fn settle(&self) -> Result<(), LoadError> {
        let path = || self.artifact().map(|artifact| artifact.path.clone()).unwrap_or_default();
        self.held().map_err(|_| Error::Changed { path: path() }.into())
    }
}

/// So that parsers can look into it; see [`VerifiedFile::read_at`].
impl ReadAt for VerifiedFile {
    fn len(&self) -> u64 {
        self.len
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        VerifiedFile::read_at(self, offset, buf)
    }
    fn copy(&self, range: Range<u64>) -> io::Result<Cow<'_, [u8]>> {
        // what is mapped anyway is not copied; other bytes are not all read for a few of them
        if matches!(self.keeper, Keeper::Sealed) {
            return ReadAt::copy(self.as_bytes()?, range);
        }
        if range.start > range.end || range.end > self.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        copy_range(range, |offset, buf| VerifiedFile::read_at(self, offset, buf)).map(Cow::Owned)
    }
}

impl Read for VerifiedFile {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.len.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let n = buf.len().min(left);
        let Some(part) = buf.get_mut(..n) else { return Ok(0) };
        self.read_at(self.at, part)?;
        self.at = self.at.saturating_add(n as u64);
        Ok(n)
    }
}

impl Seek for VerifiedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

impl AsFd for VerifiedFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Where `/proc` shows an open file.
pub(super) fn descriptor_path(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// The same file, opened anew for reading.
pub(super) fn reopen(file: &File) -> io::Result<File> {
    File::open(descriptor_path(file))
}
