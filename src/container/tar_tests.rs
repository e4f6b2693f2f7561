//! Tar archives, honest and hostile.

use crate::rule::Rule;
use crate::rule::{container as rules, torch};
use crate::testing::{Examined, examine};
use crate::{Verdict, rule};

const PROGRAM: &[u8] = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0";

fn header(name: &str, kind: u8, size: usize, link: &str) -> Vec<u8> {
    let mut h = vec![0u8; 512];
    h[..name.len()].copy_from_slice(name.as_bytes());
    h[100..107].copy_from_slice(b"0000644");
    h[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    h[148..156].fill(b' ');
    h[156] = kind;
    h[157..157 + link.len()].copy_from_slice(link.as_bytes());
    h[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = h.iter().map(|b| u32::from(*b)).sum();
    h[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    h
}

fn member(name: &str, kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = header(name, kind, body.len(), "");
    out.extend(body);
    out.resize(out.len().next_multiple_of(512), 0);
    out
}

fn tar(members: &[Vec<u8>]) -> Examined {
    let mut out = members.concat();
    out.extend([0; 1024]);
    examine(&out, "x.tar")
}

#[track_caller]
fn expect(found: &Examined, rule: &Rule, verdict: Verdict) {
    assert!(found.has(rule), "{}: {:#?}", rule.id, found.findings);
    assert_eq!(found.verdict(), verdict, "{:#?}", found.findings);
}

#[test]
fn members_are_examined() {
    let found = tar(&[member("./", b'5', b""), member("./config.json", b'0', b"{\"a\": 1}\n")]);
    assert_eq!((found.identity.format, found.verdict()), ("tar", Verdict::Ok), "{:#?}", found.findings);
    expect(&tar(&[member("tool", 0, PROGRAM)]), &rule::format::NATIVE_CODE, Verdict::Unknown);
}

#[test]
fn an_archive_as_last_member_is_no_polyglot() {
    let zip = super::craft::zip(&[super::craft::stored("config.json", b"{\"a\": 1}\n")]);
    let found = tar(&[member("weights.zip", b'0', &zip)]);
    assert_eq!((found.identity.format, found.verdict()), ("tar", Verdict::Ok), "{:#?}", found.findings);
}

#[test]
fn names_that_readers_find_in_different_places_are_ambiguous() {
    let pax = |kind| member("x", kind, b"12 path=one\n");
    let gnu = member("././@LongLink", b'L', b"two\0");
    let words = member("words.txt", b'0', b"words\n");
    for headers in [[pax(b'x'), gnu.clone()].concat(), [gnu, pax(b'x')].concat(), pax(b'g'), pax(b'x').repeat(2)] {
        let found = tar(&[headers, words.clone()]);
        assert!(found.has(&rules::TAR_AMBIGUOUS), "{:#?}", found.findings);
    }
    let mut times = header("words.txt", b'0', 0, "");
    times[257..265].copy_from_slice(b"ustar  \0");
    times[345..350].copy_from_slice(b"12345");
    times[148..156].fill(b' ');
    let sum: u32 = times.iter().map(|b| u32::from(*b)).sum();
    times[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert!(tar(&[times]).has(&rules::TAR_AMBIGUOUS));
    let found = tar(&[pax(b'x'), words]);
    assert_eq!(found.verdict(), Verdict::Ok, "{:#?}", found.findings);
}

#[test]
fn long_names_of_both_kinds_are_used() {
    let long = format!("{}/../../x.txt", "d".repeat(120));
    let gnu = member("././@LongLink", b'L', format!("{long}\0").as_bytes());
    expect(&tar(&[gnu, member("short", b'0', b"text\n")]), &rules::MEMBER_NAME, Verdict::Bad);
    let record = format!(" path={long}\n");
    let pax = member("PaxHeader", b'x', format!("{}{record}", record.len() + 3).as_bytes());
    expect(&tar(&[pax, member("short", b'0', b"text\n")]), &rules::MEMBER_NAME, Verdict::Bad);
}

#[test]
fn names_and_links_that_lead_out_are_bad() {
    expect(&tar(&[member("../x", b'0', b"text\n")]), &rules::MEMBER_NAME, Verdict::Bad);
    expect(&tar(&[member("/x", b'0', b"text\n")]), &rules::MEMBER_NAME, Verdict::Bad);
    for (kind, target) in [(b'2', "../../x"), (b'2', "/etc/passwd"), (b'1', "../x"), (b'1', "/etc/passwd")] {
        expect(&tar(&[header("a/link", kind, 0, target)]), &rules::MEMBER_LINK, Verdict::Bad);
    }
    for (kind, target) in [(b'2', "../b"), (b'1', "b")] {
        assert_eq!(tar(&[member("b", b'0', b"text\n"), header("a/link", kind, 0, target)]).verdict(), Verdict::Ok);
    }
}

#[test]
fn what_readers_part_over_is_bad() {
    let mut broken = member("tool", b'0', PROGRAM);
    broken[0] = b'T';
    expect(&tar(&[member("a", b'0', b"text\n"), broken]), &rules::TAR_AMBIGUOUS, Verdict::Bad);
    let hidden = [member("a", b'0', b"text\n"), vec![0; 1024], member("tool", b'0', PROGRAM)];
    let found = tar(&hidden);
    expect(&found, &rules::TAR_AMBIGUOUS, Verdict::Bad);
    assert!(found.has(&rule::format::NATIVE_CODE), "{:#?}", found.findings);
    expect(&tar(&[member("folder", b'5', b"text\n")]), &rules::TAR_AMBIGUOUS, Verdict::Bad);
}

#[test]
fn cut_sparse_and_odd_members_are_not_proven() {
    let whole = [member("a", b'0', &[b'a'; 2000]), vec![0; 1024]].concat();
    for len in [1000, 2300, 2560] {
        expect(&examine(&whole[..len], "x.tar"), &rules::TAR_TRUNCATED, Verdict::Unknown);
    }
    expect(&tar(&[member("dev", b'3', b"")]), &rules::TAR_UNREAD, Verdict::Unknown);
    let record = b"22 GNU.sparse.major=1\n";
    let pax = member("PaxHeader", b'x', record);
    expect(&tar(&[pax, member("a", b'0', b"text\n")]), &rules::TAR_UNREAD, Verdict::Unknown);
}

#[test]
fn torchs_tar_format_is_bad() {
    let members = ["storages", "tensors", "pickle"].map(|name| member(name, b'0', b"text\n"));
    expect(&tar(&members), &torch::TORCH_TAR, Verdict::Bad);
}

#[test]
fn damage_never_panics() {
    let whole = [member("a", b'x', b"11 path=ab\n"), member("b", b'0', b"text\n"), vec![0; 1024]].concat();
    for at in (0..whole.len()).step_by(3) {
        for value in [0, b'7', 0x80, 0xff] {
            let mut mutant = whole.clone();
            mutant[at] = value;
            examine(&mutant, "x");
            // with the checksum put right, so that the change is seen
            let block = at / 512 * 512;
            mutant[block + 148..block + 156].fill(b' ');
            let sum: u32 = mutant[block..block + 512].iter().map(|b| u32::from(*b)).sum();
            mutant[block + 148..block + 156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            examine(&mutant, "x");
        }
    }
}
