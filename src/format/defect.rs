//! What a format's parser answers when a file is not well formed.

use super::unreadable;
use crate::budget::Spent;
use crate::rule::Rule;
use crate::scan::Scan;
use std::io;

/// Defects noted per file and rule; more would only repeat them.
pub const MOST: usize = 20;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// The rule it meets.
    pub rule: &'static Rule,
    /// Byte offset in the file.
    pub offset: u64,
    /// One sentence in plain words.
    pub message: String,
}

/// Why a file was not parsed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// Reading failed.
    Io(io::Error),
    /// A limit was reached at this offset.
    Spent(Spent, u64),
    /// The file is not well formed: at least one defect and at most [`MOST`] of a rule, in the order they were met.
    Defects(Vec<Defect>),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Refusal::Io(error)
    }
}

impl Refusal {
    /// A single defect.
    pub fn one(rule: &'static Rule, offset: u64, message: impl Into<String>) -> Self {
        Refusal::Defects(vec![Defect { rule, offset, message: message.into() }])
    }
    /// Reports it.
    pub fn report(self, scan: &mut Scan<'_>) {
        match self {
            Refusal::Io(error) => unreadable(&error, scan),
            Refusal::Spent(spent, offset) => scan.spent(spent, offset),
            Refusal::Defects(defects) => {
                for defect in defects {
                    scan.report(defect.rule, defect.offset, defect.message);
                }
            }
        }
    }
}

/// Defects in the making.
#[derive(Debug, Default)]
pub struct Defects(Vec<Defect>);

impl Defects {
    /// Notes one; those past [`MOST`] are dropped.
    pub fn note(&mut self, rule: &'static Rule, offset: u64, message: impl Into<String>) {
        if self.0.iter().filter(|defect| defect.rule == rule).count() < MOST {
            self.0.push(Defect { rule, offset, message: message.into() });
        }
    }
    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// `Err` if anything was noted.
    pub fn settle(self) -> Result<(), Refusal> {
        if self.0.is_empty() { Ok(()) } else { Err(Refusal::Defects(self.0)) }
    }
}
