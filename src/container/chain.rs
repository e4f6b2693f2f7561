//! Several complete zip archives in a row, as torch.distributed.checkpoint writes its `.distcp` files.
//!
//! Threat: of two archives in a row one reader sees the first, another the last; both are examined, and the file is never
//! proven. Bound: linear in the file, with at most [`FAILURES`] vain readings of a directory.

use super::{archive, stray, zip};
use crate::format::{Identity, Role};
use crate::rule::container as rules;
use crate::scan::Scan;
use crate::source::View;
use std::ops::Range;

/// End signatures that end no archive, seen before a file is taken for no chain of archives.
const FAILURES: u32 = 16;

/// The places of complete archives, if the file is nothing but several of them in a row.
pub(super) fn parts(view: &View<'_>, scan: &mut Scan<'_>) -> Option<Vec<Range<u64>>> {
    let mut parts = Vec::new();
    let (mut start, mut at, mut failed) = (0u64, 0u64, 0u32);
    while start < view.len() {
        let end = stray::find(view, zip::END, at..view.len()).ok().flatten()?;
        at = end.saturating_add(4);
        // No comment: the archives follow each other directly.
        let stop = end.saturating_add(22);
        let part = view.sub(start..stop)?;
        let whole = *part.head(4).ok()? == *zip::LOCAL
            && zip::read_directory(&part, &mut scan.budget)
                .is_ok_and(|dir| dir.faults.is_empty() && !dir.entries.is_empty());
        if whole {
            parts.push(start..stop);
            (start, at) = (stop, stop);
        } else {
            failed = failed.saturating_add(1);
            if failed > FAILURES {
                return None;
            }
        }
    }
    (parts.len() > 1).then_some(parts)
}

pub(super) fn check(view: &View<'_>, parts: &[Range<u64>], scan: &mut Scan<'_>) -> Identity {
    let message = format!("the file is {} archives one after another", parts.len());
    scan.report(&rules::ZIP_CHAIN, 0, message);
    let mut identity = Identity { format: "zip", role: Role::Loadable };
    for range in parts {
        let Some(part) = view.sub(range.clone()) else { continue };
        if let Err(spent) = scan.enter(format!("(archive at {})", range.start)) {
            scan.spent(spent, range.start);
            break;
        }
        identity = archive::check(&part, scan);
        scan.leave();
    }
    identity
}
