//! numpy data types with forged states, and calls that cost more than the pickle is long.

use crate::outcome::{Outcome, Verdict};
use crate::rule::Severity;
use crate::scan::{Scan, Settings};

fn verdict(pickle: &[u8]) -> Verdict {
    let settings = Settings::default();
    let mut scan = Scan::new(&settings);
    super::super::check_file(pickle, &mut scan);
    Outcome::judge(&scan.finish().0, Severity::High).verdict()
}

/// A data type of this code whose state has these four parts: block, fields, size, flags.
fn dtype(code: &str, block: &[u8], fields: &[u8], size: u8, flags: u8) -> Vec<u8> {
    let code = [b"X", u32::try_from(code.len()).unwrap().to_le_bytes().as_slice(), code.as_bytes()].concat();
    let tail = [fields, &[b'K', size, b'K', 1, b'K', flags], b"tb"].concat();
    [b"cnumpy\ndtype\n", code.as_slice(), b"\x89\x88\x87R(K\x03X\x01\0\0\0|", block, b"N", &tail].concat()
}

fn field(inner: &[u8], offset: u8) -> Vec<u8> {
    [b"}X\x01\0\0\0a", inner, &[b'K', offset], b"\x86s"].concat()
}

#[test]
fn data_types_are_what_numpy_writes() {
    let object = dtype("O8", b"N", b"N", 8, 63);
    let number = dtype("f8", b"N", b"N", 8, 0);
    let block = |inner: &[u8]| [inner, b"K\x02\x85\x86"].concat();
    for (dtype, expected) in [
        (number.clone(), Verdict::Ok),
        (object.clone(), Verdict::Ok),
        (dtype("V16", b"N", &field(&number, 8), 16, 16), Verdict::Ok),
        (dtype("V8", b"N", &field(&object, 0), 8, 27), Verdict::Ok),
        (dtype("V16", &block(&number), b"N", 16, 0), Verdict::Ok),
        // bytes become pointers
        (dtype("O8", b"N", b"N", 8, 0), Verdict::Bad),
        (dtype("f8", b"N", b"N", 8, 63), Verdict::Bad),
        (dtype("V8", b"N", &field(&object, 0), 8, 0), Verdict::Bad),
        (dtype("V16", &block(&object), b"N", 16, 0), Verdict::Bad),
        // fields outside, sizes that numpy does not take from there (joblib reads eight bytes here, not eighty)
        (dtype("V16", b"N", &field(&number, 9), 16, 16), Verdict::Bad),
        (dtype("V16", &block(&number), b"N", 24, 0), Verdict::Bad),
        (dtype("f8", b"N", b"N", 80, 0), Verdict::Bad),
    ] {
        let shown = String::from_utf8_lossy(&dtype).into_owned();
        assert_eq!(verdict(&[b"\x80\x03", dtype.as_slice(), b"."].concat()), expected, "{shown:?}");
    }
}

#[test]
fn iterators_and_growth_are_bombs_where_something_goes_through_them() {
    let endless = b"cbuiltins\nrange\n\x8a\x06\xff\xff\xff\xff\xff\x07\x85R";
    let call = |open: &[u8]| [b"\x80\x03", open, endless.as_slice(), b"\x85R."].concat();
    assert_eq!(verdict(&[b"\x80\x03", endless.as_slice(), b"."].concat()), Verdict::Ok);
    assert_eq!(verdict(&call(b"cbuiltins\niter\n")), Verdict::Ok);
    for name in ["cbuiltins\nlist\n", "cbuiltins\nsum\n", "citertools\nproduct\n"] {
        assert_eq!(verdict(&call(name.as_bytes())), Verdict::Unknown, "{name}");
    }
    assert_eq!(verdict(b"\x80\x03coperator\nmul\nK\x03K\x04\x86R."), Verdict::Ok);
    assert_eq!(verdict(b"\x80\x03coperator\nmul\nX\x01\0\0\0aJ\xff\xff\xff\x7f\x86R."), Verdict::Unknown);
}

#[test]
fn what_dill_writes_for_arrays_and_types() {
    let array = |function: &[u8], dtype: &[u8]| {
        let state = [b"(K\x01K\x02\x85", dtype, b"\x89C\x10................t"].concat();
        let inner = b"cnumpy\nndarray\nK\x00\x85C\x01b\x87";
        [b"\x80\x04cdill._dill\n_create_array\n(", function, inner, state.as_slice(), b"NtR."].concat()
    };
    let (own, number) = (b"cnumpy._core.multiarray\n_reconstruct\n", dtype("f8", b"N", b"N", 8, 0));
    assert_eq!(verdict(&array(own, &number)), Verdict::Ok);
    assert_eq!(verdict(&array(own, &dtype("f8", b"N", b"N", 8, 63))), Verdict::Bad);
    assert_eq!(verdict(&array(b"cos\ngetpid\n", &number)), Verdict::Bad);
    let type_of = |name: &str| verdict(format!("cdill._dill\n_load_type\n(V{name}\ntR.").as_bytes());
    assert_eq!((type_of("int"), type_of("PartialType")), (Verdict::Ok, Verdict::Ok));
    assert_eq!((type_of("CodeType"), type_of("type")), (Verdict::Bad, Verdict::Bad));
}

#[test]
fn partials_hold_what_is_named_and_call_what_may_be_called() {
    for (pickle, expected) in [
        (&b"cfunctools\npartial\n(cnumpy\nclip\ntR."[..], Verdict::Ok),
        (b"cfunctools\npartial\n(cnumpy\nndarray\ntR.", Verdict::Ok),
        (b"cfunctools\npartial\n(ccollections\ndefaultdict\nctypes\nNoneType\ntR.", Verdict::Bad),
        (
            b"ccollections\ndefaultdict\n(cfunctools\npartial\n(ccollections\ndefaultdict\ncbuiltins\nint\ntRtR.",
            Verdict::Ok,
        ),
        // a default is made by a call, and what is only named is not vetted for that
        (b"ccollections\ndefaultdict\n(cfunctools\npartial\n(cnumpy\nclip\ntRtR.", Verdict::Bad),
        (b"cfunctools\npartial\n(cbuiltins\ngetattr\ntR.", Verdict::Bad),
        (b"cfunctools\npartial\n(cos\ngetpid\ntR.", Verdict::Bad),
    ] {
        assert_eq!(verdict(pickle), expected, "{}", String::from_utf8_lossy(pickle));
    }
}
