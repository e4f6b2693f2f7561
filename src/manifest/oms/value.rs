//! JSON as a tree, for signed texts: every text that two parsers could read differently is refused (members declared
//! twice, halves of surrogate pairs, anything after the end).
//!
//! Linear in the text but for the sorting of member names; nesting is bounded by the JSON reader, memory by
//! [`MOST_NODES`]. Threat: a signed statement that one verifier reads as another one than we do.

use super::{Refusal, malformed, two_readings};
use crate::finding::shown;
use crate::format::json::{Event, Reader, Shape};
use std::borrow::Cow;

/// Values in one text: room for a manifest of about a million files.
pub(crate) const MOST_NODES: usize = 6_000_000;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    /// As it stands in the text.
    Number(&'a str),
    Text(Cow<'a, str>),
    List(Vec<Value<'a>>),
    Object(Object<'a>),
}

/// The members of an object, sorted by name, each name once.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Object<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

/// A container under construction.
enum Open<'a> {
    List(Vec<Value<'a>>),
    Object(Vec<(Cow<'a, str>, Value<'a>)>, Option<Cow<'a, str>>),
}

/// Reads the whole of `text` as one value.
pub(crate) fn parse(text: &[u8]) -> Result<Value<'_>, Refusal> {
    let mut reader = Reader::new(text);
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut nodes = 0_usize;
    let mut root = None;
    while let Some(event) =
        reader.event().map_err(|broken| malformed(format!("it is not JSON: {} (byte {})", broken.what, broken.at)))?
    {
        let value = match event {
            Event::Open(shape) => {
                open.push(match shape {
                    Shape::Array => Open::List(Vec::new()),
                    Shape::Object => Open::Object(Vec::new(), None),
                });
                continue;
            }
            Event::Key(quoted) => {
                let key = text_of(quoted)?;
                if let Some(Open::Object(_, pending)) = open.last_mut() {
                    *pending = Some(key);
                }
                continue;
            }
            Event::Close(_) => match open.pop() {
                Some(Open::List(items)) => Value::List(items),
                Some(Open::Object(members, _)) => Value::Object(Object::new(members)?),
                None => return Err(malformed("it is not JSON: a bracket closes what was not open")),
            },
            Event::String(quoted) => Value::Text(text_of(quoted)?),
            Event::Number(number) => Value::Number(number),
            Event::Word("true") => Value::Bool(true),
            Event::Word("false") => Value::Bool(false),
            Event::Word(_) => Value::Null,
        };
        nodes = nodes.saturating_add(1);
        if nodes > MOST_NODES {
            return Err(malformed("it holds more values than a manifest of a million files"));
        }
        match open.last_mut() {
            None => root = Some(value),
            Some(Open::List(items)) => items.push(value),
            Some(Open::Object(members, pending)) => members.extend(pending.take().map(|key| (key, value))),
        }
    }
    if reader.position() < text.len() {
        return Err(two_readings("something follows the end of the JSON text"));
    }
    root.ok_or_else(|| malformed("it is empty"))
}

fn text_of(quoted: crate::format::json::Quoted<'_>) -> Result<Cow<'_, str>, Refusal> {
    if quoted.has_lone_surrogate() {
        return Err(two_readings("a text holds half of a surrogate pair"));
    }
    Ok(quoted.text())
}

impl<'a> Value<'a> {
    /// The name of its kind, for messages.
    fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "a truth value",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Object(_) => "an object",
        }
    }
    /// The value as an object; `what` names it in the refusal. The same for the functions below.
    pub(crate) fn object(&self, what: &str) -> Result<&Object<'a>, Refusal> {
        match self {
            Value::Object(object) => Ok(object),
            other => Err(other.wrong(what, "an object")),
        }
    }
    pub(crate) fn list(&self, what: &str) -> Result<&[Value<'a>], Refusal> {
        match self {
            Value::List(items) => Ok(items),
            other => Err(other.wrong(what, "a list")),
        }
    }
    pub(crate) fn text(&self, what: &str) -> Result<&str, Refusal> {
        match self {
            Value::Text(text) => Ok(text),
            other => Err(other.wrong(what, "a text")),
        }
    }
    pub(crate) fn bool(&self, what: &str) -> Result<bool, Refusal> {
        match self {
            Value::Bool(value) => Ok(*value),
            other => Err(other.wrong(what, "true or false")),
        }
    }
    /// A whole number from 1, also where it is written `4.0`, as protobuf writes numbers of a `Struct`.
    pub(crate) fn count(&self, what: &str) -> Result<u64, Refusal> {
        let Value::Number(number) = self else { return Err(self.wrong(what, "a number")) };
        let whole = number.split_once('.').map_or(Some(*number), |(whole, fraction)| {
            if fraction.bytes().all(|b| b == b'0') { Some(whole) } else { None }
        });
        whole
            .and_then(|whole| whole.parse().ok())
            .filter(|n| *n > 0)
            .ok_or_else(|| malformed(format!("{what} is not a whole number above 0")))
    }
    fn wrong(&self, what: &str, wanted: &str) -> Refusal {
        malformed(format!("{what} is {} where {wanted} is expected", self.kind()))
    }
}

impl<'a> Object<'a> {
    fn new(mut members: Vec<(Cow<'a, str>, Value<'a>)>) -> Result<Self, Refusal> {
        members.sort_by(|(a, _), (b, _)| a.cmp(b));
        let twice = members.iter().zip(members.iter().skip(1)).find(|((a, _), (b, _))| a == b);
        if let Some(((name, _), _)) = twice {
            return Err(two_readings(format!("the member {} is declared twice", shown(name))));
        }
        Ok(Object(members))
    }
    /// A member that may be absent. `null` is as good as absent, as in protobuf's JSON.
    pub(crate) fn get(&self, name: &str) -> Option<&Value<'a>> {
        let at = self.0.binary_search_by(|(key, _)| key.as_ref().cmp(name)).ok()?;
        self.0.get(at).map(|(_, value)| value).filter(|value| **value != Value::Null)
    }
    /// A member that must be there.
    pub(crate) fn need(&self, name: &str) -> Result<&Value<'a>, Refusal> {
        self.get(name).ok_or_else(|| malformed(format!("the member {name} is missing")))
    }
    /// A text that must be there.
    pub(crate) fn need_text(&self, name: &str) -> Result<&str, Refusal> {
        self.need(name)?.text(name)
    }
    #[cfg(any(test, feature = "trust"))]
    /// Refuses members of other names: nothing covers them, so they could only mislead.
    pub(crate) fn only(&self, names: &[&str]) -> Result<(), Refusal> {
        match self.0.iter().find(|(name, _)| !names.contains(&name.as_ref())) {
            Some((name, _)) => Err(malformed(format!("the member {} is unknown", shown(name)))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_read() {
        let value = parse(br#" {"b": [1, true, null], "a": "\u00e9"} "#).unwrap();
        let object = value.object("it").unwrap();
        assert_eq!(object.need_text("a").unwrap(), "é");
        assert_eq!(object.need("b").unwrap().list("b").unwrap().len(), 3);
        assert!(object.get("c").is_none() && object.only(&["a"]).is_err() && object.only(&["a", "b"]).is_ok());
    }

    #[test]
    fn what_two_parsers_read_differently_is_refused() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"[{"x":{"a":1,"b":2,"a":3}}]"#,
            r#"{"a":"\ud800"}"#,
            r#"{"\ud800":1}"#,
            "{} {}",
            "{}x",
            "{}\0",
            "",
            "  ",
            "{",
            "\u{feff}{}",
            "NaN",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn counts_are_whole() {
        for (text, expected) in [("4", Some(4)), ("4.0", Some(4)), ("1000000000.0", Some(1_000_000_000))] {
            assert_eq!(parse(text.as_bytes()).unwrap().count("n").ok(), expected);
        }
        for text in ["0", "0.0", "-4", "4.5", "4e0", "18446744073709551616", "\"4\"", "null"] {
            assert!(parse(text.as_bytes()).unwrap().count("n").is_err(), "{text}");
        }
    }
}
