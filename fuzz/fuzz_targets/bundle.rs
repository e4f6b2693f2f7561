//! Bundles, one or several in a file, with the certificates and keys in them: no panic, and nothing counts as signed by a
//! key that signed nothing.
#![no_main]
use libfuzzer_sys::fuzz_target;
use mverify::report::Trust;
use mverify::trust::{Anchor, Certificate, Curve, How, PrivateKey, PublicKey, lines, verify_statement};
use std::path::Path;
use std::sync::LazyLock;

static NOBODY: LazyLock<PublicKey> =
    LazyLock::new(|| PrivateKey::generate(Curve::P256).expect("a key").public().clone());

fuzz_target!(|data: &[u8]| {
    let authorities = match Certificate::from_pem(data) {
        Ok(certificates) => certificates,
        Err(_) => Certificate::from_der(data).into_iter().collect(),
    };
    if let Ok(key) = PublicKey::from_pem(data) {
        assert_eq!(PublicKey::from_spki(&key.spki()), Some(key));
    }
    let anchors = [Anchor::Key(NOBODY.clone()), Anchor::Authorities { certificates: authorities, subject: None, san: None }];
    let how = How { allow_legacy: true, now: 1_750_000_000 };
    for (_, text) in lines(Path::new("a.jsonl"), data).into_iter().chain([(None, data)]).take(8) {
        for anchor in &anchors {
            assert!(verify_statement(text, Some(anchor), how).is_err(), "signed by nobody");
        }
        if let Ok(verified) = verify_statement(text, None, how) {
            assert_ne!(verified.trust, Trust::Signed);
        }
    }
});
