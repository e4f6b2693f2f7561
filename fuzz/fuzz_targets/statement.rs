//! In-toto statements, manifests and attestations alike: no panic, what is read strictly is read the same with the forms of
//! before version 1.0 allowed, and an attestation attests what it names.
#![no_main]
use libfuzzer_sys::fuzz_target;
use mverify::manifest::attestation::Says;
use mverify::manifest::oms::{Statement, read};
use std::path::Path;

fuzz_target!(|data: &[u8]| {
    match (read(data, false), read(data, true)) {
        (Ok(Statement::Manifest(strict)), Ok(Statement::Manifest(legacy))) => assert_eq!(strict, legacy),
        (Ok(Statement::Attestation(strict)), Ok(Statement::Attestation(legacy))) => {
            assert_eq!(strict, legacy);
            assert_eq!(strict.about(Path::new("any"), strict.first()), Some(Says::Attested));
            assert!(!strict.is_empty());
        }
        (Ok(strict), legacy) => panic!("{strict:?} becomes {legacy:?}"),
        (Err(refusal), _) => assert!(!refusal.message.is_empty()),
    }
});
