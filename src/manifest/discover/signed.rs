//! Signed manifests that lie beside or inside what is checked. Nobody was named to trust, so whatever they say is only
//! self-asserted: it can fail a file, and a match proves no origin.

use super::{Absent, Gathering, LARGEST, read};
use crate::finding::Finding;
use crate::manifest::expected::{Claim, Claimed, Source, World};
use crate::manifest::oms::{Expected, Manifest, name};
use crate::manifest::tree::GIT;
use crate::report::Trust;
use crate::rule::{Effect, trust as rules};
use crate::trust::{How, discover, is_bundle_name, verify};
use crate::walk::Item;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

impl Gathering {
    /// Takes what signed manifests say.
    pub(super) fn signed(&mut self, roots: &[PathBuf], items: &[Item]) {
        let met = items.iter().filter_map(|item| match item {
            Item::File(path) if is_bundle_name(path) => Some(path.clone()),
            _ => None,
        });
        let beside = roots.iter().flat_map(|root| discover(root));
        let bundles: BTreeSet<PathBuf> = met.chain(beside).collect();
        for bundle in &bundles {
            self.bundle(bundle, roots, items, &bundles);
        }
    }

    fn bundle(&mut self, path: &Path, roots: &[PathBuf], items: &[Item], bundles: &BTreeSet<PathBuf>) {
        let Some(text) = read(path, LARGEST) else { return };
        // other tools call their signatures .sig too
        if !text.trim_ascii_start().starts_with(b"{") {
            return;
        }
        let verified = match verify(&text, None, How { allow_legacy: false, now: 0 }) {
            Ok(verified) => verified,
            Err(refusal) if refusal.rule.effect == Effect::Bad => {
                self.expected.note(path, Finding::new(refusal.rule, refusal.message));
                return;
            }
            // it may be a bundle over something else
            Err(refusal) => {
                let message = format!("not relied on: {}", refusal.message);
                self.expected.note(path, Finding::new(&rules::SELF_ASSERTED, message));
                return;
            }
        };
        self.expected.note(path, Finding::new(&rules::SELF_ASSERTED, "nobody was named to trust; it proves no origin"));
        let source = Source {
            name: path.file_name().map(|name| crate::finding::shown(&name.to_string_lossy())).unwrap_or_default(),
            trust: Trust::SelfAsserted,
            signer: verified.signer,
            world: World::Closed,
        };
        let manifest = verified.manifest;
        match subject(path, &manifest, roots) {
            Subject::File(file) => {
                let number = self.expected.source(Source { world: World::Named, ..source });
                if let Some(expected) = manifest.entries.values().next() {
                    self.claim(number, file, claim(&manifest, expected), Absent::Missing);
                }
            }
            Subject::Directory(directory) => {
                let number = self.expected.source(source);
                let whole = roots.iter().any(|root| directory.starts_with(root));
                let absent = if whole { Absent::Missing } else { Absent::Ignored };
                for (name, expected) in &manifest.entries {
                    self.claim(number, directory.join(name), claim(&manifest, expected), absent);
                }
                self.expected.speaks_for(number, &directory);
                self.spare(number, &directory, &manifest, items, bundles);
            }
        }
    }

    /// Says nothing about files that a signed manifest need not list: signatures, and what git keeps at the top.
    fn spare(
        &mut self,
        source: usize,
        directory: &Path,
        manifest: &Manifest,
        items: &[Item],
        bundles: &BTreeSet<PathBuf>,
    ) {
        for path in items.iter().map(Item::path) {
            let Ok(below) = path.strip_prefix(directory) else { continue };
            let below = below.to_string_lossy();
            let git = GIT.iter().any(|git| name::covers(git, &below));
            if (git || bundles.contains(path)) && !manifest.entries.contains_key(below.as_ref()) {
                self.expected.claim(source, path.to_owned(), Claim::default());
            }
        }
    }
}

/// What a bundle speaks about, by where it lies.
enum Subject {
    File(PathBuf),
    Directory(PathBuf),
}

fn subject(bundle: &Path, manifest: &Manifest, roots: &[PathBuf]) -> Subject {
    let directory = bundle.parent().unwrap_or(Path::new(""));
    let name = bundle.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let of = name.strip_suffix(".sig").or_else(|| name.strip_suffix(".sigstore.json")).unwrap_or(&name);
    let beside = directory.join(of);
    let single = manifest.entries.len() == 1 && manifest.entries.keys().all(|entry| entry == "." || entry == of);
    if single && (beside.is_file() || manifest.entries.contains_key(".")) {
        return Subject::File(beside);
    }
    // a directory that was named, with its signature beside it
    match roots.iter().find(|root| **root == beside && beside.is_dir()) {
        Some(root) => Subject::Directory(root.clone()),
        None => Subject::Directory(directory.to_owned()),
    }
}

/// What a manifest says of one file. Shards are compared by `mverify verify`; here they tell the size.
fn claim(manifest: &Manifest, expected: &Expected) -> Claim {
    let digests = match expected {
        Expected::Whole(digest) => vec![Claimed::Whole(vec![manifest.algorithm], *digest)],
        Expected::Shards(_) => Vec::new(),
    };
    Claim { size: expected.len(), digests, no_link: !manifest.allow_symlinks }
}
