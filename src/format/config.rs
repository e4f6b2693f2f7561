//! Configuration that loaders act on: JSON and YAML that name code, files, other models, and templates inside them.
//!
//! Each is read once, event by event, by a reader of its own ([`json()`], [`yaml()`]) into one walk ([`walk`]); what a key
//! means is data ([`fields`]), what its value does is judged in [`judge`]. Linear; memory is the keys of the objects that are
//! open.
//! Threat: configuration that makes a loader import or run something, or read and write files outside of the model's
//! directory.

mod fields;
mod judge;
mod tags;
mod walk;
mod yaml;

use super::json::{Broken, Event, Reader};
use crate::scan::Scan;
use walk::Walk;

pub use yaml::yaml;

/// Walks JSON, or JSON lines, and reports what a loader would act on. `name` is that of the file: some keys count in some
/// files only. The error is the first place that is not JSON; what was found before it stands.
pub fn json(text: &[u8], name: &str, scan: &mut Scan<'_>) -> Result<(), Broken> {
    let mut reader = Reader::new(text).like_python();
    let mut walk = Walk::new(name, scan);
    loop {
        while let Some(event) = reader.event()? {
            let at = u64::try_from(reader.start()).unwrap_or(0);
            match event {
                Event::Open(shape) => walk.open(shape, at),
                Event::Close(_) => walk.close(),
                Event::Key(key) => walk.key(key.text(), at),
                Event::String(value) => walk.string(|| value.text(), false, at),
                Event::Number(text) => walk.word(text, at),
                Event::Word(text) => walk.word(text, at),
            }
        }
        if !reader.restart() {
            return Ok(());
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
        for (value, consents) in [("true", true), ("1", true), ("\"true\"", true), ("\"false\"", true), ("[1]", true)]
            .into_iter()
            .chain(["false", "0", "0.0", "null", "\"\""].map(|value| (value, false)))
        {
            let found = examine(format!("{{\"trust_remote_code\": {value}}}").as_bytes(), "config.json");
            assert_eq!(found.has(&rules::REMOTE_CODE), consents, "{value}");
        }
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
            ("config.json", r#"{"_attn_implementation": {"text_config": "evil/kernel"}}"#, &rules::KERNEL),
            ("config.json", r#"{"auto_map": {"AutoModel": "/tmp/modeling_x.X"}}"#, &rules::PATH_OUT),
            ("config.json", r#"{"auto_map": {"AutoModel": "other/repo--../modeling_x.X"}}"#, &rules::PATH_OUT),
            ("processor_config.json", r#"{"chat_template": {"../../x": "ok"}}"#, &rules::PATH_OUT),
            ("tokenizer_config.json", r#"{"chat_template": {"../../x": "ok"}}"#, &rules::PATH_OUT),
            ("M.index.json", r#"{"weight_map": {"a.weight": "/model.bin"}}"#, &rules::PATH_OUT),
            ("m.index.json", r#"{"weight_map": {"prompt": "../model.bin"}}"#, &rules::PATH_OUT),
            ("m.index.json", r#"{"weight_map": {"_target_": "../model.bin"}}"#, &rules::PATH_OUT),
            ("m.index.json", r#"{"weight_map": {"_target_": "os.system"}}"#, &rules::TARGET),
            ("config.json", r#"{"auto_map": "modeling_x.X"}"#, &rules::REMOTE_CODE),
            ("modules.json", r#"[{"idx": 0, "name": "0", "path": "C:/x", "type": "x"}]"#, &rules::PATH_OUT),
            ("modules.json", r#"[{"type": "sentence_transformers.os.system"}]"#, &rules::TARGET),
            ("Model_Index.JSON", r#"{"vae": ["mine", "Vae"]}"#, &rules::CLASS_OUTSIDE),
            ("modular_model_index.json", r#"{"vae": ["mine", "Vae", {}]}"#, &rules::CLASS_OUTSIDE),
            ("modules.json", r#"[{"idx": 0, "name": "0", "path": "", "type": "mine.Thing"}]"#, &rules::CLASS_OUTSIDE),
            ("modules.json", r#"[{"idx": 0, "name": "0", "path": "", "type": "os.system"}]"#, &rules::TARGET),
            ("model_index.json", r#"{"_class_name": "X", "vae": ["mine", "Vae"]}"#, &rules::CLASS_OUTSIDE),
            ("model_index.json", r#"{"vae": ["subprocess", "Popen"]}"#, &rules::TARGET),
            ("model_index.json", r#"{"_class_name": ["my_pipeline", "X"]}"#, &rules::CLASS_OUTSIDE),
            ("model_index.json", r#"{"_class_name": ["stable_diffusion", "X"]}"#, &rules::CLASS_OUTSIDE),
            ("model_index.json", r#"{"_class_name": ["../my_pipeline", "X"]}"#, &rules::PATH_OUT),
            ("config.json", r#"{"_target_": "torch.os.system"}"#, &rules::TARGET),
            ("config.json", r#"{"_target_": "${which}"}"#, &rules::TARGET_OPEN),
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
                r#"{"_class_name": "P", "v": "os", "a": ["diffusers", "V"], "b": [null, null], "c": {"d": ["x", "y"]}}"#,
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
