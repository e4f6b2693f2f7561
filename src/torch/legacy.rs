//! Files that are no zip: the tar format of 2016, and the five pickles followed by raw storages.
//!
//! Bound: the pickles are read in a window that starts at the front of the file and is widened fourfold, so that a
//! byte is read at most a constant number of times; storages are skipped over.

use super::call::available;
use super::dtype::Dtype;
use super::names::Known;
use super::reader::Reader;
use super::skim;
use super::stop::{Run, Stop, corrupt, doubt};
use super::tar::{self, Tar};
use super::unpickler::{Loading, Machine, NoStorages, Storages};
use super::value::{Arena, Content, Id, Key, Object, Storage, Value};
use super::version::{Era, Version};
use super::zip::{ascii_location, storage_dtype};
use crate::budget::Limits;
use crate::source::View;
use std::collections::HashMap;

const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// Loads a file that does not start like a zip.
pub(super) fn load(view: &View<'_>, era: &mut Era, limits: &Limits) -> Run<()> {
    load_and_see(view, era, limits, &mut |_, _| ())
}

/// As [`load`], and shows the object that was loaded, but not that of a tar archive.
pub(super) fn load_and_see(
    view: &View<'_>,
    era: &mut Era,
    limits: &Limits,
    see: &mut dyn FnMut(&Arena<'_>, Value),
) -> Run<()> {
    match tar::recognise(view) {
        Tar::No => load_pickles(view, era, limits, see),
        Tar::Yes => tar::load(view, era, limits),
        // Where Python's tarfile cannot be followed, both readings must agree that it fails.
        Tar::Perhaps => match (tar::load(view, era, limits), load_pickles(view, era, limits, see)) {
            (Err(Stop::Blocked { rule, global, reason }), Err(Stop::Blocked { .. } | Stop::Corrupt(_))) => {
                Err(Stop::Blocked { rule, global, reason })
            }
            (Err(Stop::Corrupt(reason)), Err(Stop::Blocked { .. } | Stop::Corrupt(_))) => Err(Stop::Corrupt(reason)),
            _ => Err(doubt("whether this is a tar archive depends on details that are not modelled")),
        },
    }
}

fn load_pickles(view: &View<'_>, era: &mut Era, limits: &Limits, see: &mut dyn FnMut(&Arena<'_>, Value)) -> Run<()> {
    let mut window = 1u64 << 16;
    loop {
        if window == 1 << 20 {
            // Some other library's large pickle: how it fails is seen without building its objects.
            match skim::fails(view, &[b"\x8a\x0a".as_slice(), &MAGIC].concat(), era) {
                Ok(()) | Err(Stop::Window) => {}
                Err(stop) => return Err(stop),
            }
        }
        let len = window.min(view.len());
        if len > limits.max_header_bytes {
            return Err(doubt("the pickles are over the limit max_header_bytes"));
        }
        let bytes = view.copy(0..len).map_err(|_| doubt("the file could not be read"))?;
        match load_window(view, &bytes, len < view.len(), era, limits, see) {
            Err(Stop::Window) if len < view.len() => window = window.saturating_mul(4),
            Err(Stop::Window) => return Err(doubt("the file changed while it was read")),
            other => return other,
        }
    }
}

fn load_window(
    view: &View<'_>,
    bytes: &[u8],
    window: bool,
    era: &mut Era,
    limits: &Limits,
    see: &mut dyn FnMut(&Arena<'_>, Value),
) -> Run<()> {
    let mut reader = Reader::new(bytes, window);
    let mut none = NoStorages;
    let mut plain = Machine {
        arena: Arena::new(bytes),
        era: &mut *era,
        storages: &mut none,
        loading: Loading::new(limits.max_ops),
    };
    let magic = plain.run(&mut reader)?;
    if plain.arena.tensor(magic).is_some() {
        return Err(doubt("a tensor as magic number"));
    }
    if !matches!(plain.arena.object(magic), Some(Object::Big(bytes)) if **bytes == MAGIC) {
        return Err(corrupt("RuntimeError: Invalid magic number; corrupt file?"));
    }
    match plain.run(&mut reader)? {
        Value::Int(1001) | Value::Float(1001.0) => {}
        value => {
            return Err(match plain.arena.object(value) {
                Some(Object::Tensor(_) | Object::Complex) => doubt("an odd protocol version"),
                _ => corrupt("RuntimeError: Invalid protocol version"),
            });
        }
    }
    plain.run(&mut reader)?;
    let mut storages = Table { view: *view, loaded: HashMap::new() };
    let mut machine =
        Machine { arena: Arena::new(bytes), era, storages: &mut storages, loading: Loading::new(limits.max_ops) };
    let object = machine.run(&mut reader)?;
    let Machine { arena, era, loading, .. } = machine;
    // The keys are read by an unpickler that knows no storages, into the same objects.
    let mut none = NoStorages;
    let mut keys = Machine { arena, era, storages: &mut none, loading };
    let list = keys.run(&mut reader)?;
    let list = keys.iterate(list)?;
    let Machine { mut arena, era, loading, .. } = keys;
    let mut at = u64::try_from(reader.position()).unwrap_or(u64::MAX);
    for key in list {
        at = storages.fill(&mut arena, key, at)?;
    }
    let mut machine = Machine { arena, era, storages: &mut storages, loading };
    machine.check_sparse()?;
    see(&machine.arena, object);
    Ok(())
}

/// The storages of a legacy file, by key.
struct Table<'a> {
    view: View<'a>,
    loaded: HashMap<Key, (Id, Dtype)>,
}

impl Storages for Table<'_> {
    fn load(&mut self, arena: &mut Arena<'_>, era: &mut Era, pid: Value) -> Run<Value> {
        let Some(Object::Tuple(items, _)) = arena.object(pid) else {
            return Err(corrupt("AssertionError: saved_id must be a tuple, got int"));
        };
        let &[_, class, key, location, numel, view] = items.as_slice() else {
            return Err(match items.as_slice() {
                [] => corrupt("IndexError: tuple index out of range"),
                _ => corrupt(format!("ValueError: {} values to unpack (expected 5)", items.len().saturating_sub(1))),
            });
        };
        ascii_location(arena, location)?;
        if class == Value::Known(Known::UntypedStorage) {
            return Err(corrupt("AttributeError: type object 'torch.storage.UntypedStorage' has no attribute 'dtype'"));
        }
        let dtype = storage_dtype(arena, class)?;
        let numel = match numel {
            Value::Int(numel) => numel,
            Value::Bool(truth) => i64::from(truth),
            Value::None | Value::Float(_) | Value::Known(_) => {
                return Err(corrupt("TypeError or RuntimeError: a storage needs a number of elements"));
            }
            _ => return Err(doubt("an odd number of elements")),
        };
        let item = i64::try_from(dtype.bytes()).unwrap_or(1);
        let bytes = numel.checked_mul(item).ok_or_else(|| corrupt("OverflowError: the storage is too large"))?;
        let root = arena.key(key)?;
        let (id, held) = match self.loaded.get(&root).copied() {
            None => {
                available(bytes)?;
                let bytes = u64::try_from(bytes).map_err(|_| corrupt("RuntimeError: a storage of negative size"))?;
                let id = add(arena, bytes, true)?;
                self.loaded.insert(root, (id, dtype));
                (id, dtype)
            }
            Some((id, held)) => {
                let size = arena.storage(id).map_or(0, |storage| storage.bytes);
                let newer = era.since(Version::V2_15);
                if held == dtype {
                    (id, held)
                } else if newer && u64::try_from(bytes) == Ok(size) {
                    (id, dtype)
                } else if newer || size == 0 {
                    (add(arena, 0, true)?, dtype)
                } else {
                    (id, held)
                }
            }
        };
        if view == Value::None {
            return arena.add(Object::Typed(Some((id, held))));
        }
        let parts = match arena.object(view) {
            Some(Object::Tuple(items, _) | Object::List(items)) => items.clone(),
            _ => return Err(doubt("odd view metadata")),
        };
        let &[view_key, Value::Int(offset), Value::Int(size)] = parts.as_slice() else {
            return Err(match parts.len() {
                3 => doubt("odd view metadata"),
                _ => corrupt("ValueError: a wrong number of values to unpack (expected 3)"),
            });
        };
        let view_key = arena.key(view_key)?;
        let (id, held) = match self.loaded.get(&view_key).copied() {
            Some(known) => known,
            None => {
                let root = arena.storage(id).map_or(0, |storage| storage.bytes);
                let place = |n: i64| n.checked_mul(item).and_then(|n| u64::try_from(n).ok());
                let (Some(start), Some(len)) = (place(offset), place(size)) else {
                    return Err(doubt("an odd view of a storage"));
                };
                let bytes = root.min(start.saturating_add(len)).saturating_sub(start.min(root));
                let id = add(arena, bytes, false)?;
                self.loaded.insert(view_key, (id, dtype));
                (id, dtype)
            }
        };
        arena.add(Object::Typed(Some((id, held))))
    }

    fn content(&self, storage: &Storage, limit: u64) -> Option<Vec<u8>> {
        let Content::File(range) = &storage.content else { return None };
        let end = range.end.min(range.start.saturating_add(limit));
        self.view.copy(range.start..end).ok().map(std::borrow::Cow::into_owned)
    }
}

impl Table<'_> {
    /// Reads the storage of `key` at `at`, and gives the offset after it.
    fn fill(&mut self, arena: &mut Arena<'_>, key: Value, at: u64) -> Run<u64> {
        let Some((id, dtype)) = self.loaded.get(&arena.key(key)?).copied() else {
            return Err(corrupt("AssertionError: storage key not found in deserialized_objects"));
        };
        let eof = || corrupt("RuntimeError: unexpected EOF, expected more bytes. The file might be corrupted.");
        let start = at.saturating_add(8);
        let numel = self.view.copy(at..start).map_err(|_| eof())?;
        let numel = numel.first_chunk().map(|n| u64::from_le_bytes(*n)).ok_or_else(eof)?;
        let Some(storage) = arena.storage_mut(id) else { return Err(doubt("a storage that is not there")) };
        if numel.wrapping_mul(dtype.bytes()) != storage.bytes {
            return Err(corrupt("RuntimeError: storage has wrong byte size"));
        }
        let end = start.checked_add(storage.bytes).filter(|end| *end <= self.view.len()).ok_or_else(eof)?;
        if storage.resizable {
            storage.content = Content::File(start..end);
        }
        Ok(end)
    }
}

fn add(arena: &mut Arena<'_>, bytes: u64, resizable: bool) -> Run<Id> {
    match arena.add(Object::Untyped(Storage { bytes, resizable, content: Content::Unknown }))? {
        Value::Obj(id) => Ok(id),
        _ => Err(doubt("no storage")),
    }
}
