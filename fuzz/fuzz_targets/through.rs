//! Digests through compression: no panic, no output beyond the limits, and the stored digest is that of the input.
#![no_main]
use libfuzzer_sys::fuzz_target;
use mverify::budget::{Budget, Limits};
use mverify::digest::{Algorithm, Hasher};
use mverify::through::{Layers, through};

const LAYERS: [&[&str]; 8] =
    [&["tar"], &["gzip"], &["gzip", "tar"], &["zstd"], &["xz"], &["bzip2", "tar"], &["lz4"], &["lzma"]];

fuzz_target!(|data: &[u8]| {
    let Some((first, bytes)) = data.split_first() else { return };
    let layers = Layers::parse(LAYERS[usize::from(*first) % LAYERS.len()]).unwrap();
    let limits = Limits { max_decompressed_bytes: 1 << 20, max_entries: 1000, ..Limits::default() };
    let mut members = 0;
    let found = through(&bytes, layers, &[Algorithm::Blake3], &mut Budget::new(limits), &mut |member| {
        assert!(member.size <= 1 << 20 || member.size <= bytes.len() as u64);
        members += 1;
        Ok(())
    });
    assert!(members <= 1000);
    let mut hasher = Hasher::new(&[Algorithm::Blake3], None).unwrap();
    hasher.update(bytes);
    assert_eq!(found.expect("bytes in memory are always read to their end").stored, hasher.finish());
});
