//! What a file name promises, and whether the content keeps it. Names never lower a verdict; they only raise questions.

use super::{Identity, Role};
use crate::finding::Finding;
use crate::rule::format as rules;
use crate::scan::Scan;

/// What the extension of a name promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// Weights, in one of these formats (empty: any loadable format).
    Weights(&'static [&'static str]),
    /// Anything but something that loaders unpickle or unpack.
    Inert(&'static [&'static str]),
    /// Nothing.
    Nothing,
}

/// Extensions and what they promise. Extensions under which every checkpoint format is usual promise weights only.
static PROMISES: &[(&str, Promise)] = &[
    ("safetensors", Promise::Weights(&["safetensors"])),
    ("gguf", Promise::Weights(&["gguf"])),
    ("npy", Promise::Weights(&["npy"])),
    ("npz", Promise::Weights(&["npz", "zip"])),
    ("onnx", Promise::Weights(&["onnx", "unknown"])),
    ("h5", Promise::Weights(&["hdf5"])),
    ("hdf5", Promise::Weights(&["hdf5"])),
    ("tflite", Promise::Weights(&["tflite"])),
    ("pt", Promise::Weights(&[])),
    ("pth", Promise::Weights(&[])),
    ("ckpt", Promise::Weights(&[])),
    ("bin", Promise::Weights(&[])),
    ("pkl", Promise::Weights(&[])),
    ("pickle", Promise::Weights(&[])),
    ("joblib", Promise::Weights(&[])),
    ("keras", Promise::Weights(&[])),
    ("msgpack", Promise::Weights(&[])),
    ("mlmodel", Promise::Weights(&[])),
    ("pb", Promise::Weights(&[])),
    ("pdparams", Promise::Weights(&[])),
    ("distcp", Promise::Weights(&[])),
    ("json", Promise::Inert(&["json"])),
    ("jsonl", Promise::Inert(&["json"])),
    ("ipynb", Promise::Inert(&["json"])),
    ("yaml", Promise::Inert(&["yaml", "text", "json"])),
    ("yml", Promise::Inert(&["yaml", "text", "json"])),
    ("txt", Promise::Inert(&[])),
    ("md", Promise::Inert(&[])),
    ("rst", Promise::Inert(&[])),
    ("csv", Promise::Inert(&[])),
    ("tsv", Promise::Inert(&[])),
    ("py", Promise::Inert(&[])),
    ("html", Promise::Inert(&[])),
    ("jinja", Promise::Inert(&[])),
    ("png", Promise::Inert(&["image"])),
    ("jpg", Promise::Inert(&["image"])),
    ("jpeg", Promise::Inert(&["image"])),
    ("gif", Promise::Inert(&["image"])),
    ("webp", Promise::Inert(&["image"])),
    ("bmp", Promise::Inert(&["image"])),
    ("ico", Promise::Inert(&["image"])),
    ("svg", Promise::Inert(&[])),
];

/// The last extension of `name`, in lower case; empty where there is none.
pub fn extension(name: &str) -> String {
    let file = name.rsplit(['/', '\\', '!']).next().unwrap_or(name);
    file.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default()
}

/// What `name` promises.
pub fn promise(name: &str) -> Promise {
    let extension = extension(name);
    PROMISES.iter().find(|(known, _)| *known == extension).map_or(Promise::Nothing, |(_, promise)| *promise)
}

/// Reports a name that says one thing while the content is another.
pub fn compare(name: &str, identity: Identity, scan: &mut Scan<'_>) {
    let format = identity.format;
    let lies = match promise(name) {
        Promise::Nothing => false,
        // the format's own findings say what stands in place of the weights
        _ if matches!(format, "unknown" | "empty" | "lfs-pointer" | "html") => false,
        Promise::Weights(formats) => !formats.is_empty() && !formats.contains(&format),
        Promise::Inert(_) if matches!(identity.role, Role::Loadable | Role::Opaque) => true,
        Promise::Inert(_) if identity.role == Role::Code => !matches!(format, "python" | "script"),
        Promise::Inert(formats) => !formats.is_empty() && !formats.contains(&format),
    };
    if lies {
        let extension = extension(name);
        let message = format!("the name says .{extension}, the content is {format}");
        scan.find(Finding::new(&rules::NAME_LIES, message));
    }
    // inside of an archive nobody loads a member by its name alone
    let promised = scan.depth() == 0 && matches!(promise(name), Promise::Weights(_));
    if promised && matches!(identity.role, Role::Inert | Role::Config) {
        let message = format!("{format} stands where the name promises weights");
        scan.find(Finding::new(&rules::NOT_WEIGHTS, message));
    }
}

/// An empty file: nothing to load, and nothing to prove unless weights were promised.
pub fn empty(name: &str, scan: &mut Scan<'_>) -> Identity {
    if matches!(promise(name), Promise::Weights(_)) {
        scan.find(Finding::new(&rules::NOT_WEIGHTS, "the file is empty where its name promises weights"));
        return Identity::new("empty", Role::Opaque);
    }
    Identity::new("empty", Role::Inert)
}

#[cfg(test)]
mod tests {
    use crate::Verdict;
    use crate::rule::format as rules;
    use crate::testing::examine;

    #[test]
    fn an_empty_file_is_fine_unless_weights_were_promised() {
        assert_eq!(examine(b"", "__init__.py").verdict(), Verdict::Ok);
        assert_eq!(examine(b"", ".gitkeep").verdict(), Verdict::Ok);
        assert_eq!(examine(b"", "model.safetensors").verdict(), Verdict::Unknown);
        assert_eq!(examine(b"", "model.PT").verdict(), Verdict::Unknown);
    }

    #[test]
    fn text_is_no_weights() {
        let found = examine(b"hello\n", "pytorch_model.bin");
        assert!(found.has(&rules::NOT_WEIGHTS), "{found:?}");
        assert_eq!(found.verdict(), Verdict::Unknown);
        assert_eq!(examine(b"hello\n", "notes.txt").verdict(), Verdict::Ok);
    }

    #[test]
    fn a_lying_name_is_noted() {
        assert!(examine(b"\x80\x02K\x01.", "model.safetensors").has(&rules::NAME_LIES));
        assert!(examine(b"\x80\x02K\x01.", "figure.png").has(&rules::NAME_LIES));
        assert!(!examine(b"\x80\x02K\x01.", "model.ckpt").has(&rules::NAME_LIES));
    }
}
