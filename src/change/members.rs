//! Members of archives: which were added, removed or changed. Zip archives by what they store, tar archives, also
//! compressed ones, by what comes out of them.

use super::contents::{self, Contents};
use super::v1::MemberV1;
use super::{Known, Side};
use crate::Verifier;
use crate::budget::Budget;
use crate::digest::{Algorithm, Digest};
use crate::inspect::{self, Member};
use crate::source::View;
use crate::through::{Layers, through};
use std::collections::{BTreeMap, HashMap};

/// How the members of two archives differ.
#[derive(Debug, Default)]
pub(super) struct Members {
    pub(super) differences: Vec<MemberV1>,
    /// Members of which that cannot be said, and why.
    pub(super) unknown: Vec<(String, &'static str)>,
}

/// What is known of the content of a member.
#[derive(Debug)]
pub(super) enum Listed {
    /// A member of a zip archive.
    Stored(Member),
    /// A member of a tar archive: its size and SHA-256.
    Unpacked(u64, Option<Digest>),
}

/// The members of an archive by name, in the order of the archive where a name stands there twice. `None` for what is no
/// archive; `Err` says why the members are not known.
pub(super) type Listing = Option<Result<BTreeMap<(String, usize), Listed>, &'static str>>;

/// Lists the members of a file.
pub(super) fn list(verifier: &Verifier, side: &Side, known: &Known) -> Listing {
    let format = known.artifact.format;
    let layers: &[&str] = match format {
        "tar" | "torch-tar" => &["tar"],
        "gzip" | "zlib" | "bzip2" | "xz" | "lzma" | "lz4" | "zstd" => &[format, "tar"],
        _ => &[],
    };
    let zip = known.artifact.size > 0 && layers.is_empty();
    if !zip && layers.is_empty() {
        return None;
    }
    let Some(source) = contents::open(verifier, side, known) else {
        return Some(Err("it could not be read again, or changed meanwhile"));
    };
    let mut listing = BTreeMap::new();
    let mut known_names: HashMap<String, usize> = HashMap::new();
    let mut put = |name: String, listed| {
        let count = known_names.entry(name.clone()).or_default();
        listing.insert((name, *count), listed);
        *count += 1;
    };
    if layers.is_empty() {
        let members = inspect::members(&View::new(&source), verifier.limits())?;
        // torch puts everything into one folder, and calls it as the file was called
        let folder = members.first().and_then(|first| Some(first.name.split_once('/')?.0.to_owned() + "/"));
        let folder =
            folder.filter(|folder| format.starts_with("torch") && members.iter().all(|m| m.name.starts_with(folder)));
        for member in members {
            let name = folder.as_ref().and_then(|folder| member.name.strip_prefix(folder)).unwrap_or(&member.name);
            put(name.to_owned(), Listed::Stored(member));
        }
        return Some(Ok(listing));
    }
    let mut budget = Budget::new(verifier.limits().clone());
    let layers = Layers::parse(layers).ok()?;
    let found = through(&source, layers, &[Algorithm::Sha256], &mut budget, &mut |member| {
        let name = String::from_utf8_lossy(&member.name).into_owned();
        put(name, Listed::Unpacked(member.size, member.digests.get(Algorithm::Sha256)));
        Ok(())
    });
    match found.map(|found| found.inside) {
        Ok(Ok(inside)) if inside.problems.is_empty() => Some(Ok(listing)),
        _ => Some(Err("what is inside cannot be unpacked, or can be in two ways")),
    }
}

/// Compares two archives. `numbers` are those of the files on their sides.
pub(super) fn compare(
    [old, new]: [&BTreeMap<(String, usize), Listed>; 2],
    numbers: [usize; 2],
    read: [&Contents; 2],
) -> Members {
    let mut members = Members::default();
    for (key @ (name, _), listed) in new {
        match old.get(key) {
            None => members.differences.push(MemberV1::of("added", name, None, Some(listed.size()))),
            Some(before) => {
                let [a, b] = [(before, numbers[0], read[0]), (listed, numbers[1], read[1])];
                match before.size() == listed.size() && listed.size() == 0 || same(a, b).unwrap_or(false) {
                    true => {}
                    false if before.size() == listed.size() && same(a, b).is_none() => {
                        members.unknown.push((name.clone(), "it is stored in another way, or was not read"));
                    }
                    false => {
                        let (old, new) = (Some(before.size()), Some(listed.size()));
                        members.differences.push(MemberV1::of("changed", name, old, new));
                    }
                }
            }
        }
    }
    for (key @ (name, _), listed) in old {
        if !new.contains_key(key) {
            members.differences.push(MemberV1::of("removed", name, Some(listed.size()), None));
        }
    }
    members.differences.sort_by(|a, b| a.name.cmp(&b.name));
    members
}

/// Whether two members have the same content; `None` where that is not known.
fn same(a: (&Listed, usize, &Contents), b: (&Listed, usize, &Contents)) -> Option<bool> {
    match (a, b) {
        ((Listed::Unpacked(_, a), ..), (Listed::Unpacked(_, b), ..)) => Some((*a)? == (*b)?),
        ((Listed::Stored(a), m, x), (Listed::Stored(b), n, y)) => {
            if a.method != b.method {
                return None;
            }
            Some(x.of(m, a.place.as_ref()?)? == y.of(n, b.place.as_ref()?)?)
        }
        _ => None,
    }
}

impl Listed {
    /// Where the stored bytes lie, if it is stored.
    pub(super) fn place(&self) -> Option<(u64, u64)> {
        match self {
            Listed::Stored(member) => member.place.as_ref().map(|place| (place.start, place.end)),
            Listed::Unpacked(..) => None,
        }
    }
    pub(super) fn size(&self) -> u64 {
        match self {
            Listed::Stored(member) => member.size,
            Listed::Unpacked(size, _) => *size,
        }
    }
}
