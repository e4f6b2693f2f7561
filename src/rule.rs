//! Rules: every condition mverify can report, as data. Help, `mverify explain`, the JSON Schema, SARIF and the docs are
//! made from these tables, and a test keeps the ids unique and the texts complete.

use std::fmt;

pub mod container;
pub mod format;
pub mod integrity;
pub mod pickle;
pub mod policy;
pub mod proof;
pub mod run;
pub mod torch;
pub mod tree;
pub mod trust;

/// How bad a finding is. The order is the order of severity: `Info < Low < … < Critical`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; nothing to do.
    Info,
    /// Unusual, harmless on its own.
    Low,
    /// Deserves a look before the file is used.
    Medium,
    /// Do not load: proven altered, ambiguous or malformed on purpose.
    High,
    /// Do not load: loading would run code.
    Critical,
}

/// What a finding does to the verdict of its artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Nothing: the artifact may still be `ok`.
    Note,
    /// All was read, but something in it is unknown to us: `unknown`, coverage complete.
    Unvetted,
    /// Something could not be read or proven: `unknown`, coverage partial.
    Unproven,
    /// Proven bad: `bad`.
    Bad,
}

/// One condition. Rules are compared by id.
#[derive(Debug)]
pub struct Rule {
    /// Stable id, `MV-<area>-<number>`.
    pub id: &'static str,
    /// Severity of a finding of this rule.
    pub severity: Severity,
    /// What a finding does to the verdict.
    pub effect: Effect,
    /// A few words, no full stop.
    pub title: &'static str,
    /// What the rule means and why it matters, with its source (spec section, CVE, torch version).
    pub why: &'static str,
    /// What the user should do next, as an imperative sentence.
    pub todo: &'static str,
    /// Name of a fixture that triggers it, made by `fixtures/gen`; empty where only a test builds the condition.
    pub fixture: &'static str,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}
impl Eq for Rule {}

impl Effect {
    /// The name used in the documentation and in SARIF.
    pub fn name(self) -> &'static str {
        match self {
            Effect::Note => "note",
            Effect::Unvetted => "unvetted",
            Effect::Unproven => "unproven",
            Effect::Bad => "bad",
        }
    }
    /// What it does, for people.
    pub fn words(self) -> &'static str {
        match self {
            Effect::Note => "stays as it is",
            Effect::Unvetted => "unknown: all was read, and something in it is not known to be harmless",
            Effect::Unproven => "unknown, coverage partial: something could not be read or proven",
            Effect::Bad => "bad",
        }
    }
}

impl Severity {
    /// The name used on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }
    /// All severities, mildest first.
    pub const ALL: [Severity; 5] =
        [Severity::Info, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Defines the rules of one area: a constant per rule and `ALL`, the list of them.
macro_rules! rules {
    ($($name:ident = $id:literal $severity:ident $effect:ident, $title:literal, why: $why:literal, todo: $todo:literal, fixture: $fixture:literal;)*) => {
        $(
            #[doc = $title]
            pub static $name: $crate::rule::Rule = $crate::rule::Rule {
                id: $id,
                severity: $crate::rule::Severity::$severity,
                effect: $crate::rule::Effect::$effect,
                title: $title,
                why: $why,
                todo: $todo,
                fixture: $fixture,
            };
        )*
        /// The rules of this area, in order of id.
        pub static ALL: &[&$crate::rule::Rule] = &[$(&$name),*];
    };
}
pub(crate) use rules;

/// Every rule, area by area.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    [
        pickle::ALL,
        torch::ALL,
        container::ALL,
        format::ALL,
        tree::ALL,
        trust::ALL,
        integrity::ALL,
        policy::ALL,
        proof::ALL,
        run::ALL,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// The rule with this id, if there is one. Case does not matter.
pub fn by_id(id: &str) -> Option<&'static Rule> {
    all().find(|rule| rule.id.eq_ignore_ascii_case(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_unique_and_texts_complete() {
        let mut seen = HashSet::new();
        for rule in all() {
            assert!(seen.insert(rule.id), "{} is defined twice", rule.id);
            assert!(rule.id.starts_with("MV-"), "{}", rule.id);
            assert!(!rule.title.is_empty() && !rule.title.ends_with('.'), "{}: title", rule.id);
            assert!(rule.why.ends_with('.') && rule.todo.ends_with('.'), "{}: sentences", rule.id);
            assert_eq!(
                rule.effect == Effect::Bad,
                rule.severity >= Severity::High,
                "{}: high and critical findings are bad, the rest are not",
                rule.id
            );
        }
    }
}
