//! Configuration that loaders act on: JSON and YAML that name code, files, other models, and templates inside them.
//!
//! JSON is walked once, event by event; what a key means is data ([`fields`]), what its value does is judged in
//! [`judge`]. Linear; memory is the keys of the objects that are open. Threat: configuration that makes a loader import
//! or run something, or read and write files outside of the model's directory.

mod fields;
mod judge;
mod yaml;

use super::jinja;
use super::json::{Broken, Event, Quoted, Reader, Shape};
use crate::finding::shown;
use crate::rule::format as rules;
use crate::scan::Scan;
use fields::{Field, Meaning};
use std::borrow::Cow;
use std::collections::HashSet;

pub use yaml::yaml;

/// Duplicate keys that are reported one by one.
const MOST_DUPLICATES: usize = 5;

/// Characters of a place that are kept.
const LONGEST: usize = 1000;

/// What any key that speaks of a template means.
static TEMPLATE: Field = Field {
    key: "a template",
    file: "",
    meaning: Meaning::Template,
    loader: "transformers, and servers that render prompts",
    does: "renders it",
};

/// Walks JSON, or JSON lines, and reports what a loader would act on. `name` is that of the file: some keys count in some
/// files only. The error is the first place that is not JSON; what was found before it stands.
pub fn json(text: &[u8], name: &str, scan: &mut Scan<'_>) -> Result<(), Broken> {
    let mut reader = Reader::new(text).like_python();
    let file = name.rsplit(['/', '!']).next().unwrap_or(name);
    let mut walk = Walk { open: Vec::new(), key: None, duplicates: 0, file, scan };
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
    shape: Shape,
    /// The keys met so far.
    keys: HashSet<Cow<'a, str>>,
    /// What it stands under; the items of a list stand under the key of the list.
    under: Option<&'static Field>,
    /// The first string of a list.
    first: Option<String>,
    /// The key whose value comes next, and in a list the number of values met.
    at: Cow<'a, str>,
    count: usize,
}

struct Walk<'a, 's, 'x> {
    open: Vec<Open<'a>>,
    /// What the value means that comes next; `None` where no key stands before it.
    key: Option<Option<&'static Field>>,
    duplicates: usize,
    file: &'s str,
    scan: &'s mut Scan<'x>,
}

impl<'a> Walk<'a, '_, '_> {
    fn event(&mut self, event: Event<'a>, at: u64) {
        // an item of a list has no key of its own
        let field = self.key.take().unwrap_or_else(|| self.open.last().and_then(|open| open.under));
        let meaning = field.map_or(Meaning::Other, |field| field.meaning);
        if let Some(open) = self.open.last_mut()
            && !matches!(event, Event::Key(_) | Event::Close(_))
        {
            open.count = open.count.saturating_add(1);
        }
        match (event, field) {
            (Event::Open(shape), _) => {
                if let (Shape::Object, Meaning::RemoteCode, Some(field)) = (shape, meaning, field) {
                    let message = format!("{}: {} {}", field.key, field.loader, field.does);
                    self.scan.report(&rules::REMOTE_CODE, at, message);
                }
                self.open.push(Open {
                    shape,
                    keys: HashSet::new(),
                    under: field,
                    first: None,
                    at: "".into(),
                    count: 0,
                });
            }
            (Event::Close(_), _) => drop(self.open.pop()),
            (Event::Key(key), _) => self.name(key, at),
            (Event::String(value), Some(field)) if meaning == Meaning::Component => {
                let Some(list) = self.open.last_mut() else { return };
                let text = value.text();
                match &list.first {
                    Some(library) => judge::component(field, library, &text, at, self.scan),
                    None => list.first = Some(text.into_owned()),
                }
            }
            (Event::String(value), Some(_)) if meaning == Meaning::Template => {
                jinja::check(&value.text(), &self.pointer(), at, self.scan);
            }
            (Event::String(value), Some(field)) => judge::string(field, &value.text(), at, self.scan),
            (Event::Word("true"), Some(_)) if meaning == Meaning::Consent => {
                self.scan.capabilities.code("trust_remote_code: true".to_owned());
                self.scan.report(&rules::REMOTE_CODE, at, "the configuration asks for trust_remote_code");
            }
            _ => {}
        }
    }

    fn name(&mut self, key: Quoted<'a>, at: u64) {
        let key = key.text();
        let top = self.open.len() == 1;
        let Some(open) = self.open.last_mut() else { return };
        // components stand at the top of their file; the keys of a map of templates or shards are names of their own
        let field = fields::of(&key, self.file).filter(|field| top || field.meaning != Meaning::Component);
        let field = field.or_else(|| key.contains("template").then_some(&TEMPLATE));
        self.key = Some(field.or(open.under.filter(|under| under.meaning.reaches_down())));
        if open.keys.contains(&key) {
            self.duplicates = self.duplicates.saturating_add(1);
            if self.duplicates <= MOST_DUPLICATES {
                let message = format!("the key {} stands there twice", shown(&key));
                self.scan.report(&rules::JSON_DUPLICATE, at, message);
            }
        }
        open.at = key.clone();
        open.keys.insert(key);
    }

    /// Where the value under way stands, as a JSON pointer (RFC 6901), cut after [`LONGEST`] characters.
    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for open in &self.open {
            let step = match open.shape {
                Shape::Object => open.at.replace('~', "~0").replace('/', "~1"),
                Shape::Array => open.count.saturating_sub(1).to_string(),
            };
            pointer.push('/');
            pointer.push_str(&step);
            if let Some((cut, _)) = pointer.char_indices().nth(LONGEST) {
                // one long key would stand in the pointers of everything in it
                pointer.truncate(cut);
                break;
            }
        }
        pointer
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
    fn fields_that_act_are_found_where_they_count() {
        for (name, text, rule) in [
            ("config.json", r#"{"_attn_implementation_internal": "evil/kernel"}"#, &rules::KERNEL),
            ("config.json", r#"{"text_config": {"attn_implementation": "paged|evil/kernel@v1:f"}}"#, &rules::KERNEL),
            ("tokenizer_config.json", r#"{"vocab_file": "../../../etc/passwd"}"#, &rules::PATH_OUT),
            ("tokenizer_config.json", r#"{"vocab_file": "a\\..\\..\\b"}"#, &rules::PATH_OUT),
            ("tokenizer_config.json", r#"{"special_tokens_map_file": "/content/x.json"}"#, &rules::PATH_ABSOLUTE),
            (
                "tokenizer_config.json",
                r#"{"chat_template": [{"name": "../../x", "template": "ok"}]}"#,
                &rules::PATH_OUT,
            ),
            ("m.index.json", r#"{"weight_map": {"a.weight": "../model.bin"}}"#, &rules::PATH_OUT),
            ("modules.json", r#"[{"idx": 0, "name": "0", "path": "", "type": "mine.Thing"}]"#, &rules::CLASS_OUTSIDE),
            ("modules.json", r#"[{"idx": 0, "name": "0", "path": "", "type": "os.system"}]"#, &rules::TARGET),
            ("model_index.json", r#"{"_class_name": "X", "vae": ["mine", "Vae"]}"#, &rules::CLASS_OUTSIDE),
            ("model_index.json", r#"{"vae": ["subprocess", "Popen"]}"#, &rules::TARGET),
            ("adapter_config.json", r#"{"auto_mapping": {"parent_library": "mine"}}"#, &rules::CLASS_OUTSIDE),
            ("adapter_config.json", r#"{"base_model_name_or_path": "org/base"}"#, &rules::NEEDS),
            ("config.json", r#"{"auto_map": {"AutoModel": "other/repo--modeling_x.X"}}"#, &rules::NEEDS),
        ] {
            let found = examine(text.as_bytes(), name);
            assert!(found.has(rule), "{name} {text}: {found:?}");
        }
    }

    #[test]
    fn ordinary_values_of_those_fields_are_ok() {
        for (name, text) in [
            ("config.json", r#"{"_attn_implementation": "sdpa", "attn_implementation": "flash_attention_2"}"#),
            ("tokenizer_config.json", r#"{"vocab_file": "vocab.txt", "name_or_path": "../x"}"#),
            ("modules.json", r#"[{"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]"#),
            (
                "model_index.json",
                r#"{"_class_name": "P", "a": ["diffusers", "V"], "b": [null, null], "c": {"d": ["x", "y"]}}"#,
            ),
            ("config.json", r#"{"vae": ["mine", "Vae"], "type": "mine.Thing", "name": "a/b"}"#),
        ] {
            let found = examine(text.as_bytes(), name);
            assert!(found.findings.is_empty(), "{name} {text}: {found:?}");
        }
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
