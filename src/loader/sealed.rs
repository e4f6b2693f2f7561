//! Copies in memory that nobody can change, and how much memory they may take.

use super::memory;
use super::mode::{Mode, Options};
use super::refusal::LoadError;
use std::fs::File;
use std::io;

/// A file in memory that `fill` writes, sealed and open for reading. `name` is shown in `/proc/PID/maps`.
#[cfg(target_os = "linux")]
pub(super) fn copy(name: &str, fill: impl FnOnce(&File) -> io::Result<()>) -> io::Result<File> {
    use rustix::fs::{MemfdFlags, memfd_create};
    // at most 249 bytes, none of them NUL
    let name: String = name.chars().filter(|c| c.is_ascii_graphic() && *c != '/').take(64).collect();
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let created = memfd_create(name.as_str(), flags | MemfdFlags::NOEXEC_SEAL)
        // kernels before 6.3 do not know the flag
        .or_else(|_| memfd_create(name.as_str(), flags))
        .map_err(|error| io::Error::new(io::ErrorKind::Unsupported, error))?;
    let file = File::from(created);
    fill(&file)?;
    // nobody can write to it: it should not look as if
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o444))?;
    crate::source::seal::seal(&file)?;
    // a descriptor that is open for reading only can be mapped on every kernel
    Ok(super::handle::reopen(&file).unwrap_or(file))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn copy(_: &str, _: impl FnOnce(&File) -> io::Result<()>) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

/// True if the bytes of this file are final already.
pub(super) fn is_final(file: &File) -> bool {
    #[cfg(target_os = "linux")]
    return crate::source::seal::is_final(file);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = file;
        false
    }
}

/// Fails unless copies of `bytes` in all may be made.
pub(super) fn fits(bytes: u64, options: &Options) -> Result<(), LoadError> {
    let short = |why: String| Err(LoadError::unavailable(Mode::Sealed, format!("a copy takes {bytes} bytes, {why}")));
    if let Some(free) = memory::free() {
        let may = options.memory.unwrap_or(free.bytes / 2).min(free.bytes);
        if bytes > may {
            let rest = if options.memory.is_none() { ", of which half may be taken" } else { "" };
            return short(format!("{} {} bytes{rest}", free.by, free.bytes));
        }
    }
    if let Some(most) = options.memory.filter(|most| bytes > *most) {
        return short(format!("{most} were allowed"));
    }
    let most = memory::largest_file();
    if bytes > most { short(format!("this process may write files of {most} bytes")) } else { Ok(()) }
}
