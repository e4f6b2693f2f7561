//! What a policy says about one path.

use super::glob::resolved;
use super::{Model, Policy, allows};
use crate::manifest::hub;
use crate::rule::Severity;
use std::path::Path;
use toml::Spanned;

/// What holds for one path besides what holds everywhere.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    /// Lowest severity that makes a file bad.
    pub(crate) fail_on: Option<Severity>,
    /// Proofs that are required of loadable files.
    pub(crate) require: Vec<&'a str>,
    /// Formats that loadable files may have; each list must allow it.
    pub(crate) formats: Vec<&'a [String]>,
    /// Rules for models.
    pub(crate) models: Vec<&'a Model>,
}

impl Policy {
    /// What holds for a path; `fail_on` is what holds everywhere.
    pub(crate) fn scope(&self, path: &Path, fail_on: Severity) -> Scope<'_> {
        let mut scope = Scope { fail_on: None, require: Vec::new(), formats: Vec::new(), models: Vec::new() };
        if self.overrides.is_empty() && self.model.is_empty() {
            return scope;
        }
        let path = resolved(path);
        for over in self.overrides.iter().filter(|over| over.path.covers(&path)) {
            scope.fail_on = match over.fail_on {
                Some(severity) if over.trusted => Some(severity),
                Some(severity) => Some(severity.min(scope.fail_on.unwrap_or(fail_on))),
                None => scope.fail_on,
            };
            scope.require.extend(over.require.0.iter().map(String::as_str));
            scope.formats.extend(over.formats.as_deref());
        }
        scope.models = self.models_of(&path);
        scope.require.extend(scope.models.iter().flat_map(|model| model.require.0.iter().map(String::as_str)));
        scope
    }

    /// The rules for models that count for a [`resolved`] path: the first one of a trusted policy, and each of the others.
    pub(crate) fn models_of(&self, path: &Path) -> Vec<&Model> {
        let repo = hub::repository(path).map(|(_, repo)| repo);
        let matches = |model: &&Model| {
            let by_path = model.path.as_ref().is_none_or(|glob| glob.covers(path));
            let by_repo = |pattern: &String| repo.as_deref().is_some_and(|repo| allows(pattern, repo, None));
            by_path && model.repo.as_ref().is_none_or(by_repo)
        };
        let models = || self.model.iter().map(Spanned::get_ref);
        let first = models().filter(|model| model.trusted).find(matches);
        first.into_iter().chain(models().filter(|model| !model.trusted).filter(matches)).collect()
    }

    /// What counts for a path, each with the reason, in words for people.
    pub fn explain(&self, path: &Path) -> Vec<String> {
        let path = resolved(path);
        let own = |trusted: bool| if trusted { "" } else { ", of a policy that can only tighten" };
        let mut lines = Vec::new();
        for model in self.models_of(&path) {
            lines.push(format!("{}{}", model.words(), own(model.trusted)));
            let names: Vec<&str> = model.signers.iter().map(|name| name.get_ref().as_str()).collect();
            if !names.is_empty() {
                lines.push(format!("  signed by {} of: {}", model.needed(), names.join(", ")));
            }
            if !model.require.0.is_empty() {
                lines.push(format!("  require: {}", model.require.0.join(", ")));
            }
            if let Some(hash) = model.minimum_hash {
                lines.push(format!("  minimum-hash: {hash}"));
            }
            for (what, globs) in [("allow-extras", &model.allow_extras), ("allow-ignores", &model.allow_ignores)] {
                if !globs.is_empty() {
                    let globs: Vec<&str> = globs.iter().map(super::glob::Glob::text).collect();
                    lines.push(format!("  {what}: {}", globs.join(", ")));
                }
            }
            for (what, moment) in [("not-before", &model.not_before), ("not-after", &model.not_after)] {
                lines.extend(moment.as_ref().map(|moment| format!("  {what}: {moment}")));
            }
        }
        for over in self.overrides.iter().filter(|over| over.path.covers(&path)) {
            lines.push(format!("[[override]] path = \"{}\"{}", over.path.text(), own(over.trusted)));
            lines.extend(over.fail_on.map(|severity| format!("  fail-on: {severity}")));
            if !over.require.0.is_empty() {
                lines.push(format!("  require: {}", over.require.0.join(", ")));
            }
            lines.extend(over.formats.as_ref().map(|formats| format!("  formats: {}", formats.join(", "))));
        }
        for waiver in self.waivers.iter().filter(|waiver| waiver.path.covers(&path)) {
            let (rule, digest) = (&waiver.rule, waiver.sha256.0);
            lines.push(format!("[[waiver]] {rule} until {} for sha256 {digest}: {}", waiver.until, waiver.reason));
        }
        lines
    }
}
