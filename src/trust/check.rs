//! The whole way of `mverify verify`: bundles, what the user trusts, and a model that is held against it.

use super::several::{self, Judged, Suffices};
use super::verify::{Anchor, How, Verified};
use crate::digest::{Pool, Watch};
use crate::finding::Finding;
use crate::format::Role;
use crate::manifest::attested::{Attested, Attesting};
use crate::manifest::oms::{Manifest, Refusal, Statement};
use crate::manifest::{Comparison, Source, Tolerance};
use crate::outcome::Outcome;
use crate::report::{Artifact, Integrity, OMS_BUNDLE, Status, Trust};
use crate::rule::{Severity, trust as rules};
use crate::scan::Settings;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// A model to be held against signed manifests.
#[derive(Clone, Debug)]
pub struct Check<'a> {
    /// A directory or a file.
    pub model: &'a Path,
    /// The bundles; files of JSON lines hold several.
    pub bundles: &'a [PathBuf],
    /// How many of them must be good.
    pub suffices: Suffices,
    /// What the user trusts. `Err` is why it cannot be used, and then nothing is proven.
    pub anchor: Result<Option<&'a Anchor>, Refusal>,
    /// How to verify.
    pub how: How,
    /// What the user tolerates.
    pub tolerance: Tolerance,
    /// Limits, for files that are to be tolerated.
    pub settings: &'a Settings,
    /// Maps files instead of reading them.
    pub map: bool,
    /// Gives up pages of the system's cache that were not there before.
    pub drop_cache: bool,
}

/// What relied-on bundles say, besides what they are.
pub(super) struct Relied {
    /// Manifests, each with its name in reports.
    pub(super) manifests: Vec<(String, Verified)>,
    /// Manifests of one file in the directory beside which they lie.
    pub(super) single: Vec<(PathBuf, String, Verified)>,
    /// Attestations of single files.
    pub(super) attested: Vec<Attested>,
    /// What the user tolerates, the bundles included.
    pub(super) tolerance: Tolerance,
}

impl Check<'_> {
    /// Verifies: the first artifacts are the bundles, the rest the files of the model. Bundles that are not relied on say
    /// nothing; without any that is, they are all there is. Manifests that expect the same are compared at once.
    pub fn run(
        &self,
        pool: &Pool,
        watch: &dyn Watch,
        mut sink: impl FnMut(Artifact) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let Relied { mut manifests, mut single, attested, tolerance } = self.relied(&mut sink)?;
        // what is said about single files is not enough for a directory
        if manifests.is_empty() {
            manifests.extend(single.drain(..).map(|(_, name, verified)| (name, verified)));
        }
        if manifests.is_empty() && !attested.is_empty() {
            let (all, tolerance, settings) = (attested.as_slice(), &tolerance, self.settings);
            let (map, drop_cache) = (self.map, self.drop_cache);
            return Attesting { all, tolerance, settings, map, drop_cache }.run(self.model, pool, watch, sink);
        }
        let mut attested = attested.as_slice();
        while !manifests.is_empty() {
            let (name, Verified { manifest, trust, signer, logged, .. }) = manifests.remove(0);
            let mut also = Vec::new();
            manifests.retain(|(name, other)| {
                let same = other.manifest.expects_the_same(&manifest);
                if same {
                    also.push((name.clone(), other.trust, other.signer.clone(), other.logged));
                }
                !same
            });
            let source = Source { manifest: &manifest, name, trust, signer, logged };
            let sink = |artifact| sink(repeated(artifact, &also));
            self.comparison(&source, &tolerance, attested).run(self.model, pool, watch, sink)?;
            // told once is enough
            attested = &[];
        }
        for (file, name, Verified { manifest, trust, signer, logged, .. }) in single {
            let source = Source { manifest: &manifest, name, trust, signer, logged };
            self.comparison(&source, &tolerance, &[]).run(&file, pool, watch, &mut sink)?;
        }
        ControlFlow::Continue(())
    }

    fn comparison<'c>(
        &'c self,
        source: &'c Source<'c>,
        tolerance: &'c Tolerance,
        attested: &'c [Attested],
    ) -> Comparison<'c> {
        let (settings, map, drop_cache) = (self.settings, self.map, self.drop_cache);
        Comparison { source, tolerance, settings, map, drop_cache, attested }
    }

    /// The file in the model that a manifest is about, if it is named after one and lists no other.
    fn only_about(&self, bundle: &Path, manifest: &Manifest) -> Option<PathBuf> {
        let (name, _) = manifest.only()?;
        let bundle_name = bundle.file_name()?.to_str()?;
        // a file without a name has that of its bundle
        let name = match name {
            "." => bundle_name.strip_suffix(".sig").or_else(|| bundle_name.strip_suffix(".sigstore.json"))?,
            name => name,
        };
        let own = bundle_name.strip_prefix(name)?.starts_with('.');
        let file = bundle.with_file_name(name);
        (own && self.model.is_dir() && file.starts_with(self.model) && file.is_file()).then_some(file)
    }

    /// Verifies the bundles and tells of them; gives what those say that are relied on.
    pub(super) fn relied(&self, sink: &mut impl FnMut(Artifact) -> ControlFlow<()>) -> ControlFlow<(), Relied> {
        let mut judged = several::judge(self.bundles, &self.anchor, self.how);
        let own = judged.iter().filter(|one| one.is_bundle()).map(|one| one.path.clone()).collect();
        several::settle(&mut judged, self.suffices);
        let good = judged.iter().filter(|one| one.is_signed()).count();
        let enough = self.suffices.is_met(good, judged.len());
        let mut relied = Relied {
            manifests: Vec::new(),
            single: Vec::new(),
            attested: Vec::new(),
            tolerance: Tolerance { own, ..self.tolerance.clone() },
        };
        let of = judged.len();
        for Judged { path, name, size, verdict } in judged {
            let mut artifact = bundle_artifact(&path, size, &name, &verdict);
            if verdict.is_ok() && good > 0 && !enough {
                let message = format!("{good} of {of} signatures are good, which is not enough");
                artifact.findings.push(Finding::new(&rules::UNTRUSTED, message));
                artifact.outcome = Outcome::judge(&artifact.findings, Severity::High);
            }
            sink(artifact)?;
            let Ok(Verified { manifest, trust, signer, logged, findings }) = verdict else { continue };
            match manifest {
                Statement::Manifest(manifest) => {
                    let only = self.only_about(&path, &manifest);
                    let verified = Verified { manifest, trust, signer, logged, findings };
                    match only {
                        Some(file) => relied.single.push((file, name, verified)),
                        None => relied.manifests.push((name, verified)),
                    }
                }
                Statement::Attestation(attestation) => {
                    relied.attested.push(Attested { source: name, trust, signer, logged, attestation });
                }
            }
        }
        ControlFlow::Continue(relied)
    }
}

/// Says of an artifact for other sources, which expect the same, what the first of its sources says.
fn repeated(mut artifact: Artifact, also: &[(String, Trust, Option<String>, Option<i64>)]) -> Artifact {
    if let Some(first) = artifact.integrity.first().cloned() {
        artifact.integrity.extend(also.iter().map(|(source, trust, signer, logged)| Integrity {
            source: source.clone(),
            trust: *trust,
            signer: signer.clone(),
            logged: *logged,
            ..first.clone()
        }));
    }
    artifact
}

fn bundle_artifact(path: &Path, size: u64, source: &str, verdict: &Result<Verified<Statement>, Finding>) -> Artifact {
    let (trust, signer, status, findings) = match verdict {
        Ok(verified) => {
            let mut findings = verified.findings.clone();
            if verified.trust != Trust::Signed {
                findings.push(Finding::new(&rules::NO_ANCHOR, "no key, authority or identity was named to trust"));
            }
            (verified.trust, verified.signer.clone(), Status::Match, findings)
        }
        Err(finding) => {
            let mismatch = finding.rule == &rules::SIGNATURE_WRONG;
            let status = if mismatch { Status::Mismatch } else { Status::NotCovered };
            (Trust::SelfAsserted, None, status, vec![finding.clone()])
        }
    };
    let logged = verdict.as_ref().ok().and_then(|verified| verified.logged);
    Artifact {
        format: OMS_BUNDLE,
        role: Role::Config,
        integrity: vec![Integrity { source: source.to_owned(), trust, signer, logged, status, note: None }],
        ..Artifact::not_scanned(path, size, findings, Severity::High)
    }
}
