//! Capabilities against locks that record them: what is new is a finding, and what was reviewed does not count again.
//!
//! Threat: whoever ships a model ships a lock too, so only a lock that the user named excuses anything; one that was found
//! can only object. What is bad is not excused by a lock at all: `mverify lock` pins nothing bad, and accepting it takes a
//! waiver, with a reason and an end. What is not proven is never excused. A class that was reviewed is known by its name;
//! where the finding is about a use, or about code itself, the content must be the reviewed one too.

use super::{Claimed, Expectations};
use crate::capability::{Capabilities, Standing};
use crate::digest::Digest;
use crate::finding::{Finding, shown};
use crate::manifest::lock::Recorded;
use crate::report::Trust;
use crate::rule::{Effect, Rule, format, integrity as rules, pickle};
use std::path::Path;

/// New capabilities of one file that are told one by one.
const TOLD: usize = 50;

impl Expectations {
    /// Adds what a file can do beyond what its locks record, and excuses what was reviewed.
    pub fn review(&self, path: &Path, found: &Capabilities, sha256: Option<Digest>, findings: &mut Vec<Finding>) {
        for (number, claim) in self.claims.get(path).into_iter().flatten() {
            let (Some(known), Some(source)) = (&claim.reviewed, self.sources.get(*number)) else { continue };
            let same =
                claim.digests.iter().any(|claimed| matches!(claimed, Claimed::Whole(_, is) if Some(*is) == sha256));
            if source.trust == Trust::Pinned && !found.cut {
                for finding in findings.iter_mut().filter(|finding| finding.excuse.is_none()) {
                    if was_reviewed(finding, known, same) {
                        finding.excuse = Some(format!("reviewed in {}", source.name).into());
                    }
                }
            }
            findings.extend(new(found, known, &source.name));
        }
    }
}

/// What is not among what was reviewed.
fn new(found: &Capabilities, known: &Recorded, lock: &str) -> Vec<Finding> {
    let tell =
        |what: String| Finding::new(&rules::NEW_CAPABILITY, format!("{what} is not in {lock}: nobody reviewed it"));
    let alarming = found.globals.iter().filter(|(_, standing)| **standing >= Standing::Unvetted);
    let globals = alarming.filter(|(global, _)| !known.globals.contains(*global));
    let globals = globals.map(|(global, standing)| {
        tell(format!("the {} global {}", standing.name(), shown(global))).global(shown(global))
    });
    let templates = found.templates.iter().filter(|(_, sha256)| !known.knows_template(sha256));
    let templates = templates.map(|(place, sha256)| tell(format!("the template {} ({sha256})", shown(place))));
    let code = found.code.difference(&known.code).map(|code| tell(format!("the reference to code {}", shown(code))));
    let mut new: Vec<Finding> = globals.chain(templates).chain(code).collect();
    let hidden = new.len().saturating_sub(TOLD);
    new.truncate(TOLD);
    if hidden > 0 {
        new.push(tell(format!("{hidden} more of this kind: what they name")));
    }
    if found.cut {
        new.push(tell("more than is kept of such a file, so what it names".to_owned()));
    }
    new
}

/// True if a finding is about something that was reviewed; `same` if the content is what was reviewed.
fn was_reviewed(finding: &Finding, known: &Recorded, same: bool) -> bool {
    let is = |rule: &Rule| finding.rule == rule;
    let global = finding.global.as_deref();
    let named = global.is_some_and(|global| known.globals.contains(global));
    let referred = || {
        let names = known.code.iter().filter_map(|code| code.split_once(": "));
        names.into_iter().any(|(_, name)| Some(shown(name).as_str()) == global)
    };
    if finding.rule.effect != Effect::Unvetted {
        return false;
    }
    (is(&pickle::UNVETTED_GLOBAL) && named)
        || (is(&format::CLASS_OUTSIDE) && referred())
        || (same && is(&pickle::UNPROVEN_USE) && named)
        || (same && (is(&format::YAML_OBJECT) || is(&format::POWERFUL_CODE)) && !known.code.is_empty())
        || (same && is(&format::NATIVE_CODE))
}
