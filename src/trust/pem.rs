//! PEM (RFC 7468): blocks between `-----BEGIN X-----` and `-----END X-----`. Text around blocks is skipped, as everywhere.

use data_encoding::BASE64;

/// One block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// The label, as in `PUBLIC KEY`.
    pub(super) label: String,
    /// Header lines, as old encrypted keys have them.
    pub(super) headers: bool,
    /// The content.
    pub(super) der: Vec<u8>,
}

/// All blocks of a text, in order. `Err` says in words what is wrong.
pub(super) fn parse(text: &[u8]) -> Result<Vec<Block>, String> {
    let text = std::str::from_utf8(text).map_err(|_| "it is not a text".to_owned())?;
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let begin = line.trim_end().strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----"));
        let Some(label) = begin else { continue };
        let end = format!("-----END {label}-----");
        let (mut base64, mut headers) = (String::new(), false);
        loop {
            let Some(line) = lines.next() else { return Err(format!("the block {label} does not end")) };
            let line = line.trim();
            if line == end {
                break;
            }
            if line.contains(':') {
                headers = true;
            } else {
                base64.push_str(line);
            }
        }
        let der = BASE64.decode(base64.as_bytes()).map_err(|_| format!("the block {label} is not base64"));
        let der = if headers { der.unwrap_or_default() } else { der? };
        blocks.push(Block { label: label.to_owned(), headers, der });
    }
    if blocks.is_empty() { Err("it holds no PEM block (-----BEGIN …-----)".to_owned()) } else { Ok(blocks) }
}

/// A block of 64 columns with LF: the canonical form, the one that key hints are made of.
pub(super) fn block(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    let base64 = BASE64.encode(der);
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, next) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = next;
    }
    text + &format!("-----END {label}-----\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for len in [0, 1, 47, 48, 49, 200] {
            let der = vec![0xa5; len];
            let text = format!("Subject: x\r\n{}tail", block("X Y", &der).replace('\n', "\r\n"));
            assert_eq!(parse(text.as_bytes()).unwrap(), [Block { label: "X Y".into(), headers: false, der }]);
        }
    }

    #[test]
    fn broken_blocks_are_errors() {
        for text in [
            "",
            "x",
            "-----BEGIN A-----\nAA==\n",
            "-----BEGIN A-----\nA\n-----END A-----",
            "-----BEGIN A-----\nAA==\n-----END B-----",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
