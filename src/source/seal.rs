//! Files in memory whose bytes are final: the seals SEAL, SHRINK, GROW and WRITE of `memfd_create(2)`.
//!
//! The kernel grants the seal WRITE only while no writable mapping exists, and refuses every later write and mapping for
//! writing, whoever asks. So what is read once is what every later reader gets, in whichever process.

use rustix::fs::{SealFlags, fcntl_add_seals, fcntl_get_seals};
use std::fs::File;
use std::io;

const ALL: SealFlags = SealFlags::SEAL.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::WRITE);

/// True if nobody can change the bytes of this file, nor take them away.
pub(crate) fn is_final(file: &File) -> bool {
    fcntl_get_seals(file).is_ok_and(|seals| seals.contains(ALL))
}

/// Makes the bytes of a file final that was made for it.
pub(crate) fn seal(file: &File) -> io::Result<()> {
    fcntl_add_seals(file, ALL)?;
    if is_final(file) { Ok(()) } else { Err(io::Error::other("the system did not keep the seals")) }
}
