//! Rules about what a file is, and about formats that hold no pickle.

use super::rules;

rules! {
    UNREADABLE = "MV-FMT-001" Medium Unproven, "the file could not be read",
        why: "Nothing can be said about bytes that could not be read.",
        todo: "Check the path and its permissions, and run again.", fixture: "";
    UNKNOWN_FORMAT = "MV-FMT-002" Medium Unproven, "the content is of no format mverify knows",
        why: "A file that cannot be parsed cannot be proven safe: some loader may read it as something else.",
        todo: "Convert the weights to safetensors, or keep the file away from loaders.", fixture: "format/opaque.bin";
    OVER_BUDGET = "MV-FMT-003" Medium Unproven, "a limit was reached before the file was fully read",
        why: "Hostile files try to exhaust scanners. What lies past the limit was not looked at, so nothing is proven.",
        todo: "If you trust the source, raise the named limit and run again.", fixture: "";
    UNSUPPORTED = "MV-FMT-004" Medium Unproven, "the format is known but not read",
        why: "mverify recognises this format but has no parser for it, so nothing inside it was looked at.",
        todo: "Convert the weights to safetensors, or judge the file by other means.", fixture: "format/keras.h5";
    POLYGLOT = "MV-FMT-005" High Bad, "the file is two formats at once",
        why: "Which loader opens the file decides what it does. Scanners that stop at the first format miss the other (nullifAI, CVE-2025-1889). Honest writers never make such files.",
        todo: "Do not load this file.", fixture: "format/polyglot.npy";
    NAME_LIES = "MV-FMT-006" Medium Note, "the name says one format, the content is another",
        why: "Tools that go by the name skip such files or hand them to the wrong loader; scanners were bypassed this way (CVE-2025-10155).",
        todo: "Ask the publisher why, and rename the file to what it is.", fixture: "format/pickle.safetensors";
    NOT_WEIGHTS = "MV-FMT-007" Medium Unproven, "something else stands in place of weights",
        why: "A failed download leaves an error page, a short text or an empty file under the name of the weights.",
        todo: "Fetch the file again and compare its size and digest with the publisher's.", fixture: "format/page.bin";
    POINTER = "MV-FMT-008" Medium Unproven, "a git-lfs pointer instead of the content",
        why: "The repository was cloned without git-lfs, or the file was fetched from a raw URL: this text only names the content.",
        todo: "Run `git lfs pull`, or download the file itself.", fixture: "format/pointer.safetensors";
    NATIVE_CODE = "MV-FMT-009" Medium Unvetted, "a program or native library",
        why: "Machine code can do anything once it is run or loaded, and nothing here can prove what it does.",
        todo: "Remove it from the model directory unless you know why it is there.", fixture: "format/program.so";
    SCRIPT = "MV-FMT-010" Medium Note, "source code that a loader may be told to run",
        why: "Python files beside weights are run by loaders that are given trust_remote_code=True.",
        todo: "Read it before you allow it to run; pin the revision you read.", fixture: "format/modeling.py";
    TRUNCATED = "MV-FMT-011" Medium Unproven, "the file ends before its content does",
        why: "The header declares more bytes than there are, as after an interrupted download.",
        todo: "Fetch the file again and compare its size and digest with the publisher's.", fixture: "format/truncated.safetensors";
    TRAILING_BYTES = "MV-FMT-012" High Bad, "bytes follow the end of the content",
        why: "No loader of this format reads them, so they are there for another reader: this is how payloads ride along.",
        todo: "Do not load this file.", fixture: "format/trailing.safetensors";
    DUPLICATE_KEY = "MV-FMT-013" High Bad, "a name is declared twice",
        why: "Parsers differ in which of the two they keep, so two tools see two different models.",
        todo: "Do not load this file.", fixture: "format/duplicate.safetensors";
    SAFETENSORS_HEADER = "MV-STF-001" Medium Unproven, "the safetensors header is malformed",
        why: "The safetensors library refuses such a header, or other parsers would read it differently.",
        todo: "Fetch the file again; if it stays so, ask its publisher to save it anew.", fixture: "format/header.safetensors";
    SAFETENSORS_LAYOUT = "MV-STF-002" High Bad, "tensors do not cover the data exactly",
        why: "The format demands that tensors follow each other without holes or overlaps and that shape, dtype and offsets agree. Holes hide bytes; the rest crashes or misleads weak parsers.",
        todo: "Do not load this file.", fixture: "format/overlap.safetensors";
    NPY_HEADER = "MV-NPY-001" Medium Unproven, "the header of a numpy array is malformed",
        why: "numpy refuses such a header, or writes none like it.",
        todo: "Fetch the file again; if it stays so, ask its publisher to save it anew.", fixture: "format/header.npy";
    GGUF_HEADER = "MV-GGUF-001" Medium Unproven, "the GGUF header is malformed",
        why: "Readers of GGUF refuse it, or worse, trust its lengths: they have overflowed on such files (CVE-2025-53630, CVE-2026-27940).",
        todo: "Fetch the file again; if it stays so, do not load it.", fixture: "format/header.gguf";
    GGUF_LAYOUT = "MV-GGUF-002" High Bad, "tensors do not fit the file",
        why: "Sizes that wrap, tensors outside of the data or on top of each other make readers access memory that is not theirs (CVE-2026-33298).",
        todo: "Do not load this file.", fixture: "format/wrap.gguf";
    TEMPLATE_ESCAPE = "MV-CFG-001" High Bad, "a template tries to leave its sandbox",
        why: "Chat templates are programs. One that reaches for Python's internals runs code wherever it is rendered without a sandbox (CVE-2024-34359).",
        todo: "Do not load this file. Ask its publisher for a clean template.", fixture: "format/template.jinja";
    REMOTE_CODE = "MV-CFG-002" Medium Note, "the configuration asks for code from the repository",
        why: "With trust_remote_code=True the loader imports the named Python files and runs them.",
        todo: "Load it without trust_remote_code, or read the code and pin its revision.", fixture: "format/auto_map.json";
    TARGET = "MV-CFG-003" High Bad, "the configuration names a dangerous function to call",
        why: "Hydra and tools built on it (NeMo, CVE-2025-23304) import the name under _target_ and call it; so do LightningCLI with class_path, latent-diffusion with target, and HyperPyYAML (SpeechBrain) with the tags !new: and !apply:.",
        todo: "Do not load this file.", fixture: "format/target.yaml";
    YAML_CALL = "MV-CFG-004" High Bad, "YAML that calls a function",
        why: "The tags python/object/apply and python/object/new name a callable and its arguments, and python/object one that is called without. PyYAML's Loader and UnsafeLoader call it, as yaml.load did before 5.1, FullLoader before 5.4 (CVE-2020-1747, CVE-2020-14343), and the unsafe loader of ruamel.yaml.",
        todo: "Do not load this file; read YAML with yaml.safe_load only.", fixture: "format/apply.yaml";
    YAML_OBJECT = "MV-CFG-005" Medium Unvetted, "YAML that imports Python objects",
        why: "PyYAML's Loader and UnsafeLoader, FullLoader before 5.4 and the unsafe loader of ruamel.yaml import the module that such a tag names, or make an instance and set its state; what that does is not known here.",
        todo: "Read the file with yaml.safe_load, or check what it names.", fixture: "format/name.yaml";
    NOT_JSON = "MV-CFG-006" Medium Unproven, "a file named JSON is no JSON",
        why: "It is damaged or cut off, or it is something else under this name.",
        todo: "Fetch the file again.", fixture: "format/cut.json";
    JSON_DUPLICATE = "MV-CFG-007" Low Note, "a key stands twice in an object",
        why: "Parsers differ in which of the two they keep.",
        todo: "Ask its publisher which value is meant.", fixture: "format/twice.json";
    POWERFUL_CODE = "MV-CFG-008" Medium Unvetted, "source code that can start programs or run text",
        why: "Python files beside weights are run by loaders that are given trust_remote_code=True, and this one mentions what plain model code has no need of.",
        todo: "Read the code before you allow it to run; pin the revision you read.", fixture: "format/runs.py";
    KERNEL = "MV-CFG-009" High Bad, "the configuration makes a loader fetch and run code",
        why: "transformers takes the name of a repository where the name of an attention implementation is usual, fetches it and runs its code, whatever trust_remote_code says (CVE-2026-4372, fixed in 5.3).",
        todo: "Do not load this directory. Set the field to sdpa or eager, or remove it.", fixture: "format/kernel.json";
    PATH_OUT = "MV-CFG-010" High Bad, "a path in the configuration leads out of the directory",
        why: "The loader opens, or writes when it saves, a file that is not part of the model: it can show or overwrite files of the user.",
        todo: "Do not load this directory. Ask its publisher for plain file names.", fixture: "format/vocab_file.json";
    CLASS_OUTSIDE = "MV-CFG-011" Medium Unvetted, "the configuration names a class from outside of the usual libraries",
        why: "diffusers (model_index.json), sentence-transformers (modules.json) and PEFT import the module they find there; what that does is not known here.",
        todo: "Read the code of that module before you load the directory.", fixture: "format/modules.json";
    NEEDS = "MV-CFG-012" Low Note, "it needs something from elsewhere",
        why: "An adapter is loaded on top of a base model, and remote code comes from another repository. What is fetched then was not part of this check.",
        todo: "Check that too, and pin its revision.", fixture: "format/adapter_config.json";
    PATH_ABSOLUTE = "MV-CFG-013" Low Note, "a path in the configuration names a place on some machine",
        why: "Left behind by whoever saved it. Some loaders open such a file in place of the one in the directory.",
        todo: "Ask its publisher for plain file names.", fixture: "";
    YAML_UNREAD = "MV-CFG-014" Medium Unproven, "YAML that readers do not agree about",
        why: "It is no YAML, nests too deeply, or is written so that PyYAML, ruamel.yaml and readers of YAML 1.2 take different values from it. What a loader would see was not proven.",
        todo: "Write the file anew with a YAML library, or fetch it again.", fixture: "format/unread.yaml";
    TARGET_OPEN = "MV-CFG-015" Medium Unvetted, "a function to call is named elsewhere",
        why: "Hydra imports the name under _target_ and calls it. This one is put together when the configuration is used (`${…}`), from other fields, other files or the environment, or is too long to be a name.",
        todo: "Look at what the references lead to before you use the configuration.", fixture: "format/open.yaml";
    TEMPLATE_UNUSUAL = "MV-CFG-016" Medium Unvetted, "a template does what ordinary ones do not",
        why: "It reads other templates, or has at hand what a name that leads to Python's internals is put together from (CVE-2024-34359 in disguise). It may be harmless; what it does was not proven.",
        todo: "Read the template before you render it, or render it in a sandbox.", fixture: "format/pieces.jinja";
    IMAGE_BROKEN = "MV-IMG-001" Medium Unproven, "an image is broken",
        why: "The file starts as an image, and its structure does not hold: it is damaged, or it is something else.",
        todo: "Fetch the file again, or leave it out.", fixture: "format/broken.png";
    IMAGE_TAIL = "MV-IMG-002" Medium Unproven, "bytes follow the end of an image",
        why: "Viewers ignore them; other programs may read them as an archive or a program.",
        todo: "Save the image anew, or leave it out.", fixture: "format/tail.png";
}

#[cfg(test)]
mod tests {
    #[test]
    fn each_fixture_meets_its_rule() {
        let fixtures = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures"));
        for rule in super::ALL.iter().filter(|rule| !rule.fixture.is_empty()) {
            let bytes = std::fs::read(fixtures.join(rule.fixture)).unwrap_or_else(|e| panic!("{}: {e}", rule.fixture));
            let found = crate::testing::examine(&bytes, rule.fixture);
            assert!(found.has(rule), "{} does not meet {}: {found:?}", rule.fixture, rule.id);
        }
    }
}
