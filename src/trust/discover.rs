//! Where signed manifests usually lie.

use std::path::{Path, PathBuf};

/// Signed manifests that lie where they usually lie: inside a directory as `model.sig`, `*.sig` or `*.sigstore.json`;
/// beside a file or directory as `NAME.sig` or `NAME.sigstore.json`. Only names are looked at; sorted.
pub fn discover(model: &Path) -> Vec<PathBuf> {
    let is_named = |path: &Path| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        (name.ends_with(".sig") && name.len() > 4) || name.ends_with(".sigstore.json")
    };
    let mut found: Vec<PathBuf> = match std::fs::read_dir(model) {
        Ok(entries) => entries
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| is_named(path) && path.is_file())
            .collect(),
        Err(_) => Vec::new(),
    };
    if let Some(name) = model.file_name() {
        for suffix in [".sig", ".sigstore.json"] {
            let mut beside = name.to_owned();
            beside.push(suffix);
            let beside = model.with_file_name(beside);
            if beside.is_file() {
                found.push(beside);
            }
        }
    }
    found.sort();
    found
}
