//! BLAKE3 outboards: no panic, and what one proves by the digest of a file are the bytes of that file, however the
//! outboard was changed.
#![no_main]
use libfuzzer_sys::fuzz_target;
use mverify::digest::outboard::{Outboard, write};

fuzz_target!(|data: &[u8]| {
    // three bytes for the length of the file, which repeats the rest; then places and values to change, in threes
    let [a, b, c, rest @ ..] = data else { return };
    let len = (usize::from(*a) | usize::from(*b) << 8 | usize::from(*c) << 16) % 300_000;
    let mut file: Vec<u8> = rest.iter().copied().cycle().take(len).collect();
    file.resize(len, 0);
    let mut nodes: Vec<u8> = Vec::new();
    let root = write(&file, &mut |offset, bytes| {
        let (start, end) = (offset as usize, offset as usize + bytes.len());
        nodes.resize(nodes.len().max(end), 0);
        nodes[start..end].copy_from_slice(bytes);
        Ok(())
    })
    .unwrap();
    let genuine = Outboard::new(Box::new(nodes.clone()), &root, len as u64).unwrap();
    assert_eq!(prove(&genuine, &file), len, "an outboard that was just written proves all of the file");
    for change in rest.chunks_exact(3).take(4) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % nodes.len();
        nodes[at] ^= change[2];
    }
    for nodes in [nodes, rest.to_vec()] {
        if let Ok(outboard) = Outboard::new(Box::new(nodes), &root, len as u64) {
            prove(&outboard, &file);
        }
    }
});

/// Bytes of `file` that are proven. Panics if other bytes would be.
fn prove(outboard: &Outboard, file: &[u8]) -> usize {
    let mut proven = 0;
    for leaf in outboard.leaves(0..file.len() as u64) {
        let Ok(leaf) = leaf else { break };
        let bytes = &file[leaf.range.start as usize..leaf.range.end as usize];
        let mut hasher = leaf.hasher();
        hasher.update(bytes);
        assert!(leaf.holds(&hasher), "bytes that are not in the file are proven");
        proven += bytes.len();
    }
    proven
}
