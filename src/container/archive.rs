//! A zip archive from end to end: what kind it is, the audit, every member, and every byte that belongs to none.
//!
//! Bound: linear in the archive plus what is inflated. Members that share bytes (a bomb, or a trick) are examined once
//! per distinct place and only while their inflated bytes stay below [`OVERLAP_ALLOWANCE`].

use super::member::{self, Member};
use super::zip::{self, Directory, Entry, Local, ZipError};
use super::zip_audit::{self, ENCRYPTED, PATCHED, Profile};
use super::{chain, stray};
use crate::finding::{Finding, shown};
use crate::format::{self, Identity, Role, torch_zip, torchscript};
use crate::rule::Effect;
use crate::rule::container as rules;
use crate::rule::format::{OVER_BUDGET, UNSUPPORTED};
use crate::scan::Scan;
use crate::source::View;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

/// Inflated bytes spent on members of an archive whose members overlap.
const OVERLAP_ALLOWANCE: u64 = 256 << 20;

/// An archive that was read and audited.
pub struct Archive<'a> {
    /// The whole archive.
    pub view: View<'a>,
    /// Its directory.
    pub dir: Directory,
    overlaps: Option<u64>,
    /// Places that were examined, by start, end and method.
    seen: BTreeSet<(u64, u64, u16)>,
}

/// Checks a zip archive of any kind.
pub fn check(view: &View<'_>, scan: &mut Scan<'_>) -> Identity {
    let dir = match zip::read_directory(view, &mut scan.budget) {
        Ok(dir) => dir,
        Err(error) => return without_directory(view, &error, scan),
    };
    if !dir.faults.is_empty()
        && let Some(parts) = chain::parts(view, scan)
    {
        return chain::check(view, &parts, scan);
    }
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
    let mut archive = Archive { view: *view, dir, overlaps, seen: BTreeSet::new() };
    let identity = match kind {
        Kind::Torch => torch_zip::check(&mut archive, scan),
        Kind::Script => torchscript::check(&mut archive, scan),
        Kind::Other => archive.examine_all(scan),
    };
    for gap in audit.gaps {
        stray::hidden(view, gap, scan);
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
        if !self.seen.insert((place.start, place.end, entry.method)) {
            return;
        }
        let path = path(&entry.name);
        if let Err(spent) = scan.enter(path.clone()) {
            scan.spent(spent, entry.header);
            return;
        }
        if self.overlaps == Some(0) {
            scan.find(Finding::new(&OVER_BUDGET, "not read: the members overlap, and enough of them was read"));
        } else if entry.flags & (ENCRYPTED | PATCHED) != 0 {
            if let Some(data) = entry.data.clone() {
                otherwise(&self.view, entry, data, entry.method, &path, scan);
            }
        } else if let Some(member) = member::open(&self.view, entry, &path, scan) {
            if let (Some(left), Member::Held(bytes)) = (&mut self.overlaps, &member) {
                *left = left.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            }
            member.view(|view| with(view, &path, scan));
            // A local header that disagrees makes a second reading of the same place.
            if let Some((data, method)) =
                self.dir.locals.get(&entry.header).and_then(|local| second(entry, local, &self.view))
            {
                otherwise(&self.view, entry, data, method, &path, scan);
            }
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
        let mut keras = false;
        for index in 0..self.dir.entries.len() {
            let metadata = self.dir.entries.get(index).is_some_and(|e| e.name == b"metadata.json");
            self.open(index, scan, |view, path, scan| {
                keras |= metadata
                    && view.head(4096).is_ok_and(|text| memchr::memmem::find(&text, b"keras_version").is_some());
                format::examine(view, path, scan);
            });
        }
        if keras && self.dir.entries.iter().any(|e| e.name == b"config.json") {
            let message = "a Keras model, whose configuration names what to import and call, and is not judged";
            scan.find(Finding::new(&UNSUPPORTED, message));
            return Identity { format: "keras", role: Role::Loadable };
        }
        let npz = !self.dir.entries.is_empty() && self.dir.entries.iter().all(|e| e.name.ends_with(b".npy"));
        Identity { format: if npz { "npz" } else { "zip" }, role: Role::Loadable }
    }
}

/// How a reader that believes the local header reads the content, where that differs from what the directory says.
fn second(entry: &Entry, local: &Local, view: &View<'_>) -> Option<(Range<u64>, u16)> {
    let blank = local.compressed == 0 || local.compressed == 0xffff_ffff;
    let compressed = if blank { entry.compressed } else { local.compressed };
    if local.cut || (compressed, local.method) == (entry.compressed, entry.method) {
        return None;
    }
    Some((local.data..local.data.checked_add(compressed)?.min(view.len()), local.method))
}

/// Examines content as only some readers see it. What is not dangerous there is no more than noise: the contradiction
/// itself was reported.
fn otherwise(view: &View<'_>, entry: &Entry, data: Range<u64>, method: u16, path: &str, scan: &mut Scan<'_>) {
    let Some((member, sure)) = member::open_otherwise(view, entry, data, method, scan) else { return };
    if sure && entry.flags & (ENCRYPTED | PATCHED) != 0 {
        let message = "it is marked as encrypted or patched and is not: some readers refuse it, others read it";
        scan.find(Finding::new(&rules::ZIP_AMBIGUOUS, message));
    }
    let (_, trial) = scan.trial(|scan| member.view(|view| format::examine(view, path, scan)));
    trial.findings.into_iter().filter(|f| f.rule.effect == Effect::Bad).for_each(|f| scan.find(f));
}

/// A member's name as it stands in finding paths.
pub(super) fn path(name: &[u8]) -> String {
    // most names are text, which is faster to tell than to look for what is none
    shown(&std::str::from_utf8(name).map_or_else(|_| String::from_utf8_lossy(name), Cow::Borrowed))
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
    let names = stray::members(view, 0..view.len(), scan);
    Identity { format: if names.iter().any(|n| is_data_pkl(n)) { "torch-zip" } else { "zip" }, ..unknown }
}
