//! What no ordinary template does, though it may be harmless: reading other templates, and putting together names that lead
//! to the interpreter. Linear.

use super::{Word, next_block, words};

/// Names that lead from an object to the interpreter, without their underscores, that ordinary templates have no use for.
static NAMES: &[&str] = &["mro", "subclasses", "globals", "builtins", "getattribute"];
/// The same, where they are ordinary words too: they count where underscores are at hand.
static WORDS: &[&str] = &["class", "base", "bases", "init", "import", "dict", "code", "reduce"];
/// Statements that read other templates. A chat template stands alone: its environment has no loader.
static STATEMENTS: &[&str] = &["include", "import", "from", "extends"];

/// Bytes of a string that is taken for a piece of a name.
const LONGEST_PIECE: usize = 24;

/// The first such thing: its offset, and what it is.
pub fn unusual(template: &str) -> Option<(usize, String)> {
    let (mut rest, mut pieces, mut underscores, mut word) = (0, String::new(), false, None);
    while let Some((begin, end)) = next_block(template, rest) {
        let block = template.get(begin..end).unwrap_or_default();
        if block.contains("\\N{") {
            return Some((begin, "it writes characters by their names".to_owned()));
        }
        let words = words(block);
        let statement = begin.checked_sub(1).and_then(|at| template.as_bytes().get(at)) == Some(&b'%');
        let first = words.iter().find(|word| !matches!(word, Word::Sign('-' | '+')));
        if let (true, Some(Word::Name(name))) = (statement, first)
            && STATEMENTS.contains(name)
        {
            return Some((begin, format!("it reads another template ({name})")));
        }
        for word_here in words {
            let letters = match &word_here {
                Word::Name(name) => (*name).to_owned(),
                Word::String(text) => {
                    underscores |= !text.is_empty() && text.bytes().all(|byte| byte == b'_');
                    let letters = text.replace("%s", "").chars().filter(|c| c.is_alphabetic()).collect::<String>();
                    let letters = letters.to_lowercase();
                    if WORDS.contains(&letters.as_str()) || WORDS.contains(&backwards(&letters).as_str()) {
                        underscores |= text.contains("__");
                        word.get_or_insert((begin, letters.clone()));
                    }
                    if text.len() <= LONGEST_PIECE {
                        pieces.push_str(&letters);
                    }
                    letters
                }
                Word::Sign(_) => continue,
            };
            if NAMES.contains(&letters.as_str()) || NAMES.contains(&backwards(&letters).as_str()) {
                return Some((begin, format!("it speaks of {letters}")));
            }
        }
        rest = end;
    }
    let reversed = backwards(&pieces);
    // short names come about by chance
    let name = NAMES.iter().filter(|name| name.len() > 5);
    if let Some(name) = name.into_iter().find(|name| pieces.contains(**name) || reversed.contains(**name)) {
        return Some((0, format!("it puts {name} together from pieces")));
    }
    word.filter(|_| underscores).map(|(at, word)| (at, format!("it has {word} and underscores to put together")))
}

fn backwards(text: &str) -> String {
    text.chars().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disguises_are_noticed() {
        for template in [
            "{{ x['_'*2~'class'~'_'*2] }}",
            "{{ x['__CLASS__'|lower] }}",
            "{{ x['@@class@@'|replace('@','_')] }}",
            "{{ x['%s%sclass%s%s'|format('_','_','_','_')] }}",
            r"{{ x['\N{LOW LINE}_class__'] }}",
            "{{ x['glo' ~ 'bals'] }}",
            "{{ x['slab' ~ 'olg'] }}",
            "{{ x['@@GLOBALS@@'|lower] }}",
            "{{ dict(globals=1)|first }}",
            "{% include 'x' %}",
            "{%- import 'x' as y %}",
            "{%+ from 'x' import y %}",
            "{% extends x %}",
        ] {
            assert!(unusual(template).is_some(), "{template}");
        }
    }

    #[test]
    fn ordinary_templates_pass() {
        for template in [
            "{% for message in messages %}{{ message['role'].title() }}: {{ message['content'] | trim }}\n{% endfor %}",
            "{{ tool.name | replace('-', '_') }}{{ 'a code base with an import' }}",
            "{{ '<code>' ~ x ~ '</code>' }}{{ item['class'] }}{{ '__' if y }}text",
            "{% set import_name = 'x' %}{{ loop.index0 }}{% if 'class' in x %}{% endif %}",
            "{{ 'The globals of Python are not subclasses of anything.' }}",
        ] {
            let found = unusual(template);
            let honest = template.contains("item['class']"); // both at hand, and not told apart
            assert_eq!(found.is_some(), honest, "{template}: {found:?}");
        }
    }
}
