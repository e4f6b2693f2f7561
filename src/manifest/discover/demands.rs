//! Whose signatures a policy asks for, held against those that were found.
//!
//! Bound: one look at the rules for each file, and at the signatures that cover it. Threat: a signature counts for the
//! files that its bundle lists and its rule covers, so nobody vouches for what the policy gave to somebody else.

use super::{Gathering, Signers, Wanted};
use crate::finding::{Finding, shown};
use crate::manifest::oms::{Refusal, name};
use crate::policy::glob::{resolved, spellings, target};
use crate::policy::{Model, Policy};
use crate::rule::policy as rules;
use crate::trust::signers::{self, Signature};
use crate::trust::{How, Verified, verify};
use crate::walk::{Item, or_here};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a policy demands, and what was found so far that meets it.
#[derive(Default)]
pub(super) struct Demands {
    policy: Arc<Policy>,
    now: i64,
    /// What the bundle under way was named for.
    pub(super) speaks_about: Vec<PathBuf>,
    /// Signed manifests that were read.
    pub(super) bundles: HashSet<PathBuf>,
    /// Signatures by signers of the policy, by the number of their source.
    pub(super) signatures: HashMap<usize, Signature>,
}

impl Demands {
    pub(super) fn new(wanted: &Wanted) -> Demands {
        Demands { policy: Arc::clone(&wanted.policy), now: wanted.now, ..Demands::default() }
    }
}

impl Gathering {
    /// Whether the policy knows the signer of a bundle, by the rules for what it may speak about.
    pub(super) fn by_policy(&self, bundle: &Path, text: &[u8]) -> Option<Result<(Verified, Signature), Refusal>> {
        let policy = &self.demands.policy;
        if let Some(refusal) = signers::denied(&policy.deny, &signers::claimed(text)) {
            return Some(Err(refusal));
        }
        if !policy.deny.sha256.is_empty()
            && let Ok(said) = verify(text, None, How { allow_legacy: true, now: self.demands.now })
            && said.manifest.root.is_some_and(|root| policy.deny.sha256.iter().any(|denied| denied.0 == root))
        {
            return Some(Err(Refusal::new(&rules::DENIED, "the policy denies the content that it is about")));
        }
        // what lies beside it under its name without the ending, or all of its directory
        let directory = bundle.parent().unwrap_or(Path::new(""));
        let beside = bundle.file_stem().map(|stem| directory.join(stem));
        let paths = std::iter::once(or_here(directory).to_owned()).chain(beside);
        let mut models: Vec<&Model> = Vec::new();
        for path in paths.chain(self.demands.speaks_about.iter().cloned()) {
            for model in policy.models_of(&[whole(&path)], self.expected.caches()) {
                if model.trusted && !models.contains(&model) {
                    models.push(model);
                }
            }
        }
        signers::signed(policy, &models, text, bundle, self.demands.now)
    }

    /// The refusal where the policy denies the key that was seen to sign, whatever the bundle calls it.
    pub(super) fn denied<M>(&self, verified: &Verified<M>, signers: Option<&Signers>, text: &[u8]) -> Option<Refusal> {
        let deny = &self.demands.policy.deny;
        let anchor = signers.and_then(|signers| signers.anchor.as_ref().ok()?.as_ref());
        let key = anchor.and_then(|anchor| signers::key_of(anchor, text));
        let names: Vec<String> = key.into_iter().chain(verified.signer.clone()).collect();
        signers::denied(deny, &names)
    }

    /// Notes every file that is signed by fewer than its rule asks for.
    pub(super) fn demands(&mut self, items: &[Item]) {
        let policy = Arc::clone(&self.demands.policy);
        if !asks(&policy) {
            return;
        }
        let mut directories: HashMap<PathBuf, PathBuf> = HashMap::new();
        for path in items.iter().map(Item::path).filter(|path| !self.demands.bundles.contains(*path)) {
            let place = match (path.parent(), path.file_name()) {
                (Some(parent), Some(name)) if path.as_os_str() != "-" => {
                    directories.entry(parent.to_owned()).or_insert_with(|| whole(parent)).join(name)
                }
                _ => resolved(path),
            };
            let places: Vec<PathBuf> = std::iter::once(place).chain(target(path)).collect();
            let models = policy.models_of(&places, self.expected.caches());
            for model in models.into_iter().filter(|model| !model.signers.is_empty()) {
                if let Some(finding) = self.unmet(path, model) {
                    self.expected.note_unless_inert(path, finding);
                }
            }
        }
    }

    fn unmet(&self, path: &Path, model: &Model) -> Option<Finding> {
        let covering = self.expected.covering(path).filter_map(|number| self.demands.signatures.get(&number));
        let (mut counted, mut weak) = (Vec::new(), None);
        for signature in covering.filter(|signature| model.names(&signature.signer)) {
            match model.minimum_hash {
                Some(least) if signature.hash.size() < least.size() => weak = Some((signature.hash, least)),
                _ => counted.push(signature),
            }
        }
        let signed = signers::most(&counted);
        if signed.len() >= model.needed() {
            return None;
        }
        if let Some((hash, least)) = weak {
            let message = format!("it is signed with {hash}, and the policy asks for at least {least}");
            return Some(Finding::new(&rules::HASH_TOO_WEAK, message));
        }
        let list = |names: Vec<&str>| if names.is_empty() { "nobody".to_owned() } else { shown(&names.join(", ")) };
        let asked = list(model.signers.iter().map(|name| name.get_ref().as_str()).collect());
        let message = match model.needed() {
            1 => format!("the policy asks for a signature by {asked}; none covers it"),
            n => format!("the policy asks for {n} signatures of {asked} over one content; signed by {}", list(signed)),
        };
        Some(Finding::new(&rules::SIGNERS_MISSING, message))
    }

    /// True if a rule of the policy lets a file go unlisted. `ignored` is what the signer says to have left out.
    pub(super) fn may_be_unlisted(&self, path: &Path, below: &str, ignored: &[String]) -> bool {
        if !asks(&self.demands.policy) {
            return false;
        }
        let left_out = ignored.iter().any(|ignored| name::covers(ignored, below));
        let allowed = |model: &&Model| {
            let extra = model.allow_extras.iter().any(|glob| glob.covers_name(Path::new(below)));
            extra || (left_out && model.allow_ignores.iter().any(|glob| glob.covers_name(Path::new(below))))
        };
        let models = self.demands.policy.models_of(&spellings(path), self.expected.caches());
        let mut trusted = models.iter().filter(|model| model.trusted).peekable();
        trusted.peek().is_some() && trusted.all(allowed)
    }
}

/// True if the policy has rules for models at all.
pub(super) fn asks(policy: &Policy) -> bool {
    policy.model.iter().any(|model| model.get_ref().trusted)
}

/// A directory with all links resolved.
fn whole(path: &Path) -> PathBuf {
    std::fs::canonicalize(or_here(path)).unwrap_or_else(|_| resolved(path))
}
