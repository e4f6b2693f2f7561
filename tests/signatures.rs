//! Signatures through the library: bundles changed in every way, and certificate paths judged beside OpenSSL.
#![cfg(feature = "trust")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use mverify::digest::{Algorithm, Digest};
use mverify::manifest::oms::Expected;
use mverify::trust::{Anchor, Certificate, Curve, How, PrivateKey, Statement, sign, verify};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::Command;

/// 2026-01-01, for tests that need no clock.
const NOW: i64 = 1_767_225_600;

fn payload() -> Vec<u8> {
    let digest = Digest::new(&[7; 32]).unwrap();
    let files: BTreeMap<String, Expected> =
        ["config.json", "model/x.bin", "é.bin"].map(|name| (name.to_owned(), Expected::Whole(digest))).into();
    Statement {
        subject: "m".to_owned(),
        algorithm: Algorithm::Sha256,
        files,
        shard_size: None,
        ignored: vec!["model.sig".to_owned()],
        allow_symlinks: false,
        compat_python: false,
    }
    .payload()
    .unwrap()
}

fn accepted(text: &[u8], anchor: &Anchor, now: i64) -> bool {
    [false, true].iter().any(|legacy| verify(text, Some(anchor), How { allow_legacy: *legacy, now }).is_ok())
}

#[test]
fn no_changed_bundle_is_accepted() {
    let key = PrivateKey::generate(Curve::P256).unwrap();
    let bundle = sign(&payload(), &key, &[]).unwrap();
    let anchor = Anchor::Key(key.public().clone());
    let text = bundle.trim_end().as_bytes();
    assert!(accepted(text, &anchor, NOW));
    // every byte, changed in several ways, taken out, doubled, and everything cut off after it
    for at in 0..text.len() {
        for change in [0x01, 0x20, 0x80, 0xff] {
            let mut changed = text.to_vec();
            changed[at] ^= change;
            assert!(!accepted(&changed, &anchor, NOW), "byte {at} ^ {change:#x}");
        }
        let without = [&text[..at], &text[at + 1..]].concat();
        let doubled = [&text[..=at], &text[at..]].concat();
        for changed in [without, doubled, text[..at].to_vec()] {
            assert!(changed == text || !accepted(&changed, &anchor, NOW), "byte {at}");
        }
    }
    let other = PrivateKey::generate(Curve::P256).unwrap();
    assert!(!accepted(text, &Anchor::Key(other.public().clone()), NOW));
}

/// Every text made from `value` by a change of one member or element, with what was changed.
fn mutants(value: &Value, path: &str, out: &mut Vec<(String, String)>, whole: &dyn Fn(String) -> String) {
    match value {
        Value::Object(members) => {
            let show = |members: &[(String, String)]| {
                let list: Vec<String> = members.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
                format!("{{{}}}", list.join(","))
            };
            let all: Vec<(String, String)> = members.iter().map(|(n, v)| (n.clone(), v.to_string())).collect();
            for (at, (name, inner)) in members.iter().enumerate() {
                let here = format!("{path}/{name}");
                let mut dropped = all.clone();
                dropped.remove(at);
                out.push((format!("drop {here}"), whole(show(&dropped))));
                for repeated in [inner.to_string(), "null".to_owned()] {
                    let mut twice = all.clone();
                    twice.push((name.clone(), repeated));
                    out.push((format!("repeat {here}"), whole(show(&twice))));
                }
                for other in ["null", "0", "\"\"", "\"x\"", "[]", "{}", "true"] {
                    let mut changed = all.clone();
                    changed[at].1 = other.to_owned();
                    if changed != all {
                        out.push((format!("{here} = {other}"), whole(show(&changed))));
                    }
                }
                mutants(inner, &here, out, &|inner| {
                    let mut changed = all.clone();
                    changed[at].1 = inner;
                    whole(show(&changed))
                });
            }
            let mut more = all;
            more.push(("more".to_owned(), "1".to_owned()));
            out.push((format!("add {path}/more"), whole(show(&more))));
        }
        Value::Array(items) => {
            let all: Vec<String> = items.iter().map(Value::to_string).collect();
            for (at, inner) in items.iter().enumerate() {
                let mut dropped = all.clone();
                dropped.remove(at);
                out.push((format!("drop {path}/{at}"), whole(format!("[{}]", dropped.join(",")))));
                let mut twice = all.clone();
                twice.push(inner.to_string());
                out.push((format!("repeat {path}/{at}"), whole(format!("[{}]", twice.join(",")))));
                mutants(inner, &format!("{path}/{at}"), out, &|inner| {
                    let mut changed = all.clone();
                    changed[at] = inner;
                    whole(format!("[{}]", changed.join(",")))
                });
            }
        }
        _ => {}
    }
}

/// What real signers leave out or leave empty, so that it may be: none of it is relied on.
fn is_optional(what: &str) -> bool {
    let absent = ["drop ", ""].iter().any(|verb| {
        [
            "/verificationMaterial/tlogEntries",
            "/verificationMaterial/publicKey/hint",
            "/dsseEnvelope/signatures/0/keyid",
        ]
        .iter()
        .any(|name| what == format!("{verb}{name}") || what == format!("{name} = null"))
    });
    let hint = "/verificationMaterial/publicKey";
    absent || what == format!("{hint}/hint = \"\"") || what == format!("{hint} = {{}}")
}

#[test]
fn no_member_can_be_dropped_repeated_or_replaced() {
    let key = PrivateKey::generate(Curve::P384).unwrap();
    let bundle = sign(&payload(), &key, &[]).unwrap();
    let anchor = Anchor::Key(key.public().clone());
    let mut changed = Vec::new();
    mutants(&serde_json::from_str(&bundle).unwrap(), "", &mut changed, &|text| text);
    assert!(changed.len() > 100, "{}", changed.len());
    for (what, text) in changed {
        assert_eq!(accepted(text.as_bytes(), &anchor, NOW), is_optional(&what), "{what}: {text}");
    }
}

/// Runs openssl; `None` (and a word why) if there is none.
fn openssl(directory: &Path, args: &[&str]) -> Option<bool> {
    match Command::new("openssl").args(args).current_dir(directory).output() {
        Ok(output) => Some(output.status.success()),
        Err(_) => {
            eprintln!("skipped: no openssl here");
            None
        }
    }
}

#[test]
fn openssl_accepts_signatures_made_here() {
    let directory = tempfile::tempdir().unwrap();
    if openssl(directory.path(), &["version"]).is_none() {
        return;
    }
    for curve in Curve::ALL {
        let key = PrivateKey::generate(curve).unwrap();
        let hash = match curve {
            Curve::P256 => "-sha256",
            Curve::P384 => "-sha384",
            Curve::P521 => "-sha512",
        };
        std::fs::write(directory.path().join("key.pub"), key.public().pem()).unwrap();
        for number in 0..50 {
            let message = format!("message {number}");
            std::fs::write(directory.path().join("message"), &message).unwrap();
            std::fs::write(directory.path().join("signature"), key.sign(message.as_bytes()).unwrap()).unwrap();
            let verify = ["dgst", hash, "-verify", "key.pub", "-signature", "signature"];
            assert_eq!(openssl(directory.path(), &[&verify[..], &["message"]].concat()), Some(true), "{message}");
            let wrong = openssl(directory.path(), &[&verify[..], &["key.pub"]].concat());
            assert_eq!(wrong, Some(false), "{message}");
        }
    }
}

/// A small public-key infrastructure, made with openssl.
struct Authority {
    directory: tempfile::TempDir,
    /// DER of each certificate, by name.
    made: HashMap<String, Certificate>,
}

impl Authority {
    fn new() -> Option<Authority> {
        let authority = Authority { directory: tempfile::tempdir().unwrap(), made: HashMap::new() };
        openssl(authority.directory.path(), &["version"])?;
        Some(authority)
    }
    fn run(&self, args: &[&str]) {
        assert_eq!(openssl(self.directory.path(), args), Some(true), "openssl {args:?}");
    }
    /// A key of a kind: `rsa`, `ed25519`, or a curve.
    fn key(&self, name: &str, kind: &str) {
        let file = format!("{name}.key");
        match kind {
            "rsa" => self.run(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", &file]),
            "ed25519" => self.run(&["genpkey", "-algorithm", "ED25519", "-out", &file]),
            curve => {
                let curve = format!("ec_paramgen_curve:{curve}");
                self.run(&["genpkey", "-algorithm", "EC", "-pkeyopt", &curve, "-out", &file]);
            }
        }
    }
    /// A certificate for `key`, issued by `issuer` (its own for a root), with these extensions.
    fn issue(&mut self, name: &str, key: &str, subject: &str, issuer: &str, extensions: &str) {
        let (request, extension, file) = (format!("{name}.csr"), format!("{name}.ext"), format!("{name}.pem"));
        let key = format!("{key}.key");
        std::fs::write(self.directory.path().join(&extension), extensions).unwrap();
        self.run(&["req", "-new", "-key", &key, "-subj", subject, "-out", &request]);
        let by: Vec<String> = if issuer == name {
            vec!["-signkey".into(), key]
        } else {
            let issuer_key = if issuer.starts_with("int") { "int" } else { issuer };
            vec![
                "-CA".into(),
                format!("{issuer}.pem"),
                "-CAkey".into(),
                format!("{issuer_key}.key"),
                "-CAcreateserial".into(),
            ]
        };
        let mut args = vec!["x509", "-req", "-in", &request, "-days", "3650", "-out", &file, "-extfile", &extension];
        args.extend(by.iter().map(String::as_str));
        self.run(&args);
        self.made.insert(name.to_owned(), self.read(&file));
    }
    fn read(&self, file: &str) -> Certificate {
        let text = std::fs::read(self.directory.path().join(file)).unwrap();
        Certificate::from_pem(&text).unwrap().remove(0)
    }
    fn der(&self, name: &str) -> Vec<u8> {
        let file = format!("{name}.der");
        self.run(&["x509", "-in", &format!("{name}.pem"), "-outform", "DER", "-out", &file]);
        std::fs::read(self.directory.path().join(file)).unwrap()
    }
    /// What OpenSSL says of the path.
    fn openssl(&self, chain: &[&str], anchor: &str, now: i64) -> bool {
        let pem = |name: &str| std::fs::read_to_string(self.directory.path().join(format!("{name}.pem"))).unwrap();
        // what follows a trusted certificate is no part of the path
        let rest: String = chain.iter().take_while(|name| **name != anchor).skip(1).map(|name| pem(name)).collect();
        let alone = rest.is_empty();
        std::fs::write(self.directory.path().join("rest.crt"), rest).unwrap();
        let (now, anchor, leaf) = (now.to_string(), format!("{anchor}.pem"), format!("{}.pem", chain[0]));
        let mut args = vec!["verify", "-partial_chain", "-no-CAfile", "-no-CApath", "-no-CAstore"];
        args.extend(["-attime", &now, "-trusted", &anchor]);
        if !alone {
            args.extend(["-untrusted", "rest.crt"]);
        }
        args.push(&leaf);
        openssl(self.directory.path(), &args).unwrap()
    }
}

/// A bundle signed by `key` that holds these certificates, whatever they are.
fn bundle(key: &PrivateKey, ders: &[Vec<u8>]) -> String {
    let mut bundle: Value = serde_json::from_str(&sign(&payload(), key, &[]).unwrap()).unwrap();
    let base64 = |der: &Vec<u8>| data_encoding::BASE64.encode(der);
    let list: Vec<Value> = ders.iter().map(|der| serde_json::json!({"rawBytes": base64(der)})).collect();
    bundle["verificationMaterial"] = serde_json::json!({"x509CertificateChain": {"certificates": list}});
    bundle.to_string()
}

const ROOT: &str = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\n";
const IDS: &str = "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n";

#[test]
fn paths_are_judged_as_openssl_judges_them() {
    let Some(mut authority) = Authority::new() else { return };
    for (name, kind) in
        [("root", "rsa"), ("other", "P-256"), ("int", "P-384"), ("edroot", "ed25519"), ("leaf", "P-256")]
    {
        authority.key(name, kind);
    }
    authority.issue("root", "root", "/CN=root", "root", ROOT);
    authority.issue("edroot", "edroot", "/CN=edroot", "edroot", ROOT);
    authority.issue("other", "other", "/CN=root", "other", ROOT);
    // (name, extensions, what openssl does not look at and we do)
    let authorities = [
        ("int-good", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n", false),
        ("int-plain", "basicConstraints=CA:TRUE\n", false),
        ("int-path0", "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=keyCertSign\n", false),
        ("int-noca", "basicConstraints=critical,CA:FALSE\nkeyUsage=keyCertSign\n", false),
        ("int-usage", "basicConstraints=critical,CA:TRUE\nkeyUsage=digitalSignature\n", false),
        ("int-nothing", "keyUsage=keyCertSign\n", true),
        ("int-critical", "basicConstraints=critical,CA:TRUE\n1.2.3.4=critical,ASN1:NULL\n", false),
        ("int-unknown", "basicConstraints=critical,CA:TRUE\n1.2.3.4=ASN1:NULL\n", false),
        ("int-names", "basicConstraints=critical,CA:TRUE\nnameConstraints=critical,permitted;email:b.example\n", true),
    ];
    let signers = [
        ("usage", "keyUsage=critical,digitalSignature\nsubjectAltName=email:a@b.example\n", false),
        ("purpose", "extendedKeyUsage=codeSigning\n", false),
        ("authority", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,digitalSignature\n", false),
        ("neither", "extendedKeyUsage=serverAuth\n", true),
        ("critical", "keyUsage=digitalSignature\n1.2.3.4=critical,ASN1:NULL\n", false),
    ];
    let mut cases: Vec<(Vec<String>, bool)> = Vec::new();
    for root in ["root", "edroot"] {
        for (signer, extensions, stricter) in signers {
            let name = format!("{root}-{signer}");
            authority.issue(&name, "leaf", "/O=o/CN=signer", root, &format!("{extensions}{IDS}"));
            cases.push((vec![name], stricter));
        }
    }
    for (number, (int, extensions, stricter)) in authorities.into_iter().enumerate() {
        authority.issue(int, "int", &format!("/CN=int{number}"), "root", &format!("{extensions}{IDS}"));
        for (signer, extensions, also) in signers {
            let name = format!("{int}-{signer}");
            authority.issue(&name, "leaf", "/O=o/CN=signer", int, &format!("{extensions}{IDS}"));
            cases.push((vec![name, int.to_owned()], stricter || also));
        }
        // one authority more below it
        let below = format!("int-below-{number}");
        authority.issue(
            &below,
            "int",
            &format!("/CN=below{number}"),
            int,
            &format!("basicConstraints=critical,CA:TRUE\n{IDS}"),
        );
        let name = format!("{below}-usage");
        authority.issue(&name, "leaf", "/O=o/CN=signer", &below, &format!("{}{IDS}", signers[0].1));
        cases.push((vec![name, below.clone(), int.to_owned()], stricter));
        // the path without one of its parts
        cases.push((vec![format!("{below}-usage"), int.to_owned()], true));
    }
    let key = PrivateKey::from_pem(&std::fs::read(authority.directory.path().join("leaf.key")).unwrap(), None).unwrap();
    // openssl has just made them
    let made = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    let (mut both, mut judged) = (0, 0);
    for (chain, stricter) in &cases {
        let chain: Vec<&str> = chain.iter().map(String::as_str).collect();
        let ders: Vec<Vec<u8>> = chain.iter().map(|name| authority.der(name)).collect();
        let text = bundle(&key, &ders);
        let anchors = ["root", "edroot", "other", chain[0], chain.last().unwrap()];
        for (number, anchor) in anchors.into_iter().enumerate() {
            // the times once per path are enough
            let times: &[i64] = if number == 0 { &[60, -86_400, 20 * 31_557_600] } else { &[60] };
            for now in times.iter().map(|after| made + after) {
                let trusted = Anchor::Authorities {
                    certificates: vec![authority.made[anchor].clone()],
                    subject: None,
                    san: None,
                };
                let ours = accepted(text.as_bytes(), &trusted, now);
                let theirs = authority.openssl(&chain, anchor, now);
                let place = format!("{chain:?} to {anchor} at {}: ours {ours}, openssl {theirs}", now - made);
                assert!(!ours || theirs, "{place}");
                assert!(*stricter || ours == theirs, "{place}");
                judged += 1;
                both += usize::from(ours && theirs);
            }
        }
    }
    assert!(judged > 200 && both > 30, "{both} of {judged}");
    eprintln!("{judged} paths judged, {both} accepted by both");
}

#[test]
fn certificates_of_a_bundle_are_bound_byte_by_byte() {
    let Some(mut authority) = Authority::new() else { return };
    for (name, kind) in [("root", "P-256"), ("int", "P-384"), ("leaf", "P-256")] {
        authority.key(name, kind);
    }
    authority.issue("root", "root", "/CN=root", "root", ROOT);
    authority.issue("int", "int", "/CN=int", "root", &format!("basicConstraints=critical,CA:TRUE\n{IDS}"));
    authority.issue("leaf", "leaf", "/CN=leaf", "int", &format!("keyUsage=digitalSignature\n{IDS}"));
    let key = PrivateKey::from_pem(&std::fs::read(authority.directory.path().join("leaf.key")).unwrap(), None).unwrap();
    let made = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64 + 60;
    let anchor =
        |name: &str| Anchor::Authorities { certificates: vec![authority.made[name].clone()], subject: None, san: None };
    let good = vec![authority.der("leaf"), authority.der("int"), authority.der("root")];
    for name in ["root", "int", "leaf"] {
        assert!(accepted(bundle(&key, &good).as_bytes(), &anchor(name), made), "{name}");
    }
    for number in 0..2 {
        for at in 0..good[number].len() {
            let mut changed = good.clone();
            changed[number][at] ^= 1;
            let text = bundle(&key, &changed);
            for name in ["root", "int", "leaf"] {
                // whom the user names is trusted as it is; above it nothing matters
                assert!(!accepted(text.as_bytes(), &anchor(name), made), "certificate {number}, byte {at}, {name}");
            }
        }
    }
    for disordered in [vec![1, 0, 2], vec![0, 2, 1], vec![0, 2], vec![0, 0, 1], vec![0, 1, 2, 2, 2], vec![1]] {
        let chain: Vec<Vec<u8>> = disordered.iter().map(|number| good[*number].clone()).collect();
        assert!(!accepted(bundle(&key, &chain).as_bytes(), &anchor("root"), made), "{disordered:?}");
    }
}
