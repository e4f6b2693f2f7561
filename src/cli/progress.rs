//! Progress on a terminal: the whole and each file that takes long, after half a second, on standard error.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use mverify::digest::Watch;
use mverify::report::plain;
use mverify::scan::Stop;
use mverify::walk::Item;
use std::collections::HashMap;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Work shorter than this shows nothing.
const PATIENCE: Duration = Duration::from_millis(500);
/// Files smaller than this get no bar of their own.
const OWN_BAR: u64 = 64 << 20;

/// The bars of one run. Dropping them leaves the terminal as it was.
pub struct Bars {
    all: MultiProgress,
    whole: ProgressBar,
    begun: Instant,
    shown: bool,
    paths: Vec<PathBuf>,
    files: Mutex<HashMap<usize, ProgressBar>>,
    stop: Stop,
}

impl Bars {
    /// Bars for these items; none at all when `quiet` or where standard error is no terminal. `stop` ends the run.
    pub fn new(quiet: bool, items: &[Item], stop: Stop) -> Self {
        let shown = !quiet && std::io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr_with_hz(8) } else { ProgressDrawTarget::hidden() };
        let all = MultiProgress::with_draw_target(target);
        let whole = ProgressBar::hidden();
        whole.set_length(0);
        whole.set_style(style("{bytes}/{total_bytes} {bytes_per_sec} {eta} left, {prefix}"));
        whole.set_prefix(format!("{} {}", items.len(), if items.len() == 1 { "file" } else { "files" }));
        let paths = if shown { items.iter().map(|item| item.path().to_owned()).collect() } else { Vec::new() };
        Bars { all, whole, begun: Instant::now(), shown, paths, files: Mutex::new(HashMap::new()), stop }
    }

    /// Runs something that prints, with the bars out of the way.
    pub fn pause<T>(&self, print: impl FnOnce() -> T) -> T {
        if self.shown { self.all.suspend(print) } else { print() }
    }
}

impl Watch for Bars {
    fn started(&self, job: usize, bytes: u64) {
        if !self.shown {
            return;
        }
        self.whole.inc_length(bytes);
        if bytes >= OWN_BAR {
            let bar = ProgressBar::new(bytes);
            bar.set_style(style("  {bytes}/{total_bytes} {bytes_per_sec} {msg}"));
            let name = self.paths.get(job).and_then(|path| path.file_name()).unwrap_or_default();
            bar.set_message(plain::plain(&name.to_string_lossy()));
            if let Ok(mut files) = self.files.lock() {
                files.insert(job, bar);
            }
        }
    }

    fn advanced(&self, job: usize, bytes: u64) {
        if !self.shown {
            return;
        }
        self.whole.inc(bytes);
        if self.begun.elapsed() < PATIENCE {
            return;
        }
        if self.whole.is_hidden() {
            self.all.add(self.whole.clone());
        }
        if let Ok(files) = self.files.lock()
            && let Some(bar) = files.get(&job)
        {
            if bar.is_hidden() {
                self.all.add(bar.clone());
            }
            bar.inc(bytes);
        }
    }

    fn finished(&self, job: usize) {
        if !self.shown {
            return;
        }
        if let Ok(mut files) = self.files.lock()
            && let Some(bar) = files.remove(&job)
        {
            bar.finish_and_clear();
        }
    }

    fn cancelled(&self) -> bool {
        self.stop.is_set()
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.whole.finish_and_clear();
        let _ = self.all.clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
