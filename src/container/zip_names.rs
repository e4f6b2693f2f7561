//! Names in an archive: those that readers take apart differently, and those that readers take for the same.
//!
//! Threat: two members that one reader tells apart and another does not; names that leave the folder they are unpacked
//! to. Bound: one sort of all names, and maps over those that are not ASCII.

use super::zip::Entry;
use std::cmp::Ordering;
use std::collections::HashMap;

/// What is wrong with one name by itself, if anything. `utf8` is general purpose bit 11.
pub fn defect(name: &[u8], utf8: bool) -> Option<&'static str> {
    if name.is_empty() {
        return Some("it is empty");
    }
    if name.contains(&0) {
        return Some("it holds a NUL, where some readers end it");
    }
    if name.contains(&b'\\') {
        return Some("it holds a backslash, which only some readers take for a separator");
    }
    if name.starts_with(b"/") || matches!(name, [letter, b':', ..] if letter.is_ascii_alphabetic()) {
        return Some("it is an absolute path");
    }
    if name.windows(2).any(|two| two == b"..") && name.split(|b| *b == b'/').any(|part| part == b"..") {
        return Some("it leads out of the folder it is unpacked to");
    }
    if utf8 && std::str::from_utf8(name).is_err() {
        return Some("it is marked as UTF-8 and is not");
    }
    None
}

/// Names in the order of their lower case: where it says equal, torch takes one for the other.
pub fn without_case(a: &[u8], b: &[u8]) -> Ordering {
    let differ = a.iter().zip(b).find(|(a, b)| !a.eq_ignore_ascii_case(b));
    differ.map_or(a.len().cmp(&b.len()), |(a, b)| a.to_ascii_lowercase().cmp(&b.to_ascii_lowercase()))
}

/// Why two members are taken for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twins {
    /// The same name twice.
    Same,
    /// Names that differ in ASCII case only: torch looks records up without case.
    Case,
    /// Names that differ in Unicode normal form only: macOS makes them one file.
    Form,
}

impl Twins {
    /// As in "two members …".
    pub fn why(self) -> &'static str {
        match self {
            Twins::Same => "have the same name",
            Twins::Case => "have names that differ in case only",
            Twins::Form => "have names that differ in Unicode normal form only",
        }
    }
}

/// Pairs of entries, by index, that some reader takes for one: each entry at most once per kind, with the first entry of
/// its name. Case counts only if `fold_case`.
pub fn twins(entries: &[Entry], fold_case: bool) -> Vec<(usize, usize, Twins)> {
    let mut found = Vec::new();
    let compare = if fold_case { without_case } else { |a: &[u8], b: &[u8]| a.cmp(b) };
    // what all names begin with, most often a folder, decides nothing
    let first = entries.first().map(|entry| entry.name.as_slice()).unwrap_or_default();
    let shared = entries.iter().fold(first.len(), |shared, entry| {
        let both = first.iter().zip(&entry.name).take(shared);
        both.take_while(|(a, b)| a == b).count()
    });
    let mut order: Vec<(usize, &[u8])> =
        entries.iter().map(|entry| entry.name.get(shared..).unwrap_or_default()).enumerate().collect();
    order.sort_unstable_by(|(i, a), (j, b)| compare(a, b).then_with(|| a.cmp(b)).then_with(|| i.cmp(j)));
    for group in order.chunk_by(|(_, a), (_, b)| compare(a, b).is_eq()) {
        let Some(first) = group.iter().map(|(i, _)| *i).min().filter(|_| group.len() > 1) else { continue };
        for same in group.chunk_by(|(_, a), (_, b)| a == b) {
            let Some(&(own, _)) = same.first() else { continue };
            found.extend((own != first).then_some((first, own, Twins::Case)));
            found.extend(same.iter().skip(1).map(|(i, _)| (own, *i, Twins::Same)));
        }
    }
    let mut forms: HashMap<String, (usize, bool)> = HashMap::new();
    for (i, entry) in entries.iter().enumerate() {
        if let Some((outline, combining)) = outline(&entry.name) {
            match forms.get(&outline) {
                Some(&(first, other)) if other != combining => found.push((first, i, Twins::Form)),
                Some(_) => {}
                None => drop(forms.insert(outline, (i, combining))),
            }
        }
    }
    found.sort_by_key(|(_, i, _)| *i);
    found
}

/// The name with every letter that may have a second normal form replaced by one mark, and whether it is written with
/// combining characters; `None` for ASCII names. Composed and decomposed spellings of a name have the same outline, and
/// only one of them combines. No Unicode tables are needed for that; the price is that other letters look alike too,
/// which matters only when one name combines and the other does not.
fn outline(name: &[u8]) -> Option<(String, bool)> {
    if name.is_ascii() {
        return None;
    }
    let text = std::str::from_utf8(name).ok()?;
    let mut out = String::new();
    let mut combines = false;
    for c in text.chars() {
        if is_combining(c) {
            combines = true;
            if out.pop().is_some() {
                out.push('\u{fffd}');
            }
        } else if c.is_ascii() {
            out.push(c);
        } else {
            out.push('\u{fffd}');
        }
    }
    Some((out, combines))
}

fn is_combining(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{1160}'..='\u{11ff}' | '\u{3099}' | '\u{309a}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str) -> Entry {
        Entry { name: name.as_bytes().to_vec(), ..Entry::default() }
    }

    #[test]
    fn names_that_readers_take_apart_differently() {
        for bad in ["", "/etc/passwd", "C:x", "a/../b", "..", "a\\b", "a\0b"] {
            assert!(defect(bad.as_bytes(), false).is_some(), "{bad:?}");
        }
        for good in ["archive/data.pkl", "a..b/c", "...", "données/é", "a b"] {
            assert_eq!(defect(good.as_bytes(), true), None, "{good:?}");
        }
        assert!(defect(b"\xff", true).is_some());
        assert_eq!(defect(b"\xff", false), None);
    }

    #[test]
    fn twins_are_found_by_name_case_and_form() {
        let entries: Vec<Entry> = ["a", "b", "a", "A", "\u{e9}", "e\u{301}", "\u{e8}x"].map(entry).into();
        assert_eq!(twins(&entries, true), [(0, 2, Twins::Same), (0, 3, Twins::Case), (4, 5, Twins::Form)]);
        assert_eq!(twins(&entries, false), [(0, 2, Twins::Same), (4, 5, Twins::Form)]);
    }

    #[test]
    fn names_that_all_combine_or_never_do_are_no_twins() {
        let entries: Vec<Entry> = ["e\u{301}", "e\u{300}", "\u{5de6}", "\u{53f3}"].map(entry).into();
        assert_eq!(twins(&entries[..2], true), []);
        assert_eq!(twins(&entries[2..], true), []);
    }
}
