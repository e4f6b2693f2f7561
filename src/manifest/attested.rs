//! Files held against attestations of provenance that somebody signed.

use super::attestation::{Attestation, Says};
use super::tree::Tolerance;
use crate::digest::{self, Algorithm, Digests, PassError, Passed, Plan, Pool, Prepared, Watch};
use crate::finding::Finding;
use crate::outcome::Outcome;
use crate::report::{Artifact, Integrity, Status, Trust};
use crate::rule::{Severity, trust as rules};
use crate::scan::Settings;
use crate::source::{FileSource, OpenOptions, ReadAt};
use crate::walk::{Item, walk};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// An attestation that was verified, and what it is worth.
#[derive(Clone, Debug)]
pub struct Attested {
    /// Its name in reports.
    pub source: String,
    /// What it is worth.
    pub trust: Trust,
    /// Who signed it.
    pub signer: Option<String>,
    /// When a log saw the signature, in seconds since 1970.
    pub logged: Option<i64>,
    /// What it says.
    pub attestation: Attestation,
}

impl Attested {
    /// What it says about a file that has these digests; `None` for nothing.
    pub fn compare(&self, path: &Path, digests: &Digests) -> Option<(Integrity, Option<Finding>)> {
        let says = self.attestation.about(path, &digests.get(Algorithm::Sha256)?)?;
        let result = |status, note: Option<String>| Integrity {
            source: self.source.clone(),
            trust: self.trust,
            signer: self.signer.clone(),
            logged: self.logged,
            status,
            note,
        };
        Some(match says {
            Says::Attested => (result(Status::Match, Some(self.attestation.predicate_type.clone())), None),
            Says::Contradicted(other) => {
                let message = format!("{} attests a file of this name with another sha256, {other}", self.source);
                (result(Status::Mismatch, None), Some(Finding::new(&rules::CHANGED, message)))
            }
        })
    }

    /// Adds to an artifact what attestations say about its file.
    pub fn add(all: &[Attested], artifact: &mut Artifact) {
        for (integrity, finding) in all.iter().filter_map(|one| one.compare(&artifact.path, &artifact.digests)) {
            artifact.integrity.push(integrity);
            if let Some(finding) = finding {
                artifact.findings.push(finding);
                artifact.outcome = Outcome::judge(&artifact.findings, Severity::High);
            }
        }
    }
}

/// A comparison with attestations alone, where there is no manifest.
#[derive(Clone, Debug)]
pub struct Attesting<'a> {
    /// What somebody attested.
    pub all: &'a [Attested],
    /// What the user tolerates.
    pub tolerance: &'a Tolerance,
    /// Limits.
    pub settings: &'a Settings,
    /// Maps files instead of reading them.
    pub map: bool,
    /// Gives up pages of the system's cache that were not there before.
    pub drop_cache: bool,
}

impl Attesting<'_> {
    /// Holds every file below `root` against the attestations: a file whose content none of them names is not proven.
    pub fn run(
        &self,
        root: &Path,
        pool: &Pool,
        watch: &dyn Watch,
        sink: impl FnMut(Artifact) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let items = walk(root).into_iter().filter(|item| !self.tolerance.covers(root, item.path()));
        digest::many(
            pool,
            items.collect::<Vec<Item>>().into_iter(),
            |item| self.prepare(item),
            |path, file, passed| self.compared(path, &file, passed),
            watch,
            sink,
        )
    }

    fn prepare(&self, item: Item) -> Prepared<FileSource, PathBuf, Artifact> {
        let max_file_bytes = self.settings.limits.max_file_bytes;
        let options =
            OpenOptions { map: self.map, drop_cache: self.drop_cache, max_file_bytes, ..OpenOptions::default() };
        let (path, file) = match item {
            Item::File(path, reach) => {
                let file = reach.open(&path, &options).map_err(|error| Finding::from(&error));
                (path, file)
            }
            Item::Problem(path, finding) => (path, Err(finding)),
            Item::Stdin(_) => {
                (PathBuf::from("-"), Err(Finding::new(&rules::UNATTESTED, "standard input has no attestation")))
            }
        };
        match file {
            Ok(source) => Prepared::Hash { source, plan: plan(), carry: path },
            Err(finding) => Prepared::Done(Artifact::not_scanned(path.as_path(), 0, vec![finding], Severity::High)),
        }
    }

    fn compared(&self, path: PathBuf, file: &FileSource, passed: Result<Passed, PassError>) -> Artifact {
        let differs = |passed: &Passed| {
            let said = || self.all.iter().filter_map(|one| one.compare(&path, &passed.digests));
            said().count() == 0 || said().any(|(_, finding)| finding.is_some())
        };
        let passed = passed.and_then(|passed| digest::confirmed(file, &plan(), passed, differs));
        let passed = match passed {
            Ok(passed) => passed,
            Err(error) => {
                return Artifact::not_scanned(path.as_path(), file.len(), vec![Finding::from(error)], Severity::High);
            }
        };
        let not_scanned = Artifact::not_scanned(path.as_path(), file.len(), Vec::new(), Severity::High);
        let mut artifact = Artifact { digests: passed.digests, ..not_scanned };
        Attested::add(self.all, &mut artifact);
        if artifact.integrity.is_empty() {
            artifact.findings.push(Finding::new(&rules::UNATTESTED, "no attestation has a subject of this content"));
            artifact.outcome = Outcome::judge(&artifact.findings, Severity::High);
        }
        artifact
    }
}

fn plan() -> Plan {
    Plan { algorithms: vec![Algorithm::Sha256], ..Plan::default() }
}
