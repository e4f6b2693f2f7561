//! A download that is verified while it comes in, and looked into before it gets its name.
//!
//! `curl -sSfL https://example.org/model.safetensors | cargo run --example download -- model.safetensors SHA256 [SIZE]`

use mverify::digest::{Algorithm, Digest};
use mverify::stream::Stream;
use mverify::{Verdict, Verifier};
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

/// Writes what comes to a file beside `to`, and gives it its name only if it is what was expected and loading it is safe.
/// Nothing that exists is overwritten; on an error nothing is left.
fn download(mut from: impl Read, to: &Path, stream: Stream) -> Result<u64, Box<dyn Error>> {
    let part = to.with_extension("part");
    let file = File::options().read(true).write(true).create_new(true).open(&part)?;
    let result = receive(&mut from, file, to, stream).and_then(|len| {
        fs::hard_link(&part, to)?; // unlike a rename, fails where something has the name
        Ok(len)
    });
    fs::remove_file(&part)?;
    result
}

fn receive(from: &mut impl Read, mut file: File, to: &Path, mut stream: Stream) -> Result<u64, Box<dyn Error>> {
    let mut chunk = vec![0; 256 << 10];
    loop {
        let n = from.read(&mut chunk)?;
        if n == 0 {
            break;
        }
        stream.update(&chunk[..n])?; // ends a body that is too long
        file.write_all(&chunk[..n])?;
    }
    let proven = stream.finish()?;
    file.rewind()?;
    let verifier = Verifier::builder().sha256(proven.digests.get(Algorithm::Sha256).ok_or("no sha256")?).build()?;
    let artifact = verify(&verifier, &file, to)?;
    if artifact.outcome.verdict() != Verdict::Ok {
        return Err(artifact.reasons().collect::<Vec<_>>().join("; ").into());
    }
    Ok(proven.len)
}

#[cfg(unix)]
fn verify(verifier: &Verifier, file: &File, name: &Path) -> io::Result<mverify::Artifact> {
    Ok(verifier.verify_file(file, name))
}

#[cfg(not(unix))]
fn verify(verifier: &Verifier, mut file: &File, name: &Path) -> io::Result<mverify::Artifact> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(verifier.verify_bytes(&name.to_string_lossy(), &bytes))
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [to, sha256, size @ ..] = arguments.as_slice() else { return Err("usage: download TO SHA256 [SIZE]".into()) };
    let digest = Digest::from_hex(sha256.as_bytes()).ok_or("SHA256 is not in hex")?;
    let mut stream = Stream::expecting(&[(Algorithm::Sha256, digest)])?;
    if let Some(size) = size.first() {
        stream = stream.size(size.parse()?);
    }
    let len = download(io::stdin().lock(), Path::new(to), stream)?;
    println!("{to}: {len} bytes, as expected, and safe to load");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mverify::digest::Hasher;

    fn expecting(bytes: &[u8]) -> Stream {
        let mut hasher = Hasher::new(&[Algorithm::Sha256], None).unwrap();
        hasher.update(bytes);
        Stream::expecting(&[(Algorithm::Sha256, hasher.finish().get(Algorithm::Sha256).unwrap())]).unwrap()
    }

    #[test]
    fn only_what_is_proven_gets_the_name() {
        let directory = tempfile::tempdir().unwrap();
        let to = directory.path().join("model.safetensors");
        let good = b"\x02\0\0\0\0\0\0\0{}";
        for (body, expected) in [
            (&b"<html>404</html>"[..], expecting(good)),
            (good, expecting(good).size(9)),
            (good, expecting(good).size(11)),
            // expected, but not safe
            (b"\x80\x02cos\ngetpid\n)R.", expecting(b"\x80\x02cos\ngetpid\n)R.")),
        ] {
            assert!(download(body, &to, expected).is_err());
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        }
        assert_eq!(download(&good[..], &to, expecting(good).size(10)).unwrap(), 10);
        assert_eq!(fs::read(&to).unwrap(), good);
        assert!(download(&good[..], &to, expecting(good)).is_err(), "nothing is overwritten");
    }
}
