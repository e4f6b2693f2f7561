//! `torch.load` of a zip archive: the records it reads besides the pickle, and storages by persistent id.

use super::archive::Archive;
use super::dtype::Dtype;
use super::names::Known;
use super::reader::Reader;
use super::script;
use super::stop::{Run, blocked, corrupt, doubt};
use super::unpickler::{Loading, Machine, Storages};
use super::value::{Arena, Content, Id, Key, Object, Storage, Value, printed};
use super::version::{Era, Version};
use std::borrow::Cow;
use std::collections::HashMap;

/// Loads the archive as the version in `era` does.
pub(super) fn load(archive: &Archive<'_>, era: &mut Era, max_ops: u64) -> Run<()> {
    load_and_see(archive, era, max_ops, &mut |_, _| ())
}

/// As [`load`], and shows the object that was loaded.
pub(super) fn load_and_see(
    archive: &Archive<'_>,
    era: &mut Era,
    max_ops: u64,
    see: &mut dyn FnMut(&Arena<'_>, Value),
) -> Run<()> {
    let serialization_id = if era.since(Version::V2_1) { record(archive, ".data/serialization_id")? } else { None };
    let version = match record(archive, ".data/version")? {
        Some(version) => Some(version),
        None => record(archive, "version")?,
    };
    let Some(version) = version else {
        return Err(corrupt("Expected hasRecord(\"version\") to be true, but got false."));
    };
    match parse_version(&version) {
        Some(1..=10) => {}
        Some(version) => {
            return Err(corrupt(format!(
                "Attempted to read a PyTorch file with version {version}; 1 to 10 are supported"
            )));
        }
        None => return Err(corrupt("Couldn't parse the version as Long Long.")),
    }
    let records = archive.records()?;
    // they become a list of strings, to look for this one
    if records.iter().any(|record| std::str::from_utf8(record).is_err()) {
        return Err(corrupt("UnicodeDecodeError: 'utf-8' codec can't decode the name of a record"));
    }
    if records.contains(&b"constants.pkl".as_slice()) {
        if era.since(Version::V2_6) {
            return Err(blocked(
                "TorchScript",
                "Cannot use ``weights_only=True`` with TorchScript archives passed to ``torch.load``.",
            ));
        }
        return script::load(archive);
    }
    let mut swapped = false;
    if era.since(Version::V2_7) {
        record(archive, ".format_version")?;
    }
    if era.since(Version::V2_1)
        && let Some(order) = record(archive, "byteorder")?
    {
        match &*order {
            b"little" => {}
            b"big" => swapped = true,
            _ => {
                let order = String::from_utf8_lossy(&order).chars().take(40).collect::<String>();
                return Err(corrupt(format!("ValueError: Unknown endianness type: {}", order.escape_debug())));
            }
        }
    }
    if era.since(Version::V2_7)
        && let Some(alignment) = record(archive, ".storage_alignment")?
    {
        python_int(&alignment)?;
    }
    let Some(at) = archive.locate(b"data.pkl") else {
        return Err(corrupt("PytorchStreamReader failed locating file data.pkl: file not found"));
    };
    let bytes = archive.content(at, "data.pkl")?;
    let mut storages = Records { archive, loaded: HashMap::new(), swapped };
    let mut machine =
        Machine { arena: Arena::new(&bytes), era, storages: &mut storages, loading: Loading::new(max_ops) };
    let object = machine.run(&mut Reader::new(&bytes, false))?;
    machine.check_sparse()?;
    // it is logged once everything is loaded, as a string
    if serialization_id.is_some_and(|id| std::str::from_utf8(&id).is_err()) {
        return Err(corrupt("UnicodeDecodeError: 'utf-8' codec can't decode .data/serialization_id"));
    }
    see(&machine.arena, object);
    Ok(())
}

/// The content of a small record, if it is there.
fn record<'a>(archive: &Archive<'a>, name: &str) -> Run<Option<Cow<'a, [u8]>>> {
    match archive.locate(name.as_bytes()) {
        Some(at) => archive.content(at, name).map(Some),
        None => Ok(None),
    }
}

/// `std::stoull`: leading space, a sign, digits, anything after them. `None` where it throws.
fn parse_version(text: &[u8]) -> Option<u64> {
    let text = text.trim_ascii_start();
    let text = text.strip_prefix(b"\x0b").unwrap_or(text);
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let digits: Vec<u8> = text.iter().copied().take_while(u8::is_ascii_digit).collect();
    let number: u64 = std::str::from_utf8(&digits).ok()?.parse().ok()?;
    Some(if negative { number.wrapping_neg() } else { number })
}

/// Python's `int(bytes)`, as far as whether it works.
fn python_int(text: &[u8]) -> Run<()> {
    let text = text.trim_ascii();
    let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let whole = digits.split(|b| *b == b'_').all(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit));
    if digits.len() > 4000 || text.contains(&0x0b) {
        return Err(doubt("an odd .storage_alignment"));
    }
    if !whole {
        return Err(corrupt("ValueError: invalid literal for int() in .storage_alignment"));
    }
    Ok(())
}

/// The storages of an archive.
struct Records<'z, 'a> {
    archive: &'z Archive<'a>,
    loaded: HashMap<Key, (Id, Dtype)>,
    swapped: bool,
}

impl Storages for Records<'_, '_> {
    fn load(&mut self, arena: &mut Arena<'_>, era: &mut Era, pid: Value) -> Run<Value> {
        let Some(Object::Tuple(items, _)) = arena.object(pid) else {
            return Err(corrupt("AssertionError: saved_id must be a tuple, got int"));
        };
        let &[_, class, key, location, numel] = items.as_slice() else {
            return Err(match items.as_slice() {
                [] => corrupt("IndexError: tuple index out of range"),
                _ => corrupt(format!("ValueError: {} values to unpack (expected 4)", items.len().saturating_sub(1))),
            });
        };
        let dtype = match class {
            Value::Known(Known::UntypedStorage) => Dtype::UINT8,
            _ => storage_dtype(arena, class)?,
        };
        let bytes = storage_bytes(arena, numel, dtype);
        let known = self.loaded.get(&arena.key(key)?).copied();
        if let Some((id, held)) = known {
            if bytes.is_err() && !(era.since(Version::V2_15) && matches!(numel, Value::Int(_))) {
                return Err(doubt("a storage named again with an odd size"));
            }
            if held == dtype || !era.since(Version::V2_15) {
                return arena.add(Object::Typed(Some((id, held))));
            }
            let bytes = bytes?;
            if arena.storage(id).is_some_and(|storage| storage.bytes == bytes) {
                return arena.add(Object::Typed(Some((id, dtype))));
            }
            let id = self.read(arena, era, key, location, bytes)?;
            return arena.add(Object::Typed(Some((id, dtype))));
        }
        let id = self.read(arena, era, key, location, bytes?)?;
        self.loaded.insert(arena.key(key)?, (id, dtype));
        arena.add(Object::Typed(Some((id, dtype))))
    }

    fn content(&self, storage: &Storage, limit: u64) -> Option<Vec<u8>> {
        match storage.content {
            Content::Record(at, _) if !self.swapped => self.archive.prefix(at, limit),
            _ => None,
        }
    }
}

impl Records<'_, '_> {
    fn read(&self, arena: &mut Arena<'_>, era: &mut Era, key: Value, location: Value, bytes: u64) -> Run<Id> {
        ascii_location(arena, location)?;
        let missing =
            |name: &str| corrupt(format!("PytorchStreamReader failed locating file data/{name}: file not found"));
        let Some(text) = printed(arena, key) else {
            // No record is named like the printed form of an odd key, unless someone made one.
            let odd = |record: &&[u8]| {
                record
                    .to_ascii_lowercase()
                    .strip_prefix(b"data/")
                    .is_some_and(|key| !key.iter().all(u8::is_ascii_digit))
            };
            return Err(match self.archive.records()?.iter().any(odd) {
                true => doubt("the printed form of an odd storage key"),
                false => missing(arena.type_name(key)),
            });
        };
        if text.contains(&0) {
            return Err(doubt("a NUL in a storage key"));
        }
        let Ok(text) = std::str::from_utf8(&text) else {
            return Err(corrupt("UnicodeEncodeError: 'utf-8' codec can't encode a storage key"));
        };
        let shown = || text.chars().take(80).flat_map(char::escape_debug).collect::<String>();
        let record = ["data/", text].concat();
        let Some(at) = self.archive.locate(record.as_bytes()) else { return Err(missing(&shown())) };
        // what is printed as it stands needs no other text for messages
        let plain = text.len() <= 80 && text.bytes().all(|b| b.is_ascii_alphanumeric());
        let place = if plain {
            self.archive.readable(at, &record)?
        } else {
            self.archive.readable(at, &["data/", &shown()].concat())?
        };
        let held = self.archive.size(at);
        if held != bytes && era.since(Version::V2_10) {
            return Err(corrupt(format!("record size ({held} bytes) does not match expected size ({bytes} bytes)")));
        }
        let storage = Storage { bytes, resizable: false, content: Content::Record(at, place) };
        match arena.add(Object::Untyped(storage))? {
            Value::Obj(id) => Ok(id),
            _ => Err(doubt("no storage")),
        }
    }
}

/// `storage_type.dtype`.
pub(super) fn storage_dtype(arena: &Arena<'_>, class: Value) -> Run<Dtype> {
    match class {
        Value::Known(Known::StorageClass(dtype, _) | Known::TensorClass(dtype, _, _)) => Ok(dtype),
        _ => match arena.object(class) {
            Some(Object::Typed(Some((_, dtype)))) => Ok(*dtype),
            Some(Object::Tensor(tensor)) => Ok(tensor.dtype),
            _ => Err(corrupt(format!("AttributeError: {} object has no attribute 'dtype'", arena.type_name(class)))),
        },
    }
}

/// `numel * element_size` as a byte count.
fn storage_bytes(arena: &Arena<'_>, numel: Value, dtype: Dtype) -> Run<u64> {
    let numel = match numel {
        Value::Int(numel) => numel,
        Value::Bool(truth) => i64::from(truth),
        Value::Obj(_) if arena.tensor(numel).is_some() => return Err(doubt("a tensor as a number of elements")),
        _ => return Err(corrupt("TypeError: get_storage_from_record(): incompatible function arguments")),
    };
    let bytes = u64::try_from(numel).ok().and_then(|numel| numel.checked_mul(dtype.bytes()));
    bytes.ok_or_else(|| corrupt("TypeError: get_storage_from_record(): incompatible function arguments"))
}

/// `_maybe_decode_ascii(location)`.
pub(super) fn ascii_location(arena: &Arena<'_>, location: Value) -> Run<()> {
    match arena.object(location) {
        Some(Object::Bytes(Some(bytes))) if !bytes.is_ascii() => {
            Err(corrupt("UnicodeDecodeError: 'ascii' codec can't decode a location"))
        }
        Some(Object::Bytes(None)) => Err(doubt("a location that is not known")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_parsed_as_stoull_does() {
        for (text, number) in [("3", Some(3)), (" 3abc\n", Some(3)), ("+10", Some(10)), ("", None), ("x3", None)] {
            assert_eq!(parse_version(text.as_bytes()), number, "{text:?}");
        }
        assert!(parse_version(b"-1").is_some_and(|n| n > 10));
    }
}
