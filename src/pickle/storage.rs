//! torch's persistent ids: the storages a stream refers to, and whether tensors stay inside them.

use super::machine::{Machine, Step};
use super::shape::Fit;
use super::value::{Kind, NOBODY, Shape, Value};
use super::{Dialect, StorageRef, constant};
use crate::rule::pickle as rules;
use std::collections::HashMap;

/// Storages, in order of first mention.
#[derive(Clone, Debug, Default)]
pub(super) struct Storages {
    list: Vec<StorageRef>,
    index: HashMap<String, u32>,
}

impl Storages {
    pub(super) fn into_list(self) -> Vec<StorageRef> {
        self.list
    }
    fn get(&self, id: u32) -> Option<&StorageRef> {
        self.list.get(usize::try_from(id).ok()?)
    }
}

/// Bytes per element of a storage class, by its name.
pub fn item_bytes(class: &str) -> Option<u64> {
    Some(match class {
        "UntypedStorage" | "_UntypedStorage" | "ByteStorage" | "CharStorage" | "BoolStorage" => 1,
        "QUInt8Storage" | "QInt8Storage" | "QUInt4x2Storage" | "QUInt2x4Storage" => 1,
        "HalfStorage" | "BFloat16Storage" | "ShortStorage" => 2,
        "FloatStorage" | "IntStorage" | "QInt32Storage" => 4,
        "DoubleStorage" | "LongStorage" | "ComplexFloatStorage" => 8,
        "ComplexDoubleStorage" => 16,
        _ => return None,
    })
}

impl Machine<'_, '_, '_> {
    /// PERSID: no torch format uses it.
    pub(super) fn persistent_text(&mut self) -> Step {
        let message = "the pickle refers to an object outside of it by a text id";
        self.report(&rules::PERSISTENT_ID, message.to_owned());
        self.push_unknown_object()
    }

    /// BINPERSID: what the id stands for in this dialect.
    pub(super) fn persistent(&mut self, id: Value) -> Step<Value> {
        let outside = self.arena.add(Shape::Persistent, NOBODY, false, &[])?;
        if self.dialect == Dialect::Plain {
            let message = "the pickle refers to an object outside of it, which plain pickle.load refuses";
            self.report(&rules::PERSISTENT_ID, message.to_owned());
            return Ok(outside);
        }
        let parts = self.arena.parts(id).filter(|_| self.is_shape(id, Shape::Tuple)).unwrap_or_default().to_vec();
        let tag = parts.first().and_then(|&tag| constant::text(self.bytes, tag));
        match (tag.as_deref(), parts.as_slice()) {
            (Some("storage"), &[_, class, key, location, numel]) if self.dialect == Dialect::TorchZip => {
                self.storage(class, key, location, numel, None, outside)
            }
            (Some("storage"), &[_, class, key, location, numel, view]) if self.dialect == Dialect::TorchLegacy => {
                self.storage(class, key, location, numel, Some(view), outside)
            }
            // torch before 1.0 stored the source of modules beside their class
            (Some("module"), &[_, class, _, _]) if self.dialect == Dialect::TorchLegacy => Ok(class),
            _ => {
                let message = "a persistent id is not one that torch writes: loading raises here";
                self.report(&rules::MALFORMED, message.to_owned());
                Ok(outside)
            }
        }
    }

    fn storage(
        &mut self,
        class: Value,
        key: Value,
        location: Value,
        numel: Value,
        view: Option<Value>,
        outside: Value,
    ) -> Step<Value> {
        let named = match class {
            Value::Global(id) => self.names.get(id).filter(|n| n.module.split('.').next() == Some("torch")),
            _ => None,
        };
        let class = named.map(|n| n.name.clone()).filter(|name| name.ends_with("Storage"));
        let key = constant::text(self.bytes, key);
        let numel = self.int(numel).and_then(|n| u64::try_from(n).ok());
        let located = matches!(location, Value::Const(Kind::Str, ..));
        let (Some(class), Some(key), Some(numel), true) = (class, key, numel, located) else {
            let message = "a storage is not named the way torch writes it: loading raises here";
            self.report(&rules::MALFORMED, message.to_owned());
            return Ok(outside);
        };
        let offset = self.offset();
        let new = StorageRef { item_bytes: item_bytes(&class), key, class, numel, offset };
        if let Some(&id) = self.storages.index.get(&new.key) {
            let known = self.storages.get(id);
            if known.is_some_and(|k| (k.numel, &k.class) != (new.numel, &new.class)) {
                self.report(&rules::MALFORMED, "a storage is named twice, with different sizes or types".to_owned());
            }
            return Ok(self.arena.add(Shape::Persistent, id, false, &[])?);
        }
        let _ = view;
        let id = u32::try_from(self.storages.list.len()).unwrap_or(NOBODY);
        self.storages.index.insert(new.key.clone(), id);
        self.storages.list.push(new);
        Ok(self.arena.add(Shape::Persistent, id, false, &[])?)
    }

    /// `_rebuild_tensor…(storage, offset, size, stride, …)`: every element must lie inside the storage.
    pub(super) fn rebuild_tensor(&mut self, args: &[Value]) -> Fit {
        let &[storage, offset, size, stride, ..] = args else {
            return Fit::Misfit("is called with too few arguments".to_owned());
        };
        let numel = match self.arena.of(storage) {
            Some(node) if node.shape == Shape::Persistent => self.storages.get(node.class).map(|s| s.numel),
            _ => None,
        };
        let bounds = (|| {
            let offset = i128::from(self.int(offset)?);
            let size = self.ints(size)?;
            let stride = self.ints(stride)?;
            if size.len() != stride.len() {
                return Some(None);
            }
            let mut last = offset;
            let mut empty = false;
            let mut negative = offset < 0;
            for (&n, &step) in size.iter().zip(&stride) {
                negative |= n < 0 || step < 0;
                empty |= n == 0;
                let reach = i128::from(n).checked_sub(1)?.checked_mul(i128::from(step))?;
                last = last.checked_add(reach)?;
            }
            Some(if negative { None } else { Some(if empty { -1 } else { last }) })
        })();
        let outside = match (bounds, numel) {
            (Some(None), _) => true,
            (Some(Some(last)), Some(numel)) => last >= i128::from(numel),
            _ => false,
        };
        if outside {
            self.report(&rules::OUTSIDE_STORAGE, "a tensor reaches outside its storage".to_owned());
        }
        Fit::Fits(None)
    }

    fn ints(&self, tuple: Value) -> Option<Vec<i64>> {
        self.arena.parts(tuple)?.iter().map(|&value| self.int(value)).collect()
    }
}
