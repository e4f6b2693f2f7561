//! Verification in memory of the caller's own: the file is read once, into the memory that its tensors then use, and
//! verified there. What nobody else can reach needs no seal.

use super::mode::Options;
use super::refusal::LoadError;
use super::sealed;
use crate::digest::Watch;
use crate::error::Error;
use crate::format::tensor::TensorInfo;
use crate::inspect;
use crate::report::Report;
use crate::source::{Changed, FileSource, Reach, ReadAt, View};
use crate::verifier::Verifier;
use crate::walk::Item;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// Bytes that are read between two questions whether to stop.
const PIECE: usize = 4 << 20;

/// Files below this length are read by one thread.
const SEVERAL_FROM: u64 = 32 << 20;

/// A safetensors file that is about to be read into memory.
#[derive(Debug)]
pub struct Reading<'v> {
    verifier: &'v Verifier,
    source: FileSource,
    path: PathBuf,
}

/// What was read: the report that let it through, and the tensors, whose ranges are those of the memory.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Filled {
    /// The report; its verdict is ok.
    pub report: Report,
    /// The tensors, sorted by name.
    pub tensors: Vec<TensorInfo>,
}

impl Verifier {
    /// Opens a safetensors file to be read into memory and verified there. `options` bound the memory as they do for
    /// sealed copies; by default it may be seven eighths of what is free, since nothing is loaded from it into other memory.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn read_into_memory(&self, path: impl AsRef<Path>, options: &Options) -> Result<Reading<'_>, LoadError> {
        let path = path.as_ref();
        let source = FileSource::open(path, &self.opening(true))?;
        sealed::fits_beside(ReadAt::len(&source), options, 8)?;
        Ok(Reading { verifier: self, source, path: path.to_owned() })
    }
}

impl Reading<'_> {
    /// Bytes of memory that it needs.
    pub fn len(&self) -> u64 {
        ReadAt::len(&self.source)
    }

    /// True if the file has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the data of the tensors seems to start. Nothing is proven yet: it is for choosing an alignment.
    pub fn data_start(&self) -> u64 {
        let mut header = [0; 8];
        let read = self.source.read_at(0, &mut header);
        read.map_or(8, |()| u64::from_le_bytes(header).saturating_add(8).min(self.len()))
    }

    /// Reads the file into `memory`, which has its length and which nobody else can write to, and verifies it there;
    /// `threads` read at once. On an error `memory` holds nothing of the file.
    ///
    /// # Errors
    /// [`LoadError`], also for a file of another format.
    pub fn fill(self, memory: &mut [u8], threads: usize, watch: &dyn Watch) -> Result<Filled, LoadError> {
        if memory.len() as u64 != self.len() {
            memory.fill(0);
            return Err(Error::Usage(format!("the memory has {} bytes, the file {}", memory.len(), self.len())).into());
        }
        read(&self.source, memory, threads, watch).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => super::stopped(self.verifier, &self.path),
            io::ErrorKind::UnexpectedEof => Error::Changed { path: self.path.clone() }.into(),
            _ if Changed::is(&error) => Error::Changed { path: self.path.clone() }.into(),
            _ => Error::Io { path: self.path.clone(), doing: "read", source: error }.into(),
        })?;
        let filled = self.verify(memory, watch);
        if filled.is_err() {
            memory.fill(0);
        }
        filled
    }

    fn verify(&self, memory: &[u8], watch: &dyn Watch) -> Result<Filled, LoadError> {
        let Reading { verifier, path, .. } = self;
        let mut items = vec![Item::File(path.clone(), Reach::Anywhere)];
        let expected = verifier.gather(std::slice::from_ref(path), &mut items);
        let artifact = verifier.verify_source(path, &memory, &expected, watch);
        let report = super::concluded(verifier, artifact, items, &expected)?;
        let format = report.artifacts.first().map_or("unknown", |artifact| artifact.format);
        let tensors = match format {
            "safetensors" => inspect::tensors(&View::new(&memory), format, verifier.limits()),
            _ => None,
        };
        match tensors {
            Some(tensors) => Ok(Filled { report, tensors }),
            None => Err(Error::Usage(format!("{}: it is {format}, not safetensors", path.display())).into()),
        }
    }
}

/// Fills `memory` from the start of the file. The threads end with the call; on an error zeros take the place of what was
/// read, and memory that was not come to is not touched, which would cost as much as to fill it.
fn read(source: &FileSource, memory: &mut [u8], threads: usize, watch: &dyn Watch) -> io::Result<()> {
    let threads = if (memory.len() as u64) < SEVERAL_FROM { 1 } else { threads.max(1) };
    let (begun, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let pieces = Mutex::new(memory.chunks_mut(PIECE).enumerate());
    let one = |number: usize, piece: &mut [u8]| -> io::Result<()> {
        if watch.cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        begun.fetch_max(number + 1, Relaxed);
        crate::source::read_exact_at(source.file(), piece, number as u64 * PIECE as u64)
    };
    let work = || -> io::Result<()> {
        while !failed.load(Relaxed) {
            let next = pieces.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((number, piece)) = next else { break };
            one(number, piece).inspect_err(|_| failed.store(true, Relaxed))?;
        }
        Ok(())
    };
    let read = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| std::thread::Builder::new().spawn_scoped(scope, work)).collect();
        let mut result = work();
        for other in others.into_iter().flatten() {
            let ended = other.join().unwrap_or_else(|_| Err(io::Error::other("a thread of mverify failed")));
            result = result.and(ended);
        }
        result
    });
    if read.is_err() {
        let end = begun.into_inner().saturating_mul(PIECE).min(memory.len());
        memory.get_mut(..end).unwrap_or_default().fill(0);
    }
    read
}

#[cfg(test)]
#[path = "fill_tests.rs"]
mod tests;
