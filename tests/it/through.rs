//! `mverify hash --through`, on what tar, gzip, xz and zstd write, beside sha256sum.

use super::tool::mverify_in;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Runs a command of the system; false if there is no such command.
fn tool(directory: &Path, line: &str) -> bool {
    let output = Command::new("sh").args(["-c", line]).current_dir(directory).output().unwrap();
    let found = output.status.code() != Some(127);
    assert!(!found || output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    if !found {
        eprintln!("skipped: `{line}` is not to be had here");
    }
    found
}

fn release() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::create_dir_all(at("m/sub")).unwrap();
    fs::write(at("m/weights.bin"), (0..500_000u32).flat_map(|i| (i / 3).to_le_bytes()).collect::<Vec<u8>>()).unwrap();
    fs::write(at("m/sub/größe.txt"), "words\n").unwrap();
    fs::write(at("m/empty"), "").unwrap();
    // a name too long for the header
    fs::write(at(&format!("m/{}.txt", "long".repeat(40))), "x").unwrap();
    directory
}

#[test]
fn members_of_an_archive_are_those_that_tar_unpacks() {
    let directory = release();
    let here = directory.path();
    for (pack, layers, file) in [
        ("tar -czf r.tar.gz m", "gzip,tar", "r.tar.gz"),
        ("tar --format=pax -cf - m | xz -1 >r.tar.xz", "xz,tar", "r.tar.xz"),
        ("tar --format=gnu -cf - ./m | zstd -q >r.tar.zst", "zstd,tar", "r.tar.zst"),
        ("tar -cf r.tar m", "tar", "r.tar"),
    ] {
        if !tool(here, pack) {
            continue;
        }
        let run = mverify_in(here, &["hash", "--through", layers, file], b"");
        assert_eq!(run.code, 0, "{pack}: {}", run.err);
        assert_eq!(run.out.lines().count(), if layers == "tar" { 5 } else { 6 }, "{}", run.out);
        fs::write(here.join("SUMS"), &run.out).unwrap();
        // the tar itself is named too, and is not there
        tool(here, "sha256sum -c --ignore-missing --strict --status SUMS");
        let check = mverify_in(here, &["hash", "-c", "SUMS", "--through", layers, file, "--strict"], b"");
        assert_eq!((check.code, check.out.matches(": OK").count()), (0, run.out.lines().count()), "{}", check.err);
        let words = run.out.lines().find(|line| line.ends_with("größe.txt")).unwrap();
        fs::write(here.join("SUMS"), words.replacen(|c: char| c.is_ascii_hexdigit(), "f", 64)).unwrap();
        let check = mverify_in(here, &["hash", "-c", "SUMS", "--through", layers, file], b"");
        assert!(check.code == 1 && check.out.contains("größe.txt: FAILED"), "{}", check.out);
        assert!(check.err.contains("3 files in it are in no list"), "{}", check.err);
    }
}

#[test]
fn stored_and_inner_bytes_of_a_compressed_file_are_checked() {
    let directory = release();
    let here = directory.path();
    if !tool(here, "cp m/weights.bin w.pt && zstd -q w.pt && sha256sum w.pt w.pt.zst >SUMS && gzip -k w.pt") {
        return;
    }
    let run = mverify_in(here, &["hash", "--through", "zstd", "w.pt.zst"], b"");
    assert_eq!((run.code, run.out), (0, fs::read_to_string(here.join("SUMS")).unwrap()));
    let check = |args: &[&str]| mverify_in(here, &[&["hash", "-c", "SUMS"], args].concat(), b"");
    assert_eq!(check(&["--through", "zstd", "w.pt.zst"]).code, 0);
    let wrong = check(&["--through", "gzip", "w.pt.zst"]);
    assert!(wrong.code == 3 && wrong.err.contains("of another kind"), "the inside is not read: {}", wrong.err);
    assert!(wrong.out.contains("w.pt.zst: OK\n") && wrong.err.contains("not read to its end"), "{}", wrong.err);
    // other content under the same name: what it decompresses to differs, and so does the stored file
    tool(here, "printf other >w.pt && zstd -qf w.pt");
    let other = check(&["--through", "zstd", "w.pt.zst"]);
    assert!(other.code == 1 && other.out.matches("FAILED").count() == 2, "{}", other.out);
    tool(here, "printf 1 >>w.pt.zst");
    let longer = check(&["--through", "zstd", "w.pt.zst"]);
    assert!(longer.code == 1 && longer.out.contains("w.pt.zst: FAILED\n"), "other stored bytes: {}", longer.out);
    for (limit, most) in [("--max-decompressed-bytes", "1000"), ("--max-ratio", "1")] {
        tool(here, "sha256sum w.pt >LIST");
        let list = ["hash", "-c", "LIST", "--through", "gzip", "w.pt.gz", limit, most];
        let bomb = mverify_in(here, &list, b"");
        assert!(bomb.code == 3 && bomb.err.contains(&limit[2..].replace('-', "_")), "{}{}", bomb.out, bomb.err);
        assert!(!bomb.out.contains("no such file"), "what was not reached is not missing: {}", bomb.out);
    }
    let bomb = mverify_in(here, &["hash", "--through", "gzip", "w.pt.gz", "--max-decompressed-bytes", "1000"], b"");
    assert!(bomb.code == 3 && bomb.err.contains("max_decompressed_bytes"), "{}", bomb.err);
}

#[test]
fn usage_is_explained() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (args, why) in [
        (&["hash", "--through", "rar", "README.md"][..], "known are gzip"),
        (&["hash", "--through", "tar,gzip", "README.md"], "and then tar"),
        (&["hash", "--through", "gzip", "-a", "sha1-git", "README.md"], "length before"),
        (&["hash", "--through", "gzip", "-c", "README.md"], "name the files"),
    ] {
        let run = mverify_in(here, args, b"");
        assert!(run.code == 2 && run.err.contains(why), "{args:?}: {}", run.err);
    }
    let run = mverify_in(here, &["hash", "--through", "gzip", "--json", "nowhere.gz"], b"");
    assert_eq!(run.code, 3);
    assert!(run.json()[0]["error"].is_string());
}
