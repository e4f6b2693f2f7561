//! A stream that has no offsets (standard input, a decoder), put where it can be read at any offset.
//!
//! Bound: [`IN_MEMORY`] bytes in memory; beyond that an unlinked temporary file, up to the caller's limit.

use super::{ReadAt, Window, file};
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::Path;

/// Streams up to this many bytes stay in memory.
pub const IN_MEMORY: usize = 4 << 20;

/// A stream that was read to its end.
#[derive(Debug)]
pub struct Spool {
    len: u64,
    store: Store,
}

#[derive(Debug)]
enum Store {
    Memory(Vec<u8>),
    File(File),
}

impl Spool {
    /// Reads `stream` to its end. What does not fit into memory goes to a file in `directory` that has no name (any
    /// more). Fails with `FileTooLarge` after `limit` bytes.
    pub fn read(mut stream: impl Read, limit: u64, directory: &Path) -> io::Result<Spool> {
        let mut memory = Vec::new();
        let room = limit.saturating_add(1);
        let len = stream.by_ref().take(room.min(IN_MEMORY as u64 + 1)).read_to_end(&mut memory)? as u64;
        if len > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if len <= IN_MEMORY as u64 {
            return Ok(Spool { len, store: Store::Memory(memory) });
        }
        let mut file = nameless(directory)?;
        file.write_all(&memory)?;
        let len = len.saturating_add(io::copy(&mut stream.take(room - len), &mut file)?);
        if len > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(Spool { len, store: Store::File(file) })
    }
}

impl ReadAt for Spool {
    fn len(&self) -> u64 {
        self.len
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        match &self.store {
            Store::Memory(bytes) => bytes.read_at(offset, buf),
            Store::File(file) => file::read_exact_at(file, buf, offset),
        }
    }
    fn copy(&self, range: Range<u64>) -> io::Result<Cow<'_, [u8]>> {
        if range.start > range.end || range.end > self.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match &self.store {
            Store::Memory(bytes) => ReadAt::copy(bytes, range),
            Store::File(file) => {
                file::copy_range(range, |offset, buf| file::read_exact_at(file, buf, offset)).map(Cow::Owned)
            }
        }
    }
    fn window(&self, offset: u64, most: usize, buf: &mut [u8]) -> io::Result<Window<'_>> {
        match &self.store {
            Store::Memory(bytes) => bytes.window(offset, most, buf),
            Store::File(file) => {
                let left = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
                let n = left.min(most).min(buf.len());
                file::read_exact_at(file, &mut buf[..n], offset)?;
                Ok(Window::Read(n))
            }
        }
    }
}

/// A new file without a name: nobody else can open it, and it is gone when it is closed, however the process ends.
fn nameless(directory: &Path) -> io::Result<File> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true);
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::OpenOptionsExt;
        let mut unnamed = options.clone();
        unnamed.custom_flags(libc::O_TMPFILE | libc::O_EXCL).mode(0o600);
        if let Ok(file) = unnamed.open(directory) {
            return Ok(file);
        }
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    for attempt in 0..64u32 {
        let path = directory.join(format!(".mverify-{}-{attempt}", std::process::id()));
        match options.clone().create_new(true).open(&path) {
            Ok(file) => {
                // A system that cannot remove an open file leaves it to its own cleaning.
                let _ = std::fs::remove_file(&path);
                return Ok(file);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_streams_read_back() {
        let directory = tempfile::tempdir().unwrap();
        for len in [0, 1, IN_MEMORY, IN_MEMORY + 1, 3 * IN_MEMORY] {
            let bytes: Vec<u8> = (0..len).map(|i| (i * 7 + i / 251) as u8).collect();
            let spool = Spool::read(bytes.as_slice(), u64::MAX, directory.path()).unwrap();
            assert_eq!(spool.len(), len as u64);
            assert_eq!(spool.copy(0..len as u64).unwrap(), bytes);
            assert_eq!(matches!(spool.store, Store::File(_)), len > IN_MEMORY);
            assert!(spool.copy(0..len as u64 + 1).is_err());
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "nothing is left behind");
    }

    #[test]
    fn the_limit_holds() {
        let directory = tempfile::tempdir().unwrap();
        for (limit, fits) in [(9, false), (10, true)] {
            assert_eq!(Spool::read(&[1u8; 10][..], limit, directory.path()).is_ok(), fits);
        }
        let big = IN_MEMORY as u64 * 2;
        for (limit, fits) in [(big - 1, false), (big, true)] {
            let spool = Spool::read(io::repeat(1).take(big), limit, directory.path());
            assert_eq!(spool.is_ok(), fits);
            assert!(fits || spool.unwrap_err().kind() == io::ErrorKind::FileTooLarge);
        }
    }
}
