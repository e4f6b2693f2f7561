//! Several bundles about one model: each is verified on its own, and [`Suffices`] says how many must be good.
//!
//! A bundle that nobody trusted signed may be there for somebody else, so beside enough good ones it is only told of. A
//! bad one (a signature that does not verify, a statement with two readings) is a finding whatever lies beside it.

use super::bundle::MOST_BYTES;
use super::verify::{Anchor, How, Verified, verify_statement};
use crate::finding::{Finding, shown};
use crate::manifest::oms::{Refusal, Statement};
use crate::report::Trust;
use crate::rule::{self, Effect, trust as rules};
use crate::source::{FileSource, OpenOptions, ReadAt};
use std::path::{Path, PathBuf};

/// Bundles that are read of one file of JSON lines.
const MOST_LINES: usize = 10_000;

/// How many of the bundles about a model must be good, and by signers who are trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Suffices {
    /// One of them.
    #[default]
    Any,
    /// Each of them.
    All,
    /// So many of them.
    AtLeast(usize),
}

impl Suffices {
    /// True if `good` of `all` bundles are enough. None at all never is.
    pub fn is_met(self, good: usize, all: usize) -> bool {
        good > 0
            && match self {
                Suffices::Any => true,
                Suffices::All => good == all,
                Suffices::AtLeast(least) => good >= least,
            }
    }
}

/// A bundle and what became of it.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The file that holds it.
    pub path: PathBuf,
    /// Its name in reports: that of the file, with the line in a file of several.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// What it says, or why it is not relied on.
    pub verdict: Result<Verified<Statement>, Finding>,
}

impl Judged {
    /// True if it was read as a bundle, good or not. What was not may be anything, and only has the name of one.
    pub fn is_bundle(&self) -> bool {
        let refused = self.verdict.as_ref().err().map(|finding| finding.rule);
        !refused.is_some_and(|rule| rule == &rules::MALFORMED || rule == &rule::format::UNREADABLE)
    }
    /// True if somebody who is trusted signed it.
    pub fn is_signed(&self) -> bool {
        self.verdict.as_ref().is_ok_and(|verified| verified.trust == Trust::Signed)
    }
}

/// The bundles in the text of a file, with their lines where it is one of JSON lines: one bundle in each that is not
/// blank.
pub fn lines<'t>(path: &Path, text: &'t [u8]) -> Vec<(Option<usize>, &'t [u8])> {
    if path.extension().is_none_or(|last| last != "jsonl") {
        return vec![(None, text)];
    }
    let lines = text.split(|byte| *byte == b'\n').enumerate().map(|(at, line)| (Some(at + 1), line.trim_ascii()));
    lines.filter(|(_, line)| !line.is_empty()).take(MOST_LINES + 1).collect()
}

/// Verifies every bundle of these files.
pub fn judge(paths: &[PathBuf], anchor: &Result<Option<&Anchor>, Refusal>, how: How) -> Vec<Judged> {
    let mut all = Vec::new();
    for path in paths {
        let name = shown(&path.file_name().unwrap_or(path.as_os_str()).to_string_lossy());
        let failed = |finding| Judged { path: path.clone(), name: name.clone(), size: 0, verdict: Err(finding) };
        let text = match read(path) {
            Ok(text) => text,
            Err(finding) => {
                all.push(failed(finding));
                continue;
            }
        };
        let bundles = lines(path, &text);
        if bundles.is_empty() {
            all.push(failed(Finding::new(&rules::MALFORMED, "it holds no bundle")));
        }
        if bundles.len() > MOST_LINES {
            let message = format!("it holds more than {MOST_LINES} bundles, which are not all read");
            all.push(failed(Finding::new(&rules::MALFORMED, message)));
        }
        for (line, text) in bundles.into_iter().take(MOST_LINES) {
            let verdict = anchor.clone().and_then(|anchor| verify_statement(text, anchor, how));
            all.push(Judged {
                path: path.clone(),
                name: line.map_or_else(|| name.clone(), |line| format!("{name}:{line}")),
                size: text.len() as u64,
                verdict: verdict.map_err(|refusal| Finding::new(refusal.rule, refusal.message)),
            });
        }
    }
    all
}

/// Makes of bundles that are not relied on a mere note, if enough others are good. Bad ones stay what they are.
pub fn settle(all: &mut [Judged], suffices: Suffices) {
    let good = all.iter().filter(|judged| judged.is_signed()).count();
    if suffices == Suffices::All || !suffices.is_met(good, all.len()) {
        return;
    }
    for judged in all {
        if let Err(finding) = &mut judged.verdict
            && finding.rule.effect != Effect::Bad
        {
            *finding = Finding::new(&rules::NOT_RELIED_ON, format!("not relied on: {}", finding.message));
        }
    }
}

/// Reads a bundle whole.
fn read(path: &Path) -> Result<Vec<u8>, Finding> {
    let options = OpenOptions { max_file_bytes: MOST_BYTES, ..OpenOptions::default() };
    let unreadable = |why: String| Finding::new(&rule::format::UNREADABLE, why);
    let file = FileSource::open(path, &options).map_err(|error| unreadable(error.reason()))?;
    let text = file.copy(0..file.len()).map_err(|error| unreadable(error.to_string()))?.into_owned();
    file.settle().map_err(|error| unreadable(error.to_string()))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_many_are_enough() {
        for suffices in [Suffices::Any, Suffices::All, Suffices::AtLeast(0), Suffices::AtLeast(2)] {
            assert!(!suffices.is_met(0, 0) && !suffices.is_met(0, 3), "{suffices:?}");
        }
        assert!(Suffices::Any.is_met(1, 3) && !Suffices::All.is_met(1, 3) && Suffices::All.is_met(3, 3));
        assert!(!Suffices::AtLeast(2).is_met(1, 3) && Suffices::AtLeast(2).is_met(2, 3));
    }

    #[test]
    fn lines_are_bundles_only_where_the_name_says_so() {
        assert_eq!(lines(Path::new("a.sig"), b"{\n}\n"), [(None, &b"{\n}\n"[..])]);
        assert_eq!(lines(Path::new("a.jsonl"), b"{}\r\n\n {} "), [(Some(1), &b"{}"[..]), (Some(3), b"{}")]);
        assert!(lines(Path::new("a.jsonl"), b"\n").is_empty());
    }
}
