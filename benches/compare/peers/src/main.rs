//! SHA-256 of files by a library that people have: each file mapped and hashed as one stream, rayon over the files.
//! `peers sha2|ring|aws-lc THREADS FILE...`

use rayon::prelude::*;
use sha2::Digest;
use std::fmt::Write;

fn main() {
    let mut args = std::env::args().skip(1);
    let (library, threads) = (args.next().expect("a library"), args.next().expect("a number of threads"));
    let hash: fn(&[u8]) -> Vec<u8> = match library.as_str() {
        "sha2" => |bytes| sha2::Sha256::digest(bytes).to_vec(),
        "ring" => |bytes| ring::digest::digest(&ring::digest::SHA256, bytes).as_ref().to_vec(),
        "aws-lc" => |bytes| aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref().to_vec(),
        _ => panic!("there is no {library} here"),
    };
    rayon::ThreadPoolBuilder::new().num_threads(threads.parse().expect("a number")).build_global().expect("threads");
    let files: Vec<String> = args.collect();
    let line = |name: &String| {
        let file = std::fs::File::open(name).expect("a file");
        // SAFETY: nobody changes the files of a benchmark while it runs
        let map = unsafe { memmap2::Mmap::map(&file) }.expect("a mapping");
        let hex = hash(&map).iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("memory");
            hex
        });
        format!("{hex}  {name}")
    };
    files.par_iter().map(line).collect::<Vec<_>>().iter().for_each(|line| println!("{line}"));
}
