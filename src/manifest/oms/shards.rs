//! Shards of one file, put together. Every byte of the file must be covered exactly once, in steps of the shard size.

use super::{Refusal, Shard, two_readings};
use crate::finding::shown;

/// Sorts the shards of `name` and refuses gaps, overlaps and odd sizes. An empty file is one shard `0:0`.
pub(super) fn assemble(name: &str, mut shards: Vec<Shard>, size: u64) -> Result<Vec<Shard>, Refusal> {
    shards.sort_by_key(|shard| (shard.range.start, shard.range.end));
    let bad = |why: &str| Err(two_readings(format!("the shards of {} {why}", shown(name))));
    let last = shards.len().saturating_sub(1);
    let mut at = 0_u64;
    for (index, shard) in shards.iter().enumerate() {
        if shard.range.start > at {
            return bad("leave a gap");
        }
        if shard.range.start < at {
            return bad("overlap");
        }
        let Some(len) = shard.range.end.checked_sub(shard.range.start) else { return bad("end before they start") };
        if len > size || (len < size && index < last) || (len == 0 && index > 0) {
            return bad("are not of the size that is stated");
        }
        at = shard.range.end;
    }
    Ok(shards)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn shards(ranges: &[(u64, u64)]) -> Vec<Shard> {
        let digest = Digest::new(&[0; 32]).unwrap();
        ranges.iter().map(|(start, end)| Shard { range: *start..*end, digest }).collect()
    }

    #[test]
    fn every_byte_is_covered_once() {
        for good in [&[(0, 3)][..], &[(0, 4)], &[(4, 8), (0, 4)], &[(0, 4), (8, 9), (4, 8)], &[(0, 0)]] {
            assert!(assemble("a", shards(good), 4).is_ok(), "{good:?}");
        }
        for bad in [
            &[(4, 8)][..],
            &[(0, 4), (8, 12)],
            &[(0, 4), (0, 4)],
            &[(0, 4), (2, 6)],
            &[(0, 3), (3, 7)],
            &[(0, 5)],
            &[(0, 4), (4, 4)],
            &[(0, 0), (0, 4)],
            &[(3, 2)],
            &[(0, 4), (4, 3)],
        ] {
            assert!(assemble("a", shards(bad), 4).is_err(), "{bad:?}");
        }
    }
}
