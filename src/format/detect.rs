//! What the content looks like, from its first bytes, its last bytes, and nothing else.
//!
//! Detection only chooses which parser is asked; that parser decides whether the file is well formed. It reads at most
//! [`HEAD`] bytes and [`TAIL`] bytes and is linear in them. Threat: files made to look like one format to us and like
//! another to a loader; what a second reading finds beside the first answer is reported.

use super::opaque::{self, Opaque};
use super::sentencepiece;
use super::{Identity, git};
use crate::source::View;
use std::io;

/// Bytes looked at from the front.
pub const HEAD: u64 = 4096;
/// Bytes looked at from the back: the longest zip end record with its comment.
pub const TAIL: u64 = 22 + 65_535;

/// What the content looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No bytes.
    Empty,
    /// Nothing but zero bytes at the front.
    Zeros,
    /// A zip archive, torch zips included.
    Zip,
    /// A tar archive.
    Tar,
    /// A compressed stream.
    Compressed(Codec),
    /// A numpy array.
    Npy,
    /// Safetensors, or something that starts like it.
    Safetensors,
    /// GGUF.
    Gguf,
    /// `torch.save` before 1.6: starts with a pickle of torch's magic number.
    TorchLegacy,
    /// A pickle with a protocol header.
    Pickle,
    /// A SentencePiece vocabulary.
    SentencePiece,
    /// An image.
    Image(Picture),
    /// Text in some encoding.
    Text(Encoding),
    /// A known format that mverify does not parse.
    Opaque(&'static Opaque),
    /// What git keeps for itself.
    Git(Identity),
    /// None of these; may still be a pickle without a header, or a zip behind other bytes.
    Unknown,
}

/// How a stream is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// RFC 1952.
    Gzip,
    /// RFC 1950.
    Zlib,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// lzma-alone, without magic.
    Lzma,
    /// LZ4 frames.
    Lz4,
    /// Zstandard frames.
    Zstd,
    /// What joblib wrote before 0.10: `ZF`, a length in hexadecimal, and a zlib stream.
    ZFile,
}

/// Kinds of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picture {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// GIF.
    Gif,
    /// WebP.
    Webp,
    /// Windows bitmap.
    Bmp,
    /// Windows icon.
    Ico,
}

/// Encodings of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark.
    Utf8,
    /// One byte per character, in one of the encodings of before UTF-8: Latin-1 and its kin.
    Latin1,
    /// UTF-16 with a little-endian byte order mark.
    Utf16Le,
    /// UTF-16 with a big-endian byte order mark.
    Utf16Be,
}

/// What `view` looks like.
pub fn identify(view: &View<'_>) -> io::Result<Kind> {
    let head = view.head(HEAD)?;
    Ok(of_head(&head, view.len()))
}

/// What a file of `len` bytes that begins with `head` looks like.
pub fn of_head(head: &[u8], len: u64) -> Kind {
    if len == 0 {
        return Kind::Empty;
    }
    if let Some(kind) = by_magic(head) {
        return kind;
    }
    if let Some(opaque) = opaque::of_head(head) {
        return Kind::Opaque(opaque);
    }
    if let Some(identity) = git::of_head(head) {
        return Kind::Git(identity);
    }
    if is_tar(head) {
        return Kind::Tar;
    }
    if starts_like_safetensors(head, len) {
        return Kind::Safetensors;
    }
    if sentencepiece::starts(head) && text(head, false).is_none() {
        return Kind::SentencePiece;
    }
    if let Some(encoding) = text(head, u64::try_from(head.len()).is_ok_and(|n| n == len)) {
        return Kind::Text(encoding);
    }
    if starts_like_zlib(head) {
        return Kind::Compressed(Codec::Zlib);
    }
    if starts_like_lzma(head) {
        return Kind::Compressed(Codec::Lzma);
    }
    if head.iter().all(|&b| b == 0) { Kind::Zeros } else { Kind::Unknown }
}

fn by_magic(head: &[u8]) -> Option<Kind> {
    const MAGIC: &[(&[u8], Kind)] = &[
        (b"PK\x03\x04", Kind::Zip),
        (b"PK\x05\x06", Kind::Zip),
        (b"PK\x07\x08", Kind::Zip),
        (b"\x93NUMPY", Kind::Npy),
        (b"GGUF", Kind::Gguf),
        (b"\x1f\x8b", Kind::Compressed(Codec::Gzip)),
        (b"\xfd7zXZ\x00", Kind::Compressed(Codec::Xz)),
        (b"\x04\x22\x4d\x18", Kind::Compressed(Codec::Lz4)),
        (b"\x28\xb5\x2f\xfd", Kind::Compressed(Codec::Zstd)),
        (b"ZF0x", Kind::Compressed(Codec::ZFile)),
        (b"\x89PNG\r\n\x1a\n", Kind::Image(Picture::Png)),
        (b"\xff\xd8\xff", Kind::Image(Picture::Jpeg)),
        (b"GIF87a", Kind::Image(Picture::Gif)),
        (b"GIF89a", Kind::Image(Picture::Gif)),
        (b"\x00\x00\x01\x00", Kind::Image(Picture::Ico)),
    ];
    for (magic, kind) in MAGIC {
        if head.starts_with(magic) && (*kind != Kind::Image(Picture::Ico) || is_ico(head)) {
            return Some(*kind);
        }
    }
    if head.starts_with(b"BZh") && matches!(head.get(3), Some(b'1'..=b'9')) {
        // a block or, for an empty stream, the end of the stream
        let next = head.get(4..10);
        if next == Some(b"1AY&SY") || next == Some(b"\x17\x72\x45\x38\x50\x90") {
            return Some(Kind::Compressed(Codec::Bzip2));
        }
    }
    // skippable frames may come before the first real one
    if matches!(head.first_chunk::<4>(), Some([0x50..=0x5f, 0x2a, 0x4d, 0x18])) {
        return Some(Kind::Compressed(Codec::Zstd));
    }
    if head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP") {
        return Some(Kind::Image(Picture::Webp));
    }
    // header size of every known version of the bitmap header
    if head.starts_with(b"BM") && matches!(head.get(14..18), Some([12 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0])) {
        return Some(Kind::Image(Picture::Bmp));
    }
    if is_torch_legacy(head) {
        return Some(Kind::TorchLegacy);
    }
    if matches!(head, [0x80, 0..=5, ..]) {
        return Some(Kind::Pickle);
    }
    None
}

fn is_ico(head: &[u8]) -> bool {
    // a directory of at least one entry whose fifth byte is reserved and zero
    matches!(head.get(4..6), Some([1..=64, 0])) && head.get(9) == Some(&0)
}

/// The number every legacy checkpoint starts with, as a pickled long: 0x1950a86a20f9469cfc6c.
const LEGACY_MAGIC: &[u8] = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
const LEGACY_MAGIC_TEXT: &[u8] = b"L119547037146038801333356L\n";

fn is_torch_legacy(head: &[u8]) -> bool {
    let front = head.get(..32).unwrap_or(head);
    match front.first() {
        Some(0x80) => memchr::memmem::find(front, LEGACY_MAGIC).is_some_and(|at| at <= 11),
        _ => front.starts_with(LEGACY_MAGIC_TEXT),
    }
}

/// True for the header block of a tar archive: its checksum holds.
pub fn is_tar(head: &[u8]) -> bool {
    let Some(block) = head.get(..512) else { return false };
    let Some(field) = block.get(148..156) else { return false };
    let digits: Vec<u8> = field.iter().copied().skip_while(|b| *b == b' ').take_while(u8::is_ascii_digit).collect();
    let Some(stored) = std::str::from_utf8(&digits).ok().and_then(|text| u32::from_str_radix(text, 8).ok()) else {
        return false;
    };
    let sum = |of: fn(u8) -> i32| -> i32 {
        let all = block.iter().enumerate();
        all.map(|(at, &b)| if (148..156).contains(&at) { 32 } else { of(b) }).fold(0, i32::saturating_add)
    };
    let stored = i32::try_from(stored).unwrap_or(-1);
    // old writers summed signed bytes
    stored == sum(i32::from) || stored == sum(|b| i32::from(b.cast_signed()))
}

fn starts_like_safetensors(head: &[u8], len: u64) -> bool {
    let (Some(size), Some(b'{')) = (head.first_chunk::<8>(), head.get(8)) else { return false };
    let size = u64::from_le_bytes(*size);
    let fits = size >= 2 && size.checked_add(8).is_some_and(|end| end <= len);
    let next = head.get(9..).unwrap_or_default().iter().find(|b| !b.is_ascii_whitespace());
    // a download that stopped inside the header still starts like one
    fits || (matches!(next, Some(b'"' | b'}') | None) && size < 1 << 32)
}

/// True if the two bytes of a zlib header are there: one text in a thousand begins like one.
pub fn starts_like_zlib(head: &[u8]) -> bool {
    let Some([cmf, flags]) = head.first_chunk::<2>() else { return false };
    let check = u16::from_be_bytes([*cmf, *flags]).checked_rem(31);
    cmf & 0x0f == 8 && cmf >> 4 <= 7 && flags & 0x20 == 0 && check == Some(0)
}

/// lzma-alone has no magic: properties, a dictionary size that is a power of two (or three halves of one), and a size
/// that is unknown or below 2^48.
fn starts_like_lzma(head: &[u8]) -> bool {
    let Some([properties, d0, d1, d2, d3, size @ ..]) = head.first_chunk::<13>() else { return false };
    let dictionary = u32::from_le_bytes([*d0, *d1, *d2, *d3]);
    let size = u64::from_le_bytes(*size);
    let usual = dictionary == u32::MAX
        || (dictionary >= 4096
            && (dictionary.is_power_of_two()
                || dictionary.checked_rem(3) == Some(0)
                    && dictionary.checked_div(3).is_some_and(u32::is_power_of_two)));
    *properties < 225 && usual && (size == u64::MAX || size < 1 << 48) && head.get(13) == Some(&0)
}

/// The encoding of `head` if it is text: no NUL and no control characters that text does not use. Without `whole` the
/// last character may be cut off.
pub fn text(head: &[u8], whole: bool) -> Option<Encoding> {
    if head.starts_with(b"\xff\xfe") {
        return Some(Encoding::Utf16Le);
    }
    if head.starts_with(b"\xfe\xff") {
        return Some(Encoding::Utf16Be);
    }
    if head.iter().any(|&b| is_binary_control(b)) {
        return None;
    }
    match std::str::from_utf8(head) {
        Ok(_) => Some(Encoding::Utf8),
        Err(error) if !whole && error.error_len().is_none() => Some(Encoding::Utf8),
        Err(_) => {
            // prose in such an encoding is mostly ASCII; what is not may be anything
            let ascii = head.iter().filter(|b| b.is_ascii()).count();
            (ascii.saturating_mul(4) >= head.len().saturating_mul(3)).then_some(Encoding::Latin1)
        }
    }
}

/// Control characters that do not occur in text: all but tab, newline, vertical tab, form feed, return and escape.
pub fn is_binary_control(b: u8) -> bool {
    matches!(b, 0..=8 | 14..=26 | 28..=31 | 127)
}
