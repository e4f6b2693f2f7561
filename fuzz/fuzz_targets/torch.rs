//! torch's restricted unpickler: no panic, one answer per version, and a claim always has a reason.
#![no_main]
use libfuzzer_sys::fuzz_target;
use mverify::scan::Settings;
use mverify::source::View;
use mverify::torch::{Loading, weights_only};

fuzz_target!(|data: &[u8]| {
    let mut settings = Settings::default();
    settings.torch_versions = vec!["1.13".into(), "2.6".into(), "2.15".into()];
    for name in ["a.pt", "a.safetensors"] {
        let answers = weights_only(&View::new(&data), name, &settings);
        assert_eq!(answers.len(), 3);
        assert!(answers.iter().all(|a| a.outcome == Loading::Loads || !a.reason.is_empty()));
    }
});
