//! What changed in a git working tree since a revision, as `--diff BASE` asks for.
//!
//! Git is asked in terms of its index: what differs between the base and the index, and what in the working tree is not
//! what the index says; then every untracked file, ignored or not, as a walk meets it too. Content of files is not
//! compared by git, so no filter of the repository runs; a file that was only touched counts as changed, and is checked.
//! Threat: a repository that came from elsewhere, with a configuration made to run programs or to hide changes. Hooks,
//! monitors, filters, lazy fetching and replaced objects are off, the revision is no option, and what git was told not to
//! look at counts as changed. Whatever git cannot answer is an error, never an empty answer.

use super::way::Way;
use anyhow::{Context, Result, bail, ensure};
use mverify::report::plain;
use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What is said to git each time.
const SETTINGS: [&str; 10] = [
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.untrackedCache=false",
    "core.trustctime=true",
    "core.checkStat=default",
    "core.ignoreStat=false",
    "core.attributesFile=/dev/null",
    "core.quotePath=false",
    "protocol.allow=never",
    "submodule.recurse=false",
];
/// Variables of a hook's surroundings that lead git elsewhere.
const ELSEWHERE: [&str; 8] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_EXTERNAL_DIFF",
    "GIT_NAMESPACE",
];

/// What changed in one working tree.
#[derive(Debug)]
pub struct Changes {
    /// The root of the working tree, canonical.
    root: PathBuf,
    /// Paths below it that changed, those that are gone among them.
    changed: BTreeSet<PathBuf>,
    /// Directories below it under which everything counts as changed: repositories within the repository.
    nested: BTreeSet<PathBuf>,
    /// Directories that were asked for.
    directories: HashMap<PathBuf, Option<Directory>>,
}

/// A directory as it was resolved.
#[derive(Clone, Debug)]
struct Directory {
    canonical: PathBuf,
    /// A link on the way to it changed.
    led_elsewhere: bool,
}

impl Changes {
    /// What changed since `base` in the working tree that all of `paths` lie in.
    pub fn since(base: &str, paths: &[PathBuf]) -> Result<Changes> {
        let shown = plain::plain(base);
        ensure!(!base.is_empty() && !base.starts_with('-'), "--diff {shown}: expected a revision, as in origin/main");
        let mut root: Option<PathBuf> = None;
        for path in paths {
            ensure!(path.as_os_str() != "-", "--diff looks at files in a working tree, and standard input is none");
            let found = root_of(path)?;
            if root.as_ref().is_some_and(|root| *root != found) {
                bail!("--diff: the paths lie in several repositories; check each by itself");
            }
            root = Some(found);
        }
        let root = root.context("--diff: no path was given")?;
        let filters = filters(&root)?;
        let git = |args: &[&OsStr]| run(&root, &filters, args);
        let revision = OsString::from(format!("{base}^{{commit}}"));
        let known = git(&["rev-parse".as_ref(), "--verify".as_ref(), "--quiet".as_ref(), &revision]);
        let Ok(commit) = known else {
            let shallow = git(&["rev-parse".as_ref(), "--is-shallow-repository".as_ref()]);
            if shallow.is_ok_and(|text| text.starts_with(b"true")) {
                bail!(
                    "--diff {shown}: this clone is shallow and does not have that revision: fetch it \
                     (git fetch --unshallow, or fetch-depth: 0 with actions/checkout)"
                );
            }
            bail!(
                "--diff {shown}: there is no such revision here: fetch it, or check its name (git rev-parse {shown})"
            );
        };
        let commit = String::from_utf8(commit).context("--diff: git gave no commit")?;
        let commit = OsString::from(commit.trim());
        let mut changes =
            Changes { root, changed: BTreeSet::new(), nested: BTreeSet::new(), directories: HashMap::new() };
        let listing: [&OsStr; 6] = [
            "diff-index".as_ref(),
            "--cached".as_ref(),
            "--name-only".as_ref(),
            "-z".as_ref(),
            "--no-renames".as_ref(),
            &commit,
        ];
        let committed = run(&changes.root, &filters, &[&listing[..], &["--".as_ref()]].concat())?;
        let unstaged: [&OsStr; 4] =
            ["diff-files".as_ref(), "--name-only".as_ref(), "-z".as_ref(), "--ignore-submodules=all".as_ref()];
        let unstaged = run(&changes.root, &filters, &unstaged)?;
        let untracked: [&OsStr; 3] = ["ls-files".as_ref(), "--others".as_ref(), "-z".as_ref()];
        let untracked = run(&changes.root, &filters, &untracked)?;
        for name in [&committed, &unstaged, &untracked].into_iter().flat_map(|listing| listing.split(|byte| *byte == 0))
        {
            match name.strip_suffix(b"/") {
                // a repository within, into which git does not look
                Some(directory) => changes.nested.insert(super::check::path_of(directory)),
                None if name.is_empty() => false,
                None => changes.changed.insert(super::check::path_of(name)),
            };
        }
        let tracked: [&OsStr; 4] = ["ls-files".as_ref(), "-v".as_ref(), "--stage".as_ref(), "-z".as_ref()];
        for entry in run(&changes.root, &filters, &tracked)?.split(|byte| *byte == 0).filter(|entry| !entry.is_empty())
        {
            // `H 100644 DIGEST STAGE<tab>NAME`
            let tab = entry
                .iter()
                .position(|byte| *byte == b'\t')
                .context("--diff: git lists its index in an unknown way")?;
            let (head, name) = (&entry[..tab], super::check::path_of(&entry[tab + 1..]));
            let fields: Vec<&[u8]> = head.split(|byte| *byte == b' ').collect();
            match fields.as_slice() {
                [_, b"160000", ..] => drop(changes.nested.insert(name)),
                [b"H", _, _, b"0"] => {}
                // unmerged, or marked as not to be looked at
                [_, _, _, _] => drop(changes.changed.insert(name)),
                _ => bail!("--diff: git lists its index in an unknown way"),
            }
        }
        Ok(changes)
    }

    /// True if a file changed: itself, a link on the way to it, or what its links lead to. What lies outside of the
    /// working tree did.
    pub fn has(&mut self, path: &Path) -> bool {
        let (Some(directory), Some(below)) = (self.directory(path), self.below(path)) else { return true };
        if directory.led_elsewhere || self.names(&below) {
            return true;
        }
        if !std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink()) {
            return false;
        }
        let Some(way) = Way::along(path) else { return true };
        self.redirects(&way) || way.place.strip_prefix(&self.root).map_or(true, |target| self.names(target))
    }

    /// True if a file that says something changed; one that lies outside of the working tree did not.
    pub fn holds(&mut self, file: &Path) -> bool {
        self.place(file).is_some() && self.has(file)
    }

    /// True for what git keeps for itself.
    pub fn is_gits(&mut self, path: &Path) -> bool {
        self.below(path).is_some_and(|below| below.starts_with(".git"))
    }

    /// Changed paths that are not there any more, joined to `root` of the working tree.
    pub fn gone(&self) -> Vec<PathBuf> {
        let paths = self.changed.iter().map(|path| self.root.join(path));
        paths.filter(|path| std::fs::symlink_metadata(path).is_err()).collect()
    }

    /// A path as it lies in the working tree, with the links of the directories above it resolved.
    pub fn place(&mut self, path: &Path) -> Option<PathBuf> {
        let below = self.below(path)?;
        Some(self.root.join(below))
    }

    fn names(&self, below: &Path) -> bool {
        self.changed.contains(below) || below.ancestors().any(|above| self.nested.contains(above))
    }

    /// True if a link on the way changed. What leads to the working tree from outside does not count; what leads out of it
    /// cannot be compared.
    fn redirects(&self, way: &Way) -> bool {
        let links = way.links.iter().map(|link| link.strip_prefix(&self.root));
        let mut within = links.skip_while(|link| link.is_err());
        within.any(|link| link.map_or(true, |link| self.names(link)))
    }

    fn below(&mut self, path: &Path) -> Option<PathBuf> {
        let directory = self.directory(path)?;
        Some(directory.canonical.join(path.file_name()?).strip_prefix(&self.root).ok()?.to_owned())
    }

    /// The directory that a path lies in.
    fn directory(&mut self, path: &Path) -> Option<Directory> {
        let parent = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        if let Some(known) = self.directories.get(parent) {
            return known.clone();
        }
        let way = Way::along(parent);
        let directory = way.map(|way| Directory { led_elsewhere: self.redirects(&way), canonical: way.place });
        self.directories.insert(parent.to_owned(), directory.clone());
        directory
    }
}

/// The root of the working tree that a path lies in.
fn root_of(path: &Path) -> Result<PathBuf> {
    let name = plain::path(path);
    let directory =
        if path.is_dir() { path } else { path.parent().filter(|p| *p != Path::new("")).unwrap_or(Path::new(".")) };
    let canonical = std::fs::canonicalize(directory).with_context(|| format!("cannot read {name}"))?;
    let root = run(&canonical, &[], &["rev-parse".as_ref(), "--show-toplevel".as_ref()])
        .with_context(|| format!("--diff: {name} is in no working tree of git"))?;
    let root = super::check::path_of(root.strip_suffix(b"\n").unwrap_or(&root));
    let root = std::fs::canonicalize(root).context("--diff: the working tree is not there")?;
    ensure!(canonical.starts_with(&root), "--diff: {name} is not in the working tree that git names");
    Ok(root)
}

/// Settings that turn off every filter that is configured. Names may hold anything, so they travel in the environment.
fn filters(root: &Path) -> Result<Vec<(OsString, &'static str)>> {
    let listed = run(root, &[], &["config".as_ref(), "-z".as_ref(), "--name-only".as_ref(), "--list".as_ref()])?;
    let mut settings = Vec::new();
    for name in listed.split(|byte| *byte == 0) {
        if name.starts_with(b"filter.") {
            let value = if name.ends_with(b".required") { "false" } else { "" };
            settings.push((super::check::path_of(name).into_os_string(), value));
        }
    }
    Ok(settings)
}

/// What git prints. An error holds what it says.
fn run(directory: &Path, settings: &[(OsString, &'static str)], args: &[&OsStr]) -> Result<Vec<u8>> {
    let mut git = Command::new("git");
    git.args(["--no-pager", "--literal-pathspecs"]);
    for setting in SETTINGS {
        git.args(["-c", setting]);
    }
    git.args(args).current_dir(directory).stdin(Stdio::null());
    for name in ELSEWHERE {
        git.env_remove(name);
    }
    git.envs([
        ("GIT_OPTIONAL_LOCKS", "0"),
        ("GIT_NO_REPLACE_OBJECTS", "1"),
        ("GIT_NO_LAZY_FETCH", "1"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("LC_ALL", "C"),
    ]);
    // on top of what the surroundings say, as a directory that is safe
    let given = std::env::var("GIT_CONFIG_COUNT").ok().and_then(|count| count.parse::<usize>().ok()).unwrap_or(0);
    git.env("GIT_CONFIG_COUNT", (given + settings.len()).to_string());
    for (number, (key, value)) in settings.iter().enumerate() {
        let number = given + number;
        git.env(format!("GIT_CONFIG_KEY_{number}"), key).env(format!("GIT_CONFIG_VALUE_{number}"), value);
    }
    let done = git.output().context("--diff needs git, and it cannot be started: install it, or put it on the path")?;
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "git: {}", plain::whole(said.trim().trim_start_matches("fatal: ")));
    Ok(done.stdout)
}
