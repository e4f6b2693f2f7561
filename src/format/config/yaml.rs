//! YAML that makes a loader import or call something.
//!
//! The events come from granit-parser, which neither recurses nor expands aliases and bounds nesting. What matters is what
//! PyYAML, libyaml and ruamel.yaml would read, so the few places where they read another document than it does are found
//! here ([`Reader::differs`]) and are not proven; `tests/it/yaml.rs` holds the rest against PyYAML. An alias stands for the
//! scalar of its anchor; nothing else is followed. Linear in time and memory, up to [`MOST`] bytes. Threat: tags and keys
//! that a look at the text alone misses (handles, escapes, aliases, block scalars), and aliases that multiply.

use super::fields::{Field, Meaning};
use super::tags;
use super::walk::Walk;
use crate::format::jinja;
use crate::format::json::Shape;
use crate::rule::format as rules;
use crate::scan::Scan;
use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StructureStyle, Tag};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// Bytes of text that are read: an event takes more memory than the text it stands for.
const MOST: usize = 64 << 20;

/// Anchors of one document that are remembered.
const MOST_ANCHORS: usize = 1 << 16;

/// Bytes of a key that is looked at where an alias stands for it.
const LONGEST_KEY: usize = 256;

/// The first place that is not read alike by all readers, or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Byte offset in the text.
    pub at: u64,
    /// What is wrong there, as a sentence.
    pub what: String,
}

/// Reports what the YAML documents in `text` would make a loader import or call. `name` is that of the file: some keys count
/// in some files only. The error is the first place where a loader may see something else than what was judged.
pub fn yaml(text: &str, name: &str, scan: &mut Scan<'_>) -> Result<(), Unread> {
    let before = scan.findings().len();
    let mut walk = Walk::new(name, scan);
    walk.templates_anywhere = true;
    let mut reader =
        Reader { text, walk, open: Vec::new(), anchors: HashMap::new(), judged: HashSet::new(), unread: None };
    let read = reader.read();
    let read = reader.unread.map_or(read, Err);
    // templates are looked for in the text too: YAML that is a template itself is rarely YAML
    let found = scan.findings().get(before..).unwrap_or_default();
    if found.iter().any(|finding| finding.rule == &rules::TEMPLATE_ESCAPE) {
        scan.template("the YAML text", text);
    } else {
        jinja::escapes(text, "the YAML text", 0, scan);
    }
    read
}

impl From<ScanError> for Unread {
    fn from(error: ScanError) -> Self {
        Unread {
            at: offset(error.marker().byte_offset()),
            what: format!("it is no YAML that can be read: {}", error.info()),
        }
    }
}

fn offset(at: Option<usize>) -> u64 {
    u64::try_from(at.unwrap_or(0)).unwrap_or(0)
}

/// What the next node of a collection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Item,
    Key,
    Value,
}

/// What an anchor stands for.
enum Anchored<'a> {
    Scalar(Cow<'a, str>, bool),
    Collection,
}

struct Reader<'a, 's, 'x> {
    text: &'a str,
    walk: Walk<'a, 's, 'x>,
    /// The collections that are open: what comes next, and whether brackets are around it.
    open: Vec<(Next, bool)>,
    anchors: HashMap<usize, Anchored<'a>>,
    /// Aliases that were judged under a field, so that each is judged once.
    judged: HashSet<(usize, *const Field)>,
    unread: Option<Unread>,
}

impl<'a> Reader<'a, '_, '_> {
    fn read(&mut self) -> Result<(), Unread> {
        if self.text.len() > MOST {
            return Err(Unread {
                at: 0,
                what: "the text is longer than 64 MiB, which is the most that is read".into(),
            });
        }
        // the reader of bytes strips the mark at the start
        if let Some(at) = self.text.find(['\u{85}', '\u{2028}', '\u{2029}', '\u{feff}']) {
            self.differs(at, "a line break or byte order mark that YAML 1.1 and 1.2 read differently");
        }
        let mut options = granit_parser::Options::default();
        options.set_emit_comments(false);
        // as PyYAML does
        options.block_scalar_eof_without_line_feed = true;
        for event in Parser::new_from_str_with_options(self.text, options) {
            let (event, span) = event?;
            let at = offset(span.start.byte_offset());
            match event {
                Event::DocumentStart(..) => self.anchors.clear(),
                Event::Scalar(text, style, anchor, tag) => self.scalar(text, style, anchor, tag.as_deref(), span),
                Event::SequenceStart(style, anchor, tag) => {
                    self.collection(Shape::Array, style, anchor, tag.as_deref(), span);
                }
                Event::MappingStart(style, anchor, tag) => {
                    self.collection(Shape::Object, style, anchor, tag.as_deref(), span);
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    self.open.pop();
                    self.walk.close();
                    self.done();
                }
                Event::Alias(anchor) => self.alias(anchor, at),
                _ => {}
            }
        }
        Ok(())
    }

    fn scalar(&mut self, text: Cow<'a, str>, style: ScalarStyle, anchor: usize, tag: Option<&Tag>, span: Span) {
        let place = span.start.byte_offset().unwrap_or(0);
        // where nothing stands the parser says ~
        let nothing = text == "~" && span.start.byte_offset() == span.end.byte_offset();
        let text = if nothing { Cow::Borrowed("") } else { text };
        let plain = style == ScalarStyle::Plain && tag.is_none();
        let flow = self.open.last().is_some_and(|(_, flow)| *flow);
        if plain && flow && text.starts_with(['?', ':']) {
            self.differs(place, "a plain scalar between brackets begins with ? or :, which YAML 1.1 reads as a sign");
        }
        let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        if block && self.open.is_empty() && span.indent.is_none_or(|indent| indent == 0) {
            self.differs(
                place,
                "a document is one block scalar without indentation, whose end YAML 1.1 sees elsewhere",
            );
        }
        self.tag(tag, false, span);
        self.anchor(anchor, || Anchored::Scalar(text.clone(), plain));
        let at = offset(Some(place));
        self.tuple(&text, plain, tag, at);
        self.text(text, plain, at);
    }

    /// A scalar, or what an alias of one stands for.
    fn text(&mut self, text: Cow<'a, str>, plain: bool, at: u64) {
        if self.next() == Some(Next::Key) {
            // what is merged stands under what the mapping stands under, and may be merged twice
            if !(plain && text == "<<") {
                self.walk.key(text, at);
            }
        } else {
            self.walk.string(|| text, plain, at);
        }
        self.done();
    }

    fn collection(&mut self, shape: Shape, style: StructureStyle, anchor: usize, tag: Option<&Tag>, span: Span) {
        self.tag(tag, shape == Shape::Object, span);
        self.anchor(anchor, || Anchored::Collection);
        self.walk.open(shape, offset(span.start.byte_offset()));
        let next = if shape == Shape::Object { Next::Key } else { Next::Item };
        self.open.push((next, style == StructureStyle::Flow));
    }

    fn alias(&mut self, anchor: usize, at: u64) {
        let place = usize::try_from(at).unwrap_or(0);
        let key = self.next() == Some(Next::Key);
        let (text, plain) = match self.anchors.get(&anchor) {
            Some(Anchored::Scalar(text, plain)) if !key || text.len() <= LONGEST_KEY => (text, *plain),
            Some(Anchored::Scalar(..)) => {
                self.differs(place, "an alias of a long text is a key, which is not followed");
                return self.skip();
            }
            None => {
                self.differs(place, "more anchors stand here than are remembered");
                return self.skip();
            }
            Some(Anchored::Collection) => {
                let acts = |field: &&Field| !matches!(field.meaning, Meaning::Target | Meaning::Template);
                if !key && self.walk.field().filter(acts).is_some() {
                    self.differs(
                        place,
                        "an alias of a list or mapping stands where a loader acts, which is not followed",
                    );
                }
                return self.skip();
            }
        };
        // a long text may have many aliases; under one field it means the same each time
        let field = self.walk.field().map_or(std::ptr::null(), std::ptr::from_ref);
        if key || (!field.is_null() && self.judged.insert((anchor, field))) {
            let text = text.clone();
            return self.text(text, plain, at);
        }
        self.skip();
    }

    /// Remembers what an anchor stands for; none is number 0.
    fn anchor(&mut self, anchor: usize, what: impl FnOnce() -> Anchored<'a>) {
        if anchor > 0 && self.anchors.len() < MOST_ANCHORS {
            self.anchors.insert(anchor, what());
        }
    }

    /// A node that nothing is to be said about.
    fn skip(&mut self) {
        if self.next() != Some(Next::Key) {
            self.walk.skip();
        }
        self.done();
    }

    fn tag(&mut self, tag: Option<&Tag>, mapping: bool, span: Span) {
        let Some(tag) = tag else { return };
        let token = span.tag_span().and_then(|token| token.byte_range()).unwrap_or_default();
        if self.text.as_bytes().get(token.end).is_some_and(|next| matches!(next, b',' | b'[' | b']')) {
            self.differs(token.start, "a tag runs into a sign that PyYAML takes for a part of it");
        }
        let name = format!("{}{}", tag.handle(), tag.suffix());
        tags::judge(&name, mapping, offset(Some(token.start)), self.walk.scan);
    }

    /// HyperPyYAML reads what stands between brackets with PyYAML's `Loader`, which takes all tags.
    fn tuple(&mut self, text: &str, plain: bool, tag: Option<&Tag>, at: u64) {
        let named = tag.is_some_and(|tag| tag.handle() == "!" && tag.suffix() == "tuple");
        if (plain || named)
            && text.starts_with('(')
            && text.ends_with(')')
            && (text.contains("!!") || text.contains("!<"))
        {
            let message = "tags stand in a tuple, which HyperPyYAML reads with a loader that takes all of them";
            self.walk.scan.report(&rules::YAML_OBJECT, at, message);
        }
    }

    fn next(&self) -> Option<Next> {
        self.open.last().map(|(next, _)| *next)
    }

    /// The node under way is complete.
    fn done(&mut self) {
        if let Some((next, _)) = self.open.last_mut() {
            *next = match next {
                Next::Item => Next::Item,
                Next::Key => Next::Value,
                Next::Value => Next::Key,
            };
        }
    }

    /// Notes that some readers see another document from here on.
    fn differs(&mut self, at: usize, what: &'static str) {
        let unread = || Unread { at: offset(Some(at)), what: format!("readers of YAML take it differently: {what}") };
        self.unread.get_or_insert_with(unread);
    }
}

#[cfg(test)]
mod tests {
    use crate::Verdict;
    use crate::rule::format as rules;
    use crate::testing::examine;

    #[test]
    fn what_is_called_is_found_however_it_is_written() {
        for text in [
            "a: !!python/object/apply:os.system ['id']\n",
            "%TAG ! tag:yaml.org,2002:python/\n---\na: !object/apply:os.getpid []\n",
            "%TAG !p! tag:yaml.org,2002:pyth\n---\na: !p!on/object/apply:os.getpid []\n",
            "a: !!pyth%6fn/object/apply:os.getpid []\n",
            "a: !!python/object%2fapply:os.getpid []\n",
            "a: !!python/object/apply%3Aos.getpid []\n",
            "a: !<tag:yaml.org,2002:python/object/apply:os.getpid> []\n",
            "a: !!python/object/new:os.getpid []\n",
            "a: !!python/object/new:collections.OrderedDict {state: {}}\n",
            "a: !!python/object/apply:print []\n",
            "a: !!python/object/apply:mine.thing []\n",
            "a: !!python/object:os.getpid {}\n",
            "? !!python/object/apply:os.getpid []\n: a\n",
            "a: b\n---\n!!python/object/apply:os.getpid []\n",
            "a: !new:subprocess.Popen [id]\n",
            "a: !apply:os.getpid\n",
            "a: !name:eval\n",
            "_target_: builtins.eval\n",
            "_target_ : builtins.eval\n",
            "\"_target_\" : 'builtins.eval'\n",
            "\"\\x5ftarget_\": \"builtins.\\x65val\"\n",
            "model:\n  - {_target_: os.system}\n",
            "model: {a: b, _target_: os.system}\n",
            "model: {\"a\":[], \"_target_\":os.system}\n",
            "_target_:\n  os.system\n",
            "_target_: >-\n  os.system\n",
            "_target_: |\n  os.system\n",
            "a: &x os.system\nb: {_target_: *x}\n",
            "- &x _target_\n- {*x : os.system}\n",
            "_target_: &x os.system\n",
            "&k _target_: os.system\n",
            "_target_: !!str os.system\n",
            "!!str _target_: os.system\n",
            "? _target_\n: os.system\n",
            "? |-\n  _target_\n: os.system\n",
            "[{_target_: os.system}]\n",
            "? {_target_: os.system}\n: 1\n",
            "base: &b {_target_: os.system}\nx: {<<: *b}\n",
            "_target_: torch.os.system\n",
            "_target_: numpy.lib.os.path.os.system\n",
            "model: {target: os.system, params: {}}\n",
            "class_path: subprocess.Popen\n",
            "_target_: torch.serialization.pickle.loads\n",
            "_target_: mine.torch.load\n",
            "_target_: torch.ops.load_library\n",
            "chat: \"{{ config.__class__ }}\"\n",
            "chat_template: \"{{ config.__cl\\x61ss__ }}\"\n",
            "chat_template: >-\n  {{ config.__class__\n  }}\n",
            "any: \"\\x7b\\x7b config.__class__ }}\"\n",
            "vocab_file: ../../x\n",
            "#!/bin/cat\n_target_: os.system\n",
            "<html: x\n_target_: os.system\n",
            "attn_implementation: org/kernel\n",
        ] {
            for text in [text.to_owned(), text.replace('\n', "\r\n"), format!("\u{feff}# \tx\n{text}")] {
                let text =
                    if text.contains("%TAG") { text.trim_start_matches("\u{feff}# \tx\n").to_owned() } else { text };
                let found = examine(text.as_bytes(), "hparams.yaml");
                assert_eq!(found.verdict(), Verdict::Bad, "{text:?}: {found:?}");
            }
        }
    }

    #[test]
    fn what_is_not_known_is_unknown() {
        for text in [
            "a: !!python/name:os.getpid\n",
            "a: !!python/module:os\n",
            "a: !!python/object:mine.Thing {a: 1}\n",
            "a: !!python/object/apply:collections.OrderedDict [[]]\n",
            "a: !!python/object/apply:pathlib.PosixPath [a, b]\n",
            "a: (!!python/object/apply:os.getpid [])\n",
            "_target_: ${oc.env:X}\n",
            "_target_: torch.${x}\n",
            "auto_map: *x\n",
            "x: &x {A: b--c.D}\nauto_map: *x\n",
            "x: &x {A: b--c.D}\nauto_map: {<<: *x}\n",
            // read differently by PyYAML
            "--- |\n%TAG ! tag:yaml.org,2002:python/\n---\n!object/apply:os.getpid []\n",
            "{?_target_ : os.getpid}\n",
            "[a, :_target_ os.getpid]\n",
            "{a: !!s,b: 1}\n",
            "# a\u{2028}_target_: os.getpid\n",
            "# a\u{85}_target_: os.getpid\n",
            "a: 1\n\u{feff}# b: 1\n",
            // no YAML
            "{{ cookiecutter.name }}: [\n",
            "a: b: c\n",
            "a: [1\n",
            "a: *nothing\n",
        ] {
            let found = examine(text.as_bytes(), "hparams.yaml");
            assert_eq!(found.verdict(), Verdict::Unknown, "{text:?}: {found:?}");
        }
        for open in ["[", "- ", "? ", "{a: "] {
            let found = examine(open.repeat(100_000).as_bytes(), "deep.yaml");
            assert!(found.has(&rules::YAML_UNREAD), "{open:?}");
        }
    }

    #[test]
    fn ordinary_yaml_is_ok() {
        for text in [
            "a: !!python/tuple [1, 2]\nb: !!python/str x\n",
            "_target_: torch.optim.AdamW # fine\n# _target_: os.system\n",
            "a: 1\n---\nb: 2\n...\n---\n- c\n",
            "base: &b {x: 1}\nc:\n  <<: *b\n  <<: *b\n  y: *b\n",
            "a:\t1\t# tab\nb: |\n  \ttext\n",
            "prompt: \"{{ message }}\"\n",
            "target: some prose about os.path\nclass_path: torch.nn.Linear\n",
            "trust_remote_code: no\n",
            "a: !ref <b.c>\nd: !new:torch.nn.Linear\n  in_features: 1\ne: (1, 2)\nf: (wow!)\n",
            "",
            "# nothing\n",
            "plain words\n",
            "--- |\n  words\n---\n- a\n",
        ] {
            for text in [text.to_owned(), text.replace('\n', "\r\n"), format!("\u{feff}{text}")] {
                let found = examine(text.as_bytes(), "hparams.yaml");
                assert!(found.findings.is_empty(), "{text:?}: {found:?}");
            }
        }
        assert_eq!(examine(b"# caf\xe9\na: 1\n", "x.yaml").verdict(), Verdict::Ok, "of an older encoding");
        assert!(examine(b"trust_remote_code: yes\n", "x.yaml").has(&rules::REMOTE_CODE));
        assert!(examine(b"trust_remote_code: &t true\n", "x.yml").has(&rules::REMOTE_CODE));
        assert_eq!(examine(b"\tprose: [with\n", "LICENSE").verdict(), Verdict::Ok);
        let flavors = |module: &str| format!("flavors:\n  python_function:\n    loader_module: {module}\n");
        assert_eq!(examine(flavors("mlflow.sklearn").as_bytes(), "MLmodel").verdict(), Verdict::Ok);
        assert!(examine(flavors("mine").as_bytes(), "MLmodel").has(&rules::CLASS_OUTSIDE));
    }

    #[test]
    fn what_is_not_remembered_is_not_proven() {
        let anchors: String = (0..super::MOST_ANCHORS).map(|n| format!("- &a{n} x\n")).collect();
        let (few, many) =
            (format!("{anchors}- {{*a0 : 1}}\n"), format!("{anchors}- &k _target_\n- {{*k : os.system}}\n"));
        assert_eq!(examine(few.as_bytes(), "few.yaml").verdict(), Verdict::Ok);
        assert!(examine(many.as_bytes(), "many.yaml").has(&rules::YAML_UNREAD));
        let settings = crate::scan::Settings::default();
        let large = super::yaml(&"a".repeat(super::MOST + 1), "x.yaml", &mut crate::scan::Scan::new(&settings));
        assert!(large.unwrap_err().what.contains("64 MiB"));
    }

    #[test]
    fn aliases_that_multiply_cost_nothing() {
        let mut text = "a0: &a0 [x, x]\n".to_owned();
        for n in 1..10_000 {
            text += &format!("a{n}: &a{n} [*a{m}, *a{m}, *a{m}]\n", m = n - 1);
        }
        assert_eq!(examine(text.as_bytes(), "laughs.yaml").verdict(), Verdict::Ok);
        let long = format!("a: &a \"{}\"\nb: [{}]\n", "{{ x }}".repeat(100_000), "{template: *a}, ".repeat(100_000));
        assert_eq!(examine(long.as_bytes(), "long.yaml").verdict(), Verdict::Ok);
    }
}
