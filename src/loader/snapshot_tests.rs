use super::*;
use crate::Verdict;
use crate::manifest::lock::{Entry, Lock};
use crate::rule::integrity as rules;

const MODES: [Mode; 2] = [Mode::Sealed, Mode::Private];

fn shard(name: &str) -> Vec<u8> {
    let header = format!(r#"{{"{name}":{{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}}}"#);
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), b"good"].concat()
}

const FIRST: &str = "model-00001-of-00002.safetensors";
const SECOND: &str = "model-00002-of-00002.safetensors";

/// A sharded model in a directory of its own, and a place for copies.
fn model() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let (root, place) = (directory.path().join("model"), directory.path().join("place"));
    fs::create_dir_all(root.join("sub")).unwrap();
    fs::create_dir(&place).unwrap();
    let index = format!(r#"{{"metadata":{{}},"weight_map":{{"a":"{FIRST}","b":"{SECOND}"}}}}"#);
    fs::write(root.join("model.safetensors.index.json"), index).unwrap();
    fs::write(root.join(FIRST), shard("a")).unwrap();
    fs::write(root.join(SECOND), shard("b")).unwrap();
    fs::write(root.join("sub/config.json"), "{}").unwrap();
    (directory, root, place)
}

fn plain() -> Verifier {
    Verifier::builder().build().unwrap()
}

fn locked(root: &Path) -> Verifier {
    let report = plain().verify_path(root);
    let entries = report.artifacts.iter().map(|artifact| {
        let name = artifact.path.strip_prefix(root).unwrap().to_owned();
        Entry::of(artifact, name, false)
    });
    let lock = Lock { files: entries.flatten().collect(), ..Lock::default() };
    assert_eq!(lock.files.len(), 4);
    Verifier::builder().lock("mverify.lock", lock).require(crate::Proof::Manifest).build().unwrap()
}

fn ids(error: &LoadError) -> Vec<(Verdict, &'static str)> {
    let report = error.report().unwrap_or_else(|| panic!("{error}"));
    let worst = report.artifacts.iter().filter(|artifact| artifact.outcome.verdict() != Verdict::Ok);
    worst.flat_map(|artifact| artifact.findings.iter().map(|f| (artifact.outcome.verdict(), f.rule.id))).collect()
}

#[test]
fn a_directory_is_copied_whole_and_goes_with_its_handle() {
    let (_directory, root, place) = model();
    for (mode, verifier) in MODES.into_iter().zip([plain(), locked(&root)]) {
        let snapshot = verifier.snapshot(&root, &Options::new(mode).directory(&place)).unwrap();
        assert_eq!(snapshot.mode(), mode);
        assert!(snapshot.path().starts_with(&place) && snapshot.path().ends_with("model"));
        assert_eq!(snapshot.report().artifacts.len(), 4);
        for artifact in &snapshot.report().artifacts {
            let name = artifact.path.strip_prefix(&root).unwrap();
            assert_eq!(fs::read(snapshot.path().join(name)).unwrap(), fs::read(root.join(name)).unwrap());
        }
        // what appears later in the original is not there, and sealed copies cannot be written to
        fs::write(root.join("evil.py"), "").unwrap();
        assert!(!snapshot.path().join("evil.py").exists());
        fs::remove_file(root.join("evil.py")).unwrap();
        if mode == Mode::Sealed {
            assert!(fs::write(snapshot.path().join(FIRST), "evil").is_err());
            assert_eq!(fs::read(snapshot.path().join(FIRST)).unwrap(), shard("a"));
        }
        drop(snapshot);
        assert_eq!(fs::read_dir(&place).unwrap().count(), 0, "{mode}");
    }
}

#[test]
fn a_model_that_is_not_all_there_or_more_is_refused() {
    type Change = (&'static str, fn(&Path));
    let changes: [Change; 5] = [
        ("MV-DIR-002", |root| std::os::unix::fs::symlink("nowhere", root.join("sub/link.bin")).unwrap()),
        (rules::EXTRA_SHARD.id, |root| {
            fs::write(root.join("model-00003-of-00002.safetensors"), shard("c")).unwrap();
        }),
        (rules::MISSING.id, |root| fs::remove_file(root.join(SECOND)).unwrap()),
        (rules::INDEX_DISAGREES.id, |root| fs::write(root.join(SECOND), shard("c")).unwrap()),
        (rules::INDEX_BROKEN.id, |root| {
            let index = r#"{"weight_map":{"a":"../../etc/weights"}}"#;
            fs::write(root.join("model.safetensors.index.json"), index).unwrap();
        }),
    ];
    for (id, change) in changes {
        for mode in MODES {
            // what lies beside the files is not asked by the second: then the copies alone tell
            for discover in [true, false] {
                let (_directory, root, place) = model();
                change(&root);
                let verifier = Verifier::builder().discover(discover).build().unwrap();
                let error = verifier.snapshot(&root, &Options::new(mode).directory(&place)).unwrap_err();
                assert!(ids(&error).iter().any(|(_, found)| *found == id), "{id} {discover}: {error}");
                assert_eq!(fs::read_dir(&place).unwrap().count(), 0);
            }
        }
    }
}

#[test]
fn a_lock_speaks_for_everything() {
    type Change = (&'static str, fn(&Path));
    let changes: [Change; 3] = [
        (rules::CHANGED.id, |root| fs::write(root.join("sub/config.json"), "{ }").unwrap()),
        (rules::MISSING.id, |root| fs::remove_file(root.join("sub/config.json")).unwrap()),
        (rules::EXTRA.id, |root| fs::write(root.join("more.safetensors"), shard("x")).unwrap()),
    ];
    for (id, change) in changes {
        let (_directory, root, place) = model();
        let verifier = locked(&root);
        change(&root);
        let error = verifier.snapshot(&root, &Options::new(Mode::Private).directory(&place)).unwrap_err();
        assert!(ids(&error).contains(&(Verdict::Bad, id)), "{id}: {error}");
        assert!(matches!(error, LoadError::Rejected(_)));
    }
}

#[test]
fn the_revision_of_a_cache_is_copied_through_its_links() {
    let cache = tempfile::tempdir().unwrap();
    let repo = cache.path().join("models--a--b");
    let commit = "0123456789abcdef0123456789abcdef01234567";
    for directory in ["refs", "blobs", &format!("snapshots/{commit}")] {
        fs::create_dir_all(repo.join(directory)).unwrap();
    }
    fs::write(repo.join("refs/main"), commit).unwrap();
    let mut hasher = crate::digest::Hasher::new(&[crate::digest::Algorithm::Sha256], None).unwrap();
    hasher.update(&shard("a"));
    let blob = hasher.finish().get(crate::digest::Algorithm::Sha256).unwrap().to_string();
    fs::write(repo.join("blobs").join(&blob), shard("a")).unwrap();
    symlink(format!("../../blobs/{blob}"), repo.join(format!("snapshots/{commit}/model.safetensors"))).unwrap();
    for mode in MODES {
        let snapshot = plain().snapshot(&repo, &Options::new(mode)).unwrap();
        assert!(snapshot.path().ends_with(commit));
        assert_eq!(fs::read(snapshot.path().join("model.safetensors")).unwrap(), shard("a"));
    }
    fs::write(repo.join("blobs").join(&blob), shard("b")).unwrap();
    let error = plain().snapshot(&repo, &Options::default()).unwrap_err();
    assert!(matches!(error, LoadError::Rejected(_)), "not what the cache keeps under this name: {error}");
}

#[test]
fn what_is_no_copy_and_what_has_no_room_is_refused() {
    let (_directory, root, place) = model();
    for options in [
        Options::new(Mode::Lease),
        Options::new(Mode::Verity),
        Options::new(Mode::Sealed).memory(100),
        Options::new(Mode::Private).directory(root.join("nowhere")),
    ] {
        let error = plain().snapshot(&root, &options).unwrap_err();
        assert!(matches!(error, LoadError::Unavailable { .. }), "{error}");
    }
    let options = Options::new(Mode::Private).directory(&place);
    assert!(matches!(plain().snapshot(root.join(FIRST), &options), Err(LoadError::Error(Error::Usage(_)))));
    assert!(matches!(plain().snapshot("/nowhere", &options), Err(LoadError::Error(Error::Io { .. }))));
}
