//! The oracle against what 17 real torch versions said of the shared samples, and the marks it has to hold.

use super::{Loading, weights_only};
use crate::scan::Settings;
use crate::source::View;
use crate::testing::shared;
use std::collections::BTreeMap;
use std::path::Path;

#[derive(Default)]
struct Score {
    verdicts: usize,
    wrong: Vec<String>,
    doubts: Vec<String>,
    exact: usize,
    named: usize,
    to_name: usize,
}

impl Score {
    fn exactness(&self) -> f64 {
        self.exact as f64 / self.verdicts.max(1) as f64
    }
}

fn score(table: &Path, base: &Path) -> Score {
    let text = std::fs::read_to_string(table).expect("oracle table");
    let mut rows: BTreeMap<&str, Vec<Vec<&str>>> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        rows.entry(cells[0]).or_default().push(cells);
    }
    let mut score = Score::default();
    for (file, rows) in rows {
        let Ok(bytes) = std::fs::read(base.join(file)) else { continue };
        let settings =
            Settings { torch_versions: rows.iter().map(|r| r[1].to_owned()).collect(), ..Settings::default() };
        let answers = weights_only(&View::new(&bytes), file, &settings);
        for (row, answer) in rows.iter().zip(answers) {
            let (version, loads, global) = (row[1], row[2] == "OK", row[4]);
            let line =
                format!("{version} {file}: {} ({}) torch: {} {}", answer.outcome.name(), answer.reason, row[2], row[5]);
            score.verdicts += 1;
            match (answer.outcome, loads) {
                (Loading::Unprovable, _) => score.doubts.push(line),
                (Loading::Loads, true) | (Loading::Blocked | Loading::Corrupt, false) => score.exact += 1,
                _ => score.wrong.push(line),
            }
            if !global.is_empty() && !loads {
                score.to_name += 1;
                let cut = |name: &str| name.replace("builtins.", "");
                let same = answer.global.as_deref().is_some_and(|named| cut(named) == cut(global));
                score.named += usize::from(answer.outcome == Loading::Blocked && same);
            }
        }
    }
    score
}

fn hold(name: &str, table: &str, base: &str, mark: f64) {
    let Some(shared) = shared() else { return };
    let score = score(&shared.join(table), &shared.join(base));
    let figures = format!(
        "{name}: {} verdicts, wrong {}, exact {:.3} %, named {}/{}",
        score.verdicts,
        score.wrong.len(),
        score.exactness() * 100.0,
        score.named,
        score.to_name
    );
    let misses: Vec<&String> = score.wrong.iter().chain(&score.doubts).take(20).collect();
    assert!(score.verdicts > 0, "{figures}");
    assert!(score.wrong.is_empty(), "{figures} {misses:#?}");
    assert!(score.exactness() >= mark, "{figures}, below {mark} {misses:#?}");
    assert!(name != "real" || score.named * 100 >= score.to_name * 99, "{figures}");
}

#[test]
fn checkpoints_of_real_torch() {
    hold("real", "torch/real.tsv", "torch/real", 0.999);
}

#[test]
fn one_case_per_rule() {
    hold("semantics", "torch/semantics.tsv", "torch/semantics", 0.98);
}

#[test]
fn mutants_of_real_streams() {
    hold("fuzz", "torch/fuzz.tsv", "torch/fuzz", 0.97);
}

#[test]
fn one_archive_per_container_rule() {
    hold("zip", "torch/zip.tsv", "torch/zip", 0.75);
}

/// What torch 2.15 and numpy 2.4 did with the samples under the allowlist of each framework.
#[test]
fn what_profiles_add_to_real_checkpoints() {
    use crate::profile::Profile::{self, Accelerate, Timm, TransformersTrainer};
    let Some(shared) = shared() else { return };
    let adds = |profile: Profile, name: &str| match profile {
        Accelerate | TransformersTrainer => name.starts_with("np_rng_state"),
        _ => name.starts_with("obj_namespace") || name.starts_with("lightning_namespace"),
    };
    let mut added = 0;
    for directory in ["2.6.0", "2.15.0"] {
        for entry in std::fs::read_dir(shared.join("torch/real").join(directory)).expect("samples") {
            let entry = entry.expect("a sample");
            let name = entry.file_name().to_string_lossy().into_owned();
            let Ok(bytes) = std::fs::read(entry.path()) else { continue }; // a directory
            let loads = |profiles: Vec<Profile>| {
                let settings = Settings { profiles, ..Settings::default() };
                weights_only(&View::new(&bytes), &name, &settings).iter().all(|a| a.outcome == Loading::Loads)
            };
            let bare = loads(Vec::new());
            for profile in [Accelerate, TransformersTrainer, Timm] {
                assert_eq!(loads(vec![profile]), bare || adds(profile, &name), "{name} under {}", profile.name());
                added += usize::from(!bare && adds(profile, &name));
            }
        }
    }
    assert_eq!(added, 16);
}
