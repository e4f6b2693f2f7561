//! `mverify explain`: rules and exit codes, from their tables. As Markdown they are docs/rules.md and docs/exit-codes.md.

use super::args::ExplainArgs;
use super::exit::{Exit, TABLE};
use mverify::rule::{self, Effect, Rule};
use std::io::{self, Write};

/// The topic beside the rules.
const EXIT_CODES: &str = "exit-codes";

pub fn run(args: &ExplainArgs) -> anyhow::Result<Exit> {
    let mut out = std::io::stdout().lock();
    if args.rules.iter().any(|topic| topic == EXIT_CODES) {
        anyhow::ensure!(args.rules.len() == 1, "{EXIT_CODES} is explained alone");
        exit_codes(&mut out)?;
        return Ok(Exit::Proven);
    }
    let rules: Vec<&Rule> = if args.all {
        rule::all().collect()
    } else {
        args.rules
            .iter()
            .map(|id| {
                rule::by_id(id)
                    .ok_or_else(|| anyhow::anyhow!("there is no rule {id}; `mverify explain --all` lists them"))
            })
            .collect::<anyhow::Result<_>>()?
    };
    if args.markdown {
        markdown(&mut out, &rules)?;
        return Ok(Exit::Proven);
    }
    for (n, rule) in rules.into_iter().enumerate() {
        if n > 0 {
            writeln!(out)?;
        }
        writeln!(out, "{}  {}  ({})", rule.id, rule.title, rule.severity)?;
        writeln!(out, "\n  {}\n\n  What to do: {}", rule.why, rule.todo)?;
        if !rule.fixture.is_empty() {
            writeln!(out, "  Example: fixtures/{}", rule.fixture)?;
        }
    }
    Ok(Exit::Proven)
}

fn exit_codes(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "# Exit codes\n\n| code | meaning |\n|---|---|")?;
    for (_, code, words) in TABLE {
        writeln!(out, "| {code} | {words} |")?;
    }
    writeln!(out, "\n1 outranks 3. `--exit-zero` softens only 1. The output format never changes the code.")
}

fn markdown(out: &mut impl Write, rules: &[&Rule]) -> io::Result<()> {
    writeln!(
        out,
        "# Rules\n\nEvery condition that mverify reports. What a finding does to the verdict of its file:\n"
    )?;
    writeln!(out, "| effect | verdict |\n|---|---|")?;
    for effect in [Effect::Note, Effect::Unvetted, Effect::Unproven, Effect::Bad] {
        writeln!(out, "| {} | {} |", effect.name(), effect.words())?;
    }
    for rule in rules {
        writeln!(out, "\n## {}\n\n**{}** ({}, {})\n", rule.id, rule.title, rule.severity, rule.effect.name())?;
        writeln!(out, "{}\n\nWhat to do: {}", rule.why, rule.todo)?;
        if !rule.fixture.is_empty() {
            writeln!(out, "\nExample: [{0}](../fixtures/{0})", rule.fixture)?;
        }
    }
    Ok(())
}
