//! What signed manifests and attestations say of themselves. It is shown, and nothing is decided by it: whoever wrote the
//! file chose these words. Bound: as bundles are parsed everywhere.

use mverify::digest::Algorithm;
use mverify::manifest::oms::{self, Refusal, Statement};
use mverify::report::{plain, text};
use mverify::trust::{self, Bundle, MOST_BYTES, is_bundle_name};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// One bundle.
#[derive(Default, Serialize, Deserialize)]
pub struct Inspected {
    /// Its line, in a file of JSON lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    /// Whom it names as its signer.
    #[serde(default)]
    named_signer: String,
    /// What it says: `manifest`, or the type of an attestation.
    #[serde(default)]
    statement: String,
    /// The name of the model, for people.
    #[serde(default)]
    subject: String,
    /// Files that it lists.
    #[serde(default)]
    files: usize,
    /// The algorithm of their digests.
    #[serde(default)]
    algorithm: String,
    /// Bytes of a shard, where files are listed in shards.
    #[serde(default)]
    shard_size: Option<u64>,
    /// Paths that the signer left out.
    #[serde(default)]
    ignored: Vec<String>,
    /// Why it is not a bundle that anybody could rely on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

/// The bundles in a file that is named as one.
pub fn inspect(path: &Path) -> Vec<Inspected> {
    if !is_bundle_name(path) {
        return Vec::new();
    }
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut text));
    if let Err(error) = read {
        return vec![Inspected { refused: Some(error.to_string()), ..Inspected::default() }];
    }
    let one = |(line, text)| {
        let said =
            one(text).unwrap_or_else(|refusal| Inspected { refused: Some(refusal.message), ..Inspected::default() });
        Inspected { line, ..said }
    };
    trust::lines(path, &text).into_iter().map(one).collect()
}

fn one(text: &[u8]) -> Result<Inspected, Refusal> {
    let bundle = Bundle::parse(text)?;
    let named_signer = bundle.named_signer();
    Ok(match oms::read(&bundle.payload, true)? {
        Statement::Manifest(manifest) => Inspected {
            named_signer,
            statement: "manifest".to_owned(),
            files: manifest.entries.len(),
            algorithm: manifest.algorithm.name().to_owned(),
            subject: manifest.subject,
            shard_size: manifest.shard_size,
            ignored: manifest.ignored,
            ..Inspected::default()
        },
        Statement::Attestation(attestation) => Inspected {
            named_signer,
            files: attestation.subjects(),
            statement: attestation.predicate_type,
            algorithm: Algorithm::Sha256.name().to_owned(),
            ..Inspected::default()
        },
    })
}

impl Inspected {
    /// What is shown to people, line by line.
    pub fn lines(&self) -> Vec<String> {
        let at = self.line.map(|line| format!("line {line}: ")).unwrap_or_default();
        if let Some(why) = &self.refused {
            return vec![format!("{at}no bundle to rely on: {}", plain::whole(why))];
        }
        let files = if self.files == 1 { "1 file".to_owned() } else { format!("{} files", self.files) };
        let shards = self.shard_size.map(|size| format!(", in shards of {}", text::bytes(size))).unwrap_or_default();
        let subject = match self.subject.as_str() {
            "" => String::new(),
            subject => format!(" of {}", plain::plain(subject)),
        };
        let ignored = match self.ignored.len() {
            0 => String::new(),
            _ => format!(", leaving out {}", plain::plain(&self.ignored.join(", "))),
        };
        vec![
            format!("{at}{}{subject}: {files} by {}{shards}{ignored}", plain::plain(&self.statement), self.algorithm),
            format!("{at}names as its signer {}; not verified here (mverify verify)", plain::plain(&self.named_signer)),
        ]
    }
}
