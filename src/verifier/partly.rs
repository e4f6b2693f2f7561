//! Files that are verified as far as they are read, by signed shards or a signed BLAKE3 digest with an outboard: what is
//! parsed is proven first. Demands that only all of a file can answer are not met here.

use super::demand::Judged;
use super::{Parsed, Verifier};
use crate::digest::Digests;
use crate::finding::Finding;
use crate::manifest::expected::{Claimed, Expectations, Found, Source};
use crate::manifest::range::{RangeError, VerifiedRange};
use crate::report::{Artifact, Integrity, Status};
use crate::rule::trust as rules;
use crate::source::ReadAt;
use std::path::Path;

impl Verifier {
    /// What proves parts of a file, and all who say so; `None` where something is demanded that only all of it can prove.
    pub(crate) fn provable<'e>(
        &self,
        path: &Path,
        expected: &'e Expectations,
    ) -> Option<(&'e Claimed, Vec<&'e Source>)> {
        if !self.how.policy.deny.sha256.is_empty() || self.how.baseline.is_some() || !self.how.policy.waivers.is_empty()
        {
            return None;
        }
        expected.provable(path)
    }

    /// Verifies a file that proves what is read of it, which is what its parsers look at. `by` are those who signed it.
    pub(crate) fn verify_partly(
        &self,
        path: &Path,
        file: &VerifiedRange<Box<dyn ReadAt>>,
        by: &[&Source],
        expected: &Expectations,
    ) -> Artifact {
        let (parsed, _) = match self.examine(path, file, expected) {
            Err(artifact) => return *artifact,
            Ok(parsed) => parsed,
        };
        let Parsed { identity, weights_only, loading, mut findings, .. } = parsed;
        let digests = Digests::default();
        let (mut integrity, compared) = expected.compare(&Found {
            path,
            role: Some(identity.role),
            format: identity.format,
            size: file.len(),
            tensors: None,
            digests: &digests,
            shards: &[],
        });
        findings.extend(compared);
        // a read that failed stays a failure, whatever a parser made of it
        let failure = file.failure().or_else(|| file.settle().err().map(|error| RangeError::of(&error)));
        let finding = failure.map(|error| error.finding());
        let status = match &finding {
            None => Status::Match,
            Some(finding) if finding.rule == &rules::CHANGED => Status::Mismatch,
            Some(_) => Status::NotCovered,
        };
        findings.extend(finding);
        let covered: u64 = file.proven().iter().map(|range| range.end - range.start).sum();
        let note = format!("{covered} of {} bytes proven so far, the rest when it is read", file.len());
        findings.push(Finding::new(&rules::PARTLY_PROVEN, note.clone()));
        integrity.extend(by.iter().map(|source| Integrity {
            source: source.name.clone(),
            trust: source.trust,
            signer: source.signer.clone(),
            logged: source.logged,
            status,
            note: Some(note.clone()),
        }));
        let judged = Judged {
            path,
            role: Some(identity.role),
            format: identity.format,
            answers: &weights_only,
            integrity: &integrity,
            digests: &digests,
            caches: expected.caches(),
            tolerated: expected.tolerates(path),
            spared: expected.spares(path, Some(identity.role)),
        };
        let fail_on = self.demand(&judged, &mut findings);
        Artifact {
            format: identity.format,
            role: identity.role,
            weights_only,
            loading,
            integrity,
            ..Artifact::not_scanned(path, file.len(), findings, fail_on)
        }
    }
}
