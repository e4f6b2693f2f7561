//! Who vouches for the files, and what: signatures, locks and lists.
//!
//! What merely follows from where a model lies, as in git's index or in a cache, is left out: a copy is not a change.

use super::pair::Pair;
use super::v1::VouchV1;
use super::{Known, Side};
use crate::report::{Integrity, Status, Trust};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

/// Somebody's word: the source, its trust, the signer, and what it comes to.
type Word<'a> = (&'a str, &'static str, Option<&'a str>, &'static str);

/// Words that are gone, and new ones, with the files that they are about.
pub(super) fn compare(old: &Side, new: &Side, pairs: &[Pair]) -> Vec<VouchV1> {
    let renamed: BTreeMap<&Path, &Path> = pairs
        .iter()
        .filter_map(|pair| Some((old.files.get(pair.old?)?, new.files.get(pair.new?)?)))
        .map(|(before, after)| (before.below.as_path(), after.below.as_path()))
        .collect();
    let before = words(old, |path| renamed.get(path).copied().unwrap_or(path));
    let after = words(new, |path| path);
    let (was_there, is_there): (HashSet<&Path>, HashSet<&Path>) = (
        old.files
            .iter()
            .map(|known| known.below.as_path())
            .map(|path| renamed.get(path).copied().unwrap_or(path))
            .collect(),
        new.files.iter().map(|known| known.below.as_path()).collect(),
    );
    let none = BTreeSet::new();
    let mut vouching = Vec::new();
    for word in before.keys().chain(after.keys()).copied().collect::<BTreeSet<_>>() {
        let (was, is) = (before.get(&word).unwrap_or(&none), after.get(&word).unwrap_or(&none));
        // a file that is gone takes with it what was said about it, and one that is new brings it
        let lost = was.difference(is).filter(|path| is.is_empty() || is_there.contains(*path));
        let won = is.difference(was).filter(|path| was.is_empty() || was_there.contains(*path));
        let tell = |change, files: Vec<String>| {
            let (source, trust, signer, status) = word;
            let signer = signer.map(str::to_owned);
            VouchV1 { change, source: source.to_owned(), trust, signer, status, files }
        };
        let list = |paths: Vec<&Path>| paths.iter().map(|path| path.to_string_lossy().into_owned()).collect();
        let lost: Vec<String> = list(lost.copied().collect());
        let won: Vec<String> = list(won.copied().collect());
        vouching.extend((!lost.is_empty()).then(|| tell("gone", lost)));
        vouching.extend((!won.is_empty()).then(|| tell("new", won)));
    }
    vouching
}

fn words<'a>(side: &'a Side, path: impl Fn(&'a Path) -> &'a Path) -> BTreeMap<Word<'a>, BTreeSet<&'a Path>> {
    let names: HashSet<_> = side.files.iter().filter_map(|known| known.below.file_name()?.to_str()).collect();
    let counts = |one: &Integrity| {
        let own = one.signer.is_some() || one.trust > Trust::SelfAsserted || names.contains(one.source.as_str());
        own && one.status != Status::NotCovered
    };
    let mut words: BTreeMap<Word<'a>, BTreeSet<&'a Path>> = BTreeMap::new();
    for Known { below, artifact, .. } in &side.files {
        for one in artifact.integrity.iter().filter(|one| counts(one)) {
            let word = (one.source.as_str(), one.trust.name(), one.signer.as_deref(), one.status.name());
            words.entry(word).or_default().insert(path(below));
        }
    }
    words
}
