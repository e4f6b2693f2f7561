//! `[limits]` of a policy: bounds with the names of [`Limits`].

use crate::budget::{Limits, size};
use serde::{Deserialize, Deserializer, de};
use std::fmt;

/// `[limits]`: numbers, or texts with K, M, G, T.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the names and meanings of `Limits`")]
pub struct LimitKeys {
    pub max_file_bytes: Option<Size>,
    pub max_entries: Option<Size>,
    pub max_depth: Option<u32>,
    pub max_header_bytes: Option<Size>,
    pub max_decompressed_bytes: Option<Size>,
    pub max_ratio: Option<Size>,
    pub max_ops: Option<Size>,
    /// Seconds; only the command line has a clock.
    pub timeout: Option<u64>,
}

/// A number that may be written with a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl LimitKeys {
    /// Takes those of another policy that are stricter, and names the others.
    pub(super) fn tighten(&mut self, other: &LimitKeys) -> Vec<&'static str> {
        let d = Limits::default();
        let (mine, theirs) = (self, other);
        let mut ignored = Vec::new();
        for (name, mine, theirs, default) in [
            ("max_file_bytes", &mut mine.max_file_bytes, theirs.max_file_bytes, d.max_file_bytes),
            ("max_entries", &mut mine.max_entries, theirs.max_entries, d.max_entries),
            ("max_header_bytes", &mut mine.max_header_bytes, theirs.max_header_bytes, d.max_header_bytes),
            (
                "max_decompressed_bytes",
                &mut mine.max_decompressed_bytes,
                theirs.max_decompressed_bytes,
                d.max_decompressed_bytes,
            ),
            ("max_ratio", &mut mine.max_ratio, theirs.max_ratio, d.max_ratio),
            ("max_ops", &mut mine.max_ops, theirs.max_ops, d.max_ops),
        ] {
            match theirs {
                Some(theirs) if theirs < mine.unwrap_or(Size(default)) => *mine = Some(theirs),
                Some(_) => ignored.push(name),
                None => {}
            }
        }
        match theirs.max_depth {
            Some(theirs) if theirs < mine.max_depth.unwrap_or(d.max_depth) => mine.max_depth = Some(theirs),
            Some(_) => ignored.push("max_depth"),
            None => {}
        }
        match (mine.timeout, theirs.timeout) {
            (None, Some(theirs)) => mine.timeout = Some(theirs),
            (Some(now), Some(theirs)) => mine.timeout = Some(now.min(theirs)),
            _ => {}
        }
        ignored
    }
    /// The limits with the ones given here put in.
    pub fn over(&self, limits: &Limits) -> Limits {
        let size = |given: Option<Size>, before: u64| given.map_or(before, |size| size.0);
        Limits {
            max_file_bytes: size(self.max_file_bytes, limits.max_file_bytes),
            max_entries: size(self.max_entries, limits.max_entries),
            max_depth: self.max_depth.unwrap_or(limits.max_depth),
            max_header_bytes: size(self.max_header_bytes, limits.max_header_bytes),
            max_decompressed_bytes: size(self.max_decompressed_bytes, limits.max_decompressed_bytes),
            max_ratio: size(self.max_ratio, limits.max_ratio),
            max_ops: size(self.max_ops, limits.max_ops),
        }
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Size;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or a text like \"16G\"")
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Size, E> {
                u64::try_from(value).map(Size).map_err(|_| E::custom("expected a number that is not negative"))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Size, E> {
                Ok(Size(value))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Size, E> {
                size(value).map(Size).ok_or_else(|| E::custom("expected a number, with K, M, G or T"))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
