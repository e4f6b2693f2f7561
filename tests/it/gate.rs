//! The sample repository in `tests/gate` through each way to run a gate: by hand, through the script of `action.yml`, through
//! pre-commit, and through the line of `docs/ci.md` for GitLab. Each must exit as `cases.toml` says.

use super::tool::{mverify_in, python_with};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    paths: Vec<String>,
    #[serde(default)]
    args: Vec<String>,
    code: i32,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn cases() -> BTreeMap<String, Case> {
    toml::from_str(&fs::read_to_string(root().join("tests/gate/cases.toml")).unwrap()).unwrap()
}

/// A copy of the sample repository, so that nothing is written into it.
fn sample() -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let status = Command::new("cp").arg("-r").arg(root().join("tests/gate/.")).arg(copy.path()).status().unwrap();
    assert!(status.success());
    copy
}

/// The text between a line of a file and the first line after it that is not indented more deeply, without that indentation.
fn block(file: &str, after: &str, head: &str) -> String {
    let text = fs::read_to_string(root().join(file)).unwrap();
    let mut lines = text.lines().skip_while(|line| line.trim() != after).skip_while(|line| line.trim() != head);
    let head = lines.next().unwrap_or_else(|| panic!("{file} has no {head} after {after}"));
    let deep = head.len() - head.trim_start().len() + 2;
    let lines = lines.take_while(|line| line.trim().is_empty() || line.len() - line.trim_start().len() >= deep);
    lines.map(|line| line.get(deep..).unwrap_or_default().to_owned() + "\n").collect()
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn by_hand() {
    let sample = sample();
    for (name, case) in cases() {
        let mut first = BTreeMap::new();
        for (threads, formats) in [
            ("1", &["json", "sarif", "junit", "github", "markdown", "jsonl", "text"][..]),
            ("2", &["json", "sarif"]),
            ("8", &["json", "sarif"]),
            ("8", &["json", "sarif"]),
        ] {
            for &format in formats {
                let mut args: Vec<&str> = case.paths.iter().chain(&case.args).map(String::as_str).collect();
                args.extend(["--format", format, "--threads", threads]);
                let run = mverify_in(sample.path(), &args, b"");
                assert_eq!(run.code, case.code, "{name} as {format}: {}{}", run.out, run.err);
                let said = first.entry(format).or_insert_with(|| run.out.clone());
                assert!(*said == run.out, "{name}: the {format} of {threads} threads differs");
            }
        }
    }
}

#[test]
fn the_baseline_is_what_the_binary_reports() {
    let run = mverify_in(sample().path(), &["known", "--no-config", "--format", "json"], b"");
    let path = root().join("tests/gate/baseline.json");
    if std::env::var_os("MVERIFY_BLESS").is_some() {
        fs::write(&path, &run.out).unwrap();
    }
    assert!(fs::read_to_string(path).unwrap() == run.out, "run with MVERIFY_BLESS=1 and commit the change");
}

#[test]
fn through_the_action() {
    let script = block("action.yml", "- id: check", "run: |");
    let install = block("action.yml", "- id: install", "run: |");
    for (name, case) in cases() {
        let (sample, runner) = (sample(), tempfile::tempdir().unwrap());
        let at = |name: &str| runner.path().join(name);
        let bash = |script: &str, mverify: &str| {
            Command::new("bash")
                .args(["--noprofile", "--norc", "-e", "-c", script])
                .current_dir(sample.path())
                .env("XDG_CONFIG_HOME", runner.path())
                .env("RUNNER_TEMP", runner.path())
                .env("GITHUB_OUTPUT", at("output"))
                .env("GITHUB_STEP_SUMMARY", at("summary"))
                .env("GIVEN", env!("CARGO_BIN_EXE_mverify"))
                .env("MVERIFY", mverify)
                .env("PATHS", case.paths.join("\n"))
                .env("ARGS", case.args.join("\n"))
                .output()
                .unwrap()
        };
        assert!(bash(&install, "").status.success());
        let output = fs::read_to_string(at("output")).unwrap();
        let installed = output.trim().strip_prefix("mverify=").unwrap().to_owned();
        let run = bash(&script, &installed);
        assert_eq!(run.status.code(), Some(case.code), "{name}: {}", words(&run));
        let output = fs::read_to_string(at("output")).unwrap();
        assert!(output.contains(&format!("exit-code={}\n", case.code)), "{name}: {output}");
        // a usage error has nothing to upload
        assert_eq!(output.contains("sarif="), case.code != 2, "{name}: {output}");
        let summary = fs::read_to_string(at("summary")).unwrap_or_default();
        assert_eq!(summary.contains("mverify"), case.code != 2, "{name}: {summary}");
        let said = String::from_utf8_lossy(&run.stdout);
        let annotated = said.contains("::error ") || said.contains("::warning ");
        assert_eq!(annotated, [1, 3].contains(&case.code) || name == "softened", "{name}: {}", words(&run));
    }
}

#[test]
fn through_the_line_for_gitlab() {
    let text = fs::read_to_string(root().join("docs/ci.md")).unwrap();
    let line = text.lines().find_map(|line| line.trim().strip_prefix("- mverify check models "));
    let line = format!("mverify check models {}", line.expect("docs/ci.md has a line for GitLab"));
    for (name, case) in cases().into_iter().filter(|(_, case)| case.args.is_empty() && case.paths.len() == 1) {
        let sample = sample();
        // one that is missing stays so
        let _ = fs::rename(sample.path().join(&case.paths[0]), sample.path().join("models"));
        let run = Command::new("sh").args(["-e", "-c", &line]).current_dir(sample.path()).env("PATH", path()).output();
        let run = run.unwrap();
        assert_eq!(run.status.code(), Some(case.code), "{name}: {}", words(&run));
        for report in ["mverify.xml", "mverify.sarif"] {
            assert!(fs::metadata(sample.path().join(report)).unwrap().len() > 100, "{name}: {report}");
        }
    }
}

/// The search path with the directory of the binary first.
fn path() -> std::ffi::OsString {
    let own = Path::new(env!("CARGO_BIN_EXE_mverify")).parent().unwrap().to_owned();
    let all = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&all))).unwrap()
}

#[test]
fn through_pre_commit() {
    let Some(python) = python_with("pre_commit") else { return };
    let home = tempfile::tempdir().unwrap();
    let command = |program: &Path, directory: &Path| {
        let mut command = Command::new(program);
        command.current_dir(directory).env("PATH", path()).env("PRE_COMMIT_HOME", home.path().join("cache"));
        command
            .env("XDG_CONFIG_HOME", home.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1");
        for (role, name) in [("AUTHOR", "tests"), ("COMMITTER", "tests")] {
            command.env(format!("GIT_{role}_NAME"), name).env(format!("GIT_{role}_EMAIL"), "tests@example.invalid");
        }
        command
    };
    let git = |directory: &Path, args: &[&str]| {
        let run = command(Path::new("git"), directory).args(args).output().unwrap();
        assert!(run.status.success(), "git {args:?}: {}", words(&run));
        String::from_utf8(run.stdout).unwrap().trim().to_owned()
    };
    let committed = |directory: &Path| {
        git(directory, &["init", "-q"]);
        git(directory, &["add", "-A"]);
        git(directory, &["commit", "-q", "-m", "all"]);
        git(directory, &["rev-parse", "HEAD"])
    };
    let hooks = tempfile::tempdir().unwrap();
    fs::copy(root().join(".pre-commit-hooks.yaml"), hooks.path().join(".pre-commit-hooks.yaml")).unwrap();
    let rev = committed(hooks.path());
    let hooks = hooks.path().to_str().unwrap();
    for (name, case) in cases() {
        let sample = sample();
        let config = format!(
            "repos:\n- repo: {hooks}\n  rev: {rev}\n  hooks:\n  - id: mverify-system\n    args: {}\n",
            serde_json::to_string(&case.args).unwrap()
        );
        fs::write(sample.path().join(".pre-commit-config.yaml"), config).unwrap();
        committed(sample.path());
        let files = files(sample.path(), &case.paths);
        if files.is_empty() {
            continue; // git has no file that is not there
        }
        let mut runs = vec![vec!["run", "--verbose", "--files"]];
        if case.args.is_empty() {
            runs.push(vec!["try-repo", hooks, "mverify-system", "--verbose", "--files"]);
        }
        for args in runs {
            let mut pre_commit = command(&python, sample.path());
            let run = pre_commit.args(["-m", "pre_commit"]).args(&args).args(&files).output().unwrap();
            let said = words(&run);
            assert!(said.contains("check model files"), "{name}: {said}");
            assert_eq!(run.status.success(), case.code == 0, "{name}: {said}");
            assert!(case.code == 0 || said.contains(&format!("exit code: {}", case.code)), "{name}: {said}");
        }
    }
    // a tracked file that is named as an option is one, and forgives nothing
    for (args, code) in [("", 1), ("    args: [--require=weights-only]\n", 2)] {
        let sample = sample();
        let hostile = "--baseline=baseline.pt";
        fs::copy(sample.path().join("baseline.json"), sample.path().join("baseline.pt")).unwrap();
        fs::copy(root().join("fixtures/weights.pt"), sample.path().join(hostile)).unwrap();
        let config = format!("repos:\n- repo: {hooks}\n  rev: {rev}\n  hooks:\n  - id: mverify-system\n{args}");
        fs::write(sample.path().join(".pre-commit-config.yaml"), config).unwrap();
        committed(sample.path());
        let known = files(sample.path(), &["known".to_owned()]);
        let mut pre_commit = command(&python, sample.path());
        pre_commit.args(["-m", "pre_commit", "run", "--verbose", "--files"]).args(&known).arg(format!("./{hostile}"));
        let said = words(&pre_commit.output().unwrap());
        assert!(said.contains(&format!("exit code: {code}")), "{said}");
    }
}

/// The files under these paths, relative to a directory.
fn files(directory: &Path, paths: &[String]) -> Vec<PathBuf> {
    let listed = paths.iter().filter_map(|path| fs::read_dir(directory.join(path)).ok()).flatten();
    listed.map(|entry| entry.unwrap().path().strip_prefix(directory).unwrap().to_owned()).collect()
}
