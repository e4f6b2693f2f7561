//! The report skeleton that tools parse.

use super::tool::{fixture, mverify};

#[test]
fn json_has_the_promised_fields() {
    let run = mverify(&["fixtures/weights.pt", "--format", "json"]);
    let report = run.json();
    assert_eq!(run.code, 0, "{}", run.out);
    assert_eq!(report["schema"], "mverify.report/v1");
    assert_eq!((&report["verdict"], &report["coverage"]), (&"ok".into(), &"complete".into()));
    let artifact = &report["artifacts"][0];
    assert_eq!(artifact["path"], "fixtures/weights.pt");
    assert_eq!(artifact["format"], "torch-zip");
    assert_eq!(artifact["size"], 1481);
    assert_eq!(artifact["digests"]["sha256"], "62ede5032f7c3df74a58cee5639b821c6842afaff1e0c230dcd7d903fd2e0993");
}

#[test]
fn a_finding_names_rule_place_and_global() {
    let run = mverify(&[fixture("pickle/os_getpid.pkl").as_os_str(), "--format=json".as_ref()]);
    let finding = &run.json()["artifacts"][0]["findings"][0];
    assert_eq!(finding["rule"], "MV-PKL-001");
    assert_eq!(finding["severity"], "critical");
    assert_eq!(finding["global"], "os.getpid");
    assert_eq!(finding["offset"], 2);
}

#[test]
fn a_scan_does_not_hash() {
    let report = mverify(&["scan", "fixtures/weights.pt", "--format", "json"]).json();
    assert_eq!(report["artifacts"][0]["digests"], serde_json::json!({}));
}

#[test]
fn reports_are_the_same_on_any_number_of_threads() {
    let one = mverify(&["fixtures", "--format", "json", "--threads", "1"]).out;
    for threads in ["2", "8"] {
        assert_eq!(one, mverify(&["fixtures", "--format", "json", "--threads", threads]).out);
    }
}
