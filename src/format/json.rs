//! JSON, event by event, with the offset of everything: a strict reader (RFC 8259) of our own, because duplicate keys
//! and exact places are what a checker is asked for.
//!
//! One pass without recursion; memory is one bit of state per level, at most [`MAX_DEPTH`] levels. Threat: texts that two
//! parsers read differently (duplicate keys, numbers out of range, broken escapes) and nesting made to overflow stacks.

use std::borrow::Cow;

/// Deepest nesting that is read. serde_json stops at 128, Python's parser near 1000.
pub const MAX_DEPTH: usize = 100;

/// A defect, and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Byte offset in the text.
    pub at: usize,
    /// What is wrong there, in a few words.
    pub what: &'static str,
}

/// One event, in the order of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// `{` or `[`.
    Open(Shape),
    /// `}` or `]`.
    Close(Shape),
    /// The name of the member whose value comes next.
    Key(Quoted<'a>),
    /// A string value.
    String(Quoted<'a>),
    /// A number as it stands in the text.
    Number(&'a str),
    /// `true`, `false` or `null`.
    Word(&'static str),
}

/// What nests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
}

/// A string between its quotes, checked to be UTF-8 with well-formed escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted<'a> {
    raw: &'a str,
    escaped: bool,
    lone_surrogate: bool,
}

impl<'a> Quoted<'a> {
    /// The text it stands for. Lone surrogates, which no text can hold, become U+FFFD.
    pub fn text(self) -> Cow<'a, str> {
        if self.escaped { Cow::Owned(unescape(self.raw)) } else { Cow::Borrowed(self.raw) }
    }
    /// True if it holds half of a surrogate pair, which strict parsers refuse.
    pub fn has_lone_surrogate(self) -> bool {
        self.lone_surrogate
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    /// A value, at the start or after a key or a comma in an array.
    Value,
    /// A value or `]`.
    ValueOrEnd,
    /// A key or `}`.
    KeyOrEnd,
    /// A key, after a comma.
    Key,
    /// A comma or the end of the container.
    CommaOrEnd,
    /// Nothing but white space.
    Nothing,
}

/// Reads one JSON text.
#[derive(Debug)]
pub struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    start: usize,
    nesting: Vec<Shape>,
    expect: Expect,
    python: bool,
}

impl<'a> Reader<'a> {
    /// A reader of `text`, strict.
    pub fn new(text: &'a [u8]) -> Self {
        Reader { text, at: 0, start: 0, nesting: Vec::new(), expect: Expect::Value, python: false }
    }
    /// Takes `NaN`, `Infinity` and `-Infinity` too, as Python's `json` reads and writes them.
    pub fn like_python(mut self) -> Self {
        self.python = true;
        self
    }
    /// The whole text.
    pub fn text(&self) -> &'a [u8] {
        self.text
    }
    /// Offset of the first byte of the event that was returned last.
    pub fn start(&self) -> usize {
        self.start
    }
    /// Offset behind the event that was returned last.
    pub fn position(&self) -> usize {
        self.at
    }
    /// Containers that are open.
    pub fn depth(&self) -> usize {
        self.nesting.len()
    }
    /// Allows another text to follow, as in JSON lines. False if nothing but white space is left.
    pub fn restart(&mut self) -> bool {
        self.skip_space();
        if self.expect == Expect::Nothing && self.at < self.text.len() {
            self.expect = Expect::Value;
            return true;
        }
        false
    }

    /// The next event; `None` at the end of the text.
    pub fn event(&mut self) -> Result<Option<Event<'a>>, Broken> {
        loop {
            self.skip_space();
            self.start = self.at;
            let Some(byte) = self.peek() else {
                return if self.expect == Expect::Nothing { Ok(None) } else { Err(self.broken("the text ends early")) };
            };
            match (self.expect, byte) {
                (Expect::Nothing, _) => return Ok(None),
                (Expect::CommaOrEnd, b',') => {
                    self.advance(1);
                    let object = self.nesting.last() == Some(&Shape::Object);
                    self.expect = if object { Expect::Key } else { Expect::Value };
                }
                (Expect::CommaOrEnd | Expect::KeyOrEnd, b'}') => return self.close(Shape::Object),
                (Expect::CommaOrEnd | Expect::ValueOrEnd, b']') => return self.close(Shape::Array),
                (Expect::CommaOrEnd, _) => return Err(self.broken("a comma or the end of the container is missing")),
                (Expect::Key | Expect::KeyOrEnd, b'"') => {
                    let key = self.string()?;
                    self.skip_space();
                    if self.peek() != Some(b':') {
                        return Err(self.broken("a colon is missing"));
                    }
                    self.advance(1);
                    self.expect = Expect::Value;
                    return Ok(Some(Event::Key(key)));
                }
                (Expect::Key | Expect::KeyOrEnd, _) => return Err(self.broken("a key is missing")),
                (Expect::Value | Expect::ValueOrEnd, _) => return self.value(byte).map(Some),
            }
        }
    }

    fn value(&mut self, byte: u8) -> Result<Event<'a>, Broken> {
        let event = match byte {
            b'{' => return self.open(Shape::Object),
            b'[' => return self.open(Shape::Array),
            b'"' => Event::String(self.string()?),
            b'-' | b'0'..=b'9' => self.number()?,
            _ => self.word()?,
        };
        self.expect = self.after_value();
        Ok(event)
    }

    fn open(&mut self, shape: Shape) -> Result<Event<'a>, Broken> {
        if self.nesting.len() >= MAX_DEPTH {
            return Err(self.broken("it nests too deeply"));
        }
        self.nesting.push(shape);
        self.advance(1);
        self.expect = if shape == Shape::Object { Expect::KeyOrEnd } else { Expect::ValueOrEnd };
        Ok(Event::Open(shape))
    }

    fn close(&mut self, shape: Shape) -> Result<Option<Event<'a>>, Broken> {
        if self.nesting.pop() != Some(shape) {
            return Err(self.broken("a bracket closes what was not open"));
        }
        self.advance(1);
        self.expect = self.after_value();
        Ok(Some(Event::Close(shape)))
    }

    fn after_value(&self) -> Expect {
        if self.nesting.is_empty() { Expect::Nothing } else { Expect::CommaOrEnd }
    }

    fn word(&mut self) -> Result<Event<'a>, Broken> {
        let words: &[&str] =
            if self.python { &["true", "false", "null", "NaN", "Infinity"] } else { &["true", "false", "null"] };
        for &word in words {
            if self.rest().starts_with(word.as_bytes()) {
                self.advance(word.len());
                return Ok(match word {
                    "true" => Event::Word("true"),
                    "false" => Event::Word("false"),
                    "null" => Event::Word("null"),
                    other => Event::Number(if other == "NaN" { "NaN" } else { "Infinity" }),
                });
            }
        }
        Err(self.broken("this begins no value"))
    }

    fn number(&mut self) -> Result<Event<'a>, Broken> {
        let begin = self.at;
        if self.peek() == Some(b'-') {
            self.advance(1);
            if self.python && self.rest().starts_with(b"Infinity") {
                self.advance(8);
                return Ok(Event::Number("-Infinity"));
            }
        }
        match self.peek() {
            Some(b'0') => self.advance(1),
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.broken("a digit is missing")),
        }
        if self.peek() == Some(b'.') {
            self.advance(1);
            if !self.peek().is_some_and(|b| b.is_ascii_digit()) {
                return Err(self.broken("a digit is missing"));
            }
            self.digits();
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.advance(1);
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.advance(1);
            }
            if !self.peek().is_some_and(|b| b.is_ascii_digit()) {
                return Err(self.broken("a digit is missing"));
            }
            self.digits();
        }
        if matches!(self.peek(), Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z')) {
            return Err(self.broken("a number runs into something else"));
        }
        let digits = self.text.get(begin..self.at).and_then(|raw| std::str::from_utf8(raw).ok());
        digits.map(Event::Number).ok_or(Broken { at: begin, what: "this begins no value" })
    }

    fn digits(&mut self) {
        let count = self.rest().iter().take_while(|b| b.is_ascii_digit()).count();
        self.advance(count);
    }

    fn string(&mut self) -> Result<Quoted<'a>, Broken> {
        self.advance(1);
        let begin = self.at;
        let (mut escaped, mut lone_surrogate, mut high) = (false, false, false);
        loop {
            let plain = self.rest().iter().position(|&b| matches!(b, b'"' | b'\\' | 0..=31));
            let Some(plain) = plain else {
                self.at = self.text.len();
                return Err(self.broken("a string does not end"));
            };
            lone_surrogate |= high && plain > 0;
            high &= plain == 0;
            self.advance(plain);
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => escaped = true,
                _ => return Err(self.broken("a control character stands in a string")),
            }
            let unit = self.escape()?;
            let low = (0xdc00..0xe000).contains(&unit);
            lone_surrogate |= low != high;
            high = (0xd800..0xdc00).contains(&unit);
        }
        lone_surrogate |= high;
        let raw = self.text.get(begin..self.at).unwrap_or_default();
        self.advance(1);
        let raw = std::str::from_utf8(raw)
            .map_err(|error| Broken { at: begin.saturating_add(error.valid_up_to()), what: "a string is not UTF-8" })?;
        Ok(Quoted { raw, escaped, lone_surrogate })
    }

    /// Steps over an escape and gives the UTF-16 unit it stands for (any ordinary one for the short escapes).
    fn escape(&mut self) -> Result<u16, Broken> {
        let [b'\\', kind, rest @ ..] = self.rest() else { return Err(self.broken("an escape does not end")) };
        match kind {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {
                self.advance(2);
                Ok(0)
            }
            b'u' => {
                let digits = rest.get(..4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
                let unit = digits.and_then(|digits| std::str::from_utf8(digits).ok());
                let unit = unit.and_then(|digits| u16::from_str_radix(digits, 16).ok());
                let unit = unit.ok_or(self.broken("\\u needs four hexadecimal digits"))?;
                self.advance(6);
                Ok(unit)
            }
            _ => Err(self.broken("this escape does not exist")),
        }
    }

    fn skip_space(&mut self) {
        let count = self.rest().iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.advance(count);
    }
    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }
    fn advance(&mut self, n: usize) {
        self.at = self.at.saturating_add(n);
    }
    fn broken(&self, what: &'static str) -> Broken {
        Broken { at: self.at, what }
    }
}

/// What a checked string with escapes stands for.
fn unescape(raw: &str) -> String {
    let mut units: Vec<u16> = Vec::new();
    let mut text = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(char) = chars.next() {
        let unit = match char {
            '\\' => match chars.next() {
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).collect();
                    units.push(u16::from_str_radix(&digits, 16).unwrap_or(0xfffd));
                    continue;
                }
                Some('b') => '\u{8}',
                Some('f') => '\u{c}',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some(other) => other,
                None => break,
            },
            other => other,
        };
        flush(&mut units, &mut text);
        text.push(unit);
    }
    flush(&mut units, &mut text);
    text
}

fn flush(units: &mut Vec<u16>, text: &mut String) {
    text.extend(char::decode_utf16(units.drain(..)).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn accepts(text: &[u8]) -> Result<usize, Broken> {
        let mut reader = Reader::new(text);
        let mut events = 0;
        while reader.event()?.is_some() {
            events += 1;
        }
        if reader.position() < text.len() { Err(Broken { at: reader.position(), what: "more" }) } else { Ok(events) }
    }

    #[test]
    fn events_come_with_their_places() {
        let mut reader = Reader::new(br#" {"a\u0041": [1, -2.5e3, "x"], "b": null} "#);
        let mut seen = Vec::new();
        while let Some(event) = reader.event().unwrap() {
            seen.push((reader.start(), event));
        }
        assert_eq!(seen.len(), 10);
        let Event::Key(key) = seen[1].1 else { panic!("{seen:?}") };
        assert_eq!((seen[1].0, key.text().as_ref()), (2, "aA"));
        assert_eq!(seen[4], (17, Event::Number("-2.5e3")));
        assert_eq!(seen[9].1, Event::Close(Shape::Object));
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = |n: usize| [vec![b'['; n], vec![b']'; n]].concat();
        assert!(accepts(&deep(MAX_DEPTH)).is_ok());
        assert_eq!(accepts(&deep(MAX_DEPTH + 1)).unwrap_err().at, MAX_DEPTH);
        assert!(accepts(&vec![b'['; 1_000_000]).is_err());
    }

    #[test]
    fn surrogates_are_told_apart() {
        for (text, lone) in
            [(r#""\ud83d\ude00""#, false), (r#""\ud83d""#, true), (r#""\ude00""#, true), (r#""\ud83dx\ude00""#, true)]
        {
            let Some(Event::String(string)) = Reader::new(text.as_bytes()).event().unwrap() else { panic!() };
            assert_eq!(string.has_lone_surrogate(), lone, "{text}");
        }
        let Some(Event::String(string)) = Reader::new(br#""\ud83d\ude00!""#).event().unwrap() else { panic!() };
        assert_eq!(string.text(), "😀!");
    }

    /// serde_json checks more than syntax in two places: lone surrogates and numbers beyond f64.
    fn beyond_syntax(text: &[u8]) -> bool {
        let mut reader = Reader::new(text);
        while let Ok(Some(event)) = reader.event() {
            match event {
                Event::Key(string) | Event::String(string) if string.has_lone_surrogate() => return true,
                Event::Number(number) if !number.parse::<f64>().unwrap().is_finite() => return true,
                _ => {}
            }
        }
        false
    }

    fn json() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop::sample::select(vec![
            "{", "}", "[", "]", ",", ":", "\"", "\\", "u", "0", "1", "-", ".", "e", "E", "+", " ", "\n", "true",
            "null", "\"a\"", "\"a\":", "\\u00e9", "\\ud83d", "\\ude00", "1e999", "é", "\u{1}", "NaN",
        ]);
        prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat().into_bytes())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn agrees_with_serde_json(text in json()) {
            let serde = serde_json::from_slice::<serde_json::Value>(&text).is_ok();
            prop_assert_eq!(accepts(&text).is_ok() && !beyond_syntax(&text), serde);
        }
        #[test]
        fn never_panics(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = accepts(&text);
        }
    }
}
