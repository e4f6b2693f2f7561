//! `mverify hash --outboard`: BLAKE3 digests, and beside each file the outboard that proves parts of it by that digest.

use super::args::HashArgs;
use super::exit::Exit;
use anyhow::{Result, bail};
use mverify::digest::{Algorithm, Digest, outboard};
use mverify::manifest::sums::{self, Style};
use mverify::report::plain;
use mverify::scan::Stop;
use mverify::source::{FileSource, OpenOptions, ReadAt, mmap};
use mverify::trust::OUTBOARD;
use mverify::walk::{Item, walk};
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Runs the command.
pub fn run(args: &HashArgs, stop: &Stop) -> Result<Exit> {
    if args.paths.iter().any(|path| path.as_os_str() == "-") || args.paths.is_empty() {
        bail!("--outboard writes beside files: name files, not standard input");
    }
    let mut out = BufWriter::new(io::stdout());
    let style = Style { tag: args.tag, zero: args.zero };
    let mut exit = Exit::Proven;
    for item in args.paths.iter().flat_map(|path| walk(path)) {
        if stop.is_set() {
            eprintln!("mverify: stopped before every file was hashed");
            exit = Exit::NotProven;
            break;
        }
        let path = item.path().to_owned();
        // outboards of an earlier run have none themselves
        if path.as_os_str().as_encoded_bytes().ends_with(OUTBOARD.as_bytes()) {
            continue;
        }
        let made = match item {
            Item::Problem(_, finding) => Err(finding.message),
            _ => make(&path, args),
        };
        match made {
            Ok(digest) => {
                let mut line = Vec::new();
                sums::line(&mut line, style, Algorithm::Blake3, &digest, path.as_os_str().as_encoded_bytes());
                out.write_all(&line)?;
            }
            Err(why) => {
                eprintln!("mverify: {}: {}", plain::path(&path), plain::whole(&why));
                exit = Exit::NotProven;
            }
        }
    }
    out.flush()?;
    Ok(exit)
}

/// Writes the outboard of one file, whole or not at all, and never over another file.
fn make(path: &Path, args: &HashArgs) -> Result<Digest, String> {
    let max_file_bytes = args.limits.limits().max_file_bytes;
    let options = OpenOptions {
        map: mmap::guard(),
        drop_cache: args.common.drop_cache,
        max_file_bytes,
        ..OpenOptions::default()
    };
    let source = FileSource::open(path, &options).map_err(|error| error.reason())?;
    let mut name = path.as_os_str().to_owned();
    name.push(OUTBOARD);
    let beside = PathBuf::from(name);
    let file = File::create_new(&beside).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => format!("{} is there already; remove it first", beside.display()),
        _ => format!("cannot write {}: {error}", beside.display()),
    })?;
    let written = write(&source, file);
    if written.is_err() {
        // what was begun proves nothing and only lies in the way
        let _ = std::fs::remove_file(&beside);
    }
    written.map_err(|error| error.to_string())
}

fn write(source: &dyn ReadAt, file: File) -> io::Result<Digest> {
    let mut file = BufWriter::new(file);
    let mut end = 0;
    let digest = outboard::write(source, &mut |at, piece| {
        // pre-order: a parent comes after its children, so it lies before what was written last
        if at != end {
            file.seek(SeekFrom::Start(at))?;
        }
        end = at + piece.len() as u64;
        file.write_all(piece)
    })?;
    file.flush()?;
    Ok(digest)
}
