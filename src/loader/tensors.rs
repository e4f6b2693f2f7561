//! Tensors of a safetensors file, each from bytes that were proven: all of the file at once, or the ranges that are asked
//! for. The header that names them is proven like the rest.

use super::handle::VerifiedFile;
use super::refusal::LoadError;
use crate::budget::Limits;
use crate::error::Error;
use crate::finding::Finding;
use crate::format::safetensors::{self, Metadata};
use crate::format::{Role, tensor::TensorInfo};
use crate::manifest::range::{RangeError, VerifiedRange};
use crate::report::{Artifact, PART_OF_FILE, Report};
use crate::rule::{Severity, trust as rules};
use crate::scan::{Scan, Settings};
use crate::source::{ReadAt, View};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Tensors by name.
///
/// ```
/// use mverify::{Limits, Verifier, loader::{Options, VerifiedTensors}};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("model.safetensors");
/// # let header = r#"{"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#;
/// # std::fs::write(&path, [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), b"good"].concat())?;
/// let file = Verifier::builder().build()?.open_verified(&path, &Options::default())?;
/// let tensors = VerifiedTensors::of(file, &Limits::default())?;
/// let info = tensors.info("w").unwrap();
/// assert_eq!((info.dtype, info.shape.as_slice()), ("U8", &[4][..]));
/// assert_eq!(&*tensors.bytes("w")?, b"good");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct VerifiedTensors {
    path: PathBuf,
    tensors: BTreeMap<String, TensorInfo>,
    metadata: Metadata,
    proof: Proof,
    /// Of what is proven in parts.
    report: Option<Report>,
}

/// Where the bytes are, and what proves them.
enum Proof {
    Whole(VerifiedFile),
    Ranges(VerifiedRange<Box<dyn ReadAt>>),
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Proof::Whole(file) => file.fmt(f),
            Proof::Ranges(ranges) => write!(f, "Ranges({:?})", ranges.proven()),
        }
    }
}

impl VerifiedTensors {
    /// The tensors of a file that was verified whole.
    ///
    /// # Errors
    /// [`LoadError::Error`] for a file of another format, and where it cannot be read.
    pub fn of(file: VerifiedFile, limits: &Limits) -> Result<VerifiedTensors, LoadError> {
        let (path, format) = file.artifact().map(|found| (found.path.clone(), found.format)).unwrap_or_default();
        if format != "safetensors" {
            return Err(Error::Usage(format!("{}: it is {format}, not safetensors", path.display())).into());
        }
        let outline = parse(&View::new(&file), &path, limits)?;
        Ok(VerifiedTensors::new(path, outline, Proof::Whole(file)))
    }

    /// The tensors of a file of which ranges are proven as they are read, by signed shards or a signed BLAKE3 digest. Only
    /// the shards that the header and the tensors asked for lie in are ever read. `path` is what the file goes by.
    ///
    /// ```
    /// # use mverify::digest::{Algorithm, Hasher};
    /// use mverify::{Limits, loader::{LoadError, VerifiedTensors}, manifest::{oms::Shard, range::VerifiedRange}, source::ReadAt};
    /// # let header = r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}"#;
    /// # let mut file = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), b"goodbyte"].concat();
    /// # let cut = file.len() as u64 - 4;
    /// # let mut signed = Vec::new();
    /// # for (range, bytes) in [(0..cut, &file[..cut as usize]), (cut..cut + 4, &file[cut as usize..])] {
    /// #     let mut hasher = Hasher::new(&[Algorithm::Sha256], None)?;
    /// #     hasher.update(bytes);
    /// #     signed.push(Shard { range, digest: hasher.finish().get(Algorithm::Sha256).unwrap() });
    /// # }
    /// # file[cut as usize] = b'X';
    /// let source: Box<dyn ReadAt> = Box::new(file); // of which the shards were signed
    /// let range = VerifiedRange::by_shards(source, Algorithm::Sha256, signed.into())?;
    /// let tensors = VerifiedTensors::proving(range, "model.safetensors", &Limits::default())?;
    /// assert_eq!(&*tensors.bytes("a")?, b"good");
    /// assert!(matches!(tensors.bytes("b"), Err(LoadError::Rejected(_)))); // was changed after it was signed
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`LoadError::Rejected`] where the header is not what was signed, or not well formed.
    pub fn proving(
        range: VerifiedRange<Box<dyn ReadAt>>,
        path: impl AsRef<Path>,
        limits: &Limits,
    ) -> Result<VerifiedTensors, LoadError> {
        let path = path.as_ref();
        let parsed = parse(&View::new(&range), path, limits);
        if let Some(error) = range.failure() {
            return Err(refused(path, range.len(), &error));
        }
        Ok(VerifiedTensors::new(path.to_owned(), parsed?, Proof::Ranges(range)))
    }

    /// As [`VerifiedTensors::proving`], with the report that let the file through.
    #[cfg(feature = "trust")]
    pub(super) fn reported(
        range: VerifiedRange<Box<dyn ReadAt>>,
        path: &Path,
        limits: &Limits,
        report: Report,
    ) -> Result<VerifiedTensors, LoadError> {
        VerifiedTensors::proving(range, path, limits).map(|tensors| VerifiedTensors { report: Some(report), ..tensors })
    }

    /// The report that let the file through; `None` after [`VerifiedTensors::proving`].
    pub fn report(&self) -> Option<&Report> {
        match &self.proof {
            Proof::Whole(file) => Some(file.report()),
            Proof::Ranges(_) => self.report.as_ref(),
        }
    }

    /// The file, if it was verified whole.
    pub fn file(&self) -> Option<&VerifiedFile> {
        match &self.proof {
            Proof::Whole(file) => Some(file),
            Proof::Ranges(_) => None,
        }
    }

    /// What was proven so far, in bytes of the file: all of it, or the ranges that the header and tensors asked for needed.
    pub fn proven(&self) -> Vec<std::ops::Range<u64>> {
        match &self.proof {
            Proof::Whole(file) => std::iter::once(0..file.len()).collect(),
            Proof::Ranges(range) => range.proven(),
        }
    }

    fn new(path: PathBuf, outline: safetensors::Outline, proof: Proof) -> VerifiedTensors {
        let tensors = outline.tensors.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect();
        VerifiedTensors { path, tensors, metadata: outline.metadata, proof, report: None }
    }

    /// Names of the tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Type, shape and place of a tensor.
    pub fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.get(name)
    }

    /// `__metadata__` of the header: keys and values, in the order of the file.
    pub fn metadata(&self) -> &[(String, String)] {
        &self.metadata
    }

    /// The bytes of a tensor: borrowed from a sealed copy that can be mapped, else read.
    ///
    /// # Errors
    /// [`LoadError::Rejected`] where they are not what was signed, [`LoadError::NotProven`] where that cannot be told,
    /// [`LoadError::Error`] for a name that is not there.
    pub fn bytes(&self, name: &str) -> Result<Cow<'_, [u8]>, LoadError> {
        let place = self.place(name)?;
        match &self.proof {
            Proof::Whole(file) => ReadAt::copy(file, place).map_err(|error| self.unreadable(error)),
            Proof::Ranges(range) => {
                range.bytes(place).map(Cow::Owned).map_err(|error| refused(&self.path, range.len(), &error))
            }
        }
    }

    /// Fills `out`, which has as many bytes as the tensor, with them. On an error it holds zeros.
    ///
    /// # Errors
    /// As [`VerifiedTensors::bytes`]; also where `out` has another length.
    pub fn read_into(&self, name: &str, out: &mut [u8]) -> Result<(), LoadError> {
        let place = self.place(name)?;
        if place.end.saturating_sub(place.start) != out.len() as u64 {
            let message = format!("the tensor {name} has {} bytes, the buffer {}", place.end - place.start, out.len());
            return Err(Error::Usage(message).into());
        }
        match &self.proof {
            Proof::Whole(file) => VerifiedFile::read_at(file, place.start, out).map_err(|error| self.unreadable(error)),
            Proof::Ranges(range) => {
                range.read(place.start, out).map_err(|error| refused(&self.path, range.len(), &error))
            }
        }
    }

    /// Call when the load is done, and keep what was loaded only if this succeeds: see [`VerifiedFile::settle`].
    ///
    /// # Errors
    /// [`LoadError::Error`] with [`Error::Changed`].
    pub fn settle(&self) -> Result<(), LoadError> {
        match &self.proof {
            Proof::Whole(file) => file.settle(),
            Proof::Ranges(_) => Ok(()),
        }
    }

    fn place(&self, name: &str) -> Result<std::ops::Range<u64>, LoadError> {
        let unknown =
            || Error::Usage(format!("{}: there is no tensor {}", self.path.display(), crate::finding::shown(name)));
        Ok(self.tensors.get(name).ok_or_else(unknown)?.range.clone())
    }

    fn unreadable(&self, source: std::io::Error) -> LoadError {
        let path = self.path.clone();
        match crate::source::Changed::is(&source) {
            true => Error::Changed { path }.into(),
            false => Error::Io { path, doing: "read", source }.into(),
        }
    }
}

fn parse(view: &View<'_>, path: &Path, limits: &Limits) -> Result<safetensors::Outline, LoadError> {
    let settings = Settings { limits: limits.clone(), ..Settings::default() };
    let mut scan = Scan::new(&settings);
    safetensors::parse(view, &mut scan.budget).map_err(|refusal| {
        refusal.report(&mut scan);
        report(path, view.len(), scan.finish().0)
    })
}

fn refused(path: &Path, size: u64, error: &RangeError) -> LoadError {
    match error {
        RangeError::Changed => Error::Changed { path: path.to_owned() }.into(),
        error => report(path, size, vec![error.finding()]),
    }
}

fn report(path: &Path, size: u64, mut findings: Vec<Finding>) -> LoadError {
    if findings.is_empty() {
        findings.push(Finding::new(&rules::RANGE_UNPROVEN, "nothing was found, and nothing proven"));
    }
    let artifact = Artifact {
        format: PART_OF_FILE,
        role: Role::Loadable,
        ..Artifact::not_scanned(path, size, findings, Severity::High)
    };
    let mut report = Report::default();
    report.push(artifact);
    match report.summary.verdict() {
        crate::Verdict::Bad => LoadError::Rejected(Box::new(report)),
        _ => LoadError::NotProven(Box::new(report)),
    }
}
