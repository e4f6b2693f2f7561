//! Read leases: Linux tells the owner of a file when somebody opens it for writing, and holds the writer back meanwhile.
//!
//! This sees what `stat` cannot: a writer through a shared mapping must have opened the file for writing first, and then
//! the lease is either not granted or broken.
//!
//! The kernel announces a broken lease with SIGIO, which kills a process that does not expect it. So another signal is
//! chosen before the lease exists: SIGURG, which is ignored unless somebody wants it, and then means "look again". We
//! do not wait for it either; the lease is asked instead ([`Lease::holds`]).
#![allow(unsafe_code)]

use std::fs::File;
use std::os::fd::AsRawFd;

/// `F_SETSIG` of `asm-generic/fcntl.h`, which the libc crate does not have; other architectures may differ.
const F_SETSIG: libc::c_int = 10;

/// A lease that was granted. It ends with the file's handle.
#[derive(Debug)]
pub(crate) struct Lease(());

impl Lease {
    /// Asks for a lease; `None` where the system grants none: not our file, opened for writing by somebody, a file
    /// system without leases.
    pub(crate) fn take(file: &File) -> Option<Lease> {
        // SAFETY: fcntl with integer arguments on a descriptor that `file` keeps open; no memory is passed.
        let granted = unsafe {
            libc::fcntl(file.as_raw_fd(), F_SETSIG, libc::SIGURG) == 0
                && libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_RDLCK) == 0
        };
        granted.then_some(Lease(()))
    }

    /// True as long as nobody asked to write.
    pub(crate) fn holds(&self, file: &File) -> bool {
        // SAFETY: as in `take`.
        unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETLEASE) == libc::F_RDLCK }
    }
}
