//! Arbitrary bytes and mutated streams: never a panic, and never more work than the bytes allow.

use super::*;
use proptest::prelude::*;

/// A stream with a bit of everything that real libraries write.
const CLEAN: &[u8] = b"\x80\x04\x95\x8c\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01a\x94]\x94(K\x01M\x00\x01J\xff\xff\xff\xffe\
\x8c\x01o\x94\x8c\x0bcollections\x94\x8c\x0bOrderedDict\x94\x93\x94)R\x94\x8c\x05inner\x94C\x03abc\x94s\x8c\x01t\x94K\x01K\x02\x86\x94\
\x8c\x01s\x94\x8f\x94(K\x01K\x02\x90\x8c\x08builtins\x94\x8c\x07complex\x94\x93\x94G?\xf0\x00\x00\x00\x00\x00\x00G\x00\x00\x00\x00\
\x00\x00\x00\x00\x86\x94R\x94Nu.";

/// Opcodes that a scan may take per byte: each stream once, each place that is tried a bounded number of times.
fn work(bytes: &[u8], dialect: Dialect) -> u64 {
    let settings = Settings::default();
    let mut scan = Scan::new(&settings);
    if dialect == Dialect::Plain {
        check_file(bytes, &mut scan);
    } else {
        check(bytes, 7, dialect, &mut scan);
    }
    let _ = plausible(bytes);
    let spent = settings.limits.max_ops - scan.budget.ops_left();
    assert!(scan.findings().len() < 1000);
    spent
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        for dialect in [Dialect::Plain, Dialect::TorchZip, Dialect::TorchLegacy] {
            prop_assert!(work(&bytes, dialect) <= bytes.len() as u64 * 2 + 8);
        }
    }

    #[test]
    fn arbitrary_opcodes(picks in proptest::collection::vec((0usize..68, any::<[u8; 3]>()), 0..200)) {
        let mut bytes = Vec::new();
        for (pick, more) in picks {
            bytes.push(opcode::ALL[pick].code);
            match opcode::ALL[pick].operand {
                opcode::Operand::Nothing => {}
                opcode::Operand::U1 | opcode::Operand::Counted1 => bytes.extend([more[0] % 3, more[1], more[2]]),
                opcode::Operand::Line => bytes.extend([b'0' + more[0] % 10, b'\n']),
                opcode::Operand::TwoLines => bytes.extend(*b"os\nx\n"),
                _ => bytes.extend([more[0] % 4, 0, 0, 0, 0, 0, 0, 0]),
            }
        }
        for dialect in [Dialect::Plain, Dialect::TorchZip, Dialect::TorchLegacy] {
            prop_assert!(work(&bytes, dialect) <= bytes.len() as u64 * 2 + 8);
        }
    }

    #[test]
    fn mutated_streams(edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in any::<prop::sample::Index>()) {
        let mut bytes = CLEAN.to_vec();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        work(&bytes, Dialect::Plain);
        bytes.truncate(cut.index(bytes.len()));
        work(&bytes, Dialect::Plain);
    }
}

#[test]
fn every_prefix_of_a_clean_stream_is_unknown_and_never_ok() {
    let whole = [&CLEAN[..3], &((CLEAN.len() - 11) as u64).to_le_bytes()[..], &CLEAN[11..]].concat();
    assert_eq!(scan(&whole), []);
    for end in 0..whole.len() {
        assert_eq!(verdict(&whole[..end]), Verdict::Unknown, "{end}");
    }
}

#[test]
fn the_work_doubles_with_the_input() {
    let unit = [&b"]("[..], &b"K\x01q\x01".repeat(500), b"e0"].concat();
    let mut before = 0;
    for n in [100, 200, 400] {
        let stream = [unit.repeat(n), b"N.".to_vec()].concat();
        let spent = work(&stream, Dialect::Plain);
        assert!(before == 0 || spent < before * 11 / 5, "{before} {spent}");
        before = spent;
    }
}
