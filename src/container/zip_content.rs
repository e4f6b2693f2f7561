//! The content of zip members: stored bytes as they are, deflated ones inflated within the budget.
//!
//! Threat: bombs and streams that lie about their length. Bound: linear in the bytes that come out, which are charged to
//! the budget and bound by `max_ratio` and `max_header_bytes`.

use super::cursor::len64;
use super::zip::Entry;
use crate::budget::{Budget, Spent};
use crate::source::View;
use std::borrow::Cow;
use std::io;
use std::ops::Range;

/// Members below this many bytes are exempt from the ratio limit.
const RATIO_EXEMPT: u64 = 1 << 20;

/// The content of an entry, as far as it could be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content<'a> {
    /// The uncompressed bytes: all that the stream yields, whatever size was declared.
    pub bytes: Cow<'a, [u8]>,
    /// Compressed bytes that were used; less than the entry holds where something follows the deflate stream.
    pub used: u64,
    /// True if the deflate stream is broken or ends early; `bytes` is then what came out before.
    pub broken: bool,
}

/// Why an entry has no content that can be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// The local header or the content is not inside the archive.
    #[error("the content is not inside the archive")]
    NoData,
    /// Encrypted or patched.
    #[error("the content is encrypted")]
    Encrypted,
    /// A compression method that is not read here.
    #[error("compression method {0} is not supported")]
    Method(u16),
    /// A limit was reached.
    #[error("limit {} reached", .0.0)]
    Spent(Spent),
    /// The bytes could not be read.
    #[error("{0}")]
    Io(io::ErrorKind),
}

/// Reads an entry that is stored (method 0) or deflated (8). At most `max_header_bytes` are held; inflated bytes are
/// charged to the budget and bound by `max_ratio`. Neither size nor CRC is compared here.
pub fn read_entry<'a>(view: &View<'a>, entry: &Entry, budget: &mut Budget) -> Result<Content<'a>, EntryError> {
    let range = entry.data.clone().ok_or(EntryError::NoData)?;
    if entry.flags & 0x2041 != 0 {
        return Err(EntryError::Encrypted);
    }
    read_range(view, range, entry.method, budget)
}

/// Reads stored or deflated bytes at a place of the archive; see [`read_entry`].
pub fn read_range<'a>(
    view: &View<'a>,
    range: Range<u64>,
    method: u16,
    budget: &mut Budget,
) -> Result<Content<'a>, EntryError> {
    let len = range.end.saturating_sub(range.start);
    match method {
        0 | 8 if len > budget.limits().max_header_bytes => Err(EntryError::Spent(Spent("max_header_bytes"))),
        0 => {
            let bytes = view.copy(range).map_err(|e| EntryError::Io(e.kind()))?;
            Ok(Content { bytes, used: len, broken: false })
        }
        8 => {
            let packed = view.copy(range).map_err(|e| EntryError::Io(e.kind()))?;
            inflate(&packed, budget).map_err(EntryError::Spent)
        }
        other => Err(EntryError::Method(other)),
    }
}

/// Inflates a raw deflate stream to its end, within the budget.
fn inflate(packed: &[u8], budget: &mut Budget) -> Result<Content<'static>, Spent> {
    let limits = budget.limits();
    let by_ratio = len64(packed).saturating_mul(limits.max_ratio).max(RATIO_EXEMPT);
    let by_header = limits.max_header_bytes;
    let mut stream = flate2::Decompress::new(false);
    let mut out: Vec<u8> = Vec::new();
    loop {
        let used = usize::try_from(stream.total_in()).unwrap_or(usize::MAX);
        let input = packed.get(used..).unwrap_or_default();
        let before = stream.total_out();
        out.try_reserve(input.len().clamp(1 << 12, 1 << 20)).map_err(|_| Spent("max_header_bytes"))?;
        let status = stream.decompress_vec(input, &mut out, flate2::FlushDecompress::None);
        let made = stream.total_out().saturating_sub(before);
        budget.decompressed(made)?;
        for (limit, name) in [(by_ratio, "max_ratio"), (by_header, "max_header_bytes")] {
            if stream.total_out() > limit {
                return Err(Spent(name));
            }
        }
        let done = |broken| Content { bytes: Cow::Owned(Vec::new()), used: stream.total_in(), broken };
        let content = match status {
            Ok(flate2::Status::StreamEnd) => done(false),
            Err(_) => done(true),
            Ok(_) if made == 0 && stream.total_in() == u64::try_from(used).unwrap_or(u64::MAX) => done(true),
            Ok(_) => continue,
        };
        return Ok(Content { bytes: Cow::Owned(out), ..content });
    }
}
