//! The wire form `mverify.diff/v1`. Frozen: fields may be added, never renamed, retyped or removed. Its JSON Schema is
//! committed as `manifests/schema/diff-v1.json`.

use super::pair::Pair;
use super::{Known, Side};
use crate::format::tensor::TensorInfo;
use crate::report::json_v1::FindingV1;
use crate::report::render;
use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;

/// Value of the `schema` field.
pub const SCHEMA: &str = "mverify.diff/v1";

/// `mverify diff --format json`.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DiffV1 {
    /// Always `mverify.diff/v1`.
    pub schema: &'static str,
    /// Something is listed in `files`, `tensors` or `vouching`.
    pub changed: bool,
    /// Everything was compared: `not_compared` is empty and the run was not stopped.
    pub complete: bool,
    /// The first path.
    pub old: SideV1,
    /// The second path.
    pub new: SideV1,
    /// How many files.
    pub summary: CountsV1,
    /// Files that differ, sorted by path.
    pub files: Vec<FileV1>,
    /// Tensors that differ, sorted by name; those of files with the same content are the same.
    pub tensors: Vec<TensorV1>,
    /// What is said about files, and by whom, that was not said before, or is not any more.
    pub vouching: Vec<VouchV1>,
    /// What could not be read or compared.
    pub not_compared: Vec<NotComparedV1>,
}

/// One of the two.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SideV1 {
    /// The path as given; bytes that are not UTF-8 are replaced.
    pub path: String,
    /// The repository of the hub whose cache it lies in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    /// The commit that it is a snapshot of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Files.
    pub files: u64,
    /// Bytes of all files.
    pub bytes: u64,
}

/// Numbers of files.
#[derive(Serialize, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CountsV1 {
    /// On the new side only.
    pub added: u64,
    /// On the old side only.
    pub removed: u64,
    /// The same content under another name.
    pub renamed: u64,
    /// Other content.
    pub changed: u64,
    /// The same content under the same name.
    pub unchanged: u64,
}

/// A file that differs.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FileV1 {
    /// `added`, `removed`, `renamed`, `changed`, or `judged` where the same content is judged otherwise.
    pub change: &'static str,
    /// Path below the model; bytes that are not UTF-8 are replaced, and then `path_base64` is lossless.
    pub path: String,
    /// Base64 of the path's bytes, only where `path` is lossy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_base64: Option<String>,
    /// Its path before, where that is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What it was.
    pub old: Option<ContentV1>,
    /// What it is.
    pub new: Option<ContentV1>,
    /// Globals that its pickles name now, and before.
    pub globals: Vec<GlobalV1>,
    /// Templates.
    pub templates: Vec<TemplateV1>,
    /// Code that its configuration refers to now, and before.
    pub code: Vec<CodeV1>,
    /// Members of an archive.
    pub members: Vec<MemberV1>,
    /// JSON fields, but for templates; of safetensors the metadata.
    pub fields: Vec<FieldV1>,
    /// Findings that are new, and gone.
    pub findings: Vec<FoundV1>,
    /// Answers to the weights_only question that are others.
    pub weights_only: Vec<AnswerV1>,
}

/// What a file is.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ContentV1 {
    /// Bytes.
    pub size: u64,
    /// Lower-case hex; absent where it could not be read.
    pub sha256: Option<String>,
    /// Format name, as in `torch-zip`.
    pub format: &'static str,
    /// `loadable`, `config`, `inert`, `code` or `opaque`.
    pub role: &'static str,
    /// `ok`, `bad` or `unknown`.
    pub verdict: &'static str,
}

/// A global.
#[derive(Serialize, Clone)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GlobalV1 {
    /// `new` or `gone`.
    pub change: &'static str,
    /// As `module.qualname`.
    pub global: String,
    /// `dangerous`, `unvetted`, `vetted` or `weights_only`.
    pub standing: &'static str,
}

/// A template.
#[derive(Serialize, Clone)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TemplateV1 {
    /// `added`, `removed` or `changed`.
    pub change: &'static str,
    /// Where it stands: a JSON pointer, a key of GGUF, or `the file`; behind `!` where it is in a member.
    pub place: String,
    /// SHA-256 of its text before.
    pub old: Option<String>,
    /// SHA-256 of its text now.
    pub new: Option<String>,
}

/// A reference to code.
#[derive(Serialize, Clone)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CodeV1 {
    /// `new` or `gone`.
    pub change: &'static str,
    /// As in `auto_map: modeling_x.X`.
    pub reference: String,
}

/// A member of an archive.
#[derive(Serialize, Clone, Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MemberV1 {
    /// `added`, `removed` or `changed`.
    pub change: &'static str,
    /// Its name; of torch archives without the folder that holds everything.
    pub name: String,
    /// Its bytes before.
    pub old: Option<u64>,
    /// Its bytes now.
    pub new: Option<u64>,
}

/// A JSON field.
#[derive(Serialize, Clone)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FieldV1 {
    /// `added`, `removed` or `changed`.
    pub change: &'static str,
    /// Its JSON pointer (RFC 6901).
    pub pointer: String,
    /// Its value before as JSON, cut after 120 characters.
    pub old: Option<String>,
    /// Its value now.
    pub new: Option<String>,
}

/// A finding.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FoundV1 {
    /// `new` or `gone`.
    pub change: &'static str,
    /// As in a report.
    #[serde(flatten)]
    pub finding: FindingV1,
}

/// An answer to the weights_only question.
#[derive(Serialize, Clone)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AnswerV1 {
    /// The torch version.
    pub torch: String,
    /// `loads`, `blocked`, `corrupt` or `unprovable`; absent where there was no file.
    pub old: Option<&'static str>,
    /// The same now.
    pub new: Option<&'static str>,
    /// One sentence about the answer now.
    pub reason: String,
}

/// A tensor.
#[derive(Serialize, Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TensorV1 {
    /// `added` or `removed`, or some of `moved` (to another file), `renamed`, `reshaped`, `retyped`, `altered` (other bytes).
    pub changes: Vec<&'static str>,
    /// Its name.
    pub name: String,
    /// Its name before, where that is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Its file.
    pub file: String,
    /// Its file before, where that is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_file: Option<String>,
    /// What it was.
    pub old: Option<ShapeV1>,
    /// What it is.
    pub new: Option<ShapeV1>,
}

/// Type and shape of a tensor.
#[derive(Serialize, Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ShapeV1 {
    /// Element type, in the format's own words.
    pub dtype: &'static str,
    /// Dimensions.
    pub shape: Vec<u64>,
}

/// What is said about files.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VouchV1 {
    /// `new` or `gone`.
    pub change: &'static str,
    /// Where it is said, as in `model.sig`.
    pub source: String,
    /// `signed`, `pinned` or `self-asserted`.
    pub trust: &'static str,
    /// Who signed it.
    pub signer: Option<String>,
    /// `match`, `mismatch`, `missing` or `extra`.
    pub status: &'static str,
    /// The files that it is about.
    pub files: Vec<String>,
}

/// Something that could not be compared.
#[derive(Serialize, Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NotComparedV1 {
    /// `old`, `new` or `both`.
    pub side: &'static str,
    /// The file.
    pub path: String,
    /// What of it; of several the first.
    pub what: String,
    /// How many.
    pub count: u64,
    /// Why.
    pub why: String,
}

impl DiffV1 {
    /// Writes the document. Characters that hide or reorder what is beside them are written as escapes.
    ///
    /// # Errors
    /// Those of `to`.
    pub fn write(&self, to: &mut dyn Write) -> io::Result<()> {
        render::json(to, self)?;
        writeln!(to)
    }
}

impl CountsV1 {
    pub(super) fn of(pairs: &[Pair]) -> CountsV1 {
        let mut counts = CountsV1::default();
        for pair in pairs {
            let count = match (pair.old, pair.new) {
                (None, _) => &mut counts.added,
                (_, None) => &mut counts.removed,
                _ if pair.same && pair.renamed => &mut counts.renamed,
                _ if pair.same => &mut counts.unchanged,
                _ => &mut counts.changed,
            };
            *count += 1;
        }
        counts
    }
}

impl SideV1 {
    pub(super) fn of(side: &Side) -> SideV1 {
        SideV1 {
            path: side.path.to_string_lossy().into_owned(),
            repo: side.origin.as_ref().map(|origin| origin.repo.clone()),
            commit: side.origin.as_ref().map(|origin| origin.commit.clone()),
            files: side.files.len() as u64,
            bytes: side.files.iter().fold(0, |sum, known| sum.saturating_add(known.artifact.size)),
        }
    }
}

impl FileV1 {
    pub(super) fn of(change: &'static str, path: &Path) -> FileV1 {
        let bytes = path.as_os_str().as_encoded_bytes();
        FileV1 {
            change,
            path: path.to_string_lossy().into_owned(),
            path_base64: std::str::from_utf8(bytes).is_err().then(|| data_encoding::BASE64.encode(bytes)),
            from: None,
            old: None,
            new: None,
            globals: Vec::new(),
            templates: Vec::new(),
            code: Vec::new(),
            members: Vec::new(),
            fields: Vec::new(),
            findings: Vec::new(),
            weights_only: Vec::new(),
        }
    }
}

impl ContentV1 {
    pub(super) fn of(known: &Known) -> ContentV1 {
        ContentV1 {
            size: known.artifact.size,
            sha256: known.sha256().map(|sha256| sha256.to_string()),
            format: known.artifact.format,
            role: known.artifact.role.name(),
            verdict: known.artifact.outcome.verdict().name(),
        }
    }
}

impl ShapeV1 {
    pub(super) fn of(tensor: &TensorInfo) -> ShapeV1 {
        ShapeV1 { dtype: tensor.dtype, shape: tensor.shape.clone() }
    }
}

impl NotComparedV1 {
    pub(super) fn of(side: &'static str, path: &Path, what: &str, count: usize, why: String) -> NotComparedV1 {
        let path = path.to_string_lossy().into_owned();
        NotComparedV1 { side, path, what: what.to_owned(), count: count as u64, why }
    }
}
