//! Safetensors: a length, a JSON header, and the bytes of the tensors without a gap.
//!
//! Everything that the `safetensors` crate 0.8 enforces is enforced here (a test compares the two), and a little more:
//! no key twice, no list in place of an object, no padding but spaces. One pass over the header, which is at most
//! [`MAX_HEADER`] bytes and is the only part held in memory; sorting makes it O(n log n) in the number of tensors.
//! Threat: bytes that no tensor accounts for, tensors that share bytes, and headers that two parsers read differently.

use super::defect::{Defects, Refusal};
use super::json::{Broken, Event, Quoted, Reader, Shape};
use super::tensor::{self, TensorInfo};
use super::{Identity, Role};
use crate::budget::Budget;
use crate::finding::shown;
use crate::rule::format as rules;
use crate::scan::Scan;
use crate::source::View;
use std::borrow::Cow;
use std::collections::HashSet;

/// Largest header in bytes, as in the reference implementation.
pub const MAX_HEADER: u64 = 100_000_000;

/// Element types and their size in bits.
static DTYPES: &[(&str, u64)] = &[
    ("BOOL", 8),
    ("F4", 4),
    ("F6_E2M3", 6),
    ("F6_E3M2", 6),
    ("U8", 8),
    ("I8", 8),
    ("F8_E5M2", 8),
    ("F8_E4M3", 8),
    ("F8_E8M0", 8),
    ("F8_E4M3FNUZ", 8),
    ("F8_E5M2FNUZ", 8),
    ("I16", 16),
    ("U16", 16),
    ("F16", 16),
    ("BF16", 16),
    ("I32", 32),
    ("U32", 32),
    ("F32", 32),
    ("C64", 64),
    ("F64", 64),
    ("I64", 64),
    ("U64", 64),
];

/// Keys and values of `__metadata__`, in the order of the file.
pub type Metadata = Vec<(String, String)>;

/// What a well-formed file declares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// Where the data begins, in bytes from the start of the file.
    pub data: u64,
    /// The tensors, in the order of their bytes.
    pub tensors: Vec<TensorInfo>,
    /// `__metadata__`, in the order of the file.
    pub metadata: Metadata,
}

/// Checks a file that starts like safetensors.
pub fn check(view: &View<'_>, scan: &mut Scan<'_>) -> Identity {
    if let Err(refusal) = parse(view, &mut scan.budget) {
        refusal.report(scan);
    }
    Identity::new("safetensors", Role::Loadable)
}

/// Parses the header of a safetensors file and checks it against the length of the file. The data is not read.
pub fn parse(view: &View<'_>, budget: &mut Budget) -> Result<Outline, Refusal> {
    let malformed = |at: u64, message: String| Refusal::one(&rules::SAFETENSORS_HEADER, at, message);
    let head = view.head(8)?;
    let Some(size) = head.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes)) else {
        return Err(malformed(0, "the file ends inside the length of its header".to_owned()));
    };
    let limit = MAX_HEADER.min(budget.limits().max_header_bytes);
    if size > limit {
        return Err(malformed(0, format!("the header claims {size} bytes, the limit is {limit}")));
    }
    let data = size.saturating_add(8);
    if data > view.len() {
        let message =
            format!("the header claims {size} bytes, the file has {} after its length", view.len().saturating_sub(8));
        return Err(Refusal::one(&rules::TRUNCATED, view.len(), message));
    }
    let text = view.copy(8..data)?;
    if text.first() != Some(&b'{') {
        return Err(malformed(8, "the header does not begin with {".to_owned()));
    }
    let mut header = Header { reader: Reader::new(&text), defects: Defects::default(), budget };
    let (declared, metadata) = header.read()?;
    let mut defects = header.defects;
    let tensors = lay_out(declared, data, view.len(), &mut defects);
    defects.settle()?;
    Ok(Outline { data, tensors, metadata })
}

/// A tensor as the header declares it.
struct Declared<'a> {
    name: Cow<'a, str>,
    /// Offset of the key in the file.
    at: u64,
    dtype: (&'static str, u64),
    shape: Vec<u64>,
    begin: u64,
    end: u64,
}

struct Header<'a, 'b> {
    reader: Reader<'a>,
    defects: Defects,
    budget: &'b mut Budget,
}

type Read<T> = Result<T, Refusal>;

impl<'a> Header<'a, '_> {
    fn read(&mut self) -> Read<(Vec<Declared<'a>>, Metadata)> {
        let (mut tensors, mut metadata) = (Vec::new(), Vec::new());
        let (mut seen, mut metadata_seen) = (HashSet::new(), false);
        self.open(Shape::Object, "the header")?;
        while let Some(key) = self.key()? {
            let at = self.place();
            let name = key.text();
            if name == "__metadata__" {
                if metadata_seen {
                    self.defects.note(&rules::DUPLICATE_KEY, at, "__metadata__ stands there twice");
                }
                metadata_seen = true;
                self.metadata(&mut metadata)?;
                continue;
            }
            self.budget.entries(1).map_err(|spent| Refusal::Spent(spent, at))?;
            if !seen.insert(name.clone()) {
                let message = format!("the tensor {} is declared twice", shown(&name));
                self.defects.note(&rules::DUPLICATE_KEY, at, message);
            }
            tensors.push(self.tensor(name, at)?);
        }
        let end = self.reader.position();
        // only white space may follow, which `event` steps over
        if self.event()?.is_some() || self.reader.restart() {
            return Err(self.malformed("something follows the header inside its length"));
        }
        if let Some(odd) = self.reader.text().get(end..).and_then(|rest| rest.iter().position(|&b| b != b' ')) {
            let at = file_offset(end.saturating_add(odd));
            self.defects.note(&rules::SAFETENSORS_HEADER, at, "the header is padded with something other than spaces");
        }
        Ok((tensors, metadata))
    }

    fn metadata(&mut self, metadata: &mut Metadata) -> Read<()> {
        match self.event()? {
            Some(Event::Word("null")) => return Ok(()),
            Some(Event::Open(Shape::Object)) => {}
            _ => return Err(self.malformed("__metadata__ is not an object")),
        }
        let mut seen = HashSet::new();
        while let Some(key) = self.key()? {
            let at = self.place();
            self.budget.entries(1).map_err(|spent| Refusal::Spent(spent, at))?;
            if !seen.insert(key.text()) {
                let message = format!("the metadata key {} stands there twice", shown(&key.text()));
                self.defects.note(&rules::DUPLICATE_KEY, at, message);
            }
            let Some(Event::String(value)) = self.event()? else {
                return Err(self.malformed("a value of __metadata__ is not a string"));
            };
            metadata.push((key.text().into_owned(), value.text().into_owned()));
        }
        Ok(())
    }

    fn tensor(&mut self, name: Cow<'a, str>, at: u64) -> Read<Declared<'a>> {
        let (mut dtype, mut shape, mut offsets) = (None, None, None);
        self.open(Shape::Object, "a tensor")?;
        while let Some(key) = self.key()? {
            let twice = match key.text().as_ref() {
                "dtype" => dtype.replace(self.dtype()?).is_some(),
                "shape" => shape.replace(self.numbers()?).is_some(),
                "data_offsets" => offsets.replace(self.numbers()?).is_some(),
                _ => {
                    self.skip()?;
                    false
                }
            };
            if twice {
                return Err(self.malformed("a tensor has the same field twice"));
            }
        }
        let (Some(dtype), Some(shape), Some(offsets)) = (dtype, shape, offsets) else {
            return Err(self.malformed("a tensor lacks dtype, shape or data_offsets"));
        };
        let &[begin, end] = offsets.as_slice() else {
            return Err(self.malformed("data_offsets is not a pair"));
        };
        Ok(Declared { name, at, dtype, shape, begin, end })
    }

    fn dtype(&mut self) -> Read<(&'static str, u64)> {
        let Some(Event::String(name)) = self.event()? else {
            return Err(self.malformed("a dtype is not a string"));
        };
        let name = name.text();
        match DTYPES.iter().find(|(known, _)| *known == name) {
            Some(dtype) => Ok(*dtype),
            None => Err(self.malformed(&format!("{} is no dtype of safetensors", shown(&name)))),
        }
    }

    fn numbers(&mut self) -> Read<Vec<u64>> {
        self.open(Shape::Array, "shape or data_offsets")?;
        let mut numbers = Vec::new();
        loop {
            match self.event()? {
                Some(Event::Close(_)) => return Ok(numbers),
                // `parse` would take a sign, which the reader has already refused in front of digits
                Some(Event::Number(number)) => match number.parse() {
                    Ok(number) => numbers.push(number),
                    Err(_) => return Err(self.malformed("a dimension or offset is not a whole number of 64 bits")),
                },
                _ => return Err(self.malformed("a dimension or offset is not a number")),
            }
        }
    }

    /// Steps over a value of a field that loaders ignore.
    fn skip(&mut self) -> Read<()> {
        let depth = self.reader.depth();
        loop {
            if let Some(Event::Number(number)) = self.event()?
                && !number.parse::<f64>().is_ok_and(f64::is_finite)
            {
                return Err(self.malformed("a number is out of range"));
            }
            if self.reader.depth() == depth {
                return Ok(());
            }
        }
    }

    fn open(&mut self, shape: Shape, what: &str) -> Read<()> {
        if self.event()? == Some(Event::Open(shape)) {
            return Ok(());
        }
        let wanted = if shape == Shape::Object { "an object" } else { "a list" };
        Err(self.malformed(&format!("{what} is not {wanted}")))
    }

    /// The next key of the object we are in, or `None` at its end.
    fn key(&mut self) -> Read<Option<Quoted<'a>>> {
        match self.event()? {
            Some(Event::Key(key)) => Ok(Some(key)),
            _ => Ok(None),
        }
    }

    fn event(&mut self) -> Read<Option<Event<'a>>> {
        let event = self.reader.event().map_err(|Broken { at, what }| {
            Refusal::one(&rules::SAFETENSORS_HEADER, file_offset(at), format!("the header is not JSON: {what}"))
        })?;
        if let Some(Event::Key(string) | Event::String(string)) = event
            && string.has_lone_surrogate()
        {
            return Err(self.malformed("half of a surrogate pair stands in a string"));
        }
        Ok(event)
    }

    fn place(&self) -> u64 {
        file_offset(self.reader.start())
    }
    fn malformed(&self, message: &str) -> Refusal {
        Refusal::one(&rules::SAFETENSORS_HEADER, self.place(), message)
    }
}

/// Offset in the file of an offset in the header.
fn file_offset(at: usize) -> u64 {
    u64::try_from(at).unwrap_or(u64::MAX).saturating_add(8)
}

/// Checks that the tensors tile the data exactly, and puts them in the order of their bytes.
fn lay_out(mut declared: Vec<Declared<'_>>, data: u64, len: u64, defects: &mut Defects) -> Vec<TensorInfo> {
    declared.sort_by_key(|tensor| (tensor.begin, tensor.end));
    let mut next = 0u64;
    let mut tensors = Vec::with_capacity(declared.len());
    for tensor in declared {
        let Declared { name, at, dtype: (dtype, bits), shape, begin, end } = tensor;
        let mut wrong = |message: String| {
            defects.note(&rules::SAFETENSORS_LAYOUT, at, format!("tensor {}: {message}", shown(&name)));
        };
        match tensor::elements(&shape).and_then(|count| count.checked_mul(bits)) {
            None => wrong("its shape overflows 64 bits".to_owned()),
            Some(total) if total & 7 != 0 => wrong("its elements do not fill whole bytes".to_owned()),
            Some(total) => {
                let (size, span) = (total >> 3, end.checked_sub(begin));
                match span {
                    None => wrong(format!("it ends at {end}, before it begins at {begin}")),
                    Some(span) if span != size => {
                        wrong(format!("shape and dtype make {size} bytes, its offsets {span}"));
                    }
                    Some(_) if begin > next => {
                        wrong(format!("{} bytes before it belong to no tensor", begin.saturating_sub(next)))
                    }
                    Some(_) if begin < next => wrong("it overlaps the tensor before it".to_owned()),
                    Some(_) => {}
                }
            }
        }
        next = next.max(end);
        let range = data.saturating_add(begin)..data.saturating_add(end);
        tensors.push(TensorInfo { name: name.into_owned(), dtype, shape, range, strides: Some(Vec::new()) });
    }
    let end = data.saturating_add(next);
    if end > len {
        let message = format!("the tensors end at byte {end}, the file at {len}");
        defects.note(&rules::TRUNCATED, len, message);
    } else if end < len {
        let message = format!("{} bytes follow the last tensor", len.saturating_sub(end));
        defects.note(&rules::TRAILING_BYTES, end, message);
    }
    tensors
}

#[cfg(test)]
#[path = "safetensors_tests.rs"]
mod tests;
