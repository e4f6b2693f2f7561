//! `mverify.toml`: no panic, a defect has its place in the text, and what is demanded on top loosens nothing.
#![no_main]
use libfuzzer_sys::fuzz_target;
use mverify::Limits;
use mverify::policy::Policy;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Policy::parse(text) {
        Ok(policy) => {
            let mut tightened = Policy::default();
            tightened.tighten(&policy);
            let (before, after) = (Limits::default(), tightened.limits.over(&Limits::default()));
            assert!(after.max_ops <= before.max_ops && after.max_entries <= before.max_entries);
            assert!(tightened.trusted_globals.is_empty() && tightened.profile.is_empty());
        }
        Err(defect) => assert!(defect.line <= text.matches('\n').count() + 1 && !defect.why.is_empty()),
    }
});
