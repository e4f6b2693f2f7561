//! Files that fs-verity keeps from changing: the kernel refuses to open them for writing, for good, and checks every page
//! that it reads from the disk against a tree of hashes whose root it keeps. So what was hashed once stays.
//!
//! That the tree is one of the bytes that were verified is not taken on faith: the digest that the kernel measured is
//! compared with the one computed here, as `fsverity digest` computes it. Then a page that is read again later, when a
//! loader comes to it, is the page that was verified, or an error.
//!
//! Bound: one more read of the file, and a block for each of the at most seven levels of the tree.

use crate::digest::Watch;
use crate::source::ReadAt;
#[cfg(target_os = "linux")]
use crate::source::verity as kernel;
use sha2::{Digest, Sha256, Sha512};
use std::fs::File;
use std::io;

/// Bytes that are read between two questions whether to stop: a whole number of blocks of any size.
const PIECE: usize = 1 << 20;

/// What the kernel measured.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    algorithm: u16,
    digest: Vec<u8>,
    blocks: Blocks,
}

/// How a file is cut and hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Blocks {
    /// Binary logarithm of their size in bytes.
    log_size: u8,
    salt: Vec<u8>,
}

impl Measured {
    /// Asks the kernel. In words, why there is nothing.
    #[cfg(target_os = "linux")]
    pub(super) fn of(file: &File) -> Result<Measured, String> {
        let kernel::Measured { algorithm, digest } = kernel::measured(file).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => "fs-verity is not enabled for this file".to_owned(),
            _ => format!("the kernel does not measure this file: {error}"),
        })?;
        // a kernel that does not tell leaves the usual ones, and a digest that does not match if it used others
        let blocks = match kernel::descriptor(file) {
            Ok(descriptor) => Blocks::read(&descriptor).ok_or("the descriptor of fs-verity is of an unknown form")?,
            Err(_) => Blocks::default(),
        };
        match algorithm {
            SHA_256 | SHA_512 => Ok(Measured { algorithm, digest, blocks }),
            other => Err(format!("fs-verity used algorithm {other}, which mverify does not know")),
        }
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn of(_: &File) -> Result<Measured, String> {
        Err("this system has no fs-verity".to_owned())
    }

    /// True if what is read from `source` is what the kernel measured.
    ///
    /// # Errors
    /// Where it cannot be read; `Interrupted` where `watch` says so.
    pub(super) fn is_of(&self, source: &dyn ReadAt, watch: &dyn Watch) -> io::Result<bool> {
        let computed = match self.algorithm {
            SHA_256 => digest::<Sha256>(SHA_256, &self.blocks, source, watch)?,
            _ => digest::<Sha512>(SHA_512, &self.blocks, source, watch)?,
        };
        Ok(computed == self.digest)
    }
}

/// `FS_VERITY_HASH_ALG_SHA256` and `FS_VERITY_HASH_ALG_SHA512`.
const SHA_256: u16 = 1;
const SHA_512: u16 = 2;

impl Default for Blocks {
    fn default() -> Blocks {
        Blocks { log_size: 12, salt: Vec::new() }
    }
}

impl Blocks {
    /// Those of a `struct fsverity_descriptor`: version, algorithm, size of blocks, length of the salt; the salt is at 80.
    #[cfg(target_os = "linux")]
    fn read(descriptor: &[u8; kernel::DESCRIPTOR]) -> Option<Blocks> {
        let [1, _, log_size @ 10..=16, salt @ 0..=32, ..] = *descriptor else { return None };
        let salt = descriptor.get(80..)?.get(..usize::from(salt))?.to_vec();
        Some(Blocks { log_size, salt })
    }

    fn size(&self) -> usize {
        1 << self.log_size
    }
}

/// The digest that fs-verity has of a file: that of a descriptor which holds the root of a tree over its blocks.
fn digest<D: Digest + Clone>(
    algorithm: u16,
    blocks: &Blocks,
    source: &dyn ReadAt,
    watch: &dyn Watch,
) -> io::Result<Vec<u8>> {
    let root = Tree::<D>::new(blocks).root(source, watch)?;
    let mut descriptor = Vec::with_capacity(256);
    descriptor.extend([1, algorithm.to_le_bytes()[0], blocks.log_size, blocks.salt.len().to_le_bytes()[0]]);
    descriptor.extend([0; 4]);
    descriptor.extend(source.len().to_le_bytes());
    for (field, room) in [(root.as_slice(), 64), (&blocks.salt, 32)] {
        let end = descriptor.len() + room;
        descriptor.extend(field);
        descriptor.resize(end, 0);
    }
    descriptor.resize(256, 0);
    Ok(D::digest(&descriptor).to_vec())
}

/// Hashes on their way up: each block of one level is a hash of the next.
struct Tree<D> {
    /// Has taken the salt.
    salted: D,
    block: usize,
    levels: Vec<Level>,
}

#[derive(Default)]
struct Level {
    /// Hashes of the block that is not full yet.
    pending: Vec<u8>,
    /// Hashes in all.
    count: u64,
}

impl<D: Digest + Clone> Tree<D> {
    fn new(blocks: &Blocks) -> Tree<D> {
        // filled up to what the hash takes at a time, which is twice what it gives
        let mut salt = blocks.salt.clone();
        salt.resize(salt.len().next_multiple_of(2 * <D as Digest>::output_size()), 0);
        Tree { salted: D::new_with_prefix(&salt), block: blocks.size(), levels: Vec::new() }
    }

    /// The root over all of `source`; zeros where it is empty.
    fn root(mut self, source: &dyn ReadAt, watch: &dyn Watch) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; PIECE];
        let (mut at, len) = (0, source.len());
        while at < len {
            if watch.cancelled() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let piece = usize::try_from(len - at).unwrap_or(PIECE).min(PIECE);
            let bytes = buffer.get_mut(..piece).unwrap_or_default();
            source.read_at(at, bytes)?;
            for block in bytes.chunks(self.block) {
                let hash = self.hash(block);
                self.push(0, hash);
            }
            at += piece as u64;
        }
        Ok(self.finish())
    }

    fn finish(mut self) -> Vec<u8> {
        let mut depth = 0;
        while let Some(level) = self.levels.get_mut(depth) {
            let pending = std::mem::take(&mut level.pending);
            if level.count == 1 {
                return pending;
            }
            if !pending.is_empty() {
                let hash = self.hash(&pending);
                self.push(depth + 1, hash);
            }
            depth += 1;
        }
        vec![0; <D as Digest>::output_size()]
    }

    fn push(&mut self, mut depth: usize, mut hash: Vec<u8>) {
        loop {
            if depth == self.levels.len() {
                self.levels.push(Level::default());
            }
            let Some(level) = self.levels.get_mut(depth) else { return };
            level.count += 1;
            level.pending.append(&mut hash);
            if level.pending.len() < self.block {
                return;
            }
            let full = std::mem::take(&mut level.pending);
            hash = self.hash(&full);
            depth += 1;
        }
    }

    /// The hash of a block, which zeros fill up.
    fn hash(&self, block: &[u8]) -> Vec<u8> {
        let mut hasher = self.salted.clone();
        hasher.update(block);
        hasher.update(vec![0; self.block - block.len()]);
        hasher.finalize().to_vec()
    }
}

#[cfg(test)]
#[path = "verity_tests.rs"]
mod tests;
