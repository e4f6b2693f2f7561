//! JUnit XML: a test case per file, a failure for one that is bad, an error for one that is not proven.
//!
//! The counts stand before the cases, so the cases are held back: memory grows by about 150 bytes per file that is ok and
//! with the findings of the others. Control characters, which XML 1.0 cannot hold, are escaped as in the text report.

use super::plain::{path, whole};
use super::render::Render;
use super::{Artifact, Summary};
use crate::outcome::Verdict;
use crate::rule::Severity;
use std::fmt::Write as _;
use std::io::{self, Write};

/// The test suite of one run.
#[derive(Debug, Default)]
pub struct Junit {
    cases: String,
}

impl Render for Junit {
    fn artifact(&mut self, _: &mut dyn Write, artifact: &Artifact) -> io::Result<()> {
        let out = &mut self.cases;
        let _ = write!(
            out,
            "    <testcase classname=\"mverify.{}\" name=\"{}\"",
            artifact.format,
            xml(&path(&artifact.path))
        );
        let element = match artifact.outcome.verdict() {
            Verdict::Ok => {
                out.push_str("/>\n");
                return Ok(());
            }
            Verdict::Bad => "failure",
            Verdict::Unknown => "error",
        };
        let worst = artifact.findings.iter().filter(|f| f.counts()).max_by_key(|f| f.severity);
        let (rule, message) = worst.map_or(("", "not proven"), |f| (f.rule.id, f.message.as_str()));
        let _ = writeln!(out, ">\n      <{element} type=\"{rule}\" message=\"{}\">", xml(&whole(message)));
        for finding in artifact.findings.iter().filter(|f| f.severity >= Severity::Medium && f.excuse.is_none()) {
            let mut place = finding.member.as_deref().map(|m| format!(" in {}", whole(m))).unwrap_or_default();
            if let Some(offset) = finding.offset {
                let _ = write!(place, " at byte {offset}");
            }
            let line = format!("{} {}: {}{place}", finding.rule.id, finding.severity, whole(&finding.message));
            let _ = writeln!(out, "{}", xml(&line));
        }
        let _ = write!(out, "</{element}>\n    </testcase>\n");
        Ok(())
    }

    fn finish(&mut self, to: &mut dyn Write, summary: &Summary) -> io::Result<()> {
        // a run that proves nothing, or was cut off, has one case more, which says so
        let why = match (summary.stopped, summary.is_of_nothing()) {
            (true, _) => Some("stopped before every file was checked"),
            (false, true) => Some("no file was checked, so nothing is proven"),
            _ => None,
        };
        if let Some(why) = why {
            let case = "    <testcase classname=\"mverify.run\" name=\"the run\">\n      <error type=\"\" message=\"";
            let _ = writeln!(self.cases, "{case}{why}\"/>\n    </testcase>");
        }
        let extra = u64::from(why.is_some());
        let counts = format!(
            "tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"0\"",
            summary.total() + extra,
            summary.bad,
            summary.unknown + extra
        );
        writeln!(
            to,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts}>\n  <testsuite name=\"mverify\" {counts}>"
        )?;
        to.write_all(self.cases.as_bytes())?;
        to.write_all(b"  </testsuite>\n</testsuites>\n")
    }
}

/// Text without control characters as character data or as the value of an attribute.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_element_can_be_forged() {
        assert_eq!(xml("]]></failure><x a=\"1\"&"), "]]&gt;&lt;/failure&gt;&lt;x a=&quot;1&quot;&amp;");
    }
}
