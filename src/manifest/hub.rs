//! Caches of the Hugging Face hub: `models--org--name/{refs,blobs,snapshots}` and folders made with `--local-dir`.
//!
//! The client keeps each file under its etag, which is the SHA-256 of a large file and the git blob SHA-1 of a small one,
//! so the names in a cache prove its content offline. Since hub 2.4 a blob may itself be a link, into a store that all
//! repositories share and whose names are no SHA-256: the expected digest is the name of the first hop.
//! Threat: whoever can write to the cache can rename its blobs, so this is never more than self-asserted.

use super::expected::{Claim, Claimed};
use super::lock::{Origin, is_commit};
use crate::digest::{Algorithm, Digest};
use std::fs;
use std::path::{Path, PathBuf};

/// The file by which the client knows the store that all repositories of a cache share.
pub const SHARED: &str = ".huggingface-shared-blobs";

/// A revision in a cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// What it is a snapshot of.
    pub origin: Origin,
    /// Its directory.
    pub root: PathBuf,
}

/// The repository that a directory of a cache is named after.
pub fn repo_of(directory_name: &str) -> Option<String> {
    let (kind, name) = directory_name.split_once("--")?;
    let name = name.replace("--", "/");
    match kind {
        _ if name.is_empty() => None,
        "models" => Some(name),
        "datasets" | "spaces" => Some(format!("{kind}/{name}")),
        _ => None,
    }
}

/// The directory of a repository that `path`, a canonical path, is or lies in, and the repository's id.
pub fn repository(path: &Path) -> Option<(&Path, String)> {
    let found = path.ancestors().find_map(|directory| {
        let id = repo_of(directory.file_name()?.to_str()?)?;
        Some((directory, id))
    })?;
    found.0.join("snapshots").is_dir().then_some(found)
}

/// The snapshot that a directory stands for: the one it is, or for the directory of a repository the one that
/// `refs/main` names, or the only one. `None` where it is no part of a cache.
///
/// # Errors
/// In words, where a repository holds several snapshots and none is named.
pub fn snapshot(directory: &Path) -> Result<Option<Snapshot>, String> {
    let Ok(canonical) = fs::canonicalize(directory) else { return Ok(None) };
    let Some((repo_directory, repo)) = repository(&canonical) else { return Ok(None) };
    let snapshots = repo_directory.join("snapshots");
    if let Ok(inside) = canonical.strip_prefix(&snapshots)
        && let Some(commit) = inside.to_str()
        && is_commit(commit)
    {
        let origin = Origin { repo, commit: commit.to_owned() };
        return Ok(Some(Snapshot { origin, root: directory.to_owned() }));
    }
    if canonical != repo_directory {
        return Ok(None);
    }
    let main = super::discover::read(&directory.join("refs/main"), 100);
    let main = main.and_then(|text| String::from_utf8(text).ok()).map(|text| text.trim().to_owned());
    let commit = match main.filter(|commit| is_commit(commit)) {
        Some(commit) => commit,
        None => {
            let names = fs::read_dir(&snapshots).into_iter().flatten().flatten();
            let mut commits = names.filter_map(|entry| entry.file_name().into_string().ok()).filter(|c| is_commit(c));
            match (commits.next(), commits.next()) {
                (Some(only), None) => only,
                (None, _) => return Ok(None),
                _ => {
                    return Err(
                        "it holds several snapshots and no refs/main: name one, as in …/snapshots/COMMIT".into()
                    );
                }
            }
        }
    };
    let root = directory.join("snapshots").join(&commit);
    Ok(Some(Snapshot { origin: Origin { repo, commit }, root }))
}

/// The stores of blobs that links below a directory of a cache lead to: that of its repository, and the one that all
/// repositories of the cache share. They need not exist.
pub fn stores(directory: &Path) -> Vec<PathBuf> {
    let Ok(canonical) = fs::canonicalize(directory) else { return Vec::new() };
    let Some((repo, _)) = repository(&canonical) else { return Vec::new() };
    [Some(repo), repo.parent()].into_iter().flatten().map(|above| above.join("blobs")).collect()
}

/// What an etag says about the content that is kept under it.
pub fn etag(etag: &str) -> Option<Claim> {
    let algorithm = match etag.len() {
        64 => Algorithm::Sha256,
        40 => Algorithm::Sha1Git,
        _ => return None,
    };
    let digest = Digest::from_hex(etag.as_bytes()).filter(|digest| digest.to_string() == etag)?;
    Some(Claim::digest(Claimed::Whole(vec![algorithm], digest)))
}

/// What the cache says about a file, by the name it is kept under. `path` is canonical but for its last part.
pub fn cached(path: &Path) -> Option<Claim> {
    let (repo, _) = repository(path)?;
    let blobs = repo.join("blobs");
    if path.parent() == Some(&blobs) {
        return etag(path.file_name()?.to_str()?);
    }
    path.strip_prefix(repo.join("snapshots")).ok()?;
    let hop = fs::read_link(path).ok()?;
    let hop = normal(&path.parent()?.join(hop));
    if hop.parent() == Some(&blobs) { etag(hop.file_name()?.to_str()?) } else { None }
}

/// What the client noted about a file that it put into a folder with `--local-dir`: the file's path, and its etag. For
/// the path of a note, `.cache/huggingface/download/NAME.metadata`.
pub fn noted(note: &Path) -> Option<(PathBuf, Claim)> {
    if note.extension()? != "metadata" {
        return None;
    }
    let download = note.ancestors().find(|directory| directory.ends_with(".cache/huggingface/download"))?;
    let name = note.strip_prefix(download).ok()?.with_extension("");
    let base = download.parent()?.parent()?.parent()?;
    let text = String::from_utf8(super::discover::read(note, 4096)?).ok()?;
    let mut lines = text.lines();
    lines.next().filter(|commit| is_commit(commit))?;
    Some((base.join(name), etag(lines.next()?)?))
}

/// The path of the note about a file in a folder that it may have been downloaded to.
pub fn note_of(folder: &Path, name: &Path) -> PathBuf {
    let mut note = folder.join(".cache/huggingface/download").join(name).into_os_string();
    note.push(".metadata");
    PathBuf::from(note)
}

/// A path without `.` and `..`, by its text alone.
pub(crate) fn normal(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn names_of_directories_are_names_of_repositories() {
        assert_eq!(repo_of("models--facebook--VGGT-1B").as_deref(), Some("facebook/VGGT-1B"));
        assert_eq!(repo_of("models--gpt2").as_deref(), Some("gpt2"));
        assert_eq!(repo_of("datasets--a--b").as_deref(), Some("datasets/a/b"));
        for name in ["models", "models--", "other--a--b", "snapshots"] {
            assert_eq!(repo_of(name), None, "{name}");
        }
    }

    #[test]
    fn the_first_hop_names_the_digest() {
        let cache = tempfile::tempdir().unwrap();
        let cache = fs::canonicalize(cache.path()).unwrap();
        let (sha256, sha1, commit) = ("a".repeat(64), "b".repeat(40), "c".repeat(40));
        let repo = cache.join("models--a--b");
        let snapshot_root = repo.join("snapshots").join(&commit);
        fs::create_dir_all(snapshot_root.join("sub")).unwrap();
        fs::create_dir_all(repo.join("blobs")).unwrap();
        fs::create_dir_all(cache.join("blobs/ab")).unwrap();
        fs::write(cache.join("blobs/ab").join("f".repeat(64)), "x").unwrap();
        symlink(format!("../../blobs/ab/{}", "f".repeat(64)), repo.join("blobs").join(&sha256)).unwrap();
        symlink(format!("../../../blobs/{sha1}"), snapshot_root.join("sub/config")).unwrap();
        symlink(format!("../../../blobs/{sha256}"), snapshot_root.join("sub/out")).unwrap();
        symlink(format!("../../blobs/{sha256}"), snapshot_root.join("model")).unwrap();
        symlink(format!("../../../../blobs/ab/{sha256}"), snapshot_root.join("odd")).unwrap();
        fs::write(snapshot_root.join("plain"), "x").unwrap();
        let claimed = |path: &Path| match cached(path)?.digests.pop()? {
            Claimed::Whole(algorithms, digest) => Some((algorithms[0], digest.to_string())),
            _ => None,
        };
        let whole = Some((Algorithm::Sha256, sha256.clone()));
        assert_eq!(claimed(&snapshot_root.join("model")), whole);
        assert_eq!(claimed(&repo.join("blobs").join(&sha256)), whole);
        assert_eq!(claimed(&snapshot_root.join("sub/config")), Some((Algorithm::Sha1Git, sha1)));
        assert_eq!(claimed(&snapshot_root.join("plain")), None);
        assert_eq!(claimed(&snapshot_root.join("odd")), None, "not a blob of this repository");
        assert_eq!(claimed(&cache.join("blobs/ab").join("f".repeat(64))), None, "the name of a xet hash says nothing");
        for directory in [&repo, &snapshot_root] {
            let found = snapshot(directory).unwrap().unwrap();
            assert_eq!((found.origin.repo.as_str(), found.origin.commit.as_str()), ("a/b", commit.as_str()));
            assert_eq!(found.root, snapshot_root);
        }
        fs::create_dir_all(repo.join("snapshots").join("d".repeat(40))).unwrap();
        assert!(snapshot(&repo).is_err());
        fs::create_dir_all(repo.join("refs")).unwrap();
        fs::write(repo.join("refs/main"), "d".repeat(40)).unwrap();
        assert_eq!(snapshot(&repo).unwrap().unwrap().origin.commit, "d".repeat(40));
        assert_eq!(snapshot(&cache), Ok(None));
    }

    #[test]
    fn notes_of_local_folders() {
        let folder = tempfile::tempdir().unwrap();
        let note = note_of(folder.path(), Path::new("sub/model.safetensors"));
        fs::create_dir_all(note.parent().unwrap()).unwrap();
        fs::write(&note, format!("{}\n{}\n1720000000.5\n", "c".repeat(40), "a".repeat(64))).unwrap();
        let (path, claim) = noted(&note).unwrap();
        assert_eq!(path, folder.path().join("sub/model.safetensors"));
        assert_eq!(Some(claim), etag(&"a".repeat(64)));
        fs::write(&note, "nonsense\n").unwrap();
        assert!(noted(&note).is_none());
    }
}
