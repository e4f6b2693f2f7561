//! Python literals as numpy writes them in headers: strings, whole numbers, truth values, tuples, lists and dicts.
//!
//! One pass; nesting is bounded by [`MAX_DEPTH`], and the caller bounds the text. Anything else that
//! `ast.literal_eval` would take (floats, sets, bytes, joined strings) is refused: no writer of headers uses it.

/// Deepest nesting that is read.
const MAX_DEPTH: u32 = 32;

/// A literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// A string.
    String(String),
    /// A whole number that is not negative.
    Number(u64),
    /// `True` or `False`.
    Bool(bool),
    /// `(…)`
    Tuple(Vec<Literal>),
    /// `[…]`
    List(Vec<Literal>),
    /// `{…}`, in the order of the text, duplicates included.
    Dict(Vec<(Literal, Literal)>),
}

/// Reads the literal that `text` consists of; the error is the offset where reading stopped.
pub fn parse(text: &str) -> Result<Literal, usize> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.space();
    if reader.at == text.len() { Ok(value) } else { Err(reader.at) }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: u32) -> Result<Literal, usize> {
        if depth > MAX_DEPTH {
            return Err(self.at);
        }
        let deeper = depth.saturating_add(1);
        self.space();
        match self.peek() {
            Some('\'' | '"') => self.string().map(Literal::String),
            Some('0'..='9') => self.number(),
            Some('T') => self.word("True", Literal::Bool(true)),
            Some('F') => self.word("False", Literal::Bool(false)),
            Some('(') => {
                let (mut items, comma) = self.items(')', deeper)?;
                // one value in brackets is that value; a tuple of one has a comma
                match items.pop() {
                    Some(only) if items.is_empty() && !comma => Ok(only),
                    last => {
                        items.extend(last);
                        Ok(Literal::Tuple(items))
                    }
                }
            }
            Some('[') => Ok(Literal::List(self.items(']', deeper)?.0)),
            Some('{') => self.dict(deeper),
            _ => Err(self.at),
        }
    }

    /// Items up to `end`, and whether the last one had a comma behind it.
    fn items(&mut self, end: char, depth: u32) -> Result<(Vec<Literal>, bool), usize> {
        self.take();
        let (mut items, mut comma) = (Vec::new(), false);
        loop {
            self.space();
            if self.accept(end) {
                return Ok((items, comma));
            }
            if !items.is_empty() && !comma {
                return Err(self.at);
            }
            items.push(self.value(depth)?);
            self.space();
            comma = self.accept(',');
        }
    }

    fn dict(&mut self, depth: u32) -> Result<Literal, usize> {
        self.take();
        let (mut items, mut comma) = (Vec::new(), true);
        loop {
            self.space();
            if self.accept('}') {
                return Ok(Literal::Dict(items));
            }
            if !comma {
                return Err(self.at);
            }
            let key = self.value(depth)?;
            self.space();
            if !self.accept(':') {
                return Err(self.at);
            }
            items.push((key, self.value(depth)?));
            self.space();
            comma = self.accept(',');
        }
    }

    fn string(&mut self) -> Result<String, usize> {
        let quote = self.take();
        let mut text = String::new();
        loop {
            match self.take() {
                None | Some('\n') => return Err(self.at),
                end if end == quote => return Ok(text),
                Some('\\') => text.push(self.escape()?),
                Some(char) => text.push(char),
            }
        }
    }

    fn escape(&mut self) -> Result<char, usize> {
        let digits = match self.take() {
            Some(char @ ('\\' | '\'' | '"')) => return Ok(char),
            Some('n') => return Ok('\n'),
            Some('t') => return Ok('\t'),
            Some('r') => return Ok('\r'),
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            _ => return Err(self.at),
        };
        let mut code = 0u32;
        for _ in 0..digits {
            let digit = self.take().and_then(|char| char.to_digit(16)).ok_or(self.at)?;
            code = code.wrapping_shl(4) | digit;
        }
        char::from_u32(code).ok_or(self.at)
    }

    fn number(&mut self) -> Result<Literal, usize> {
        let begin = self.at;
        while self.peek().is_some_and(|char| char.is_ascii_digit()) {
            self.take();
        }
        let digits = self.text.get(begin..self.at).unwrap_or_default();
        let number = digits.parse().map_err(|_| begin)?;
        self.accept('L'); // Python 2 wrote long integers so
        if self.peek().is_some_and(|char| char.is_alphanumeric() || matches!(char, '.' | '_')) {
            return Err(self.at);
        }
        Ok(Literal::Number(number))
    }

    fn word(&mut self, word: &str, value: Literal) -> Result<Literal, usize> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) {
            return Err(self.at);
        }
        self.at = self.at.saturating_add(word.len());
        if self.peek().is_some_and(|char| char.is_alphanumeric() || char == '_') { Err(self.at) } else { Ok(value) }
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(' ' | '\n' | '\t' | '\r' | '\x0c')) {
            self.take();
        }
    }
    fn accept(&mut self, char: char) -> bool {
        let there = self.peek() == Some(char);
        if there {
            self.take();
        }
        there
    }
    fn peek(&self) -> Option<char> {
        self.text.get(self.at..).and_then(|rest| rest.chars().next())
    }
    fn take(&mut self) -> Option<char> {
        let char = self.peek()?;
        self.at = self.at.saturating_add(char.len_utf8());
        Some(char)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn headers_of_numpy_are_read() {
        let text =
            "{'descr': [('x', '<f4', (2,)), ('y\\u00e9', '|O')], 'fortran_order': False, 'shape': (3L, 4), }  \n";
        let Literal::Dict(items) = parse(text).unwrap() else { panic!() };
        assert_eq!(items.len(), 3);
        assert_eq!(items[2].1, Literal::Tuple(vec![Literal::Number(3), Literal::Number(4)]));
        assert_eq!(parse("(3)"), Ok(Literal::Number(3)));
        assert_eq!(parse("(3,)"), Ok(Literal::Tuple(vec![Literal::Number(3)])));
        assert_eq!(parse("()"), Ok(Literal::Tuple(vec![])));
    }

    #[test]
    fn what_is_no_literal_is_refused() {
        for text in [
            "",
            "(",
            "(1 2)",
            "{'a' 1}",
            "{'a': 1 'b': 2}",
            "1.5",
            "-1",
            "None",
            "'a",
            "'\n'",
            "Truer",
            "[1,,2]",
            "1+1",
            "f()",
            "'a' 'b'",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&"[".repeat(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(text in "[\\[\\](){}'\"\\\\,: 0-9aTFxuLé]{0,60}") {
            let _ = parse(&text);
        }
    }
}
