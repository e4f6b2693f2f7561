//! YAML as PyYAML reads it: on generated documents, every tag and every `_target_` that PyYAML sees is seen here too, or the
//! file is not proven.

use crate::tool::python_with;
use mverify::Verifier;
use serde_json::json;
use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

/// What documents are put together from.
const WORDS: &[&str] = &[
    "a",
    "b: ",
    "_target_",
    "_target_: ",
    "_target_ : ",
    ": ",
    ":",
    " :",
    "- ",
    "-",
    "? ",
    "?",
    "\n",
    "\n",
    "\n  ",
    "\n ",
    "\n    ",
    "  ",
    " ",
    "\t",
    "[",
    "]",
    "{",
    "}",
    ", ",
    ",",
    "&x ",
    "&y ",
    "*x",
    "*x ",
    "*y ",
    "!!str ",
    "!!python/name:m.n ",
    "!x ",
    "! ",
    "!!python/object/apply:m.f ",
    "!!pyth%6fn/a ",
    "!<tag:yaml.org,2002:python/b> ",
    "!o!c ",
    "!!python/d",
    "!!s,tr ",
    "!!",
    "!",
    "#",
    " # c",
    "\n# c\n",
    "'",
    "\"",
    "'q'",
    "\"q\"",
    "\"\\x5ftarget_\"",
    "|",
    "|\n",
    "|-\n  ",
    ">-\n  ",
    ">\n ",
    ">+",
    "\n---\n",
    "--- ",
    "---",
    "\n...\n",
    "%TAG ! tag:yaml.org,2002:python/\n---\n",
    "%TAG !o! tag:yaml.org,2002:python/\n---\n",
    "%TAG !! tag:y,2:\n---\n",
    "%YAML 1.1\n---\n",
    "\\",
    "\\\n",
    "''",
    "<<: ",
    "<<: *x\n",
    "@",
    "`",
    "%",
    "\r\n",
    "\r",
    "\u{85}",
    "\u{2028}",
    "\u{feff}",
    "é",
    "0",
    "~",
    "null",
    "=",
    "m.n",
    "${x}",
];

/// Ordinary documents, which are broken a little.
const SEEDS: &[&str] = &[
    "a: b\nc:\n  - d\n  - {_target_: x.y, z: [1, 2]}\n",
    "? _target_\n: m.n\n",
    "_target_:\n  >-\n  m.\n  n\nb: !!python/object/apply:m.n []\n",
    "- &x _target_\n- {*x : m.n}\n",
    "- &x m.n\n- _target_: *x\n- {<<: {_target_: *x}}\n",
    "%TAG !y! tag:yaml.org,2002:\n---\na: !y!python/n b\n",
    "a: |2\n   x\n  y\nb: 'it''s'\nc: \"\\x5ft\"\n_target_: |\n  m.n\n",
    "---\n_target_: m.n\n---\nb: !!python/e 2\n...\n",
    "{a: b, c: [d, e: f], '_target_':h, \"i\":j}\n",
    "a:\n- b\n- c:\n    _target_: d\n  e: f\n# comment\ng: h # c\n",
    "!!map {? !!str _target_ : !!seq [b], _target_: m.n}\n",
];

/// Prints, for each document of a list, what PyYAML's composer sees of tags and targets; null where it refuses.
const PYYAML: &str = r"
import json, sys, yaml

def targets(node, seen, inside=()):
    if isinstance(node, yaml.ScalarNode):
        seen.append('_target_: ' + node.value.strip())
    if isinstance(node, yaml.SequenceNode) and node not in inside:
        for item in node.value:
            targets(item, seen, (*inside, node))

def see(text):
    seen, done = [], set()
    try:
        nodes = [node for node in yaml.compose_all(text, Loader=yaml.SafeLoader) if node]
    except (yaml.YAMLError, ValueError, OverflowError):
        return None
    while nodes:
        node = nodes.pop()
        if id(node) in done:
            continue
        done.add(id(node))
        if node.tag.startswith('tag:yaml.org,2002:python/'):
            seen.append('!!python/' + node.tag[25:])
        if isinstance(node, yaml.SequenceNode):
            nodes += node.value
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                nodes += [key, value]
                if isinstance(key, yaml.ScalarNode) and key.value == '_target_':
                    targets(value, seen)
    return seen

json.dump([see(text) for text in json.load(sys.stdin)], sys.stdout)
";

/// A generator that gives the same numbers each time (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }

    fn document(&mut self) -> String {
        if self.below(3) == 0 {
            return (0..=self.below(14)).map(|_| WORDS[self.below(WORDS.len())]).collect();
        }
        let mut chars: Vec<char> = SEEDS[self.below(SEEDS.len())].chars().collect();
        for _ in 0..=self.below(4) {
            let at = self.below(chars.len() + 1);
            let until = (at + self.below(4)).min(chars.len());
            match self.below(10) {
                0..5 => drop(chars.splice(at..at, WORDS[self.below(WORDS.len())].chars())),
                5..8 => drop(chars.drain(at..until)),
                _ => {
                    let part = chars[at..until].to_vec();
                    chars.splice(at..at, part);
                }
            }
        }
        chars.into_iter().collect()
    }
}

#[test]
fn what_pyyaml_sees_is_seen() {
    let Some(python) = python_with("yaml") else { return };
    let seed = std::env::var("MVERIFY_SEED").map_or(20_200_114, |seed| seed.parse().expect("a number"));
    let mut random = Random(seed);
    let documents: BTreeSet<String> = (0..4_000).map(|_| random.document()).collect();
    let documents: Vec<String> = documents.into_iter().collect();

    let mut child =
        Command::new(python).args(["-c", PYYAML]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(json!(documents).to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let theirs: Vec<Option<BTreeSet<String>>> = serde_json::from_slice(&output.stdout).unwrap();

    let verifier = Verifier::builder().digests(&[]).build().unwrap();
    let (mut compared, mut acted) = (0, 0);
    for (text, theirs) in documents.iter().zip(&theirs) {
        let Some(theirs) = theirs else { continue };
        let found = verifier.verify_bytes("x.yaml", text.as_bytes());
        if found.findings.iter().any(|finding| ["MV-CFG-014", "MV-FMT-002"].contains(&finding.rule.id)) {
            continue;
        }
        compared += 1;
        acted += usize::from(!theirs.is_empty());
        let ours: BTreeSet<String> =
            found.capabilities.code.iter().filter(|code| !code.starts_with("target: ")).cloned().collect();
        assert_eq!(&ours, theirs, "{text:?}: {found:?}");
    }
    assert!(compared > 500 && acted > 200, "{compared} compared, {acted} of them with something in it");
}
