//! What fs-verity tells of a file: the digest that the kernel measured, and how it was computed (`linux/fsverity.h`,
//! `Documentation/filesystems/fsverity.rst`).
#![allow(unsafe_code)]

use rustix::fs::{AtFlags, StatxAttributes, StatxFlags, statx};
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};
use std::fs::File;
use std::io;

/// Bytes of `struct fsverity_descriptor`.
pub(crate) const DESCRIPTOR: usize = 256;

/// The digest of a file, as the kernel measured it when fs-verity was enabled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Measured {
    /// 1 is SHA-256, 2 is SHA-512.
    pub(crate) algorithm: u16,
    pub(crate) digest: Vec<u8>,
}

/// `struct fsverity_digest` without the digest, which is what the number of the call is made of.
#[repr(C)]
struct Head {
    algorithm: u16,
    size: u16,
}

#[repr(C)]
struct Room {
    head: Head,
    digest: [u8; 64],
}

/// `struct fsverity_read_metadata_arg`.
#[repr(C)]
struct Metadata {
    kind: u64,
    offset: u64,
    length: u64,
    buffer: u64,
    reserved: u64,
}

const MEASURE: Opcode = opcode::read_write::<Head>(b'f', 134);
const READ: Opcode = opcode::read_write::<Metadata>(b'f', 135);
/// `FS_VERITY_METADATA_TYPE_DESCRIPTOR`.
const OF_DESCRIPTOR: u64 = 2;

/// The digest that the kernel holds reads of this very inode against.
///
/// # Errors
/// `NotFound` where fs-verity is not enabled for it, or its file system has none. The attribute is asked for as well: it is
/// the kernel's own, while the answer to the call is the file system's, which may be a program of somebody (FUSE).
pub(crate) fn measured(file: &File) -> io::Result<Measured> {
    let found = statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)?;
    let verity = StatxAttributes::VERITY;
    if !(found.stx_attributes_mask.contains(verity) && found.stx_attributes.contains(verity)) {
        return Err(io::ErrorKind::NotFound.into());
    }
    let mut room = Room { head: Head { algorithm: 0, size: 64 }, digest: [0; 64] };
    // SAFETY: FS_IOC_MEASURE_VERITY takes a `struct fsverity_digest`, whose two fields `head` is, and writes at most
    // `size` bytes behind it, for which `digest` is there; the kernel keeps no pointer. `file` keeps the descriptor open.
    unsafe { ioctl(file, Updater::<MEASURE, Room>::new(&mut room)) }?;
    let digest = room.digest.get(..usize::from(room.head.size)).ok_or(io::ErrorKind::InvalidData)?;
    Ok(Measured { algorithm: room.head.algorithm, digest: digest.to_vec() })
}

/// How the digest was computed: `struct fsverity_descriptor`, without a signature.
///
/// # Errors
/// Where the kernel (before 5.12) or the file system does not tell.
pub(crate) fn descriptor(file: &File) -> io::Result<[u8; DESCRIPTOR]> {
    let mut bytes = [0; DESCRIPTOR];
    let buffer = bytes.as_mut_ptr().expose_provenance() as u64;
    let mut ask = Metadata { kind: OF_DESCRIPTOR, offset: 0, length: DESCRIPTOR as u64, buffer, reserved: 0 };
    // SAFETY: FS_IOC_READ_VERITY_METADATA takes this struct and writes at most `length` bytes to `buffer`, which is that
    // of `bytes`, mutably borrowed by nobody else and read only after the call; the kernel keeps no pointer.
    unsafe { ioctl(file, Updater::<READ, Metadata>::new(&mut ask)) }?;
    Ok(bytes)
}
