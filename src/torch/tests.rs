use super::{Answer, Loading, Oracle, weights_only};
use crate::scan::Settings;
use crate::source::View;
use std::io::Write;

/// A torch zip around a pickle, with one record `data/0` of 16 zero bytes.
fn zip(pickle: &[u8]) -> Vec<u8> {
    zip_of(&[("m/data.pkl", pickle), ("m/data/0", &[0; 16]), ("m/version", b"3\n")])
}

fn zip_of(records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in records {
        writer.start_file(name, stored).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn ask(bytes: &[u8], version: &str) -> Answer {
    let settings = Settings { torch_versions: vec![version.to_owned()], ..Settings::default() };
    weights_only(&View::new(&bytes), "x.pt", &settings).remove(0)
}

fn line(pickle: &[u8]) -> String {
    Oracle::new(&View::new(&zip(pickle)), "x.pt", &Settings::default()).summary()
}

/// A tensor over `data/0`: `numel` items claimed, then offset, size and stride.
fn tensor(numel: u8, rest: &[u8]) -> Vec<u8> {
    let pid = [b"((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK".as_slice(), &[numel], b"tQ"]
        .concat();
    [b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n", pid.as_slice(), rest, b"\x89NtR."].concat()
}

#[test]
fn opcodes_follow_the_restricted_unpickler() {
    for (pickle, outcome, rule) in [
        (b"\x80\x02N.".as_slice(), Loading::Loads, ""),
        (b"\x80\x04N.", Loading::Loads, ""),
        (b"\x80\x04\x95\0\0\0\0\0\0\0\0N.", Loading::Blocked, "opcode"),
        (b"NN.", Loading::Loads, ""),
        (b"(.", Loading::Corrupt, "malformed"),
        (b"N", Loading::Corrupt, "malformed"),
        (b"X\x02\0\0\0a", Loading::Corrupt, "malformed"),
        (b"X\x01\0\0\0\xff.", Loading::Corrupt, "malformed"),
        (b"X\x03\0\0\0\xed\xa0\x80.", Loading::Loads, ""),
        (b"U\x03\xed\xa0\x80.", Loading::Corrupt, "malformed"),
        (b"cos\nsystem\n.", Loading::Blocked, "global"),
        (b"cos\nsystem", Loading::Blocked, "global"),
        (b"ccollections.OrderedDict\n\n)R.", Loading::Blocked, "global"),
        (b"ctorch\n_utils._rebuild_tensor_v2\n.", Loading::Loads, ""),
        (b"c__builtin__\nset\n]K\x01aK\x01a\x85R.", Loading::Loads, ""),
        (b"c__builtin__\nset\n]]a\x85R.", Loading::Corrupt, "malformed"),
        (b"}]Ns.", Loading::Corrupt, "malformed"),
        (b"}NNs.", Loading::Loads, ""),
        (b"]K\0Ns.", Loading::Blocked, "SETITEM"),
        (b"}Na.", Loading::Blocked, "APPEND"),
        (b"}}b.", Loading::Blocked, "BUILD"),
        (b"})\x81.", Loading::Blocked, "NEWOBJ"),
        (b"K\x01)R.", Loading::Blocked, "REDUCE"),
        (b"ctorch\nfloat32\n)R.", Loading::Corrupt, "malformed"),
        (b"K\x01Q.", Loading::Corrupt, "malformed"),
        (
            b"c_codecs\nencode\n(c_codecs\nencode\n(X\x01\0\0\0aX\x06\0\0\0latin1tRX\x04\0\0\0zlibtR.",
            Loading::Loads,
            "",
        ),
        (
            b"c_codecs\nencode\n(c_codecs\nencode\n(X\x01\0\0\0aX\x06\0\0\0latin1tRX\x04\0\0\0zlibX\x01\0\0\0xtR.",
            Loading::Corrupt,
            "malformed",
        ),
        (b"]Q.", Loading::Blocked, "BINPERSID"),
        (b"]q\0h\0a.", Loading::Loads, ""),
        (b"h\0.", Loading::Corrupt, "malformed"),
        (b"ctorch\nSize\n]K\x02a\x85R.", Loading::Loads, ""),
        (b"ctorch\nSize\nX\x01\0\0\0a\x85R.", Loading::Corrupt, "malformed"),
        (b"ctorch\ndevice\nX\x06\0\0\0cuda:0\x85R.", Loading::Loads, ""),
        (b"ctorch\ndevice\nX\x07\0\0\0cuda:01\x85R.", Loading::Corrupt, "malformed"),
        (b"c_codecs\nencode\nX\x01\0\0\0aX\x06\0\0\0latin1\x86R.", Loading::Loads, ""),
        (b"c_codecs\nencode\nX\x01\0\0\0aX\x01\0\0\0b\x86R.", Loading::Corrupt, "malformed"),
    ] {
        let answer = ask(&zip(pickle), "2.15");
        let shown = String::from_utf8_lossy(pickle);
        assert_eq!((answer.outcome, answer.rule.as_str()), (outcome, rule), "{shown:?}: {}", answer.reason);
    }
}

#[test]
fn names_and_the_serialization_id_must_be_text() {
    let plain: &[(&str, &[u8])] = &[("m/data.pkl", b"\x80\x02N."), ("m/version", b"3\n")];
    let id = |id: &'static [u8]| zip_of(&[plain, &[("m/.data/serialization_id", id)]].concat());
    let mut odd = zip_of(&[plain, &[("m/odd", b"")]].concat());
    let at = memchr::memmem::rfind(&odd, b"m/odd").unwrap();
    odd[at + 2] = 0xff;
    for (archive, version, outcome) in [
        (zip_of(plain), "2.15", Loading::Loads),
        (id(b"123"), "2.15", Loading::Loads),
        (id(b"\xff"), "2.15", Loading::Corrupt),
        (id(b"\xff"), "2.0", Loading::Loads),
        (odd.clone(), "2.15", Loading::Corrupt),
        (odd, "1.13", Loading::Corrupt),
    ] {
        assert_eq!(ask(&archive, version).outcome, outcome, "{version}");
    }
    // what the pickle names is refused before
    let refused =
        zip_of(&[("m/data.pkl", b"cos\nsystem\n."), ("m/version", b"3\n"), ("m/.data/serialization_id", b"\xff")]);
    assert_eq!(ask(&refused, "2.15").outcome, Loading::Blocked);
}

#[test]
fn tensors_stay_within_their_storage() {
    for (numel, rest, outcome) in [
        (4, b"K\0K\x04\x85K\x01\x85".as_slice(), Loading::Loads),
        (4, b"K\x01K\x04\x85K\x01\x85", Loading::Corrupt),
        (4, b"K\0K\x02\x85K\x04\x85", Loading::Corrupt),
        (4, b"K\0K\x02\x85J\xff\xff\xff\xff\x85", Loading::Corrupt),
        (4, b"K\0K\x01\x85J\xff\xff\xff\xff\x85", Loading::Loads),
        (4, b"K\0)K\x01\x85", Loading::Corrupt),
        (4, b"K\0\x88\x85K\x01\x85", Loading::Corrupt),
        (4, b"\x88K\x01\x85K\x01\x85", Loading::Corrupt),
        (2, b"K\0K\x02\x85K\x01\x85", Loading::Corrupt),
    ] {
        let answer = ask(&zip(&tensor(numel, rest)), "2.15");
        assert_eq!(answer.outcome, outcome, "{numel} {rest:?}: {}", answer.reason);
    }
    let short = zip(&tensor(2, b"K\0K\x02\x85K\x01\x85"));
    let old = ask(&short, "2.9");
    assert_eq!(old.outcome, Loading::Loads);
    assert!(old.warnings.iter().any(|w| w.contains("CVE-2026-24747")));
}

#[test]
fn indices_of_a_compressed_tensor_lie_side_by_side() {
    let part = |class: &[u8], numel: u8, size: u8, stride: u8| {
        let (numel, size, stride) = ([numel], [size], [stride]);
        let storage = [b"(X\x07\0\0\0storagectorch\n", class, b"\nX\x01\0\0\x000X\x03\0\0\0cpuK", &numel, b"tQ"];
        let shape = [b"K\0K", size.as_slice(), b"\x85K", &stride, b"\x85\x89NtR"];
        [b"ctorch._utils\n_rebuild_tensor_v2\n(".as_slice(), &storage.concat(), &shape.concat()].concat()
    };
    for (stride, outcome) in [(1, Loading::Loads), (0, Loading::Corrupt)] {
        let pickle = [
            b"\x80\x02ctorch._utils\n_rebuild_sparse_tensor\nctorch.serialization\n_get_layout\n".as_slice(),
            b"X\x10\0\0\0torch.sparse_csr\x85R(",
            &part(b"LongStorage", 2, 2, stride),
            &part(b"LongStorage", 2, 0, 7),
            &part(b"LongStorage", 2, 0, 1),
            b"K\x01K\x02\x86t\x86R.",
        ];
        assert_eq!(ask(&zip(&pickle.concat()), "2.15").outcome, outcome, "{stride}");
    }
}

#[test]
fn a_storage_named_again_may_state_any_size() {
    let again = |size: &[u8]| {
        let named = |size: &[u8]| {
            [b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpu", size, b"tQ"].concat()
        };
        zip(&[b"\x80\x02", named(b"K\x04").as_slice(), &named(size), b"\x86."].concat())
    };
    for (size, version, outcome) in [
        (b"K\x04".as_slice(), "2.15", Loading::Loads),
        (b"J\xff\xff\xff\xff", "2.15", Loading::Loads),
        (b"N", "2.15", Loading::Unprovable),
        (b"J\xff\xff\xff\xff", "2.6", Loading::Unprovable),
    ] {
        assert_eq!(ask(&again(size), version).outcome, outcome, "{size:?} {version}");
    }
}

#[test]
fn the_summary_names_the_version_from_which_it_loads() {
    assert_eq!(line(b"\x80\x02N."), "loads with weights_only=True on every torch from 1.13");
    let set = line(b"\x80\x02c__builtin__\nset\n)R.");
    assert!(set.starts_with("loads with weights_only=True on torch >= 2.6; on older torch"), "{set}");
    assert!(set.contains("builtins.set"), "{set}");
    // torch says where a built-in is from up to 2.6
    let reason = |torch| ask(&zip(b"\x80\x02c__builtin__\nfrozenset\n)R."), torch).reason;
    assert!(reason("2.6").contains("GLOBAL builtins.frozenset was"), "{}", reason("2.6"));
    assert!(reason("2.7").contains("GLOBAL frozenset was"), "{}", reason("2.7"));
    let never = line(b"\x80\x02cos\nsystem\n.");
    assert!(never.contains("does not load") && never.contains("os.system"), "{never}");
}

#[test]
fn what_would_have_to_be_allowed_is_listed_only_where_it_helps() {
    let two = b"\x80\x02cargparse\nNamespace\n0cnumpy\ndtype\n.";
    assert_eq!(ask(&zip(two), "2.15").missing, [""; 0], "POP is refused as well");
    let two = b"\x80\x02cargparse\nNamespace\ncnumpy\ndtype\ncargparse\nNamespace\n.";
    assert_eq!(ask(&zip(two), "2.15").missing, ["argparse.Namespace", "numpy.dtype"]);
    let blocked = b"\x80\x02cargparse\nNamespace\ncos\nsystem\n.";
    assert_eq!(ask(&zip(blocked), "2.15").missing, [""; 0]);
}

#[test]
fn items_set_on_a_list_are_a_finding() {
    let found = |pickle: &[u8]| Oracle::new(&View::new(&zip(pickle)), "x.pt", &Settings::default()).findings().len();
    assert_eq!(found(b"\x80\x02]K\x01aK\0K\x02s."), 1);
    assert_eq!(found(b"\x80\x02}K\0K\x02s."), 0);
}

#[test]
fn versions_are_echoed_and_unknown_ones_are_doubted() {
    let bytes = zip(b"N.");
    assert_eq!(ask(&bytes, "1.13.0a0").torch, "1.13.0a0");
    let future = ask(&bytes, "9.0");
    assert_eq!((future.outcome, future.torch.as_str()), (Loading::Unprovable, "9.0"));
}

#[test]
fn control_characters_of_a_name_are_escaped() {
    let answer = ask(&zip(b"cse\x0b\x1b[31m\nx\n."), "2.15");
    assert_eq!(answer.global.as_deref(), Some("se\\x0b\\x1b[31m.x"));
}

#[test]
fn no_flipped_byte_panics_or_loads_what_is_cut() {
    let clean = tensor(4, b"K\0K\x04\x85K\x01\x85");
    for at in 0..clean.len() {
        for mask in [0x01, 0x20, 0x80, 0xff] {
            let mut flipped = clean.clone();
            flipped[at] ^= mask;
            ask(&zip(&flipped), "2.15");
        }
        let cut = ask(&zip(&clean[..at]), "2.15");
        assert_ne!(cut.outcome, Loading::Loads, "cut at {at}");
    }
}

#[test]
fn bombs_stay_on_the_budget() {
    // a tuple of two of itself, 10,000 deep: exponential to walk, linear here
    let mut deep = b"\x80\x02)q\0".to_vec();
    for _ in 0..10_000 {
        deep.extend(b"h\0h\0\x86q\0");
    }
    deep.extend(b"}h\0Ns.");
    ask(&zip(&deep), "2.15");
    // a long list copied again and again
    let mut copies = b"\x80\x02](".to_vec();
    copies.extend(vec![b'N'; 100_000]);
    copies.extend(b"eq\0");
    for _ in 0..100_000 {
        copies.extend(b"c__builtin__\nset\nh\0\x85R");
    }
    copies.push(b'.');
    let limits = crate::budget::Limits { max_ops: 1_000_000, ..Default::default() };
    let settings = Settings { limits, ..Settings::default() };
    let answer = weights_only(&View::new(&zip(&copies)), "x.pt", &settings).remove(0);
    assert_eq!((answer.outcome, answer.rule.as_str()), (Loading::Unprovable, "not modelled"), "{}", answer.reason);
    let mut marks = vec![b'('; 1_000_000];
    marks.extend(b"N.");
    assert_eq!(ask(&zip(&marks), "2.15").outcome, Loading::Loads);
}

#[test]
fn a_long_foreign_pickle_is_judged_without_its_objects() {
    let mut list = b"\x80\x02](".to_vec();
    for _ in 0..400_000 {
        list.extend(b"X\x01\0\0\0a");
    }
    list.push(b'e');
    for (end, outcome, rule) in [
        (b".".as_slice(), Loading::Corrupt, "malformed"),
        (b"cos\nsystem\n.", Loading::Blocked, "global"),
        (b"I1\n.", Loading::Blocked, "opcode"),
        (b"", Loading::Corrupt, "malformed"),
        (b"X\xff\xff\xff\0", Loading::Corrupt, "malformed"),
        // the number that makes it a torch file after all, by way of the memo or not
        (b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.}.N.].", Loading::Loads, ""),
    ] {
        let bytes = [list.as_slice(), end].concat();
        let answer = ask(&bytes, "2.15");
        assert_eq!((answer.outcome, answer.rule.as_str()), (outcome, rule), "{end:?}: {}", answer.reason);
    }
}

#[test]
fn a_legacy_file_is_read_past_its_first_window() {
    let mut bytes = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.\x80\x02](".to_vec();
    for _ in 0..100_000 {
        bytes.extend(b"X\x01\0\0\0a");
    }
    bytes.extend(b"e.\x80\x02].");
    bytes.extend([7; 100]);
    assert_eq!(ask(&bytes, "2.15").outcome, Loading::Loads);
    bytes.truncate(300_000);
    assert_eq!(ask(&bytes, "2.15").outcome, Loading::Corrupt);
}

/// The state of a random generator as numpy writes it by protocol 2: an array of elements of this type.
fn array(core: &str, element: &str, order: &str) -> Vec<u8> {
    let text =
        |text: &str| [b"X".as_slice(), &u32::try_from(text.len()).unwrap().to_le_bytes(), text.as_bytes()].concat();
    let latin1 = |bytes: &str| [b"c_codecs\nencode\n".as_slice(), &text(bytes), &text("latin1"), b"\x86R"].concat();
    let open = [format!("c{core}.multiarray\n_reconstruct\ncnumpy\nndarray\n").as_bytes(), b"K\0\x85"].concat();
    let dtype = [b"cnumpy\ndtype\n".as_slice(), &text(element), b"\x89\x88\x87R(K\x03", &text(order)].concat();
    let minus = b"J\xff\xff\xff\xff";
    let state = [dtype.as_slice(), b"NNN", minus, minus, b"K\0tb"].concat();
    let data = [b"\x89".as_slice(), &latin1("abcdefgh"), b"tb."].concat();
    [b"\x80\x02".as_slice(), &open, &latin1("b"), b"\x87R(K\x01K\x02\x85", &state, &data].concat()
}

#[test]
fn a_profile_answers_for_its_loader() {
    use crate::profile::Profile::{Accelerate, DeepSpeed, Timm, TransformersTrainer};
    let ask = |pickle: &[u8], profile, version: &str| {
        let settings =
            Settings { profiles: vec![profile], torch_versions: vec![version.into()], ..Settings::default() };
        let answer = weights_only(&View::new(&zip(pickle)), "x.pt", &settings).remove(0);
        assert_eq!(answer.profile, Some(profile));
        (answer.outcome, answer.reason)
    };
    let state = array("numpy._core", "u4", "<");
    let namespace = b"\x80\x02cargparse\nNamespace\n)\x81}X\x02\0\0\0lrK\x01sb.";
    for (pickle, profile, version, outcome, words) in [
        (state.as_slice(), Accelerate, "2.15", Loading::Loads, ""),
        (&state, Accelerate, "2.4", Loading::Loads, ""),
        (&state, Accelerate, "2.3", Loading::Blocked, "_reconstruct"),
        (&state, TransformersTrainer, "2.15", Loading::Loads, ""),
        (&state, TransformersTrainer, "2.4", Loading::Blocked, "_reconstruct"),
        (&state, Timm, "2.15", Loading::Blocked, "_reconstruct"),
        (&state, DeepSpeed, "2.15", Loading::Blocked, "_reconstruct"),
        (&array("numpy._core", "f8", "<"), Accelerate, "2.15", Loading::Blocked, "<class 'numpy.dtypes.Float64DType'>"),
        (&array("numpy._core", "u4", ">"), Accelerate, "2.15", Loading::Unprovable, "not modelled"),
        (&array("numpy.core", "u4", "<"), Accelerate, "2.15", Loading::Unprovable, "numpy 1"),
        (namespace, Timm, "2.15", Loading::Loads, ""),
        (namespace, Accelerate, "2.15", Loading::Blocked, "argparse.Namespace"),
        (b"\x80\x02cos\nsystem\n.", Accelerate, "2.15", Loading::Blocked, "os.system"),
    ] {
        let (found, reason) = ask(pickle, profile, version);
        assert!(found == outcome && reason.contains(words), "{profile:?} {version}: {found:?} {reason}");
    }
    // an array must not be taken for numbers, nor for something that cannot be iterated over
    let sized = [b"\x80\x02ctorch\nSize\n".as_slice(), state.get(2..state.len() - 1).unwrap(), b"\x85R."].concat();
    assert_eq!(ask(&sized, Accelerate, "2.15").0, Loading::Unprovable);
}
