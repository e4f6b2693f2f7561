//! Zip archives, read the strict way.

use std::ops::Range;

/// One record of the central directory, with what its local header says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name, as stored in the central directory.
    pub name: Vec<u8>,
    /// Compression method of the central record: 0 stored, 8 deflated.
    pub method: u16,
    /// General purpose flags of the central record.
    pub flags: u16,
    /// Compressed size in bytes (zip64 resolved).
    pub compressed: u64,
    /// Uncompressed size in bytes (zip64 resolved).
    pub size: u64,
    /// CRC-32 of the content.
    pub crc: u32,
    /// Offset of the local header in the archive.
    pub header: u64,
    /// Bytes of the stored content in the archive; `None` if the local header is unusable.
    pub data: Option<Range<u64>>,
}

/// The directory of an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    /// Every central record, in directory order, duplicates included.
    pub entries: Vec<Entry>,
    /// True if two readers could disagree about this archive; the reasons were reported as findings.
    pub ambiguous: bool,
}
