use super::*;
use crate::source::ReadAt;
use std::os::unix::fs::symlink;
use std::sync::atomic::AtomicBool;

const GOOD: &[u8] = b"inside";
const SECRET: &[u8] = b"secret";

/// A directory `root` with a file, and one outside of it with a secret.
fn tree() -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("root");
    fs::create_dir_all(root.join("sub/deep")).unwrap();
    fs::create_dir_all(home.path().join("out")).unwrap();
    fs::write(root.join("sub/file"), GOOD).unwrap();
    fs::write(home.path().join("out/file"), SECRET).unwrap();
    (home, root)
}

/// The kernel's way where it has one, and our own.
fn both(root: &Path) -> [Beneath; 2] {
    let own = Beneath::new(root, []).unwrap();
    let zones = own.zones.iter().map(|zone| Zone { path: zone.path.clone(), handle: None }).collect();
    [Beneath { named: root.to_owned(), zones }, own]
}

fn content(beneath: &Beneath, path: &Path) -> Result<Vec<u8>, bool> {
    let mut text = Vec::new();
    let mut file = beneath.open(path, true).map_err(|error| LeadsOut::is(&error))?;
    io::Read::read_to_end(&mut file, &mut text).unwrap();
    Ok(text)
}

#[test]
fn links_are_walked_as_the_kernel_walks_them_and_never_out() {
    let (home, root) = tree();
    let absolute = fs::canonicalize(&root).unwrap().join("sub/file");
    let outside = fs::canonicalize(home.path()).unwrap().join("out/file");
    type Link<'a> = (&'a str, &'a Path, Result<Vec<u8>, bool>);
    let links: [Link<'_>; 15] = [
        ("in", Path::new("sub/file"), Ok(GOOD.to_vec())),
        ("sub/in", Path::new("file"), Ok(GOOD.to_vec())),
        ("sub/up", Path::new("../sub/./deep/../file"), Ok(GOOD.to_vec())),
        ("chain", Path::new("sub/up"), Ok(GOOD.to_vec())),
        ("directory", Path::new("sub"), Err(false)),
        ("through", Path::new("directory/in"), Ok(GOOD.to_vec())),
        ("absolute", &absolute, Ok(GOOD.to_vec())),
        ("back", Path::new("../root/sub/file"), Ok(GOOD.to_vec())),
        ("out", Path::new("../out/file"), Err(true)),
        ("sub/out", Path::new("../../out/file"), Err(true)),
        ("absolute-out", &outside, Err(true)),
        ("out-directory", Path::new("../out"), Err(true)),
        ("proc", Path::new("/proc/self/root/etc/passwd"), Err(true)),
        ("nowhere", Path::new("none"), Err(false)),
        ("loop", Path::new("loop"), Err(false)),
    ];
    for (name, to, _) in &links {
        symlink(to, root.join(name)).unwrap();
    }
    for beneath in both(&root) {
        for (name, _, expected) in &links {
            if *name == "directory" {
                assert_eq!(beneath.look(&root.join(name)).unwrap(), Found { kind: Kind::Directory, inside: true });
                continue;
            }
            assert_eq!(content(&beneath, &root.join(name)), *expected, "{name}");
            assert_eq!(beneath.look(&root.join(name)).is_ok(), expected.is_ok(), "{name}");
        }
        assert_eq!(content(&beneath, &root.join("out-directory/file")), Err(true));
        assert_eq!(content(&beneath, &root.join("directory/file")), Ok(GOOD.to_vec()));
        assert!(beneath.open(&root.join("in"), false).is_err(), "no link where none is followed");
        assert!(beneath.open(&root.join("sub/file"), false).is_ok());
        assert_eq!(content(&beneath, &home.path().join("out/file")), Err(true), "not below what was named");
    }
}

#[test]
fn other_directories_are_reached_from_inside_only_as_named() {
    let (home, root) = tree();
    fs::create_dir(home.path().join("blobs")).unwrap();
    fs::write(home.path().join("blobs/b"), GOOD).unwrap();
    symlink("../out/file", home.path().join("blobs/bad")).unwrap();
    symlink("../blobs/b", root.join("model")).unwrap();
    symlink("../blobs/bad", root.join("bad")).unwrap();
    symlink("../blobs", root.join("blobs")).unwrap();
    let beneath = Beneath::new(&root, [home.path().join("blobs"), home.path().join("none")]).unwrap();
    assert_eq!(content(&beneath, &root.join("model")), Ok(GOOD.to_vec()));
    assert_eq!(beneath.look(&root.join("model")).unwrap(), Found { kind: Kind::File, inside: false });
    assert_eq!(beneath.look(&root.join("blobs")).unwrap(), Found { kind: Kind::Directory, inside: false });
    assert_eq!(content(&beneath, &root.join("bad")), Err(true), "a second hop leads out");
    assert_eq!(content(&Beneath::new(&root, []).unwrap(), &root.join("model")), Err(true));
}

#[test]
fn handles_are_bounded_and_a_directory_without_one_works_as_well() {
    let (_home, root) = tree();
    let many: Vec<Beneath> = (0..2 * KEPT).map(|_| Beneath::new(&root, []).unwrap()).collect();
    assert!(HANDLES.load(Relaxed) <= KEPT);
    for beneath in &many {
        assert_eq!(content(beneath, &root.join("sub/file")), Ok(GOOD.to_vec()));
    }
}

/// Swaps what stands at a path as fast as it can, while another thread opens it. Every way must end inside or fail.
#[test]
fn whoever_wins_the_race_nothing_outside_is_opened() {
    let (home, root) = tree();
    let out = home.path().join("out");
    type Swap<'a> = (&'a str, PathBuf, Box<dyn Fn() + Sync + 'a>);
    let replace = |from: &Path, to: &Path| fs::rename(from, to).unwrap();
    let swaps: [Swap<'_>; 2] = [
        // the file becomes a link out, and a file again
        ("the file", root.join("victim"), {
            let (root, out) = (&root, &out);
            Box::new(move || {
                symlink(out.join("file"), root.join("new")).unwrap();
                replace(&root.join("new"), &root.join("victim"));
                fs::write(root.join("new"), GOOD).unwrap();
                replace(&root.join("new"), &root.join("victim"));
            })
        }),
        // a directory above it becomes a link out, and a directory again
        ("a directory above it", root.join("above/file"), {
            let (root, out) = (&root, &out);
            Box::new(move || {
                let _ = fs::rename(root.join("above"), root.join("aside"));
                let _ = symlink(out, root.join("above"));
                let _ = fs::remove_file(root.join("above"));
                let _ = fs::rename(root.join("aside"), root.join("above"));
            })
        }),
    ];
    fs::create_dir(root.join("above")).unwrap();
    fs::write(root.join("above/file"), GOOD).unwrap();
    fs::write(root.join("victim"), GOOD).unwrap();
    for beneath in both(&root) {
        let beneath = Arc::new(beneath);
        for (what, path, swap) in &swaps {
            let done = AtomicBool::new(false);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while !done.load(Relaxed) {
                        swap();
                    }
                });
                let (mut good, mut refused) = (0, 0);
                let patience = std::time::Instant::now() + std::time::Duration::from_secs(20);
                // both have to be met, often enough to have met the moments in between as well
                while good.min(refused) < 200 && std::time::Instant::now() < patience {
                    match Reach::Beneath(Arc::clone(&beneath)).open(path, &OpenOptions::default()) {
                        Ok(file) => {
                            let text = file.copy(0..file.len());
                            // a reader that comes between writing and closing may see less, but never the secret
                            assert!(text.is_ok_and(|text| GOOD.starts_with(&text)), "{what}");
                            good += 1;
                        }
                        Err(_) => refused += 1,
                    }
                }
                done.store(true, Relaxed);
                assert!(good > 0 && refused > 0, "{what}: {good} opened, {refused} refused");
            });
        }
    }
}
