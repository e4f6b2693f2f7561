//! What the manifests of a content-addressed store say about its blobs: OCI image layouts and Ollama's models.
//!
//! Each manifest is read once, however often it is listed, so cycles end; all together list at most [`MOST`] blobs.

use super::{Absent, Gathering, below};
use crate::container::unpacked::Names;
use crate::finding::{Finding, shown};
use crate::manifest::expected::{Claim, Claimed, World};
use crate::manifest::oci::{self, Descriptor};
use crate::report::Trust;
use crate::rule::integrity as rules;
use crate::walk::Item;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Blobs that all manifests of a run list together.
const MOST: usize = 1_000_000;

/// How a store names its blobs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// `blobs/sha256/HEX`
    Oci,
    /// `blobs/sha256-HEX`
    Ollama,
}

impl Layout {
    fn blob(self, root: &Path, descriptor: &Descriptor) -> PathBuf {
        let (algorithm, hex) = descriptor.parts();
        match self {
            Layout::Oci => root.join("blobs").join(algorithm).join(hex),
            Layout::Ollama => root.join("blobs").join(format!("{algorithm}-{hex}")),
        }
    }
}

impl Gathering {
    /// Takes what manifests among the items say, and notes blobs that none of them lists.
    pub(super) fn stores(&mut self, items: &[Item]) {
        let mut listed: HashMap<PathBuf, HashSet<PathBuf>> = HashMap::new();
        let mut left = MOST;
        for item in items {
            let Item::File(path, _) = item else { continue };
            let Some((layout, root)) = store_of(path) else { continue };
            let known = listed.entry(root.clone()).or_default();
            let mut waiting = vec![path.clone()];
            while let Some(manifest) = waiting.pop() {
                let Some(descriptors) = self.manifest(&manifest) else { continue };
                left = left.saturating_sub(descriptors.len());
                if left == 0 {
                    let message = format!("the manifests of this run list more than {MOST} blobs");
                    self.expected.note(path, Finding::new(&rules::STORE_BROKEN, message));
                    return;
                }
                self.paths(&manifest, &descriptors);
                for descriptor in descriptors {
                    let blob = layout.blob(&root, &descriptor);
                    let name = source_name(&root, &manifest, &descriptor);
                    let source = self.source(&name, Trust::SelfAsserted, World::Named);
                    self.expected.lies_in(source, &manifest);
                    let claim = Claim {
                        size: Some(descriptor.size),
                        ..Claim::digest(Claimed::Whole(vec![descriptor.algorithm], descriptor.digest))
                    };
                    self.claim(source, blob.clone(), claim, Absent::Missing);
                    let fresh = known.insert(blob.clone());
                    if fresh && descriptor.is_manifest {
                        waiting.push(blob);
                    }
                }
            }
        }
        for item in items {
            let path = item.path();
            // ROOT/blobs/sha256-HEX or ROOT/blobs/sha256/HEX
            let stores = path.ancestors().skip(1).take(2).filter(|folder| folder.ends_with("blobs"));
            let known = stores.filter_map(Path::parent).find_map(|root| listed.get(root));
            if known.is_some_and(|known| !known.contains(path)) {
                let message = "no manifest of this store lists it";
                self.expected.note(path, Finding::new(&rules::STORE_UNLISTED, message));
            }
            if path.file_name().is_some_and(|name| name == "oci-layout") && !path.with_file_name("index.json").is_file()
            {
                let message = "the layout has no index.json, so nothing says which blobs belong to it";
                self.expected.note(path, Finding::new(&rules::STORE_BROKEN, message));
            }
        }
    }

    /// What a manifest lists; `None` where it cannot be read, which is noted if the file is there.
    fn manifest(&mut self, path: &Path) -> Option<Vec<Descriptor>> {
        let text = self.read(path, oci::LARGEST);
        if text.is_none() && !path.is_file() {
            return None;
        }
        let unread = || format!("it cannot be read, or is larger than {} bytes", oci::LARGEST);
        match text.ok_or_else(unread).and_then(|text| oci::parse(&text)) {
            Ok(descriptors) => Some(descriptors),
            Err(why) => {
                let message = format!("this manifest cannot be relied on: {why}");
                self.expected.note(path, Finding::new(&rules::STORE_BROKEN, message));
                None
            }
        }
    }

    /// Notes paths that clients would unpack outside of their folder, or onto each other.
    fn paths(&mut self, manifest: &Path, descriptors: &[Descriptor]) {
        for annotation in oci::PATHS {
            let mut names = Names::new(MOST as u64);
            let said = descriptors.iter().flat_map(|descriptor| &descriptor.paths).filter(|(by, _)| *by == annotation);
            for (_, path) in said {
                let message = if below(Path::new("x"), path.as_bytes()).is_none() || path.contains(['\\', '\0']) {
                    format!("a layer is unpacked outside of the folder, to {}", shown(path))
                } else {
                    match names.add(path.as_bytes(), false) {
                        Ok(None) => continue,
                        Ok(Some(clash)) => format!("{}, where a layer is unpacked, {clash}", shown(path)),
                        Err(_) => format!("its layers are unpacked to more than {MOST} files and folders"),
                    }
                };
                self.expected.note(manifest, Finding::new(&rules::STORE_PATH, message));
            }
        }
    }
}

/// The store whose index or manifest this file is, where it is one by its place.
fn store_of(path: &Path) -> Option<(Layout, PathBuf)> {
    let directory = path.parent()?;
    let is_layout = || directory.join("oci-layout").is_file() || directory.join("blobs/sha256").is_dir();
    if path.file_name()? == "index.json" && is_layout() {
        return Some((Layout::Oci, directory.to_owned()));
    }
    // manifests/HOST/NAMESPACE/MODEL/TAG
    let manifests = path.ancestors().nth(4)?;
    let root = manifests.parent()?;
    let ollama = manifests.file_name()? == "manifests" && root.join("blobs").is_dir();
    ollama.then(|| (Layout::Ollama, root.to_owned()))
}

/// As in `index.json`, or `manifest 1a2b3c4d5e6f: model.safetensors`.
fn source_name(root: &Path, manifest: &Path, descriptor: &Descriptor) -> String {
    let name = manifest.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let by = if manifest.starts_with(root.join("blobs")) {
        let hex = name.rsplit('-').next().unwrap_or_default();
        format!("manifest {}", hex.get(..12).unwrap_or(hex))
    } else {
        shown(&name)
    };
    match descriptor.paths.first() {
        Some((_, path)) => format!("{by}: {}", shown(path)),
        None => by,
    }
}
