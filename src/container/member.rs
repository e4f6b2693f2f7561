//! A member's content, made ready to be examined: a part of the archive, or inflated bytes.
//!
//! Threat: sizes and checksums that lie (torch checks neither), and bombs. Whatever comes out is examined all the same;
//! what does not agree is a finding. Bound: linear in the compressed plus the inflated bytes, which the budget limits.

use super::cursor::len64;
use super::zip::{self, Entry, EntryError};
use crate::finding::Finding;
use crate::rule::container as rules;
use crate::rule::format::{OVER_BUDGET, UNREADABLE};
use crate::scan::Scan;
use crate::source::View;
use std::borrow::Cow;
use std::io;
use std::ops::Range;

/// Content that can be viewed.
pub enum Member<'a> {
    /// Stored: a part of the archive itself.
    Part(View<'a>),
    /// Inflated, in memory.
    Held(Cow<'a, [u8]>),
}

impl Member<'_> {
    /// Calls `with` with a view of the content.
    pub fn view<R>(&self, with: impl FnOnce(&View<'_>) -> R) -> R {
        match self {
            Member::Part(view) => with(view),
            Member::Held(bytes) => {
                let bytes: &[u8] = bytes;
                with(&View::new(&bytes))
            }
        }
    }
}

/// Reads content as the archive does not say it should be read: encrypted or patched by its flags, or by another method
/// or size than the directory has it. `None` if nothing comes out. `sure` if the checksum holds all the same.
pub fn open_otherwise<'a>(
    view: &View<'a>,
    entry: &Entry,
    range: Range<u64>,
    method: u16,
    scan: &mut Scan<'_>,
) -> Option<(Member<'a>, bool)> {
    let content = zip::read_range(view, range, method, &mut scan.budget).ok()?;
    let sure = !content.broken && crc32fast::hash(&content.bytes) == entry.crc;
    Some((Member::Held(content.bytes), sure))
}

/// Opens a member and reports what is wrong with its size, stream and checksum. `scan` must have entered it: its path is
/// `path`. The checksum of stored bytes of the outermost file is left to the bulk pass.
pub fn open<'a>(view: &View<'a>, entry: &Entry, path: &str, scan: &mut Scan<'_>) -> Option<Member<'a>> {
    if entry.method != 0 {
        return inflated(view, entry, scan);
    }
    let range = entry.data.clone()?;
    let part = view.sub(range)?;
    if scan.depth() == 1 {
        scan.defer_crc(part.start()..part.start().saturating_add(part.len()), entry.crc, path.to_owned());
    } else {
        match crc(&part) {
            Ok(crc) if crc != entry.crc => mismatch(scan, "the content does not have the checksum the archive states"),
            Ok(_) => {}
            Err(error) => scan.find(Finding::new(&UNREADABLE, format!("reading failed: {error}"))),
        }
    }
    Some(Member::Part(part))
}

fn inflated<'a>(view: &View<'a>, entry: &Entry, scan: &mut Scan<'_>) -> Option<Member<'a>> {
    match zip::read_entry(view, entry, &mut scan.budget) {
        Ok(content) => {
            if content.broken {
                mismatch(scan, "the compressed content is broken");
            } else if content.used != entry.compressed {
                mismatch(scan, "bytes follow the compressed content");
            }
            if len64(&content.bytes) != entry.size {
                mismatch(scan, "the content is not as long as the archive states");
            } else if crc32fast::hash(&content.bytes) != entry.crc {
                mismatch(scan, "the content does not have the checksum the archive states");
            }
            Some(Member::Held(content.bytes))
        }
        Err(EntryError::Spent(spent)) => {
            scan.find(Finding::new(&OVER_BUDGET, format!("stopped at the limit {}", spent.0)));
            None
        }
        Err(EntryError::Io(kind)) => {
            scan.find(Finding::new(&UNREADABLE, format!("reading failed: {kind}")));
            None
        }
        // The audit reported these.
        Err(EntryError::NoData | EntryError::Encrypted | EntryError::Method(_)) => None,
    }
}

fn mismatch(scan: &mut Scan<'_>, what: &str) {
    scan.find(Finding::new(&rules::ZIP_CHECKSUM, what));
}

/// CRC-32 of all bytes, read in blocks.
fn crc(view: &View<'_>) -> io::Result<u32> {
    let mut hasher = crc32fast::Hasher::new();
    let mut block = vec![0; 1 << 16];
    let mut at = 0u64;
    while at < view.len() {
        let left = usize::try_from(view.len().saturating_sub(at)).unwrap_or(usize::MAX);
        let Some(part) = block.get_mut(..left.min(1 << 16)) else { break };
        view.read_at(at, part)?;
        hasher.update(part);
        at = at.saturating_add(len64(part));
    }
    Ok(hasher.finalize())
}
