//! SentencePiece vocabularies (`tokenizer.model`, `spiece.model`): a protobuf message of pieces and settings.
//!
//! Walked field by field to the end of the file; nothing but what the schema has may stand there, so the file holds
//! words, numbers and one table for normalisation. Linear, streamed. Threat: other content under this name.

use super::defect::Refusal;
use super::stream::Stream;
use super::{Identity, Role};
use crate::rule::format as rules;
use crate::scan::Scan;
use crate::source::View;
use std::io;

/// Longest piece, in bytes; real ones have a few dozen.
const MAX_PIECE: u64 = 1 << 16;

/// True if `head` begins with a piece: a short message whose first field is its text and whose second is its score.
pub fn starts(head: &[u8]) -> bool {
    let [0x0a, size @ 3..=127, 0x0a, text, rest @ ..] = head else { return false };
    let score = rest.get(usize::from(*text));
    text.checked_add(2) == Some(*size) || (text < size && score == Some(&0x15))
}

/// Checks a vocabulary.
pub fn check(view: &View<'_>, scan: &mut Scan<'_>) -> Identity {
    let mut stream = Stream::new(*view);
    if let Err(error) = walk(&mut stream) {
        let at = stream.position();
        let refusal = match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                Refusal::one(&rules::TRUNCATED, view.len(), "the file ends inside the vocabulary")
            }
            io::ErrorKind::InvalidData => Refusal::one(
                &rules::UNKNOWN_FORMAT,
                at,
                format!("it starts as a SentencePiece vocabulary, but {error}"),
            ),
            _ => Refusal::Io(error),
        };
        refusal.report(scan);
    }
    Identity::new("sentencepiece", Role::Inert)
}

fn invalid<T>(what: &'static str) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::InvalidData, what))
}

fn walk(stream: &mut Stream<'_>) -> io::Result<()> {
    while stream.left() > 0 {
        // fields 1 to 5 of ModelProto are messages: pieces, trainer, normalizer, self test, denormalizer
        let tag = stream.u8()?;
        let size = varint(stream)?;
        match tag {
            0x0a => piece(stream, size)?,
            0x12 | 0x1a | 0x22 | 0x2a => stream.skip(size)?,
            _ => return invalid("it has a field that the format does not have"),
        }
    }
    Ok(())
}

/// Text, score and type of one piece.
fn piece(stream: &mut Stream<'_>, size: u64) -> io::Result<()> {
    if size > MAX_PIECE {
        return invalid("a piece is too long");
    }
    let end = stream.position().saturating_add(size);
    while stream.position() < end {
        match stream.u8()? {
            0x0a => {
                let size = varint(stream)?;
                if size > MAX_PIECE || std::str::from_utf8(stream.bytes(size)?).is_err() {
                    return invalid("a piece is no text");
                }
            }
            0x15 => stream.skip(4)?,
            0x18 => drop(varint(stream)?),
            _ => return invalid("a piece has a field that the format does not have"),
        }
    }
    if stream.position() == end { Ok(()) } else { invalid("a piece does not end where it should") }
}

fn varint(stream: &mut Stream<'_>) -> io::Result<u64> {
    let mut value = 0u64;
    for shift in [0u32, 7, 14, 21, 28, 35, 42, 49, 56] {
        let byte = stream.u8()?;
        value |= u64::from(byte & 0x7f).wrapping_shl(shift);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    invalid("a number is too long")
}

#[cfg(test)]
mod tests {
    use crate::Verdict;
    use crate::testing::examine;

    fn vocabulary() -> Vec<u8> {
        let mut file = Vec::new();
        for (piece, kind) in [("<unk>", 2u8), ("<s>", 3), ("\u{2581}the", 1)] {
            let mut message = vec![0x0a, piece.len() as u8];
            message.extend(piece.as_bytes());
            message.extend([0x15, 0, 0, 0x80, 0xbf, 0x18, kind]);
            file.extend([0x0a, message.len() as u8]);
            file.extend(message);
        }
        file.extend([0x12, 3, 8, 1, 0, 0x1a, 4, 0xff, 0, 1, 2]);
        file
    }

    #[test]
    fn a_vocabulary_is_inert_and_nothing_else_fits_in() {
        let file = vocabulary();
        let found = examine(&file, "tokenizer.model");
        assert_eq!((found.identity.format, found.verdict()), ("sentencepiece", Verdict::Ok), "{found:?}");
        assert_eq!(examine(&file[..file.len() - 1], "tokenizer.model").verdict(), Verdict::Unknown);
        assert_eq!(examine(&[&file[..], b"\x80\x04N."].concat(), "tokenizer.model").verdict(), Verdict::Unknown);
    }
}
