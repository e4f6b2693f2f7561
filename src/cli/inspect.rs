//! `mverify inspect`: what is inside files, as a tree for people or JSON for tools, and whether it is what was expected.

mod bundle;

use super::args::InspectArgs;
use super::check::{interruptible, stop_after};
use super::exit::Exit;
use super::progress::Bars;
use anyhow::{Context, Result, bail};
use mverify::format::tensor::TensorInfo;
use mverify::inspect::{self, same_dtype};
use mverify::report::{Artifact, plain, text};
use mverify::scan::Stop;
use mverify::source::{OpenOptions, Reach, View};
use mverify::walk::{Item, reach, walk};
use mverify::{Coverage, Limits, Verdict, Verifier};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Value of the `schema` field.
const SCHEMA: &str = "mverify.inspect/v1";
/// Members and tensors shown to people before the rest is only counted.
const SHOWN: usize = 200;

/// The JSON document, which `--expect` reads again. Fields that are not compared may be absent there.
#[derive(Serialize, Deserialize)]
struct Document {
    schema: String,
    artifacts: Vec<Inspected>,
}

#[derive(Serialize, Deserialize)]
struct Inspected {
    /// Below the path that was given, with `/`; the file's name where a file was given.
    path: String,
    #[serde(default)]
    format: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    digests: BTreeMap<String, String>,
    /// Absent where the file has none, or they cannot be told without loading.
    tensors: Option<Vec<Tensor>>,
    #[serde(default)]
    members: Vec<Member>,
    #[serde(default)]
    globals: Vec<String>,
    #[serde(default)]
    sources: Vec<Source>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    bundles: Vec<bundle::Inspected>,
}

#[derive(Serialize, Deserialize)]
struct Tensor {
    name: String,
    dtype: String,
    shape: Vec<u64>,
    /// Of its first byte in the file, where that is known.
    #[serde(default)]
    offset: Option<u64>,
    #[serde(default)]
    bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct Member {
    name: String,
    size: u64,
}

#[derive(Serialize, Deserialize)]
struct Source {
    source: String,
    trust: String,
    signer: Option<String>,
    status: String,
}

pub fn run(args: &InspectArgs) -> Result<Exit> {
    if args.path.as_os_str() == "-" {
        bail!("standard input cannot be inspected: write it to a file (./- is a file of that name)");
    }
    let expected = args.expect.as_deref().map(read).transpose()?;
    let stop = interruptible()?;
    if let Some(seconds) = args.limits.timeout {
        stop_after(seconds, &stop);
    }
    let limits = args.limits.limits();
    let verifier = Verifier::builder()
        .limits(limits.clone())
        .outlines(true)
        .map(mverify::source::mmap::guard())
        .drop_cache(args.common.drop_cache)
        .threads(usize::from(args.common.threads.unwrap_or(0)))
        .stop(stop.clone())
        .build()?;
    let reach = reach(&args.path).ok();
    let mut all = Vec::new();
    let unread = survey(&verifier, &args.path, args.common.quiet, &stop, |artifact| {
        all.push(inspected(args, reach.as_ref(), artifact, &limits));
    });
    let document = Document { schema: SCHEMA.to_owned(), artifacts: all };
    if !args.common.quiet {
        let mut out = BufWriter::new(std::io::stdout().lock());
        if args.json {
            serde_json::to_writer(&mut out, &document)?;
            writeln!(out)?;
        } else {
            document.artifacts.iter().try_for_each(|one| tree(&mut out, one, args.common.verbose))?;
        }
        out.flush()?;
    }
    let mut verdict = if unread { Verdict::Unknown } else { Verdict::Ok };
    if let Some(expected) = expected {
        let (differs, words) = compare(&expected, &document);
        words.iter().for_each(|words| eprintln!("mverify: {}", plain::whole(words)));
        verdict = verdict.max(differs);
    }
    Ok(Exit::of(verdict))
}

/// Looks into every file under a path. What cannot be read is told on standard error; true if there was such a file, or the
/// run was stopped.
pub fn survey(verifier: &Verifier, root: &Path, quiet: bool, stop: &Stop, mut sink: impl FnMut(Artifact)) -> bool {
    let mut items = walk(root);
    let met: HashSet<PathBuf> = items.iter().map(|item| item.path().to_owned()).collect();
    let expectations = verifier.gather(&[root.to_owned()], &mut items);
    // files that are not there have nothing inside
    items.retain(|item| !matches!(item, Item::Problem(path, _) if !met.contains(path)));
    let bars = Bars::new(quiet, &items, stop.clone());
    let mut unread = false;
    let flow = verifier.verify_items(items, &expectations, &bars, |artifact| {
        if artifact.digests.is_empty() || artifact.outcome.coverage() == Coverage::Partial {
            unread = true;
            let why = artifact.reasons().next().unwrap_or_default().to_owned();
            bars.pause(|| eprintln!("mverify: {}: {}", plain::path(&artifact.path), plain::whole(&why)));
        }
        sink(artifact);
        ControlFlow::Continue(())
    });
    unread || flow.is_break()
}

fn inspected(args: &InspectArgs, reach: Option<&Reach>, artifact: Artifact, limits: &Limits) -> Inspected {
    let below = artifact.path.strip_prefix(&args.path).ok().filter(|below| !below.as_os_str().is_empty());
    let path = below.or_else(|| artifact.path.file_name().map(Path::new)).unwrap_or(&artifact.path);
    let members = members(args, &artifact, reach, limits);
    let bundles = if artifact.digests.is_empty() { Vec::new() } else { bundle::inspect(&artifact.path) };
    Inspected {
        path: path.to_string_lossy().into_owned(),
        format: artifact.format.to_owned(),
        role: artifact.role.name().to_owned(),
        size: artifact.size,
        digests: artifact.digests.iter().map(|(by, digest)| (by.name().to_owned(), digest.to_string())).collect(),
        tensors: artifact.tensors.as_ref().map(|tensors| tensors.iter().map(tensor).collect()),
        members: members.into_iter().map(|m| Member { name: m.name, size: m.size }).collect(),
        globals: artifact.capabilities.globals.keys().cloned().collect(),
        sources: artifact
            .integrity
            .iter()
            .map(|i| Source {
                source: i.source.clone(),
                trust: i.trust.name().to_owned(),
                signer: i.signer.clone(),
                status: i.status.name().to_owned(),
            })
            .collect(),
        bundles,
    }
}

/// The members of an archive, from a second look at the file: they are shown, and nothing is decided by them.
fn members(args: &InspectArgs, artifact: &Artifact, reach: Option<&Reach>, limits: &Limits) -> Vec<inspect::Member> {
    let options = OpenOptions {
        drop_cache: args.common.drop_cache,
        max_file_bytes: limits.max_file_bytes,
        ..OpenOptions::default()
    };
    let read = !artifact.digests.is_empty() && artifact.path.as_os_str() != "-";
    let source = reach.filter(|_| read).and_then(|reach| reach.open(&artifact.path, &options).ok());
    source.and_then(|source| inspect::members(&View::new(&source), limits)).unwrap_or_default()
}

fn tensor(tensor: &TensorInfo) -> Tensor {
    Tensor {
        name: tensor.name.clone(),
        dtype: tensor.dtype.to_owned(),
        shape: tensor.shape.clone(),
        offset: tensor.place().map(|place| place.start),
        bytes: tensor.range.end.saturating_sub(tensor.range.start),
    }
}

fn tree(out: &mut impl Write, one: &Inspected, verbose: bool) -> Result<()> {
    let most = if verbose { usize::MAX } else { SHOWN };
    writeln!(out, "{}: {}, {}, {}", plain::plain(&one.path), one.format, one.role, text::bytes(one.size))?;
    for (by, digest) in &one.digests {
        writeln!(out, "  {by} {digest}")?;
    }
    for source in &one.sources {
        writeln!(out, "  {} {} ({})", source.status, plain::plain(&source.source), source.trust)?;
    }
    for line in one.bundles.iter().flat_map(bundle::Inspected::lines) {
        writeln!(out, "  {line}")?;
    }
    let tensors = one.tensors.as_deref().unwrap_or_default();
    let mut section = |title: &str, lines: Vec<String>| -> Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        writeln!(out, "  {title} ({})", lines.len())?;
        for line in lines.iter().take(most) {
            writeln!(out, "    {line}")?;
        }
        if lines.len() > most {
            writeln!(out, "    and {} more (-v shows all)", lines.len() - most)?;
        }
        Ok(())
    };
    let member = |m: &Member| format!("{}  {}", plain::plain(&m.name), text::bytes(m.size));
    section("members", one.members.iter().map(member).collect())?;
    section("globals", one.globals.iter().map(|global| plain::plain(global)).collect())?;
    let tensor = |t: &Tensor| {
        let at = t.offset.map(|offset| format!(" at byte {offset}")).unwrap_or_default();
        format!("{}  {} {:?}, {}{at}", plain::plain(&t.name), t.dtype, t.shape, text::bytes(t.bytes))
    };
    section("tensors", tensors.iter().map(tensor).collect())
}

/// What `--expect` names: an earlier inspection, or for one file a map of tensor names to `dtype` and `shape`.
enum Expected {
    Document(Document),
    Tensors(BTreeMap<String, Shape>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    dtype: Option<String>,
    shape: Vec<u64>,
}

fn read(path: &Path) -> Result<Expected> {
    let shown = plain::path(path);
    let text = std::fs::read(path).with_context(|| format!("cannot read {shown}"))?;
    let value: serde_json::Value = serde_json::from_slice(&text).with_context(|| format!("{shown} is no JSON"))?;
    if value.get("schema").is_some_and(|schema| schema == SCHEMA) {
        return Ok(Expected::Document(serde_json::from_value(value).with_context(|| format!("{shown} is malformed"))?));
    }
    if !value.is_object() {
        bail!("{shown} is neither an inspection nor a map of tensors");
    }
    let map = serde_json::from_value(value)
        .with_context(|| format!("{shown} is no inspection, and no map of tensor names to dtype and shape"))?;
    Ok(Expected::Tensors(map))
}

/// What differs from what was expected, in words.
fn compare(expected: &Expected, found: &Document) -> (Verdict, Vec<String>) {
    let (mut verdict, mut words) = (Verdict::Ok, Vec::new());
    let mut one = |name: &str, expected: &BTreeMap<&str, (Option<&str>, &[u64])>, found: Option<&Inspected>| {
        let Some(found) = found else {
            verdict = Verdict::Bad;
            words.push(format!("missing: {name}"));
            return;
        };
        let Some(tensors) = &found.tensors else {
            verdict = verdict.max(Verdict::Unknown);
            words.push(format!("the tensors of {name} cannot be told without loading it"));
            return;
        };
        let before = words.len();
        let have: BTreeMap<&str, &Tensor> = tensors.iter().map(|t| (t.name.as_str(), t)).collect();
        for (tensor, (dtype, shape)) in expected {
            match have.get(tensor) {
                None => words.push(format!("missing: {name}: {tensor}")),
                Some(t) if t.shape != *shape => {
                    words.push(format!("reshaped: {name}: {tensor} is {:?}, expected {shape:?}", t.shape));
                }
                Some(t) => {
                    if let Some(dtype) = dtype.filter(|dtype| !same_dtype(dtype, &t.dtype)) {
                        words.push(format!("retyped: {name}: {tensor} is {}, expected {dtype}", t.dtype));
                    }
                }
            }
        }
        let extra = have.keys().filter(|tensor| !expected.contains_key(*tensor));
        words.extend(extra.map(|tensor| format!("extra: {name}: {tensor}")));
        if words.len() > before {
            verdict = Verdict::Bad;
        }
    };
    match expected {
        Expected::Tensors(map) => {
            let map = map.iter().map(|(name, t)| (name.as_str(), (t.dtype.as_deref(), t.shape.as_slice()))).collect();
            for artifact in found.artifacts.iter().filter(|artifact| artifact.role == "loadable") {
                one(&artifact.path, &map, Some(artifact));
            }
            if !found.artifacts.iter().any(|artifact| artifact.role == "loadable") {
                one("a file with tensors", &map, None);
            }
        }
        Expected::Document(document) => {
            let with = |document: &Document| document.artifacts.iter().filter(|a| a.tensors.is_some()).count();
            // one file against one file: the name does not matter
            let single = with(document) == 1 && with(found) == 1;
            for artifact in document.artifacts.iter().filter(|artifact| artifact.tensors.is_some()) {
                let map = artifact
                    .tensors
                    .iter()
                    .flatten()
                    .map(|t| (t.name.as_str(), (Some(t.dtype.as_str()), t.shape.as_slice())))
                    .collect();
                let same = |a: &&Inspected| if single { a.tensors.is_some() } else { a.path == artifact.path };
                one(&artifact.path, &map, found.artifacts.iter().find(same));
            }
            for artifact in found.artifacts.iter().filter(|artifact| !single && artifact.tensors.is_some()) {
                if !document.artifacts.iter().any(|a| a.path == artifact.path && a.tensors.is_some()) {
                    verdict = Verdict::Bad;
                    words.push(format!("extra: {}", artifact.path));
                }
            }
        }
    }
    (verdict, words)
}
