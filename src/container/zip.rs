//! Zip archives, read the strict way: every central record and every local header, nothing resolved or repaired.
//!
//! Threat: readers choose differently between what an archive says twice (end record, directory, local header). This
//! reader therefore reports both sides and leaves the judgement to the audit. Bound: linear in the size of the
//! directory plus the local headers; local headers are read once per distinct offset and never past the next one, and
//! all that is held in memory is capped by `max_header_bytes`, the number of records by `max_entries`.
//!
//! Source: APPNOTE.TXT 6.3.10 sections 4.3 to 4.5.

use super::cursor::{Cursor, len64};
use crate::budget::{Budget, Spent};
use crate::source::View;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;

pub use super::zip_content::{Content, EntryError, read_entry, read_range};

/// Signature of a local header.
pub const LOCAL: &[u8; 4] = b"PK\x03\x04";
/// Signature of a central record.
pub const CENTRAL: &[u8; 4] = b"PK\x01\x02";
/// Signature of the end record.
pub const END: &[u8; 4] = b"PK\x05\x06";
const END64: &[u8; 4] = b"PK\x06\x06";
const LOCATOR64: &[u8; 4] = b"PK\x06\x07";
/// Bytes of an end record without comment.
const END_LEN: u64 = 22;
const LOCATOR64_LEN: u64 = 20;
const END64_LEN: u64 = 56;
/// Bytes of a local header before its name.
pub const LOCAL_LEN: u64 = 30;
/// The furthest an end record can be from the end of the file.
const END_REACH: u64 = END_LEN + 0xffff;

/// Room is made at once for as many entries as are stated, up to this number.
const EXPECTED: usize = 1024;

/// One record of the central directory, with the place of its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Name, as stored in the central directory.
    pub name: Vec<u8>,
    /// Compression method of the central record: 0 stored, 8 deflated.
    pub method: u16,
    /// General purpose flags of the central record.
    pub flags: u16,
    /// Version needed to extract, of the central record.
    pub version_needed: u16,
    /// Version made by; the upper byte is the host system.
    pub made_by: u16,
    /// Number of the disk the entry starts on.
    pub disk: u32,
    /// External attributes (upper half: Unix mode where the host system is Unix).
    pub external: u32,
    /// Compressed size in bytes (zip64 resolved).
    pub compressed: u64,
    /// Uncompressed size in bytes (zip64 resolved).
    pub size: u64,
    /// CRC-32 of the content.
    pub crc: u32,
    /// Extra fields of the central record, raw.
    pub extra: Vec<u8>,
    /// Comment of the central record, raw.
    pub comment: Vec<u8>,
    /// Offset of the central record in the archive.
    pub record: u64,
    /// Offset of the local header in the archive (zip64 resolved).
    pub header: u64,
    /// Bytes of the stored content in the archive, from the central size and the local name and extra lengths; `None`
    /// if there is no local header at `header` or the content would leave the archive.
    pub data: Option<Range<u64>>,
}

/// A local header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// Version needed to extract.
    pub version_needed: u16,
    /// General purpose flags.
    pub flags: u16,
    /// Compression method.
    pub method: u16,
    /// CRC-32, or 0 where a data descriptor follows.
    pub crc: u32,
    /// Compressed size in bytes (zip64 resolved), or 0 where a data descriptor follows.
    pub compressed: u64,
    /// Uncompressed size in bytes (zip64 resolved), or 0 where a data descriptor follows.
    pub size: u64,
    /// Name, as stored here.
    pub name: Vec<u8>,
    /// Extra fields, raw.
    pub extra: Vec<u8>,
    /// Offset of the first content byte in the archive.
    pub data: u64,
    /// True if name and extra fields run into the next local header and were therefore not read.
    pub cut: bool,
    /// True if the sizes came from a zip64 field.
    pub zip64: bool,
}

/// The end record, with the values of the zip64 end record where there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// Offset of the end record.
    pub offset: u64,
    /// Offset of the zip64 end record.
    pub zip64: Option<u64>,
    /// Number of this disk and of the disk the directory starts on.
    pub disks: (u32, u32),
    /// Number of entries on this disk.
    pub entries_here: u64,
    /// Number of entries in all.
    pub entries: u64,
    /// Size of the directory in bytes.
    pub directory_len: u64,
    /// Offset of the directory, as stored.
    pub directory: u64,
    /// The archive comment's place; it ends where the record says, or at the end of the file if that is sooner.
    pub comment: Range<u64>,
}

/// A contradiction inside the directory structures themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Offset in the archive.
    pub offset: u64,
    /// What contradicts what.
    pub what: String,
}

/// The directory of an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    /// Every central record, in directory order, duplicates included.
    pub entries: Vec<Entry>,
    /// The local headers that records point at, by offset.
    pub locals: BTreeMap<u64, Local>,
    /// The end record: the last one in the file.
    pub end: End,
    /// Contradictions between end record, zip64 end record and directory. Not empty means that readers differ.
    pub faults: Vec<Fault>,
}

/// Why there is no directory at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ZipError {
    /// There is no end record: not a zip, or the end is missing. Compare the start with [`LOCAL`].
    #[error("no end-of-central-directory record")]
    NoEnd,
    /// A limit was reached.
    #[error("limit {} reached", .0.0)]
    Spent(Spent),
    /// The bytes could not be read.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl From<Spent> for ZipError {
    fn from(spent: Spent) -> Self {
        ZipError::Spent(spent)
    }
}

/// Reads the directory of the archive in `view`. Offsets are relative to the view.
pub fn read_directory(view: &View<'_>, budget: &mut Budget) -> Result<Directory, ZipError> {
    let mut faults = Vec::new();
    let end = read_end(view, &mut faults)?;
    let mut directory = Directory { end, faults, ..Directory::default() };
    read_central(view, budget, &mut directory)?;
    read_locals(view, budget, &mut directory)?;
    Ok(directory)
}

/// The last end record, as both miniz and Python's zipfile choose it.
fn read_end(view: &View<'_>, faults: &mut Vec<Fault>) -> Result<End, ZipError> {
    let len = view.len();
    let base = len.saturating_sub(END_REACH);
    let tail = view.copy(base..len)?;
    let searched = tail.get(..tail.len().saturating_sub(18)).unwrap_or_default();
    let at = memchr::memmem::rfind(searched, END).ok_or(ZipError::NoEnd)?;
    let mut c = Cursor::new(tail.get(at..).unwrap_or_default());
    let offset = base.saturating_add(u64::try_from(at).unwrap_or(u64::MAX));
    let mut end = parse_end(&mut c, offset).ok_or(ZipError::NoEnd)?;
    for earlier in memchr::memmem::find_iter(searched, END).take_while(|earlier| *earlier < at) {
        let from = base.saturating_add(u64::try_from(earlier).unwrap_or(u64::MAX));
        let parsed = parse_end(&mut Cursor::new(tail.get(earlier..).unwrap_or_default()), from);
        if parsed.is_some_and(|e| e.comment.end == len) {
            faults.push(Fault { offset: from, what: "two end records claim the end of the file".into() });
            break;
        }
    }
    let stored_comment = end.comment.end;
    end.comment.end = stored_comment.min(len);
    if stored_comment > len {
        faults.push(Fault { offset, what: "the archive comment is longer than the rest of the file".into() });
    }
    read_end64(view, &mut end, faults)?;
    Ok(end)
}

fn parse_end(c: &mut Cursor<'_>, offset: u64) -> Option<End> {
    c.tag(END)?;
    let disks = (u32::from(c.u16()?), u32::from(c.u16()?));
    let entries_here = u64::from(c.u16()?);
    let entries = u64::from(c.u16()?);
    let directory_len = u64::from(c.u32()?);
    let directory = u64::from(c.u32()?);
    let comment_len = u64::from(c.u16()?);
    let start = offset.saturating_add(END_LEN);
    let comment = start..start.saturating_add(comment_len);
    Some(End { offset, zip64: None, disks, entries_here, entries, directory_len, directory, comment })
}

/// Takes over the values of a zip64 end record, as readers do whenever its locator precedes the end record.
fn read_end64(view: &View<'_>, end: &mut End, faults: &mut Vec<Fault>) -> Result<(), ZipError> {
    let offset = end.offset;
    let saturated = end.entries == 0xffff || end.directory_len == 0xffff_ffff || end.directory == 0xffff_ffff;
    let mut fault = |what: &str| faults.push(Fault { offset, what: what.into() });
    let locator = match end.offset.checked_sub(LOCATOR64_LEN) {
        Some(at) => view.copy(at..end.offset)?,
        None => Cow::Borrowed(&[][..]),
    };
    let mut c = Cursor::new(&locator);
    if c.tag(LOCATOR64).is_none() {
        if saturated {
            fault("the end record refers to a zip64 record that is not there");
        }
        return Ok(());
    }
    let (disk, at, disks) = (c.u32(), c.u64().unwrap_or(u64::MAX), c.u32());
    if disk != Some(0) || disks != Some(1) {
        fault("the zip64 locator speaks of several disks");
    }
    if at.checked_add(END64_LEN).and_then(|e| e.checked_add(LOCATOR64_LEN)) != Some(end.offset) {
        fault("the zip64 end record is not directly before its locator");
    }
    let record = view.copy(at..at.saturating_add(END64_LEN)).unwrap_or_default();
    let classic = end.clone();
    let Some(record_len) = parse_end64(&record, end) else {
        fault("the zip64 locator points at something else");
        return Ok(());
    };
    end.zip64 = Some(at);
    if record_len != END64_LEN.saturating_sub(12) {
        fault("the zip64 end record has an unusual length");
    }
    let agrees = |old: u64, new: u64, mark: u64| old == new || old == mark;
    if !agrees(classic.entries, end.entries, 0xffff)
        || !agrees(classic.entries_here, end.entries_here, 0xffff)
        || !agrees(classic.directory_len, end.directory_len, 0xffff_ffff)
        || !agrees(classic.directory, end.directory, 0xffff_ffff)
        || !agrees(classic.disks.0.into(), end.disks.0.into(), 0xffff)
        || !agrees(classic.disks.1.into(), end.disks.1.into(), 0xffff)
    {
        fault("the end record and the zip64 end record disagree");
    }
    Ok(())
}

/// Fills `end` from a zip64 end record and returns the length it states for itself.
fn parse_end64(record: &[u8], end: &mut End) -> Option<u64> {
    let mut c = Cursor::new(record);
    c.tag(END64)?;
    let record_len = c.u64()?;
    let _versions = c.u32()?;
    end.disks = (c.u32()?, c.u32()?);
    end.entries_here = c.u64()?;
    end.entries = c.u64()?;
    end.directory_len = c.u64()?;
    end.directory = c.u64()?;
    Some(record_len)
}

fn read_central(view: &View<'_>, budget: &mut Budget, directory: &mut Directory) -> Result<(), ZipError> {
    let end = directory.end.clone();
    let until = end.zip64.unwrap_or(end.offset);
    let stated = end.directory.saturating_add(end.directory_len);
    if stated != until {
        let what = "the directory does not end where the end record begins".into();
        directory.faults.push(Fault { offset: end.offset, what });
    }
    let range = end.directory.min(until)..stated.min(until);
    if range.end.saturating_sub(range.start) > budget.limits().max_header_bytes {
        return Err(Spent("max_header_bytes").into());
    }
    let bytes = view.copy(range.clone())?;
    directory.entries.reserve(usize::try_from(end.entries).unwrap_or_default().min(EXPECTED));
    let mut c = Cursor::new(&bytes);
    while !c.rest().is_empty() {
        budget.entries(1)?;
        let record = range.end.saturating_sub(len64(c.rest()));
        let Some(entry) = parse_central(&mut c, record) else {
            let what = "the directory holds bytes that are no record".into();
            directory.faults.push(Fault { offset: record, what });
            break;
        };
        directory.entries.push(entry);
    }
    let found = u64::try_from(directory.entries.len()).unwrap_or(u64::MAX);
    if end.entries != found || end.entries_here != found {
        let what = format!("the end record counts {} entries, the directory holds {found}", end.entries);
        directory.faults.push(Fault { offset: end.offset, what });
    }
    Ok(())
}

fn parse_central(c: &mut Cursor<'_>, record: u64) -> Option<Entry> {
    c.tag(CENTRAL)?;
    let (made_by, version_needed, flags, method) = (c.u16()?, c.u16()?, c.u16()?, c.u16()?);
    let _modified = c.u32()?;
    let crc = c.u32()?;
    let (mut compressed, mut size) = (u64::from(c.u32()?), u64::from(c.u32()?));
    let (name_len, extra_len, comment_len) = (c.u16()?, c.u16()?, c.u16()?);
    let mut disk = u32::from(c.u16()?);
    let _internal = c.u16()?;
    let external = c.u32()?;
    let mut header = u64::from(c.u32()?);
    let name = c.take(name_len.into())?.to_vec();
    let extra = c.take(extra_len.into())?.to_vec();
    let comment = c.take(comment_len.into())?.to_vec();
    // APPNOTE 4.5.3: the field holds, in this order, only what is saturated in the record.
    if let Some((_, field)) = extras(&extra).find(|(id, _)| *id == 1) {
        let mut field = Cursor::new(field);
        for value in [&mut size, &mut compressed, &mut header] {
            if *value == 0xffff_ffff {
                *value = field.u64().unwrap_or(*value);
            }
        }
        if disk == 0xffff {
            disk = field.u32().unwrap_or(disk);
        }
    }
    #[rustfmt::skip]
    let entry = Entry { name, method, flags, version_needed, made_by, disk, external, compressed, size, crc, extra, comment, record, header, data: None };
    Some(entry)
}

/// The extra fields of a record: id and content. Stops at the first one that does not fit; what is left over then is
/// [`extras_rest`].
pub fn extras(extra: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut c = Cursor::new(extra);
    std::iter::from_fn(move || {
        let mut next = c.clone();
        let (id, len) = (next.u16()?, next.u16()?);
        let field = next.take(len.into())?;
        c = next;
        Some((id, field))
    })
}

/// How many bytes at the end of `extra` are no complete extra field.
pub fn extras_rest(extra: &[u8]) -> usize {
    let used: usize = extras(extra).fold(0, |n, (_, field)| n.saturating_add(field.len()).saturating_add(4));
    extra.len().saturating_sub(used)
}

/// Reads each distinct local header once, and never past the next one, so that overlapping headers cost no more than
/// the bytes they cover.
fn read_locals(view: &View<'_>, budget: &Budget, directory: &mut Directory) -> Result<(), ZipError> {
    let mut offsets: Vec<u64> = directory.entries.iter().map(|e| e.header).collect();
    offsets.sort_unstable();
    offsets.dedup();
    let mut held = 0u64;
    let mut nexts = offsets.iter().skip(1).copied();
    for &at in &offsets {
        let limit = nexts.next().unwrap_or(view.len()).min(view.len());
        let Some(local) = read_local(view, at, limit)? else { continue };
        held = held.saturating_add(len64(&local.name)).saturating_add(len64(&local.extra));
        if held > budget.limits().max_header_bytes {
            return Err(Spent("max_header_bytes").into());
        }
        directory.locals.insert(at, local);
    }
    for entry in &mut directory.entries {
        let Some(start) = directory.locals.get(&entry.header).map(|l| l.data) else { continue };
        entry.data = start.checked_add(entry.compressed).filter(|end| *end <= view.len()).map(|end| start..end);
    }
    Ok(())
}

/// The local header at `at`, or `None` if there is none. Name and extra fields are read only if they end by `limit`.
pub fn read_local(view: &View<'_>, at: u64, limit: u64) -> io::Result<Option<Local>> {
    if at.checked_add(LOCAL_LEN).is_none_or(|end| end > view.len()) {
        return Ok(None);
    }
    // One read for the usual case: a short name, and torch's padding to 64 bytes.
    let guess = view.copy(at..at.saturating_add(256).min(view.len()))?;
    let Some((mut local, name_len, extra_len)) = parse_local(&mut Cursor::new(&guess)) else { return Ok(None) };
    let names = at.saturating_add(LOCAL_LEN);
    local.data = names.saturating_add(name_len.into()).saturating_add(extra_len.into());
    local.cut = local.data > limit;
    if local.cut {
        return Ok(Some(local));
    }
    let bytes = view.copy(names..local.data)?;
    let mut c = Cursor::new(&bytes);
    local.name = c.take(name_len.into()).unwrap_or_default().to_vec();
    local.extra = c.rest().to_vec();
    if let Some((_, field)) = extras(&local.extra).find(|(id, _)| *id == 1) {
        let mut field = Cursor::new(field);
        for value in [&mut local.size, &mut local.compressed] {
            if *value == 0xffff_ffff {
                *value = field.u64().unwrap_or(*value);
            }
        }
        local.zip64 = true;
    }
    Ok(Some(local))
}

fn parse_local(c: &mut Cursor<'_>) -> Option<(Local, u16, u16)> {
    c.tag(LOCAL)?;
    let (version_needed, flags, method) = (c.u16()?, c.u16()?, c.u16()?);
    let _modified = c.u32()?;
    let crc = c.u32()?;
    let (compressed, size) = (u64::from(c.u32()?), u64::from(c.u32()?));
    let (name_len, extra_len) = (c.u16()?, c.u16()?);
    #[rustfmt::skip]
    let local = Local { version_needed, flags, method, crc, compressed, size, name: Vec::new(), extra: Vec::new(), data: 0, cut: false, zip64: false };
    Some((local, name_len, extra_len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Limits;
    use ::zip::write::SimpleFileOptions;
    use std::io::Write;

    fn sample(method: ::zip::CompressionMethod) -> Vec<u8> {
        let mut w = ::zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(method);
        for (name, body) in [("a/data.pkl", &b"hello hello hello hello"[..]), ("a/version", b"3\n")] {
            w.start_file(name, options).unwrap();
            w.write_all(body).unwrap();
        }
        w.finish().unwrap().into_inner()
    }

    #[test]
    fn reads_what_the_zip_crate_writes() {
        for method in [::zip::CompressionMethod::Stored, ::zip::CompressionMethod::Deflated] {
            let bytes = sample(method);
            let view = View::new(&bytes);
            let mut budget = Budget::new(Limits::default());
            let dir = read_directory(&view, &mut budget).unwrap();
            assert_eq!(dir.faults, []);
            assert_eq!(dir.entries.len(), 2);
            let first = &dir.entries[0];
            assert_eq!(dir.locals[&first.header].name, first.name);
            let content = read_entry(&view, first, &mut budget).unwrap();
            assert_eq!(&*content.bytes, b"hello hello hello hello");
            assert!(!content.broken);
            assert_eq!(content.used, first.compressed);
            assert_eq!(crc32fast::hash(&content.bytes), first.crc);
        }
    }

    #[test]
    fn a_cut_file_has_no_end() {
        let bytes = sample(::zip::CompressionMethod::Stored);
        let cut = &bytes[..bytes.len() - 1];
        let error = read_directory(&View::new(&cut), &mut Budget::new(Limits::default())).unwrap_err();
        assert!(matches!(error, ZipError::NoEnd));
    }

    #[test]
    fn a_deflate_bomb_stops_at_the_ratio() {
        let mut w = ::zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        w.start_file("b", SimpleFileOptions::default().compression_method(::zip::CompressionMethod::Deflated)).unwrap();
        w.write_all(&vec![0; 8 << 20]).unwrap();
        let bytes = w.finish().unwrap().into_inner();
        let view = View::new(&bytes);
        let mut budget = Budget::new(Limits { max_ratio: 100, ..Limits::default() });
        let dir = read_directory(&view, &mut budget).unwrap();
        assert_eq!(read_entry(&view, &dir.entries[0], &mut budget), Err(EntryError::Spent(Spent("max_ratio"))));
    }

    #[test]
    fn mutations_never_panic() {
        let bytes = sample(::zip::CompressionMethod::Deflated);
        for at in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut mutant = bytes.clone();
                mutant[at] = value;
                let view = View::new(&mutant);
                let mut budget = Budget::new(Limits::default());
                let Ok(dir) = read_directory(&view, &mut budget) else { continue };
                for entry in &dir.entries {
                    let _ = read_entry(&view, entry, &mut budget);
                }
            }
        }
    }
}
