use super::*;
use crate::digest::{Algorithm, Hasher};
use crate::{Proof, Verdict};
use std::io::{Seek, SeekFrom};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::PathBuf;

const MODES: [Mode; 3] = [Mode::Sealed, Mode::Private, Mode::Lease];

fn safetensors(fill: u8, elements: usize) -> Vec<u8> {
    let header = format!(r#"{{"w":{{"dtype":"U8","shape":[{elements}],"data_offsets":[0,{elements}]}}}}"#);
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(std::iter::repeat_n(fill, elements));
    bytes
}

fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (directory, path)
}

fn verifier() -> Verifier {
    Verifier::builder().build().unwrap()
}

/// Opens, or says why the system cannot: leases are not everywhere.
#[allow(clippy::print_stderr)]
fn opened(path: &Path, mode: Mode) -> Option<VerifiedFile> {
    match verifier().open_verified(path, &Options::new(mode)) {
        Ok(file) => Some(file),
        Err(LoadError::Unavailable { why, .. }) if mode == Mode::Lease => {
            eprintln!("skipped: {why}");
            None
        }
        Err(error) => panic!("{mode}: {error}"),
    }
}

#[test]
fn every_way_of_reading_gives_what_was_verified() {
    for elements in [0, 5, 3 << 20] {
        let bytes = safetensors(7, elements);
        let (directory, path) = file("model.safetensors", &bytes);
        for mode in MODES {
            let Some(mut file) = opened(&path, mode) else { continue };
            assert_eq!((file.mode(), file.len()), (mode, bytes.len() as u64));
            let (mut read, mut end) = (Vec::new(), Vec::new());
            file.read_to_end(&mut read).unwrap();
            assert_eq!(read, bytes, "{mode}");
            file.seek(SeekFrom::End(-3)).unwrap();
            file.read_to_end(&mut end).unwrap();
            assert_eq!(end, &bytes[bytes.len() - 3..]);
            assert_eq!(file.as_bytes().unwrap(), bytes);
            assert_eq!(std::fs::read(file.path()).unwrap(), bytes);
            assert_eq!(file.file().unwrap().stream_position().unwrap(), 0);
            assert!(file.read_at(bytes.len() as u64, &mut [0]).is_err());
            let artifact = file.artifact().unwrap();
            let mut hasher = Hasher::new(&[Algorithm::Sha256], None).unwrap();
            hasher.update(&bytes);
            assert_eq!(artifact.digests, hasher.finish());
            assert_eq!((artifact.outcome.verdict(), artifact.path.as_path()), (Verdict::Ok, path.as_path()));
            file.settle().unwrap();
        }
        drop(directory);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn sealed_bytes_can_be_changed_by_nobody() {
    let bytes = safetensors(7, 100_000);
    let (_directory, path) = file("model.safetensors", &bytes);
    let file = opened(&path, Mode::Sealed).unwrap();
    assert_eq!(std::fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o444);
    let writer = std::fs::File::options().write(true).open(file.path());
    if let Ok(writer) = writer {
        assert!(writer.write_all_at(b"x", 0).is_err());
        assert!(writer.set_len(0).is_err());
        assert!(writer.set_len(1 << 20).is_err());
    }
    assert!(rustix::fs::fcntl_add_seals(&file, rustix::fs::SealFlags::FUTURE_WRITE).is_err());
    std::fs::write(&path, "evil").unwrap();
    assert_eq!(file.as_bytes().unwrap(), bytes);
}

#[test]
#[cfg(target_os = "linux")]
fn a_spawned_process_reads_the_same_copy_by_its_descriptor() {
    let bytes = safetensors(7, 1000);
    let (_directory, path) = file("model.safetensors", &bytes);
    let file = opened(&path, Mode::Sealed).unwrap();
    let shared = file.share().unwrap();
    let command = format!("cat <&{}", shared.as_fd().as_raw_fd());
    let output = std::process::Command::new("sh").args(["-c", &command]).output().unwrap();
    assert_eq!(output.stdout, bytes);
    // what such a process does: no second copy is made, even where there is no memory for one
    let received = File::from(shared);
    let inode = |file: &File| std::os::unix::fs::MetadataExt::ino(&file.metadata().unwrap());
    let number = inode(&received);
    let options = Options::new(Mode::Sealed).memory(0);
    let again = verifier().open_verified_file(received, "model.safetensors", &options).unwrap();
    assert_eq!(inode(&again.file().unwrap()), number);
    assert_eq!(again.as_bytes().unwrap(), bytes);
}

#[test]
fn what_is_not_proven_is_not_handed_out_and_the_report_says_why() {
    let evil = b"\x80\x02cos\ngetpid\n)R.";
    let (_directory, path) = file("model.pt", evil);
    let (_other, unknown) = file("model.xyz", b"\x01\x02\x03\x04 no format that is known");
    for mode in MODES {
        let options = Options::new(mode);
        match verifier().open_verified(&path, &options) {
            Err(LoadError::Rejected(report)) => assert_eq!(report.artifacts[0].path, path),
            Err(LoadError::Unavailable { .. }) if mode == Mode::Lease => {}
            other => panic!("{mode}: {other:?}"),
        }
        match verifier().open_verified(&unknown, &options) {
            Err(error @ LoadError::NotProven(_)) => assert!(error.to_string().contains("model.xyz"), "{error}"),
            Err(LoadError::Unavailable { .. }) if mode == Mode::Lease => {}
            other => panic!("{mode}: {other:?}"),
        }
    }
    let demanding = Verifier::builder().require(Proof::Manifest).build().unwrap();
    let (_third, good) = file("model.safetensors", &safetensors(1, 1));
    let error = demanding.open_verified(&good, &Options::default()).unwrap_err();
    assert!(error.report().unwrap().summary.unknown == 1 && matches!(error, LoadError::NotProven(_)), "{error}");
    let nowhere = verifier().open_verified("/nowhere/at/all", &Options::default());
    assert!(matches!(nowhere, Err(LoadError::Error(crate::Error::Io { .. }))));
    let directory = verifier().open_verified("/", &Options::default());
    assert!(matches!(directory, Err(LoadError::Error(crate::Error::NotRegular { .. }))));
}

#[test]
fn a_mode_that_cannot_be_had_is_not_replaced_by_another() {
    let (_directory, path) = file("model.safetensors", &safetensors(1, 5000));
    let no_room = Options::new(Mode::Sealed).memory(4096);
    let error = verifier().open_verified(&path, &no_room).unwrap_err();
    assert!(matches!(error, LoadError::Unavailable { mode: Mode::Sealed, .. }));
    let text = error.to_string();
    assert!(Mode::ALL.iter().all(|mode| text.contains(mode.name())), "{text}");
    let nowhere = Options::new(Mode::Private).directory("/nowhere");
    for options in [nowhere, Options::new(Mode::Verity)] {
        let error = verifier().open_verified(&path, &options).unwrap_err();
        assert!(matches!(error, LoadError::Unavailable { .. }), "{error}");
    }
    let _writer = std::fs::File::options().write(true).open(&path).unwrap();
    let error = verifier().open_verified(&path, &Options::new(Mode::Lease)).unwrap_err();
    assert!(matches!(error, LoadError::Unavailable { mode: Mode::Lease, .. }), "{error}");
}

#[test]
fn a_private_copy_goes_with_its_handle() {
    let (directory, path) = file("model.safetensors", &safetensors(1, 5000));
    let options = Options::new(Mode::Private).directory(directory.path());
    let file = verifier().open_verified(&path, &options).unwrap();
    let copy = file.path().to_owned();
    assert!(copy.starts_with(directory.path()) && copy.ends_with("model.safetensors") && copy.exists());
    drop(file);
    assert!(!copy.exists());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
#[cfg(target_os = "linux")]
fn a_lease_that_was_lost_is_an_error_and_nothing_is_read() {
    let bytes = safetensors(1, 5000);
    let (_directory, path) = file("model.safetensors", &bytes);
    let Some(file) = opened(&path, Mode::Lease) else { return };
    assert_eq!(file.as_bytes().unwrap(), bytes);
    let writing = std::thread::spawn({
        let path = path.clone();
        move || std::fs::File::options().write(true).open(path).unwrap().write_all_at(b"evil", 0).unwrap()
    });
    while file.settle().is_ok() {
        std::thread::yield_now();
    }
    let mut some = [1; 4];
    assert!(Changed::is(&file.read_at(0, &mut some).unwrap_err()));
    assert_eq!(some, [0; 4]);
    drop(file);
    writing.join().unwrap();
}

#[test]
fn an_open_file_is_verified_wherever_its_offset_is() {
    let (_directory, path) = file("model.pt", b"\x80\x02cos\ngetpid\n)R.");
    let mut open = File::open(&path).unwrap();
    open.seek(SeekFrom::Start(9)).unwrap();
    let artifact = verifier().verify_file(&open, "model.pt");
    assert_eq!((artifact.outcome.verdict(), artifact.size), (Verdict::Bad, 16));
    assert_eq!(open.stream_position().unwrap(), 9);
    let good = safetensors(1, 10);
    std::fs::write(&path, &good).unwrap();
    open.seek(SeekFrom::Start(9)).unwrap();
    for mode in [Mode::Sealed, Mode::Private] {
        let open = open.try_clone().unwrap();
        let file = verifier().open_verified_file(open, "other.safetensors", &Options::new(mode)).unwrap();
        assert_eq!(file.as_bytes().unwrap(), good);
        assert!(format!("{file:?}").contains(&format!("{} bytes", good.len())), "bytes are not printed");
    }
    // a name that is no name of a file
    let plain = Verifier::builder().discover(false).build().unwrap();
    let file = plain.open_verified_file(open, "..", &Options::new(Mode::Private)).unwrap();
    assert_eq!(std::fs::read(file.path()).unwrap(), good);
}

#[test]
fn tensors_are_of_safetensors_files_and_by_name() {
    let (_directory, path) = file("model.safetensors", &safetensors(9, 10));
    for mode in MODES {
        let Some(file) = opened(&path, mode) else { continue };
        let tensors = VerifiedTensors::of(file, &crate::Limits::default()).unwrap();
        assert_eq!(tensors.names().collect::<Vec<_>>(), ["w"]);
        assert_eq!(*tensors.bytes("w").unwrap(), [9; 10]);
        let mut out = [0; 10];
        tensors.read_into("w", &mut out).unwrap();
        assert_eq!(out, [9; 10]);
        assert!(tensors.read_into("w", &mut [0; 9]).is_err() && tensors.bytes("v").is_err());
        tensors.settle().unwrap();
    }
    let (_other, npy) = file("config.json", b"{}");
    let file = opened(&npy, Mode::Sealed).unwrap();
    let error = VerifiedTensors::of(file, &crate::Limits::default()).unwrap_err();
    assert!(matches!(error, LoadError::Error(crate::Error::Usage(_))), "{error}");
}

#[test]
fn a_run_that_is_cancelled_hands_out_nothing() {
    struct Never;
    impl Watch for Never {
        fn cancelled(&self) -> bool {
            true
        }
    }
    let (_directory, path) = file("model.safetensors", &safetensors(1, 10));
    for mode in MODES {
        match open(&verifier(), &path, &Options::new(mode), &Never) {
            Err(LoadError::NotProven(report)) => {
                assert!(report.artifacts[0].findings.iter().any(|found| found.rule == &rule::run::STOPPED));
            }
            Err(LoadError::Unavailable { .. }) if mode == Mode::Lease => {}
            other => panic!("{mode}: {other:?}"),
        }
    }
}
