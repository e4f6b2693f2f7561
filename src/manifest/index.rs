//! Which tensors a file should hold: indexes of sharded models, and twins of the same weights in two formats.
//!
//! Threat: an index that sends a loader out of the directory, a shard that brings tensors along that the index does not
//! name, twins of which one is checked and the other loaded. Bound: linear in the index and in the names of the tensors.

use crate::finding::{Finding, shown};
use crate::format::json::{Event, Reader, Shape};
use crate::format::tensor::TensorInfo;
use crate::inspect::same_dtype;
use crate::rule::integrity as rules;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The tensors of each shard, by the shard's name as the index writes it.
pub type Shards = BTreeMap<String, BTreeSet<String>>;

/// Reads `weight_map` of an index; `None` if the text is no index, `Err` in words if it is broken or ambiguous.
pub fn parse(text: &[u8]) -> Option<Result<Shards, String>> {
    let mut reader = Reader::new(text);
    let mut shards = Shards::new();
    let mut names = BTreeSet::new();
    let (mut maps, mut inside) = (0, false);
    let mut keys: Vec<String> = Vec::new();
    loop {
        let event = match reader.event() {
            Ok(Some(event)) => event,
            Ok(None) => break,
            Err(broken) if maps > 0 => return Some(Err(format!("{} at byte {}", broken.what, broken.at))),
            Err(_) => return None,
        };
        match event {
            Event::Key(key) => {
                keys.truncate(reader.depth().saturating_sub(1));
                keys.push(key.text().into_owned());
            }
            Event::Open(Shape::Object) if reader.depth() == 2 && keys.last().is_some_and(|key| key == "weight_map") => {
                maps += 1;
                inside = true;
            }
            Event::Close(_) if reader.depth() == 1 => inside = false,
            Event::String(shard) if inside && reader.depth() == 2 => {
                let name = keys.last().cloned().unwrap_or_default();
                if !names.insert(name.clone()) {
                    return Some(Err(format!("the tensor {} stands there twice", shown(&name))));
                }
                shards.entry(shard.text().into_owned()).or_default().insert(name);
            }
            Event::Open(_) | Event::Number(_) | Event::Word(_) if inside && reader.depth() <= 3 => {
                return Some(Err("weight_map holds something else than names of files".to_owned()));
            }
            _ => {}
        }
    }
    match maps {
        0 => None,
        1 => Some(Ok(shards)),
        _ => Some(Err("weight_map stands there twice".to_owned())),
    }
}

/// What comes before, and what comes behind the numbers of a shard's name, as in `model-00001-of-00003.safetensors`.
pub fn numbered(name: &str) -> Option<(&str, &str)> {
    let (at, _) = name.match_indices("-of-").find(|(at, _)| {
        let digits = |text: Option<&str>| text.is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        digits(at.checked_sub(5).and_then(|from| name.get(from..*at))) && digits(name.get(at + 4..at + 9))
    })?;
    let prefix = name.get(..at.checked_sub(5)?)?.strip_suffix('-')?;
    Some((prefix, name.get(at + 9..)?))
}

/// Compares the tensors of a shard with those that the index places in it.
pub fn compare_shard(index: &str, expected: &BTreeSet<String>, found: &[TensorInfo]) -> Option<Finding> {
    let names: BTreeSet<&str> = found.iter().map(|tensor| tensor.name.as_str()).collect();
    let absent: Vec<&str> = expected.iter().map(String::as_str).filter(|name| !names.contains(name)).collect();
    let extra: Vec<&str> = names.iter().copied().filter(|name| !expected.contains(*name)).collect();
    let message = match (absent.first(), extra.first()) {
        (None, None) => return None,
        (Some(name), _) => {
            format!("{} of its tensors are not where {index} says, as {}", absent.len(), shown(name))
        }
        (None, Some(name)) => {
            format!("it holds {} tensors that {index} does not place here, as {}", extra.len(), shown(name))
        }
    };
    Some(Finding::new(&rules::INDEX_DISAGREES, message))
}

/// Compares a file with its twin in another format. Tensors that only this one holds are usual: safetensors keeps shared
/// ones once.
pub fn compare_twin(twin: &str, expected: &[TensorInfo], found: &[TensorInfo]) -> Option<Finding> {
    let found: HashMap<&str, &TensorInfo> = found.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
    let mut differing = expected.iter().filter_map(|tensor| match found.get(tensor.name.as_str()) {
        None => Some(format!("{} is only in {twin}", shown(&tensor.name))),
        Some(other) if other.shape != tensor.shape || !same_dtype(other.dtype, tensor.dtype) => Some(format!(
            "{} is {} {:?} here and {} {:?} in {twin}",
            shown(&tensor.name),
            other.dtype,
            other.shape,
            tensor.dtype,
            tensor.shape
        )),
        Some(_) => None,
    });
    let first = differing.next()?;
    let more = differing.count();
    let more = if more > 0 { format!(", and {more} more differ") } else { String::new() };
    Some(Finding::new(&rules::TWINS_DISAGREE, format!("it is not the same model as its twin: {first}{more}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_read_strictly() {
        let text =
            br#"{"metadata":{"total_size":8,"x":{"weight_map":{}}},"weight_map":{"a":"m-1","b":"m-2","c":"m-1"}}"#;
        let shards = parse(text).unwrap().unwrap();
        assert_eq!(shards.len(), 2);
        assert_eq!(shards["m-1"], BTreeSet::from(["a".to_owned(), "c".to_owned()]));
        for text in [
            r#"{"weight_map":{"a":"x","a":"y"}}"#,
            r#"{"weight_map":{"a":"x"},"weight_map":{"a":"y"}}"#,
            r#"{"weight_map":{"a":["x"]}}"#,
            r#"{"weight_map":{"a":1}}"#,
            r#"{"weight_map":{"a":"x""#,
        ] {
            assert!(parse(text.as_bytes()).unwrap().is_err(), "{text}");
        }
        for text in ["{}", "[]", "", r#"{"x":{"weight_map":{"a":"x"}}}"#, "nonsense"] {
            assert!(parse(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn names_of_shards() {
        assert_eq!(numbered("model-00001-of-00003.safetensors"), Some(("model", ".safetensors")));
        assert_eq!(numbered("a-b.fp16-00001-of-00002.bin"), Some(("a-b.fp16", ".bin")));
        for name in ["model.safetensors", "model-1-of-2.bin", "-of-", "0001-of-00002.bin"] {
            assert_eq!(numbered(name), None, "{name}");
        }
    }

    fn tensor(name: &str, shape: &[u64]) -> TensorInfo {
        TensorInfo { name: name.into(), dtype: "F32", shape: shape.to_vec(), range: 0..0, strides: None }
    }

    #[test]
    fn shards_and_twins_that_differ() {
        let found = [tensor("a", &[2]), tensor("b", &[3])];
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert!(compare_shard("i", &names(&["a", "b"]), &found).is_none());
        assert!(compare_shard("i", &names(&["a", "b", "c"]), &found).unwrap().message.contains("c"));
        assert!(compare_shard("i", &names(&["a"]), &found).unwrap().message.contains("as b"));
        assert!(compare_twin("t", &[tensor("a", &[2])], &found).is_none(), "a shared tensor is kept once");
        assert!(compare_twin("t", &[tensor("a", &[2, 1])], &found).unwrap().message.contains("[2, 1]"));
        assert!(compare_twin("t", &[tensor("c", &[2])], &found).unwrap().message.contains("only in t"));
    }
}
