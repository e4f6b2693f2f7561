//! `[signer.NAME]`, `[[model]]` and `[deny]`: whose signatures count for which models.

use super::glob::Glob;
use super::moment::Moment;
use super::{Proofs, Span};
use crate::digest::{Algorithm, Digest};
use serde::{Deserialize, Deserializer, de};
use std::path::Path;
use toml::Spanned;

/// Largest key, certificate or trusted root that is read, in bytes.
const LARGEST: u64 = 1 << 20;

const NEVER: &str = "not-before is later than not-after: nothing would ever be accepted";

fn never(from: Option<&Moment>, until: Option<&Moment>) -> bool {
    from.zip(until).is_some_and(|(from, until)| from.follows(until))
}

/// Somebody who may sign: a key, whoever an authority certified, or an identity that an issuer vouches for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Signer {
    /// A public key: a PEM file, its path relative to the policy.
    pub key: Option<Spanned<String>>,
    /// A public key by the SHA-256 of its PEM, the hint that bundles carry. The key itself comes from the bundle, or from
    /// a `*.pub` file beside it.
    pub key_sha256: Option<Spanned<String>>,
    /// Authorities: PEM files, their paths relative to the policy.
    pub ca: Vec<Spanned<String>>,
    /// The subject that a certificate of `ca` must have: the common name, or all of it as in `CN=x,O=y`.
    pub subject: Option<String>,
    /// The e-mail address, URI or DNS name that a certificate of `ca` must have.
    pub san: Option<String>,
    /// An identity, vouched for by `issuer`; `*` stands for any characters but `/`.
    pub identity: Option<Spanned<String>>,
    /// Who vouches for `identity`.
    pub issuer: Option<String>,
    /// `trusted_root.json` for `identity`, its path relative to the policy.
    pub trusted_root: Option<Spanned<String>>,
    /// Signatures of before this are not counted: the time in the transparency log, else now.
    pub not_before: Option<Moment>,
    /// Signatures of after this are not counted.
    pub not_after: Option<Moment>,
    /// Contents of the files, once they were read: the key, or the authorities, or the trusted root.
    #[serde(skip)]
    pub(crate) files: Vec<Vec<u8>>,
}

/// What holds for a model. Of the rules of one policy the first that matches a path counts for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Model {
    /// The paths.
    pub path: Option<Glob>,
    /// Repositories of the hub by pattern, as in `facebook/*`, for what lies in a cache of the hub.
    pub repo: Option<String>,
    /// Names of those who may sign it. Empty: anybody or nobody.
    pub signers: Vec<Spanned<String>>,
    /// How many of them must have signed, each in a bundle of its own, all over the same content.
    pub threshold: Option<Spanned<Threshold>>,
    /// The weakest hash that a signed manifest may use.
    #[serde(deserialize_with = "algorithm")]
    pub minimum_hash: Option<Algorithm>,
    /// Files below the signed directory that need not be listed.
    pub allow_extras: Vec<Glob>,
    /// Files below the signed directory that need not be listed where the signer says that they are left out.
    pub allow_ignores: Vec<Glob>,
    /// The rule holds from then on; before it nothing that it covers is proven.
    pub not_before: Option<Moment>,
    /// The last day on which anything that it covers is proven.
    pub not_after: Option<Moment>,
    /// Proofs that are required of loadable files.
    pub require: Proofs,
    /// Links to files inside the model may stand where the signer recorded that there are some.
    pub allow_symlinks: bool,
    /// Signatures of before version 1.0 count too.
    pub allow_legacy: bool,
    /// It stands in a policy that the user named or configured.
    #[serde(skip)]
    pub trusted: bool,
    /// The line it stands on.
    #[serde(skip)]
    pub line: usize,
}

/// How many signers are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threshold {
    /// So many.
    Count(usize),
    /// Each one that is named.
    All,
}

/// What is never accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Deny {
    /// SHA-256 of files, and root digests of signed manifests.
    pub sha256: Vec<Sha256>,
    /// Signers: the SHA-256 of a key's PEM, or a pattern of an identity, a subject or another name of a certificate, with
    /// `*` for any characters.
    pub signers: Vec<String>,
}

/// A SHA-256 in hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sha256(pub Digest);

impl Signer {
    /// Checks that it names exactly one kind of signer.
    pub(super) fn check(&self) -> Result<(), (Span, String)> {
        let kinds = [self.key.is_some(), self.key_sha256.is_some(), !self.ca.is_empty(), self.identity.is_some()];
        let first = [&self.key, &self.key_sha256, &self.identity, &self.trusted_root].into_iter().flatten();
        let span = first.chain(&self.ca).next().map_or(0..0, Spanned::span);
        if kinds.iter().filter(|given| **given).count() != 1 {
            return Err((span, "a signer has exactly one of key, key-sha256, ca and identity".to_owned()));
        }
        if self.identity.is_some() != self.issuer.is_some() {
            return Err((span, "identity and issuer stand together".to_owned()));
        }
        if self.ca.is_empty() && (self.subject.is_some() || self.san.is_some()) {
            return Err((span, "subject and san belong to ca".to_owned()));
        }
        if !self.ca.is_empty() && self.subject.is_none() && self.san.is_none() {
            return Err((span, "ca needs a subject or a san: an authority certifies many".to_owned()));
        }
        if self.identity.is_none() && self.trusted_root.is_some() {
            return Err((span, "trusted-root belongs to identity".to_owned()));
        }
        if never(self.not_before.as_ref(), self.not_after.as_ref()) {
            return Err((span, NEVER.to_owned()));
        }
        if let Some(hint) = &self.key_sha256
            && Digest::from_hex(hint.get_ref().as_bytes()).is_none_or(|digest| digest.as_bytes().len() != 32)
        {
            return Err((hint.span(), "expected 64 hex digits".to_owned()));
        }
        Ok(())
    }

    /// Reads its files.
    pub(super) fn read(&mut self, directory: &Path) -> Result<(), (Span, String)> {
        for file in self.key.iter().chain(&self.ca).chain(&self.trusted_root) {
            let path = directory.join(file.get_ref());
            let bytes = read(&path).map_err(|why| (file.span(), why))?;
            self.files.push(bytes);
            #[cfg(feature = "trust")]
            self.understand().map_err(|why| (file.span(), why))?;
        }
        Ok(())
    }

    /// Checks what its files hold.
    #[cfg(feature = "trust")]
    fn understand(&self) -> Result<(), String> {
        let last = self.files.last().map(Vec::as_slice).unwrap_or_default();
        match (&self.key, &self.identity) {
            (Some(_), _) => crate::trust::PublicKey::from_pem(last).map(|_| ()),
            (_, Some(_)) => std::str::from_utf8(last).map(|_| ()).map_err(|_| "it is not a text".to_owned()),
            _ => crate::trust::Certificate::from_pem(last).map(|_| ()),
        }
    }
}

impl Model {
    /// How many of its signers must have signed.
    pub fn needed(&self) -> usize {
        match self.threshold.as_ref().map(Spanned::get_ref) {
            _ if self.signers.is_empty() => 0,
            None => 1,
            Some(Threshold::Count(count)) => *count,
            Some(Threshold::All) => self.signers.len(),
        }
    }
    /// Checks that there is a time at which it holds.
    pub(super) fn check(&self) -> Result<(), String> {
        if never(self.not_before.as_ref(), self.not_after.as_ref()) { Err(NEVER.to_owned()) } else { Ok(()) }
    }
    /// True if it names this signer.
    pub fn names(&self, signer: &str) -> bool {
        self.signers.iter().any(|name| name.get_ref() == signer)
    }
    /// Itself without whatever it would allow, and whether it would allow anything. A demand for signers becomes one for
    /// a signature by somebody whom the user trusts: who that is, it may not say.
    pub(super) fn only_tightening(mut self) -> (Model, Option<&'static str>) {
        if !self.signers.is_empty() {
            self.require.0.push("signature".to_owned());
        }
        let allows = self.allow_symlinks
            || self.allow_legacy
            || !(self.allow_extras.is_empty() && self.allow_ignores.is_empty());
        (self.signers, self.threshold) = (Vec::new(), None);
        (self.allow_extras, self.allow_ignores) = (Vec::new(), Vec::new());
        (self.allow_symlinks, self.allow_legacy) = (false, false);
        (self, allows.then_some("allow-*"))
    }
    /// Where it stands and what it matches, in words.
    pub fn words(&self) -> String {
        let path = self.path.as_ref().map(|path| format!("path = \"{}\"", path.text()));
        let repo = self.repo.as_ref().map(|repo| format!("repo = \"{repo}\""));
        let what: Vec<String> = path.into_iter().chain(repo).collect();
        format!("[[model]] {} (line {})", what.join(", "), self.line)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    use crate::source::{FileSource, OpenOptions, ReadAt};
    let why = |why: String| format!("{}: {why}", crate::finding::shown(&path.to_string_lossy()));
    let options = OpenOptions { max_file_bytes: LARGEST, ..OpenOptions::default() };
    let file = FileSource::open(path, &options).map_err(|error| why(error.reason()))?;
    file.copy(0..file.len()).map(|bytes| bytes.into_owned()).map_err(|error| why(error.to_string()))
}

fn algorithm<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Algorithm>, D::Error> {
    let name = String::deserialize(deserializer)?;
    let known = Algorithm::from_name(&name).filter(|algorithm| !algorithm.is_weak());
    known.map(Some).ok_or_else(|| de::Error::custom("expected sha256, blake3, sha512 or blake2b-512"))
}

impl<'de> Deserialize<'de> for Threshold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Count(usize),
            Word(String),
        }
        match Either::deserialize(deserializer) {
            Ok(Either::Count(count)) if count > 0 => Ok(Threshold::Count(count)),
            Ok(Either::Word(word)) if word == "all" => Ok(Threshold::All),
            Ok(Either::Word(word)) if word == "any" => Ok(Threshold::Count(1)),
            _ => Err(de::Error::custom("expected a number from 1, \"any\" or \"all\"")),
        }
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digest = Digest::from_hex(text.to_ascii_lowercase().as_bytes());
        let digest = digest.filter(|digest| digest.as_bytes().len() == Algorithm::Sha256.size());
        digest.map(Sha256).ok_or_else(|| de::Error::custom("expected a SHA-256: 64 hex digits"))
    }
}
