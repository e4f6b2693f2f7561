//! Second readings: what another loader would make of a file that was already identified.
//!
//! `pickle.load` does not care about magic numbers, and zip readers look for an archive from the back. A file that is
//! something else in front and one of these besides is examined as both. Bound: one probe of the front (a mebibyte at
//! most), one look at the last 64 KiB, and then whatever the second parser costs.

use super::detect::{self, Kind, TAIL};
use super::{Identity, pickled};
use crate::container;
use crate::pickle;
use crate::rule::format as rules;
use crate::scan::Scan;
use crate::source::View;
use std::io;

/// Bytes a probe gets: more than the pickle machine looks at, so that it can tell a cut from an end.
const PROBE: u64 = (1 << 20) + 1;

/// Bytes that must inflate for text to be taken for a zlib stream.
const INFLATED: u64 = 64;

/// True if a loader would take the file for a pickle although nothing in front says so.
pub fn is_pickle(view: &View<'_>) -> io::Result<bool> {
    Ok(pickle::plausible(&view.head(PROBE)?))
}

/// True if a file that looks like text begins like a zlib stream and inflates as one: deflate can be made to write letters
/// only, and joblib asks for no more than an `x`. Prose that happens to have the two magic bytes breaks off well before
/// [`INFLATED`] bytes, on a reference to what was never there.
pub fn is_zlib(view: &View<'_>) -> io::Result<bool> {
    let head = view.head(INFLATED)?;
    if !detect::starts_like_zlib(&head) {
        return Ok(false);
    }
    let mut inflate = flate2::Decompress::new(true);
    let mut out = Vec::with_capacity(1 << 17); // more than 64 bytes can inflate to
    for byte in head.iter() {
        match inflate.decompress_vec(&[*byte], &mut out, flate2::FlushDecompress::None) {
            Ok(flate2::Status::StreamEnd) => return Ok(true),
            Ok(_) => {}
            // also for a wrong checksum: Python gives nothing of so short a stream before it complains
            Err(_) => return Ok(false),
        }
    }
    // a few letters may be the start of anything; what counts is what a loader would get before it misses the end
    Ok(u64::try_from(head.len()).unwrap_or(0) == INFLATED || pickle::plausible(&out))
}

/// Looks for a second reading of a file that is already known to be `identity`, examines it, and reports it.
pub fn check(view: &View<'_>, kind: Kind, identity: Identity, scan: &mut Scan<'_>) -> io::Result<()> {
    // the `P` that zips begin with asks for an object by id, which stops every plain unpickler
    let known = matches!(kind, Kind::Pickle | Kind::TorchLegacy | Kind::Text(_) | Kind::Zip);
    if !known && is_pickle(view)? && names_globals(view, scan)? {
        let message = format!("the file is {} and also a pickle that names globals", identity.format);
        scan.report(&rules::POLYGLOT, 0, message);
    }
    if kind != Kind::Zip
        && let Some(at) = zip_behind(view, true)?
    {
        scan.report(&rules::POLYGLOT, at, format!("the file is {} and also a zip archive", identity.format));
        container::archive::check(view, scan);
    }
    Ok(())
}

/// Runs the file as a pickle on the side. What that finds is kept if the pickle names something that can be imported: a
/// magic number can be a harmless constant, or the opcode of a name that no module has, by chance.
fn names_globals(view: &View<'_>, scan: &mut Scan<'_>) -> io::Result<bool> {
    let (globals, trial) = scan.trial(|scan| pickled(view, scan).map(|summary| summary.globals));
    let plausible = |name: &String| name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '<' | '>'));
    if !globals?.iter().any(plausible) {
        return Ok(false);
    }
    scan.keep(trial);
    Ok(true)
}

/// Offset of the end record of a zip archive near the end of the file: one with at least one central record where it
/// says. With `exact` it must end the file to the byte: a tar or a pickle may well hold an archive as its last member.
pub fn zip_behind(view: &View<'_>, exact: bool) -> io::Result<Option<u64>> {
    let start = view.len().saturating_sub(TAIL);
    let tail = view.copy(start..view.len())?;
    for found in memchr::memmem::find_iter(&tail, b"PK\x05\x06") {
        let at = start.saturating_add(u64::try_from(found).unwrap_or(u64::MAX));
        let comment =
            tail.get(found.saturating_add(20)..).and_then(|rest| rest.first_chunk()).map(|b| u16::from_le_bytes(*b));
        let end = at.saturating_add(22).saturating_add(comment.unwrap_or(0).into());
        if exact && end != view.len() {
            continue;
        }
        let size =
            tail.get(found.saturating_add(12)..).and_then(|rest| rest.first_chunk()).map(|b| u32::from_le_bytes(*b));
        let directory = match size {
            // the real record of a large archive, and the pointer to it, stand in front
            Some(u32::MAX) => return Ok(Some(at)),
            Some(size) => at.checked_sub(size.into()),
            None => None,
        };
        if let Some(directory) = directory.filter(|directory| *directory < at)
            && view.copy(directory..directory.saturating_add(4))?.as_ref() == b"PK\x01\x02"
        {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use crate::Verdict;
    use crate::rule::format as rules;
    use crate::source::View;
    use crate::testing::examine;
    use std::io::Write;

    fn archive() -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        zip.start_file("a.txt", zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(b"text").unwrap();
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn a_zip_behind_anything_is_seen() {
        let npy = b"\x93NUMPY\x01\x00\x38\x00{'descr': '|u1', 'fortran_order': True, 'shape': (1,)}\n\nx";
        let text = b"some text\n".repeat(500);
        for front in [&npy[..], b"\x80\x04N.", &text, b"\x89PNG\r\n\x1a\n", b"GGUF\x03\0\0\0"] {
            let found = examine(&[front, &archive()].concat(), "x");
            assert!(found.has(&rules::POLYGLOT), "{front:?} {found:?}");
            assert_eq!(found.verdict(), Verdict::Bad);
        }
        let found = examine(&[&b"\x07junk\0"[..], &archive()].concat(), "x");
        assert_eq!(found.identity.format, "zip");
        assert_ne!(found.verdict(), Verdict::Ok);
    }

    #[test]
    fn a_stream_of_letters_is_no_text() {
        let mut deflate = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        deflate.write_all(b"cos\nsystem\n(S'id'\ntR.").unwrap();
        let mut stream = deflate.finish().unwrap();
        let zlib = |bytes: &[u8]| super::is_zlib(&View::new(&bytes)).unwrap();
        assert!(zlib(&stream));
        let last = stream.len() - 1;
        stream[last] ^= 1;
        assert!(!zlib(&stream), "a short stream with a wrong checksum gives nothing");
        for prose in ["x^2 is a square", "hCaptcha is a service", "x^".repeat(99).as_str(), "hC \n", "XGboost!"] {
            let found = examine(prose.as_bytes(), "README.md");
            assert_eq!((found.identity.format, found.verdict()), ("text", Verdict::Ok), "{prose}");
            assert!(!zlib(prose.as_bytes()));
        }
    }

    #[test]
    fn a_stray_end_record_is_no_archive() {
        let mut text = b"PK\x05\x06 is how an end record begins".to_vec();
        assert!(!examine(&text, "x").has(&rules::POLYGLOT));
        text.splice(0..0, *b"prose about zip: ");
        text.resize(200, b' ');
        assert!(!examine(&text, "x").has(&rules::POLYGLOT));
    }

    #[test]
    fn a_tar_that_is_also_a_pickle_is_bad() {
        let mut block = [0u8; 1536];
        block[..23].copy_from_slice(b"cos\nsystem\n(S'echo'\ntR.");
        block[100..108].copy_from_slice(b"0000644\0");
        block[124..136].copy_from_slice(b"00000000000\0");
        block[148..156].copy_from_slice(b"        ");
        block[156] = b'0';
        block[257..263].copy_from_slice(b"ustar\0");
        let sum: u32 = block[..512].iter().map(|&b| u32::from(b)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        let found = examine(&block, "x.tar");
        assert!(found.has(&rules::POLYGLOT), "{found:?}");
        assert_eq!(found.verdict(), Verdict::Bad);
    }

    #[test]
    fn a_format_whose_magic_is_a_constant_is_one_format() {
        // to a pickle `GGUF…` is a float, and the number of tensors an opcode: 46 is STOP, 99 a global
        for tensors in 0..=255u64 {
            let mut file = b"GGUF\x03\0\0\0".to_vec();
            file.extend(tensors.to_le_bytes());
            file.extend(b"\x01\0\0\0\0\0\0\0\x0a\0\0\0\0\0\0\0general.os\n\0\0\0system\n\0.");
            file.resize(2000, 0);
            assert!(!examine(&file, "m.gguf").has(&rules::POLYGLOT), "{tensors}");
        }
    }
}
