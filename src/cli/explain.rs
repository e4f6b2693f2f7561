//! `mverify explain`: the rules, from their tables.

use super::args::ExplainArgs;
use super::exit::Exit;
use mverify::rule::{self, Rule};
use std::io::Write;

pub fn run(args: &ExplainArgs) -> anyhow::Result<Exit> {
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
    let mut out = std::io::stdout().lock();
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
