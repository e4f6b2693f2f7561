//! Finds what is expected of the files of a run: what the user named, and what lies beside the files.
//!
//! Threat: whoever ships the files ships these lists as well. What merely lies there is self-asserted: it can fail a file
//! and never more than match it, it speaks for its own directory only, and a name that leads elsewhere is not followed.
//! Bound: each list is read once, at most [`LARGEST`] bytes of it; a few names are looked up beside a file that was named.

use super::expected::{Claim, Claimed, Expectations, Source, World};
use super::sums::{Reading, Sums};
use crate::digest::{Algorithm, Digest};
use crate::finding::{Finding, shown};
use crate::report::Trust;
use crate::rule::integrity as rules;
use crate::source::{FileSource, OpenOptions, ReadAt};
use crate::walk::Item;
use std::collections::HashSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Largest list that is read unasked, in bytes.
pub const LARGEST: u64 = 64 << 20;

/// What to look for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Look for lists beside the files.
    pub discover: bool,
    /// The SHA-256 that the one file must have.
    pub sha256: Option<Digest>,
}

/// Gathers what is expected of `items`, which were found under `roots`. Files that are expected and not there become
/// items as well.
pub fn gather(roots: &[PathBuf], items: &mut Vec<Item>, wanted: &Wanted) -> Expectations {
    let mut gathering = Gathering {
        expected: Expectations::default(),
        known: items.iter().map(|item| item.path().to_owned()).collect(),
        missing: Vec::new(),
    };
    if let Some(digest) = wanted.sha256 {
        let source = gathering.expected.source(Source {
            name: "--sha256".to_owned(),
            trust: Trust::Pinned,
            signer: None,
            world: World::Named,
        });
        for item in items.iter() {
            let claim = Claim::digest(Claimed::Whole(vec![Algorithm::Sha256], digest));
            gathering.expected.claim(source, item.path().to_owned(), claim);
        }
    }
    if wanted.discover {
        for list in lists(roots, items) {
            gathering.list(&list);
        }
    }
    gathering.finish(items)
}

/// A list of checksums by its name.
#[derive(Debug, PartialEq, Eq)]
struct List {
    path: PathBuf,
    /// What its name says about the algorithm.
    algorithm: Option<Algorithm>,
    /// The file it stands beside, for a sidecar.
    sidecar_of: Option<String>,
}

/// Names of sidecars: the file's own name and one of these.
const SIDECARS: [(&str, Algorithm); 9] = [
    (".sha256", Algorithm::Sha256),
    (".sha256sum", Algorithm::Sha256),
    (".sha512", Algorithm::Sha512),
    (".sha512sum", Algorithm::Sha512),
    (".b3", Algorithm::Blake3),
    (".b3sum", Algorithm::Blake3),
    (".blake3", Algorithm::Blake3),
    (".md5", Algorithm::Md5),
    (".md5sum", Algorithm::Md5),
];

/// Names of lists for a directory, in lower case, without `.txt` and without anything before a `_`.
const LISTS: [(&str, Option<Algorithm>); 13] = [
    ("sha256sums", Some(Algorithm::Sha256)),
    ("sha256sum", Some(Algorithm::Sha256)),
    ("sha512sums", Some(Algorithm::Sha512)),
    ("sha512sum", Some(Algorithm::Sha512)),
    ("b3sums", Some(Algorithm::Blake3)),
    ("b3sum", Some(Algorithm::Blake3)),
    ("blake3sums", Some(Algorithm::Blake3)),
    ("md5sums", Some(Algorithm::Md5)),
    ("md5sum", Some(Algorithm::Md5)),
    ("checksums", None),
    ("checksum", None),
    ("checksums.sha256", Some(Algorithm::Sha256)),
    ("checksums.sha512", Some(Algorithm::Sha512)),
];

/// Names that are looked up beside a file that was named.
const BESIDE: [&str; 8] =
    ["SHA256SUMS", "SHA256SUMS.txt", "sha256sum.txt", "SHA512SUMS", "B3SUMS", "MD5SUMS", "checksums.txt", "CHECKSUMS"];

impl List {
    /// The list that a path is by its name, if it is one.
    fn of(path: &Path) -> Option<List> {
        let name = path.file_name()?.to_str()?;
        let lower = name.to_ascii_lowercase();
        let plain = lower.strip_suffix(".txt").unwrap_or(&lower);
        let plain = plain.rsplit_once('_').map_or(plain, |(_, last)| last);
        if let Some((_, algorithm)) = LISTS.iter().find(|(list, _)| *list == plain) {
            return Some(List { path: path.to_owned(), algorithm: *algorithm, sidecar_of: None });
        }
        let (end, algorithm) = SIDECARS.iter().find(|(end, _)| lower.ends_with(end) && lower.len() > end.len())?;
        let of = name.get(..name.len() - end.len())?;
        Some(List { path: path.to_owned(), algorithm: Some(*algorithm), sidecar_of: Some(of.to_owned()) })
    }

    fn name(&self) -> String {
        self.path.file_name().map(|name| shown(&name.to_string_lossy())).unwrap_or_default()
    }
}

/// The lists among the items and beside the files that were named, in this order, each once.
fn lists(roots: &[PathBuf], items: &[Item]) -> Vec<List> {
    let among = items.iter().filter_map(|item| match item {
        Item::File(path) => List::of(path),
        _ => None,
    });
    let mut lists: Vec<List> = among.collect();
    let mut seen: HashSet<PathBuf> = lists.iter().map(|list| list.path.clone()).collect();
    for root in roots {
        let (Some(directory), Some(name)) = (root.parent(), root.file_name()) else { continue };
        if root.is_dir() {
            continue;
        }
        let sidecars = SIDECARS.iter().map(|(end, _)| {
            let mut sidecar = name.to_owned();
            sidecar.push(end);
            directory.join(sidecar)
        });
        for path in sidecars.chain(BESIDE.iter().map(|list| directory.join(list))) {
            if path.is_file() && seen.insert(path.clone()) {
                lists.extend(List::of(&path));
            }
        }
    }
    lists
}

/// Expectations in the making.
struct Gathering {
    expected: Expectations,
    /// Paths of all items.
    known: HashSet<PathBuf>,
    /// Files that are expected and not there.
    missing: Vec<Item>,
}

impl Gathering {
    /// Takes what a list of checksums says.
    fn list(&mut self, list: &List) {
        let Some(bytes) = read(&list.path, LARGEST) else { return };
        let reading = Reading {
            algorithm: list.algorithm,
            sidecar_of: list.sidecar_of.as_ref().map(|name| name.clone().into_bytes()),
            ..Reading::default()
        };
        let Ok(sums) = Sums::parse(&bytes, &reading) else { return };
        if let Some(first) = sums.malformed.first() {
            let count = sums.malformed.len();
            let lines = if count == 1 { "line".to_owned() } else { format!("{count} lines, the first is line") };
            let message = format!("not a checksum: {lines} {}: {}", first.number, first.why);
            self.expected.note(&list.path, Finding::new(&rules::LIST_MALFORMED, message));
        }
        if sums.lines.is_empty() {
            return;
        }
        let directory = list.path.parent().unwrap_or(Path::new("")).to_owned();
        let world = if list.sidecar_of.is_some() { World::Named } else { World::Open };
        let source =
            self.expected.source(Source { name: list.name(), trust: Trust::SelfAsserted, signer: None, world });
        if world == World::Open {
            self.expected.speaks_for(source, &directory);
        }
        // A list that was itself met speaks about files that are not there; one that was only looked up does not.
        let met = self.known.contains(&list.path);
        let mut unsafe_names = 0;
        for line in &sums.lines {
            let Some(path) = below(&directory, &line.name) else {
                unsafe_names += 1;
                continue;
            };
            let claim = Claim::digest(Claimed::Whole(line.candidates().to_vec(), line.digest));
            self.claim(source, path, claim, met);
        }
        if unsafe_names > 0 {
            let message = format!("{unsafe_names} of its names lead out of its directory and were not followed");
            self.expected.note(&list.path, Finding::new(&rules::UNSAFE_NAME, message));
        }
    }

    /// Adds a claim about a file that is checked or, where `must_exist`, is not there.
    fn claim(&mut self, source: usize, path: PathBuf, claim: Claim, must_exist: bool) {
        if !self.known.contains(&path) {
            let there =
                fs::symlink_metadata(&path).map_or_else(|error| error.kind() != std::io::ErrorKind::NotFound, |_| true);
            if there || !must_exist {
                return;
            }
            let finding = self.expected.is_missing(&path, source);
            self.known.insert(path.clone());
            self.missing.push(Item::Problem(path.clone(), finding));
        }
        self.expected.claim(source, path, claim);
    }

    /// Puts the missing files behind the others, sorted.
    fn finish(mut self, items: &mut Vec<Item>) -> Expectations {
        self.missing.sort_by(|a, b| a.path().cmp(b.path()));
        items.append(&mut self.missing);
        self.expected
    }
}

/// A name of a list as a path below its directory; `None` if it leads elsewhere. A leading `./` is usual and harmless.
fn below(directory: &Path, name: &[u8]) -> Option<PathBuf> {
    let name = name.strip_prefix(b"./").unwrap_or(name);
    let name = path_of(name)?;
    let plain = name.components().all(|part| matches!(part, Component::Normal(_)));
    if name.as_os_str().is_empty() || !plain { None } else { Some(directory.join(name)) }
}

#[cfg(unix)]
fn path_of(name: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(name)))
}

#[cfg(not(unix))]
fn path_of(name: &[u8]) -> Option<PathBuf> {
    std::str::from_utf8(name).ok().map(PathBuf::from)
}

/// The bytes of a small regular file; `None` if it cannot be read, or is larger than `limit`.
pub(super) fn read(path: &Path, limit: u64) -> Option<Vec<u8>> {
    let options = OpenOptions { max_file_bytes: limit, ..OpenOptions::default() };
    let source = FileSource::open(path, &options).ok()?;
    let bytes = source.copy(0..ReadAt::len(&source)).ok()?.into_owned();
    source.settle().ok()?;
    Some(bytes)
}
