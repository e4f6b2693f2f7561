//! `mverify verify`: a model against a signed manifest.

use super::args::{Cli, Command, TrustArgs, VerifyArgs};
use super::check::{interruptible, stop_after};
use super::exit::Exit;
use super::output::{Look, Outputs};
use super::progress::Bars;
use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use mverify::digest::Pool;
use mverify::manifest::Tolerance;
use mverify::manifest::oms::Refusal;
use mverify::report::Summary;
use mverify::scan::Settings;
use mverify::source::{FileSource, OpenOptions, Reach, ReadAt};
use mverify::trust::{Check, How, Suffices, Trusted, verify};
use mverify::walk::{Item, walk};
use std::path::{Component, Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Runs the command.
pub fn run(args: &VerifyArgs) -> Result<Exit> {
    let applied = super::policy::load(args.config.as_deref(), args.no_config, std::slice::from_ref(&args.path))?;
    if applied.policy.names_models() {
        return whole_check(args, "a policy applies");
    }
    let anchor = Trusted::from(&args.trust).anchor()?;
    let mut bundles = bundles(args)?;
    if args.path.is_file() && args.tensors.is_empty() {
        let said: Vec<Says> = bundles.iter().map(|bundle| says(bundle, &args.path)).collect();
        if !said.contains(&Says::One) && said.contains(&Says::Part) {
            return whole_check(args, "a file of a signed directory is verified");
        }
        let mut said = said.into_iter();
        bundles.retain(|_| said.next() == Some(Says::One) || args.trust.manifest.is_some());
        ensure!(!bundles.is_empty(), "no manifest was found with {}: name it with --manifest", args.path.display());
    }
    let stop = interruptible()?;
    let settings = Settings { limits: args.limits.limits(), stop: stop.clone(), ..Settings::default() };
    let check = Check {
        model: &args.path,
        bundles: &bundles,
        suffices: Suffices::Any,
        anchor: anchor.as_ref().map(Option::as_ref).map_err(Refusal::clone),
        how: How { allow_legacy: args.trust.allow_legacy, now: now() },
        tolerance: Tolerance {
            ignore: args.ignore.iter().map(|path| below(&args.path, path)).collect::<Result<_>>()?,
            ignore_unsigned: args.ignore_unsigned,
            allow_symlinks: args.trust.allow_symlinks,
            own: Vec::new(),
        },
        settings: &settings,
        map: map(),
        drop_cache: args.common.drop_cache,
    };
    let look = Look { single: false, terse: true };
    // what is to be verified is looked up only where something is to be written
    let mut items = if args.output.is_empty() { Vec::new() } else { walk(&args.path) };
    items.extend(bundles.iter().map(|bundle| Item::File(bundle.clone(), Reach::Anywhere)));
    let inputs: Vec<&Path> = args.trust.files().map(PathBuf::as_path).collect();
    let outputs = Outputs::open(&args.common, args.format, &args.output, &items, &inputs, look)?;
    let pool = Pool::new(usize::from(args.common.threads.unwrap_or(0)))?;
    if let Some(seconds) = args.limits.timeout {
        stop_after(seconds, &stop);
    }
    let bars = Bars::new(args.common.quiet, &[], stop);
    let summary = outputs.deliver(Summary::default(), bars, |bars, sink| match args.tensors.as_slice() {
        [] => check.run(&pool, bars, sink),
        names => check.tensors(names, sink),
    })?;
    Ok(Exit::of_run(&summary, args.exit_zero))
}

/// What a bundle may say about one file.
#[derive(Clone, Copy, PartialEq)]
enum Says {
    /// It is about one file, or cannot be told and is told of as it is.
    One,
    /// It lists the file among others of its directory.
    Part,
    /// Nothing.
    Nothing,
}

/// What a bundle says about a file: by the file's name, or by its place below the bundle.
fn says(bundle: &Path, file: &Path) -> Says {
    let options = OpenOptions { max_file_bytes: mverify::trust::MOST_BYTES, ..OpenOptions::default() };
    let Ok(source) = FileSource::open(bundle, &options) else { return Says::One };
    let Ok(text) = source.copy(0..source.len()) else { return Says::One };
    let how = How { allow_legacy: true, now: now() };
    let own = file.file_name().and_then(|name| name.to_str());
    let below = bundle.parent().and_then(|directory| file.strip_prefix(directory).ok()).and_then(Path::to_str);
    let each = mverify::trust::lines(bundle, &text).into_iter().map(|(_, text)| match verify(text, None, how) {
        Err(_) => Says::One,
        Ok(said) if said.manifest.is_of(own.unwrap_or(".")) => Says::One,
        Ok(said) if [own, below].into_iter().flatten().any(|name| said.manifest.entries.contains_key(name)) => {
            Says::Part
        }
        Ok(_) => Says::Nothing,
    });
    let each: Vec<Says> = each.collect();
    [Says::One, Says::Part].into_iter().find(|said| each.contains(said)).unwrap_or(Says::Nothing)
}

/// Runs the whole check, which knows policies and parts of directories, and requires a signature.
fn whole_check(args: &VerifyArgs, why: &str) -> Result<Exit> {
    ensure!(
        args.tensors.is_empty() && args.ignore.is_empty() && !args.ignore_unsigned,
        "{why}, and --tensor, --ignore and --ignore-unsigned do not go with that: allow-extras of [[model]] in a policy says \
         what may be unsigned, --no-config leaves a policy out"
    );
    let Some(Command::Check(mut check)) = Cli::try_parse_from(["mverify", "check"])?.command else {
        bail!("there is no command check")
    };
    check.paths = vec![args.path.clone()];
    check.require = vec!["signature".to_owned()];
    (check.trust, check.config, check.no_config) = (args.trust.clone(), args.config.clone(), args.no_config);
    (check.format, check.output, check.exit_zero) = (args.format, args.output.clone(), args.exit_zero);
    (check.common, check.limits) = (args.common.clone(), args.limits.clone());
    super::check::run(&check, true)
}

/// Whether files may be mapped: where the process survives mapped files that shrink.
fn map() -> bool {
    #[cfg(unix)]
    return mverify::source::mmap::guard();
    #[cfg(not(unix))]
    return false;
}

/// Seconds since 1970. A clock before that is as wrong as one that does not exist.
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|now| i64::try_from(now.as_secs()).ok()).unwrap_or(0)
}

/// What the arguments name to trust.
impl From<&TrustArgs> for Trusted {
    fn from(args: &TrustArgs) -> Trusted {
        let TrustArgs { key, ca, subject, san, identity, issuer, trusted_root, .. } = args.clone();
        Trusted { key, ca, subject, san, identity, issuer, trusted_root }
    }
}

/// The bundle that was named, or all that lie where bundles lie.
fn bundles(args: &VerifyArgs) -> Result<Vec<PathBuf>> {
    if let Some(path) = &args.trust.manifest {
        return Ok(vec![path.clone()]);
    }
    let found = mverify::trust::discover(&args.path);
    if found.is_empty() {
        anyhow::bail!("no manifest was found with {}: name it with --manifest", args.path.display());
    }
    Ok(found)
}

/// A path to ignore as a name below the model: given from where the model was given, or from the model itself.
pub fn below(model: &Path, path: &Path) -> Result<String> {
    let inside = path.strip_prefix(model).unwrap_or(path);
    let mut parts = Vec::new();
    for part in inside.components() {
        match part {
            Component::Normal(part) => parts.push(part.to_str().context("--ignore takes paths in UTF-8")?),
            Component::CurDir => {}
            _ => anyhow::bail!("--ignore {}: it does not lie inside the model", path.display()),
        }
    }
    anyhow::ensure!(!parts.is_empty(), "--ignore {}: that is the whole model", path.display());
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_paths_are_given_from_here_or_from_the_model() {
        let name = |model: &str, path: &str| below(Path::new(model), Path::new(path)).ok();
        assert_eq!(name("models/m", "models/m/logs/a").as_deref(), Some("logs/a"));
        assert_eq!(name("models/m", "./logs/").as_deref(), Some("logs"));
        assert_eq!(name("models/m", "models/m"), None);
        assert_eq!(name("models/m", "/etc"), None);
        assert_eq!(name("models/m", "../x"), None);
    }
}
