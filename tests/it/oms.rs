//! Signed manifests: the shared vectors, trees that were changed after signing, and the reference client.

mod reference;

use crate::tool::{Run, mverify};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn run(args: &[&str]) -> Run {
    mverify(args)
}

/// The vectors, unpacked; `None` (and a word why) where they are not there.
fn vectors() -> Option<tempfile::TempDir> {
    let shared = std::env::var_os("MVERIFY_SHARED")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")), PathBuf::from);
    let archive = shared.join("oms-vectors.tar.gz");
    if !archive.is_file() {
        eprintln!("skipped: no vectors at {}", archive.display());
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    let status = Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(directory.path()).status();
    assert!(status.unwrap().success());
    Some(directory)
}

/// The directory below `root` that holds `name`.
fn holding(root: &Path, name: &str) -> PathBuf {
    let inside = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    [root.to_owned()].into_iter().chain(inside).find(|path| path.join(name).is_dir()).unwrap()
}

#[test]
fn every_vector_is_judged_as_it_says() {
    let Some(directory) = vectors() else { return };
    let root = holding(directory.path(), "cases");
    let mut wrong = Vec::new();
    let mut cases: Vec<PathBuf> =
        fs::read_dir(root.join("cases")).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    for path in &cases {
        let case: serde_json::Value = serde_json::from_slice(&fs::read(path.join("case.json")).unwrap()).unwrap();
        let target = path.join(case["target"].as_str().unwrap());
        let (bundle, key) = (path.join("bundle.sig"), root.join(case["public_key"].as_str().unwrap()));
        let mut args = vec!["verify", target.to_str().unwrap(), "--manifest", bundle.to_str().unwrap()];
        args.extend(["--key", key.to_str().unwrap(), "--format", "json"]);
        args.extend(case["flags"].as_array().unwrap().iter().map(|flag| flag.as_str().unwrap()));
        let run = run(&args);
        let expected = case["exit"].as_array().unwrap();
        if !expected.iter().any(|code| *code == run.code) {
            wrong.push(format!("{}: exit {} ({})\n{}", path.display(), run.code, case["why"], run.out));
        }
        // without its flags nothing that needs them passes, and with another key nothing passes at all
        let other = root.join(if case["public_key"] == "keys/p256.pub" { "keys/p384.pub" } else { "keys/p256.pub" });
        args[5] = other.to_str().unwrap();
        assert_ne!(mverify(&args).code, 0, "{}", path.display());
    }
    assert!(cases.len() >= 30 && wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn real_bundles_of_old_versions_verify() {
    let Some(directory) = vectors() else { return };
    let root = holding(directory.path(), "historical").join("historical");
    let path = |name: &str| root.join(name).to_str().unwrap().to_owned();
    let ca = path("keys/certificate/ca-cert.pem");
    let key = path("keys/certificate/signing-key-pub.pem");
    let trusted = path("trusted_root.json");
    let (identity, issuer) = ("stefanb@us.ibm.com", "https://sigstore.verify.ibm.com/oauth2");
    let leaf = path("keys/certificate/signing-key-cert.pem");
    let int = path("keys/certificate/int-ca-cert.pem");
    for (name, anchor, code) in [
        ("v0.2.0-certificate", vec!["--ca", &ca, "--allow-legacy"], 0),
        ("v0.2.0-certificate", vec!["--ca", &ca], 3),
        ("v1.0.1-certificate", vec!["--ca", &ca], 0),
        ("v1.0.1-certificate", vec!["--ca", &int], 0),
        ("v1.0.1-certificate", vec!["--ca", &leaf], 0),
        ("v1.0.1-certificate", vec!["--ca", &ca, "--subject", "intermediate-ca"], 0),
        ("v1.0.1-certificate", vec!["--ca", &ca, "--subject", "CN=somebody"], 3),
        ("v1.0.1-certificate", vec!["--ca", &ca, "--san", "somebody"], 3),
        ("v1.0.1-certificate", vec!["--key", &key], 3),
        ("v1.0.1-certificate", vec![], 3),
        ("v1.0.1-elliptic-key", vec!["--key", &key], 0),
        ("v1.0.1-elliptic-key", vec!["--ca", &ca], 3),
        #[cfg(feature = "sigstore")]
        ("v1.0.1-sigstore", vec!["--identity", identity, "--issuer", issuer], 0),
        #[cfg(feature = "sigstore")]
        ("v1.0.1-sigstore", vec!["--identity", identity, "--issuer", issuer, "--trusted-root", &trusted], 0),
        #[cfg(feature = "sigstore")]
        ("v1.0.1-sigstore", vec!["--identity", "x@us.ibm.com", "--issuer", issuer], 3),
        #[cfg(feature = "sigstore")]
        ("v1.0.1-sigstore", vec!["--identity", identity, "--issuer", "https://accounts.google.com"], 3),
        #[cfg(feature = "sigstore")]
        ("v1.0.1-elliptic-key", vec!["--identity", identity, "--issuer", issuer], 3),
    ] {
        let (model, bundle) = (path(&format!("{name}/model")), path(&format!("{name}/bundle.sig")));
        let args = [vec!["verify", &model, "--manifest", &bundle, "--ignore", "ignore-me"], anchor].concat();
        let run = run(&args);
        assert_eq!(run.code, code, "{args:?}\n{}{}", run.out, run.err);
    }
    let _ = (trusted, identity, issuer);
}

/// A signed model in a directory of its own.
struct Signed {
    directory: tempfile::TempDir,
}

impl Signed {
    fn new(sign: &[&str]) -> Signed {
        let signed = Signed { directory: tempfile::tempdir().unwrap() };
        fs::create_dir_all(signed.at("m/sub")).unwrap();
        for (name, content) in
            [("README.md", "some words\n"), ("config.json", "{}"), ("sub/x.txt", "0123456789"), ("empty.txt", "")]
        {
            fs::write(signed.at("m").join(name), content).unwrap();
        }
        let key = signed.path("k");
        assert_eq!(run(&["keygen", "-o", &key]).code, 0);
        signed.sign(sign);
        signed
    }
    fn sign(&self, more: &[&str]) {
        let (model, key) = (self.path("m"), self.path("k"));
        let run = run(&[&["sign", &model, "--key", &key, "-q"], more].concat());
        assert_eq!(run.code, 0, "{}", run.err);
    }
    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
    fn path(&self, name: &str) -> String {
        self.at(name).to_str().unwrap().to_owned()
    }
    fn verify(&self, more: &[&str]) -> Run {
        let (model, bundle, key) = (self.path("m"), self.path("m/model.sig"), self.path("k.pub"));
        run(&[&["verify", &model, "--manifest", &bundle, "--key", &key], more].concat())
    }
}

#[test]
fn a_changed_model_is_named_file_by_file() {
    let signed = Signed::new(&[]);
    let good = signed.verify(&[]);
    assert_eq!(good.code, 0, "{}", good.out);
    assert!(good.out.contains("good signature by key") && !good.out.contains("x.txt"), "{}", good.out);
    fs::write(signed.at("m/sub/x.txt"), "0123x56789").unwrap();
    fs::remove_file(signed.at("m/config.json")).unwrap();
    fs::write(signed.at("m/sub/new.txt"), "").unwrap();
    let run = signed.verify(&["--format", "json"]);
    assert_eq!(run.code, 1);
    let report = run.json();
    let status = |name: &str| {
        let artifacts = report["artifacts"].as_array().unwrap();
        let artifact = artifacts.iter().find(|artifact| artifact["path"].as_str().unwrap().ends_with(name)).unwrap();
        artifact["integrity"][0]["status"].as_str().unwrap().to_owned()
    };
    for (name, expected) in [
        ("model.sig", "match"),
        ("README.md", "match"),
        ("sub/x.txt", "mismatch"),
        ("config.json", "missing"),
        ("sub/new.txt", "extra"),
    ] {
        assert_eq!(status(name), expected, "{name}");
    }
    assert_eq!(report["artifacts"][0]["integrity"][0]["trust"], "signed");
}

#[test]
fn shards_tell_where_and_cover_empty_files() {
    for hash in ["sha256", "blake3", "blake2b"] {
        let signed = Signed::new(&["--shards", "4", "--hash", hash]);
        assert_eq!(signed.verify(&[]).code, 0, "{hash}");
        fs::write(signed.at("m/sub/x.txt"), "01234x6789").unwrap();
        let run = signed.verify(&[]);
        assert!(run.code == 1 && run.out.contains("bytes 4 to 8 are not what was signed"), "{}", run.out);
        fs::write(signed.at("m/sub/x.txt"), "0123456789a").unwrap();
        assert_eq!(signed.verify(&[]).code, 1, "one byte more");
        fs::write(signed.at("m/sub/x.txt"), "01234567").unwrap();
        assert_eq!(signed.verify(&[]).code, 1, "the last shard cut off");
        fs::write(signed.at("m/sub/x.txt"), "0123456789").unwrap();
        fs::write(signed.at("m/__init__.py"), "").unwrap();
        assert_eq!(signed.verify(&[]).code, 1, "an empty file more");
        fs::remove_file(signed.at("m/__init__.py")).unwrap();
        fs::remove_file(signed.at("m/empty.txt")).unwrap();
        assert_eq!(signed.verify(&[]).code, 1, "an empty file less");
    }
}

/// A safetensors file of tensors of `rows` times two numbers each.
fn safetensors(names: &[&str], rows: usize) -> Vec<u8> {
    let tensors: Vec<String> = (0_usize..)
        .zip(names)
        .map(|(at, name)| {
            let (start, end) = (8 * rows * at, 8 * rows * (at + 1));
            format!("{name:?}:{{\"dtype\":\"F32\",\"shape\":[{rows},2],\"data_offsets\":[{start},{end}]}}")
        })
        .collect();
    let header = format!("{{{}}}", tensors.join(","));
    let header = format!("{header:width$}", width = header.len().next_multiple_of(64) + 56);
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend((0..8 * rows * names.len()).map(|at| at as u8));
    bytes
}

#[test]
fn the_tensors_that_changed_are_named() {
    let signed = Signed::new(&[]);
    let weights = safetensors(&["a", "b.weight", "c", "d"], 2);
    let data = weights.len() - 64;
    fs::write(signed.at("m/model.safetensors"), &weights).unwrap();
    fs::copy(crate::tool::fixture("weights.pt"), signed.at("m/weights.pt")).unwrap();
    signed.sign(&["--force", "--shards", "32"]);
    assert_eq!(signed.verify(&[]).code, 0);
    let mut changed = weights.clone();
    changed[data + 20] ^= 1;
    fs::write(signed.at("m/model.safetensors"), &changed).unwrap();
    let public = signed.path("k.pub");
    let check = run(&[&signed.path("m"), "--key", &public]);
    for run in [signed.verify(&[]), check] {
        let told = format!("the tensor b.weight, F32 [2, 2], bytes {} to {}", data + 16, data + 32);
        assert!(run.code == 1 && run.out.contains(&told), "{}", run.out);
        // a shard holds two of them
        assert!(run.out.contains("the tensor a,") && !run.out.contains("the tensor c,"), "{}", run.out);
    }
    changed[data + 20] ^= 1;
    changed[30] ^= 1;
    fs::write(signed.at("m/model.safetensors"), &changed).unwrap();
    let run = signed.verify(&[]);
    assert!(run.code == 1 && run.out.contains("are not what was signed"), "{}", run.out);
    fs::write(signed.at("m/model.safetensors"), &weights).unwrap();
    // a torch zip: the tensor whose storage holds the byte
    let mut torch = fs::read(signed.at("m/weights.pt")).unwrap();
    let needle = 0.25_f32.to_le_bytes();
    let at = torch.windows(4).position(|window| window == needle).unwrap();
    torch[at] ^= 1;
    fs::write(signed.at("m/weights.pt"), &torch).unwrap();
    let run = signed.verify(&[]);
    let told = format!("the tensor layer.weight, float32 [4], bytes {} to {}", at - 12, at + 4);
    assert!(run.code == 1 && run.out.contains(&told), "{}", run.out);
    assert!(!run.out.contains("layer.bias"), "{}", run.out);
}

#[test]
fn single_tensors_are_proven_without_the_rest() {
    let weights = safetensors(&["a", "b.weight", "c", "d"], 8192);
    for way in ["shards", "outboard"] {
        let signed = Signed::new(&[]);
        let file = signed.at("m/model.safetensors");
        fs::write(&file, &weights).unwrap();
        fs::copy(crate::tool::fixture("weights.pt"), signed.at("m/weights.pt")).unwrap();
        if way == "shards" {
            signed.sign(&["--force", "--shards", "1K"]);
        } else {
            for name in ["m/model.safetensors", "m/weights.pt"] {
                let run = run(&["hash", "--outboard", &signed.path(name)]);
                assert_eq!(run.code, 0, "{}", run.err);
            }
            assert_eq!(run(&["hash", "--outboard", file.to_str().unwrap()]).code, 3, "there is one already");
            signed.sign(&["--force", "--hash", "blake3"]);
        }
        let tensor = |names: &[&str]| {
            let asked: Vec<&str> = names.iter().flat_map(|name| ["--tensor", name]).collect();
            signed.verify(&asked)
        };
        let good = tensor(&["b.weight", "layer.bias"]);
        assert_eq!(good.code, 0, "{way}: {}", good.out);
        assert!(good.out.contains("the tensors asked for are what was signed"), "{}", good.out);
        assert!(good.out.contains("bytes proven, nothing else was looked at"), "{}", good.out);
        let missing = tensor(&["b.weight", "nowhere"]);
        assert!(missing.code == 3 && missing.out.contains("no file provably holds nowhere"), "{}", missing.out);
        let alone = run(&["verify", &signed.path("m"), "--manifest", &signed.path("m/model.sig"), "--tensor", "a"]);
        assert_eq!(alone.code, 3, "nobody to trust");
        // another tensor is changed, away from the end, which proves the length
        let mut changed = weights.clone();
        changed[weights.len() - 40_000] ^= 1;
        fs::write(&file, &changed).unwrap();
        assert_eq!(signed.verify(&[]).code, 1, "{way}: all of it");
        assert_eq!(tensor(&["d"]).code, 1, "{way}");
        assert_eq!(tensor(&["a"]).code, 0, "{way}");
        // the header
        let mut changed = weights.clone();
        changed[12] = b'x';
        fs::write(&file, &changed).unwrap();
        assert_eq!(tensor(&["b.weight"]).code, 1, "{way}");
        fs::write(&file, &weights[..weights.len() - 1]).unwrap();
        assert_ne!(tensor(&["a"]).code, 0, "{way}: cut");
        // what is listed must be there, and no link, though another file had the tensor
        fs::remove_file(&file).unwrap();
        assert_eq!(tensor(&["layer.bias"]).code, 1, "{way}: gone");
        #[cfg(unix)]
        std::os::unix::fs::symlink("weights.pt", &file).unwrap();
        assert_eq!(tensor(&["layer.bias"]).code, 1, "{way}: a link");
        fs::remove_file(&file).unwrap();
        fs::write(&file, &weights).unwrap();
        if way == "outboard" {
            let nodes = signed.at("m/model.safetensors.obao");
            let len = fs::metadata(&nodes).unwrap().len();
            fs::write(&nodes, vec![0; len as usize]).unwrap();
            assert_eq!(tensor(&["a"]).code, 3, "an outboard of something else");
            fs::remove_file(&nodes).unwrap();
            let none = tensor(&["a"]);
            assert!(none.code == 3 && none.out.contains("lists it as a whole"), "{}", none.out);
        }
    }
}

#[test]
fn the_verifier_decides_what_is_ignored() {
    let signed = Signed::new(&["--ignore", "cache"]);
    fs::create_dir(signed.at("m/cache")).unwrap();
    fs::write(signed.at("m/cache/log.txt"), "a line of a log\n").unwrap();
    assert_eq!(signed.verify(&[]).code, 0, "inert, and the signer left it out");
    for (name, content) in [
        ("cache/evil.pkl", &b"\x80\x04cos\nsystem\n(S'x'\ntR."[..]),
        ("cache/evil.txt", b"cos\nsystem\n(S'x'\ntR."),
        ("cache/__init__.py", b""),
        ("cache/x.so", b"\x7fELF"),
        ("cache/config.json", b"{}"),
        ("cache/opaque", b"\x00\x01\x02\x03\xff\xfe"),
    ] {
        fs::write(signed.at("m").join(name), content).unwrap();
        let run = signed.verify(&[]);
        assert_eq!(run.code, 1, "{name}: {}", run.out);
        assert_eq!(signed.verify(&["--ignore", "cache"]).code, 0, "{name}: the user named it");
        fs::remove_file(signed.at("m").join(name)).unwrap();
    }
    fs::write(signed.at("m/notes.txt"), "words\n").unwrap();
    assert_eq!(signed.verify(&[]).code, 1);
    assert_eq!(signed.verify(&["--ignore-unsigned"]).code, 0);
    assert_eq!(signed.verify(&["--ignore", "notes.txt"]).code, 0);
    assert_eq!(signed.verify(&["--ignore", &signed.path("m/notes.txt")]).code, 0);
    fs::write(signed.at("m/model.bin"), b"\x80\x04cos\nsystem\n(S'x'\ntR.").unwrap();
    assert_eq!(signed.verify(&["--ignore-unsigned"]).code, 1, "a loader could load it");
    fs::remove_file(signed.at("m/model.bin")).unwrap();
    fs::create_dir(signed.at("m/.git")).unwrap();
    fs::write(signed.at("m/.git/config"), "x").unwrap();
    assert_eq!(signed.verify(&["--ignore", "notes.txt"]).code, 0, "git's own files");
    fs::create_dir(signed.at("m/sub/.git")).unwrap();
    fs::write(signed.at("m/sub/.git/config"), "x").unwrap();
    assert_eq!(signed.verify(&["--ignore", "notes.txt"]).code, 1, "only at the top");
}

#[cfg(unix)]
#[test]
fn links_are_refused_unless_recorded_and_allowed() {
    use std::os::unix::fs::symlink;
    let signed = Signed::new(&[]);
    fs::rename(signed.at("m/sub/x.txt"), signed.at("m/sub/y.txt")).unwrap();
    symlink("y.txt", signed.at("m/sub/x.txt")).unwrap();
    assert_eq!(signed.verify(&[]).code, 1);
    assert_eq!(signed.verify(&["--allow-symlinks"]).code, 1, "not recorded");
    let (model, key) = (signed.path("m"), signed.path("k"));
    assert_eq!(run(&["sign", &model, "--key", &key, "--force"]).code, 3, "signing refuses links too");
    signed.sign(&["--allow-symlinks", "--force"]);
    assert_eq!(signed.verify(&[]).code, 1, "not allowed");
    assert_eq!(signed.verify(&["--allow-symlinks"]).code, 0);
    // the same bytes, from outside
    fs::write(signed.at("outside.txt"), "0123456789").unwrap();
    fs::remove_file(signed.at("m/sub/x.txt")).unwrap();
    symlink(signed.at("outside.txt"), signed.at("m/sub/x.txt")).unwrap();
    assert_eq!(signed.verify(&["--allow-symlinks"]).code, 1, "out of the model");
    fs::remove_file(signed.at("m/sub/x.txt")).unwrap();
    symlink("y.txt", signed.at("m/sub/x.txt")).unwrap();
    symlink("sub", signed.at("m/more")).unwrap();
    assert_eq!(signed.verify(&["--allow-symlinks"]).code, 1, "a directory");
    fs::remove_file(signed.at("m/more")).unwrap();
    symlink("nowhere", signed.at("m/dangling")).unwrap();
    assert_eq!(signed.verify(&["--allow-symlinks"]).code, 1, "nowhere");
    fs::remove_file(signed.at("m/dangling")).unwrap();
    assert!(Command::new("mkfifo").arg(signed.at("m/pipe")).status().unwrap().success());
    assert_eq!(signed.verify(&["--allow-symlinks"]).code, 3, "a pipe");
}

#[test]
fn a_signature_proves_nothing_without_an_anchor() {
    let signed = Signed::new(&[]);
    let (model, bundle) = (signed.path("m"), signed.path("m/model.sig"));
    let alone = run(&["verify", &model, "--manifest", &bundle, "--format", "json"]);
    assert_eq!(alone.code, 3);
    assert_eq!(alone.json()["artifacts"][0]["integrity"][0]["trust"], "self-asserted");
    // found where it usually lies
    assert_eq!(run(&["verify", &model, "--key", &signed.path("k.pub")]).code, 0);
    for (args, code) in [
        (vec!["verify", &model, "--key", "/no/such/key"], 2),
        (vec!["verify", &model, "--key", &bundle], 3),
        (vec!["verify", "/no/such/model", "--manifest", &bundle, "--key", &signed.path("k.pub")], 3),
        (vec!["verify", &model, "--manifest", "/no/such/bundle", "--key", &signed.path("k.pub")], 3),
        (vec!["verify", &model, "--identity", "x"], 2),
    ] {
        assert_eq!(run(&args).code, code, "{args:?}");
    }
}

#[test]
fn a_signature_found_beside_a_model_can_only_fail_it() {
    let signed = Signed::new(&[]);
    let model = signed.path("m");
    let found = run(&[&model, "--format", "json"]);
    assert_eq!(found.code, 0, "{}", found.out);
    let report = found.json();
    let sources: Vec<&serde_json::Value> = report["artifacts"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|artifact| artifact["integrity"].as_array().unwrap())
        .collect();
    assert!(
        sources.len() >= 4 && sources.iter().all(|s| s["trust"] == "self-asserted" && s["status"] == "match"),
        "{report}"
    );
    assert_eq!(run(&[&signed.path("m/config.json")]).code, 0);
    fs::write(signed.at("m/config.json"), "{ }").unwrap();
    assert_eq!(run(&[&signed.path("m/config.json")]).code, 1, "model.sig lies beside it");
    assert_eq!(run(&[&model]).code, 1);
    fs::write(signed.at("m/config.json"), "{}").unwrap();
    fs::write(signed.at("m/more.json"), "{}").unwrap();
    assert_eq!(run(&[&model]).code, 1, "an extra file that loaders read");
    fs::remove_file(signed.at("m/more.json")).unwrap();
    fs::create_dir(signed.at("m/.git")).unwrap();
    fs::write(signed.at("m/.git/config.json"), "{}").unwrap();
    assert_eq!(run(&[&model]).code, 0, "git's own files");
    fs::remove_file(signed.at("m/empty.txt")).unwrap();
    assert_eq!(run(&[&model]).code, 1, "a listed file is gone");
    // signatures of other tools are none of our business
    fs::write(signed.at("m/empty.txt"), "").unwrap();
    fs::write(signed.at("m/model.sig"), "untrusted comment: minisign\nRWQ\n").unwrap();
    assert_eq!(run(&[&model]).code, 0);
    // a bundle that can be read in two ways is a finding
    signed.sign(&["--force"]);
    let bundle = fs::read_to_string(signed.at("m/model.sig")).unwrap();
    fs::write(signed.at("m/model.sig"), bundle.replacen('{', "{\"mediaType\":\"x\",", 1)).unwrap();
    assert_eq!(run(&[&model]).code, 1);
}

#[test]
fn a_check_with_a_key_scans_and_proves_the_signature() {
    let signed = Signed::new(&[]);
    let (model, public, bundle) = (signed.path("m"), signed.path("k.pub"), signed.path("m/model.sig"));
    fs::write(signed.at("m/ok.pkl"), b"\x80\x04K\x01.").unwrap();
    let with = ["--key", public.as_str(), "--require", "signature"];
    let check = |more: &[&str]| run(&[&[model.as_str()], &with[..], more].concat());
    assert_eq!(check(&[]).code, 1, "not signed");
    signed.sign(&["--force"]);
    let good = check(&["--format", "json"]);
    assert_eq!(good.code, 0, "{}", good.out);
    assert!(good.out.contains("\"trust\":\"signed\""));
    assert_eq!(check(&["--manifest", &bundle]).code, 0);
    assert_eq!(run(&[&model, "--require", "signature"]).code, 3, "self-asserted");
    assert_eq!(run(&["keygen", "-o", &signed.path("other")]).code, 0);
    assert_eq!(run(&[&model, "--key", &signed.path("other.pub")]).code, 3, "signed by somebody else");
    assert_eq!(run(&[&model, "--key", &signed.path("other.pub"), "--manifest", &bundle]).code, 3);
    assert_eq!(run(&[&model, "--manifest", &bundle]).code, 3, "nobody to trust");
    assert_eq!(run(&[&model, "--key", &public, "--manifest", "/no/such/bundle"]).code, 3);
    assert_eq!(
        run(&["check", &signed.path("m/ok.pkl"), "--manifest", &bundle, "--key", &public]).code,
        0,
        "one of its files"
    );
    fs::write(signed.at("m/ok.pkl"), b"\x80\x04K\x02.").unwrap();
    assert_eq!(check(&[]).code, 1, "changed");
    signed.sign(&["--force", "--shards", "4"]);
    assert_eq!(check(&[]).code, 0, "shards, in the same pass");
    fs::write(signed.at("m/sub/x.txt"), "01234x6789").unwrap();
    let changed = check(&[]);
    assert!(
        changed.code == 1 && changed.out.contains("bytes 4 to 8 are not what was signed (model.sig)"),
        "{}",
        changed.out
    );
    fs::write(signed.at("m/sub/x.txt"), "01234567").unwrap();
    assert_eq!(check(&[]).code, 1, "the last shard cut off");
    fs::write(signed.at("m/sub/x.txt"), "0123456789").unwrap();
    fs::remove_file(&bundle).unwrap();
    assert_eq!(run(&[&model, "--key", &public]).code, 3, "no signature at all");
    // signed, and bad all the same
    fs::write(signed.at("m/evil.pkl"), b"\x80\x04cos\nsystem\n(S'x'\ntR.").unwrap();
    signed.sign(&["--even-if-bad"]);
    assert_eq!(run(&["verify", &model, "--key", &public]).code, 0);
    assert_eq!(check(&[]).code, 1);
}

/// A bundle over a statement of provenance about these contents, by this key.
pub fn attestation(key: &Path, subjects: &[(&str, &[u8])]) -> String {
    use sha2::Digest;
    let subjects: Vec<serde_json::Value> = subjects
        .iter()
        .map(|(name, content)| {
            let digest = data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(content));
            serde_json::json!({"name": name, "digest": {"sha256": digest}})
        })
        .collect();
    let statement = serde_json::json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subjects,
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {"buildDefinition": {"buildType": "x"}, "runDetails": {}},
    });
    let key = mverify::trust::PrivateKey::from_pem(&fs::read(key).unwrap(), None).unwrap();
    mverify::trust::sign(statement.to_string().as_bytes(), &key, &[]).unwrap()
}

#[test]
fn attestations_count_and_contradictions_are_findings() {
    let signed = Signed::new(&[]);
    let (model, public, key) = (signed.path("m"), signed.path("k.pub"), signed.at("k"));
    fs::remove_file(signed.at("m/model.sig")).unwrap();
    fs::write(signed.at("m/ok.pkl"), b"\x80\x04K\x01.").unwrap();
    fs::remove_file(signed.at("m/README.md")).unwrap();
    let all: [(&str, &[u8]); 4] = [
        ("build/out/config.json", b"{}"),
        ("x.txt", b"0123456789"),
        ("pickle-of-another-name", b"\x80\x04K\x01."),
        ("empty.txt", b""),
    ];
    let jsonl = signed.at("m/attestations.jsonl");
    // a line by somebody else stands beside the good ones
    assert_eq!(run(&["keygen", "-o", &signed.path("other")]).code, 0);
    let foreign = attestation(&signed.at("other"), &[("x", b"x")]);
    fs::write(&jsonl, [attestation(&key, &all[..2]), "\n".into(), attestation(&key, &all[2..]), foreign].concat())
        .unwrap();
    let verify = || run(&["verify", &model, "--key", &public, "--format", "json"]);
    let good = verify();
    assert_eq!(good.code, 0, "{}", good.out);
    let check = |more: &[&str]| run(&[&[model.as_str(), "--key", &public, "--require", "signature"], more].concat());
    let checked = check(&[]);
    assert_eq!(checked.code, 0, "{}", checked.out);
    assert_eq!(run(&[&signed.path("m/ok.pkl"), "--key", &public, "--require", "signature"]).code, 0, "one file");
    assert_eq!(run(&["verify", &signed.path("m/ok.pkl"), "--key", &public]).code, 0, "one file");
    assert_eq!(run(&["verify", &model]).code, 3, "nobody to trust");
    assert_eq!(run(&["verify", &model, "--key", &signed.path("other.pub")]).code, 3, "signed by somebody else");
    // nobody attests this
    fs::write(signed.at("m/more.pkl"), b"\x80\x04K\x02.").unwrap();
    assert_eq!((verify().code, check(&[]).code), (3, 3));
    fs::remove_file(signed.at("m/more.pkl")).unwrap();
    // the name is attested with another content
    fs::write(signed.at("m/config.json"), "{ }").unwrap();
    let (verified, checked) = (verify(), check(&[]));
    assert_eq!((verified.code, checked.code), (1, 1));
    assert!(verified.out.contains("attests a file of this name with another sha256"), "{}", verified.out);
    fs::write(signed.at("m/config.json"), "{}").unwrap();
    // a changed line is bad, whatever lies beside it
    let text = fs::read_to_string(&jsonl).unwrap();
    let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let second: serde_json::Value = serde_json::from_str(text.lines().nth(2).unwrap()).unwrap();
    let mut mixed = first.clone();
    mixed["dsseEnvelope"]["payload"] = second["dsseEnvelope"]["payload"].clone();
    fs::write(&jsonl, format!("{text}{mixed}\n")).unwrap();
    assert_eq!(verify().code, 1);
    fs::write(&jsonl, &text).unwrap();
    // a manifest beside it that expects something else: both are told
    signed.sign(&[]);
    assert_eq!(verify().code, 0, "{}", verify().out);
    assert_eq!(check(&[]).code, 0);
    fs::write(signed.at("m/SHA256SUMS"), format!("{}  config.json\n", "ab".repeat(32))).unwrap();
    let contradicted = run(&[&signed.path("m/config.json"), "--key", &public, "--format", "json"]);
    assert!(contradicted.code == 1 && contradicted.out.contains("MV-INT-010"), "{}", contradicted.out);
}

#[test]
fn one_good_signature_suffices_and_a_bad_one_is_a_finding() {
    let signed = Signed::new(&[]);
    let (model, public) = (signed.path("m"), signed.path("k.pub"));
    assert_eq!(run(&["keygen", "-o", &signed.path("other")]).code, 0);
    let other = ["sign", &model, "--key", &signed.path("other"), "-q", "--ignore", "model.sig"];
    assert_eq!(run(&[&other[..], &["-o", &signed.path("m/other.sig")]].concat()).code, 0);
    let verify = |key: &str| run(&["verify", &model, "--key", &signed.path(key)]);
    for key in ["k.pub", "other.pub"] {
        let run = verify(key);
        assert_eq!(run.code, 0, "{key}: {}", run.out);
    }
    assert_eq!(run(&["keygen", "-o", &signed.path("third")]).code, 0);
    assert_eq!(verify("third.pub").code, 3, "neither");
    assert_eq!(run(&[&model, "--key", &public]).code, 0);
    // the other one by the same key, over another model
    fs::create_dir(signed.at("n")).unwrap();
    fs::write(signed.at("n/config.json"), "{\"a\": 1}").unwrap();
    let stale =
        ["sign", &signed.path("n"), "--key", &signed.path("k"), "-q", "-o", &signed.path("m/other.sig"), "--force"];
    assert_eq!(run(&stale).code, 0);
    assert_eq!(verify("k.pub").code, 1, "a good signature over something else");
    // and one that does not verify at all
    let bundle = fs::read_to_string(signed.at("m/model.sig")).unwrap();
    let mut changed: serde_json::Value = serde_json::from_str(&bundle).unwrap();
    let stale: serde_json::Value = serde_json::from_slice(&fs::read(signed.at("m/other.sig")).unwrap()).unwrap();
    changed["dsseEnvelope"]["signatures"] = stale["dsseEnvelope"]["signatures"].clone();
    fs::write(signed.at("m/other.sig"), changed.to_string()).unwrap();
    let bad = verify("k.pub");
    assert!(bad.code == 1 && bad.out.contains("does not verify"), "{}", bad.out);
    // anybody can plant a file of such a name; it is tolerated as what it claims to be only
    fs::write(signed.at("m/other.sig"), b"\x80\x04cos\ngetpid\n)R.").unwrap();
    let planted = verify("k.pub");
    assert_eq!(planted.code, 1, "{}", planted.out);
}

#[test]
fn signing_refuses_what_it_should() {
    let signed = Signed::new(&[]);
    let (model, key) = (signed.path("m"), signed.path("k"));
    assert_eq!(run(&["sign", &model, "--key", &key]).code, 2, "there is one already");
    assert_eq!(run(&["keygen", "-o", &key]).code, 2, "there is one already");
    fs::write(signed.at("m/evil.pkl"), b"\x80\x04cos\nsystem\n(S'x'\ntR.").unwrap();
    assert_eq!(run(&["sign", &model, "--key", &key, "--force"]).code, 1, "its own scan is bad");
    assert_eq!(run(&["sign", &model, "--key", &key, "--force", "--even-if-bad"]).code, 0);
    let nothing = signed.path("nothing");
    fs::create_dir(&nothing).unwrap();
    assert_eq!(run(&["sign", &nothing, "--key", &key]).code, 3, "an empty model");
    // encrypted keys
    let (locked, phrase) = (signed.path("locked"), signed.path("phrase"));
    fs::write(&phrase, "correct horse\n").unwrap();
    assert_eq!(run(&["keygen", "-o", &locked, "--curve", "p521", "--passphrase-file", &phrase]).code, 0);
    fs::remove_file(signed.at("m/evil.pkl")).unwrap();
    assert_eq!(run(&["sign", &model, "--key", &locked, "--force"]).code, 2, "no passphrase");
    assert_eq!(run(&["sign", &model, "--key", &locked, "--force", "--passphrase-file", &phrase]).code, 0);
    assert_eq!(run(&["verify", &model, "--key", &signed.path("locked.pub")]).code, 0);
}

#[test]
fn a_single_file_is_signed_by_its_name() {
    let signed = Signed::new(&[]);
    let (file, key, public) = (signed.path("m/README.md"), signed.path("k"), signed.path("k.pub"));
    for compat in [&[][..], &["--compat-python"]] {
        assert_eq!(run(&[&["sign", &file, "--key", &key, "--force", "-q"], compat].concat()).code, 0);
        assert_eq!(run(&["verify", &file, "--key", &public]).code, 0, "{compat:?}");
    }
    let (renamed, bundle) = (signed.path("other.md"), signed.path("m/README.md.sig"));
    fs::copy(&file, &renamed).unwrap();
    assert_eq!(run(&["verify", &renamed, "--manifest", &bundle, "--key", &public]).code, 0, "the name . has no name");
    assert_eq!(run(&["sign", &file, "--key", &key, "--force", "-q"]).code, 0);
    assert_eq!(run(&["verify", &renamed, "--manifest", &bundle, "--key", &public]).code, 1);
    fs::write(&file, "some other words\n").unwrap();
    assert_eq!(run(&["verify", &file, "--key", &public]).code, 1);
}

/// What starts a process without a network, where this user may have that: as root, or with a namespace of the user's own.
#[cfg(target_os = "linux")]
fn without_network() -> Option<Vec<&'static str>> {
    let works =
        |args: &[&str]| Command::new("unshare").args(args).arg("true").output().is_ok_and(|o| o.status.success());
    [vec!["-rn"], vec!["-n"]].into_iter().find(|args| works(args))
}

#[cfg(target_os = "linux")]
#[test]
fn no_network_is_needed() {
    let Some(unshare) = without_network() else {
        assert!(std::env::var_os("MVERIFY_REQUIRE_UNSHARE").is_none(), "unshare -n does not work here");
        eprintln!("skipped: unshare -n is not allowed here");
        return;
    };
    let verify = |args: &[&str]| {
        let output =
            Command::new("unshare").args(&unshare).arg(env!("CARGO_BIN_EXE_mverify")).args(args).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/models/example");
    let (model, key) = (example.join("model"), example.join("key.pub"));
    let (model, key) = (model.to_str().unwrap(), key.to_str().unwrap());
    for args in [&["verify", model, "--key", key][..], &[model, "--key", key, "--require", "signature"]] {
        let (code, out) = verify(args);
        assert_eq!(code, Some(0), "{out}");
    }
    // keyless: certificates, logs and roots, and nobody to ask
    let Some(directory) = vectors() else { return };
    let root = holding(directory.path(), "historical").join("historical/v1.0.1-sigstore");
    let (model, bundle) = (root.join("model"), root.join("bundle.sig"));
    let identity = ["--identity", "stefanb@us.ibm.com", "--issuer", "https://sigstore.verify.ibm.com/oauth2"];
    let paths = ["verify", model.to_str().unwrap(), "--manifest", bundle.to_str().unwrap(), "--ignore", "ignore-me"];
    let (code, out) = verify(&[&paths[..], &identity].concat());
    assert_eq!(code, Some(0), "{out}");
}

#[test]
fn the_same_model_and_key_give_the_same_signature() {
    for curve in ["p256", "p384", "p521"] {
        let signed = Signed::new(&[]);
        let (key, model) = (signed.path(curve), signed.path("m"));
        assert_eq!(run(&["keygen", "-o", &key, "--curve", curve]).code, 0);
        let mut made = Vec::new();
        for more in [&[][..], &["--threads", "1"]] {
            assert_eq!(run(&[&["sign", &model, "--key", &key, "--force"], more].concat()).code, 0);
            made.push(fs::read(signed.at("m/model.sig")).unwrap());
        }
        assert_eq!(made[0], made[1], "{curve}");
        assert_eq!(run(&["verify", &model, "--key", &format!("{key}.pub")]).code, 0);
    }
}

#[test]
fn the_worked_example_verifies() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/models/example");
    let (model, key) = (example.join("model"), example.join("key.pub"));
    let (model, key) = (model.to_str().unwrap(), key.to_str().unwrap());
    assert_eq!(run(&["verify", model, "--key", key]).code, 0);
    assert_eq!(run(&[model, "--key", key, "--require", "signature"]).code, 0);
    let policy = example.join("mverify.toml");
    assert_eq!(run(&[model, "--config", policy.to_str().unwrap()]).code, 0);
    assert_eq!(run(&["verify", model, "--config", policy.to_str().unwrap()]).code, 0);
}

#[test]
fn a_lock_remembers_who_signed() {
    let directory = tempfile::tempdir().unwrap();
    let text = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    fs::create_dir(text("m")).unwrap();
    fs::copy(crate::tool::fixture("weights.pt"), text("m/weights.pt")).unwrap();
    let (m, lock) = (text("m"), text("m.lock"));
    let ok = |args: &[&str]| {
        let run = run(args);
        assert_eq!(run.code, 0, "{args:?}: {}{}", run.out, run.err);
    };
    for key in ["a.key", "b.key"] {
        ok(&["keygen", "-o", &text(key)]);
    }
    ok(&["sign", &m, "--key", &text("a.key"), "-o", &text("m.sig"), "-q"]);
    ok(&["lock", &m, "-o", &lock, "--key", &text("a.key.pub")]);
    assert!(fs::read_to_string(&lock).unwrap().contains("\"signed_by\":\"key "));
    ok(&[&m, "--lock", &lock]);
    ok(&[&m, "--lock", &lock, "--key", &text("a.key.pub"), "--require", "signature"]);
    // stripped
    fs::rename(text("m.sig"), text("kept")).unwrap();
    let stripped = run(&[&m, "--lock", &lock]);
    assert!(stripped.code == 1 && stripped.out.contains("no signature of theirs covers it now"), "{}", stripped.out);
    // signed by somebody else
    ok(&["sign", &m, "--key", &text("b.key"), "-o", &text("m.sig"), "-q"]);
    let other = run(&[&m, "--lock", &lock]);
    assert!(other.code == 1 && other.out.contains("and is signed by key "), "{}", other.out);
}

#[test]
#[cfg(feature = "sigstore")]
fn a_lock_remembers_when_it_was_signed() {
    let Some(directory) = vectors() else { return };
    let root = holding(directory.path(), "historical").join("historical/v1.0.1-sigstore");
    let path = |name: &str| root.join(name).to_str().unwrap().to_owned();
    let (model, bundle, lock) = (path("model"), path("bundle.sig"), path("m.lock"));
    let trusted = ["--identity", "stefanb@us.ibm.com", "--issuer", "https://sigstore.verify.ibm.com/oauth2"];
    fs::remove_file(root.join("model/ignore-me")).unwrap();
    let check = |logged: &str, trusted: &[&str]| {
        let line = format!(
            r#"{{"path":"signme-1","size":8,"sha256":"{}","format":"text","role":"inert","signed_by":"{}"{logged}}}"#,
            "f6310066c7320497ea554260c32c43660bff648cb2a61194832cc086077085e1",
            "stefanb@us.ibm.com (vouched for by https://sigstore.verify.ibm.com/oauth2)",
        );
        fs::write(&lock, format!("{{\"mverify_lock\":1}}\n{line}\n")).unwrap();
        run(&[&[model.as_str(), "--lock", &lock, "--manifest", &bundle], trusted].concat())
    };
    // the log saw this signature at 1759851228
    for logged in ["", r#","logged":1759851228"#, r#","logged":1759851227"#] {
        let run = check(logged, &trusted);
        assert_eq!(run.code, 0, "{logged}: {}", run.out);
    }
    let run = check(r#","logged":1759851229"#, &trusted);
    assert!(run.code == 1 && run.out.contains("is older than the one that was locked"), "{}", run.out);
    let run = check(r#","logged":"yesterday""#, &trusted);
    assert!(run.code == 2 && run.err.contains("line 2"), "{}", run.err);
}

#[test]
fn a_lock_remembers_the_signers_of_the_policy() {
    let signed = Signed::new(&[]);
    let (model, lock, policy) = (signed.path("m"), signed.path("m.lock"), signed.path("mverify.toml"));
    fs::write(
        &policy,
        "[signer.us]\nkey = \"k.pub\"\n[[model]]\npath = \"**\"\nsigners = [\"us\"]\nrequire = [\"manifest\"]\n",
    )
    .unwrap();
    let made = run(&["lock", &model, "-o", &lock, "--config", &policy]);
    assert_eq!(made.code, 0, "{}{}", made.out, made.err);
    assert!(!made.err.contains("not proven"), "the lock itself is the manifest: {}", made.err);
    assert!(fs::read_to_string(&lock).unwrap().contains("\"signed_by\":\"key "));
    assert_eq!(run(&["lock", &model, "-o", &lock, "--check", "--config", &policy]).code, 0);
    fs::remove_file(signed.at("m/model.sig")).unwrap();
    assert_eq!(run(&["lock", &model, "-o", &lock, "--check", "--config", &policy]).code, 1);
    assert_eq!(run(&[&model, "--lock", &lock, "--no-config"]).code, 1, "stripped");
}
