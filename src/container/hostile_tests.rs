//! One test per rule about zip archives, each with the smallest archive that breaks it.

use super::craft::{Made, Tail, both, deflated, stored, zip, zip_with};
use crate::rule::Rule;
use crate::rule::container as rules;
use crate::testing::{Examined, examine};
use crate::{Verdict, rule};
use proptest::prelude::*;

fn pair() -> Vec<Made> {
    vec![stored("readme.txt", b"plain text, long enough to be text\n"), stored("b/config.json", b"{\"a\": 1}\n")]
}

/// Examines the usual two members after `change`.
fn with(change: impl Fn(&mut Vec<Made>)) -> Examined {
    let mut members = pair();
    change(&mut members);
    examine(&zip(&members), "x.zip")
}

fn first(change: impl Fn(&mut Made)) -> Examined {
    with(|members| change(&mut members[0]))
}

#[track_caller]
fn expect(found: &Examined, rule: &Rule) {
    assert!(found.has(rule), "{}: {:#?}", rule.id, found.findings);
    assert_ne!(found.verdict(), Verdict::Ok);
}

#[track_caller]
fn fine(found: &Examined) {
    assert_eq!(found.verdict(), Verdict::Ok, "{:#?}", found.findings);
    assert!(!found.findings.iter().any(|f| rules::ALL.contains(&f.rule)), "{:#?}", found.findings);
}

#[test]
fn honest_archives_pass() {
    fine(&with(|_| {}));
    fine(&with(|m| m[0] = deflated("readme.txt", b"text text text text text text\n")));
    fine(&with(|m| m.push(stored("folder/", b""))));
    // times and owners, which differ in length between the two headers
    fine(&first(|m| {
        m.local.extra = b"UT\x09\0\x03\x01\x02\x03\x04\x05\x06\x07\x08".to_vec();
        m.central.extra = b"UT\x05\0\x03\x01\x02\x03\x04".to_vec();
    }));
    // Python's zipfile with a known size writes zip64 sizes into the local header only
    fine(&first(|m| {
        let mut extra = b"\x01\0\x10\0".to_vec();
        extra.extend(u64::from(m.local.size).to_le_bytes());
        extra.extend(u64::from(m.local.size).to_le_bytes());
        (m.local.extra, m.local.version) = (extra, 45);
        (m.local.size, m.local.compressed) = (u32::MAX, u32::MAX);
    }));
    fine(&examine(&zip_with(&pair(), &Tail { comment: b"made by hand".to_vec(), ..Tail::default() }), "x.zip"));
    // names that differ in case are two files for everybody but torch
    fine(&with(|m| m.push(stored("README.txt", b"another text\n"))));
}

#[test]
fn data_descriptors_of_every_kind_pass() {
    for (signed, wide) in [(true, false), (true, true), (false, false), (false, true)] {
        fine(&first(|m| {
            let (crc, size) = (m.local.crc, m.local.size);
            both(m, |h| h.flags = 8);
            (m.local.crc, m.local.size, m.local.compressed) = (0, 0, 0);
            let mut d = if signed { b"PK\x07\x08".to_vec() } else { Vec::new() };
            d.extend(crc.to_le_bytes());
            for _ in 0..2 {
                if wide { d.extend(u64::from(size).to_le_bytes()) } else { d.extend(size.to_le_bytes()) }
            }
            m.descriptor = d;
        }));
    }
}

#[test]
fn headers_that_disagree_are_ambiguous() {
    type Lie = fn(&mut Made);
    let lies: &[(&str, Lie)] = &[
        ("name", |m| m.local.name = b"readme.TXT".to_vec()),
        ("method", |m| m.local.method = 8),
        ("flags", |m| m.local.flags = 1),
        ("checksum", |m| m.local.crc ^= 1),
        ("size", |m| m.local.size += 1),
        ("compressed size", |m| m.local.compressed -= 1),
        ("version", |m| m.central.version = 99),
        ("local version", |m| m.local.version = 99),
        ("disk", |m| m.disk = 1),
        ("missing local header", |m| m.offset = Some(3)),
        ("stored with two sizes", |m| both(m, |h| h.size += 1)),
        ("directory by attribute", |m| m.external = 0x10),
        ("directory by mode", |m| (m.made_by, m.external) = (3 << 8, 0x4000 << 16)),
        ("directory with content", |m| both(m, |h| h.name = b"readme.txt/".to_vec())),
        ("descriptor", |m| (m.local.flags, m.central.flags) = (8, 8)),
        ("extra fields", |m| m.central.extra = b"\x01\0\xff\0".to_vec()),
        ("unicode path", |m| m.central.extra = b"up\x06\0\x01\0\0\0\0x".to_vec()),
    ];
    for (what, lie) in lies {
        let found = first(lie);
        assert!(found.has(&rules::ZIP_AMBIGUOUS), "{what}: {:#?}", found.findings);
        assert_eq!(found.verdict(), Verdict::Bad, "{what}");
    }
}

#[test]
fn ends_that_lie_are_ambiguous() {
    let mut nested = zip(&[stored("a", b"text\n")]);
    nested.insert(0, b'x');
    let tails = [
        Tail { entries: Some(1), ..Tail::default() },
        Tail { entries: Some(3), ..Tail::default() },
        Tail { directory: Some(4), ..Tail::default() },
        Tail { disk: 1, ..Tail::default() },
        Tail { comment: nested, ..Tail::default() },
    ];
    for tail in tails {
        let found = examine(&zip_with(&pair(), &tail), "x.zip");
        expect(&found, &rules::ZIP_AMBIGUOUS);
        assert_eq!(found.verdict(), Verdict::Bad, "{tail:?}");
    }
}

#[test]
fn bytes_that_belong_to_nothing_are_found() {
    expect(&first(|m| m.before = b"junk".to_vec()), &rules::ZIP_HIDDEN);
    expect(&with(|m| m[1].before = b"junk".to_vec()), &rules::ZIP_HIDDEN);
    for tail in [
        Tail { before_directory: b"junk".to_vec(), ..Tail::default() },
        Tail { after: b"junk".to_vec(), ..Tail::default() },
    ] {
        expect(&examine(&zip_with(&pair(), &tail), "x.zip"), &rules::ZIP_HIDDEN);
    }
}

#[test]
fn an_archive_behind_other_content_is_found() {
    for before in [&b"text\n"[..], b"\x80\x02}.", b"\x93NUMPY\x01\0", &[0; 600]] {
        let mut bytes = before.to_vec();
        bytes.extend(zip(&[stored("tool", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0")]));
        let found = examine(&bytes, "x.bin");
        assert_eq!(found.verdict(), Verdict::Bad, "{before:?}: {:#?}", found.findings);
        assert!(found.has(&rule::format::NATIVE_CODE), "{:#?}", found.findings);
    }
}

#[test]
fn a_member_that_the_directory_forgot_is_examined() {
    // a program where the directory knows nothing
    let hidden = zip(&[stored("tool", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0")]);
    let local = hidden[..hidden.len() - 22 - 46 - 4].to_vec();
    let found = with(|m| m[1].before = local.clone());
    expect(&found, &rules::ZIP_HIDDEN);
    assert!(found.findings.iter().any(|f| f.member.as_deref() == Some("tool")), "{:#?}", found.findings);
}

#[test]
fn every_duplicate_is_examined() {
    let found = with(|m| m.push(stored("readme.txt", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0")));
    expect(&found, &rules::ZIP_TWINS);
    assert!(found.has(&rule::format::NATIVE_CODE));
}

#[test]
fn checksums_are_compared_stored_and_deflated() {
    expect(&first(|m| both(m, |h| h.crc ^= 1)), &rules::ZIP_CHECKSUM);
    let mut wrong = deflated("a.txt", b"text text text text text text\n");
    both(&mut wrong, |h| h.crc ^= 1);
    expect(&with(|m| m.push(wrong.clone())), &rules::ZIP_CHECKSUM);
}

#[test]
fn deflate_streams_must_be_whole_and_as_long_as_stated() {
    let good = deflated("a.txt", b"text text text text text text text text\n");
    let changes: &[fn(&mut Made)] = &[
        |m| both(m, |h| h.size -= 1),
        |m| both(m, |h| h.size += 1),
        |m| {
            m.body.push(0);
            both(m, |h| h.compressed += 1);
        },
        |m| {
            m.body.truncate(4);
            both(m, |h| h.compressed = 4);
        },
        |m| m.body[0] = 7,
    ];
    for (i, change) in changes.iter().enumerate() {
        let mut member = good.clone();
        change(&mut member);
        let found = with(|m| m.push(member.clone()));
        assert!(found.has(&rules::ZIP_CHECKSUM), "{i}: {:#?}", found.findings);
    }
}

#[test]
fn unsafe_names_and_links_are_found() {
    for name in ["../x.txt", "/x.txt", "a\\x.txt", "a\0.txt", "C:x.txt"] {
        expect(&first(|m| both(m, |h| h.name = name.as_bytes().to_vec())), &rules::MEMBER_NAME);
    }
    let link = |name: &str, target: &str| {
        let mut link = stored(name, target.as_bytes());
        (link.made_by, link.external) = (3 << 8, 0xa1ff << 16);
        with(|m| m.push(link.clone()))
    };
    expect(&link("link", "/etc/passwd"), &rules::MEMBER_LINK);
    expect(&link("a/link", "../../x"), &rules::MEMBER_LINK);
    assert!(!link("a/link", "../readme.txt").has(&rules::MEMBER_LINK));
}

#[test]
fn encrypted_members_are_not_proven_and_lies_about_it_are_bad() {
    // random bytes: really encrypted
    let found = first(|m| {
        both(m, |h| (h.flags, h.crc) = (1, h.crc ^ 0x5555));
        m.body.iter_mut().enumerate().for_each(|(i, b)| *b = (i * 167 + 13) as u8);
    });
    expect(&found, &rules::ZIP_UNREAD);
    assert_eq!(found.verdict(), Verdict::Unknown, "{:#?}", found.findings);
    // the flag is set and the content is plain: picklescan was bypassed so (CVE-2025-1945)
    for flag in [1, 0x20, 0x40, 0x2000] {
        let found = first(|m| both(m, |h| h.flags = flag));
        expect(&found, &rules::ZIP_AMBIGUOUS);
        assert_eq!(found.verdict(), Verdict::Bad);
    }
    expect(&first(|m| both(m, |h| h.method = 99)), &rules::ZIP_UNREAD);
}

#[test]
fn cut_and_empty_archives_are_not_proven() {
    let whole = zip(&pair());
    let found = examine(&whole[..whole.len() - 30], "x.zip");
    expect(&found, &rules::ZIP_TRUNCATED);
    assert_eq!(found.verdict(), Verdict::Unknown);
    expect(&examine(&zip(&[]), "x.zip"), &rules::ZIP_EMPTY);
}

#[test]
fn a_chain_of_archives_is_unknown_and_each_is_examined() {
    let mut bytes = zip(&pair());
    bytes.extend(zip(&[stored("tool", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0")]));
    let found = examine(&bytes, "x.distcp");
    expect(&found, &rules::ZIP_CHAIN);
    assert_eq!(found.verdict(), Verdict::Unknown);
    assert!(found.has(&rule::format::NATIVE_CODE));
}

#[test]
fn overlapping_bombs_are_caught_without_inflating_each() {
    // many members of one and the same deflated block
    let mut bomb = vec![deflated("0", &vec![b'a'; 4 << 20])];
    for i in 1..5_000 {
        let mut again = bomb[0].clone();
        again.central.name = i.to_string().into_bytes();
        (again.offset, again.body) = (Some(0), Vec::new());
        bomb.push(again);
    }
    // only the directory repeats: local headers of the copies are left out
    let one = zip(&bomb[..1]);
    let all = zip(&bomb);
    let directory = &all[all.len() - 22 - bomb.iter().map(|m| 46 + m.central.name.len()).sum::<usize>()..];
    let mut bytes = one[..one.len() - 22 - 47].to_vec();
    let at = bytes.len() as u32;
    bytes.extend(directory);
    let end = bytes.len();
    bytes[end - 6..end - 2].copy_from_slice(&at.to_le_bytes());
    let started = std::time::Instant::now();
    let found = examine(&bytes, "bomb.zip");
    expect(&found, &rules::ZIP_AMBIGUOUS);
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn damage_never_panics_and_a_zip_with_a_second_reading_never_passes(
        at in 0usize..400, value in any::<u8>(), cut in 0usize..400
    ) {
        let mut bytes = zip(&[deflated("a/data.txt", b"text text text text"), stored("b", b"more text\n")]);
        let at = at % bytes.len();
        bytes[at] = value;
        let _ = examine(&bytes, "x.zip");
        let cut = cut % bytes.len();
        let _ = examine(&bytes[..cut], "x.zip");
        let _ = examine(&bytes[cut..], "x.zip");
    }
}
