//! Where reports go: standard output and the files of `-o`, each in its own format, artifact by artifact.

use super::args::{Color, Common, Format};
use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use mverify::Verdict;
use mverify::report::json_v1::{ArtifactV1, CountsV1, LastLineV1};
use mverify::report::text::{self, Style};
use mverify::report::{Artifact, NOT_SCANNED, Summary};
use mverify::walk::Item;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

/// The beginning of a JSON report, which is written artifact by artifact: a run over many files is never held in memory.
const OPENING: &str = "{\n\"schema\": \"mverify.report/v1\",\n\"artifacts\": [\n";

/// Something that is told each artifact in order, and the summary at the end.
pub struct Output {
    format: Format,
    to: Box<dyn Write>,
    style: Style,
    written: u64,
    /// One file was named: its report is the long one.
    single: bool,
    /// Files that are what was signed get no line in the text.
    terse: bool,
}

impl Output {
    /// The outputs that the arguments ask for, none of which may be one of `items`. `single`: exactly one file will be
    /// reported.
    pub fn all(common: &Common, format: Format, files: &[String], items: &[Item], single: bool) -> Result<Vec<Output>> {
        let mut outputs = Vec::new();
        if !common.quiet {
            let style = Style { color: colored(common.color), verbose: common.verbose };
            outputs.push(Output::new(format, Box::new(Pipe(std::io::stdout())), style, single));
        }
        for output in files {
            let (format, path) = target(output)?;
            if items.iter().any(|item| same(item.path(), Path::new(path))) {
                bail!("-o {output} would overwrite a file that is to be checked");
            }
            let file = File::create(path).with_context(|| format!("cannot write {path}"))?;
            let style = Style { color: false, verbose: common.verbose };
            outputs.push(Output::new(format, Box::new(file), style, single));
        }
        Ok(outputs)
    }

    fn new(format: Format, to: Box<dyn Write>, style: Style, single: bool) -> Self {
        Output { format, to: Box::new(BufWriter::new(to)), style, written: 0, single, terse: false }
    }

    /// Leaves files that are what was signed out of the text, unless more was asked for.
    pub fn terse(self) -> Self {
        Output { terse: !self.style.verbose, ..self }
    }

    /// Writes one artifact.
    pub fn artifact(&mut self, artifact: &Artifact) -> Result<()> {
        match self.format {
            Format::Text if self.terse && is_what_was_signed(artifact) => {}
            Format::Text if self.single => write!(self.to, "{}", text::full(artifact, self.style))?,
            Format::Text => write!(self.to, "{}", text::brief(artifact, self.style))?,
            Format::Json => {
                let opening = if self.written == 0 { OPENING } else { ",\n" };
                write!(self.to, "{opening}{}", serde_json::to_string(&ArtifactV1::from(artifact))?)?;
            }
            Format::Jsonl => {
                writeln!(self.to, "{}", serde_json::to_string(&ArtifactV1::from(artifact))?)?;
                // whoever reads lines wants to see the first finding now
                self.to.flush()?;
            }
        }
        self.written += 1;
        Ok(())
    }

    /// Writes the end.
    pub fn finish(mut self, summary: &Summary) -> Result<()> {
        match self.format {
            Format::Text if self.single => {}
            Format::Text => write!(self.to, "{}", text::summary(summary, self.style))?,
            Format::Json => {
                if self.written == 0 {
                    write!(self.to, "{OPENING}")?;
                }
                let verdict = summary.verdict().name();
                let coverage = summary.coverage().name();
                let counts = serde_json::to_string(&CountsV1::from(summary))?;
                writeln!(
                    self.to,
                    "\n],\n\"verdict\": \"{verdict}\",\n\"coverage\": \"{coverage}\",\n\"summary\": {counts}\n}}"
                )?;
            }
            Format::Jsonl => writeln!(self.to, "{}", serde_json::to_string(&LastLineV1::from(summary))?)?,
        }
        self.to.flush()?;
        Ok(())
    }
}

fn is_what_was_signed(artifact: &Artifact) -> bool {
    artifact.outcome.verdict() == Verdict::Ok && artifact.format == NOT_SCANNED
}

/// Standard output whose reader may have seen enough (`mverify … | head`): that is no failure, and the run goes on, since
/// the exit code and the other outputs speak of everything.
struct Pipe(std::io::Stdout);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if_read(self.0.write(bytes), bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        if_read(self.0.flush(), ())
    }
}

fn if_read<T>(result: io::Result<T>, else_: T) -> io::Result<T> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(else_),
        result => result,
    }
}

/// True if both paths lead to one file. Only files of one name are looked up.
fn same(a: &Path, b: &Path) -> bool {
    a.file_name() == b.file_name() && a.canonicalize().is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b))
}

/// `[FORMAT:]FILE`; without a format the format is JSON.
fn target(output: &str) -> Result<(Format, &str)> {
    // a single letter is a drive of Windows
    let Some((word, path)) =
        output.split_once(':').filter(|(word, _)| word.len() > 1 && !word.contains(['/', '\\', '.']))
    else {
        return Ok((Format::Json, output));
    };
    let Ok(format) = Format::from_str(word, true) else {
        bail!(
            "-o {output}: there is no format {word}; known are text, json and jsonl (./{output} is a file of that name)"
        );
    };
    ensure!(!path.is_empty(), "-o {output}: a file name is missing after the colon");
    Ok((format, path))
}

/// Whether standard output gets colours: `--color`, then NO_COLOR, CLICOLOR_FORCE, and whether it is a terminal.
pub fn colored(color: Color) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => match anstream::AutoStream::choice(&std::io::stdout()) {
            anstream::ColorChoice::Never => false,
            anstream::ColorChoice::Always | anstream::ColorChoice::AlwaysAnsi => true,
            anstream::ColorChoice::Auto => std::io::stdout().is_terminal(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_names_its_format_or_is_json() {
        assert_eq!(target("jsonl:a.jsonl").unwrap(), (Format::Jsonl, "a.jsonl"));
        assert_eq!(target("report.json").unwrap(), (Format::Json, "report.json"));
        assert_eq!(target("./odd:name").unwrap(), (Format::Json, "./odd:name"));
        assert_eq!(target(r"C:\report.json").unwrap(), (Format::Json, r"C:\report.json"));
        assert!(target("sarif:out.sarif").is_err(), "never JSON under another format's name");
        assert!(target("text:").is_err());
    }
}
