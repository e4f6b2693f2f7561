//! SHA-256 of many streams side by side, against the same streams one after the other: no lane gets the bytes, the length
//! or the place of another, however long the streams are and in whatever pieces they come.
#![no_main]
use libfuzzer_sys::fuzz_target;
use mverify::digest::{Algorithm, Hasher, Plan, Pool, Prepared, Sharding, many};
use mverify::source::{ReadAt, Window};
use std::ops::ControlFlow;

/// Bytes that come in pieces of this size.
struct Pieces<'a>(&'a [u8], usize);

impl ReadAt for Pieces<'_> {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<()> {
        self.0.read_at(offset, buf)
    }
    fn window(&self, offset: u64, most: usize, buf: &mut [u8]) -> std::io::Result<Window<'_>> {
        self.0.window(offset, most.min(self.1), buf)
    }
}

fn plain(bytes: &[u8]) -> String {
    let mut hasher = Hasher::new(&[Algorithm::Sha256], None).unwrap();
    hasher.update(bytes);
    hasher.finish().get(Algorithm::Sha256).unwrap().to_string()
}

fuzz_target!(|data: &[u8]| {
    // a byte for how many streams, then two for the place and one for the pieces of each
    let Some((count, data)) = data.split_first() else { return };
    let count = usize::from(*count) % 40;
    let mut jobs = Vec::new();
    for head in data.chunks_exact(3).take(count) {
        let at = usize::from(u16::from_le_bytes([head[0], head[1]])) % data.len();
        jobs.push((&data[at..], 1 + usize::from(head[2])));
    }
    let mut expected = jobs.clone().into_iter();
    let _ = many(
        &Pool::single(),
        jobs.into_iter(),
        |(bytes, piece)| {
            let (mut plan, size) = (Plan::default(), 64 * piece as u64 + 1);
            match piece % 3 {
                0 => plan.shards.push(Sharding { algorithm: Algorithm::Sha256, size, end: u64::MAX }),
                _ => plan.algorithms.push(Algorithm::Sha256),
            }
            Prepared::Hash { source: Pieces(bytes, piece), plan, carry: () }
        },
        |(), _, passed| passed.unwrap(),
        &(),
        |passed| {
            let (bytes, piece) = expected.next().unwrap();
            match passed.shards.first() {
                Some(cut) => {
                    let shards = bytes.chunks(64 * piece + 1).map(plain);
                    assert!(cut.digests.iter().map(ToString::to_string).eq(shards));
                }
                None => assert_eq!(passed.digests.get(Algorithm::Sha256).unwrap().to_string(), plain(bytes)),
            }
            ControlFlow::Continue(())
        },
    );
    assert!(expected.next().is_none());
});
