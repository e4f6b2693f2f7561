//! What the user demands of a file that was looked at: proofs, and what the policy says about its path.

use super::{Builder, Proof, Verifier};
use crate::digest::{Algorithm, Digests};
use crate::error::Error;
use crate::finding::Finding;
use crate::format::Role;
use crate::manifest::caches::Caches;
use crate::policy::{self, Policy, glob::resolved};
use crate::report::{Integrity, Status, Trust};
use crate::rule::{self, Severity};
use crate::torch::{Answer, Loading};
use std::path::Path;

/// A file, as far as demands need to know it.
pub(super) struct Judged<'a> {
    pub(super) path: &'a Path,
    /// `None` if its content was not looked at.
    pub(super) role: Option<Role>,
    pub(super) format: &'static str,
    pub(super) answers: &'a [Answer],
    pub(super) integrity: &'a [Integrity],
    pub(super) digests: &'a Digests,
    pub(super) caches: &'a Caches,
    /// It need not be signed, by the user's policy.
    pub(super) tolerated: bool,
    /// A signed manifest that the user trusts need not list it: a signature, or what git keeps.
    pub(super) spared: bool,
}

impl Judged<'_> {
    /// True for signatures, and for a lock: they speak about others.
    fn speaks(&self) -> bool {
        let lock = self.path.file_name().is_some_and(|name| name == crate::manifest::lock::NAME);
        #[cfg(feature = "trust")]
        let lock = lock || crate::trust::is_bundle_name(self.path);
        lock
    }
}

impl Verifier {
    /// True if the user named somebody to trust.
    fn names_somebody(&self) -> bool {
        #[cfg(feature = "trust")]
        return self.how.wanted.signers.as_ref().is_some_and(|signers| !matches!(signers.anchor, Ok(None)));
        #[cfg(not(feature = "trust"))]
        return false;
    }

    /// Adds what does not meet the demands, excuses what is waived or known, and says from which
    /// severity on they are bad.
    pub(super) fn demand(&self, file: &Judged<'_>, findings: &mut Vec<Finding>) -> Severity {
        let scope = self.how.policy.scope(file.path, self.how.fail_on, file.caches);
        let sha256 = file.digests.get(Algorithm::Sha256);
        if file.role == Some(Role::Loadable) {
            let mut lists = self.how.formats.iter().map(Vec::as_slice).chain(scope.formats);
            if !lists.all(|list| list.iter().any(|pattern| policy::glob::matches(pattern, file.format))) {
                let message = format!("it is {}, which the policy does not allow", file.format);
                findings.push(Finding::new(&rule::integrity::FORMAT_NOT_ALLOWED, message));
            }
            let mut proofs: Vec<Proof> = self.how.required.clone();
            proofs.extend(scope.require.iter().filter_map(|proof| Proof::named(proof)));
            if self.names_somebody() {
                proofs.push(Proof::Signature);
            }
            let mut asked = Vec::new();
            // the lock that is being written is the manifest
            proofs.retain(|proof| *proof != Proof::Manifest || self.how.wanted.rewritten.is_none());
            for proof in proofs {
                if !asked.contains(&proof) {
                    asked.push(proof);
                    findings.extend(missing(proof, file));
                }
            }
        }
        // who was named to trust vouches for each file that a loader may act on, not for some of them
        if self.names_somebody() && !matches!(file.role, Some(Role::Inert | Role::Loadable)) && !file.speaks() {
            findings.extend(missing(Proof::Signature, file));
        }
        if file.role != Some(Role::Inert) {
            findings.extend(scope.models.iter().filter_map(|model| out_of_time(model, self.how.now)));
        }
        if sha256.is_some_and(|sha256| self.how.policy.deny.sha256.iter().any(|denied| denied.0 == sha256)) {
            findings.push(Finding::new(&rule::policy::DENIED, "the policy denies this content"));
        }
        if !self.how.policy.waivers.is_empty() {
            policy::waive(&self.how.policy.waivers, &resolved(file.path), sha256, self.how.now, findings);
        }
        if let Some(baseline) = &self.how.baseline {
            baseline.excuse(file.path, sha256, findings);
        }
        scope.fail_on
    }
}

impl Builder {
    /// Demands a proof by its name on the command line, of every loadable file: `weights-only`, `weights-only>=VERSION`
    /// (which asks for all known torch versions from that one on), `signature` or `manifest`.
    ///
    /// # Errors
    /// [`Error::Usage`] for another name, and for a version whose rules are not known.
    pub fn demand(self, name: &str) -> Result<Builder, Error> {
        let wrong = |why: &str| Err(Error::Usage(format!("the demand {name}: {why}")));
        let Some(proof) = Proof::named(name) else {
            return wrong("expected weights-only, weights-only>=VERSION, signature or manifest");
        };
        match name.split_once(">=") {
            None => Ok(self.require(proof)),
            Some((_, version)) if proof == Proof::WeightsOnly => match crate::torch::versions_from(version) {
                Some(versions) => Ok(versions.into_iter().fold(self.require(proof), Builder::torch)),
                None => wrong("the rules of that torch version are not known"),
            },
            Some(_) => wrong("only weights-only takes a version"),
        }
    }
}

impl Proof {
    /// The proof of this name, as on the command line; a version behind `>=` is passed over.
    pub fn named(name: &str) -> Option<Proof> {
        match name.split_once(">=").map_or(name, |(name, _)| name) {
            "weights-only" => Some(Proof::WeightsOnly),
            "signature" => Some(Proof::Signature),
            "manifest" => Some(Proof::Manifest),
            _ => None,
        }
    }
}

/// The torch versions that demands of a policy are about, besides those it names.
pub(super) fn versions(policy: &Policy) -> Vec<String> {
    let models = policy.model.iter().flat_map(|model| &model.get_ref().require.0);
    let overrides = policy.overrides.iter().flat_map(|over| &over.require.0);
    let named = policy.require.0.iter().chain(models).chain(overrides);
    let versions = named.filter_map(|proof| crate::torch::versions_from(proof.split_once(">=")?.1));
    versions.flatten().map(str::to_owned).collect()
}

fn out_of_time(model: &policy::Model, now: i64) -> Option<Finding> {
    let message = match (&model.not_before, &model.not_after) {
        (Some(moment), _) if moment.is_ahead(now) => format!("the policy accepts it from {moment} on"),
        (_, Some(moment)) if moment.has_passed(now) => format!("the policy accepted it until {moment}"),
        _ => return None,
    };
    Some(Finding::new(&rule::policy::OUT_OF_TIME, message))
}

/// The finding that a demanded proof makes where it is not there.
fn missing(proof: Proof, file: &Judged<'_>) -> Option<Finding> {
    let Judged { answers, integrity, .. } = file;
    let covered = |trust| integrity.iter().any(|i| i.trust >= trust && i.status == Status::Match);
    match proof {
        Proof::WeightsOnly => {
            let worst = answers.iter().find(|a| matches!(a.outcome, Loading::Blocked | Loading::Corrupt));
            if let Some(answer) = worst {
                let message = format!("{} refuses it with weights_only=True: {}", answer.asked(), answer.reason);
                return Some(Finding::new(&rule::proof::REFUSED, message));
            }
            let doubt = answers.iter().find(|a| a.outcome == Loading::Unprovable)?;
            let message =
                format!("whether {} loads it with weights_only=True is not proven: {}", doubt.asked(), doubt.reason);
            Some(Finding::new(&rule::proof::NOT_PROVEN, message))
        }
        Proof::Signature if file.tolerated || file.spared || covered(Trust::Signed) => None,
        Proof::Manifest if covered(Trust::Pinned) => None,
        Proof::Signature => Some(Finding::new(&rule::proof::NOT_PROVEN, "no signature by a trusted signer covers it")),
        Proof::Manifest => Some(Finding::new(&rule::proof::NOT_PROVEN, "no trusted or pinned expectation covers it")),
    }
}
