//! What differs between two JSON texts, field by field: `config.json`, tokenizers, indexes, and the metadata of safetensors
//! files; for GGUF see `values`.
//!
//! Both are read as Python reads them: `NaN` is a number, and of a key that stands there twice the last counts. Items of
//! lists are compared by their place. Bound: texts of at most [`LARGEST`] bytes, [`MOST`] values and [`POINTERS`] bytes of
//! pointers, one pass each.

use super::v1::FieldV1;
use super::{Known, Side, contents};
use crate::Verifier;
use crate::format::json::{Event, Reader, Shape};
use crate::source::{ReadAt, View};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Longest text that is compared, in bytes.
pub(super) const LARGEST: u64 = 64 << 20;
/// Values of one text.
const MOST: usize = 2_000_000;
/// Bytes of all their pointers: one long key stands in the pointers of everything in it.
const POINTERS: usize = 256 << 20;
/// Characters of a value that are kept to be shown.
const SHOWN: usize = 120;

/// The values of a text, each under its JSON pointer (RFC 6901): as it is shown, and the whole of it where that is longer.
pub(super) type Fields = BTreeMap<String, Value>;

#[derive(PartialEq, Eq)]
pub(super) struct Value {
    shown: String,
    /// Of what is cut.
    hash: Option<blake3::Hash>,
}

/// True for formats that have fields.
pub(super) fn has(format: &str) -> bool {
    matches!(format, "json" | "safetensors" | "gguf")
}

/// Reads the fields of a file.
pub(super) fn read(verifier: &Verifier, side: &Side, known: &Known) -> Result<Fields, &'static str> {
    let unread = "it could not be read again, or changed meanwhile";
    let source = contents::open(verifier, side, known).ok_or(unread)?;
    let view = View::new(&source);
    if known.artifact.format == "safetensors" {
        let head = view.head(8).map_err(|_| unread)?;
        let length = head.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)).filter(|length| *length <= LARGEST);
        let length = length.ok_or("the header is longer than is compared")?;
        let text = view.copy(8..length.saturating_add(8)).map_err(|_| unread)?;
        let mut fields = flatten(&text)?;
        // the rest of the header are the tensors
        fields.retain(|pointer, _| pointer.starts_with("/__metadata__"));
        return Ok(fields);
    }
    if known.artifact.format == "gguf" {
        return super::values::read(&view, verifier.limits());
    }
    if ReadAt::len(&source) > LARGEST {
        return Err("the text is longer than is compared");
    }
    let text = view.copy(0..view.len()).map_err(|_| unread)?;
    flatten(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text))
}

/// A key as a step of a pointer.
pub(super) fn step(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Fields that were added, removed or changed, but for those to pass over.
pub(super) fn differences(old: &Fields, new: &Fields, passed_over: impl Fn(&str) -> bool) -> Vec<FieldV1> {
    let mut differences = Vec::new();
    let mut tell = |change, pointer: &String, old: Option<&Value>, new: Option<&Value>| {
        if !passed_over(pointer) {
            let shown = |value: Option<&Value>| value.map(|value| value.shown.clone());
            differences.push(FieldV1 { change, pointer: pointer.clone(), old: shown(old), new: shown(new) });
        }
    };
    for (pointer, value) in new {
        match old.get(pointer) {
            None => tell("added", pointer, None, Some(value)),
            Some(before) if before != value => tell("changed", pointer, Some(before), Some(value)),
            Some(_) => {}
        }
    }
    for (pointer, value) in old.iter().filter(|(pointer, _)| !new.contains_key(*pointer)) {
        tell("removed", pointer, Some(value), None);
    }
    differences.sort_by(|a, b| a.pointer.cmp(&b.pointer));
    differences
}

/// A container that is open.
struct Open<'a> {
    shape: Shape,
    key: Cow<'a, str>,
    count: usize,
    /// Length of the pointer to it.
    length: usize,
}

fn flatten(text: &[u8]) -> Result<Fields, &'static str> {
    let mut fields = Fields::new();
    let mut reader = Reader::new(text).like_python();
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut pointer = String::new();
    let (mut texts, mut held) = (0usize, 0usize);
    loop {
        while let Some(event) = reader.event().map_err(|_| "it is no JSON that can be read")? {
            if let (Event::Key(key), Some(inner)) = (event, open.last_mut()) {
                inner.key = key.text();
                continue;
            }
            if let Event::Close(shape) = event {
                let Some(closed) = open.pop() else { continue };
                if closed.count == 0 {
                    let empty = if shape == Shape::Object { "{}" } else { "[]" };
                    held = held.saturating_add(pointer.len());
                    fields.insert(pointer.clone(), Value::of(empty));
                }
                pointer.truncate(closed.length);
                continue;
            }
            // a value: its pointer is that of what it stands in, and one step
            let length = pointer.len();
            match open.last_mut() {
                Some(inner) => {
                    pointer.push('/');
                    match inner.shape {
                        Shape::Object => pointer.push_str(&step(&inner.key)),
                        Shape::Array => pointer.push_str(&inner.count.to_string()),
                    }
                    inner.count += 1;
                }
                // of JSON lines each text stands under its number
                None if texts > 0 => pointer.push_str(&format!("/{texts}")),
                None => {}
            }
            let value = match event {
                Event::Open(shape) => {
                    open.push(Open { shape, key: "".into(), count: 0, length });
                    continue;
                }
                Event::String(text) => Value::of(&serde_json::Value::from(text.text().into_owned()).to_string()),
                Event::Number(text) => Value::of(text),
                Event::Word(word) => Value::of(word),
                Event::Key(_) | Event::Close(_) => continue,
            };
            held = held.saturating_add(pointer.len());
            if fields.len() > MOST || held > POINTERS {
                return Err("it has more values than are compared");
            }
            fields.insert(pointer.clone(), value);
            pointer.truncate(length);
        }
        if !reader.restart() {
            return Ok(fields);
        }
        texts += 1;
    }
}

impl Value {
    /// What is shown as these words and the beginning of a digest, and is the same only if these bytes are.
    pub(super) fn hashed(words: &str, bytes: &[u8]) -> Value {
        let hash = blake3::hash(bytes);
        let shown = format!("{words} {}…", hash.to_hex().get(..8).unwrap_or_default());
        Value { shown, hash: Some(hash) }
    }
    pub(super) fn of(text: &str) -> Value {
        match text.char_indices().nth(SHOWN) {
            None => Value { shown: text.to_owned(), hash: None },
            Some((cut, _)) => {
                let shown = format!("{}…", text.get(..cut).unwrap_or(text));
                Value { shown, hash: Some(blake3::hash(text.as_bytes())) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(old: &str, new: &str) -> Vec<String> {
        let (old, new) = (flatten(old.as_bytes()).unwrap(), flatten(new.as_bytes()).unwrap());
        let none = || "-".to_owned();
        let words = |f: FieldV1| {
            format!("{} {} {} {}", f.change, f.pointer, f.old.unwrap_or_else(none), f.new.unwrap_or_else(none))
        };
        differences(&old, &new, |_| false).into_iter().map(words).collect()
    }

    #[test]
    fn fields_are_told_by_their_pointers() {
        assert_eq!(between(r#"{"a": 1, "b": [1, 2]}"#, r#"{"b": [1,2],"a":1}"#), [""; 0]);
        assert_eq!(
            between(
                r#"{"a": 1, "b": [1, {"x/y": "u"}], "c": {}}"#,
                r#"{"a": NaN, "b": [1, {"x/y": true}, 3], "~": null}"#
            ),
            [
                "changed /a 1 NaN",
                "changed /b/1/x~1y \"u\" true",
                "added /b/2 - 3",
                "removed /c {} -",
                "added /~0 - null"
            ]
        );
        assert_eq!(between("1\n2\n", "1\n3\n"), ["changed /1 2 3"]);
        assert_eq!(between(r#"{"a": {}}"#, r#"{"a": []}"#), ["changed /a {} []"]);
    }

    /// As many values as serde_json finds.
    fn count(value: &serde_json::Value) -> usize {
        match value {
            serde_json::Value::Array(items) if !items.is_empty() => items.iter().map(count).sum(),
            serde_json::Value::Object(items) if !items.is_empty() => items.values().map(count).sum(),
            _ => 1,
        }
    }

    #[test]
    fn every_value_of_another_reader_stands_under_its_pointer() {
        for text in [
            r#"{"a": [1, [], {"b": "\u00e9", "c/d~e": null}], "": {"": false}, "f": [[["g"]]]}"#,
            r#"[{"a": 1.5e3}, "x", {}]"#,
            "true",
            r#"{"schema": {"type": "object", "properties": {"0": {"1": [2]}}}}"#,
        ] {
            let value: serde_json::Value = serde_json::from_str(text).unwrap();
            let fields = flatten(text.as_bytes()).unwrap();
            assert_eq!(fields.len(), count(&value), "{text}");
            for (pointer, found) in &fields {
                let other = value.pointer(pointer).unwrap_or_else(|| panic!("{pointer} in {text}"));
                let same = serde_json::from_str::<serde_json::Value>(&found.shown).unwrap();
                assert_eq!(same, *other, "{pointer} in {text}");
            }
        }
    }

    #[test]
    fn one_long_key_is_not_held_many_times() {
        let values = vec!["1"; 100_000].join(",");
        let text = format!("{{\"{}\": [{values}]}}", "k".repeat(1 << 20));
        assert!(flatten(text.as_bytes()).is_err());
    }

    #[test]
    fn long_values_differ_behind_what_is_shown() {
        let text = |end: &str| format!("[\"{}{end}\"]", "x".repeat(500));
        assert_eq!(between(&text("a"), &text("a")), [""; 0]);
        let words = between(&text("a"), &text("b"));
        assert!(words.len() == 1 && words[0].len() < 400, "{words:?}");
    }
}
