//! What a run says: one [`Artifact`] per file, one [`Report`] for all. Rendering lives in the modules below; the wire
//! form is frozen in [`json_v1`], apart from these types.

use crate::capability::Capabilities;
use crate::digest::{Digests, Sharded};
use crate::finding::Finding;
use crate::format::Role;
use crate::format::tensor::TensorInfo;
use crate::outcome::{Coverage, Outcome, Verdict};
use crate::rule::Severity;
use crate::torch::Answer;
use std::path::PathBuf;

pub mod github;
pub mod json_v1;
pub mod junit;
pub mod markdown;
pub mod plain;
pub mod render;
pub mod sarif;
pub mod text;

/// Format of a file that was compared and not looked into.
pub const NOT_SCANNED: &str = "not-scanned";
/// Format of a signed manifest.
pub const OMS_BUNDLE: &str = "oms-bundle";
/// Format of a file of which only parts were proven.
pub const PART_OF_FILE: &str = "part-of-file";

/// How much a source of expectations is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trust {
    /// It merely lies there: it can fail an artifact, and a match proves only consistency.
    SelfAsserted,
    /// The user named it.
    Pinned,
    /// A signature by a signer the user trusts covers it.
    Signed,
}

/// How an artifact compares with one source of expectations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// The content is the expected one.
    Match,
    /// The content differs.
    Mismatch,
    /// It is expected and not there.
    Missing,
    /// It is there and not expected.
    Extra,
    /// The source says nothing about it.
    NotCovered,
}

/// One comparison of an artifact with what a source expects of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Integrity {
    /// Name of the source, as in `model.sig` or `--sha256`.
    pub source: String,
    /// What the source is worth.
    pub trust: Trust,
    /// Who signed, where somebody did.
    pub signer: Option<String>,
    /// When a transparency log or a timestamp authority saw the signature, where one that is trusted did; seconds since 1970.
    pub logged: Option<i64>,
    /// The result.
    pub status: Status,
    /// Words for people where the status alone does not say enough, as in "sha1: corruption check only".
    pub note: Option<String>,
}

/// Everything known about one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// The path as the user gave it, or below a directory the user gave.
    pub path: PathBuf,
    /// Format name, as in `torch-zip`.
    pub format: &'static str,
    /// Its role in a model directory.
    pub role: Role,
    /// Size in bytes.
    pub size: u64,
    /// Digests of the whole file; empty when only scanned.
    pub digests: Digests,
    /// Digests of its shards, where they were asked for.
    pub shards: Vec<Sharded>,
    /// Verdict and coverage.
    pub outcome: Outcome,
    /// What was found, sorted.
    pub findings: Vec<Finding>,
    /// What `torch.load(weights_only=True)` would do, per version asked for.
    pub weights_only: Vec<Answer>,
    /// The same over all known versions, in one sentence; empty where torch has nothing to do with the format.
    pub loading: String,
    /// Comparisons with expectations.
    pub integrity: Vec<Integrity>,
    /// Its tensors, where they were asked for and can be told without loading.
    pub tensors: Option<Vec<TensorInfo>>,
    /// What it can do to whoever loads it.
    pub capabilities: Capabilities,
}

impl Artifact {
    /// An artifact of which nothing is known but its size in bytes and what was found; the rest is set with
    /// `..Artifact::not_scanned(…)`. A finding below `fail_on` does not make it bad.
    pub fn not_scanned(path: impl Into<PathBuf>, size: u64, mut findings: Vec<Finding>, fail_on: Severity) -> Self {
        findings.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
        Artifact {
            path: path.into(),
            format: NOT_SCANNED,
            role: Role::Opaque,
            size,
            digests: Digests::default(),
            shards: Vec::new(),
            outcome: Outcome::judge(&findings, fail_on),
            findings,
            weights_only: Vec::new(),
            loading: String::new(),
            integrity: Vec::new(),
            tensors: None,
            capabilities: Capabilities::default(),
        }
    }
    /// Why the artifact is not `ok` or not complete: the messages of the findings that lowered it.
    pub fn reasons(&self) -> impl Iterator<Item = &str> {
        self.findings.iter().filter(|f| f.counts()).map(|f| f.message.as_str())
    }
}

/// Counts and overall verdict of a run, built while artifacts pass by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Artifacts with verdict ok.
    pub ok: u64,
    /// Artifacts with verdict unknown.
    pub unknown: u64,
    /// Artifacts with verdict bad.
    pub bad: u64,
    /// Artifacts whose coverage is partial.
    pub partial: u64,
    /// Bytes of all artifacts.
    pub bytes: u64,
    /// The run ended before every file was looked at.
    pub stopped: bool,
    /// Files that were not looked at because they are what they were: only what changed was asked for.
    pub unchanged: u64,
    /// The most severe finding met.
    pub worst: Option<Severity>,
}

impl Summary {
    /// Counts one artifact.
    pub fn add(&mut self, artifact: &Artifact) {
        let count = match artifact.outcome.verdict() {
            Verdict::Ok => &mut self.ok,
            Verdict::Unknown => &mut self.unknown,
            Verdict::Bad => &mut self.bad,
        };
        *count += 1;
        self.partial += u64::from(artifact.outcome.coverage() == Coverage::Partial);
        self.bytes = self.bytes.saturating_add(artifact.size);
        self.worst = self.worst.max(artifact.findings.iter().filter(|f| f.excuse.is_none()).map(|f| f.severity).max());
    }
    /// Number of artifacts.
    pub fn total(&self) -> u64 {
        self.ok + self.unknown + self.bad
    }
    /// True if nothing was looked at, and not because nothing changed.
    pub fn is_of_nothing(&self) -> bool {
        self.total() == 0 && self.unchanged == 0
    }
    /// The overall verdict: the worst one; a run over nothing proves nothing, but where what changed was asked for and
    /// nothing did.
    pub fn verdict(&self) -> Verdict {
        if self.bad > 0 {
            Verdict::Bad
        } else if self.unknown > 0 || self.is_of_nothing() || self.stopped {
            Verdict::Unknown
        } else {
            Verdict::Ok
        }
    }
    /// The overall coverage.
    pub fn coverage(&self) -> Coverage {
        if self.partial > 0 || self.is_of_nothing() || self.stopped { Coverage::Partial } else { Coverage::Complete }
    }
}

/// A whole run held in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Artifacts, in the order the paths were given; files of a directory sorted by path.
    pub artifacts: Vec<Artifact>,
    /// Counts and overall verdict.
    pub summary: Summary,
}

impl Report {
    /// Adds an artifact.
    pub fn push(&mut self, artifact: Artifact) {
        self.summary.add(&artifact);
        self.artifacts.push(artifact);
    }
    /// True if everything was proven.
    pub fn ok(&self) -> bool {
        self.summary.verdict() == Verdict::Ok
    }
}

impl Trust {
    /// The name used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Trust::SelfAsserted => "self-asserted",
            Trust::Pinned => "pinned",
            Trust::Signed => "signed",
        }
    }
}

impl Status {
    /// The name used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Status::Match => "match",
            Status::Mismatch => "mismatch",
            Status::Missing => "missing",
            Status::Extra => "extra",
            Status::NotCovered => "not-covered",
        }
    }
}
