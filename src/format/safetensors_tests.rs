//! The reference implementation as second opinion, and a test for each rule.

use super::*;
use crate::Verdict;
use crate::budget::Limits;
use crate::rule::Rule;
use crate::testing::examine;
use proptest::prelude::*;
use safetensors::SafeTensors;

fn file(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + data, 7);
    bytes
}

fn parsed(bytes: &[u8]) -> Result<Outline, Refusal> {
    parse(&View::new(&bytes), &mut Budget::new(Limits::default()))
}

/// The rule of the first defect, and its offset.
fn defect(bytes: &[u8]) -> (&'static Rule, u64) {
    match parsed(bytes) {
        Err(Refusal::Defects(defects)) => (defects[0].rule, defects[0].offset),
        other => panic!("no defect: {other:?}"),
    }
}

const TWO: &str =
    r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"I8","shape":[3],"data_offsets":[8,11]}}"#;

#[test]
fn a_plain_file_is_outlined() {
    let outline = parsed(&file(TWO, 11)).unwrap();
    assert_eq!(outline.data, 8 + TWO.len() as u64);
    assert_eq!(outline.tensors[1].range, outline.data + 8..outline.data + 11);
    assert_eq!((outline.tensors[0].dtype, outline.tensors[0].shape.as_slice()), ("F32", &[2][..]));
    assert_eq!(examine(&file(TWO, 11), "model.safetensors").verdict(), Verdict::Ok);
}

#[test]
fn every_dtype_of_the_crate_has_its_size() {
    for (name, bits) in DTYPES {
        let header = format!(r#"{{"t":{{"dtype":"{name}","shape":[4],"data_offsets":[0,{}]}}}}"#, bits * 4 / 8);
        let bytes = file(&header, *bits as usize * 4 / 8);
        SafeTensors::deserialize(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        parsed(&bytes).unwrap_or_else(|error| panic!("{name}: {error:?}"));
    }
}

#[test]
fn layout_defects_are_bad_and_placed() {
    for (header, data, rule) in [
        (TWO.replace("[8,11]", "[7,10]"), 10, &rules::SAFETENSORS_LAYOUT), // overlap
        (TWO.replace("[8,11]", "[9,12]"), 12, &rules::SAFETENSORS_LAYOUT), // hole
        (TWO.replace("[8,11]", "[11,8]"), 11, &rules::SAFETENSORS_LAYOUT), // backwards
        (TWO.replace("[3]", "[4]"), 11, &rules::SAFETENSORS_LAYOUT),       // size
        (TWO.replace("[3]", "[9223372036854775808,2]"), 11, &rules::SAFETENSORS_LAYOUT),
        (TWO.replace("I8", "F4"), 11, &rules::SAFETENSORS_LAYOUT), // half a byte
        (TWO.replace("\"b\"", "\"a\""), 11, &rules::DUPLICATE_KEY),
        (TWO.replace("\"b\"", "\"\\u0061\""), 11, &rules::DUPLICATE_KEY),
        (TWO.to_owned(), 12, &rules::TRAILING_BYTES),
    ] {
        let bytes = file(&header, data);
        assert_eq!(defect(&bytes).0.id, rule.id, "{header}");
        assert_eq!(examine(&bytes, "model.safetensors").verdict(), Verdict::Bad, "{header}");
    }
    let at = TWO.find("\"b\"").unwrap() as u64 + 8;
    assert_eq!(defect(&file(&TWO.replace("[8,11]", "[7,10]"), 10)).1, at);
}

#[test]
fn malformed_headers_are_not_ok() {
    for header in [
        "[]",
        "{",
        "{}x",
        "{} {}",
        "{\"a\":1}",
        "{\"a\":{}}",
        "{\"__metadata__\":[]}",
        "{\"__metadata__\":{\"a\":1}}",
        "{}\n",
        "{\"a\":[\"F32\",[1],[0,4]]}",
        "{\"a\":{\"dtype\":\"F33\",\"shape\":[],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[18446744073709551616],\"data_offsets\":[0,4]}}",
        "{\"\\ud800\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
    ] {
        assert_eq!(defect(&file(header, 4)).0.id, rules::SAFETENSORS_HEADER.id, "{header}");
    }
    let bad_utf8 = [&8u64.to_le_bytes()[..], b"{\"a\xff\":1}"].concat();
    assert_eq!(defect(&bad_utf8).0.id, rules::SAFETENSORS_HEADER.id);
}

#[test]
fn a_header_of_any_claimed_size_costs_nothing() {
    let mut bytes = file("{}", 0);
    bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(defect(&bytes).0.id, rules::SAFETENSORS_HEADER.id);
    bytes[..8].copy_from_slice(&99_999_999u64.to_le_bytes());
    assert_eq!(defect(&bytes).0.id, rules::TRUNCATED.id);
}

#[test]
fn truncation_is_unknown_wherever_it_happens() {
    let bytes = file(TWO, 11);
    for cut in 9..bytes.len() {
        let found = examine(&bytes[..cut], "model.safetensors");
        assert_eq!(found.verdict(), Verdict::Unknown, "{cut}");
        assert_eq!(found.identity.format, "safetensors", "{cut}");
        assert!(found.has(&rules::TRUNCATED), "{cut}");
    }
}

#[test]
fn doubling_the_tensors_doubles_the_events_only() {
    let header = |n: usize| {
        let tensors: Vec<String> =
            (0..n).map(|i| format!(r#""t{i}":{{"dtype":"I8","shape":[1],"data_offsets":[{i},{}]}}"#, i + 1)).collect();
        file(&format!("{{{}}}", tensors.join(",")), n)
    };
    assert_eq!(parsed(&header(100_000)).unwrap().tensors.len(), 100_000);
    let mut budget = Budget::new(Limits { max_entries: 10, ..Limits::default() });
    let bytes = header(11);
    assert!(
        matches!(parse(&View::new(&bytes), &mut budget), Err(Refusal::Spent(spent, _)) if spent.0 == "max_entries")
    );
}

/// True if the file is refused for a reason that the crate does not share: keys that stand there twice, an object
/// written as a list, a dtype written as an object, padding that is no space, `{` not first, or nesting over ours.
fn stricter_than_the_crate(refusal: &Refusal) -> bool {
    let Refusal::Defects(defects) = refusal else { return false };
    let own = |message: &str| {
        ["twice", "not an object", "other than spaces", "not begin with {", "a dtype is not a string", "too deeply"]
            .iter()
            .any(|own| message.contains(own))
    };
    // of two keys that are the same the crate drops one, with whatever its layout was
    defects.iter().any(|defect| defect.rule == &rules::DUPLICATE_KEY || own(&defect.message))
}

fn compare(header: &str, data: usize) -> Result<(), TestCaseError> {
    let bytes = file(header, data);
    let theirs = SafeTensors::deserialize(&bytes);
    match parsed(&bytes) {
        Ok(outline) => {
            let theirs =
                theirs.map_err(|error| TestCaseError::fail(format!("the crate refuses: {error}: {header}")))?;
            prop_assert_eq!(theirs.len(), outline.tensors.len());
            for tensor in outline.tensors {
                let view = theirs.tensor(&tensor.name).unwrap();
                prop_assert_eq!(view.data().len() as u64, tensor.range.end - tensor.range.start);
                prop_assert_eq!(view.shape().iter().map(|&d| d as u64).collect::<Vec<_>>(), tensor.shape);
            }
        }
        Err(refusal) => {
            prop_assert!(theirs.is_err() || stricter_than_the_crate(&refusal), "we refuse {header}: {refusal:?}");
        }
    }
    Ok(())
}

/// Headers that are nearly right: tensors one after another, then a few edits.
fn headers() -> impl Strategy<Value = (String, usize)> {
    let tensor = (prop::sample::select(DTYPES), prop::collection::vec(0u64..4, 0..3), 0..8u8);
    let edit = (
        any::<prop::sample::Index>(),
        prop::sample::select(vec![
            "", "0", "1", " ", "\n", "\"", "{", "}", "[", "]", ",", "8", "-", "\\", "e", "null", "é",
        ]),
    );
    (prop::collection::vec(tensor, 0..5), prop::collection::vec(edit, 0..3), any::<bool>(), 0..10u8).prop_map(
        |(tensors, edits, metadata, extra)| {
            let mut at = 0;
            let mut parts = Vec::new();
            if metadata {
                parts.push(r#""__metadata__":{"format":"pt"}"#.to_owned());
            }
            for (i, ((dtype, bits), shape, twist)) in tensors.into_iter().enumerate() {
                let end = at + shape.iter().product::<u64>() * bits / 8;
                let end = if twist == 1 { end + 1 } else { end };
                let name = if twist == 2 { 0 } else { i };
                let more = if twist == 3 { r#","extra":[1e9,{"x":null}]"# } else { "" };
                parts.push(format!(
                    r#""t{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{at},{end}]{more}}}"#
                ));
                at = end;
            }
            let mut header = format!("{{{}}}", parts.join(","));
            for (place, with) in edits {
                let at = place.index(header.len());
                if header.is_char_boundary(at) && header.is_char_boundary(at + 1) {
                    header.replace_range(at..=at, with);
                }
            }
            header.push_str(&" ".repeat(extra as usize % 3));
            (header, at as usize + usize::from(extra == 9))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]
    #[test]
    fn agrees_with_the_crate((header, data) in headers()) {
        compare(&header, data)?;
    }
    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let _ = parsed(&bytes);
    }
}
