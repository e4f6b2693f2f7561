//! Source code that loaders may be told to run: what in it can start programs or run text.
//!
//! Nothing is parsed: words are looked up, and what stands before and behind them. That cannot prove code harmless, and
//! nothing here claims it; it tells model code that only computes from code that deserves reading first. Linear.

use crate::rule::format as rules;
use crate::scan::Scan;

/// Modules whose mention deserves reading.
static MODULES: &[&str] = &[
    "subprocess",
    "ctypes",
    "socket",
    "pty",
    "runpy",
    "webbrowser",
    "marshal",
    "cffi",
    "multiprocessing",
    "paramiko",
    "importlib",
    "builtins",
    "__builtins__",
    "__import__",
    "operator",
    "requests",
    "urllib",
    "http",
    "ftplib",
    "telnetlib",
];
/// Functions that run text or processes when they are called by their bare name.
static CALLS: &[&str] = &["eval", "exec", "compile", "execfile", "system", "popen", "globals", "locals", "vars"];
/// Methods that run text or processes, whatever they are called on.
static METHODS: &[&str] = &[
    "system",
    "popen",
    "execv",
    "execve",
    "execl",
    "execlp",
    "execvp",
    "spawnl",
    "spawnv",
    "spawnlp",
    "posix_spawn",
    "fork",
    "startfile",
    "check_output",
    "Popen",
    "create_subprocess_exec",
    "create_subprocess_shell",
    "subprocess_exec",
    "subprocess_shell",
    "loads",
    "import_module",
    "run_path",
    "run_module",
];

/// Reports the first word of each kind that deserves reading.
pub fn check(source: &str, scan: &mut Scan<'_>) {
    let mut seen: Vec<&str> = Vec::new();
    let mut at = 0usize;
    while let Some((begin, end)) = next_word(source, at) {
        at = end;
        let Some(word) = source.get(begin..end) else { break };
        let before = source.get(..begin).and_then(|text| text.trim_end_matches(' ').chars().next_back());
        let called = source.get(end..).is_some_and(|rest| rest.trim_start_matches(' ').starts_with('('));
        let method = before == Some('.');
        let reason = MODULES.contains(&word) && !method
            || called && (if method { METHODS.contains(&word) } else { CALLS.contains(&word) });
        if reason && !seen.contains(&word) {
            seen.push(word);
            let offset = u64::try_from(begin).unwrap_or(0);
            scan.capabilities.code(format!("mentions {word}"));
            scan.report(&rules::POWERFUL_CODE, offset, format!("the code mentions {word}"));
        }
    }
}

fn next_word(source: &str, from: usize) -> Option<(usize, usize)> {
    let rest = source.get(from..)?;
    let begin = from.saturating_add(rest.find(|c: char| c == '_' || c.is_alphanumeric())?);
    let word = source.get(begin..)?;
    let length = word.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(word.len());
    Some((begin, begin.saturating_add(length)))
}

#[cfg(test)]
mod tests {
    use crate::Verdict;
    use crate::rule::format as rules;
    use crate::testing::{examine, shared};

    #[test]
    fn model_code_is_told_from_code_that_runs_things() {
        let model = b"import os\nimport torch\nclass Net(torch.nn.Module):\n    def f(self):\n        self.eval()\n        return torch.compile(os.path.join('a'))\n";
        let found = examine(model, "modeling_x.py");
        assert!(found.has(&rules::SCRIPT) && !found.has(&rules::POWERFUL_CODE), "{found:?}");
        assert_eq!(found.verdict(), Verdict::Ok);
        for code in ["import subprocess\n", "os.system('id')\n", "eval ('1')\n", "x = __import__('os')\n"] {
            assert_eq!(examine(code.as_bytes(), "x.py").verdict(), Verdict::Unknown, "{code}");
        }
    }

    #[test]
    fn plain_sources_of_the_corpus_pass() {
        let Some(shared) = shared() else { return };
        for entry in std::fs::read_dir(shared.join("corpus/benign/modelscan-eval")).unwrap().flatten() {
            if entry.path().extension().is_some_and(|e| e == "py") {
                let found = examine(&std::fs::read(entry.path()).unwrap(), "x.py");
                assert_eq!(found.verdict(), Verdict::Ok, "{:?} {found:?}", entry.path());
            }
        }
    }
}
