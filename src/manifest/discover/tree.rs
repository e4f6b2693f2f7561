//! What the files of a directory say about each other: indexes and their shards, twins, and names that collide.

use super::{Absent, Gathering, LARGEST, below};
use crate::budget::Limits;
use crate::finding::{Finding, shown};
use crate::inspect;
use crate::manifest::expected::{Claim, World};
use crate::manifest::index::{self, Shards};
use crate::report::Trust;
use crate::rule::integrity as rules;
use crate::source::{OpenOptions, View};
use crate::walk::Item;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use unicode_normalization::UnicodeNormalization;

/// Endings under which the same weights lie beside a `.safetensors` file.
const TWINS: [&str; 4] = ["bin", "pt", "pth", "ckpt"];
/// Names that Windows keeps for devices, whatever their extension.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

impl Gathering {
    /// Takes what indexes say about shards.
    pub(super) fn indexes(&mut self, roots: &[PathBuf], items: &[Item]) {
        let mut listed: HashSet<PathBuf> = HashSet::new();
        let mut families: HashMap<(PathBuf, String, String), String> = HashMap::new();
        for item in items {
            let Item::File(path, _) = item else { continue };
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if !is_index(name) {
                continue;
            }
            let shards = match self.read(path, LARGEST).and_then(|text| index::parse(&text)) {
                None => continue,
                Some(Ok(shards)) => shards,
                Some(Err(why)) => {
                    self.expected
                        .note(path, Finding::new(&rules::INDEX_BROKEN, format!("this index is broken: {why}")));
                    continue;
                }
            };
            let source = self.source(&shown(name), Trust::SelfAsserted, World::Named);
            self.expected.lies_in(source, path);
            let directory = path.parent().unwrap_or(Path::new("")).to_owned();
            // an index that was named alone is checked by itself
            let absent = if roots.contains(path) { Absent::Ignored } else { Absent::Missing };
            for (shard, tensors) in Shards::into_iter(shards) {
                let Some(place) = below(&directory, shard.as_bytes()) else {
                    let message = format!("it sends loaders out of its directory, to {}", shown(&shard));
                    self.expected.note(path, Finding::new(&rules::INDEX_BROKEN, message));
                    continue;
                };
                if let Some((prefix, suffix)) = index::numbered(&shard) {
                    families.insert((directory.clone(), prefix.to_owned(), suffix.to_owned()), shown(name));
                }
                self.claim(source, place.clone(), Claim::default(), absent);
                self.expected.shard(source, &place, tensors);
                listed.insert(place);
            }
        }
        for item in items {
            let path = item.path();
            let (Some(directory), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
                continue;
            };
            let Some((prefix, suffix)) = index::numbered(name) else { continue };
            let family = (directory.to_owned(), prefix.to_owned(), suffix.to_owned());
            if let Some(index) = families.get(&family)
                && !listed.contains(path)
            {
                let message = format!("it has the name of a shard, and {index} does not list it");
                self.expected.note(path, Finding::new(&rules::EXTRA_SHARD, message));
            }
        }
    }

    /// Takes what `.safetensors` files say about the same weights in another format beside them.
    pub(super) fn twins(&mut self, items: &[Item], limits: &Limits) {
        for item in items {
            let Item::File(path, reach) = item else { continue };
            if path.extension().is_none_or(|extension| extension != "safetensors") {
                continue;
            }
            let mut twins: Vec<PathBuf> = TWINS.iter().map(|extension| path.with_extension(extension)).collect();
            if path.file_name().is_some_and(|name| name == "model.safetensors") {
                twins.push(path.with_file_name("pytorch_model.bin"));
            }
            twins.retain(|twin| self.known.contains_key(twin));
            if twins.is_empty() {
                continue;
            }
            let options = OpenOptions { max_file_bytes: limits.max_file_bytes, ..OpenOptions::default() };
            let Ok(source) = reach.open(path, &options) else { continue };
            let Some(tensors) = inspect::tensors(&View::new(&source), "safetensors", limits) else { continue };
            let tensors = Arc::new(tensors);
            for twin in twins {
                self.expected.twin(&twin, path, Arc::clone(&tensors));
            }
        }
    }

    /// Notes names that are one and the same elsewhere: on systems that fold case or normalise, and on Windows.
    pub(super) fn names_elsewhere(&mut self, items: &[Item]) {
        let mut seen: HashMap<String, &Path> = HashMap::new();
        for item in items {
            let path = item.path();
            let text = path.to_string_lossy();
            let folded: String = match text.is_ascii() {
                true => text.to_ascii_lowercase(),
                false => text.nfc().flat_map(char::to_lowercase).collect(),
            };
            if let Some(first) = seen.insert(folded, path)
                && first != path
            {
                for (one, other) in [(first, path), (path, first)] {
                    let name = other.file_name().map(|name| shown(&name.to_string_lossy())).unwrap_or_default();
                    let message = format!("where case or Unicode forms do not count, it is the same file as {name}");
                    self.expected.note(one, Finding::new(&rules::NAME_COLLIDES, message));
                }
            }
            if let Some(name) = path.file_name().and_then(|name| name.to_str())
                && let Some(why) = reserved(name)
            {
                self.expected.note(path, Finding::new(&rules::NAME_RESERVED, why));
            }
        }
    }
}

/// `NAME.index.json`, or with a variant, as in `model.safetensors.index.fp16.json`.
pub(super) fn is_index(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".json") else { return false };
    stem.ends_with(".index") || stem.rsplit_once('.').is_some_and(|(stem, _)| stem.ends_with(".index"))
}

/// Why some system cannot hold a file of this name.
fn reserved(name: &str) -> Option<&'static str> {
    let stem = name.split('.').next().unwrap_or(name).to_ascii_lowercase();
    let device = DEVICES.iter().any(|device| {
        stem.strip_prefix(device).is_some_and(|rest| match *device {
            "com" | "lpt" => rest.len() == 1 && rest.bytes().all(|byte| byte.is_ascii_digit()),
            _ => rest.is_empty(),
        })
    });
    if device {
        return Some("Windows keeps this name for a device");
    }
    if name.ends_with(['.', ' ']) {
        return Some("Windows drops the last character of this name");
    }
    if name.contains(['\\', ':', '*', '?', '"', '<', '>', '|']) || name.chars().any(char::is_control) {
        return Some("this name holds a character that other systems read as a separator, or cannot hold");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_travel_badly() {
        for name in ["nul", "CON.txt", "com1", "aux.tar.gz", "x.", "x ", "a\\b", "a:b", "a\nb"] {
            assert!(reserved(name).is_some(), "{name}");
        }
        for name in ["null", "config.json", "com", "lpt10", "epoch=1-step=2.ckpt", ".gitattributes", "a b"] {
            assert!(reserved(name).is_none(), "{name}");
        }
    }

    #[test]
    fn names_of_indexes() {
        for name in ["model.safetensors.index.json", "pytorch_model.bin.index.json", "m.safetensors.index.fp16.json"] {
            assert!(is_index(name), "{name}");
        }
        assert!(!is_index("config.json") && !is_index("index.json") && !is_index("index.fp16.json"));
    }
}
