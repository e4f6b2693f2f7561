//! `torch.save` since 1.6: a zip with one root folder, a pickle `data.pkl`, and one record per storage.
//!
//! Threat: a storage that is not what its tensor claims (CVE-2026-24747; `mmap=True` reads raw bytes at the record's
//! place, so a compressed storage has two contents), records nobody refers to, and a pickle that is found under another
//! spelling. Bound: linear in the members; storages are never parsed, only measured.
//!
//! Source: `torch/serialization.py` 2.15 (`_load`), `caffe2/serialize/inline_container.cc`.

use super::{Identity, Role};
use crate::container::archive::Archive;
use crate::container::zip::{Directory, Entry};
use crate::container::zip_audit;
use crate::container::zip_names::without_case;
use crate::finding::{Finding, shown};
use crate::pickle::{self, Dialect, StorageRef};
use crate::rule::{container as zip_rules, torch as rules};
use crate::scan::Scan;
use crate::source::View;
use std::collections::HashSet;

/// Everything before the first slash of the first record, as torch takes it; `None` where there is no slash.
pub fn root(dir: &Directory) -> Option<&[u8]> {
    let first = dir.entries.first()?;
    let slash = memchr::memchr(b'/', &first.name)?;
    first.name.get(..slash)
}

/// Checks an archive that holds a `data.pkl`.
pub fn check(archive: &mut Archive<'_>, scan: &mut Scan<'_>) -> Identity {
    let records = Records::of(&archive.dir);
    records.report_shape(&archive.dir, scan);
    let mut storages = Storages::default();
    for &index in &records.pickles {
        archive.open(index, scan, |view, _, scan| read_pickle(view, scan, &mut storages));
    }
    storages.compare(&records, "data", &archive.dir, scan);
    for &index in &records.others {
        if storages.owns(&archive.dir, &records, index) {
            archive.open(index, scan, |_, _, _| ()); // its checksum is still to be checked
        } else {
            let inner =
                archive.dir.entries.get(index).and_then(|e| records.inner(&e.name)).unwrap_or_default().to_vec();
            archive.open(index, scan, |view, path, scan| other(view, path, &inner, scan));
        }
    }
    Identity { format: "torch-zip", role: Role::Loadable }
}

/// The records of an archive, sorted by what torch makes of them. Indices are into the directory.
pub(super) struct Records {
    root: Option<Vec<u8>>,
    /// Everything that some reader may take for the main pickle.
    pickles: Vec<usize>,
    /// The rest.
    others: Vec<usize>,
}

impl Records {
    pub(super) fn of(dir: &Directory) -> Self {
        let root = root(dir).map(<[u8]>::to_vec);
        let mut records = Records { root, pickles: Vec::new(), others: Vec::with_capacity(dir.entries.len()) };
        for (index, entry) in dir.entries.iter().enumerate() {
            let main = records.inner(&entry.name).is_some_and(|inner| inner.eq_ignore_ascii_case(b"data.pkl"));
            if main { records.pickles.push(index) } else { records.others.push(index) }
        }
        records
    }

    /// The part of a record's name below the root.
    pub(super) fn inner<'n>(&self, name: &'n [u8]) -> Option<&'n [u8]> {
        let root = self.root.as_deref()?;
        let (head, rest) = name.split_at_checked(root.len())?;
        if head.eq_ignore_ascii_case(root) { rest.strip_prefix(b"/") } else { None }
    }

    /// What makes torch refuse the archive whatever its pickle holds.
    fn report_shape(&self, dir: &Directory, scan: &mut Scan<'_>) {
        let mut malformed = |offset: u64, message: String| scan.report(&rules::MALFORMED_ARCHIVE, offset, message);
        if let Some(outside) = dir.entries.iter().find(|e| self.exact(&e.name).is_none()) {
            let message =
                format!("{} is not in the root folder, so torch refuses the archive", zip_audit::name(outside));
            malformed(outside.record, message);
        }
        if !dir.entries.iter().any(|e| self.exact(&e.name) == Some(b"data.pkl")) {
            malformed(dir.end.offset, "there is no data.pkl directly in the root folder".into());
        }
        if !dir.entries.iter().any(|e| matches!(self.exact(&e.name), Some(b"version" | b".data/version"))) {
            malformed(dir.end.offset, "there is no version record".into());
        }
        for e in &dir.entries {
            if let (None, Some(inner)) = (self.exact(&e.name), self.inner(&e.name)) {
                let inner = shown(&String::from_utf8_lossy(inner));
                let message = format!("the root folder of '{inner}' is spelled in another case");
                scan.report(&zip_rules::ZIP_TWINS, e.record, message);
            } else if let Some(inner) = self.inner(&e.name)
                && KNOWN.iter().any(|known| inner.eq_ignore_ascii_case(known) && inner != *known)
            {
                let message =
                    format!("{} is a name of torch's in another case, which torch takes for it", zip_audit::name(e));
                scan.report(&zip_rules::ZIP_TWINS, e.record, message);
            }
        }
    }

    fn exact<'n>(&self, name: &'n [u8]) -> Option<&'n [u8]> {
        name.strip_prefix(self.root.as_deref()?)?.strip_prefix(b"/")
    }
}

/// Records that torch looks up by name.
const KNOWN: &[&[u8]] = &[
    b"data.pkl",
    b"constants.pkl",
    b"version",
    b".data/version",
    b"byteorder",
    b".format_version",
    b".storage_alignment",
];

fn read_pickle(view: &View<'_>, scan: &mut Scan<'_>, storages: &mut Storages) {
    let Some(summary) = pickle_in(view, Dialect::TorchZip, scan) else { return };
    storages.complete &= summary.complete;
    storages.refs.extend(summary.storages);
}

/// Runs the pickle at the start of `view`; bytes after its end are a finding and are examined too.
pub(super) fn pickle_in(view: &View<'_>, dialect: Dialect, scan: &mut Scan<'_>) -> Option<pickle::Summary> {
    if view.len() > scan.budget.limits().max_header_bytes {
        scan.spent(crate::budget::Spent("max_header_bytes"), 0);
        return None;
    }
    let bytes = match view.copy(0..view.len()) {
        Ok(bytes) => bytes,
        Err(error) => {
            super::unreadable(&error, scan);
            return None;
        }
    };
    let summary = pickle::check(&bytes, 0, dialect, scan);
    if summary.complete && summary.consumed < view.len() {
        scan.report(&rules::AFTER_PICKLE, summary.consumed, "bytes follow the end of the pickle");
        if let Some(rest) = view.sub(summary.consumed..view.len()) {
            match scan.enter("(after the pickle)") {
                Ok(()) => {
                    super::examine(&rest, "", scan);
                    scan.leave();
                }
                Err(spent) => scan.spent(spent, summary.consumed),
            }
        }
    }
    Some(summary)
}

/// The storages that pickles refer to.
pub(super) struct Storages {
    pub(super) refs: Vec<StorageRef>,
    /// True if every pickle was read to its end, so that a record without a reference is really unused.
    pub(super) complete: bool,
    used: HashSet<usize>,
}

impl Default for Storages {
    fn default() -> Self {
        Storages { refs: Vec::new(), complete: true, used: HashSet::new() }
    }
}

impl Storages {
    /// Compares the references with the records in `folder`.
    pub(super) fn compare(&mut self, records: &Records, folder: &str, dir: &Directory, scan: &mut Scan<'_>) {
        let mut by_key: Vec<(&[u8], usize)> = Vec::with_capacity(dir.entries.len());
        by_key.extend(dir.entries.iter().enumerate().filter_map(|(index, entry)| {
            let inner = records.inner(&entry.name)?.strip_prefix(folder.as_bytes())?;
            Some((inner.strip_prefix(b"/")?, index))
        }));
        by_key.sort_by(|(a, _), (b, _)| without_case(a, b));
        let mut told = 0u32;
        for r in &self.refs {
            let order = |(key, _): &(&[u8], usize)| without_case(key, r.key.as_bytes());
            let from = by_key.partition_point(|held| order(held).is_lt());
            let same = by_key.get(from..).unwrap_or_default().iter().take_while(|held| order(held).is_eq());
            let indices = same.map(|(_, index)| *index);
            let finding = check_ref(r, indices.clone().filter_map(|i| dir.entries.get(i)), folder);
            self.used.extend(indices);
            if let Some(finding) = finding {
                told = told.saturating_add(1);
                if told <= TOLD {
                    scan.find(finding);
                }
            }
        }
        self.refs.clear();
    }

    /// True if the record's bytes are a tensor's: a pickle refers to it, or no pickle could be read that might.
    fn owns(&self, dir: &Directory, records: &Records, index: usize) -> bool {
        if self.used.contains(&index) {
            return true;
        }
        let Some(entry) = dir.entries.get(index) else { return false };
        !self.complete && records.inner(&entry.name).is_some_and(|inner| inner.starts_with(b"data/"))
    }

    pub(super) fn is_used(&self, index: usize) -> bool {
        self.used.contains(&index)
    }
}

/// Findings about storages in one archive at most.
const TOLD: u32 = 24;

fn check_ref<'e>(r: &StorageRef, mut entries: impl Iterator<Item = &'e Entry>, folder: &str) -> Option<Finding> {
    let key = shown(&r.key);
    let Some(entry) = entries.next() else {
        let message = format!("the pickle refers to a storage '{key}', but there is no record {folder}/{key}");
        return Some(Finding::new(&rules::MISSING_STORAGE, message));
    };
    if !entry.name.ends_with(r.key.as_bytes()) {
        let message =
            format!("the storage '{key}' is spelled in another case in the archive, where only torch finds it");
        return Some(Finding::new(&zip_rules::ZIP_TWINS, message).at(entry.record));
    }
    if entry.method != 0 {
        let message = format!("the storage {} is compressed", zip_audit::name(entry));
        return Some(Finding::new(&rules::COMPRESSED_STORAGE, message).at(entry.record));
    }
    let Some(expected) = r.item_bytes.map(|item| item.checked_mul(r.numel)) else {
        let message = format!("the size of the storage '{key}' is not known: its class is '{}'", shown(&r.class));
        return Some(Finding::new(&rules::UNSIZED_STORAGE, message));
    };
    if expected == Some(entry.size) {
        return None;
    }
    let expected = expected.map_or_else(|| "more than 2^64".to_owned(), |n| n.to_string());
    let message = format!(
        "the storage {} holds {} bytes, but its tensor claims {expected} ({} elements of {})",
        zip_audit::name(entry),
        entry.size,
        r.numel,
        shown(&r.class)
    );
    Some(Finding::new(&rules::CORRUPT_STORAGE, message).at(entry.record))
}

/// A record that is neither the main pickle nor a storage in use.
fn other(view: &View<'_>, path: &str, inner: &[u8], scan: &mut Scan<'_>) {
    if let Some(proper) = small(inner, view) {
        if !proper {
            scan.find(Finding::new(&rules::MALFORMED_ARCHIVE, "the record does not hold what torch expects there"));
        }
        return;
    }
    if inner.starts_with(b"data/") {
        scan.find(Finding::new(&rules::UNUSED_RECORD, "no tensor refers to this record"));
        if view.is_empty() {
            return;
        }
    }
    super::examine(view, path, scan);
}

/// Whether one of torch's own small records is what it should be; `None` for any other record.
pub(super) fn small(inner: &[u8], view: &View<'_>) -> Option<bool> {
    let text = view.head(256).unwrap_or_default();
    let number = || {
        let digits = text.strip_suffix(b"\n").unwrap_or(&text);
        let text = std::str::from_utf8(digits).ok().filter(|t| t.bytes().all(|b| b.is_ascii_digit()))?;
        text.parse::<u32>().ok()
    };
    Some(match inner {
        b"version" | b".data/version" => number().is_some_and(|n| (1..=10).contains(&n)),
        b"byteorder" => matches!(&*text, b"little" | b"big"),
        b".format_version" | b".storage_alignment" => number().is_some(),
        b".data/serialization_id" => text.len() <= 64 && text.iter().all(u8::is_ascii_digit),
        _ => return None,
    })
}
