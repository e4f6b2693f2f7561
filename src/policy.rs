//! `mverify.toml`: what the user demands and allows.
//!
//! Threat: whoever ships an artifact may ship a policy too, and may leave one in the folder that mverify is started in.
//! Such a policy is only ever given to [`Policy::tighten`], by which nothing is allowed that was not allowed before.
//! Unknown keys are errors: a misspelt demand must not become none.

use crate::budget::{Limits, size};
use crate::profile::Profile;
use crate::rule::Severity;
use serde::{Deserialize, Deserializer, de};
use std::fmt;

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
    #[serde(deserialize_with = "proofs")]
    pub require: Vec<String>,
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
    /// Limits, with the names of [`Limits`].
    pub limits: LimitKeys,
}

/// `[limits]`: numbers, or texts with K, M, G, T.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the names and meanings of `Limits`")]
pub struct LimitKeys {
    pub max_file_bytes: Option<Size>,
    pub max_entries: Option<Size>,
    pub max_depth: Option<u32>,
    pub max_header_bytes: Option<Size>,
    pub max_decompressed_bytes: Option<Size>,
    pub max_ratio: Option<Size>,
    pub max_ops: Option<Size>,
    /// Seconds; only the command line has a clock.
    pub timeout: Option<u64>,
}

/// A number that may be written with a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

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
    /// Reads a policy.
    ///
    /// # Errors
    /// The first defect: no TOML, an unknown key, or a value that means nothing.
    pub fn parse(text: &str) -> Result<Policy, Defect> {
        toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start).min(text.len());
            let before = text.get(..at).unwrap_or_default();
            let start = before.rfind('\n').map_or(0, |newline| newline + 1);
            Defect {
                line: before.matches('\n').count() + 1,
                column: before.get(start..).unwrap_or_default().chars().count() + 1,
                why: crate::finding::shown(error.message()),
            }
        })
    }

    /// Adds what another policy demands on top; whatever it would allow is passed over, and named in the result.
    pub fn tighten(&mut self, other: &Policy) -> Vec<&'static str> {
        self.fail_on = match (self.fail_on.unwrap_or(Severity::High), other.fail_on) {
            (now, Some(stricter)) if stricter < now => Some(stricter),
            _ => self.fail_on,
        };
        for (mine, theirs) in [(&mut self.require, &other.require), (&mut self.torch, &other.torch)] {
            mine.extend(theirs.iter().filter(|value| !mine.contains(value)).cloned().collect::<Vec<_>>());
        }
        self.formats.extend(other.formats.iter().cloned());
        self.sources.extend(other.sources.iter().cloned());
        let d = Limits::default();
        let (mine, theirs) = (&mut self.limits, &other.limits);
        let mut ignored = Vec::new();
        for (name, mine, theirs, default) in [
            ("max_file_bytes", &mut mine.max_file_bytes, theirs.max_file_bytes, d.max_file_bytes),
            ("max_entries", &mut mine.max_entries, theirs.max_entries, d.max_entries),
            ("max_header_bytes", &mut mine.max_header_bytes, theirs.max_header_bytes, d.max_header_bytes),
            (
                "max_decompressed_bytes",
                &mut mine.max_decompressed_bytes,
                theirs.max_decompressed_bytes,
                d.max_decompressed_bytes,
            ),
            ("max_ratio", &mut mine.max_ratio, theirs.max_ratio, d.max_ratio),
            ("max_ops", &mut mine.max_ops, theirs.max_ops, d.max_ops),
        ] {
            match theirs {
                Some(theirs) if theirs < mine.unwrap_or(Size(default)) => *mine = Some(theirs),
                Some(_) => ignored.push(name),
                None => {}
            }
        }
        match theirs.max_depth {
            Some(theirs) if theirs < mine.max_depth.unwrap_or(d.max_depth) => mine.max_depth = Some(theirs),
            Some(_) => ignored.push("max_depth"),
            None => {}
        }
        match (mine.timeout, theirs.timeout) {
            (None, Some(theirs)) => mine.timeout = Some(theirs),
            (Some(now), Some(theirs)) => mine.timeout = Some(now.min(theirs)),
            _ => {}
        }
        if !other.trusted_globals.is_empty() {
            ignored.push("trusted-globals");
        }
        if !other.profile.is_empty() {
            ignored.push("profile");
        }
        if other.fail_on.is_some() && other.fail_on > self.fail_on {
            ignored.push("fail-on");
        }
        ignored
    }
}

impl LimitKeys {
    /// The limits with the ones given here put in.
    pub fn over(&self, limits: &Limits) -> Limits {
        let size = |given: Option<Size>, before: u64| given.map_or(before, |size| size.0);
        Limits {
            max_file_bytes: size(self.max_file_bytes, limits.max_file_bytes),
            max_entries: size(self.max_entries, limits.max_entries),
            max_depth: self.max_depth.unwrap_or(limits.max_depth),
            max_header_bytes: size(self.max_header_bytes, limits.max_header_bytes),
            max_decompressed_bytes: size(self.max_decompressed_bytes, limits.max_decompressed_bytes),
            max_ratio: size(self.max_ratio, limits.max_ratio),
            max_ops: size(self.max_ops, limits.max_ops),
        }
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Size;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or a text like \"16G\"")
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Size, E> {
                u64::try_from(value).map(Size).map_err(|_| E::custom("expected a number that is not negative"))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Size, E> {
                Ok(Size(value))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Size, E> {
                size(value).map(Size).ok_or_else(|| E::custom("expected a number, with K, M, G or T"))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

fn severity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Severity>, D::Error> {
    let name = String::deserialize(deserializer)?;
    let found = Severity::ALL.into_iter().find(|severity| severity.name() == name);
    let names = Severity::ALL.map(Severity::name).join(", ");
    found.map(Some).ok_or_else(|| de::Error::custom(format!("expected one of {names}")))
}

fn proofs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let proofs = Vec::<String>::deserialize(deserializer)?;
    let known = |proof: &str| match proof.split_once(">=") {
        None => PROOFS.contains(&proof),
        Some((proof, version)) => proof == "weights-only" && crate::torch::versions_from(version).is_some(),
    };
    match proofs.iter().find(|proof| !known(proof)) {
        None => Ok(proofs),
        Some(_) => Err(de::Error::custom(format!("expected some of {}, weights-only>=VERSION", PROOFS.join(", ")))),
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

/// True if a pattern of `sources` allows a revision: `*` stands for any characters but `/`, and `@COMMIT` pins one.
pub fn allows(pattern: &str, repo: &str, commit: Option<&str>) -> bool {
    let pattern = pattern.strip_prefix("hf:").or(pattern.strip_prefix("https://huggingface.co/")).unwrap_or(pattern);
    let (name, pinned) = match pattern.split_once('@') {
        Some((name, pinned)) => (name, Some(pinned)),
        None => (pattern, None),
    };
    pinned.is_none_or(|pinned| commit == Some(pinned))
        && name.split('/').count() == repo.split('/').count()
        && name.split('/').zip(repo.split('/')).all(|(pattern, part)| matches(pattern, part))
}

/// Matches a name without `/`, in time linear in both for each star.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|start| text.strip_prefix(start)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((end, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part).and_then(|at| rest.get(at + part.len()..)) {
            Some(behind) => rest = behind,
            None => return false,
        }
    }
    rest.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!((policy.fail_on, policy.require.len()), (Some(Severity::Medium), 2));
        assert_eq!(policy.limits.max_ops, Some(Size(1000)));
    }

    #[test]
    fn sources_by_pattern() {
        let commit = "0123456789012345678901234567890123456789";
        assert!(allows("facebook/*", "facebook/VGGT-1B", None));
        assert!(allows("hf:facebook/VGGT-1B", "facebook/VGGT-1B", Some(commit)));
        assert!(allows(&format!("a/b@{commit}"), "a/b", Some(commit)));
        assert!(!allows(&format!("a/b@{commit}"), "a/b", None));
        assert!(allows("a/x*y*z", "a/x-y-y-z", None));
        for pattern in ["facebook", "facebook/", "*", "face/*", "facebook/V", "facebook/*/*", "*/x*"] {
            assert!(!allows(pattern, "facebook/VGGT-1B", None), "{pattern}");
        }
        assert!(!allows("a/ab*ba", "a/aba", None));
    }
}
