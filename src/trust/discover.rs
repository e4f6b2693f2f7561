//! Where signed manifests usually lie.

use crate::source::Reach;
use crate::walk::{or_here, reach};
use std::path::{Path, PathBuf};

/// How names of signed manifests and attestations end. Other files of JSON lines are data sets.
const ENDINGS: [&str; 7] =
    [".sig", ".sigstore", ".sigstore.json", ".sigstore.jsonl", ".intoto.jsonl", ".attestation.jsonl", ".build.slsa"];

/// True if a file of this name may be a signed manifest, or hold attestations: `*.sig`, `*.sigstore.json`,
/// `*.intoto.jsonl` and their like, `attestations.jsonl`, and `sha256:….jsonl` as `gh attestation download` names it.
pub fn is_bundle_name(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    ENDINGS.iter().any(|end| name.len() > end.len() && name.ends_with(end))
        || ["attestation.jsonl", "attestations.jsonl"].contains(&name.as_ref())
        || is_downloaded(&name)
}

/// True for the names that `gh attestation download` gives; Windows has no colon in names.
fn is_downloaded(name: &str) -> bool {
    let digest = name.strip_suffix(".jsonl").and_then(|stem| stem.strip_prefix("sha256").filter(|_| stem.is_ascii()));
    digest.is_some_and(|digest| {
        let (mark, hex) = digest.split_at(digest.len().min(1));
        [":", "-"].contains(&mark) && hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// Signed manifests and attestations of a model. Inside a directory: whatever [`is_bundle_name`] says. Beside a file or
/// directory: `NAME` with one of these endings, or with `.jsonl`. Beside a file also whatever else may speak about its
/// directory. Only names are looked at, and links that lead out of the directory are passed over; sorted.
pub fn discover(model: &Path) -> Vec<PathBuf> {
    let inside = |directory: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(directory).into_iter().flatten();
        entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).filter(|path| is_bundle_name(path)).collect()
    };
    let mut found = match reach(model) {
        Ok(Reach::Beneath(bounds)) => {
            let mut found = inside(model);
            found.retain(|path| bounds.look(path).is_ok());
            found
        }
        _ => Vec::new(),
    };
    if let Some(name) = model.file_name() {
        let beside = |end: &str| {
            let mut beside = name.to_owned();
            beside.push(end);
            model.with_file_name(beside)
        };
        found.extend(ENDINGS.iter().chain(&[".jsonl"]).map(|end| beside(end)));
        if !is_bundle_name(model) && model.is_file() {
            let directory = model.parent().unwrap_or(Path::new(""));
            // named as the model was, so that one file has one path
            let names = inside(or_here(directory)).into_iter();
            found.extend(names.filter_map(|path| Some(model.with_file_name(path.file_name()?))));
        }
    }
    found.retain(|path| path.is_file());
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_bundles() {
        let hex = "ab".repeat(32);
        for name in [
            "model.sig",
            "w.sigstore.json",
            "w.intoto.jsonl",
            "attestations.jsonl",
            &format!("sha256:{hex}.jsonl"),
            &format!("sha256-{hex}.jsonl"),
        ] {
            assert!(is_bundle_name(Path::new(name)), "{name}");
        }
        for name in
            ["train.jsonl", ".sig", "sig", "x.attestations.json", "sha256.jsonl", "sha256:ab.jsonl", "sha256é.jsonl"]
        {
            assert!(!is_bundle_name(Path::new(name)), "{name}");
        }
    }
}
