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

/// Fails unless copies of `bytes` in all may be made: by default of half of what is free, since what is loaded from a copy
/// needs memory as well.
pub(super) fn fits(bytes: u64, options: &Options) -> Result<(), LoadError> {
    fits_beside(bytes, options, 2)?;
    let most = memory::largest_file();
    if bytes > most { short(bytes, format!("this process may write files of {most} bytes")) } else { Ok(()) }
}

/// Fails unless memory for `bytes` may be taken: by default of what is free all but one in `rest` parts.
pub(super) fn fits_beside(bytes: u64, options: &Options, rest: u64) -> Result<(), LoadError> {
    if let Some(free) = memory::free() {
        let may = options.memory.unwrap_or(free.bytes - free.bytes / rest).min(free.bytes);
        if bytes > may && options.memory.is_none_or(|most| bytes <= most) {
            return short(bytes, format!("{} {} bytes, of which {may} may be taken", free.by, free.bytes));
        }
    }
    match options.memory.filter(|most| bytes > *most) {
        Some(most) => short(bytes, format!("{most} were allowed")),
        None => Ok(()),
    }
}

fn short<T>(bytes: u64, why: String) -> Result<T, LoadError> {
    Err(LoadError::unavailable(Mode::Sealed, format!("it takes {bytes} bytes of memory, {why}")))
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn memory_is_left_for_what_is_loaded() {
        let (default, free) = (Options::default(), memory::free().unwrap().bytes);
        let part = free / 4 * 3; // what is free changes meanwhile, by less than this leaves
        assert!(fits(part, &default).unwrap_err().to_string().contains("may be taken"));
        assert!(fits_beside(part, &default, 8).is_ok());
        assert!(fits_beside(free.saturating_mul(2), &default, 8).is_err());
        assert!(fits(free.saturating_mul(2), &default.clone().memory(u64::MAX)).is_err(), "more than there is");
        assert!(fits(10, &default.clone().memory(10)).is_ok());
        assert!(fits(11, &default.memory(10)).unwrap_err().to_string().contains("10 were allowed"));
    }
}
