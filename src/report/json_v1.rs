//! The wire form `mverify.report/v1`. Frozen: fields may be added, never renamed, retyped or removed.
//! Its JSON Schema is committed as `manifests/schema/report-v1.json`; a test regenerates and compares it.

use super::{Artifact, Report, Summary};
use crate::finding::Finding;
use serde::Serialize;
use std::collections::BTreeMap;

/// Value of the `schema` field.
pub const SCHEMA: &str = "mverify.report/v1";

/// `--format json`: the whole run.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReportV1 {
    /// Always `mverify.report/v1`.
    pub schema: &'static str,
    /// `ok`, `bad` or `unknown`: the worst of the artifacts.
    pub verdict: &'static str,
    /// `complete` or `partial`.
    pub coverage: &'static str,
    /// Counts.
    pub summary: CountsV1,
    /// One entry per file, in the order given; files of a directory sorted by path.
    pub artifacts: Vec<ArtifactV1>,
}

/// Counts of a run.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CountsV1 {
    /// Artifacts with verdict ok.
    pub ok: u64,
    /// Artifacts with verdict unknown.
    pub unknown: u64,
    /// Artifacts with verdict bad.
    pub bad: u64,
    /// Bytes of all artifacts.
    pub bytes: u64,
    /// Files that are as they were at the revision of `--diff`, and were not looked at; absent where there are none.
    #[serde(skip_serializing_if = "is_zero")]
    pub unchanged: u64,
}

/// Last line of `--format jsonl`.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LastLineV1 {
    /// The overall result.
    pub summary: OverallV1,
}

/// Overall verdict and counts.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OverallV1 {
    /// Always `mverify.report/v1`.
    pub schema: &'static str,
    /// `ok`, `bad` or `unknown`.
    pub verdict: &'static str,
    /// `complete` or `partial`.
    pub coverage: &'static str,
    /// Counts.
    #[serde(flatten)]
    pub counts: CountsV1,
}

/// One file.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ArtifactV1 {
    /// The path as given; bytes that are not UTF-8 are replaced, and then `path_base64` is lossless.
    pub path: String,
    /// Base64 of the path's bytes, only where `path` is lossy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_base64: Option<String>,
    /// Format name, as in `torch-zip`.
    pub format: &'static str,
    /// `loadable`, `config`, `inert`, `code` or `opaque`.
    pub role: &'static str,
    /// Bytes.
    pub size: u64,
    /// Lower-case hex by algorithm.
    pub digests: BTreeMap<&'static str, String>,
    /// `ok`, `bad` or `unknown`.
    pub verdict: &'static str,
    /// `complete` or `partial`; an `ok` artifact is always complete.
    pub coverage: &'static str,
    /// Why the verdict is not ok, in plain words.
    pub reasons: Vec<String>,
    /// What `torch.load(weights_only=True)` would do, per version asked for.
    pub weights_only: Vec<WeightsOnlyV1>,
    /// Comparisons with what is expected of the content.
    pub integrity: Vec<IntegrityV1>,
    /// Findings, sorted by member, offset and rule.
    pub findings: Vec<FindingV1>,
}

/// The answer for one torch version.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WeightsOnlyV1 {
    /// The version as it was asked for.
    pub torch: String,
    /// The framework whose loader was asked about, as in `accelerate`; absent for a bare `torch.load`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<&'static str>,
    /// `loads`, `blocked`, `corrupt` or `unprovable`.
    pub outcome: &'static str,
    /// The rule of torch that decides; empty where it loads.
    pub rule: String,
    /// The global that is refused.
    pub global: Option<String>,
    /// One sentence.
    pub reason: String,
}

/// One comparison.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IntegrityV1 {
    /// Where the expectation comes from.
    pub source: String,
    /// `signed`, `pinned` or `self-asserted`.
    pub trust: &'static str,
    /// Who signed it.
    pub signer: Option<String>,
    /// When a trusted transparency log or timestamp authority saw the signature, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logged: Option<i64>,
    /// `match`, `mismatch`, `missing`, `extra` or `not-covered`.
    pub status: &'static str,
    /// Words for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// One finding.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FindingV1 {
    /// Stable id; `mverify explain ID` tells more.
    pub rule: &'static str,
    /// `critical`, `high`, `medium`, `low` or `info`.
    pub severity: &'static str,
    /// One sentence.
    pub message: String,
    /// Path of archive members that leads there, joined with `!`.
    pub member: Option<String>,
    /// Byte offset in the file, or in the member.
    pub offset: Option<u64>,
    /// The global concerned.
    pub global: Option<String>,
    /// Why it does not count: a waiver or a baseline. Absent where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excuse: Option<String>,
}

impl From<&Finding> for FindingV1 {
    fn from(f: &Finding) -> Self {
        FindingV1 {
            rule: f.rule.id,
            severity: f.severity.name(),
            message: f.message.clone(),
            member: f.member.clone(),
            offset: f.offset,
            global: f.global.clone(),
            excuse: f.excuse.as_deref().map(str::to_owned),
        }
    }
}

impl From<&Artifact> for ArtifactV1 {
    fn from(a: &Artifact) -> Self {
        let bytes = a.path.as_os_str().as_encoded_bytes();
        ArtifactV1 {
            path: a.path.to_string_lossy().into_owned(),
            path_base64: std::str::from_utf8(bytes).is_err().then(|| data_encoding::BASE64.encode(bytes)),
            format: a.format,
            role: a.role.name(),
            size: a.size,
            digests: a.digests.iter().map(|(algorithm, digest)| (algorithm.name(), digest.to_string())).collect(),
            verdict: a.outcome.verdict().name(),
            coverage: a.outcome.coverage().name(),
            reasons: a.reasons().map(str::to_owned).collect(),
            weights_only: a
                .weights_only
                .iter()
                .map(|w| WeightsOnlyV1 {
                    torch: w.torch.clone(),
                    profile: w.profile.map(crate::profile::Profile::name),
                    outcome: w.outcome.name(),
                    rule: w.rule.clone(),
                    global: w.global.clone(),
                    reason: w.reason.clone(),
                })
                .collect(),
            integrity: a
                .integrity
                .iter()
                .map(|i| IntegrityV1 {
                    source: i.source.clone(),
                    trust: i.trust.name(),
                    signer: i.signer.clone(),
                    logged: i.logged,
                    status: i.status.name(),
                    note: i.note.clone(),
                })
                .collect(),
            findings: a.findings.iter().map(FindingV1::from).collect(),
        }
    }
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl From<&Summary> for CountsV1 {
    fn from(s: &Summary) -> Self {
        CountsV1 { ok: s.ok, unknown: s.unknown, bad: s.bad, bytes: s.bytes, unchanged: s.unchanged }
    }
}

impl From<&Summary> for LastLineV1 {
    fn from(s: &Summary) -> Self {
        let summary =
            OverallV1 { schema: SCHEMA, verdict: s.verdict().name(), coverage: s.coverage().name(), counts: s.into() };
        LastLineV1 { summary }
    }
}

impl From<&Report> for ReportV1 {
    fn from(r: &Report) -> Self {
        ReportV1 {
            schema: SCHEMA,
            verdict: r.summary.verdict().name(),
            coverage: r.summary.coverage().name(),
            summary: (&r.summary).into(),
            artifacts: r.artifacts.iter().map(ArtifactV1::from).collect(),
        }
    }
}
