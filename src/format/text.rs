//! Text: prose, vocabularies, configuration, scripts, and what servers send in place of a file.
//!
//! The whole file is read once, in blocks, so memory does not grow with it; only configuration and templates are held in
//! full, up to `max_header_bytes`. Time is linear. Threat: binary content
//! behind a page of text, and downloads that are no model at all.

use super::detect::{self, Encoding, HEAD};
use super::{Identity, Role, UNKNOWN, config, jinja, name, python};
use crate::budget::Spent;
use crate::rule::format as rules;
use crate::scan::Scan;
use crate::source::View;
use std::borrow::Cow;
use std::io;

/// Bytes read at a time.
const BLOCK: usize = 1 << 16;

/// Checks that `view` is text to its end, and what kind.
pub fn check(view: &View<'_>, encoding: Encoding, name: &str, scan: &mut Scan<'_>) -> io::Result<Identity> {
    let (encoding, binary) = match binary_at(view, encoding)? {
        // a stray byte of an older encoding makes no binary
        Some(_) if encoding == Encoding::Utf8 => (Encoding::Latin1, binary_at(view, Encoding::Latin1)?),
        binary => (encoding, binary),
    };
    if let Some(at) = binary {
        scan.report(&rules::UNKNOWN_FORMAT, at, "the file starts as text and turns into something else here");
        return Ok(UNKNOWN);
    }
    let head = view.head(HEAD)?;
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head);
    let start = head.trim_ascii_start();
    let extension = name::extension(name);
    if start.starts_with(b"version https://git-lfs.github.com/spec/") {
        let message = "a git-lfs pointer stands here; the content was never fetched";
        scan.report(&rules::POINTER, 0, message);
        return Ok(Identity::new("lfs-pointer", Role::Opaque));
    }
    let promised = Promised::by(name);
    let [named_json, yaml, template, python] =
        [Promised::Json, Promised::Yaml, Promised::Template, Promised::Python].map(|kind| promised == Some(kind));
    if starts_with_any(start, &["<!doctype html", "<html"]) && promised.is_none() {
        if matches!(name::promise(name), name::Promise::Weights(_)) {
            scan.report(&rules::NOT_WEIGHTS, 0, "a web page stands here, as after a failed or refused download");
        }
        return Ok(Identity::new("html", Role::Inert));
    }
    if head.starts_with(b"#!") && !python {
        scan.report(&rules::SCRIPT, 0, "the file is a script");
        if promised.is_none() {
            return Ok(Identity::new("script", Role::Code));
        }
    }
    // what is looked at in full is held in memory; a file without an extension may be any of these
    let json = named_json || matches!(start.first(), Some(b'{' | b'['));
    if !(json || template || yaml || python || extension.is_empty()) {
        return Ok(Identity::new("text", Role::Inert));
    }
    let limit = scan.budget.limits().max_header_bytes;
    if view.len() > limit {
        scan.spent(Spent("max_header_bytes"), limit);
        return Ok(Identity::new(if named_json { "json" } else { "text" }, Role::Config));
    }
    let bytes = view.copy(0..view.len())?;
    let text = decoded(&bytes, encoding);
    if python {
        scan.report(&rules::SCRIPT, 0, "the file is Python source");
        python::check(&text, scan);
        return Ok(Identity::new("python", Role::Code));
    }
    if named_json && encoding == Encoding::Latin1 {
        scan.report(&rules::NOT_JSON, 0, format!("the file is named .{extension} and is not UTF-8"));
        return Ok(Identity::new("text", Role::Config));
    }
    if json {
        let (read, found) = scan.trial(|scan| config::json(text.as_bytes(), name, scan));
        match read {
            Err(broken) if named_json => {
                scan.keep(found);
                let at = u64::try_from(broken.at).unwrap_or(0);
                scan.report(
                    &rules::NOT_JSON,
                    at,
                    format!("the file is named .{extension} and is no JSON: {}", broken.what),
                );
                return Ok(Identity::new("text", Role::Config));
            }
            // the reader of YAML says it again
            Err(_) if yaml || extension.is_empty() => {}
            read => {
                scan.keep(found);
                if read.is_ok() {
                    return Ok(Identity::new("json", Role::Config));
                }
            }
        }
    }
    if yaml || extension.is_empty() {
        let read = config::yaml(&text, name, scan);
        if !yaml {
            // prose is rarely YAML, and nothing that goes by the name reads it as such
            return Ok(Identity::new("text", Role::Inert));
        }
        if let Err(unread) = read {
            scan.report(&rules::YAML_UNREAD, unread.at, unread.what);
        }
        return Ok(Identity::new("yaml", Role::Config));
    }
    if template {
        jinja::check(&text, "the file", 0, scan);
        return Ok(Identity::new("jinja", Role::Config));
    }
    Ok(Identity::new("text", Role::Inert))
}

/// Text that loaders read by the name of the file, however it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Promised {
    Json,
    Yaml,
    Template,
    Python,
}

impl Promised {
    fn by(name: &str) -> Option<Self> {
        match name::extension(name).as_str() {
            "json" | "jsonl" | "ipynb" => Some(Promised::Json),
            "yaml" | "yml" => Some(Promised::Yaml),
            "jinja" | "jinja2" | "j2" | "template" | "tmpl" => Some(Promised::Template),
            "py" => Some(Promised::Python),
            // MLflow's description of a model
            _ => (name.rsplit(['/', '!']).next() == Some("MLmodel")).then_some(Promised::Yaml),
        }
    }
}

/// Checks what loaders read as text because of the name, although the content was taken for something else: `encoding` if it
/// is text besides. Of what is not, templates alone may hold any byte.
pub fn besides(view: &View<'_>, encoding: Option<Encoding>, name: &str, scan: &mut Scan<'_>) -> io::Result<()> {
    match (encoding, Promised::by(name)) {
        (Some(encoding), Some(_)) => {
            check(view, encoding, name, scan)?;
        }
        (None, Some(Promised::Template)) => {
            let limit = scan.budget.limits().max_header_bytes;
            jinja::check(&String::from_utf8_lossy(&view.head(limit)?), "the file", 0, scan);
            if view.len() > limit {
                scan.spent(Spent("max_header_bytes"), limit);
            }
        }
        _ => {}
    }
    Ok(())
}

/// Text as UTF-8 without its byte order mark. It was checked before, so nothing is lost.
fn decoded(bytes: &[u8], encoding: Encoding) -> Cow<'_, str> {
    let unit: fn([u8; 2]) -> u16 = match encoding {
        Encoding::Utf8 => return String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)),
        Encoding::Latin1 => return Cow::Owned(bytes.iter().map(|&byte| char::from(byte)).collect()),
        Encoding::Utf16Le => u16::from_le_bytes,
        Encoding::Utf16Be => u16::from_be_bytes,
    };
    let (pairs, _) = bytes.as_chunks::<2>();
    let units = pairs.iter().skip(1).map(|pair| unit(*pair));
    Cow::Owned(char::decode_utf16(units).map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
}

fn starts_with_any(bytes: &[u8], starts: &[&str]) -> bool {
    starts.iter().any(|start| bytes.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes())))
}

/// Offset of the first byte that is not text of this encoding.
fn binary_at(view: &View<'_>, encoding: Encoding) -> io::Result<Option<u64>> {
    let mut block = vec![0; BLOCK];
    let mut at = 0u64;
    let mut carry = 0usize;
    while at < view.len() {
        let left = view.len().saturating_sub(at);
        let fresh = usize::try_from(left).unwrap_or(BLOCK).min(BLOCK.saturating_sub(carry));
        let end = carry.saturating_add(fresh);
        let Some(part) = block.get_mut(carry..end) else { break };
        view.read_at(at, part)?;
        let start = at.saturating_sub(u64::try_from(carry).unwrap_or(0));
        at = at.saturating_add(u64::try_from(fresh).unwrap_or(0));
        let part = block.get(..end).unwrap_or_default();
        let good = good_prefix(part, encoding, at == view.len());
        match good {
            Ok(consumed) => {
                carry = end.saturating_sub(consumed);
                block.copy_within(consumed..end, 0);
            }
            Err(bad) => return Ok(Some(start.saturating_add(u64::try_from(bad).unwrap_or(0)))),
        }
    }
    Ok(None)
}

/// How many bytes of `part` are complete characters, or where the first bad one is.
fn good_prefix(part: &[u8], encoding: Encoding, last: bool) -> Result<usize, usize> {
    if matches!(encoding, Encoding::Utf8 | Encoding::Latin1) {
        if let Some(bad) = part.iter().position(|&b| detect::is_binary_control(b)) {
            return Err(bad);
        }
        if encoding == Encoding::Latin1 {
            return Ok(part.len());
        }
        return match std::str::from_utf8(part) {
            Ok(_) => Ok(part.len()),
            Err(error) if error.error_len().is_none() && !last => Ok(error.valid_up_to()),
            Err(error) => Err(error.valid_up_to()),
        };
    }
    let mut pairs = part.chunks_exact(2);
    let mut at = 0usize;
    let mut high = false;
    for pair in &mut pairs {
        let &[a, b] = pair else { break };
        let unit = if encoding == Encoding::Utf16Le { u16::from_le_bytes([a, b]) } else { u16::from_be_bytes([a, b]) };
        let low = (0xdc00..0xe000).contains(&unit);
        let control = u8::try_from(unit).is_ok_and(detect::is_binary_control);
        if control || low != high {
            return Err(at);
        }
        high = (0xd800..0xdc00).contains(&unit);
        at = at.saturating_add(2);
    }
    match (high, pairs.remainder().is_empty()) {
        (false, true) => Ok(at),
        _ if last => Err(at),
        (true, _) => Ok(at.saturating_sub(2)),
        (false, false) => Ok(at),
    }
}

#[cfg(test)]
mod tests {
    use crate::rule::format as rules;
    use crate::testing::{examine, shared};
    use crate::{Verdict, format::Role};

    #[test]
    fn what_loaders_take_by_name_is_read_however_it_begins() {
        for begin in ["#!/bin/sh\n", "<html>\n", "<!DOCTYPE html>\n"] {
            let text = format!("{begin}{{{{ x.__class__ }}}}\n");
            assert!(examine(text.as_bytes(), "chat_template.jinja").has(&rules::TEMPLATE_ESCAPE), "{begin}");
            assert!(examine(text.as_bytes(), "config.json").has(&rules::NOT_JSON), "{begin}");
        }
        assert!(examine(b"#!/usr/bin/python3\nimport subprocess\n", "x.py").has(&rules::POWERFUL_CODE));
        // pickles, all of them
        assert!(examine(b"(VX {{ x.__class__ }}\nl.", "chat_template.jinja").has(&rules::TEMPLATE_ESCAPE));
        assert!(examine(b"VX: {_target_: os.system}\n...", "x.yaml").has(&rules::TARGET));
        let binary = b"\x80\x04X\x12\0\0\0{{ x.__class__ }}  \x94.";
        assert!(examine(binary, "chat_template.jinja").has(&rules::TEMPLATE_ESCAPE));
        assert_eq!(examine(b"#!/bin/sh\nls\n", "x.sh").identity.format, "script");
    }

    #[test]
    fn text_is_inert_to_its_last_byte_only() {
        let mut text = "wörter ".repeat(40_000).into_bytes();
        assert_eq!(examine(&text, "vocab.txt").verdict(), Verdict::Ok);
        text.push(0);
        let found = examine(&text, "vocab.txt");
        assert_eq!(found.verdict(), Verdict::Unknown);
        assert_eq!(found.findings[0].offset, Some(text.len() as u64 - 1));
        text.pop();
        text.push(0xc3);
        assert_eq!(
            examine(&text, "vocab.txt").verdict(),
            Verdict::Ok,
            "half a character, as text of an older encoding"
        );
        assert_eq!(examine(b"caf\xe9 au lait\n", "README").identity.format, "text");
        assert_eq!(examine(b"{\"caf\xe9\": 1}\n", "x.json").verdict(), Verdict::Unknown);
        assert_eq!(examine(b"\xe9\xe8\xfa\xd1\x81a", "x").verdict(), Verdict::Unknown);
    }

    #[test]
    fn utf16_needs_whole_pairs() {
        let mut text = vec![0xff, 0xfe];
        text.extend("héllo 😀".repeat(20_000).encode_utf16().flat_map(u16::to_le_bytes));
        assert_eq!(examine(&text, "notes.txt").verdict(), Verdict::Ok);
        text.truncate(text.len() - 2);
        assert_eq!(examine(&text, "notes.txt").verdict(), Verdict::Unknown);
    }

    #[test]
    fn pointers_and_pages_are_named() {
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n";
        let found = examine(pointer, "model.safetensors");
        assert_eq!(found.identity.format, "lfs-pointer");
        assert!(found.has(&rules::POINTER));
        assert_eq!(found.verdict(), Verdict::Unknown);
        let page = b"<!DOCTYPE html><html><body>403</body></html>";
        assert!(examine(page, "model.pt").has(&rules::NOT_WEIGHTS));
        assert_eq!(examine(page, "model.pt").verdict(), Verdict::Unknown);
        assert_eq!(examine(page, "index.html").verdict(), Verdict::Ok);
    }

    #[test]
    fn scripts_are_code() {
        assert_eq!(examine(b"#!/bin/sh\necho\n", "run").identity.role, Role::Code);
        assert_eq!(examine(b"import os\n", "modeling_x.py").identity.format, "python");
    }

    #[test]
    fn ordinary_companions_are_ok() {
        let Some(shared) = shared() else { return };
        let text = std::fs::read(shared.join("corpus/benign/generated/README.md")).unwrap();
        assert_eq!(examine(&text, "README.md").verdict(), Verdict::Ok);
    }
}
