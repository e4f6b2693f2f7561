//! `mverify diff`.

use super::model::{model, safetensors};
use super::tool::{Run, fixture, mverify, python_with, shared};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

fn diff(old: &Path, new: &Path, args: &[&str]) -> Run {
    let mut all = vec!["diff", old.to_str().unwrap(), new.to_str().unwrap()];
    all.extend(args);
    mverify(&all)
}

fn json(old: &Path, new: &Path) -> (i32, Value) {
    let run = diff(old, new, &["--format=json"]);
    (run.code, run.json())
}

/// A safetensors file of U8 tensors.
fn tensors(all: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut header, mut data) = (Vec::new(), Vec::new());
    for (name, bytes) in all {
        let (start, end) = (data.len(), data.len() + bytes.len());
        header.push(format!(r#""{name}":{{"dtype":"U8","shape":[{}],"data_offsets":[{start},{end}]}}"#, bytes.len()));
        data.extend_from_slice(bytes);
    }
    let header = format!("{{{}}}", header.join(","));
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat()
}

/// What is said about tensors, as `change name`.
fn told(diff: &Value) -> Vec<String> {
    let words = |tensor: &Value| {
        let changes: Vec<_> = tensor["changes"].as_array().unwrap().iter().map(|c| c.as_str().unwrap()).collect();
        format!("{} {}", changes.join("+"), tensor["name"].as_str().unwrap())
    };
    diff["tensors"].as_array().unwrap().iter().map(words).collect()
}

#[test]
fn a_copy_is_no_change_wherever_it_lies() {
    let (a, b) = (model(), model());
    let run = diff(a.path(), b.path(), &[]);
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
    assert!(run.out.contains("nothing changed"), "{}", run.out);
    // tracked by git, or in a cache: who keeps a model says nothing about it
    let _ = Command::new("git").arg("-C").arg(a.path()).args(["init", "-q"]).status();
    let _ = Command::new("git").arg("-C").arg(a.path()).args(["add", "."]).status();
    let file = a.path().join("model.safetensors");
    assert_eq!(diff(&file, &b.path().join("model.safetensors"), &[]).code, 0);
    // two files that were named may have any names
    let copy = b.path().join("copy.safetensors");
    fs::copy(&file, &copy).unwrap();
    assert_eq!(diff(&file, &copy, &[]).code, 0);
}

#[test]
fn files_that_are_added_removed_renamed_and_changed() {
    let (a, b) = (model(), model());
    fs::write(b.path().join("model.safetensors"), tensors(&[("w", b"\x01\x03")])).unwrap();
    fs::create_dir(b.path().join("moved")).unwrap();
    fs::rename(b.path().join("part/more.safetensors"), b.path().join("moved/other.safetensors")).unwrap();
    fs::copy(fixture("pickle/os_getpid.pkl"), b.path().join("new.pkl")).unwrap();
    fs::remove_file(b.path().join("README.md")).unwrap();
    let (code, found) = json(a.path(), b.path());
    assert_eq!((code, found["schema"].as_str(), &found["complete"]), (1, Some("mverify.diff/v1"), &true.into()));
    let files: Vec<String> = found["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| format!("{} {}", file["change"].as_str().unwrap(), file["path"].as_str().unwrap()))
        .collect();
    assert_eq!(
        files,
        ["removed README.md", "changed model.safetensors", "renamed moved/other.safetensors", "added new.pkl"]
    );
    assert_eq!(told(&found), ["altered w"]);
    let new = &found["files"][3];
    assert_eq!(new["globals"][0]["standing"], "dangerous");
    assert_eq!(new["findings"][0]["rule"], "MV-PKL-001");
    assert_eq!(new["weights_only"][0]["new"], "blocked");
    assert_eq!(found["files"][2]["from"], "part/more.safetensors");
    // the same in words, and softened
    let run = diff(a.path(), b.path(), &["--exit-zero"]);
    assert_eq!(run.code, 0);
    for words in ["global   new os.getpid (dangerous)", "altered w", "part/more.safetensors -> moved", "1 new globals"]
    {
        assert!(run.out.contains(words), "{words}: {}", run.out);
    }
    let page = diff(a.path(), b.path(), &["--format=markdown"]).out;
    assert!(page.starts_with("## mverify diff: files: 1 added, 1 removed, 1 renamed, 1 changed"), "{page}");
    assert!(page.contains("`global   new os.getpid (dangerous)`"), "{page}");
}

#[test]
fn tensors_by_what_happened_to_them() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    let of = |all: &[(&str, &[u8])], name: &str| fs::write(at(name), tensors(all)).unwrap();
    of(&[("same", b"12"), ("other", b"12"), ("longer", b"12"), ("old-name", b"789"), ("gone", b"1")], "a.safetensors");
    of(&[("same", b"12"), ("other", b"13"), ("longer", b"123"), ("new-name", b"789"), ("come", b"2")], "b.safetensors");
    let (code, found) = json(&at("a.safetensors"), &at("b.safetensors"));
    assert_eq!(code, 1);
    assert_eq!(told(&found), ["added come", "removed gone", "reshaped longer", "renamed new-name", "altered other"]);
    assert_eq!(found["tensors"][3]["from"], "old-name");
    // cut into other shards: the tensors are the same ones elsewhere
    for dir in ["old", "new"] {
        fs::create_dir(at(dir)).unwrap();
    }
    of(&[("a", b"1"), ("b", b"2")], "old/1.safetensors");
    of(&[("c", b"3")], "old/2.safetensors");
    of(&[("a", b"1")], "new/1.safetensors");
    of(&[("b", b"2"), ("c", b"4")], "new/2.safetensors");
    let (_, found) = json(&at("old"), &at("new"));
    assert_eq!(told(&found), ["moved b", "altered c"]);
    assert_eq!(found["tensors"][0]["from_file"], "1.safetensors");
}

#[test]
fn configuration_templates_and_code_references() {
    let (a, b) = (model(), model());
    let put = |dir: &Path, name: &str, text: &str| fs::write(dir.join(name), text).unwrap();
    put(a.path(), "config.json", r#"{"hidden_size": 8, "layers": [1, 2]}"#);
    put(
        b.path(),
        "config.json",
        r#"{"hidden_size": 9, "layers": [1, 2, 3], "auto_map": {"AutoModel": "modeling_x.X"}}"#,
    );
    put(a.path(), "tokenizer_config.json", r#"{"chat_template": "{{ a }}"}"#);
    put(b.path(), "tokenizer_config.json", r#"{"chat_template": "{{ b }}"}"#);
    put(b.path(), "chat_template.jinja", "{% for m in messages %}{{ m }}{% endfor %}");
    let (code, found) = json(a.path(), b.path());
    assert_eq!(code, 1);
    let file = |name: &str| {
        let files = found["files"].as_array().unwrap();
        files.iter().find(|file| file["path"] == name).unwrap_or_else(|| panic!("no {name}: {found}")).clone()
    };
    let config = file("config.json");
    let fields: Vec<_> = config["fields"].as_array().unwrap().iter().map(|f| f["pointer"].as_str().unwrap()).collect();
    assert_eq!(fields, ["/auto_map/AutoModel", "/hidden_size", "/layers/2"]);
    assert_eq!(config["code"][0]["reference"], "auto_map: modeling_x.X");
    assert_eq!(config["findings"][0]["rule"], "MV-CFG-002");
    let tokenizer = file("tokenizer_config.json");
    assert_eq!(
        (&tokenizer["templates"][0]["place"], &tokenizer["fields"]),
        (&"/chat_template".into(), &Value::Array(vec![]))
    );
    assert_eq!(file("chat_template.jinja")["templates"][0]["change"], "added");
}

#[test]
fn members_of_archives_and_what_they_can_do() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    let Some(python) = python_with("zipfile") else { return };
    let write = "import sys, zipfile\n\
        out, how, data = sys.argv[1], int(sys.argv[2]), sys.argv[3].encode()\n\
        with zipfile.ZipFile(out, 'w', how) as z:\n\
        \x20   z.writestr('same.txt', b'the same')\n\
        \x20   z.writestr('data.txt', data)\n";
    let zip = |name: &str, how: &str, data: &str| {
        let status = Command::new(&python).args(["-c", write]).arg(at(name)).args([how, data]).status();
        assert!(status.unwrap().success());
        at(name)
    };
    let (a, b) = (zip("a.zip", "0", "one"), zip("b.zip", "0", "two"));
    let (code, found) = json(&a, &b);
    let members = &found["files"][0]["members"];
    assert_eq!((code, members.as_array().unwrap().len(), &members[0]["name"]), (1, 1, &"data.txt".into()), "{found}");
    // thousands of one name are told apart by their order, in no more than linear time
    let many = "import sys, warnings, zipfile\n\
        warnings.simplefilter('ignore')\n\
        with zipfile.ZipFile(sys.argv[1], 'w') as z:\n\
        \x20   for i in range(20000): z.writestr('same', sys.argv[2] if i == 7 else 'x')\n";
    let names = ["many-a.zip", "many-b.zip"].map(&at);
    for (path, text) in names.iter().zip(["x", "y"]) {
        assert!(Command::new(&python).args(["-c", many]).arg(path).arg(text).status().unwrap().success());
    }
    let begun = std::time::Instant::now();
    let (_, found) = json(&names[0], &names[1]);
    assert_eq!(found["files"][0]["members"].as_array().unwrap().len(), 1);
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    // stored in another way, the content may be the same: that is said, and nothing else
    let c = zip("c.zip", "8", "one");
    let (code, found) = json(&a, &c);
    assert_eq!((code, &found["complete"]), (1, &false.into()));
    assert_eq!(found["not_compared"][0]["why"], "it is stored in another way, or was not read");
    assert_eq!(diff(&a, &c, &["--exit-zero", "-q"]).code, 3, "softened is only what changed");
}

#[test]
fn checkpoints_of_torch_are_compared_tensor_by_tensor() {
    let home = tempfile::tempdir().unwrap();
    let (a, b) = (home.path().join("a.pt"), home.path().join("b.pt"));
    let mut bytes = fs::read(fixture("weights.pt")).unwrap();
    fs::write(&a, &bytes).unwrap();
    let run = mverify(&["inspect".as_ref(), a.as_os_str(), "--json".as_ref()]).json();
    let tensor = run["artifacts"][0]["tensors"].as_array().unwrap().iter().find(|t| t["bytes"].as_u64() > Some(0));
    let tensor = tensor.unwrap();
    let offset = usize::try_from(tensor["offset"].as_u64().unwrap()).unwrap();
    bytes[offset] ^= 1;
    fs::write(&b, bytes).unwrap();
    let (code, found) = json(&a, &b);
    assert_eq!(code, 1);
    assert!(told(&found).contains(&format!("altered {}", tensor["name"].as_str().unwrap())), "{found}");
    assert!(found["files"][0]["members"].as_array().unwrap().iter().any(|m| m["change"] == "changed"), "{found}");
    assert_eq!(found["complete"], true, "{found}");
}

#[test]
fn what_cannot_be_read_is_never_equal() {
    let (a, b) = (model(), model());
    assert_eq!(diff(a.path(), &a.path().join("typo"), &[]).code, 2);
    assert_eq!(diff(a.path(), &b.path().join("model.safetensors"), &[]).code, 2, "a file is no directory");
    #[cfg(unix)]
    for dir in [a.path(), b.path()] {
        std::os::unix::fs::symlink("nowhere", dir.join("link.bin")).unwrap();
    }
    let run = diff(a.path(), b.path(), &[]);
    assert!(run.code == 3 && run.out.contains("not everything could be compared"), "{} {}", run.code, run.out);
}

#[cfg(unix)]
#[test]
fn names_cannot_forge_output() {
    use std::os::unix::ffi::OsStrExt;
    let (a, b) = (model(), model());
    let name = b"x\x1b[2J\n## forged `|\xe2\x80\xae\xff::set-output.safetensors";
    fs::write(b.path().join(std::ffi::OsStr::from_bytes(name)), safetensors("]]>\\n`<img>")).unwrap();
    fs::write(b.path().join("config.json"), "{\"a\\u001b[2J\\n`b\": \"\\u202e`|<img>\"}").unwrap();
    fs::write(a.path().join("config.json"), "{}").unwrap();
    for format in ["text", "json", "markdown"] {
        let run = diff(a.path(), b.path(), &["--format", format]);
        assert_eq!(run.code, 1);
        assert!(!run.out.contains(['\x1b', '\u{202e}']), "{}", run.out);
        assert!(!run.out.lines().any(|line| line.starts_with("## forged") || line.starts_with("::")), "{}", run.out);
        if format == "markdown" {
            // every name stands between fences that it cannot close
            for line in run.out.lines().filter(|line| line.contains("forged")) {
                let fence = line.trim_start_matches([' ', '-']).split(|c| c != '`').next().unwrap();
                assert!(fence.len() > 1 && line.ends_with(fence), "{line}");
            }
        }
    }
    let (_, found) = json(a.path(), b.path());
    assert!(found["files"].as_array().unwrap().iter().any(|file| file["path_base64"].is_string()), "{found}");
}

#[cfg(unix)]
#[test]
fn snapshots_of_a_cache() {
    let home = tempfile::tempdir().unwrap();
    let repo = home.path().join("models--acme--bert");
    for (commit, content) in [("a", "1"), ("b", "2")] {
        let root = repo.join("snapshots").join(commit.repeat(40));
        fs::create_dir_all(&root).unwrap();
        fs::write(root.join("config.json"), format!("{{\"v\": {content}}}")).unwrap();
    }
    fs::create_dir_all(repo.join("refs")).unwrap();
    fs::write(repo.join("refs/main"), "b".repeat(40)).unwrap();
    let (code, found) = json(&repo.join("snapshots").join("a".repeat(40)), &repo);
    assert_eq!(code, 1, "{found}");
    assert_eq!((&found["new"]["repo"], &found["new"]["commit"]), (&"acme/bert".into(), &"b".repeat(40).into()));
    assert_eq!(found["files"][0]["fields"][0]["pointer"], "/v");
}

#[cfg(feature = "trust")]
#[test]
fn signers_that_came_and_went() {
    let (a, b, home) = (model(), model(), tempfile::tempdir().unwrap());
    let key = home.path().join("k.key");
    assert_eq!(mverify(&["keygen".as_ref(), "-o".as_ref(), key.as_os_str()]).code, 0);
    let signed = mverify(&["sign".as_ref(), a.path().as_os_str(), "--key".as_ref(), key.as_os_str()]);
    assert_eq!(signed.code, 0, "{}", signed.err);
    let (code, found) = json(a.path(), b.path());
    assert_eq!(code, 1);
    assert_eq!(found["files"][0]["change"], "removed", "{found}");
    let gone = &found["vouching"][0];
    assert_eq!(
        (&gone["change"], &gone["source"], &gone["status"]),
        (&"gone".into(), &"model.sig".into(), &"match".into()),
        "{found}"
    );
}

#[test]
fn reports_are_the_same_for_any_number_of_threads() {
    let Some(layouts) = unpacked() else { return };
    let (old, new) = (layouts.path().join("layouts/albert-tiny"), layouts.path().join("layouts/all-minilm-tiny"));
    let run = |threads: &str| diff(&old, &new, &["--format=json", "--threads", threads]).out;
    let one = run("1");
    assert!(one.contains("\"changed\":true") && one.contains("\"complete\":true"), "{one}");
    assert_eq!(one, run("2"));
    assert_eq!(one, run("8"));
    assert_eq!(diff(&old, &old, &["-q"]).code, 0);
}

fn unpacked() -> Option<tempfile::TempDir> {
    let archive = shared().join("layouts.tar.gz");
    if !archive.is_file() {
        eprintln!("skipped: no {}", archive.display());
        return None;
    }
    let home = tempfile::tempdir().unwrap();
    let status = Command::new("tar").arg("xzf").arg(archive).arg("-C").arg(home.path()).status();
    assert!(status.unwrap().success());
    Some(home)
}

/// A GGUF file with one text, one number and one array of numbers.
fn gguf(name: &str, heads: u32, scores: &[f32]) -> Vec<u8> {
    let text = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
    let key = |name: &str, kind: u32, value: Vec<u8>| [text(name), kind.to_le_bytes().to_vec(), value].concat();
    let items = scores.iter().flat_map(|score| score.to_le_bytes()).collect();
    let array = [6u32.to_le_bytes().to_vec(), (scores.len() as u64).to_le_bytes().to_vec(), items].concat();
    let keys = [
        key("general.name", 8, text(name)),
        key("llama.attention.head_count", 4, heads.to_le_bytes().to_vec()),
        key("tokenizer.ggml.scores", 9, array),
    ];
    [
        b"GGUF".to_vec(),
        3u32.to_le_bytes().to_vec(),
        0u64.to_le_bytes().to_vec(),
        3u64.to_le_bytes().to_vec(),
        keys.concat(),
    ]
    .concat()
}

#[test]
fn key_values_of_gguf_are_fields() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old.gguf"), dir.path().join("new.gguf"));
    fs::write(&old, gguf("one", 8, &[0.5, 1.0])).unwrap();
    fs::write(&new, gguf("two", 16, &[0.5, 2.0])).unwrap();
    let (code, report) = json(&old, &new);
    assert_eq!(code, 1);
    let told = |field: &Value| ["pointer", "old", "new"].map(|at| field[at].as_str().unwrap().to_owned());
    let fields: Vec<_> = report["files"][0]["fields"].as_array().unwrap().iter().map(told).collect();
    assert_eq!(
        fields[..2],
        [["/general.name", "\"one\"", "\"two\""], ["/llama.attention.head_count", "8 (u32)", "16 (u32)"]]
    );
    let [pointer, old, new] = &fields[2];
    assert!(pointer == "/tokenizer.ggml.scores" && old != new, "{fields:?}");
    assert!([old, new].iter().all(|shown| shown.starts_with("[2 × f32] ")), "{fields:?}");
}
