//! Everything behind `Verifier::verify_bytes`, for inputs that begin as safetensors does: no panic, and never ok with partial coverage.
#![no_main]
use libfuzzer_sys::fuzz_target;
use mverify::{Coverage, Verdict, Verifier};

fuzz_target!(|data: &[u8]| {
    let bytes = [b"", data].concat();
    let artifact = Verifier::builder().digests(&[]).build().unwrap().verify_bytes("x.safetensors", &bytes);
    assert!(artifact.outcome.verdict() != Verdict::Ok || artifact.outcome.coverage() == Coverage::Complete);
    assert!(artifact.findings.iter().all(|f| f.rule.id != "MV-RUN-001"), "a check failed");
});
