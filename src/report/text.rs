//! The report for people: plain words, about one screen, what to do next.
//!
//! Styled with ANSI colours when asked to; everything that comes from a file is escaped.

use super::plain::{path, plain, whole};
use super::render::Render;
use super::{Artifact, NOT_SCANNED, OMS_BUNDLE, PART_OF_FILE, Status, Summary, Trust};
use crate::finding::Finding;
use crate::format::Role;
use crate::outcome::Verdict;
use crate::rule::{Effect, Severity};
use std::cmp::Reverse;
use std::fmt::Write;
use std::io;

/// Findings shown per artifact before the rest is only counted.
const SHOWN: usize = 8;

/// How to render.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// Use ANSI colours.
    pub color: bool,
    /// Show findings below medium, and the details of files that are ok.
    pub verbose: bool,
}

/// The text of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Text {
    /// How to render.
    pub style: Style,
    /// One file was named: its report is the long one.
    pub single: bool,
    /// Files that are what was signed get no line, unless more was asked for.
    pub terse: bool,
}

impl Render for Text {
    fn artifact(&mut self, to: &mut dyn io::Write, artifact: &Artifact) -> io::Result<()> {
        let what_was_signed = artifact.outcome.verdict() == Verdict::Ok && artifact.format == NOT_SCANNED;
        if self.terse && !self.style.verbose && what_was_signed {
            return Ok(());
        }
        let text = if self.single { full(artifact, self.style) } else { brief(artifact, self.style) };
        to.write_all(text.as_bytes())
    }
    fn finish(&mut self, to: &mut dyn io::Write, summary: &Summary) -> io::Result<()> {
        let text = if self.single { String::new() } else { self::summary(summary, self.style) };
        to.write_all(text.as_bytes())
    }
}

/// Everything about one artifact, as for `mverify weights.pt`.
pub fn full(a: &Artifact, style: Style) -> String {
    let mut out = String::new();
    headline(&mut out, a, style);
    line(&mut out, "format", &format!("{}, {}", a.format, bytes(a.size)));
    for (algorithm, digest) in a.digests.iter() {
        line(&mut out, algorithm.name(), &digest.to_string());
    }
    if !a.loading.is_empty() {
        line(&mut out, "torch", &whole(&a.loading));
    }
    integrity(&mut out, a);
    findings(&mut out, a, style);
    if let Some(next) = next(a) {
        line(&mut out, "next", &whole(&next));
    }
    out
}

/// One artifact among many: a line for one that is ok, the findings for one that is not.
pub fn brief(a: &Artifact, style: Style) -> String {
    let mut out = String::new();
    headline(&mut out, a, style);
    if a.outcome.verdict() != Verdict::Ok || style.verbose {
        integrity(&mut out, a);
    }
    if a.outcome.verdict() != Verdict::Ok || style.verbose || accepted(a) {
        findings(&mut out, a, style);
    }
    out
}

/// The last line of a run over many files.
pub fn summary(s: &Summary, style: Style) -> String {
    let files = if s.total() == 1 { "file" } else { "files" };
    let unchanged = match s.unchanged {
        0 => String::new(),
        n => format!("; {n} unchanged and not looked at"),
    };
    if s.total() == 0 && s.unchanged > 0 && !s.stopped {
        let are = if s.unchanged == 1 { "file is what it was" } else { "files are what they were" };
        return format!("{} nothing changed: {} {are}\n", badge(s.verdict(), style), s.unchanged);
    }
    format!(
        "{} {} {files}, {}: {} ok, {} unknown, {} bad{unchanged}\n",
        badge(s.verdict(), style),
        s.total(),
        bytes(s.bytes),
        s.ok,
        s.unknown,
        s.bad
    )
}

fn headline(out: &mut String, a: &Artifact, style: Style) {
    let verdict = a.outcome.verdict();
    if let Some(compared) = compared(a) {
        let _ = writeln!(out, "{} {}: {compared}", badge(verdict, style), path(&a.path));
        return;
    }
    let says = match (verdict, a.role) {
        (Verdict::Ok, _) if accepted(a) => "what was found in it does not count, by your policy or baseline",
        (Verdict::Ok, Role::Loadable) => "loading it runs no code of its own",
        (Verdict::Ok, Role::Code) => "it is a script, which runs where something calls it",
        (Verdict::Ok, _) => "it is what it says it is, and holds no code",
        (Verdict::Unknown, _) => "not proven",
        (Verdict::Bad, _) => "do not load this file",
    };
    let _ = writeln!(out, "{} {}: {says}", badge(verdict, style), path(&a.path));
}

/// True if there is something that would count if nobody had accepted it.
fn accepted(a: &Artifact) -> bool {
    a.findings.iter().any(|f| f.rule.effect != Effect::Note && f.excuse.is_some())
}

/// What to say of a file that was only compared with a signed manifest, or of that manifest itself.
fn compared(a: &Artifact) -> Option<String> {
    let compared = a.integrity.first().filter(|_| [OMS_BUNDLE, NOT_SCANNED, PART_OF_FILE].contains(&a.format))?;
    Some(match (a.outcome.verdict(), compared.status, &compared.signer) {
        (Verdict::Ok, _, Some(signer)) if a.format == OMS_BUNDLE => format!("good signature by {}", plain(signer)),
        (Verdict::Ok, ..) if a.format == OMS_BUNDLE => "not relied on, beside good signatures".to_owned(),
        (Verdict::Ok, Status::Match, _) if a.format == PART_OF_FILE => {
            let note = compared.note.as_deref().unwrap_or_default();
            format!("the tensors asked for are what was signed ({})", plain(note))
        }
        (Verdict::Ok, Status::Match, _) => "is what was signed (not scanned)".to_owned(),
        (Verdict::Ok, ..) => "not signed, and tolerated".to_owned(),
        (Verdict::Unknown, ..) => "not proven".to_owned(),
        (Verdict::Bad, Status::Mismatch, _) => "is NOT what was signed".to_owned(),
        (Verdict::Bad, Status::Missing, _) => "is listed, and not there".to_owned(),
        (Verdict::Bad, ..) => "do not load this model".to_owned(),
    })
}

fn integrity(out: &mut String, a: &Artifact) {
    for i in &a.integrity {
        let status = match i.status {
            Status::Match => "matches",
            Status::Mismatch => "does NOT match",
            Status::Missing => "is missing, but expected by",
            Status::Extra => "is not expected by",
            Status::NotCovered => "is not covered by",
        };
        let trust = match (i.trust, &i.signer) {
            (Trust::Signed, Some(signer)) => format!("signed by {}", plain(signer)),
            (Trust::Signed, None) => "signed".to_owned(),
            (Trust::Pinned, _) => "pinned by you".to_owned(),
            (Trust::SelfAsserted, _) => "self-asserted: proves no origin".to_owned(),
        };
        let note = i.note.as_deref().map(|n| format!("; {}", plain(n))).unwrap_or_default();
        line(out, "expected", &format!("{status} {} ({trust}{note})", plain(&i.source)));
    }
    let looked = !a.digests.is_empty();
    if looked && a.integrity.iter().all(|i| i.trust != Trust::Signed) && a.role == Role::Loadable {
        line(out, "signed", "not signed: no manifest of a signer you trust covers it");
    }
}

fn findings(out: &mut String, a: &Artifact, style: Style) {
    let floor = if style.verbose { Severity::Info } else { Severity::Medium };
    let mut listed: Vec<&Finding> = a.findings.iter().filter(|f| f.severity >= floor).collect();
    listed.sort_by_key(|f| (Reverse(f.severity), f.rule.effect == Effect::Note));
    for f in listed.iter().take(SHOWN) {
        let mut place = String::new();
        if let Some(member) = &f.member {
            let _ = write!(place, " in {}", plain(member));
        }
        if let Some(offset) = f.offset {
            let _ = write!(place, " at byte {offset}");
        }
        let tag = match &f.excuse {
            Some(excuse) => format!("{}, {}", f.severity.name(), whole(excuse)),
            None => paint(f.severity.name(), severity_color(f.severity), style),
        };
        line(out, &f.rule.id[3..], &format!("{tag}: {}{place}", whole(&f.message)));
    }
    let hidden = listed.len().saturating_sub(SHOWN);
    if hidden > 0 {
        line(out, "", &format!("and {hidden} more (--format json lists all)"));
    }
}

/// What to do: for a file that is not ok the advice of its worst finding, else how to load it.
fn next(a: &Artifact) -> Option<String> {
    // of equal ones the first: what is wrong with the file, then with its parts
    let worst = a.findings.iter().filter(|f| f.counts()).min_by_key(|f| Reverse(f.severity));
    match (a.outcome.verdict(), worst) {
        (Verdict::Ok, _) if accepted(a) => None,
        (Verdict::Ok, _) if a.format == "safetensors" => {
            Some("load it with safetensors.torch.load_file(...)".to_owned())
        }
        (Verdict::Ok, _) if a.weights_only.iter().any(|w| w.outcome == crate::torch::Loading::Loads) => {
            Some("load it with torch.load(..., weights_only=True)".to_owned())
        }
        (Verdict::Ok, _) => None,
        (_, Some(f)) => Some(format!("{} (mverify explain {})", f.rule.todo, f.rule.id)),
        (_, None) => None,
    }
}

fn line(out: &mut String, label: &str, text: &str) {
    let _ = writeln!(out, "  {label:<9} {text}");
}

fn badge(verdict: Verdict, style: Style) -> String {
    match verdict {
        Verdict::Ok => paint("OK     ", "32", style),
        Verdict::Unknown => paint("UNKNOWN", "33", style),
        Verdict::Bad => paint("BAD    ", "1;31", style),
    }
}

fn severity_color(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "1;31",
        Severity::Medium => "33",
        Severity::Low | Severity::Info => "2",
    }
}

fn paint(text: &str, code: &str, style: Style) -> String {
    if style.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// Bytes in the unit people use, decimal.
pub fn bytes(n: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match UNITS.iter().find(|(unit, _)| n >= *unit) {
        Some((unit, name)) => format!("{}.{} {name}", n / unit, n % unit * 10 / unit),
        None => format!("{n} bytes"),
    }
}
