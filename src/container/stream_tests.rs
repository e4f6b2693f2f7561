//! Streams of every codec, whole, cut, repeated and followed by other bytes.

use crate::rule::container as rules;
use crate::rule::format::OVER_BUDGET;
use crate::scan::{Scan, Settings};
use crate::source::View;
use crate::testing::{Examined, examine};
use crate::{Limits, Verdict, rule};
use flate2::Compression;
use std::io::{Read, Write};

const TEXT: &[u8] = b"{\"hidden_size\": 64, \"layers\": [1, 2, 3, 4, 5, 6, 7, 8, 9]}\n";
const PROGRAM: &[u8] = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0";

fn read(mut from: impl Read) -> Vec<u8> {
    let mut out = Vec::new();
    from.read_to_end(&mut out).unwrap();
    out
}

fn gzip(body: &[u8]) -> Vec<u8> {
    read(flate2::read::GzEncoder::new(body, Compression::best()))
}

fn zlib(body: &[u8]) -> Vec<u8> {
    read(flate2::read::ZlibEncoder::new(body, Compression::best()))
}

fn bzip2(body: &[u8]) -> Vec<u8> {
    read(::bzip2::read::BzEncoder::new(body, ::bzip2::Compression::best()))
}

fn lz4(body: &[u8]) -> Vec<u8> {
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn zstd(body: &[u8]) -> Vec<u8> {
    // one raw block: enough to be a frame, and needs no encoder
    let mut out = b"\x28\xb5\x2f\xfd\x20".to_vec();
    out.push(body.len() as u8);
    out.extend(&(((body.len() as u32) << 3) | 1).to_le_bytes()[..3]);
    out.extend(body);
    out
}

type Codec = (&'static str, fn(&[u8]) -> Vec<u8>);
const CODECS: &[Codec] = &[("gzip", gzip), ("zlib", zlib), ("bzip2", bzip2), ("lz4", lz4), ("zstd", zstd)];

#[test]
fn what_is_inside_is_examined() {
    for (name, pack) in CODECS {
        let found = examine(&pack(TEXT), "config.json");
        assert_eq!((found.identity.format, found.verdict()), (*name, Verdict::Ok), "{:#?}", found.findings);
        let found = examine(&pack(PROGRAM), "tool");
        assert!(found.has(&rule::format::NATIVE_CODE), "{name}: {:#?}", found.findings);
        assert_eq!(found.findings[0].member.as_deref(), Some(*name));
    }
}

#[test]
fn a_cut_stream_is_not_proven_and_what_came_out_is_examined() {
    for (name, pack) in CODECS {
        let body = [PROGRAM, &[7; 40]].concat();
        let whole = pack(&body);
        let found = examine(&whole[..whole.len() - 3], "tool");
        assert_ne!(found.verdict(), Verdict::Ok, "{name}");
        assert!(found.has(&rules::STREAM_BROKEN), "{name}: {:#?}", found.findings);
    }
}

#[test]
fn a_second_stream_continues_the_first() {
    for (name, pack) in CODECS.iter().filter(|(name, _)| *name != "zlib") {
        let two = [pack(&PROGRAM[..4]), pack(&PROGRAM[4..])].concat();
        let found = examine(&two, "tool");
        assert!(found.has(&rule::format::NATIVE_CODE), "{name}: {:#?}", found.findings);
        assert!(!found.has(&rules::STREAM_TRAILING), "{name}");
    }
}

#[test]
fn bytes_after_a_stream_are_a_finding_and_are_examined() {
    for (name, pack) in CODECS {
        let found = examine(&[&pack(TEXT), PROGRAM].concat(), "config.json");
        assert!(found.has(&rules::STREAM_TRAILING), "{name}: {:#?}", found.findings);
        assert!(found.has(&rule::format::NATIVE_CODE), "{name}: {:#?}", found.findings);
    }
    // gzip files may be padded with zeros
    let padded = examine(&[gzip(TEXT), vec![0; 100]].concat(), "config.json");
    assert_eq!(padded.verdict(), Verdict::Ok, "{:#?}", padded.findings);
}

#[test]
fn joblibs_first_format_is_read() {
    let body = zlib(TEXT);
    let mut file = format!("ZF{:<19}", format!("{:#x}", TEXT.len())).into_bytes();
    file.extend(body);
    let found = examine(&file, "old.joblib");
    assert_eq!(found.identity.format, "joblib-zfile", "{:#?}", found.findings);
    assert!(!found.has(&rules::STREAM_BROKEN), "{:#?}", found.findings);
}

fn limited(bytes: &[u8], limits: Limits) -> Examined {
    let settings = Settings { limits, ..Settings::default() };
    let mut scan = Scan::new(&settings);
    let identity = crate::format::examine(&View::new(&bytes), "x", &mut scan);
    let capabilities = std::mem::take(&mut scan.capabilities);
    Examined { identity, findings: scan.finish().0, capabilities }
}

#[test]
fn bombs_stop_at_a_named_limit() {
    let bomb = gzip(&vec![0; 32 << 20]);
    for (limits, name) in [
        (Limits { max_ratio: 100, ..Limits::default() }, "max_ratio"),
        (Limits { max_decompressed_bytes: 1 << 20, ..Limits::default() }, "max_decompressed_bytes"),
        (Limits { max_header_bytes: 1 << 20, ..Limits::default() }, "max_header_bytes"),
    ] {
        let found = limited(&bomb, limits);
        assert!(
            found.findings.iter().any(|f| f.rule == &OVER_BUDGET && f.message.contains(name)),
            "{:#?}",
            found.findings
        );
        assert_eq!(found.verdict(), Verdict::Unknown);
    }
    let mut nested = TEXT.to_vec();
    for _ in 0..12 {
        nested = gzip(&nested);
    }
    let found = limited(&nested, Limits::default());
    assert!(found.findings.iter().any(|f| f.message.contains("max_depth")), "{:#?}", found.findings);
}

#[test]
fn damage_never_panics() {
    for (_, pack) in CODECS {
        let whole = pack(TEXT);
        for at in 0..whole.len() {
            for flip in [1, 0x80, 0xff] {
                let mut mutant = whole.clone();
                mutant[at] ^= flip;
                examine(&mutant, "x");
            }
        }
    }
}
