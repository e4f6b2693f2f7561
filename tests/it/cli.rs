//! Paths, exit codes, outputs and limits.

use super::tool::{fixture, mverify, mverify_in};
use std::fs;

#[test]
fn nothing_and_nonsense_are_usage_errors() {
    assert_eq!(mverify::<&str>(&[]).code, 2);
    assert_eq!(mverify(&["--no-such-flag"]).code, 2);
    assert_eq!(mverify(&["--require", "luck", "fixtures/weights.pt"]).code, 2);
    assert_eq!(mverify(&["scan"]).code, 2);
    assert_eq!(mverify(&["explain", "MV-NO-SUCH"]).code, 2);
    assert_eq!(mverify(&["--help"]).code, 0);
}

#[test]
fn a_typo_an_empty_directory_and_an_empty_list_prove_nothing() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(mverify(&["typo.pt"]).code, 3);
    assert_eq!(mverify(&[dir.path()]).code, 3);
    fs::write(dir.path().join("list"), "").unwrap();
    assert_eq!(mverify_in(dir.path(), &["--files-from", "list"], b"").code, 2);
}

#[test]
fn paths_come_from_arguments_lists_and_standard_input() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a\nb.txt"), "prose").unwrap();
    fs::write(dir.path().join("c.txt"), "prose").unwrap();
    let run = mverify_in(dir.path(), &["scan", "--format", "jsonl", "--files-from", "-", "-0"], b"a\nb.txt\0c.txt\0");
    assert_eq!((run.code, run.out.lines().count()), (0, 3), "{}{}", run.out, run.err);
    let run = mverify_in(dir.path(), &["scan", "-"], b"just prose");
    assert_eq!(run.code, 0, "{}", run.out);
    let run = mverify_in(dir.path(), &["scan", "-"], &fs::read(fixture("pickle/os_getpid.pkl")).unwrap());
    assert_eq!(run.code, 1, "{}", run.out);
}

#[test]
fn a_file_that_is_named_as_an_option_is_not_taken_for_one() {
    let dir = tempfile::tempdir().unwrap();
    fs::copy(fixture("pickle/os_getpid.pkl"), dir.path().join("w.pkl")).unwrap();
    fs::copy(fixture("weights.pt"), dir.path().join("--exit-zero")).unwrap();
    // as a shell expands `mverify *`
    let run = mverify_in(dir.path(), &["--exit-zero", "w.pkl"], b"");
    assert!(run.code == 2 && run.err.contains("put -- before the paths"), "{}{}", run.out, run.err);
    let run = mverify_in(dir.path(), &["--", "--exit-zero", "w.pkl"], b"");
    assert!(run.code == 1 && run.out.contains("2 files"), "{}{}", run.out, run.err);
    assert_eq!(mverify_in(dir.path(), &["--exit-zero", "--", "w.pkl"], b"").code, 0);
    assert_eq!(mverify_in(dir.path(), &["./--exit-zero"], b"").code, 0);
}

#[test]
fn lists_may_name_standard_input_as_sha256sum_does() {
    let dir = tempfile::tempdir().unwrap();
    let written = mverify_in(dir.path(), &["hash"], b"some bytes").out;
    fs::write(dir.path().join("sums"), &written).unwrap();
    let run = mverify_in(dir.path(), &["hash", "-c", "sums"], b"some bytes");
    assert_eq!((run.code, run.out.as_str()), (0, "-: OK\n"), "{}", run.err);
    assert_eq!(mverify_in(dir.path(), &["hash", "-c", "sums"], b"other bytes").code, 1);
    assert_eq!(mverify_in(dir.path(), &["hash", "-c"], written.as_bytes()).code, 3, "that is the list itself");
}

#[test]
fn a_pipe_that_brought_nothing_proves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str], input: &[u8]| mverify_in(dir.path(), args, input);
    for args in [&["-"][..], &["scan", "-"]] {
        assert_eq!(run(args, b"").code, 3);
    }
    assert_eq!(run(&["-", "--max-file-bytes", "3"], b"just prose").code, 3);
    let twice = run(&["-", "-"], b"just prose");
    assert!(twice.code == 2 && twice.err.contains("only once"), "{}", twice.err);
    assert!(run(&["-"], b"just prose").out.contains("sha256"), "the long report, as for a file");
}

#[cfg(unix)]
#[test]
fn a_writer_that_never_ends_does_not_outlast_the_timeout() {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_mverify"))
        .args(["-", "--timeout", "1", "-q"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let writer = child.stdin.take(); // stays open
    assert_eq!(child.wait().unwrap().code(), Some(3));
    drop(writer);
}

#[test]
fn outputs_never_overwrite_what_is_checked_nor_pretend_a_format() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("weights.pt");
    fs::copy(fixture("weights.pt"), &model).unwrap();
    let before = fs::read(&model).unwrap();
    for args in [&["weights.pt", "-o", "weights.pt"][..], &[".", "-o", "text:./weights.pt"]] {
        let run = mverify_in(dir.path(), args, b"");
        assert!(run.code == 2 && run.err.contains("overwrite"), "{}", run.err);
    }
    for twice in ["sarif:out", "sarif:./out", "sarif:link"] {
        std::os::unix::fs::symlink("out", dir.path().join("link")).unwrap();
        let run = mverify_in(dir.path(), &["weights.pt", "-o", "junit:out", "-o", twice], b"");
        assert!(run.code == 2 && run.err.contains("another -o"), "{twice}: {}", run.err);
        for name in ["out", "link"] {
            fs::remove_file(dir.path().join(name)).unwrap_or_default();
        }
    }
    std::os::unix::fs::symlink("weights.pt", dir.path().join("soft")).unwrap();
    fs::hard_link(&model, dir.path().join("hard")).unwrap();
    fs::write(dir.path().join("p.toml"), "").unwrap();
    for args in [["-o", "soft"], ["-o", "hard"], ["--config=p.toml", "-op.toml"]] {
        let run = mverify_in(dir.path(), &[&["weights.pt"][..], &args].concat(), b"");
        assert!(run.code == 2 && run.err.contains("overwrite"), "{args:?}: {}", run.err);
    }
    assert_eq!(fs::read(&model).unwrap(), before);
    assert_eq!(fs::read(dir.path().join("p.toml")).unwrap(), b"");
    assert_eq!(mverify_in(dir.path(), &["weights.pt", "-o", "/dev/null", "-o", "sarif:/dev/null"], b"").code, 0);
    assert_eq!(mverify_in(dir.path(), &["weights.pt", "-o", "html:out"], b"").code, 2);
    assert_eq!(mverify_in(dir.path(), &["weights.pt", "--torch", "banana"], b"").code, 2);
}

#[test]
fn a_reader_that_leaves_early_changes_neither_the_code_nor_other_outputs() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..2000 {
        fs::write(dir.path().join(format!("{n}.txt")), "prose").unwrap();
    }
    fs::copy(fixture("pickle/os_getpid.pkl"), dir.path().join("z.pkl")).unwrap();
    let report = tempfile::NamedTempFile::new().unwrap();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_mverify"))
        .args(["scan".as_ref(), dir.path().as_os_str(), "-o".as_ref(), report.path().as_os_str()])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&fs::read(report.path()).unwrap()).unwrap();
    assert_eq!(report["artifacts"].as_array().unwrap().len(), 2001);
}

#[test]
fn hidden_files_and_ignored_ones_are_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(".gitignore"), "*\n").unwrap();
    fs::copy(fixture("pickle/os_getpid.pkl"), dir.path().join(".hidden")).unwrap();
    assert_eq!(mverify(&[dir.path()]).code, 1);
}

#[test]
fn outputs_agree_and_never_change_the_code() {
    let dir = tempfile::tempdir().unwrap();
    let bad = fixture("pickle/os_getpid.pkl");
    for format in ["text", "json", "jsonl"] {
        let run = mverify(&[bad.as_os_str(), "--format".as_ref(), format.as_ref()]);
        assert_eq!(run.code, 1, "{format}");
        assert!(run.out.contains("os.getpid"), "{format}: {}", run.out);
    }
    let output = dir.path().join("report.json");
    let run = mverify(&[bad.as_os_str(), "-q".as_ref(), "-o".as_ref(), output.as_os_str()]);
    assert_eq!((run.code, run.out.as_str()), (1, ""));
    assert_eq!(fs::read_to_string(output).unwrap(), mverify(&[bad.as_os_str(), "--format=json".as_ref()]).out);
}

#[test]
fn exit_zero_softens_bad_but_not_unknown() {
    let bad = fixture("pickle/os_getpid.pkl");
    assert_eq!(mverify(&[bad.as_os_str(), "--exit-zero".as_ref()]).code, 0);
    assert_eq!(mverify(&["typo.pt", "--exit-zero"]).code, 3);
    assert_eq!(mverify(&[bad.as_os_str(), "typo.pt".as_ref(), "--exit-zero".as_ref()]).code, 3);
}

#[test]
fn a_raised_threshold_never_makes_a_bad_file_ok() {
    let bad = fixture("pickle/os_getpid.pkl");
    assert_eq!(mverify(&[bad.as_os_str(), "--fail-on=critical".as_ref()]).code, 1);
    assert_ne!(mverify(&["fixtures/weights.pt", "--fail-on=info"]).code, 2);
}

#[test]
fn limits_are_named_when_they_are_reached() {
    let run = mverify(&["fixtures/weights.pt", "--max-file-bytes", "1K"]);
    assert_eq!(run.code, 3);
    assert!(run.out.contains("max_file_bytes"), "{}", run.out);
}

#[cfg(unix)]
#[test]
fn names_cannot_forge_output() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let name = std::ffi::OsStr::from_bytes(b"x\x1b[2K\nOK good.pt \xff");
    fs::copy(fixture("pickle/os_getpid.pkl"), dir.path().join(name)).unwrap();
    let text = mverify_in(dir.path(), &["."], b"");
    assert_eq!(text.code, 1);
    assert!(!text.out.contains('\x1b') && !text.out.lines().any(|line| line.starts_with("OK")), "{}", text.out);
    let json = mverify_in(dir.path(), &[".", "--format", "json"], b"").json();
    let lossless = json["artifacts"][0]["path_base64"].as_str().unwrap();
    assert!(data_encoding::BASE64.decode(lossless.as_bytes()).unwrap().ends_with(name.as_bytes()));
}

#[cfg(unix)]
#[test]
fn a_pipe_does_not_hang_and_a_closed_reader_is_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    let made = std::process::Command::new("mkfifo").arg(dir.path().join("pipe")).status();
    if !made.is_ok_and(|status| status.success()) {
        println!("skipped: there is no mkfifo here");
        return;
    }
    assert_eq!(mverify(&[dir.path()]).code, 3);
    let run = std::process::Command::new("sh")
        .args(["-c", "\"$0\" explain --all | true; echo ${PIPESTATUS:-0}", env!("CARGO_BIN_EXE_mverify")])
        .output()
        .unwrap();
    assert!(run.stderr.is_empty(), "{}", String::from_utf8_lossy(&run.stderr));
}

#[test]
fn completions_and_the_manual_are_printed() {
    for shell in ["bash", "zsh", "fish"] {
        let run = mverify(&["completions", shell]);
        assert!(run.code == 0 && run.out.contains("mverify"), "{shell}");
    }
    assert!(mverify(&["man"]).out.contains("Exit codes"));
}
