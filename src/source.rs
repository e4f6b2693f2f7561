//! Bytes that can be read at any offset: a file, a mapping, a buffer, or a part of one of these.
//!
//! Threat: the bytes may change while they are read. Parsers therefore never look at a source twice: they take a
//! [`View::copy`], and the source remembers what it handed out so that the same copy is hashed (no double fetch).

use std::borrow::Cow;
use std::io;
use std::ops::Range;

#[cfg(unix)]
pub mod beneath;
#[cfg(not(unix))]
#[path = "source/beneath_by_path.rs"]
pub mod beneath;
#[cfg(target_os = "linux")]
mod cache;
#[cfg(not(target_os = "linux"))]
#[path = "source/no_cache.rs"]
mod cache;
pub mod file;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod lease;
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
#[path = "source/no_lease.rs"]
mod lease;
#[cfg(all(feature = "mmap", unix))]
pub mod mmap;
mod pages;
#[cfg(target_os = "linux")]
pub(crate) mod seal;
pub mod spool;
#[cfg(target_os = "linux")]
pub(crate) mod verity;

pub use beneath::{Beneath, Reach};
pub use file::{FileSource, OpenOptions};
#[cfg(unix)]
pub(crate) use file::{copy_range, read_exact_at};
#[cfg(unix)]
pub(crate) use lease::Lease;
pub use spool::Spool;

/// Random access to bytes of a fixed length.
pub trait ReadAt: Send + Sync {
    /// Length in bytes.
    fn len(&self) -> u64;
    /// Fills `buf` from `offset`; `UnexpectedEof` if the source ends before.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;
    /// A stable copy of a range, or the bytes themselves where they cannot change. The default reads.
    fn copy(&self, range: Range<u64>) -> io::Result<Cow<'_, [u8]>> {
        let len = usize::try_from(range.end.saturating_sub(range.start)).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let mut buf = Vec::new();
        buf.try_reserve_exact(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        buf.resize(len, 0);
        self.read_at(range.start, &mut buf)?;
        Ok(Cow::Owned(buf))
    }
    /// The bytes from `offset` on, for one sequential pass that hashes: they agree with every copy handed out before, or
    /// the call fails with [`Changed`]. Gives at least one byte when `offset < len()`, at most `most`, and may end early.
    /// Bytes that are not in memory are read into `buf`, which must not be empty; who asks for no more than fits there
    /// gets no mapping. The default reads.
    fn window(&self, offset: u64, most: usize, buf: &mut [u8]) -> io::Result<Window<'_>> {
        let left = usize::try_from(self.len().saturating_sub(offset)).unwrap_or(usize::MAX);
        let n = left.min(most).min(buf.len());
        self.read_at(offset, &mut buf[..n])?;
        Ok(Window::Read(n))
    }
    /// A hint that these bytes are read next, by another thread: fetches them if that is cheaper done ahead.
    fn prefetch(&self, range: Range<u64>) {
        let _ = range;
    }
    /// A hint that these bytes are read soon: has the system begin to fetch them, and does not wait.
    fn ahead(&self, range: Range<u64>) {
        let _ = range;
    }
    /// A hint that these bytes are not read again by a pass.
    fn release(&self, range: Range<u64>) {
        let _ = range;
    }
    /// Call when the last byte was read: fails with [`Changed`] if the bytes may have changed since the source was
    /// opened. Memory cannot change.
    fn settle(&self) -> io::Result<()> {
        Ok(())
    }
    /// True if there are no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What [`ReadAt::window`] gives.
#[derive(Clone, Copy, Debug)]
pub enum Window<'a> {
    /// The bytes themselves. They may lie in a mapping, where a writer can change them: hash them once, parse nothing.
    Direct(&'a [u8]),
    /// So many bytes were read to the start of the buffer.
    Read(usize),
}

/// The bytes changed, or may have changed, while they were read. Travels inside an [`io::Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("changed while reading")]
pub struct Changed;

impl Changed {
    /// True if `error` says that the bytes changed while they were read.
    pub fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Changed>())
    }
}

impl From<Changed> for io::Error {
    fn from(changed: Changed) -> Self {
        io::Error::other(changed)
    }
}

impl ReadAt for [u8] {
    fn window(&self, offset: u64, most: usize, _: &mut [u8]) -> io::Result<Window<'_>> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(<[u8]>::len(self));
        Ok(Window::Direct(&self[start..start.saturating_add(most).min(<[u8]>::len(self))]))
    }
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset.saturating_add(<[u8]>::len(buf) as u64);
        buf.copy_from_slice(&ReadAt::copy(self, offset..end)?);
        Ok(())
    }
    fn copy(&self, range: Range<u64>) -> io::Result<Cow<'_, [u8]>> {
        let start = usize::try_from(range.start).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let end = usize::try_from(range.end).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        self.get(start..end).map(Cow::Borrowed).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// What is held elsewhere, as a source: every question goes on to it.
macro_rules! held_elsewhere {
    ($($head:tt)*) => {
        $($head)* {
            fn len(&self) -> u64 {
                (**self).len()
            }
            fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
                (**self).read_at(offset, buf)
            }
            fn copy(&self, range: Range<u64>) -> io::Result<Cow<'_, [u8]>> {
                (**self).copy(range)
            }
            fn window(&self, offset: u64, most: usize, buf: &mut [u8]) -> io::Result<Window<'_>> {
                (**self).window(offset, most, buf)
            }
            fn prefetch(&self, range: Range<u64>) {
                (**self).prefetch(range)
            }
            fn ahead(&self, range: Range<u64>) {
                (**self).ahead(range)
            }
            fn release(&self, range: Range<u64>) {
                (**self).release(range)
            }
            fn settle(&self) -> io::Result<()> {
                (**self).settle()
            }
        }
    };
}

held_elsewhere!(impl ReadAt for Box<dyn ReadAt + '_>);
// `View::new(&bytes)` with `bytes: &[u8]`
held_elsewhere!(impl<S: ReadAt + ?Sized> ReadAt for &S);

impl ReadAt for Vec<u8> {
    fn len(&self) -> u64 {
        ReadAt::len(self.as_slice())
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.as_slice().read_at(offset, buf)
    }
    fn copy(&self, range: Range<u64>) -> io::Result<Cow<'_, [u8]>> {
        ReadAt::copy(self.as_slice(), range)
    }
    fn window(&self, offset: u64, most: usize, buf: &mut [u8]) -> io::Result<Window<'_>> {
        self.as_slice().window(offset, most, buf)
    }
}

/// A window on a source. Offsets are relative to the window.
#[derive(Clone, Copy)]
pub struct View<'a> {
    source: &'a dyn ReadAt,
    start: u64,
    len: u64,
}

impl<'a> View<'a> {
    /// The whole source.
    pub fn new(source: &'a dyn ReadAt) -> Self {
        View { source, start: 0, len: source.len() }
    }
    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }
    /// True if there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    /// Offset of this window in its source.
    pub fn start(&self) -> u64 {
        self.start
    }
    /// A part of this window; `None` if the range is not inside it.
    pub fn sub(&self, range: Range<u64>) -> Option<View<'a>> {
        let len = range.end.checked_sub(range.start)?;
        if range.end > self.len {
            return None;
        }
        Some(View { source: self.source, start: self.start.checked_add(range.start)?, len })
    }
    /// A stable copy of a range; `UnexpectedEof` if it is not inside the window.
    pub fn copy(&self, range: Range<u64>) -> io::Result<Cow<'a, [u8]>> {
        let sub = self.sub(range).ok_or(io::ErrorKind::UnexpectedEof)?;
        self.source.copy(sub.start..sub.start.saturating_add(sub.len))
    }
    /// The first `n` bytes, or all of them where there are fewer.
    pub fn head(&self, n: u64) -> io::Result<Cow<'a, [u8]>> {
        self.copy(0..n.min(self.len))
    }
    /// Fills `buf` from `offset`, for bulk bytes that are streamed and not parsed.
    pub fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buf.len() as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
        let sub = self.sub(offset..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        self.source.read_at(sub.start, buf)
    }
}
