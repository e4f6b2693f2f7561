//! Everything behind `Verifier::verify_bytes`, for files named YAML: no panic, never ok with partial coverage, and what is
//! found does not depend on whether lines end with a carriage return.
#![no_main]
use libfuzzer_sys::fuzz_target;
use mverify::{Coverage, Verdict, Verifier};

fuzz_target!(|data: &[u8]| {
    let examine = |bytes: &[u8]| Verifier::builder().digests(&[]).build().unwrap().verify_bytes("x.yaml", &bytes);
    let artifact = examine(data);
    assert!(artifact.outcome.verdict() != Verdict::Ok || artifact.outcome.coverage() == Coverage::Complete);
    assert!(artifact.findings.iter().all(|f| f.rule.id != "MV-RUN-001"), "a check failed");
    if artifact.format == "yaml" && std::str::from_utf8(data).is_ok() && !data.contains(&b'\r') {
        let other = examine(&data.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(&b"\r\n"[..]));
        assert!(other.format != "yaml" || artifact.outcome.verdict() == other.outcome.verdict());
    }
});
