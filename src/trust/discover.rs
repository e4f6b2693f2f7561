//! Where signed manifests usually lie.

use std::path::{Path, PathBuf};

/// True if a file of this name may be a signed manifest: `*.sig` or `*.sigstore.json`.
pub fn is_bundle_name(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    [".sig", ".sigstore.json"].iter().any(|end| name.len() > end.len() && name.ends_with(end))
}

/// Signed manifests of a model: inside a directory as `*.sig` or `*.sigstore.json`, beside a file or directory as
/// `NAME.sig` or `NAME.sigstore.json`, beside a file also as `model.sig`. Only names are looked at; sorted.
pub fn discover(model: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = match std::fs::read_dir(model) {
        Ok(entries) => entries
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| is_bundle_name(path) && path.is_file())
            .collect(),
        Err(_) => Vec::new(),
    };
    if let Some(name) = model.file_name() {
        let mut beside: Vec<PathBuf> = [".sig", ".sigstore.json"]
            .map(|end| {
                let mut beside = name.to_owned();
                beside.push(end);
                model.with_file_name(beside)
            })
            .into();
        if model.is_file() && !is_bundle_name(model) {
            beside.push(model.with_file_name("model.sig"));
        }
        found.extend(beside.into_iter().filter(|path| path.is_file()));
    }
    found.sort();
    found.dedup();
    found
}
