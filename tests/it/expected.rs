//! Expectations: lists beside the files, and what the user pins.

use super::model::{artifact, digests, json, model, safetensors};
use super::tool::{mverify, mverify_in};
use std::fs;
use std::process::Command;

#[test]
fn a_list_beside_a_file_can_fail_it_and_a_match_is_only_a_match() {
    let dir = model();
    let list = digests(dir.path(), &["model.safetensors", "part/more.safetensors"]);
    fs::write(dir.path().join("SHA256SUMS"), &list).unwrap();
    for target in [dir.path().to_owned(), dir.path().join("model.safetensors")] {
        let (run, report) = json(&target, &[]);
        assert_eq!(run.code, 0, "{}", run.out);
        let integrity = &artifact(&report, "model.safetensors")["integrity"];
        assert_eq!(integrity[0]["status"], "match");
        assert_eq!(integrity[0]["trust"], "self-asserted");
        assert_eq!(mverify(&[target.to_str().unwrap(), "--require=manifest"]).code, 3, "a match proves no origin");
    }
    fs::write(dir.path().join("model.safetensors"), safetensors("x")).unwrap();
    for target in [dir.path().to_owned(), dir.path().join("model.safetensors")] {
        let (run, report) = json(&target, &[]);
        assert_eq!(run.code, 1);
        assert_eq!(artifact(&report, "model.safetensors")["integrity"][0]["status"], "mismatch");
        assert!(run.out.contains("MV-INT-001"), "{}", run.out);
    }
}

#[test]
fn what_a_list_names_must_be_there_and_what_it_leaves_out_is_told() {
    let dir = model();
    let list = digests(dir.path(), &["model.safetensors"]) + &format!("{}  ./gone.bin\n", "0".repeat(64));
    fs::write(dir.path().join("checksums.txt"), list).unwrap();
    let (run, report) = json(dir.path(), &[]);
    assert_eq!(run.code, 1);
    assert_eq!(artifact(&report, "gone.bin")["integrity"][0]["status"], "missing");
    let uncovered = artifact(&report, "more.safetensors");
    assert_eq!(uncovered["integrity"][0]["status"], "not-covered");
    assert_eq!(uncovered["verdict"], "ok");
    assert_eq!(artifact(&report, "README.md")["integrity"], serde_json::json!([]));
    assert_eq!(mverify(&[dir.path().join("model.safetensors")]).code, 0, "only that file was asked for");
}

#[test]
fn a_list_speaks_for_its_own_directory_only() {
    let dir = model();
    let zeros = "0".repeat(64);
    let list = format!("{zeros}  ../model.safetensors\n{zeros}  {}/model.safetensors\n", dir.path().display());
    fs::write(dir.path().join("part/SHA256SUMS"), list).unwrap();
    let (run, report) = json(dir.path(), &[]);
    assert_eq!(run.code, 0, "{}", run.out);
    assert_eq!(artifact(&report, "part/SHA256SUMS")["findings"][0]["rule"], "MV-INT-007");
}

#[test]
fn sidecars_of_every_kind() {
    for (end, bare) in [(".sha256", false), (".sha256", true), (".b3", true), (".md5", false), (".sha512", false)] {
        let dir = model();
        let algorithm = match end {
            ".b3" => "blake3",
            end => &end[1..],
        };
        let line = mverify_in(dir.path(), &["hash", "-a", algorithm, "model.safetensors"], b"").out;
        let text = if bare { line.split(' ').next().unwrap().to_owned() } else { line.clone() };
        fs::write(dir.path().join(format!("model.safetensors{end}")), text).unwrap();
        let (run, report) = json(dir.path(), &[]);
        assert_eq!(run.code, 0, "{end}: {}", run.out);
        let integrity = &artifact(&report, "/model.safetensors")["integrity"][0];
        assert_eq!(integrity["status"], "match", "{end}");
        assert_eq!(integrity["note"].is_string(), end == ".md5", "only md5 is weak");
        assert_eq!(artifact(&report, "more.safetensors")["integrity"], serde_json::json!([]), "it speaks for one file");
        fs::write(dir.path().join("model.safetensors"), safetensors("x")).unwrap();
        assert_eq!(mverify(&[dir.path().join("model.safetensors")]).code, 1, "{end}");
    }
}

#[test]
fn sha256_pins_one_file() {
    let dir = model();
    let file = dir.path().join("model.safetensors");
    let digest = digests(dir.path(), &["model.safetensors"])[..64].to_uppercase();
    let (run, report) = json(&file, &["--sha256", &digest, "--require=manifest"]);
    assert_eq!(run.code, 0, "{}", run.out);
    assert_eq!(report["artifacts"][0]["integrity"][0]["trust"], "pinned");
    let (run, _) = json(&file, &["--sha256", &"0".repeat(64)]);
    assert_eq!(run.code, 1);
    let file = file.to_str().unwrap();
    assert_eq!(mverify(&[file, "--sha256", "beef"]).code, 2);
    assert_eq!(mverify(&[dir.path().to_str().unwrap(), "--sha256", &digest]).code, 2, "one file only");
    let piped = mverify_in(dir.path(), &["-", "--sha256", &digest], &safetensors("w"));
    assert_eq!(piped.code, 0, "{}", piped.out);
}

#[test]
fn lists_of_the_tools_that_people_have() {
    let dir = model();
    let made =
        Command::new("sha256sum").args(["model.safetensors", "part/more.safetensors"]).current_dir(&dir).output();
    let Ok(made) = made else { return eprintln!("skipped: no sha256sum here") };
    fs::write(dir.path().join("sha256sum.txt"), made.stdout).unwrap();
    let (run, report) = json(dir.path(), &[]);
    assert_eq!(run.code, 0);
    assert_eq!(artifact(&report, "more.safetensors")["integrity"][0]["status"], "match");
}

#[test]
fn hash_takes_the_arguments_that_sha256sum_takes() {
    let dir = model();
    let (first, second) = (digests(dir.path(), &["model.safetensors"]), digests(dir.path(), &["README.md"]));
    fs::write(dir.path().join("A"), &first).unwrap();
    fs::write(dir.path().join("B"), &second).unwrap();
    let with = |args: &[&str], list: &str| {
        let ours = mverify_in(dir.path(), &[&["hash"], args].concat(), list.as_bytes());
        let mut theirs = Command::new("sha256sum");
        theirs.args(args).current_dir(dir.path()).stdin(std::process::Stdio::piped());
        theirs.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
        if let Ok(mut child) = theirs.spawn() {
            std::io::Write::write_all(&mut child.stdin.take().unwrap(), list.as_bytes()).unwrap();
            let output = child.wait_with_output().unwrap();
            assert_eq!(ours.out, String::from_utf8(output.stdout).unwrap(), "{args:?}");
            assert_eq!(ours.code == 0, output.status.success(), "{args:?}: {}", ours.err);
        }
        ours
    };
    for good in [true, false] {
        for args in [
            &["-c", "A"][..],
            &["-c", "A", "B"],
            &["-c", "--quiet", "A"],
            &["--quiet", "-c", "A", "B"],
            &["-c", "--status", "A"],
            &["--check", "--strict", "A"],
            &["-c", "--ignore-missing", "--warn", "B", "A"],
        ] {
            assert_eq!(with(args, "").code, i32::from(!good), "{args:?}");
        }
        assert_eq!(with(&["-c"], &first).code, i32::from(!good));
        assert_eq!(with(&["-c", "-"], &first).code, i32::from(!good));
        fs::write(dir.path().join("model.safetensors"), "changed").unwrap();
    }
    // names that sha256sum escapes, and a file that is not there
    fs::write(dir.path().join("two\nli\\nes"), "x").unwrap();
    fs::write(dir.path().join("C"), digests(dir.path(), &["two\nli\\nes"])).unwrap();
    assert_eq!(with(&["-c", "C"], "").code, 0);
    fs::remove_file(dir.path().join("two\nli\\nes")).unwrap();
    assert_eq!(with(&["-c", "C"], "").code, 1);
    assert_eq!(mverify_in(dir.path(), &["hash", "--status", "A"], b"").code, 2, "only with -c");
}
