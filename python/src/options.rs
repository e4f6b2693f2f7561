//! What a call demands, as Python hands it over: a dict with every key there, made by `mverify/_options.py`.

use crate::raise;
use mverify::digest::{Algorithm, Digest};
use mverify::loader::{self, Mode};
use mverify::manifest::discover::Signers;
use mverify::manifest::lock::Lock;
use mverify::manifest::oms::Refusal;
use mverify::policy::Policy;
use mverify::rule::trust::UNTRUSTED;
use mverify::scan::Stop;
use mverify::trust::{Anchor, Certificate, How, PublicKey};
use mverify::verifier::{Builder, Proof};
use mverify::{Severity, Verifier};
use pyo3::prelude::*;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Largest policy, lock or key, in bytes.
const LARGEST: u64 = 64 << 20;

/// The keyword arguments that all calls share.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Options {
    policy_file: Option<PathBuf>,
    policy_json: Option<String>,
    torch: Vec<String>,
    require: Vec<String>,
    fail_on: Option<String>,
    sha256: Option<String>,
    lock: Vec<PathBuf>,
    manifest: Option<PathBuf>,
    key: Option<PathBuf>,
    ca: Vec<PathBuf>,
    subject: Option<String>,
    san: Option<String>,
    identity: Option<String>,
    issuer: Option<String>,
    trusted_root: Option<PathBuf>,
    allow_symlinks: bool,
    allow_legacy: bool,
    discover: bool,
    threads: usize,
    mode: String,
    memory: Option<u64>,
    directory: Option<PathBuf>,
    /// Called with the bytes read so far and the bytes in all.
    pub progress: Option<Py<PyAny>>,
}

impl Options {
    /// The verifier that these options describe. `threads` counts where the options leave it open.
    pub fn verifier(&self, threads: usize, stop: &Stop) -> PyResult<Verifier> {
        let policy = self.policy()?;
        let mut builder = Verifier::builder()
            .limits(policy.limits.over(&mverify::Limits::default()))
            .digests(&[Algorithm::Sha256])
            .discover(self.discover)
            .fail_on(self.fail_on(&policy)?)
            .threads(if self.threads == 0 { threads } else { self.threads })
            .stop(stop.clone());
        if let Some(text) = &self.sha256 {
            let digest = Digest::from_hex(text.as_bytes()).filter(|digest| digest.as_bytes().len() == 32);
            builder = builder.sha256(
                digest.ok_or_else(|| raise::usage(format!("sha256={text:?}: expected 64 hexadecimal digits")))?,
            );
        }
        for path in &self.lock {
            let lock = Lock::parse(&read(path, "lock")?);
            builder = builder.lock(path, lock.map_err(|why| raise::usage(format!("lock {}: {why}", path.display())))?);
        }
        for version in self.torch.iter().chain(&policy.torch) {
            if !version.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit()) {
                return Err(raise::usage(format!("torch={version:?}: expected a version, as in \"2.6\"")));
            }
            builder = builder.torch(version);
        }
        for proof in self.require.iter().chain(&policy.require) {
            builder = require(builder, proof)?;
        }
        builder = policy.trusted_globals.iter().fold(builder, Builder::trust_global);
        builder = policy.formats.iter().cloned().fold(builder, Builder::formats);
        builder = policy.sources.iter().cloned().fold(builder, Builder::sources);
        builder = self.signers()?.into_iter().fold(builder, Builder::signers);
        builder.build().map_err(|error| raise::usage(error.to_string()))
    }

    /// True if a digest of exactly one file was pinned.
    pub fn pins_one_file(&self) -> bool {
        self.sha256.is_some()
    }

    /// How bytes are kept until they are loaded.
    pub fn keeping(&self) -> PyResult<loader::Options> {
        let mode = Mode::named(&self.mode).ok_or_else(|| {
            let names = Mode::ALL.map(Mode::name).join(", ");
            raise::usage(format!("mode={:?}: expected one of {names}", self.mode))
        })?;
        let options = loader::Options::new(mode);
        let options = self.memory.into_iter().fold(options, loader::Options::memory);
        Ok(self.directory.iter().fold(options, loader::Options::directory))
    }

    fn policy(&self) -> PyResult<Policy> {
        if let Some(text) = &self.policy_json {
            return serde_json::from_str(text).map_err(|error| raise::usage(format!("policy: {error}")));
        }
        let Some(path) = &self.policy_file else { return Ok(Policy::default()) };
        let text = String::from_utf8(read(path, "policy")?)
            .map_err(|_| raise::usage(format!("policy {}: it is not UTF-8", path.display())))?;
        Policy::parse(&text).map_err(|defect| raise::usage(format!("policy {}: {defect}", path.display())))
    }

    fn fail_on(&self, policy: &Policy) -> PyResult<Severity> {
        let Some(name) = &self.fail_on else { return Ok(policy.fail_on.unwrap_or(Severity::High)) };
        let names = Severity::ALL.map(Severity::name).join(", ");
        Severity::ALL
            .into_iter()
            .find(|severity| severity.name() == name)
            .ok_or_else(|| raise::usage(format!("fail_on={name:?}: expected one of {names}")))
    }

    fn signers(&self) -> PyResult<Option<Signers>> {
        let anchor = self.anchor()?;
        if self.manifest.is_none() && matches!(anchor, Ok(None)) {
            return Ok(None);
        }
        // a clock before 1970 is as wrong as one that does not exist
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let how = How { allow_legacy: self.allow_legacy, now: i64::try_from(now).unwrap_or(i64::MAX) };
        Ok(Some(Signers { bundle: self.manifest.clone(), anchor, how, allow_symlinks: self.allow_symlinks }))
    }

    /// Whom to trust. A file that cannot be read is an error; one that holds nothing to trust is a refusal, because then
    /// nothing is proven.
    fn anchor(&self) -> PyResult<Result<Option<Anchor>, Refusal>> {
        let refused = |path: &Path, why: String| Refusal::new(&UNTRUSTED, format!("{}: {why}", path.display()));
        let named = [self.key.is_some(), !self.ca.is_empty(), self.identity.is_some() || self.issuer.is_some()];
        if named.into_iter().filter(|named| *named).count() > 1 {
            return Err(raise::usage("key, ca and identity with issuer exclude each other"));
        }
        if (self.subject.is_some() || self.san.is_some()) && self.ca.is_empty() {
            return Err(raise::usage("subject and san are those of a certificate: name its authority with ca"));
        }
        if let Some(path) = &self.key {
            let key = PublicKey::from_pem(&read(path, "key")?);
            return Ok(key.map(Anchor::Key).map(Some).map_err(|why| refused(path, why)));
        }
        if !self.ca.is_empty() {
            let mut certificates = Vec::new();
            for path in &self.ca {
                match Certificate::from_pem(&read(path, "ca")?) {
                    Ok(found) => certificates.extend(found),
                    Err(why) => return Ok(Err(refused(path, why))),
                }
            }
            let (subject, san) = (self.subject.clone(), self.san.clone());
            return Ok(Ok(Some(Anchor::Authorities { certificates, subject, san })));
        }
        match (&self.identity, &self.issuer) {
            (None, None) => Ok(Ok(None)),
            (Some(identity), Some(issuer)) => {
                let root = self.trusted_root.as_ref().map(|path| read(path, "trusted_root")).transpose()?;
                let trusted_root = root
                    .map(String::from_utf8)
                    .transpose()
                    .map_err(|_| raise::usage("trusted_root: it is not UTF-8"))?;
                let (identity, issuer) = (identity.clone(), issuer.clone());
                Ok(Ok(Some(Anchor::Identity { identity, issuer, trusted_root })))
            }
            _ => Err(raise::usage("identity and issuer belong together: one without the other trusts nobody")),
        }
    }
}

fn require(builder: Builder, proof: &str) -> PyResult<Builder> {
    let known = "expected weights-only, weights-only>=VERSION, signature or manifest";
    Ok(match proof.split_once(">=") {
        None => builder.require(match proof {
            "weights-only" | "weights_only" => Proof::WeightsOnly,
            "signature" => Proof::Signature,
            "manifest" => Proof::Manifest,
            _ => return Err(raise::usage(format!("require={proof:?}: {known}"))),
        }),
        Some(("weights-only" | "weights_only", version)) => {
            let versions = mverify::torch::versions_from(version).ok_or_else(|| {
                raise::usage(format!("require={proof:?}: the rules of that torch version are not known"))
            })?;
            versions.into_iter().fold(builder.require(Proof::WeightsOnly), Builder::torch)
        }
        Some(_) => return Err(raise::usage(format!("require={proof:?}: only weights-only takes a version"))),
    })
}

/// A small file that the call names.
fn read(path: &Path, what: &str) -> PyResult<Vec<u8>> {
    use std::io::Read;
    let failed = |why: String| raise::usage(format!("cannot read the {what} {}: {why}", path.display()));
    let file = std::fs::File::open(path).map_err(|error| failed(error.to_string()))?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| failed(error.to_string()))?;
    if bytes.len() as u64 > LARGEST {
        return Err(failed(format!("it is larger than {LARGEST} bytes")));
    }
    Ok(bytes)
}
