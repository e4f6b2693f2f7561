//! A zip archive as torch reads it (`PyTorchStreamReader` over miniz), where it is careless too.
//!
//! The strict reader of [`crate::container::zip`] says what a *sound* archive holds; this one says what torch would
//! make of any archive: only the central directory counts, CRCs are never checked, names ignore ASCII case, local
//! headers give only the offset of the data. Bound: the directory is read once; a record is read or inflated up to the
//! size the directory states, within the limits.

use super::lookup;
use super::stop::{Run, corrupt, doubt};
use crate::budget::Limits;
use crate::source::View;
use std::borrow::Cow;
use std::ops::Range;

const CENTRAL: u64 = 46;
const CENTRAL_LEN: usize = 46;
const LOCAL: u64 = 30;
const END: u64 = 22;
const FULL: u64 = 0xffff_ffff;

/// Room is made at once for as many entries as are stated, up to this number.
const EXPECTED: usize = 1024;

/// One record of the directory.
pub(super) struct Entry {
    /// Where its name stands in the directory.
    name: Range<usize>,
    method: u16,
    flags: u16,
    compressed: u64,
    size: u64,
    header: u64,
    directory: bool,
}

/// An archive whose directory was accepted.
pub(super) struct Archive<'a> {
    view: View<'a>,
    directory: Cow<'a, [u8]>,
    entries: Vec<Entry>,
    /// The entries as [`lookup::sort`] leaves them.
    order: Vec<usize>,
    root: Vec<u8>,
    limits: &'a Limits,
}

fn broken() -> super::stop::Stop {
    corrupt("PytorchStreamReader failed reading zip archive: invalid header or archive is corrupted")
}

fn u16_at(bytes: &[u8], at: usize) -> Run<u16> {
    let field = bytes.get(at..).and_then(|b| b.first_chunk::<2>()).ok_or_else(broken)?;
    Ok(u16::from_le_bytes(*field))
}

fn u32_at(bytes: &[u8], at: usize) -> Run<u64> {
    let field = bytes.get(at..).and_then(|b| b.first_chunk::<4>()).ok_or_else(broken)?;
    Ok(u64::from(u32::from_le_bytes(*field)))
}

fn u64_at(bytes: &[u8], at: usize) -> Run<u64> {
    let field = bytes.get(at..).and_then(|b| b.first_chunk::<8>()).ok_or_else(broken)?;
    Ok(u64::from_le_bytes(*field))
}

/// Where the directory is, and how many entries it has.
struct End {
    entries: u64,
    directory: Range<u64>,
    disk: u64,
}

impl<'a> Archive<'a> {
    /// Reads the directory of `view`.
    pub fn open(view: View<'a>, limits: &'a Limits) -> Run<Archive<'a>> {
        let end = find_end(&view)?;
        if end.entries == 0 {
            return Err(corrupt("archive does not contain any files"));
        }
        let size = end.directory.end.saturating_sub(end.directory.start);
        if end.entries > limits.max_entries || size > limits.max_header_bytes {
            return Err(doubt("the archive's directory is over the limits max_entries or max_header_bytes"));
        }
        let directory = read(&view, end.directory.clone())?;
        let mut entries: Vec<Entry> =
            Vec::with_capacity(usize::try_from(end.entries).unwrap_or_default().min(EXPECTED));
        let mut at = 0;
        for _ in 0..end.entries {
            let (entry, after) = central(&directory, at, view.len(), end.disk)?;
            entries.push(entry);
            at = after;
        }
        let first = entries.first().and_then(|e| directory.get(e.name.clone())).unwrap_or_default();
        let Some(root) = first.split(|b| *b == b'/').next().filter(|_| first.contains(&b'/')) else {
            let name = String::from_utf8_lossy(first).escape_debug().to_string();
            return Err(corrupt(format!("file in archive is not in a subdirectory: {name}")));
        };
        if root.contains(&0) || root.len() > 500 {
            return Err(doubt("an odd root folder in the archive"));
        }
        let root = root.to_vec();
        let mut archive = Archive { view, directory, entries, order: Vec::new(), root, limits };
        let mut order: Vec<usize> = (0..archive.entries.len()).collect();
        lookup::sort(&mut order, |a, b| lookup::without_case(archive.name(a), archive.name(b)).is_lt());
        archive.order = order;
        Ok(archive)
    }

    /// The whole name of an entry.
    fn name(&self, at: usize) -> &[u8] {
        let name = self.entries.get(at).and_then(|entry| self.directory.get(entry.name.clone()));
        name.unwrap_or_default()
    }

    /// The entry of a record under the root, as torch looks it up.
    pub fn locate(&self, record: &[u8]) -> Option<usize> {
        let wanted = [self.root.as_slice(), b"/", record].concat();
        lookup::find(&self.order, |at| lookup::without_case(self.name(at), &wanted))
    }

    /// The records under the root; fails for an entry outside of it.
    pub fn records(&self) -> Run<Vec<&[u8]>> {
        let mut records = Vec::with_capacity(self.entries.len());
        for at in 0..self.entries.len() {
            // The reader copies names into a C string of 512 bytes.
            let name = self.name(at).split(|b| *b == 0).next().unwrap_or_default();
            let name = name.get(..511).unwrap_or(name);
            let record = name.strip_prefix(self.root.as_slice()).and_then(|rest| rest.strip_prefix(b"/"));
            records.push(record.ok_or_else(|| {
                let name = String::from_utf8_lossy(name).escape_debug().to_string();
                corrupt(format!(
                    "file in archive is not in a subdirectory {}/: {name}",
                    String::from_utf8_lossy(&self.root)
                ))
            })?);
        }
        Ok(records)
    }

    /// The stated size of an entry, in bytes.
    pub fn size(&self, at: usize) -> u64 {
        self.entries.get(at).map_or(0, |entry| entry.size)
    }

    /// Checks that an entry can be read, without keeping its content. Returns where a stored one lies in the file.
    pub fn readable(&self, at: usize, record: &str) -> Run<Option<Range<u64>>> {
        let entry = self.supported(at, record)?;
        let Some(data) = self.data(entry)? else { return Ok(None) };
        match entry.method {
            0 if data.end > self.view.len() => {
                Err(corrupt(format!("PytorchStreamReader failed reading file {record}: file read failed")))
            }
            0 => Ok(Some(data)),
            _ => self.inflate(entry, data, record).map(|_| None),
        }
    }

    /// The content of an entry.
    pub fn content(&self, at: usize, record: &str) -> Run<Cow<'a, [u8]>> {
        let entry = self.supported(at, record)?;
        let Some(data) = self.data(entry)? else {
            return if entry.size == 0 {
                Ok(Cow::Borrowed(&[]))
            } else {
                Err(doubt(format!("the record {record} is handed over as uninitialised memory")))
            };
        };
        if entry.size > self.limits.max_header_bytes {
            return Err(doubt(format!("the record {record} is over the limit max_header_bytes")));
        }
        match entry.method {
            0 => self
                .view
                .copy(data)
                .map_err(|_| corrupt(format!("PytorchStreamReader failed reading file {record}: file read failed"))),
            _ => self.inflate(entry, data, record).map(Cow::Owned),
        }
    }

    /// The first `limit` bytes of a stored entry, or a deflated one as a whole; `None` where they are not to be had.
    pub fn prefix(&self, at: usize, limit: u64) -> Option<Vec<u8>> {
        let entry = self.supported(at, "storage").ok()?;
        let data = self.data(entry).ok()??;
        if entry.method == 0 {
            let end = data.end.min(data.start.saturating_add(limit));
            return self.view.copy(data.start..end).ok().map(Cow::into_owned);
        }
        (entry.size <= limit).then(|| self.inflate(entry, data, "storage").ok())?
    }

    fn supported(&self, at: usize, record: &str) -> Run<&Entry> {
        let entry = self.entries.get(at).ok_or_else(broken)?;
        let failed =
            |why| Err(corrupt(format!("PytorchStreamReader failed retrieving file meta-data for {record}: {why}")));
        match (entry.method, entry.flags) {
            (0 | 8, flags) if flags & 0x41 != 0 => failed("unsupported encryption"),
            (0 | 8, flags) if flags & 0x20 != 0 => failed("unsupported feature"),
            (0 | 8, _) => Ok(entry),
            _ => failed("unsupported method"),
        }
    }

    /// Where the content lies: `size` bytes of a stored entry, the compressed bytes of a deflated one. `None` where
    /// torch reads nothing at all: for a directory and for zero compressed bytes.
    fn data(&self, entry: &Entry) -> Run<Option<Range<u64>>> {
        if entry.directory || entry.compressed == 0 {
            return Ok(None);
        }
        let header = read(&self.view, entry.header..entry.header.saturating_add(LOCAL))?;
        if header.first_chunk::<4>() != Some(b"PK\x03\x04") {
            return Err(broken());
        }
        let skip = LOCAL.saturating_add(u16_at(&header, 26)?.into()).saturating_add(u16_at(&header, 28)?.into());
        let start = entry.header.saturating_add(skip);
        if start.saturating_add(entry.compressed) > self.view.len() {
            return Err(broken());
        }
        let len = if entry.method == 0 { entry.size } else { entry.compressed };
        Ok(Some(start..start.saturating_add(len)))
    }

    /// Inflates up to the stated size. More than that is cut silently, as torch does; less is an error.
    fn inflate(&self, entry: &Entry, data: Range<u64>, record: &str) -> Run<Vec<u8>> {
        let limits = self.limits;
        let ratio = entry.size > 1 << 20 && entry.size > entry.compressed.saturating_mul(limits.max_ratio);
        if entry.size > limits.max_decompressed_bytes.min(limits.max_header_bytes) || ratio {
            return Err(doubt(format!("the record {record} inflates beyond the limits")));
        }
        let input = self.view.copy(data).map_err(|_| broken())?;
        let size = usize::try_from(entry.size).map_err(|_| doubt("a record larger than memory"))?;
        let mut output = vec![0; size];
        let mut state = flate2::Decompress::new(false);
        let uninitialised = || doubt(format!("the record {record} is partly handed over as uninitialised memory"));
        let status = state.decompress(&input, &mut output, flate2::FlushDecompress::Finish);
        let made = state.total_out() == entry.size;
        match status {
            _ if made => Ok(output),
            Ok(flate2::Status::StreamEnd) => {
                Err(corrupt(format!("PytorchStreamReader failed reading file {record}: unexpected decompressed size")))
            }
            _ => Err(uninitialised()),
        }
    }
}

fn read<'a>(view: &View<'a>, range: Range<u64>) -> Run<Cow<'a, [u8]>> {
    view.copy(range).map_err(|_| broken())
}

/// Finds the end record as miniz does: backwards in blocks, stepping before the start of a small file by mistake.
fn find_end(view: &View<'_>) -> Run<End> {
    let missing = || corrupt("PytorchStreamReader failed reading zip archive: failed finding central directory");
    let len = view.len();
    if len < END {
        return Err(missing());
    }
    let mut start = len.saturating_sub(4096);
    let at = loop {
        let block = read(view, start..len.min(start.saturating_add(4096)))?;
        let found = memchr::memmem::rfind_iter(&block, b"PK\x05\x06")
            .filter_map(|at| start.checked_add(u64::try_from(at).ok()?))
            .find(|at| len.saturating_sub(*at) >= END);
        if let Some(at) = found {
            break at;
        }
        if start == 0 || len.saturating_sub(start) >= 0xffff_u64.saturating_add(END) {
            return Err(missing());
        }
        start = start.checked_sub(4093).ok_or_else(|| corrupt("OSError: [Errno 22] Invalid argument"))?;
    };
    let end = read(view, at..at.saturating_add(END))?;
    let (mut disk, mut start_disk) = (u64::from(u16_at(&end, 4)?), u64::from(u16_at(&end, 6)?));
    let (mut here, mut entries) = (u64::from(u16_at(&end, 8)?), u64::from(u16_at(&end, 10)?));
    let (mut size, mut offset) = (u32_at(&end, 12)?, u32_at(&end, 16)?);
    if let Some(wide) = find_wide_end(view, at)? {
        if u64_at(&wide, 4)? < 44 {
            return Err(broken());
        }
        (disk, start_disk) = (u32_at(&wide, 16)?, u32_at(&wide, 20)?);
        (here, entries) = (u64_at(&wide, 24)?, u64_at(&wide, 32)?);
        (size, offset) = (u64_at(&wide, 40)?, u64_at(&wide, 48)?);
        if entries > FULL || here > FULL || size > FULL {
            return Err(broken());
        }
    }
    let single = (disk | start_disk) == 0 || (disk == 1 && start_disk == 1);
    if entries != here || !single {
        return Err(corrupt("PytorchStreamReader failed reading zip archive: unsupported multidisk archive"));
    }
    let stop = offset.checked_add(size).filter(|stop| *stop <= len).ok_or_else(broken)?;
    if size < entries.saturating_mul(CENTRAL) {
        return Err(broken());
    }
    Ok(End { entries, directory: offset..stop, disk })
}

/// The zip64 end record before the end record at `at`, if a locator points to one.
fn find_wide_end<'a>(view: &View<'a>, at: u64) -> Run<Option<Cow<'a, [u8]>>> {
    let Some(locator) = at.checked_sub(20).filter(|_| at >= 76) else { return Ok(None) };
    let locator = read(view, locator..at)?;
    if locator.first_chunk::<4>() != Some(b"PK\x06\x07") {
        return Ok(None);
    }
    let offset = u64_at(&locator, 8)?;
    if offset > view.len().saturating_sub(56) {
        return Err(corrupt("PytorchStreamReader failed reading zip archive: not a ZIP archive"));
    }
    let wide = read(view, offset..offset.saturating_add(56))?;
    if wide.first_chunk::<4>() != Some(b"PK\x06\x06") {
        return Ok(None);
    }
    if u32_at(&locator, 16)? != 1 {
        return Err(corrupt("PytorchStreamReader failed reading zip archive: unsupported multidisk archive"));
    }
    Ok(Some(wide))
}

/// The central record at `at` of the directory, and where it ends.
fn central(directory: &[u8], at: usize, archive: u64, disk: u64) -> Run<(Entry, usize)> {
    let bytes = directory.get(at..).ok_or_else(broken)?;
    if bytes.first_chunk::<4>() != Some(b"PK\x01\x02") {
        return Err(broken());
    }
    let name_len = usize::from(u16_at(bytes, 28)?);
    let extra_len = usize::from(u16_at(bytes, 30)?);
    let comment_len = usize::from(u16_at(bytes, 32)?);
    let named = bytes.get(CENTRAL_LEN..).ok_or_else(broken)?;
    let (name, rest) = named.split_at_checked(name_len).ok_or_else(broken)?;
    let (extra, rest) = rest.split_at_checked(extra_len).ok_or_else(broken)?;
    let (_, rest) = rest.split_at_checked(comment_len).ok_or_else(broken)?;
    let (mut compressed, mut size, mut header) = (u32_at(bytes, 20)?, u32_at(bytes, 24)?, u32_at(bytes, 42)?);
    let method = u16_at(bytes, 10)?;
    if compressed != FULL && size != FULL {
        // miniz reads method and time as one number here: the first test applies only at midnight.
        let stored_at_midnight = u32_at(bytes, 10)? == 0;
        if (stored_at_midnight && size != compressed) || (size != 0 && compressed == 0) {
            return Err(broken());
        }
    }
    let own_disk = u64::from(u16_at(bytes, 34)?);
    if own_disk == 0xffff || (own_disk != disk && own_disk != 1) {
        return Err(broken());
    }
    if compressed != FULL && header.saturating_add(LOCAL).saturating_add(compressed) > archive {
        return Err(broken());
    }
    let flags = u16_at(bytes, 8)?;
    if flags & 0x2000 != 0 {
        return Err(corrupt("PytorchStreamReader failed reading zip archive: unsupported encryption"));
    }
    if compressed.max(size).max(header) == FULL
        && let Some(mut wide) = extra_field(extra, 1)?
    {
        for field in [&mut size, &mut compressed, &mut header] {
            if *field == FULL {
                *field = u64_at(wide, 0)?;
                wide = wide.get(8..).unwrap_or_default();
            }
        }
    }
    let is_directory = name.ends_with(b"/") || u32_at(bytes, 38)? & 0x10 != 0;
    let start = directory.len().saturating_sub(named.len());
    let name = start..start.saturating_add(name_len);
    let entry = Entry { name, method, flags, compressed, size, header, directory: is_directory };
    Ok((entry, directory.len().saturating_sub(rest.len())))
}

/// The extra field with this id.
fn extra_field(extra: &[u8], id: u16) -> Run<Option<&[u8]>> {
    let mut rest = extra;
    while !rest.is_empty() {
        let len = usize::from(u16_at(rest, 2)?);
        let field = rest.get(4..).and_then(|fields| fields.split_at_checked(len)).ok_or_else(broken)?;
        if u16_at(rest, 0)? == id {
            return Ok(Some(field.0));
        }
        rest = field.1;
    }
    Ok(None)
}
