//! What a call demands, as Python hands it over: a dict with every key there, made by `mverify/_options.py`.

use crate::raise;
use mverify::digest::{Algorithm, Digest};
use mverify::loader::{self, Mode};
use mverify::manifest::discover::{Access, Signers};
use mverify::manifest::lock::Lock;
use mverify::policy::{LimitKeys, Policy};
use mverify::profile::Profile;
use mverify::scan::Stop;
use mverify::source::{FileSource, OpenOptions, ReadAt};
use mverify::trust::{How, Trusted};
use mverify::verifier::Builder;
use mverify::{Limits, Severity, Verifier};
use pyo3::prelude::*;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Largest policy or lock, in bytes.
const LARGEST: u64 = 64 << 20;

/// The keyword arguments that all calls share.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Options {
    policy_file: Option<PathBuf>,
    policy_text: Option<String>,
    limits: Option<String>,
    torch: Vec<String>,
    profile: Vec<String>,
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
    /// The user who must own the files, where access is looked at.
    owner: Option<u32>,
    threads: usize,
    /// Digests for the report, or only those that something expects.
    digests: bool,
    mode: String,
    memory: Option<u64>,
    directory: Option<PathBuf>,
    /// Called with the bytes read so far and the bytes in all.
    pub progress: Option<Py<PyAny>>,
}

/// What a call does, and for how long.
pub struct Demands {
    /// The verifier.
    pub verifier: Verifier,
    /// When it ends, done or not.
    pub timeout: Option<Duration>,
}

impl Options {
    /// Threads that the call may use; `open` where the options leave that open.
    pub fn threads(&self, open: usize) -> usize {
        if self.threads == 0 { open } else { self.threads }
    }

    /// The verifier that these options describe, with so many threads.
    pub fn demands(&self, threads: usize, stop: &Stop) -> PyResult<Demands> {
        let now = now();
        let policy = self.policy()?;
        let limits = self.limits()?;
        let timeout = limits.timeout.or(policy.limits.timeout).map(Duration::from_secs);
        let bounds = limits.over(&policy.limits.over(&Limits::default()));
        let mut builder = Verifier::builder()
            .policy(policy, now)
            .limits(bounds)
            .digests(&[Algorithm::Sha256])
            .digests_as_needed(!self.digests)
            .discover(self.discover)
            .threads(threads)
            .stop(stop.clone());
        if let Some(name) = &self.fail_on {
            builder = builder.fail_on(one_of("fail_on", name, Severity::ALL, Severity::name)?);
        }
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
        for name in &self.profile {
            builder = builder.profile(one_of("profile", name, Profile::ALL, Profile::name)?);
        }
        for name in &self.require {
            builder = builder.demand(name).map_err(|error| raise::usage(error.to_string()))?;
        }
        builder = self.owner.into_iter().fold(builder, |builder, owner| builder.access(Access { owner }));
        builder = self.torch.iter().fold(builder, Builder::torch);
        builder = self.signers(now)?.into_iter().fold(builder, Builder::signers);
        let verifier = builder.build().map_err(|error| raise::usage(error.to_string()))?;
        Ok(Demands { verifier, timeout })
    }

    /// True if a digest of exactly one file was pinned.
    pub fn pins_one_file(&self) -> bool {
        self.sha256.is_some()
    }

    /// How bytes are kept until they are loaded.
    pub fn keeping(&self) -> PyResult<loader::Options> {
        let options = loader::Options::new(one_of("mode", &self.mode, Mode::ALL, Mode::name)?);
        let options = self.memory.into_iter().fold(options, loader::Options::memory);
        Ok(self.directory.iter().fold(options, loader::Options::directory))
    }

    /// The policy that the call names, which is trusted: the keys that it names are read.
    fn policy(&self) -> PyResult<Policy> {
        if let Some(text) = &self.policy_text {
            return Policy::read(text, Path::new("."))
                .map_err(|defect| raise::usage(format!("policy: {}", defect.why)));
        }
        let Some(path) = &self.policy_file else { return Ok(Policy::default()) };
        let text = String::from_utf8(read(path, "policy")?)
            .map_err(|_| raise::usage(format!("policy {}: it is not UTF-8", path.display())))?;
        let directory = path.parent().unwrap_or(Path::new("."));
        Policy::read(&text, directory).map_err(|defect| raise::usage(format!("policy {}: {defect}", path.display())))
    }

    fn limits(&self) -> PyResult<LimitKeys> {
        let Some(text) = &self.limits else { return Ok(LimitKeys::default()) };
        let policy = Policy::parse(text).map_err(|defect| raise::usage(format!("limits: {}", defect.why)))?;
        Ok(policy.limits)
    }

    fn signers(&self, now: i64) -> PyResult<Option<Signers>> {
        let trusted = Trusted {
            key: self.key.clone(),
            ca: self.ca.clone(),
            subject: self.subject.clone(),
            san: self.san.clone(),
            identity: self.identity.clone(),
            issuer: self.issuer.clone(),
            trusted_root: self.trusted_root.clone(),
        };
        let anchor = trusted.anchor().map_err(|error| raise::usage(error.to_string()))?;
        if self.manifest.is_none() && matches!(anchor, Ok(None)) {
            return Ok(None);
        }
        let how = How { allow_legacy: self.allow_legacy, now };
        Ok(Some(Signers { bundle: self.manifest.clone(), anchor, how, allow_symlinks: self.allow_symlinks }))
    }
}

/// Seconds since 1970. A clock before that is as wrong as one that does not exist.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|now| i64::try_from(now.as_secs()).ok()).unwrap_or(0)
}

fn one_of<T: Copy, const N: usize>(
    what: &str,
    given: &str,
    all: [T; N],
    name: impl Fn(T) -> &'static str,
) -> PyResult<T> {
    let names = all.map(&name).join(", ");
    let found = all.into_iter().find(|one| name(*one) == given);
    found.ok_or_else(|| raise::usage(format!("{what}={given:?}: expected one of {names}")))
}

/// A small file that the call names.
fn read(path: &Path, what: &str) -> PyResult<Vec<u8>> {
    let failed = |why: String| raise::usage(format!("cannot read the {what} {}: {why}", path.display()));
    let options = OpenOptions { max_file_bytes: LARGEST, ..OpenOptions::default() };
    let file = FileSource::open(path, &options).map_err(|error| failed(error.reason()))?;
    file.copy(0..file.len()).map(|bytes| bytes.into_owned()).map_err(|error| failed(error.to_string()))
}
