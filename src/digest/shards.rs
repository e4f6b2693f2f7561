//! Digests of the equal parts of a source, while the whole of it goes by.

use super::algorithm::{Algorithm, Digest};
use super::hasher::Hasher;

/// How a source is cut into shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sharding {
    /// The algorithm; any but [`Algorithm::Sha1Git`], which gives no digests.
    pub algorithm: Algorithm,
    /// Bytes of a shard; the last one may be shorter. Zero counts as one.
    pub size: u64,
    /// Where the shards end; what lies behind is not looked at. `u64::MAX` for all of the source.
    pub end: u64,
}

/// The digests of the shards of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sharded {
    /// How it was cut.
    pub sharding: Sharding,
    /// A digest per shard, in order. A source without bytes is one empty shard.
    pub digests: Vec<Digest>,
}

/// Cuts one source that comes in order.
#[derive(Debug)]
pub(super) struct Shards {
    sharding: Sharding,
    /// Bytes that are cut into shards.
    len: u64,
    at: u64,
    current: Hasher,
    digests: Vec<Digest>,
}

impl Shards {
    pub(super) fn new(sharding: Sharding, len: u64) -> Shards {
        let sharding = Sharding { size: sharding.size.max(1), ..sharding };
        let current = fresh(sharding.algorithm);
        Shards { sharding, len: len.min(sharding.end), at: 0, current, digests: Vec::new() }
    }

    /// Takes the next bytes.
    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        while self.at < self.len && !bytes.is_empty() {
            let begun = self.at % self.sharding.size;
            let left = (self.sharding.size - begun).min(self.len - self.at);
            let n = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
            let (now, later) = bytes.split_at(n);
            self.current.update(now);
            self.at += n as u64;
            if self.at == self.len || self.at.is_multiple_of(self.sharding.size) {
                self.close();
            }
            bytes = later;
        }
    }

    fn close(&mut self) {
        let done = std::mem::replace(&mut self.current, fresh(self.sharding.algorithm));
        self.digests.extend(done.finish().get(self.sharding.algorithm));
    }

    pub(super) fn finish(mut self) -> Sharded {
        if self.len == 0 {
            self.close();
        }
        Sharded { sharding: self.sharding, digests: self.digests }
    }
}

/// A hasher of one algorithm. The one that fails needs a length, and then gives no digest.
fn fresh(algorithm: Algorithm) -> Hasher {
    Hasher::new(&[algorithm], None).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_do_not_depend_on_the_pieces() {
        let bytes: Vec<u8> = (0..1000_u32).map(|i| (i * 7) as u8).collect();
        let digest = |bytes: &[u8]| {
            let mut hasher = fresh(Algorithm::Sha256);
            hasher.update(bytes);
            hasher.finish().get(Algorithm::Sha256).unwrap()
        };
        for (size, end) in
            [(1, u64::MAX), (64, u64::MAX), (300, 1000), (300, 600), (300, 601), (5000, u64::MAX), (7, 0)]
        {
            let sharding = Sharding { algorithm: Algorithm::Sha256, size, end };
            let covered = &bytes[..usize::try_from(end).unwrap_or(usize::MAX).min(bytes.len())];
            let mut expected: Vec<Digest> = covered.chunks(size as usize).map(digest).collect();
            if expected.is_empty() {
                expected.push(digest(b""));
            }
            for pieces in [1, 13, 300, 1000] {
                let mut shards = Shards::new(sharding, 1000);
                bytes.chunks(pieces).for_each(|piece| shards.update(piece));
                assert_eq!(shards.finish().digests, expected, "{size} to {end} in pieces of {pieces}");
            }
        }
    }
}
