//! A finding: one rule met at one place of one artifact.

use crate::error::Error;
use crate::rule::{self, Rule, Severity};

/// One rule met at one place. Findings sort by (member, offset, rule, message).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule that was met.
    pub rule: &'static Rule,
    /// Severity; that of the rule unless a profile or policy changed it.
    pub severity: Severity,
    /// One sentence in plain words: what was found here.
    pub message: String,
    /// Path of archive members that leads to the place, outermost first, joined with `!`; `None` for the file itself.
    pub member: Option<String>,
    /// Byte offset inside the file or, with `member`, inside that member's content.
    pub offset: Option<u64>,
    /// The global concerned, as `module.qualname`.
    pub global: Option<String>,
}

/// What a file that cannot be opened means for its verdict.
impl From<&Error> for Finding {
    fn from(error: &Error) -> Self {
        let rule = match error {
            Error::NotRegular { .. } => &rule::tree::SPECIAL_FILE,
            Error::TooLarge { .. } => &rule::tree::TOO_LARGE,
            Error::Changed { .. } => &rule::tree::CHANGED,
            _ => &rule::format::UNREADABLE,
        };
        Finding::new(rule, error.reason())
    }
}

impl Finding {
    /// A finding about the whole artifact.
    pub fn new(rule: &'static Rule, message: impl Into<String>) -> Self {
        Finding { rule, severity: rule.severity, message: message.into(), member: None, offset: None, global: None }
    }
    /// Sets the byte offset.
    pub fn at(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }
    /// Sets the global.
    pub fn global(mut self, name: impl Into<String>) -> Self {
        self.global = Some(name.into());
        self
    }
    /// The order of findings in every report.
    pub fn sort_key(&self) -> (Option<&str>, Option<u64>, &'static str, &str) {
        (self.member.as_deref(), self.offset, self.rule.id, &self.message)
    }
}

/// Text from a file as it may be shown: escaped, and cut after 120 characters.
pub fn shown(text: &str) -> String {
    let mut shown: String = text.escape_debug().take(121).collect();
    if let Some((cut, _)) = shown.char_indices().nth(120) {
        shown.truncate(cut);
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_short_and_escaped() {
        assert_eq!(shown("a\n\u{1b}[31m"), "a\\n\\u{1b}[31m");
        assert_eq!(shown(&"x".repeat(500)).chars().count(), 121);
    }
}
