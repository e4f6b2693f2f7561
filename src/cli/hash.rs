//! `mverify hash`.
use super::args::HashArgs;
use super::exit::Exit;
use anyhow::Result;
use mverify::digest::Algorithm;

pub fn run(args: &HashArgs) -> Result<Exit> {
    let _ = args;
    anyhow::bail!("not yet")
}

pub fn algorithm(name: &str) -> Result<Algorithm> {
    let _ = name;
    Ok(Algorithm::Sha256)
}
