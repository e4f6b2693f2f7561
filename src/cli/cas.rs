//! `mverify cas`: recomputes the name of every object of a content-addressed store.

use super::args::CasArgs;
use super::check::{interruptible, stop_after};
use super::exit::Exit;
use super::progress::Bars;
use anyhow::{Result, bail};
use mverify::Verdict;
use mverify::digest::{self, Algorithm, Digest, PassError, Passed, Plan, Pool, Prepared};
use mverify::manifest::cas::address;
use mverify::manifest::hub;
use mverify::report::plain;
use mverify::source::{FileSource, OpenOptions, mmap};
use mverify::walk::{Item, walk};
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// What became of one object.
struct Checked {
    path: PathBuf,
    result: Result<Algorithm, (Verdict, String)>,
}

pub fn run(args: &CasArgs) -> Result<Exit> {
    let algorithm = match super::hash::algorithms(std::slice::from_ref(&args.algo))?.as_slice() {
        [algorithm] if !algorithm.is_weak() => *algorithm,
        _ => bail!("--algo {}: a store is proven by sha256, sha512, blake3 or blake2b-512", args.algo),
    };
    if args.dir.join(hub::SHARED).exists() {
        bail!(
            "{}: this is the store that the repositories of a hub cache share, and its names are Xet hashes: check the \
             blobs of a repository, as in models--ORG--NAME/blobs, whose names are digests",
            plain::path(&args.dir)
        );
    }
    let stop = interruptible()?;
    if let Some(seconds) = args.limits.timeout {
        stop_after(seconds, &stop);
    }
    let pool = Pool::new(usize::from(args.common.threads.unwrap_or(0)))?;
    let items = walk(&args.dir);
    let bars = Bars::new(args.common.quiet, &items, stop);
    let max_file_bytes = args.limits.limits().max_file_bytes;
    let options = OpenOptions {
        follow: true,
        map: mmap::guard(),
        lease: true,
        drop_cache: args.common.drop_cache,
        max_file_bytes,
    };
    let mut out = BufWriter::new(std::io::stdout());
    let (mut verdict, mut counts, mut written) = (Verdict::Ok, [0_u64; 3], Ok(()));
    let flow = digest::many(
        &pool,
        items.into_iter(),
        |item| open(item, &args.dir, algorithm, &options),
        |carry: (PathBuf, Algorithm, Digest), source: FileSource, passed| compare(carry, &source, passed),
        &bars,
        |checked| {
            let (now, word) = match &checked.result {
                Ok(by) if by.is_weak() => (Verdict::Ok, format!("OK ({by}: corruption check only)")),
                Ok(_) => (Verdict::Ok, "OK".to_owned()),
                Err((verdict, why)) => (*verdict, format!("FAILED: {why}")),
            };
            verdict = verdict.max(now);
            counts[now as usize] += 1;
            if now != Verdict::Ok || !args.common.quiet {
                written = bars.pause(|| writeln!(out, "{}: {word}", plain::path(&checked.path)));
            }
            if written.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        },
    );
    drop(bars);
    written?;
    out.flush()?;
    if flow.is_break() {
        eprintln!("mverify: stopped before every object was read");
        verdict = verdict.max(Verdict::Unknown);
    }
    let [ok, unknown, bad] = counts;
    if verdict != Verdict::Ok {
        eprintln!("mverify: {bad} objects are not what their names say, {unknown} are not proven, {ok} are good");
    }
    Ok(Exit::of(verdict))
}

fn open(
    item: Item,
    store: &Path,
    algorithm: Algorithm,
    options: &OpenOptions,
) -> Prepared<FileSource, (PathBuf, Algorithm, Digest), Checked> {
    let failed = |path, why| Prepared::Done(Checked { path, result: Err((Verdict::Unknown, why)) });
    let (path, reach) = match item {
        Item::File(path, reach) => (path, reach),
        Item::Problem(path, finding) => return failed(path, finding.message),
        Item::Stdin(_) => return failed(PathBuf::from("-"), "not an object of a store".to_owned()),
    };
    let below = path.strip_prefix(store).ok().filter(|below| !below.as_os_str().is_empty());
    let below = below.map_or_else(|| path.file_name().map(PathBuf::from), |below| Some(below.to_owned()));
    let (by, digest) = match address(&below.unwrap_or_default(), algorithm) {
        Ok(address) => address,
        Err(why) => return failed(path, format!("not the name of an object: {why}")),
    };
    match reach.open(&path, options) {
        Ok(source) => Prepared::Hash { source, plan: plan(by), carry: (path, by, digest) },
        Err(error) => failed(path, error.reason()),
    }
}

fn plan(by: Algorithm) -> Plan {
    Plan { algorithms: vec![by], ..Plan::default() }
}

fn compare(
    (path, by, expected): (PathBuf, Algorithm, Digest),
    source: &FileSource,
    passed: Result<Passed, PassError>,
) -> Checked {
    let differs = |passed: &Passed| passed.digests.get(by) != Some(expected);
    let passed = passed.and_then(|passed| digest::confirmed(source, &plan(by), passed, differs));
    let result = match passed {
        Ok(passed) if passed.digests.get(by) == Some(expected) => Ok(by),
        Ok(passed) => {
            let found = passed.digests.get(by).map(|digest| digest.to_string()).unwrap_or_default();
            Err((Verdict::Bad, format!("its {by} is {found}")))
        }
        Err(error) => Err((Verdict::Unknown, error.to_string())),
    };
    Checked { path, result }
}
