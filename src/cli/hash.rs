//! `mverify hash`: prints digests, or checks lists of them with `-c`.

use super::args::HashArgs;
use super::check::{interruptible, stdin};
use super::exit::Exit;
use super::progress::Bars;
use anyhow::{Context, Result, bail};
use mverify::Verdict;
use mverify::digest::{self, Algorithm, Digests, PassError, Plan, Pool, Prepared};
use mverify::manifest::sums::{self, Checking, Reading, Style, Sums};
use mverify::report::plain;
use mverify::scan::Stop;
use mverify::source::{OpenOptions, ReadAt, mmap};
use mverify::walk::{Item, walk};
use serde_json::{Map, Value, json};
use std::io::{BufWriter, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

pub fn run(args: &HashArgs) -> Result<Exit> {
    let stop = interruptible()?;
    if let Some(seconds) = args.limits.timeout {
        super::check::stop_after(seconds, &stop);
    }
    if !args.through.is_empty() {
        return super::through::run(args, &stop);
    }
    let pool = Pool::new(usize::from(args.common.threads.unwrap_or(0)))?;
    if let Some(named) = &args.check {
        return check(args, named, &pool, &stop);
    }
    if args.outboard {
        return super::outboard::run(args, &stop);
    }
    print(args, &wanted(args)?, &pool, &stop)
}

/// The algorithms to print: SHA-256 unless others are named.
pub fn wanted(args: &HashArgs) -> Result<Vec<Algorithm>> {
    let mut algorithms = algorithms(&args.algorithms)?;
    if algorithms.is_empty() {
        algorithms.push(Algorithm::Sha256);
    }
    for weak in algorithms.iter().filter(|a| a.is_weak()) {
        eprintln!("mverify: {weak} is weak: equal digests do not prove equal content");
    }
    Ok(algorithms)
}

/// The algorithms with these names, without repeats.
pub fn algorithms(names: &[String]) -> Result<Vec<Algorithm>> {
    let mut algorithms = Vec::new();
    for name in names {
        let Some(algorithm) = Algorithm::from_name(name) else {
            let known: Vec<&str> = Algorithm::ALL.iter().map(|a| a.name()).collect();
            bail!("there is no digest algorithm {name}; known are {}", known.join(", "));
        };
        if !algorithms.contains(&algorithm) {
            algorithms.push(algorithm);
        }
    }
    Ok(algorithms)
}

fn options(args: &HashArgs) -> OpenOptions {
    let max_file_bytes = args.limits.limits().max_file_bytes;
    OpenOptions { follow: true, map: mmap::guard(), lease: true, drop_cache: args.common.drop_cache, max_file_bytes }
}

/// A file that was hashed, or why not.
struct Hashed {
    path: PathBuf,
    size: u64,
    digests: Result<Digests, String>,
}

/// The files to hash: those under the paths, standard input without any.
pub fn items(args: &HashArgs, stop: &Stop) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    if args.paths.is_empty() {
        items.push(stdin(options(args).max_file_bytes, stop)?);
    }
    for path in &args.paths {
        if path.as_os_str() == "-" {
            items.push(stdin(options(args).max_file_bytes, stop)?);
        } else {
            items.extend(walk(path));
        }
    }
    Ok(items)
}

fn print(args: &HashArgs, algorithms: &[Algorithm], pool: &Pool, stop: &Stop) -> Result<Exit> {
    let items = items(args, stop)?;
    let bars = Bars::new(args.common.quiet, &items, stop.clone());
    let mut out = Lines::new(args, algorithms);
    let (mut exit, mut written) = (Exit::Proven, Ok(()));
    let flow = digest::many(
        pool,
        items.into_iter(),
        |item| open(item, args, algorithms),
        |path: PathBuf, source: Box<dyn ReadAt>, passed| {
            let digests = passed.map(|passed| passed.digests).map_err(|error| match error {
                PassError::Changed => "it changed while it was read".to_owned(),
                PassError::Cancelled => "stopped before it was read".to_owned(),
                error => error.to_string(),
            });
            Hashed { path, size: source.len(), digests }
        },
        &bars,
        |hashed| {
            let name = hashed.path.as_os_str().as_encoded_bytes();
            written = bars.pause(|| match &hashed.digests {
                Ok(digests) => out.digests(name, hashed.size, digests, None),
                Err(why) => {
                    exit = Exit::NotProven;
                    eprintln!("mverify: {}: {why}", plain::path(&hashed.path));
                    out.failure(name, why)
                }
            });
            if written.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        },
    );
    drop(bars);
    written?;
    out.finish()?;
    if flow.is_break() {
        eprintln!("mverify: stopped before every file was hashed");
        exit = Exit::NotProven;
    }
    Ok(exit)
}

fn open(item: Item, args: &HashArgs, algorithms: &[Algorithm]) -> Prepared<Box<dyn ReadAt>, PathBuf, Hashed> {
    match source(item, args) {
        Ok((path, source)) => {
            Prepared::Hash { source, plan: Plan { algorithms: algorithms.to_vec(), ..Plan::default() }, carry: path }
        }
        Err((path, why)) => Prepared::Done(Hashed { path, size: 0, digests: Err(why) }),
    }
}

/// Opens an item; the error is why it cannot be read.
pub fn source(item: Item, args: &HashArgs) -> Result<(PathBuf, Box<dyn ReadAt>), (PathBuf, String)> {
    match item {
        Item::Problem(path, finding) => Err((path, finding.message)),
        Item::Stdin(spool) => Ok((PathBuf::from("-"), Box::new(spool))),
        Item::File(path, reach) => match reach.open(&path, &options(args)) {
            Ok(file) => Ok((path, Box::new(file))),
            Err(error) => Err((path, error.reason())),
        },
    }
}

/// Writes results in the form that was asked for.
pub struct Lines {
    to: BufWriter<Box<dyn Write>>,
    json: bool,
    style: Style,
    written: u64,
}

impl Lines {
    /// Lines for standard output. Those of several algorithms can only be told apart in BSD style.
    pub fn new(args: &HashArgs, algorithms: &[Algorithm]) -> Self {
        let style = Style { tag: args.tag || algorithms.len() > 1, zero: args.zero };
        Lines { to: BufWriter::new(Box::new(std::io::stdout())), json: args.json, style, written: 0 }
    }

    /// Writes the digests of what has this name; `within` names the file that it was found in.
    pub fn digests(&mut self, name: &[u8], size: u64, digests: &Digests, within: Option<&Path>) -> Result<()> {
        if self.json {
            let values: Map<String, Value> = digests
                .iter()
                .map(|(algorithm, digest)| (algorithm.name().into(), digest.to_string().into()))
                .collect();
            let mut value = json!({ "size": size, "digests": values });
            if let Some(within) = within {
                value["within"] = within.to_string_lossy().into();
            }
            return self.object(name, value);
        }
        let mut line = Vec::new();
        for (algorithm, digest) in digests.iter() {
            sums::line(&mut line, self.style, algorithm, &digest, name);
        }
        Ok(self.to.write_all(&line)?)
    }

    /// Writes why there are none, where the form has room for it.
    pub fn failure(&mut self, name: &[u8], why: &str) -> Result<()> {
        if self.json { self.object(name, json!({ "error": why })) } else { Ok(()) }
    }

    fn object(&mut self, name: &[u8], mut value: Value) -> Result<()> {
        value["path"] = String::from_utf8_lossy(name).into();
        if std::str::from_utf8(name).is_err() {
            value["path_base64"] = data_encoding::BASE64.encode(name).into();
        }
        write!(self.to, "{}{value}", if self.written == 0 { "[\n" } else { ",\n" })?;
        self.written += 1;
        Ok(())
    }

    /// Writes the end.
    pub fn finish(mut self) -> Result<()> {
        if self.json {
            writeln!(self.to, "{}\n]", if self.written == 0 { "[" } else { "" })?;
        }
        Ok(self.to.flush()?)
    }
}

fn check(args: &HashArgs, named: &[PathBuf], pool: &Pool, stop: &Stop) -> Result<Exit> {
    let stdin = PathBuf::from("-");
    let mut lists: Vec<&PathBuf> = named.iter().chain(&args.paths).collect();
    if lists.is_empty() {
        lists.push(&stdin);
    }
    let mut verdict = Verdict::Ok;
    for list in lists {
        verdict = verdict.max(check_list(args, list, pool, stop)?);
    }
    Ok(Exit::of(verdict))
}

/// Reads a list of digests.
pub fn list(args: &HashArgs, list: &Path) -> Result<Sums> {
    let shown = plain::path(list);
    let mut bytes = Vec::new();
    let most = args.limits.limits().max_header_bytes;
    let reader: Box<dyn Read> = if list.as_os_str() == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(std::fs::File::open(list).with_context(|| format!("cannot read {shown}"))?)
    };
    reader.take(most + 1).read_to_end(&mut bytes).with_context(|| format!("cannot read {shown}"))?;
    if bytes.len() as u64 > most {
        bail!("{shown} is larger than the limit max_header_bytes ({most} bytes)");
    }
    // an algorithm that was named holds for every line; the default is what the length says
    let algorithm = match algorithms(&args.algorithms)?.as_slice() {
        [] => None,
        [algorithm] => Some(*algorithm),
        _ => bail!("-c takes one algorithm"),
    };
    let reading = Reading { algorithm, max_entries: args.limits.limits().max_entries, ..Reading::default() };
    let sums = Sums::parse(&bytes, &reading)
        .map_err(|spent| anyhow::anyhow!("{shown} has more lines than the limit {}", spent.0))?;
    if args.warn {
        for malformed in &sums.malformed {
            eprintln!("mverify: {shown}: line {}: {}", malformed.number, malformed.why);
        }
    }
    Ok(sums)
}

fn check_list(args: &HashArgs, path: &Path, pool: &Pool, stop: &Stop) -> Result<Verdict> {
    let shown = plain::path(path);
    let sums = list(args, path)?;
    let named = path.as_os_str() != "-" && sums.lines.iter().any(|line| line.name == b"-");
    let stdin = match named.then(|| stdin(options(args).max_file_bytes, stop)).transpose()? {
        Some(Item::Stdin(spool)) => Some(spool),
        Some(Item::Problem(_, finding)) => bail!("{shown} names standard input: {}", finding.message),
        Some(Item::File(..)) | None => None,
    };
    let how = Checking { base: PathBuf::new(), open: options(args), ignore_missing: args.ignore_missing, stdin };
    let mut out = BufWriter::new(std::io::stdout());
    let mut written = Ok(());
    let bars = Bars::new(true, &[], stop.clone());
    let summary = sums::check(&sums, &how, pool, &bars, |checked| {
        written = say(&mut out, args, &checked.line.name, &checked.status);
        if written.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    written?;
    out.flush()?;
    let Some(summary) = summary else {
        eprintln!("mverify: {shown}: stopped before the end");
        return Ok(Verdict::Unknown);
    };
    warn(args, &shown, &summary);
    Ok(summary.verdict(args.strict))
}

/// Writes the line of a result, unless it is to be kept quiet.
pub fn say(out: &mut impl Write, args: &HashArgs, name: &[u8], status: &sums::Status) -> std::io::Result<()> {
    // as sha256sum does, the reason goes to standard error, even with --status
    let shown = marked(name);
    let said = |why: &str| {
        eprintln!("mverify: {shown}: {}", plain::whole(why));
        "FAILED open or read".to_owned()
    };
    let word = match status {
        sums::Status::Match(_) if args.common.quiet => return Ok(()),
        sums::Status::Match(_) => "OK".to_owned(),
        sums::Status::Mismatch => "FAILED".to_owned(),
        sums::Status::Missing => said("there is no such file"),
        sums::Status::Unreadable(why) => said(why),
    };
    if args.status {
        return Ok(());
    }
    writeln!(out, "{shown}: {word}")
}

/// A name as `sha256sum -c` shows it: one that holds a line break or a backslash is escaped behind a backslash.
fn marked(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    match text.contains(['\n', '\r', '\\']) {
        true => format!("\\{}", plain::whole(&text.replace('\\', "\\\\"))),
        false => plain::whole(&text),
    }
}

/// What is wrong with a list as a whole, as sha256sum says it.
pub fn warn(args: &HashArgs, list: &str, summary: &sums::Summary) {
    if args.status {
        return;
    }
    for (count, what) in [
        (summary.malformed, "improperly formatted"),
        (summary.missing + summary.unreadable, "of files that could not be read"),
        (summary.mismatches, "did NOT match"),
    ] {
        if count > 0 {
            eprintln!("mverify: WARNING: {list}: {count} {} {what}", if count == 1 { "line" } else { "lines" });
        }
    }
    if summary.matches + summary.mismatches == 0 {
        eprintln!("mverify: {list}: no file was verified");
    }
}
