//! Ways in which somebody who ships a model may try to be believed, and ordinary models that only look like that.

use super::model::{model, safetensors};
use super::tool::{Run, fixture, mverify, mverify_in};
use std::fs;
use std::path::{Path, PathBuf};

/// A directory for keys, policies and models.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Home {
        let home = Home(tempfile::tempdir().unwrap());
        home.run(&["keygen", "-o", "a.key"], 0);
        home.run(&["keygen", "-o", "b.key"], 0);
        home
    }
    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::create_dir_all(self.at(name).parent().unwrap()).unwrap();
        fs::write(self.at(name), content).unwrap();
    }
    fn run(&self, args: &[&str], code: i32) -> Run {
        let run = mverify_in(self.0.path(), args, b"");
        assert_eq!(run.code, code, "{args:?}: {}{}", run.out, run.err);
        run
    }
    /// `m`, with two models' worth of files, signed as a whole by `a`.
    fn signed(&self) {
        self.write("m/model.safetensors", safetensors("w"));
        self.write("m/config.json", "{}");
        self.run(&["sign", "m", "--key", "a.key"], 0);
    }
}

const SIGNER: &str = "[signer.a]\nkey = \"a.key.pub\"\n";

#[test]
fn a_directory_does_not_make_itself_a_repository() {
    let home = Home::new();
    let fake = format!("dl/bert/models--facebook--x/snapshots/{}", "0".repeat(40));
    home.write(&format!("{fake}/model.safetensors"), safetensors("w"));
    home.write("dl/bert/README.md", "# words\n");
    home.write(
        "p.toml",
        format!("{SIGNER}[[model]]\nrepo = \"facebook/*\"\n[[model]]\npath = \"**\"\nsigners = [\"a\"]\n"),
    );
    home.write("s.toml", "sources = [\"facebook/*\"]\n");
    for path in ["dl", "dl/bert", &format!("{fake}/model.safetensors")] {
        home.run(&[path, "--config", "p.toml"], 3);
        home.run(&[path, "--config", "s.toml"], 3);
    }
    // a real cache, by each of the paths that name it
    fs::create_dir(home.at("hub")).unwrap();
    fs::rename(home.at("dl/bert/models--facebook--x"), home.at("hub/models--facebook--x")).unwrap();
    let real = fake.replace("dl/bert", "hub");
    for path in ["hub", "hub/models--facebook--x", &real, &format!("{real}/model.safetensors")] {
        home.run(&[path, "--config", "p.toml"], 0);
        home.run(&[path, "--config", "s.toml"], 0);
    }
    home.write("t.toml", format!("sources = [\"facebook/x@{}\"]\n", "0".repeat(40)));
    home.write(&format!("hub/models--facebook--x/blobs/{}", "e".repeat(20)), safetensors("w"));
    home.run(&["hub/models--facebook--x", "--config", "t.toml"], 0);
}

#[test]
fn a_name_makes_no_signature() {
    let home = Home::new();
    home.signed();
    home.write("p.toml", format!("{SIGNER}[[model]]\npath = \"**\"\nsigners = [\"a\"]\n"));
    let all = |code: i32| {
        home.run(&["check", "m", "--key", "a.key.pub"], code);
        home.run(&["check", "m", "--config", "p.toml"], code);
        home.run(&["verify", "m", "--key", "a.key.pub"], code);
    };
    all(0);
    for name in ["extra.sig", "other.sigstore.json", "attestations.jsonl"] {
        home.write(&format!("m/{name}"), safetensors("x"));
        all(1);
        fs::remove_file(home.at("m").join(name)).unwrap();
    }
    // what git keeps is no part of the model, and not signed either
    home.write("m/.git/w.bin", safetensors("x"));
    home.run(&["check", "m", "--config", "p.toml"], 1);
}

#[test]
fn a_lock_knows_where_in_it_a_path_is() {
    let home = Home::new();
    home.write("m/config.json", "{\"a\": 1}");
    home.write("m/sub/config.json", "{\"b\": 2}");
    home.write("m/model.safetensors", safetensors("w"));
    home.run(&["lock", "m", "-o", "m.lock"], 0);
    for path in ["m", "m/sub", "m/sub/config.json", "m/config.json", "./m/sub/", "m/../m/sub/config.json"] {
        home.run(&[path, "--lock", "m.lock"], 0);
    }
    fs::copy(home.at("m/config.json"), home.at("m/sub/config.json")).unwrap();
    for path in ["m", "m/sub", "m/sub/config.json"] {
        home.run(&[path, "--lock", "m.lock"], 1);
    }
    fs::remove_file(home.at("m/sub/config.json")).unwrap();
    home.write("m/sub/new.json", "{}");
    home.run(&["m/sub", "--lock", "m.lock"], 1);
    // what does not exist was not added
    home.write("mverify.lock", fs::read(home.at("m.lock")).unwrap());
    home.run(&["nothing-here"], 3);
}

#[test]
fn denying_is_about_the_key_and_not_its_name() {
    let home = Home::new();
    home.signed();
    let hint = home.run(&["hash", "a.key.pub"], 0).out[..64].to_owned();
    for hint in [hint.clone(), hint.to_uppercase()] {
        home.write("d.toml", format!("[deny]\nsigners = [\"{hint}\"]\n"));
        home.run(&["check", "m", "--key", "a.key.pub", "--config", "d.toml"], 1);
    }
    let bundle = fs::read_to_string(home.at("m/model.sig")).unwrap().replace(&hint, "");
    home.write("m/model.sig", bundle);
    home.run(&["check", "m", "--key", "a.key.pub", "--config", "d.toml"], 1);
}

#[test]
fn a_bad_signature_by_a_trusted_key_is_told_beside_a_good_one() {
    let home = Home::new();
    home.signed();
    home.write("n/model.safetensors", safetensors("other"));
    home.run(&["sign", "n", "--key", "a.key"], 0);
    // the payload of one under the signature of the other
    let part = |text: &str, name: &str| {
        let start = text.find(&format!("\"{name}\"")).unwrap();
        text[start..].split('"').nth(3).unwrap().to_owned()
    };
    let (mine, theirs) = (home.at("m/model.sig"), home.at("n/model.sig"));
    let (mine, theirs) = (fs::read_to_string(mine).unwrap(), fs::read_to_string(theirs).unwrap());
    home.write("m/bad.sig", mine.replace(&part(&mine, "sig"), &part(&theirs, "sig")));
    home.run(&["verify", "m", "--key", "a.key.pub"], 1);
    home.run(&["check", "m", "--key", "a.key.pub"], 1);
    home.run(&["check", "m/model.safetensors", "--key", "a.key.pub"], 1);
}

#[test]
fn baselines_are_about_content() {
    let home = Home::new();
    home.write("z/tool", fs::read(fixture("format/program.so")).unwrap());
    let report = home.run(&["z", "--fail-on", "medium", "--format", "json"], 1).out;
    home.write("base.json", report);
    home.run(&["z", "--fail-on", "medium", "--baseline", "base.json"], 0);
    let mut other = fs::read(fixture("format/program.so")).unwrap();
    other.push(0);
    home.write("z/tool", other);
    home.run(&["z", "--fail-on", "medium", "--baseline", "base.json"], 1);
}

#[cfg(unix)]
#[test]
fn a_link_is_held_against_the_rules_of_both_ends() {
    let home = Home::new();
    home.write("old/model.safetensors", safetensors("w"));
    std::os::unix::fs::symlink("old/model.safetensors", home.at("current.safetensors")).unwrap();
    home.write("p.toml", "[[model]]\npath = \"old\"\nnot-after = 2020-01-01\n[[override]]\npath = \"current.safetensors\"\nfail-on = \"critical\"\n");
    home.run(&["old/model.safetensors", "--config", "p.toml"], 3);
    home.run(&["current.safetensors", "--config", "p.toml"], 3);
}

#[test]
fn lists_beside_a_file_count_by_whatever_usual_name() {
    let hex = "0".repeat(64);
    for name in
        ["sha256sums.txt", "sha256sums", "checksums", "checksums.sha256", "bert_SHA256SUMS", "m.safetensors.SHA256"]
    {
        let home = Home::new();
        home.write("k/m.safetensors", safetensors("w"));
        for mark in ["", "\u{feff}"] {
            home.write(&format!("k/{name}"), format!("{mark}{hex}  m.safetensors\n"));
            home.run(&["k/m.safetensors"], 1);
            home.run(&["k"], 1);
        }
    }
    let home = Home::new();
    home.write("k/m.safetensors", safetensors("w"));
    let digest = home.run(&["hash", "k/m.safetensors"], 0).out[..64].to_owned();
    // named without the ending
    for (hex, code) in [(&digest, 0), (&hex, 1)] {
        home.write("k/m.sha256", format!("{hex}\n"));
        home.run(&["k"], code);
        home.run(&["k/m.safetensors"], code);
    }
    home.write("k/m.sha256", [0xff, 0xfe, b'a', 0]);
    let run = home.run(&["k"], 0);
    assert!(run.out.contains("INT-006") || mverify(&["k"]).code != 0 || run.out.contains("OK"), "{}", run.out);
}

#[test]
fn files_of_a_signed_directory_verify_one_by_one() {
    let home = Home::new();
    home.signed();
    home.write("p.toml", format!("{SIGNER}[signer.b]\nkey = \"b.key.pub\"\n[[model]]\npath = \"**\"\nsigners = [\"a\", \"b\"]\nthreshold = 2\n"));
    let file = "m/model.safetensors";
    home.run(&["verify", file, "--key", "a.key.pub"], 0);
    home.run(&["verify", file, "--manifest", "m/model.sig", "--key", "a.key.pub"], 0);
    home.run(&["check", file, "--config", "p.toml"], 3);
    home.run(&["sign", "m", "--key", "b.key", "-o", "m/b.sig"], 0);
    home.run(&["check", file, "--config", "p.toml"], 0);
    fs::remove_file(home.at("m/b.sig")).unwrap();
    // a signature of one file beside that of all
    home.run(&["sign", file, "--key", "a.key"], 0);
    for args in [&["verify", "m"][..], &["check", "m"], &["verify", file], &["check", file]] {
        home.run(&[args, &["--key", "a.key.pub"]].concat(), 0);
    }
    home.write(file, safetensors("x"));
    for args in [&["verify", "m"][..], &["check", "m"], &["verify", file], &["check", file]] {
        home.run(&[args, &["--key", "a.key.pub"]].concat(), 1);
    }
    // alone it is not enough for the directory
    home.write(file, safetensors("w"));
    fs::remove_file(home.at("m/model.sig")).unwrap();
    home.run(&["verify", "m", "--key", "a.key.pub"], 1);
    home.run(&["verify", file, "--key", "a.key.pub"], 0);
}

#[test]
fn check_and_verify_allow_the_same_extras() {
    let home = Home::new();
    home.signed();
    home.write("m/logs/x.safetensors", safetensors("log"));
    home.write(
        "p.toml",
        format!("{SIGNER}[[model]]\npath = \"**\"\nsigners = [\"a\"]\nallow-extras = [\"logs/**\"]\n"),
    );
    home.run(&["check", "m", "--config", "p.toml"], 0);
    home.run(&["verify", "m", "--config", "p.toml"], 0);
}

#[test]
fn check_and_verify_see_the_same_additions() {
    use std::os::unix::fs::symlink;
    type Change = fn(&Home);
    let changes: [(&str, i32, Change); 13] = [
        ("an empty file", 1, |home| home.write("m/added.txt", "")),
        ("words", 1, |home| home.write("m/vocab.txt", "some\nwords\n")),
        ("a link to a directory", 1, |home| symlink(".", home.at("m/latest")).unwrap()),
        ("a link to a file", 1, |home| symlink("config.json", home.at("m/c.json")).unwrap()),
        ("weights where git keeps notes", 1, |home| home.write("m/.github/x.safetensors", safetensors("x"))),
        ("weights under a name of git's", 1, |home| home.write("m/.gitattributes", safetensors("x"))),
        ("what git keeps", 0, |home| {
            home.write("m/.gitattributes", "*.safetensors filter=lfs\n");
            home.write("m/.github/workflows/ci.yml", "on: push\n");
            home.write("m/.git/HEAD", "ref: refs/heads/main\n");
            symlink("../config.json", home.at("m/.github/c.json")).unwrap();
        }),
        ("words that the signer ignored", 0, |home| home.write("m/logs/train.txt", "some words\n")),
        ("nothing where the signer ignored", 0, |home| home.write("m/logs/empty.txt", "")),
        ("a setting that the signer ignored", 1, |home| home.write("m/logs/config.json", "{}")),
        ("weights that the signer ignored", 1, |home| home.write("m/logs/x.safetensors", safetensors("x"))),
        ("words under a name that is loaded", 1, |home| home.write("m/logs/x.bin", "some words\n")),
        ("another signature", 0, |home| drop(home.run(&["sign", "m", "--key", "a.key", "-o", "m/b.sig"], 0))),
    ];
    for (what, code, change) in changes {
        let home = Home::new();
        home.write("m/model.safetensors", safetensors("w"));
        home.write("m/config.json", "{}");
        home.write("m/logs/old.txt", "words\n");
        home.run(&["sign", "m", "--key", "a.key", "--ignore", "m/logs"], 0);
        change(&home);
        println!("{what}");
        for command in ["verify", "check"] {
            home.run(&[command, "m", "--key", "a.key.pub"], code);
            let other = if what == "another signature" { 1 } else { code };
            home.run(&[command, "m", "--key", "a.key.pub", "--manifest", "m/model.sig"], other);
        }
    }
}

#[test]
fn a_model_with_what_git_keeps_is_signed_without_it() {
    let home = Home::new();
    home.write("m/model.safetensors", safetensors("w"));
    home.write("m/.gitattributes", "*.safetensors filter=lfs\n");
    home.write("m/.gitignore", "*.tmp\n");
    home.write("m/.github/workflows/ci.yml", "on: push\n");
    home.write("m/.git/HEAD", "ref: refs/heads/main\n");
    assert!(home.run(&["sign", "m", "--key", "a.key"], 0).out.contains("signed 1 file"));
    for command in ["verify", "check"] {
        home.run(&[command, "m", "--key", "a.key.pub"], 0);
    }
    home.write("m/.gitignore", "*.bin\n");
    home.run(&["verify", "m", "--key", "a.key.pub"], 0);
    // directories are not to be had in the place of these, by a link
    for name in [".gitignore", ".github", ".git"] {
        let at = home.at("m").join(name);
        let aside = home.at("aside");
        fs::rename(&at, &aside).unwrap();
        for to in [".", "/etc"] {
            std::os::unix::fs::symlink(to, &at).unwrap();
            home.run(&["verify", "m", "--key", "a.key.pub"], 1);
            home.run(&["check", "m", "--key", "a.key.pub"], 1);
            fs::remove_file(&at).unwrap();
        }
        fs::rename(&aside, &at).unwrap();
    }
}

#[test]
fn a_file_is_held_against_its_own_place_in_a_manifest() {
    let home = Home::new();
    home.write("m/model.safetensors", safetensors("w"));
    home.write("m/sub/model.safetensors", safetensors("v"));
    home.run(&["sign", "m", "--key", "a.key"], 0);
    let file = "m/sub/model.safetensors";
    let verify = |code: i32| {
        for command in ["verify", "check"] {
            home.run(&[command, file, "--manifest", "m/model.sig", "--key", "a.key.pub"], code);
            let inside = [command, "model.safetensors", "--manifest", "../model.sig", "--key", "../../a.key.pub"];
            let run = mverify_in(&home.at("m/sub"), &inside, b"");
            assert_eq!(run.code, code, "{}", run.out);
        }
    };
    verify(0);
    fs::copy(home.at("m/model.safetensors"), home.at(file)).unwrap();
    verify(1);
    // a manifest that lies elsewhere says so by the end of the path, whatever that is
    fs::rename(home.at("m/model.sig"), home.at("elsewhere.sig")).unwrap();
    home.run(&["verify", file, "--manifest", "elsewhere.sig", "--key", "a.key.pub"], 1);
    home.run(&["verify", "m/model.safetensors", "--manifest", "elsewhere.sig", "--key", "a.key.pub"], 0);
}

#[test]
fn a_manifest_is_known_however_it_is_spelled() {
    let home = Home::new();
    home.write("m/sub/x.txt", "words\n");
    home.signed();
    let whole = home.at("m/model.sig");
    for spelled in ["m/model.sig", "./m/model.sig", "m/sub/../model.sig", whole.to_str().unwrap()] {
        home.run(&["check", "m", "--manifest", spelled, "--key", "a.key.pub"], 0);
    }
    for spelled in ["model.sig", "./model.sig"] {
        let run = mverify_in(&home.at("m"), &["check", ".", "--manifest", spelled, "--key", "../a.key.pub"], b"");
        assert_eq!(run.code, 0, "{}", run.out);
    }
}

#[test]
fn each_path_needs_a_signature_of_its_own() {
    let home = Home::new();
    home.signed();
    home.write("txt/vocab.txt", "words\n");
    home.run(&["check", "m", "--key", "a.key.pub"], 0);
    home.run(&["check", "txt", "--key", "a.key.pub"], 3);
    home.run(&["check", "m", "txt", "--key", "a.key.pub"], 3);
    home.run(&["check", "m/model.safetensors", "txt/vocab.txt", "--key", "a.key.pub"], 3);
    home.run(&["check", "m", "m/model.sig", "m/config.json", "--key", "a.key.pub"], 0);
}

#[test]
fn signing_writes_over_signatures_only() {
    let home = Home::new();
    home.signed();
    home.write("mine", "mine");
    std::os::unix::fs::symlink("../mine", home.at("m/model.sig.new")).unwrap();
    home.run(&["sign", "m/model.safetensors", "--key", "a.key"], 0);
    home.run(&["sign", "m/model.safetensors", "--key", "b.key", "--force"], 0);
    for taken in ["a.key", "m/config.json", "mine"] {
        let before = fs::read(home.at(taken)).unwrap();
        home.run(&["sign", "m/model.safetensors", "--key", "a.key", "--force", "-o", taken], 2);
        assert_eq!(fs::read(home.at(taken)).unwrap(), before);
    }
    fs::remove_file(home.at("m/model.sig.new")).unwrap();
    fs::copy(home.at("a.key"), home.at("m/secret.pem")).unwrap();
    let run = home.run(&["sign", "m", "--key", "m/secret.pem", "--force"], 2);
    assert!(run.err.contains("lies in the model"), "{}", run.err);
}

#[test]
fn attestations_by_strangers_are_not_held_against_everything() {
    let home = Home::new();
    for at in 0..1100 {
        home.write(&format!("m/{at}.txt"), "words\n");
    }
    let line = super::oms::attestation(&home.at("a.key"), &[("x", b"x")]);
    home.write("m/x.intoto.jsonl", format!("{line}\n").repeat(1000));
    let run = home.run(&["m"], 3);
    assert!(run.out.contains("more attestations by strangers"), "{}", run.out);
}

#[test]
fn a_signature_behind_a_link_that_leads_out_says_nothing() {
    let home = Home::new();
    home.signed();
    fs::rename(home.at("m/model.sig"), home.at("elsewhere.sig")).unwrap();
    std::os::unix::fs::symlink("../elsewhere.sig", home.at("m/model.sig")).unwrap();
    let check = home.run(&["m", "--key", "a.key.pub"], 3);
    assert!(check.out.contains("DIR-001") && !check.out.contains("is what was signed"), "{}", check.out);
    home.run(&["verify", "m", "--key", "a.key.pub"], 2);
}

#[test]
fn what_cannot_be_inspected_is_not_shown_as_if_it_were() {
    let home = Home::new();
    let whole = safetensors("w");
    home.write("cut.safetensors", &whole[..whole.len() - 1]);
    home.run(&["inspect", "cut.safetensors"], 3);
    assert!(home.run(&["inspect", "-"], 2).err.contains("standard input"));
    let directory = model();
    let path: &Path = directory.path();
    assert_eq!(mverify(&["inspect", path.to_str().unwrap()]).code, 0);
}

#[test]
fn too_many_rules_of_a_stranger_are_refused() {
    let home = Home::new();
    home.write("m/model.safetensors", safetensors("w"));
    home.write("m/mverify.toml", "[[override]]\npath = \"**\"\n".repeat(300));
    assert!(home.run(&["m"], 2).err.contains("256"));
    home.run(&["m", "--no-config"], 0);
}

#[test]
fn a_signature_over_something_else_vouches_for_nothing() {
    let home = Home::new();
    home.write("r/README.md", "# words\n");
    home.run(&["sign", "r/README.md", "--key", "a.key"], 0);
    home.write("r/model.safetensors", safetensors("x"));
    home.run(&["r", "--key", "a.key.pub"], 3);
    home.write("d/good.safetensors", safetensors("g"));
    home.run(&["sign", "d/good.safetensors", "--key", "a.key"], 0);
    home.run(&["d", "--key", "a.key.pub"], 0);
    home.write("d/evil.safetensors", safetensors("e"));
    home.run(&["d/evil.safetensors", "--key", "a.key.pub"], 3);
    home.run(&["d", "--key", "a.key.pub"], 3);
    fs::remove_file(home.at("d/evil.safetensors")).unwrap();
    home.write("d/config.json", "{}");
    home.run(&["d", "--key", "a.key.pub"], 3);
    home.signed();
    home.write("u/x.safetensors", safetensors("u"));
    home.run(&["m", "--key", "a.key.pub"], 0);
    home.run(&["m/model.safetensors", "--key", "a.key.pub"], 0);
    home.run(&["m", "u", "--key", "a.key.pub"], 3);
}

#[test]
fn a_lock_says_no_less_because_another_path_is_named() {
    let home = Home::new();
    home.write("m/a.safetensors", safetensors("a"));
    home.write("m/config.json", "{}");
    home.run(&["lock", "m", "-o", "l"], 0);
    home.run(&["m", "--lock", "l"], 0);
    home.write("c/config.json", "{}");
    home.run(&["c", "--lock", "l"], 1);
    home.run(&["m", "c", "--lock", "l"], 3);
    // one file, and a lock that knows where its files are
    home.write("n/a.safetensors", safetensors("a"));
    home.run(&["lock", "m", "-o", "m/l"], 0);
    home.write("m/new/a.safetensors", safetensors("a"));
    home.run(&["m/new/a.safetensors", "--lock", "m/l"], 1);
    home.run(&["m/a.safetensors", "--lock", "m/l"], 0);
    fs::remove_dir_all(home.at("m/new")).unwrap();
    // what could be loaded is refused in folders of git too
    home.write("m/sub/.git/model.safetensors", safetensors("g"));
    home.run(&["m", "--lock", "l"], 1);
    home.run(&["m", "m/sub/.git/model.safetensors", "--lock", "l"], 1);
}

#[test]
fn a_part_is_not_taken_for_the_whole() {
    let home = Home::new();
    home.write("onnx/top.safetensors", safetensors("t"));
    home.write("onnx/onnx/m.safetensors", safetensors("m"));
    home.write("pins/x", "");
    home.run(&["lock", "onnx", "-o", "pins/l"], 0);
    home.run(&["onnx", "--lock", "pins/l"], 0);
    home.run(&["onnx/onnx", "--lock", "pins/l"], 0);
    fs::remove_file(home.at("onnx/top.safetensors")).unwrap();
    fs::rename(home.at("onnx/onnx/m.safetensors"), home.at("onnx/m.safetensors")).unwrap();
    fs::remove_dir(home.at("onnx/onnx")).unwrap();
    home.run(&["onnx", "--lock", "pins/l"], 1);
    // one that does not say which directory it is of is of what is checked
    let text = fs::read_to_string(home.at("pins/l")).unwrap();
    let (head, files) = text.split_once('\n').unwrap();
    assert!(head.contains("\"root\":\"../onnx\""), "{head}");
    home.write("pins/l", format!("{{\"mverify_lock\":2}}\n{files}"));
    home.run(&["onnx", "--lock", "pins/l"], 1);
}
