//! What is expected of files, who says so, and how what is there compares with it.
//!
//! Expectations are gathered before anything is hashed, so that the one pass over each file computes what they need.
//! Bound: one small record per claim about a file that is checked or missing; a comparison looks at the claims about one
//! file and at the directories above it.

mod narrow;
mod reviewed;

use super::attestation::{Attestation, Says};
use super::caches::Caches;
use super::differ::Difference;
use super::oms::Shard;
use crate::digest::{Algorithm, Digest, Digests, Sharded, Sharding};
use crate::finding::{Finding, shown};
use crate::format::Role;
use crate::format::tensor::TensorInfo;
use crate::inspect;
use crate::manifest::lock::Recorded;
use crate::manifest::{git, index};
use crate::report::{Integrity, Status, Trust};
use crate::rule::integrity as rules;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Somebody who expects something.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name as it is shown, as in `SHA256SUMS` or `--sha256`.
    pub name: String,
    /// What it is worth.
    pub trust: Trust,
    /// Who signed it.
    pub signer: Option<String>,
    /// When a trusted log saw the signature, in seconds since 1970.
    pub logged: Option<i64>,
    /// What it says about files that it does not name.
    pub world: World,
}

/// What a source says about files that it does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// Nothing at all: a sidecar speaks for its file only.
    Named,
    /// It should name every loadable file beneath its directory.
    Open,
    /// It is of another directory, and the user relies on it: files that loaders act on are not proven beneath this one,
    /// unless somebody else vouches for them whom the user trusts.
    Elsewhere,
    /// What it does not name must not be there. Where it is not signed by somebody whom the user trusts, it says nothing of
    /// files on which no loader acts.
    Closed,
}

/// What a file must be to go unlisted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unlisted {
    /// Anything.
    #[default]
    Anything,
    /// Anything but what loaders load.
    NotLoadable,
    /// Something that no loader acts on.
    Inert,
}

impl Unlisted {
    fn allows(self, role: Option<Role>) -> bool {
        match self {
            Unlisted::Anything => true,
            Unlisted::NotLoadable => role != Some(Role::Loadable),
            Unlisted::Inert => role == Some(Role::Inert),
        }
    }
}

/// What a source says about one file. All of it must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// Size in bytes.
    pub size: Option<u64>,
    /// Digests.
    pub digests: Vec<Claimed>,
    /// It is a file of its own, no symbolic link.
    pub no_link: bool,
    /// It holds for loadable files only.
    pub if_loadable: bool,
    /// It need not be listed, by the user's policy.
    pub tolerated: bool,
    /// Which files it lets go unlisted, where it says nothing else.
    pub unlisted: Unlisted,
    /// It was signed by this signer, and a trusted log saw that at this time (seconds since 1970).
    pub signed_by: Option<(String, Option<i64>)>,
    /// What it can do was reviewed, and is no more than this.
    pub reviewed: Option<Arc<Recorded>>,
}

impl Claim {
    /// Why the signatures that cover a file now are not what they were.
    fn lost(&self, results: &[Integrity]) -> Option<String> {
        let (signer, logged) = self.signed_by.as_ref()?;
        let good = || results.iter().filter(|one| one.status == Status::Match && one.signer.is_some());
        let mut theirs = good().filter(|one| one.signer.as_ref() == Some(signer)).peekable();
        if theirs.peek().is_some() {
            // without somebody to trust nothing is known of times, nor claimed
            let older = |one: &Integrity| one.trust == Trust::Signed && one.logged < *logged;
            let message = format!("the signature by {} is older than the one that was locked", shown(signer));
            return theirs.all(older).then_some(message);
        }
        let (signer, others) = (shown(signer), good().filter_map(|one| one.signer.as_ref()).collect::<BTreeSet<_>>());
        Some(match others.first() {
            Some(other) => format!("it was signed by {signer}, and is signed by {} now", shown(other)),
            None => format!("it was signed by {signer}, and no signature of theirs covers it now"),
        })
    }
}

/// What a source says about the digest of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The digest by one of these algorithms: the likeliest first, more than one where only its length speaks.
    Whole(Vec<Algorithm>, Digest),
    /// The first hex digits of the SHA-256, as torch.hub puts them into names.
    Start(String),
    /// Where it comes from: a SHA-256 among those of subjects that somebody attested.
    Attested(Arc<Attestation>),
    /// The digests of all its shards, by this algorithm.
    Shards(Sharding, Arc<Vec<Shard>>),
    /// The git blob SHA-1 of the content or, for a file kept by git-lfs, of its pointer.
    Git(Digest),
}

impl Claimed {
    /// Algorithms needed to compare.
    fn algorithms(&self) -> &[Algorithm] {
        match self {
            Claimed::Whole(algorithms, _) => algorithms,
            Claimed::Start(_) | Claimed::Attested(_) => &[Algorithm::Sha256],
            Claimed::Shards(..) => &[],
            Claimed::Git(_) => &[Algorithm::Sha256, Algorithm::Sha1Git],
        }
    }
    /// True if the digests have it; `None` if none was computed that could tell.
    fn holds(&self, file: &Found<'_>) -> Option<bool> {
        let found = file.digests;
        match self {
            Claimed::Whole(algorithms, expected) => {
                let found: Vec<Digest> = algorithms.iter().filter_map(|algorithm| found.get(*algorithm)).collect();
                if found.len() < algorithms.len() { None } else { Some(found.contains(expected)) }
            }
            Claimed::Start(start) => Some(found.get(Algorithm::Sha256)?.to_string().starts_with(start.as_str())),
            Claimed::Attested(attestation) => {
                let says = attestation.about(file.path, &found.get(Algorithm::Sha256)?)?;
                Some(says == Says::Attested)
            }
            Claimed::Shards(sharding, signed) => Some(file.difference(*sharding, signed)?.is_none()),
            Claimed::Git(blob) => {
                let pointer = git::pointer(&found.get(Algorithm::Sha256)?, file.size);
                let named = git::blob(pointer.as_bytes());
                Some(found.get(Algorithm::Sha1Git)? == *blob || named == Some(*blob))
            }
        }
    }
    /// Why a match proves little; `None` where it proves the content.
    fn weakness(&self) -> Option<String> {
        match self {
            Claimed::Whole(algorithms, _) => {
                let weak = algorithms.first().filter(|_| algorithms.iter().all(|algorithm| algorithm.is_weak()))?;
                Some(format!("{weak}: corruption check only"))
            }
            Claimed::Start(start) if start.len() < 64 => {
                Some(format!("{} hex digits of the sha256: corruption check only", start.len()))
            }
            Claimed::Start(_) | Claimed::Shards(..) | Claimed::Attested(_) => None,
            Claimed::Git(_) => Some("sha1-git: corruption check only".to_owned()),
        }
    }
    fn words(&self) -> String {
        match self {
            Claimed::Whole(algorithms, digest) => {
                format!("the {} {digest}", algorithms.first().map_or("digest", |algorithm| algorithm.name()))
            }
            Claimed::Start(start) => format!("a sha256 that begins with {start}"),
            Claimed::Shards(..) => "the shards that were signed".to_owned(),
            Claimed::Attested(_) => "another content under this name".to_owned(),
            Claimed::Git(blob) => format!("the git blob {blob}, as content or as its git-lfs pointer"),
        }
    }
}

/// The same weights in another format: that file, and its tensors.
type Twin = (PathBuf, Arc<Vec<TensorInfo>>);

/// A file as it was found.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// Its path.
    pub path: &'a Path,
    /// Its role; `None` if its content was not looked at.
    pub role: Option<Role>,
    /// Its format.
    pub format: &'static str,
    /// Bytes.
    pub size: u64,
    /// Its tensors, where they are known and were asked for.
    pub tensors: Option<&'a [TensorInfo]>,
    /// Digests; those that could not be computed are missing.
    pub digests: &'a Digests,
    /// Digests of its shards, one list for each way of cutting it.
    pub shards: &'a [Sharded],
}

impl Found<'_> {
    /// Where it differs from signed shards; the outer `None` where it was not cut like that.
    fn difference(&self, sharding: Sharding, signed: &[Shard]) -> Option<Option<Difference>> {
        let cut = self.shards.iter().find(|cut| cut.sharding == sharding)?;
        Some(Difference::between(signed, &cut.digests, self.size))
    }
}

/// Everything that is expected of the files of a run.
#[derive(Clone, Debug, Default)]
pub struct Expectations {
    sources: Vec<Source>,
    claims: HashMap<PathBuf, Vec<(usize, Claim)>>,
    /// Sources that speak for all files beneath a directory.
    trees: HashMap<PathBuf, Vec<usize>>,
    missing: HashSet<PathBuf>,
    notes: HashMap<PathBuf, Vec<Finding>>,
    /// Findings that count unless the file turns out to be inert.
    origins: HashMap<PathBuf, Vec<Finding>>,
    /// Tensors that an index places in a file, with the number of its source.
    shards: HashMap<PathBuf, Vec<(usize, BTreeSet<String>)>>,
    twins: HashMap<PathBuf, Vec<Twin>>,
    /// Names by SHA-256, from sources of a closed world: they tell what was renamed and what was swapped.
    contents: HashMap<(usize, Digest), String>,
    /// The files that sources lie in, by number.
    files: HashMap<usize, PathBuf>,
    caches: Caches,
}

impl Expectations {
    /// Nothing yet, for files of these caches.
    pub(crate) fn within(caches: Caches) -> Self {
        Expectations { caches, ..Expectations::default() }
    }
    /// The caches of the hub whose names are to be believed.
    pub(crate) fn caches(&self) -> &Caches {
        &self.caches
    }
    /// Adds a source, and gives the number by which it makes claims.
    pub fn source(&mut self, source: Source) -> usize {
        self.sources.push(source);
        self.sources.len() - 1
    }
    /// Adds a source once more that says something else about files that it does not name.
    pub fn another(&mut self, source: usize, world: World) -> usize {
        let files = self.files.get(&source).cloned();
        let another = self.sources.get(source).cloned().map(|source| self.source(Source { world, ..source }));
        let another = another.unwrap_or(source);
        self.files.extend(files.map(|file| (another, file)));
        another
    }
    /// Lets a source speak for all files beneath a directory.
    pub fn speaks_for(&mut self, source: usize, directory: &Path) {
        self.trees.entry(directory.to_owned()).or_default().push(source);
    }
    /// Adds what a source says about a file.
    pub fn claim(&mut self, source: usize, path: PathBuf, claim: Claim) {
        // there is seldom more than one
        let claims = self.claims.entry(path).or_insert_with(|| Vec::with_capacity(1));
        if !claims.iter().any(|(by, before)| *by == source && *before == claim) {
            claims.push((source, claim));
        }
    }
    /// Adds the only thing that a source says about a file.
    #[cfg(feature = "trust")]
    pub(crate) fn claim_of(&mut self, source: usize, path: PathBuf, claim: Claim) {
        self.claims.entry(path).or_default().push((source, claim));
    }
    /// The numbers of the sources that cover a file: that say what it must be, or let it go unlisted by the user's policy.
    pub fn covering(&self, path: &Path) -> impl Iterator<Item = usize> {
        let claims = self.claims.get(path).into_iter().flatten();
        claims.filter(|(_, claim)| claim.tolerated || !claim.is_empty()).map(|(number, _)| *number)
    }
    /// True if a file may go unlisted, by the user's policy.
    pub(crate) fn tolerates(&self, path: &Path) -> bool {
        self.claims.get(path).into_iter().flatten().any(|(_, claim)| claim.tolerated)
    }
    /// True if a manifest by somebody whom the user trusts knows of a file of this role and says nothing about it.
    pub(crate) fn spares(&self, path: &Path, role: Option<Role>) -> bool {
        let signed = |number: &usize| self.sources.get(*number).is_some_and(|source| source.trust == Trust::Signed);
        let mut claims = self.claims.get(path).into_iter().flatten();
        claims.any(|(number, claim)| claim.is_empty() && claim.unlisted.allows(role) && signed(number))
    }
    /// Remembers the name that a source gives to a content.
    pub fn content(&mut self, source: usize, sha256: Digest, name: &str) {
        self.contents.entry((source, sha256)).or_insert_with(|| name.to_owned());
    }
    /// Adds a finding about a path that was met while gathering.
    pub fn note(&mut self, path: &Path, finding: Finding) {
        self.notes.entry(path.to_owned()).or_default().push(finding);
    }
    /// Adds a finding about a path that counts unless no loader acts on the file.
    pub fn note_unless_inert(&mut self, path: &Path, finding: Finding) {
        self.origins.entry(path.to_owned()).or_default().push(finding);
    }
    /// Says which tensors an index places in a file.
    pub fn shard(&mut self, source: usize, path: &Path, tensors: BTreeSet<String>) {
        self.shards.entry(path.to_owned()).or_default().push((source, tensors));
    }
    /// Says which tensors the twin of a file holds.
    pub fn twin(&mut self, path: &Path, twin: &Path, tensors: Arc<Vec<TensorInfo>>) {
        self.twins.entry(path.to_owned()).or_default().push((twin.to_owned(), tensors));
    }
    /// Says that a file was not met, and gives the finding that a source makes about it. `behind` a link to a directory
    /// there may be a file nevertheless.
    pub fn is_missing(&mut self, path: &Path, source: usize, behind: bool) -> Finding {
        self.missing.insert(path.to_owned());
        let name = self.sources.get(source).map(|source| source.name.as_str()).unwrap_or_default();
        if behind {
            let message = format!("a directory above it became a symbolic link; {name} expects a regular file here");
            return Finding::new(&rules::LINKED, message);
        }
        Finding::new(&rules::MISSING, format!("it is missing, but {name} lists it"))
    }
    /// True if nothing is expected of anything.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty() && self.notes.is_empty() && self.origins.is_empty()
    }

    /// Algorithms that comparing this file needs.
    pub fn algorithms(&self, path: &Path) -> BTreeSet<Algorithm> {
        let claims = self.claims.get(path).into_iter().flatten();
        claims.flat_map(|(_, claim)| &claim.digests).flat_map(|claimed| claimed.algorithms()).copied().collect()
    }

    /// The ways in which this file must be cut into shards to be compared.
    pub fn shardings(&self, path: &Path) -> Vec<Sharding> {
        let mut wanted: Vec<Sharding> = Vec::new();
        for claimed in self.claims.get(path).into_iter().flatten().flat_map(|(_, claim)| &claim.digests) {
            match claimed {
                Claimed::Shards(sharding, _) if !wanted.contains(sharding) => wanted.push(*sharding),
                _ => {}
            }
        }
        wanted
    }

    /// What proves parts of a file, with those who say so: all whom the user trusts about it say the same, its shards or one
    /// BLAKE3 digest. `None` where there is nobody, and where something is said that only all of the file can prove.
    #[cfg(all(unix, feature = "trust"))]
    pub(crate) fn provable(&self, path: &Path) -> Option<(&Claimed, Vec<&Source>)> {
        let claims = self.claims.get(path)?;
        let (mut first, mut by): (Option<&Claimed>, Vec<&Source>) = (None, Vec::new());
        for (number, claim) in claims {
            let source = self.sources.get(*number)?;
            if claim.signed_by.is_some() || (source.trust == Trust::Pinned && !claim.digests.is_empty()) {
                return None;
            }
            for claimed in claim.digests.iter().filter(|_| source.trust == Trust::Signed) {
                if matches!(claimed, Claimed::Attested(_)) || first.get_or_insert(claimed) != &claimed {
                    return None;
                }
                by.push(source);
            }
        }
        first.map(|first| (first, by))
    }

    /// True if comparing this file needs its tensors.
    pub fn wants_tensors(&self, path: &Path) -> bool {
        self.shards.contains_key(path) || self.twins.contains_key(path) || !self.shardings(path).is_empty()
    }

    /// Compares a file with everything that is expected of it.
    pub fn compare(&self, found: &Found<'_>) -> (Vec<Integrity>, Vec<Finding>) {
        let mut findings = self.notes.get(found.path).cloned().unwrap_or_default();
        let unless_inert = self.origins.get(found.path).filter(|_| found.role != Some(Role::Inert));
        findings.extend(unless_inert.into_iter().flatten().cloned());
        let mut results = Vec::new();
        let claims = self.claims.get(found.path).map(Vec::as_slice).unwrap_or_default();
        for (number, claim) in claims {
            let Some(source) = self.sources.get(*number) else { continue };
            if self.missing.contains(found.path) {
                results.push(source.says(Status::Missing, None));
                continue;
            }
            if claim.no_link && fs::symlink_metadata(found.path).is_ok_and(|meta| meta.is_symlink()) {
                let allowed =
                    if source.trust == Trust::Signed { " (--allow-symlinks, where the signer had some)" } else { "" };
                let message =
                    format!("it is or became a symbolic link; {} expects a regular file{allowed}", source.name);
                findings.push(Finding::new(&rules::LINKED, message));
                results.push(source.says(Status::Mismatch, Some("a symbolic link".to_owned())));
                continue;
            }
            match claim.against(found) {
                None => {}
                Some(Ok(note)) => results.push(source.says(Status::Match, note)),
                Some(Err(words)) => {
                    let twin =
                        found.digests.get(Algorithm::Sha256).and_then(|sha256| self.contents.get(&(*number, sha256)));
                    let swapped =
                        twin.map(|name| format!("; its content is that of {}", shown(name))).unwrap_or_default();
                    let message = format!("it changed: {} expects {words}{swapped}", source.name);
                    let places = claim.differences(found);
                    if places.is_empty() {
                        findings.push(Finding::new(&rules::CHANGED, message));
                    }
                    for place in places {
                        let message = format!("it changed: {} ({})", place.words(), source.name);
                        findings.push(Finding::new(&rules::CHANGED, message).at(place.offset()));
                        if inspect::has_tensors(found.format) {
                            findings.extend(place.tensors(found.tensors));
                        }
                    }
                    results.push(source.says(Status::Mismatch, None));
                }
            }
        }
        for (number, claim) in claims {
            let source = self.sources.get(*number).map(|source| &source.name);
            let lost = claim.lost(&results).zip(source);
            findings.extend(lost.map(|(why, by)| Finding::new(&rules::SIGNATURE_LOST, format!("{why} ({by})"))));
        }
        findings.extend(contradiction(&results));
        self.tensors(found, &mut results, &mut findings);
        self.uncovered(found, claims, &mut results, &mut findings);
        (results, findings)
    }

    /// Compares the tensors of a file with those that indexes and twins expect.
    fn tensors(&self, found: &Found<'_>, results: &mut Vec<Integrity>, findings: &mut Vec<Finding>) {
        let Some(tensors) = found.tensors else { return };
        for (number, expected) in self.shards.get(found.path).into_iter().flatten() {
            let Some(source) = self.sources.get(*number) else { continue };
            let finding = index::compare_shard(&source.name, expected, tensors);
            let status = if finding.is_some() { Status::Mismatch } else { Status::Match };
            results.push(source.says(status, Some("names of tensors only".to_owned())));
            findings.extend(finding);
        }
        for (twin, expected) in self.twins.get(found.path).into_iter().flatten() {
            let name = twin.file_name().map(|name| shown(&name.to_string_lossy())).unwrap_or_default();
            findings.extend(index::compare_twin(&name, expected, tensors));
        }
    }

    /// What sources that speak for the whole directory say about a file that they do not name.
    fn uncovered(
        &self,
        found: &Found<'_>,
        claims: &[(usize, Claim)],
        results: &mut Vec<Integrity>,
        findings: &mut Vec<Finding>,
    ) {
        if found.role.is_none() && fs::symlink_metadata(found.path).is_err() {
            return; // what is not there was not added
        }
        let known = results.iter().any(|result| matches!(result.status, Status::Match | Status::Mismatch));
        let vouched = results.iter().any(|result| result.status == Status::Match && result.trust >= Trust::Pinned);
        let numbers = found.path.ancestors().skip(1).filter_map(|directory| self.trees.get(directory)).flatten();
        for number in numbers {
            let Some(source) = self.sources.get(*number) else { continue };
            if claims.iter().any(|(by, claim)| by == number && claim.unlisted.allows(found.role)) {
                continue;
            }
            match (source.world, found.role) {
                (World::Named, _) => {}
                // a list in a directory further down may cover it
                (World::Open, Some(Role::Loadable)) if !known => {
                    findings.push(Finding::new(&rules::NOT_COVERED, format!("{} does not list it", source.name)));
                    results.push(source.says(Status::NotCovered, None));
                }
                (World::Elsewhere, Some(Role::Inert)) => {}
                (World::Elsewhere, _) if !vouched => {
                    let message = format!("{} is of another directory, and does not pin it", source.name);
                    findings.push(Finding::new(&rules::NOT_LOCKED, message));
                    results.push(source.says(Status::NotCovered, None));
                }
                (World::Open | World::Elsewhere, _) => {}
                (World::Closed, Some(Role::Inert)) if source.trust != Trust::Signed => {
                    results.push(source.says(Status::NotCovered, None));
                }
                (World::Closed, _)
                    if claims.iter().any(|(by, claim)| by == number && claim.unlisted == Unlisted::Inert) =>
                {
                    let message = "the signer ignored it, but a loader could load it";
                    findings.push(Finding::new(&crate::rule::trust::HIDDEN, message));
                    results.push(source.says(Status::Extra, None));
                }
                (World::Closed, _) => {
                    let sha256 = found.digests.get(Algorithm::Sha256);
                    let name = sha256.and_then(|sha256| self.contents.get(&(*number, sha256)));
                    let message = match name {
                        Some(name) => format!(
                            "it was added or renamed: {} does not list it, but lists its content as {}",
                            source.name,
                            shown(name)
                        ),
                        None => format!("it was added: {} does not list it", source.name),
                    };
                    findings.push(Finding::new(&rules::EXTRA, message));
                    results.push(source.says(Status::Extra, None));
                }
            }
        }
    }
}

/// The finding that sources contradict each other about one content: what one expects another does not.
fn contradiction(results: &[Integrity]) -> Option<Finding> {
    let first = |status| results.iter().find(|result| result.status == status).map(|result| &result.source);
    let (matches, differs) = (first(Status::Match)?, first(Status::Mismatch)?);
    let message = format!("it is what {matches} expects, and not what {differs} expects");
    Some(Finding::new(&rules::CONTRADICTION, message))
}

impl Source {
    fn says(&self, status: Status, note: Option<String>) -> Integrity {
        Integrity {
            source: self.name.clone(),
            trust: self.trust,
            signer: self.signer.clone(),
            logged: self.logged,
            status,
            note,
        }
    }
}

impl Claim {
    /// A claim about the digest alone.
    pub fn digest(claimed: Claimed) -> Claim {
        Claim { digests: vec![claimed], ..Claim::default() }
    }

    /// Where the file differs from the shards that are claimed.
    fn differences(&self, found: &Found<'_>) -> Vec<Difference> {
        let differs = |claimed: &Claimed| match claimed {
            Claimed::Shards(sharding, signed) => found.difference(*sharding, signed)?,
            _ => None,
        };
        self.digests.iter().filter_map(differs).collect()
    }

    /// True if nothing is said about the content.
    fn is_empty(&self) -> bool {
        self.size.is_none() && self.digests.is_empty()
    }

    /// `Ok` with a note where all of it holds, `Err` with what was expected where something does not, `None` where the
    /// file was not read.
    fn against(&self, found: &Found<'_>) -> Option<Result<Option<String>, String>> {
        let role = found.role?;
        if self.if_loadable && role != Role::Loadable {
            return None;
        }
        if let Some(size) = self.size.filter(|size| *size != found.size) {
            return Some(Err(format!("{size} bytes")));
        }
        for claimed in &self.digests {
            if !claimed.holds(found)? {
                return Some(Err(claimed.words()));
            }
        }
        if self.digests.is_empty() {
            return self.size.map(|_| Ok(Some("only the size: corruption check only".to_owned())));
        }
        let strong = self.digests.iter().any(|claimed| claimed.weakness().is_none());
        let weakness = if strong { None } else { self.digests.iter().find_map(Claimed::weakness) };
        Some(Ok(weakness))
    }
}
