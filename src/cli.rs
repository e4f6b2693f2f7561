//! The command line: arguments in, a report out, an exit code. All printing and exiting of mverify happens here.

mod args;
mod cas;
mod check;
mod diff;
mod exit;
mod explain;
mod git;
mod hash;
mod inspect;
mod keygen;
mod lock;
mod outboard;
mod output;
mod policy;
mod progress;
mod replace;
mod sign;
mod since;
mod through;
mod verify;
mod way;

use anyhow::Context;
use args::{Cli, Command};
use clap::FromArgMatches;
use exit::Exit;
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    if let Some(name) = option_or_file() {
        let name = mverify::report::plain::path(&name);
        eprintln!(
            "mverify: {name} is an option, and a file here has that name: put -- before the paths to say which is meant"
        );
        return Exit::Usage.into();
    }
    let parsed = args::command().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // clap knows which of its messages belong on stdout (help, version) and which on stderr
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Proven.into() };
        }
    };
    let done = match cli.command {
        None => check::run(&cli.check, true),
        Some(Command::Check(args)) => check::run(&args, true),
        Some(Command::Scan(args)) => check::run(&args, false),
        Some(Command::Hash(args)) => hash::run(&args),
        Some(Command::Verify(args)) => verify::run(&args),
        Some(Command::Lock(args)) => lock::run(&args),
        Some(Command::Sign(args)) => sign::run(&args),
        Some(Command::Keygen(args)) => keygen::run(&args),
        Some(Command::Policy(args)) => policy::run(&args),
        Some(Command::Diff(args)) => diff::run(&args),
        Some(Command::Inspect(args)) => inspect::run(&args),
        Some(Command::Cas(args)) => cas::run(&args),
        Some(Command::Explain(args)) => explain::run(&args),
        Some(Command::Completions { shell }) => {
            clap_complete::generate(shell, &mut args::command(), "mverify", &mut std::io::stdout());
            Ok(Exit::Proven)
        }
        Some(Command::Man { command }) => man(command.as_deref()),
    };
    match done {
        Ok(exit) => exit.into(),
        Err(error) if broken_pipe(&error) => Exit::Proven.into(),
        Err(error) => {
            let text = mverify::report::plain::whole(&format!("{error:#}"));
            eprintln!("mverify: {text}");
            Exit::Usage.into()
        }
    }
}

/// The first argument that is spelled as an option and names a file too: `*` in a shell, and hooks that hand over what git
/// lists, turn files into options without anybody noticing. Where `--` tells them apart nothing is in doubt.
fn option_or_file() -> Option<PathBuf> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if arguments.iter().any(|argument| argument.as_os_str() == "--") {
        return None;
    }
    let option = |argument: &PathBuf| {
        let bytes = argument.as_os_str().as_encoded_bytes();
        bytes.len() > 1 && bytes.starts_with(b"-") && std::fs::symlink_metadata(argument).is_ok()
    };
    arguments.into_iter().find(option)
}

/// The manual page of a command, or of mverify itself.
fn man(name: Option<&str>) -> anyhow::Result<Exit> {
    let mut command = args::command();
    command.build();
    let page = match name {
        None => command,
        Some(name) => {
            let found = command.find_subcommand(name).with_context(|| format!("there is no command {name}"))?;
            // its usage is that of the built command line, its title what `man` looks it up by
            found.clone().display_name(format!("mverify-{name}"))
        }
    };
    clap_mangen::Man::new(page).render(&mut std::io::stdout())?;
    Ok(Exit::Proven)
}

/// A reader that has seen enough (`mverify … | head`) is no failure.
fn broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}
