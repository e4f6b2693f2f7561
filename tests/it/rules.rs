//! Every rule that names a fixture is met by it.

use super::tool::{fixture, mverify};

#[test]
fn each_fixture_meets_its_rule() {
    let mut wrong = Vec::new();
    for rule in mverify::rule::all().filter(|rule| !rule.fixture.is_empty()) {
        let path = fixture(rule.fixture);
        if !path.is_file() {
            wrong.push(format!("{}: there is no fixtures/{}", rule.id, rule.fixture));
            continue;
        }
        let report = mverify(&[path.as_os_str(), "--format=json".as_ref()]).json();
        let artifact = &report["artifacts"][0];
        if (artifact["verdict"] == "ok") != (rule.effect == mverify::Effect::Note) {
            wrong.push(format!("{}: fixtures/{} is {}", rule.id, rule.fixture, artifact["verdict"]));
        }
        let met = artifact["findings"].as_array().unwrap().iter().any(|f| f["rule"] == rule.id);
        if !met {
            wrong.push(format!("{}: fixtures/{} gives {}", rule.id, rule.fixture, artifact["findings"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_rule_explains_itself() {
    let run = mverify(&["explain", "--all"]);
    for rule in mverify::rule::all() {
        assert!(run.out.contains(rule.id) && run.out.contains(rule.todo), "{}", rule.id);
    }
}
