//! numpy arrays: magic, version, a Python dict as header, then raw elements, or a pickle where the dtype has objects.
//!
//! The header is at most [`MAX_HEADER`] bytes; elements are not read. Several arrays may
//! follow each other in one file. Threat: object arrays are pickles (CVE-2019-6446), and shapes that overflow.

use super::defect::Refusal;
use super::literal::{self, Literal};
use super::tensor::{self, TensorInfo};
use super::{Identity, Role, embedded_pickle};
use crate::finding::shown;
use crate::rule::format as rules;
use crate::scan::Scan;
use crate::source::View;

/// Largest header in bytes. numpy stops at 10,000 unless it is told to allow pickles.
pub const MAX_HEADER: u64 = 1 << 20;
/// How deeply structured types may nest.
const MAX_DEPTH: u32 = 16;

/// A header, and what follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array {
    /// Shape and place; the range is empty for arrays of objects.
    pub tensor: TensorInfo,
    /// True if the elements are a pickle.
    pub objects: bool,
}

/// Checks a file that starts with numpy's magic.
pub fn check(view: &View<'_>, scan: &mut Scan<'_>) -> Identity {
    if let Err(refusal) = walk(view, scan) {
        refusal.report(scan);
    }
    Identity::new("npy", Role::Loadable)
}

fn walk(view: &View<'_>, scan: &mut Scan<'_>) -> Result<(), Refusal> {
    let mut at = 0;
    loop {
        scan.budget.entries(1).map_err(|spent| Refusal::Spent(spent, at))?;
        let array = parse(view, at)?;
        let data = array.tensor.range;
        let mut end = data.end;
        if array.objects {
            end = match embedded_pickle(view, data.start, scan)? {
                Some(consumed) => data.start.saturating_add(consumed),
                None => return Ok(()), // what was met is reported
            };
        }
        if end > view.len() {
            let message = format!("the array needs {end} bytes, the file has {}", view.len());
            return Err(Refusal::one(&rules::TRUNCATED, view.len(), message));
        }
        if end == view.len() {
            return Ok(());
        }
        let next = view.copy(end..view.len().min(end.saturating_add(6)))?;
        if next.as_ref() != b"\x93NUMPY" {
            let message = format!("{} bytes follow the array", view.len().saturating_sub(end));
            return Err(Refusal::one(&rules::TRAILING_BYTES, end, message));
        }
        at = end;
    }
}

/// Parses the header of the array that begins at `at`.
pub fn parse(view: &View<'_>, at: u64) -> Result<Array, Refusal> {
    let malformed = |offset: u64, message: &str| Refusal::one(&rules::NPY_HEADER, at.saturating_add(offset), message);
    let left = view.len().saturating_sub(at);
    let head = view.copy(at..at.saturating_add(left.min(12)))?;
    let (wide, utf8) = match head.get(6..8) {
        Some([1, 0]) => (false, false),
        Some([2, 0]) => (true, false),
        Some([3, 0]) => (true, true),
        _ => return Err(malformed(6, "this version of the format does not exist")),
    };
    let (start, size) = match (wide, head.get(8..)) {
        (false, Some([a, b, ..])) => (10, u64::from(u16::from_le_bytes([*a, *b]))),
        (true, Some(&[a, b, c, d])) => (12, u64::from(u32::from_le_bytes([a, b, c, d]))),
        _ => return Err(Refusal::one(&rules::TRUNCATED, view.len(), "the file ends inside the header")),
    };
    if size > MAX_HEADER {
        return Err(malformed(8, &format!("the header has {size} bytes, the limit is {MAX_HEADER}")));
    }
    let begin = at.saturating_add(start);
    let end = begin.saturating_add(size);
    if end > view.len() {
        return Err(Refusal::one(&rules::TRUNCATED, view.len(), "the file ends inside the header"));
    }
    let bytes = view.copy(begin..end)?;
    let text: String = match std::str::from_utf8(&bytes) {
        Ok(text) => text.to_owned(),
        Err(_) if !utf8 => bytes.iter().map(|&byte| char::from(byte)).collect(), // Latin-1
        Err(_) => return Err(malformed(start, "the header is not UTF-8")),
    };
    let header = literal::parse(&text).map_err(|stop| {
        malformed(start.saturating_add(u64::try_from(stop).unwrap_or(0)), "the header is not a plain Python literal")
    })?;
    let (descr, shape, fortran) =
        fields(header).ok_or_else(|| malformed(start, "the header lacks descr, fortran_order or shape"))?;
    let mut kind = Kind { item: 0, objects: false };
    let dtype = descr.clone();
    kind.add(&descr, 1, 0).map_err(|what| malformed(start, &what))?;
    let size = tensor::elements(&shape)
        .filter(|count| i64::try_from(*count).is_ok())
        .and_then(|count| count.checked_mul(kind.item));
    let size = if kind.objects { 0 } else { size.ok_or_else(|| malformed(start, "the shape overflows 64 bits"))? };
    let stop = end.checked_add(size).ok_or_else(|| malformed(start, "the shape overflows 64 bits"))?;
    let strides = strides(&dtype, &shape, fortran);
    let tensor = TensorInfo { name: String::new(), dtype: base_name(&dtype), shape, range: end..stop, strides };
    Ok(Array { tensor, objects: kind.objects })
}

/// `descr`, `shape` and `fortran_order` of a header that has exactly the three keys it must have, each once.
fn fields(header: Literal) -> Option<(Literal, Vec<u64>, bool)> {
    let Literal::Dict(items) = header else { return None };
    let (mut descr, mut shape, mut order) = (None, None, None);
    for (key, value) in items {
        let Literal::String(key) = key else { return None };
        let before = match (key.as_str(), value) {
            ("descr", value) => descr.replace(value).is_some(),
            ("shape", value) => shape.replace(dimensions(&value)?).is_some(),
            ("fortran_order", Literal::Bool(value)) => order.replace(value).is_some(),
            _ => return None,
        };
        if before {
            return None;
        }
    }
    Some((descr?, shape?, order?))
}

/// [`TensorInfo::strides`] of an array; `None` where the type leaves out byte order, unit or fields.
fn strides(descr: &Literal, shape: &[u64], fortran: bool) -> Option<Vec<i64>> {
    let Literal::String(name) = descr else { return None };
    let kind = name.strip_prefix(['<', '|', '='])?;
    if !kind.starts_with(['b', 'i', 'u', 'f', 'c', '?']) {
        return None;
    }
    let mut next = 1i64;
    let columns = shape.iter().map(|size| {
        let stride = next;
        next = next.checked_mul(i64::try_from(*size).ok()?)?;
        Some(stride)
    });
    if fortran && shape.len() > 1 { columns.collect() } else { Some(Vec::new()) }
}

fn dimensions(shape: &Literal) -> Option<Vec<u64>> {
    let Literal::Tuple(items) = shape else { return None };
    items.iter().map(|item| if let Literal::Number(n) = item { Some(*n) } else { None }).collect()
}

/// What the elements are, gathered over a structured type.
struct Kind {
    /// Bytes per element.
    item: u64,
    objects: bool,
}

impl Kind {
    /// Adds `count` values of the type that `descr` describes.
    fn add(&mut self, descr: &Literal, count: u64, depth: u32) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err("the type nests too deeply".to_owned());
        }
        let deeper = depth.saturating_add(1);
        match descr {
            Literal::String(name) => {
                let size = simple(name).ok_or_else(|| format!("the type {} is not known", shown(name)))?;
                self.objects |= size.is_none();
                let bytes = size.unwrap_or(8).checked_mul(count);
                self.item = bytes.and_then(|bytes| self.item.checked_add(bytes)).ok_or("the type overflows 64 bits")?;
                Ok(())
            }
            // a type and the shape of a sub-array of it
            Literal::Tuple(parts) => match parts.as_slice() {
                [base, shape] => self.add(base, times(count, shape)?, deeper),
                _ => Err("the type is malformed".to_owned()),
            },
            Literal::List(fields) => {
                for field in fields {
                    let Literal::Tuple(parts) = field else { return Err("a field is not a tuple".to_owned()) };
                    match parts.as_slice() {
                        [name, base] if is_name(name) => self.add(base, count, deeper)?,
                        [name, base, shape] if is_name(name) => self.add(base, times(count, shape)?, deeper)?,
                        _ => return Err("a field is malformed".to_owned()),
                    }
                }
                Ok(())
            }
            _ => Err("the type is malformed".to_owned()),
        }
    }
}

/// A field name, or a title and a name.
fn is_name(name: &Literal) -> bool {
    match name {
        Literal::String(_) => true,
        Literal::Tuple(parts) => matches!(parts.as_slice(), [Literal::String(_), Literal::String(_)]),
        _ => false,
    }
}

fn times(count: u64, shape: &Literal) -> Result<u64, String> {
    let dimensions = match shape {
        Literal::Number(n) => vec![*n],
        other => dimensions(other).ok_or("the shape of a field is malformed")?,
    };
    let product = tensor::elements(&dimensions).and_then(|product| product.checked_mul(count));
    product.ok_or_else(|| "the type overflows 64 bits".to_owned())
}

/// Size of a simple type such as `<f4`, `|S12` or `<M8[ns]`: `None` if it is not known, `Some(None)` for objects.
fn simple(name: &str) -> Option<Option<u64>> {
    let name = name.strip_prefix(['<', '>', '|', '=']).unwrap_or(name);
    let mut chars = name.chars();
    let kind = chars.next()?;
    let rest = chars.as_str();
    let (digits, unit) = match rest.find('[') {
        Some(at) => (rest.get(..at)?, rest.get(at..)?),
        None => (rest, ""),
    };
    let time = matches!(kind, 'm' | 'M');
    if !(unit.is_empty() || time && unit.ends_with(']')) {
        return None;
    }
    if kind == 'O' && matches!(digits, "" | "8" | "4") {
        return Some(None);
    }
    if digits.is_empty() {
        // the one-letter codes that numpy's `.str` never writes, except for these
        return match kind {
            'S' | 'U' | 'V' | 'a' => Some(Some(0)),
            '?' | 'b' | 'B' => Some(Some(1)),
            _ => None,
        };
    }
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let size: u64 = digits.parse().ok().filter(|size| *size < 1 << 31)?;
    let known = match kind {
        'b' => size == 1,
        'i' | 'u' => matches!(size, 1 | 2 | 4 | 8),
        'f' => matches!(size, 2 | 4 | 8 | 12 | 16),
        'c' => matches!(size, 8 | 16 | 24 | 32),
        'm' | 'M' => size == 8,
        'S' | 'a' | 'V' => true,
        'U' => return size.checked_mul(4).map(Some),
        _ => false,
    };
    known.then_some(Some(size))
}

/// A short word for the type in listings.
fn base_name(descr: &Literal) -> &'static str {
    let Literal::String(name) = descr else { return "structured" };
    match name.trim_start_matches(['<', '>', '|', '=']) {
        "b1" | "?" => "bool",
        "i1" => "int8",
        "i2" => "int16",
        "i4" => "int32",
        "i8" => "int64",
        "u1" => "uint8",
        "u2" => "uint16",
        "u4" => "uint32",
        "u8" => "uint64",
        "f2" => "float16",
        "f4" => "float32",
        "f8" => "float64",
        "c8" => "complex64",
        "c16" => "complex128",
        other => match other.chars().next() {
            Some('O') => "object",
            Some('U') => "str",
            Some('S' | 'a') => "bytes",
            Some('M') => "datetime64",
            Some('m') => "timedelta64",
            _ => "other",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;
    use crate::testing::{Examined, examine, shared};
    use proptest::prelude::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }
    fn array(descr: &str, shape: &str, data: usize) -> Examined {
        let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n");
        examine(&file(&header, &vec![1; data]), "x.npy")
    }

    #[test]
    fn sizes_follow_type_and_shape() {
        for (descr, shape, size) in [
            ("'<f4'", "(2, 3)", 24),
            ("'|b1'", "()", 1),
            ("'<U5'", "(2,)", 40),
            ("'<M8[ns]'", "(3,)", 24),
            ("'|S7'", "(1,)", 7),
            ("'<c16'", "(0, 9)", 0),
            ("[('a', '<i2'), ('b', '<f8', (2, 2)), (('title', 'c'), '|V3')]", "(2,)", 74),
            ("[('a', [('x', '|u1'), ('y', '>i4')])]", "(2,)", 10),
        ] {
            assert_eq!(array(descr, shape, size).verdict(), Verdict::Ok, "{descr}");
            assert!(array(descr, shape, size + 1).has(&rules::TRAILING_BYTES), "{descr}");
            if size > 0 {
                assert!(array(descr, shape, size - 1).has(&rules::TRUNCATED), "{descr}");
            }
        }
    }

    #[test]
    fn malformed_headers_are_not_ok() {
        for (descr, shape) in [
            ("'<f3'", "(1,)"),
            ("'float32'", "(1,)"),
            ("'<f4,<f4'", "(1,)"),
            ("'<f4'", "[1]"),
            ("'<f4'", "(4294967296, 4294967296)"),
            ("'<f4'", "(18446744073709551616,)"),
            ("'<f4'", "(1,), 'shape': (1,)"),
            ("'<f4'", "(1,), 'more': 1"),
            ("[('a', '<f4'), 3]", "(1,)"),
        ] {
            let found = array(descr, shape, 4);
            assert!(found.has(&rules::NPY_HEADER), "{descr} {shape}: {found:?}");
            assert_eq!(found.verdict(), Verdict::Unknown);
        }
        assert!(examine(b"\x93NUMPY\x09\x00\x00\x00", "x.npy").has(&rules::NPY_HEADER));
        assert!(examine(b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "x.npy").has(&rules::NPY_HEADER));
        assert!(examine(b"\x93NUMPY\x01\x00\x10", "x.npy").has(&rules::TRUNCATED));
    }

    #[test]
    fn arrays_may_follow_each_other() {
        let one = file("{'descr': '|u1', 'fortran_order': True, 'shape': (3,)}", b"abc");
        assert_eq!(examine(&[one.clone(), one.clone()].concat(), "x.npy").verdict(), Verdict::Ok);
        assert_eq!(examine(&[one, b"cos\nsystem\n.".to_vec()].concat(), "x.npy").verdict(), Verdict::Bad);
    }

    #[test]
    fn arrays_by_numpy_are_ok() {
        let Some(shared) = shared() else { return };
        for entry in std::fs::read_dir(shared.join("corpus/benign/generated")).unwrap().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|e| e == "npy") {
                let found = examine(&std::fs::read(&path).unwrap(), "x.npy");
                assert_eq!(found.identity.format, "npy");
                assert!(!found.has(&rules::NPY_HEADER) && !found.has(&rules::TRUNCATED), "{path:?} {found:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn never_panics(at in 0usize..80, with in any::<u8>(), cut in 0usize..90) {
            let mut bytes = file("{'descr': [('a', '<i2'), ('b', '|O')], 'fortran_order': False, 'shape': (2,), }", b"\x80\x04N.");
            bytes[at] = with;
            bytes.truncate(cut);
            examine(&bytes, "x.npy");
        }
    }
}
