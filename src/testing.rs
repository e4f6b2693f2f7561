//! Helpers of unit tests.
#![allow(clippy::print_stderr)] // a skipped test says why

use crate::finding::Finding;
use crate::format::{self, Identity};
use crate::outcome::{Outcome, Verdict};
use crate::rule::Severity;
use crate::scan::{Scan, Settings};
use crate::source::View;
use std::path::PathBuf;

/// The folder of shared samples: `$MVERIFY_SHARED`, or `../shared` beside the project. Says so where there is none, and
/// the test returns.
pub(crate) fn shared() -> Option<PathBuf> {
    let path = std::env::var_os("MVERIFY_SHARED")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")), PathBuf::from);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("skipped: no shared samples at {}", path.display());
    None
}

/// What an examination said.
#[derive(Debug)]
pub(crate) struct Examined {
    pub(crate) identity: Identity,
    pub(crate) findings: Vec<Finding>,
    pub(crate) capabilities: crate::capability::Capabilities,
}

impl Examined {
    /// The verdict with the default `--fail-on`.
    pub(crate) fn verdict(&self) -> Verdict {
        Outcome::judge(&self.findings, Severity::High).verdict()
    }
    /// True if a finding of this rule id is there.
    pub(crate) fn has(&self, rule: &crate::rule::Rule) -> bool {
        self.findings.iter().any(|finding| finding.rule == rule)
    }
}

/// Examines bytes under a name, with default settings.
pub(crate) fn examine(bytes: &[u8], name: &str) -> Examined {
    let settings = Settings::default();
    let mut scan = Scan::new(&settings);
    let identity = format::examine(&View::new(&bytes), name, &mut scan);
    crate::torch::Oracle::new(&View::new(&bytes), name, &settings).findings().into_iter().for_each(|f| scan.find(f));
    let capabilities = std::mem::take(&mut scan.capabilities);
    let (mut findings, deferred) = scan.finish();
    // what the bulk pass over the file would do, which counts on each byte being asked for once
    let mut ranges: Vec<_> = deferred.iter().map(|check| (check.range.start, check.range.end)).collect();
    ranges.sort_unstable();
    let once =
        ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0 || findings.iter().any(|f| f.severity >= Severity::High));
    assert!(once, "{name}: two checksums over the same bytes: {ranges:?}");
    for check in deferred {
        let range = usize::try_from(check.range.start).unwrap()..usize::try_from(check.range.end).unwrap();
        if crc32fast::hash(&bytes[range]) != check.expected {
            let mut finding =
                Finding::new(&crate::rule::container::ZIP_CHECKSUM, "the content does not have its checksum");
            finding.member = Some(check.member);
            findings.push(finding);
        }
    }
    Examined { identity, findings, capabilities }
}
