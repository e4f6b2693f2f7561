//! Which tensor of one model is which of the other, and how the two differ.
//!
//! A tensor is the one of the same name in the same file, else the only one of that name that is left, else one with the
//! same type, shape and bytes. Two have the same bytes if their places in the files have the same digest and their elements
//! lie there in the same order; where a place is not known (a compressed record, a quantized or sparse tensor) that cannot
//! be said, and is not passed over.

use super::contents::Contents;
use super::v1::{NotComparedV1, ShapeV1, TensorV1};
use super::{Known, Side};
use crate::format::tensor::TensorInfo;
use crate::inspect::same_dtype;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A tensor and the number of its file.
#[derive(Clone, Copy)]
pub(super) struct Tensor<'a> {
    pub(super) file: usize,
    pub(super) info: &'a TensorInfo,
}

/// What matching needs to know.
pub(super) struct Matching<'a> {
    pub(super) old: &'a Side,
    pub(super) new: &'a Side,
    /// What the parts of both sides hold.
    pub(super) contents: [&'a Contents; 2],
    /// The number of a file on the new side by that on the old one.
    pub(super) now: HashMap<usize, usize>,
}

impl Matching<'_> {
    /// Matches the tensors of both sides, and tells those that differ.
    pub(super) fn run<'t>(
        &self,
        old: &'t [Tensor<'t>],
        new: &'t [Tensor<'t>],
        not_compared: &mut Vec<NotComparedV1>,
    ) -> Vec<TensorV1> {
        let mut matches: Vec<Option<usize>> = vec![None; new.len()];
        let mut free: BTreeSet<usize> = (0..old.len()).collect();
        let same_place = |tensor: &'t Tensor<'t>| Some((*self.now.get(&tensor.file)?, tensor.info.name.as_str()));
        assign(&mut matches, &mut free, old, new, same_place, |t| Some((t.file, t.info.name.as_str())), false);
        assign(&mut matches, &mut free, old, new, |t| Some(&t.info.name), |t| Some(&t.info.name), true);
        let content = |side: usize| {
            move |tensor: &Tensor<'_>| {
                let place = tensor.info.place().filter(|place| !place.is_empty())?;
                let strides = tensor.info.strides.clone()?;
                let digest = self.contents.get(side)?.of(tensor.file, &place)?;
                Some((tensor.info.dtype, tensor.info.shape.clone(), strides, digest))
            }
        };
        assign(&mut matches, &mut free, old, new, content(0), content(1), false);

        let mut tensors = Vec::new();
        let mut unknown: BTreeMap<(usize, &'static str), Vec<&str>> = BTreeMap::new();
        for (after, before) in new.iter().zip(&matches) {
            let Some(before) = before.and_then(|before| old.get(before)) else {
                tensors.push(self.told(vec!["added"], None, Some(after)));
                continue;
            };
            let (changes, why) = self.changes(before, after);
            if let Some(why) = why {
                unknown.entry((after.file, why)).or_default().push(&after.info.name);
            }
            if !changes.is_empty() {
                tensors.push(self.told(changes, Some(before), Some(after)));
            }
        }
        let gone = free.into_iter().filter_map(|before| old.get(before));
        tensors.extend(gone.map(|before| self.told(vec!["removed"], Some(before), None)));
        tensors.sort_by(|a, b| (&a.name, &a.file).cmp(&(&b.name, &b.file)));
        for ((file, why), names) in unknown {
            if let (Some(known), Some(first)) = (self.new.files.get(file), names.first()) {
                let what = format!("the tensor {first}");
                not_compared.push(NotComparedV1::of("both", &known.below, &what, names.len(), why.to_owned()));
            }
        }
        tensors
    }

    /// How two tensors differ, and why that cannot be said of their bytes.
    fn changes(&self, old: &Tensor<'_>, new: &Tensor<'_>) -> (Vec<&'static str>, Option<&'static str>) {
        let (a, b) = (old.info, new.info);
        let mut changes = Vec::new();
        let (from, to) = (self.old.files.get(old.file), self.new.files.get(new.file));
        let paired = self.now.get(&old.file) == Some(&new.file);
        if !paired && from.map(|known| &known.below) != to.map(|known| &known.below) {
            changes.push("moved");
        }
        if a.name != b.name {
            changes.push("renamed");
        }
        let shaped = changes.len();
        if a.shape != b.shape {
            changes.push("reshaped");
        }
        if !same_dtype(a.dtype, b.dtype) {
            changes.push("retyped");
        }
        if changes.len() > shaped || a.shape.contains(&0) {
            return (changes, None);
        }
        let digest = |side: usize, tensor: &Tensor<'_>| self.contents.get(side)?.of(tensor.file, &tensor.info.place()?);
        match (digest(0, old), digest(1, new), &a.strides, &b.strides) {
            (Some(x), Some(y), Some(p), Some(q)) if p == q => changes.extend((x != y).then_some("altered")),
            (Some(_), Some(_), Some(_), Some(_)) => return (changes, Some("its elements lie in another order now")),
            (_, _, None, _) | (_, _, _, None) => {
                return (changes, Some("its type and bytes do not tell all of its values, as of quantized tensors"));
            }
            _ => {
                return (
                    changes,
                    Some("where its bytes lie is not known, as in a deflated record, or they were not read"),
                );
            }
        }
        (changes, None)
    }

    fn told(&self, changes: Vec<&'static str>, old: Option<&Tensor<'_>>, new: Option<&Tensor<'_>>) -> TensorV1 {
        let path = |side: &Side, tensor: Option<&Tensor<'_>>| {
            let known: &Known = side.files.get(tensor?.file)?;
            Some(known.below.to_string_lossy().into_owned())
        };
        let (from, to) = (path(self.old, old), path(self.new, new));
        let named = new.or(old).map(|tensor| tensor.info.name.clone()).unwrap_or_default();
        TensorV1 {
            from: old.filter(|_| new.is_some()).map(|old| old.info.name.clone()).filter(|name| *name != named),
            name: named,
            from_file: from.clone().filter(|from| to.as_ref().is_some_and(|to| to != from)),
            file: to.or(from).unwrap_or_default(),
            old: old.map(|tensor| ShapeV1::of(tensor.info)),
            new: new.map(|tensor| ShapeV1::of(tensor.info)),
            changes,
        }
    }
}

/// Matches what is left by a key of either side, in order. With `only` a key counts only where it is there once.
fn assign<'t, K: std::hash::Hash + Eq>(
    matches: &mut [Option<usize>],
    free: &mut BTreeSet<usize>,
    old: &'t [Tensor<'t>],
    new: &'t [Tensor<'t>],
    old_key: impl Fn(&'t Tensor<'t>) -> Option<K>,
    new_key: impl Fn(&'t Tensor<'t>) -> Option<K>,
    only: bool,
) {
    let mut by_key: HashMap<K, (Vec<usize>, usize)> = HashMap::new();
    for index in free.iter().rev() {
        if let Some(key) = old.get(*index).and_then(&old_key) {
            by_key.entry(key).or_default().0.push(*index);
        }
    }
    let open = |matches: &[Option<usize>]| -> Vec<usize> {
        matches.iter().enumerate().filter(|(_, found)| found.is_none()).map(|(index, _)| index).collect()
    };
    for index in open(matches) {
        if let Some(entry) = new.get(index).and_then(&new_key).and_then(|key| by_key.get_mut(&key)) {
            entry.1 += 1;
        }
    }
    for index in open(matches) {
        let Some(entry) = new.get(index).and_then(&new_key).and_then(|key| by_key.get_mut(&key)) else { continue };
        if only && (entry.0.len(), entry.1) != (1, 1) {
            continue;
        }
        if let Some(found) = entry.0.pop() {
            free.remove(&found);
            if let Some(slot) = matches.get_mut(index) {
                *slot = Some(found);
            }
        }
    }
}
