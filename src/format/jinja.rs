//! Jinja templates: whether one tries to leave its sandbox.
//!
//! Chat templates are programs that loaders run with data; honest ones walk messages and join strings. The text between
//! `{{ }}` and `{% %}` is cut into words (linear, nothing is evaluated), and what leads from a value to the Python
//! interpreter is reported. Threat: CVE-2024-34359 and its disguises: escapes, joined or reversed strings, `attr`.

mod unusual;

use crate::finding::shown;
use crate::rule::format as rules;
use crate::scan::Scan;
use std::borrow::Cow;

/// Attributes that lead from any object to the interpreter.
static ESCAPES: &[&str] = &[
    "__class__",
    "__mro__",
    "__base__",
    "__bases__",
    "__subclasses__",
    "__globals__",
    "__builtins__",
    "__import__",
    "__init__",
    "__getattribute__",
    "__getattr__",
    "__getitem__",
    "__dict__",
    "__code__",
    "__closure__",
    "__func__",
    "__self__",
    "__loader__",
    "__reduce__",
    "__reduce_ex__",
    "__call__",
    "__wrapped__",
    "__new__",
    "__spec__",
    "__module__",
    "__init_subclass__",
    "__traceback__",
    "func_globals",
    "f_globals",
    "f_builtins",
    "gi_frame",
    "gi_code",
    "cr_frame",
    "ag_frame",
    "tb_frame",
    "f_back",
];
/// Functions that no template is given; naming one with a bracket is an attempt.
static CALLS: &[&str] =
    &["getattr", "eval", "exec", "compile", "open", "globals", "locals", "vars", "breakpoint", "input"];
/// Modules whose attributes no template needs.
static MODULES: &[&str] =
    &["os", "sys", "subprocess", "importlib", "builtins", "pty", "socket", "posix", "nt", "ctypes"];
/// Methods that run commands.
static METHODS: &[&str] = &["popen", "system", "check_output", "Popen", "run_command", "execve", "spawnv"];

/// True if `text` has anything that Jinja would act on.
pub fn is_template(text: &[u8]) -> bool {
    memchr::memmem::find(text, b"{{").is_some() || memchr::memmem::find(text, b"{%").is_some()
}

/// Reports what in `template` tries to reach the interpreter, or what no ordinary template does. `place` names it, as in
/// `chat_template`; `at` is the offset of the text in the current member.
pub fn check(template: &str, place: &str, at: u64, scan: &mut Scan<'_>) {
    if escapes(template, place, at, scan) {
        return;
    }
    if let Some((offset, what)) = unusual::unusual(template) {
        let offset = at.saturating_add(u64::try_from(offset).unwrap_or(0));
        scan.report(&rules::TEMPLATE_UNUSUAL, offset, format!("the template in {}: {}", shown(place), shown(&what)));
    }
}

/// The same for text that need not be a template: only what tries to reach the interpreter is reported. True if something does.
pub fn escapes(text: &str, place: &str, at: u64, scan: &mut Scan<'_>) -> bool {
    scan.template(place, text);
    let Some((offset, what)) = escape(text) else { return false };
    let offset = at.saturating_add(u64::try_from(offset).unwrap_or(0));
    let message = format!("the template in {} reaches for {}", shown(place), shown(&what));
    scan.report(&rules::TEMPLATE_ESCAPE, offset, message);
    true
}

/// The first attempt to leave the sandbox: its offset, and what it reaches for.
fn escape(template: &str) -> Option<(usize, String)> {
    let (mut rest, mut strings) = (0, String::new());
    while let Some((begin, end)) = next_block(template, rest) {
        let words = words(template.get(begin..end).unwrap_or_default());
        if let Some(what) = reached_by(&words) {
            return Some((begin, what));
        }
        strings.extend(
            words.iter().filter_map(|word| if let Word::String(text) = word { Some(text.as_ref()) } else { None }),
        );
        rest = end;
    }
    // a name may be put together from pieces, forwards or backwards
    let reversed: String = strings.chars().rev().collect();
    let pieced = ESCAPES.iter().find(|escape| strings.contains(**escape) || reversed.contains(**escape))?;
    Some((0, format!("{pieced}, put together from pieces")))
}

/// The next `{{ }}` or `{% %}` from `from`, without its delimiters. One that does not end reaches to the end of the text.
fn next_block(template: &str, from: usize) -> Option<(usize, usize)> {
    let bytes = template.as_bytes();
    let mut at = from;
    loop {
        at = at.saturating_add(memchr::memchr(b'{', bytes.get(at..)?)?);
        let close = match bytes.get(at.saturating_add(1)) {
            Some(b'{') => "}}",
            Some(b'%') => "%}",
            Some(b'#') => "#}",
            _ => {
                at = at.saturating_add(1);
                continue;
            }
        };
        let begin = at.saturating_add(2);
        let body = template.get(begin..)?;
        // a delimiter inside a string ends the block for us too early, which only makes more blocks of it
        let end = begin.saturating_add(body.find(close).unwrap_or(body.len()));
        if close != "#}" {
            return Some((begin, end));
        }
        at = end;
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Word<'a> {
    Name(&'a str),
    String(Cow<'a, str>),
    Sign(char),
}

/// What the words of a block reach for.
fn reached_by(words: &[Word<'_>]) -> Option<String> {
    let formats = words.contains(&Word::Name("format"));
    for (index, word) in words.iter().enumerate() {
        let at = |offset: isize| index.checked_add_signed(offset).and_then(|index| words.get(index));
        match word {
            Word::String(text) => {
                if let Some(found) = ESCAPES.iter().find(|escape| text.contains(**escape)) {
                    return Some((*found).to_owned());
                }
                // characters by number are for hiding words
                if formats && text.contains("%c") {
                    return Some("a name made of character codes".to_owned());
                }
            }
            Word::Name(name) => {
                let after_dot = at(-1) == Some(&Word::Sign('.'));
                let before = |sign: char| at(1) == Some(&Word::Sign(sign));
                let dunder = name.len() > 4 && name.starts_with("__") && name.ends_with("__");
                let reached = dunder
                    || ESCAPES.contains(name)
                    || (!after_dot && CALLS.contains(name) && before('('))
                    || (!after_dot && MODULES.contains(name) && before('.'))
                    || (after_dot && METHODS.contains(name) && before('('))
                    || (*name == "attr" && at(-1) == Some(&Word::Sign('|')) && !plain_attribute(at(2), at(3)));
                if reached {
                    return Some((*name).to_owned());
                }
            }
            Word::Sign(_) => {}
        }
    }
    None
}

/// `attr("name")` with a plain constant is no more than `.name`.
fn plain_attribute(argument: Option<&Word<'_>>, after: Option<&Word<'_>>) -> bool {
    matches!(argument, Some(Word::String(name)) if !name.starts_with('_')) && after == Some(&Word::Sign(')'))
}

fn words(block: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut rest = block;
    while let Some(first) = rest.chars().next() {
        let (word, length) = match first {
            '\'' | '"' => string(rest, first),
            c if c == '_' || c.is_alphanumeric() => {
                let end = rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len());
                (Word::Name(rest.get(..end).unwrap_or_default()), end)
            }
            other => (Word::Sign(other), other.len_utf8()),
        };
        if !matches!(word, Word::Sign(c) if c.is_whitespace()) {
            words.push(word);
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    words
}

/// A string literal with its escapes resolved, and how many bytes it takes.
fn string(text: &str, quote: char) -> (Word<'_>, usize) {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1).map(|(at, c)| (at.saturating_add(c.len_utf8()), c));
    let mut length = text.len();
    let mut escaped = false;
    while let Some((end, c)) = chars.next() {
        if c == quote {
            length = end;
            break;
        }
        if c != '\\' {
            value.push(c);
            continue;
        }
        escaped = true;
        let Some((_, kind)) = chars.next() else { break };
        let digits = match kind {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            '0'..='7' => {
                // up to three octal digits
                let more: String = chars.clone().map(|(_, c)| c).take(2).take_while(|c| c.is_digit(8)).collect();
                chars.by_ref().take(more.len()).for_each(drop);
                value.extend(u32::from_str_radix(&format!("{kind}{more}"), 8).ok().and_then(char::from_u32));
                continue;
            }
            other => {
                value.push(other);
                continue;
            }
        };
        let code: String = chars.clone().map(|(_, c)| c).take(digits).take_while(char::is_ascii_hexdigit).collect();
        chars.by_ref().take(code.len()).for_each(drop);
        value.extend(u32::from_str_radix(&code, 16).ok().and_then(char::from_u32));
    }
    let plain = text.get(1..length.saturating_sub(1)).unwrap_or_default();
    let value = if escaped { Cow::Owned(value) } else { Cow::Borrowed(plain) };
    (Word::String(value), length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn attempts_are_seen_through_their_disguise() {
        for template in [
            "{{ cycler.__init__.__globals__.os.popen('id') }}",
            "{{ ''['__cl' ~ 'ass__'] }}",
            "{{ ''['__ssalc__'[::-1]] }}",
            "{% set a = '__cla' %}{% set b = 'ss__' %}{{ ''[a ~ b] }}",
            r"{{ request['\x5f\x5fglobals\x5f\x5f'] }}",
            r"{{ x['\137\137globals\137\137'] }}",
            r"{{ x['\u005f_class_\u005f'] }}",
            "{{ ''|attr('__class__') }}",
            "{{ ''|attr(x) }}",
            "{{ '{0.__class__}'.format(x) }}",
            "{{ ('%c%c'*2)|format(95,95) }}",
            "{% set x = getattr('', 'y') %}",
            "{% for c in [].__class__.__base__.__subclasses__() %}{% endfor %}",
            "text {{ os.system('id') }}",
            "{{ joiner.__init__",
            "{# fine #}{%- if lipsum.__globals__ -%}",
        ] {
            assert!(escape(template).is_some(), "{template}");
        }
    }

    #[test]
    fn honest_templates_pass() {
        for template in [
            "{% for message in messages %}{{ message['role'].title() }}: {{ message['content'] | trim }}\n{% endfor %}",
            "{{ '__' }}{{ '<<SYS>>\\n' + content + '\\n<</SYS>>' }}",
            "{%- set ns = namespace(is_first=false, output='') -%}{{ raise_exception('no system role') }}",
            "{{ message|attr('content') }}{{ open_tag }}{{ system }}{{ os }} {{ message.system }}",
            "{# cycler.__init__ in a comment #}",
            "cycler.__init__ in prose",
            "{{ tool | tojson(indent=4) }}{{ strftime_now('%d %b %Y') }}{{ '<__media__>' }}",
            "{{ messages[0]['content'][::-1] }}",
        ] {
            assert_eq!(escape(template), None, "{template}");
        }
    }

    #[test]
    fn a_long_template_takes_linear_time() {
        assert_eq!(escape(&"{{ a['b'] }}".repeat(200_000)), None);
        assert_eq!(escape(&"{{".repeat(200_000)), None);
        assert_eq!(escape(&"{".repeat(400_000)), None);
        assert_eq!(escape(&"{% '\\x".repeat(100_000)), None);
    }

    proptest! {
        #[test]
        fn never_panics(template in "[{}%#'\"\\\\x5f_. ()|a-cé]{0,60}") {
            let _ = escape(&template);
        }
    }
}
