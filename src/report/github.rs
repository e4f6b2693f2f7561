//! Annotations of GitHub Actions: a workflow command per finding of medium severity and above.
//!
//! Threat: a name that ends the line and begins a command of its own (`::set-output`). Properties and messages are
//! escaped as the runner's toolkit does it, after everything that breaks lines was made visible.

use super::plain::{path, whole};
use super::render::Render;
use super::{Artifact, Summary};
use crate::outcome::Verdict;
use crate::rule::Severity;
use std::fmt::Write as _;
use std::io::{self, Write};

/// The annotations of one run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Github;

impl Render for Github {
    fn artifact(&mut self, to: &mut dyn Write, artifact: &Artifact) -> io::Result<()> {
        let file = property(&path(&artifact.path));
        for finding in artifact.findings.iter().filter(|f| f.severity >= Severity::Medium && f.excuse.is_none()) {
            let command = if finding.severity >= Severity::High { "error" } else { "warning" };
            let title = property(&format!("{} {}", finding.rule.id, finding.rule.title));
            let mut message = whole(&finding.message);
            if let Some(member) = &finding.member {
                let _ = write!(message, " in {}", whole(member));
            }
            if let Some(offset) = finding.offset {
                let _ = write!(message, " at byte {offset}");
            }
            let _ = write!(message, ". {}", finding.rule.todo);
            writeln!(to, "::{command} file={file},title={title}::{}", data(&message))?;
        }
        Ok(())
    }

    fn finish(&mut self, to: &mut dyn Write, summary: &Summary) -> io::Result<()> {
        let command = match summary.verdict() {
            Verdict::Ok => "notice",
            Verdict::Unknown => "warning",
            Verdict::Bad => "error",
        };
        let unchanged = match summary.unchanged {
            0 => String::new(),
            n => format!(", {n} unchanged and not looked at"),
        };
        let stopped = if summary.stopped { ", stopped before every file was checked" } else { "" };
        writeln!(
            to,
            "::{command} title=mverify::{}: {} ok, {} unknown, {} bad{unchanged}{stopped}",
            summary.verdict().name(),
            summary.ok,
            summary.unknown,
            summary.bad
        )
    }
}

/// The message of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_command_can_be_forged() {
        assert_eq!(property("a,line=2::x%\n"), "a%2Cline=2%3A%3Ax%25%0A");
        assert_eq!(data("100 %\r\n::set-output"), "100 %25%0D%0A::set-output");
    }
}
