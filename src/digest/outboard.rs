//! BLAKE3 outboards: the inner nodes of a file's hash tree, kept beside the file, so that any range of it can be proven by
//! the digest of the whole without reading the rest.
//!
//! The layout is the outboard encoding of Bao (<https://github.com/oconnor663/bao/blob/master/docs/spec.md>): the length
//! of the file as 8 bytes, little-endian, then the parents of the tree in pre-order, 64 bytes each. The leaves are groups
//! of a power of two of BLAKE3's chunks of 1024 bytes: one chunk in Bao itself, 16 in what is written here (1/256 of the
//! file). Which it is follows from the size of the outboard.
//!
//! Threat: an outboard that belongs to another file, or was made to mislead. Nothing in it is believed: each node must
//! hash to what its parent says, up to the digest. Bound: a path of at most 54 nodes; a range reads the nodes above it.

use super::algorithm::Digest;
use crate::source::{ReadAt, Window};
use blake3::hazmat::{self, ChainingValue, HasherExt, Mode};
use std::io;
use std::ops::Range;

/// Bytes of a group as it is written.
pub const GROUP: u64 = 16 << 10;
/// Bytes of a chunk of BLAKE3: the smallest group.
const CHUNK: u64 = blake3::CHUNK_LEN as u64;
/// Largest group that is read.
const LARGEST_GROUP: u64 = 1 << 20;
const HEADER: u64 = 8;
const PARENT: u64 = 64;

/// Why an outboard proves nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboardError {
    /// It is not as long as the outboard of such a file is.
    #[error("its size is not that of an outboard for {0} bytes")]
    Size(u64),
    /// A node does not hash to what its parent, or the digest, says.
    #[error("the node at byte {0} does not belong to the digest")]
    Node(u64),
    /// The digest is not one of BLAKE3 with 256 bits.
    #[error("the digest of the whole is not one of BLAKE3")]
    NotBlake3,
    /// It could not be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The outboard of one file, and the digest of that file.
pub struct Outboard {
    nodes: Box<dyn ReadAt>,
    root: ChainingValue,
    len: u64,
    group: u64,
}

/// A part of the file whose hash is proven. Its bytes are still to be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Where it lies.
    pub range: Range<u64>,
    expected: ChainingValue,
    /// It is all of the file.
    root: bool,
}

impl std::fmt::Debug for Outboard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outboard").field("len", &self.len).field("group", &self.group).finish_non_exhaustive()
    }
}

impl Outboard {
    /// The outboard of a file of `len` bytes whose BLAKE3 is `root`.
    pub fn new(nodes: Box<dyn ReadAt>, root: &Digest, len: u64) -> Result<Outboard, OutboardError> {
        let root = root.as_bytes().try_into().map_err(|_| OutboardError::NotBlake3)?;
        let mut header = [0; HEADER as usize];
        if nodes.len() < HEADER {
            return Err(OutboardError::Size(len));
        }
        nodes.read_at(0, &mut header)?;
        let groups =
            std::iter::successors(Some(CHUNK), |group| Some(group * 2)).take_while(|group| *group <= LARGEST_GROUP);
        let group = groups.into_iter().find(|group| size(len, *group) == Some(nodes.len()));
        match group {
            Some(group) if u64::from_le_bytes(header) == len => Ok(Outboard { nodes, root, len, group }),
            _ => Err(OutboardError::Size(len)),
        }
    }

    /// The groups that a range touches, in order, each proven from the digest down.
    pub fn leaves(&self, range: Range<u64>) -> impl Iterator<Item = Result<Leaf, OutboardError>> {
        let whole = Subtree { range: 0..self.len, node: 0, expected: self.root, root: true };
        let mut open = vec![whole];
        std::iter::from_fn(move || {
            while let Some(subtree) = open.pop() {
                let Subtree { range: held, node, expected, root } = subtree;
                let touched = held.start < range.end && range.start < held.end;
                // an empty file is one empty group
                if !touched && self.len > 0 {
                    continue;
                }
                if held.end - held.start <= self.group {
                    return Some(Ok(Leaf { range: held, expected, root }));
                }
                match self.children(&held, node, &expected, root) {
                    Ok((left, right)) => open.extend([right, left]),
                    Err(error) => {
                        open.clear();
                        return Some(Err(error));
                    }
                }
            }
            None
        })
    }

    fn children(
        &self,
        held: &Range<u64>,
        node: u64,
        expected: &ChainingValue,
        root: bool,
    ) -> Result<(Subtree, Subtree), OutboardError> {
        let at = HEADER + PARENT * node;
        let mut pair = [0; PARENT as usize];
        self.nodes.read_at(at, &mut pair)?;
        let (left, right) = split(&pair);
        if merged(&left, &right, root) != *expected {
            return Err(OutboardError::Node(at));
        }
        let middle = held.start + hazmat::left_subtree_len(held.end - held.start);
        // below the left child stand its parents, one less than its groups
        let right_node = node + (middle - held.start) / self.group;
        Ok((
            Subtree { range: held.start..middle, node: node + 1, expected: left, root: false },
            Subtree { range: middle..held.end, node: right_node, expected: right, root: false },
        ))
    }
}

impl Leaf {
    /// A hasher for its bytes.
    pub fn hasher(&self) -> LeafHasher {
        let mut hasher = blake3::Hasher::new();
        if !self.root {
            hasher.set_input_offset(self.range.start);
        }
        LeafHasher(Box::new(hasher))
    }

    /// True if these are its bytes.
    pub fn holds(&self, hasher: &LeafHasher) -> bool {
        hasher.value(self.root) == self.expected
    }
}

/// Hashes the bytes of a leaf.
#[derive(Clone, Debug)]
pub struct LeafHasher(Box<blake3::Hasher>);

impl LeafHasher {
    /// Takes the next bytes; not more than the leaf has.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
    fn value(&self, root: bool) -> ChainingValue {
        if root { *self.0.finalize().as_bytes() } else { self.0.finalize_non_root() }
    }
}

/// A part of the tree.
struct Subtree {
    range: Range<u64>,
    /// The number of its topmost parent, if it has any.
    node: u64,
    expected: ChainingValue,
    root: bool,
}

fn split(pair: &[u8; PARENT as usize]) -> (ChainingValue, ChainingValue) {
    let (mut left, mut right) = ([0; 32], [0; 32]);
    left.copy_from_slice(&pair[..32]);
    right.copy_from_slice(&pair[32..]);
    (left, right)
}

fn merged(left: &ChainingValue, right: &ChainingValue, root: bool) -> ChainingValue {
    match root {
        true => *hazmat::merge_subtrees_root(left, right, Mode::Hash).as_bytes(),
        false => hazmat::merge_subtrees_non_root(left, right, Mode::Hash),
    }
}

/// Bytes of the outboard of a file; `None` on overflow.
fn size(len: u64, group: u64) -> Option<u64> {
    (len.div_ceil(group).max(1) - 1).checked_mul(PARENT)?.checked_add(HEADER)
}

/// Makes the outboard of `source`, with groups of [`GROUP`] bytes. Gives its pieces to `put`, each with the offset at which
/// it belongs; returns the BLAKE3 of the source, which was read once.
///
/// # Errors
/// Where `source` cannot be read or changes, or `put` fails.
pub fn write(source: &dyn ReadAt, put: &mut dyn FnMut(u64, &[u8]) -> io::Result<()>) -> io::Result<Digest> {
    let len = source.len();
    put(0, &len.to_le_bytes())?;
    let mut buffer = vec![0; GROUP as usize];
    let whole = Subtree { range: 0..len, node: 0, expected: [0; 32], root: true };
    let mut open = vec![Step::Down(whole)];
    let mut done: Vec<ChainingValue> = Vec::new();
    while let Some(step) = open.pop() {
        match step {
            Step::Down(part) if part.range.end - part.range.start <= GROUP => {
                let leaf = Leaf { range: part.range, expected: [0; 32], root: part.root };
                let mut hasher = leaf.hasher();
                let mut at = leaf.range.start;
                while at < leaf.range.end {
                    let most = usize::try_from(leaf.range.end - at).unwrap_or(usize::MAX);
                    let bytes = match source.window(at, most, &mut buffer)? {
                        Window::Direct(bytes) => bytes,
                        Window::Read(n) => buffer.get(..n).unwrap_or_default(),
                    };
                    if bytes.is_empty() {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    hasher.update(bytes);
                    at += bytes.len() as u64;
                }
                done.push(hasher.value(part.root));
            }
            Step::Down(part) => {
                let middle = part.range.start + hazmat::left_subtree_len(part.range.end - part.range.start);
                let child =
                    |range: Range<u64>, node| Step::Down(Subtree { range, node, expected: [0; 32], root: false });
                let right_node = part.node + (middle - part.range.start) / GROUP;
                open.push(Step::Up { node: part.node, root: part.root });
                open.push(child(middle..part.range.end, right_node));
                open.push(child(part.range.start..middle, part.node + 1));
            }
            Step::Up { node, root } => {
                let (Some(right), Some(left)) = (done.pop(), done.pop()) else {
                    return Err(io::Error::other("the tree of hashes is not whole"));
                };
                put(HEADER + PARENT * node, &[left, right].concat())?;
                done.push(merged(&left, &right, root));
            }
        }
    }
    source.settle()?;
    done.pop().and_then(|root| Digest::new(&root)).ok_or_else(|| io::Error::other("the tree of hashes is not whole"))
}

/// What is to be done next while a tree is built.
enum Step {
    Down(Subtree),
    Up { node: u64, root: bool },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::{Algorithm, Hasher};

    fn noise(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 31 + i / 251 + i / 65_536) as u8).collect()
    }

    fn blake3(bytes: &[u8]) -> Digest {
        let mut hasher = Hasher::new(&[Algorithm::Blake3], None).unwrap();
        hasher.update(bytes);
        hasher.finish().get(Algorithm::Blake3).unwrap()
    }

    fn written(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let digest = write(&bytes, &mut |at, piece: &[u8]| {
            let at = usize::try_from(at).unwrap();
            out.resize(out.len().max(at + piece.len()), 0);
            out[at..at + piece.len()].copy_from_slice(piece);
            Ok(())
        });
        assert_eq!(digest.unwrap(), blake3(bytes));
        out
    }

    /// The bytes that are proven, range by range; `Err` at the first thing that is wrong.
    fn proven(outboard: &Outboard, bytes: &[u8], range: Range<u64>) -> Result<Vec<Range<u64>>, String> {
        let mut all = Vec::new();
        for leaf in outboard.leaves(range) {
            let leaf = leaf.map_err(|error| error.to_string())?;
            let mut hasher = leaf.hasher();
            let place = usize::try_from(leaf.range.start).unwrap()..usize::try_from(leaf.range.end).unwrap();
            hasher.update(&bytes[place]);
            if !leaf.holds(&hasher) {
                return Err(format!("the bytes {:?} differ", leaf.range));
            }
            all.push(leaf.range);
        }
        Ok(all)
    }

    const LENGTHS: [usize; 14] =
        [0, 1, 1023, 1024, 1025, 16_383, 16_384, 16_385, 32_768, 32_769, 49_153, 100_000, 262_144, 300_001];

    #[test]
    fn what_is_written_proves_every_range() {
        for len in LENGTHS {
            let bytes = noise(len);
            let nodes = written(&bytes);
            let outboard = Outboard::new(Box::new(nodes), &blake3(&bytes), len as u64).unwrap();
            let whole = proven(&outboard, &bytes, 0..len as u64).unwrap();
            assert_eq!(whole.first().unwrap().start, 0, "{len}");
            assert!(whole.windows(2).all(|pair| pair[0].end == pair[1].start));
            assert_eq!(whole.last().unwrap().end, len as u64);
            for start in (0..len).step_by(7001) {
                let range = start as u64..(start + 5000).min(len) as u64;
                let some = proven(&outboard, &bytes, range.clone()).unwrap();
                assert!(some.first().unwrap().start <= range.start && some.last().unwrap().end >= range.end);
                assert!(some.len() <= 2, "{range:?}: {some:?}");
            }
        }
    }

    #[test]
    fn outboards_of_bao_itself_are_read_and_ours_are_theirs_without_the_lowest_levels() {
        for len in LENGTHS {
            let bytes = noise(len);
            let (theirs, hash) = bao::encode::outboard(&bytes);
            assert_eq!(blake3(&bytes).as_bytes(), hash.as_bytes());
            let outboard = Outboard::new(Box::new(theirs.clone()), &blake3(&bytes), len as u64).unwrap();
            let all = proven(&outboard, &bytes, 0..len as u64).unwrap();
            assert_eq!(all.len(), len.div_ceil(1024).max(1), "{len}");
            // our nodes are a subsequence of theirs
            let ours = written(&bytes);
            assert_eq!(ours[..8], theirs[..8]);
            let mut rest = theirs[8..].chunks(64);
            assert!(ours[8..].chunks(64).all(|node| rest.any(|other| other == node)), "{len}");
            assert_eq!(ours.len() as u64, size(len as u64, GROUP).unwrap());
        }
    }

    #[test]
    fn nothing_changed_is_believed() {
        let bytes = noise(100_000);
        let (nodes, digest) = (written(&bytes), blake3(&bytes));
        let judge = |nodes: Vec<u8>, bytes: &[u8], len: u64| {
            let outboard = Outboard::new(Box::new(nodes), &digest, len).map_err(|error| error.to_string())?;
            proven(&outboard, bytes, 0..len)
        };
        assert!(judge(nodes.clone(), &bytes, 100_000).is_ok());
        for at in 0..nodes.len() {
            let mut changed = nodes.clone();
            changed[at] ^= 1;
            assert!(judge(changed, &bytes, 100_000).is_err(), "node byte {at}");
        }
        for at in (0..bytes.len()).step_by(997) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(judge(nodes.clone(), &changed, 100_000).is_err(), "byte {at}");
        }
        // eight bytes alone are the outboard of a single large group: the proof is the whole file
        for cut in [0, 7, nodes.len() - 64, nodes.len() - 1] {
            assert!(judge(nodes[..cut].to_vec(), &bytes, 100_000).is_err(), "{cut}");
        }
        // the outboard of a shorter or longer file
        for len in [99_999_u64, 98_304, 50_000] {
            let cut = bytes[..len as usize].to_vec();
            assert!(judge(written(&cut), &cut, len).is_err(), "{len}");
            let mut relabelled = nodes.clone();
            relabelled[..8].copy_from_slice(&len.to_le_bytes());
            assert!(judge(relabelled, &cut, len).is_err(), "{len}");
        }
    }
}
