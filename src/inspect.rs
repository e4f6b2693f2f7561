//! What is inside: tensors by name, without loading anything.

use crate::budget::{Budget, Limits};
use crate::container::zip;
use crate::digest::Digest;
use crate::format::detect::{self, Kind};
use crate::format::tensor::TensorInfo;
use crate::format::{gguf, npy, safetensors};
use crate::manifest::lock::Tensors;
use crate::source::View;
use crate::torch;
use std::io;
use std::ops::Range;

/// True for formats whose files have tensors.
pub fn has_tensors(format: &str) -> bool {
    matches!(format, "safetensors" | "gguf" | "npy") || format.starts_with("torch")
}

/// The format of a file that may have tensors, by its first bytes.
///
/// # Errors
/// Where they cannot be read.
pub fn format_of_tensors(view: &View<'_>) -> io::Result<Option<&'static str>> {
    Ok(match detect::identify(view)? {
        Kind::Safetensors => Some("safetensors"),
        Kind::Gguf => Some("gguf"),
        Kind::Npy => Some("npy"),
        Kind::Zip => Some("torch-zip"),
        Kind::TorchLegacy => Some("torch-legacy"),
        _ => None,
    })
}

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

/// A member of a zip archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name, with what is not UTF-8 replaced.
    pub name: String,
    /// Bytes of its content.
    pub size: u64,
    /// How it is stored, by the number of the zip format: 0 as it is, 8 deflated.
    pub method: u16,
    /// Where its stored bytes lie in the file, if that is known.
    pub place: Option<Range<u64>>,
}

/// The members of a zip archive, in the order of its directory; `None` for what is none, or cannot be read.
pub fn members(view: &View<'_>, limits: &Limits) -> Option<Vec<Member>> {
    if !view.head(4).is_ok_and(|head| *head == *b"PK\x03\x04") {
        return None;
    }
    let directory = zip::read_directory(view, &mut Budget::new(limits.clone())).ok()?;
    let member = |entry: zip::Entry| Member {
        name: String::from_utf8_lossy(&entry.name).into_owned(),
        size: entry.size,
        method: entry.method,
        place: entry.data,
    };
    Some(directory.entries.into_iter().map(member).collect())
}

/// The outline of a lock: a digest of names, types and shapes.
pub fn outline(tensors: &[TensorInfo]) -> Tensors {
    let mut lines: Vec<String> =
        tensors.iter().map(|t| format!("{:?}\t{}\t{:?}\n", t.name, t.dtype, t.shape)).collect();
    lines.sort_unstable();
    let count = u64::try_from(tensors.len()).unwrap_or(u64::MAX);
    Tensors { count, outline: Digest::sha256(lines.iter().map(|line| line.as_bytes())).to_string() }
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
