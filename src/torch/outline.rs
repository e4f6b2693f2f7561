//! The tensors of a checkpoint by name, as `weights_only=True` would give them, without reading any of their bytes.
//!
//! Bound: each container is looked into once, however often it is referred to; at most [`MOST`] tensors.

use super::legacy;
use super::stop::Run;
use super::value::{Arena, Content, Object, Tensor, Value};
use super::version::{Era, Version};
use super::zip;
use crate::budget::Limits;
use crate::format::tensor::TensorInfo;
use crate::source::View;
use std::collections::HashSet;
use std::ops::Range;

/// Tensors that are named; more give no outline.
const MOST: usize = 2_000_000;
/// Longest name, in bytes: names of deep structures are the path to them.
const LONGEST: usize = 4096;

/// The tensors of a torch file, sorted by name; `None` where the newest torch would refuse it or its content is not
/// followed. Names of nested tensors are their keys joined with a dot. Where a tensor lies in the file is told of dense
/// ones in storages that are kept as they are: from its first byte to its last, with what lies between them. Other ranges
/// are `0..bytes`.
pub fn outline(view: &View<'_>, limits: &Limits) -> Option<Vec<TensorInfo>> {
    let mut found = None;
    let mut see = |arena: &Arena<'_>, root: Value| found = named(arena, root);
    load(view, limits, &mut see).ok()?;
    found
}

fn load(view: &View<'_>, limits: &Limits, see: &mut dyn FnMut(&Arena<'_>, Value)) -> Run<()> {
    let mut era = Era::new(Version::NEWEST);
    if view.head(4).is_ok_and(|head| *head == *b"PK\x03\x04") {
        let archive = super::archive::Archive::open(*view, limits)?;
        return zip::load_and_see(&archive, &mut era, limits.max_ops, see);
    }
    legacy::load_and_see(view, &mut era, limits, see)
}

/// Where a tensor lies in the file.
fn place(arena: &Arena<'_>, tensor: &Tensor) -> Option<Range<u64>> {
    let held = match &arena.storage(tensor.storage?)?.content {
        Content::Record(_, place) => place.clone()?,
        Content::File(place) => place.clone(),
        Content::Unknown => return None,
    };
    let extent = tensor.extent()?;
    let (start, end) = (held.start.checked_add(extent.start)?, held.start.checked_add(extent.end)?);
    if end <= held.end && start > 0 { Some(start..end) } else { None }
}

fn named(arena: &Arena<'_>, root: Value) -> Option<Vec<TensorInfo>> {
    let mut tensors = Vec::new();
    let mut seen = HashSet::new();
    let mut open = vec![(String::new(), root)];
    while let Some((name, value)) = open.pop() {
        if let Some(tensor) = arena.tensor(value) {
            let shape = tensor.sizes.iter().map(|size| u64::try_from(*size).ok()).collect::<Option<Vec<u64>>>()?;
            let elements = crate::format::tensor::elements(&shape)?;
            let bytes = elements.saturating_mul(tensor.dtype.bytes());
            let range = place(arena, tensor).unwrap_or(0..bytes);
            // a quantized tensor is its bytes and a scale
            let strides = if tensor.contiguous() { Vec::new() } else { tensor.strides.clone() };
            let strides = (!tensor.dtype.quantized()).then_some(strides);
            tensors.push(TensorInfo { name, dtype: tensor.dtype.name(), shape, range, strides });
            if tensors.len() > MOST {
                return None;
            }
            continue;
        }
        let Value::Obj(id) = value else { continue };
        let path = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
        match arena.object(value) {
            Some(Object::Mapping(_, entries)) if seen.insert(id) && name.len() < LONGEST => {
                for (key, value) in entries {
                    let key = match (arena.text(*key), key) {
                        (Some(text), _) => String::from_utf8_lossy(text).into_owned(),
                        (None, Value::Int(number)) => number.to_string(),
                        (None, _) => "?".to_owned(),
                    };
                    open.push((path(&key), *value));
                }
            }
            Some(Object::List(items) | Object::Tuple(items, _)) if seen.insert(id) && name.len() < LONGEST => {
                open.extend(items.iter().enumerate().map(|(at, item)| (path(&at.to_string()), *item)));
            }
            Some(Object::Forgotten(_)) => return None,
            _ => {}
        }
    }
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    Some(tensors)
}
