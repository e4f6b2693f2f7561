//! A finding: one rule met at one place of one artifact.

use crate::digest::PassError;
use crate::error::Error;
use crate::rule::{self, Effect, Rule, Severity};

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
    /// Why it does not count, where a waiver or a baseline says so. It is told all the same.
    pub excuse: Option<Box<str>>,
}

/// What a file that cannot be opened means for its verdict.
impl From<&Error> for Finding {
    fn from(error: &Error) -> Self {
        let rule = match error {
            Error::NotRegular { .. } => &rule::tree::SPECIAL_FILE,
            Error::TooLarge { .. } => &rule::tree::TOO_LARGE,
            Error::Changed { .. } => &rule::tree::CHANGED,
            Error::LeadsOut { .. } => &rule::tree::LINK_OUT,
            _ => &rule::format::UNREADABLE,
        };
        Finding::new(rule, error.reason())
    }
}

/// What a pass over a file that gave no result means for its verdict.
impl From<PassError> for Finding {
    fn from(error: PassError) -> Self {
        match error {
            PassError::Changed => Finding::new(&rule::tree::CHANGED, "it changed while it was read"),
            PassError::Cancelled => Finding::new(&rule::run::STOPPED, "the run was stopped before it was read"),
            error => Finding::new(&rule::format::UNREADABLE, error.to_string()),
        }
    }
}

impl Finding {
    /// A finding about the whole artifact.
    pub fn new(rule: &'static Rule, message: impl Into<String>) -> Self {
        Finding {
            rule,
            severity: rule.severity,
            message: message.into(),
            member: None,
            offset: None,
            global: None,
            excuse: None,
        }
    }
    /// True if it lowers the verdict: it is more than a note, and nothing excuses it.
    pub fn counts(&self) -> bool {
        self.rule.effect != Effect::Note && self.excuse.is_none()
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
    /// Thirty-two hex digits that stay the same from run to run, and when other parts of the file change: of the rule, the
    /// path as it was given (`/` between its parts), the member and the global. Offsets and words are left out: both move
    /// with changes that have nothing to do with the finding.
    pub fn fingerprint(&self, path: &str) -> String {
        let mut hasher = blake3::Hasher::new_derive_key("mverify finding v1");
        for part in [self.rule.id, path, self.member.as_deref().unwrap_or(""), self.global.as_deref().unwrap_or("")] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        hasher.finalize().to_hex()[..32].to_owned()
    }
    /// The order of findings in every report.
    pub fn sort_key(&self) -> (Option<&str>, Option<u64>, &'static str, &str) {
        (self.member.as_deref(), self.offset, self.rule.id, &self.message)
    }
}

/// Text from a file as it may be shown: escaped, and cut after 120 characters.
pub fn shown(text: &str) -> String {
    let plain = |byte: u8| matches!(byte, b' '..=b'~') & !matches!(byte, b'"' | b'\'' | b'\\');
    // no way out before the end: most texts have none, and so several bytes are looked at at once
    if text.len() <= 120 && text.bytes().fold(true, |all, byte| all & plain(byte)) {
        return text.to_owned();
    }
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
    fn a_fingerprint_is_of_rule_path_member_and_global() {
        let finding = Finding::new(&rule::tree::CHANGED, "a").at(3);
        assert_eq!(finding.fingerprint("x").len(), 32);
        assert_eq!(finding.fingerprint("x"), Finding::new(&rule::tree::CHANGED, "b").at(4).fingerprint("x"));
        assert_ne!(finding.fingerprint("x"), finding.fingerprint("y"));
        assert_ne!(finding.fingerprint("x"), finding.clone().global("x").fingerprint(""));
        assert_ne!(finding.fingerprint("x"), Finding::new(&rule::tree::TOO_LARGE, "a").fingerprint("x"));
    }

    #[test]
    fn what_is_shown_is_short_and_escaped() {
        assert_eq!(shown("a\n\u{1b}[31m"), "a\\n\\u{1b}[31m");
        assert_eq!(shown(&"x".repeat(500)).chars().count(), 121);
        for text in ["a/data.pkl", "'", "\"", "\\", "~ ", "\u{7f}", "é"] {
            assert_eq!(shown(text), text.escape_debug().to_string());
        }
    }
}
