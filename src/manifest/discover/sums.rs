//! Lists of checksums: beside a file, or for a directory.

use super::{Absent, Gathering, LARGEST, below};
use crate::digest::Algorithm;
use crate::finding::{Finding, shown};
use crate::manifest::expected::{Claim, Claimed, World};
use crate::manifest::sums::{Reading, Sums};
use crate::report::Trust;
use crate::rule::{Severity, integrity as rules};
use crate::walk::{Item, or_here};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// A list of checksums by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// Names beside a file that are looked at to find its lists.
const BESIDE: usize = 100_000;

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

/// True if a path is a list of checksums by its name.
pub(super) fn is_list(path: &Path) -> bool {
    List::of(path).is_some()
}

/// The lists among the items and beside the files that were named, in this order, each once.
fn lists(roots: &[PathBuf], items: &[Item]) -> Vec<List> {
    let among = items.iter().filter_map(|item| match item {
        Item::File(path, _) => List::of(path),
        _ => None,
    });
    let mut lists: Vec<List> = among.collect();
    let mut directories: HashMap<&Path, Vec<List>> = HashMap::new();
    let mut seen: HashSet<PathBuf> = lists.iter().map(|list| list.path.clone()).collect();
    for root in roots {
        let (Some(directory), Some(name)) = (root.parent(), root.file_name()) else { continue };
        if root.is_dir() {
            continue;
        }
        let beside = directories.entry(directory).or_insert_with(|| beside(directory));
        let own = |list: &&List| match &list.sidecar_of {
            None => true,
            Some(of) => name == of.as_str() || Path::new(name).file_stem().is_some_and(|stem| stem == of.as_str()),
        };
        for list in beside.iter().filter(own) {
            if seen.insert(list.path.clone()) {
                lists.push(list.clone());
            }
        }
    }
    lists
}

/// The lists in a directory.
fn beside(directory: &Path) -> Vec<List> {
    let entries =
        std::fs::read_dir(or_here(directory)).into_iter().flatten().take(BESIDE).filter_map(|entry| entry.ok());
    let mut lists: Vec<List> = entries.filter_map(|entry| List::of(&directory.join(entry.file_name()))).collect();
    lists.retain(|list| list.path.is_file());
    lists.sort_by(|a, b| a.path.cmp(&b.path));
    lists
}

/// The file that a sidecar stands beside where no file has its name: the only one that has it but for the ending.
fn by_stem(directory: &Path, stem: &str) -> Option<String> {
    let entries = std::fs::read_dir(or_here(directory)).ok()?.take(BESIDE).filter_map(|entry| entry.ok());
    let mut found = entries.map(|entry| entry.path()).filter(|path| {
        path.file_stem().is_some_and(|of| of == stem)
            && List::of(path).is_none()
            && !is_signature(path)
            && path.is_file()
    });
    let (only, None) = (found.next()?, found.next()) else { return None };
    only.file_name()?.to_str().map(str::to_owned)
}

fn is_signature(path: &Path) -> bool {
    path.extension().is_some_and(|end| ["sig", "asc", "gpg", "pem", "json"].iter().any(|other| end == *other))
}

impl Gathering {
    /// Takes what the lists of checksums say.
    pub(super) fn sums(&mut self, roots: &[PathBuf], items: &[Item]) {
        for list in lists(roots, items) {
            self.list(&list);
        }
    }

    fn list(&mut self, list: &List) {
        let Some(bytes) = self.read(&list.path, LARGEST) else { return };
        let directory = list.path.parent().unwrap_or(Path::new("")).to_owned();
        let of = list.sidecar_of.as_ref().map(|name| match directory.join(name).exists() {
            true => name.clone(),
            false => by_stem(&directory, name).unwrap_or_else(|| name.clone()),
        });
        let reading =
            Reading { algorithm: list.algorithm, sidecar_of: of.map(String::into_bytes), ..Reading::default() };
        let Ok(sums) = Sums::parse(&bytes, &reading) else { return };
        if let Some(first) = sums.malformed.first() {
            let count = sums.malformed.len();
            let lines = if count == 1 { "line".to_owned() } else { format!("{count} lines, the first is line") };
            let message = format!("not a checksum: {lines} {}: {}", first.number, first.why);
            let mut finding = Finding::new(&rules::LIST_MALFORMED, message);
            if sums.lines.is_empty() {
                finding.severity = Severity::Medium; // it says nothing at all
            }
            self.expected.note(&list.path, finding);
        }
        if sums.lines.is_empty() {
            return;
        }
        let world = if list.sidecar_of.is_some() { World::Named } else { World::Open };
        let source = self.source(&list.name(), Trust::SelfAsserted, world);
        self.expected.lies_in(source, &list.path);
        if world == World::Open {
            self.expected.speaks_for(source, &directory);
        }
        // A list that was itself met speaks about files that are not there; one that was only looked up does not.
        let absent = if self.known.contains_key(&list.path) { Absent::Missing } else { Absent::Ignored };
        let mut unsafe_names = 0;
        for line in &sums.lines {
            let Some(path) = below(&directory, &line.name) else {
                unsafe_names += 1;
                continue;
            };
            let claim = Claim::digest(Claimed::Whole(line.candidates().to_vec(), line.digest));
            self.claim(source, path, claim, absent);
        }
        if unsafe_names > 0 {
            let message = format!("{unsafe_names} of its names lead out of its directory and were not followed");
            self.expected.note(&list.path, Finding::new(&rules::UNSAFE_NAME, message));
        }
    }
}
