//! `mverify [check]` and `mverify scan`.

use super::args::{CheckArgs, TrustArgs};
use super::exit::Exit;
use super::git::Changes;
use super::output::{Look, Outputs};
use super::progress::Bars;
use super::verify::now;
use anyhow::{Context, Result, bail};
use mverify::digest::Algorithm;
use mverify::manifest::discover::{Access, Signers};
use mverify::policy::Policy;
use mverify::report::Summary;
use mverify::rule;
use mverify::scan::Stop;
use mverify::source::Spool;
use mverify::trust::{How, Trusted};
use mverify::verifier::Builder;
use mverify::walk::{Item, walk};
use mverify::{Finding, Verifier};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// Runs a check; `hash` is false for a scan.
pub fn run(args: &CheckArgs, hash: bool) -> Result<Exit> {
    let signers = signers(&args.trust)?;
    let stop = interruptible()?;
    if let Some(seconds) = args.limits.timeout {
        stop_after(seconds, &stop);
    }
    let (paths, mut items) = items(args, &stop)?;
    let changes = args.diff.as_deref().map(|base| Changes::since(base, &paths)).transpose()?;
    if args.trust.manifest.is_some() && paths.len() != 1 {
        bail!("--manifest is that of one path, and {} were named", paths.len());
    }
    let single =
        items.len() == 1 && items.first().is_some_and(|item| args.paths.iter().any(|path| path == item.path()));
    let applied = super::policy::load(args.config.as_deref(), args.no_config, &paths)?;
    applied.warn();
    let policy = &applied.policy;
    // what is pinned cannot be compared without hashing
    let named = args.sha256.is_some() || !args.lock.is_empty() || args.baseline.is_some() || signers.is_some();
    let hash = hash || args.strict_perms || named || policy.needs_digests();
    let verifier = verifier(args, hash, policy, stop.clone())?.describe(single);
    let verifier = signers.into_iter().fold(verifier, Builder::signers).build()?;
    if args.sha256.is_some() && items.len() != 1 {
        bail!("--sha256 is the digest of one file, and {} were named; a directory is pinned with --lock", items.len());
    }
    let met = items.len();
    let expected = verifier.gather(&paths, &mut items);
    let mut kept = vec![true; items.len()];
    if let Some(mut changes) = changes {
        let files = applied.files.iter().map(|(file, ..)| file).chain(&args.baseline);
        let whole = files.chain(args.trust.files()).any(|file| changes.holds(file));
        kept = super::since::concerned(&items, met, &paths, &mut changes, &expected, whole);
    }
    let unchanged = kept.iter().filter(|kept| !**kept).count() as u64;
    let look = Look { single: single && unchanged == 0 && items.len() == 1, terse: false };
    let policies = applied.files.iter().map(|(file, ..)| file);
    let named = args.lock.iter().chain(&args.baseline).chain(&args.files_from).chain(args.trust.files());
    let inputs: Vec<&Path> = named.chain(policies).map(PathBuf::as_path).collect();
    let outputs = Outputs::open(&args.common, args.format, &args.output, &items, &inputs, look)?;
    let mut kept = kept.into_iter();
    items.retain(|_| kept.next().unwrap_or(true));
    if let (None, Some(seconds)) = (args.limits.timeout, policy.limits.timeout) {
        stop_after(seconds, &stop);
    }
    let bars = Bars::new(args.common.quiet, &items, stop);
    let begun = Summary { unchanged, ..Summary::default() };
    let summary = outputs.deliver(begun, bars, |bars, sink| verifier.verify_items(items, &expected, bars, sink))?;
    Ok(Exit::of_run(&summary, args.exit_zero))
}

/// A switch that Ctrl-C sets, so that a run ends in order and the terminal is left as it was. A second Ctrl-C kills.
pub fn interruptible() -> Result<Stop> {
    use signal_hook::consts::SIGINT;
    let flag = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register_conditional_default(SIGINT, Arc::clone(&flag))?;
    signal_hook::flag::register(SIGINT, Arc::clone(&flag))?;
    Ok(Stop::on(flag))
}

/// Sets `stop` after so many seconds.
pub fn stop_after(seconds: u64, stop: &Stop) {
    let stop = stop.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(seconds));
        stop.now();
    });
}

/// The paths that the arguments name, and everything under them.
fn items(args: &CheckArgs, stop: &Stop) -> Result<(Vec<PathBuf>, Vec<Item>)> {
    let mut paths = args.paths.clone();
    if let Some(list) = &args.files_from {
        paths.extend(listed(list, args.null)?);
    }
    if paths.is_empty() && args.diff.is_some() {
        paths.push(PathBuf::from("."));
    }
    if paths.is_empty() {
        bail!("no path was given: name a file, a directory, or - for standard input");
    }
    let dashes = paths.iter().chain(&args.files_from).filter(|path| path.as_os_str() == "-").count();
    if dashes > 1 {
        bail!("standard input can be read only once, and - was given {dashes} times");
    }
    let mut items = Vec::new();
    for path in &paths {
        if path.as_os_str() == "-" {
            items.push(stdin(args.limits.limits().max_file_bytes, stop)?);
        } else {
            items.extend(walk(path));
        }
    }
    Ok((paths, items))
}

/// Standard input, spooled so that it can be read at any offset. Read on a thread of its own: whoever writes may never
/// come to an end, and `stop` counts all the same.
pub fn stdin(limit: u64, stop: &Stop) -> Result<Item> {
    let (done, spooled) = mpsc::channel();
    std::thread::spawn(move || {
        // nobody listens any more once the run was stopped
        let _ = done.send(Spool::read(std::io::stdin().lock(), limit, &std::env::temp_dir()));
    });
    let problem = |rule, message: String| Item::Problem(PathBuf::from("-"), Finding::new(rule, message));
    loop {
        return Ok(match spooled.recv_timeout(Duration::from_millis(50)) {
            Ok(Ok(spool)) => Item::Stdin(spool),
            Ok(Err(error)) if error.kind() == ErrorKind::FileTooLarge => {
                problem(&rule::tree::TOO_LARGE, format!("it is larger than the limit max_file_bytes ({limit} bytes)"))
            }
            Ok(Err(error)) => problem(&rule::format::UNREADABLE, format!("standard input: {error}")),
            Err(RecvTimeoutError::Timeout) if !stop.is_set() => continue,
            Err(RecvTimeoutError::Timeout) => {
                problem(&rule::run::STOPPED, "the run was stopped before standard input came to its end".to_owned())
            }
            Err(RecvTimeoutError::Disconnected) => bail!("standard input could not be read"),
        });
    }
}

/// Paths from a file: one per line, or NUL-terminated.
fn listed(list: &Path, null: bool) -> Result<Vec<PathBuf>> {
    let mut bytes = Vec::new();
    if list.as_os_str() == "-" {
        std::io::stdin().read_to_end(&mut bytes).context("cannot read the list of paths from standard input")?;
    } else {
        bytes = std::fs::read(list).with_context(|| format!("cannot read the list of paths {}", list.display()))?;
    }
    Ok(bytes
        .split(|b| *b == if null { 0 } else { b'\n' })
        .map(|line| if null { line } else { line.strip_suffix(b"\r").unwrap_or(line) })
        .filter(|line| !line.is_empty())
        .map(path_of)
        .collect())
}

#[cfg(unix)]
pub fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

#[cfg(not(unix))]
pub fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

fn verifier(args: &CheckArgs, hash: bool, policy: &Policy, stop: Stop) -> Result<Builder> {
    let mut algorithms = Vec::new();
    if hash {
        algorithms = super::hash::algorithms(&args.digest)?;
        if !algorithms.contains(&Algorithm::Sha256) {
            algorithms.push(Algorithm::Sha256);
        }
    }
    let mut builder = Verifier::builder()
        .policy(policy.clone(), now())
        .limits(args.limits.over(policy.limits.over(&mverify::Limits::default())))
        .digests(&algorithms)
        .discover(hash)
        .map(mverify::source::mmap::guard())
        .drop_cache(args.common.drop_cache)
        .threads(usize::from(args.common.threads.unwrap_or(0)))
        .stop(stop);
    if args.strict_perms {
        let owner = user().context("--strict-perms: this system does not say who runs mverify")?;
        builder = builder.access(Access { owner });
    }
    if let Some(severity) = args.fail_on {
        builder = builder.fail_on(severity);
    }
    if let Some(path) = &args.baseline {
        builder = builder.baseline(super::policy::baseline(path)?);
    }
    if let Some(digest) = args.sha256 {
        builder = builder.sha256(digest);
    }
    for path in &args.lock {
        builder = builder.lock(path, super::lock::read(path)?);
    }
    for version in &args.torch {
        builder = builder.torch(version);
    }
    for profile in &args.profile {
        builder = builder.profile(*profile);
    }
    for proof in &args.require {
        builder = builder.demand(proof)?;
    }
    Ok(builder)
}

/// The user this process acts for, as the system numbers users.
fn user() -> Option<u32> {
    #[cfg(target_os = "linux")]
    return std::fs::metadata("/proc/self").ok().map(|own| std::os::unix::fs::MetadataExt::uid(&own));
    #[cfg(not(target_os = "linux"))]
    return None;
}

/// Whose signatures to trust, if the arguments name anybody, or a manifest.
pub fn signers(args: &TrustArgs) -> Result<Option<Signers>> {
    let anchor = Trusted::from(args).anchor()?;
    if args.manifest.is_none() && matches!(anchor, Ok(None)) {
        return Ok(None);
    }
    Ok(Some(Signers {
        bundle: args.manifest.clone(),
        anchor,
        how: How { allow_legacy: args.allow_legacy, now: now() },
        allow_symlinks: args.allow_symlinks,
    }))
}
