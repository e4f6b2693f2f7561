//! Changes for people: text, and Markdown for the comment on a pull request. Both say the same lines; names from files are
//! escaped, and in Markdown stand where they cannot be markup.
//!
//! Bound: [`SHOWN`] lines of each kind unless more is asked for; of Markdown, [`PAGE`] bytes, the length of a comment.

use super::lines::{details, headline, more, sections, side, summary};
use super::v1::DiffV1;
use crate::report::markdown::{cell, span};

/// Lines of each kind before the rest is only counted.
const SHOWN: usize = 50;
/// Bytes of a page: GitHub takes 65,536 characters.
const PAGE: usize = 60_000;

/// The text for a terminal.
pub fn text(diff: &DiffV1, verbose: bool) -> String {
    let most = if verbose { usize::MAX } else { SHOWN };
    let mut out = format!("old  {}\nnew  {}\n", side(&diff.old), side(&diff.new));
    for file in cut(&diff.files, most) {
        let Ok(file) = file else {
            out.push_str(&more(diff.files.len() - most));
            break;
        };
        out.push_str(&format!("{}\n", headline(file)));
        for lines in details(file, most) {
            lines.iter().for_each(|line| out.push_str(&format!("  {line}\n")));
        }
    }
    for (title, lines) in sections(diff) {
        if !lines.is_empty() {
            out.push_str(&format!("{title}\n"));
            lines.iter().take(most).for_each(|line| out.push_str(&format!("  {line}\n")));
            if lines.len() > most {
                out.push_str(&format!("  {}", more(lines.len() - most)));
            }
        }
    }
    out.push_str(&format!("{}\n", summary(diff)));
    out
}

/// A page of Markdown.
pub fn markdown(diff: &DiffV1) -> String {
    let mut out = format!("## mverify diff: {}\n\n", cell(&summary(diff)));
    out.push_str(&format!("{} → {}\n", span(&side(&diff.old)), span(&side(&diff.new))));
    let mut items: Vec<String> = Vec::new();
    if !diff.files.is_empty() {
        items.push("\n### Files\n\n".to_owned());
    }
    for file in &diff.files {
        let mut item = format!("- {}\n", span(&headline(file)));
        for line in details(file, SHOWN).into_iter().flatten() {
            item.push_str(&format!("  - {}\n", span(&line)));
        }
        items.push(item);
    }
    for (title, lines) in sections(diff) {
        if !lines.is_empty() {
            let mut item = format!("\n### {}{}\n\n", title[..1].to_uppercase(), &title[1..]);
            lines.iter().take(SHOWN).for_each(|line| item.push_str(&format!("- {}\n", span(line))));
            if lines.len() > SHOWN {
                item.push_str(&format!("- {}", more(lines.len() - SHOWN)));
            }
            items.push(item);
        }
    }
    for (number, item) in items.iter().enumerate() {
        if out.len() + item.len() > PAGE {
            out.push_str(&format!("\nThe page ends here: {} parts are left out.\n", items.len() - number));
            break;
        }
        out.push_str(item);
    }
    out
}

/// The first items, and an error in place of the rest.
fn cut<T>(items: &[T], most: usize) -> impl Iterator<Item = Result<&T, ()>> {
    items.iter().take(most).map(Ok).chain((items.len() > most).then_some(Err(())))
}
