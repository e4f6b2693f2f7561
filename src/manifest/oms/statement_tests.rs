use super::*;
use serde_json::{Value as Json, json};

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(bytes))
}

/// A statement over `resources`, with a root digest that fits.
fn statement(resources: Json, serialization: Json) -> Json {
    let raw: Vec<u8> = resources
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|r| data_encoding::HEXLOWER_PERMISSIVE.decode(r["digest"].as_str().unwrap_or("").as_bytes()).unwrap())
        .collect();
    json!({
        "_type": STATEMENT_TYPE,
        "subject": [{"name": "m", "digest": {"sha256": hex(&raw)}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {"resources": resources, "serialization": serialization}
    })
}

fn file(name: &str) -> Json {
    json!({"name": name, "digest": hex(name.as_bytes()), "algorithm": "sha256"})
}

fn files() -> Json {
    json!({"method": "files", "hash_type": "sha256", "allow_symlinks": false, "ignore_paths": [".git", "model.sig"]})
}

fn read(statement: &Json) -> Result<Manifest, Refusal> {
    parse(statement.to_string().as_bytes(), false)
}

/// The good statement with the value at `pointer` replaced.
fn with(pointer: &str, value: Json) -> Result<Manifest, Refusal> {
    let mut good = statement(json!([file("a"), file("b/c")]), files());
    *good.pointer_mut(pointer).unwrap() = value;
    read(&good)
}

#[test]
fn a_good_statement_is_read() {
    let manifest = read(&statement(json!([file("b/c"), file("a")]), files())).unwrap();
    assert_eq!(manifest.entries.keys().collect::<Vec<_>>(), ["a", "b/c"]);
    assert_eq!(
        (manifest.ignored.as_slice(), manifest.allow_symlinks),
        (&[".git".to_owned(), "model.sig".into()][..], false)
    );
    assert_eq!(manifest.subject, "m");
    assert!(with("/predicateType", json!("https://model_signing/signature/v1.12")).is_ok());
}

#[test]
fn what_is_not_a_model_signature_is_unsupported() {
    for (pointer, value) in [
        ("/_type", json!("https://in-toto.io/Statement/v0.1")),
        ("/predicateType", json!("https://model_signing/signature/v2.0")),
        ("/predicateType", json!("https://model_signing/signature/v1.")),
        ("/predicateType", json!("https://model_signing/signature/v1.0-x")),
        ("/predicateType", json!("https://slsa.dev/provenance/v1")),
        ("/predicate/serialization/method", json!("tensors")),
        ("/predicate/serialization/hash_type", json!("md5")),
        ("/predicate/serialization/hash_type", json!("SHA256")),
    ] {
        assert_eq!(with(pointer, value.clone()).unwrap_err().rule, &trust::UNSUPPORTED, "{pointer} {value}");
    }
}

#[test]
fn loose_statements_are_refused() {
    for (pointer, value) in [
        ("/subject", json!([])),
        (
            "/subject",
            json!([{"name": "m", "digest": {"sha256": hex(b"")}}, {"name": "n", "digest": {"sha256": hex(b"")}}]),
        ),
        ("/subject/0/digest", json!({"sha512": "00"})),
        ("/subject/0/digest/sha256", json!("0".repeat(64))),
        ("/subject/0/digest/sha256", json!(hex(b"").to_uppercase())),
        ("/predicate", json!(null)),
        ("/predicate/resources", json!([])),
        ("/predicate/resources", json!({})),
        ("/predicate/resources/0/name", json!("../a")),
        ("/predicate/resources/0/name", json!("/a")),
        ("/predicate/resources/0/name", json!("b//c")),
        ("/predicate/resources/0/name", json!("./b/c")),
        ("/predicate/resources/0/name", json!("a/")),
        ("/predicate/resources/0/name", json!("a\u{0}")),
        ("/predicate/resources/0/name", json!("b/c")),
        ("/predicate/resources/0/name", json!(".")),
        ("/predicate/resources/0/name", json!(1)),
        ("/predicate/resources/0/algorithm", json!("blake3")),
        ("/predicate/resources/0/algorithm", json!("sha256-sharded-4")),
        ("/predicate/resources/0/algorithm", json!(null)),
        ("/predicate/resources/0/digest", json!(hex(b"a").to_uppercase())),
        ("/predicate/resources/0/digest", json!(hex(b"a")[..62])),
        ("/predicate/resources/0/digest", json!(format!("{}00", hex(b"a")))),
        ("/predicate/serialization/ignore_paths", json!(["."])),
        ("/predicate/serialization/ignore_paths", json!(["a"])),
        ("/predicate/serialization/ignore_paths", json!(["b"])),
        ("/predicate/serialization/ignore_paths", json!(["b/"])),
        ("/predicate/serialization/ignore_paths", json!(["x/../b/./c"])),
        ("/predicate/serialization/ignore_paths", json!(["*"])),
        ("/predicate/serialization/ignore_paths", json!("x")),
        ("/predicate/serialization/allow_symlinks", json!("false")),
        ("/predicate/serialization/method", json!("shards")),
    ] {
        assert!(with(pointer, value.clone()).is_err(), "{pointer} {value}");
    }
    for harmless in [json!(["bc", "b/cc", "b/c.txt", "../a", "/a"]), json!([]), json!(null)] {
        assert!(with("/predicate/serialization/ignore_paths", harmless.clone()).is_ok(), "{harmless}");
    }
}

#[test]
fn shards_are_put_together() {
    let shard =
        |name: &str, algorithm: &str| json!({"name": name, "digest": hex(name.as_bytes()), "algorithm": algorithm});
    let how = |size: Json| json!({"method": "shards", "hash_type": "sha256", "shard_size": size});
    for (size, algorithm) in [(json!(4), "sha256"), (json!(4.0), "sha256-sharded-4"), (json!(4), "sha256-sharded-4")] {
        let listed = json!([shard("x:y:4:6", algorithm), shard("x:y:0:4", algorithm), shard("e:0:0", algorithm)]);
        let manifest = read(&statement(listed, how(size))).unwrap();
        assert_eq!(manifest.entries.keys().collect::<Vec<_>>(), ["e", "x:y"]);
        assert_eq!(manifest.entries["x:y"].len(), Some(6));
    }
    let good = || json!([shard("x:0:4", "sha256")]);
    assert!(read(&statement(good(), how(json!(4)))).is_ok());
    for size in [json!(0), json!(3), json!(4.5), json!("4"), json!(null), json!(-4)] {
        assert!(read(&statement(good(), how(size.clone()))).is_err(), "{size}");
    }
    for name in ["x", "x:0", "../x:0:4", ":0:4", "x:0:8", "x:1:4", "x:00:4"] {
        assert!(read(&statement(json!([shard(name, "sha256")]), how(json!(4)))).is_err(), "{name}");
    }
    assert!(read(&statement(json!([shard("x:0:4", "sha256-sharded-8")]), how(json!(4)))).is_err());
}

#[test]
fn a_single_file_may_be_called_dot() {
    assert!(read(&statement(json!([file(".")]), files())).is_ok());
    let shard = |name: &str| json!({"name": name, "digest": hex(b""), "algorithm": "sha256"});
    let how = json!({"method": "shards", "hash_type": "sha256", "shard_size": 4});
    assert!(read(&statement(json!([shard(".:0:4"), shard(".:4:5")]), how.clone())).is_ok());
    assert!(read(&statement(json!([shard(".:0:4"), shard("a:0:4")]), how)).is_err());
}

#[test]
fn the_old_form_is_read_on_demand() {
    let old = json!({
        "_type": STATEMENT_TYPE,
        "subject": [{"name": "a", "digest": {"sha256": hex(b"a")}}],
        "predicateType": LEGACY_PREDICATE_TYPE,
        "predicate": {"unused": "x"}
    })
    .to_string();
    assert_eq!(parse(old.as_bytes(), false).unwrap_err().rule, &trust::LEGACY);
    assert_eq!(parse(old.as_bytes(), true).unwrap().entries.len(), 1);
    let twice =
        old.replace(r#""subject":["#, &format!(r#""subject":[{{"name":"a","digest":{{"sha256":"{}"}}}},"#, hex(b"b")));
    assert_ne!(twice, old);
    assert!(parse(twice.as_bytes(), true).is_err());
}
