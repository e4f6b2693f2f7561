//! `mverify.lock`: what a directory holds, in a form that people review and git keeps. JSON lines: a head, then one file
//! per line, sorted by path, so that a changed file is one changed line.
//!
//! It lists every file that a loader may act on: weights, archives, configuration, code, and what is none of these. Prose
//! and pictures are left out. Bound: linear in the text, one record per line. Threat: a lock that two readers read
//! differently, so members are declared once, none is unknown, names are relative and in one spelling, each stands once.

mod recorded;

use crate::digest::{Algorithm, Digest};
use crate::finding::shown;
use crate::format::Role;
use crate::report::{Artifact, Status};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

pub use recorded::Recorded;

/// Its usual name.
pub const NAME: &str = "mverify.lock";

/// The version that is written, and the newest that is read.
const VERSION: u32 = 2;
/// The version that recorded no capabilities.
const WITHOUT_CAPABILITIES: u32 = 1;

/// What a directory is expected to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// Where it came from, where that is known.
    pub origin: Option<Origin>,
    /// The directory that it is of, from that of the lock; empty where they are one. `None` where that is not known: what was
    /// locked is a file or lies in a cache, or the lock is of an older mverify.
    pub root: Option<PathBuf>,
    /// The files, sorted by path, each path once.
    pub files: Vec<Entry>,
}

/// A revision on the Hugging Face hub.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Repository, as in `facebook/VGGT-1B`; data sets begin with `datasets/`, spaces with `spaces/`.
    pub repo: String,
    /// Commit, 40 hex digits.
    pub commit: String,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Path below the directory, with `/`.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the content.
    pub sha256: Digest,
    /// Format name.
    pub format: String,
    /// Role name.
    pub role: String,
    /// It may be a symbolic link.
    pub link: bool,
    /// What `weights_only=True` gave, by torch version, sorted. A list, since a map of one takes ten times the memory.
    pub weights_only: Vec<(String, String)>,
    /// Its tensors, where they are known without loading.
    pub tensors: Option<Tensors>,
    /// Who signed it.
    pub signed_by: Option<String>,
    /// When a trusted transparency log or timestamp authority saw that signature, in seconds since 1970: an older signature
    /// is a step back, as in TUF.
    pub logged: Option<i64>,
    /// What it can do to whoever loads it, as it was reviewed; `None` in locks of version 1, which record none.
    pub capabilities: Option<Arc<Recorded>>,
}

/// A digest of names, types and shapes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tensors {
    /// How many.
    pub count: u64,
    /// SHA-256 over a line `name TAB dtype TAB shape` for each, sorted, names escaped as JSON.
    pub outline: String,
}

/// True for a path below the directory that no lock lists: git's own folder, which differs from clone to clone.
pub fn passes_over(below: &Path) -> bool {
    below.iter().any(|part| part == ".git")
}

/// True for objects of git-lfs in that folder: their names are the digests that they are held against.
pub(crate) fn is_object(below: &Path) -> bool {
    let parts: Vec<&str> = below.iter().filter_map(std::ffi::OsStr::to_str).collect();
    let [.., ".git", "lfs", "objects", one, two, name] = parts.as_slice() else { return false };
    name.len() == 64 && name.starts_with(one) && name.get(2..4) == Some(*two)
}

/// Why a lock cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct Defect {
    /// Line, from 1.
    pub line: usize,
    /// Why, in plain words.
    pub why: String,
}

/// How a directory differs from its lock, or two locks from each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A file that was not there.
    Added(PathBuf),
    /// A file that is gone.
    Missing(PathBuf),
    /// Another content.
    Changed(PathBuf),
    /// The same content under another name.
    Renamed(PathBuf, PathBuf),
    /// A file became a link, or a link a file.
    Linked(PathBuf, bool),
    /// Another revision.
    Origin(Option<Origin>, Option<Origin>),
    /// The same bytes, judged otherwise by this version of mverify.
    Judged(PathBuf),
    /// What it can do that was not recorded before, item by item.
    Capable(PathBuf, Vec<String>),
    /// Capabilities are recorded now, or not any more.
    Recording(bool),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadLine {
    mverify_lock: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    hub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLine {
    path: String,
    /// Base64 of the path's bytes, where they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_base64: Option<String>,
    size: u64,
    sha256: String,
    format: String,
    role: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    link: bool,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    weights_only: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tensors: Option<Tensors>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logged: Option<i64>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    globals: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    templates: BTreeSet<(String, String)>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    code: BTreeSet<String>,
}

impl Lock {
    /// Reads a lock.
    ///
    /// # Errors
    /// The first defect, by line.
    pub fn parse(text: &[u8]) -> Result<Lock, Defect> {
        let mut lines = text.split(|byte| *byte == b'\n').enumerate().map(|(index, line)| (index + 1, line));
        let head: HeadLine = lines.next().map_or_else(|| Err(defect(1, "it is empty")), |(n, line)| json(n, line))?;
        if !(WITHOUT_CAPABILITIES..=VERSION).contains(&head.mverify_lock) {
            let why = format!("its version is {}, this mverify reads up to {VERSION}", head.mverify_lock);
            return Err(defect(1, why));
        }
        let origin = match (head.hub, head.commit) {
            (None, None) => None,
            (Some(repo), Some(commit)) if is_commit(&commit) => Some(Origin { repo, commit }),
            _ => return Err(defect(1, "hub and commit stand together, the commit as 40 hex digits in lower case")),
        };
        let root = match head.root.as_deref() {
            None => None,
            Some(".") => Some(PathBuf::new()),
            Some(root) => {
                // up and then down
                let mut below = root;
                while let Some(rest) = below.strip_prefix("../") {
                    below = rest;
                }
                if below != ".." {
                    relative(PathBuf::from(below)).map_err(|why| defect(1, why))?;
                }
                Some(PathBuf::from(root))
            }
        };
        let mut files: Vec<Entry> = Vec::new();
        let mut ended = false;
        for (number, line) in lines {
            if ended {
                return Err(defect(number, "something follows an empty line"));
            }
            if line.is_empty() {
                ended = true;
                continue;
            }
            let entry = entry(number, line, head.mverify_lock)?;
            if files.last().is_some_and(|before| before.path >= entry.path) {
                return Err(defect(number, "paths stand once each and sorted"));
            }
            files.push(entry);
        }
        if !ended {
            return Err(defect(files.len() + 1, "the last line has no end: the lock was cut off"));
        }
        Ok(Lock { origin, root, files })
    }

    /// The text of the lock.
    pub fn text(&self) -> String {
        let head = HeadLine {
            mverify_lock: if self.records() { VERSION } else { WITHOUT_CAPABILITIES },
            hub: self.origin.as_ref().map(|origin| origin.repo.clone()),
            commit: self.origin.as_ref().map(|origin| origin.commit.clone()),
            root: self
                .root
                .as_deref()
                .and_then(Path::to_str)
                .map(|root| if root.is_empty() { "." } else { root }.to_owned()),
        };
        let mut text = line(&head);
        for entry in &self.files {
            let bytes = entry.path.as_os_str().as_encoded_bytes();
            let recorded = entry.capabilities.as_deref().cloned().unwrap_or_default();
            text += &line(&FileLine {
                path: entry.path.to_string_lossy().into_owned(),
                path_base64: std::str::from_utf8(bytes).is_err().then(|| data_encoding::BASE64.encode(bytes)),
                size: entry.size,
                sha256: entry.sha256.to_string(),
                format: entry.format.clone(),
                role: entry.role.clone(),
                link: entry.link,
                weights_only: entry.weights_only.iter().cloned().collect(),
                tensors: entry.tensors.clone(),
                signed_by: entry.signed_by.clone(),
                logged: entry.logged,
                globals: recorded.globals,
                templates: recorded.templates,
                code: recorded.code,
            });
        }
        text
    }

    /// True if it records capabilities.
    pub fn records(&self) -> bool {
        self.files.iter().all(|entry| entry.capabilities.is_some())
    }

    /// The same without capabilities, as locks of version 1 are.
    pub fn without_capabilities(mut self) -> Lock {
        self.files.iter_mut().for_each(|entry| entry.capabilities = None);
        self
    }

    /// The entry of a path.
    pub fn get(&self, path: &Path) -> Option<&Entry> {
        let at = self.files.binary_search_by(|entry| entry.path.as_path().cmp(path)).ok()?;
        self.files.get(at)
    }

    /// What changed from `before` to this, in the order of paths; renamed files stand where they are now.
    pub fn changes(&self, before: &Lock) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.origin != before.origin {
            changes.push(Change::Origin(before.origin.clone(), self.origin.clone()));
        }
        if self.records() != before.records() {
            changes.push(Change::Recording(self.records()));
        }
        let gone: HashMap<Digest, &Path> = before
            .files
            .iter()
            .filter(|entry| self.get(&entry.path).is_none())
            .map(|entry| (entry.sha256, entry.path.as_path()))
            .collect();
        let mut renamed = Vec::new();
        let mut files = Vec::new();
        for entry in &self.files {
            let was = before.get(&entry.path).or_else(|| before.get(gone.get(&entry.sha256)?));
            let (none, known) = (Recorded::default(), was.and_then(|was| was.capabilities.as_deref()));
            let new = entry.capabilities.as_ref().map(|now| now.beyond(known.unwrap_or(&none))).unwrap_or_default();
            if !new.is_empty() {
                files.push((&entry.path, Change::Capable(entry.path.clone(), new)));
            }
            match before.get(&entry.path) {
                None => match gone.get(&entry.sha256) {
                    Some(old) => {
                        renamed.push(*old);
                        files.push((&entry.path, Change::Renamed((*old).to_owned(), entry.path.clone())));
                    }
                    None => files.push((&entry.path, Change::Added(entry.path.clone()))),
                },
                Some(old) if old.sha256 != entry.sha256 || old.size != entry.size => {
                    files.push((&entry.path, Change::Changed(entry.path.clone())));
                }
                Some(old) if old.link != entry.link => {
                    files.push((&entry.path, Change::Linked(entry.path.clone(), entry.link)));
                }
                Some(old) if !entry.is_judged_as(old) => files.push((&entry.path, Change::Judged(entry.path.clone()))),
                Some(_) => {}
            }
        }
        for entry in &before.files {
            if self.get(&entry.path).is_none() && !renamed.contains(&entry.path.as_path()) {
                files.push((&entry.path, Change::Missing(entry.path.clone())));
            }
        }
        files.sort_by_key(|(path, _)| *path);
        changes.extend(files.into_iter().map(|(_, change)| change));
        changes
    }
}

impl Entry {
    /// The entry for a checked file; `None` if it needs none, or its content was not read.
    pub fn of(artifact: &Artifact, path: PathBuf, link: bool) -> Option<Entry> {
        if artifact.role == Role::Inert {
            return None;
        }
        // of several signatures the one that is trusted most
        let matching = artifact.integrity.iter().filter(|one| one.signer.is_some() && one.status == Status::Match);
        let signature = matching.rev().max_by_key(|one| one.trust);
        Some(Entry {
            path,
            size: artifact.size,
            sha256: artifact.digests.get(Algorithm::Sha256)?,
            format: artifact.format.to_owned(),
            role: artifact.role.name().to_owned(),
            link,
            weights_only: artifact
                .weights_only
                .iter()
                .filter(|_| artifact.role == Role::Loadable)
                .map(|answer| (answer.torch.clone(), answer.outcome.name().to_owned()))
                .collect::<BTreeMap<_, _>>()
                .into_iter()
                .collect(),
            tensors: artifact.tensors.as_deref().map(crate::inspect::outline),
            signed_by: signature.and_then(|signature| signature.signer.clone()),
            logged: signature.and_then(|signature| signature.logged),
            capabilities: Some(Recorded::of(&artifact.capabilities).shared()),
        })
    }

    /// True if it is judged as before. Capabilities that are recorded for the first time are told apart.
    fn is_judged_as(&self, before: &Entry) -> bool {
        let mut now = self.clone();
        let only_more = |a: &Recorded, b: &Recorded| b.beyond(a).is_empty();
        match (&self.capabilities, &before.capabilities) {
            (Some(a), Some(b)) if !only_more(a, b) => return false,
            _ => now.capabilities.clone_from(&before.capabilities),
        }
        now == *before
    }
}

impl Change {
    /// The change in a few words, with the path escaped.
    pub fn words(&self) -> String {
        let path = |path: &Path| shown(&path.to_string_lossy());
        let origin = |origin: &Option<Origin>| match origin {
            Some(origin) => format!("{}@{}", shown(&origin.repo), origin.commit),
            None => "none".to_owned(),
        };
        match self {
            Change::Added(p) => format!("added: {}", path(p)),
            Change::Missing(p) => format!("missing: {}", path(p)),
            Change::Changed(p) => format!("changed: {}", path(p)),
            Change::Renamed(from, to) => format!("renamed: {} to {}", path(from), path(to)),
            Change::Linked(p, true) => format!("became a symbolic link: {}", path(p)),
            Change::Linked(p, false) => format!("became a regular file: {}", path(p)),
            Change::Origin(from, to) => format!("origin: {} to {}", origin(from), origin(to)),
            Change::Judged(p) => format!("the same bytes, judged otherwise: {}", path(p)),
            Change::Capable(p, new) => format!("new capabilities: {}: {}", path(p), new.join("; ")),
            Change::Recording(true) => "capabilities are recorded now".to_owned(),
            Change::Recording(false) => "capabilities are not recorded any more".to_owned(),
        }
    }
}

/// True for a full commit id.
pub(crate) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn defect(line: usize, why: impl Into<String>) -> Defect {
    Defect { line, why: why.into() }
}

fn json<'a, T: Deserialize<'a>>(number: usize, line: &'a [u8]) -> Result<T, Defect> {
    serde_json::from_slice(line).map_err(|error| {
        let text = error.to_string();
        // serde counts lines of the one line it got
        let why = text.split(" at line ").next().unwrap_or(&text);
        defect(number, format!("{} (column {})", shown(why), error.column()))
    })
}

fn line(value: &impl Serialize) -> String {
    // neither maps with other keys than texts nor values that fail to serialize are among the types above
    serde_json::to_string(value).unwrap_or_default() + "\n"
}

/// A path in its one spelling, if it leads down.
fn relative(path: PathBuf) -> Result<PathBuf, String> {
    let spelled: PathBuf = path.components().collect();
    let normal = path.components().all(|part| matches!(part, Component::Normal(_)));
    let text = path.to_string_lossy();
    if text.is_empty() || !normal || spelled.as_os_str() != path.as_os_str() || text.contains('\0') {
        return Err(format!("the path {} is not relative and plain", shown(&text)));
    }
    Ok(path)
}

fn entry(number: usize, line: &[u8], version: u32) -> Result<Entry, Defect> {
    let file: FileLine = json(number, line)?;
    let recorded = Recorded { globals: file.globals, templates: file.templates, code: file.code };
    if version == WITHOUT_CAPABILITIES && recorded != Recorded::default() {
        return Err(defect(number, "locks of version 1 record no capabilities"));
    }
    let path = match &file.path_base64 {
        None => PathBuf::from(&file.path),
        Some(text) => data_encoding::BASE64
            .decode(text.as_bytes())
            .ok()
            .filter(|bytes| String::from_utf8_lossy(bytes) == file.path)
            .and_then(|bytes| super::discover::path_of(&bytes))
            .ok_or_else(|| defect(number, "path_base64 is not the path"))?,
    };
    let path = relative(path).map_err(|why| defect(number, why))?;
    let sha256 = Digest::from_hex(file.sha256.as_bytes()).filter(|digest| digest.to_string() == file.sha256);
    let Some(sha256) = sha256.filter(|digest| digest.as_bytes().len() == Algorithm::Sha256.size()) else {
        return Err(defect(number, "sha256 is not 64 hex digits in lower case"));
    };
    Ok(Entry {
        path,
        size: file.size,
        sha256,
        format: file.format,
        role: file.role,
        link: file.link,
        weights_only: file.weights_only.into_iter().collect(),
        tensors: file.tensors,
        signed_by: file.signed_by,
        logged: file.logged,
        capabilities: (version != WITHOUT_CAPABILITIES).then(|| recorded.shared()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(path: &str, content: u8) -> Entry {
        Entry {
            path: path.into(),
            size: 7,
            sha256: Digest::new(&[content; 32]).unwrap(),
            format: "safetensors".into(),
            role: "loadable".into(),
            link: false,
            weights_only: vec![("2.15.0".into(), "loads".into())],
            tensors: Some(Tensors { count: 2, outline: "ab".into() }),
            signed_by: None,
            logged: None,
            capabilities: Some(Arc::new(Recorded { globals: ["a.B".to_owned()].into(), ..Recorded::default() })),
        }
    }

    fn lock(files: &[(&str, u8)]) -> Lock {
        Lock {
            root: Some("m/n".into()),
            files: files.iter().map(|(path, content)| some(path, *content)).collect(),
            ..Lock::default()
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut before = lock(&[("a", 1), ("b/c", 2)]);
        before.origin = Some(Origin { repo: "acme/bert".into(), commit: "0".repeat(40) });
        #[cfg(unix)]
        before.files.push(Entry { path: super::super::discover::path_of(b"x\xff").unwrap(), ..some("", 3) });
        let text = before.text();
        assert_eq!(Lock::parse(text.as_bytes()).unwrap(), before);
        assert_eq!(text.lines().count(), before.files.len() + 1);
        for up in ["..", "../..", "../m/n"] {
            before.root = Some(up.into());
            assert_eq!(Lock::parse(before.text().as_bytes()).unwrap(), before);
        }
        before.root = Some(PathBuf::new());
        assert!(before.text().contains(",\"root\":\".\"}"));
        assert_eq!(Lock::parse(before.text().as_bytes()).unwrap(), before);
    }

    #[test]
    fn two_readings_and_unsafe_names_are_refused() {
        let good = lock(&[("a", 1), ("b", 2)]).text();
        assert!(Lock::parse(good.as_bytes()).is_ok());
        for (from, to) in [
            ("\"path\":\"b\"", "\"path\":\"a\""),
            ("\"path\":\"b\"", "\"path\":\"../b\""),
            ("\"path\":\"b\"", "\"path\":\"/b\""),
            ("\"path\":\"b\"", "\"path\":\"b/./c\""),
            ("\"path\":\"b\"", "\"path\":\"b//c\""),
            ("\"path\":\"b\"", "\"path\":\"b/\""),
            ("\"path\":\"b\"", "\"path\":\"\""),
            ("\"path\":\"b\"", "\"path\":\"b\\u0000\""),
            ("\"size\":7", "\"size\":7,\"size\":8"),
            ("\"size\":7", "\"size\":-7"),
            ("\"size\":7", "\"size\":7,\"allow\":true"),
            ("\"sha256\":\"01", "\"sha256\":\"0"),
            ("\"sha256\":\"", "\"sha256\":\"AA"),
            ("\"mverify_lock\":2", "\"mverify_lock\":3"),
            ("\"mverify_lock\":2", "\"mverify_lock\":1"),
            ("\"mverify_lock\":2", "\"mverify_lock\":2,\"commit\":\"main\""),
            ("}\n{\"path\":\"a\"", "}\n\n{\"path\":\"a\""),
            ("\"root\":\"m/n\"", "\"root\":\"\""),
            ("\"root\":\"m/n\"", "\"root\":\"m/../n\""),
            ("\"root\":\"m/n\"", "\"root\":\"..//n\""),
            ("\"root\":\"m/n\"", "\"root\":\"../\""),
            ("\"root\":\"m/n\"", "\"root\":\"/n\""),
            ("\"root\":\"m/n\"", "\"root\":\"m/\""),
        ] {
            let text = good.replacen(from, to, 1);
            assert_ne!(text, good, "{from}");
            assert!(Lock::parse(text.as_bytes()).is_err(), "{to}");
        }
        assert!(Lock::parse(good.trim_end().as_bytes()).is_err(), "cut off");
        assert!(Lock::parse(b"").is_err());
        assert_eq!(Lock::parse(b"{\"mverify_lock\":1}\nx\n").unwrap_err().line, 2);
    }

    #[test]
    fn new_capabilities_are_told_and_old_locks_are_read() {
        let before = lock(&[("a", 1)]);
        let mut now = before.clone();
        let found = Arc::make_mut(now.files[0].capabilities.as_mut().unwrap());
        found.code.insert("auto_map: x.Y".into());
        found.templates.insert(("/chat_template".into(), "ab".into()));
        let words = |now: &Lock, before: &Lock| now.changes(before).iter().map(Change::words).collect::<Vec<_>>();
        let new = "new capabilities: a: template /chat_template ab; code auto_map: x.Y";
        assert_eq!(words(&now, &before), [new]);
        assert_eq!(words(&before, &now), ["the same bytes, judged otherwise: a"], "one that is gone");
        let mut old = before.clone();
        old.files[0].capabilities = None;
        let text = old.text();
        assert!(text.starts_with("{\"mverify_lock\":1,"), "{text}");
        assert_eq!(Lock::parse(text.as_bytes()).unwrap(), old);
        assert_eq!(words(&before, &old), ["capabilities are recorded now", "new capabilities: a: global a.B"]);
    }

    #[test]
    fn changes_have_the_right_words() {
        let before = lock(&[("a", 1), ("b", 2), ("c", 3), ("d", 4)]);
        let mut now = lock(&[("a", 1), ("b", 9), ("d", 4), ("e", 3), ("f", 6)]);
        now.files[2].link = true;
        let words: Vec<String> = now.changes(&before).iter().map(Change::words).collect();
        let new = "new capabilities: f: global a.B";
        assert_eq!(words, ["changed: b", "became a symbolic link: d", "renamed: c to e", new, "added: f"]);
        let words: Vec<String> = lock(&[("a", 1)]).changes(&before).iter().map(Change::words).collect();
        assert_eq!(words, ["missing: b", "missing: c", "missing: d"]);
    }
}
