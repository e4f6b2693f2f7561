//! The formats of reports as other tools read them, and names that try to forge their lines.

use super::tool::{fixture, mverify, mverify_in, python_with, skip};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Names that would end a line, an element, a cell, a code span or an attribute, begin a workflow command, move the
/// cursor or reverse what follows.
const NAMES: [&str; 6] = [
    "a\n::set-output name=x::y.pkl",
    "b]]><testcase name=\"forged\">.pkl",
    "c`|@x<img src=x>.pkl",
    "d\u{1b}[2J\u{202e}lkp.exe",
    "e,title=x%0A::error::.pkl",
    "::add-mask::f.pkl",
];

fn hostile() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in NAMES {
        fs::copy(fixture("pickle/os_getpid.pkl"), dir.path().join(name)).unwrap();
    }
    dir
}

fn python(script: &str, args: &[&Path]) -> std::process::Output {
    Command::new("python3").arg("-c").arg(script).args(args).output().unwrap()
}

#[cfg(unix)]
#[test]
fn no_format_can_be_forged_by_a_name() {
    let dir = hostile();
    for format in ["text", "json", "jsonl", "sarif", "junit", "github", "markdown"] {
        let run = mverify_in(dir.path(), &[".", "--no-config", "--format", format], b"");
        assert_eq!(run.code, 1, "{format}");
        let odd = run.out.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
        assert_eq!(odd, None, "{format}: {}", run.out);
        let commands = run.out.lines().filter(|line| line.starts_with("::"));
        match format {
            "github" => {
                let ours =
                    |line: &str| line.starts_with("::error file=") || line.starts_with("::error title=mverify::");
                assert!(commands.clone().all(ours), "{}", run.out);
                assert_eq!(commands.count(), 2 * NAMES.len() + 1, "imported and called, and a line for the run");
                assert!(run.out.lines().all(|line| line.matches(",title=").count() <= 1), "{}", run.out);
            }
            _ => assert_eq!(commands.count(), 0, "{format}: {}", run.out),
        }
    }
}

#[cfg(unix)]
#[test]
fn junit_is_xml_with_a_case_per_file() {
    let dir = hostile();
    fs::copy(fixture("weights.pt"), dir.path().join("good.pt")).unwrap();
    let out = tempfile::tempdir().unwrap();
    let report = out.path().join("junit.xml");
    let run = mverify(&[
        dir.path().as_os_str(),
        "-q".as_ref(),
        "-o".as_ref(),
        format!("junit:{}", report.display()).as_ref(),
    ]);
    assert_eq!(run.code, 1);
    let script = "import sys, xml.etree.ElementTree as t\n\
                  s = t.parse(sys.argv[1]).getroot()\n\
                  c = s.findall('.//testcase')\n\
                  print(len(c), s.get('tests'), s.get('failures'), len(s.findall('.//failure')), s.get('errors'))";
    let parsed = python(script, &[&report]);
    let said = String::from_utf8_lossy(&parsed.stdout).into_owned();
    assert_eq!(said.trim(), "7 7 6 6 0", "{}", String::from_utf8_lossy(&parsed.stderr));
}

#[test]
fn several_outputs_in_one_run_and_the_same_code_in_each_format() {
    let dir = tempfile::tempdir().unwrap();
    let file = |format: &str| format!("{format}:{}", dir.path().join(format).display());
    let all = ["text", "json", "jsonl", "sarif", "junit", "github", "markdown"];
    let mut args = vec!["fixtures/pickle/os_getpid.pkl".to_owned(), "-q".to_owned()];
    for format in all {
        args.extend(["-o".to_owned(), file(format)]);
    }
    assert_eq!(mverify(&args).code, 1);
    for format in all {
        let written = fs::read_to_string(dir.path().join(format)).unwrap();
        assert!(written.contains("PKL-001"), "{format}: {written}");
        for (path, code) in [("fixtures/weights.pt", 0), ("fixtures/pickle/truncated.pkl", 3), ("nowhere.pt", 3)] {
            assert_eq!(mverify(&[path, "--format", format]).code, code, "{format} {path}");
        }
    }
}

#[test]
fn formats_are_the_same_on_any_number_of_threads_and_in_two_runs() {
    for format in ["text", "jsonl", "sarif", "junit", "github", "markdown"] {
        let run = |threads: &str| mverify(&["fixtures", "--format", format, "--threads", threads]).out;
        let one = run("1");
        for threads in ["1", "2", "8"] {
            assert!(run(threads) == one, "{format} with {threads} threads");
        }
    }
}

/// The official schema, as `tests/install-tools` leaves it; Python's jsonschema judges.
#[test]
fn sarif_is_valid_by_the_official_schema() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let schema = root.join("target/tools/sarif-2.1.0.json");
    if !schema.is_file() {
        return skip("there is no target/tools/sarif-2.1.0.json (tests/install-tools)");
    }
    let Some(python) = python_with("jsonschema") else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut args = vec!["fixtures".to_owned(), "-q".to_owned()];
    if root.join("../shared/corpus").is_dir() {
        args.push("../shared/corpus".to_owned());
    }
    let report = dir.path().join("out.sarif");
    args.extend(["-o".to_owned(), format!("sarif:{}", report.display())]);
    assert_eq!(mverify(&args).code, 1);
    let script = "import json, sys, jsonschema\n\
                  s, d = (json.load(open(p)) for p in sys.argv[1:])\n\
                  v = jsonschema.validators.validator_for(s)(s)\n\
                  [print(e.json_path, e.message[:200]) for e in v.iter_errors(d)]\n\
                  print(len(d['runs'][0]['results']) > 100)";
    let said = Command::new(python).args(["-c", script]).args([&schema, &report]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout).trim(), "True", "{}", String::from_utf8_lossy(&said.stderr));
}
