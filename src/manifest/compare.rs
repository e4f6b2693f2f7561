//! The comparison itself: each place of a tree becomes one artifact of a report, with one read of each file.

use super::attested::Attested;
use super::differ::Difference;
use super::oms::{Expected, Manifest, Shard};
use super::tree::{Doubt, Kind, Place, Tolerance, changed, places};
use crate::digest::{self, Algorithm, Digest, Digests, PassError, Passed, Plan, Pool, Prepared, Watch};
use crate::finding::Finding;
use crate::format::{self, Identity, Role};
use crate::inspect;
use crate::outcome::{Outcome, Verdict};
use crate::report::{Artifact, Integrity, Status, Trust};
use crate::rule::{self, Severity, trust as rules};
use crate::scan::{Scan, Settings};
use crate::source::{FileSource, OpenOptions, Reach, ReadAt, View};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// A manifest and what it is worth.
#[derive(Clone, Debug)]
pub struct Source<'m> {
    /// What is expected.
    pub manifest: &'m Manifest,
    /// Name of the manifest in reports.
    pub name: String,
    /// What it is worth.
    pub trust: Trust,
    /// Who signed it.
    pub signer: Option<String>,
    /// When a log saw the signature, in seconds since 1970.
    pub logged: Option<i64>,
}

/// Names with which loaders go by the name, whatever the content.
const LOADED_BY_NAME: [&str; 76] = [
    "py",
    "pyc",
    "pyo",
    "pyd",
    "pyx",
    "pth",
    "so",
    "dll",
    "dylib",
    "exe",
    "sh",
    "bat",
    "cmd",
    "ps1",
    "js",
    "lua",
    "pkl",
    "pickle",
    "dill",
    "joblib",
    "pt",
    "pt2",
    "bin",
    "ckpt",
    "safetensors",
    "gguf",
    "ggml",
    "onnx",
    "h5",
    "hdf5",
    "keras",
    "npy",
    "npz",
    "pb",
    "tflite",
    "nemo",
    "mar",
    "zip",
    "tar",
    "gz",
    "json",
    "yaml",
    "yml",
    "jinja",
    "jinja2",
    "xml",
    "pbtxt",
    "prototxt",
    "tiktoken",
    "model",
    "spm",
    "toml",
    "cfg",
    "ini",
    "conf",
    "env",
    "ipynb",
    "mjs",
    "cjs",
    "ts",
    "php",
    "rb",
    "pl",
    "r",
    "jl",
    "zsh",
    "bash",
    "fish",
    "psm1",
    "vbs",
    "hta",
    "egg",
    "whl",
    "xz",
    "bz2",
    "zst",
];
/// Whole names, in lower case, that loaders, tokenizers and installers go by.
const LOADED_NAMES: [&str; 6] = ["vocab.txt", "merges.txt", "requirements.txt", "modelfile", "dockerfile", "makefile"];

/// True if loaders go by the name of this file, whatever its content.
pub(crate) fn is_loaded_by_name(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    LOADED_NAMES.contains(&name.as_str())
        || name.rsplit_once('.').is_some_and(|(_, ending)| LOADED_BY_NAME.contains(&ending))
}

/// A comparison to be made.
#[derive(Clone, Debug)]
pub struct Comparison<'a> {
    /// What is expected.
    pub source: &'a Source<'a>,
    /// What the user tolerates.
    pub tolerance: &'a Tolerance,
    /// Limits, for files that are to be tolerated.
    pub settings: &'a Settings,
    /// Maps files instead of reading them.
    pub map: bool,
    /// Gives up pages of the system's cache that were not there before.
    pub drop_cache: bool,
    /// Attestations of single files, which come besides.
    pub attested: &'a [Attested],
}

impl<'m> Comparison<'m> {
    /// Holds `root` against the manifest: one artifact for each file that is listed or there, in the order of paths.
    /// Nothing is scanned but files that are to be tolerated.
    pub fn run(
        &self,
        root: &Path,
        pool: &Pool,
        watch: &dyn Watch,
        sink: impl FnMut(Artifact) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let (reach, places) = places(root, self.source.manifest, self.tolerance);
        digest::many(
            pool,
            places.into_iter(),
            |place| self.prepare(place, &reach),
            |(path, expected), file: FileSource, passed| self.compared(path, expected, &file, passed),
            watch,
            sink,
        )
    }

    fn prepare(&self, place: Place<'m>, reach: &Reach) -> Prepared<FileSource, (PathBuf, &'m Expected), Artifact> {
        let Place { path, kind } = place;
        let done = |status, finding| Prepared::Done(self.artifact(path.clone(), 0, status, vec![finding]));
        let (expected, link) = match kind {
            Kind::Listed { expected, link, .. } => (expected, link),
            Kind::Missing => return done(Status::Missing, Finding::new(&rules::MISSING, "listed and not there")),
            Kind::Extra => {
                return done(Status::Extra, Finding::new(&rules::EXTRA, "the manifest does not list it"));
            }
            Kind::Problem(finding) => return done(Status::NotCovered, finding),
            Kind::Doubtful(why) => return Prepared::Done(self.doubtful(path, reach, why)),
        };
        let file = match self.open(&path, reach, link) {
            Ok(file) => file,
            Err(finding) => return done(Status::NotCovered, finding),
        };
        Prepared::Hash { source: file, plan: self.plan(expected), carry: (path, expected) }
    }

    fn plan(&self, expected: &Expected) -> Plan {
        let mut plan = Plan::default();
        match expected {
            Expected::Whole(_) => plan.algorithms.push(self.source.manifest.algorithm),
            Expected::Shards(_) => plan.shards.extend(self.source.manifest.sharding(expected)),
        }
        if !self.attested.is_empty() {
            plan.algorithms.push(Algorithm::Sha256);
        }
        plan
    }

    fn differs(&self, path: &Path, expected: &Expected, len: u64, passed: &Passed) -> bool {
        let signed = match expected {
            Expected::Whole(signed) => passed.digests.get(self.source.manifest.algorithm) == Some(*signed),
            Expected::Shards(signed) => difference(signed, len, passed).is_none(),
        };
        let mut attested = self.attested.iter().filter_map(|one| one.compare(path, &passed.digests));
        !signed || attested.any(|(_, finding)| finding.is_some())
    }

    fn open(&self, path: &Path, reach: &Reach, follow: bool) -> Result<FileSource, Finding> {
        let max_file_bytes = self.settings.limits.max_file_bytes;
        let options = OpenOptions { follow, map: self.map, lease: false, drop_cache: self.drop_cache, max_file_bytes };
        reach.open(path, &options).map_err(|error| Finding::from(&error))
    }

    /// An artifact whose content was read.
    fn compared(
        &self,
        path: PathBuf,
        expected: &Expected,
        file: &FileSource,
        passed: Result<Passed, PassError>,
    ) -> Artifact {
        let differs = |passed: &Passed| self.differs(&path, expected, file.len(), passed);
        let passed = passed.and_then(|passed| digest::confirmed(file, &self.plan(expected), passed, differs));
        let passed = match passed {
            Ok(passed) => passed,
            Err(error) => {
                return self.artifact(path, file.len(), Status::NotCovered, vec![Finding::from(error)]);
            }
        };
        let findings = match expected {
            Expected::Whole(signed) => self.whole(*signed, &passed.digests),
            Expected::Shards(signed) => self.parts(&path, signed, file, &passed),
        };
        let status = if findings.is_empty() { Status::Match } else { Status::Mismatch };
        let mut artifact = Artifact { digests: passed.digests, ..self.artifact(path, file.len(), status, findings) };
        Attested::add(self.attested, &mut artifact);
        artifact
    }

    fn whole(&self, signed: Digest, found: &Digests) -> Vec<Finding> {
        let algorithm = self.source.manifest.algorithm;
        match found.get(algorithm) {
            Some(found) if found == signed => Vec::new(),
            Some(found) => vec![changed(algorithm, &found.to_string(), &signed.to_string())],
            None => vec![Finding::new(&rule::run::INTERNAL, format!("its {algorithm} was not computed"))],
        }
    }

    fn parts(&self, path: &Path, signed: &[Shard], file: &FileSource, passed: &Passed) -> Vec<Finding> {
        let Some(different) = difference(signed, file.len(), passed) else { return Vec::new() };
        let mut findings = vec![Finding::new(&rules::CHANGED, different.words()).at(different.offset())];
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        let view = View::new(file);
        let format = format::examine(&view, &name, &mut Scan::new(self.settings)).format;
        if inspect::has_tensors(format) {
            findings.extend(different.tensors(inspect::tensors(&view, format, &self.settings.limits).as_deref()));
        }
        findings
    }

    /// A file that is not listed: tolerated only if neither its content nor its name is one that loaders act on or, where
    /// git keeps it, load.
    fn doubtful(&self, path: PathBuf, reach: &Reach, why: Doubt) -> Artifact {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let (identity, harmless, size) = match self.open(&path, reach, why == Doubt::Git) {
            Ok(file) => {
                let mut scan = Scan::new(self.settings);
                let identity = format::examine(&View::new(&file), &name, &mut scan);
                let outcome = Outcome::judge(scan.findings(), Severity::High);
                let inert = identity.role == Role::Inert && outcome.verdict() == Verdict::Ok;
                let harmless = match why {
                    Doubt::Git => identity.role != Role::Loadable,
                    // nothing is as inert as no bytes at all
                    Doubt::Claimed | Doubt::Unsigned => (file.is_empty() || inert) && !is_loaded_by_name(&path),
                };
                (Some(identity), harmless && file.settle().is_ok(), file.len())
            }
            Err(_) => (None, false, 0),
        };
        let finding = match (harmless, why) {
            (true, Doubt::Git) => Finding::new(&rules::TOLERATED, "not signed; tolerated because git keeps it"),
            (true, _) => Finding::new(&rules::TOLERATED, "not signed; tolerated because no loader acts on it"),
            (false, Doubt::Claimed) => {
                Finding::new(&rules::HIDDEN, "the signer ignored it, but a loader could load it")
            }
            (false, _) => Finding::new(&rules::EXTRA, "not signed, and a loader could load it"),
        };
        let status = if finding.rule == &rules::TOLERATED { Status::NotCovered } else { Status::Extra };
        let artifact = self.artifact(path, size, status, vec![finding]);
        match identity {
            Some(Identity { format, role }) => Artifact { format, role, ..artifact },
            None => artifact,
        }
    }

    fn artifact(&self, path: PathBuf, size: u64, status: Status, findings: Vec<Finding>) -> Artifact {
        let Source { name, trust, signer, logged, .. } = self.source;
        let integrity = Integrity {
            source: name.clone(),
            trust: *trust,
            signer: signer.clone(),
            logged: *logged,
            status,
            note: None,
        };
        Artifact { integrity: vec![integrity], ..Artifact::not_scanned(path, size, findings, Severity::High) }
    }
}

/// Where a file of `len` bytes differs from signed shards.
fn difference(signed: &[Shard], len: u64, passed: &Passed) -> Option<Difference> {
    let found = passed.shards.first().map(|shards| shards.digests.as_slice()).unwrap_or_default();
    Difference::between(signed, found, len)
}
