//! `mverify verify --tensor`: single tensors held against a signed manifest, without reading the rest of the files.
//!
//! Everything that is relied on is proven first: the headers that name tensors, and the bytes of the tensors that were
//! asked for. Nothing is said about files and bytes beside them, unlisted files included. Bound: each file of the model is
//! looked into as far as its tensors are named there.

use super::check::{Check, Relied};
use super::verify::Verified;
use crate::finding::{Finding, shown};
use crate::format::Role;
use crate::format::tensor::TensorInfo;
use crate::inspect;
use crate::manifest::Source;
use crate::manifest::compare::is_loaded_by_name;
use crate::manifest::oms::Manifest;
use crate::manifest::range::{RangeError, VerifiedRange};
use crate::manifest::tree::{Kind, Place, places};
use crate::report::{Artifact, Integrity, PART_OF_FILE, Status};
use crate::rule::{Severity, trust as rules};
use crate::source::{OpenOptions, Reach, ReadAt, View};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Ending of the name of an outboard beside its file.
pub const OUTBOARD: &str = ".obao";

impl Check<'_> {
    /// Verifies tensors by name, in whichever files hold them: the first artifacts are the bundles, then each file that holds
    /// one of them or is not what was signed. A tensor that no file holds provably is the last.
    pub fn tensors(&self, names: &[String], mut sink: impl FnMut(Artifact) -> ControlFlow<()>) -> ControlFlow<()> {
        let Relied { mut manifests, single, tolerance, .. } = self.relied(&mut sink)?;
        manifests.extend(single.into_iter().map(|(_, name, verified)| (name, verified)));
        let Some((first, verified)) = manifests.first() else { return ControlFlow::Continue(()) };
        let mut wanted: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        let (mut closed, mut looked) = (Vec::new(), 0_usize);
        for (name, verified) in &manifests {
            let source = named(name, verified);
            let (reach, places) = places(self.model, &verified.manifest, &tolerance);
            for Place { path, kind } in places {
                if self.settings.stop.is_set() {
                    return ControlFlow::Break(());
                }
                let part = Part { check: self, source: &source, reach: &reach, path };
                let (name, link) = match kind {
                    Kind::Listed { name, link, .. } => (name, link),
                    Kind::Missing if is_loaded_by_name(&part.path) => {
                        let finding = Finding::new(&rules::MISSING, "listed and not there");
                        sink(part.artifact(0, Status::Missing, None, vec![finding]))?;
                        continue;
                    }
                    Kind::Problem(finding) if self.lists(&part.path, &verified.manifest) => {
                        sink(part.artifact(0, Status::NotCovered, None, vec![finding]))?;
                        continue;
                    }
                    _ => continue,
                };
                match part.look(name, link, names) {
                    Ok(None) => looked += 1,
                    Ok(Some((found, artifact))) => {
                        looked += 1;
                        wanted.retain(|name| !found.iter().any(|found| found == name));
                        sink(artifact)?;
                    }
                    // a file that is not provable in parts; it matters only if a tensor is not found elsewhere
                    Err(RangeError::Whole) => closed.push(part.path),
                    Err(error) => sink(part.artifact(0, Status::of(&error), None, vec![error.finding()]))?,
                }
            }
        }
        if wanted.is_empty() {
            return ControlFlow::Continue(());
        }
        let missing: Vec<String> = wanted.iter().map(|name| shown(name)).collect();
        let mut message = format!("no file provably holds {}; {looked} were looked into", missing.join(", "));
        if let Some(first) = closed.first() {
            let more = if closed.len() > 1 { format!(" and {} more", closed.len() - 1) } else { String::new() };
            message.push_str(&format!(", not {}{more}: {}", shown(&first.to_string_lossy()), RangeError::Whole));
        }
        let source = named(first, verified);
        let nowhere = Part { check: self, source: &source, reach: &Reach::Anywhere, path: self.model.to_owned() };
        sink(nowhere.artifact(0, Status::NotCovered, None, vec![Finding::new(&rules::RANGE_UNPROVEN, message)]))
    }

    /// True if a manifest of the model lists what stands at `path`.
    fn lists(&self, path: &Path, manifest: &Manifest) -> bool {
        let below = path.strip_prefix(self.model).ok().and_then(Path::to_str);
        below.is_some_and(|name| name.is_empty() || manifest.entries.contains_key(name))
    }
}

fn named<'v>(name: &str, verified: &'v Verified) -> Source<'v> {
    let Verified { manifest, trust, signer, logged, .. } = verified;
    Source { manifest, name: name.to_owned(), trust: *trust, signer: signer.clone(), logged: *logged }
}

impl Status {
    fn of(error: &RangeError) -> Status {
        match error {
            RangeError::Differs(_) | RangeError::Length { .. } => Status::Mismatch,
            _ => Status::NotCovered,
        }
    }
}

/// One file, of which parts are proven.
struct Part<'a> {
    check: &'a Check<'a>,
    source: &'a Source<'a>,
    reach: &'a Reach,
    path: PathBuf,
}

impl Part<'_> {
    /// Proves the tensors of this file that were asked for: which they are, and what to say. `None` where it has none.
    fn look(&self, name: &str, link: bool, asked: &[String]) -> Result<Option<(Vec<String>, Artifact)>, RangeError> {
        let settings = self.check.settings;
        let open = |path: &Path, follow| {
            let options =
                OpenOptions { follow, max_file_bytes: settings.limits.max_file_bytes, ..OpenOptions::default() };
            self.reach.open(path, &options)
        };
        let file = open(&self.path, link).map_err(|error| RangeError::Io(error.reason()))?;
        let size = file.len();
        let beside = self.path.with_file_name(match self.path.file_name() {
            Some(name) => [name, OUTBOARD.as_ref()].into_iter().collect(),
            None => std::ffi::OsString::new(),
        });
        let outboard = open(&beside, true).ok().map(|nodes| Box::new(nodes) as Box<dyn ReadAt>);
        // what has no tensors is not worth a proof
        let has_tensors = inspect::format_of_tensors(&View::new(&file)).map_err(|error| RangeError::of(&error))?;
        if has_tensors.is_none() && !self.source.manifest.is_sharded() {
            return Ok(None);
        }
        let file = VerifiedRange::of(self.source.manifest, name, file, outboard)?;
        let Some(tensors) = file.tensors(&settings.limits)? else { return Ok(None) };
        let found: Vec<&TensorInfo> = tensors.iter().filter(|tensor| asked.contains(&tensor.name)).collect();
        if found.is_empty() {
            return Ok(None);
        }
        let (mut findings, mut proven) = (Vec::new(), Vec::new());
        for tensor in &found {
            let said = format!("{}, {} {:?}", shown(&tensor.name), tensor.dtype, tensor.shape);
            let Some(place) = tensor.place() else {
                let why = format!("where the tensor {said} lies cannot be told, so it was not proven");
                findings.push(Finding::new(&rules::RANGE_UNPROVEN, why));
                continue;
            };
            match file.prove(place.clone()) {
                Ok(()) => proven.push(format!("{said}, bytes {} to {}", place.start, place.end)),
                Err(error) => {
                    let finding = error.finding();
                    let message = format!("the tensor {said}: {}", finding.message);
                    findings.push(Finding { message, ..finding });
                }
            }
        }
        // a read that failed stays a failure; told above where a tensor met it
        if let (Err(error), true) = (file.settle(), findings.is_empty()) {
            findings.push(RangeError::of(&error).finding());
            proven.clear();
        }
        let status = match findings.iter().any(|finding| finding.rule == &rules::CHANGED) {
            true => Status::Mismatch,
            false if findings.is_empty() => Status::Match,
            false => Status::NotCovered,
        };
        let covered: u64 = file.proven().iter().map(|range| range.end - range.start).sum();
        let note = format!("{covered} of {size} bytes proven, nothing else was looked at");
        findings.extend(proven.into_iter().map(|what| Finding::new(&rules::PARTLY_PROVEN, what)));
        let names = found.iter().map(|tensor| tensor.name.clone()).collect();
        Ok(Some((names, self.artifact(size, status, Some(note), findings))))
    }

    fn artifact(&self, size: u64, status: Status, note: Option<String>, findings: Vec<Finding>) -> Artifact {
        let Source { name, trust, signer, logged, .. } = self.source;
        Artifact {
            format: PART_OF_FILE,
            role: Role::Loadable,
            integrity: vec![Integrity {
                source: name.clone(),
                trust: *trust,
                signer: signer.clone(),
                logged: *logged,
                status,
                note,
            }],
            ..Artifact::not_scanned(self.path.clone(), size, findings, Severity::High)
        }
    }
}
