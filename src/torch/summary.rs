//! One line over all versions.

use super::subject::Subject;
use super::version::Version;
use super::{Answer, Loading};

/// The sentence about one subject.
pub(super) fn summary(subject: &mut Subject<'_>) -> String {
    let line = over_versions(subject);
    match subject.profile() {
        Some(profile) if profile.allows() => format!("under {}: {line}", profile.name()),
        Some(profile) => format!("{} itself passes weights_only=False; torch alone: {line}", profile.name()),
        None => line,
    }
}

fn over_versions(subject: &mut Subject<'_>) -> String {
    let mut runs: Vec<(Version, Version, Answer)> = Vec::new();
    let mut next = Some(Version::V1_13);
    while let Some(version) = next {
        let answer = subject.answer(version, "");
        let last = subject.holds_until(version);
        match runs.last_mut() {
            Some((_, end, held)) if held.outcome == answer.outcome && held.reason == answer.reason => *end = last,
            _ => runs.push((version, last, answer)),
        }
        next = last.next();
    }
    let newest = runs.iter().rev().take_while(|(_, _, a)| a.outcome == Loading::Loads).last();
    match (newest, runs.last()) {
        (Some((first, _, _)), _) if *first == Version::V1_13 => {
            "loads with weights_only=True on every torch from 1.13".to_owned()
        }
        (Some((first, _, _)), _) => {
            let before = runs.iter().take_while(|(start, _, _)| start < first).last();
            let why = before.map_or_else(String::new, |(_, _, a)| format!("; on older torch {}", because(a)));
            format!("loads with weights_only=True on torch >= {}{why}", first.minor())
        }
        (None, Some((first, _, answer))) => {
            let loads_somewhere = runs.iter().any(|(_, _, a)| a.outcome == Loading::Loads);
            let range = match runs.iter().rev().find(|(_, _, a)| a.outcome == Loading::Loads) {
                Some((start, end, _)) if start == end => format!("; only torch {} loads it", start.minor()),
                Some((start, end, _)) => format!("; it loads on torch {} to {}", start.minor(), end.minor()),
                None => String::new(),
            };
            let since = if !loads_somewhere { String::new() } else { format!(" from torch {}", first.minor()) };
            let claim = match answer.outcome {
                Loading::Unprovable => "it cannot be said whether weights_only=True loads it",
                _ => "does not load with weights_only=True",
            };
            format!("{claim}{since}: {}{range}", answer.reason)
        }
        (None, None) => String::new(),
    }
}

fn because(answer: &Answer) -> String {
    match answer.outcome {
        Loading::Loads => "it loads too".to_owned(),
        Loading::Blocked => format!("it is refused because of this: {}", answer.reason),
        Loading::Corrupt => format!("it fails: {}", answer.reason),
        Loading::Unprovable => format!("it cannot be said ({})", answer.reason),
    }
}
