//! The verdict on an artifact and how it follows from the findings.

use crate::finding::Finding;
use crate::rule::{Effect, Severity};

/// What is known about an artifact. The order is the order of exit codes' rank: `Ok < Unknown < Bad`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Everything that was asked for was proven.
    Ok,
    /// Not proven.
    Unknown,
    /// Proven bad.
    Bad,
}

/// Whether all of the artifact was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Coverage {
    /// Every byte that a loader could act on was accounted for.
    Complete,
    /// Something was not read, not understood or over a limit.
    Partial,
}

/// Verdict and coverage together. `Ok` with `Partial` cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Outcome {
    verdict: Verdict,
    coverage: Coverage,
}

impl Outcome {
    /// Judges findings, but those that are excused. A finding at or above `fail_on` is bad; a bad rule's finding below a raised `fail_on` is still
    /// not proof of anything good, so it leaves the artifact unknown.
    pub fn judge<'a>(findings: impl IntoIterator<Item = &'a Finding>, fail_on: Severity) -> Self {
        let mut outcome = Outcome { verdict: Verdict::Ok, coverage: Coverage::Complete };
        for finding in findings.into_iter().filter(|finding| finding.excuse.is_none()) {
            let (verdict, coverage) = match finding.rule.effect {
                Effect::Note => (Verdict::Ok, Coverage::Complete),
                Effect::Unvetted | Effect::Bad => (Verdict::Unknown, Coverage::Complete),
                Effect::Unproven => (Verdict::Unknown, Coverage::Partial),
            };
            let verdict = if finding.severity >= fail_on { Verdict::Bad } else { verdict };
            outcome.verdict = outcome.verdict.max(verdict);
            outcome.coverage = outcome.coverage.max(coverage);
        }
        outcome
    }
    /// What holds where both hold: the worse verdict, the lesser coverage.
    pub fn and(self, other: Outcome) -> Outcome {
        Outcome { verdict: self.verdict.max(other.verdict), coverage: self.coverage.max(other.coverage) }
    }
    /// The verdict.
    pub fn verdict(self) -> Verdict {
        self.verdict
    }
    /// The coverage.
    pub fn coverage(self) -> Coverage {
        self.coverage
    }
}

impl Verdict {
    /// The name used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Unknown => "unknown",
            Verdict::Bad => "bad",
        }
    }
}

impl Coverage {
    /// The name used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Coverage::Complete => "complete",
            Coverage::Partial => "partial",
        }
    }
}
