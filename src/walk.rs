//! From the paths a user names to the files that are checked.
//!
//! Hidden files are included and `.gitignore` is not obeyed: loaders do neither. Links are followed only where they stay
//! inside the directory that was named, or inside the Hugging Face cache it belongs to, and each file carries how far its
//! links may lead to the moment when it is opened. Linear in the number of entries, no recursion; the list of paths is all
//! that is held in memory.

use crate::error::plain_words;
use crate::finding::Finding;
use crate::manifest::hub;
use crate::rule::{self, Rule};
use crate::source::beneath::{Kind, LeadsOut};
use crate::source::{Beneath, Reach, Spool};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One thing found under the paths that were named.
#[derive(Debug)]
pub enum Item {
    /// A regular file, or a link to one that may be followed, and how far links on the way may lead.
    File(PathBuf, Reach),
    /// Standard input, read to its end.
    Stdin(Spool),
    /// Something that cannot be checked, and why.
    Problem(PathBuf, Finding),
}

impl Item {
    /// The path of the item.
    pub fn path(&self) -> &Path {
        match self {
            Item::File(path, _) | Item::Problem(path, _) => path,
            Item::Stdin(_) => Path::new("-"),
        }
    }
}

/// A directory as the system takes it: that of a bare name is the working directory.
pub(crate) fn or_here(directory: &Path) -> &Path {
    if directory.as_os_str().is_empty() { Path::new(".") } else { directory }
}

/// How far links on the way to files at or under a path that was named may lead: for a directory into itself and, for a
/// part of a Hugging Face cache, into the cache's stores of blobs.
///
/// # Errors
/// That of the system, where there is nothing, or a directory that cannot be searched.
pub fn reach(path: &Path) -> io::Result<Reach> {
    if !fs::metadata(path)?.is_dir() {
        return Ok(Reach::Anywhere);
    }
    Ok(Reach::Beneath(Arc::new(Beneath::new(path, hub::stores(path))?)))
}

/// The files under `path`, sorted by path. A path that names a file gives that file.
pub fn walk(path: &Path) -> Vec<Item> {
    let bounds = match fs::metadata(path).and_then(|meta| Ok((meta.is_file(), reach(path)?))) {
        Ok((_, Reach::Beneath(bounds))) => bounds,
        Ok((true, reach)) => return vec![Item::File(path.to_owned(), reach)],
        Ok((false, _)) => return vec![special(path.to_owned())],
        Err(error) => return vec![unreadable(path, &error)],
    };
    let mut items = Vec::new();
    below(path, &mut items, |path, kind, items| {
        if kind.is_file() {
            items.push(Item::File(path, Reach::Beneath(Arc::clone(&bounds))));
        } else if kind.is_symlink() {
            items.extend(link(&bounds, path));
        } else {
            items.push(special(path));
        }
    });
    if items.is_empty() {
        items.push(problem(path.to_owned(), &rule::tree::NOTHING_THERE, "there is no file in this directory"));
    }
    items
}

/// Links to directories under `path`, sorted. [`walk`] passes over those that stay inside.
#[cfg(feature = "trust")]
pub(crate) fn linked_directories(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    below(path, &mut Vec::new(), |path, kind, _| {
        if kind.is_symlink() && fs::metadata(&path).is_ok_and(|meta| meta.is_dir()) {
            found.push(path);
        }
    });
    found
}

/// Visits whatever is no directory under `path`, in the order of paths; what cannot be listed becomes an item.
fn below(path: &Path, items: &mut Vec<Item>, mut visit: impl FnMut(PathBuf, fs::FileType, &mut Vec<Item>)) {
    // directories that were begun: what is left of each, sorted
    let mut begun = vec![entries(path, items).into_iter()];
    while let Some(directory) = begun.last_mut() {
        match directory.next() {
            None => drop(begun.pop()),
            Some((path, kind)) if kind.is_dir() => begun.push(entries(&path, items).into_iter()),
            Some((path, kind)) => visit(path, kind, items),
        }
    }
}

/// What is in a directory, sorted by name; what cannot be listed becomes an item.
fn entries(directory: &Path, items: &mut Vec<Item>) -> Vec<(PathBuf, fs::FileType)> {
    let mut found = Vec::new();
    let read = fs::read_dir(directory).and_then(|entries| {
        for entry in entries {
            let entry = entry?;
            found.push((entry.path(), entry.file_type()?));
        }
        Ok(())
    });
    if let Err(error) = read {
        items.push(unreadable(directory, &error));
    }
    found.sort_unstable_by(|(a, _), (b, _)| a.as_os_str().cmp(b.as_os_str()));
    found
}

fn link(bounds: &Arc<Beneath>, path: PathBuf) -> Option<Item> {
    match bounds.look(&path) {
        // its files are met under their own paths, unless it lies in the cache beside the directory
        Ok(found) if found.kind == Kind::Directory && found.inside => None,
        Ok(found) => match found.kind {
            Kind::Directory => {
                Some(problem(path, &rule::tree::LINK_OUT, "the link leads to another directory and was not followed"))
            }
            Kind::File => Some(Item::File(path, Reach::Beneath(Arc::clone(bounds)))),
            Kind::Special => Some(special(path)),
        },
        Err(error) if LeadsOut::is(&error) => {
            let message = "the link leads out of the directory and was not followed";
            Some(problem(path, &rule::tree::LINK_OUT, message))
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Some(unreadable(&path, &error)),
        Err(_) => Some(problem(path, &rule::tree::LINK_BROKEN, "the link leads nowhere")),
    }
}

fn special(path: PathBuf) -> Item {
    problem(path, &rule::tree::SPECIAL_FILE, "it is a pipe, socket or device")
}

fn problem(path: PathBuf, rule: &'static Rule, message: &str) -> Item {
    Item::Problem(path, Finding::new(rule, message))
}

fn unreadable(path: &Path, error: &io::Error) -> Item {
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
                    Item::File(..) | Item::Stdin(_) => name,
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
