//! Doubles the input of every parser and prints how much longer it takes: about 2 for a linear one.
//!
//! `cargo bench --bench doubling`. Each figure is the fastest of several runs, which is what noise disturbs least.

use mverify::Verifier;
use std::time::{Duration, Instant};

fn main() {
    let verifier = Verifier::builder().digests(&[]).build().expect("one thread needs no pool");
    println!("{:<34} {:>10} {:>10} {:>6}", "input", "n", "2n", "ratio");
    let examine = |bytes: &[u8]| {
        std::hint::black_box(verifier.verify_bytes("input", bytes));
    };
    let cases = CASES.iter().map(|case| (case, &examine as &dyn Fn(&[u8])));
    let through = THROUGH.iter().map(|case| (case, &look_through as &dyn Fn(&[u8])));
    let stores = STORES.iter().map(|case| (case, &read_manifest as &dyn Fn(&[u8])));
    for ((name, size, make), run) in cases.chain(through).chain(stores) {
        let (small, large) = (make(*size), make(2 * *size));
        let (one, two) = (fastest(run, &small), fastest(run, &large));
        let ratio = two.as_secs_f64() / one.as_secs_f64();
        let note = if ratio > 2.2 { "  over 2.2" } else { "" };
        println!("{name:<34} {one:>10.2?} {two:>10.2?} {ratio:>6.2}{note}");
    }
}

type Case = (&'static str, usize, fn(usize) -> Vec<u8>);

const CASES: &[Case] = &[
    ("pickle: list of ints", 400_000, |n| pickle(b"](", b"K\x07", n, b"e")),
    ("pickle: memoized strings", 200_000, |n| pickle(b"](", b"\x8c\x05abcde\x94", n, b"e")),
    ("pickle: nested lists", 100_000, |n| {
        [b"\x80\x04".to_vec(), b"]".repeat(n), b"a".repeat(n - 1), b".".to_vec()].concat()
    }),
    ("pickle: nested marks", 200_000, |n| {
        [b"\x80\x04".to_vec(), b"(".repeat(n), b"t".repeat(n), b".".to_vec()].concat()
    }),
    ("pickle: DUP and tuples", 100_000, |n| pickle(b"N", b"2\x86", n, b"")),
    ("pickle: memo far out", 50_000, |n| {
        let puts: Vec<u8> = (0..n).flat_map(|i| [&b"r"[..], &(i as u32 * 7919).to_le_bytes()].concat()).collect();
        [b"\x80\x02N".to_vec(), puts, b".".to_vec()].concat()
    }),
    ("pickle: globals", 50_000, |n| pickle(b"](", b"ccollections\nOrderedDict\n", n, b"e")),
    ("pickle: many streams", 50_000, |n| b"\x80\x02N.".repeat(n)),
    ("pickle: protocol 0 ints", 100_000, |n| pickle(b"(l(", b"I12345\n", n, b"e")),
    ("safetensors: tensors", 20_000, safetensors),
    ("gguf: key-values", 50_000, gguf),
    ("json: objects", 50_000, |n| [b"[".to_vec(), b"{\"a\":[1,\"b\"]},".repeat(n), b"0]".to_vec()].concat()),
    ("yaml: mappings", 20_000, |n| (0..n).flat_map(|i| format!("k{i}:\n  - {{a: [1, b]}}\n").into_bytes()).collect()),
    ("yaml: one flow list", 100_000, |n| [b"[".to_vec(), b"{a: 'b'}, ".repeat(n), b"]".to_vec()].concat()),
    ("yaml: aliases", 50_000, |n| {
        (0..n).flat_map(|i| format!("- &a{i} {{_target_: x.y, b: *a{}}}\n", i.saturating_sub(1)).into_bytes()).collect()
    }),
    ("yaml: aliases of a long text", 50_000, |n| {
        [b"- &a \"".to_vec(), b"{{ x }} ".repeat(n), b"\"\n".to_vec(), b"- {template: *a, *a : b}\n".repeat(n)].concat()
    }),
    ("yaml: tags", 50_000, |n| b"- !!python/name:a.b\n- !<tag:yaml.org,2002:str> x\n".repeat(n)),
    ("yaml: one block scalar", 1_000_000, |n| [b"a: |\n".to_vec(), b"  some text\n\n".repeat(n)].concat()),
    ("yaml: one plain scalar", 1_000_000, |n| [b"a: b\n".to_vec(), b"  some text\n".repeat(n)].concat()),
    ("yaml: deep, again and again", 1_000, |n| {
        [b"- ".to_vec(), b"[".repeat(200), b"]".repeat(200), b"\n".to_vec()].concat().repeat(n)
    }),
    ("yaml: documents", 100_000, |n| b"--- a\n...\n".repeat(n)),
    ("text: prose", 1_000_000, |n| b"All work and no play. ".repeat(n / 22)),
    ("zip: members", 10_000, zip),
    ("tar: members", 10_000, tar),
];

/// Inputs of `mverify hash --through tar`.
const THROUGH: &[Case] = &[
    ("through tar: members", 10_000, tar),
    ("through tar: content", 10_000_000, tar_of_one),
    ("through tar: deep folders", 2_000, |n| {
        let files: Vec<u8> = (0..n).flat_map(|i| tar_member(&format!("{}{i}", "a/".repeat(45)), b"")).collect();
        [files, vec![0; 1024]].concat()
    }),
];

/// Manifests of model stores.
const STORES: &[Case] = &[("oci: layers", 10_000, |n| {
    let layer =
        |i| format!(r#"{{"digest":"sha256:{i:064x}","size":1,"annotations":{{"org.cncf.model.filepath":"a/{i}"}}}}"#);
    format!(r#"{{"layers":[{}]}}"#, (0..n).map(layer).collect::<Vec<_>>().join(",")).into_bytes()
})];

fn read_manifest(bytes: &[u8]) {
    std::hint::black_box(mverify::manifest::oci::parse(bytes).expect("a manifest"));
}

fn look_through(bytes: &[u8]) {
    use mverify::through::{Layers, through};
    let layers = Layers::parse(&["tar"]).expect("a known layer");
    let mut budget = mverify::budget::Budget::new(mverify::Limits::default());
    let found = through(&bytes, layers, &[mverify::digest::Algorithm::Blake3], &mut budget, &mut |_| Ok(()));
    std::hint::black_box(found.expect("readable").inside.expect("an archive"));
}

fn pickle(head: &[u8], each: &[u8], n: usize, tail: &[u8]) -> Vec<u8> {
    [b"\x80\x04", head, &each.repeat(n), tail, b"."].concat()
}

fn safetensors(n: usize) -> Vec<u8> {
    let entries: Vec<String> = (0..n)
        .map(|i| format!("\"t{i}\":{{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[{i},{}]}}", i + 1))
        .collect();
    let header = format!("{{{}}}", entries.join(","));
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; n]].concat()
}

fn gguf(n: usize) -> Vec<u8> {
    let mut file = b"GGUF\x03\0\0\0".to_vec();
    file.extend(0u64.to_le_bytes());
    file.extend((n as u64).to_le_bytes());
    for i in 0..n {
        let key = format!("key.{i}");
        file.extend((key.len() as u64).to_le_bytes());
        file.extend(key.as_bytes());
        file.extend(4u32.to_le_bytes());
        file.extend(7u32.to_le_bytes());
    }
    file
}

fn zip(n: usize) -> Vec<u8> {
    use std::io::Write;
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for i in 0..n {
        writer.start_file(format!("a/{i}.txt"), stored).expect("in memory");
        writer.write_all(b"prose").expect("in memory");
    }
    writer.finish().expect("in memory").into_inner()
}

fn tar_member(name: &str, content: &[u8]) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    block[156] = b'0';
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
    block.extend(content);
    block.resize(block.len().next_multiple_of(512), 0);
    block
}

fn tar(n: usize) -> Vec<u8> {
    let members = (0..n).flat_map(|i| tar_member(&format!("a/{i}.txt"), b"prose"));
    members.chain([0; 1024]).collect()
}

fn tar_of_one(n: usize) -> Vec<u8> {
    [tar_member("a.txt", &b"All work and no play. ".repeat(n / 22)), vec![0; 1024]].concat()
}

fn fastest(run: &dyn Fn(&[u8]), bytes: &[u8]) -> Duration {
    (0..5)
        .map(|_| {
            let begun = Instant::now();
            run(bytes);
            begun.elapsed()
        })
        .min()
        .unwrap_or_default()
}
