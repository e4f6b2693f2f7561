//! `mverify.toml`: what the user demands and allows.
//!
//! Threat: whoever ships an artifact may ship a policy too, and may leave one in the folder that mverify is started in.
//! Such a policy is only ever given to [`Policy::tighten`], by which nothing is allowed that was not allowed before.
//! Unknown keys are errors: a misspelt demand must not become none.

pub mod baseline;
pub mod glob;
mod limits;
mod model;
mod moment;
mod scope;
mod sources;
mod waiver;

use crate::profile::Profile;
use crate::rule::Severity;
use crate::walk::or_here;
use serde::{Deserialize, Deserializer, de};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;

pub use limits::{LimitKeys, Size};
pub use model::{Deny, Model, Sha256, Signer, Threshold};
pub use moment::Moment;
pub use sources::allows;
pub(crate) use waiver::waive;
pub use waiver::{Override, Waiver};

/// Its usual name.
pub const NAME: &str = "mverify.toml";

/// Proofs that may be required, as on the command line; `weights-only` takes `>=VERSION`.
const PROOFS: [&str; 3] = ["weights-only", "signature", "manifest"];

/// What a policy file says. What it does not say stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Policy {
    /// Lowest severity that makes a file bad.
    #[serde(deserialize_with = "severity")]
    pub fail_on: Option<Severity>,
    /// Proofs that are required of loadable files.
    pub require: Proofs,
    /// torch versions that the weights_only question is asked for.
    pub torch: Vec<String>,
    /// Formats that loadable files may have, `*` for any characters; all where it is absent. Each list must allow it: a
    /// second one comes from tightening.
    #[serde(deserialize_with = "list")]
    pub formats: Vec<Vec<String>>,
    /// Where files may come from, as in `facebook/*` or `acme/bert@COMMIT`; anywhere where it is absent. Each list must
    /// allow it.
    #[serde(deserialize_with = "list")]
    pub sources: Vec<Vec<String>>,
    /// Globals that are vouched for, as `module.qualname`.
    pub trusted_globals: Vec<String>,
    /// Frameworks whose loaders are asked about; what they trust is vouched for.
    #[serde(deserialize_with = "profiles")]
    pub profile: Vec<Profile>,
    /// Limits, with the names of [`Limits`](crate::Limits).
    pub limits: LimitKeys,
    /// Those who may sign, by name.
    pub signer: BTreeMap<String, Signer>,
    /// What holds for which models, in the order of the file.
    pub model: Vec<Spanned<Model>>,
    /// What is never accepted.
    pub deny: Deny,
    /// What holds for some paths instead.
    #[serde(rename = "override")]
    pub overrides: Vec<Override>,
    /// Findings that do not count.
    #[serde(rename = "waiver")]
    pub waivers: Vec<Waiver>,
}

/// Proofs that are required, each one of those that `--require` takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proofs(pub Vec<String>);

/// A place in the text of a policy, in bytes.
type Span = Range<usize>;

/// Why a policy cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {why}")]
pub struct Defect {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Why, in plain words.
    pub why: String,
}

impl Policy {
    /// Reads a policy whose paths are relative to the working directory. Files that it names are not read, so its signers
    /// vouch for nothing; [`Policy::read`] is for those that are trusted.
    ///
    /// # Errors
    /// The first defect: no TOML, an unknown key, or a value that means nothing.
    pub fn parse(text: &str) -> Result<Policy, Defect> {
        Policy::beside(text, Path::new("."))
    }

    /// Reads a trusted policy that lies in `directory`, with the keys and certificates that it names.
    ///
    /// # Errors
    /// The first defect, a file that cannot be read among them.
    pub fn read(text: &str, directory: &Path) -> Result<Policy, Defect> {
        let mut policy = Policy::beside(text, directory)?;
        for signer in policy.signer.values_mut() {
            signer.read(directory).map_err(|(span, why)| Defect::at(text, span.start, &why))?;
        }
        Ok(policy)
    }

    /// Reads a policy that lies in `directory` and is not trusted: no file is read that it names.
    ///
    /// # Errors
    /// As [`Policy::parse`].
    pub fn beside(text: &str, directory: &Path) -> Result<Policy, Defect> {
        let mut policy: Policy = toml::from_str(text)
            .map_err(|error| Defect::at(text, error.span().map_or(0, |span| span.start), error.message()))?;
        policy.refer().map_err(|(span, why)| Defect::at(text, span.start, &why))?;
        for model in &mut policy.model {
            let line = Defect::at(text, model.span().start, "").line;
            let model = model.get_mut();
            (model.trusted, model.line) = (true, line);
        }
        policy.overrides.iter_mut().for_each(|over| over.trusted = true);
        if let Ok(base) = std::fs::canonicalize(or_here(directory)) {
            let models = policy.model.iter_mut().filter_map(|model| model.get_mut().path.as_mut());
            let overrides = policy.overrides.iter_mut().map(|over| &mut over.path);
            let waivers = policy.waivers.iter_mut().map(|waiver| &mut waiver.path);
            models.chain(overrides).chain(waivers).for_each(|glob| glob.relative_to(&base));
        }
        Ok(policy)
    }

    /// Checks what refers to something else in the file.
    fn refer(&self) -> Result<(), (Span, String)> {
        self.signer.values().try_for_each(Signer::check)?;
        for model in &self.model {
            let rule = model.get_ref();
            if rule.path.is_none() && rule.repo.is_none() {
                return Err((model.span(), "a model needs a path or a repo".to_owned()));
            }
            rule.check().map_err(|why| (model.span(), why))?;
            for (index, name) in rule.signers.iter().enumerate() {
                if !self.signer.contains_key(name.get_ref()) {
                    return Err((name.span(), format!("there is no [signer.{}]", name.get_ref())));
                }
                if rule.signers.iter().take(index).any(|before| before.get_ref() == name.get_ref()) {
                    return Err((name.span(), "this signer is named twice".to_owned()));
                }
            }
            if let Some(threshold) = &rule.threshold
                && let Threshold::Count(count) = threshold.get_ref()
                && *count > rule.signers.len()
            {
                return Err((threshold.span(), format!("only {} signers are named", rule.signers.len())));
            }
        }
        Ok(())
    }

    /// Adds what another policy demands on top; whatever it would allow is passed over, and named in the result.
    pub fn tighten(&mut self, other: &Policy) -> Vec<&'static str> {
        self.fail_on = match (self.fail_on.unwrap_or(Severity::High), other.fail_on) {
            (now, Some(stricter)) if stricter < now => Some(stricter),
            _ => self.fail_on,
        };
        for (mine, theirs) in [(&mut self.require.0, &other.require.0), (&mut self.torch, &other.torch)] {
            mine.extend(theirs.iter().filter(|value| !mine.contains(value)).cloned().collect::<Vec<_>>());
        }
        self.formats.extend(other.formats.iter().cloned());
        self.sources.extend(other.sources.iter().cloned());
        let mut ignored = self.limits.tighten(&other.limits);
        if !other.trusted_globals.is_empty() {
            ignored.push("trusted-globals");
        }
        if !other.profile.is_empty() {
            ignored.push("profile");
        }
        if other.fail_on.is_some() && other.fail_on > self.fail_on {
            ignored.push("fail-on");
        }
        if !other.waivers.is_empty() {
            ignored.push("waiver");
        }
        if !other.signer.is_empty() {
            ignored.push("signer");
        }
        for model in &other.model {
            let (mut model, allows) = model.get_ref().clone().only_tightening();
            model.trusted = false;
            ignored.extend(allows.filter(|_| !ignored.contains(&"allow-*")));
            self.model.push(Spanned::new(0..0, model));
        }
        self.overrides.extend(other.overrides.iter().map(|over| Override { trusted: false, ..over.clone() }));
        self.deny.sha256.extend(&other.deny.sha256);
        self.deny.signers.extend(other.deny.signers.iter().cloned());
        ignored
    }

    /// True if it says whose signatures count, or which never do.
    pub fn names_models(&self) -> bool {
        !(self.model.is_empty() && self.deny.sha256.is_empty() && self.deny.signers.is_empty())
    }

    /// True if it says something about digests, so that a run must compute them.
    pub fn needs_digests(&self) -> bool {
        self.names_models() || !self.waivers.is_empty()
    }
}

impl Defect {
    fn at(text: &str, at: usize, why: &str) -> Defect {
        let before = text.get(..at.min(text.len())).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Defect {
            line: before.matches('\n').count() + 1,
            column: before.get(start..).unwrap_or_default().chars().count() + 1,
            why: crate::report::plain::plain(why),
        }
    }
}

fn severity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Severity>, D::Error> {
    let name = String::deserialize(deserializer)?;
    let found = Severity::ALL.into_iter().find(|severity| severity.name() == name);
    let names = Severity::ALL.map(Severity::name).join(", ");
    found.map(Some).ok_or_else(|| de::Error::custom(format!("expected one of {names}")))
}

impl<'de> Deserialize<'de> for Proofs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let proofs = Vec::<String>::deserialize(deserializer)?;
        let known = |proof: &str| match proof.split_once(">=") {
            None => PROOFS.contains(&proof),
            Some((proof, version)) => proof == "weights-only" && crate::torch::versions_from(version).is_some(),
        };
        match proofs.iter().find(|proof| !known(proof)) {
            None => Ok(Proofs(proofs)),
            Some(_) => Err(de::Error::custom(format!("expected some of {}, weights-only>=VERSION", PROOFS.join(", ")))),
        }
    }
}

fn profiles<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Profile>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    let profiles: Option<Vec<Profile>> = names.iter().map(|name| Profile::named(name)).collect();
    let known = Profile::ALL.map(Profile::name).join(", ");
    profiles.ok_or_else(|| de::Error::custom(format!("expected some of {known}")))
}

fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<String>>, D::Error> {
    Vec::<String>::deserialize(deserializer).map(|list| vec![list])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Limits;

    const ALL: &str = r#"
fail-on = "medium"
require = ["weights-only>=2.6", "manifest"]
torch = ["2.4"]
formats = ["safetensors", "gguf"]
sources = ["facebook/*", "acme/bert@0123456789012345678901234567890123456789"]
trusted-globals = ["my.module.Config"]
profile = ["accelerate", "timm"]

[limits]
max_file_bytes = "16G"
max_ops = 1000
max_depth = 2
"#;

    #[test]
    fn every_key_is_read() {
        let policy = Policy::parse(ALL).unwrap();
        assert_eq!(policy.fail_on, Some(Severity::Medium));
        assert_eq!(policy.sources[0].len(), 2);
        assert_eq!(policy.profile, [Profile::Accelerate, Profile::Timm]);
        let limits = policy.limits.over(&Limits::default());
        assert_eq!((limits.max_file_bytes, limits.max_ops, limits.max_depth), (16 << 30, 1000, 2));
        assert_eq!(limits.max_ratio, Limits::default().max_ratio);
        assert_eq!(Policy::parse("").unwrap(), Policy::default());
    }

    #[test]
    fn defects_have_a_place() {
        for (text, line, column) in [
            ("fail-on = \"high\"\nfail-of = \"low\"\n", 2, 1),
            ("[limits]\nmax_op = 3\n", 2, 1),
            ("\n\nfail-on = \"severe\"\n", 3, 11),
            ("require = [\"luck\"]\n", 1, 11),
            ("profile = [\"luck\"]\n", 1, 11),
            ("[limits]\nmax_ops = -1\n", 2, 11),
            ("[limits]\nmax_ops = \"3X\"\n", 2, 11),
            ("fail-on = \n", 1, 11),
            ("torch = \"2.6\"\n", 1, 9),
            ("fail-on = \"low\"\nfail-on = \"high\"\n", 2, 1),
        ] {
            let defect = Policy::parse(text).unwrap_err();
            assert_eq!((defect.line, defect.column), (line, column), "{text}: {defect}");
        }
    }

    #[test]
    fn tightening_allows_nothing() {
        let strict = Policy::parse(ALL).unwrap();
        let lax = "fail-on = \"critical\"\nformats = [\"safetensors\", \"pickle\"]\nsources = [\"*/*\"]\n\
                   trusted-globals = [\"os.system\"]\nprofile = [\"deepspeed\"]\n[limits]\nmax_ops = 99999999999\nmax_depth = 9\n";
        let mut policy = strict.clone();
        let ignored = policy.tighten(&Policy::parse(lax).unwrap());
        assert_eq!(ignored, ["max_ops", "max_depth", "trusted-globals", "profile", "fail-on"]);
        assert_eq!(policy.fail_on, strict.fail_on);
        assert_eq!(policy.limits, strict.limits);
        assert_eq!((&policy.trusted_globals, &policy.profile), (&strict.trusted_globals, &strict.profile));
        assert_eq!((policy.formats.len(), policy.sources.len()), (2, 2), "both lists must allow it");
        let mut policy = Policy::default();
        assert!(policy.tighten(&Policy::parse(lax).unwrap()).contains(&"fail-on"), "the default is high");
        assert_eq!(policy.fail_on, None);
        policy.tighten(&strict);
        assert_eq!((policy.fail_on, policy.require.0.len()), (Some(Severity::Medium), 2));
        assert_eq!(policy.limits.max_ops, Some(Size(1000)));
    }
}
