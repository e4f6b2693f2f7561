//! The weights_only answer in reports.

use super::tool::mverify;

#[test]
fn every_torch_version_that_was_asked_for_is_answered_as_it_was_asked() {
    let report = mverify(&[
        "fixtures/weights.pt",
        "--format",
        "json",
        "--torch",
        "2.15",
        "--torch",
        "1.13.0a0",
        "--torch",
        "9.9",
    ])
    .json();
    let answers: Vec<(&str, &str)> = report["artifacts"][0]["weights_only"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| (a["torch"].as_str().unwrap(), a["outcome"].as_str().unwrap()))
        .collect();
    assert_eq!(answers, [("2.15", "loads"), ("1.13.0a0", "loads"), ("9.9", "unprovable")]);
}

#[test]
fn a_required_answer_decides_the_exit_code() {
    assert_eq!(mverify(&["fixtures/weights.pt", "--require", "weights-only"]).code, 0);
    assert_eq!(mverify(&["fixtures/weights.pt", "--require", "weights-only>=1.13"]).code, 0);
    assert_eq!(mverify(&["fixtures/torch/namespace.pt"]).code, 0);
    let run = mverify(&["fixtures/torch/namespace.pt", "--require", "weights-only>=2.6"]);
    assert_eq!(run.code, 1);
    assert!(run.out.contains("add_safe_globals([argparse.Namespace])"), "{}", run.out);
    assert_eq!(mverify(&["fixtures/weights.pt", "--require", "weights-only", "--torch", "9.9"]).code, 3);
    assert_eq!(mverify(&["fixtures/weights.pt", "--require", "weights-only>=9.9"]).code, 2);
}

#[test]
fn one_sentence_tells_which_torch_takes_the_file() {
    let run = mverify(&["fixtures/weights.pt"]);
    assert!(run.out.contains("loads with weights_only=True on every torch from 1.13"), "{}", run.out);
}

#[test]
fn a_profile_answers_for_its_loader() {
    let namespace = "fixtures/torch/namespace.pt";
    assert_eq!(mverify(&[namespace, "--require", "weights-only", "--profile", "timm"]).code, 0);
    assert_eq!(mverify(&[namespace, "--require", "weights-only", "--profile", "accelerate"]).code, 1);
    let both = ["--profile", "timm", "--profile", "accelerate"];
    assert_eq!(mverify(&[[namespace, "--require", "weights-only"].as_slice(), &both].concat()).code, 1, "each counts");
    let report = mverify(&[[namespace, "--format", "json"].as_slice(), &both].concat()).json();
    let answers: Vec<(&str, &str)> = report["artifacts"][0]["weights_only"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| (a["profile"].as_str().unwrap(), a["outcome"].as_str().unwrap()))
        .collect();
    assert_eq!(answers, [("timm", "loads"), ("accelerate", "blocked")]);
    assert!(
        mverify(&[namespace, "--profile", "timm"]).out.contains("under timm: loads with weights_only=True on torch")
    );
    assert_eq!(mverify(&[namespace, "--profile", "luck"]).code, 2);
}

#[test]
fn a_profile_vouches_for_what_its_checkpoints_hold_and_for_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, pickle: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, pickle).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let known = write("known.pkl", b"\x80\x02cdeepspeed.runtime.zero.config\nZeroStageEnum\nK\x03\x85R.");
    let other = write("other.pkl", b"\x80\x02cdeepspeed.runtime.zero.config\nOther\nK\x03\x85R.");
    assert_ne!(mverify(&["scan", &known]).code, 0);
    assert_eq!(mverify(&["scan", &known, "--profile", "deepspeed"]).code, 0);
    assert_ne!(mverify(&["scan", &known, "--profile", "timm"]).code, 0);
    assert_ne!(mverify(&["scan", &other, "--profile", "deepspeed"]).code, 0);
}
