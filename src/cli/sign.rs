//! `mverify sign`: a signed manifest of a model, once its own scan is not bad.

use super::args::{Common, LimitArgs, size};
use super::exit::Exit;
use super::keygen::{PassphraseArgs, passphrase};
use super::verify::below;
use anyhow::{Context, Result, bail};
use clap::Args;
use mverify::digest::{Algorithm, Sharded, Sharding};
use mverify::manifest::expected::Expectations;
use mverify::manifest::oms::{Expected, Shard};
use mverify::manifest::{Tolerance, tree};
use mverify::report::plain;
use mverify::trust::{Certificate, PrivateKey, Statement, sign};
use mverify::walk::Item;
use mverify::{Verdict, Verifier};
use std::collections::BTreeMap;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

#[derive(Args, Debug, Clone)]
pub struct SignArgs {
    /// The model: a directory, or a file
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
    /// The private key (PEM; P-256, P-384 or P-521)
    #[arg(long, value_name = "PEM")]
    pub key: PathBuf,
    #[command(flatten)]
    pub passphrase: PassphraseArgs,
    /// The certificate of the key (PEM), to sign with a certificate
    #[arg(long, value_name = "PEM")]
    pub cert: Option<PathBuf>,
    /// Certificates between --cert and the root, each issued by the next; repeatable
    #[arg(long, value_name = "PEM", requires = "cert")]
    pub cert_chain: Vec<PathBuf>,
    /// Where to write (default: PATH/model.sig for a directory, PATH.sig for a file)
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace a signature that is already there
    #[arg(long)]
    pub force: bool,
    /// List digests of parts of SIZE bytes, so that a mismatch tells where
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub shards: Option<u64>,
    /// Hash: sha256, blake3 or blake2b
    #[arg(long, value_name = "ALGORITHM", default_value = "sha256")]
    pub hash: String,
    /// Leave out this path of the model; repeatable. Verifiers must be told to ignore it too
    #[arg(long, value_name = "PATH")]
    pub ignore: Vec<PathBuf>,
    /// Follow links to files inside the model
    #[arg(long)]
    pub allow_symlinks: bool,
    /// Write what the Python client verifies where it differs from the specification
    #[arg(long)]
    pub compat_python: bool,
    /// Sign even if the model's own scan is bad
    #[arg(long)]
    pub even_if_bad: bool,
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub limits: LimitArgs,
}

/// Runs the command.
pub fn run(args: &SignArgs) -> Result<Exit> {
    let algorithm = match args.hash.as_str() {
        "sha256" => Algorithm::Sha256,
        "blake3" => Algorithm::Blake3,
        "blake2b" => Algorithm::Blake2b512,
        other => bail!("--hash {other}: expected sha256, blake3 or blake2b"),
    };
    anyhow::ensure!(args.shards != Some(0), "--shards 0: a part has at least one byte");
    let key = key(args)?;
    let chain = chain(args)?;
    let directory = args.path.is_dir();
    let output = output(args, directory)?;
    let tolerance = tolerance(args, directory, &output)?;
    let files = match tree::to_be_signed(&args.path, &tolerance) {
        Ok(files) => files,
        Err((path, why)) => {
            eprintln!("mverify: not signed: {}: {why}", plain::plain(&path.to_string_lossy()));
            return Ok(Exit::NotProven);
        }
    };
    let secret = std::fs::canonicalize(&args.key)?;
    if let Some(path) = files.values().find(|path| std::fs::canonicalize(path).is_ok_and(|path| path == secret)) {
        bail!("the key {} lies in the model: move it out, whoever gets the model gets it", path.display());
    }
    let Some(found) = scanned(args, algorithm, &files)? else { return Ok(Exit::ProvenBad) };
    let mut listed = BTreeMap::new();
    for (name, path) in &files {
        let Some(expected) = found.get(path) else {
            eprintln!("mverify: not signed: {} could not be read", plain::plain(&path.to_string_lossy()));
            return Ok(Exit::NotProven);
        };
        if args.compat_python && args.shards.is_some() && expected.is_empty() {
            bail!("{} is empty, and the Python client's shards do not cover empty files", path.display());
        }
        let name = if !directory && args.compat_python { "." } else { name.as_str() };
        listed.insert(name.to_owned(), expected.clone());
    }
    let statement = Statement {
        subject: subject(&args.path),
        algorithm,
        files: listed,
        shard_size: args.shards,
        ignored: ignored(&tolerance, directory, &args.path, &output),
        allow_symlinks: args.allow_symlinks,
        compat_python: args.compat_python,
    };
    let made = statement.payload().and_then(|payload| sign(&payload, &key, &chain));
    let bundle = match made {
        Ok(bundle) => bundle,
        Err(why) => {
            eprintln!("mverify: not signed: {why}");
            return Ok(Exit::NotProven);
        }
    };
    write(&output, bundle.as_bytes(), args.force)?;
    if !args.common.quiet {
        let count = files.len();
        println!("signed {count} {} with key {}", if count == 1 { "file" } else { "files" }, key.public().hint());
        println!("wrote {}", output.display());
    }
    Ok(Exit::Proven)
}

fn key(args: &SignArgs) -> Result<PrivateKey> {
    let named = || format!("the key {}", args.key.display());
    let text = std::fs::read(&args.key).with_context(|| format!("cannot read {}", named()))?;
    let phrase = if PrivateKey::is_encrypted(&text) { Some(passphrase(&args.passphrase, false)?) } else { None };
    PrivateKey::from_pem(&text, phrase.as_deref()).map_err(|why| anyhow::anyhow!("{}: {why}", named()))
}

fn chain(args: &SignArgs) -> Result<Vec<Certificate>> {
    let mut chain = Vec::new();
    for path in args.cert.iter().chain(&args.cert_chain) {
        let text = std::fs::read(path).with_context(|| format!("cannot read the certificate {}", path.display()))?;
        let found = Certificate::from_pem(&text).map_err(|why| anyhow::anyhow!("{}: {why}", path.display()))?;
        chain.extend(found);
    }
    Ok(chain)
}

fn output(args: &SignArgs, directory: bool) -> Result<PathBuf> {
    let output = match &args.output {
        Some(path) => path.clone(),
        None if directory => args.path.join("model.sig"),
        None => {
            let mut name = args.path.clone().into_os_string();
            name.push(".sig");
            PathBuf::from(name)
        }
    };
    if output.exists() && !args.force {
        bail!("{} is there already; --force replaces it", output.display());
    }
    if output.exists() && !mverify::trust::is_bundle_name(&output) && !is_bundle(&output) {
        bail!("{} is no signature, and --force replaces nothing else: name another file with -o", output.display());
    }
    Ok(output)
}

/// What is left out: git's files, what the user names, and signatures, this one and those by others: then all of them
/// are over one and the same content.
fn tolerance(args: &SignArgs, directory: bool, output: &Path) -> Result<Tolerance> {
    let mut ignore: Vec<String> = args.ignore.iter().map(|path| below(&args.path, path)).collect::<Result<_>>()?;
    if directory {
        ignore.extend(own_name(&args.path, output));
        let others = mverify::trust::discover(&args.path).into_iter().filter(|path| is_bundle(path));
        ignore.extend(others.filter_map(|path| own_name(&args.path, &path)));
        ignore.sort();
        ignore.dedup();
    }
    Ok(Tolerance { ignore, allow_symlinks: args.allow_symlinks, ..Tolerance::default() })
}

/// True if it is a signed manifest by its content, not only by its name.
fn is_bundle(path: &Path) -> bool {
    let small = std::fs::metadata(path).is_ok_and(|meta| meta.len() <= mverify::trust::MOST_BYTES);
    small && std::fs::read(path).is_ok_and(|text| mverify::trust::Bundle::parse(&text).is_ok())
}

/// The directory that a file lies in.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The name of the signature below the model, where it lies there.
fn own_name(model: &Path, output: &Path) -> Option<String> {
    let model = std::fs::canonicalize(model).ok()?;
    let folder = std::fs::canonicalize(folder_of(output)).ok()?;
    let path = folder.join(output.file_name()?);
    path.strip_prefix(model).ok()?.to_str().map(str::to_owned)
}

fn ignored(tolerance: &Tolerance, directory: bool, model: &Path, output: &Path) -> Vec<String> {
    if !directory {
        return Vec::new();
    }
    let git = tree::GIT.map(str::to_owned);
    tolerance.ignore.iter().cloned().chain(git).chain(own_name(model, output)).collect()
}

fn subject(model: &Path) -> String {
    let whole = std::fs::canonicalize(model).unwrap_or_else(|_| model.to_owned());
    whole.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Scans and hashes the files, each read once: what the manifest is to expect of each that could be read. `None` where
/// the scan is bad, which is told.
fn scanned(
    args: &SignArgs,
    algorithm: Algorithm,
    files: &BTreeMap<String, PathBuf>,
) -> Result<Option<BTreeMap<PathBuf, Expected>>> {
    let mut builder = Verifier::builder()
        .limits(args.limits.limits())
        .map(mverify::source::mmap::guard())
        .drop_cache(args.common.drop_cache)
        .threads(usize::from(args.common.threads.unwrap_or(0)));
    builder = match args.shards {
        Some(size) => builder.digests(&[]).shards(Sharding { algorithm, size, end: u64::MAX }),
        None => builder.digests(&[algorithm]),
    };
    let verifier = builder.build()?;
    let reach = mverify::walk::reach(&args.path)?;
    let items: Vec<Item> = files.values().map(|path| Item::File(path.clone(), reach.clone())).collect();
    let mut found = BTreeMap::new();
    let (mut bad, mut unknown) = (0_usize, 0_usize);
    let _ = verifier.verify_items(items, &Expectations::default(), &(), |artifact| {
        match artifact.outcome.verdict() {
            Verdict::Bad => {
                bad += 1;
                let path = plain::plain(&artifact.path.to_string_lossy());
                for reason in artifact.reasons() {
                    eprintln!("mverify: {path}: {reason}");
                }
            }
            Verdict::Unknown => unknown += 1,
            Verdict::Ok => {}
        }
        let whole = artifact.digests.get(algorithm).map(Expected::Whole);
        let parts = artifact.shards.last().and_then(|cut| parts(cut, artifact.size)).map(Expected::Shards);
        found.extend(whole.or(parts).map(|expected| (artifact.path, expected)));
        ControlFlow::Continue(())
    });
    if bad > 0 && !args.even_if_bad {
        eprintln!("mverify: not signed: {bad} of the files are bad; --even-if-bad signs them all the same");
        return Ok(None);
    }
    if unknown > 0 && !args.common.quiet {
        eprintln!(
            "mverify: note: {unknown} of the files could not be proven harmless; the signature does not say they are"
        );
    }
    Ok(Some(found))
}

/// The shards of a file of `len` bytes; `None` if they do not cover it.
fn parts(cut: &Sharded, len: u64) -> Option<Vec<Shard>> {
    let mut start = 0_u64;
    let mut shards = Vec::with_capacity(cut.digests.len());
    for digest in &cut.digests {
        let range = start..len.min(start.saturating_add(cut.sharding.size));
        start = range.end;
        shards.push(Shard { range, digest: *digest });
    }
    if start == len && !shards.is_empty() { Some(shards) } else { None }
}

/// Writes the signature, whole or not at all.
fn write(path: &Path, bytes: &[u8], replace: bool) -> Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    if !replace {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path).with_context(cannot)?;
        return file.write_all(bytes).with_context(cannot);
    }
    super::replace::replace(path, bytes)
}
