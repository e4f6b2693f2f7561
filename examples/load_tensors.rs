//! Safetensors loaded the way candle loads them: a backend that gives tensors by name, over bytes that were verified.
//!
//! `cargo run --example load_tensors -- model.safetensors [SHA256]` prints the tensors and the sum of their bytes.
//!
//! With candle, `Weights` implements `candle_nn::var_builder::SimpleBackend`, and `get` ends in
//! `candle_core::Tensor::from_raw_buffer(&bytes, dtype, shape, device)`: no path is opened a second time.

use mverify::digest::Digest;
use mverify::loader::{LoadError, Options, VerifiedTensors};
use mverify::{Error, Limits, Verifier};
use std::borrow::Cow;
use std::path::Path;

/// A tensor as frameworks take it: element type, dimensions, bytes in little endian.
struct Tensor<'a> {
    dtype: &'static str,
    shape: &'a [u64],
    bytes: Cow<'a, [u8]>,
}

/// Tensors by name, all of them from bytes that were proven.
struct Weights(VerifiedTensors);

impl Weights {
    /// Opens weights; `pinned` is the SHA-256 that they must have. Fails before the first tensor, or not at all.
    fn open(path: &Path, pinned: Option<Digest>) -> Result<Weights, LoadError> {
        let limits = Limits::default();
        let mut how = Verifier::builder().limits(limits.clone());
        if let Some(digest) = pinned {
            how = how.sha256(digest);
        }
        let file = how.build()?.open_verified(path, &Options::default())?;
        Ok(Weights(VerifiedTensors::of(file, &limits)?))
    }

    /// A tensor of this shape, as a layer asks for its weights.
    fn get(&self, name: &str, shape: &[u64]) -> Result<Tensor<'_>, LoadError> {
        let tensor = self.any(name)?;
        if tensor.shape != shape {
            let message = format!("{name} has the shape {:?}, the model needs {shape:?}", tensor.shape);
            return Err(Error::Usage(message).into());
        }
        Ok(tensor)
    }

    fn any(&self, name: &str) -> Result<Tensor<'_>, LoadError> {
        let bytes = self.0.bytes(name)?;
        let Some(info) = self.0.info(name) else { return Err(Error::Usage(format!("no tensor {name}")).into()) };
        Ok(Tensor { dtype: info.dtype, shape: &info.shape, bytes })
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: load_tensors model.safetensors [SHA256]")?;
    let pinned = match arguments.next() {
        Some(hex) => Some(Digest::from_hex(hex.as_bytes()).ok_or("SHA256 is not in hex")?),
        None => None,
    };
    let weights = Weights::open(Path::new(&path), pinned)?;
    let mut total = 0;
    for name in weights.0.names() {
        let tensor = weights.any(name)?;
        let again = weights.get(name, tensor.shape)?;
        println!("{name}: {} {:?}, {} bytes", again.dtype, again.shape, again.bytes.len());
        total += again.bytes.len();
    }
    println!("{total} bytes, all of them proven");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_come_from_what_was_verified() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model.safetensors");
        let header = r#"{"w":{"dtype":"U8","shape":[2,2],"data_offsets":[0,4]}}"#;
        let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), b"good"].concat();
        std::fs::write(&path, &bytes).unwrap();
        let weights = Weights::open(&path, None).unwrap();
        std::fs::write(&path, "evil").unwrap();
        let tensor = weights.get("w", &[2, 2]).unwrap();
        assert_eq!((tensor.dtype, &*tensor.bytes), ("U8", &b"good"[..]));
        assert!(weights.get("w", &[4]).is_err());
        assert!(weights.get("v", &[4]).is_err());
        std::fs::write(&path, &bytes).unwrap();
        let other = Digest::new(&[7; 32]).unwrap();
        assert!(matches!(Weights::open(&path, Some(other)), Err(LoadError::Rejected(_))));
    }
}
