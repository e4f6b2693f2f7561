//! A `.safetensors` file, which torch loads by its name from 2.13.

use super::stop::{Run, corrupt, doubt};
use crate::budget::{Budget, Limits};
use crate::source::View;
use serde_json::Value;

/// Whether the safetensors library takes the file. The strict parser of [`crate::format::safetensors`] may refuse what
/// the library lets pass, so a refusal needs the library's own rules as well.
pub(super) fn load(view: &View<'_>, limits: &Limits) -> Run<()> {
    let strict = crate::format::safetensors::parse(view, &mut Budget::new(limits.clone())).is_ok();
    match library(view, limits) {
        Ok(()) if !strict => Err(doubt("a safetensors header that is not sound, though the library might take it")),
        Err(_) if strict => Err(doubt("a safetensors header that is sound, though the library might refuse it")),
        other => other,
    }
}

/// The library's rules.
fn library(view: &View<'_>, limits: &Limits) -> Run<()> {
    let broken = |why: &str| corrupt(format!("SafetensorError: Error while deserializing header: {why}"));
    let len = view.head(8).ok().and_then(|h| h.first_chunk().map(|n| u64::from_le_bytes(*n)));
    let len = len.ok_or_else(|| broken("header too small"))?;
    if len > 100_000_000.min(limits.max_header_bytes) {
        return Err(broken("header too large"));
    }
    let start = len.saturating_add(8);
    let header = view.copy(8..start).map_err(|_| broken("invalid header length"))?;
    let header: Value = serde_json::from_slice(&header).map_err(|_| broken("invalid JSON in header"))?;
    let Value::Object(tensors) = header else { return Err(broken("invalid header")) };
    let mut ranges = Vec::new();
    for (name, tensor) in &tensors {
        if name == "__metadata__" {
            if !tensor.as_object().is_some_and(|o| o.values().all(Value::is_string)) {
                return Err(broken("invalid metadata"));
            }
            continue;
        }
        let numbers = |key: &str| tensor.get(key)?.as_array()?.iter().map(Value::as_u64).collect::<Option<Vec<u64>>>();
        let (Some(shape), Some(offsets)) = (numbers("shape"), numbers("data_offsets")) else {
            return Err(broken("invalid tensor"));
        };
        let bits = match tensor.get("dtype").and_then(Value::as_str) {
            Some("BOOL" | "U8" | "I8" | "F8_E5M2" | "F8_E4M3" | "F8_E8M0") => 8u64,
            Some("I16" | "U16" | "F16" | "BF16") => 16,
            Some("I32" | "U32" | "F32") => 32,
            Some("I64" | "U64" | "F64" | "C64") => 64,
            Some(_) => return Err(doubt("an element type that is not modelled")),
            None => return Err(broken("invalid tensor")),
        };
        let size = shape.iter().try_fold(bits, |product, size| product.checked_mul(*size)).map(|bits| bits / 8);
        let &[from, to] = offsets.as_slice() else { return Err(broken("invalid offsets")) };
        if to.checked_sub(from) != size {
            return Err(broken("tensor invalid info"));
        }
        ranges.push((from, to));
    }
    ranges.sort_unstable();
    let mut at = 0;
    for (from, to) in ranges {
        if from != at {
            return Err(broken("invalid offset"));
        }
        at = to;
    }
    if start.checked_add(at) != Some(view.len()) {
        return Err(broken("metadata incomplete buffer"));
    }
    Ok(())
}
