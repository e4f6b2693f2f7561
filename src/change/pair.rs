//! Which file of one side is which of the other, and how the two differ.

use super::members::Members;
use super::v1::{AnswerV1, CodeV1, ContentV1, FieldV1, FileV1, FoundV1, GlobalV1, MemberV1, NotComparedV1, TemplateV1};
use super::{Known, Side, fields};
use crate::Verifier;
use crate::digest::Digest;
use crate::finding::Finding;
use crate::format::Role;
use crate::report::json_v1::FindingV1;
use crate::torch::Answer;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A file on both sides, or on one: numbers of [`Side::files`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) old: Option<usize>,
    pub(super) new: Option<usize>,
    /// Both have the same content.
    pub(super) same: bool,
    /// The names differ.
    pub(super) renamed: bool,
}

/// Pairs files: by path, then by content. Two files that were named are a pair. Sorted by path, that of the new side first.
pub(super) fn pairs(old: &Side, new: &Side) -> Vec<Pair> {
    let mut pairs: Vec<Pair> = Vec::new();
    let same = |a: &Known, b: &Known| a.sha256().is_some() && a.sha256() == b.sha256();
    let by_path: HashMap<_, _> = old.files.iter().enumerate().map(|(n, known)| (&known.below, n)).collect();
    let mut free: BTreeSet<usize> = (0..old.files.len()).collect();
    let mut added = Vec::new();
    for (n, known) in new.files.iter().enumerate() {
        let found = if old.single { Some(0) } else { by_path.get(&known.below).copied() };
        match found.and_then(|m| Some((m, old.files.get(m)?))) {
            Some((m, before)) => {
                free.remove(&m);
                // two files that were named are compared, whatever their names
                let renamed = !old.single && before.below != known.below;
                pairs.push(Pair { old: Some(m), new: Some(n), same: same(before, known), renamed });
            }
            None => added.push((n, known)),
        }
    }
    // the same content under another name; nothing is the content of empty files
    let mut contents: HashMap<Digest, Vec<usize>> = HashMap::new();
    for m in free.iter().rev() {
        let known = old.files.get(*m).filter(|known| known.artifact.size > 0);
        if let Some(sha256) = known.and_then(Known::sha256) {
            contents.entry(sha256).or_default().push(*m);
        }
    }
    for (n, known) in added {
        let before = known.sha256().and_then(|sha256| contents.get_mut(&sha256)?.pop());
        if let Some(m) = before {
            free.remove(&m);
        }
        pairs.push(Pair { old: before, new: Some(n), same: before.is_some(), renamed: before.is_some() });
    }
    pairs.extend(free.into_iter().map(|m| Pair { old: Some(m), new: None, same: false, renamed: false }));
    pairs.sort_by_key(|pair| {
        let path = |side: &'_ Side, n: Option<usize>| side.files.get(n?).map(|known| known.below.clone());
        (path(new, pair.new).or_else(|| path(old, pair.old)), pair.new.is_none())
    });
    pairs
}

/// Every pair that differs in something.
pub(super) fn files(
    old: &Side,
    new: &Side,
    pairs: &[Pair],
    verifier: &Verifier,
    members: &HashMap<usize, Members>,
    not_compared: &mut Vec<NotComparedV1>,
) -> Vec<FileV1> {
    let mut files = Vec::new();
    for (number, pair) in pairs.iter().enumerate() {
        let before = pair.old.and_then(|m| old.files.get(m));
        let after = pair.new.and_then(|n| new.files.get(n));
        let Some(known) = after.or(before) else { continue };
        let change = match (before, after) {
            (None, _) => "added",
            (_, None) => "removed",
            (Some(a), Some(b)) if a.sha256().is_none() && b.sha256().is_none() => continue,
            _ if pair.same && pair.renamed => "renamed",
            _ if pair.same => "judged",
            _ => "changed",
        };
        let members = members.get(&number);
        let mut file = FileV1::of(change, &known.below);
        let from = before.filter(|before| before.below != known.below);
        file.from = from.map(|before| before.below.to_string_lossy().into_owned());
        (file.old, file.new) = (before.map(ContentV1::of), after.map(ContentV1::of));
        if !pair.same {
            file.members = members.map(|members| members.differences.clone()).unwrap_or_default();
            capabilities(&mut file, before, after);
            file.fields = fields(old, before, new, after, verifier, not_compared);
        }
        findings(&mut file, before, after);
        file.weights_only = answers(before, after);
        if change != "judged" || !(file.findings.is_empty() && file.weights_only.is_empty()) {
            files.push(file);
        }
    }
    files
}

/// What loading the file could do before, and can now.
fn capabilities(file: &mut FileV1, before: Option<&Known>, after: Option<&Known>) {
    let empty = Default::default();
    let of = |known: Option<&'_ Known>| known.map_or(&empty, |known| &known.artifact.capabilities).clone();
    let (before, after) = (of(before), of(after));
    for (global, standing) in &after.globals {
        if before.globals.get(global) != Some(standing) {
            file.globals.push(GlobalV1 { change: "new", global: global.clone(), standing: standing.name() });
        }
    }
    for (global, standing) in before.globals.iter().filter(|(global, _)| !after.globals.contains_key(*global)) {
        file.globals.push(GlobalV1 { change: "gone", global: global.clone(), standing: standing.name() });
    }
    // one place may hold several, as members of one name do
    let mut places: BTreeMap<&str, [Vec<&str>; 2]> = BTreeMap::new();
    for (at, templates) in [&before.templates, &after.templates].into_iter().enumerate() {
        for (place, sha256) in templates {
            if let Some(side) = places.entry(place).or_default().get_mut(at) {
                side.push(sha256);
            }
        }
    }
    for (place, [old, new]) in places.into_iter().filter(|(_, [old, new])| old != new) {
        let change = if old.is_empty() {
            "added"
        } else if new.is_empty() {
            "removed"
        } else {
            "changed"
        };
        let all = |side: Vec<&str>| (!side.is_empty()).then(|| side.join(" "));
        file.templates.push(TemplateV1 { change, place: place.to_owned(), old: all(old), new: all(new) });
    }
    for (change, these, those) in [("new", &after.code, &before.code), ("gone", &before.code, &after.code)] {
        file.code.extend(these.difference(those).map(|code| CodeV1 { change, reference: code.clone() }));
    }
}

/// JSON fields that differ, but for templates, which are named as such.
fn fields(
    old: &Side,
    before: Option<&Known>,
    new: &Side,
    after: Option<&Known>,
    verifier: &Verifier,
    not_compared: &mut Vec<NotComparedV1>,
) -> Vec<FieldV1> {
    let (Some(before), Some(after)) = (before, after) else { return Vec::new() };
    if !fields::has(before.artifact.format) || !fields::has(after.artifact.format) {
        return Vec::new();
    }
    match (fields::read(verifier, old, before), fields::read(verifier, new, after)) {
        (Ok(a), Ok(b)) => fields::differences(&a, &b, |pointer| {
            let template = |known: &Known| known.artifact.capabilities.templates.iter().any(|(at, _)| at == pointer);
            template(before) || template(after)
        }),
        (a, b) => {
            let why = a.err().or(b.err()).unwrap_or_default();
            not_compared.push(NotComparedV1::of("both", &after.below, "the fields", 1, why.to_owned()));
            Vec::new()
        }
    }
}

/// Findings that are new, and those that are gone. A finding is the same if rule, member and global are.
fn findings(file: &mut FileV1, before: Option<&Known>, after: Option<&Known>) {
    type Key<'a> = (&'static str, Option<&'a str>, Option<&'a str>);
    fn key(finding: &Finding) -> Key<'_> {
        (finding.rule.id, finding.member.as_deref(), finding.global.as_deref())
    }
    let all = |known: Option<&'_ Known>| known.map(|known| known.artifact.findings.clone()).unwrap_or_default();
    let (before, after) = (all(before), all(after));
    for (change, these, those) in [("new", &after, &before), ("gone", &before, &after)] {
        let mut there: HashMap<Key<'_>, usize> = HashMap::new();
        those.iter().for_each(|finding| *there.entry(key(finding)).or_default() += 1);
        for finding in these {
            match there.get_mut(&key(finding)).filter(|count| **count > 0) {
                Some(count) => *count -= 1,
                None => file.findings.push(FoundV1 { change, finding: FindingV1::from(finding) }),
            }
        }
    }
}

/// What torch's answers were and are, where that differs and loaders load the file.
fn answers(before: Option<&Known>, after: Option<&Known>) -> Vec<AnswerV1> {
    let all = |known: Option<&'_ Known>| -> Vec<Answer> {
        let loadable = known.filter(|known| known.artifact.role == Role::Loadable);
        loadable.map(|known| known.artifact.weights_only.clone()).unwrap_or_default()
    };
    let (before, after) = (all(before), all(after));
    let mut answers = Vec::new();
    for answer in &after {
        let old = before.iter().find(|old| old.torch == answer.torch && old.profile == answer.profile);
        if old.is_none_or(|old| (old.outcome, &old.global) != (answer.outcome, &answer.global)) {
            answers.push(AnswerV1 {
                torch: answer.torch.clone(),
                old: old.map(|old| old.outcome.name()),
                new: Some(answer.outcome.name()),
                reason: answer.reason.clone(),
            });
        }
    }
    answers
}

impl MemberV1 {
    /// A difference between members of archives.
    pub(super) fn of(change: &'static str, name: &str, old: Option<u64>, new: Option<u64>) -> MemberV1 {
        MemberV1 { change, name: name.to_owned(), old, new }
    }
}
