//! Where a file differs from its signed shards, and which of its tensors lie there.
//!
//! The tensors are told from the file as it is now: what they say explains a mismatch and proves nothing.

use super::oms::Shard;
use crate::digest::Digest;
use crate::finding::{Finding, shown};
use crate::format::tensor::TensorInfo;
use crate::rule::trust as rules;
use std::ops::Range;

/// Tensors that are named; more are counted.
const SHOWN: usize = 16;

/// What differs: something always does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Bytes in shards that differ, in order; shards beside each other are one range. Ends where the signed shards end,
    /// which may lie behind the end of the file.
    pub ranges: Vec<Range<u64>>,
    /// The first shard that differs.
    pub first: Option<Range<u64>>,
    /// Shards that differ, and shards that were signed.
    pub counts: (usize, usize),
    /// Bytes of the file, and bytes that were signed.
    pub sizes: (u64, u64),
}

impl Difference {
    /// Compares a file of `len` bytes, whose shards have the digests `found`, with what was signed. `None` where all of
    /// it is as it was.
    pub fn between(signed: &[Shard], found: &[Digest], len: u64) -> Option<Difference> {
        let end = signed.last().map_or(0, |last| last.range.end);
        let mut different =
            Difference { ranges: Vec::new(), first: None, counts: (0, signed.len()), sizes: (len, end) };
        for (number, shard) in signed.iter().enumerate() {
            if shard.range.end <= len && found.get(number) == Some(&shard.digest) {
                continue;
            }
            different.counts.0 += 1;
            different.first.get_or_insert_with(|| shard.range.clone());
            match different.ranges.last_mut().filter(|last| last.end == shard.range.start) {
                Some(last) => last.end = shard.range.end,
                None => different.ranges.push(shard.range.clone()),
            }
        }
        if different.ranges.is_empty() && len == end { None } else { Some(different) }
    }

    /// One sentence without a full stop.
    pub fn words(&self) -> String {
        let (len, end) = self.sizes;
        let longer = format!("it has {len} bytes, signed were {end}");
        let Some(first) = &self.first else { return longer };
        let mut words = format!("bytes {} to {} are not what was signed", first.start, first.end);
        if let (differ @ 2.., of) = self.counts {
            words.push_str(&format!("; {differ} of {of} shards differ"));
        }
        if len != end {
            words.push_str(&format!("; {longer}"));
        }
        words
    }

    /// The byte that the words are about.
    pub fn offset(&self) -> u64 {
        self.first.as_ref().map_or(self.sizes.1, |first| first.start)
    }

    /// A finding for each of the first tensors that lie in what differs, in the order of the file. `None` for the tensors
    /// of a file that should have some and does not say which.
    pub fn tensors(&self, tensors: Option<&[TensorInfo]>) -> Vec<Finding> {
        let note = |message: String, at: u64| Finding::new(&rules::TENSOR_CHANGED, message).at(at);
        let Some(tensors) = tensors else {
            let why = "which tensors lie there cannot be told from the file as it is now";
            return vec![note(why.to_owned(), self.offset())];
        };
        let mut touched: Vec<(&TensorInfo, Range<u64>)> = tensors
            .iter()
            .filter_map(|tensor| Some((tensor, tensor.place()?)))
            .filter(|(_, place)| self.touches(place))
            .collect();
        touched.sort_by(|(a, p), (b, q)| (p.start, p.end, &a.name).cmp(&(q.start, q.end, &b.name)));
        let mut findings: Vec<Finding> = touched
            .iter()
            .take(SHOWN)
            .map(|(tensor, place)| {
                let TensorInfo { name, dtype, shape, .. } = tensor;
                let message =
                    format!("the tensor {}, {dtype} {shape:?}, bytes {} to {}", shown(name), place.start, place.end);
                note(message, place.start)
            })
            .collect();
        if let Some((_, place)) = touched.get(SHOWN) {
            findings.push(note(format!("and {} more tensors", touched.len() - SHOWN), place.start));
        }
        let header = tensors.iter().filter_map(TensorInfo::place).map(|place| place.start).min().unwrap_or(0);
        if header > 0 && self.touches(&(0..header)) {
            let why = "what lies before the tensors changed as well, so their names may not be the signed ones";
            findings.push(note(why.to_owned(), 0));
        }
        findings
    }

    fn touches(&self, place: &Range<u64>) -> bool {
        let after = self.ranges.partition_point(|range| range.end <= place.start);
        !place.is_empty() && self.ranges.get(after).is_some_and(|range| range.start < place.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(byte: u8) -> Digest {
        Digest::new(&[byte; 32]).unwrap()
    }

    fn signed(digests: &[u8], end: u64) -> Vec<Shard> {
        let start = |number: usize| 10 * number as u64;
        let shard = |(number, byte): (usize, &u8)| Shard {
            range: start(number)..end.min(start(number + 1)),
            digest: digest(*byte),
        };
        digests.iter().enumerate().map(shard).collect()
    }

    fn between(found: &[u8], len: u64) -> Option<Difference> {
        let found: Vec<Digest> = found.iter().copied().map(digest).collect();
        Difference::between(&signed(&[1, 2, 3, 4], 35), &found, len)
    }

    #[test]
    fn what_differs_is_told_shard_by_shard() {
        assert_eq!(between(&[1, 2, 3, 4], 35), None);
        let middle = between(&[1, 9, 9, 4], 35).unwrap();
        assert_eq!((middle.ranges.first(), middle.ranges.len(), middle.offset()), (Some(&(10..30)), 1, 10));
        assert_eq!(middle.words(), "bytes 10 to 20 are not what was signed; 2 of 4 shards differ");
        let apart = between(&[9, 2, 3, 9], 35).unwrap();
        assert_eq!(apart.ranges, [0..10, 30..35]);
        let short = between(&[1, 2, 3], 30).unwrap();
        assert_eq!(short.words(), "bytes 30 to 35 are not what was signed; it has 30 bytes, signed were 35");
        // the same digest over fewer bytes is still short
        assert!(between(&[1, 2, 3, 4], 34).is_some());
        let long = between(&[1, 2, 3, 4], 36).unwrap();
        assert_eq!((long.words().as_str(), long.offset()), ("it has 36 bytes, signed were 35", 35));
    }

    #[test]
    fn the_tensors_there_are_named_and_counted() {
        let tensor = |name: &str, range: Range<u64>| TensorInfo {
            name: name.to_owned(),
            dtype: "F32",
            shape: vec![range.end - range.start],
            range,
            strides: None,
        };
        let middle = between(&[1, 9, 3, 4], 35).unwrap();
        let tensors = [tensor("d", 20..30), tensor("b", 18..20), tensor("a", 5..18), tensor("e", 12..12)];
        let named: Vec<String> = middle.tensors(Some(&tensors)).into_iter().map(|finding| finding.message).collect();
        assert_eq!(named, ["the tensor a, F32 [13], bytes 5 to 18", "the tensor b, F32 [2], bytes 18 to 20"]);
        let head = between(&[9, 2, 3, 4], 35).unwrap();
        assert!(head.tensors(Some(&tensors)).last().unwrap().message.starts_with("what lies before"));
        let many: Vec<TensorInfo> = (0..40).map(|i| tensor(&format!("t{i:02}"), 10..11)).collect();
        let named = middle.tensors(Some(&many));
        assert_eq!((named.len(), named[SHOWN].message.as_str()), (SHOWN + 1, "and 24 more tensors"));
        assert_eq!(middle.tensors(None).len(), 1);
    }
}
