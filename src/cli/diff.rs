//! `mverify diff`: what changed between two models.

use super::args::{DiffArgs, DiffFormat};
use super::check::{interruptible, signers, stop_after};
use super::exit::Exit;
use super::inspect::survey;
use super::progress::Bars;
use anyhow::{Context, Result, anyhow, bail};
use mverify::Verifier;
use mverify::change::{Side, compare, text};
use mverify::report::plain;
use mverify::verifier::Builder;
use std::io::{BufWriter, Write};

pub fn run(args: &DiffArgs) -> Result<Exit> {
    if args.trust.manifest.is_some() {
        bail!("--manifest is that of one model, and two are compared: name --key, --ca or --identity");
    }
    let stop = interruptible()?;
    if let Some(seconds) = args.limits.timeout {
        stop_after(seconds, &stop);
    }
    let mut builder = Verifier::builder()
        .limits(args.limits.limits())
        .outlines(true)
        .map(mverify::source::mmap::guard())
        .drop_cache(args.common.drop_cache)
        .threads(usize::from(args.common.threads.unwrap_or(0)))
        .stop(stop.clone());
    builder = args.torch.iter().fold(builder, Builder::torch);
    builder = signers(&args.trust)?.into_iter().fold(builder, Builder::signers);
    let verifier = builder.build()?;
    let mut unread = false;
    let mut sides = Vec::new();
    for path in [&args.old, &args.new] {
        let mut side = Side::of(path).map_err(|why| anyhow!("{}: {why}", plain::path(path)))?;
        let root = side.root.clone();
        unread |= survey(&verifier, &root, args.common.quiet, &stop, |artifact| side.push(artifact));
        sides.push(side);
    }
    let (Some(new), Some(old)) = (sides.pop(), sides.pop()) else { bail!("two models are compared") };
    let bars = Bars::new(args.common.quiet, &[], stop.clone());
    let diff = compare(old, new, &verifier, &bars).map_err(|why| anyhow!("{}: {why}", plain::path(&args.new)))?;
    drop(bars);
    let complete = diff.complete && !unread && !stop.is_set();
    if !args.common.quiet {
        let mut out = BufWriter::new(std::io::stdout().lock());
        match args.format {
            DiffFormat::Text => out.write_all(text::text(&diff, args.common.verbose).as_bytes()),
            DiffFormat::Markdown => out.write_all(text::markdown(&diff).as_bytes()),
            DiffFormat::Json => diff.write(&mut out),
        }
        .and_then(|()| out.flush())
        .context("cannot write the result")?;
    }
    if stop.is_set() {
        eprintln!("mverify: stopped before everything was compared");
    }
    Ok(match (diff.changed && !args.exit_zero, complete) {
        (true, _) => Exit::ProvenBad,
        (false, true) => Exit::Proven,
        (false, false) => Exit::NotProven,
    })
}
