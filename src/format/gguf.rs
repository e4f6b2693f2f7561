//! GGUF, versions 1 to 3, either byte order: header, key-values, tensor list, and the bytes of the tensors.
//!
//! Linear in the header, which is streamed: counts and lengths are compared with what is left of the file before
//! anything is held, keys and names are at most [`MAX_NAME`] bytes, and the data is not read. Threat: sizes that wrap
//! (CVE-2025-53630, CVE-2026-27940, CVE-2026-33298), tensors outside of the file or on top of each other, and chat
//! templates that escape their sandbox (CVE-2024-34359).

use super::defect::{Defects, Refusal};
use super::stream::Stream;
use super::tensor::{self, TensorInfo};
use super::{Identity, Role, ggml, jinja};
use crate::budget::Budget;
use crate::finding::shown;
use crate::rule::format as rules;
use crate::scan::Scan;
use crate::source::View;
use std::collections::HashSet;
use std::io;
use std::ops::Range;

/// Longest key or tensor name in bytes, as in the specification.
pub const MAX_NAME: u64 = 65_535;
/// Longest template that is kept, in bytes.
const MAX_TEMPLATE: u64 = 1 << 22;
/// Largest alignment: padding is not looked at between tensors, so it must stay small.
const MAX_ALIGNMENT: u64 = 1 << 16;
/// Arrays within arrays; llama.cpp reads none.
const MAX_DEPTH: u32 = 4;
/// Room is made at once for as many entries as are stated, up to this number.
const MOST_AT_ONCE: usize = 1 << 18;
/// Dimensions of a tensor, as in ggml.
const MAX_DIMENSIONS: u32 = 4;

/// What a well-formed file declares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// Version of the format.
    pub version: u32,
    /// Numbers are big-endian.
    pub big_endian: bool,
    /// The key-values, in the order of the file, but for chat templates.
    pub values: Vec<KeyValue>,
    /// The tensors, in the order of the file.
    pub tensors: Vec<TensorInfo>,
    /// Chat templates, by key, with the offset of their text.
    pub templates: Vec<(String, u64, String)>,
}

/// A key-value: where its value lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    /// The key.
    pub key: String,
    /// The type of the value, as in the file.
    pub kind: u32,
    /// The bytes of the value: of a text its length too, of an array the type and number of its items too.
    pub range: Range<u64>,
}

/// Checks a file that starts with GGUF's magic.
pub fn check(view: &View<'_>, scan: &mut Scan<'_>) -> Identity {
    match parse(view, &mut scan.budget) {
        Ok(outline) => {
            for (key, at, template) in outline.templates {
                jinja::check(&template, &key, at, scan);
            }
        }
        Err(refusal) => refusal.report(scan),
    }
    Identity::new("gguf", Role::Loadable)
}

/// Parses the header and checks it against the length of the file.
pub fn parse(view: &View<'_>, budget: &mut Budget) -> Result<Outline, Refusal> {
    let mut parser = Parser { stream: Stream::new(*view), outline: Outline::default(), alignment: 32, budget };
    parser.header().map_err(|refusal| match refusal {
        Refusal::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Refusal::one(&rules::TRUNCATED, view.len(), "the file ends inside its header")
        }
        other => other,
    })?;
    let mut defects = Defects::default();
    let (header, data) = (parser.stream.position(), parser.data());
    let padding = view.copy(header..data.min(view.len()))?;
    if padding.iter().any(|&byte| byte != 0) {
        defects.note(&rules::TRAILING_BYTES, header, "the padding behind the header is not empty");
    }
    lay_out(&mut parser.outline.tensors, data, parser.alignment, view.len(), &mut defects);
    defects.settle()?;
    Ok(parser.outline)
}

struct Parser<'a, 'b> {
    stream: Stream<'a>,
    outline: Outline,
    alignment: u64,
    budget: &'b mut Budget,
}

impl Parser<'_, '_> {
    fn header(&mut self) -> Result<(), Refusal> {
        self.stream.skip(4)?;
        let version = self.stream.u32()?;
        // a small number in its high bytes was written by a big-endian machine
        let version = if version & 0xffff == 0 { version.swap_bytes() } else { version };
        if !(1..=3).contains(&version) {
            return Err(self.malformed(4, format!("version {version} of GGUF does not exist")));
        }
        if self.stream_is_big_endian()? {
            self.stream.big_endian();
            self.outline.big_endian = true;
        }
        self.outline.version = version;
        let tensors = self.size()?;
        let keys = self.size()?;
        // the least a tensor or a key-value can take
        let (tensor_bytes, key_bytes) =
            if version == 1 { (4 + 4 + 4 + 8, 4 + 4 + 1) } else { (8 + 4 + 4 + 8, 8 + 4 + 1) };
        let least = tensors.checked_mul(tensor_bytes).zip(keys.checked_mul(key_bytes));
        let least = least.and_then(|(tensors, keys)| tensors.checked_add(keys));
        if least.is_none_or(|least| least > self.stream.left()) {
            let message = format!("{tensors} tensors and {keys} key-values cannot stand in a file of this size");
            return Err(self.malformed(8, message));
        }
        let entries = tensors.saturating_add(keys);
        self.budget.entries(entries).map_err(|spent| Refusal::Spent(spent, 8))?;
        // room for all of them: as many as are stated have room in the file, and a set that grows reads every name again
        let room = |stated: u64| usize::try_from(stated).unwrap_or_default().min(MOST_AT_ONCE);
        self.outline.values.reserve(room(keys));
        let mut seen = HashSet::with_capacity(room(keys));
        for _ in 0..keys {
            self.key_value(&mut seen)?;
        }
        self.outline.tensors.reserve(room(tensors));
        let mut seen = HashSet::with_capacity(room(tensors));
        for _ in 0..tensors {
            self.tensor(&mut seen)?;
        }
        Ok(())
    }

    /// Looks at the version once more: the stream is past it.
    fn stream_is_big_endian(&self) -> Result<bool, Refusal> {
        Ok(self.stream.view().head(8)?.get(4..6) == Some(&[0, 0]))
    }

    fn key_value(&mut self, seen: &mut HashSet<String>) -> Result<(), Refusal> {
        let at = self.stream.position();
        let key = self.name("key")?;
        if !seen.insert(key.clone()) {
            return Err(Refusal::one(&rules::DUPLICATE_KEY, at, format!("the key {} stands there twice", shown(&key))));
        }
        let kind = self.stream.u32()?;
        let begin = self.stream.position();
        if key == "general.alignment" {
            if kind != 4 {
                return Err(self.malformed(at, "general.alignment is not an unsigned 32-bit number".to_owned()));
            }
            let alignment = u64::from(self.stream.u32()?);
            if !alignment.is_power_of_two() || alignment > MAX_ALIGNMENT {
                return Err(self.malformed(at, format!("the alignment {alignment} is no usable power of two")));
            }
            self.alignment = alignment;
        } else if kind == STRING && key.contains("chat_template") {
            let size = self.size()?;
            let at = self.stream.position();
            if size > MAX_TEMPLATE.min(self.stream.left()) {
                return Err(self.malformed(at, format!("a chat template of {size} bytes")));
            }
            let text = String::from_utf8_lossy(self.stream.bytes(size)?).into_owned();
            self.outline.templates.push((key, at, text));
            return Ok(());
        } else {
            self.value(kind, 0)?;
        }
        self.outline.values.push(KeyValue { key, kind, range: begin..self.stream.position() });
        Ok(())
    }

    fn value(&mut self, kind: u32, depth: u32) -> Result<(), Refusal> {
        match kind {
            STRING => {
                let size = self.size()?;
                self.fits(size)?;
                self.stream.skip(size)?;
            }
            ARRAY => {
                if depth >= MAX_DEPTH {
                    return Err(self.malformed(self.stream.position(), "arrays nest too deeply".to_owned()));
                }
                let item = self.stream.u32()?;
                let count = self.size()?;
                if let Some(bytes) = scalar(item) {
                    let size = count.saturating_mul(bytes);
                    self.fits(size)?;
                    self.stream.skip(size)?;
                } else {
                    // every item takes at least its own length, so this loop ends with the file
                    self.fits(count)?;
                    for _ in 0..count {
                        self.value(item, depth.saturating_add(1))?;
                    }
                }
            }
            other => match scalar(other) {
                Some(bytes) => self.stream.skip(bytes)?,
                None => return Err(self.malformed(self.stream.position(), format!("there is no value type {other}"))),
            },
        }
        Ok(())
    }

    fn tensor(&mut self, seen: &mut HashSet<String>) -> Result<(), Refusal> {
        let at = self.stream.position();
        let name = self.name("tensor name")?;
        if !seen.insert(name.clone()) {
            let message = format!("the tensor {} is declared twice", shown(&name));
            return Err(Refusal::one(&rules::DUPLICATE_KEY, at, message));
        }
        let dimensions = self.stream.u32()?;
        if dimensions > MAX_DIMENSIONS {
            return Err(self.layout(
                at,
                &name,
                &format!("it has {dimensions} dimensions, ggml reads {MAX_DIMENSIONS}"),
            ));
        }
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            shape.push(self.size()?);
        }
        let kind = self.stream.u32()?;
        let offset = self.stream.u64()?;
        let Some(kind) = ggml::by_id(kind) else {
            return Err(self.malformed(at, format!("tensor {}: there is no element type {kind}", shown(&name))));
        };
        let count = tensor::elements(&shape).filter(|count| i64::try_from(*count).is_ok());
        let row = shape.first().copied().unwrap_or(1);
        if row.checked_rem(kind.block) != Some(0) {
            let message = format!("its rows of {row} elements do not fill blocks of {}", kind.block);
            return Err(self.layout(at, &name, &message));
        }
        let size =
            count.and_then(|count| count.checked_div(kind.block)).and_then(|blocks| blocks.checked_mul(kind.bytes));
        let end = size.and_then(|size| offset.checked_add(size)).filter(|end| i64::try_from(*end).is_ok());
        let Some(end) = end else {
            return Err(self.layout(at, &name, "its size or offset overflows 64 bits"));
        };
        self.outline.tensors.push(TensorInfo {
            name,
            dtype: kind.name,
            shape,
            range: offset..end,
            strides: Some(Vec::new()),
        });
        Ok(())
    }

    fn name(&mut self, what: &str) -> Result<String, Refusal> {
        let at = self.stream.position();
        let size = self.size()?;
        if size > MAX_NAME {
            return Err(self.malformed(at, format!("a {what} of {size} bytes")));
        }
        match std::str::from_utf8(self.stream.bytes(size)?) {
            Ok(name) => Ok(name.to_owned()),
            Err(_) => Err(self.malformed(at, format!("a {what} is not UTF-8"))),
        }
    }

    /// A length or a count: 32 bits wide in version 1.
    fn size(&mut self) -> io::Result<u64> {
        if self.outline.version == 1 { self.stream.u32().map(u64::from) } else { self.stream.u64() }
    }

    /// Fails if `size` bytes are more than the file has left. What is far beyond its end was never written.
    fn fits(&self, size: u64) -> Result<(), Refusal> {
        if size > self.stream.left() {
            let message = format!("{size} bytes are claimed, {} are left", self.stream.left());
            return Err(self.malformed(self.stream.position(), message));
        }
        Ok(())
    }

    /// Where the data begins: the header is padded to the alignment.
    fn data(&self) -> u64 {
        padded(self.stream.position(), self.alignment)
    }
    fn malformed(&self, at: u64, message: String) -> Refusal {
        Refusal::one(&rules::GGUF_HEADER, at, message)
    }
    fn layout(&self, at: u64, name: &str, message: &str) -> Refusal {
        Refusal::one(&rules::GGUF_LAYOUT, at, format!("tensor {}: {message}", shown(name)))
    }
}

pub(crate) const STRING: u32 = 8;
pub(crate) const ARRAY: u32 = 9;

/// Bytes of a value of fixed size.
fn scalar(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

/// `at` rounded up to a power of two.
fn padded(at: u64, alignment: u64) -> u64 {
    let mask = alignment.saturating_sub(1);
    at.saturating_add(mask) & !mask
}

/// Checks that the tensors follow each other, padded and without gaps, to the end of the file, and makes their ranges
/// absolute. The padding behind the last one may be missing.
fn lay_out(tensors: &mut [TensorInfo], data: u64, alignment: u64, len: u64, defects: &mut Defects) {
    let mut order: Vec<&mut TensorInfo> = tensors.iter_mut().collect();
    order.sort_by_key(|tensor| (tensor.range.start, tensor.range.end));
    let (mut next, mut last) = (0u64, 0u64);
    for tensor in order {
        let mut wrong = |message: &str| {
            let at = data.saturating_add(tensor.range.start);
            defects.note(&rules::GGUF_LAYOUT, at, format!("tensor {}: {message}", shown(&tensor.name)));
        };
        if tensor.range.start.checked_rem(alignment) != Some(0) {
            wrong("it is not aligned");
        } else if tensor.range.start < next {
            wrong("it overlaps the tensor before it");
        } else if tensor.range.start > next {
            wrong("bytes before it belong to no tensor");
        }
        last = last.max(tensor.range.end);
        next = next.max(padded(tensor.range.end, alignment));
        tensor.range = data.saturating_add(tensor.range.start)..data.saturating_add(tensor.range.end);
    }
    let (last, padded_end) = (data.saturating_add(last), data.saturating_add(next));
    if last > len && !tensors.is_empty() {
        defects.note(&rules::TRUNCATED, len, format!("the tensors end at byte {last}, the file at {}", len));
    } else if len > padded_end {
        let message = format!("{} bytes follow the last tensor", len.saturating_sub(padded_end));
        defects.note(&rules::TRAILING_BYTES, padded_end, message);
    }
}

#[cfg(test)]
#[path = "gguf_tests.rs"]
mod tests;
