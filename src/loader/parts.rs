//! Tensors that are proven when they are asked for, where somebody whom the user trusts signed the file in shards (or by a
//! BLAKE3 digest, with an outboard beside it): a tensor costs the shards that it lies in.

use super::mode::Options;
use super::refusal::LoadError;
use super::tensors::VerifiedTensors;
use super::{open, sealed};
use crate::digest::{Algorithm, Watch};
use crate::error::Error;
use crate::manifest::expected::Claimed;
use crate::manifest::range::VerifiedRange;
use crate::source::{FileSource, Reach, ReadAt};
use crate::trust::OUTBOARD;
use crate::verifier::Verifier;
use crate::walk::Item;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

impl Verifier {
    /// Opens the tensors of a safetensors file. Where signed shards can prove parts of it, and nothing is demanded that only
    /// all of it can prove (a lock, a pinned digest), each tensor is proven when it is asked for; otherwise the file is
    /// verified whole, as by [`Verifier::open_verified`] with these options.
    ///
    /// # Errors
    /// [`LoadError`], also for a file of another format.
    pub fn open_tensors(&self, path: impl AsRef<Path>, options: &Options) -> Result<VerifiedTensors, LoadError> {
        open_tensors(self, path, options, &())
    }
}

/// [`Verifier::open_tensors`], watched where the file is verified whole.
///
/// # Errors
/// [`LoadError`].
pub fn open_tensors(
    verifier: &Verifier,
    path: impl AsRef<Path>,
    options: &Options,
    watch: &dyn Watch,
) -> Result<VerifiedTensors, LoadError> {
    let path = path.as_ref();
    match partly(verifier, path)? {
        Some(tensors) => Ok(tensors),
        None => VerifiedTensors::of(open(verifier, path, options, watch)?, verifier.limits()),
    }
}

/// The tensors of a file that can be proven in parts; `None` where it cannot.
fn partly(verifier: &Verifier, path: &Path) -> Result<Option<VerifiedTensors>, LoadError> {
    let mut items = vec![Item::File(path.to_owned(), Reach::Anywhere)];
    let expected = verifier.gather(&[path.to_owned()], &mut items);
    let Some((claimed, by)) = verifier.provable(path, &expected) else { return Ok(None) };
    let source: Box<dyn ReadAt> = Box::new(FileSource::open(path, &verifier.opening(true))?);
    let range = match claimed {
        Claimed::Shards(sharding, shards) => VerifiedRange::by_shards(source, sharding.algorithm, Arc::clone(shards)),
        Claimed::Whole(algorithms, digest) if algorithms.as_slice() == [Algorithm::Blake3] => {
            let mut beside = path.as_os_str().to_owned();
            beside.push(OUTBOARD);
            let Ok(nodes) = FileSource::open(Path::new(&beside), &verifier.opening(true)) else { return Ok(None) };
            VerifiedRange::by_outboard(source, digest, Box::new(nodes))
        }
        _ => return Ok(None),
    };
    let (range, artifact) = match range {
        Ok(range) => {
            let artifact = verifier.verify_partly(path, &range, &by, &expected);
            (Some(range), artifact)
        }
        Err(error) => (None, verifier.refused(path, error.finding(), &expected)),
    };
    let report = super::concluded(verifier, artifact, items, &expected)?;
    let format = report.artifacts.first().map_or("unknown", |artifact| artifact.format);
    match range {
        Some(range) if format == "safetensors" => {
            VerifiedTensors::reported(range, path, verifier.limits(), report).map(Some)
        }
        _ => Err(Error::Usage(format!("{}: it is {format}, not safetensors", path.display())).into()),
    }
}

impl VerifiedTensors {
    /// One tensor, proven, as a safetensors file of its own: in memory, sealed, open for reading. For loaders that take a
    /// file: `/proc/self/fd/N`. `options` say how much memory it may take; it takes twice its size while it is made.
    ///
    /// # Errors
    /// As [`VerifiedTensors::bytes`]; [`LoadError::Unavailable`] where memory is short.
    pub fn sealed(&self, name: &str, options: &Options) -> Result<File, LoadError> {
        let unknown = || Error::Usage(format!("there is no tensor {}", crate::finding::shown(name)));
        let info = self.info(name).ok_or_else(unknown)?;
        let len = info.range.end.saturating_sub(info.range.start);
        sealed::fits(len.saturating_mul(2), options)?;
        let entry = serde_json::json!({ "dtype": info.dtype, "shape": info.shape, "data_offsets": [0, len] });
        let mut header = serde_json::json!({ name: entry }).to_string().into_bytes();
        header.resize(header.len().next_multiple_of(8), b' ');
        let bytes = self.bytes(name)?;
        let copied = sealed::copy("tensor.safetensors", |mut file| {
            file.write_all(&(header.len() as u64).to_le_bytes())?;
            file.write_all(&header)?;
            file.write_all(&bytes)
        });
        copied.map_err(|error| LoadError::copying(super::Mode::Sealed, Path::new(name), error))
    }
}

#[cfg(test)]
#[path = "parts_tests.rs"]
mod tests;
