use super::*;
use crate::digest::Digest as Printed;
use std::process::Command;

fn hex(bytes: &[u8]) -> String {
    Printed::new(bytes).unwrap().to_string()
}

/// What repeats in no block.
fn bytes(len: usize) -> Vec<u8> {
    (0..len as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn computed(algorithm: u16, blocks: &Blocks, bytes: &[u8]) -> String {
    match algorithm {
        SHA_256 => hex(&digest::<Sha256>(algorithm, blocks, &bytes, &()).unwrap()),
        _ => hex(&digest::<Sha512>(algorithm, blocks, &bytes, &()).unwrap()),
    }
}

#[test]
fn known_digests() {
    // by `fsverity digest` of fsverity-utils 1.5
    for (len, expected) in [
        (0, "3d248ca542a24fc62d1c43b916eae5016878e2533c88238480b26128a1f1af95"),
        (1, "bce75948b9e7510293f8f2720412af9697c1479281323f3f220623fb8e94b557"),
        (4095, "cff490d058f9ad59d0ced3c2dcc9d7b0e6683a88c3d4fc88ce8d222ddaebb912"),
        (4096, "a2a808ddaced77f0b6b3068f47b14b5a1fb3fc43674993ab11b8e7e6f2d089e2"),
        (4097, "18b155c0b6e054f3f7d22488ed15340e74dc161ce2d123e13eb685c3ce565f70"),
    ] {
        assert_eq!(computed(SHA_256, &Blocks::default(), &vec![b'a'; len]), expected, "{len}");
    }
}

#[test]
#[allow(clippy::print_stderr)] // a skipped test says why
fn digests_are_those_of_fsverity() {
    if Command::new("fsverity").arg("--version").output().is_err() {
        eprintln!("skipped: no fsverity here (Debian: fsverity)");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let (hashes, small) = (4096 / 32, 1024 / 64);
    for (algorithm, log_size, salt, lengths) in [
        (SHA_256, 12, "", &[4096 * hashes - 1, 4096 * hashes, 4096 * hashes + 1, 3 << 20][..]),
        (SHA_256, 10, "00ff10", &[0, 1024 * 32 * 32, 1024 * 32 * 32 + 1]),
        (SHA_256, 16, "", &[1 << 20, (1 << 20) + 7]),
        (SHA_512, 12, "0102030405060708", &[0, 5, 4096 * 64, 4096 * 64 + 1]),
        (SHA_512, 10, &"ab".repeat(32), &[1024 * small * small, 1024 * small * small * small + 1]),
    ] {
        let blocks = Blocks { log_size, salt: unhex(salt) };
        for &len in lengths {
            let bytes = bytes(len);
            std::fs::write(&path, &bytes).unwrap();
            let name = if algorithm == SHA_256 { "sha256" } else { "sha512" };
            let mut command = Command::new("fsverity");
            command.arg("digest").arg(&path).args(["--compact", "--hash-alg", name]);
            command.arg(format!("--block-size={}", blocks.size()));
            command.args((!salt.is_empty()).then(|| format!("--salt={salt}")));
            let told = command.output().unwrap();
            assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
            let told = String::from_utf8(told.stdout).unwrap();
            assert_eq!(told.trim(), computed(algorithm, &blocks, &bytes), "{name} {len} {blocks:?}");
        }
    }
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[test]
fn other_bytes_are_not_what_was_measured() {
    let good = bytes(10_000);
    let blocks = Blocks::default();
    let digest = digest::<Sha256>(SHA_256, &blocks, &good.as_slice(), &()).unwrap();
    let measured = Measured { algorithm: SHA_256, digest, blocks };
    assert!(measured.is_of(&good.as_slice(), &()).unwrap());
    for at in [0, 5000, 9999] {
        let mut evil = good.clone();
        evil[at] ^= 1;
        assert!(!measured.is_of(&evil.as_slice(), &()).unwrap());
    }
    assert!(!measured.is_of(&&good[..9999], &()).unwrap());
    let salted = Measured { blocks: Blocks { salt: vec![1], ..Blocks::default() }, ..measured };
    assert!(!salted.is_of(&good.as_slice(), &()).unwrap());
}

#[test]
#[cfg(target_os = "linux")]
fn descriptors_of_unknown_form_are_refused() {
    let mut descriptor = [0; kernel::DESCRIPTOR];
    descriptor[..4].copy_from_slice(&[1, 1, 12, 2]);
    descriptor[80..82].copy_from_slice(&[7, 8]);
    assert_eq!(Blocks::read(&descriptor), Some(Blocks { log_size: 12, salt: vec![7, 8] }));
    for (at, value) in [(0, 2), (2, 9), (2, 17), (3, 33)] {
        let mut odd = descriptor;
        odd[at] = value;
        assert_eq!(Blocks::read(&odd), None, "{at}: {value}");
    }
}

#[test]
fn where_it_is_not_enabled_nothing_is_measured() {
    let file = tempfile::tempfile().unwrap();
    let why = Measured::of(&file).unwrap_err();
    assert!(why.contains("fs-verity"), "{why}");
}
