//! What is inside: tensors by name, without loading anything.

use crate::budget::{Budget, Limits};
use crate::digest::{Algorithm, Hasher};
use crate::format::tensor::TensorInfo;
use crate::format::{gguf, npy, safetensors};
use crate::manifest::lock::Tensors;
use crate::source::View;
use crate::torch;

/// The tensors of a file of this format, sorted by name; `None` for a format without, and where they cannot be told.
pub fn tensors(view: &View<'_>, format: &str, limits: &Limits) -> Option<Vec<TensorInfo>> {
    let mut budget = Budget::new(limits.clone());
    let mut tensors = match format {
        "safetensors" => safetensors::parse(view, &mut budget).ok()?.tensors,
        "gguf" => gguf::parse(view, &mut budget).ok()?.tensors,
        "npy" => vec![npy::parse(view, 0).ok()?.tensor],
        _ if format.starts_with("torch") => torch::outline(view, limits)?,
        _ => return None,
    };
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    Some(tensors)
}

/// The outline of a lock: a digest of names, types and shapes.
pub fn outline(tensors: &[TensorInfo]) -> Tensors {
    let mut lines: Vec<String> =
        tensors.iter().map(|t| format!("{:?}\t{}\t{:?}\n", t.name, t.dtype, t.shape)).collect();
    lines.sort_unstable();
    // without sha1-git a hasher needs no length and cannot fail
    let digest = Hasher::new(&[Algorithm::Sha256], None).ok().and_then(|mut hasher| {
        lines.iter().for_each(|line| hasher.update(line.as_bytes()));
        hasher.finish().get(Algorithm::Sha256)
    });
    let count = u64::try_from(tensors.len()).unwrap_or(u64::MAX);
    Tensors { count, outline: digest.map(|digest| digest.to_string()).unwrap_or_default() }
}

/// True for two names of one element type: `BF16` of safetensors is torch's `bfloat16`.
pub fn same_dtype(a: &str, b: &str) -> bool {
    fn plain(dtype: &str) -> String {
        let lower = dtype.to_ascii_lowercase();
        match lower.as_str() {
            "bf16" => "bfloat16".to_owned(),
            "c64" => "complex64".to_owned(),
            "c128" => "complex128".to_owned(),
            _ => match lower.split_at_checked(1) {
                Some((kind, bits)) if !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                    let kind = match kind {
                        "f" => "float",
                        "i" => "int",
                        "u" => "uint",
                        other => other,
                    };
                    format!("{kind}{bits}")
                }
                _ => lower,
            },
        }
    }
    plain(a) == plain(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_by_their_other_names() {
        for (a, b) in [("F32", "float32"), ("BF16", "bfloat16"), ("I64", "int64"), ("BOOL", "bool"), ("Q4_K", "q4_k")] {
            assert!(same_dtype(a, b) && same_dtype(b, a), "{a} {b}");
        }
        assert!(!same_dtype("F16", "BF16") && !same_dtype("F32", "float64"));
    }

    #[test]
    fn tensors_of_torch_have_names_and_their_outline_no_order() {
        let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/weights.pt")).unwrap();
        let limits = Limits::default();
        let found = tensors(&View::new(&bytes), "torch-zip", &limits).unwrap();
        assert!(!found.is_empty() && found.iter().all(|tensor| !tensor.name.is_empty()));
        assert_eq!(outline(&found), outline(&found.iter().rev().cloned().collect::<Vec<_>>()));
    }
}
