//! A zip archive from end to end: what kind it is, the audit, every member, and every byte that belongs to none.
//!
//! Bound: linear in the archive plus what is inflated. Members that share bytes (a bomb, or a trick) are examined once
//! per distinct place and only while their inflated bytes stay below [`OVERLAP_ALLOWANCE`].

use super::member::{self, Member};
use super::zip::{self, Directory, Entry, ZipError};
use super::zip_audit::{self, Profile};
use crate::finding::{Finding, shown};
use crate::format::{self, Identity, Role, torch_zip, torchscript};
use crate::rule::container as rules;
use crate::rule::format::OVER_BUDGET;
use crate::scan::Scan;
use crate::source::View;
use std::collections::HashSet;
use std::ops::Range;

/// Inflated bytes spent on members of an archive whose members overlap.
const OVERLAP_ALLOWANCE: u64 = 256 << 20;
/// Window of the search for stray local headers.
const WINDOW: u64 = 1 << 20;
const FIRST_WINDOW: u64 = 1 << 10;

/// An archive that was read and audited.
pub struct Archive<'a> {
    /// The whole archive.
    pub view: View<'a>,
    /// Its directory.
    pub dir: Directory,
    overlaps: Option<u64>,
    seen: HashSet<(u64, u64, u16)>,
}

/// Checks a zip archive of any kind.
pub fn check(view: &View<'_>, scan: &mut Scan<'_>) -> Identity {
    let dir = match zip::read_directory(view, &mut scan.budget) {
        Ok(dir) => dir,
        Err(error) => return without_directory(view, &error, scan),
    };
    let kind = Kind::of(&dir);
    let profile = if kind == Kind::Torch || kind == Kind::Script { Profile::Torch } else { Profile::General };
    let audit = zip_audit::audit(view, &dir, profile, scan).unwrap_or_else(|error| {
        format::unreadable(&error, scan);
        zip_audit::Audit::default()
    });
    if dir.entries.is_empty() && audit.gaps.is_empty() {
        scan.report(&rules::ZIP_EMPTY, 0, "the archive holds no members");
    }
    let overlaps = audit.overlaps.then_some(OVERLAP_ALLOWANCE);
    let mut archive = Archive { view: *view, dir, overlaps, seen: HashSet::new() };
    let identity = match kind {
        Kind::Torch => torch_zip::check(&mut archive, scan),
        Kind::Script => torchscript::check(&mut archive, scan),
        Kind::Other => archive.examine_all(scan),
    };
    for gap in audit.gaps {
        hidden(view, gap, scan);
    }
    identity
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Torch,
    Script,
    Other,
}

impl Kind {
    /// torch's own test for TorchScript is a record `constants.pkl` directly under the root, in this very case.
    fn of(dir: &Directory) -> Kind {
        let script = torch_zip::root(dir).is_some_and(|root| {
            let constants = [root, b"/constants.pkl"].concat();
            dir.entries.iter().any(|e| e.name == constants)
        });
        if script {
            Kind::Script
        } else if dir.entries.iter().any(|e| is_data_pkl(&e.name)) {
            Kind::Torch
        } else {
            Kind::Other
        }
    }
}

/// True for a name that some reader may take for torch's main pickle.
fn is_data_pkl(name: &[u8]) -> bool {
    let name = name.split(|b| *b == 0).next().unwrap_or_default();
    name.rsplit(|b| matches!(b, b'/' | b'\\')).next().is_some_and(|last| last.eq_ignore_ascii_case(b"data.pkl"))
}

impl<'a> Archive<'a> {
    /// Enters the entry with this index and calls `with` with its content, if there is any. Entries that were opened
    /// before, and directories, have none.
    pub fn open(&mut self, index: usize, scan: &mut Scan<'_>, with: impl FnOnce(&View<'_>, &str, &mut Scan<'_>)) {
        let Some(entry) = self.dir.entries.get(index) else { return };
        if entry.name.ends_with(b"/") && entry.size == 0 && entry.compressed == 0 {
            return;
        }
        let place = entry.data.clone().unwrap_or(entry.header..entry.header);
        if !self.seen.insert((place.start, place.end, entry.method)) && self.overlaps.is_some() {
            return;
        }
        let path = path(&entry.name);
        if let Err(spent) = scan.enter(path.clone()) {
            scan.spent(spent, entry.header);
            return;
        }
        if self.overlaps == Some(0) {
            scan.find(Finding::new(&OVER_BUDGET, "not read: the members overlap, and enough of them was read"));
        } else if let Some(member) = member::open(&self.view, entry, &path, scan) {
            if let (Some(left), Member::Held(bytes)) = (&mut self.overlaps, &member) {
                *left = left.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            }
            member.view(|view| with(view, &path, scan));
        }
        scan.leave();
    }

    /// Examines one entry as whatever it is.
    pub fn examine(&mut self, index: usize, scan: &mut Scan<'_>) {
        self.open(index, scan, |view, path, scan| {
            format::examine(view, path, scan);
        });
    }

    fn examine_all(&mut self, scan: &mut Scan<'_>) -> Identity {
        for index in 0..self.dir.entries.len() {
            self.examine(index, scan);
        }
        let npz = !self.dir.entries.is_empty() && self.dir.entries.iter().all(|e| e.name.ends_with(b".npy"));
        Identity { format: if npz { "npz" } else { "zip" }, role: Role::Loadable }
    }
}

/// A member's name as it stands in finding paths.
fn path(name: &[u8]) -> String {
    shown(&String::from_utf8_lossy(name))
}

/// Looks at bytes that belong to no member: as a file of their own, and as members whose directory was taken away.
fn hidden(view: &View<'_>, range: Range<u64>, scan: &mut Scan<'_>) {
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
    strays(view, range, scan);
}

/// Examines the content after each local header in `range` that no directory mentions. Returns the names found.
fn strays(view: &View<'_>, range: Range<u64>, scan: &mut Scan<'_>) -> Vec<Vec<u8>> {
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
fn find(view: &View<'_>, what: &[u8], range: Range<u64>) -> std::io::Result<Option<u64>> {
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

/// An archive whose end is missing: says so, and still looks at what its local headers show.
fn without_directory(view: &View<'_>, error: &ZipError, scan: &mut Scan<'_>) -> Identity {
    let unknown = Identity { format: "zip", role: Role::Loadable };
    match error {
        ZipError::NoEnd => {
            scan.report(&rules::ZIP_TRUNCATED, view.len(), "the archive has no end record: the file is cut off");
        }
        ZipError::Spent(spent) => scan.spent(*spent, 0),
        ZipError::Io(error) => format::unreadable(error, scan),
    }
    if matches!(error, ZipError::Io(_)) {
        return unknown;
    }
    let names = strays(view, 0..view.len(), scan);
    Identity { format: if names.iter().any(|n| is_data_pkl(n)) { "torch-zip" } else { "zip" }, ..unknown }
}
