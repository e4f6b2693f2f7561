//! A directory or a single file held against a signed manifest, as a closed world: every listed file must be there, and
//! nothing else. Who tolerates what is decided by the verifier; what the signer ignored is only a claim.
//!
//! Linear in the number of entries, no recursion; the list of paths is what is held in memory. Threats: files planted
//! under paths that the signer ignores, empty files that shards do not list, links that are pointed elsewhere, names in
//! two spellings (disk and manifest are compared byte by byte).

use super::oms::{Expected, Manifest, name};
use crate::error::plain_words;
use crate::finding::{Finding, shown};
use crate::rule::{self, trust as rules};
use crate::source::beneath::{self, LeadsOut};
use crate::source::{Beneath, Reach};
use crate::walk::reach;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// What git keeps at the top of a model: not part of it, unless the signer listed it.
pub const GIT: [&str; 5] = [".git", ".gitattributes", ".github", ".gitignore", ".gitmodules"];

/// Why no manifest covers a link to a directory.
pub(crate) const LINKED_DIRECTORY: &str = "a link to a directory can be pointed elsewhere at any time";

/// True for names below a model that git keeps there.
pub(crate) fn is_of_git(name: &str) -> bool {
    GIT.iter().any(|git| name::covers(git, name))
}

/// What the user tolerates.
#[derive(Clone, Debug, Default)]
pub struct Tolerance {
    /// Paths below the root, with `/`, whose unlisted files are not looked at.
    pub ignore: Vec<String>,
    /// Unlisted files are tolerated as long as no loader acts on them.
    pub ignore_unsigned: bool,
    /// Links to files inside the model are followed, where the signer recorded that there are some.
    pub allow_symlinks: bool,
    /// The signatures' own files.
    pub own: Vec<PathBuf>,
}

impl Tolerance {
    /// True if what stands at `path`, below `root`, is not looked at unless it is listed.
    pub fn covers(&self, root: &Path, path: &Path) -> bool {
        if self.own.iter().any(|own| own == path) {
            return true;
        }
        let below = path.strip_prefix(root).ok().and_then(Path::to_str).filter(|below| !below.is_empty());
        below.is_some_and(|name| is_of_git(name) || self.ignores(name))
    }

    /// True if the user ignores this name, or it lies in git's own folder, where nothing is looked for.
    fn ignores(&self, name: &str) -> bool {
        name::covers(".git", name) || self.ignore.iter().any(|ignored| name::covers(ignored, name))
    }
}

/// One path of the comparison.
#[derive(Debug)]
pub struct Place<'m> {
    /// The path, below the root as it was given.
    pub path: PathBuf,
    /// What stands there.
    pub kind: Kind<'m>,
}

/// What stands at a path.
#[derive(Debug)]
pub enum Kind<'m> {
    /// A file that is listed; `link` if it is reached through a symbolic link.
    Listed {
        /// Its name in the manifest.
        name: &'m str,
        /// What it must be.
        expected: &'m Expected,
        /// Reached through a link.
        link: bool,
    },
    /// A listed file that is not there.
    Missing,
    /// A file that is not listed, and why it may be tolerated nevertheless.
    Doubtful(Doubt),
    /// A file that is not listed.
    Extra,
    /// Something that cannot be compared.
    Problem(Finding),
}

/// Why a file that is not listed may be tolerated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The signer ignored it: if it is inert.
    Claimed,
    /// The user tolerates unsigned files: if it is inert.
    Unsigned,
    /// Git keeps it: if it is not one that loaders load.
    Git,
}

/// Everything that `root` and `manifest` name, sorted by path, and how far links on the way may lead.
pub fn places<'m>(root: &Path, manifest: &'m Manifest, tolerance: &Tolerance) -> (Reach, Vec<Place<'m>>) {
    let problem = |finding| vec![Place { path: root.to_owned(), kind: Kind::Problem(finding) }];
    let (reach, file) = match reach(root).and_then(|reach| Ok((reach, fs::metadata(root)?.is_file()))) {
        Ok(found) => found,
        Err(error) => {
            let places = problem(Finding::new(&rule::format::UNREADABLE, plain_words(&error)));
            return (Reach::Anywhere, places);
        }
    };
    let places = match &reach {
        Reach::Beneath(bounds) => {
            let own = tolerance.own.iter().filter_map(|own| fs::canonicalize(own).ok()).collect();
            let walk = Walk { root, manifest, tolerance, own, bounds, places: Vec::new() };
            walk.run()
        }
        Reach::Anywhere if file => single(root, manifest, tolerance),
        Reach::Anywhere => problem(Finding::new(&rule::tree::SPECIAL_FILE, "it is a pipe, socket or device")),
    };
    (reach, places)
}

/// A model of one file: listed as `.`, or by its name.
fn single<'m>(path: &Path, manifest: &'m Manifest, tolerance: &Tolerance) -> Vec<Place<'m>> {
    let place = |kind| Place { path: path.to_owned(), kind };
    let link = fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink());
    let mut entries = manifest.entries.iter();
    let kind = match (entries.next(), entries.next()) {
        (Some((name, expected)), None) if name == "." || path.file_name() == Some(OsStr::new(name)) => {
            if link && !(manifest.allow_symlinks && tolerance.allow_symlinks) {
                Kind::Problem(link_refused(manifest, tolerance))
            } else {
                Kind::Listed { name, expected, link }
            }
        }
        _ => Kind::Extra,
    };
    vec![place(kind)]
}

/// Everything below `root` that a manifest shall list, by name, and the path of each; nothing is tolerated but what git
/// keeps and the user ignores. A single file is listed by its own name.
///
/// # Errors
/// The first path that cannot be signed, and why.
pub fn to_be_signed(root: &Path, tolerance: &Tolerance) -> Result<BTreeMap<String, PathBuf>, (PathBuf, String)> {
    let nothing = Manifest {
        algorithm: crate::digest::Algorithm::Sha256,
        entries: BTreeMap::new(),
        shard_size: None,
        ignored: Vec::new(),
        allow_symlinks: tolerance.allow_symlinks,
        root: None,
        subject: String::new(),
    };
    let mut files = BTreeMap::new();
    for Place { path, kind } in places(root, &nothing, tolerance).1 {
        match kind {
            Kind::Problem(finding) => return Err((path, finding.message)),
            Kind::Doubtful(Doubt::Git) => continue,
            _ => {}
        }
        let below = path.strip_prefix(root).ok().filter(|below| !below.as_os_str().is_empty());
        let name = below.or_else(|| path.file_name().map(Path::new)).and_then(Path::to_str).map(str::to_owned);
        let Some(name) = name else { return Err((path, "its name is not UTF-8".to_owned())) };
        let name = if cfg!(windows) { name.replace('\\', "/") } else { name };
        if let Err(refusal) = name::check(&name) {
            return Err((path, refusal.message));
        }
        files.insert(name, path);
    }
    Ok(files)
}

struct Walk<'a, 'm> {
    root: &'a Path,
    manifest: &'m Manifest,
    tolerance: &'a Tolerance,
    own: Vec<PathBuf>,
    bounds: &'a Beneath,
    places: Vec<Place<'m>>,
}

impl<'m> Walk<'_, 'm> {
    fn run(mut self) -> Vec<Place<'m>> {
        let mut missing: BTreeMap<&str, ()> = self.manifest.entries.keys().map(|name| (name.as_str(), ())).collect();
        // directories by path, and by name where the name is text
        let mut directories: Vec<(PathBuf, Option<String>)> = vec![(self.root.to_owned(), Some(String::new()))];
        while let Some((directory, above)) = directories.pop() {
            let entries = match fs::read_dir(&directory) {
                Ok(entries) => entries,
                Err(error) => {
                    self.problem(directory, Finding::new(&rule::format::UNREADABLE, plain_words(&error)));
                    continue;
                }
            };
            for entry in entries {
                let (path, kind) = match entry.and_then(|entry| Ok((entry.path(), entry.file_type()?))) {
                    Ok(found) => found,
                    Err(error) => {
                        let finding = Finding::new(&rule::format::UNREADABLE, plain_words(&error));
                        self.problem(directory.clone(), finding);
                        continue;
                    }
                };
                let name =
                    path.file_name().and_then(OsStr::to_str).zip(above.as_deref()).map(|(name, above)| {
                        if above.is_empty() { name.to_owned() } else { format!("{above}/{name}") }
                    });
                if kind.is_dir() {
                    if !(self.ignored(name.as_deref()) && self.lists_nothing_below(name.as_deref())) {
                        directories.push((path, name));
                    }
                    continue;
                }
                let listed = name.as_deref().and_then(|name| self.manifest.entries.get_key_value(name));
                let listed = listed.map(|(name, expected)| (name.as_str(), expected));
                if let Some((name, _)) = listed {
                    missing.remove(name);
                }
                // what lies in git's own folder is not looked at, but for a link in its place
                let link = kind.is_symlink() && name.as_deref() == Some(".git");
                if listed.is_none() && !link && (self.ignored(name.as_deref()) || self.is_own(&path)) {
                    continue;
                }
                let kind = if listed.is_none() && name.as_deref().is_some_and(is_of_git) {
                    Kind::Doubtful(Doubt::Git)
                } else if kind.is_symlink() {
                    self.link(&path, name.as_deref(), listed)
                } else if kind.is_file() {
                    self.file(name.as_deref(), listed, false)
                } else {
                    Kind::Problem(Finding::new(&rule::tree::SPECIAL_FILE, "it is a pipe, socket or device"))
                };
                self.places.push(Place { path, kind });
            }
        }
        for name in missing.into_keys() {
            self.places.push(Place { path: self.root.join(name), kind: Kind::Missing });
        }
        self.places.sort_by(|a, b| a.path.cmp(&b.path));
        self.places
    }

    fn problem(&mut self, path: PathBuf, finding: Finding) {
        self.places.push(Place { path, kind: Kind::Problem(finding) });
    }

    fn file(&self, name: Option<&str>, listed: Option<(&'m str, &'m Expected)>, link: bool) -> Kind<'m> {
        if let Some((name, expected)) = listed {
            return Kind::Listed { name, expected, link };
        }
        match name.is_some_and(|name| self.manifest.ignores(name)) {
            true => Kind::Doubtful(Doubt::Claimed),
            false if self.tolerance.ignore_unsigned => Kind::Doubtful(Doubt::Unsigned),
            false => Kind::Extra,
        }
    }

    fn link(&self, path: &Path, name: Option<&str>, listed: Option<(&'m str, &'m Expected)>) -> Kind<'m> {
        let refuse = |why: &str| Kind::Problem(Finding::new(&rules::LINK, why));
        if fs::metadata(path).is_ok_and(|meta| meta.is_dir()) {
            return refuse(LINKED_DIRECTORY);
        }
        if !(self.manifest.allow_symlinks && self.tolerance.allow_symlinks) {
            return Kind::Problem(link_refused(self.manifest, self.tolerance));
        }
        match self.bounds.look(path) {
            Ok(found) if found.kind == beneath::Kind::File => self.file(name, listed, true),
            Ok(_) => refuse("the link leads to something that is not a file"),
            Err(error) if LeadsOut::is(&error) => refuse("the link leads out of the model"),
            Err(_) => refuse("the link leads nowhere"),
        }
    }

    /// True if what is unlisted here is not looked at.
    fn ignored(&self, name: Option<&str>) -> bool {
        name.is_some_and(|name| self.tolerance.ignores(name))
    }

    fn lists_nothing_below(&self, name: Option<&str>) -> bool {
        let Some(name) = name else { return true };
        let below = format!("{name}/");
        let mut after = self.manifest.entries.range(below.clone()..);
        after.next().is_none_or(|(listed, _)| !listed.starts_with(&below))
    }

    fn is_own(&self, path: &Path) -> bool {
        // names first: asking the system for every file would cost more than the walk
        let mut owned = self.own.iter().chain(&self.tolerance.own);
        owned.any(|own| own.file_name() == path.file_name())
            && fs::canonicalize(path).is_ok_and(|path| self.own.contains(&path))
    }
}

fn link_refused(manifest: &Manifest, tolerance: &Tolerance) -> Finding {
    let why = match (manifest.allow_symlinks, tolerance.allow_symlinks) {
        (false, _) => "a link, and the model was signed without links",
        (true, _) => "a link; the model was signed with links, and --allow-symlinks was not given",
    };
    Finding::new(&rules::LINK, why)
}

/// The words for a file whose digest differs.
pub(crate) fn changed(algorithm: crate::digest::Algorithm, found: &str, expected: &str) -> Finding {
    Finding::new(&rules::CHANGED, format!("its {algorithm} is {}, signed was {}", shown(found), shown(expected)))
}
