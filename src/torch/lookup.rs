//! Which entry of an archive torch takes for a name, where several share it.
//!
//! miniz sorts the entries by name with a heap sort, which does not keep equal ones in order, and looks a name up by
//! halving what is left (`mz_zip_reader_sort_central_dir_offsets_by_filename` and `mz_zip_locate_file_binary_search`). Both
//! depend on all names of the archive, and on nothing else. Names ignore ASCII case. Bound: n log n comparisons.

use std::cmp::Ordering;

/// Sorts entries as miniz does.
pub(super) fn sort(order: &mut [usize], less: impl Fn(usize, usize) -> bool) {
    for root in (0..order.len() / 2).rev() {
        sink(order, root, &less);
    }
    for end in (1..order.len()).rev() {
        order.swap(0, end);
        if let Some(heap) = order.get_mut(..end) {
            sink(heap, 0, &less);
        }
    }
}

/// Lets an entry sink below those that are greater; of two children that are alike the first is compared.
fn sink(heap: &mut [usize], mut root: usize, less: &impl Fn(usize, usize) -> bool) {
    let below = |heap: &[usize], a: usize, b: usize| match (heap.get(a), heap.get(b)) {
        (Some(a), Some(b)) => less(*a, *b),
        _ => false,
    };
    loop {
        let first = root.saturating_mul(2).saturating_add(1);
        if first >= heap.len() {
            return;
        }
        let second = first.saturating_add(1);
        let child = if below(heap, first, second) { second } else { first };
        if !below(heap, root, child) {
            return;
        }
        heap.swap(root, child);
        root = child;
    }
}

/// The entry that miniz finds among those sorted ones.
pub(super) fn find(order: &[usize], compare: impl Fn(usize) -> Ordering) -> Option<usize> {
    let mut left = order;
    loop {
        let middle = left.len().saturating_sub(1) / 2;
        let at = *left.get(middle)?;
        left = match compare(at) {
            Ordering::Equal => return Some(at),
            Ordering::Less => left.get(middle.saturating_add(1)..)?,
            Ordering::Greater => left.get(..middle)?,
        };
    }
}

/// Names in the order of their lower case.
pub(super) fn without_case(a: &[u8], b: &[u8]) -> Ordering {
    for (a, b) in a.iter().zip(b) {
        match a.to_ascii_lowercase().cmp(&b.to_ascii_lowercase()) {
            Ordering::Equal => {}
            decided => return decided,
        }
    }
    a.len().cmp(&b.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(names: &[&str], name: &str) -> Option<usize> {
        let name_of = |at: usize| names[at].as_bytes();
        let mut order: Vec<usize> = (0..names.len()).collect();
        sort(&mut order, |a, b| without_case(name_of(a), name_of(b)).is_lt());
        super::find(&order, |at| without_case(name_of(at), name.as_bytes()))
    }

    #[test]
    fn names_ignore_case() {
        assert_eq!(find(&["m/A", "m/b"], "m/a"), Some(0));
        assert_eq!(find(&["m/A", "m/b"], "m/c"), None);
        assert_eq!(find(&[], "m/c"), None);
    }

    /// As torch 2.15 took them: archives of so many `m/data.pkl`, then `m/version`, then so many storages.
    #[test]
    fn the_entry_is_the_one_that_torch_takes() {
        for (copies, taken) in [(2, [0, 0, 1, 1, 0, 0, 0, 0, 1]), (3, [2, 1, 1, 2, 2, 2, 2, 1, 1])] {
            for (storages, taken) in taken.into_iter().enumerate() {
                let mut names = vec!["m/data.pkl".to_owned(); copies];
                names.push("m/version".to_owned());
                names.extend((0..storages).map(|at| format!("m/data/{at}")));
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                assert_eq!(find(&names, "m/data.pkl"), Some(taken), "{copies} {storages}");
            }
        }
    }

    #[test]
    fn every_name_is_found_among_shared_ones() {
        for count in 2..40usize {
            let names: Vec<String> = (0..count).map(|at| format!("m/{}", at * 7 % count / 2)).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            for name in &names {
                let at = find(&names, name).unwrap();
                assert_eq!(names[at], *name);
            }
            assert_eq!(find(&names, "m/x"), None);
        }
    }
}
