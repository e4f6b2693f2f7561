//! One file and what is known of it so far: its container is opened once, and an answer is reused for every version
//! it holds for.

use super::archive::Archive;
use super::stop::{Run, Stop};
use super::version::{Era, Version};
use super::{Answer, Loading, legacy, missing, safetensors, zip};
use crate::budget::Limits;
use crate::source::View;

/// A file under judgement.
pub(super) struct Subject<'a> {
    view: View<'a>,
    /// The name ends with `.safetensors`.
    named_safetensors: bool,
    archive: Option<Run<Archive<'a>>>,
    limits: &'a Limits,
    /// Answers so far, and the versions they hold for.
    known: Vec<(Era, Answer)>,
}

impl<'a> Subject<'a> {
    pub fn new(view: View<'a>, name: &str, limits: &'a Limits) -> Self {
        let is_zip = view.head(4).is_ok_and(|head| *head == *b"PK\x03\x04");
        Subject {
            view,
            named_safetensors: name.ends_with(".safetensors"),
            archive: is_zip.then(|| Archive::open(view, limits)),
            limits,
            known: Vec::new(),
        }
    }

    /// The answer for one version, with the version named as asked.
    pub fn answer(&mut self, version: Version, asked: &str) -> Answer {
        let held = self.known.iter().find(|(era, _)| era.holds(version)).map(|(_, answer)| answer.clone());
        let mut answer = held.unwrap_or_else(|| {
            let (era, answer) = self.judge(version);
            self.known.push((era, answer.clone()));
            answer
        });
        asked.clone_into(&mut answer.torch);
        answer
    }

    /// The last version for which the answer of `version` holds.
    pub fn holds_until(&self, version: Version) -> Version {
        self.known.iter().find(|(era, _)| era.holds(version)).map_or(version, |(era, _)| era.last())
    }

    fn judge(&self, version: Version) -> (Era, Answer) {
        let mut era = Era::new(version);
        let outcome = self.load(&mut era);
        let mut answer = Answer {
            torch: String::new(),
            outcome: Loading::Loads,
            rule: String::new(),
            global: None,
            reason: String::new(),
            missing: Vec::new(),
            warnings: Vec::new(),
        };
        match outcome {
            Ok(()) => answer.reason = "every rule of the restricted unpickler is kept".into(),
            Err(Stop::Blocked { rule, global, reason }) => {
                answer.outcome = Loading::Blocked;
                answer.rule = rule.into();
                answer.global = global.map(|name| shown(&name));
                answer.reason = shown(&reason);
                if answer.global.is_some() {
                    answer.missing = missing::globals(&self.view, self.archive.as_ref(), &mut era, self.limits);
                }
            }
            Err(Stop::Corrupt(reason)) => {
                answer.outcome = Loading::Corrupt;
                answer.rule = "malformed".into();
                answer.reason = shown(&reason);
            }
            Err(Stop::Doubt(reason)) => {
                answer.outcome = Loading::Unprovable;
                answer.rule = "not modelled".into();
                answer.reason = shown(&reason);
            }
            Err(Stop::Window) => answer.outcome = Loading::Unprovable,
        }
        (era, answer)
    }

    fn load(&self, era: &mut Era) -> Run<()> {
        if self.named_safetensors && era.since(Version::V2_13) {
            return safetensors::load(&self.view, self.limits);
        }
        match &self.archive {
            Some(Ok(archive)) => zip::load(archive, era, self.limits.max_ops),
            Some(Err(stop)) => Err(stop.clone()),
            None => legacy::load(&self.view, era, self.limits),
        }
    }
}

/// Text from a file, escaped as Python's `repr` does and cut.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars().take(240) {
        match c {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            '\0'..='\x1f' | '\x7f'..='\u{a0}' | '\u{ad}' => shown.push_str(&format!("\\x{:02x}", u32::from(c))),
            // Marks that reorder or hide what is printed.
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {
                shown.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            _ => shown.push(c),
        }
    }
    if text.chars().nth(240).is_some() {
        shown.push('…');
    }
    shown
}
