//! Private directories that a killed process left behind, which the next process to make one there removes.
//!
//! Whoever uses a directory holds a lock on it, which the system gives back with the last descriptor, however the process
//! ends; a fork that uses it too holds the same lock. Only directories of this user, of this boot of this machine and with
//! the lock free are removed: on a file system that several machines share, locks may be local to each.

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// What the names start with of directories that this boot of this machine made. Where the system does not tell it apart,
/// no two are alike, and nothing is ever removed.
pub(super) fn prefix(random: u64) -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let boot: String = boot.chars().filter(char::is_ascii_hexdigit).take(16).collect();
    if boot.len() == 16 { format!("mverify-{boot}-") } else { format!("mverify-{random:016x}-") }
}

/// Takes the lock of a directory, which is kept as long as the file that is returned; `None` where there are no locks.
///
/// # Errors
/// `WouldBlock` where somebody else has it; `NotFound` where somebody has just removed the directory.
pub(super) fn lock(directory: &Path) -> io::Result<Option<File>> {
    let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(directory)?;
    match flock(&opened, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Err(Errno::WOULDBLOCK.into()),
        Err(_) => return Ok(None),
    }
    let (held, there) = (opened.metadata()?, fs::symlink_metadata(directory)?);
    if (held.dev(), held.ino()) == (there.dev(), there.ino()) {
        Ok(Some(opened))
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// Removes what nobody uses any more.
pub(super) fn remove(place: &Path, prefix: &str, user: u32) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix));
        let path = entry.path();
        if !ours || !fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir() && found.uid() == user) {
            continue;
        }
        if let Ok(Some(_lock)) = lock(&path) {
            // what cannot be removed is left to whoever cleans the place
            let _ = fs::remove_dir_all(&path);
        }
    }
}
