//! The whole way of `mverify verify`: a bundle, what the user trusts, and a model that is held against it.

use super::bundle::MOST_BYTES;
use super::verify::{Anchor, How, Verified, verify};
use crate::digest::{Pool, Watch};
use crate::finding::Finding;
use crate::format::Role;
use crate::manifest::oms::Refusal;
use crate::manifest::{Comparison, Source, Tolerance};
use crate::report::{Artifact, Integrity, OMS_BUNDLE, Status, Trust};
use crate::rule::{self, Severity, trust as rules};
use crate::scan::Settings;
use crate::source::{FileSource, OpenOptions, ReadAt};
use std::ops::ControlFlow;
use std::path::Path;

/// A model to be held against a signed manifest.
#[derive(Clone, Debug)]
pub struct Check<'a> {
    /// A directory or a file.
    pub model: &'a Path,
    /// The bundle.
    pub bundle: &'a Path,
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
}

/// A bundle that was verified.
pub(super) struct Trusted {
    pub(super) verified: Verified,
    /// Its name in reports.
    pub(super) source: String,
    /// What the user tolerates, this bundle included.
    pub(super) tolerance: Tolerance,
}

impl Check<'_> {
    /// Verifies: the first artifact is the bundle, the rest the files of the model. A bundle that is not relied on is
    /// all there is: what it lists says nothing.
    pub fn run(
        &self,
        pool: &Pool,
        watch: &dyn Watch,
        mut sink: impl FnMut(Artifact) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let Some(Trusted { verified, source, tolerance }) = self.trusted(&mut sink)? else {
            return ControlFlow::Continue(());
        };
        let Verified { manifest, trust, signer, .. } = verified;
        let source = Source { manifest: &manifest, name: source, trust, signer };
        Comparison { source: &source, tolerance: &tolerance, settings: self.settings, map: self.map }
            .run(self.model, pool, watch, sink)
    }

    /// Verifies the bundle and tells of it; `None` if it is not relied on.
    pub(super) fn trusted(
        &self,
        sink: &mut impl FnMut(Artifact) -> ControlFlow<()>,
    ) -> ControlFlow<(), Option<Trusted>> {
        let source = self.bundle.file_name().unwrap_or(self.bundle.as_os_str()).to_string_lossy().into_owned();
        let text = match read(self.bundle) {
            Ok(text) => text,
            Err(finding) => {
                sink(self.bundle_artifact(0, &source, Err(finding)))?;
                return ControlFlow::Continue(None);
            }
        };
        let size = text.len() as u64;
        let verified = self.anchor.clone().and_then(|anchor| verify(&text, anchor, self.how));
        drop(text);
        match verified {
            Ok(verified) => {
                sink(self.bundle_artifact(size, &source, Ok(&verified)))?;
                let tolerance = Tolerance { own: Some(self.bundle.to_owned()), ..self.tolerance.clone() };
                ControlFlow::Continue(Some(Trusted { verified, source, tolerance }))
            }
            Err(refusal) => {
                let finding = Finding::new(refusal.rule, refusal.message);
                sink(self.bundle_artifact(size, &source, Err(finding)))?;
                ControlFlow::Continue(None)
            }
        }
    }

    fn bundle_artifact(&self, size: u64, source: &str, verified: Result<&Verified, Finding>) -> Artifact {
        let (trust, signer, status, findings) = match verified {
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
                (Trust::SelfAsserted, None, status, vec![finding])
            }
        };
        Artifact {
            format: OMS_BUNDLE,
            role: Role::Config,
            integrity: vec![Integrity { source: source.to_owned(), trust, signer, status, note: None }],
            ..Artifact::not_scanned(self.bundle, size, findings, Severity::High)
        }
    }
}

/// Reads a bundle whole.
fn read(path: &Path) -> Result<Vec<u8>, Finding> {
    let options = OpenOptions { max_file_bytes: MOST_BYTES, ..OpenOptions::default() };
    let unreadable = |why: String| Finding::new(&rule::format::UNREADABLE, why);
    let file = FileSource::open(path, &options).map_err(|error| unreadable(error.reason()))?;
    let text = file.copy(0..file.len()).map_err(|error| unreadable(error.to_string()))?.into_owned();
    file.settle().map_err(|error| unreadable(error.to_string()))?;
    Ok(text)
}
