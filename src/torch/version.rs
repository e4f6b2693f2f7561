//! The torch versions whose rules are known, how an asked version resolves to one of them, and for which run of
//! versions an answer holds.

use crate::profile::Profile;

/// A known torch version. Ordered as released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u8);

/// The known versions, oldest first: the last patch release of every minor version that was observed.
const KNOWN: [((u32, u32), &str); 17] = [
    ((1, 13), "1.13.1"),
    ((2, 0), "2.0.1"),
    ((2, 1), "2.1.2"),
    ((2, 2), "2.2.2"),
    ((2, 3), "2.3.1"),
    ((2, 4), "2.4.1"),
    ((2, 5), "2.5.1"),
    ((2, 6), "2.6.0"),
    ((2, 7), "2.7.1"),
    ((2, 8), "2.8.0"),
    ((2, 9), "2.9.1"),
    ((2, 10), "2.10.0"),
    ((2, 11), "2.11.0"),
    ((2, 12), "2.12.1"),
    ((2, 13), "2.13.0"),
    ((2, 14), "2.14.1"),
    ((2, 15), "2.15.0"),
];

impl Version {
    /// torch 1.13.
    pub const V1_13: Version = Version(0);
    /// torch 2.0.
    pub const V2_0: Version = Version(1);
    /// torch 2.1.
    pub const V2_1: Version = Version(2);
    /// torch 2.2.
    pub const V2_2: Version = Version(3);
    /// torch 2.4.
    pub const V2_4: Version = Version(5);
    /// torch 2.5.
    pub const V2_5: Version = Version(6);
    /// torch 2.6.
    pub const V2_6: Version = Version(7);
    /// torch 2.7.
    pub const V2_7: Version = Version(8);
    /// torch 2.8.
    pub const V2_8: Version = Version(9);
    /// torch 2.10.
    pub const V2_10: Version = Version(11);
    /// torch 2.13.
    pub const V2_13: Version = Version(14);
    /// torch 2.14.
    pub const V2_14: Version = Version(15);
    /// torch 2.15.
    pub const V2_15: Version = Version(16);
    /// The newest known version.
    pub const NEWEST: Version = Version::V2_15;

    /// The known version that behaves like the one asked for: the one with the same major and minor number, whatever
    /// patch, pre-release or build follows (`2.15`, `1.13.0a0`, `2.5.0+cpu`). `None` for any other text: the rules of a
    /// minor version that was never observed are not known.
    pub fn resolve(asked: &str) -> Option<Version> {
        let (major, rest) = number(asked.trim().strip_prefix('v').unwrap_or(asked.trim()))?;
        let (minor, rest) = number(rest.strip_prefix('.')?)?;
        let patch = match rest.strip_prefix('.') {
            Some(rest) => number(rest).map(|(_, rest)| rest).or_else(|| rest.starts_with("dev").then_some(rest))?,
            None => rest,
        };
        let tail_is_sane = patch.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-' | b'_'))
            && !patch.starts_with(|c: char| c.is_ascii_digit());
        let at = KNOWN.iter().position(|(v, _)| *v == (major, minor))?;
        tail_is_sane.then_some(Version(u8::try_from(at).ok()?))
    }

    /// Every known version, oldest first.
    pub fn all() -> impl Iterator<Item = Version> {
        (0u8..).take(KNOWN.len()).map(Version)
    }

    /// The full number, as in `2.15.0`.
    pub fn name(self) -> &'static str {
        KNOWN.get(usize::from(self.0)).map_or("", |(_, name)| name)
    }

    /// Major and minor number, as in `2.15`.
    pub fn minor(self) -> String {
        KNOWN.get(usize::from(self.0)).map_or_else(String::new, |((major, minor), _)| format!("{major}.{minor}"))
    }

    /// The known version after this one.
    pub fn next(self) -> Option<Version> {
        let at = self.0.checked_add(1)?;
        (usize::from(at) < KNOWN.len()).then_some(Version(at))
    }

    fn before(self) -> Version {
        Version(self.0.saturating_sub(1))
    }
}

/// A leading decimal number and what follows it.
fn number(text: &str) -> Option<(u32, &str)> {
    let digits = text.len().checked_sub(text.trim_start_matches(|c: char| c.is_ascii_digit()).len())?;
    let (number, rest) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, rest))
}

/// The version a file is judged for, and the run of versions for which the judgement holds so far: every rule that
/// asks about the version narrows it. One reading of a file thus answers for all versions it could not tell apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Era {
    now: Version,
    first: Version,
    last: Version,
    profile: Option<Profile>,
}

impl Era {
    pub fn new(now: Version) -> Self {
        Era { now, first: Version::V1_13, last: Version::NEWEST, profile: None }
    }

    /// The same, while this framework loads the file.
    pub fn under(self, profile: Option<Profile>) -> Self {
        Era { profile, ..self }
    }

    /// The framework that loads the file.
    pub fn profile(&self) -> Option<Profile> {
        self.profile
    }

    /// True from `version` on.
    pub fn since(&mut self, version: Version) -> bool {
        if self.now >= version {
            self.first = self.first.max(version);
        } else {
            self.last = self.last.min(version.before());
        }
        self.now >= version
    }

    /// True from `first` to `last`.
    pub fn within(&mut self, first: Version, last: Version) -> bool {
        self.since(first) && last.next().is_none_or(|after| !self.since(after))
    }

    /// True if everything asked so far has the same answer for `version`.
    pub fn holds(&self, version: Version) -> bool {
        self.first <= version && version <= self.last
    }

    /// The last version for which everything asked so far has the same answer.
    pub fn last(&self) -> Version {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_resolve_by_minor() {
        for (asked, name) in [
            ("2.15", "2.15.0"),
            ("2.15.0", "2.15.0"),
            ("1.13.0a0", "1.13.1"),
            ("2.5.0+cu118", "2.5.1"),
            ("2.6.0rc1", "2.6.0"),
            ("v2.1", "2.1.2"),
            ("2.9.0.dev20250101", "2.9.1"),
        ] {
            assert_eq!(Version::resolve(asked).map(Version::name), Some(name), "{asked}");
        }
        for asked in ["", "2", "2.", "2.16", "1.12.1", "3.0", "latest", "2.x", "2.6 .0", "99999999999.1"] {
            assert_eq!(Version::resolve(asked), None, "{asked}");
        }
    }

    #[test]
    fn an_era_narrows_to_what_was_asked() {
        let mut era = Era::new(Version::V2_6);
        assert!(era.since(Version::V2_4) && !era.since(Version::V2_10));
        assert_eq!((era.first, era.last.name()), (Version::V2_4, "2.9.1"));
        assert!(!era.within(Version::V2_14, Version::V2_14));
        assert!(era.within(Version::V1_13, Version::V2_7));
        assert_eq!(era.last.name(), "2.7.1");
    }
}
