//! A file that shrinks while the binary reads it: exit 3 and a clear word, no signal.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Large enough that hashing it takes seconds; it takes no room on the disk.
const HUGE: u64 = 16 << 30;

#[test]
fn a_file_that_shrinks_under_the_run_is_a_changed_file() {
    for held_open in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model.bin");
        let writer = File::create(&path).unwrap();
        writer.set_len(HUGE).unwrap();
        // With a writer there, no lease is granted, and the mapping really loses its pages. Without one, the lease
        // tells of the writer before it can do anything.
        let writer = held_open.then_some(writer);
        let mut child = Command::new(env!("CARGO_BIN_EXE_mverify"))
            .arg("hash")
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let maps = format!("/proc/{}/maps", child.id());
        while child.try_wait().unwrap().is_none()
            && !std::fs::read_to_string(&maps).is_ok_and(|maps| maps.contains("model.bin"))
        {
            std::thread::sleep(Duration::from_millis(5));
        }
        let writer = writer.unwrap_or_else(|| File::options().write(true).open(&path).unwrap());
        writer.set_len(5000).unwrap();
        let status = child.wait().unwrap();
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(status.code(), Some(3), "{status:?}: {said}");
        assert!(said.contains("changed while"), "{said}");
    }
}
