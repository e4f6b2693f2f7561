//! A regular file, opened once.
//!
//! Threats: a path that is not a file (a FIFO that hangs, a device that never ends), a file that changes or shrinks
//! between two reads, a writer that holds a shared mapping (invisible to `stat`). Answers: the kind is checked on the
//! open handle; every read of a parser goes through `Pages`; at the end size, times and identity must be what they
//! were ([`ReadAt::settle`]); and where the system grants it, a read lease tells of writers at once of files that take more
//! than one read.

use super::beneath::LeadsOut;
use super::cache::{self, Behind};
use super::lease::Lease;
use super::pages::{PAGE, Pages};
use super::{Changed, ReadAt, Window};
use crate::error::Error;
use std::borrow::Cow;
use std::fs::{File, Metadata};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// Files below this size are read, not mapped: mapping costs more than it saves.
#[cfg(all(feature = "mmap", unix))]
const MAP_FROM: u64 = 512 << 10;

/// Files up to this size, in bytes, are read by one call and kept whole, so that parsers and digests see the same bytes
/// whoever writes: what a writer does after that call is a change after the check. They need no lease.
const WHOLE: u64 = 32 << 10;

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenOptions {
    /// Follow a symbolic link in the last part of the path (default). If not, a link is [`Error::NotRegular`].
    pub follow: bool,
    /// Map large files for the bulk pass (default: no). Done only where `mmap::guard` stands, since a mapped file that
    /// shrinks would kill the process otherwise; without it the file is read. Parsers never look into a mapping.
    pub map: bool,
    /// Take a read lease where the system grants one (default: no; Linux, own files only, above 32 KiB). A process that
    /// opens the file for writing then waits until it is released, which happens at its next read here, with [`Changed`].
    pub lease: bool,
    /// Give up the pages of the system's cache that came in by reading this file, when they are not needed any more
    /// (default: no; Linux). What was there before stays, in steps of 1 MiB, where the system tells what was (Linux 6.5
    /// and later, files that one may write). Such a file is read, never mapped.
    pub drop_cache: bool,
    /// Largest file, in bytes.
    pub max_file_bytes: u64,
}

impl Default for OpenOptions {
    fn default() -> Self {
        let limits = crate::budget::Limits::default();
        OpenOptions { follow: true, map: false, lease: false, drop_cache: false, max_file_bytes: limits.max_file_bytes }
    }
}

/// An open file. Reads agree with each other, or fail with [`Changed`].
#[derive(Debug)]
pub struct FileSource {
    path: PathBuf,
    /// Whether links are followed, if the path must still lead here at the end.
    by_path: Option<bool>,
    file: File,
    stamp: Stamp,
    /// The content of a file of at most [`WHOLE`] bytes, once anybody asked for some of it.
    whole: OnceLock<Box<[u8]>>,
    /// What was read of a larger one.
    pages: Mutex<Pages>,
    /// A read failed; a parser may have gone on without those bytes.
    failed: AtomicBool,
    #[cfg(all(feature = "mmap", unix))]
    map: Option<super::mmap::Mapping>,
    lease: Option<Lease>,
    /// What to leave in the system's cache.
    behind: Option<Box<Behind>>,
}

impl FileSource {
    /// Opens a regular file for reading. Never waits for a FIFO, never becomes a controlling terminal's reader.
    pub fn open(path: &Path, options: &OpenOptions) -> Result<FileSource, Error> {
        Self::from_opened(path, options, open_flags(options.follow).open(path), true)
    }

    /// A file that is open already. `name` is what it goes by; it is not opened.
    pub fn of(file: File, name: &Path, options: &OpenOptions) -> Result<FileSource, Error> {
        Self::from_opened(name, options, Ok(file), false)
    }

    /// Goes on with what opening a file gave: one at `path` if it goes `by_path`, else one that has it as its name only.
    pub(super) fn from_opened(
        path: &Path,
        options: &OpenOptions,
        opened: io::Result<File>,
        by_path: bool,
    ) -> Result<FileSource, Error> {
        let doing = |doing| move |source| Error::Io { path: path.to_owned(), doing, source };
        let file = match opened {
            Ok(file) => file,
            Err(error) if LeadsOut::is(&error) => return Err(Error::LeadsOut { path: path.to_owned() }),
            // What cannot be opened at all may still have a kind that explains it better (a socket, a link).
            Err(error) => {
                let kind = std::fs::symlink_metadata(path).ok().and_then(|found| irregular(&found, options.follow));
                return Err(match kind {
                    Some(kind) => Error::NotRegular { path: path.to_owned(), kind },
                    None => doing("open")(error),
                });
            }
        };
        let metadata = file.metadata().map_err(doing("stat"))?;
        if let Some(kind) = irregular(&metadata, true) {
            return Err(Error::NotRegular { path: path.to_owned(), kind });
        }
        let mut stamp = Stamp::of(&metadata);
        let lease = if options.lease && stamp.len > WHOLE { Lease::take(&file) } else { None };
        if lease.is_some() {
            // asked again, so that no change before the lease is missed
            stamp = Stamp::of(&file.metadata().map_err(doing("stat"))?);
        }
        if stamp.len > options.max_file_bytes {
            return Err(Error::TooLarge { path: path.to_owned(), limit: options.max_file_bytes });
        }
        Ok(FileSource {
            path: path.to_owned(),
            by_path: by_path.then_some(options.follow),
            whole: OnceLock::new(),
            pages: Mutex::new(Pages::new(stamp.len)),
            failed: AtomicBool::new(false),
            #[cfg(all(feature = "mmap", unix))]
            map: if options.map && !options.drop_cache && stamp.len >= MAP_FROM {
                super::mmap::Mapping::of(&file, stamp.len)
            } else {
                None
            },
            lease,
            behind: if options.drop_cache { Behind::of(&file, stamp.len).map(Box::new) } else { None },
            stamp,
            file,
        })
    }

    /// The path the file was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open file.
    #[cfg(unix)]
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The open file, for a use of its own.
    #[cfg(unix)]
    pub(crate) fn into_file(self) -> File {
        self.file
    }

    /// True if the system tells us of writers; false only means that it does not.
    pub fn is_leased(&self) -> bool {
        self.lease.is_some()
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fetch(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        read_exact_at(&self.file, buf, offset).map_err(|error| match error.kind() {
            // Every range is inside the length that the file had when it was opened.
            io::ErrorKind::UnexpectedEof => Changed.into(),
            _ => {
                self.failed.store(true, Relaxed);
                error
            }
        })
    }

    /// All of a small file; `None` for others.
    fn whole(&self) -> io::Result<Option<&[u8]>> {
        if self.stamp.len > WHOLE {
            return Ok(None);
        }
        if self.whole.get().is_none() {
            let bytes = copy_range(0..self.stamp.len, |offset, buf| self.fetch(offset, buf))?;
            // of two threads that come at once, the bytes of one count for both
            let _ = self.whole.set(bytes.into_boxed_slice());
        }
        Ok(self.whole.get().map(|bytes| &**bytes))
    }

    fn inside(&self, offset: u64, len: usize) -> io::Result<()> {
        match offset.checked_add(len as u64) {
            Some(end) if end <= self.stamp.len => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Fails if the system told of a writer.
    fn undisturbed(&self) -> io::Result<()> {
        if self.lease.as_ref().is_some_and(|lease| !lease.holds(&self.file)) {
            return Err(Changed.into());
        }
        #[cfg(all(feature = "mmap", unix))]
        if self.map.as_ref().is_some_and(|map| map.is_torn()) {
            return Err(Changed.into());
        }
        Ok(())
    }
}

impl ReadAt for FileSource {
    fn len(&self) -> u64 {
        self.stamp.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.inside(offset, buf.len())?;
        if let Some(whole) = self.whole()? {
            return whole.read_at(offset, buf);
        }
        self.pages().read(offset, buf, |at, part| self.fetch(at, part))
    }

    fn copy(&self, range: Range<u64>) -> io::Result<Cow<'_, [u8]>> {
        if range.start > range.end || range.end > self.stamp.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(whole) = self.whole()? {
            return whole.copy(range);
        }
        copy_range(range, |offset, buf| self.read_at(offset, buf)).map(Cow::Owned)
    }

    fn window(&self, offset: u64, most: usize, buf: &mut [u8]) -> io::Result<Window<'_>> {
        // What comes first is not worth asking for: `settle` asks again.
        if offset > 0 {
            self.undisturbed()?;
        }
        if let Some(whole) = self.whole()? {
            return whole.window(offset, most, buf);
        }
        let left = self.stamp.len.saturating_sub(offset);
        let mut pages = self.pages();
        let touched = pages.next_touched(offset).map(|number| number.saturating_mul(PAGE as u64));
        let free = match touched {
            // Bytes that a parser has seen: from the copy, or compared with its fingerprint.
            Some(start) if start <= offset => {
                let n = left.min((start + PAGE as u64) - offset).min(buf.len().min(most) as u64) as usize;
                pages.read(offset, &mut buf[..n], |at, part| self.fetch(at, part))?;
                return Ok(Window::Read(n));
            }
            Some(start) => left.min(start - offset),
            None => left,
        };
        drop(pages);
        let n = usize::try_from(free).unwrap_or(usize::MAX).min(most);
        #[cfg(all(feature = "mmap", unix))]
        if most > buf.len()
            && let Some(map) = &self.map
        {
            return map.window(offset, n).map(Window::Direct);
        }
        let n = n.min(buf.len());
        self.fetch(offset, &mut buf[..n])?;
        Ok(Window::Read(n))
    }

    fn prefetch(&self, range: Range<u64>) {
        #[cfg(all(feature = "mmap", unix))]
        if let Some(map) = &self.map
            && range.start <= range.end
            && range.end <= self.stamp.len
            && let Ok(n) = usize::try_from(range.end - range.start)
        {
            map.prefetch(range.start, n);
        }
        #[cfg(not(all(feature = "mmap", unix)))]
        let _ = range;
    }

    fn ahead(&self, range: Range<u64>) {
        cache::fetch(&self.file, range);
    }

    fn release(&self, range: Range<u64>) {
        if let Some(behind) = &self.behind {
            behind.give_up(range);
        }
    }

    fn settle(&self) -> io::Result<()> {
        self.undisturbed()?;
        self.pages().unchanged()?;
        // Files of /proc and their like say 0 bytes and hold more.
        if self.stamp.len == 0 && read_at(&self.file, &mut [0], 0)? != 0 {
            return Err(Changed.into());
        }
        // The stamp names device and inode: if the path leads to the same, it speaks for the open file too.
        let now = match self.by_path {
            Some(true) => std::fs::metadata(&self.path),
            Some(false) => std::fs::symlink_metadata(&self.path),
            None => self.file.metadata(),
        };
        if !now.is_ok_and(|found| Stamp::of(&found) == self.stamp) {
            return Err(Changed.into());
        }
        if self.failed.load(Relaxed) {
            return Err(io::Error::other("a part of it could not be read"));
        }
        Ok(())
    }
}

/// What must be the same before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    len: u64,
    #[cfg(unix)]
    unix: [i64; 6],
    #[cfg(not(unix))]
    modified: Option<std::time::SystemTime>,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Stamp {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt;
        Stamp {
            len: metadata.len(),
            #[cfg(unix)]
            unix: [
                metadata.dev() as i64,
                metadata.ino() as i64,
                metadata.mtime(),
                metadata.mtime_nsec(),
                metadata.ctime(),
                metadata.ctime_nsec(),
            ],
            #[cfg(not(unix))]
            modified: metadata.modified().ok(),
        }
    }
}

fn open_flags(follow: bool) -> std::fs::OpenOptions {
    let mut options = std::fs::OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        let nofollow = if follow { 0 } else { libc::O_NOFOLLOW };
        options.custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC | libc::O_NOCTTY | nofollow);
    }
    #[cfg(not(unix))]
    let _ = follow;
    options
}

/// What this is, if it is not a regular file.
fn irregular(metadata: &Metadata, follow: bool) -> Option<&'static str> {
    let kind = metadata.file_type();
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return Some("a FIFO");
        }
        if kind.is_socket() {
            return Some("a socket");
        }
        if kind.is_char_device() || kind.is_block_device() {
            return Some("a device");
        }
    }
    if kind.is_dir() {
        return Some("a directory");
    }
    (kind.is_symlink() && !follow).then_some("a symbolic link")
}

/// A range as a buffer of its own, filled by `read`. Fails before it allocates more than memory has.
pub(crate) fn copy_range(
    range: Range<u64>,
    read: impl FnOnce(u64, &mut [u8]) -> io::Result<()>,
) -> io::Result<Vec<u8>> {
    let len = usize::try_from(range.end - range.start).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let mut buf = Vec::new();
    buf.try_reserve_exact(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
    buf.resize(len, 0);
    read(range.start, &mut buf)?;
    Ok(buf)
}

fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        #[cfg(unix)]
        let read = std::os::unix::fs::FileExt::read_at(file, buf, offset);
        #[cfg(windows)]
        let read = std::os::windows::fs::FileExt::seek_read(file, buf, offset);
        #[cfg(not(any(unix, windows)))]
        let read = {
            // as in a browser, where no file can be opened in the first place
            use io::{Read, Seek, SeekFrom};
            let mut file = file;
            file.seek(SeekFrom::Start(offset)).and_then(|_| file.read(buf))
        };
        match read {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Fills `buf` from `offset` of `file`.
pub(crate) fn read_exact_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < buf.len() {
        match read_at(file, &mut buf[done..], offset + done as u64)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => done += n,
        }
    }
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::digest::{Algorithm, Digests, Hasher, PassError, Plan, Pool, pass};
    use std::os::unix::fs::FileExt;

    fn noise(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 31 + i / 251) as u8).collect()
    }

    fn plan() -> Plan {
        Plan { algorithms: vec![Algorithm::Sha256, Algorithm::Blake3], ..Plan::default() }
    }

    fn expected(bytes: &[u8]) -> Digests {
        let mut hasher = Hasher::new(&plan().algorithms, None).unwrap();
        hasher.update(bytes);
        hasher.finish()
    }

    /// A file of `len` bytes in a directory of its own.
    fn file(len: usize) -> (tempfile::TempDir, PathBuf, Vec<u8>) {
        let directory = tempfile::tempdir().unwrap();
        let (path, bytes) = (directory.path().join("model"), noise(len));
        std::fs::write(&path, &bytes).unwrap();
        (directory, path, bytes)
    }

    fn every_way() -> impl Iterator<Item = OpenOptions> {
        #[cfg(feature = "mmap")]
        assert!(crate::source::mmap::guard() || !cfg!(target_os = "linux"));
        [false, true].into_iter().flat_map(|map| {
            [false, true].map(|lease| OpenOptions { map, lease, follow: false, ..OpenOptions::default() })
        })
    }

    #[test]
    fn reads_the_same_in_every_way() {
        for len in [0, 1, PAGE, 3 * PAGE + 1, 2 << 20, (5 << 20) + 3] {
            let (_directory, path, bytes) = file(len);
            for options in every_way() {
                let source = FileSource::open(&path, &options).unwrap();
                for (start, end) in [(0, len.min(100)), (len / 2, len / 2 + len.min(9)), (len - len.min(70_000), len)] {
                    assert_eq!(source.copy(start as u64..end as u64).unwrap(), &bytes[start..end], "{options:?}");
                }
                assert_eq!(source.copy(1..len as u64 + 1).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
                for threads in [1, 2] {
                    let passed = pass(&source, &plan(), &Pool::new(threads).unwrap(), &()).unwrap();
                    assert_eq!(passed.digests, expected(&bytes), "{len} {options:?} {threads}");
                }
            }
        }
    }

    #[test]
    fn only_regular_files() {
        let (directory, path, _) = file(10);
        let named = |name: &str| directory.path().join(name);
        std::os::unix::fs::symlink(&path, named("link")).unwrap();
        std::os::unix::fs::symlink(named("nowhere"), named("dangling")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(named("socket")).unwrap();
        let fifo =
            std::process::Command::new("mkfifo").arg(named("fifo")).status().is_ok_and(|status| status.success());
        let strict = OpenOptions { follow: false, ..OpenOptions::default() };
        let kind = |path: &Path, options: &OpenOptions| match FileSource::open(path, options) {
            Err(Error::NotRegular { kind, .. }) => kind,
            other => panic!("{path:?}: {other:?}"),
        };
        assert_eq!(kind(directory.path(), &strict), "a directory");
        assert_eq!(kind(&named("link"), &strict), "a symbolic link");
        assert_eq!(kind(&named("socket"), &strict), "a socket");
        assert_eq!(kind(Path::new("/dev/null"), &strict), "a device");
        if fifo {
            assert_eq!(kind(&named("fifo"), &strict), "a FIFO", "and opening it does not hang");
        }
        assert!(FileSource::open(&named("link"), &OpenOptions::default()).is_ok());
        for name in ["nowhere", "dangling"] {
            let opened = FileSource::open(&named(name), &OpenOptions::default());
            assert!(matches!(opened, Err(Error::Io { doing: "open", .. })), "{name}");
        }
        let small = OpenOptions { max_file_bytes: 9, ..strict };
        assert!(matches!(FileSource::open(&path, &small), Err(Error::TooLarge { limit: 9, .. })));
    }

    #[test]
    fn what_was_parsed_is_what_is_hashed() {
        // The times are put back and the writer is invisible to stat, as with a shared mapping.
        let (_directory, path, bytes) = file(4 << 20);
        let writer = std::fs::File::options().write(true).open(&path).unwrap();
        for map in [false, true] {
            writer.write_all_at(&bytes, 0).unwrap();
            let mut source = FileSource::open(&path, &OpenOptions { map, ..OpenOptions::default() }).unwrap();
            assert_eq!(source.copy(70_000..70_010).unwrap(), &bytes[70_000..70_010]);
            writer.write_all_at(b"evil", 70_002).unwrap();
            source.stamp = Stamp::of(&source.file.metadata().unwrap());
            let passed = pass(&source, &plan(), &Pool::single(), &()).unwrap();
            assert_eq!(passed.digests, expected(&bytes), "the copy is hashed, not the file (map: {map})");
        }
    }

    #[test]
    fn a_page_that_is_no_longer_kept_must_still_agree() {
        let (_directory, path, bytes) = file(4 << 20);
        for map in [false, true] {
            std::fs::write(&path, &bytes).unwrap();
            let mut source = FileSource::open(&path, &OpenOptions { map, ..OpenOptions::default() }).unwrap();
            source.copy(0..bytes.len() as u64).unwrap();
            assert!(pass(&source, &plan(), &Pool::single(), &()).is_ok());
            std::fs::File::options().write(true).open(&path).unwrap().write_all_at(b"evil", 70_002).unwrap();
            source.stamp = Stamp::of(&source.file.metadata().unwrap());
            assert!(matches!(pass(&source, &plan(), &Pool::single(), &()), Err(PassError::Changed)), "map: {map}");
        }
    }

    #[test]
    fn changes_are_noticed() {
        type Change = (&'static str, fn(&Path));
        let changes: [Change; 5] = [
            ("written", |path| std::fs::File::options().write(true).open(path).unwrap().write_all_at(b"x", 5).unwrap()),
            ("longer", |path| std::fs::File::options().write(true).open(path).unwrap().set_len(1 << 20).unwrap()),
            ("shorter", |path| std::fs::File::options().write(true).open(path).unwrap().set_len(9).unwrap()),
            ("replaced", |path| {
                let bytes = std::fs::read(path).unwrap();
                std::fs::write(path.with_extension("new"), bytes).unwrap();
                std::fs::rename(path.with_extension("new"), path).unwrap();
            }),
            ("gone", |path| std::fs::remove_file(path).unwrap()),
        ];
        for (name, change) in changes {
            let (_directory, path, bytes) = file(100_000);
            let source = FileSource::open(&path, &OpenOptions::default()).unwrap();
            assert_eq!(source.copy(0..4).unwrap(), &bytes[..4]);
            change(&path);
            assert!(matches!(pass(&source, &plan(), &Pool::single(), &()), Err(PassError::Changed)), "{name}");
            assert!(Changed::is(&source.settle().unwrap_err()), "{name}: also without hashing");
        }
    }

    #[test]
    fn a_read_that_failed_is_not_forgotten() {
        // A parser that goes on without the bytes must not be the last word, even where nothing is hashed.
        let (_directory, path, bytes) = file(100);
        let mut source = FileSource::open(&path, &OpenOptions::default()).unwrap();
        source.file = std::fs::File::options().write(true).open(&path).unwrap();
        assert!(source.copy(0..4).is_err());
        source.file = std::fs::File::open(&path).unwrap();
        assert_eq!(source.copy(0..4).unwrap(), &bytes[..4]);
        assert!(source.settle().is_err());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_lease_tells_of_writers_at_once_and_lets_them_go() {
        let (_directory, path, bytes) = file(1 << 20);
        let leased = OpenOptions { lease: true, ..OpenOptions::default() };
        let source = FileSource::open(&path, &leased).unwrap();
        if !source.is_leased() {
            return; // a file system without leases
        }
        assert!(pass(&source, &plan(), &Pool::single(), &()).is_ok());
        assert!(FileSource::open(&path, &leased).unwrap().is_leased(), "readers do not disturb each other");
        // The writer waits in `open` until the lease is given back, and this process gets no signal that kills it.
        let writing = std::thread::spawn({
            let path = path.clone();
            move || std::fs::File::options().write(true).open(path).unwrap()
        });
        while source.settle().is_ok() {
            std::thread::yield_now();
        }
        assert!(matches!(pass(&source, &plan(), &Pool::single(), &()), Err(PassError::Changed)));
        assert!(!writing.is_finished());
        assert_eq!(source.copy(0..9).unwrap(), &bytes[..9]);
        drop(source);
        let writer = writing.join().unwrap();
        assert!(!FileSource::open(&path, &leased).unwrap().is_leased(), "none is granted while a writer is there");
        drop(writer);
    }

    #[test]
    fn a_file_that_hides_its_length_is_not_an_empty_file() {
        let path = Path::new("/proc/self/status");
        if path.exists() {
            let source = FileSource::open(path, &OpenOptions::default()).unwrap();
            assert!(matches!(pass(&source, &plan(), &Pool::single(), &()), Err(PassError::Changed)));
        }
    }
}
