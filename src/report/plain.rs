//! Text that cannot lie on a terminal: names from files with every character escaped that could move the cursor, hide,
//! reorder or forge a line.

use std::fmt::Write;
use std::path::Path;

/// Longest piece of hostile text that is shown, in characters.
const SHOWN: usize = 160;

/// `text` with control, format, bidirectional and line-breaking characters escaped, cut to a displayable length.
pub fn plain(text: &str) -> String {
    escape(text, SHOWN)
}

/// As [`plain`], for sentences of ours that quote hostile names: never cut.
pub fn whole(text: &str) -> String {
    escape(text, usize::MAX)
}

/// The path, readable and harmless. Bytes that are not UTF-8 are shown as `\xNN`. Never cut: a path must be usable.
pub fn path(path: &Path) -> String {
    let mut out = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        out.push_str(&whole(chunk.valid()));
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

fn escape(text: &str, shown: usize) -> String {
    let mut out = String::with_capacity(text.len());
    for (count, c) in text.chars().enumerate() {
        if count == shown {
            out.push('…');
            break;
        }
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if hides(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out
}

/// Control characters, Unicode's format characters (bidirectional marks, zero-width ones, tags, separators) and what is no
/// character (U+FFFE, U+FFFF and their like).
pub(super) fn hides(c: char) -> bool {
    c.is_control()
        || u32::from(c) & 0xfffe == 0xfffe
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fdd0}'..='\u{fdef}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_or_hides_gets_through() {
        assert_eq!(plain("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(plain("gpj.\u{202e}lkp"), "gpj.\\u{202e}lkp");
        assert_eq!(plain("two\nlines"), "two\\nlines");
        assert_eq!(plain("\u{fffe}\u{1ffff}\u{fdd0}"), "\\u{fffe}\\u{1ffff}\\u{fdd0}");
        assert_eq!(plain("größe 模型"), "größe 模型");
        assert_eq!(plain(&"x".repeat(500)).chars().count(), SHOWN + 1);
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_not_text_stay_visible() {
        use std::os::unix::ffi::OsStrExt;
        assert_eq!(path(Path::new(std::ffi::OsStr::from_bytes(b"a\xffb"))), "a\\xffb");
    }
}
