//! Tensors that were added, removed, renamed, moved to another file, reshaped, retyped or altered.
//! Which is which tells [`Matching`]; here the parts of files are read that it asks about.

use super::Side;
use super::contents::{self, Contents};
use super::matching::{Matching, Tensor};
use super::members::{self, Members};
use super::pair::Pair;
use super::v1::{NotComparedV1, TensorV1};
use crate::Verifier;
use crate::digest::Watch;
use crate::inspect::has_tensors;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What reading the parts of files gave.
#[derive(Debug, Default)]
pub(super) struct Moved {
    pub(super) tensors: Vec<TensorV1>,
    /// How the members of archives differ, by the number of the pair.
    pub(super) members: HashMap<usize, Members>,
}

/// Reads and compares what is in the files that differ. True if the run was stopped.
pub(super) fn compare(
    old: &Side,
    new: &Side,
    pairs: &[Pair],
    verifier: &Verifier,
    watch: &dyn Watch,
    not_compared: &mut Vec<NotComparedV1>,
) -> (Moved, bool) {
    let differ: Vec<(usize, Pair)> = pairs.iter().copied().enumerate().filter(|(_, pair)| !pair.same).collect();
    let before = tensors(old, differ.iter().filter_map(|(_, pair)| pair.old));
    let after = tensors(new, differ.iter().filter_map(|(_, pair)| pair.new));
    let mut wanted: [BTreeMap<usize, BTreeSet<(u64, u64)>>; 2] = Default::default();
    if !before.is_empty() && !after.is_empty() {
        for (wanted, tensors) in wanted.iter_mut().zip([&before, &after]) {
            for Tensor { file, info } in tensors {
                wanted.entry(*file).or_default().extend(info.place().map(|place| (place.start, place.end)));
            }
        }
    }
    let mut listings = Vec::new();
    for (number, pair) in &differ {
        let (Some(m), Some(n)) = (pair.old, pair.new) else { continue };
        let (Some(a), Some(b)) = (old.files.get(m), new.files.get(n)) else { continue };
        for (side, known) in [("old", a), ("new", b)] {
            if has_tensors(known.artifact.format) && known.artifact.tensors.is_none() {
                let why = "they cannot be told without loading the file".to_owned();
                not_compared.push(NotComparedV1::of(side, &known.below, "the tensors", 1, why));
            }
        }
        match (members::list(verifier, old, a), members::list(verifier, new, b)) {
            (Some(Ok(x)), Some(Ok(y))) => {
                for (wanted, (file, listing)) in wanted.iter_mut().zip([(m, &x), (n, &y)]) {
                    wanted.entry(file).or_default().extend(listing.values().filter_map(members::Listed::place));
                }
                listings.push((*number, [m, n], [x, y]));
            }
            (x, y) => {
                // what became an archive, or is none any more, differs as a whole
                if let Some(why) = [x, y].into_iter().flatten().find_map(Result::err) {
                    not_compared.push(NotComparedV1::of("both", &b.below, "the members", 1, why.to_owned()));
                }
            }
        }
    }
    let [of_old, of_new] = wanted.map(|wanted| wanted.into_iter().collect::<Vec<_>>());
    let (old_contents, stopped) = contents::read(verifier, old, &of_old, watch);
    let (new_contents, stopped) = match stopped {
        true => (Contents::default(), true),
        false => contents::read(verifier, new, &of_new, watch),
    };
    let contents = [&old_contents, &new_contents];
    let mut moved = Moved::default();
    for (number, files, [x, y]) in &listings {
        let members = members::compare([x, y], *files, contents);
        if let (Some(first), Some(known)) = (members.unknown.first(), new.files.get(files[1])) {
            let what = format!("the member {}", first.0);
            let count = members.unknown.len();
            not_compared.push(NotComparedV1::of("both", &known.below, &what, count, first.1.to_owned()));
        }
        moved.members.insert(*number, members);
    }
    let now = differ.iter().filter_map(|(_, pair)| Some((pair.old?, pair.new?))).collect();
    let matched = Matching { old, new, contents, now }.run(&before, &after, not_compared);
    moved.tensors = matched;
    (moved, stopped)
}

fn tensors(side: &Side, files: impl Iterator<Item = usize>) -> Vec<Tensor<'_>> {
    let known = files.filter_map(|file| Some((file, side.files.get(file)?.artifact.tensors.as_ref()?)));
    known.flat_map(|(file, tensors)| tensors.iter().map(move |info| Tensor { file, info })).collect()
}
