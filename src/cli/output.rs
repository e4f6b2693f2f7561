//! Where reports go: standard output and the files of `-o`, each in its own format, artifact by artifact.

use super::args::{Color, Common, Format};
use super::progress::Bars;
use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use mverify::report::github::Github;
use mverify::report::junit::Junit;
use mverify::report::markdown::Markdown;
use mverify::report::render::{Json, Jsonl, Render};
use mverify::report::sarif::Sarif;
use mverify::report::text::{Style, Text};
use mverify::report::{Artifact, Summary, plain};
use mverify::walk::Item;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::Path;

/// Everything that is told each artifact in order, and the summary at the end.
pub struct Outputs(Vec<Output>);

struct Output {
    render: Box<dyn Render>,
    to: Box<dyn Write>,
}

/// How the text of a run looks, besides colours.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// Exactly one file will be reported.
    pub single: bool,
    /// Files that are what was signed get no line.
    pub terse: bool,
}

impl Outputs {
    /// The outputs that the arguments ask for, none of which may be one of `items`, or of the files that the run relies on.
    pub fn open(
        common: &Common,
        format: Format,
        files: &[String],
        items: &[Item],
        inputs: &[&Path],
        look: Look,
    ) -> Result<Self> {
        let text =
            |color| Text { style: Style { color, verbose: common.verbose }, single: look.single, terse: look.terse };
        let mut outputs = Vec::new();
        if !common.quiet {
            outputs.push(Output::new(format, text(colored(common.color)), Box::new(Pipe(std::io::stdout()))));
        }
        for (number, output) in files.iter().enumerate() {
            let (format, path) = target(output)?;
            if let Some(there) = Place::of(Path::new(path)) {
                let is = |other: &Path| Place::of(other).is_some_and(|other| other == there);
                if items.iter().any(|item| is(item.path())) {
                    bail!("-o {output} would overwrite a file that is to be checked");
                }
                if let Some(input) = inputs.iter().find(|input| is(input)) {
                    bail!("-o {output} would overwrite {}, which this run relies on", plain::path(input));
                }
                for before in files.iter().take(number) {
                    ensure!(!is(Path::new(target(before)?.1)), "-o {output} would overwrite what another -o writes");
                }
            }
            let file = File::create(path).with_context(|| format!("cannot write {path}"))?;
            outputs.push(Output::new(format, text(false), Box::new(file)));
        }
        Ok(Outputs(outputs))
    }

    /// Hands what `run` finds to every output and says what it comes to, on top of `summary`. `run` reports to the bars and to the sink that
    /// it is given, and breaks where it was stopped.
    pub fn deliver(
        mut self,
        mut summary: Summary,
        bars: Bars,
        run: impl FnOnce(&Bars, &mut dyn FnMut(Artifact) -> ControlFlow<()>) -> ControlFlow<()>,
    ) -> Result<Summary> {
        let mut written = Ok(());
        let flow = run(&bars, &mut |artifact| {
            summary.add(&artifact);
            written = bars.pause(|| self.0.iter_mut().try_for_each(|o| o.render.artifact(&mut o.to, &artifact)));
            if written.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        drop(bars);
        written?;
        if flow.is_break() {
            eprintln!("mverify: stopped before every file was checked");
            summary.stopped = true;
        }
        for mut output in self.0 {
            output.render.finish(&mut output.to, &summary)?;
            output.to.flush()?;
        }
        Ok(summary)
    }
}

impl Output {
    fn new(format: Format, text: Text, to: Box<dyn Write>) -> Self {
        let render: Box<dyn Render> = match format {
            Format::Text => Box::new(text),
            Format::Json => Box::new(Json::default()),
            Format::Jsonl => Box::new(Jsonl),
            Format::Sarif => Box::new(Sarif::default()),
            Format::Junit => Box::new(Junit::default()),
            Format::Github => Box::new(Github),
            Format::Markdown => Box::new(Markdown::default()),
        };
        Output { render, to: Box::new(BufWriter::new(to)) }
    }
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

/// Which file a path leads to, by whatever links.
#[derive(PartialEq, Eq)]
#[cfg(unix)]
struct Place(u64, u64);

#[derive(PartialEq, Eq)]
#[cfg(not(unix))]
struct Place(std::path::PathBuf);

impl Place {
    /// `None` if it leads to no regular file, as `/dev/null` does not.
    fn of(path: &Path) -> Option<Place> {
        let meta = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
        #[cfg(unix)]
        return Some(Place(std::os::unix::fs::MetadataExt::dev(&meta), std::os::unix::fs::MetadataExt::ino(&meta)));
        #[cfg(not(unix))]
        return path.canonicalize().ok().map(Place);
    }
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
        let known: Vec<_> = Format::value_variants().iter().filter_map(ValueEnum::to_possible_value).collect();
        let known = known.iter().map(|value| value.get_name()).collect::<Vec<_>>().join(", ");
        bail!("-o {output}: there is no format {word}; known are {known} (./{output} is a file of that name)");
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
        assert_eq!(target("sarif:out.sarif").unwrap(), (Format::Sarif, "out.sarif"));
        assert!(target("html:out.html").is_err(), "never JSON under another format's name");
        assert!(target("text:").is_err());
    }
}
