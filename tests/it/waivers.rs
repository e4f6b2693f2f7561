//! Waivers, overrides, denials and baselines: which findings count, for which content, and for how long.

use super::model::{artifact, model};
use super::tool::{Run, fixture, mverify, mverify_in};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// A directory with a good model and a pickle that runs `os.getpid`, and the SHA-256 of the latter.
fn with_a_bad_file() -> (tempfile::TempDir, String) {
    let dir = model();
    fs::copy(fixture("pickle/os_getpid.pkl"), dir.path().join("old.pkl")).unwrap();
    let sum = mverify_in(dir.path(), &["hash", "old.pkl"], b"").out[..64].to_owned();
    (dir, sum)
}

/// Runs with this policy, which lies in a directory of its own.
fn under(policy: &str, path: &Path, args: &[&str]) -> Run {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("p.toml");
    fs::write(&file, policy).unwrap();
    let mut all = vec![path.to_str().unwrap(), "--config", file.to_str().unwrap()];
    all.extend(args);
    mverify(&all)
}

fn rules(report: &Value, name: &str) -> Vec<String> {
    let findings = artifact(report, name)["findings"].as_array().unwrap();
    findings.iter().map(|f| f["rule"].as_str().unwrap().to_owned()).collect()
}

/// Waivers for every rule that the bad file meets.
fn waivers(dir: &Path, sum: &str, until: &str) -> String {
    let report = mverify(&[dir.join("old.pkl").to_str().unwrap(), "--format=json"]).json();
    let mut ids = rules(&report, "old.pkl");
    ids.dedup();
    assert!(!ids.is_empty());
    let waiver = |id: &String| {
        format!(
            "[[waiver]]\nrule = \"{id}\"\npath = \"**/old.pkl\"\nsha256 = \"{sum}\"\nreason = \"read it by hand\"\n\
             until = {until}\n"
        )
    };
    ids.iter().map(waiver).collect()
}

#[test]
fn a_waiver_holds_for_its_content_and_its_time() {
    let (dir, sum) = with_a_bad_file();
    assert_eq!(under("", dir.path(), &[]).code, 1);
    let good = waivers(dir.path(), &sum, "9999-12-31");
    let run = under(&good, dir.path(), &["--format=json"]);
    assert_eq!(run.code, 0, "{}", run.out);
    let report = run.json();
    let old = artifact(&report, "old.pkl");
    assert_eq!(old["verdict"], "ok");
    assert!(old["findings"][0]["excuse"].as_str().unwrap().contains("read it by hand"), "told all the same");
    let sarif = under(&good, dir.path(), &["--format=sarif"]);
    assert!(sarif.out.contains("suppressions") && sarif.out.contains("read it by hand"));
    assert_eq!(under(&good, dir.path(), &["--format=github"]).out.matches("::error").count(), 0);
    // a scan needs the digest as well
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("p.toml"), &good).unwrap();
    let config = home.path().join("p.toml");
    let scan = ["scan", dir.path().to_str().unwrap(), "--config", config.to_str().unwrap()];
    assert_eq!(mverify(&scan).code, 0);
    // its time is over
    let run = under(&waivers(dir.path(), &sum, "2020-01-31"), dir.path(), &[]);
    assert_eq!(run.code, 1);
    assert!(run.out.contains("POL-007") && run.out.contains("ended on 2020-01-31"), "{}", run.out);
    // one byte more, and it is another file
    let mut bytes = fs::read(dir.path().join("old.pkl")).unwrap();
    bytes.push(b'.');
    fs::write(dir.path().join("old.pkl"), &bytes).unwrap();
    let run = under(&good, dir.path(), &["--format=json"]);
    assert_eq!(run.code, 1);
    assert!(rules(&run.json(), "old.pkl").contains(&"MV-POL-008".to_owned()));
    assert!(artifact(&run.json(), "old.pkl")["findings"].as_array().unwrap().iter().all(|f| f["excuse"].is_null()));
}

#[test]
fn a_waiver_of_another_path_or_rule_is_none() {
    let (dir, sum) = with_a_bad_file();
    let good = waivers(dir.path(), &sum, "9999-12-31");
    assert_eq!(under(&good.replace("**/old.pkl", "**/new.pkl"), dir.path(), &[]).code, 1);
    assert_eq!(under(&good.replace("**/old.pkl", "old.pkl"), dir.path(), &[]).code, 1, "relative to the policy");
    assert_eq!(under(&good.replace("reason", "global = \"os.kill\"\nreason"), dir.path(), &[]).code, 1);
    // beside the model it is not believed, neither as a file nor through a link
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("hidden.toml"), &good).unwrap();
    let place = dir.path().join("mverify.toml");
    fs::write(&place, &good).unwrap();
    let run = mverify(&[dir.path()]);
    assert!(run.code == 1 && run.err.contains("passed over waiver"), "{} {}", run.out, run.err);
    #[cfg(unix)]
    {
        fs::remove_file(&place).unwrap();
        std::os::unix::fs::symlink(home.path().join("hidden.toml"), &place).unwrap();
        let run = mverify(&[dir.path()]);
        assert!(run.code == 1 && run.err.contains("passed over waiver"), "{} {}", run.out, run.err);
    }
    // in a parent of the model it is not even read
    let parent = tempfile::tempdir().unwrap();
    fs::write(parent.path().join("mverify.toml"), &good).unwrap();
    fs::create_dir(parent.path().join("m")).unwrap();
    fs::copy(dir.path().join("old.pkl"), parent.path().join("m/old.pkl")).unwrap();
    let run = mverify(&[parent.path().join("m")]);
    assert!(run.code == 1 && !run.err.contains("passed over"), "{}", run.err);
}

#[test]
fn waivers_that_mean_nothing_are_errors_with_a_place() {
    let dir = model();
    let sum = "0".repeat(64);
    let good = format!(
        "[[waiver]]\nrule = \"MV-PKL-001\"\npath = \"a\"\nsha256 = \"{sum}\"\nreason = \"r\"\nuntil = 2999-01-01\n"
    );
    assert_eq!(under(&good, dir.path(), &[]).code, 0);
    for (from, to, place) in [
        ("MV-PKL-001", "MV-PKL-999", "2:8"),
        ("MV-PKL-001", "MV-FMT-001", "2:8"),
        ("\"a\"", "\"../a\"", "3:8"),
        (sum.as_str(), "00", "4:10"),
        ("\"r\"", "\" \"", "5:10"),
        ("2999-01-01", "\"soon\"", "6:9"),
        ("until = 2999-01-01\n", "", "1:1"),
        ("until", "untill", "6:1"),
    ] {
        let run = under(&good.replacen(from, to, 1), dir.path(), &[]);
        assert!(run.code == 2 && run.err.contains(&format!("p.toml:{place}: ")), "{to}: {} {}", run.code, run.err);
    }
}

#[test]
fn overrides_hold_for_their_paths() {
    let dir = model();
    let path = dir.path();
    assert_eq!(under("[[override]]\npath = \"**/part\"\nrequire = [\"manifest\"]\n", path, &[]).code, 3);
    assert_eq!(under("[[override]]\npath = \"**/other\"\nrequire = [\"manifest\"]\n", path, &[]).code, 0);
    let run = under("[[override]]\npath = \"**/part\"\nformats = [\"gguf\"]\n", path, &["--format=json"]);
    assert_eq!(run.code, 1);
    assert_eq!(artifact(&run.json(), "model.safetensors")["verdict"], "ok");
    assert_eq!(artifact(&run.json(), "more.safetensors")["verdict"], "bad");
    // a medium finding fails where the override says so; the last one counts
    fs::write(path.join("part/run.py"), "print(1)\n").unwrap();
    assert_eq!(under("", path, &[]).code, 0);
    let strict = "[[override]]\npath = \"**/part\"\nfail-on = \"low\"\n";
    assert_eq!(under(strict, path, &[]).code, 1);
    let lax = "[[override]]\npath = \"**/part/run.py\"\nfail-on = \"high\"\n";
    assert_eq!(under(&format!("{strict}{lax}"), path, &[]).code, 0);
    // beside the model it tightens and never loosens
    fs::write(path.join("mverify.toml"), strict).unwrap();
    assert_eq!(mverify(&[path]).code, 1);
    fs::write(path.join("mverify.toml"), lax).unwrap();
    assert_eq!(under(strict, path, &[]).code, 1);
}

#[test]
fn what_is_denied_is_bad() {
    let dir = model();
    let sum = mverify_in(dir.path(), &["hash", "model.safetensors"], b"").out[..64].to_owned();
    let run = under(&format!("[deny]\nsha256 = [\"{sum}\"]\n"), dir.path(), &[]);
    assert!(run.code == 1 && run.out.contains("POL-004"), "{}", run.out);
    assert_eq!(under(&format!("[deny]\nsha256 = [\"{}\"]\n", "0".repeat(64)), dir.path(), &[]).code, 0);
    // anybody may deny
    fs::write(dir.path().join("mverify.toml"), format!("[deny]\nsha256 = [\"{sum}\"]\n")).unwrap();
    assert_eq!(mverify(&[dir.path()]).code, 1);
}

#[test]
fn a_baseline_lets_old_findings_be_and_new_ones_fail() {
    let (dir, _) = with_a_bad_file();
    let path = dir.path().to_str().unwrap();
    let home = tempfile::tempdir().unwrap();
    let report = home.path().join("report.json");
    let report = report.to_str().unwrap();
    assert_eq!(mverify(&[path, "-o", report]).code, 1);
    let run = mverify(&[path, "--baseline", report, "--format=json"]);
    assert_eq!(run.code, 0, "{}", run.out);
    assert_eq!(artifact(&run.json(), "old.pkl")["findings"][0]["excuse"], "known from the baseline");
    // a new file, and the old one with another content
    fs::copy(dir.path().join("old.pkl"), dir.path().join("new.pkl")).unwrap();
    let run = mverify(&[path, "--baseline", report, "--format=json"]);
    assert_eq!(run.code, 1);
    assert_eq!(artifact(&run.json(), "new.pkl")["verdict"], "bad");
    assert_eq!(artifact(&run.json(), "old.pkl")["verdict"], "ok");
    fs::remove_file(dir.path().join("new.pkl")).unwrap();
    let mut bytes = fs::read(dir.path().join("old.pkl")).unwrap();
    bytes.push(b'.');
    fs::write(dir.path().join("old.pkl"), bytes).unwrap();
    assert_eq!(mverify(&[path, "--baseline", report]).code, 1);
    // no report, no baseline
    assert_eq!(mverify(&[path, "--baseline", "no-such.json"]).code, 2);
    fs::write(report, "{}").unwrap();
    assert_eq!(mverify(&[path, "--baseline", report]).code, 2);
}

#[test]
fn a_baseline_proves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("cut.safetensors"), b"\x09\0\0\0\0\0\0\0{").unwrap();
    let path = dir.path().to_str().unwrap();
    let report = tempfile::NamedTempFile::new().unwrap();
    let report = report.path().to_str().unwrap();
    let before = mverify(&[path, "-o", report]).code;
    assert_ne!(before, 0);
    let run = mverify(&[path, "--baseline", report]);
    assert_eq!(run.code, before, "{}", run.out);
    let signed = mverify(&[path, "--require=manifest", "-o", report]);
    assert_eq!(signed.code, before);
    assert_ne!(mverify(&[path, "--require=manifest", "--baseline", report]).code, 0);
}

#[test]
fn policy_check_explains() {
    let (dir, sum) = with_a_bad_file();
    let home = tempfile::tempdir().unwrap();
    let policy = waivers(dir.path(), &sum, "2999-12-31")
        + "[[override]]\npath = \"**/*.pkl\"\nfail-on = \"low\"\n\n[[model]]\npath = \"**\"\nrequire = [\"manifest\"]\n";
    let file = home.path().join("p.toml");
    fs::write(&file, &policy).unwrap();
    let line = policy.lines().position(|line| line == "[[model]]").unwrap() + 1;
    let old = dir.path().join("old.pkl");
    let run = mverify(&["policy", "check", old.to_str().unwrap(), "--config", file.to_str().unwrap()]);
    assert_eq!(run.code, 0, "{}", run.err);
    for words in [
        format!("[[model]] path = \"**\" (line {line})"),
        "  require: manifest".to_owned(),
        "[[override]] path = \"**/*.pkl\"".to_owned(),
        format!("until 2999-12-31 for sha256 {sum}: read it by hand"),
    ] {
        assert!(run.out.contains(&words), "{words}: {}", run.out);
    }
    let readme = dir.path().join("README.md");
    let run = mverify(&["policy", "check", readme.to_str().unwrap(), "--config", file.to_str().unwrap()]);
    assert!(run.out.contains("[[model]]") && !run.out.contains("[[waiver]]"), "{}", run.out);
}
