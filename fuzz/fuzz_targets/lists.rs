//! What else is expected of files: checksum lists, locks, git's index. No panic, and what is read is written the same.
#![no_main]
use libfuzzer_sys::fuzz_target;
use mverify::manifest::lock::Lock;
use mverify::manifest::sums::{Reading, Sums};
use mverify::manifest::{git, index};

fuzz_target!(|data: &[u8]| {
    for zero in [false, true] {
        let sums = Sums::parse(data, &Reading { zero, max_entries: 1000, ..Reading::default() });
        assert!(sums.map_or(0, |sums| sums.lines.len() + sums.malformed.len()) <= 1000);
    }
    if let Ok(lock) = Lock::parse(data) {
        assert_eq!(Lock::parse(lock.text().as_bytes()).as_ref(), Ok(&lock));
    }
    let _ = index::parse(data);
    // an index without its checksum is read as well
    let bare = [data, &[0; 20]].concat();
    for bytes in [data, &bare] {
        let tracked = git::index(bytes).unwrap_or_default();
        assert!(tracked.len() <= bytes.len() / 62, "more entries than have room");
    }
});
