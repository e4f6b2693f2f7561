//! A writer of small files, and a test for each rule.

use super::*;
use crate::Verdict;
use crate::budget::Limits;
use crate::testing::examine;
use proptest::prelude::*;

/// Builds files field by field.
#[derive(Clone, Default)]
struct File {
    version: u32,
    keys: Vec<Vec<u8>>,
    tensors: Vec<Vec<u8>>,
    data: usize,
    big: bool,
}

impl File {
    fn new(version: u32) -> Self {
        File { version, ..File::default() }
    }
    fn u32(&self, n: u32) -> Vec<u8> {
        if self.big { n.to_be_bytes().to_vec() } else { n.to_le_bytes().to_vec() }
    }
    fn u64(&self, n: u64) -> Vec<u8> {
        if self.big { n.to_be_bytes().to_vec() } else { n.to_le_bytes().to_vec() }
    }
    fn size(&self, n: u64) -> Vec<u8> {
        if self.version == 1 { self.u32(n as u32) } else { self.u64(n) }
    }
    fn text(&self, text: &str) -> Vec<u8> {
        [self.size(text.len() as u64), text.as_bytes().to_vec()].concat()
    }
    fn key(mut self, name: &str, kind: u32, value: Vec<u8>) -> Self {
        self.keys.push([self.text(name), self.u32(kind), value].concat());
        self
    }
    fn string(self, name: &str, value: &str) -> Self {
        let value = self.text(value);
        self.key(name, STRING, value)
    }
    fn tensor(mut self, name: &str, shape: &[u64], kind: u32, offset: u64) -> Self {
        let shape: Vec<u8> =
            [self.u32(shape.len() as u32), shape.iter().flat_map(|&n| self.size(n)).collect()].concat();
        self.tensors.push([self.text(name), shape, self.u32(kind), self.u64(offset)].concat());
        self
    }
    fn data(mut self, bytes: usize) -> Self {
        self.data = bytes;
        self
    }
    fn bytes(&self) -> Vec<u8> {
        let counts = [self.size(self.tensors.len() as u64), self.size(self.keys.len() as u64)].concat();
        let mut file =
            [b"GGUF".to_vec(), self.u32(self.version), counts, self.keys.concat(), self.tensors.concat()].concat();
        if self.data > 0 {
            file.resize(file.len().next_multiple_of(32), 0);
        }
        file.resize(file.len() + self.data, 7);
        file
    }
}

fn rule_of(bytes: &[u8]) -> &'static str {
    match parse(&View::new(&bytes), &mut Budget::new(Limits::default())) {
        Err(Refusal::Defects(defects)) => defects[0].rule.id,
        other => panic!("{other:?}"),
    }
}

fn ordinary(version: u32, big: bool) -> File {
    let file = File { big, ..File::new(version) };
    let list = [file.u32(STRING), file.size(2), file.text("a"), file.text("bc")].concat();
    let nested = [file.u32(ARRAY), file.size(1), file.u32(4), file.size(2), vec![0; 8]].concat();
    file.string("general.architecture", "llama")
        .key("a.bool", 7, vec![1])
        .key("tokenizer.ggml.tokens", ARRAY, list)
        .key("nested", ARRAY, nested)
        .key("a.f64", 12, vec![0; 8])
        .string("tokenizer.chat_template", "{{ messages[0]['content'] }}")
        .tensor("one", &[32, 2], 2, 0)
        .tensor("two", &[3], 0, 64)
        .data(64 + 12)
}

#[test]
fn every_version_and_byte_order_is_read() {
    for (version, big) in [(1, false), (2, false), (3, false), (3, true)] {
        let bytes = ordinary(version, big).bytes();
        let outline = parse(&View::new(&bytes), &mut Budget::new(Limits::default())).unwrap();
        assert_eq!((outline.version, outline.values.len(), outline.tensors.len()), (version, 5, 2));
        assert_eq!(outline.tensors[0].range.end - outline.tensors[0].range.start, 36);
        assert_eq!(outline.tensors[1].range.end, bytes.len() as u64);
        assert_eq!(examine(&bytes, "model.gguf").verdict(), Verdict::Ok);
    }
}

#[test]
fn padding_behind_the_last_tensor_is_optional() {
    let file = ordinary(3, false);
    assert_eq!(examine(&file.clone().data(96).bytes(), "m.gguf").verdict(), Verdict::Ok);
    assert_eq!(rule_of(&file.data(97).bytes()), rules::TRAILING_BYTES.id);
}

#[test]
fn truncation_is_unknown_wherever_it_happens() {
    let bytes = ordinary(3, false).bytes();
    for cut in 4..bytes.len() {
        let found = examine(&bytes[..cut], "model.gguf");
        assert_eq!((found.identity.format, found.verdict()), ("gguf", Verdict::Unknown), "{cut}");
    }
}

#[test]
fn layout_defects_are_bad() {
    let one = |shape: &[u64], kind, offset| File::new(3).tensor("t", shape, kind, offset).data(128).bytes();
    for bytes in [
        one(&[8], 0, u64::MAX - 0xfff),                                                 // wraps
        one(&[1 << 32, 1 << 32], 0, 0),                                                 // overflows
        one(&[33], 2, 0),                                                               // rows that are no blocks
        one(&[1, 1, 1, 1, 1], 0, 0),                                                    // dimensions
        one(&[8], 0, 16),                                                               // not aligned
        one(&[8], 0, 32),                                                               // a gap
        File::new(3).tensor("a", &[9], 0, 0).tensor("b", &[1], 0, 32).data(64).bytes(), // overlap
    ] {
        assert_eq!(rule_of(&bytes), rules::GGUF_LAYOUT.id);
        assert_eq!(examine(&bytes, "m.gguf").verdict(), Verdict::Bad);
    }
    let twice = File::new(3).tensor("a", &[1], 0, 0).tensor("a", &[1], 0, 32).data(64).bytes();
    assert_eq!(rule_of(&twice), rules::DUPLICATE_KEY.id);
}

#[test]
fn claims_beyond_the_file_are_refused_before_anything_is_held() {
    let mut counts = b"GGUF\x03\0\0\0".to_vec();
    counts.extend(u64::MAX.to_le_bytes());
    counts.extend((1u64 << 62).to_le_bytes());
    assert_eq!(rule_of(&counts), rules::GGUF_HEADER.id);
    let file = File::new(3);
    let array = [file.u32(10), file.u64(1 << 61)].concat();
    assert_eq!(rule_of(&file.clone().key("k", ARRAY, array).bytes()), rules::GGUF_HEADER.id);
    assert_eq!(rule_of(&file.clone().key("k", 99, vec![0; 8]).bytes()), rules::GGUF_HEADER.id);
    assert_eq!(rule_of(&file.clone().key("general.alignment", 4, vec![3, 0, 0, 0]).bytes()), rules::GGUF_HEADER.id);
    let deep: Vec<u8> = (0..9).flat_map(|_| [file.u32(ARRAY), file.u64(1)].concat()).collect();
    assert_eq!(rule_of(&file.clone().key("k", ARRAY, deep).bytes()), rules::GGUF_HEADER.id);
    assert_eq!(rule_of(b"GGUF\x09\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), rules::GGUF_HEADER.id);
}

#[test]
fn templates_are_checked() {
    let bytes = File::new(3).string("tokenizer.chat_template", "{{ cycler.__init__.__globals__ }}").bytes();
    let found = examine(&bytes, "m.gguf");
    assert!(found.has(&rules::TEMPLATE_ESCAPE));
    assert_eq!(found.verdict(), Verdict::Bad);
}

#[test]
fn many_keys_are_read_in_one_pass() {
    let mut file = File::new(3);
    for i in 0..50_000 {
        file = file.string(&format!("key.{i}"), "value");
    }
    assert_eq!(examine(&file.bytes(), "m.gguf").verdict(), Verdict::Ok);
}

proptest! {
    #[test]
    fn mutations_never_panic(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), big: bool) {
        let mut bytes = ordinary(3, big).bytes();
        for (place, with) in edits {
            let at = place.index(bytes.len());
            bytes[at] = with;
        }
        examine(&bytes, "m.gguf");
    }
}
