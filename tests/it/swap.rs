//! Somebody else writes to the files all the time: a second process that rewrites, truncates, replaces and links them anew,
//! and writes through a mapping that it opened, and dirtied, before anybody looked. What is handed out is what was proven,
//! or there is an error, and no signal kills this process.

use mverify::digest::{Algorithm, Hasher};
use mverify::loader::{LoadError, Mode, Options};
use mverify::{Error, Verifier};
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Swaps the file under `argv[1]` between two contents that lie beside it, until it is killed. One part of the moves keeps
/// the file whole for a moment, so that some loads succeed.
const ATTACKER: &str = r#"
import mmap, os, random, sys, time
path = sys.argv[1]
good = open(path + ".good", "rb").read(); evil = open(path + ".evil", "rb").read()
random.seed(7)
mapped_file = open(path, "r+b"); mapped = mmap.mmap(mapped_file.fileno(), len(good)); mapped[:] = good
os.link(path, path + ".kept")
def rewrite():
    with open(path, "r+b") as f: f.write(random.choice((good, evil)))
def truncate():
    with open(path, "r+b") as f:
        f.truncate(random.choice((0, 9, 5000, len(good) // 2))); time.sleep(0.0005); f.write(random.choice((good, evil)))
def replace():
    with open(path + ".new", "wb") as f: f.write(random.choice((good, evil)))
    os.replace(path + ".new", path)
def relink():
    os.symlink(path + random.choice((".good", ".evil")), path + ".new"); os.replace(path + ".new", path)
    time.sleep(0.001); replace()
def through_mapping():
    os.link(path + ".kept", path + ".new"); os.replace(path + ".new", path)
    if os.path.lexists(path + ".new"): os.unlink(path + ".new") # it was in place already
    for _ in range(20):
        at = random.randrange(0, len(good) - 4096); mapped[at:at + 4096] = random.choice((good, evil))[at:at + 4096]
    mapped[:] = random.choice((good, evil)); time.sleep(0.001)
def rest():
    replace(); time.sleep(0.004)
print("ready", flush=True)
while True: random.choice((rewrite, truncate, replace, relink, through_mapping, rest))()
"#;

/// Ends the attacker with the test, however that ends.
struct Attacker(Child);

impl Attacker {
    fn start(path: &Path) -> Option<Attacker> {
        let mut child = Command::new("python3").args(["-c", ATTACKER]).arg(path).stdout(Stdio::piped()).spawn().ok()?;
        child.stdout.as_mut()?.read_exact(&mut [0; 5]).ok()?;
        Some(Attacker(child))
    }
    /// False if it died, which would make the test mean nothing.
    fn lives(&mut self) -> bool {
        self.0.try_wait().is_ok_and(|ended| ended.is_none())
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn safetensors(fill: u8) -> Vec<u8> {
    let elements = 60_000;
    let header = format!(r#"{{"w":{{"dtype":"U8","shape":[{elements}],"data_offsets":[0,{elements}]}}}}"#);
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + elements, fill);
    bytes
}

fn sha256(bytes: &[u8]) -> Option<mverify::digest::Digest> {
    let mut hasher = Hasher::new(&[Algorithm::Sha256], None).unwrap();
    hasher.update(bytes);
    hasher.finish().get(Algorithm::Sha256)
}

fn model(directory: &Path) -> (std::path::PathBuf, Vec<u8>) {
    let path = directory.join("model.safetensors");
    let (good, evil) = (safetensors(1), safetensors(2));
    fs::write(&path, &good).unwrap();
    fs::write(directory.join("model.safetensors.good"), &good).unwrap();
    fs::write(directory.join("model.safetensors.evil"), evil).unwrap();
    (path, good)
}

#[test]
fn what_is_handed_out_is_what_was_proven_whoever_writes_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let (path, good) = model(directory.path());
    let Some(mut attacker) = Attacker::start(&path) else {
        eprintln!("skipped: no python3");
        return;
    };
    let pinned = Verifier::builder().discover(false).sha256(sha256(&good).unwrap()).build().unwrap();
    let anything = Verifier::builder().discover(false).build().unwrap();
    let began = Instant::now();
    let (mut rounds, mut handed_out, mut refused, mut fooled) = (0, 0, 0, 0);
    let enough = |handed_out, refused, fooled| handed_out >= 20 && refused >= 20 && fooled > 0;
    while rounds < 2000 || (!enough(handed_out, refused, fooled) && began.elapsed() < Duration::from_secs(60)) {
        rounds += 1;
        // who checks a path, and loads it afterwards, is fooled
        if rounds % 4 == 0 && pinned.verify_path(&path).ok() {
            fooled += i32::from(fs::read(&path).is_ok_and(|bytes| bytes != good));
        }
        let mode = [Mode::Sealed, Mode::Private, Mode::Lease][rounds % 3];
        let verifier = if rounds % 2 == 0 { &pinned } else { &anything };
        let options = Options::new(mode).directory(directory.path());
        let mut file = match verifier.open_verified(&path, &options) {
            Ok(file) => file,
            Err(LoadError::Rejected(_) | LoadError::NotProven(_)) => {
                refused += 1;
                continue;
            }
            Err(LoadError::Error(Error::Changed { .. } | Error::Io { .. })) => {
                refused += 1;
                continue;
            }
            // the attacker has it open for writing
            Err(LoadError::Unavailable { mode: Mode::Lease, .. }) => continue,
            Err(other) => panic!("{mode}: {other}"),
        };
        let proven = file.artifact().unwrap().digests.get(Algorithm::Sha256);
        for _ in 0..2 {
            let by_path = fs::read(file.path());
            let mut read = Vec::new();
            let read = std::io::Seek::rewind(&mut file).and_then(|()| file.read_to_end(&mut read)).map(|_| read);
            let bytes = file.as_bytes().map(<[u8]>::to_vec);
            // with a lease, what was read counts if the lease still stands
            if file.settle().is_err() {
                assert_eq!(mode, Mode::Lease);
                refused += 1;
                break;
            }
            for bytes in [by_path, read, bytes] {
                let bytes = bytes.unwrap();
                assert_eq!(sha256(&bytes), proven, "{mode}, round {rounds}");
                assert!(rounds % 2 == 1 || bytes == good);
            }
            handed_out += 1;
        }
    }
    assert!(attacker.lives());
    let told = format!("{rounds} rounds: {handed_out} handed out, {refused} refused, {fooled} fooled");
    assert!(enough(handed_out, refused, fooled), "{told}");
    println!("{told}");
}

#[test]
fn a_snapshot_holds_what_was_proven_whoever_writes_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let model_directory = directory.path().join("model");
    fs::create_dir(&model_directory).unwrap();
    let (path, _) = model(&model_directory);
    fs::write(model_directory.join("config.json"), "{}").unwrap();
    let Some(mut attacker) = Attacker::start(&path) else {
        eprintln!("skipped: no python3");
        return;
    };
    let verifier = Verifier::builder().discover(false).build().unwrap();
    let began = Instant::now();
    let (mut rounds, mut handed_out) = (0, 0);
    while rounds < 200 || (handed_out < 5 && began.elapsed() < Duration::from_secs(60)) {
        rounds += 1;
        let mode = [Mode::Sealed, Mode::Private][rounds % 2];
        let options = Options::new(mode).directory(directory.path());
        let Ok(snapshot) = verifier.snapshot(&model_directory, &options) else { continue };
        for artifact in &snapshot.report().artifacts {
            let copy = snapshot.path().join(artifact.path.strip_prefix(&model_directory).unwrap());
            assert_eq!(sha256(&fs::read(copy).unwrap()), artifact.digests.get(Algorithm::Sha256), "{mode}");
        }
        handed_out += 1;
    }
    assert!(attacker.lives());
    assert!(handed_out >= 5, "{rounds} rounds: {handed_out} handed out");
}
