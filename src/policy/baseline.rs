//! An earlier report as a baseline: what it already told does not fail again.
//!
//! A finding is known if rule, path, member and global are those of a finding in the report ([`Finding::fingerprint`]).
//! The content must be the same as well: a new payload is new, however alike. What is not proven stays so: findings of
//! [`Effect::Unproven`] are never known, and a known finding is still told.
//! Bound: linear in the report, which is read as JSON of at most [`LARGEST`] bytes.

use crate::digest::Digest;
use crate::finding::{Finding, shown};
use crate::rule::Effect;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

/// Largest report that is read, in bytes.
pub const LARGEST: u64 = 512 << 20;

/// The findings of an earlier run.
#[derive(Clone, Debug, Default)]
pub struct Baseline {
    /// By path: the digest of the content then, and the fingerprints.
    files: HashMap<String, (Option<Digest>, HashSet<String>)>,
}

#[derive(Deserialize)]
struct Report {
    schema: String,
    artifacts: Vec<Artifact>,
}

#[derive(Deserialize)]
struct Artifact {
    path: String,
    #[serde(default)]
    digests: BTreeMap<String, String>,
    findings: Vec<Told>,
}

#[derive(Deserialize)]
struct Told {
    rule: String,
    member: Option<String>,
    global: Option<String>,
}

impl Baseline {
    /// Reads a report in JSON (`mverify.report/v1`).
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    pub fn parse(text: &[u8]) -> Result<Baseline, String> {
        let report: Report = serde_json::from_slice(text)
            .map_err(|error| format!("it is not a report of mverify in JSON: {}", shown(&error.to_string())))?;
        if report.schema != crate::report::json_v1::SCHEMA {
            return Err(format!(
                "its schema is {}, expected {}",
                shown(&report.schema),
                crate::report::json_v1::SCHEMA
            ));
        }
        let mut files = HashMap::new();
        for artifact in report.artifacts {
            let sha256 = artifact.digests.get("sha256").and_then(|hex| Digest::from_hex(hex.as_bytes()));
            // rules that are gone are met by nobody
            let known = artifact.findings.iter().filter_map(|told| {
                let mut finding = Finding::new(crate::rule::by_id(&told.rule)?, "");
                finding.member.clone_from(&told.member);
                finding.global.clone_from(&told.global);
                Some(finding.fingerprint(&artifact.path))
            });
            let known: HashSet<String> = known.collect();
            files.insert(artifact.path, (sha256, known));
        }
        Ok(Baseline { files })
    }

    /// Excuses the findings of a file that are known.
    pub(crate) fn excuse(&self, path: &Path, sha256: Option<Digest>, findings: &mut [Finding]) {
        let path = path.to_string_lossy();
        let Some((then, known)) = self.files.get(path.as_ref()) else { return };
        // what has no content, as a link that leads nowhere, has none both times
        if *then != sha256 {
            return;
        }
        for finding in findings.iter_mut().filter(|finding| finding.excuse.is_none()) {
            if finding.rule.effect != Effect::Unproven && known.contains(&finding.fingerprint(&path)) {
                finding.excuse = Some("known from the baseline".into());
            }
        }
    }
}
