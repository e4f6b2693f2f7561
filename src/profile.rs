//! Profiles: what the loaders of known frameworks trust beyond torch's own list, as data (`manifests/profiles.tsv`).
//!
//! A profile answers another question than the bare one: not what `torch.load(weights_only=True)` takes, but what it takes
//! while this framework calls it. It never makes a dangerous global anything else.

use crate::torch::Version;
use std::sync::LazyLock;

/// A framework whose loader is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// `accelerate.Accelerator.load_state`: optimizer.bin, scheduler.bin, random_states_N.pkl.
    Accelerate,
    /// `transformers.Trainer`: rng_state.pth.
    TransformersTrainer,
    /// `timm.models.load_state_dict` and the checkpoints of its training script.
    Timm,
    /// DeepSpeed's own checkpoints, which it loads with `weights_only=False`.
    DeepSpeed,
}

/// What a profile grants to one global.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    /// It is on torch's allowlist from this version on.
    Allowed(Version),
    /// The same, where numpy 1 is installed.
    AllowedOnNumpy1(Version),
    /// It counts for the verdict only.
    Trusted,
}

struct Row {
    profile: Profile,
    global: &'static str,
    grant: Grant,
}

static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| lines().filter_map(row).collect());

fn lines() -> impl Iterator<Item = &'static str> {
    include_str!("../manifests/profiles.tsv").lines().filter(|line| !line.starts_with('#'))
}

fn row(line: &'static str) -> Option<Row> {
    let mut cells = line.split('\t');
    let (profile, global) = (Profile::named(cells.next()?)?, cells.next()?);
    let (grant, torch) = (cells.next()?, Version::resolve(cells.next()?));
    let grant = match grant {
        "allowed" => Grant::Allowed(torch?),
        "allowed-numpy1" => Grant::AllowedOnNumpy1(torch?),
        "trusted" => Grant::Trusted,
        _ => return None,
    };
    Some(Row { profile, global, grant })
}

impl Profile {
    /// Every profile.
    pub const ALL: [Profile; 4] =
        [Profile::Accelerate, Profile::TransformersTrainer, Profile::Timm, Profile::DeepSpeed];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Accelerate => "accelerate",
            Profile::TransformersTrainer => "transformers-trainer",
            Profile::Timm => "timm",
            Profile::DeepSpeed => "deepspeed",
        }
    }

    /// The profile of that name.
    pub fn named(name: &str) -> Option<Profile> {
        Profile::ALL.into_iter().find(|profile| profile.name() == name)
    }

    /// The globals it grants anything to, as `module.qualname`.
    pub fn globals(self) -> impl Iterator<Item = &'static str> {
        ROWS.iter().filter(move |row| row.profile == self).map(|row| row.global)
    }

    /// True if its loader passes `weights_only=True` and extends torch's list.
    pub(crate) fn allows(self) -> bool {
        ROWS.iter().any(|row| row.profile == self && row.grant != Grant::Trusted)
    }

    /// What it grants to a global.
    pub(crate) fn grant(self, global: &str) -> Option<Grant> {
        ROWS.iter().find(|row| row.profile == self && row.global == global).map(|row| row.grant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_understood_and_has_a_reason_and_a_source() {
        assert_eq!(ROWS.len(), lines().count());
        for line in lines() {
            let cells: Vec<&str> = line.split('\t').collect();
            assert!(
                cells.len() == 6 && cells[4].len() > 9 && cells[5].ends_with(|c: char| c.is_alphanumeric()),
                "{line}"
            );
        }
        assert!(Profile::ALL.iter().all(|profile| profile.globals().next().is_some()));
    }

    #[test]
    fn nothing_dangerous_is_granted() {
        use crate::pickle::globals::{Standing, lookup};
        for global in Profile::ALL.into_iter().flat_map(Profile::globals) {
            let (module, name) = global.rsplit_once('.').unwrap();
            assert!(!matches!(lookup(module, name), Standing::Dangerous(_)), "{global}");
        }
    }
}
