//! TorchScript: a torch zip with `constants.pkl` in its root, whose `code/` is run by torch's own interpreter.
//!
//! Threat: operators that reach files, and everything a torch zip can do. Its pickles are read by a C++ unpickler that
//! imports nothing: classes under `__torch__` are the archive's own, everything else is judged as in any pickle. Bound:
//! linear in the members.
//!
//! Source: `torch/csrc/jit/serialization/{import,unpickler,python_print}.cpp`, `native_functions.yaml`.

use super::torch_zip::{Records, Storages, pickle_in, root, small};
use super::{Identity, Role};
use crate::container::archive::Archive;
use crate::container::zip::Directory;
use crate::finding::{Finding, shown};
use crate::pickle::Dialect;
use crate::rule::torch as rules;
use crate::scan::Scan;
use crate::source::View;
use std::collections::HashSet;

/// Checks an archive that holds `constants.pkl` in its root.
pub fn check(archive: &mut Archive<'_>, scan: &mut Scan<'_>) -> Identity {
    scan.find(Finding::new(&rules::TORCHSCRIPT, "the archive holds TorchScript code"));
    let parts: Vec<Part> = parts(&archive.dir);
    if !parts.iter().any(|p| p.kind == PartKind::Code) || !parts.iter().any(|p| p.inner == b"data.pkl") {
        let message = "the archive has a constants.pkl as TorchScript has, but not its code and data";
        scan.find(Finding::new(&rules::MALFORMED_ARCHIVE, message));
    }
    let records = Records::of(&archive.dir);
    let mut storages = Storages::default();
    let mut used = HashSet::new();
    for pickle in parts.iter().filter(|p| p.kind == PartKind::Pickle) {
        archive.open(pickle.index, scan, |view, _, scan| {
            let summary = jit_pickle(view, scan);
            storages.complete &= summary.as_ref().is_some_and(|s| s.complete);
            storages.refs.extend(summary.into_iter().flat_map(|s| s.storages));
        });
        // `x.pkl` has its tensors in `x/`, but the mobile interpreter's bytecode shares those of the constants
        let folder = match pickle.inner.strip_suffix(b".pkl") {
            Some(b"bytecode") | None => "constants".into(),
            Some(stem) => String::from_utf8_lossy(stem),
        };
        if folder == "traced_inputs" {
            storages.refs.clear(); // its records are written empty, and nothing loads them
        }
        storages.compare(&records, &folder, &archive.dir, scan);
    }
    used.extend(parts.iter().filter(|p| storages.is_used(p.index)).map(|p| p.index));
    for part in parts.iter().filter(|p| p.kind != PartKind::Pickle) {
        let is_used = used.contains(&part.index) || (part.kind == PartKind::Tensor && !storages.complete);
        archive.open(part.index, scan, |view, path, scan| match part.kind {
            PartKind::Code => code(view, scan),
            PartKind::Debug => drop(jit_pickle(view, scan)),
            PartKind::Tensor if is_used || view.is_empty() => {}
            PartKind::Pickle | PartKind::Tensor | PartKind::Other => match small(&part.inner, view) {
                Some(true) => {}
                Some(false) => {
                    let message = "the record does not hold what torch expects there";
                    scan.find(Finding::new(&rules::MALFORMED_ARCHIVE, message));
                }
                None => drop(super::examine(view, path, scan)),
            },
        });
    }
    Identity { format: "torchscript", role: Role::Loadable }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PartKind {
    /// Directly in the root: `data.pkl`, `constants.pkl`, `traced_inputs.pkl`, `bytecode.pkl`, ...
    Pickle,
    Code,
    Debug,
    Tensor,
    Other,
}

struct Part {
    index: usize,
    kind: PartKind,
    inner: Vec<u8>,
}

fn parts(dir: &Directory) -> Vec<Part> {
    let prefix = [root(dir).unwrap_or_default(), b"/"].concat();
    let part = |(index, name): (usize, &[u8])| {
        let inner = name.strip_prefix(prefix.as_slice()).unwrap_or_default();
        let kind = match inner {
            _ if inner.to_ascii_lowercase().ends_with(b".pkl") && !inner.contains(&b'/') => PartKind::Pickle,
            _ if inner.ends_with(b".debug_pkl") => PartKind::Debug,
            _ if inner.starts_with(b"code/") => PartKind::Code,
            _ if inner.starts_with(b"data/") || inner.starts_with(b"constants/") => PartKind::Tensor,
            _ if inner.starts_with(b"traced_inputs/") => PartKind::Tensor,
            _ => PartKind::Other,
        };
        Part { index, kind, inner: inner.to_vec() }
    };
    dir.entries.iter().map(|e| e.name.as_slice()).enumerate().map(part).collect()
}

/// A pickle that the C++ unpickler reads. What it says about the archive's own classes does not count.
fn jit_pickle(view: &View<'_>, scan: &mut Scan<'_>) -> Option<crate::pickle::Summary> {
    let own =
        |name: &str| name == "__torch__" || name.starts_with("__torch__.") || name.starts_with("torch.jit._pickle.");
    scan.excusing(own, |scan| pickle_in(view, Dialect::TorchZip, scan))
}

/// Operators that reach files, as `namespace::name`.
const FILE_OPERATORS: &[&str] = &["aten::save", "aten::from_file", "image::read_file", "image::write_file"];
/// Namespaces whose operators compute on tensors only, but for those in [`FILE_OPERATORS`].
const NAMESPACES: &[&str] = &[
    "aten",
    "prim",
    "prims",
    "quantized",
    "torchvision",
    "image",
    "torchaudio",
    "_caffe2",
    "inductor",
    "sparse",
    "mkldnn",
    "nvprims",
    "onednn",
    "xnnpack",
    "prepacked",
];
/// Classes implemented outside the archive that hold packed weights.
const CLASSES: &[&str] = &["quantized", "xnnpack", "mkldnn", "sparse", "rnn"];

/// Looks through one file of code for operators that do more than compute.
fn code(view: &View<'_>, scan: &mut Scan<'_>) {
    let Ok(bytes) = view.head(scan.budget.limits().max_header_bytes) else { return };
    let Ok(text) = std::str::from_utf8(&bytes) else {
        scan.find(Finding::new(&rules::MALFORMED_ARCHIVE, "the code is not text"));
        return;
    };
    let mut told = HashSet::new();
    for (offset, path) in paths(text) {
        let Some((namespace, name)) = operator(path) else { continue };
        let full = format!("{namespace}::{name}");
        let file = FILE_OPERATORS.contains(&full.as_str())
            || (matches!(namespace, "torchaudio" | "image" | "torchvision") && reaches_files(name));
        let known = if namespace == "classes" { CLASSES.contains(&name) } else { NAMESPACES.contains(&namespace) };
        if (known && !file) || told.len() > 64 || !told.insert(full.clone()) {
            continue;
        }
        let offset = u64::try_from(offset).unwrap_or(u64::MAX);
        let full = shown(&full);
        if file {
            scan.report(&rules::SCRIPT_FILES, offset, format!("the code calls {full}, which reaches files"));
        } else {
            scan.report(
                &rules::SCRIPT_OPERATOR,
                offset,
                format!("the code calls {full}, which is not one of torch's own"),
            );
        }
    }
}

fn reaches_files(name: &str) -> bool {
    ["file", "load", "save", "read", "write", "open", "video"].iter().any(|word| name.contains(word))
}

/// The operator a dotted path stands for in serialized code: `torch.add` is `aten::add`, `ops.ns.name` is `ns::name`.
fn operator(path: &str) -> Option<(&str, &str)> {
    let mut parts = path.split('.');
    let (first, second, third) = (parts.next()?, parts.next()?, parts.next());
    match (first, second) {
        ("ops", namespace) => Some((namespace, third.unwrap_or_default())),
        ("__torch__", "torch") if third == Some("classes") => Some(("classes", parts.next().unwrap_or_default())),
        ("torch", name) => Some(("aten", name)),
        _ => None,
    }
}

/// Dotted names in Python text, with their offsets; string literals and comments are passed over.
fn paths(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let bytes = text.as_bytes();
    let mut at = 0usize;
    std::iter::from_fn(move || {
        loop {
            let b = *bytes.get(at)?;
            let start = at;
            let is_word = |b: u8| b == b'_' || b.is_ascii_alphanumeric() || b >= 0x80;
            let run = |from: usize, keep: &dyn Fn(u8) -> bool| {
                let len = bytes.get(from..).unwrap_or_default().iter().take_while(|b| keep(**b)).count();
                from.saturating_add(len)
            };
            match b {
                b'"' | b'\'' => at = end_of_string(bytes, at),
                b'#' => at = run(at, &|b| b != b'\n'),
                _ if is_word(b) => {
                    at = run(at, &|b| is_word(b) || b == b'.');
                    return Some((start, text.get(start..at)?));
                }
                _ => at = at.saturating_add(1),
            }
        }
    })
}

fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let quote = bytes.get(start).copied();
    let mut at = start.saturating_add(1);
    while let Some(&b) = bytes.get(at) {
        at = at.saturating_add(if b == b'\\' { 2 } else { 1 });
        if Some(b) == quote || b == b'\n' {
            break;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;
    use crate::container::craft;
    use crate::testing::examine;

    #[test]
    fn operators_are_told_from_names_and_text() {
        let text = "x = torch.save(y, \"torch.from_file\")  # torch.from_file\nops.image.read_file(z)\nself.torch";
        let found: Vec<_> = paths(text).filter_map(|(_, p)| operator(p)).collect();
        assert_eq!(found, [("aten", "save"), ("image", "read_file")]);
    }

    #[test]
    fn a_flood_of_own_classes_hides_no_other() {
        for own in [1, 100, 3000] {
            let mut pickle = b"\x80\x02".to_vec();
            for n in 0..own {
                pickle.extend(format!("c__torch__\nC{n}\n)R0").bytes());
            }
            let clean = [&pickle[..], b"}."].concat();
            pickle.extend(b"c__main__\nEvil\n)R0}.");
            let archive = |pickle: &[u8]| {
                let code = b"class M(Module):\n  __parameters__ = []\n";
                craft::zip(&[
                    craft::stored("m/data.pkl", pickle),
                    craft::stored("m/constants.pkl", b"\x80\x02)."),
                    craft::stored("m/code/__torch__.py", code),
                    craft::stored("m/version", b"3\n"),
                ])
            };
            assert_eq!(examine(&archive(&clean), "m.pt").verdict(), Verdict::Ok, "{own}");
            assert_eq!(examine(&archive(&pickle), "m.pt").verdict(), Verdict::Bad, "{own}");
        }
    }

    #[test]
    fn classes_outside_the_archive_are_named() {
        assert_eq!(operator("__torch__.torch.classes.dist_c10d.TCPStore"), Some(("classes", "dist_c10d")));
        assert_eq!(operator("__torch__.M"), None);
    }
}
