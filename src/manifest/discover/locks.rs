//! Locks: those that the user named, and those that lie beside the files.

use super::{Absent, Gathering, LARGEST, Named, Wanted};
use crate::digest::Algorithm;
use crate::finding::{Finding, shown};
use crate::manifest::expected::{Claim, Claimed, Unlisted, World};
use crate::manifest::hub;
use crate::manifest::lock::{self, Lock};
use crate::policy::glob::resolved;
use crate::report::Trust;
use crate::rule::integrity as rules;
use crate::walk::Item;
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

impl Gathering {
    /// Takes what the locks say that the user named: each of them about each of the paths.
    pub(super) fn named_locks(&mut self, roots: &[PathBuf], items: &[Item], locks: &[Named]) {
        let gits = gits(items);
        let mut told = HashSet::new();
        for Named { path, lock } in locks.iter().filter(|named| told.insert(&named.path)) {
            let source = self.lock_source(path, lock, Trust::Pinned);
            self.spare_lock(source, path, items);
            for root in roots.iter().filter(|root| root.is_dir()) {
                self.spare_gits(source, root, &gits);
            }
            let found = |root: &PathBuf| root.is_dir().then(|| recorded(lock, path, root));
            let places: Vec<_> = roots.iter().map(found).collect();
            let is_here = places.iter().flatten().any(Option::is_some);
            for (root, place) in roots.iter().zip(places) {
                match place {
                    None => self.locked_file(source, lock, path, root),
                    Some(Some((base, part))) => {
                        self.locked_part(source, lock, &base, &part);
                        if base != *root {
                            self.beside(source, path, root, items, &gits);
                        }
                    }
                    Some(None) if is_here => self.beside(source, path, root, items, &gits),
                    Some(None) => self.locked_directory(source, lock, root, items),
                }
            }
        }
    }

    /// Takes what locks say that lie in the directories, or beside the files that were named.
    pub(super) fn discovered_locks(&mut self, roots: &[PathBuf], items: &[Item], wanted: &Wanted) {
        let among = items.iter().filter_map(|item| match item {
            Item::File(path, _) if path.file_name().is_some_and(|name| name == lock::NAME) => Some(path.clone()),
            _ => None,
        });
        let beside = roots.iter().filter(|root| !root.is_dir()).filter_map(|root| {
            let path = root.parent()?.join(lock::NAME);
            path.is_file().then_some(path)
        });
        let gits = gits(items);
        let mut seen = HashSet::new();
        for path in among.chain(beside).filter(|path| seen.insert(path.clone())).collect::<Vec<_>>() {
            let mut handled = wanted.locks.iter().map(|named| &named.path).chain(&wanted.rewritten);
            if handled.any(|handled| same(handled, &path)) {
                continue;
            }
            let Some(directory) = path.parent() else { continue };
            let Some(bytes) = self.read(&path, LARGEST) else { continue };
            let lock = match Lock::parse(&bytes) {
                Ok(lock) => lock,
                Err(defect) => {
                    let finding = Finding::new(&rules::LOCK_MALFORMED, format!("this lock cannot be read: {defect}"));
                    self.expected.note(&path, finding);
                    continue;
                }
            };
            let source = self.lock_source(&path, &lock, Trust::SelfAsserted);
            // under a directory that was walked everything was met; beside a file, only that file was asked for
            let absent = match (self.known.contains_key(&path), roots.contains(&path)) {
                (true, false) => Absent::Unmet,
                (true, true) => Absent::Missing,
                (false, _) => Absent::Ignored,
            };
            self.expected.claim(source, path.clone(), Claim::default());
            self.spare_gits(source, directory, &gits);
            let below = lock.root.as_deref().unwrap_or(Path::new(""));
            if below.starts_with("..") {
                continue; // it is of a directory elsewhere
            }
            let base = down(directory, below);
            self.expected.speaks_for(source, &base);
            for entry in &lock.files {
                self.claim(source, base.join(&entry.path), claim(entry), absent);
            }
        }
    }

    fn lock_source(&mut self, path: &Path, lock: &Lock, trust: Trust) -> usize {
        let source = self.source(&file_name(path), trust, World::Closed);
        self.expected.lies_in(source, path);
        for entry in &lock.files {
            self.expected.content(source, entry.sha256, &entry.path.to_string_lossy());
        }
        source
    }

    /// A lock speaks for a directory: every entry must be there, and nothing else.
    fn locked_directory(&mut self, source: usize, lock: &Lock, root: &Path, items: &[Item]) {
        let within = |origin: &lock::Origin| root.join("snapshots").join(&origin.commit);
        let (base, repo) = match (&lock.origin, hub::snapshot(root)) {
            (_, Ok(Some(found))) if found.root == *root => (root.to_owned(), Some(found.origin.repo)),
            (Some(origin), Ok(Some(found))) => (within(origin), Some(found.origin.repo)),
            (Some(origin), Err(_)) => (within(origin), None),
            _ => (root.to_owned(), None),
        };
        if let (Some(origin), Some(repo)) = (&lock.origin, &repo)
            && origin.repo != *repo
        {
            let message = format!("it lies in the cache of {}, the lock is of {}", shown(repo), shown(&origin.repo));
            for item in items.iter().filter(|item| item.path().starts_with(root)) {
                self.expected.note(item.path(), Finding::new(&rules::OTHER_ORIGIN, &*message));
            }
        }
        if base != *root {
            self.expected.speaks_for(source, root);
            self.blobs(source, lock, &base);
        }
        self.locked_part(source, lock, &base, Path::new(""));
    }

    /// Of a `part` of what was locked, which begins at `base`, only that part is expected.
    fn locked_part(&mut self, source: usize, lock: &Lock, base: &Path, part: &Path) {
        self.expected.speaks_for(source, base);
        for entry in &lock.files {
            if let Ok(rest) = entry.path.strip_prefix(part) {
                self.claim(source, base.join(rest), claim(entry), Absent::Unmet);
            }
        }
    }

    /// The user relies on a lock that is not of this directory, or of less than it.
    fn beside(&mut self, source: usize, path: &Path, root: &Path, items: &[Item], gits: &[&Path]) {
        let elsewhere = self.expected.another(source, World::Elsewhere);
        self.expected.speaks_for(elsewhere, root);
        self.spare_lock(elsewhere, path, items);
        self.spare_gits(elsewhere, root, gits);
    }

    /// The lock itself may lie among the files.
    fn spare_lock(&mut self, source: usize, path: &Path, items: &[Item]) {
        for item in items.iter().map(Item::path).filter(|item| item.file_name() == path.file_name()) {
            if same(item, path) {
                self.expected.claim(source, item.to_owned(), Claim::default());
            }
        }
    }

    /// What git keeps for itself below a directory is not the model.
    fn spare_gits(&mut self, source: usize, directory: &Path, gits: &[&Path]) {
        for item in gits.iter().filter(|item| item.strip_prefix(directory).is_ok_and(lock::passes_over)) {
            self.expected.claim(source, (*item).to_owned(), spared(item));
        }
    }

    /// A lock and one file: the file must be in it, by its place below the directory that the lock is of, or else by as much of its
    /// path as the lock lists.
    fn locked_file(&mut self, source: usize, lock: &Lock, lock_path: &Path, root: &Path) {
        let Some(directory) = root.parent() else { return };
        self.expected.speaks_for(source, directory);
        let whole = resolved(root);
        let home = fs::canonicalize(lock_path).ok().and_then(|home| home.parent().map(Path::to_owned));
        let base = home.map(|home| hub::normal(&home.join(lock.root.as_deref().unwrap_or(Path::new("")))));
        let place = base.and_then(|base| whole.strip_prefix(base).ok().map(Path::to_owned));
        let entry = match (&place, &lock.root) {
            // the lock knows the directory, and so which of its files this is
            (Some(place), Some(_)) => lock.get(place),
            (place, _) => {
                let entry = place.as_ref().and_then(|place| lock.get(place));
                entry.or_else(|| ends(&whole).find_map(|end| lock.get(end)))
            }
        };
        if let Some(entry) = entry {
            self.claim(source, root.to_owned(), claim(entry), Absent::Unmet);
        }
    }

    /// In the directory of a repository of the hub, the blobs that the snapshot links to are the same files again.
    fn blobs(&mut self, source: usize, lock: &Lock, base: &Path) {
        for entry in &lock.files {
            let link = base.join(&entry.path);
            let Some(parent) = link.parent() else { continue };
            if let Ok(target) = fs::read_link(&link) {
                self.claim(
                    source,
                    hub::normal(&parent.join(target)),
                    Claim { no_link: false, ..claim(entry) },
                    Absent::Ignored,
                );
            }
        }
    }
}

/// The ends of a path, the longest first.
fn ends(path: &Path) -> impl Iterator<Item = &Path> {
    let mut parts = path.components();
    std::iter::from_fn(move || {
        parts.next()?;
        Some(parts.as_path()).filter(|end| !end.as_os_str().is_empty())
    })
}

/// Where a lock says that its files are, if that is `root` or has to do with it: where they begin, and which part of what
/// is locked begins there.
fn recorded(lock: &Lock, path: &Path, root: &Path) -> Option<(PathBuf, PathBuf)> {
    let home = fs::canonicalize(path).ok()?;
    let base = hub::normal(&home.parent()?.join(lock.root.as_deref()?));
    let here = fs::canonicalize(root).ok()?;
    let led = fs::canonicalize(&base).ok().filter(|base| base.is_dir())?;
    [base, led].iter().find_map(|base| match (base.strip_prefix(&here), here.strip_prefix(base)) {
        (Ok(below), _) => Some((down(root, below), PathBuf::new())),
        (_, Ok(part)) => Some((root.to_owned(), part.to_owned())),
        _ => None,
    })
}

/// A path below a directory, which may be that directory.
fn down(directory: &Path, below: &Path) -> PathBuf {
    if below.as_os_str().is_empty() { directory.to_owned() } else { directory.join(below) }
}

/// Files that may lie in git's own folder, looked for once however many locks there are.
fn gits(items: &[Item]) -> Vec<&Path> {
    items.iter().map(Item::path).filter(|item| lock::passes_over(item)).collect()
}

/// What is said about files that git keeps: nothing, unless they could be loaded.
pub(super) fn spared(item: &Path) -> Claim {
    let unlisted = if lock::is_object(item) { Unlisted::Anything } else { Unlisted::NotLoadable };
    Claim { unlisted, ..Claim::default() }
}

fn claim(entry: &lock::Entry) -> Claim {
    Claim {
        size: Some(entry.size),
        digests: vec![Claimed::Whole(vec![Algorithm::Sha256], entry.sha256)],
        no_link: !entry.link,
        signed_by: entry.signed_by.clone().map(|name| (name, entry.logged)),
        reviewed: entry.capabilities.clone(),
        ..Claim::default()
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| shown(&name.to_string_lossy())).unwrap_or_default()
}

/// True if both paths lead to the same file.
fn same(a: &Path, b: &Path) -> bool {
    matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}
