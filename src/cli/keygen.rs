//! `mverify keygen`, and where passphrases come from.

use super::exit::Exit;
use anyhow::{Context, Result, bail};
use clap::Args;
use mverify::trust::{Curve, PrivateKey};
use std::fs::OpenOptions;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

#[derive(Args, Debug, Clone)]
pub struct KeygenArgs {
    /// Where to write the private key; the public one goes beside it as FILE.pub
    #[arg(short, long, value_name = "FILE", default_value = "mverify.key")]
    pub output: PathBuf,
    /// Curve: p256, p384 or p521
    #[arg(long, value_name = "CURVE", default_value = "p256")]
    pub curve: String,
    /// Encrypt the private key with a passphrase
    #[arg(long)]
    pub encrypt: bool,
    #[command(flatten)]
    pub passphrase: PassphraseArgs,
}

/// Where a passphrase comes from; without these it is asked for. Never an argument: those are seen by everybody.
#[derive(Args, Debug, Clone)]
pub struct PassphraseArgs {
    /// Read the passphrase from the first line of FILE
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_fd")]
    pub passphrase_file: Option<PathBuf>,
    /// Read the passphrase from an open file descriptor
    #[arg(long, value_name = "N")]
    pub passphrase_fd: Option<u32>,
}

/// Runs the command.
pub fn run(args: &KeygenArgs) -> Result<Exit> {
    let curve = Curve::ALL.into_iter().find(|curve| curve.name() == args.curve.to_ascii_lowercase().replace('-', ""));
    let Some(curve) = curve else { bail!("--curve {}: expected p256, p384 or p521", args.curve) };
    let wanted = args.encrypt || args.passphrase.passphrase_file.is_some() || args.passphrase.passphrase_fd.is_some();
    let passphrase = if wanted { Some(passphrase(&args.passphrase, true)?) } else { None };
    let key = PrivateKey::generate(curve).context("the system gives no random numbers")?;
    let pem = key.pem(passphrase.as_deref()).context("the key could not be written")?;
    let mut public = args.output.clone().into_os_string();
    public.push(".pub");
    let public = PathBuf::from(public);
    anyhow::ensure!(!public.exists(), "{} is there already: name another file with -o, or remove it", public.display());
    create(&args.output, pem.as_bytes(), true)?;
    create(&public, key.public().pem().as_bytes(), false)?;
    println!("private key: {}{}", args.output.display(), if wanted { "" } else { " (not encrypted)" });
    println!("public key:  {}", public.display());
    println!("key hint:    {}", key.public().hint());
    Ok(Exit::Proven)
}

/// Writes a new file, never over an old one; private ones for the owner only.
fn create(path: &Path, bytes: &[u8], private: bool) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if private {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    let _ = private;
    let mut file = options.open(path).with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// The passphrase from where the arguments say, or from the terminal. `new`: it is asked for twice.
pub fn passphrase(args: &PassphraseArgs, new: bool) -> Result<Vec<u8>> {
    let path = match (&args.passphrase_file, args.passphrase_fd) {
        (Some(path), _) => Some(path.clone()),
        (None, Some(number)) => Some(PathBuf::from(format!("/dev/fd/{number}"))),
        (None, None) => None,
    };
    let passphrase = match path {
        Some(path) => {
            let text =
                std::fs::read(&path).with_context(|| format!("cannot read the passphrase from {}", path.display()))?;
            let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
            line.strip_suffix(b"\r").unwrap_or(line).to_owned()
        }
        None => {
            let terminal = console::Term::stderr();
            if !std::io::stderr().is_terminal() {
                bail!("the key needs a passphrase: give it with --passphrase-file or --passphrase-fd");
            }
            let ask = |words: &str| -> Result<String> {
                terminal.write_str(words)?;
                Ok(terminal.read_secure_line()?)
            };
            let first = ask("Passphrase: ")?;
            if new && ask("The same again: ")? != first {
                bail!("the two passphrases differ");
            }
            first.into_bytes()
        }
    };
    anyhow::ensure!(!passphrase.is_empty(), "the passphrase is empty");
    Ok(passphrase)
}
