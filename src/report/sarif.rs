//! SARIF 2.1.0 (OASIS, <https://docs.oasis-open.org/sarif/sarif/v2.1.0/>): a result per finding, for code scanning.
//!
//! A finding's place is the file (GitHub shows nothing else), with the byte region where the offset lies in the file
//! itself. Where it lies in an archive member, the members are nested artifacts (section 3.24.3) and the byte region
//! stands in a related location. Bound: memory grows with the files and members that have findings, never with content.

use super::render::{Render, json};
use super::{Artifact, Summary};
use crate::digest::Algorithm;
use crate::finding::Finding;
use crate::outcome::Coverage;
use crate::report::plain::{self, whole};
use crate::rule::{self, Rule, Severity};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

/// A SARIF log of one run.
#[derive(Debug, Default)]
pub struct Sarif {
    begun: bool,
    results: bool,
    artifacts: Vec<Value>,
}

impl Sarif {
    fn begin(&mut self, to: &mut dyn Write) -> io::Result<()> {
        if self.begun {
            return Ok(());
        }
        self.begun = true;
        to.write_all(b"{\"$schema\": \"https://json.schemastore.org/sarif-2.1.0.json\", \"version\": \"2.1.0\", ")?;
        to.write_all(b"\"runs\": [{\n\"tool\": ")?;
        json(to, &json!({ "driver": driver() }))?;
        to.write_all(b",\n\"results\": [")
    }

    /// The index of a file or member in the list of artifacts.
    fn note(&mut self, artifact: Value) -> usize {
        self.artifacts.push(artifact);
        self.artifacts.len() - 1
    }

    fn result(&mut self, file: &File<'_>, finding: &Finding, members: &mut HashMap<String, usize>) -> Value {
        let mut location = json!({ "artifactLocation": file.location() });
        // GitHub shows a result only where it has a line; weights have none, so it is always the first
        location["region"] = json!({ "startLine": 1 });
        let mut related = Vec::new();
        match (&finding.member, finding.offset) {
            (None, Some(offset)) => location["region"]["byteOffset"] = offset.into(),
            (None, None) => {}
            (Some(member), offset) => {
                let (index, uri) = self.member(file, member, members);
                let mut inner = json!({ "artifactLocation": { "index": index, "uri": uri } });
                if let Some(offset) = offset {
                    inner["region"] = json!({ "byteOffset": offset });
                }
                let text = format!("in the archive member {}", plain::plain(member));
                related.push(json!({ "id": 1, "physicalLocation": inner, "message": { "text": text } }));
            }
        }
        let mut logical = Vec::new();
        if let Some(member) = &finding.member {
            let name = format!("{}!{}", plain::path(file.path), whole(member));
            logical.push(json!({ "fullyQualifiedName": name, "kind": "member" }));
        }
        if let Some(global) = &finding.global {
            logical.push(json!({ "fullyQualifiedName": whole(global), "kind": "function" }));
        }
        let mut result = json!({
            "ruleId": finding.rule.id,
            "level": level(finding.severity),
            "message": { "text": whole(&finding.message) },
            "locations": [{ "physicalLocation": location }],
            "partialFingerprints": { "mverify/v1": finding.fingerprint(&file.path.to_string_lossy()) },
            "properties": { "severity": finding.severity.name(), "verdict": file.artifact.outcome.verdict().name() },
        });
        if let Some(excuse) = &finding.excuse {
            result["suppressions"] = json!([{ "kind": "external", "justification": whole(excuse) }]);
        }
        if let Some(index) = rule::all().position(|rule| rule == finding.rule) {
            result["ruleIndex"] = index.into();
        }
        if !logical.is_empty() {
            result["locations"][0]["logicalLocations"] = logical.into();
        }
        if !related.is_empty() {
            result["relatedLocations"] = related.into();
        }
        result
    }

    /// The index and the name of a member, `outer!inner` being nested in `outer`.
    fn member(&mut self, file: &File<'_>, member: &str, members: &mut HashMap<String, usize>) -> (usize, String) {
        let (mut parent, mut uri) = (file.index, String::new());
        let mut so_far = String::new();
        for part in member.split('!') {
            let _ = write!(so_far, "!{part}");
            uri = percent(part.as_bytes());
            parent = match members.get(&so_far) {
                Some(index) => *index,
                None => {
                    let index = self.note(json!({ "location": { "uri": uri }, "parentIndex": parent }));
                    members.insert(so_far.clone(), index);
                    index
                }
            };
        }
        (parent, uri)
    }
}

/// The file whose findings are being written.
struct File<'a> {
    path: &'a Path,
    index: usize,
    artifact: &'a Artifact,
}

impl File<'_> {
    fn location(&self) -> Value {
        let mut location = place(self.path);
        location["index"] = self.index.into();
        location
    }
}

impl Render for Sarif {
    fn artifact(&mut self, to: &mut dyn Write, artifact: &Artifact) -> io::Result<()> {
        self.begin(to)?;
        if artifact.findings.is_empty() {
            return Ok(());
        }
        let mut described = json!({ "location": place(&artifact.path), "length": artifact.size });
        if let Some((_, digest)) = artifact.digests.iter().find(|(algorithm, _)| *algorithm == Algorithm::Sha256) {
            described["hashes"] = json!({ "sha-256": digest.to_string() });
        }
        let index = self.note(described);
        let file = File { path: &artifact.path, index, artifact };
        let mut members = HashMap::new();
        for finding in &artifact.findings {
            to.write_all(if self.results { b",\n" } else { b"\n" })?;
            self.results = true;
            json(to, &self.result(&file, finding, &mut members))?;
        }
        Ok(())
    }

    fn finish(&mut self, to: &mut dyn Write, summary: &Summary) -> io::Result<()> {
        self.begin(to)?;
        to.write_all(b"\n],\n\"artifacts\": ")?;
        json(to, &self.artifacts)?;
        let mut notes = Vec::new();
        if summary.stopped {
            notes.push(note("the run was stopped before every file was checked"));
        }
        if summary.is_of_nothing() {
            notes.push(note("no file was checked, so nothing is proven"));
        }
        let invocation = json!({ "executionSuccessful": notes.is_empty(), "toolExecutionNotifications": notes });
        let complete = summary.coverage() == Coverage::Complete;
        let properties = json!({
            "verdict": summary.verdict().name(), "coverage": summary.coverage().name(), "complete": complete,
            "ok": summary.ok, "unknown": summary.unknown, "bad": summary.bad, "unchanged": summary.unchanged,
        });
        to.write_all(b",\n\"invocations\": ")?;
        json(to, &[invocation])?;
        to.write_all(b",\n\"properties\": ")?;
        json(to, &properties)?;
        to.write_all(b"\n}]}\n")
    }
}

fn note(text: &str) -> Value {
    json!({ "level": "error", "message": { "text": text } })
}

fn driver() -> Value {
    let rules: Vec<Value> = rule::all().map(descriptor).collect();
    json!({
        "name": "mverify",
        "semanticVersion": env!("CARGO_PKG_VERSION"),
        "rules": rules,
    })
}

fn descriptor(rule: &Rule) -> Value {
    let help = format!("{}\n\nWhat to do: {}", rule.why, rule.todo);
    // what code scanning sorts by, on the scale of CVSS
    let scores =
        [(Severity::Critical, "9.5"), (Severity::High, "8.0"), (Severity::Medium, "5.0"), (Severity::Low, "2.0")];
    let mut properties = json!({ "tags": ["security"], "effect": rule.effect.name(), "precision": "very-high" });
    if let Some((_, score)) = scores.iter().find(|(severity, _)| *severity == rule.severity) {
        properties["security-severity"] = (*score).into();
    }
    json!({
        "id": rule.id,
        "shortDescription": { "text": rule.title },
        "fullDescription": { "text": rule.why },
        "help": { "text": help, "markdown": help },
        "defaultConfiguration": { "level": level(rule.severity) },
        "properties": properties,
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

/// Where a file is, as the user named it: a relative one from the root of the sources.
fn place(path: &Path) -> Value {
    let bytes = path.as_os_str().as_encoded_bytes();
    if path.is_absolute() {
        return json!({ "uri": format!("file://{}", percent(bytes)) });
    }
    let bytes = bytes.strip_prefix(b"./").unwrap_or(bytes);
    json!({ "uri": percent(bytes), "uriBaseId": "%SRCROOT%" })
}

/// Percent-encodes all but the unreserved characters of RFC 3986 and `/`.
fn percent(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verifier;
    use crate::container::craft;

    fn log(files: &[(&str, &[u8])]) -> Value {
        let verifier = Verifier::builder().build().unwrap();
        let (mut sarif, mut out, mut summary) = (Sarif::default(), Vec::new(), Summary::default());
        for (name, bytes) in files {
            let artifact = verifier.verify_bytes(name, bytes);
            summary.add(&artifact);
            sarif.artifact(&mut out, &artifact).unwrap();
        }
        sarif.finish(&mut out, &summary).unwrap();
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn a_finding_has_a_byte_region_and_a_fingerprint() {
        let log = log(&[("a b/ö.pkl", b"\x80\x02cos\ngetpid\n)R.")]);
        let result = &log["runs"][0]["results"][0];
        assert_eq!((&result["ruleId"], &result["level"]), (&"MV-PKL-001".into(), &"error".into()));
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "a%20b/%C3%B6.pkl");
        assert_eq!(place["region"], json!({ "startLine": 1, "byteOffset": 2 }));
        assert_eq!(result["partialFingerprints"]["mverify/v1"].as_str().unwrap().len(), 32);
        let rule = &log["runs"][0]["tool"]["driver"]["rules"][result["ruleIndex"].as_u64().unwrap() as usize];
        assert_eq!(rule["id"], "MV-PKL-001");
    }

    #[test]
    fn members_are_nested_artifacts() {
        let inner = b"\x80\x02cos\ngetpid\n)R.";
        let zip = craft::zip(&[craft::stored("x/a.pkl", inner)]);
        let log = log(&[("w.zip", &zip)]);
        let run = &log["runs"][0];
        let related = &run["results"][0]["relatedLocations"][0]["physicalLocation"];
        assert_eq!(related["region"]["byteOffset"], 2, "{run:#}");
        let member = &run["artifacts"][related["artifactLocation"]["index"].as_u64().unwrap() as usize];
        assert_eq!((&member["location"]["uri"], &member["parentIndex"]), (&"x/a.pkl".into(), &0.into()));
    }

    #[test]
    fn a_run_over_nothing_was_no_success() {
        let log = log(&[]);
        assert_eq!(log["runs"][0]["invocations"][0]["executionSuccessful"], false);
        assert_eq!(log["runs"][0]["results"], json!([]));
    }
}
