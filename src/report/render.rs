//! Output formats: each is told the artifacts in order, then the summary, and writes as it goes, so that a run over many
//! files is never held in memory. What a format must say first and learns last (JUnit, Markdown) is bounded in its own
//! module.
//!
//! Threat: names from files and archives. Each format escapes them by its own rules, so that none can forge a line, a
//! cell, an element or a workflow command.

use super::json_v1::{ArtifactV1, CountsV1, LastLineV1};
use super::plain::hides;
use super::{Artifact, Summary};
use serde::Serialize;
use serde_json::ser::Formatter;
use std::io::{self, Write};

/// One output format of one run.
pub trait Render {
    /// Writes one artifact.
    ///
    /// # Errors
    /// Those of `to`.
    fn artifact(&mut self, to: &mut dyn Write, artifact: &Artifact) -> io::Result<()>;
    /// Writes the end.
    ///
    /// # Errors
    /// Those of `to`.
    fn finish(&mut self, to: &mut dyn Write, summary: &Summary) -> io::Result<()>;
}

/// `mverify.report/v1`, one document.
#[derive(Debug, Default)]
pub struct Json {
    begun: bool,
}

/// One JSON object per artifact and line, the summary last. Flushed line by line: whoever reads lines wants to see the
/// first finding now.
#[derive(Debug, Default)]
pub struct Jsonl;

impl Json {
    fn begin(&mut self, to: &mut dyn Write) -> io::Result<()> {
        let opening = "{\n\"schema\": \"mverify.report/v1\",\n\"artifacts\": [\n";
        to.write_all(if self.begun { ",\n" } else { opening }.as_bytes())?;
        self.begun = true;
        Ok(())
    }
}

impl Render for Json {
    fn artifact(&mut self, to: &mut dyn Write, artifact: &Artifact) -> io::Result<()> {
        self.begin(to)?;
        json(to, &ArtifactV1::from(artifact))
    }
    fn finish(&mut self, to: &mut dyn Write, summary: &Summary) -> io::Result<()> {
        if !self.begun {
            self.begin(to)?;
        }
        let (verdict, coverage) = (summary.verdict().name(), summary.coverage().name());
        write!(to, "\n],\n\"verdict\": \"{verdict}\",\n\"coverage\": \"{coverage}\",\n\"summary\": ")?;
        json(to, &CountsV1::from(summary))?;
        writeln!(to, "\n}}")
    }
}

impl Render for Jsonl {
    fn artifact(&mut self, to: &mut dyn Write, artifact: &Artifact) -> io::Result<()> {
        json(to, &ArtifactV1::from(artifact))?;
        writeln!(to)?;
        to.flush()
    }
    fn finish(&mut self, to: &mut dyn Write, summary: &Summary) -> io::Result<()> {
        json(to, &LastLineV1::from(summary))?;
        writeln!(to)
    }
}

/// Writes a wire type as compact JSON. Characters that hide or reorder what is beside them are written as `\u` escapes: the
/// value is the same, and a log that is looked at shows what is there.
pub(crate) fn json(to: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    value.serialize(&mut serde_json::Serializer::with_formatter(to, Visible)).map_err(io::Error::from)
}

struct Visible;

impl Formatter for Visible {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| hides(*c)) {
            let (before, behind) = rest.split_at(at);
            writer.write_all(before.as_bytes())?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = behind.get(c.len_utf8()..).unwrap_or_default();
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_is_escaped_and_nothing_else_changes() {
        let text = "a\u{202e}b\u{e0041}\u{7f}\n\"größe 模型 \\";
        let mut out = Vec::new();
        json(&mut out, &text).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert_eq!(out, r#""a\u202eb\udb40\udc41\u007f\n\"größe 模型 \\""#);
        assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
    }
}
