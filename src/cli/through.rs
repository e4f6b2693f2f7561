//! `mverify hash --through`: digests of stored files and of what is inside them, from one read.

use super::args::HashArgs;
use super::exit::Exit;
use super::hash::{self, Lines, say, warn};
use anyhow::{Result, bail, ensure};
use mverify::Verdict;
use mverify::budget::Budget;
use mverify::digest::{Algorithm, Digests};
use mverify::manifest::sums::{Line, Status, Summary, Sums};
use mverify::report::plain;
use mverify::scan::Stop;
use mverify::source::ReadAt;
use mverify::through::{Inside, Layers, Member, through};
use mverify::walk::Item;
use std::collections::HashMap;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

pub fn run(args: &HashArgs, stop: &Stop) -> Result<Exit> {
    let layers = Layers::parse(&args.through).map_err(|error| anyhow::anyhow!("--through: {error}"))?;
    let Some(named) = &args.check else { return print(args, layers, stop) };
    ensure!(!named.is_empty(), "with --through, name the list right after -c");
    ensure!(!args.paths.is_empty(), "with -c and --through, name the files to look into as well");
    check(args, named, layers, stop)
}

fn print(args: &HashArgs, layers: Layers, stop: &Stop) -> Result<Exit> {
    let algorithms = hash::wanted(args)?;
    length_is_known(&algorithms)?;
    let mut out = Lines::new(args, &algorithms);
    let mut exit = Exit::Proven;
    for item in hash::items(args, stop)? {
        let path = item.path().to_owned();
        let result = look(item, args, layers, &algorithms, stop, &mut |part| {
            let within = (part.what != What::Stored).then_some(path.as_path());
            out.digests(part.name, part.size, part.digests, within)
        });
        if let Err(doubt) = result? {
            exit = Exit::NotProven;
            out.failure(path.as_os_str().as_encoded_bytes(), &doubt.why)?;
        }
    }
    out.finish()?;
    Ok(exit)
}

fn length_is_known(algorithms: &[Algorithm]) -> Result<()> {
    if algorithms.contains(&Algorithm::Sha1Git) {
        bail!("sha1-git needs the length before the content, which no compressed stream tells: leave it out");
    }
    Ok(())
}

/// Something that was hashed.
struct Part<'a> {
    what: What,
    name: &'a [u8],
    size: u64,
    digests: &'a Digests,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    /// The file itself.
    Stored,
    /// What it decompresses to.
    Inner,
    /// A file of the archive in it.
    Member,
}

/// Why not everything that a file holds is proven by digests.
struct Doubt {
    /// It was not read to its end, so what was not met may still be in there.
    unread: bool,
    why: String,
}

/// Looks through one file and hands on what is found, the file itself last. The inner error was said on standard error.
fn look(
    item: Item,
    args: &HashArgs,
    layers: Layers,
    algorithms: &[Algorithm],
    stop: &Stop,
    deliver: &mut dyn FnMut(Part<'_>) -> Result<()>,
) -> Result<Result<(), Doubt>> {
    let (path, found) = match hash::source(item, args) {
        Err((path, why)) => (path, Err((true, vec![why]))),
        Ok((path, source)) => {
            let found = look_into(&path, &source, args, layers, algorithms, stop, deliver)?;
            (path, found)
        }
    };
    Ok(found.map_err(|(unread, reasons)| {
        for why in &reasons {
            eprintln!("mverify: {}: {}", plain::path(&path), plain::whole(why));
        }
        Doubt { unread, why: reasons.join("; ") }
    }))
}

fn look_into(
    path: &Path,
    source: &dyn ReadAt,
    args: &HashArgs,
    layers: Layers,
    algorithms: &[Algorithm],
    stop: &Stop,
    deliver: &mut dyn FnMut(Part<'_>) -> Result<()>,
) -> Result<Result<(), (bool, Vec<String>)>> {
    let mut budget = Budget::new(args.limits.limits()).with_stop(stop.clone());
    let mut undelivered = Ok(());
    let found = through(source, layers, algorithms, &mut budget, &mut |member| {
        let Member { name, size, digests } = member;
        undelivered = deliver(Part { what: What::Member, name: &name, size, digests: &digests });
        if undelivered.is_ok() { Ok(()) } else { Err(io::Error::other("nobody takes it")) }
    });
    undelivered?;
    let found = match found {
        Ok(found) => found,
        Err(failure) => return Ok(Err((true, vec![failure.to_string()]))),
    };
    let stored = path.as_os_str().as_encoded_bytes();
    if let Ok(Inside { inner: Some((size, digests)), .. }) = &found.inside
        && let Some(name) = layers.inner_name(stored)
    {
        deliver(Part { what: What::Inner, name: &name, size: *size, digests })?;
    }
    deliver(Part { what: What::Stored, name: stored, size: source.len(), digests: &found.stored })?;
    Ok(match found.inside {
        Ok(inside) if inside.problems.is_empty() => Ok(()),
        Ok(inside) => Err((false, inside.problems)),
        Err(failure) => Err((true, vec![failure.to_string()])),
    })
}

/// A line of a list, and what became of it.
struct Wanted<'a> {
    line: &'a Line,
    list: usize,
    status: Option<Status>,
}

/// The lines of all lists by the name that they are about.
struct Lists<'a> {
    wanted: Vec<Wanted<'a>>,
    by_name: HashMap<&'a [u8], Vec<usize>>,
}

impl<'a> Lists<'a> {
    fn new(lists: &'a [Sums]) -> Self {
        let mut all = Lists { wanted: Vec::new(), by_name: HashMap::new() };
        for (list, sums) in lists.iter().enumerate() {
            for line in &sums.lines {
                all.by_name.entry(bare(&line.name)).or_default().push(all.wanted.len());
                all.wanted.push(Wanted { line, list, status: None });
            }
        }
        all
    }

    fn algorithms(&self) -> Vec<Algorithm> {
        let mut algorithms: Vec<Algorithm> =
            self.wanted.iter().flat_map(|wanted| wanted.line.candidates()).copied().collect();
        algorithms.sort_unstable();
        algorithms.dedup();
        algorithms
    }

    /// Compares something that was hashed; false if no list names it. Two things of one name must both be what it says.
    fn compare(&mut self, name: &[u8], digests: &Digests) -> bool {
        let Some(lines) = self.by_name.get(bare(name)) else { return false };
        for index in lines {
            let wanted = &mut self.wanted[*index];
            let line = wanted.line;
            let matching = line.candidates().iter().find(|algorithm| digests.get(**algorithm) == Some(line.digest));
            if wanted.status != Some(Status::Mismatch) {
                wanted.status = Some(matching.map_or(Status::Mismatch, |algorithm| Status::Match(*algorithm)));
            }
        }
        true
    }
}

/// A name without the `./` that tar and find put before it.
fn bare(name: &[u8]) -> &[u8] {
    name.strip_prefix(b"./").unwrap_or(name)
}

fn check(args: &HashArgs, named: &[PathBuf], layers: Layers, stop: &Stop) -> Result<Exit> {
    let sums = named.iter().map(|list| hash::list(args, list)).collect::<Result<Vec<_>>>()?;
    let mut lists = Lists::new(&sums);
    let algorithms = lists.algorithms();
    length_is_known(&algorithms)?;
    let (mut verdict, mut unread) = (Verdict::Ok, None);
    for item in hash::items(args, stop)? {
        let path = item.path().to_owned();
        let mut unlisted = 0u64;
        let result = look(item, args, layers, &algorithms, stop, &mut |part| {
            let known = lists.compare(part.name, part.digests);
            match part.what {
                What::Member => unlisted += u64::from(!known),
                // a list that lies beside the file names it without the folder
                What::Stored | What::Inner if !known => {
                    lists.compare(part.name.rsplit(|byte| *byte == b'/').next().unwrap_or_default(), part.digests);
                }
                What::Stored | What::Inner => {}
            }
            Ok(())
        });
        match result? {
            Err(doubt) => {
                verdict = Verdict::Unknown;
                if doubt.unread {
                    unread.get_or_insert_with(|| format!("{} was not read to its end", plain::path(&path)));
                }
            }
            Ok(()) if unlisted > 0 && args.strict => verdict = Verdict::Unknown,
            Ok(()) => {}
        }
        if unlisted > 0 && !args.status {
            let files = if unlisted == 1 { "file in it is" } else { "files in it are" };
            eprintln!("mverify: WARNING: {}: {unlisted} {files} in no list", plain::path(&path));
        }
    }
    report(args, named, &sums, lists, unread, verdict)
}

/// Says what became of every line. What was not met is missing, unless something was not read to its end (`unread`).
fn report(
    args: &HashArgs,
    named: &[PathBuf],
    sums: &[Sums],
    lists: Lists<'_>,
    unread: Option<String>,
    mut verdict: Verdict,
) -> Result<Exit> {
    let unmet = unread.map_or(Status::Missing, Status::Unreadable);
    let mut out = BufWriter::new(io::stdout());
    let mut summaries: Vec<Summary> =
        sums.iter().map(|sums| Summary { malformed: sums.malformed.len() as u64, ..Summary::default() }).collect();
    for wanted in lists.wanted {
        let status = wanted.status.unwrap_or_else(|| unmet.clone());
        let Some(summary) = summaries.get_mut(wanted.list) else { continue };
        match status {
            Status::Match(_) => summary.matches += 1,
            Status::Mismatch => summary.mismatches += 1,
            Status::Missing if args.ignore_missing => continue,
            Status::Missing => summary.missing += 1,
            Status::Unreadable(_) => summary.unreadable += 1,
        }
        say(&mut out, args, &wanted.line.name, &status)?;
    }
    out.flush()?;
    for (list, summary) in named.iter().zip(&summaries) {
        warn(args, &plain::path(list), summary);
        verdict = verdict.max(summary.verdict(args.strict));
    }
    Ok(Exit::of(verdict))
}
