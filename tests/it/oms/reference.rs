//! The reference client of OpenSSF Model Signing (`pip install model-signing pyOpenSSL`) and this one, in both directions:
//! what one signs the other verifies, and what was changed since neither does.

use super::{Run, Signed, run};
use crate::tool::python_with;
use std::fs;
use std::path::Path;
use std::process::Command;

fn client(python: &Path, directory: &Path, args: &[&str]) -> bool {
    let output = Command::new(python).args(["-m", "model_signing"]).args(args).current_dir(directory).output().unwrap();
    output.status.success()
}

/// A model with names that sort differently as texts and as paths.
fn model() -> Signed {
    let signed = Signed::new(&[]);
    fs::remove_file(signed.at("m/model.sig")).unwrap();
    for name in ["model-00001.txt", "model.txt", "é.txt"] {
        fs::write(signed.at("m").join(name), name).unwrap();
    }
    fs::create_dir(signed.at("m/model")).unwrap();
    fs::write(signed.at("m/model/x.txt"), "x").unwrap();
    signed
}

#[test]
fn keys() {
    let Some(python) = python_with("model_signing") else { return };
    for curve in ["p256", "p384", "p521"] {
        let signed = model();
        let (model, bundle, key) = (signed.path("m"), signed.path("m/model.sig"), signed.path(curve));
        let public = signed.path(&format!("{curve}.pub"));
        let client = |args: &[&str]| client(&python, signed.directory.path(), args);
        assert_eq!(run(&["keygen", "-o", &key, "--curve", curve]).code, 0);
        assert_eq!(run(&["sign", &model, "--key", &key]).code, 0);
        let theirs = ["verify", "key", &model, "--signature", &bundle, "--public_key", &public];
        assert!(client(&theirs), "{curve}");
        fs::remove_file(&bundle).unwrap();
        assert!(client(&["sign", "key", &model, "--signature", &bundle, "--private_key", &key]), "{curve}");
        let ours = || run(&["verify", &model, "--key", &public]);
        let good = ours();
        assert_eq!(good.code, 0, "{curve}: {}", good.out);
        fs::write(signed.at("m/model/x.txt"), "y").unwrap();
        assert_eq!(ours().code, 1, "{curve}");
        assert!(!client(&theirs), "{curve}");
        // a single file, as the client writes and reads it
        let (file, single) = (signed.path("m/model.txt"), signed.path("single.sig"));
        assert!(client(&["sign", "key", &file, "--signature", &single, "--private_key", &key]));
        assert_eq!(run(&["verify", &file, "--manifest", &single, "--key", &public]).code, 0);
        assert_eq!(run(&["sign", &file, "--key", &key, "-o", &single, "--force", "--compat-python"]).code, 0);
        assert!(client(&["verify", "key", &file, "--signature", &single, "--public_key", &public]));
    }
}

/// Runs openssl, which every system has that has the client.
fn openssl(directory: &Path, args: &[&str]) {
    let output = Command::new("openssl").args(args).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Certificates in a directory: `root`, `int` issued by it, and `leaf` issued by that, for a key on this curve.
fn certificates(directory: &Path, curve: &str) {
    let issue = |name: &str, issuer: &str, curve: &str, extensions: &str| {
        let [key, request, extension, out] = ["key", "csr", "ext", "pem"].map(|end| format!("{name}.{end}"));
        let curve = format!("ec_paramgen_curve:{curve}");
        openssl(directory, &["genpkey", "-algorithm", "EC", "-pkeyopt", &curve, "-out", &key]);
        openssl(directory, &["req", "-new", "-key", &key, "-subj", &format!("/CN={name}"), "-out", &request]);
        fs::write(directory.join(&extension), extensions).unwrap();
        let mut args = vec!["x509", "-req", "-in", &request, "-days", "2", "-out", &out, "-extfile", &extension];
        let (ca, ca_key) = (format!("{issuer}.pem"), format!("{issuer}.key"));
        match issuer == name {
            true => args.extend(["-signkey", &key]),
            false => args.extend(["-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial"]),
        }
        openssl(directory, &args);
    };
    let authority = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\n";
    issue("root", "root", "P-384", authority);
    issue("other", "other", "P-256", authority);
    issue("int", "root", "P-256", &format!("{authority}authorityKeyIdentifier=keyid\n"));
    let signer = "keyUsage=critical,digitalSignature\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n";
    issue("leaf", "int", curve, signer);
}

#[test]
fn certificates_in_both_directions() {
    let Some(python) = python_with("model_signing") else { return };
    for curve in ["P-256", "P-384", "P-521"] {
        let signed = model();
        certificates(signed.directory.path(), curve);
        let client = |args: &[&str]| client(&python, signed.directory.path(), args);
        let (model, bundle) = (signed.path("m"), signed.path("m/model.sig"));
        let [key, leaf, int] = ["leaf.key", "leaf.pem", "int.pem"].map(|name| signed.path(name));
        let sign = ["sign", &model, "--key", &key, "--cert", &leaf, "--cert-chain", &int];
        let made = run(&sign);
        assert_eq!(made.code, 0, "{curve}: {}", made.err);
        let theirs = |root: &str| {
            client(&[
                "verify",
                "certificate",
                &model,
                "--signature",
                &bundle,
                "--certificate_chain",
                &signed.path(root),
            ])
        };
        let ours =
            |root: &str, more: &[&str]| run(&[&["verify", &model, "--ca", &signed.path(root)], more].concat()).code;
        assert!(theirs("root.pem") && !theirs("other.pem"), "{curve}");
        assert_eq!((ours("root.pem", &[]), ours("other.pem", &[])), (0, 3), "{curve}");
        assert_eq!((ours("root.pem", &["--subject", "leaf"]), ours("root.pem", &["--subject", "int"])), (0, 3));
        fs::remove_file(&bundle).unwrap();
        let theirs_signed = ["sign", "certificate", &model, "--signature", &bundle, "--private_key", &key];
        let with = ["--signing_certificate", &leaf, "--certificate_chain", &int];
        assert!(client(&[&theirs_signed[..], &with].concat()), "{curve}");
        assert_eq!((ours("root.pem", &[]), ours("other.pem", &[])), (0, 3), "{curve}");
        assert!(theirs("root.pem"), "{curve}");
        fs::write(signed.at("m/model/x.txt"), "y").unwrap();
        assert_eq!(ours("root.pem", &[]), 1, "{curve}");
        assert!(!theirs("root.pem"), "{curve}");
    }
}

/// The client lists files in shards through its API only, and verifies them only when it is told how again.
const SHARDS: &str = "
import sys, pathlib, model_signing as m
what, model, bundle, key, algorithm, size = sys.argv[1:]
ignored = [pathlib.Path(bundle)]
hashing = m.hashing.Config().use_shard_serialization(
    hashing_algorithm=algorithm, shard_size=int(size), ignore_paths=ignored)
if what == 'sign':
    m.signing.Config().set_hashing_config(hashing).use_elliptic_key_signer(private_key=key).sign(model, bundle)
else:
    m.verifying.Config().set_hashing_config(hashing).use_elliptic_key_verifier(public_key=key).verify(model, bundle)
";

#[test]
fn shards_in_both_directions() {
    let Some(python) = python_with("model_signing") else { return };
    let signed = model();
    // shards of the client leave out empty files, so there must be none
    fs::remove_file(signed.at("m/empty.txt")).unwrap();
    let (model, bundle) = (signed.path("m"), signed.path("m/model.sig"));
    let (key, public) = (signed.path("k"), signed.path("k.pub"));
    let client = |what: &str, key: &str| {
        let args = ["-c", SHARDS, what, &model, &bundle, key, "sha256", "4"];
        let output = Command::new(&python).args(args).current_dir(signed.directory.path()).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let ours = || -> Run { run(&["verify", &model, "--key", &public]) };
    assert_eq!(run(&["sign", &model, "--key", &key, "--shards", "4", "--compat-python"]).code, 0);
    let (good, why) = client("verify", &public);
    assert!(good, "{why}");
    assert_eq!(ours().code, 0);
    fs::remove_file(&bundle).unwrap();
    let (good, why) = client("sign", &key);
    assert!(good, "{why}");
    let verified = ours();
    assert_eq!(verified.code, 0, "{}", verified.out);
    fs::write(signed.at("m/sub/x.txt"), "01234x6789").unwrap();
    let changed = ours();
    assert!(changed.code == 1 && changed.out.contains("bytes 4 to 8"), "{}", changed.out);
    assert!(!client("verify", &public).0);
}
