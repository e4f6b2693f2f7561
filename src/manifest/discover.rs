//! Finds what is expected of the files of a run: what the user named, and what lies beside the files.
//!
//! Threat: whoever ships the files ships these lists as well. What merely lies there is self-asserted: it can fail a file
//! and never more than match it, it speaks for its own directory only, and a name that leads elsewhere is not followed.
//! Bound: each list is read once, at most [`LARGEST`] bytes of it; a few names are looked up beside a file that was named.

mod access;
#[cfg(feature = "trust")]
mod demands;
mod locks;
mod names;
mod origins;
#[cfg(feature = "trust")]
mod signed;
mod stores;
mod sums;
mod tracked;
mod tree;

use super::caches::Caches;
use super::expected::{Claim, Claimed, Expectations, Source, World};
use super::lock::Lock;
use crate::budget::Limits;
use crate::digest::{Algorithm, Digest};
#[cfg(unix)]
use crate::finding::Finding;
use crate::policy::Policy;
use crate::report::Trust;
use crate::source::{OpenOptions, Reach, ReadAt};
use crate::walk::Item;
use std::collections::HashMap;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

pub use access::Access;

/// Largest list that is read unasked, in bytes.
pub const LARGEST: u64 = 64 << 20;

/// What to look for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Look for lists beside the files.
    pub discover: bool,
    /// The SHA-256 that the one file must have.
    pub sha256: Option<Digest>,
    /// Locks that the user named.
    pub locks: Vec<Named>,
    /// Where files may come from, as in a policy: each list must allow it.
    pub sources: Vec<Vec<String>>,
    /// A lock that is about to be written: what it said before does not count.
    pub rewritten: Option<PathBuf>,
    /// What the user demands: whose signatures count for which paths.
    pub policy: Arc<Policy>,
    /// Seconds since 1970, for the dates of the policy and of certificates.
    pub now: i64,
    /// Object to files that others can write to, or own.
    pub access: Option<Access>,
    /// Whose signatures the user trusts.
    #[cfg(feature = "trust")]
    pub signers: Option<Signers>,
}

/// Whose signatures the user trusts. One bundle that verifies must cover each path.
#[cfg(feature = "trust")]
#[derive(Clone, Debug)]
pub struct Signers {
    /// The bundle that the user named; without it those that lie beside or inside the paths.
    pub bundle: Option<PathBuf>,
    /// Whom to trust; `None` is nobody. `Err` is why nobody can be trusted.
    pub anchor: Result<Option<crate::trust::Anchor>, crate::manifest::oms::Refusal>,
    /// How to verify.
    pub how: crate::trust::How,
    /// Links to files inside the model may stand where the signer recorded that there are some.
    pub allow_symlinks: bool,
}

/// A lock that the user named.
#[derive(Clone, Debug)]
pub struct Named {
    /// Its path.
    pub path: PathBuf,
    /// What it says.
    pub lock: Arc<Lock>,
}

/// Gathers what is expected of `items`, which were found under `roots`. Files that are expected and not there become
/// items as well.
pub fn gather(roots: &[PathBuf], items: &mut Vec<Item>, wanted: &Wanted, limits: &Limits) -> Expectations {
    let mut gathering = Gathering {
        expected: Expectations::within(Caches::named(roots)),
        known: items
            .iter()
            .map(|item| match item {
                Item::File(path, reach) => (path.clone(), reach.clone()),
                other => (other.path().to_owned(), Reach::Anywhere),
            })
            .collect(),
        missing: Vec::new(),
        #[cfg(feature = "trust")]
        vouched: Vec::new(),
        #[cfg(feature = "trust")]
        attested: 0,
        #[cfg(feature = "trust")]
        demands: demands::Demands::new(wanted),
    };
    if let Some(digest) = wanted.sha256 {
        let source = gathering.source("--sha256", Trust::Pinned, World::Named);
        for item in items.iter() {
            let claim = Claim::digest(Claimed::Whole(vec![Algorithm::Sha256], digest));
            gathering.expected.claim(source, item.path().to_owned(), claim);
        }
    }
    gathering.named_locks(roots, items, &wanted.locks);
    if !wanted.sources.is_empty() {
        gathering.origins(items, wanted);
    }
    if let Some(access) = wanted.access {
        gathering.access(roots, items, access);
    }
    if wanted.discover {
        gathering.sums(roots, items);
        gathering.discovered_locks(roots, items, wanted);
        gathering.names(items);
        gathering.tracked(items);
        gathering.stores(items);
        gathering.indexes(roots, items);
        gathering.twins(items, limits);
        gathering.names_elsewhere(items);
    }
    #[cfg(feature = "trust")]
    if wanted.discover || wanted.signers.is_some() || demands::asks(&wanted.policy) {
        gathering.signed(roots, items, wanted.signers.as_ref());
        gathering.demands(items);
    }
    gathering.finish(items)
}

/// What the indexes among these files, all of them below `root`, say about the others, and the files that are not there.
#[cfg(unix)]
pub(crate) fn indexes(root: &Path, paths: Vec<PathBuf>) -> (Expectations, Vec<(PathBuf, Finding)>) {
    let items: Vec<Item> = paths.into_iter().map(|path| Item::File(path, Reach::Anywhere)).collect();
    let mut gathering = Gathering {
        expected: Expectations::default(),
        known: items.iter().map(|item| (item.path().to_owned(), Reach::Anywhere)).collect(),
        missing: Vec::new(),
        #[cfg(feature = "trust")]
        vouched: Vec::new(),
        #[cfg(feature = "trust")]
        attested: 0,
        #[cfg(feature = "trust")]
        demands: demands::Demands::default(),
    };
    gathering.indexes(&[root.to_owned()], &items);
    let missing = gathering.missing.into_iter().filter_map(|item| match item {
        Item::Problem(path, finding) => Some((path, finding)),
        _ => None,
    });
    (gathering.expected, missing.collect())
}

/// True if a file of this name says what is expected of others: a list of checksums, a lock, a signed manifest or
/// attestation, or an index of shards.
pub fn speaks(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    #[cfg(feature = "trust")]
    if crate::trust::is_bundle_name(path) {
        return true;
    }
    name == super::lock::NAME || sums::is_list(path) || tree::is_index(name)
}

/// What it means that a file with claims is not among the items.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Absent {
    /// Nothing: it was not asked for.
    Ignored,
    /// It must exist, asked for or not.
    Missing,
    /// It must have been met: everything there was asked for.
    Unmet,
}

/// Expectations in the making.
struct Gathering {
    expected: Expectations,
    /// Paths of all items, and how far links on the way may lead.
    known: HashMap<PathBuf, Reach>,
    /// Files that are expected and not there.
    missing: Vec<Item>,
    /// What is signed by somebody whom the user trusts.
    #[cfg(feature = "trust")]
    vouched: Vec<PathBuf>,
    /// Pairs of a file and an attestation that is not trusted.
    #[cfg(feature = "trust")]
    attested: usize,
    #[cfg(feature = "trust")]
    demands: demands::Demands,
}

impl Gathering {
    fn source(&mut self, name: &str, trust: Trust, world: World) -> usize {
        self.expected.source(Source { name: name.to_owned(), trust, signer: None, logged: None, world })
    }

    /// Adds a claim about a file that is checked or, unless `absent` says to ignore that, is not there.
    fn claim(&mut self, source: usize, path: PathBuf, claim: Claim, absent: Absent) {
        if !self.known.contains_key(&path) {
            // a file that was not asked for, or one behind a link to a directory, which a walk does not follow
            let behind = fs::metadata(&path).is_ok_and(|meta| meta.is_file());
            if absent == Absent::Ignored || (behind && absent == Absent::Missing) {
                return;
            }
            let finding = self.expected.is_missing(&path, source, behind);
            self.known.insert(path.clone(), Reach::Anywhere);
            self.missing.push(Item::Problem(path.clone(), finding));
        }
        self.expected.claim(source, path, claim);
    }

    /// The bytes of a small regular file; `None` if it cannot be read, or is larger than `limit`. Of a file among the items
    /// as the walk found it, else wherever the path leads.
    fn read(&self, path: &Path, limit: u64) -> Option<Vec<u8>> {
        whole(self.known.get(path).unwrap_or(&Reach::Anywhere), path, limit)
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
pub(super) fn path_of(name: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(name)))
}

#[cfg(not(unix))]
pub(super) fn path_of(name: &[u8]) -> Option<PathBuf> {
    std::str::from_utf8(name).ok().map(PathBuf::from)
}

/// The bytes of a small regular file; `None` if it cannot be read, or is larger than `limit`.
pub(super) fn read(path: &Path, limit: u64) -> Option<Vec<u8>> {
    whole(&Reach::Anywhere, path, limit)
}

fn whole(reach: &Reach, path: &Path, limit: u64) -> Option<Vec<u8>> {
    let options = OpenOptions { max_file_bytes: limit, ..OpenOptions::default() };
    let source = reach.open(path, &options).ok()?;
    let bytes = source.copy(0..ReadAt::len(&source)).ok()?.into_owned();
    source.settle().ok()?;
    Some(bytes)
}
