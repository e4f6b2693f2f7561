//! The committed JSON Schema is the one of the wire types. `MVERIFY_BLESS=1 cargo test --features schema` writes it.

use mverify::change::v1::DiffV1;
use mverify::report::json_v1::{LastLineV1, ReportV1};
use std::path::Path;

fn committed_is_generated(file: &str, schema: schemars::Schema) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/schema").join(file);
    let generated = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    if std::env::var_os("MVERIFY_BLESS").is_some() {
        std::fs::write(&path, generated).unwrap();
        return;
    }
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        generated,
        "{file}: run with MVERIFY_BLESS=1 and commit the change"
    );
}

#[test]
fn of_the_report() {
    committed_is_generated("report-v1.json", schemars::schema_for!(ReportV1));
}

#[test]
fn of_differences() {
    committed_is_generated("diff-v1.json", schemars::schema_for!(DiffV1));
}

#[test]
fn of_the_last_line_of_jsonl() {
    committed_is_generated("jsonl-summary-v1.json", schemars::schema_for!(LastLineV1));
}
