//! One walk over configuration, whatever it is written in: readers hand over keys and values in the order of the text, and
//! each value is judged by the field it stands under.
//!
//! Linear; memory is the keys of the objects that are open.

use super::fields::{self, Field, Meaning};
use super::judge;
use crate::finding::shown;
use crate::format::jinja;
use crate::format::json::Shape;
use crate::rule::format as rules;
use crate::scan::Scan;
use std::borrow::Cow;
use std::collections::HashSet;

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

/// The walk under way.
pub struct Walk<'a, 's, 'x> {
    open: Vec<Open<'a>>,
    /// What the value means that comes next; `None` where no key stands before it.
    key: Option<Option<&'static Field>>,
    /// What it means as well, being in a map whose keys are names of its own.
    also: Option<&'static Field>,
    duplicates: usize,
    file: String,
    /// Templates are looked for under every key, not only those that speak of one.
    pub templates_anywhere: bool,
    /// Where findings go.
    pub scan: &'s mut Scan<'x>,
}

impl<'a, 's, 'x> Walk<'a, 's, 'x> {
    /// A walk over the file of this name: some keys count in some files only.
    pub fn new(name: &str, scan: &'s mut Scan<'x>) -> Self {
        // some file systems take no notice of case
        let file = name.rsplit(['/', '!']).next().unwrap_or(name).to_ascii_lowercase();
        Walk { open: Vec::new(), key: None, also: None, duplicates: 0, file, templates_anywhere: false, scan }
    }

    /// An object or a list begins.
    pub fn open(&mut self, shape: Shape, at: u64) {
        let under = self.under();
        let field = self.value();
        match field {
            Some(field) if field.meaning == Meaning::Consent => judge::consent("a container", at, self.scan),
            Some(field) if field.meaning == Meaning::RemoteCode && under != Some(Meaning::RemoteCode) => {
                judge::remote_code(field, at, self.scan);
            }
            _ => {}
        }
        let (keys, at) = (HashSet::new(), "".into());
        self.open.push(Open { shape, keys, under: field, first: None, at, count: 0 });
    }

    /// The innermost object or list ends.
    pub fn close(&mut self) {
        self.key = None;
        self.open.pop();
    }

    /// The name of the member whose value comes next.
    pub fn key(&mut self, key: Cow<'a, str>, at: u64) {
        let top = self.open.len() == 1;
        let Some(open) = self.open.last_mut() else { return };
        // components stand at the top of their file; the keys of a map of templates or shards are names of their own
        let field = fields::of(&key, &self.file).filter(|field| top || !field.meaning.at_top());
        let field = field.or_else(|| key.contains("template").then_some(&TEMPLATE));
        let inherited = open.under.filter(|under| under.meaning.reaches_down());
        self.also = inherited.filter(|under| field.is_some() && under.meaning != Meaning::Template);
        self.key = Some(field.or(inherited));
        // a map of templates goes by their names
        let names = |under: &&Field| under.meaning == Meaning::Template;
        if let (Some(_), Some(name)) = (open.under.filter(names), fields::of("name", &self.file)) {
            judge::string(name, &key, at, self.scan);
        }
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

    /// A string, which is made only where it is looked at. `plain` if it stands without quotes, so that it may be read as
    /// something else than a string.
    pub fn string(&mut self, text: impl FnOnce() -> Cow<'a, str>, plain: bool, at: u64) {
        let (outer, also) = (self.under(), self.also);
        let field = self.value();
        if field.is_none() && !self.templates_anywhere {
            return;
        }
        let text = text();
        let template = field.is_some_and(|field| field.meaning == Meaning::Template);
        if template || (self.templates_anywhere && jinja::is_template(text.as_bytes())) {
            jinja::check(&text, &self.pointer(), at, self.scan);
        }
        if let Some(also) = also {
            judge::string(also, &text, at, self.scan);
        }
        let Some(field) = field else { return };
        match field.meaning {
            Meaning::Consent if plain => self.consent(&text, at),
            Meaning::Consent => judge::consent(&text, at, self.scan),
            Meaning::Component | Meaning::Pipeline => self.component(field, text, at),
            meaning => {
                if meaning == Meaning::RemoteCode && outer != Some(meaning) {
                    judge::remote_code(field, at, self.scan);
                }
                judge::string(field, &text, at, self.scan);
            }
        }
    }

    /// A string of a list of two.
    fn component(&mut self, field: &'static Field, text: Cow<'a, str>, at: u64) {
        let Some(list) = self.open.last_mut().filter(|open| open.shape == Shape::Array) else { return };
        match &list.first {
            Some(library) if field.meaning == Meaning::Component => {
                judge::component(field, library, &text, at, self.scan);
            }
            Some(_) => {}
            None => {
                if field.meaning == Meaning::Pipeline {
                    judge::pipeline(field, &text, at, self.scan);
                }
                list.first = Some(text.into_owned());
            }
        }
    }

    /// A number, `true`, `false` or `null`.
    pub fn word(&mut self, text: &str, at: u64) {
        if self.value().is_some_and(|field| field.meaning == Meaning::Consent) {
            self.consent(text, at);
        }
    }

    /// A value that nothing is to be said about.
    pub fn skip(&mut self) {
        self.value();
    }

    /// The field that the next value stands under.
    pub fn field(&self) -> Option<&'static Field> {
        // a key that is no name, as YAML has them, gives its value no meaning
        let inherits = |open: &Open<'_>, field: &Field| open.shape == Shape::Array || field.meaning.reaches_down();
        self.key.unwrap_or_else(|| self.open.last().and_then(|open| open.under.filter(|field| inherits(open, field))))
    }

    /// What the innermost object or list stands under.
    fn under(&self) -> Option<Meaning> {
        self.open.last().and_then(|open| open.under).map(|field| field.meaning)
    }

    /// Counts the value that comes now, and gives the field that it stands under.
    fn value(&mut self) -> Option<&'static Field> {
        let field = self.field();
        (self.key, self.also) = (None, None);
        if let Some(open) = self.open.last_mut() {
            open.count = open.count.saturating_add(1);
        }
        field
    }

    /// Unquoted, all that YAML 1.1 and JSON read as false is no consent.
    fn consent(&mut self, word: &str, at: u64) {
        let off = ["", "~", "null", "false", "no", "off"].iter().any(|off| word.eq_ignore_ascii_case(off));
        if !off && word.parse::<f64>() != Ok(0.0) {
            judge::consent(word, at, self.scan);
        }
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
