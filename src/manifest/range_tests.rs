#![allow(clippy::single_range_in_vec_init)]

use super::*;
use crate::digest::outboard;
use crate::source::{FileSource, OpenOptions};
use std::sync::atomic::{AtomicU64, Ordering};

fn noise(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + i / 251 + i / 65_536) as u8).collect()
}

fn digest(algorithm: Algorithm, bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::new(&[algorithm], None).unwrap();
    hasher.update(bytes);
    hasher.finish().get(algorithm).unwrap()
}

fn shards(bytes: &[u8], size: usize) -> Arc<Vec<Shard>> {
    let shard = |(number, part): (usize, &[u8])| {
        let start = (number * size) as u64;
        Shard { range: start..start + part.len() as u64, digest: digest(Algorithm::Sha256, part) }
    };
    Arc::new(bytes.chunks(size).enumerate().map(shard).collect())
}

fn outboard_of(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    outboard::write(&bytes, &mut |at, piece: &[u8]| {
        let at = usize::try_from(at).unwrap();
        out.resize(out.len().max(at + piece.len()), 0);
        out[at..at + piece.len()].copy_from_slice(piece);
        Ok(())
    })
    .unwrap();
    out
}

/// Both ways of proving `signed`, over the bytes that are there.
fn both(signed: &[u8], there: &[u8], size: usize) -> Vec<VerifiedRange<Vec<u8>>> {
    let by_shards = VerifiedRange::by_shards(there.to_vec(), Algorithm::Sha256, shards(signed, size));
    let root = digest(Algorithm::Blake3, signed);
    let by_outboard = VerifiedRange::by_outboard(there.to_vec(), &root, Box::new(outboard_of(signed)));
    [by_shards, by_outboard].into_iter().flatten().collect()
}

#[test]
fn proven_bytes_are_the_bytes() {
    let bytes = noise(200_000);
    for size in [7_000, 16_384, 65_536, 300_000] {
        for file in both(&bytes, &bytes, size) {
            for range in
                [0..0, 0..1, 5..9, 6_999..7_001, 100_000..170_003, 0..200_000, 199_999..200_000, 200_000..200_000]
            {
                let place = range.start as usize..range.end as usize;
                assert_eq!(file.bytes(range.clone()).unwrap(), &bytes[place], "{range:?} by {size}");
            }
            assert_eq!(file.proven(), [0..200_000], "{size}");
            assert_eq!(file.bytes(199_999..200_001), Err(RangeError::Outside(199_999..200_001)));
            assert!(file.settle().is_ok());
        }
    }
}

#[test]
fn a_changed_byte_fails_exactly_the_ranges_whose_shard_holds_it() {
    let bytes = noise(200_000);
    let mut changed = bytes.clone();
    changed[70_000] ^= 4;
    for file in both(&bytes, &changed, 16_384) {
        assert_eq!(file.bytes(0..65_536).unwrap(), &bytes[..65_536]);
        let mut out = [7; 100];
        assert_eq!(file.read(65_500, &mut out), Err(RangeError::Differs(65_536..81_920)));
        assert_eq!(out, [0; 100], "nothing unproven is handed out");
        assert_eq!(file.bytes(81_920..200_000).unwrap(), &bytes[81_920..]);
        assert!(!file.proven().iter().any(|range| range.contains(&70_000)));
        assert_eq!(file.failure(), Some(RangeError::Differs(65_536..81_920)));
        assert!(file.settle().is_err(), "a failure is not forgotten");
    }
}

#[test]
fn another_length_is_refused_at_once() {
    let bytes = noise(100_000);
    let longer = noise(100_001);
    assert!(both(&bytes, &bytes[..99_999], 4096).is_empty());
    assert!(both(&bytes, &bytes[..98_304], 4096).is_empty());
    assert!(both(&bytes, &longer, 4096).is_empty());
    assert!(both(&bytes, b"", 4096).is_empty());
    let nothing = Vec::new();
    let root = digest(Algorithm::Blake3, b"");
    let file = VerifiedRange::by_outboard(nothing.clone(), &root, Box::new(outboard_of(&nothing))).unwrap();
    assert!(file.is_empty() && file.bytes(0..0).is_ok());
}

/// Counts what is read of it.
struct Counted(Vec<u8>, Arc<AtomicU64>);

impl ReadAt for Counted {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.1.fetch_add(buf.len() as u64, Ordering::Relaxed);
        ReadAt::read_at(&self.0, offset, buf)
    }
}

#[test]
fn only_the_shards_that_cover_a_range_are_read_and_each_once() {
    let bytes = noise(1_000_000);
    let count = Arc::new(AtomicU64::new(0));
    let read = || count.swap(0, Ordering::Relaxed);
    let source = || Counted(bytes.clone(), Arc::clone(&count));
    let by_shards = VerifiedRange::by_shards(source(), Algorithm::Sha256, shards(&bytes, 10_000)).unwrap();
    assert_eq!(read(), 0);
    by_shards.prove(15_000..25_000).unwrap();
    assert_eq!(read(), 20_000);
    by_shards.prove(10_000..30_000).unwrap();
    assert_eq!(read(), 0, "what is proven is not read again to prove it");
    assert_eq!(by_shards.bytes(12_000..12_500).unwrap(), &bytes[12_000..12_500]);
    assert_eq!(read(), 500);
    let root = digest(Algorithm::Blake3, &bytes);
    let by_outboard = VerifiedRange::by_outboard(source(), &root, Box::new(outboard_of(&bytes))).unwrap();
    assert!(read() <= outboard::GROUP, "the end");
    by_outboard.prove(500_000..500_001).unwrap();
    assert_eq!(read(), outboard::GROUP);
}

#[test]
fn a_file_that_changes_after_its_proof_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("f");
    let bytes = noise(5_000_000);
    std::fs::write(&path, &bytes).unwrap();
    let source = FileSource::open(&path, &OpenOptions::default()).unwrap();
    let file = VerifiedRange::by_shards(source, Algorithm::Sha256, shards(&bytes, 2_500_000)).unwrap();
    file.prove(0..5_000_000).unwrap();
    assert_eq!(file.bytes(1_000_000..1_000_100).unwrap(), &bytes[1_000_000..1_000_100]);
    let mut changed = bytes;
    changed[2_000_000] ^= 1;
    // written in place, as a writer with a mapping would
    use std::os::unix::fs::FileExt;
    std::fs::File::options().write(true).open(&path).unwrap().write_all_at(&changed, 0).unwrap();
    assert_eq!(file.bytes(1_999_990..2_000_010), Err(RangeError::Changed));
    assert!(file.settle().is_err());
}

#[test]
fn tensors_come_from_proven_headers() {
    let header = br#"{"a":{"dtype":"U8","shape":[3000],"data_offsets":[0,3000]},"b":{"dtype":"U8","shape":[2],"data_offsets":[3000,3002]}}"#;
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header, &noise(3002)].concat();
    let file = VerifiedRange::by_shards(bytes.clone(), Algorithm::Sha256, shards(&bytes, 512)).unwrap();
    let tensors = file.tensors(&Limits::default()).unwrap().unwrap();
    assert_eq!(tensors.iter().map(|tensor| tensor.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let place = tensors[1].place().unwrap();
    assert_eq!(file.bytes(place.clone()).unwrap(), &bytes[place.start as usize..]);
    // a header that was changed names nothing
    let mut changed = bytes.clone();
    changed[11] = b'c';
    let file = VerifiedRange::by_shards(changed, Algorithm::Sha256, shards(&bytes, 512)).unwrap();
    assert_eq!(file.tensors(&Limits::default()), Err(RangeError::Differs(0..512)));
}

#[test]
fn sets_of_ranges() {
    let mut ranges = Ranges::default();
    for range in [10..20, 30..40, 20..25, 0..5, 4..11, 26..29] {
        ranges.add(range);
    }
    assert_eq!(ranges.0, BTreeMap::from([(0, 25), (26, 29), (30, 40)]));
    assert!(ranges.contains(&(3..25)) && !ranges.contains(&(3..26)) && !ranges.contains(&(25..26)));
    ranges.add(25..30);
    assert_eq!(ranges.0, BTreeMap::from([(0, 40)]));
}

#[test]
fn manifests_say_what_proves_a_file() {
    let bytes = noise(40_000);
    let manifest = |algorithm, expected| Manifest {
        algorithm,
        entries: BTreeMap::from([("w".to_owned(), expected)]),
        shard_size: None,
        ignored: Vec::new(),
        allow_symlinks: false,
        root: None,
        subject: String::new(),
    };
    let whole = |algorithm| manifest(algorithm, Expected::Whole(digest(algorithm, &bytes)));
    let nodes = || Some(Box::new(outboard_of(&bytes)) as Box<dyn ReadAt>);
    let of = |manifest: &Manifest, name, outboard| VerifiedRange::of(manifest, name, bytes.clone(), outboard).err();
    assert_eq!(of(&whole(Algorithm::Blake3), "w", nodes()), None);
    assert_eq!(of(&whole(Algorithm::Blake3), "w", None), Some(RangeError::Whole));
    assert_eq!(of(&whole(Algorithm::Sha256), "w", nodes()), Some(RangeError::Whole));
    assert_eq!(of(&whole(Algorithm::Blake3), "x", nodes()), Some(RangeError::NotListed("x".to_owned())));
    let sharded = manifest(Algorithm::Sha256, Expected::Shards(shards(&bytes, 999).to_vec()));
    assert_eq!(of(&sharded, "w", None), None);
}
