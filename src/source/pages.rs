//! What was read of a file so far, page by page: the first fetch of a page fixes its content for good.
//!
//! Threat: a writer changes the file between two reads of the same bytes (double fetch), so that one parser, another
//! parser and the hash see three different files. Every read of a parser goes through here. The latest pages are kept
//! and served again; of an older page a BLAKE3 fingerprint stays behind, and a later read of it must agree.
//! Bound: [`KEPT`] pages of [`PAGE`] bytes, plus under 100 bytes for every page that was ever touched.

use super::Changed;
use std::collections::{BTreeMap, VecDeque};
use std::io;

/// Bytes of a page.
pub(super) const PAGE: usize = 64 << 10;
/// Pages whose content is kept.
const KEPT: usize = 16;

#[derive(Debug)]
enum Page {
    Kept(Box<[u8]>),
    Print([u8; 32]),
}

/// The pages of one file of `len` bytes.
#[derive(Debug)]
pub(super) struct Pages {
    len: u64,
    pages: BTreeMap<u64, Page>,
    /// Kept pages, the one that goes next in front.
    kept: VecDeque<u64>,
    /// A page came back with another content. Stays so.
    changed: bool,
}

impl Pages {
    pub(super) fn new(len: u64) -> Self {
        Pages { len, pages: BTreeMap::new(), kept: VecDeque::new(), changed: false }
    }

    /// Fills `buf` from `offset`, which must lie inside the file with all of `buf`. `fetch` reads the file.
    pub(super) fn read(
        &mut self,
        offset: u64,
        buf: &mut [u8],
        fetch: impl Fn(u64, &mut [u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let keep_all = buf.len() <= KEPT / 2 * PAGE;
        let mut done = 0;
        while done < buf.len() {
            self.unchanged()?;
            let at = offset + done as u64;
            let (number, skip) = (at / PAGE as u64, (at % PAGE as u64) as usize);
            let size = self.size(number);
            let part = (size - skip).min(buf.len() - done);
            let target = &mut buf[done..done + part];
            match self.pages.get(&number) {
                Some(Page::Kept(bytes)) => target.copy_from_slice(&bytes[skip..skip + part]),
                _ if part == size && !keep_all => {
                    fetch(at, target)?;
                    self.print(number, target)?;
                }
                _ => {
                    let mut bytes = vec![0; size].into_boxed_slice();
                    fetch(number * PAGE as u64, &mut bytes)?;
                    target.copy_from_slice(&bytes[skip..skip + part]);
                    self.keep(number, bytes)?;
                }
            }
            done += part;
        }
        Ok(())
    }

    /// The first touched page that ends behind `offset`: its number.
    pub(super) fn next_touched(&self, offset: u64) -> Option<u64> {
        self.pages.range(offset / PAGE as u64..).next().map(|(number, _)| *number)
    }

    /// Fails if two reads of a page disagreed.
    pub(super) fn unchanged(&self) -> Result<(), Changed> {
        if self.changed { Err(Changed) } else { Ok(()) }
    }

    fn size(&self, number: u64) -> usize {
        (self.len - number * PAGE as u64).min(PAGE as u64) as usize
    }

    /// Compares with the fingerprint noted before, if there is one.
    fn compare(&mut self, number: u64, print: impl FnOnce() -> [u8; 32]) -> io::Result<()> {
        if let Some(Page::Print(before)) = self.pages.get(&number) {
            self.changed = *before != print();
        }
        Ok(self.unchanged()?)
    }

    /// Notes the fingerprint of a page that is not kept.
    fn print(&mut self, number: u64, bytes: &[u8]) -> io::Result<()> {
        let print = *blake3::hash(bytes).as_bytes();
        self.compare(number, || print)?;
        self.pages.insert(number, Page::Print(print));
        Ok(())
    }

    fn keep(&mut self, number: u64, bytes: Box<[u8]>) -> io::Result<()> {
        self.compare(number, || *blake3::hash(&bytes).as_bytes())?;
        if self.kept.len() >= KEPT
            && let Some(oldest) = self.kept.pop_front()
            && let Some(page) = self.pages.get_mut(&oldest)
            && let Page::Kept(bytes) = page
        {
            *page = Page::Print(*blake3::hash(bytes).as_bytes());
        }
        self.kept.push_back(number);
        self.pages.insert(number, Page::Kept(bytes));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    fn fetch_from(file: &RefCell<Vec<u8>>) -> impl Fn(u64, &mut [u8]) -> io::Result<()> + '_ {
        |at, buf| {
            let at = at as usize;
            buf.copy_from_slice(&file.borrow()[at..at + buf.len()]);
            Ok(())
        }
    }

    fn noise(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 31 + i / 251) as u8).collect()
    }

    #[test]
    fn reads_what_is_there_across_pages() {
        let bytes = noise(5 * PAGE + 7);
        let file = RefCell::new(bytes.clone());
        let mut pages = Pages::new(bytes.len() as u64);
        for (at, n) in [(0, 1), (PAGE - 1, 2), (3, 3 * PAGE), (5 * PAGE, 7), (0, bytes.len()), (9, 0)] {
            let mut buf = vec![0; n];
            pages.read(at as u64, &mut buf, fetch_from(&file)).unwrap();
            assert_eq!(buf, bytes[at..at + n], "{at} {n}");
        }
    }

    #[test]
    fn a_kept_page_is_served_again_although_the_file_changed() {
        let file = RefCell::new(noise(100));
        let mut pages = Pages::new(100);
        let (mut first, mut second) = ([0; 10], [0; 10]);
        pages.read(0, &mut first, fetch_from(&file)).unwrap();
        file.borrow_mut().fill(0xff);
        pages.read(0, &mut second, fetch_from(&file)).unwrap();
        assert_eq!(first, second);
        pages.read(90, &mut second, fetch_from(&file)).unwrap();
        assert_ne!(second, [0xff; 10], "the rest of a page is as old as its first byte");
    }

    #[test]
    fn a_page_that_was_dropped_must_be_the_same_when_it_comes_back() {
        let len = (KEPT + 4) * PAGE;
        for large in [false, true] {
            let file = RefCell::new(noise(len));
            let mut pages = Pages::new(len as u64);
            let mut buf = vec![0; if large { len } else { 1 }];
            for page in 0..if large { 1 } else { KEPT + 4 } {
                pages.read((page * PAGE) as u64, &mut buf, fetch_from(&file)).unwrap();
            }
            pages.read(0, &mut buf, fetch_from(&file)).unwrap();
            let mut page = vec![0; PAGE];
            let dropped = PAGE * 2;
            file.borrow_mut()[dropped + 77] ^= 1;
            let error = pages.read(dropped as u64, &mut page, fetch_from(&file)).unwrap_err();
            assert!(Changed::is(&error), "large {large}");
            file.borrow_mut()[dropped + 77] ^= 1;
            assert!(pages.read(0, &mut page, fetch_from(&file)).is_err(), "a change is not forgotten");
        }
    }

    #[test]
    fn memory_is_bounded() {
        let len = 100 * PAGE;
        let file = RefCell::new(noise(len));
        let mut pages = Pages::new(len as u64);
        for page in 0..100 {
            pages.read(page * PAGE as u64, &mut [0], fetch_from(&file)).unwrap();
        }
        let kept = pages.pages.values().filter(|page| matches!(page, Page::Kept(_))).count();
        assert_eq!((kept, pages.pages.len()), (KEPT, 100));
    }
}
