//! One test per behaviour, over streams written by hand.

mod forged;
mod held;
mod hostile;
mod libraries;
mod second_opinion;

use super::*;
use crate::finding::Finding;
use crate::outcome::{Outcome, Verdict};
use crate::rule::Severity;
use crate::rule::pickle as rules;

/// Findings of one file of raw pickles.
fn scan(bytes: &[u8]) -> Vec<Finding> {
    let settings = Settings::default();
    let mut scan = Scan::new(&settings);
    check_file(bytes, &mut scan);
    scan.finish().0
}

fn verdict(bytes: &[u8]) -> Verdict {
    Outcome::judge(&scan(bytes), Severity::High).verdict()
}

#[track_caller]
fn finds(bytes: &[u8], rule: &crate::Rule) {
    let found = scan(bytes);
    assert!(found.iter().any(|f| f.rule == rule), "{}: {found:#?}", rule.id);
}

#[track_caller]
fn is_ok(bytes: &[u8]) {
    assert_eq!(scan(bytes), [], "{}", bytes.escape_ascii());
}

#[test]
fn plain_data_is_ok() {
    is_ok(b"\x80\x04\x95\x0a\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01a\x94K\x01s.");
    is_ok(b"(dp0\nVs\np1\nVplain\np2\ns.");
    is_ok(b"\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01X\x01\x00\x00\x00aK\x01s.");
}

#[test]
fn import_alone_of_a_dangerous_global_is_bad() {
    finds(b"cos\nsystem\n.", &rules::DANGEROUS_GLOBAL);
    finds(b"\x80\x04\x8c\x02os\x8c\x06system\x93.", &rules::DANGEROUS_GLOBAL);
    // popped again, broken behind, without newline at the end
    finds(b"cos\nsystem\n0N.", &rules::DANGEROUS_GLOBAL);
    finds(b"cos\nsystem\n\xff", &rules::DANGEROUS_GLOBAL);
    finds(b"cos\nsystem\n", &rules::DANGEROUS_GLOBAL);
}

#[test]
fn every_way_to_name_and_call_is_seen() {
    for stream in [
        &b"(S'x'\nios\nsystem\n."[..],
        b"(cos\nsystem\nS'x'\no.",
        b"\x80\x02cos\nsystem\nX\x01\x00\x00\x00x\x85R.",
        b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94h\x00h\x01\x93.",
        b"S'os'\nS'sys\\x74em'\n\x93.",
        b"c__builtin__\neval\n(tR.",
        b"\x80\x04\x8c\x06random\x8c\x09_os.popen\x93.",
    ] {
        assert_eq!(verdict(stream), Verdict::Bad, "{}", stream.escape_ascii());
    }
}

#[test]
fn memo_and_marks_follow_cpython() {
    // MEMOIZE writes to the number of entries, not to the highest index
    finds(b"\x80\x04\x8c\x02osq\x05\x8c\x06system\x940\x30h\x05h\x01\x93.", &rules::DANGEROUS_GLOBAL);
    // POP takes a mark away
    finds(b"cos\nsystem\n(0)R.", &rules::DANGEROUS_GLOBAL);
    finds(b"h\x07.", &rules::MALFORMED);
    finds(b"(N0u.", &rules::MALFORMED);
    finds(b"(.", &rules::MALFORMED);
    finds(b"(N0.", &rules::MALFORMED);
    is_ok(b"(N00N.");
}

#[test]
fn computed_callables_are_bad() {
    finds(b"\x80\x04cbuiltins\nstr\n)R\x8c\x06system\x93.", &rules::HIDDEN_CALLABLE);
    finds(b"\x80\x04cbuiltins\nstr\n)R)R.", &rules::HIDDEN_CALLABLE);
    finds(b"\x80\x02\x82\x01)R.", &rules::EXTENSION);
}

#[test]
fn an_unknown_class_is_unknown_and_an_unknown_call_is_bad() {
    assert_eq!(verdict(b"\x80\x02c__main__\nNet\n)\x81}b."), Verdict::Unknown);
    assert_eq!(verdict(b"\x80\x02c__main__\nNet\n)R}b."), Verdict::Bad);
}

/// What checkpoints keep besides tensors: the error a run ended with, the state of a scaler, a function held for later.
#[test]
fn what_libraries_keep_beside_weights_is_ok() {
    is_ok(b"\x80\x02ccommands\nCalledProcessError\nK\x01]\x86R.");
    is_ok(b"\x80\x02ctorch.cuda\nOutOfMemoryError\nX\x01\x00\x00\x00m\x85R.");
    is_ok(b"\x80\x02ccollections\ndefaultdict\nctorch.amp.grad_scaler\n_refresh_per_optimizer_state\n\x85R.");
    is_ok(b"\x80\x02cfunctools\npartial\nchtml\nescape\n\x85R(chtml\nescape\n)}Ntb.");
    // held is not called
    finds(b"\x80\x02chtml\nescape\nX\x01\x00\x00\x00a\x85R.", &rules::UNVETTED_CALL);
    finds(b"\x80\x02ccollections\ndefaultdict\nccopy\ndeepcopy\n\x85R.", &rules::MISUSED);
}

#[test]
fn in_an_unknown_package_a_class_may_be_made_and_no_function_called() {
    let call = |name: &str| {
        [b"\x80\x04X\x03\0\0\0libX", &[name.len() as u8, 0, 0, 0][..], name.as_bytes(), b"\x93)R."].concat()
    };
    for name in ["Net", "_Net", "Outer.Inner", "_unpickle", "_reconstruct_unit"] {
        let pickle = call(name);
        finds(&pickle, &rules::UNVETTED_GLOBAL);
        assert_eq!(verdict(&pickle), Verdict::Unknown, "{name}");
    }
    for name in ["run", "load_model", "rebuild", "state.clear", "state.Clear", "Net.from_url", "_exec"] {
        finds(&call(name), &rules::UNVETTED_CALL);
    }
    // of a package whose table is complete every name is known
    finds(b"\x80\x02cnumpy\nNoSuchClass\n)R.", &rules::UNVETTED_CALL);
}

#[test]
fn changing_a_class_or_module_is_bad() {
    finds(b"\x80\x02ccollections\nOrderedDict\n}b.", &rules::MISUSED);
    finds(b"\x80\x02ccollections\nOrderedDict\nNNs.", &rules::MISUSED);
}

#[test]
fn what_ran_before_an_error_is_reported_with_the_error() {
    let found = scan(b"\x80\x02cos\nsystem\n]Ns");
    assert!(found.iter().any(|f| f.rule == &rules::DANGEROUS_GLOBAL));
    assert!(found.iter().any(|f| f.rule == &rules::MALFORMED));
    assert_eq!(verdict(b"\x80\x02}q\x00X\x07\x00"), Verdict::Unknown);
    finds(b"}]Ns.", &rules::MALFORMED);
}

#[test]
fn streams_go_on_behind_stop() {
    let mal = b"cos\nsystem\n.";
    for between in [&b""[..], b"\0\0\0\0", b"\n", b"garbage!", &[0xff; 100]] {
        assert_eq!(verdict(&[b"\x80\x02N.", between, mal].concat()), Verdict::Bad, "{between:?}");
    }
    is_ok(b"\x80\x02N.\x80\x02N.\n");
    finds(b"\x80\x02N.\xff\xff\xff", &rules::TRAILING);
}

#[test]
fn unpicklers_that_disagree_are_a_finding() {
    for stream in [
        &b"I010\n."[..],
        b"F 1.5\n.",
        b"\x80\x04\x95\x03\x00\x00\x00\x00\x00\x00\x00C\x03abc.",
        b"\x80\x04\x95\xff\x00\x00\x00\x00\x00\x00\x00N.",
        b"\x80\x04\x95\x09\x00\x00\x00\x00\x00\x00\x00N.NNNNNNN",
        b"Np1\x002\n.",
    ] {
        finds(stream, &rules::DIVERGENT);
    }
}

#[test]
fn shapes_decide_about_conditional_callables() {
    is_ok(b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x06\x00\x00\x00latin1\x86R.");
    finds(b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R.", &rules::MISUSED);
    is_ok(b"ccopy_reg\n_reconstructor\n(ccollections\nOrderedDict\nc__builtin__\nobject\nNtR.");
    finds(b"ccopy_reg\n_reconstructor\n(cos\nsystem\nc__builtin__\nobject\nNtR.", &rules::DANGEROUS_GLOBAL);
    is_ok(b"\x80\x02cbuiltins\ntype\nN\x85R.");
    finds(b"\x80\x02cbuiltins\ntype\nX\x01\x00\x00\x00a)}\x87R.", &rules::MISUSED);
}

#[test]
fn bombs_are_unknown() {
    finds(b"\x80\x02Nr\xf0\xff\xff\xff.", &rules::BOMB);
    let mut laughs = b"\x80\x02]".to_vec();
    for _ in 0..30 {
        laughs.extend_from_slice(b"222\x872\x86");
    }
    laughs.push(b'.');
    finds(&laughs, &rules::BOMB);
}

#[test]
fn prose_is_no_pickle_but_every_stream_that_runs_is() {
    for prose in [
        &b"Not a pickle, only a sentence.\n"[..],
        b"{\"a\": [1, 2]}\n",
        b"1,2,3\n4,5,6\n",
        b"cat\ndog\nmouse\n",
        b"Generally. That is how it goes.\n",
        b"(c) 2026 Somebody\nAll rights reserved.\n",
        b"",
    ] {
        assert!(!plausible(prose), "{}", prose.escape_ascii());
    }
    for pickle in [
        &b"cos\nsystem\n"[..],
        b"N.",
        b"(lp0\nI1\na.",
        b"\x80\x04\x95",
        b"(S'x'\nios\nsystem\n!",
        b"c__main__\nNet\n)\x81.",
        b"N.cos\nsystem\n.",
    ] {
        assert!(plausible(pickle), "{}", pickle.escape_ascii());
    }
}

#[test]
fn many_streams_are_run_and_counted() {
    let many = b"N.".repeat(100_000);
    assert_eq!(verdict(&many), Verdict::Ok);
    assert_eq!(verdict(&[&many[..], b"cos\nsystem\n."].concat()), Verdict::Bad);
    assert!(scan(&b"\x82\x01.".repeat(100_000)).len() < 5000);
}

#[test]
fn nesting_and_noise_stay_linear() {
    let deep = [&b"("[..]].concat().repeat(100_000);
    assert_eq!(verdict(&[&deep[..], b"N."].concat()), Verdict::Ok);
    let lists = [&b"]".repeat(100_000)[..], &b"a".repeat(99_999), b"."].concat();
    assert_eq!(verdict(&lists), Verdict::Ok);
    let noise = [&b"N0".repeat(1_000_000)[..], b"cos\nsystem\n."].concat();
    assert_eq!(verdict(&noise), Verdict::Bad);
}

#[test]
fn every_fixture_triggers_its_rule() {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/");
    for rule in rules::ALL.iter().filter(|rule| !rule.fixture.is_empty()) {
        let path = format!("{fixtures}{}", rule.fixture);
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        finds(&bytes, rule);
    }
}

/// A stream of torch in the fourth place of a legacy file, or the only one of a zip.
fn torch(bytes: &[u8], dialect: Dialect) -> (Summary, Vec<Finding>) {
    let settings = Settings::default();
    let mut scan = Scan::new(&settings);
    let summary = check(bytes, 0, dialect, &mut scan);
    (summary, scan.finish().0)
}

/// `_rebuild_tensor_v2` over a storage of `numel` floats, with this offset, size and stride.
fn tensor(numel: u8, offset: u8, size: u8, stride: u8) -> Vec<u8> {
    let head = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK";
    let tail = b"\x89ccollections\nOrderedDict\n)RtR.";
    [&head[..], &[numel], b"tQK", &[offset], b"K", &[size], b"\x85K", &[stride], b"\x85", tail].concat()
}

#[test]
fn torch_storages_are_listed_and_tensors_stay_inside() {
    let (summary, found) = torch(&tensor(6, 0, 6, 1), Dialect::TorchZip);
    assert_eq!(found, []);
    let [storage] = summary.storages.as_slice() else { panic!("{summary:?}") };
    assert_eq!((storage.key.as_str(), storage.class.as_str()), ("0", "FloatStorage"));
    assert_eq!((storage.item_bytes, storage.numel), (Some(4), 6));
    assert_eq!(summary.globals, ["torch._utils._rebuild_tensor_v2", "torch.FloatStorage", "collections.OrderedDict"]);
    for outside in [tensor(6, 1, 6, 1), tensor(6, 0, 4, 2), tensor(0, 0, 1, 1)] {
        assert!(torch(&outside, Dialect::TorchZip).1.iter().any(|f| f.rule == &rules::OUTSIDE_STORAGE));
    }
    assert_eq!(torch(&tensor(0, 0, 0, 1), Dialect::TorchZip).1, []);
    // five parts are a zip's, six a legacy file's, and plain pickle knows neither
    assert!(torch(&tensor(6, 0, 6, 1), Dialect::TorchLegacy).1.iter().any(|f| f.rule == &rules::MALFORMED));
    assert!(torch(&tensor(6, 0, 6, 1), Dialect::Plain).1.iter().any(|f| f.rule == &rules::PERSISTENT_ID));
}

/// A joblib stream: a wrapper with this shape and type, then raw bytes, then one more value.
fn joblib(items: u8, code: &str, raw: &[u8]) -> Vec<u8> {
    let mut out = b"\x80\x04]\x8c\x13joblib.numpy_pickle\x8c\x11NumpyArrayWrapper\x93)\x81}(\x8c\x08subclass".to_vec();
    out.extend_from_slice(b"\x8c\x05numpy\x8c\x07ndarray\x93\x8c\x05shapeK");
    out.push(items);
    out.extend_from_slice(b"\x85\x8c\x05dtype\x8c\x05numpy\x8c\x05dtype\x93\x8c");
    out.push(code.len() as u8);
    out.extend_from_slice(code.as_bytes());
    out.extend_from_slice(b"\x89\x88\x87R(K\x03\x8c\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK");
    // as numpy writes it: 63 for types that hold objects
    out.extend_from_slice(&[if code.starts_with('O') { 63 } else { 0 }, b't', b'b']);
    out.extend_from_slice(b"\x8c\x1bnumpy_array_alignment_bytesK\x10ub");
    [&out[..], raw, b"aK\x01a."].concat()
}

#[test]
fn joblib_arrays_are_stepped_over_exactly() {
    is_ok(&joblib(2, "f8", &[&[3, 0xff, 0xff, 0xff][..], &[0x2e; 16]].concat()));
    // one byte too few: the next opcode is cut off
    assert_ne!(verdict(&joblib(2, "f8", &[0x2e; 16])), Verdict::Ok);
    // an array of objects is a pickle of its own
    is_ok(&joblib(2, "O8", b"\x80\x02]N0."));
    finds(&joblib(2, "O8", b"\x80\x02cos\nsystem\n."), &rules::DANGEROUS_GLOBAL);
    // text in an array is no matter behind padding, for no loader gets past that
    is_ok(&joblib(15, "u1", b"\x00cos\nsystem\n0000"));
    finds(&joblib(15, "u1", &[b"0cos\nsystem\n0000", &[0; 48][..]].concat()), &rules::DIVERGENT);
    // older files have none
    let key = b"\x8c\x1bnumpy_array_alignment_bytesK\x10";
    let without = |stream: Vec<u8>| {
        let at = memchr::memmem::find(&stream, key).unwrap();
        [&stream[..at], &stream[at + key.len()..]].concat()
    };
    is_ok(&without(joblib(16, "u1", &[0x2e; 16])));
    finds(&without(joblib(15, "u1", b"cos\nsystem\n0000")), &rules::DIVERGENT);
    finds(&without(joblib(12, "u1", b"0cos\nsystem\n")), &rules::DIVERGENT);
    // it raises before it comes so far
    is_ok(&without(joblib(15, "u1", b"K\x01)R0cos\nsystem")));
    is_ok(&without(joblib(16, "u1", b"K\x01)R0cos\nsystem\n")));
}
