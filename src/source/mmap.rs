//! Mappings of large files, and the guard that turns a shrunken mapping into a flag instead of death by SIGBUS.
//!
//! Threat: a mapped file is truncated while it is hashed; the next touch of a page that is gone raises SIGBUS, which
//! kills the process without a verdict. The guard's handler looks whether the address lies in a mapping of ours, puts
//! zero pages in place of the rest of it, and sets a flag that [`super::ReadAt::settle`] turns into
//! [`Changed`]. All other addresses go to the handler that was there before. Files are mapped only while the guard
//! stands, so a caller that does not want a process-wide handler gets plain reads.
#![allow(unsafe_code)]

use super::Changed;
use std::fs::File;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Mappings that can exist at one time; further files are read.
const SLOTS: usize = 1024;

/// Where a mapping lies, for the handler. A slot with `end` 0 is free, or not yet filled.
struct Slot {
    taken: AtomicBool,
    torn: AtomicBool,
    start: AtomicUsize,
    end: AtomicUsize,
}

static MAPPINGS: [Slot; SLOTS] = [const {
    Slot {
        taken: AtomicBool::new(false),
        torn: AtomicBool::new(false),
        start: AtomicUsize::new(0),
        end: AtomicUsize::new(0),
    }
}; SLOTS];

/// What the handler needs, known once the guard stands.
struct Guard {
    page: usize,
    previous: libc::sigaction,
}

static GUARD: OnceLock<Option<Guard>> = OnceLock::new();

/// Installs the process-wide SIGBUS handler, once; for binaries, before they open files. Returns true if it stands. It
/// is never removed. A handler that is installed later by somebody else should pass on what is not its own.
pub fn guard() -> bool {
    GUARD.get_or_init(install).is_some()
}

#[cfg(not(target_os = "linux"))]
fn install() -> Option<Guard> {
    None // not tried on other systems: files are read there
}

#[cfg(target_os = "linux")]
fn install() -> Option<Guard> {
    // SAFETY: plain system calls on values that live on this stack. All-zero is a valid sigaction. The handler only
    // does what a signal handler may do (see there).
    unsafe {
        let page = usize::try_from(libc::sysconf(libc::_SC_PAGESIZE)).ok().filter(|page| page.is_power_of_two())?;
        let mut previous: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(libc::SIGBUS, std::ptr::null(), &mut previous) != 0 {
            return None;
        }
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_sigbus as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigemptyset(&mut action.sa_mask);
        (libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut()) == 0).then_some(Guard { page, previous })
    }
}

/// Async-signal-safe: atomics, `mmap` and `sigaction` as bare system calls, no allocation, no lock, errno kept.
/// (`OnceLock::get` is an atomic load.)
#[cfg(target_os = "linux")]
extern "C" fn on_sigbus(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let Some(Some(guard)) = GUARD.get() else {
        // The signal came between the installation and the note of it: no mapping of ours exists yet.
        return default_action(signal);
    };
    // SAFETY: the kernel passes a valid siginfo to a handler with SA_SIGINFO; errno is this thread's.
    let (errno, address, sent) = unsafe {
        let errno = libc::__errno_location();
        (errno, (*info).si_addr() as usize, (*info).si_code <= 0)
    };
    if !sent && let Some(slot) = MAPPINGS.iter().find(|slot| slot.holds(address)) {
        let start = address & !(guard.page - 1);
        let end = slot.end.load(Ordering::Acquire).next_multiple_of(guard.page);
        // SAFETY: replaces pages of a mapping of ours, which cannot be unmapped while somebody reads it, with pages of
        // the same protection. `errno` is valid as above.
        unsafe {
            let before = *errno;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
            let zeros = libc::mmap(start as *mut libc::c_void, end - start, libc::PROT_READ, flags, -1, 0);
            *errno = before;
            if zeros != libc::MAP_FAILED {
                slot.torn.store(true, Ordering::Release);
                return;
            }
        }
    }
    match guard.previous.sa_sigaction {
        libc::SIG_IGN if sent => {}
        libc::SIG_DFL | libc::SIG_IGN => default_action(signal),
        handler if guard.previous.sa_flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: with SA_SIGINFO the value that was installed is such a function.
            let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                unsafe { std::mem::transmute(handler) };
            handler(signal, info, context);
        }
        handler => {
            // SAFETY: without SA_SIGINFO it is such a function.
            let handler: extern "C" fn(libc::c_int) = unsafe { std::mem::transmute(handler) };
            handler(signal);
        }
    }
}

/// Lets the signal do what it does without any handler, as soon as the handler has returned.
#[cfg(target_os = "linux")]
fn default_action(signal: libc::c_int) {
    // SAFETY: plain system calls; all-zero is SIG_DFL without flags. The raised signal is held until the handler returns.
    unsafe {
        let action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, &action, std::ptr::null_mut());
        libc::raise(signal);
    }
}

impl Slot {
    fn holds(&self, address: usize) -> bool {
        // `end` is written last and cleared first.
        let end = self.end.load(Ordering::Acquire);
        address < end && address >= self.start.load(Ordering::Acquire)
    }
}

/// A file mapped for reading.
#[derive(Debug)]
pub(super) struct Mapping {
    /// Number of the slot.
    slot: usize,
    map: memmap2::Mmap,
}

impl Mapping {
    /// Maps the first `len` bytes; `None` where that is not possible or not guarded, and then the file is read.
    pub(super) fn of(file: &File, len: u64) -> Option<Mapping> {
        GUARD.get()?.as_ref()?;
        let len = usize::try_from(len).ok().filter(|len| *len > 0)?;
        let number = MAPPINGS.iter().position(|slot| !slot.taken.swap(true, Ordering::AcqRel))?;
        let slot = MAPPINGS.get(number)?;
        // SAFETY: the bytes can be changed by other processes. They are only ever hashed, never parsed, and no decision
        // but a digest depends on them.
        let Ok(map) = (unsafe { memmap2::MmapOptions::new().len(len).map(file) }) else {
            slot.taken.store(false, Ordering::Release);
            return None;
        };
        let _ = map.advise(memmap2::Advice::Sequential);
        let start = map.as_ptr() as usize;
        slot.torn.store(false, Ordering::Release);
        slot.start.store(start, Ordering::Release);
        slot.end.store(start + len, Ordering::Release);
        Some(Mapping { slot: number, map })
    }

    /// A part of the mapping.
    pub(super) fn window(&self, offset: u64, n: usize) -> io::Result<&[u8]> {
        let start = usize::try_from(offset).map_err(|_| Changed)?;
        Ok(self.map.get(start..start.saturating_add(n)).ok_or(Changed)?)
    }

    /// Fetches pages, so that whoever reads them has no page faults. Older kernels do not know the advice, and then the
    /// pages come one by one; errors show when they are read.
    pub(super) fn prefetch(&self, offset: u64, n: usize) {
        #[cfg(target_os = "linux")]
        if let Ok(start) = usize::try_from(offset) {
            let _ = self.map.advise_range(memmap2::Advice::PopulateRead, start, n);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (offset, n);
    }

    /// True if a page was missing when it was touched: the file has shrunk, or the disk failed.
    pub(super) fn is_torn(&self) -> bool {
        MAPPINGS.get(self.slot).is_none_or(|slot| slot.torn.load(Ordering::Acquire))
    }
}

/// A sealed file, mapped: bytes that nobody can change or take away, so that a mapping of them is as good as memory. It
/// needs no guard.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub(crate) struct Final(memmap2::Mmap);

#[cfg(target_os = "linux")]
impl Final {
    /// Maps all of `file`; `None` where it is not sealed, or cannot be mapped.
    pub(crate) fn of(file: &File) -> Option<Final> {
        if !super::seal::is_final(file) {
            return None;
        }
        // SAFETY: the seals WRITE, SHRINK and GROW were just seen, and the seal SEAL keeps them there. So no descriptor and
        // no mapping, of this or another process, can change the bytes or the length for as long as the file exists, and
        // this mapping keeps it existing: the slice is immutable memory.
        unsafe { memmap2::Mmap::map(file) }.ok().map(Final)
    }
}

#[cfg(target_os = "linux")]
impl std::ops::Deref for Final {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if let Some(slot) = MAPPINGS.get(self.slot) {
            // Before the pages go: afterwards the addresses may belong to somebody else.
            slot.end.store(0, Ordering::Release);
            slot.taken.store(false, Ordering::Release);
        }
    }
}
