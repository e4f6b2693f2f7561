//! Help that is committed is what the binary prints: rules, exit codes, manual pages and completions, all from the same
//! tables. `MVERIFY_BLESS=1 cargo test generated` writes them.

use super::tool::mverify;
use std::fs;
use std::path::Path;

fn committed_is_printed(file: &str, args: &[&str]) -> Result<(), String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let run = mverify(args);
    assert_eq!(run.code, 0, "{args:?}: {}", run.err);
    if std::env::var_os("MVERIFY_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, run.out).unwrap();
        return Ok(());
    }
    match fs::read_to_string(&path) {
        Ok(committed) if committed == run.out => Ok(()),
        _ => Err(format!("{file} is not what `mverify {}` prints", args.join(" "))),
    }
}

#[test]
fn help_is_what_the_binary_prints() {
    let mut files = vec![
        ("docs/rules.md".to_owned(), vec!["explain", "--all", "--markdown"]),
        ("docs/exit-codes.md".to_owned(), vec!["explain", "exit-codes"]),
        ("docs/man/mverify.1".to_owned(), vec!["man"]),
        ("docs/completions/mverify.bash".to_owned(), vec!["completions", "bash"]),
        ("docs/completions/_mverify".to_owned(), vec!["completions", "zsh"]),
        ("docs/completions/mverify.fish".to_owned(), vec!["completions", "fish"]),
    ];
    let help = mverify(&["--help"]).out;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands: Vec<&str> = commands
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|l| l.split_whitespace().next())
        .collect();
    assert!(commands.len() > 10, "{help}");
    for command in commands.into_iter().filter(|command| *command != "help") {
        files.push((format!("docs/man/mverify-{command}.1"), vec!["man", command]));
    }
    let wrong: Vec<String> = files.iter().filter_map(|(file, args)| committed_is_printed(file, args).err()).collect();
    assert!(wrong.is_empty(), "{}\nrun with MVERIFY_BLESS=1 and commit the change", wrong.join("\n"));
}
