//! `[[override]]` and `[[waiver]]`: what holds for a part of the paths, and findings that do not count.

use super::glob::Glob;
use super::model::Sha256;
use super::moment::Moment;
use super::{Proofs, severity};
use crate::digest::Digest;
use crate::finding::{Finding, shown};
use crate::rule::{self, Effect, Severity};
use serde::{Deserialize, Deserializer, de};
use std::path::Path;

/// What holds for some paths instead, or on top.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Override {
    /// The paths.
    pub path: Glob,
    /// Lowest severity that makes a file bad; of several overrides the last counts.
    #[serde(default, deserialize_with = "severity")]
    pub fail_on: Option<Severity>,
    /// More proofs that are required of loadable files.
    #[serde(default)]
    pub require: Proofs,
    /// Formats that loadable files may have, besides having to be among those that hold everywhere.
    pub formats: Option<Vec<String>>,
    /// It stands in a policy that the user named or configured.
    #[serde(skip)]
    pub trusted: bool,
}

/// A finding that somebody looked into and accepted, for one content and for a time.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Waiver {
    /// Id of the rule. What is not proven cannot be waived.
    #[serde(deserialize_with = "waivable")]
    pub rule: String,
    /// The paths.
    pub path: Glob,
    /// SHA-256 of the content.
    pub sha256: Sha256,
    /// Why it is accepted.
    #[serde(deserialize_with = "reason")]
    pub reason: String,
    /// The last day on which it is.
    pub until: Moment,
    /// Only findings in this archive member.
    pub member: Option<String>,
    /// Only findings about this global.
    pub global: Option<String>,
}

/// Applies waivers to the findings of one file; those that have ended, or are for another content, are findings too.
pub(crate) fn waive(waivers: &[Waiver], path: &Path, sha256: Option<Digest>, now: i64, findings: &mut Vec<Finding>) {
    let mut said = Vec::new();
    for waiver in waivers.iter().filter(|waiver| waiver.path.covers(path)) {
        let mut meant: Vec<&mut Finding> = findings.iter_mut().filter(|finding| waiver.means(finding)).collect();
        if meant.is_empty() {
            continue;
        }
        if sha256 != Some(waiver.sha256.0) {
            let message =
                format!("a waiver of {} for this path is for another content, and does not count", waiver.rule);
            said.push(Finding::new(&rule::policy::WAIVER_LOST, message));
        } else if waiver.until.has_passed(now) {
            let message = format!("the waiver of {} ended on {}: {}", waiver.rule, waiver.until, shown(&waiver.reason));
            said.push(Finding::new(&rule::policy::WAIVER_ENDED, message));
        } else {
            for finding in &mut meant {
                finding.excuse = Some(format!("waived until {}: {}", waiver.until, shown(&waiver.reason)).into());
            }
        }
    }
    findings.append(&mut said);
}

impl Waiver {
    fn means(&self, finding: &Finding) -> bool {
        let same = |wanted: &Option<String>, is: &Option<String>| wanted.is_none() || wanted == is;
        finding.excuse.is_none()
            && finding.rule.id.eq_ignore_ascii_case(&self.rule)
            && same(&self.member, &finding.member)
            && same(&self.global, &finding.global)
    }
}

fn waivable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let id = String::deserialize(deserializer)?;
    match rule::by_id(&id) {
        None => Err(de::Error::custom("there is no rule of this id (mverify explain --all lists them)")),
        Some(rule) if rule.effect == Effect::Unproven => {
            Err(de::Error::custom("this rule says that something is not proven, and no waiver proves it"))
        }
        Some(rule) => Ok(rule.id.to_owned()),
    }
}

fn reason<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let reason = String::deserialize(deserializer)?;
    if reason.trim().is_empty() { Err(de::Error::custom("expected a reason")) } else { Ok(reason) }
}
