//! The comparison itself: each place of a tree becomes one artifact of a report, with one read of each file.

use super::oms::{Expected, Manifest, Shard};
use super::tree::{Kind, Place, Tolerance, changed, places};
use crate::digest::{self, Algorithm, Digests, Hasher, PassError, Passed, Plan, Pool, Prepared, Watch};
use crate::finding::Finding;
use crate::format::{self, Identity, Role};
use crate::outcome::{Outcome, Verdict};
use crate::report::{Artifact, Integrity, NOT_SCANNED, Status, Trust};
use crate::rule::{self, Severity, trust as rules};
use crate::scan::{Scan, Settings};
use crate::source::{FileSource, OpenOptions, ReadAt, View, Window};
use std::io;
use std::ops::{ControlFlow, Range};
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
}

/// Names with which loaders go by the name, whatever the content.
const LOADED_BY_NAME: [&str; 44] = [
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
];

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
        digest::many(
            pool,
            places(root, self.source.manifest, self.tolerance).into_iter(),
            |place| self.prepare(place),
            |(path, expected), file: FileSource, passed| self.whole(path, expected, file.len(), passed),
            watch,
            sink,
        )
    }

    fn prepare(&self, place: Place<'m>) -> Prepared<FileSource, (PathBuf, crate::digest::Digest), Artifact> {
        let Place { path, kind } = place;
        let done = |status, finding| Prepared::Done(self.artifact(path.clone(), 0, status, finding));
        let (expected, link) = match kind {
            Kind::Listed { expected, link } => (expected, link),
            Kind::Missing => return done(Status::Missing, Some(Finding::new(&rules::MISSING, "listed and not there"))),
            Kind::Extra => {
                return done(Status::Extra, Some(Finding::new(&rules::EXTRA, "the manifest does not list it")));
            }
            Kind::Problem(finding) => return done(Status::NotCovered, Some(finding)),
            Kind::Doubtful { claimed } => return Prepared::Done(self.doubtful(path, claimed)),
        };
        let file = match self.open(&path, link) {
            Ok(file) => file,
            Err(finding) => return done(Status::NotCovered, Some(finding)),
        };
        match expected {
            Expected::Whole(digest) => {
                let plan = Plan { algorithms: vec![self.source.manifest.algorithm], crcs: Vec::new() };
                Prepared::Hash { source: file, plan, carry: (path, *digest) }
            }
            Expected::Shards(shards) => {
                let found = differing(&file, shards, self.source.manifest.algorithm);
                Prepared::Done(self.concluded(path, file.len(), Digests::default(), found))
            }
        }
    }

    fn open(&self, path: &Path, follow: bool) -> Result<FileSource, Finding> {
        let max_file_bytes = self.settings.limits.max_file_bytes;
        let options = OpenOptions { follow, map: self.map, lease: false, max_file_bytes };
        FileSource::open(path, &options).map_err(|error| Finding::from(&error))
    }

    fn whole(
        &self,
        path: PathBuf,
        expected: crate::digest::Digest,
        size: u64,
        passed: Result<Passed, PassError>,
    ) -> Artifact {
        let algorithm = self.source.manifest.algorithm;
        let (digests, found) = match passed {
            Ok(Passed { digests, .. }) => {
                let found = match digests.get(algorithm) {
                    Some(digest) if digest == expected => Ok(None),
                    Some(digest) => Ok(Some(changed(algorithm, &digest.to_string(), &expected.to_string()))),
                    None => Err(PassError::Io(io::ErrorKind::Other.into())),
                };
                (digests, found)
            }
            Err(error) => (Digests::default(), Err(error)),
        };
        self.concluded(path, size, digests, found)
    }

    /// An artifact whose content was compared.
    fn concluded(
        &self,
        path: PathBuf,
        size: u64,
        digests: Digests,
        found: Result<Option<Finding>, PassError>,
    ) -> Artifact {
        let (status, finding) = match found {
            Ok(None) => (Status::Match, None),
            Ok(Some(finding)) => (Status::Mismatch, Some(finding)),
            Err(PassError::Changed) => {
                (Status::NotCovered, Some(Finding::new(&rule::tree::CHANGED, "it changed while it was read")))
            }
            Err(PassError::Cancelled) => {
                (Status::NotCovered, Some(Finding::new(&rule::run::STOPPED, "the run was stopped before it was read")))
            }
            Err(error) => (Status::NotCovered, Some(Finding::new(&rule::format::UNREADABLE, error.to_string()))),
        };
        Artifact { digests, ..self.artifact(path, size, status, finding) }
    }

    /// A file that is not listed: tolerated only if neither its content nor its name is one that loaders act on.
    fn doubtful(&self, path: PathBuf, claimed: bool) -> Artifact {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let by_name = name.rsplit_once('.').map(|(_, last)| last.to_ascii_lowercase());
        let by_name = by_name.is_some_and(|last| LOADED_BY_NAME.contains(&last.as_str()));
        let (identity, inert, size) = match self.open(&path, false) {
            Ok(file) => {
                let mut scan = Scan::new(self.settings);
                let identity = format::examine(&View::new(&file), &name, &mut scan);
                let outcome = Outcome::judge(scan.findings(), Severity::High);
                // nothing is as inert as no bytes at all
                let inert = file.is_empty() || (identity.role == Role::Inert && outcome.verdict() == Verdict::Ok);
                (Some(identity), inert && file.settle().is_ok(), file.len())
            }
            Err(_) => (None, false, 0),
        };
        let finding = match (inert && !by_name, claimed) {
            (true, _) => Finding::new(&rules::TOLERATED, "not signed; tolerated because no loader acts on it"),
            (false, true) => Finding::new(&rules::HIDDEN, "the signer ignored it, but a loader could load it"),
            (false, false) => Finding::new(&rules::EXTRA, "not signed, and a loader could load it"),
        };
        let status = if finding.rule == &rules::TOLERATED { Status::NotCovered } else { Status::Extra };
        let artifact = self.artifact(path, size, status, Some(finding));
        match identity {
            Some(Identity { format, role }) => Artifact { format, role, ..artifact },
            None => artifact,
        }
    }

    fn artifact(&self, path: PathBuf, size: u64, status: Status, finding: Option<Finding>) -> Artifact {
        let findings: Vec<Finding> = finding.into_iter().collect();
        Artifact {
            path,
            format: NOT_SCANNED,
            role: Role::Opaque,
            size,
            digests: Digests::default(),
            outcome: Outcome::judge(&findings, Severity::High),
            findings,
            weights_only: Vec::new(),
            loading: String::new(),
            integrity: vec![Integrity {
                source: self.source.name.clone(),
                trust: self.source.trust,
                signer: self.source.signer.clone(),
                status,
                note: None,
            }],
            tensors: None,
        }
    }
}

/// Reads a file once and compares it shard by shard; the finding tells of the first that differs.
fn differing(file: &FileSource, shards: &[Shard], algorithm: Algorithm) -> Result<Option<Finding>, PassError> {
    let signed = shards.last().map_or(0, |last| last.range.end);
    let mut buffer = vec![0; 256 << 10];
    let (mut differ, mut first) = (0_usize, None);
    for shard in shards {
        let whole = shard.range.end <= file.len();
        if !whole || digest_of(file, &shard.range, algorithm, &mut buffer)? != Some(shard.digest) {
            differ += 1;
            first = first.or(Some(&shard.range));
        }
    }
    file.settle()?;
    let Some(first) = first else {
        return Ok((file.len() != signed).then(|| {
            Finding::new(&rules::CHANGED, format!("it has {} bytes, signed were {signed}", file.len())).at(signed)
        }));
    };
    let mut message = format!("bytes {} to {} are not what was signed", first.start, first.end);
    if differ > 1 {
        message.push_str(&format!("; {differ} of {} parts differ", shards.len()));
    }
    if file.len() != signed {
        message.push_str(&format!("; it has {} bytes, signed were {signed}", file.len()));
    }
    Ok(Some(Finding::new(&rules::CHANGED, message).at(first.start)))
}

fn digest_of(
    file: &FileSource,
    range: &Range<u64>,
    algorithm: Algorithm,
    buffer: &mut [u8],
) -> io::Result<Option<crate::digest::Digest>> {
    let mut hasher = Hasher::new(&[algorithm], None).map_err(io::Error::other)?;
    let mut at = range.start;
    while at < range.end {
        let left = usize::try_from(range.end - at).unwrap_or(usize::MAX);
        let window = file.window(at, left, buffer)?;
        let bytes = match window {
            Window::Direct(bytes) => bytes,
            Window::Read(n) => buffer.get(..n).unwrap_or_default(),
        };
        let bytes = bytes.get(..left.min(bytes.len())).unwrap_or_default();
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        hasher.update(bytes);
        at += bytes.len() as u64;
    }
    Ok(hasher.finish().get(algorithm))
}

/// The digests of a file's parts, each of `size` bytes but the last; an empty file is one empty part.
///
/// # Errors
/// Where the file cannot be read, or changes meanwhile.
pub fn shards(file: &FileSource, size: u64, algorithm: Algorithm) -> io::Result<Vec<Shard>> {
    let mut buffer = vec![0; 256 << 10];
    let mut shards = Vec::new();
    let mut start = 0;
    while start < file.len() || shards.is_empty() {
        let range = start..file.len().min(start.saturating_add(size.max(1)));
        let digest = digest_of(file, &range, algorithm, &mut buffer)?.ok_or(io::ErrorKind::Unsupported)?;
        start = range.end;
        shards.push(Shard { range, digest });
    }
    file.settle()?;
    Ok(shards)
}
