//! `mverify lock`: writes, updates and checks `mverify.lock`.

use super::args::LockArgs;
use super::check::{interruptible, stop_after};
use super::exit::Exit;
use super::output::colored;
use super::progress::Bars;
use super::replace::replace;
use super::verify::now;
use anyhow::{Context, Result, bail};
use mverify::manifest::hub;
use mverify::manifest::lock::{self, Entry, Lock, Origin};
use mverify::policy::glob::resolved;
use mverify::report::text::{self, Style};
use mverify::report::{Artifact, Summary, plain};
use mverify::walk::{Item, walk};
use mverify::{Verdict, Verifier};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

pub fn run(args: &LockArgs) -> Result<Exit> {
    let before = match std::fs::exists(&args.output) {
        Ok(false) if !args.check => None,
        _ => Some(read(&args.output)?),
    };
    let (lock, exit) = take(args)?;
    let Some(lock) = lock else { return Ok(exit) };
    // what an older lock does not record cannot be held against it
    let before_capabilities = args.check && before.as_ref().is_some_and(|before| !before.records());
    let lock = if before_capabilities { lock.without_capabilities() } else { lock };
    let name = plain::path(&args.output);
    let mut out = std::io::stdout().lock();
    let changes = before.as_ref().map(|before| lock.changes(before)).unwrap_or_default();
    let quiet = args.common.quiet;
    if !quiet {
        for change in &changes {
            writeln!(out, "{}", change.words())?;
        }
    }
    let files = match lock.files.len() {
        1 => "1 file".to_owned(),
        n => format!("{n} files"),
    };
    let says = match (&before, changes.is_empty()) {
        (Some(_), true) => format!("{name} is up to date: {files}"),
        (Some(_), false) if args.check => {
            if !quiet {
                writeln!(out, "{name} does not match")?;
            }
            return Ok(Exit::ProvenBad);
        }
        (Some(_), false) if !args.update => {
            bail!("{name} exists and differs, and was left as it is: review the changes, then run with --update")
        }
        (_, _) => {
            replace(&args.output, lock.text().as_bytes())?;
            format!("{} {name}: {files}", if before.is_some() { "updated" } else { "wrote" })
        }
    };
    if !quiet {
        writeln!(out, "{says}")?;
    }
    Ok(exit)
}

/// The lock at this path, which the user named: one that cannot be read is an error, never an empty lock.
pub fn read(path: &Path) -> Result<Lock> {
    let name = || format!("cannot read the lock {}", plain::path(path));
    let text = std::fs::read(path).with_context(name)?;
    Lock::parse(&text).with_context(name)
}

/// Checks everything under the path. No lock where something is bad, or could not be read; then the exit code says which.
fn take(args: &LockArgs) -> Result<(Option<Lock>, Exit)> {
    let (root, origin) = place(&args.path)?;
    let mut items = walk(&root);
    let left_out = |path: &Path| path.strip_prefix(&root).is_ok_and(lock::passes_over) || same(path, &args.output);
    items.retain(|item| !matches!(item, Item::File(path, _) if left_out(path)));
    let stop = interruptible()?;
    if let Some(seconds) = args.limits.timeout {
        stop_after(seconds, &stop);
    }
    let applied = super::policy::load(args.config.as_deref(), args.no_config, std::slice::from_ref(&root))?;
    applied.warn();
    let policy = applied.policy;
    if let (None, Some(seconds)) = (args.limits.timeout, policy.limits.timeout) {
        stop_after(seconds, &stop);
    }
    let limits = args.limits.over(policy.limits.over(&mverify::Limits::default()));
    let mut builder = Verifier::builder()
        .policy(policy, now())
        .limits(limits)
        .rewrites(&args.output)
        .outlines(true)
        .map(mverify::source::mmap::guard())
        .drop_cache(args.common.drop_cache)
        .threads(usize::from(args.common.threads.unwrap_or(0)))
        .stop(stop.clone());
    for version in &args.torch {
        builder = builder.torch(version);
    }
    if let Some(signers) = super::check::signers(&args.trust)? {
        builder = builder.signers(signers);
    }
    let verifier = builder.build()?;
    let expected = verifier.gather(std::slice::from_ref(&root), &mut items);
    let bars = Bars::new(args.common.quiet, &items, stop);
    let style = Style { color: colored(args.common.color), verbose: args.common.verbose };
    let way = if origin.is_none() && root.is_dir() { way(&root, &args.output) } else { None };
    let mut lock = Lock { origin, root: way, files: Vec::new() };
    let (mut summary, mut unread) = (Summary::default(), 0_u64);
    let flow = verifier.verify_items(items, &expected, &bars, |artifact| {
        summary.add(&artifact);
        let read = !artifact.digests.is_empty();
        unread += u64::from(!read);
        if artifact.outcome.verdict() == Verdict::Bad || !read {
            bars.pause(|| eprint!("{}", text::brief(&artifact, style)));
        }
        lock.files.extend(entry(&root, &artifact));
        ControlFlow::Continue(())
    });
    drop(bars);
    lock.files.sort_by(|a, b| a.path.cmp(&b.path));
    if flow.is_break() {
        eprintln!("mverify: stopped before every file was checked; no lock was written");
        return Ok((None, Exit::NotProven));
    }
    if summary.bad > 0 {
        eprintln!("mverify: what is bad is not pinned; no lock was written");
        return Ok((None, Exit::ProvenBad));
    }
    if unread > 0 || lock.files.is_empty() {
        let why = if unread > 0 { "not every file could be read" } else { "there is no file that a loader acts on" };
        eprintln!("mverify: {why}; no lock was written");
        return Ok((None, Exit::NotProven));
    }
    if summary.unknown > 0 && !args.common.quiet {
        eprintln!("mverify: {} of these files are not proven safe; the lock only pins their content", summary.unknown);
    }
    Ok((Some(lock), Exit::Proven))
}

/// The directory to lock and, for a part of a hub cache, what it is a snapshot of.
fn place(path: &Path) -> Result<(PathBuf, Option<Origin>)> {
    match hub::snapshot(path) {
        Ok(Some(snapshot)) => Ok((snapshot.root, Some(snapshot.origin))),
        Ok(None) => Ok((path.to_owned(), None)),
        Err(why) => bail!("{}: {why}", plain::path(path)),
    }
}

/// The way to the directory from that of the lock.
fn way(directory: &Path, lock: &Path) -> Option<PathBuf> {
    let (place, lock) = (resolved(directory), resolved(lock));
    let home = lock.parent()?;
    let (up, shared) = home.ancestors().enumerate().find(|(_, above)| place.starts_with(above))?;
    let way: PathBuf = std::iter::repeat_n(Path::new(".."), up).chain([place.strip_prefix(shared).ok()?]).collect();
    way.to_str().map(PathBuf::from)
}

fn entry(root: &Path, artifact: &Artifact) -> Option<Entry> {
    let below = artifact.path.strip_prefix(root).ok().filter(|below| !below.as_os_str().is_empty());
    let path = below.or_else(|| artifact.path.file_name().map(Path::new))?;
    let link = std::fs::symlink_metadata(&artifact.path).is_ok_and(|meta| meta.is_symlink());
    Entry::of(artifact, path.to_owned(), link)
}

fn same(a: &Path, b: &Path) -> bool {
    a.file_name() == b.file_name()
        && matches!((std::fs::canonicalize(a), std::fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}
