//! A summary in GitHub-flavoured Markdown, as for `$GITHUB_STEP_SUMMARY`: the verdict, then a row per file that is not ok.
//!
//! The verdict stands first, so the rows are held back: at most [`ROWS`], which also keeps the page under the 1 MiB that
//! GitHub takes. Names stand in code spans that they cannot leave.

use super::plain::{path, plain};
use super::render::Render;
use super::text::bytes;
use super::{Artifact, Summary};
use crate::outcome::Verdict;
use std::fmt::Write as _;
use std::io::{self, Write};

/// Rows before the rest is only counted.
const ROWS: usize = 500;

/// The page of one run.
#[derive(Debug, Default)]
pub struct Markdown {
    rows: Vec<String>,
    hidden: usize,
}

impl Render for Markdown {
    fn artifact(&mut self, _: &mut dyn Write, artifact: &Artifact) -> io::Result<()> {
        let verdict = artifact.outcome.verdict();
        if verdict == Verdict::Ok {
            return Ok(());
        }
        if self.rows.len() == ROWS {
            self.hidden += 1;
            return Ok(());
        }
        let worst = artifact.findings.iter().filter(|f| f.counts()).max_by_key(|f| f.severity);
        let (rule, why, todo) = worst.map_or(("", String::new(), ""), |f| (f.rule.id, plain(&f.message), f.rule.todo));
        let mut row = format!("| {} | {} | {rule} | ", verdict.name(), code(&plain(&path(&artifact.path))));
        let _ = write!(row, "{} | {} |", cell(&why), cell(todo));
        self.rows.push(row);
        Ok(())
    }

    fn finish(&mut self, to: &mut dyn Write, summary: &Summary) -> io::Result<()> {
        let verdict = match summary.verdict() {
            Verdict::Ok => "✅ ok: everything that was asked for was proven",
            Verdict::Unknown => "⚠️ unknown: not everything was proven",
            Verdict::Bad => "❌ bad: do not load",
        };
        writeln!(to, "## mverify: {verdict}\n")?;
        if summary.stopped {
            writeln!(to, "Stopped before every file was checked.\n")?;
        }
        let (ok, unknown, bad) = (summary.ok, summary.unknown, summary.bad);
        let files = if summary.total() == 1 { "file" } else { "files" };
        write!(to, "{} {files}, {}: {ok} ok, {unknown} unknown, {bad} bad", summary.total(), bytes(summary.bytes))?;
        match summary.unchanged {
            0 => writeln!(to, ".")?,
            n => writeln!(to, "; {n} unchanged and not looked at.")?,
        }
        if !self.rows.is_empty() {
            writeln!(to, "\n| verdict | file | rule | why | what to do |\n|---|---|---|---|---|")?;
        }
        for row in &self.rows {
            writeln!(to, "{row}")?;
        }
        if self.hidden > 0 {
            writeln!(to, "\nAnd {} more files.", self.hidden)?;
        }
        Ok(())
    }
}

/// Text in a cell: no markup, no end of the cell.
pub(crate) fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '@' => out.push_str("&#64;"), // no mention of a person
            '\\' | '`' | '*' | '_' | '[' | ']' | '!' | '|' | '~' | '#' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// A code span in a cell, which it does not end.
fn code(text: &str) -> String {
    span(text).replace('|', "\\|")
}

/// A code span: with more backticks around it than there are in it.
pub(crate) fn span(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let space = if longest > 0 { " " } else { "" };
    format!("{fence}{space}{text}{space}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_markup_can_be_forged() {
        assert_eq!(cell("a|b <img src=x> [x](y) @me"), "a\\|b &lt;img src=x&gt; \\[x\\](y) &#64;me");
        assert_eq!(code("a`b``c|d"), "``` a`b``c\\|d ```");
        assert_eq!(code("plain"), "`plain`");
    }
}
