//! Compressed streams: gzip, zlib, bzip2, xz, lzma-alone, lz4 frames, zstd, and joblib's first format.
//!
//! Threat: bombs, dictionaries of gigabytes, payloads after the stream or in a second one. The stream is decoded into
//! memory in small steps, each charged to the budget; no more than `max_header_bytes` are held, and the ratio of output
//! to input is bound. Bound: linear in the compressed plus the decompressed bytes. A stream that follows another of the
//! same kind continues it, as every decompressor has it; anything else that follows is examined by itself.

use super::cursor::len64;
use crate::budget::{Budget, Spent};
use crate::format::detect::Codec;
use crate::format::{self, Identity};
use crate::rule::container as rules;
use crate::scan::Scan;
use crate::source::View;
use std::io::{self, BufRead, Read};

/// Largest dictionary or window of xz, lzma and zstd, in KiB: the largest preset of `xz`, with room for its overhead.
const WINDOW_KIB: u32 = 80 << 10;
/// Bytes read, and bytes handed on, at a time.
const BLOCK: usize = 1 << 16;
/// Zeros that may follow a stream: what tapes and disks are padded to.
const PADDING: u64 = 1 << 20;
/// Outputs below this many bytes are exempt from the ratio limit.
const RATIO_EXEMPT: u64 = 1 << 20;
/// Bytes before the zlib stream of joblib's first format: `ZF` and a length in hexadecimal, padded to 19 characters.
const ZFILE_HEADER: u64 = 21;

/// Decompresses `view` and examines what comes out. `None` if the bytes only looked like such a stream: some codecs have
/// next to no magic.
pub fn check(view: &View<'_>, codec: Codec, name: &str, scan: &mut Scan<'_>) -> Option<Identity> {
    let (mut decoded, mut bytes) = (Progress::default(), Vec::new());
    let most = scan.budget.limits().max_header_bytes;
    let result = decode(view, codec, &mut decoded, &mut scan.budget, &mut |part| hold(&mut bytes, part, most));
    let weak = matches!(codec, Codec::Zlib | Codec::Lzma);
    if weak && bytes.is_empty() && matches!(result, Err(Fault::Broken(_))) {
        return None;
    }
    let identity = match scan.enter(codec.name()) {
        Err(spent) => {
            scan.spent(spent, 0);
            None
        }
        Ok(()) => {
            let bytes: &[u8] = &bytes;
            let inner = View::new(&bytes);
            let object = codec == Codec::Zlib && format::git::is_object(&inner).unwrap_or(false);
            let identity = match object {
                true => format::git::OBJECT,
                false => format::examine(&inner, inner_name(name), scan),
            };
            scan.leave();
            Some(identity)
        }
    };
    match result {
        Ok(()) => {}
        Err(Fault::Spent(spent)) => scan.spent(spent, decoded.used),
        Err(Fault::Broken(error)) => {
            let message = if error.kind() == io::ErrorKind::UnexpectedEof {
                format!("the {} stream is cut off", codec.name())
            } else {
                format!("the {} stream is broken, or of a kind that is not read", codec.name())
            };
            scan.report(&rules::STREAM_BROKEN, decoded.used, message);
        }
    }
    if let Some(from) = decoded.trailing {
        trailing(view, from, scan);
    }
    let role = identity.map_or(format::Role::Loadable, |inner| inner.role);
    Some(Identity { format: codec.name(), role })
}

fn trailing(view: &View<'_>, from: u64, scan: &mut Scan<'_>) {
    let message = format!("{} bytes follow the compressed stream", view.len().saturating_sub(from));
    scan.report(&rules::STREAM_TRAILING, from, message);
    let Some(rest) = view.sub(from..view.len()) else { return };
    match scan.enter("(after the stream)") {
        Ok(()) => {
            format::examine(&rest, "", scan);
            scan.leave();
        }
        Err(spent) => scan.spent(spent, from),
    }
}

/// The name inside, for names that say how they are compressed; joblib's do not.
fn inner_name(name: &str) -> &str {
    let Some((stem, extension)) = name.rsplit_once('.') else { return "" };
    match extension.to_ascii_lowercase().as_str() {
        "gz" | "z" | "zlib" | "bz2" | "xz" | "lzma" | "lz4" | "zst" => stem,
        _ => "",
    }
}

/// Keeps what was decoded in memory, up to a limit.
fn hold(bytes: &mut Vec<u8>, part: &[u8], most: u64) -> Result<(), Fault> {
    let spent = Fault::Spent(Spent("max_header_bytes"));
    if len64(bytes).saturating_add(len64(part)) > most || bytes.try_reserve(part.len()).is_err() {
        return Err(spent);
    }
    bytes.extend_from_slice(part);
    Ok(())
}

/// How far decoding came.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    /// Compressed bytes used by complete streams.
    pub used: u64,
    /// Where bytes start that belong to no stream.
    pub trailing: Option<u64>,
}

/// Why decoding ended early.
#[derive(Debug)]
pub(crate) enum Fault {
    /// A limit was reached.
    Spent(Spent),
    /// The stream is broken or cut off, cannot be read, or whoever takes its bytes refuses them.
    Broken(io::Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Fault::Broken(error)
    }
}

/// The bytes of a view, one after another, each read once.
struct Input<'v, 'a> {
    view: &'v View<'a>,
    /// Where the view is read next.
    at: u64,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were consumed.
    used: usize,
}

impl<'v, 'a> Input<'v, 'a> {
    fn new(view: &'v View<'a>, at: u64) -> Self {
        Input { view, at, buffer: Vec::with_capacity(BLOCK), used: 0 }
    }
    fn left(&self) -> &[u8] {
        self.buffer.get(self.used..).unwrap_or_default()
    }
    /// Offset in the view of the next byte.
    fn position(&self) -> u64 {
        self.at.saturating_sub(len64(self.left()))
    }
    /// The next bytes: `len` of them or more, unless the view ends. Where a buffer ends must not decide what is seen.
    fn peek(&mut self, len: usize) -> io::Result<&[u8]> {
        if self.left().len() < len {
            self.buffer.drain(..self.used);
            self.used = 0;
            let kept = self.buffer.len();
            let left = usize::try_from(self.view.len().saturating_sub(self.at)).unwrap_or(usize::MAX);
            let fresh = left.min(BLOCK.saturating_sub(kept));
            self.buffer.resize(kept.saturating_add(fresh), 0);
            let part = self.buffer.get_mut(kept..).unwrap_or_default();
            if let Err(error) = self.view.read_at(self.at, part) {
                self.buffer.truncate(kept);
                return Err(error);
            }
            self.at = self.at.saturating_add(len64(part));
        }
        Ok(self.left())
    }
}

impl BufRead for Input<'_, '_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.peek(1)
    }
    fn consume(&mut self, len: usize) {
        self.used = self.used.saturating_add(len).min(self.buffer.len());
    }
}

impl Read for Input<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = self.fill_buf()?.read(buf)?;
        self.consume(len);
        Ok(len)
    }
}

/// Decodes every stream in `view`, one after another, and hands what comes out to `sink` in blocks. The view is read once
/// and in order.
pub(crate) fn decode(
    view: &View<'_>,
    codec: Codec,
    out: &mut Progress,
    budget: &mut Budget,
    sink: &mut dyn FnMut(&[u8]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let start = if codec == Codec::ZFile { zfile_start(view)? } else { 0 };
    let mut input = Input::new(view, start);
    let by_ratio = view.len().saturating_mul(budget.limits().max_ratio).max(RATIO_EXEMPT);
    let mut pump = Pump { sink, total: 0, by_ratio, budget };
    loop {
        pump.budget.entries(1).map_err(Fault::Spent)?;
        let unused = one(&mut input, codec, &mut pump)?;
        out.used = input.position().saturating_sub(unused);
        if out.used == view.len() {
            return Ok(());
        }
        let more = unused == 0 && !matches!(codec, Codec::Zlib | Codec::Lzma | Codec::ZFile);
        if !more || !continues(&mut input, codec)? {
            break;
        }
    }
    if !only_padding(&mut input, codec, view.len().saturating_sub(out.used))? {
        out.trailing = Some(out.used);
    }
    Ok(())
}

/// True if the same kind of stream comes next.
fn continues(input: &mut Input<'_, '_>, codec: Codec) -> io::Result<bool> {
    let next = input.peek(6)?;
    Ok(match codec {
        Codec::Gzip => next.starts_with(b"\x1f\x8b"),
        Codec::Bzip2 => next.starts_with(b"BZh"),
        Codec::Xz => next.starts_with(b"\xfd7zXZ\0"),
        Codec::Lz4 => next.starts_with(b"\x04\x22\x4d\x18") || is_skippable(next),
        Codec::Zstd => next.starts_with(b"\x28\xb5\x2f\xfd") || is_skippable(next),
        Codec::Zlib | Codec::Lzma | Codec::ZFile => false,
    })
}

/// True for the start of a skippable frame, which lz4 and zstd share.
fn is_skippable(head: &[u8]) -> bool {
    matches!(head.first_chunk::<4>(), Some([0x50..=0x5f, 0x2a, 0x4d, 0x18]))
}

/// True if nothing but the zeros that the format allows follows, `len` bytes.
fn only_padding(input: &mut Input<'_, '_>, codec: Codec, len: u64) -> io::Result<bool> {
    if !matches!(codec, Codec::Gzip | Codec::Xz) || len > PADDING {
        return Ok(false);
    }
    loop {
        let part = input.fill_buf()?;
        if part.is_empty() || part.iter().any(|b| *b != 0) {
            return Ok(part.is_empty());
        }
        let len = part.len();
        input.consume(len);
    }
}

/// Where the zlib stream of a joblib `ZF` file starts: one more byte where the length is padded by 20.
fn zfile_start(view: &View<'_>) -> io::Result<u64> {
    let next = view.copy(ZFILE_HEADER..ZFILE_HEADER.saturating_add(1))?;
    Ok(if *next == *b" " { ZFILE_HEADER.saturating_add(1) } else { ZFILE_HEADER })
}

/// Decodes one stream. Returns how many bytes at the end of what it took from `input` it did not use.
fn one(input: &mut Input<'_, '_>, codec: Codec, pump: &mut Pump<'_>) -> Result<u64, Fault> {
    match codec {
        Codec::Gzip => pump.run(flate2::bufread::GzDecoder::new(input))?,
        Codec::Zlib | Codec::ZFile => pump.run(flate2::bufread::ZlibDecoder::new(input))?,
        Codec::Bzip2 => pump.run(bzip2::bufread::BzDecoder::new(input))?,
        Codec::Xz => pump.run(lzma_rust2::XzReader::new_mem_limit(input, false, WINDOW_KIB))?,
        Codec::Lzma => {
            let mut decoder = lzma_rust2::LzmaReader::new_mem_limit(input, WINDOW_KIB, None)?;
            pump.run(&mut decoder)?;
            return Ok(len64(&decoder.into_parts().1));
        }
        Codec::Lz4 if is_skippable(input.peek(4)?) => skip(input)?,
        Codec::Lz4 => lz4(input, pump)?,
        Codec::Zstd if is_skippable(input.peek(4)?) => skip(input)?,
        Codec::Zstd => zstd(input, pump)?,
    }
    Ok(0)
}

/// Skips a skippable frame.
fn skip(input: &mut Input<'_, '_>) -> Result<(), Fault> {
    let mut header = [0; 8];
    input.read_exact(&mut header)?;
    let [_, _, _, _, len @ ..] = header;
    let len = u64::from(u32::from_le_bytes(len));
    if io::copy(&mut input.take(len), &mut io::sink())? < len {
        return Err(Fault::Broken(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(())
}

/// The decoder takes an end of the input in place of the end mark for the end of the frame; this notices it.
struct Watched<'i, 'v, 'a> {
    input: &'i mut Input<'v, 'a>,
    starved: bool,
}

impl Read for Watched<'_, '_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = self.input.read(buf)?;
        self.starved |= len == 0 && !buf.is_empty();
        Ok(len)
    }
}

fn lz4(input: &mut Input<'_, '_>, pump: &mut Pump<'_>) -> Result<(), Fault> {
    let mut watched = Watched { input, starved: false };
    pump.run(lz4_flex::frame::FrameDecoder::new(&mut watched))?;
    if watched.starved { Err(Fault::Broken(io::ErrorKind::UnexpectedEof.into())) } else { Ok(()) }
}

fn zstd(input: &mut Input<'_, '_>, pump: &mut Pump<'_>) -> Result<(), Fault> {
    let window = u64::from(WINDOW_KIB).saturating_mul(1024);
    let mut decoder =
        ruzstd::decoding::StreamingDecoder::new_with_max_window_size(input, window).map_err(io::Error::other)?;
    pump.run(&mut decoder)?;
    let frame = decoder.into_frame_decoder();
    if frame.get_checksum_from_data().is_some_and(|stored| Some(stored) != frame.get_calculated_checksum()) {
        return Err(Fault::Broken(io::Error::other("checksum")));
    }
    Ok(())
}

/// Moves decoded bytes on, within the limits.
struct Pump<'p> {
    sink: &'p mut dyn FnMut(&[u8]) -> Result<(), Fault>,
    total: u64,
    by_ratio: u64,
    budget: &'p mut Budget,
}

impl Pump<'_> {
    fn run(&mut self, mut decoder: impl Read) -> Result<(), Fault> {
        let mut block = vec![0; BLOCK];
        loop {
            let len = match decoder.read(&mut block) {
                Ok(0) => return Ok(()),
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            let part = block.get(..len).unwrap_or_default();
            self.budget.decompressed(len64(part)).map_err(Fault::Spent)?;
            self.total = self.total.saturating_add(len64(part));
            if self.total > self.by_ratio {
                return Err(Fault::Spent(Spent("max_ratio")));
            }
            (self.sink)(part)?;
        }
    }
}
