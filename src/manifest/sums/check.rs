//! Compares files with a list, as `sha256sum -c` does.

use super::{Line, Sums};
use crate::digest::{Algorithm, Digests, PassError, Passed, Plan, Pool, Prepared, Watch, many, pass};
use crate::error::Error;
use crate::outcome::Verdict;
use crate::source::{FileSource, OpenOptions, ReadAt, Spool};
use std::borrow::Cow;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// How to compare.
#[derive(Debug)]
pub struct Checking {
    /// The directory that names in the list are relative to. Absolute names and `..` are taken as they stand, as
    /// `sha256sum` does: only check lists whose names you trust, or look at them first.
    pub base: PathBuf,
    /// How files are opened.
    pub open: OpenOptions,
    /// Pass over files that do not exist.
    pub ignore_missing: bool,
    /// What lines are about that name `-`.
    pub stdin: Option<Spool>,
}

/// What became of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// The file has this digest.
    Match(Algorithm),
    /// It has not.
    Mismatch,
    /// There is no such file.
    Missing,
    /// The file could not be read to its end, and why.
    Unreadable(String),
}

/// The result for one line.
#[derive(Clone, Debug)]
pub struct Checked<'a> {
    /// The line.
    pub line: &'a Line,
    /// What became of it.
    pub status: Status,
}

/// Counts of results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Files that have their digest.
    pub matches: u64,
    /// Files that have another.
    pub mismatches: u64,
    /// Files that do not exist, unless they are ignored.
    pub missing: u64,
    /// Files that could not be read.
    pub unreadable: u64,
    /// Malformed lines.
    pub malformed: u64,
}

impl Summary {
    /// The verdict on the whole list. `strict` makes malformed lines count; a list that proves nothing is never ok.
    pub fn verdict(&self, strict: bool) -> Verdict {
        if self.mismatches > 0 || self.missing > 0 {
            Verdict::Bad
        } else if self.unreadable > 0 || self.matches == 0 || (strict && self.malformed > 0) {
            Verdict::Unknown
        } else {
            Verdict::Ok
        }
    }
}

/// Checks every line on the threads of `pool`; hands the results to `deliver` on the calling thread, in the order of the
/// list. Files that are missing and may be are not delivered. `None` if it was stopped before the end.
pub fn check<'a>(
    sums: &'a Sums,
    checking: &Checking,
    pool: &Pool,
    watch: &dyn Watch,
    mut deliver: impl FnMut(Checked<'a>) -> ControlFlow<()>,
) -> Option<Summary> {
    let mut summary = Summary { malformed: sums.malformed.len() as u64, ..Summary::default() };
    let prepare = |line: &'a Line| match open(line, checking) {
        Ok(source) => Prepared::Hash { source, plan: plan(line.candidates().first()), carry: line },
        Err(status) => Prepared::Done(Checked { line, status }),
    };
    let complete =
        |line: &'a Line, source: Box<dyn ReadAt + '_>, passed| Checked { line, status: judge(line, &source, passed) };
    let flow = many(pool, sums.lines.iter(), prepare, complete, watch, |checked| {
        match &checked.status {
            Status::Match(_) => summary.matches += 1,
            Status::Mismatch => summary.mismatches += 1,
            Status::Missing if checking.ignore_missing => return ControlFlow::Continue(()),
            Status::Missing => summary.missing += 1,
            Status::Unreadable(_) => summary.unreadable += 1,
        }
        deliver(checked)
    });
    flow.is_continue().then_some(summary)
}

fn plan<'a>(algorithms: impl IntoIterator<Item = &'a Algorithm>) -> Plan {
    Plan { algorithms: algorithms.into_iter().copied().collect(), ..Plan::default() }
}

fn open<'a>(line: &Line, checking: &'a Checking) -> Result<Box<dyn ReadAt + 'a>, Status> {
    if line.name == b"-" {
        let stdin = checking.stdin.as_ref().map(|spool| Box::new(spool) as Box<dyn ReadAt>);
        return stdin.ok_or_else(|| Status::Unreadable("standard input is not there".to_owned()));
    }
    let Some(name) = path(&line.name) else {
        return Err(Status::Unreadable("the name is not a path on this system".to_owned()));
    };
    let opened = FileSource::open(&checking.base.join(name), &checking.open);
    opened.map(|source| Box::new(source) as Box<dyn ReadAt>).map_err(|error| match error {
        Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => Status::Missing,
        Error::Io { source, .. } => Status::Unreadable(source.to_string()),
        Error::NotRegular { kind, .. } => Status::Unreadable(format!("is {kind}, not a regular file")),
        Error::TooLarge { limit, .. } => Status::Unreadable(format!("over the limit max_file_bytes ({limit} bytes)")),
        other => Status::Unreadable(other.to_string()),
    })
}

/// A mismatch is called one only after a second pass, on the plain path, with every algorithm that may be meant.
fn judge(line: &Line, source: &dyn ReadAt, passed: Result<Passed, PassError>) -> Status {
    let matching = |digests: &Digests| {
        line.candidates().iter().copied().find(|algorithm| digests.get(*algorithm) == Some(line.digest))
    };
    let again = |passed: Passed| match matching(&passed.digests) {
        Some(algorithm) => Ok((Some(algorithm), passed)),
        None => pass(source, &plan(line.candidates()), &Pool::single(), &()).map(|passed| (None, passed)),
    };
    match passed.and_then(again) {
        Ok((first, passed)) => match first.or_else(|| matching(&passed.digests)) {
            Some(algorithm) => Status::Match(algorithm),
            None => Status::Mismatch,
        },
        Err(error) => Status::Unreadable(error.to_string()),
    }
}

/// A name of a list as a path.
#[cfg(unix)]
fn path(name: &[u8]) -> Option<Cow<'_, Path>> {
    use std::os::unix::ffi::OsStrExt;
    Some(Cow::Borrowed(Path::new(std::ffi::OsStr::from_bytes(name))))
}

/// A name of a list as a path.
#[cfg(not(unix))]
fn path(name: &[u8]) -> Option<Cow<'_, Path>> {
    std::str::from_utf8(name).ok().map(|name| Cow::Borrowed(Path::new(name)))
}

#[cfg(test)]
mod tests {
    use super::super::Reading;
    use super::*;

    #[test]
    fn every_status() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["good", "blake", "bad"] {
            std::fs::write(directory.path().join(name), name).unwrap();
        }
        std::fs::create_dir(directory.path().join("folder")).unwrap();
        let sha256 = |bytes: &[u8]| {
            let passed = pass(&bytes.to_vec(), &plan(&[Algorithm::Sha256]), &Pool::single(), &()).unwrap();
            passed.digests.get(Algorithm::Sha256).unwrap()
        };
        let text = format!(
            "{good}  good\n{blake}  blake\n{good}  bad\n{good}  missing\n{good}  folder\nnonsense\n",
            good = sha256(b"good"),
            blake = blake3::hash(b"blake")
        );
        let sums = Sums::parse(text.as_bytes(), &Reading::default()).unwrap();
        for ignore_missing in [false, true] {
            let open = OpenOptions::default();
            let checking = Checking { base: directory.path().to_owned(), open, ignore_missing, stdin: None };
            let mut seen = Vec::new();
            let summary = check(&sums, &checking, &Pool::new(2).unwrap(), &(), |checked| {
                seen.push((checked.line.number, checked.status));
                ControlFlow::Continue(())
            });
            let mut expected = vec![
                (1, Status::Match(Algorithm::Sha256)),
                (2, Status::Match(Algorithm::Blake3)),
                (3, Status::Mismatch),
                (4, Status::Missing),
                (5, Status::Unreadable("is a directory, not a regular file".to_owned())),
            ];
            if ignore_missing {
                expected.remove(3);
            }
            assert_eq!(seen, expected);
            let missing = u64::from(!ignore_missing);
            let counts = Summary { matches: 2, mismatches: 1, missing, unreadable: 1, malformed: 1 };
            assert_eq!(summary, Some(counts));
        }
    }

    #[test]
    fn a_list_that_proves_nothing_is_not_ok() {
        let verdict = |matches, malformed, strict| Summary { matches, malformed, ..Summary::default() }.verdict(strict);
        assert_eq!(verdict(0, 0, false), Verdict::Unknown);
        assert_eq!(verdict(1, 1, false), Verdict::Ok);
        assert_eq!(verdict(1, 1, true), Verdict::Unknown);
        let missing = Summary { matches: 1, missing: 1, ..Summary::default() };
        assert_eq!(missing.verdict(false), Verdict::Bad);
    }
}
