//! The system's page cache: what to fetch ahead, and what to leave behind as it was found.
//!
//! Reading 500 GB through the cache of a server evicts what the server lives from. So, on request, pages that came in
//! because of us are given up again ([`Behind`]). Pages that were there before stay, as far as the system tells
//! (Linux 6.5 and later; of files of others only to who may write them): asked once, when the file is opened, in steps of [`STEP`]
//! bytes. Where it does not tell, the file's clean pages go whoever brought them. Pages that another process has mapped
//! never go.
//!
//! `unsafe` because the libc crate has nothing but the bare calls: integers, and two structures on the stack.
//! Bound: a bit per [`STEP`] bytes of a file, and only with [`Behind`].
#![allow(unsafe_code)]

use std::fs::File;
use std::ops::Range;
use std::os::fd::AsRawFd;

/// Bytes about which the system is asked at once. A step of which one page was there before is left alone.
const STEP: u64 = 1 << 20;

/// Has the system begin to read a range, without waiting for it.
pub(super) fn fetch(file: &File, range: Range<u64>) {
    advise(file, range, libc::POSIX_FADV_WILLNEED);
}

/// What to leave behind of a file. In the end that is everything that was not there before, with what parsers read and
/// the system fetched ahead.
#[derive(Debug)]
pub(super) struct Behind {
    file: File,
    len: u64,
    /// For each step whether it was there before.
    before: Vec<bool>,
}

impl Behind {
    /// Looks at a file of `len` bytes, before anything of it is read; `None` where the system has no handle left.
    pub(super) fn of(file: &File, len: u64) -> Option<Behind> {
        let file = file.try_clone().ok()?;
        let steps = (0..len.div_ceil(STEP)).map(|step| step * STEP..((step + 1) * STEP).min(len));
        let before: Option<Vec<bool>> = steps.map(|range| Some(cached(&file, range)? > 0)).collect();
        Some(Behind { file, len, before: before.unwrap_or_default() })
    }

    /// Gives up the pages of a range, unless they were there before.
    pub(super) fn give_up(&self, range: Range<u64>) {
        let mut at = range.start;
        let end = range.end.min(self.len);
        while at < end {
            // as many steps at once as are alike
            let stays = self.was_there(at);
            let start = at;
            while at < end && self.was_there(at) == stays {
                at = ((at / STEP + 1) * STEP).min(end);
            }
            if !stays {
                advise(&self.file, start..at, libc::POSIX_FADV_DONTNEED);
            }
        }
    }

    fn was_there(&self, offset: u64) -> bool {
        usize::try_from(offset / STEP).ok().and_then(|step| self.before.get(step)).copied().unwrap_or(false)
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        self.give_up(0..self.len);
    }
}

fn advise(file: &File, range: Range<u64>, advice: libc::c_int) {
    let len = range.end.saturating_sub(range.start);
    if let (Ok(offset), Ok(len)) = (libc::off_t::try_from(range.start), libc::off_t::try_from(len))
        && len > 0
    {
        // SAFETY: integers, and a descriptor that `file` keeps open. It is advice: a refusal changes nothing.
        let _ = unsafe { libc::posix_fadvise(file.as_raw_fd(), offset, len, advice) };
    }
}

/// `cachestat_range` of `linux/mman.h`.
#[repr(C)]
struct Asked {
    offset: u64,
    len: u64,
}

/// `cachestat` of `linux/mman.h`.
#[repr(C)]
#[derive(Default)]
struct Counts {
    cached: u64,
    dirty: u64,
    writeback: u64,
    evicted: u64,
    recently_evicted: u64,
}

/// Pages of a range that are in memory; `None` where the system does not tell.
fn cached(file: &File, range: Range<u64>) -> Option<u64> {
    /// The number of the call; the same on every architecture.
    const CACHESTAT: libc::c_long = 451;
    let asked = Asked { offset: range.start, len: range.end - range.start };
    let mut counts = Counts::default();
    let flags: libc::c_uint = 0;
    // SAFETY: the two structures are laid out as the kernel's and live until the call returns; it reads the first and
    // writes the second. A kernel without the call says so.
    let told = unsafe { libc::syscall(CACHESTAT, file.as_raw_fd(), &raw const asked, &raw mut counts, flags) };
    (told == 0).then_some(counts.cached)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// A file of `len` bytes on disk, out of the cache; `None` where the system tells nothing.
    fn cold(len: usize) -> Option<tempfile::NamedTempFile> {
        let mut file = tempfile::NamedTempFile::new_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        file.write_all(&vec![7; len]).unwrap();
        file.as_file().sync_all().unwrap();
        advise(file.as_file(), 0..len as u64, libc::POSIX_FADV_DONTNEED);
        (cached(file.as_file(), 0..len as u64) == Some(0)).then_some(file)
    }

    #[test]
    fn what_was_there_before_stays_and_the_rest_goes() {
        let len = 4 * STEP as usize + 100;
        let Some(file) = cold(len) else { return };
        let file = file.as_file();
        let read = |range: Range<u64>| {
            super::super::file::read_exact_at(file, &mut vec![0; (range.end - range.start) as usize], range.start)
        };
        // no more than asked for
        advise(file, 0..len as u64, libc::POSIX_FADV_RANDOM);
        read(STEP + 5..STEP + 6).unwrap();
        let behind = Behind::of(file, len as u64).unwrap();
        assert_eq!(behind.before, [false, true, false, false, false]);
        read(0..len as u64).unwrap();
        assert_eq!(cached(file, 0..len as u64), Some((len as u64).div_ceil(4096)));
        behind.give_up(0..STEP);
        assert_eq!(cached(file, 0..STEP), Some(0));
        assert_ne!(cached(file, 2 * STEP..3 * STEP), Some(0));
        drop(behind);
        assert_eq!(cached(file, 2 * STEP..len as u64), Some(0));
        assert_eq!(cached(file, STEP..2 * STEP), Some(STEP / 4096));
    }

    #[test]
    fn fetching_does_not_wait_but_comes() {
        let len = 8 * STEP;
        let Some(file) = cold(len as usize) else { return };
        fetch(file.as_file(), 0..len);
        for _ in 0..500 {
            if cached(file.as_file(), 0..1 << 16) == Some(16) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("nothing came");
    }
}
