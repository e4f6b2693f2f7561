//! Exit codes: one enum, one table.

use mverify::Verdict;
use mverify::report::Summary;
use std::process::ExitCode;

/// What the process says by its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Everything that was asked for was proven.
    Proven,
    /// Not proven: unreadable, truncated, unsupported, over a limit, nothing matched.
    NotProven,
    /// Proven bad: a finding at or above `--fail-on`, or a digest or signature that does not match.
    ProvenBad,
    /// The command line or a configuration file cannot be used.
    Usage,
}

/// Every exit code, as shown by `--help` and in `docs/exit-codes.md`.
pub const TABLE: [(Exit, u8, &str); 4] = [
    (Exit::Proven, 0, "everything that was asked for was proven"),
    (
        Exit::ProvenBad,
        1,
        "proven bad: a finding at or above --fail-on (default: high), a digest or signature that does not match, \
         an unexpected or missing file",
    ),
    (Exit::Usage, 2, "usage or configuration error"),
    (
        Exit::NotProven,
        3,
        "not proven: unreadable, truncated, unsupported, over a limit, a pointer instead of weights, nothing matched",
    ),
];

impl Exit {
    /// The exit code for an overall verdict.
    pub fn of(verdict: Verdict) -> Exit {
        match verdict {
            Verdict::Ok => Exit::Proven,
            Verdict::Unknown => Exit::NotProven,
            Verdict::Bad => Exit::ProvenBad,
        }
    }
    /// The exit code of a run. `exit_zero` softens only proven bad: what else was not proven then shows.
    pub fn of_run(summary: &Summary, exit_zero: bool) -> Exit {
        match Exit::of(summary.verdict()) {
            Exit::ProvenBad if exit_zero && (summary.unknown > 0 || summary.stopped) => Exit::NotProven,
            Exit::ProvenBad if exit_zero => Exit::Proven,
            exit => exit,
        }
    }
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Exit::Proven => 0,
            Exit::ProvenBad => 1,
            Exit::Usage => 2,
            Exit::NotProven => 3,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_enum() {
        for (exit, code, words) in TABLE {
            assert_eq!(exit.code(), code);
            assert!(!words.is_empty());
        }
    }

    #[test]
    fn exit_zero_softens_only_proven_bad() {
        let run = |unknown, bad| Summary { ok: 1, unknown, bad, ..Summary::default() };
        assert_eq!(Exit::of_run(&run(0, 1), false), Exit::ProvenBad);
        assert_eq!(Exit::of_run(&run(0, 1), true), Exit::Proven);
        assert_eq!(Exit::of_run(&run(1, 0), true), Exit::NotProven);
        assert_eq!(Exit::of_run(&run(1, 1), true), Exit::NotProven);
        assert_eq!(Exit::of_run(&Summary { stopped: true, ..run(0, 1) }, true), Exit::NotProven);
    }
}
