//! Files beneath a directory: no symbolic link on the way to them leads out of it, whoever swaps what meanwhile.
//!
//! Threat: a link to another file of the machine, at the path itself or in place of a directory above it, put there
//! between the look at a path and its opening. So every step is taken from the open handle of the directory before it and
//! follows no link by itself; the text of a link is read and walked in the same way. Linux does this in one call
//! (`openat2` with `RESOLVE_BENEATH`, since 5.6); older kernels, other systems, and the links of a Hugging Face cache,
//! which lead from snapshots to blobs, take the steps here. Bound: 40 links on one way, as in Linux.

use super::file::{FileSource, OpenOptions};
use crate::error::Error;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat, readlinkat, statat};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Links on one way.
const LINKS: usize = 40;
/// How often a name may turn into a link right before it is opened.
const RACES: usize = 16;
/// Directories that are kept open at one time; a run over more of them opens each again when it is needed.
const KEPT: usize = 128;

static HANDLES: AtomicUsize = AtomicUsize::new(0);

/// How far links on the way to a file may lead.
#[derive(Clone, Debug, Default)]
pub enum Reach {
    /// Anywhere: the user named this very path.
    #[default]
    Anywhere,
    /// Nowhere but into these directories.
    Beneath(Arc<Beneath>),
}

impl Reach {
    /// Opens a regular file, as [`FileSource::open`] does.
    ///
    /// # Errors
    /// Also [`Error::LeadsOut`].
    pub fn open(&self, path: &Path, options: &OpenOptions) -> Result<FileSource, Error> {
        match self {
            Reach::Anywhere => FileSource::open(path, options),
            Reach::Beneath(beneath) => FileSource::from_opened(path, options, beneath.open(path, options.follow), true),
        }
    }
}

/// A way left the directories it may not leave. Travels inside an [`io::Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a symbolic link leads out of the directory")]
pub(crate) struct LeadsOut;

impl LeadsOut {
    pub(crate) fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<LeadsOut>())
    }
}

/// A directory that was named, and others that its links may lead to. On cache lines of its own: every file looks at it, and
/// the counts of [`Arc`] that lie before it change with every file, on all threads.
#[derive(Debug)]
#[repr(align(128))]
pub struct Beneath {
    /// The path that was named; those of files begin with it.
    named: PathBuf,
    zones: Vec<Zone>,
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// A directory, a regular file, or neither.
    pub kind: Kind,
    /// It lies in the directory that was named, and not only in one of the others.
    pub inside: bool,
}

/// Kinds of files, as far as they matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A pipe, socket or device.
    Special,
}

/// A directory that ways may lead through, with everything in it.
#[derive(Debug)]
struct Zone {
    /// Its path without links.
    path: PathBuf,
    handle: Option<OwnedFd>,
}

impl Zone {
    fn of(path: PathBuf) -> io::Result<Zone> {
        let handle = open_directory(rustix::fs::CWD, path.as_os_str())?;
        let kept = HANDLES.fetch_update(Relaxed, Relaxed, |count| (count < KEPT).then_some(count + 1)).is_ok();
        Ok(Zone { path, handle: kept.then_some(handle) })
    }
    /// The handle, or a new one where none was kept.
    fn start(&self) -> io::Result<OwnedFd> {
        match &self.handle {
            Some(handle) => handle.try_clone(),
            None => Ok(open_directory(rustix::fs::CWD, self.path.as_os_str())?),
        }
    }
}

impl Drop for Zone {
    fn drop(&mut self) {
        if self.handle.is_some() {
            HANDLES.fetch_sub(1, Relaxed);
        }
    }
}

/// The end of a way: a name in an open directory, which is no link, or was none a moment ago.
enum End {
    Name {
        zone: usize,
        directory: OwnedFd,
        name: OsString,
    },
    /// A zone itself, or a directory that a link named by `..` or `.`.
    Directory {
        zone: usize,
    },
}

/// Where a way has come to.
enum At {
    /// In a zone: handles of the directories that lead there from the zone, itself first.
    In(usize, Vec<OwnedFd>),
    /// Outside of all zones. Nothing is touched there; the text of the path may lead back into one.
    Out(PathBuf),
}

/// The part of `path` below `named`; `None` if it is not below it.
#[cfg(target_os = "linux")]
fn below<'a>(path: &'a Path, named: &Path) -> Option<&'a Path> {
    // a walk makes paths by adding to the one that was named, so that most often the text alone tells
    let rest = path.as_os_str().as_bytes().strip_prefix(named.as_os_str().as_bytes());
    match rest.and_then(|rest| rest.strip_prefix(b"/")) {
        Some(rest) if !rest.starts_with(b"/") => Some(Path::new(OsStr::from_bytes(rest))),
        _ => path.strip_prefix(named).ok(),
    }
}

impl Beneath {
    /// The directory at `named`, whose links may lead into `others` as well; those that do not exist are left out.
    ///
    /// # Errors
    /// That of the system, where `named` is no directory that can be searched.
    pub fn new(named: &Path, others: impl IntoIterator<Item = PathBuf>) -> io::Result<Beneath> {
        let mut zones = vec![Zone::of(fs::canonicalize(named)?)?];
        zones.extend(others.into_iter().filter_map(|other| Zone::of(fs::canonicalize(other).ok()?).ok()));
        Ok(Beneath { named: named.to_owned(), zones })
    }

    /// What `path` leads to, through links or not. Opens nothing but directories on the way.
    ///
    /// # Errors
    /// [`LeadsOut`], or that of the system.
    pub fn look(&self, path: &Path) -> io::Result<Found> {
        match self.walk(path, true)? {
            End::Directory { zone } => Ok(Found { kind: Kind::Directory, inside: zone == 0 }),
            End::Name { zone, directory, name } => {
                let stat = statat(&directory, name.as_os_str(), AtFlags::SYMLINK_NOFOLLOW)?;
                let kind = match FileType::from_raw_mode(stat.st_mode) {
                    FileType::Directory => Kind::Directory,
                    FileType::RegularFile => Kind::File,
                    _ => Kind::Special,
                };
                Ok(Found { kind, inside: zone == 0 })
            }
        }
    }

    /// Opens what `path` leads to for reading. Without `follow` the last name must be no link.
    pub(super) fn open(&self, path: &Path, follow: bool) -> io::Result<File> {
        #[cfg(target_os = "linux")]
        if let Some(opened) = self.open_at_once(path, follow) {
            return opened;
        }
        for _ in 0..RACES {
            match self.walk(path, follow)? {
                End::Directory { .. } => return Err(Errno::ISDIR.into()),
                End::Name { directory, name, .. } => match openat(&directory, &*name, flags(false), Mode::empty()) {
                    // it became a link after the look at it: go the way again
                    Err(Errno::LOOP) if follow => {}
                    opened => return Ok(File::from(opened?)),
                },
            }
        }
        Err(Errno::LOOP.into())
    }

    /// One call of the kernel; `None` where the way must be walked here, to look whether it may be gone at all.
    #[cfg(target_os = "linux")]
    fn open_at_once(&self, path: &Path, follow: bool) -> Option<io::Result<File>> {
        use rustix::fs::{ResolveFlags, openat2};
        let zone = self.zones.first()?;
        let below = below(path, &self.named)?;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        match openat2(zone.handle.as_ref()?, below, flags(follow), Mode::empty(), resolve) {
            Ok(file) => Some(Ok(File::from(file))),
            // leads out, a race, an older kernel, a filter of system calls that does not know it
            Err(Errno::XDEV | Errno::AGAIN | Errno::NOSYS | Errno::PERM | Errno::INVAL) => None,
            Err(error) => Some(Err(error.into())),
        }
    }

    /// Goes the way step by step.
    fn walk(&self, path: &Path, follow: bool) -> io::Result<End> {
        let below = path.strip_prefix(&self.named).map_err(|_| io::Error::other(LeadsOut))?;
        let start = self.zones.first().ok_or(io::ErrorKind::NotFound)?.start()?;
        let mut at = At::In(0, vec![start]);
        let mut links = 0;
        // what is still to be gone, the next step last
        let mut steps: Vec<OsString> = Vec::new();
        put(&mut steps, below);
        while let Some(step) = steps.pop() {
            let last = steps.is_empty();
            if step == ".." {
                at = self.up(at);
                continue;
            }
            let (zone, mut handles) = match at {
                At::Out(mut place) => {
                    place.push(&step);
                    at = self.entered(place)?;
                    continue;
                }
                At::In(zone, handles) => (zone, handles),
            };
            let here = handles.last().ok_or(io::ErrorKind::NotFound)?.as_fd();
            // a link is told from all else by this alone; what is no link is opened as none below
            let text = match readlinkat(here, &*step, Vec::new()) {
                Ok(text) => Some(PathBuf::from(OsString::from_vec(text.into_bytes()))),
                Err(Errno::INVAL) => None,
                Err(error) => return Err(error.into()),
            };
            match text {
                Some(_) if last && !follow => return Err(Errno::LOOP.into()),
                Some(text) => {
                    links += 1;
                    if links > LINKS {
                        return Err(Errno::LOOP.into());
                    }
                    put(&mut steps, &text);
                    at = if text.is_absolute() { self.entered(PathBuf::from("/"))? } else { At::In(zone, handles) };
                }
                None if last => {
                    let directory = handles.pop().ok_or(io::ErrorKind::NotFound)?;
                    return Ok(End::Name { zone, directory, name: step });
                }
                None => {
                    let next = open_directory(here, &step)?;
                    handles.push(next);
                    at = At::In(zone, handles);
                }
            }
        }
        match at {
            At::In(zone, _) => Ok(End::Directory { zone }),
            At::Out(_) => Err(io::Error::other(LeadsOut)),
        }
    }

    /// One directory up.
    fn up(&self, at: At) -> At {
        match at {
            At::In(zone, mut handles) => {
                handles.pop();
                if !handles.is_empty() {
                    return At::In(zone, handles);
                }
                let parent = self.zones.get(zone).and_then(|zone| zone.path.parent()).unwrap_or(Path::new("/"));
                At::Out(parent.to_owned())
            }
            At::Out(mut place) => {
                place.pop();
                At::Out(place)
            }
        }
    }

    /// In the zone at this place, or still outside.
    fn entered(&self, place: PathBuf) -> io::Result<At> {
        match self.zones.iter().position(|zone| zone.path == place) {
            Some(number) => {
                let zone = self.zones.get(number).ok_or(io::ErrorKind::NotFound)?;
                Ok(At::In(number, vec![zone.start()?]))
            }
            None => Ok(At::Out(place)),
        }
    }
}

/// Puts the steps of a path in front of those that are to be gone.
fn put(steps: &mut Vec<OsString>, path: &Path) {
    steps.extend(path.components().rev().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
    }));
}

/// A directory in an open one, never through a link.
fn open_directory(at: BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    // a handle for the way through needs no permission to read, where the system has such
    #[cfg(target_os = "linux")]
    let way = OFlags::PATH;
    #[cfg(not(target_os = "linux"))]
    let way = OFlags::RDONLY;
    openat(at, name.as_bytes(), way | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

/// As for every file that is opened here: never waits for a FIFO, never becomes a controlling terminal's reader.
fn flags(follow: bool) -> OFlags {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    if follow { flags } else { flags | OFlags::NOFOLLOW }
}

#[cfg(test)]
#[path = "beneath_tests.rs"]
mod tests;
