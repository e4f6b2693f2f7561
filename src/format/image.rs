//! Images: walked by their own structure to their end, so that nothing rides behind or between their parts.
//!
//! Pixels are not decoded. Linear in the file, which is streamed in blocks. Threat: files that are an image to one
//! reader and an archive or a script to another.

use super::defect::Refusal;
use super::detect::Picture;
use super::stream::Stream;
use super::{Identity, Role};
use crate::rule::format as rules;
use crate::scan::Scan;
use crate::source::View;
use std::io;

/// Bytes checked at a time.
const BLOCK: u64 = 1 << 16;

/// Checks an image.
pub fn check(view: &View<'_>, picture: Picture, scan: &mut Scan<'_>) -> Identity {
    if let Err(refusal) = whole(view, picture) {
        refusal.report(scan);
    }
    Identity::new("image", Role::Inert)
}

fn whole(view: &View<'_>, picture: Picture) -> Result<(), Refusal> {
    let mut stream = Stream::new(*view);
    let walked = match picture {
        Picture::Png => png(&mut stream),
        Picture::Jpeg => jpeg(&mut stream),
        Picture::Gif => gif(&mut stream),
        Picture::Webp => webp(&mut stream),
        Picture::Bmp => bmp(&mut stream),
        Picture::Ico => ico(&mut stream),
    };
    let at = stream.position();
    match walked {
        Ok(()) if stream.left() == 0 => Ok(()),
        Ok(()) => {
            // cameras and editors pad; anything else was put there
            let padding =
                stream.left() < 1 << 16 && stream.bytes(stream.left())?.iter().all(|b| matches!(b, 0 | b'\n' | b'\r'));
            if padding {
                return Ok(());
            }
            Err(Refusal::one(
                &rules::IMAGE_TAIL,
                at,
                format!("{} bytes follow the image", view.len().saturating_sub(at)),
            ))
        }
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(Refusal::one(&rules::TRUNCATED, view.len(), "the file ends inside the image"))
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(Refusal::one(&rules::IMAGE_BROKEN, at, format!("the image is broken: {error}")))
        }
        Err(error) => Err(Refusal::Io(error)),
    }
}

fn broken<T>(what: &'static str) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::InvalidData, what))
}

/// PNG, ISO 15948: chunks with a CRC-32, from IHDR to IEND.
fn png(stream: &mut Stream<'_>) -> io::Result<()> {
    stream.big_endian();
    stream.skip(8)?;
    let mut first = true;
    loop {
        let size = u64::from(stream.u32()?);
        if size > i32::MAX.unsigned_abs().into() {
            return broken("a chunk is too long");
        }
        let kind: [u8; 4] = stream.array()?;
        if first != (kind == *b"IHDR") {
            return broken("the first chunk is not IHDR, or another one is");
        }
        first = false;
        let mut crc = crc32fast::Hasher::new();
        crc.update(&kind);
        let mut left = size;
        while left > 0 {
            let part = left.min(BLOCK);
            crc.update(stream.bytes(part)?);
            left = left.saturating_sub(part);
        }
        if stream.u32()? != crc.finalize() {
            return broken("the CRC of a chunk does not match");
        }
        if kind == *b"IEND" {
            return if size == 0 { Ok(()) } else { broken("IEND is not empty") };
        }
    }
}

/// JPEG, ITU T.81 annex B: marker segments, and entropy-coded data behind each scan header.
fn jpeg(stream: &mut Stream<'_>) -> io::Result<()> {
    stream.big_endian();
    stream.skip(2)?;
    let mut scans = false;
    loop {
        if stream.u8()? != 0xff {
            return broken("a marker is missing");
        }
        let mut marker = stream.u8()?;
        while marker == 0xff {
            marker = stream.u8()?; // fill bytes
        }
        match marker {
            0xd9 => return if scans { Ok(()) } else { broken("it ends before any scan") },
            0x01 | 0xd0..=0xd7 => continue,
            0x00 | 0xd8 => return broken("this marker cannot stand here"),
            _ => {}
        }
        let size = stream.u16()?;
        let Some(size) = size.checked_sub(2) else { return broken("a segment is shorter than its length") };
        stream.skip(size.into())?;
        if marker == 0xda {
            scans = true;
            entropy_coded(stream)?;
        }
    }
}

/// Steps over entropy-coded data to the 0xFF of the next marker. Stuffed zeros and restarts belong to the data.
fn entropy_coded(stream: &mut Stream<'_>) -> io::Result<()> {
    loop {
        stream.skip_to(0xff)?;
        let ahead = stream.peek(2)?;
        match ahead {
            [_, 0x00 | 0xd0..=0xd7] => stream.skip(2)?,
            [_, 0xff] => stream.skip(1)?,
            _ => return Ok(()),
        }
    }
}

/// GIF89a: colour tables, extensions and images in sub-blocks, up to the trailer.
fn gif(stream: &mut Stream<'_>) -> io::Result<()> {
    stream.skip(10)?;
    let flags = stream.u8()?;
    stream.skip(2)?;
    stream.skip(colour_table(flags))?;
    loop {
        match stream.u8()? {
            0x3b => return Ok(()),
            0x21 => stream.skip(1)?,
            0x2c => {
                stream.skip(8)?;
                let flags = stream.u8()?;
                stream.skip(colour_table(flags))?;
                stream.skip(1)?;
            }
            _ => return broken("there is no such block"),
        }
        loop {
            match stream.u8()? {
                0 => break,
                size => stream.skip(size.into())?,
            }
        }
    }
}

/// Bytes of the colour table that these flags announce.
fn colour_table(flags: u8) -> u64 {
    if flags & 0x80 == 0 { 0 } else { 6u64 << (flags & 7) }
}

/// WebP: RIFF chunks that fill the announced size.
fn webp(stream: &mut Stream<'_>) -> io::Result<()> {
    stream.skip(4)?;
    let size = u64::from(stream.u32()?);
    let end = size.saturating_add(size & 1).saturating_add(8);
    stream.skip(4)?;
    while stream.position() < end {
        let kind: [u8; 4] = stream.array()?;
        if !kind.iter().all(|b| b.is_ascii_alphanumeric() || *b == b' ') {
            return broken("the name of a chunk is not text");
        }
        let size = u64::from(stream.u32()?);
        stream.skip(size.saturating_add(size & 1))?;
    }
    if stream.position() == end { Ok(()) } else { broken("a chunk crosses the end") }
}

/// Windows bitmap: the header says how long the file is.
fn bmp(stream: &mut Stream<'_>) -> io::Result<()> {
    stream.skip(2)?;
    let size = u64::from(stream.u32()?);
    stream.skip(4)?;
    let pixels = u64::from(stream.u32()?);
    if pixels > size || size < 26 {
        return broken("the pixels lie outside of the file");
    }
    stream.skip(size.saturating_sub(stream.position()))
}

/// Windows icon: a directory of images that follow it.
fn ico(stream: &mut Stream<'_>) -> io::Result<()> {
    stream.skip(4)?;
    let count = stream.u16()?;
    let mut end = u64::from(count).saturating_mul(16).saturating_add(6);
    for _ in 0..count {
        stream.skip(8)?;
        let (size, offset) = (u64::from(stream.u32()?), u64::from(stream.u32()?));
        if offset > end {
            return broken("bytes between its parts belong to none");
        }
        end = end.max(offset.saturating_add(size));
    }
    stream.skip(end.saturating_sub(stream.position()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;
    use crate::testing::examine;
    use proptest::prelude::*;

    fn png_file() -> Vec<u8> {
        let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
        for (kind, data) in [(b"IHDR", &[0u8; 13][..]), (b"IDAT", b"pixels"), (b"IEND", b"")] {
            file.extend((data.len() as u32).to_be_bytes());
            file.extend(kind);
            file.extend(data);
            file.extend(crc32fast::hash(&[kind, data].concat()).to_be_bytes());
        }
        file
    }
    fn jpeg_file() -> Vec<u8> {
        b"\xff\xd8\xff\xe0\0\x04ab\xff\xda\0\x03\x01data\xff\x00\xff\xd0more\xff\xff\xd9".to_vec()
    }
    fn gif_file() -> Vec<u8> {
        b"GIF89a\x01\0\x01\0\x80\0\0aaabbb!\xfe\x02hi\0,\0\0\0\0\x01\0\x01\0\0\x02\x02DD\0;".to_vec()
    }
    fn webp_file() -> Vec<u8> {
        b"RIFF\x10\0\0\0WEBPVP8 \x03\0\0\0abc\0".to_vec()
    }
    fn bmp_file() -> Vec<u8> {
        let mut file = b"BM\x20\0\0\0\0\0\0\0\x1a\0\0\0\x0c\0\0\0".to_vec();
        file.resize(32, 1);
        file
    }
    fn ico_file() -> Vec<u8> {
        b"\0\0\x01\0\x01\0\x10\x10\0\0\x01\0\x20\0\x04\0\0\0\x16\0\0\0data".to_vec()
    }
    fn all() -> [Vec<u8>; 6] {
        [png_file(), jpeg_file(), gif_file(), webp_file(), bmp_file(), ico_file()]
    }

    #[test]
    fn whole_images_are_inert_and_parts_are_not() {
        for file in all() {
            let found = examine(&file, "figure");
            assert_eq!((found.identity.format, found.verdict()), ("image", Verdict::Ok), "{found:?}");
            assert_eq!(examine(&[&file[..], b"\0\0\n"].concat(), "figure").verdict(), Verdict::Ok, "padding");
            assert_eq!(examine(&[&file[..], b"more"].concat(), "figure").verdict(), Verdict::Unknown, "a tail");
            for cut in 20..file.len() {
                assert_eq!(examine(&file[..cut], "figure").verdict(), Verdict::Unknown, "{file:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn a_changed_chunk_is_seen() {
        let mut file = png_file();
        let at = file.windows(6).position(|w| w == b"pixels").unwrap();
        file[at] ^= 1;
        assert!(examine(&file, "x.png").has(&rules::IMAGE_BROKEN));
    }

    #[test]
    fn an_image_with_a_pickle_behind_it_is_not_ok() {
        for file in all() {
            let found = examine(&[&file[..], b"\x80\x04cos\nsystem\n."].concat(), "x.png");
            assert_ne!(found.verdict(), Verdict::Ok);
        }
    }

    proptest! {
        #[test]
        fn mutations_never_panic(which in 0usize..6, at: prop::sample::Index, with: u8, cut: prop::sample::Index) {
            let mut file = all()[which].clone();
            let at = at.index(file.len());
            file[at] = with;
            file.truncate(cut.index(file.len()) + 1);
            examine(&file, "x");
        }
    }
}
