//! `--drop-cache`: what a run leaves in the system's page cache, as `fincore` of util-linux tells it.

use super::tool::mverify;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A file of safetensors with one tensor of so many bytes.
fn safetensors(path: &Path, len: usize) {
    let header = format!(r#"{{"a":{{"dtype":"U8","shape":[{len}],"data_offsets":[0,{len}]}}}}"#);
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend((0..len).map(|i| (i * 31 + i / 251) as u8));
    fs::write(path, bytes).unwrap();
}

/// Bytes of a file that are in memory; `None` where nobody tells.
fn cached(path: &Path) -> Option<u64> {
    let run = Command::new("fincore").args(["--bytes", "--noheadings", "--output", "RES"]).arg(path).output().ok()?;
    String::from_utf8(run.stdout).ok()?.trim().parse().ok()
}

/// Puts a file on disk and out of memory.
fn evict(path: &Path) {
    let mut to = OsStr::new("of=").to_owned();
    to.push(path);
    let run = Command::new("dd").arg(to).args(["oflag=nocache", "conv=notrunc,fdatasync", "count=0"]).output().unwrap();
    assert!(run.status.success());
}

#[test]
fn the_cache_is_left_as_it_was_found() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let model = directory.path().join("model");
    fs::create_dir(&model).unwrap();
    let (cold, warm) = (model.join("cold.safetensors"), model.join("warm.safetensors"));
    let len = 9_000_000;
    safetensors(&cold, len);
    safetensors(&warm, len);
    evict(&cold);
    if cached(&cold) != Some(0) || cached(&warm).is_none_or(|bytes| bytes < len as u64) {
        return eprintln!("skipped: no fincore, or a file system without a cache");
    }
    let here = |name: &str| directory.path().join(name);
    let arg = |text: &'static str| std::path::PathBuf::from(text);
    assert_eq!(mverify(&[arg("keygen"), arg("--output"), here("key")]).code, 0);
    let key = here("key");
    for (name, shards) in [("whole.sig", None), ("shards.sig", Some("1000000"))] {
        let mut args = vec![arg("sign"), model.clone(), arg("--key"), key.clone(), arg("-o"), here(name)];
        args.extend(shards.into_iter().flat_map(|size| [arg("--shards"), arg(size)]));
        let run = mverify(&args);
        assert_eq!(run.code, 0, "{}", run.err);
    }
    assert_eq!(mverify(&[arg("lock"), model.clone(), arg("-o"), here("lock")]).code, 0);
    let verify = |signature: &str| {
        vec![arg("verify"), model.clone(), arg("--key"), here("key.pub"), arg("--manifest"), here(signature)]
    };
    let runs = [
        vec![arg("hash"), model.clone()],
        vec![arg("hash"), arg("-a"), arg("blake3"), arg("--threads"), arg("1"), model.clone()],
        vec![arg("check"), model.clone()],
        verify("whole.sig"),
        verify("shards.sig"),
        vec![arg("lock"), model.clone(), arg("--check"), arg("-o"), here("lock")],
    ];
    for mut args in runs {
        evict(&cold);
        assert_eq!(cached(&cold), Some(0));
        assert!(mverify(&args).code == 0 && cached(&cold).is_some_and(|bytes| bytes >= len as u64), "{args:?}");
        evict(&cold);
        args.push(arg("--drop-cache"));
        let run = mverify(&args);
        assert_eq!(run.code, 0, "{args:?}: {}{}", run.out, run.err);
        assert_eq!(cached(&cold), Some(0), "{args:?}");
        assert!(cached(&warm).is_some_and(|bytes| bytes >= len as u64), "{args:?}: what was there before stays");
    }
}
