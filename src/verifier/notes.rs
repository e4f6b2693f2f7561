//! What the weights_only answers mean for the person who loads the file: notes beside the verdict, never part of it.

use crate::finding::Finding;
use crate::pickle::globals::{Standing, lookup};
use crate::rule::torch as rules;
use crate::scan::Settings;
use crate::torch::{Answer, Loading};

/// Names that are listed in one line at most.
const LISTED: usize = 8;

/// Notes for a file in one of torch's own formats.
pub(super) fn notes(answers: &[Answer], settings: &Settings) -> Vec<Finding> {
    let mut notes = Vec::new();
    for answer in answers {
        let warnings = answer.warnings.iter();
        notes.extend(
            warnings.map(|w| Finding::new(&rules::DANGEROUS_VERSION, format!("on torch {}: {w}", answer.torch))),
        );
    }
    if let Some(answer) = answers.iter().find(|answer| answer.outcome == Loading::Blocked) {
        let mut message =
            format!("{} refuses it with weights_only=True: {}", answer.asked(), answer.reason.trim_end_matches('.'));
        if let Some(call) = allow(answer, settings) {
            // numpy gives every type of element a class of its own, which no opcode names
            let numpy = answer.missing.iter().any(|name| name == "numpy.dtype");
            let with =
                if numpy { " with the classes of its element types, as in type(numpy.dtype('float64'))," } else { "" };
            message.push_str(&format!("; every name it lacks is vetted: {call}{with} makes it load"));
        }
        let mut note = Finding::new(&rules::WEIGHTS_ONLY_REFUSES, message);
        note.global = answer.global.clone();
        notes.push(note);
    }
    notes
}

/// The call that lets torch take the file, only where every name in it is vetted or vouched for by the user.
fn allow(answer: &Answer, settings: &Settings) -> Option<String> {
    let vetted = |full: &String| {
        settings.trusted_globals.contains(full)
            // where module and name part is not said; any split that the tables know is the one
            || full.match_indices('.').any(|(dot, _)| {
                let (module, name) = full.split_at(dot);
                name.get(1..).is_some_and(|name| matches!(lookup(module, name), Standing::Vetted(_)))
            })
    };
    let names = &answer.missing;
    if names.is_empty() || names.len() > LISTED || !names.iter().all(vetted) {
        return None;
    }
    Some(format!("torch.serialization.add_safe_globals([{}])", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocked(missing: &[&str]) -> Vec<Answer> {
        vec![Answer {
            torch: "2.15".into(),
            profile: None,
            outcome: Loading::Blocked,
            rule: "global".into(),
            global: Some(missing[0].into()),
            reason: "refused".into(),
            missing: missing.iter().map(|name| (*name).to_owned()).collect(),
            warnings: Vec::new(),
        }]
    }

    #[test]
    fn the_call_is_offered_only_for_names_that_are_all_vetted() {
        let settings = Settings::default();
        let says = |missing: &[&str]| notes(&blocked(missing), &settings)[0].message.contains("add_safe_globals");
        assert!(says(&["argparse.Namespace"]));
        assert!(!says(&["argparse.Namespace", "__main__.Net"]));
        assert!(!says(&["os.system"]));
        assert!(!says(&["argparse.Namespace", "builtins.eval"]));
    }

    #[test]
    fn a_name_the_user_vouches_for_counts_as_vetted() {
        let settings = Settings { trusted_globals: vec!["__main__.Net".into()], ..Settings::default() };
        assert!(notes(&blocked(&["__main__.Net"]), &settings)[0].message.contains("([__main__.Net])"));
    }
}
