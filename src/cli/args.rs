//! Arguments as the user writes them. What they mean together is decided in the commands.

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use mverify::Severity;
use mverify::digest::Digest;
use mverify::profile::Profile;
use std::path::PathBuf;

/// Verify machine-learning model files before anything loads them: digests, pickle safety, structure.
#[derive(Parser, Debug)]
#[command(name = "mverify", version, args_conflicts_with_subcommands = true, arg_required_else_help = true)]
#[command(max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub check: CheckArgs,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Identify, check structure, scan, hash and compare with what is expected: one verdict per file
    Check(CheckArgs),
    /// Only: can loading it run code? (check without hashing)
    Scan(CheckArgs),
    /// Print or check digests, as sha256sum and b3sum do
    Hash(HashArgs),
    /// Hold a model against a signed manifest (OpenSSF Model Signing)
    Verify(VerifyArgs),
    /// Sign a model (OpenSSF Model Signing)
    Sign(super::sign::SignArgs),
    /// Make a key to sign with
    Keygen(super::keygen::KeygenArgs),
    /// Pin what a directory holds, in a file to review and to keep in git
    Lock(LockArgs),
    /// Recompute the name of every object of a content-addressed store
    Cas(CasArgs),
    /// What changed between two models: files, tensors, configuration, templates, what loading can do; nothing is loaded
    Diff(DiffArgs),
    /// Which policy applies to a path, and why
    Policy(PolicyArgs),
    /// Show what is inside: members, tensors, globals, and what vouches for it; nothing is loaded
    Inspect(InspectArgs),
    /// What a rule means, why it matters, what to do
    Explain(ExplainArgs),
    /// Print a completion script for a shell
    Completions { shell: clap_complete::Shell },
    /// Print the manual page of mverify, or of one of its commands
    Man { command: Option<String> },
}

/// The command line as clap knows it, with the table of exit codes in its help.
pub fn command() -> clap::Command {
    let mut help = "Exit codes:\n".to_owned();
    for (_, code, words) in super::exit::TABLE {
        help.push_str(&format!("  {code}  {words}\n"));
    }
    help.push_str(
        "\n`mverify PATH...` is short for `mverify check PATH...`. A file named like a command is given as ./NAME.",
    );
    Cli::command().after_help(help)
}

/// Output formats.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people
    Text,
    /// One JSON document (mverify.report/v1)
    Json,
    /// One JSON object per file as it is done, the summary last
    Jsonl,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// JUnit XML: a test case per file
    Junit,
    /// Annotations of GitHub Actions, for standard output of a workflow step
    Github,
    /// A summary table, as for $GITHUB_STEP_SUMMARY
    Markdown,
}

/// When to use colours.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Args, Debug, Clone)]
pub struct CheckArgs {
    /// Files and directories; `-` is standard input
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Read more paths from FILE (`-`: standard input), one per line
    #[arg(long, value_name = "FILE")]
    pub files_from: Option<PathBuf>,
    /// Paths in --files-from end with NUL instead of a newline
    #[arg(short = '0', long, requires = "files_from")]
    pub null: bool,
    /// Answer the weights_only question for this torch version; repeatable (default: the newest known)
    #[arg(long = "torch", value_name = "VERSION")]
    pub torch: Vec<String>,
    /// Ask what this framework's loader takes, with what it trusts beyond torch's list: accelerate, transformers-trainer,
    /// timm, deepspeed; repeatable, each has its own answer
    #[arg(long, value_name = "NAME", value_parser = profile)]
    pub profile: Vec<Profile>,
    /// Demand a proof, or fail: weights-only, weights-only>=VERSION, signature, manifest
    #[arg(long, value_name = "PROOF")]
    pub require: Vec<String>,
    /// The SHA-256 that the file must have
    #[arg(long, value_name = "HEX", value_parser = sha256)]
    pub sha256: Option<Digest>,
    /// A lock that the paths must match: nothing that loaders act on added, missing or changed; repeatable
    #[arg(long, value_name = "FILE")]
    pub lock: Vec<PathBuf>,
    /// Check only what changed in the git working tree since this revision: what was committed, staged or edited, and
    /// untracked files. Lists, locks and signed manifests hold for everything: what they miss, or do not list, fails all the
    /// same, and where they changed, all that they cover is checked. PATH is `.` by default
    #[arg(long, value_name = "BASE", allow_hyphen_values = true)]
    pub diff: Option<String>,
    #[command(flatten)]
    pub trust: TrustArgs,
    /// Lowest severity that makes a file bad (default: high)
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    pub fail_on: Option<Severity>,
    /// Fail on files and directories that group or others can write to, or that somebody else owns
    #[arg(long)]
    pub strict_perms: bool,
    /// A policy file to trust (default: mverify.toml in the user's configuration folder)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Read no policy file but that of --config
    #[arg(long)]
    pub no_config: bool,
    /// An earlier report (--format json): findings it told do not fail again. What is not proven stays so, and a changed
    /// file that loaders load is new
    #[arg(long, value_name = "REPORT")]
    pub baseline: Option<PathBuf>,
    /// Exit 0 also where a file is proven bad (never where something is not proven)
    #[arg(long)]
    pub exit_zero: bool,
    /// Output format on standard output
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
    /// Also write a report to FILE; FORMAT:FILE chooses its format (default: json); repeatable
    #[arg(short, long = "output", value_name = "[FORMAT:]FILE")]
    pub output: Vec<String>,
    /// Digests to compute besides sha256; repeatable or comma-separated
    #[arg(long = "digest", value_name = "ALGORITHM", value_delimiter = ',')]
    pub digest: Vec<String>,
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub limits: LimitArgs,
}

/// Whose signatures to trust.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Signatures")]
pub struct TrustArgs {
    /// The signed manifest, as in model.sig (default: the one found beside or inside the model)
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// Trust this public key (PEM; P-256, P-384 or P-521)
    #[arg(long, value_name = "PEM", conflicts_with_all = ["ca", "identity"])]
    pub key: Option<PathBuf>,
    /// Trust signers with a certificate that leads to one of these (PEM); repeatable
    #[arg(long, value_name = "PEM", conflicts_with = "identity")]
    pub ca: Vec<PathBuf>,
    /// The signer's certificate must have this subject: the common name, or all of it as in CN=x,O=y
    #[arg(long, value_name = "NAME", requires = "ca")]
    pub subject: Option<String>,
    /// The signer's certificate must have this e-mail address, URI or DNS name
    #[arg(long, value_name = "NAME", requires = "ca")]
    pub san: Option<String>,
    /// Trust this identity, vouched for by --issuer (keyless signatures)
    #[arg(long, value_name = "ID", requires = "issuer")]
    pub identity: Option<String>,
    /// Who vouches for --identity
    #[arg(long, value_name = "URL", requires = "identity")]
    pub issuer: Option<String>,
    /// Root of trust for keyless signatures: trusted_root.json (default: the public good instance's, built in)
    #[arg(long, value_name = "FILE", requires = "identity")]
    pub trusted_root: Option<PathBuf>,
    /// Follow links to files inside the model, where it was signed with links
    #[arg(long)]
    pub allow_symlinks: bool,
    /// Read signatures of before version 1.0 too
    #[arg(long)]
    pub allow_legacy: bool,
}

impl TrustArgs {
    /// Files that say whom to trust.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.manifest.iter().chain(&self.key).chain(&self.ca).chain(&self.trusted_root)
    }
}

/// Options that every command which reads files has.
#[derive(Args, Debug, Clone)]
pub struct Common {
    /// Threads (default: one per core)
    #[arg(long, alias = "jobs", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Leave the system's page cache as it was found, as far as the system tells what was in it (Linux)
    #[arg(long)]
    pub drop_cache: bool,
    /// Print nothing but errors; the exit code tells
    #[arg(short, long)]
    pub quiet: bool,
    /// Show low and info findings too, and details of files that are ok
    #[arg(short, long)]
    pub verbose: bool,
    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

/// Limits. Sizes take K, M, G, T (powers of 1024).
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// Largest file that is read
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub max_file_bytes: Option<u64>,
    /// Archive members, tensors and key-values of one file
    #[arg(long, value_name = "N", value_parser = size)]
    pub max_entries: Option<u64>,
    /// Archives within archives, pickles within pickles
    #[arg(long, value_name = "N")]
    pub max_depth: Option<u32>,
    /// Largest header or pickle held in memory
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub max_header_bytes: Option<u64>,
    /// Bytes produced by decompressing one file
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub max_decompressed_bytes: Option<u64>,
    /// Decompressed bytes per compressed byte
    #[arg(long, value_name = "N", value_parser = size)]
    pub max_ratio: Option<u64>,
    /// Pickle opcodes of one file
    #[arg(long, value_name = "N", value_parser = size)]
    pub max_ops: Option<u64>,
    /// Stop after this many seconds; what was not finished is not proven
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
}

#[derive(Args, Debug, Clone)]
pub struct HashArgs {
    /// Files and directories; `-` is standard input
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Algorithms, comma-separated (default: sha256; with --check: what each line says): sha256, sha512, blake3,
    /// blake2b-512, sha1-git, md5
    #[arg(short, long = "algorithm", value_name = "ALGORITHM", value_delimiter = ',')]
    pub algorithms: Vec<String>,
    /// Check the digests listed in FILE instead of printing digests; repeatable. As with sha256sum the lists may also
    /// stand where paths do, and without any the list is read from standard input
    #[arg(short, long, value_name = "FILE", num_args = 0..=1)]
    pub check: Option<Vec<PathBuf>>,
    /// Write FILE.obao beside each file: the BLAKE3 outboard (Bao, groups of 16 KiB, 1/256 of the file) with which
    /// `mverify verify --tensor` proves parts of a file signed with --hash blake3. Prints BLAKE3 digests
    #[arg(long, conflicts_with_all = ["check", "json", "algorithms", "through"])]
    pub outboard: bool,
    /// Also hash what is inside, in the same read: gzip, zlib, bzip2, xz, lzma, lz4 or zstd, tar for each file of an
    /// archive, or both, as in gzip,tar. With --check, PATH names the files to look into, and the list may name them,
    /// what they decompress to, and the files of archives. Streams that are cut off or followed by other bytes, links, names
    /// that are unsafe or stand for one file twice, and limits that are reached: exit 3, and the reason
    #[arg(long, value_name = "LAYER", value_delimiter = ',')]
    pub through: Vec<String>,
    /// Print lines in BSD style: ALGORITHM (NAME) = DIGEST
    #[arg(long, conflicts_with_all = ["check", "json"])]
    pub tag: bool,
    /// Print JSON
    #[arg(long, conflicts_with = "check")]
    pub json: bool,
    /// End lines with NUL and do not escape names
    #[arg(short, long, conflicts_with_all = ["check", "json"])]
    pub zero: bool,
    /// With --check: listed files that are not there are no failure
    #[arg(long, requires = "check")]
    pub ignore_missing: bool,
    /// With --check: malformed lines are a failure
    #[arg(long, requires = "check")]
    pub strict: bool,
    /// With --check: print nothing, the exit code tells
    #[arg(long, requires = "check")]
    pub status: bool,
    /// With --check: warn about each malformed line
    #[arg(short, long, requires = "check")]
    pub warn: bool,
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub limits: LimitArgs,
}

#[derive(Args, Debug, Clone)]
pub struct VerifyArgs {
    /// The model: a directory, or a file
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
    #[command(flatten)]
    pub trust: TrustArgs,
    /// Verify only this tensor, wherever it lies, and read nothing else; repeatable. Needs signed shards, or files signed
    /// with BLAKE3 and their outboards (FILE.obao) beside them
    #[arg(long = "tensor", value_name = "NAME")]
    pub tensors: Vec<String>,
    /// Do not look at what is not listed under this path of the model; repeatable
    #[arg(long, value_name = "PATH")]
    pub ignore: Vec<PathBuf>,
    /// Tolerate unsigned files that no loader acts on
    #[arg(long)]
    pub ignore_unsigned: bool,
    /// A policy file to trust (default: mverify.toml in the user's configuration folder)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Read no policy file but that of --config
    #[arg(long)]
    pub no_config: bool,
    /// Exit 0 also where the model is proven bad (never where something is not proven)
    #[arg(long)]
    pub exit_zero: bool,
    /// Output format on standard output
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
    /// Also write a report to FILE; FORMAT:FILE chooses its format (default: json); repeatable
    #[arg(short, long = "output", value_name = "[FORMAT:]FILE")]
    pub output: Vec<String>,
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub limits: LimitArgs,
}

#[derive(Args, Debug, Clone)]
pub struct LockArgs {
    /// A directory or a file; of a Hugging Face cache also models--ORG--NAME
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
    /// The lock
    #[arg(short, long, value_name = "FILE", default_value = mverify::manifest::lock::NAME)]
    pub output: PathBuf,
    /// Show what changed and write the lock anew
    #[arg(long, conflicts_with = "check")]
    pub update: bool,
    /// Write nothing: show what changed since the lock was written, and exit 1 if anything did
    #[arg(long)]
    pub check: bool,
    /// Answer the weights_only question for this torch version; repeatable (default: the newest known)
    #[arg(long = "torch", value_name = "VERSION")]
    pub torch: Vec<String>,
    #[command(flatten)]
    pub trust: TrustArgs,
    /// A policy file to trust (default: mverify.toml in the user's configuration folder); the signers that it asks for are
    /// remembered
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Read no policy file but that of --config
    #[arg(long)]
    pub no_config: bool,
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub limits: LimitArgs,
}

#[derive(Args, Debug, Clone)]
pub struct PolicyArgs {
    #[command(subcommand)]
    pub command: PolicyCommand,
}

#[derive(Subcommand, Debug, Clone)]
pub enum PolicyCommand {
    /// Show the policy files that apply to a path, which of them are trusted, and what holds
    Check {
        /// A file or directory
        path: PathBuf,
        /// A policy file to trust (default: mverify.toml in the user's configuration folder)
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Read no policy file but that of --config
        #[arg(long)]
        no_config: bool,
    },
}

#[derive(Args, Debug, Clone)]
pub struct InspectArgs {
    /// A file or directory
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
    /// Print JSON, which --expect reads again
    #[arg(long)]
    pub json: bool,
    /// Fail on tensors that are missing, extra, reshaped or of another type than in FILE: an earlier inspection in JSON,
    /// or a map of tensor names to {"dtype": ..., "shape": [...]}
    #[arg(long, value_name = "FILE")]
    pub expect: Option<PathBuf>,
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub limits: LimitArgs,
}

/// Compares two models, each a file, a directory, or a repository or snapshot in a Hugging Face cache.
///
/// Exit codes: 0 nothing changed, 1 something changed (as diff does; --exit-zero makes it 0), 2 usage, 3 nothing is known to
/// have changed, but something could not be read or compared.
#[derive(Args, Debug, Clone)]
pub struct DiffArgs {
    /// The model as it was
    #[arg(value_name = "OLD")]
    pub old: PathBuf,
    /// The model as it is
    #[arg(value_name = "NEW")]
    pub new: PathBuf,
    /// Output format: text, json (mverify.diff/v1) or markdown, as for the comment on a pull request
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: DiffFormat,
    /// Exit 0 also where something changed (never where something could not be compared)
    #[arg(long)]
    pub exit_zero: bool,
    /// Answer the weights_only question for this torch version; repeatable (default: the newest known)
    #[arg(long = "torch", value_name = "VERSION")]
    pub torch: Vec<String>,
    #[command(flatten)]
    pub trust: TrustArgs,
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub limits: LimitArgs,
}

/// Output formats of `mverify diff`.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiffFormat {
    /// For people
    Text,
    /// One JSON document (mverify.diff/v1)
    Json,
    /// A page in Markdown
    Markdown,
}

#[derive(Args, Debug, Clone)]
pub struct CasArgs {
    /// The store: objects under their digest, in one directory or spread over several
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// The algorithm of the names: blake3, sha256, sha512, blake2b-512
    #[arg(long, value_name = "ALGORITHM")]
    pub algo: String,
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub limits: LimitArgs,
}

#[derive(Args, Debug, Clone)]
pub struct ExplainArgs {
    /// Rule id, as in MV-PKL-001; `exit-codes` explains those
    #[arg(value_name = "RULE", required_unless_present = "all")]
    pub rules: Vec<String>,
    /// Explain every rule
    #[arg(long)]
    pub all: bool,
    /// Print Markdown, as in docs/rules.md
    #[arg(long)]
    pub markdown: bool,
}

fn severity(text: &str) -> Result<Severity, String> {
    Severity::ALL
        .into_iter()
        .find(|s| s.name().eq_ignore_ascii_case(text))
        .ok_or_else(|| format!("expected one of {}", Severity::ALL.map(Severity::name).join(", ")))
}

fn profile(name: &str) -> Result<Profile, String> {
    Profile::named(name).ok_or_else(|| format!("expected one of {}", Profile::ALL.map(Profile::name).join(", ")))
}

fn sha256(text: &str) -> Result<Digest, String> {
    let text = text.strip_prefix("sha256:").unwrap_or(text);
    Digest::from_hex(text.as_bytes())
        .filter(|digest| digest.as_bytes().len() == 32)
        .ok_or_else(|| "expected 64 hex digits".to_owned())
}

/// A number with an optional binary unit.
pub fn size(text: &str) -> Result<u64, String> {
    mverify::budget::size(text).ok_or_else(|| "expected a number, with K, M, G or T".to_owned())
}

impl LimitArgs {
    /// The library's limits with the ones given here put in.
    pub fn limits(&self) -> mverify::Limits {
        self.over(mverify::Limits::default())
    }

    /// Other limits with the ones given here put in.
    pub fn over(&self, d: mverify::Limits) -> mverify::Limits {
        mverify::Limits {
            max_file_bytes: self.max_file_bytes.unwrap_or(d.max_file_bytes),
            max_entries: self.max_entries.unwrap_or(d.max_entries),
            max_depth: self.max_depth.unwrap_or(d.max_depth),
            max_header_bytes: self.max_header_bytes.unwrap_or(d.max_header_bytes),
            max_decompressed_bytes: self.max_decompressed_bytes.unwrap_or(d.max_decompressed_bytes),
            max_ratio: self.max_ratio.unwrap_or(d.max_ratio),
            max_ops: self.max_ops.unwrap_or(d.max_ops),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn sizes_take_binary_units() {
        assert_eq!(size("12"), Ok(12));
        assert_eq!(size("3k"), Ok(3 << 10));
        assert_eq!(size("2GiB"), Ok(2 << 30));
        assert!(size("2X").is_err() && size("").is_err() && size("99999999999T").is_err());
    }
}
