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

/// A compressed copy by each codec that has a checksum over the content.
fn packed(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(bytes).unwrap();
    let info = lz4_flex::frame::FrameInfo::new().content_checksum(true);
    let mut lz4 = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
    lz4.write_all(bytes).unwrap();
    let zstd = ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest);
    let mut all =
        vec![("gzip", gzip(bytes)), ("bzip2", bzip2.finish().unwrap()), ("lz4", lz4.finish().unwrap()), ("zstd", zstd)];
    all.extend(xz(bytes).map(|packed| ("xz", packed)));
    all
}

/// What the system's `xz` writes; no crate here has an encoder.
#[allow(clippy::print_stderr)] // a skipped test says why
fn xz(bytes: &[u8]) -> Option<Vec<u8>> {
    use std::process::{Command, Stdio};
    let mut command = Command::new("xz");
    let Ok(mut child) = command.args(["-1", "-c"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() else {
        eprintln!("skipped: xz is not to be had here");
        return None;
    };
    let (mut input, bytes) = (child.stdin.take().unwrap(), bytes.to_vec());
    let writer = std::thread::spawn(move || input.write_all(&bytes));
    let packed = child.wait_with_output().unwrap().stdout;
    writer.join().unwrap().unwrap();
    Some(packed)
}

/// A tar archive: each member's header is all right, and says what it is told.
fn tar(members: &[(&str, u8, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, kind, content) in members {
        let mut header = [0; 512];
        header[257..265].copy_from_slice(b"ustar\x0000");
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
    let Found { stored, inside } = found.unwrap();
    let Inside { inner, problems } = inside.unwrap();
    let (size, inner) = inner.unwrap();
    assert_eq!((of(&stored), of(&inner), size), (sha256(&packed), sha256(&archive), archive.len() as u64));
    assert_eq!(problems, Vec::<String>::new());
    let said: Vec<_> = members.iter().map(|m| (m.name.as_slice(), m.size, of(&m.digests))).collect();
    let expected: [(&[u8], &[u8]); 3] = [(b"m/weights.bin", &weights), (b"m/empty", b""), (b"m/a", b"abc")];
    assert_eq!(said, expected.map(|(name, content)| (name, content.len() as u64, sha256(content))));
    let (found, plain) = run(&archive, &["tar"], Limits::default());
    let found = found.unwrap();
    assert_eq!((of(&found.stored), found.inside.unwrap().inner, plain), (sha256(&archive), None, members));
}

#[test]
fn streams_one_after_another_continue() {
    let packed = [gzip(b"hello "), gzip(b"world")].concat();
    let (found, _) = run(&packed, &["gzip"], Limits::default());
    assert_eq!(of(&found.unwrap().inside.unwrap().inner.unwrap().1), sha256(b"hello world"));
}

#[test]
fn a_stream_may_start_wherever_a_buffer_ends() {
    let find = |codec: &str, bytes: &[u8]| packed(bytes).into_iter().find(|(name, _)| *name == codec).unwrap().1;
    for end in BLOCK - 7..=BLOCK {
        // a name in the header of the first, as gzip keeps it
        let first = find("gzip", b"some ");
        let (head, body) = first.split_at(10);
        let name = [vec![b'n'; end - first.len() - 1], vec![0]].concat();
        let first = [&[0x1f, 0x8b, 8, 8], &head[4..], &name, body].concat();
        assert_eq!(first.len(), end);
        let gzip = [first, find("gzip", b"words")].concat();
        // a frame to be skipped behind the first
        let skipped = |codec: &str| {
            let first = find(codec, b"some ");
            let len = end - first.len() - 8;
            let skip = [&[0x50, 0x2a, 0x4d, 0x18], &(len as u32).to_le_bytes()[..], &vec![7; len]].concat();
            [first, skip, find(codec, b"words")].concat()
        };
        for (codec, packed) in [("gzip", gzip), ("zstd", skipped("zstd")), ("lz4", skipped("lz4"))] {
            let inner = run(&packed, &[codec], Limits::default()).0.unwrap().inside.unwrap().inner.unwrap();
            assert_eq!(of(&inner.1), sha256(b"some words"), "{codec}, {end}");
        }
    }
}

#[test]
fn no_change_of_a_byte_gives_other_content() {
    let content = b"some words, some words, and some more words of the same kind".repeat(3);
    for (codec, packed) in packed(&content) {
        let good = run(&packed, &[codec], Limits::default()).0.unwrap().inside.unwrap().inner;
        assert_eq!(of(&good.as_ref().unwrap().1), sha256(&content), "{codec}");
        for len in 1..packed.len() {
            let inside = run(&packed[..len], &[codec], Limits::default()).0.unwrap().inside;
            assert!(matches!(inside, Err(Failure::Broken { .. })), "{codec} cut after {len}: {inside:?}");
        }
        for at in 0..packed.len() * 8 {
            let mut other = packed.clone();
            other[at / 8] ^= 1 << (at % 8);
            if let Ok(inside) = run(&other, &[codec], Limits::default()).0.unwrap().inside {
                assert_eq!(inside.inner, good, "{codec}, bit {at}");
            }
        }
    }
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
        let found = run(&bytes, names, Limits::default()).0.unwrap();
        assert!(matches!(found.inside, Err(Failure::Broken { .. })), "{names:?}: {found:?}");
        assert_eq!(of(&found.stored), sha256(&bytes), "the stored bytes are hashed all the same");
    }
}

#[test]
fn what_two_readers_unpack_differently_is_a_problem() {
    for (members, why) in [
        (&[("a", b'0', &b"x"[..]), ("./a", b'0', b"y")][..], "twice"),
        (&[("../a", b'0', b"x")], "unsafe"),
        (&[("/a", b'0', b"x")], "unsafe"),
        (&[("a/b", b'0', b"x"), ("a/./b", b'0', b"y")], "twice"),
        (&[("a", b'0', b"x"), ("A", b'0', b"y")], "case"),
        (&[("a", b'0', b"x"), ("a/b", b'0', b"y")], "folder"),
        (&[("a/", b'0', b"x")], "has content"),
        (&[("c", b'2', b"")], "link"),
        (&[("c", b'3', b"")], "kind"),
    ] {
        let (found, _) = run(&tar(members), &["tar"], Limits::default());
        let problems = found.unwrap().inside.unwrap().problems;
        assert!(problems.len() == 1 && problems[0].contains(why), "{problems:?}");
    }
}

#[test]
fn names_that_readers_find_in_different_places_are_refused() {
    let pax = |record: &str| format!("{} {record}\n", record.len() + 4);
    let (path, other) = (pax("path=one"), pax("path=another"));
    let long = format!("{}\0", "n".repeat(5000));
    for headers in [
        &[("x", b'x', path.as_bytes()), ("L", b'L', b"two\0")][..],
        &[("L", b'L', b"two\0"), ("x", b'x', path.as_bytes())],
        &[("x", b'x', path.as_bytes()), ("x", b'x', other.as_bytes())],
        &[("g", b'g', other.as_bytes())],
        &[("L", b'L', long.as_bytes())],
    ] {
        let members = [headers, &[("a", b'0', b"content")]].concat();
        let found = run(&tar(&members), &["tar"], Limits::default()).0.unwrap();
        assert!(matches!(found.inside, Err(Failure::Broken { .. })), "{headers:?}: {found:?}");
    }
    let (found, members) =
        run(&tar(&[("x", b'x', path.as_bytes()), ("a", b'0', b"content")]), &["tar"], Limits::default());
    assert!(found.unwrap().inside.is_ok() && members[0].name == b"one");
    let found = run(&tar(&[("a", b'0', b"content"), ("x", b'x', path.as_bytes())]), &["tar"], Limits::default()).0;
    assert!(matches!(found.unwrap().inside, Err(Failure::Broken { .. })), "an extended header of no member");
}

#[test]
fn bombs_end_at_the_limits() {
    for (codec, bomb) in packed(&vec![0; 8 << 20]) {
        for (name, limits) in [
            ("max_ratio", Limits { max_ratio: 50, ..Limits::default() }),
            ("max_decompressed_bytes", Limits { max_decompressed_bytes: 1 << 20, ..Limits::default() }),
        ] {
            let found = run(&bomb, &[codec], limits).0.unwrap();
            assert!(matches!(found.inside, Err(Failure::Limit { limit }) if limit == name), "{codec}: {found:?}");
            assert_eq!(of(&found.stored), sha256(&bomb));
        }
    }
    let bomb = gzip(&vec![0; 64 << 20]);
    let limit = |limits: Limits, names: &[&str], bytes: &[u8]| match run(bytes, names, limits).0.unwrap().inside {
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
