//! The audit of a zip archive: could two readers see different things in it, and is every byte accounted for?
//!
//! Threat: readers trust different copies of the same fact. miniz (torch) believes the central directory and absolute
//! offsets, Python's zipfile compares names and shifts offsets, stream readers believe local headers; scanners that read
//! like one of them were bypassed through another (CVE-2025-1944, CVE-2025-1945, CVE-2025-10156). Every contradiction is
//! a finding, whoever would win. Bound: linear in the directory (one sort by offset); at most [`TOLD`] findings
//! per rule.

use super::cursor::{Cursor, len64};
use super::zip::{Directory, Entry, Local, extras, extras_rest};
use super::zip_names;
use crate::finding::shown;
use crate::rule::Rule;
use crate::rule::container as rules;
use crate::scan::Scan;
use crate::source::View;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::io;
use std::ops::Range;

/// Findings of one rule in one audit at most; an archive made of contradictions needs no longer list.
const TOLD: u32 = 24;
/// Gaps handed on at most.
const GAPS: usize = 64;
/// Bits that mean the same in both headers. Bits 1 and 2 are hints about the compressor and differ in honest files.
const FLAGS: u16 = !0b110;
/// Encrypted, strongly encrypted, masked headers.
pub const ENCRYPTED: u16 = 0x2041;
/// Compressed patched data.
pub const PATCHED: u16 = 0x20;
/// Bit 3: sizes and CRC follow the content in a data descriptor.
const DESCRIPTOR: u16 = 8;
const UTF8: u16 = 0x800;
/// The newest "version needed" that Python's zipfile opens; later ones do not exist.
const NEWEST: u16 = 63;

/// How strictly an archive is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Any archive.
    General,
    /// An archive that `torch.load` reads: its writer leaves nothing unaccounted for.
    Torch,
}

/// What the audit leaves to be looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Bytes that no structure of the archive accounts for.
    pub gaps: Vec<Range<u64>>,
    /// True if entries share bytes.
    pub overlaps: bool,
}

/// Compares everything the archive says twice and reports what does not agree.
pub fn audit(view: &View<'_>, dir: &Directory, profile: Profile, scan: &mut Scan<'_>) -> io::Result<Audit> {
    let mut a = Auditor { view, strict: profile == Profile::Torch, told: HashMap::new(), scan };
    a.end(dir);
    for entry in &dir.entries {
        a.entry(entry, dir.locals.get(&entry.header));
    }
    for (first, second, twins) in zip_names::twins(&dir.entries, a.strict) {
        let (Some(first), Some(second)) = (dir.entries.get(first), dir.entries.get(second)) else { continue };
        let message = format!("the members {} and {} {}", name(first), name(second), twins.why());
        a.tell(&rules::ZIP_TWINS, second.record, message);
    }
    a.layout(dir)
}

/// An entry's name as it may be shown.
pub fn name(entry: &Entry) -> String {
    format!("'{}'", shown(&String::from_utf8_lossy(&entry.name)))
}

struct Auditor<'s, 'v, 'a> {
    view: &'s View<'v>,
    strict: bool,
    told: HashMap<&'static str, u32>,
    scan: &'s mut Scan<'a>,
}

impl Auditor<'_, '_, '_> {
    fn tell(&mut self, rule: &'static Rule, offset: u64, message: String) {
        let told = self.told.entry(rule.id).or_default();
        *told = told.saturating_add(1);
        match (*told).cmp(&TOLD) {
            Ordering::Less => self.scan.report(rule, offset, message),
            Ordering::Equal => self.scan.report(rule, offset, "there is more of this, which is not listed"),
            Ordering::Greater => {}
        }
    }

    fn ambiguous(&mut self, offset: u64, entry: &Entry, what: &str) {
        self.tell(&rules::ZIP_AMBIGUOUS, offset, format!("{}: {what}", name(entry)));
    }

    fn unusual(&mut self, offset: u64, entry: &Entry, what: &str) {
        self.tell(&rules::ZIP_UNUSUAL, offset, format!("{}: {what}", name(entry)));
    }

    fn end(&mut self, dir: &Directory) {
        for fault in &dir.faults {
            self.tell(&rules::ZIP_AMBIGUOUS, fault.offset, fault.what.clone());
        }
        if dir.end.disks != (0, 0) {
            let message = "the archive says it is one of several disks".to_owned();
            self.tell(&rules::ZIP_AMBIGUOUS, dir.end.offset, message);
        }
        if !dir.end.comment.is_empty() {
            self.comment(dir.end.comment.clone());
        }
    }

    fn comment(&mut self, range: Range<u64>) {
        let bytes = self.view.copy(range.clone()).unwrap_or_default();
        if memchr::memmem::find(&bytes, b"PK")
            .is_some_and(|at| matches!(bytes.get(at..).and_then(|b| b.get(2)), Some(1..=8)))
        {
            self.tell(&rules::ZIP_AMBIGUOUS, range.start, "the archive comment holds zip structures".into());
        } else if self.strict {
            self.tell(&rules::ZIP_UNUSUAL, range.start, "the archive has a comment, which torch never writes".into());
        } else if std::str::from_utf8(&bytes).is_err() {
            self.tell(&rules::ZIP_UNUSUAL, range.start, "the archive comment is not text".into());
        }
    }

    /// One central record against its local header.
    fn entry(&mut self, e: &Entry, local: Option<&Local>) {
        let at = e.record;
        if let Some(what) = zip_names::defect(&e.name, e.flags & UTF8 != 0) {
            self.tell(&rules::MEMBER_NAME, at, format!("the name {} is unsafe: {what}", name(e)));
        }
        if e.flags & (ENCRYPTED | PATCHED) != 0 {
            self.tell(&rules::ZIP_UNREAD, at, format!("{}: the content is encrypted or patched", name(e)));
        }
        if !matches!(e.method, 0 | 8) {
            let message = format!("{}: compression method {} is not read by mverify or torch", name(e), e.method);
            self.tell(&rules::ZIP_UNREAD, at, message);
        }
        if e.method == 0 && e.compressed != e.size && e.flags & ENCRYPTED == 0 {
            self.ambiguous(at, e, "it is stored, but its two sizes differ");
        }
        if e.version_needed & 0xff > NEWEST {
            self.ambiguous(at, e, "it needs a zip version that does not exist, so some readers refuse it");
        }
        if e.disk != 0 {
            self.ambiguous(at, e, "it is said to be on another disk");
        }
        if !e.comment.is_empty() && self.strict {
            self.unusual(at, e, "it has a comment, which torch never writes");
        }
        self.extra(e, &e.extra, at);
        self.kind(e);
        match local {
            None => self.ambiguous(at, e, "there is no local header where the directory points"),
            Some(local) if local.cut => self.ambiguous(e.header, e, "its local header runs into the next one"),
            Some(local) => {
                self.local(e, local);
                self.extra(e, &local.extra, e.header);
                if e.data.is_none() {
                    self.ambiguous(at, e, "its content would end after the archive");
                }
            }
        }
    }

    fn local(&mut self, e: &Entry, local: &Local) {
        let at = e.header;
        if local.name != e.name {
            let other = shown(&String::from_utf8_lossy(&local.name));
            self.ambiguous(at, e, &format!("its local header calls it '{other}'"));
        }
        if local.method != e.method {
            self.ambiguous(at, e, "directory and local header disagree about the compression method");
        }
        if (local.flags ^ e.flags) & FLAGS != 0 {
            self.ambiguous(at, e, "directory and local header disagree about the flags");
        }
        if local.version_needed & 0xff > NEWEST {
            self.ambiguous(at, e, "its local header needs a zip version that does not exist");
        }
        // With a data descriptor the local header may leave the three values out.
        let later = local.flags & DESCRIPTOR != 0;
        if local.crc != e.crc && !(later && local.crc == 0) {
            self.ambiguous(at, e, "directory and local header disagree about the checksum");
        }
        let blank = |n: u64| later && (n == 0 || n == 0xffff_ffff);
        if (local.compressed != e.compressed && !blank(local.compressed))
            || (local.size != e.size && !blank(local.size))
        {
            self.ambiguous(at, e, "directory and local header disagree about the size");
        }
    }

    /// Directories and symbolic links.
    fn kind(&mut self, e: &Entry) {
        let slash = e.name.ends_with(b"/");
        let unix = if matches!(e.made_by >> 8, 3 | 19) { e.external >> 16 & 0xf000 } else { 0 };
        let says_directory = e.external & 0x10 != 0 || unix == 0x4000;
        if slash && e.size != 0 {
            self.ambiguous(e.record, e, "it is a directory with content");
        } else if !slash && says_directory {
            self.ambiguous(e.record, e, "its attributes say directory, its name says file");
        } else if slash && self.strict {
            self.unusual(e.record, e, "it is a directory entry, which torch never writes");
        }
        if unix == 0xa000 {
            self.link(e);
        }
    }

    fn link(&mut self, e: &Entry) {
        let target = e.data.clone().filter(|r| e.method == 0 && r.end.saturating_sub(r.start) <= 4096);
        let target = target.and_then(|r| self.view.copy(r).ok()).unwrap_or_default();
        if self.strict || !stays_inside(&e.name, &target) {
            let target = shown(&String::from_utf8_lossy(&target));
            let message = format!("{} is a symbolic link to '{target}'", name(e));
            self.tell(&rules::MEMBER_LINK, e.record, message);
        }
    }

    fn extra(&mut self, e: &Entry, extra: &[u8], at: u64) {
        // Android's zipalign pads with up to three zero bytes.
        let rest = extras_rest(extra);
        let tail = extra.get(extra.len().saturating_sub(rest)..).unwrap_or_default();
        if rest > 3 || tail.iter().any(|b| *b != 0) {
            self.ambiguous(at, e, "its extra fields do not add up");
        }
        let mut zip64 = false;
        for (id, field) in extras(extra) {
            match id {
                0x0001 if zip64 => self.ambiguous(at, e, "it has two zip64 fields"),
                0x0001 => zip64 = true,
                0x7075 if !is_unicode_path_of(field, &e.name) => {
                    self.ambiguous(at, e, "its Unicode path field names something else");
                }
                // torch's padding: "FB", then one byte over and over.
                0x4246 if field.windows(2).any(|w| w.first() != w.last()) => {
                    self.tell(&rules::ZIP_HIDDEN, at, format!("{}: its alignment padding is not blank", name(e)));
                }
                // NTFS and Unix times, Unix owners, Unicode path, JAR mark, Android alignment
                0x4246 | 0x000a | 0x5455 | 0x5855 | 0x7855 | 0x7875 | 0x7075 | 0xcafe | 0xd935 => {}
                _ if self.strict => {
                    self.unusual(at, e, &format!("it has an extra field (0x{id:04x}) that torch never writes"));
                }
                _ => {}
            }
        }
    }

    /// Walks all structures by offset: nothing may overlap, nothing may be left over.
    fn layout(&mut self, dir: &Directory) -> io::Result<Audit> {
        let mut found = Audit::default();
        let mut spans = Vec::new();
        for e in &dir.entries {
            let Some(local) = dir.locals.get(&e.header) else { continue };
            let data = e.data.clone().unwrap_or(local.data..local.data);
            let end = if local.flags & DESCRIPTOR == 0 || local.cut { data.end } else { self.descriptor(e, &data)? };
            spans.push((e.header, end, e));
        }
        spans.sort_unstable_by_key(|(start, end, _)| (*start, *end));
        let mut at = 0u64;
        for (start, end, e) in spans {
            if start < at {
                found.overlaps = true;
                self.ambiguous(start, e, "it shares bytes with another member");
            }
            self.gap(at..start, &mut found);
            at = at.max(end);
        }
        let directory = dir.end.directory;
        if at > directory {
            self.tell(&rules::ZIP_AMBIGUOUS, directory, "members reach into the directory".into());
        }
        self.gap(at..directory.min(dir.end.offset), &mut found);
        // Between directory and end record nothing but zip64 records; a mismatch there was reported as a fault.
        let stated = directory.saturating_add(dir.end.directory_len);
        let until = dir.end.zip64.unwrap_or(dir.end.offset);
        self.gap(at.max(stated)..until, &mut found);
        self.gap(dir.end.comment.end..self.view.len(), &mut found);
        Ok(found)
    }

    fn gap(&mut self, range: Range<u64>, found: &mut Audit) {
        if range.is_empty() {
            return;
        }
        let len = range.end.saturating_sub(range.start);
        let place = if range.start == 0 {
            "before the first member"
        } else if range.end == self.view.len() {
            "after the end record"
        } else {
            "between the members"
        };
        self.tell(&rules::ZIP_HIDDEN, range.start, format!("{len} bytes {place} belong to nothing"));
        if found.gaps.len() < GAPS {
            found.gaps.push(range);
        }
    }

    /// End of the data descriptor after `data`: with or without signature, 32 or 64 bits, as writers please.
    fn descriptor(&mut self, e: &Entry, data: &Range<u64>) -> io::Result<u64> {
        let bytes = self.view.copy(data.end..data.end.saturating_add(24).min(self.view.len()))?;
        for (signed, wide) in [(true, true), (true, false), (false, true), (false, false)] {
            let mut c = Cursor::new(&bytes);
            if signed && c.tag(b"PK\x07\x08").is_none() {
                continue;
            }
            let crc = c.u32();
            let mut size = || if wide { c.u64() } else { c.u32().map(u64::from) };
            let (compressed, full) = (size(), size());
            let narrow = |n: u64| if wide { Some(n) } else { u32::try_from(n).ok().map(u64::from) };
            if crc == Some(e.crc)
                && compressed.is_some()
                && compressed == narrow(e.compressed)
                && full == narrow(e.size)
            {
                let used = len64(&bytes).saturating_sub(len64(c.rest()));
                return Ok(data.end.saturating_add(used));
            }
        }
        self.ambiguous(data.end, e, "directory and data descriptor disagree");
        Ok(data.end)
    }
}

/// True for a Unicode path field (APPNOTE 4.6.9) that repeats the name.
fn is_unicode_path_of(field: &[u8], name: &[u8]) -> bool {
    let mut c = Cursor::new(field);
    c.tag(&[1]).is_some() && c.u32() == Some(crc32fast::hash(name)) && c.rest() == name
}

/// True if a link at `name` with this target ends up below the archive's own folder.
pub(crate) fn stays_inside(name: &[u8], target: &[u8]) -> bool {
    if target.is_empty() || target.starts_with(b"/") || target.contains(&b'\\') || target.contains(&0) {
        return false;
    }
    let depth = name.split(|b| *b == b'/').filter(|part| !part.is_empty() && *part != b".").count();
    let mut depth = depth.saturating_sub(1);
    for part in target.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => match depth.checked_sub(1) {
                Some(up) => depth = up,
                None => return false,
            },
            _ => depth = depth.saturating_add(1),
        }
    }
    true
}
