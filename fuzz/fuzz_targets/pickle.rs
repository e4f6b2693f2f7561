//! The symbolic pickle machine: no panic, and what it consumed lies inside the input.
#![no_main]
use libfuzzer_sys::fuzz_target;
use mverify::pickle::{self, Dialect};
use mverify::scan::{Scan, Settings};

fuzz_target!(|data: &[u8]| {
    let settings = Settings::default();
    for dialect in [Dialect::Plain, Dialect::TorchZip, Dialect::TorchLegacy] {
        let mut scan = Scan::new(&settings);
        let summary = pickle::check(data, 0, dialect, &mut scan);
        assert!(summary.consumed <= data.len() as u64);
    }
});
