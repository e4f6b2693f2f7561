//! Copies on disk in a directory that only this user can enter, removed when they are no longer needed.
//!
//! Threat: another user renames a directory above ours and puts an own one in its place. So every directory above must
//! belong to this user or to root, and be closed to others' writing unless it has the sticky bit, as `/tmp`.

use super::leftover;
use super::memory;
use super::mode::{Mode, Options};
use super::refusal::LoadError;
use std::fs::{self, DirBuilder, File};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A directory of mode 0700 that is removed with everything in it when this goes, by the process that made it: a fork
/// leaves it alone. Where that process is killed, the next that makes one in the same place removes it.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    owner: u32,
    /// Where the file system has locks.
    _lock: Option<File>,
}

impl Directory {
    /// Makes one for copies of files of at most `longest` bytes.
    pub(super) fn for_copies(longest: u64, options: &Options) -> Result<Directory, LoadError> {
        let most = memory::largest_file();
        if longest > most {
            let why = format!("a copy takes {longest} bytes, this process may write files of {most} bytes");
            return Err(LoadError::unavailable(Mode::Private, why));
        }
        let place = options.place();
        Directory::new(place)
            .map_err(|error| LoadError::unavailable(options.mode, format!("{}: {error}", place.display())))
    }

    /// Makes one below `place`.
    pub(super) fn new(place: &Path) -> io::Result<Directory> {
        let place = fs::canonicalize(place)?;
        for attempt in 0..64u32 {
            let random = RandomState::new().hash_one(attempt);
            let prefix = leftover::prefix(random);
            let path = place.join(format!("{prefix}{random:016x}"));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            }
            let lock = match leftover::lock(&path) {
                // somebody took it for left behind, before it was locked
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotFound) => continue,
                other => other.inspect_err(|_| drop(fs::remove_dir(&path)))?,
            };
            let directory = Directory { path, owner: std::process::id(), _lock: lock };
            let user = directory.is_ours_alone()?;
            leftover::remove(&place, &prefix, user);
            return Ok(directory);
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Fails if another user can enter it, or replace it; else the user.
    fn is_ours_alone(&self) -> io::Result<u32> {
        let own = fs::symlink_metadata(&self.path)?;
        let refused = |why: String| Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        if !own.is_dir() || own.mode() & 0o077 != 0 {
            return refused("a directory that only this user can enter could not be made there".to_owned());
        }
        for above in self.path.ancestors().skip(1) {
            let found = fs::symlink_metadata(above)?;
            let (open, sticky) = (found.mode() & 0o022 != 0, found.mode() & 0o1000 != 0);
            if (open && !sticky) || (found.uid() != own.uid() && found.uid() != 0) {
                return refused(format!(
                    "other users own {}, or can write to it, and could replace a copy",
                    above.display()
                ));
            }
        }
        Ok(own.uid())
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if self.owner == std::process::id() {
            // what cannot be removed is left to whoever cleans the place
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Makes `path` a copy of `from`: by reference where the file system can, else as `copy` writes it. It can be read by this
/// user only, and written by nobody.
pub(super) fn copy<E: From<io::Error>>(
    from: &File,
    path: &Path,
    copy: impl FnOnce(&File) -> Result<(), E>,
) -> Result<(), E> {
    let to = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    if !reference(from, &to) {
        copy(&to)?;
    }
    to.set_permissions(fs::Permissions::from_mode(0o400))?;
    Ok(())
}

#[cfg(target_os = "linux")]
fn reference(from: &File, to: &File) -> bool {
    rustix::fs::ioctl_ficlone(to, from).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn reference(_: &File, _: &File) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_user_can_enter_and_nothing_is_left() {
        let place = tempfile::tempdir().unwrap();
        let directory = Directory::new(place.path()).unwrap();
        assert_eq!(fs::metadata(directory.path()).unwrap().mode() & 0o777, 0o700);
        fs::write(directory.path().join("x"), "x").unwrap();
        drop(directory);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_a_killed_process_left_is_removed_by_the_next() {
        let place = tempfile::tempdir().unwrap();
        let count = || fs::read_dir(place.path()).unwrap().count();
        let mut left = Directory::new(place.path()).unwrap();
        fs::write(left.path().join("x"), "x").unwrap();
        let used = Directory::new(place.path()).unwrap();
        assert_eq!(count(), 2, "one that is used stays");
        left.owner = 0; // killed: the lock goes, the directory stays
        drop(left);
        assert_eq!(count(), 2);
        fs::create_dir(place.path().join("mverify-of-somebody-else")).unwrap();
        let next = Directory::new(place.path()).unwrap();
        assert_eq!(count(), 3, "used, the next, and what is not ours to remove");
        assert!(used.path().exists() && next.path().exists());
    }

    #[test]
    fn many_that_start_at_once_do_not_remove_each_other() {
        let place = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let directory = Directory::new(place.path()).unwrap();
                        fs::write(directory.path().join("x"), "x").unwrap();
                        assert_eq!(fs::read(directory.path().join("x")).unwrap(), b"x");
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_place_that_others_can_write_to_is_refused() {
        let place = tempfile::tempdir().unwrap();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(Directory::new(place.path()).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0, "nothing is left");
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o1777)).unwrap();
        assert!(Directory::new(place.path()).is_ok());
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert!(Directory::new(&place.path().join("nowhere")).is_err());
    }
}
