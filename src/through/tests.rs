use super::*;
use crate::budget::Limits;
use std::io::Write;

fn run(bytes: &[u8], names: &[&str], limits: Limits) -> (Result<Found, Failure>, Vec<Member>) {
    let mut members = Vec::new();
    let mut budget = Budget::new(limits);
    let layers = Layers::parse(names).unwrap();
    let found = through(&bytes, layers, &[Algorithm::Sha256, Algorithm::Blake3], &mut budget, &mut |member| {
        members.push(member);
        Ok(())
    });
    (found, members)
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(bytes))
}

fn of(digests: &Digests) -> String {
    digests.get(Algorithm::Sha256).unwrap().to_string()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A tar archive: each member's header is all right, and says what it is told.
fn tar(members: &[(&str, u8, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, kind, content) in members {
        let mut header = [0; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        header[156] = *kind;
        if *kind == b'2' {
            header[157..160].copy_from_slice(b"a/b");
        }
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
        out.extend(header);
        out.extend(*content);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

#[test]
fn every_layer_is_hashed_in_one_read() {
    let weights: Vec<u8> = (0..300_000u32).flat_map(|i| (i / 7).to_le_bytes()).collect();
    let archive =
        tar(&[("m/", b'5', b""), ("m/weights.bin", b'0', &weights), ("m/empty", b'0', b""), ("m/a", 0, b"abc")]);
    let packed = gzip(&archive);
    let (found, members) = run(&packed, &["gzip", "tar"], Limits::default());
    let found = found.unwrap();
    let (size, inner) = found.inner.unwrap();
    assert_eq!((of(&found.stored), of(&inner), size), (sha256(&packed), sha256(&archive), archive.len() as u64));
    assert_eq!(found.problems, Vec::<String>::new());
    let said: Vec<_> = members.iter().map(|m| (m.name.as_slice(), m.size, of(&m.digests))).collect();
    let expected: [(&[u8], &[u8]); 3] = [(b"m/weights.bin", &weights), (b"m/empty", b""), (b"m/a", b"abc")];
    assert_eq!(said, expected.map(|(name, content)| (name, content.len() as u64, sha256(content))));
    let (found, plain) = run(&archive, &["tar"], Limits::default());
    let found = found.unwrap();
    assert_eq!((of(&found.stored), found.inner, plain), (sha256(&archive), None, members));
}

#[test]
fn streams_one_after_another_continue() {
    let packed = [gzip(b"hello "), gzip(b"world")].concat();
    let (found, _) = run(&packed, &["gzip"], Limits::default());
    assert_eq!(of(&found.unwrap().inner.unwrap().1), sha256(b"hello world"));
}

#[test]
fn what_is_cut_off_or_followed_gives_no_digests() {
    let packed = gzip(&tar(&[("a", b'0', &[7; 5000])]));
    for (bytes, names) in [
        (packed[..packed.len() - 9].to_vec(), &["gzip"][..]),
        ([packed.as_slice(), b"more"].concat(), &["gzip"]),
        (packed.clone(), &["xz"]),
        (packed.clone(), &["zstd"]),
        (b"plain".to_vec(), &["gzip"]),
        (gzip(&tar(&[("a", b'0', b"x")])[..1024]), &["gzip", "tar"]),
        (gzip(&[&tar(&[("a", b'0', b"x")])[..], &tar(&[("b", b'0', b"x")])].concat()), &["gzip", "tar"]),
        (gzip(b"plain"), &["gzip", "tar"]),
        (gzip(&tar(&[("a", b'2', b"content")])), &["gzip", "tar"]),
    ] {
        let (found, _) = run(&bytes, names, Limits::default());
        assert!(matches!(found, Err(Failure::Broken { .. })), "{names:?}: {found:?}");
    }
}

#[test]
fn what_two_readers_unpack_differently_is_a_problem() {
    for (members, why) in [
        (&[("a", b'0', &b"x"[..]), ("./a", b'0', b"y")][..], "twice"),
        (&[("../a", b'0', b"x")], "unsafe"),
        (&[("/a", b'0', b"x")], "unsafe"),
        (&[("c", b'2', b"")], "link"),
        (&[("c", b'3', b"")], "kind"),
    ] {
        let (found, _) = run(&tar(members), &["tar"], Limits::default());
        let problems = found.unwrap().problems;
        assert!(problems.len() == 1 && problems[0].contains(why), "{problems:?}");
    }
}

#[test]
fn bombs_end_at_the_limits() {
    let bomb = gzip(&vec![0; 64 << 20]);
    let limit = |limits: Limits, names: &[&str], bytes: &[u8]| match run(bytes, names, limits).0 {
        Err(Failure::Limit { limit }) => limit,
        other => panic!("{other:?}"),
    };
    let d = Limits::default();
    assert_eq!(limit(Limits { max_ratio: 100, ..d.clone() }, &["gzip"], &bomb), "max_ratio");
    assert_eq!(
        limit(Limits { max_decompressed_bytes: 1 << 20, ..d.clone() }, &["gzip"], &bomb),
        "max_decompressed_bytes"
    );
    let many = tar(&[("a", b'0', b""), ("b", b'0', b""), ("c", b'0', b"")]);
    assert_eq!(limit(Limits { max_entries: 2, ..d }, &["tar"], &many), "max_entries");
}

#[test]
fn layers_have_names_and_files_lose_their_suffix() {
    for wrong in [&[][..], &["rar"], &["tar", "gzip"], &["gzip", "zstd"], &["gzip", "tar", "tar"]] {
        assert!(Layers::parse(wrong).is_err(), "{wrong:?}");
    }
    let inner = |layer: &str, name: &str| {
        let name = Layers::parse(&[layer]).unwrap().inner_name(name.as_bytes());
        name.map(|name| String::from_utf8(name).unwrap())
    };
    assert_eq!(inner("zstd", "m/weights.pt.zst").as_deref(), Some("m/weights.pt"));
    assert_eq!(inner("gzip", "r.tgz").as_deref(), Some("r.tar"));
    assert_eq!(inner("zstd", "w.mst").as_deref(), Some("w.mst!zstd"));
    assert_eq!(inner("gzip", "m/.gz").as_deref(), Some("m/.gz!gzip"));
    assert_eq!(inner("tar", "r.tar"), None);
}
