//! Configuration that loaders act on: JSON and YAML that name code, and templates inside them.
//!
//! JSON is walked once, event by event. YAML is not parsed: tags and keys are recognised line by line, which is enough
//! for what is looked for and cannot be led astray by anchors or nesting. Linear; memory is the keys of the objects that
//! are open. Threat: configuration that makes a loader import or run something.

use super::jinja;
use super::json::{Broken, Event, Quoted, Reader, Shape};
use crate::finding::{Finding, shown};
use crate::pickle::globals::{self, Standing};
use crate::rule::format as rules;
use crate::scan::Scan;
use std::borrow::Cow;
use std::collections::HashSet;

/// Duplicate keys that are reported one by one.
const MOST_DUPLICATES: usize = 5;

/// Walks JSON, or JSON lines, and reports what a loader would act on. The error is the first place that is not JSON;
/// what was found before it stands.
pub fn json(text: &[u8], scan: &mut Scan<'_>) -> Result<(), Broken> {
    let mut reader = Reader::new(text).like_python();
    let mut walk = Walk { open: Vec::new(), key: None, duplicates: 0, scan };
    loop {
        while let Some(event) = reader.event()? {
            walk.event(event, u64::try_from(reader.start()).unwrap_or(0));
        }
        if !reader.restart() {
            return Ok(());
        }
    }
}

/// An object or a list that is open.
struct Open<'a> {
    /// The keys met so far.
    keys: HashSet<Cow<'a, str>>,
    /// What it stands under; the items of a list stand under the key of the list.
    under: Meaning,
}

/// What a key means to loaders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// Classes in Python files of the repository, as in `auto_map`.
    RemoteCode,
    /// Consent to run them.
    Trust,
    /// A Jinja template.
    Template,
    /// A callable, for Hydra.
    Target,
    /// Nothing that is looked at.
    Other,
}

impl Meaning {
    fn of(key: &str) -> Self {
        match key {
            "auto_map" => Meaning::RemoteCode,
            "trust_remote_code" => Meaning::Trust,
            "_target_" => Meaning::Target,
            "prompt" => Meaning::Template,
            _ if key.contains("template") => Meaning::Template,
            _ => Meaning::Other,
        }
    }
}

struct Walk<'a, 's, 'x> {
    open: Vec<Open<'a>>,
    /// What the value means that comes next.
    key: Option<Meaning>,
    duplicates: usize,
    scan: &'s mut Scan<'x>,
}

impl<'a> Walk<'a, '_, '_> {
    fn event(&mut self, event: Event<'a>, at: u64) {
        // an item of a list has no key of its own
        let meaning = self.key.take().or(self.open.last().map(|open| open.under)).unwrap_or(Meaning::Other);
        match (event, meaning) {
            (Event::Open(shape), _) => {
                if shape == Shape::Object && meaning == Meaning::RemoteCode {
                    let message = "auto_map names Python files of this repository to be imported";
                    self.scan.report(&rules::REMOTE_CODE, at, message);
                }
                self.open.push(Open { keys: HashSet::new(), under: meaning });
            }
            (Event::Close(_), _) => drop(self.open.pop()),
            (Event::Key(key), _) => self.name(key, at),
            (Event::String(value), Meaning::Target) => target(&value.text(), at, self.scan),
            (Event::String(value), Meaning::Template) => jinja::check(&value.text(), "this value", at, self.scan),
            (Event::Word("true"), Meaning::Trust) => {
                self.scan.report(&rules::REMOTE_CODE, at, "the configuration asks for trust_remote_code");
            }
            _ => {}
        }
    }

    fn name(&mut self, key: Quoted<'a>, at: u64) {
        let key = key.text();
        let Some(open) = self.open.last_mut() else { return };
        // templates may stand under names of their own: {"chat_template": {"default": …}}
        let templates = open.under == Meaning::Template;
        self.key = Some(match Meaning::of(&key) {
            Meaning::Other if templates => Meaning::Template,
            meaning => meaning,
        });
        if open.keys.contains(&key) {
            self.duplicates = self.duplicates.saturating_add(1);
            if self.duplicates <= MOST_DUPLICATES {
                let message = format!("the key {} stands there twice", shown(&key));
                self.scan.report(&rules::JSON_DUPLICATE, at, message);
            }
        }
        open.keys.insert(key);
    }
}

/// The value of a `_target_`, which Hydra imports and calls.
fn target(name: &str, at: u64, scan: &mut Scan<'_>) {
    // any split into module and attribute will do for a loader
    let dangerous = name.match_indices('.').any(|(dot, _)| {
        let (module, attribute) = (name.get(..dot), name.get(dot.saturating_add(1)..));
        matches!(module.zip(attribute).map(|(m, a)| globals::lookup(m, a)), Some(Standing::Dangerous(_)))
    });
    if dangerous {
        let finding = Finding::new(&rules::TARGET, format!("_target_ names {}", shown(name)));
        scan.find(finding.at(at).global(shown(name)));
    }
}

/// Python tags of YAML that build plain values.
static PLAIN_TAGS: &[&str] =
    &["tuple", "str", "unicode", "int", "long", "float", "complex", "bool", "none", "list", "dict", "bytes"];

/// Reports what YAML would make a loader import or call.
pub fn yaml(text: &str, scan: &mut Scan<'_>) {
    let mut at = 0u64;
    for line in text.split_inclusive('\n') {
        yaml_line(line, at, scan);
        at = at.saturating_add(u64::try_from(line.len()).unwrap_or(0));
    }
    jinja::check(text, "the YAML text", 0, scan);
}

fn yaml_line(line: &str, at: u64, scan: &mut Scan<'_>) {
    let body = line.trim_start_matches([' ', '-', '\t', '{']);
    if body.starts_with('#') {
        return;
    }
    if let Some(value) = ["_target_:", "\"_target_\":", "'_target_':"].iter().find_map(|key| body.strip_prefix(key)) {
        let name = value.split([',', '}', '#']).next().unwrap_or(value);
        target(name.trim().trim_matches(['"', '\'']), at, scan);
    }
    for tag in ["!!python/", "tag:yaml.org,2002:python/"] {
        for (place, _) in line.match_indices(tag) {
            let rest = line.get(place.saturating_add(tag.len())..).unwrap_or_default();
            let name = rest.split([' ', '\t', '\r', '\n', '>', ',', ']', '}']).next().unwrap_or(rest);
            let at = at.saturating_add(u64::try_from(place).unwrap_or(0));
            let shown = shown(name);
            if name.starts_with("object/apply:") {
                scan.report(&rules::YAML_CALL, at, format!("the tag !!python/{shown} calls a function"));
            } else if !PLAIN_TAGS.contains(&name) {
                scan.report(&rules::YAML_OBJECT, at, format!("the tag !!python/{shown} imports something"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Verdict;
    use crate::rule::format as rules;
    use crate::testing::{examine, shared};

    #[test]
    fn ordinary_configuration_is_ok() {
        let text = br#"{"architectures": ["X"], "model_max_length": 1e30, "init": NaN,
            "chat_template": "{% for m in messages %}{{ m['content'] }}{% endfor %}", "vocab": {"__class__": 1}}"#;
        let found = examine(text, "config.json");
        assert_eq!((found.identity.format, found.verdict()), ("json", Verdict::Ok));
        assert!(found.findings.is_empty(), "{found:?}");
        assert_eq!(examine(b"{\"a\": 1}\n{\"a\": 2}\n", "data.jsonl").verdict(), Verdict::Ok);
    }

    #[test]
    fn templates_are_found_wherever_they_stand() {
        for text in [
            r#"{"chat_template": "{{ x.__class__ }}"}"#,
            r#"{"chat_template": [{"name": "tool_use", "template": "{{ x.__class__ }}"}]}"#,
            r#"{"chat_template": ["{{ x.__class__ }}"]}"#,
            r#"{"chat_template": {"default": "ok", "rag": "{{ x.__class__ }}"}}"#,
            r#"{"chat\u005ftemplate": "{{ x.\u005f_class__ }}"}"#,
            r#"{"a": {"custom_template": {"default": "ok", "x_template": "{{ x.__class__ }}"}}}"#,
        ] {
            assert!(examine(text.as_bytes(), "tokenizer_config.json").has(&rules::TEMPLATE_ESCAPE), "{text}");
        }
    }

    #[test]
    fn hints_at_remote_code_are_noted() {
        let found = examine(br#"{"auto_map": {"AutoModel": "modeling_x.X"}}"#, "config.json");
        assert!(found.has(&rules::REMOTE_CODE));
        assert!(examine(br#"{"trust_remote_code": true}"#, "config.json").has(&rules::REMOTE_CODE));
        assert!(!examine(br#"{"trust_remote_code": false}"#, "config.json").has(&rules::REMOTE_CODE));
    }

    #[test]
    fn duplicate_keys_are_noted_per_object() {
        let found = examine(br#"{"a": {"b": 1}, "c": {"b": 1}, "\u0061": 2}"#, "config.json");
        assert_eq!(found.findings.iter().filter(|f| f.rule == &rules::JSON_DUPLICATE).count(), 1);
        assert_eq!(found.verdict(), Verdict::Ok);
    }

    #[test]
    fn what_is_named_json_must_be_json() {
        assert!(examine(b"{\"a\": ", "config.json").has(&rules::NOT_JSON));
        assert_eq!(examine(b"{\"a\": ", "config.json").verdict(), Verdict::Unknown);
        assert_eq!(examine(b"plain words", "vocab.json").verdict(), Verdict::Unknown);
        let prose = examine(b"{not json} but prose", "README");
        assert_eq!((prose.identity.format, prose.verdict()), ("text", Verdict::Ok));
    }

    #[test]
    fn yaml_that_calls_is_bad() {
        for (text, verdict) in [
            ("a: !!python/object/apply:os.system ['id']\n", Verdict::Bad),
            ("_target_: builtins.eval\n", Verdict::Bad),
            ("model:\n  - {_target_: os.system}\n", Verdict::Bad),
            ("a: !!python/name:os.getpid\n", Verdict::Unknown),
            ("a: !!python/tuple [1, 2]\nb: !!python/str x\n", Verdict::Ok),
            ("_target_: torch.optim.AdamW # fine\n# _target_: os.system\n", Verdict::Ok),
            ("chat: \"{{ config.__class__ }}\"\n", Verdict::Bad),
        ] {
            assert_eq!(examine(text.as_bytes(), "hparams.yaml").verdict(), verdict, "{text}");
        }
    }

    #[test]
    fn a_large_vocabulary_takes_linear_time() {
        let entries: Vec<String> = (0..300_000).map(|i| format!("\"token{i}\": {i}")).collect();
        let text = format!("{{{}}}", entries.join(", "));
        assert_eq!(examine(text.as_bytes(), "vocab.json").verdict(), Verdict::Ok);
    }

    #[test]
    fn templates_of_the_corpus_are_told_apart() {
        let Some(shared) = shared() else { return };
        for (side, verdict) in [("malicious", Verdict::Bad), ("benign", Verdict::Ok)] {
            let root = shared.join("corpus").join(side).join("modelaudit-assets/samples/jinja2");
            let mut folders = vec![root];
            while let Some(folder) = folders.pop() {
                for entry in std::fs::read_dir(folder).unwrap().flatten() {
                    let path = entry.path();
                    if path.is_dir() {
                        folders.push(path);
                        continue;
                    }
                    let name = path.file_name().unwrap().to_str().unwrap();
                    let found = examine(&std::fs::read(&path).unwrap(), name);
                    assert_eq!(found.verdict(), verdict, "{path:?} {found:?}");
                }
            }
        }
    }
}
