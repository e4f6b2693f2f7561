//! Bytes of a zip archive that its directory does not know: searched for local headers, and examined as they are.
//!
//! Threat: a payload behind, before or between the members, or in an archive whose directory was cut off. Bound: linear
//! in the bytes searched; a search window starts small and doubles, and each byte of content is examined once.

use super::archive::path;
use super::zip::{self, Entry};
use crate::format;
use crate::scan::Scan;
use crate::source::View;
use std::io;
use std::ops::Range;

/// Window of the search for a signature.
const WINDOW: u64 = 1 << 20;
const FIRST_WINDOW: u64 = 1 << 10;

/// Looks at bytes that belong to no member: as a file of their own, and as members whose directory was taken away.
pub(super) fn hidden(view: &View<'_>, range: Range<u64>, scan: &mut Scan<'_>) {
    let Some(part) = view.sub(range.clone()) else { return };
    if let Err(spent) = scan.enter(format!("(bytes at {})", range.start)) {
        scan.spent(spent, range.start);
        return;
    }
    let head = part.head(4).unwrap_or_default();
    if *head != *zip::LOCAL && *head != *zip::END && *head != *zip::CENTRAL {
        format::examine(&part, "", scan);
    }
    scan.leave();
    members(view, range, scan);
}

/// Examines the content after each local header in `range` that no directory mentions. Returns the names found.
pub(super) fn members(view: &View<'_>, range: Range<u64>, scan: &mut Scan<'_>) -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    let mut at = range.start;
    while let Ok(Some(header)) = find(view, zip::LOCAL, at..range.end) {
        at = header.saturating_add(4);
        let Ok(Some(local)) = zip::read_local(view, header, range.end) else { continue };
        if local.cut {
            continue;
        }
        if let Err(spent) = scan.budget.entries(1) {
            scan.spent(spent, header);
            break;
        }
        // Without a stated size the content goes to the next structure.
        let next = find(view, b"PK", local.data..range.end).ok().flatten().unwrap_or(range.end);
        let stated = local.data.saturating_add(local.compressed);
        let end = if local.compressed == 0 || local.compressed == 0xffff_ffff { next } else { stated.min(range.end) };
        #[rustfmt::skip]
        let entry = Entry { name: local.name, method: local.method, size: local.size, crc: local.crc, header, data: Some(local.data..end), ..Entry::default() };
        at = end.max(at);
        names.push(entry.name.clone());
        if is_tensor(&entry.name) {
            continue;
        }
        if let Err(spent) = scan.enter(path(&entry.name)) {
            scan.spent(spent, header);
            break;
        }
        if let Ok(content) = zip::read_entry(view, &entry, &mut scan.budget) {
            let bytes: &[u8] = &content.bytes;
            format::examine(&View::new(&bytes), &path(&entry.name), scan);
        }
        scan.leave();
    }
    names
}

/// True for a torch storage, whose bytes are no file format.
fn is_tensor(name: &[u8]) -> bool {
    let mut parts = name.rsplit(|b| *b == b'/');
    let digits = parts.next().is_some_and(|key| !key.is_empty() && key.iter().all(u8::is_ascii_digit));
    digits && matches!(parts.next(), Some(b"data" | b"constants"))
}

/// The first place of `what` in `range`.
pub(super) fn find(view: &View<'_>, what: &[u8], range: Range<u64>) -> io::Result<Option<u64>> {
    let overlap = u64::try_from(what.len()).unwrap_or(0).saturating_sub(1);
    let mut at = range.start;
    let mut window = FIRST_WINDOW; // small at first: the next one is often near, and there may be many
    while at < range.end {
        let end = at.saturating_add(window).min(range.end);
        window = window.saturating_mul(2).min(WINDOW);
        let block = view.copy(at..end)?;
        if let Some(found) = memchr::memmem::find(&block, what) {
            return Ok(Some(at.saturating_add(u64::try_from(found).unwrap_or(u64::MAX))));
        }
        if end == range.end {
            break;
        }
        at = end.saturating_sub(overlap);
    }
    Ok(None)
}
