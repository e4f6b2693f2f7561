//! TorchScript archives on torch up to 2.5, which ran `torch.jit.load` on them whatever `weights_only` said
//! (CVE-2025-32434).

use super::archive::Archive;
use super::stop::{Run, corrupt, doubt};

/// What `torch.jit.load` does: it loads an archive whose object is an instance of a class whose code is there.
pub(super) fn load(archive: &Archive<'_>) -> Run<()> {
    let pickle = |name: &str| match archive.locate(name.as_bytes()) {
        Some(at) => archive.content(at, name),
        None => Err(corrupt(format!("PytorchStreamReader failed locating file {name}: file not found"))),
    };
    let constants = pickle("constants.pkl")?;
    let object = pickle("data.pkl")?;
    if !constants.ends_with(b".") || !object.ends_with(b".") {
        return Err(corrupt("RuntimeError: Unexpected end of pickler archive."));
    }
    let Some(class) = object.strip_prefix(b"\x80\x02c__torch__") else {
        return Err(corrupt("RuntimeError: isObject() INTERNAL ASSERT FAILED: the archive holds no module"));
    };
    // The module part of the class' name is the path of its code.
    let line = class.split(|b| *b == b'\n').next().unwrap_or_default();
    let path: Vec<u8> = line.iter().map(|b| if *b == b'.' { b'/' } else { *b }).collect();
    let code = [b"code/__torch__", path.as_slice(), b".py"].concat();
    if archive.locate(&code).is_none() {
        return Err(doubt("a TorchScript archive whose code is not where it belongs"));
    }
    Ok(())
}
