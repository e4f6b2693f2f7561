//! Locks: those that the user named, and those that lie beside the files.

use super::{Absent, Gathering, LARGEST, Named, Wanted};
use crate::digest::Algorithm;
use crate::finding::{Finding, shown};
use crate::manifest::expected::{Claim, Claimed, World};
use crate::manifest::hub;
use crate::manifest::lock::{self, Lock};
use crate::report::Trust;
use crate::rule::integrity as rules;
use crate::walk::{Item, or_here};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

impl Gathering {
    /// Takes what the locks say that the user named: each of them about each of the paths.
    pub(super) fn named_locks(&mut self, roots: &[PathBuf], items: &[Item], locks: &[Named]) {
        for Named { path, lock } in locks {
            let source = self.lock_source(path, lock, Trust::Pinned);
            // the lock itself may lie among the files
            for item in items.iter().filter(|item| item.path().file_name() == path.file_name()) {
                if same(item.path(), path) {
                    self.expected.claim(source, item.path().to_owned(), Claim::default());
                }
            }
            for root in roots {
                if root.is_dir() {
                    self.locked_directory(source, lock, root, items);
                } else {
                    self.locked_file(source, lock, path, root);
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
            self.expected.speaks_for(source, directory);
            self.entries(source, &lock, directory, absent);
        }
    }

    fn lock_source(&mut self, path: &Path, lock: &Lock, trust: Trust) -> usize {
        let name = path.file_name().map(|name| shown(&name.to_string_lossy())).unwrap_or_default();
        let source = self.source(&name, trust, World::Closed);
        self.expected.lies_in(source, path);
        for entry in &lock.files {
            self.expected.content(source, entry.sha256, &entry.path.to_string_lossy());
        }
        source
    }

    /// A lock speaks for a directory: every entry must be there, and nothing else.
    fn locked_directory(&mut self, source: usize, lock: &Lock, root: &Path, items: &[Item]) {
        let (base, repo) = match (&lock.origin, hub::snapshot(root)) {
            (_, Ok(Some(found))) if found.root == *root => (root.to_owned(), Some(found.origin.repo)),
            (Some(origin), Ok(Some(found))) => (root.join("snapshots").join(&origin.commit), Some(found.origin.repo)),
            (Some(origin), Err(_)) => (root.join("snapshots").join(&origin.commit), None),
            _ => (part_of(lock, root).unwrap_or_else(|| root.to_owned()), None),
        };
        if let (Some(origin), Some(repo)) = (&lock.origin, &repo)
            && origin.repo != *repo
        {
            let message = format!("it lies in the cache of {}, the lock is of {}", shown(repo), shown(&origin.repo));
            for item in items.iter().filter(|item| item.path().starts_with(root)) {
                self.expected.note(item.path(), Finding::new(&rules::OTHER_ORIGIN, &*message));
            }
        }
        self.expected.speaks_for(source, root);
        // of a part of what was locked only that part is expected
        for entry in
            lock.files.iter().filter(|entry| !root.starts_with(&base) || base.join(&entry.path).starts_with(root))
        {
            self.claim(source, base.join(&entry.path), claim(entry), Absent::Unmet);
        }
        if base != *root && !root.starts_with(&base) {
            self.blobs(source, lock, &base);
        }
    }

    /// A lock and one file: the file must be in it, by its place below the lock's own directory, or else by as much of its
    /// path as the lock lists.
    fn locked_file(&mut self, source: usize, lock: &Lock, lock_path: &Path, root: &Path) {
        let (Some(directory), Some(name)) = (root.parent(), root.file_name()) else { return };
        self.expected.speaks_for(source, directory);
        let place = (|| {
            let home = fs::canonicalize(lock_path).ok()?;
            let parent = fs::canonicalize(or_here(directory)).ok()?;
            parent.join(name).strip_prefix(home.parent()?).ok().map(Path::to_owned)
        })();
        let whole = fs::canonicalize(or_here(directory));
        let whole = whole.map_or_else(|_| root.to_owned(), |directory| directory.join(name));
        let entry = place.and_then(|place| lock.get(&place)).or_else(|| ends(&whole).find_map(|end| lock.get(end)));
        if let Some(entry) = entry {
            self.claim(source, root.to_owned(), claim(entry), Absent::Unmet);
        }
    }

    fn entries(&mut self, source: usize, lock: &Lock, base: &Path, absent: Absent) {
        for entry in &lock.files {
            self.claim(source, base.join(&entry.path), claim(entry), absent);
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

/// Where the directory begins that a lock is of, if `root` is only a directory in it: by as much of the path of `root` as
/// the lock lists something below. `None` where what it lists is rather found in `root` itself.
fn part_of(lock: &Lock, root: &Path) -> Option<PathBuf> {
    let whole = fs::canonicalize(root).ok()?;
    let below = |end: &Path| lock.files.iter().filter(|entry| entry.path.starts_with(end)).count();
    let end = ends(&whole).find(|end| below(end) > 0)?;
    let here = |skip: &Path| {
        let places = lock.files.iter().filter_map(|entry| entry.path.strip_prefix(skip).ok());
        places.filter(|place| root.join(place).exists()).count()
    };
    if here(Path::new("")) * below(end) > here(end) * lock.files.len() {
        return None;
    }
    // as it was spelled where that is long enough, so that the paths of the items are met
    let depth = end.components().count();
    let spelled = root.components().count() >= depth && root.ends_with(end);
    spelled.then(|| root.ancestors().nth(depth)).flatten().map(Path::to_owned)
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

/// True if both paths lead to the same file.
fn same(a: &Path, b: &Path) -> bool {
    matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}
