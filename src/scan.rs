//! The scan of one artifact in progress: what may be spent, where we are, and what was found so far.
//!
//! Every parser takes `&mut Scan`, reports into it, and never decides about the verdict itself.

use crate::budget::{Budget, Limits, Spent};
use crate::capability::Capabilities;
use crate::finding::Finding;
use crate::profile::Profile;
use crate::rule::{self, Rule};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A switch that ends a run early, shared by the caller and the run. What was not finished is reported as not proven.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Apart<Arc<AtomicBool>>>);

/// On cache lines of its own. A switch is looked at with every opcode, and the counts that lie before it change with every
/// file, on all threads.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Apart<T>(T);

impl Stop {
    /// Ends every run that holds this switch, soon.
    pub fn now(&self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
    /// A switch that is also set when `flag` is, for signal handlers.
    pub fn on(flag: Arc<AtomicBool>) -> Self {
        Stop(Arc::new(Apart(flag)))
    }
    /// True once [`Stop::now`] was called.
    pub fn is_set(&self) -> bool {
        self.0.0.load(Ordering::Relaxed)
    }
}

/// What the caller wants to know, fixed for a run.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Upper bounds.
    pub limits: Limits,
    /// Globals the user vouches for, as `module.qualname`.
    pub trusted_globals: Vec<String>,
    /// Frameworks whose loaders the weights_only question is asked for; empty means a bare `torch.load`.
    pub profiles: Vec<Profile>,
    /// torch versions the weights_only question is asked for, as the user wrote them; empty means the newest known.
    pub torch_versions: Vec<String>,
    /// Ends the run early; the caller may tie it to a clock or a key.
    pub stop: Stop,
}

/// A check over bulk bytes that the one pass over the file makes while it hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeferredCrc {
    /// Byte range of the file.
    pub range: Range<u64>,
    /// The CRC-32 these bytes must have.
    pub expected: u32,
    /// Member path, as in [`Finding::member`].
    pub member: String,
}

/// Findings kept per effect. A hostile file could make millions; counting by effect keeps the worst ones in.
const KEPT: usize = 2_000;

/// What a part of a scan found that may not count.
#[derive(Debug)]
pub struct Trial {
    /// The findings, in the order in which they were made.
    pub findings: Vec<Finding>,
    capabilities: Capabilities,
}

/// The scan of one artifact.
#[derive(Debug)]
pub struct Scan<'a> {
    /// What was asked.
    pub settings: &'a Settings,
    /// What is left of the limits.
    pub budget: Budget,
    /// What it can do to whoever loads it.
    pub capabilities: Capabilities,
    findings: Vec<Finding>,
    kept: [usize; 4],
    members: Vec<String>,
    deferred: Vec<DeferredCrc>,
    excused: Option<fn(&str) -> bool>,
}

impl<'a> Scan<'a> {
    /// An empty scan with a full budget.
    pub fn new(settings: &'a Settings) -> Self {
        Scan {
            settings,
            budget: Budget::new(settings.limits.clone()).with_stop(settings.stop.clone()),
            capabilities: Capabilities::default(),
            findings: Vec::new(),
            kept: [0; 4],
            members: Vec::new(),
            deferred: Vec::new(),
            excused: None,
        }
    }
    /// Notes a finding at the current member.
    pub fn find(&mut self, mut finding: Finding) {
        if finding.member.is_none() && !self.members.is_empty() {
            finding.member = Some(self.members.join("!"));
        }
        let kept = &mut self.kept[finding.rule.effect as usize];
        if *kept < KEPT {
            *kept += 1;
            self.findings.push(finding);
        }
    }
    /// Notes that `rule` was met at `offset` of the current member.
    pub fn report(&mut self, rule: &'static Rule, offset: u64, message: impl Into<String>) {
        self.find(Finding::new(rule, message).at(offset));
    }
    /// Notes that a limit was reached.
    pub fn spent(&mut self, spent: Spent, offset: u64) {
        self.report(&rule::format::OVER_BUDGET, offset, format!("stopped at the limit {}", spent.0));
    }
    /// Goes into an archive member, for the places of findings. Fails with `max_depth` when nested too deeply.
    pub fn enter(&mut self, member: impl Into<String>) -> Result<(), Spent> {
        if self.members.len() >= self.budget.limits().max_depth as usize {
            return Err(Spent("max_depth"));
        }
        self.members.push(member.into());
        Ok(())
    }
    /// Leaves the innermost member.
    pub fn leave(&mut self) {
        self.members.pop();
    }
    /// Runs `f` and returns what it found apart, for a caller who decides what of it counts. What does goes back through
    /// [`find`](Self::find) or [`keep`](Self::keep); the budget is spent either way.
    pub fn trial<R>(&mut self, f: impl FnOnce(&mut Self) -> R) -> (R, Trial) {
        let before = (std::mem::take(&mut self.findings), std::mem::take(&mut self.kept));
        let capabilities = std::mem::take(&mut self.capabilities);
        let result = f(self);
        // what a trial found must not use up the room of what counts
        self.kept = before.1;
        let findings = std::mem::replace(&mut self.findings, before.0);
        (result, Trial { findings, capabilities: std::mem::replace(&mut self.capabilities, capabilities) })
    }
    /// Takes all that a trial found.
    pub fn keep(&mut self, trial: Trial) {
        trial.findings.into_iter().for_each(|finding| self.find(finding));
        self.capabilities.merge(trial.capabilities);
    }
    /// Runs `f` while nothing is said about globals that `excused` holds for. Excused before they are counted, so that a
    /// flood of them cannot push out the others.
    pub fn excusing<R>(&mut self, excused: fn(&str) -> bool, f: impl FnOnce(&mut Self) -> R) -> R {
        let before = self.excused.replace(excused);
        let result = f(self);
        self.excused = before;
        result
    }
    /// True if nothing is to be said about this global, given as `module.qualname`.
    pub fn excuses(&self, global: &str) -> bool {
        self.excused.is_some_and(|excused| excused(global))
    }
    /// How many members deep we are.
    pub fn depth(&self) -> usize {
        self.members.len()
    }
    /// Asks the bulk pass to check a CRC-32 over stored bytes of the outermost file.
    pub fn defer_crc(&mut self, range: Range<u64>, expected: u32, member: String) {
        self.deferred.push(DeferredCrc { range, expected, member });
    }
    /// Findings so far.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
    /// Notes a template: where it stands, below the current member, and its text.
    pub fn template(&mut self, place: &str, text: &str) {
        let at = self.members.iter().map(String::as_str).chain([place]).collect::<Vec<_>>().join("!");
        self.capabilities.template(at, text);
    }
    /// Ends the scan: the findings in report order, and the checks left to the bulk pass.
    pub fn finish(mut self) -> (Vec<Finding>, Vec<DeferredCrc>) {
        self.findings.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
        (self.findings, self.deferred)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_in_trials_cannot_wash_out_what_is_bad() {
        let settings = Settings::default();
        let mut scan = Scan::new(&settings);
        let (_, trial) = scan.trial(|scan| {
            for n in 0..10_000 {
                scan.report(&rule::pickle::DANGEROUS_GLOBAL, n, "on trial");
            }
        });
        assert_eq!(trial.findings.len(), KEPT);
        scan.report(&rule::pickle::DANGEROUS_GLOBAL, 10_000, "the one that counts");
        assert_eq!(scan.finish().0.len(), 1);
    }

    #[test]
    fn a_flood_of_notes_cannot_wash_out_what_is_bad() {
        let settings = Settings::default();
        let mut scan = Scan::new(&settings);
        for n in 0..10_000 {
            scan.report(&rule::format::UNKNOWN_FORMAT, n, "noise");
        }
        scan.report(&rule::pickle::DANGEROUS_GLOBAL, 10_000, "the one that counts");
        let (findings, _) = scan.finish();
        assert_eq!(findings.len(), KEPT + 1);
        assert!(findings.iter().any(|f| f.rule == &rule::pickle::DANGEROUS_GLOBAL));
    }
}
