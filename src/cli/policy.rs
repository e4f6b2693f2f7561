//! Policy files: which of them apply, what each may say, and `mverify policy check`.

use super::args::{PolicyArgs, PolicyCommand};
use super::exit::Exit;
use anyhow::{Context, Result, anyhow, bail};
use mverify::policy::baseline::{self, Baseline};
use mverify::policy::{NAME, Policy};
use mverify::report::plain;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Largest policy, in bytes.
const LARGEST: u64 = 1 << 20;
/// Most rules of a policy that is not trusted: each is held against each file.
const UNTRUSTED_RULES: usize = 256;

/// The policy of a run, and where it comes from.
#[derive(Debug, Default)]
pub struct Applied {
    /// What holds.
    pub policy: Policy,
    /// The files that were read: where, why they apply, and what was not believed.
    pub files: Vec<(PathBuf, &'static str, Vec<&'static str>)>,
}

impl Applied {
    /// Says on standard error what was not believed.
    pub fn warn(&self) {
        for (file, _, ignored) in self.files.iter().filter(|(_, _, ignored)| !ignored.is_empty()) {
            let (file, ignored) = (plain::path(file), ignored.join(", "));
            eprintln!("mverify: {file} is not trusted and can only tighten: passed over {ignored}");
        }
    }
}

/// The policy for these paths. `--config` or else the user's own configuration is trusted; what lies in the working
/// directory or beside the artifacts can only tighten it.
pub fn load(config: Option<&Path>, no_config: bool, paths: &[PathBuf]) -> Result<Applied> {
    let mut applied = Applied::default();
    if let Some(path) = config {
        applied.policy = read(path, true)?;
        applied.files.push((path.to_owned(), "trusted: you named it", Vec::new()));
    } else if no_config {
        return Ok(applied);
    } else if let Some(path) = users().filter(|path| path.is_file()) {
        applied.policy = read(&path, true)?;
        applied.files.push((path, "trusted: your configuration", Vec::new()));
    }
    if no_config {
        return Ok(applied);
    }
    let here = (PathBuf::from(NAME), "can only tighten: it lies in the working directory");
    let beside = paths.iter().filter(|path| path.as_os_str() != "-").filter_map(|path| {
        let directory = if path.is_dir() { path.as_path() } else { path.parent()? };
        Some((directory.join(NAME), "can only tighten: it lies beside the artifact"))
    });
    let mut seen: Vec<PathBuf> =
        applied.files.iter().filter_map(|(path, ..)| std::fs::canonicalize(path).ok()).collect();
    for (path, why) in std::iter::once(here).chain(beside) {
        let Ok(canonical) = std::fs::canonicalize(&path) else { continue };
        if !canonical.is_file() || seen.contains(&canonical) {
            continue;
        }
        seen.push(canonical);
        let ignored = applied.policy.tighten(&read(&path, false)?);
        applied.files.push((path, why, ignored));
    }
    Ok(applied)
}

/// The policy in the user's configuration folder: `$XDG_CONFIG_HOME/mverify`, by default `~/.config/mverify`.
fn users() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")))?;
    Some(folder.join("mverify").join(NAME))
}

/// Reads a policy; only of one that is trusted the files are read that it names.
fn read(path: &Path, trusted: bool) -> Result<Policy> {
    let shown = plain::path(path);
    let mut text = String::new();
    let file = std::fs::File::open(path).with_context(|| format!("cannot read the policy {shown}"))?;
    file.take(LARGEST + 1).read_to_string(&mut text).with_context(|| format!("cannot read the policy {shown}"))?;
    if text.len() as u64 > LARGEST {
        bail!("the policy {shown} is larger than {LARGEST} bytes");
    }
    let directory = path.parent().unwrap_or(Path::new(""));
    let policy = if trusted { Policy::read(&text, directory) } else { Policy::beside(&text, directory) };
    if let Ok(policy) = &policy
        && !trusted
        && policy.model.len() + policy.overrides.len() > UNTRUSTED_RULES
    {
        bail!(
            "{shown} is not trusted, and has more than {UNTRUSTED_RULES} rules: remove it, or leave it out with --no-config"
        );
    }
    policy.map_err(|defect| anyhow!("{shown}:{}:{}: {}", defect.line, defect.column, defect.why))
}

/// The report of an earlier run.
pub fn baseline(path: &Path) -> Result<Baseline> {
    let name = || format!("cannot read the baseline {}", plain::path(path));
    let mut text = Vec::new();
    let file = std::fs::File::open(path).with_context(name)?;
    file.take(baseline::LARGEST + 1).read_to_end(&mut text).with_context(name)?;
    if text.len() as u64 > baseline::LARGEST {
        bail!("{}: it is larger than {} bytes", name(), baseline::LARGEST);
    }
    Baseline::parse(&text).map_err(|why| anyhow!("{}: {why}", name()))
}

pub fn run(args: &PolicyArgs) -> Result<Exit> {
    let PolicyCommand::Check { path, config, no_config } = &args.command;
    std::fs::metadata(path).with_context(|| format!("cannot read {}", plain::path(path)))?;
    let applied = load(config.as_deref(), *no_config, std::slice::from_ref(path))?;
    let mut out = std::io::stdout().lock();
    if applied.files.is_empty() {
        writeln!(out, "no policy applies to {}: the defaults hold", plain::path(path))?;
        return Ok(Exit::Proven);
    }
    for (file, why, ignored) in &applied.files {
        writeln!(out, "{}: {why}", plain::path(file))?;
        for key in ignored {
            writeln!(out, "  {key}: passed over, it would allow more")?;
        }
    }
    let p = &applied.policy;
    let limits = p.limits.over(&mverify::Limits::default());
    let lists = |lists: &[Vec<String>]| {
        let each: Vec<String> = lists.iter().map(|list| list.join(", ")).collect();
        if each.is_empty() { "any".to_owned() } else { each.join("; and of these ") }
    };
    let some = |list: &[String]| if list.is_empty() { "none".to_owned() } else { list.join(", ") };
    for (key, value) in [
        ("fail-on", p.fail_on.map_or("high", mverify::Severity::name).to_owned()),
        ("require", some(&p.require.0)),
        ("torch", if p.torch.is_empty() { "the newest known".to_owned() } else { p.torch.join(", ") }),
        ("formats", lists(&p.formats)),
        ("sources", lists(&p.sources)),
        ("trusted-globals", some(&p.trusted_globals)),
        ("profile", some(&p.profile.iter().map(|p| p.name().to_owned()).collect::<Vec<_>>())),
        ("max_file_bytes", limits.max_file_bytes.to_string()),
        ("max_entries", limits.max_entries.to_string()),
        ("max_depth", limits.max_depth.to_string()),
        ("max_header_bytes", limits.max_header_bytes.to_string()),
        ("max_decompressed_bytes", limits.max_decompressed_bytes.to_string()),
        ("max_ratio", limits.max_ratio.to_string()),
        ("max_ops", limits.max_ops.to_string()),
    ] {
        writeln!(out, "{key} = {}", plain::plain(&value))?;
    }
    for line in p.explain(path) {
        writeln!(out, "{}", plain::plain(&line))?;
    }
    if !p.deny.sha256.is_empty() || !p.deny.signers.is_empty() {
        writeln!(out, "[deny] {} contents, {} signers", p.deny.sha256.len(), p.deny.signers.len())?;
    }
    Ok(Exit::Proven)
}
