//! What is checked where only what changed since a revision is asked for (`--diff`).

use super::git::Changes;
use mverify::manifest::discover;
use mverify::manifest::expected::Expectations;
use mverify::walk::Item;
use std::path::{Path, PathBuf};

/// Which items are to be checked where only what changed is asked for: that, what a list says otherwise about files than
/// before, and what is not there. Items behind the first `met` were not met by a walk; with `whole`, all of them are.
pub fn concerned(
    items: &[Item],
    met: usize,
    roots: &[PathBuf],
    changes: &mut Changes,
    expected: &Expectations,
    whole: bool,
) -> Vec<bool> {
    // with a list that is gone everything went that it said about files beside and below it
    let gone = changes.gone();
    let lists = gone.iter().filter(|path| discover::speaks(path));
    let silent: Vec<&Path> = lists.filter_map(|path| path.parent()).collect();
    let mut concerned = |(number, item): (usize, &Item)| {
        let path = item.path();
        if number >= met || (matches!(item, Item::Problem(..)) && roots.iter().any(|root| root == path)) {
            return true;
        }
        if changes.is_gits(path) {
            return false;
        }
        whole
            || changes.has(path)
            || changes.place(path).is_some_and(|place| silent.iter().any(|above| place.starts_with(above)))
            || expected.concern(path, &mut |file| changes.holds(file))
    };
    items.iter().enumerate().map(&mut concerned).collect()
}
