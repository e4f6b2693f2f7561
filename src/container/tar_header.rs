//! Headers of tar archives: ustar, pax and GNU.
//!
//! Source: POSIX.1-2017 pax, GNU tar manual "Basic Tar Format", Python's `tarfile`.

use crate::format::detect::is_tar;
use std::borrow::Cow;

/// Bytes of a header; contents are padded to a multiple of it.
pub(crate) const BLOCK: u64 = 512;
/// Largest extended header that is read, in bytes.
pub(crate) const EXTENDED: u64 = 1 << 20;

/// What extended headers say about the member that follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extended {
    pub name: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub sparse: bool,
}

/// One header, with what extended headers before it say about its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The type flag.
    pub kind: u8,
    /// Bytes of content behind it; `None` if the field is no number.
    pub size: Option<u64>,
}

impl Header {
    /// Reads a block; `None` if its checksum is wrong.
    pub fn of(block: &[u8], next: &Extended) -> Option<Header> {
        if !is_tar(block) {
            return None;
        }
        let header = Header { kind: block.get(156).copied().unwrap_or(0), size: number(field(block, 124, 12)) };
        let said = if header.is_extended() { None } else { next.size };
        Some(Header { size: said.or(header.size), ..header })
    }
    /// An extended header, whose content speaks about the next member.
    pub fn is_extended(self) -> bool {
        matches!(self.kind, b'x' | b'g' | b'X' | b'L' | b'K')
    }
    /// A regular file.
    pub fn is_file(self) -> bool {
        matches!(self.kind, 0 | b'0' | b'7')
    }
    /// Content stands behind it. Links, folders and devices have none, whatever their size says.
    pub fn has_content(self) -> bool {
        self.is_file() || self.is_extended() || !matches!(self.kind, b'1'..=b'6')
    }
}

/// Takes the content of an extended header in. The error is why readers may differ about what it says: of two headers that
/// name one member Python's tarfile follows one and GNU tar the other, and names for all members are followed by both of
/// them and ignored by libarchive.
pub(crate) fn extend(kind: u8, bytes: &[u8], next: &mut Extended) -> Result<(), &'static str> {
    let mut said = Extended::default();
    match kind {
        b'L' => said.name = Some(text(bytes).to_vec()),
        b'K' => said.link = Some(text(bytes).to_vec()),
        _ => pax(bytes, &mut said).ok_or("a pax header does not add up")?,
    }
    if kind == b'g' {
        let harmless = said == Extended::default();
        return if harmless { Ok(()) } else { Err("a pax header names every member, or gives it a size or a map") };
    }
    let twice = (said.name.is_some() && next.name.is_some())
        || (said.link.is_some() && next.link.is_some())
        || (said.size.is_some() && next.size.is_some());
    next.name = said.name.or(next.name.take());
    next.link = said.link.or(next.link.take());
    next.size = said.size.or(next.size);
    next.sparse |= said.sparse;
    if twice { Err("two extended headers say different things about one member") } else { Ok(()) }
}

/// Reads pax records, `LENGTH KEY=VALUE\n` each; `None` if they are malformed.
fn pax(bytes: &[u8], into: &mut Extended) -> Option<()> {
    let mut rest = bytes;
    while !rest.is_empty() && rest.iter().any(|b| *b != 0) {
        let space = memchr::memchr(b' ', rest)?;
        let len: usize = std::str::from_utf8(rest.get(..space)?).ok()?.parse().ok()?;
        let (record, after) = rest.split_at_checked(len)?;
        rest = after;
        let record = record.get(space.checked_add(1)?..)?.strip_suffix(b"\n")?;
        let equals = memchr::memchr(b'=', record)?;
        let (key, value) = (record.get(..equals)?, record.get(equals.checked_add(1)?..)?);
        match key {
            b"path" => into.name = Some(value.to_vec()),
            b"linkpath" => into.link = Some(value.to_vec()),
            b"size" => into.size = Some(std::str::from_utf8(value).ok()?.parse().ok()?),
            _ if key.starts_with(b"GNU.sparse.") => into.sparse = true,
            _ => {}
        }
    }
    Some(())
}

pub(crate) fn field(block: &[u8], at: usize, len: usize) -> &[u8] {
    block.get(at..at.saturating_add(len)).unwrap_or_default()
}

/// Bytes up to the first NUL.
pub(crate) fn text(bytes: &[u8]) -> &[u8] {
    bytes.split(|b| *b == 0).next().unwrap_or_default()
}

/// True if Python's tarfile takes what stands in the place of ustar's prefix for one, and other readers do not: old
/// incremental archives of GNU's keep times there.
pub(crate) fn prefix_is_disputed(block: &[u8]) -> bool {
    field(block, 257, 6) != b"ustar\0" && !text(field(block, 345, 155)).is_empty()
}

/// Name of a header; ustar splits long ones into prefix and name.
pub(crate) fn header_name(block: &[u8]) -> Vec<u8> {
    let name = text(field(block, 0, 100));
    let prefix = if field(block, 257, 6) == b"ustar\0" { text(field(block, 345, 155)) } else { b"" };
    if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
}

/// A numeric field: octal digits, or base 256 where the top bit is set. Negative numbers are none.
fn number(field: &[u8]) -> Option<u64> {
    if field.first() == Some(&0x80) {
        let mut value = 0u64;
        for &b in field.get(1..)? {
            value = value.checked_mul(256)?.checked_add(b.into())?;
        }
        return Some(value);
    }
    let digits: Cow<'_, str> = String::from_utf8_lossy(text(field));
    let digits = digits.trim_matches(' ');
    if digits.is_empty() { Some(0) } else { u64::from_str_radix(digits, 8).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_base_256() {
        assert_eq!(number(b"00000000017\0"), Some(15));
        assert_eq!(number(b"     17 "), Some(15));
        assert_eq!(number(b"\x80\0\0\0\0\0\0\0\0\0\x01\0"), Some(256));
        assert_eq!(number(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), None);
        assert_eq!(number(b"9"), None);
    }

    #[test]
    fn pax_records_carry_names_and_sizes() {
        let mut ext = Extended::default();
        pax(b"15 path=abc/def\n", &mut ext);
        assert_eq!(ext.name, None, "a wrong length is malformed");
        assert_eq!(pax(b"16 path=abc/def\n8 size=7\n", &mut ext), None);
        assert_eq!(pax(b"16 path=abc/def\n10 size=77\n", &mut ext), None);
        let mut ext = Extended::default();
        assert_eq!(pax(b"16 path=abc/def\n11 size=77\n", &mut ext), Some(()));
        assert_eq!((ext.name.as_deref(), ext.size), (Some(&b"abc/def"[..]), Some(77)));
    }
}
