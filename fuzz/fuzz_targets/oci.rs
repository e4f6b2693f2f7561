//! Manifests of model stores: no panic, and what is accepted has digests of full length.
#![no_main]
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(descriptors) = mverify::manifest::oci::parse(data) {
        for descriptor in descriptors {
            assert_eq!(descriptor.digest.as_bytes().len(), descriptor.algorithm.size());
        }
    }
});
