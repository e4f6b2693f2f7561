//! From the paths a user names to the files that are checked.
//!
//! Hidden files are included and `.gitignore` is not obeyed: loaders do neither. Links are followed only where they stay
//! inside the directory that was named, or inside the Hugging Face cache it belongs to. Linear in the number of entries,
//! no recursion; the list of paths is all that is held in memory.

use crate::error::plain_words;
use crate::finding::Finding;
use crate::rule::{self, Rule};
use crate::source::Spool;
use std::fs;
use std::path::{Path, PathBuf};

/// One thing found under the paths that were named.
#[derive(Debug)]
pub enum Item {
    /// A regular file, or a link to one that may be followed.
    File(PathBuf),
    /// Standard input, read to its end.
    Stdin(Spool),
    /// Something that cannot be checked, and why.
    Problem(PathBuf, Finding),
}

impl Item {
    /// The path of the item.
    pub fn path(&self) -> &Path {
        match self {
            Item::File(path) | Item::Problem(path, _) => path,
            Item::Stdin(_) => Path::new("-"),
        }
    }
}

/// The files under `path`, sorted by path. A path that names a file gives that file.
pub fn walk(path: &Path) -> Vec<Item> {
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) => return vec![unreadable(path, &error)],
    };
    if !meta.is_dir() {
        return vec![regular(path.to_owned(), &meta)];
    }
    let bounds = match Bounds::of(path) {
        Ok(bounds) => bounds,
        Err(error) => return vec![unreadable(path, &error)],
    };
    let mut items = Vec::new();
    let mut directories = vec![path.to_owned()];
    while let Some(directory) = directories.pop() {
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) => {
                items.push(unreadable(&directory, &error));
                continue;
            }
        };
        for entry in entries {
            match entry.and_then(|entry| Ok((entry.path(), entry.file_type()?))) {
                Ok((path, kind)) if kind.is_dir() => directories.push(path),
                Ok((path, kind)) if kind.is_file() => items.push(Item::File(path)),
                Ok((path, kind)) if kind.is_symlink() => items.extend(bounds.link(path)),
                Ok((path, _)) => items.push(problem(path, &rule::tree::SPECIAL_FILE, "it is a pipe, socket or device")),
                Err(error) => items.push(unreadable(&directory, &error)),
            }
        }
    }
    if items.is_empty() {
        items.push(problem(path.to_owned(), &rule::tree::NOTHING_THERE, "there is no file in this directory"));
    }
    items.sort_by(|a, b| a.path().cmp(b.path()));
    items
}

/// Where links may lead: the directory that was named and, for a part of a Hugging Face cache, the cache's blobs.
struct Bounds {
    roots: Vec<PathBuf>,
}

impl Bounds {
    fn of(path: &Path) -> std::io::Result<Bounds> {
        let root = fs::canonicalize(path)?;
        let mut roots = vec![root.clone()];
        // snapshots link to ../../blobs, and those since hub 2.4 to the store that all repositories of a cache share
        if let Some(repo) = root.ancestors().find(|a| {
            a.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"models--"))
                && a.join("blobs").is_dir()
        }) {
            roots.push(repo.join("blobs"));
            roots.extend(repo.parent().map(|cache| cache.join("blobs")));
        }
        Ok(Bounds { roots })
    }

    fn link(&self, path: PathBuf) -> Option<Item> {
        let Ok(target) = fs::canonicalize(&path) else {
            return Some(problem(path, &rule::tree::LINK_BROKEN, "the link leads nowhere"));
        };
        if !self.roots.iter().any(|root| target.starts_with(root)) {
            return Some(problem(
                path,
                &rule::tree::LINK_OUT,
                "the link leads out of the directory and was not followed",
            ));
        }
        match fs::metadata(&path) {
            // its files are met under their own paths, unless it lies in the cache beside the directory
            Ok(meta) if meta.is_dir() && self.roots.first().is_some_and(|root| target.starts_with(root)) => None,
            Ok(meta) if meta.is_dir() => {
                Some(problem(path, &rule::tree::LINK_OUT, "the link leads to another directory and was not followed"))
            }
            Ok(meta) => Some(regular(path, &meta)),
            Err(error) => Some(unreadable(&path, &error)),
        }
    }
}

fn regular(path: PathBuf, meta: &fs::Metadata) -> Item {
    if meta.is_file() {
        Item::File(path)
    } else {
        problem(path, &rule::tree::SPECIAL_FILE, "it is a pipe, socket or device")
    }
}

fn problem(path: PathBuf, rule: &'static Rule, message: &str) -> Item {
    Item::Problem(path, Finding::new(rule, message))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Item {
    problem(path.to_owned(), &rule::format::UNREADABLE, &plain_words(error))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn names(items: &[Item], root: &Path) -> Vec<String> {
        items
            .iter()
            .map(|item| {
                let name = item.path().strip_prefix(root).unwrap().display().to_string();
                match item {
                    Item::File(_) | Item::Stdin(_) => name,
                    Item::Problem(_, finding) => format!("{name} {}", finding.rule.id),
                }
            })
            .collect()
    }

    #[test]
    fn links_are_followed_only_inside_and_hidden_files_are_met() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "x").unwrap();
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir(at("sub")).unwrap();
        fs::write(at("sub/.hidden"), "x").unwrap();
        fs::write(at(".gitignore"), "*").unwrap();
        symlink("sub/.hidden", at("inside")).unwrap();
        symlink(outside.path().join("secret"), at("outside")).unwrap();
        symlink("nowhere", at("broken")).unwrap();
        symlink("sub", at("sub-again")).unwrap();
        symlink(".", at("loop")).unwrap();
        assert_eq!(
            names(&walk(root.path()), root.path()),
            [".gitignore", "broken MV-DIR-002", "inside", "outside MV-DIR-001", "sub/.hidden"]
        );
    }

    #[test]
    fn hub_cache_snapshots_may_link_to_their_blobs_in_two_hops() {
        let cache = tempfile::tempdir().unwrap();
        let at = |name: &str| cache.path().join(name);
        fs::create_dir_all(at("models--a--b/snapshots/c")).unwrap();
        fs::create_dir_all(at("models--a--b/blobs")).unwrap();
        fs::create_dir_all(at("blobs/ab")).unwrap();
        fs::write(at("blobs/ab/xet"), "x").unwrap();
        symlink("../../blobs/ab/xet", at("models--a--b/blobs/etag")).unwrap();
        symlink("../../blobs/etag", at("models--a--b/snapshots/c/model")).unwrap();
        let root = at("models--a--b/snapshots/c");
        assert_eq!(names(&walk(&root), &root), ["model"]);
    }

    #[test]
    fn a_directory_among_the_blobs_of_a_cache_is_not_passed_over() {
        let cache = tempfile::tempdir().unwrap();
        let at = |name: &str| cache.path().join(name);
        fs::create_dir_all(at("models--a--b/snapshots/c")).unwrap();
        fs::create_dir_all(at("models--a--b/blobs/d")).unwrap();
        fs::write(at("models--a--b/blobs/d/model.pkl"), "x").unwrap();
        symlink("../../blobs/d", at("models--a--b/snapshots/c/sub")).unwrap();
        let root = at("models--a--b/snapshots/c");
        assert_eq!(names(&walk(&root), &root), ["sub MV-DIR-001"]);
        let root = at("models--a--b");
        assert_eq!(names(&walk(&root), &root), ["blobs/d/model.pkl"]);
    }

    #[test]
    fn a_typo_an_empty_directory_and_a_pipe_are_problems() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(names(&walk(&root.path().join("typo")), root.path()), ["typo MV-FMT-001"]);
        assert_eq!(names(&walk(root.path()), root.path()), [" MV-DIR-006"]);
        let socket = std::os::unix::net::UnixListener::bind(root.path().join("socket")).unwrap();
        assert_eq!(names(&walk(root.path()), root.path()), ["socket MV-DIR-003"]);
        drop(socket);
    }
}
