//! What a policy says about one path.

use super::glob::spellings;
use super::{Model, Policy, allows};
use crate::manifest::caches::Caches;
use crate::manifest::hub;
use crate::rule::Severity;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// What holds for one path besides what holds everywhere.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    /// Lowest severity that makes a file bad.
    pub(crate) fail_on: Severity,
    /// Proofs that are required of loadable files.
    pub(crate) require: Vec<&'a str>,
    /// Formats that loadable files may have; each list must allow it.
    pub(crate) formats: Vec<&'a [String]>,
    /// Rules for models.
    pub(crate) models: Vec<&'a Model>,
}

impl Policy {
    /// What holds for a path; `fail_on` is what holds everywhere. Of a link to a file the stricter of both ends.
    pub(crate) fn scope(&self, path: &Path, fail_on: Severity, caches: &Caches) -> Scope<'_> {
        let mut scope = Scope { fail_on, require: Vec::new(), formats: Vec::new(), models: Vec::new() };
        if self.overrides.is_empty() && self.model.is_empty() {
            return scope;
        }
        let places = spellings(path);
        let fails_on = places.iter().map(|place| {
            let mut here = fail_on;
            for over in self.overrides.iter().filter(|over| over.path.covers(place)) {
                here = match over.fail_on {
                    Some(severity) if over.trusted => severity,
                    Some(severity) => severity.min(here),
                    None => here,
                };
                scope.require.extend(over.require.0.iter().map(String::as_str));
                scope.formats.extend(over.formats.as_deref());
            }
            here
        });
        scope.fail_on = fails_on.min().unwrap_or(fail_on);
        scope.models = self.models_of(&places, caches);
        scope.require.extend(scope.models.iter().flat_map(|model| model.require.0.iter().map(String::as_str)));
        scope
    }

    /// The rules for models that count for a file with these [`spellings`]: for each the first one of a trusted policy,
    /// and each of the others. A file that only says by its directories that it is of a repository is held against the
    /// rules of both, those for that repository and those without.
    pub(crate) fn models_of(&self, places: &[PathBuf], caches: &Caches) -> Vec<&Model> {
        let models = || self.model.iter().map(Spanned::get_ref);
        let mut found: Vec<&Model> = Vec::new();
        for place in places {
            let believed = caches.repository(place).map(|(_, repo)| repo);
            let said = hub::repository(place).map(|(_, repo)| repo);
            let matches = |model: &Model, repo: &Option<String>| {
                let by_path = model.path.as_ref().is_none_or(|glob| glob.covers(place));
                let by_repo = |pattern: &String| repo.as_deref().is_some_and(|repo| allows(pattern, repo, None));
                by_path && model.repo.as_ref().is_none_or(by_repo)
            };
            for repo in [&believed, &said] {
                let first = models().find(|model| model.trusted && matches(model, repo));
                let others = models().filter(|model| !model.trusted && matches(model, repo));
                for model in first.into_iter().chain(others) {
                    if !found.iter().any(|before| std::ptr::eq(*before, model)) {
                        found.push(model);
                    }
                }
            }
        }
        found
    }

    /// What counts for a path, each with the reason, in words for people.
    pub fn explain(&self, path: &Path) -> Vec<String> {
        let (places, caches) = (spellings(path), Caches::named(&[path.to_owned()]));
        let covers = |glob: &super::glob::Glob| places.iter().any(|place| glob.covers(place));
        let own = |trusted: bool| if trusted { "" } else { ", of a policy that can only tighten" };
        let mut lines = Vec::new();
        for model in self.models_of(&places, &caches) {
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
        if lines.is_empty() && !self.model.is_empty() {
            lines.push("no [[model]] covers it: no signature is asked for".to_owned());
        }
        for over in self.overrides.iter().filter(|over| covers(&over.path)) {
            lines.push(format!("[[override]] path = \"{}\"{}", over.path.text(), own(over.trusted)));
            lines.extend(over.fail_on.map(|severity| format!("  fail-on: {severity}")));
            if !over.require.0.is_empty() {
                lines.push(format!("  require: {}", over.require.0.join(", ")));
            }
            lines.extend(over.formats.as_ref().map(|formats| format!("  formats: {}", formats.join(", "))));
        }
        for waiver in self.waivers.iter().filter(|waiver| covers(&waiver.path)) {
            let (rule, digest) = (&waiver.rule, waiver.sha256.0);
            lines.push(format!("[[waiver]] {rule} until {} for sha256 {digest}: {}", waiver.until, waiver.reason));
        }
        lines
    }
}
