//! The key-values of GGUF files as fields: numbers with their types and texts as they are, arrays by their type, length and content.
//!
//! Bound: [`LARGEST`] bytes of values, each read once.

use super::fields::{Fields, LARGEST, Value, step};
use crate::budget::{Budget, Limits};
use crate::format::gguf::{self, KeyValue, Outline};
use crate::source::View;

/// Names of the types of values, by their number (specification, `gguf_metadata_value_type`).
const TYPES: [&str; 13] = ["u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "text", "array", "u64", "i64", "f64"];

/// Reads the fields of a file.
pub(super) fn read(view: &View<'_>, limits: &Limits) -> Result<Fields, &'static str> {
    let outline = gguf::parse(view, &mut Budget::new(limits.clone())).map_err(|_| "its header cannot be read")?;
    let mut left = LARGEST;
    let mut fields = Fields::new();
    let order = if outline.big_endian { ", big-endian" } else { "" };
    fields.insert(String::new(), Value::of(&format!("GGUF version {}{order}", outline.version)));
    for value in &outline.values {
        let size = value.range.end.saturating_sub(value.range.start);
        left = left.checked_sub(size).ok_or("it has more values than are compared")?;
        let bytes = view.copy(value.range.clone()).map_err(|_| "it could not be read again, or changed meanwhile")?;
        fields.insert(format!("/{}", step(&value.key)), shown(&outline, value, &bytes));
    }
    Ok(fields)
}

fn shown(outline: &Outline, value: &KeyValue, bytes: &[u8]) -> Value {
    let length = if outline.version == 1 { 4 } else { 8 };
    match value.kind {
        gguf::STRING => {
            let bytes = bytes.get(length..).unwrap_or_default();
            match std::str::from_utf8(bytes) {
                Ok(text) => Value::of(&serde_json::Value::from(text).to_string()),
                Err(_) => Value::hashed(&serde_json::Value::from(String::from_utf8_lossy(bytes)).to_string(), bytes),
            }
        }
        gguf::ARRAY => {
            let number = |bytes: Option<&[u8]>| bytes.and_then(|bytes| unsigned(bytes, outline.big_endian));
            let kind = number(bytes.get(..4)).map_or("?", name);
            let count = number(bytes.get(4..4 + length)).unwrap_or_default();
            Value::hashed(&format!("[{count} × {}]", kind), bytes)
        }
        kind => match scalar(kind, bytes, outline.big_endian) {
            Some(text) if text == "NaN" => Value::hashed(&text, bytes),
            Some(text) => Value::of(&format!("{text} ({})", name(kind.into()))),
            None => Value::hashed(&format!("{} bytes", bytes.len()), bytes),
        },
    }
}

fn name(kind: u64) -> &'static str {
    usize::try_from(kind).ok().and_then(|kind| TYPES.get(kind)).unwrap_or(&"?")
}

fn unsigned(bytes: &[u8], big_endian: bool) -> Option<u64> {
    let mut wide = [0; 8];
    wide.get_mut(..bytes.len())?.copy_from_slice(bytes);
    if big_endian {
        wide.get_mut(..bytes.len())?.reverse();
    }
    Some(u64::from_le_bytes(wide))
}

/// A number, as people write it.
fn scalar(kind: u32, bytes: &[u8], big_endian: bool) -> Option<String> {
    let bits = unsigned(bytes, big_endian)?;
    let unused = 64 - 8 * u32::try_from(bytes.len()).ok()?;
    Some(match kind {
        0 | 2 | 4 | 10 => bits.to_string(),
        1 | 3 | 5 | 11 => (bits.cast_signed() << unused >> unused).to_string(),
        6 => format!("{:?}", f32::from_bits(u32::try_from(bits).ok()?)),
        12 => format!("{:?}", f64::from_bits(bits)),
        7 if bits < 2 => (bits == 1).to_string(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_were_written() {
        for (kind, bytes, text) in [
            (0, &[200][..], "200"),
            (1, &[200], "-56"),
            (3, &(-2i16).to_le_bytes(), "-2"),
            (4, &7u32.to_le_bytes(), "7"),
            (5, &i32::MIN.to_le_bytes(), "-2147483648"),
            (6, &1e-5f32.to_le_bytes(), "1e-5"),
            (7, &[1], "true"),
            (10, &u64::MAX.to_le_bytes(), "18446744073709551615"),
            (11, &i64::MIN.to_le_bytes(), "-9223372036854775808"),
            (12, &0.5f64.to_le_bytes(), "0.5"),
        ] {
            assert_eq!(scalar(kind, bytes, false).as_deref(), Some(text));
            let mut reversed = bytes.to_vec();
            reversed.reverse();
            assert_eq!(scalar(kind, &reversed, true).as_deref(), Some(text));
        }
        assert_eq!(scalar(7, &[2], false), None);
        assert_eq!(scalar(0, &[0; 9], false), None);
    }
}
