//! The text form of the tables, and its reader.
//!
//! ```text
//! packages: torch functorch        top-level packages whose globals stand here
//! versions: torch 2.15.0           what it was made from
//! complete: yes                    nothing else of these packages is ordinarily pickled
//!
//! [class call] why it is safe      a section: kind, permissions, shape=NAME; then the reason
//! torch.nn: Name Name              a module and its names; sorted, one line per module and section
//! ```
//!
//! Kinds are `class`, `function`, `reference` and `dangerous`; permissions are `call`, `items` and `members`. In a dangerous
//! section the name `*` stands for everything in the module and below it. `#` begins a comment line. The texts are our own
//! and tests refuse any line that does not parse; here such a line simply vets nothing. Bound: one pass over a table, once.

use super::{Dangerous, Kind, SHAPES, Standing, Vetted};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

/// One file of `manifests/globals/`.
struct Table {
    /// Path under `manifests/globals/`, for messages of tests.
    #[cfg_attr(not(test), expect(dead_code))]
    name: &'static str,
    text: &'static str,
    header: OnceLock<Header>,
    lines: OnceLock<Vec<Line>>,
}

/// The lines before the first section.
#[derive(Default)]
struct Header {
    /// Top-level packages, sorted.
    packages: Vec<&'static str>,
    /// Whatever of these packages is not listed is not ordinarily pickled.
    complete: bool,
}

/// Names that share a standing.
struct Section {
    standing: Standing,
    /// (module, its names), in order of module.
    lines: Vec<(&'static str, &'static str)>,
}

/// A line of a section, with what its section says.
struct Line {
    module: &'static str,
    names: &'static str,
    standing: Standing,
}

/// A line that is no part of the grammar.
#[derive(Debug)]
pub struct Malformed {
    /// The line.
    #[cfg_attr(not(test), expect(dead_code))]
    pub line: &'static str,
}

macro_rules! tables {
    ($($name:literal),* $(,)?) => {
        [$(Table::new($name, include_str!(concat!("../../../manifests/globals/", $name)))),*]
    };
}

static TABLES: [Table; 52] = tables![
    "reviewed/dangerous.txt", // first: see `dangerous_module`
    "generated/accelerate.txt",
    "generated/audio.txt",
    "generated/boosting.txt",
    "generated/detection.txt",
    "generated/diffusers.txt",
    "generated/environments.txt",
    "generated/explaining.txt",
    "generated/frames.txt",
    "generated/geometric.txt",
    "generated/huggingface.txt",
    "generated/imaging.txt",
    "generated/lightning.txt",
    "generated/networkx.txt",
    "generated/nlp.txt",
    "generated/numpy.txt",
    "generated/pandas.txt",
    "generated/peft.txt",
    "generated/processes.txt",
    "generated/pydantic.txt",
    "generated/scipy.txt",
    "generated/sentence_transformers.txt",
    "generated/sklearn.txt",
    "generated/small.txt",
    "generated/statistics.txt",
    "generated/stdlib.txt",
    "generated/survival.txt",
    "generated/tabular.txt",
    "generated/text.txt",
    "generated/timm.txt",
    "generated/tokenizers.txt",
    "generated/torch.txt",
    "generated/torchmetrics.txt",
    "generated/torchvision.txt",
    "generated/training.txt",
    "generated/transformers.txt",
    "generated/tuning.txt",
    "generated/ultralytics.txt",
    "generated/vision.txt",
    "reviewed/boosting.txt",
    "reviewed/dill.txt",
    "reviewed/graphs.txt",
    "reviewed/joblib.txt",
    "reviewed/numpy.txt",
    "reviewed/pandas.txt",
    "reviewed/scipy.txt",
    "reviewed/sklearn.txt",
    "reviewed/small.txt",
    "reviewed/stdlib.txt",
    "reviewed/torch.txt",
    "reviewed/transformers.txt",
    "reviewed/values.txt",
];

/// A top-level package.
#[derive(Default)]
pub struct Package {
    /// Those of [`TABLES`] in which its globals stand.
    tables: Vec<&'static Table>,
    lines: OnceLock<Vec<&'static Line>>,
}

static PACKAGES: LazyLock<HashMap<&str, Package>> = LazyLock::new(|| {
    let mut index: HashMap<&str, Package> = HashMap::new();
    for table in &TABLES {
        for package in &table.header().packages {
            index.entry(package).or_default().tables.push(table);
        }
    }
    index
});

/// The top-level package that a module belongs to, if anything is known of it.
pub fn package_of(module: &str) -> Option<&'static Package> {
    PACKAGES.get(top_level(module))
}

fn top_level(module: &str) -> &str {
    module.split_once('.').map_or(module, |(package, _)| package)
}

impl Package {
    /// True if what is not listed of it is not ordinarily pickled.
    pub fn complete(&self) -> bool {
        self.tables.iter().any(|table| table.header().complete)
    }

    /// The standing of exactly this pair.
    pub fn exact(&self, module: &str, name: &str) -> Option<Standing> {
        let lines = self.lines.get_or_init(|| {
            let package = top_level(module);
            let mut lines: Vec<&Line> = self.tables.iter().flat_map(|table| table.lines_of(package)).collect();
            lines.sort_by_key(|line| line.module);
            lines
        });
        exact(lines, |line| line, module, name)
    }
}

/// What everything in `module` is said to do, if the module or a package above it is dangerous as a whole.
pub fn dangerous_module(module: &str) -> Option<&'static str> {
    let table = TABLES.first()?;
    let mut above = Some(module);
    while let Some(module) = above {
        if let Some(Standing::Dangerous(Dangerous { what })) = exact(table.lines(), |line| line, module, "*") {
            return Some(what);
        }
        above = module.rsplit_once('.').map(|(above, _)| above);
    }
    None
}

impl Table {
    const fn new(name: &'static str, text: &'static str) -> Self {
        Table { name, text, header: OnceLock::new(), lines: OnceLock::new() }
    }

    fn header(&self) -> &Header {
        self.header.get_or_init(|| read_header(self.text).unwrap_or_default())
    }

    fn lines(&self) -> &[Line] {
        self.lines.get_or_init(|| by_module(read_sections(self.text).unwrap_or_default()))
    }

    /// The lines about a top-level package. Others may stand between them (`a`, `a-b`, `a.c`).
    fn lines_of(&self, package: &str) -> impl Iterator<Item = &Line> {
        let lines = self.lines();
        let first = lines.partition_point(|line| line.module < package);
        let near =
            lines.get(first..).unwrap_or_default().iter().take_while(move |line| line.module.starts_with(package));
        near.filter(move |line| top_level(line.module) == package)
    }
}

/// The standing of exactly this pair in lines that are in order of module.
fn exact<L>(lines: &[L], line: impl Fn(&L) -> &Line, module: &str, name: &str) -> Option<Standing> {
    let first = lines.partition_point(|held| line(held).module < module);
    let of_module = lines.get(first..)?.iter().map(line).take_while(|line| line.module == module);
    of_module.filter(|line| lists(line.names, name)).map(|line| line.standing).next()
}

/// True if `name` is one of these names, which are sorted and parted by single spaces.
fn lists(names: &str, name: &str) -> bool {
    let is_space = |byte: &u8| *byte == b' ';
    let mut left = names.as_bytes();
    while !left.is_empty() {
        let (before, after) = left.split_at(left.len() / 2);
        let start = before.iter().rposition(is_space).map_or(0, |space| space.saturating_add(1));
        let end = after.iter().position(is_space).map_or(left.len(), |space| before.len().saturating_add(space));
        let middle = left.get(start..end).unwrap_or_default();
        left = match middle.cmp(name.as_bytes()) {
            Ordering::Equal => return true,
            Ordering::Less => left.get(end.saturating_add(1)..),
            Ordering::Greater => left.get(..start.saturating_sub(1)),
        }
        .unwrap_or_default();
    }
    false
}

/// The lines of all sections in order of module, so that one search finds every line of a module.
fn by_module(sections: Vec<Section>) -> Vec<Line> {
    let lines = sections.into_iter().flat_map(|Section { standing, lines }| {
        lines.into_iter().map(move |(module, names)| Line { module, names, standing })
    });
    let mut lines: Vec<Line> = lines.collect();
    lines.sort_by_key(|line| line.module);
    lines
}

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().map(str::trim_end).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// What stands before and after the first `: `.
fn pair(line: &'static str) -> Option<(&'static str, &'static str)> {
    let (before, after) = line.split_once(':')?;
    Some((before, after.strip_prefix(' ')?))
}

fn read_header(text: &'static str) -> Result<Header, Malformed> {
    let mut header = Header::default();
    for line in lines(text).take_while(|line| !line.starts_with('[')) {
        match pair(line) {
            Some(("packages", list)) => header.packages.extend(list.split_ascii_whitespace()),
            Some(("complete", "yes")) => header.complete = true,
            Some(("complete", "no") | ("versions", _)) => {}
            _ => return Err(Malformed { line }),
        }
    }
    header.packages.sort_unstable();
    Ok(header)
}

fn read_sections(text: &'static str) -> Result<Vec<Section>, Malformed> {
    let mut sections: Vec<Section> = Vec::new();
    for line in lines(text).skip_while(|line| !line.starts_with('[')) {
        if let Some(rest) = line.strip_prefix('[') {
            let standing = rest.split_once("] ").and_then(|(words, why)| read_standing(words, why));
            sections.push(Section { standing: standing.ok_or(Malformed { line })?, lines: Vec::new() });
        } else {
            let entry = pair(line).filter(|(module, _)| !module.contains(' ')).ok_or(Malformed { line })?;
            sections.last_mut().ok_or(Malformed { line })?.lines.push(entry);
        }
    }
    Ok(sections)
}

fn read_standing(words: &'static str, why: &'static str) -> Option<Standing> {
    if words == "dangerous" {
        return Some(Standing::Dangerous(Dangerous { what: why }));
    }
    let mut words = words.split(' ');
    let kind = match words.next()? {
        "class" => Kind::Class,
        "function" => Kind::Function,
        "reference" => Kind::Reference,
        _ => return None,
    };
    let call = kind == Kind::Function;
    let mut vetted = Vetted { kind, call, items: false, members: false, shape: None, why };
    for word in words {
        match word {
            "call" => vetted.call = true,
            "items" => vetted.items = true,
            "members" => vetted.members = true,
            _ => {
                let shape = word.strip_prefix("shape=")?;
                vetted.shape = Some(SHAPES.iter().find(|(name, _)| *name == shape)?.0);
            }
        }
    }
    Some(Standing::Vetted(vetted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_parses_and_is_in_order() {
        for table in &TABLES {
            let header = read_header(table.text).unwrap_or_else(|bad| panic!("{}: {}", table.name, bad.line));
            let sections = read_sections(table.text).unwrap_or_else(|bad| panic!("{}: {}", table.name, bad.line));
            assert!(!header.packages.is_empty() && !sections.is_empty(), "{}", table.name);
            for section in &sections {
                assert!(!section.lines.is_empty(), "{}: an empty section", table.name);
                for pair in section.lines.windows(2) {
                    assert!(pair[0].0 < pair[1].0, "{}: {} stands before {}", table.name, pair[0].0, pair[1].0);
                }
                for (module, _) in &section.lines {
                    let package = module.split('.').next().unwrap();
                    assert!(header.packages.contains(&package), "{}: {module} is not in its packages", table.name);
                }
            }
        }
    }

    #[test]
    fn a_name_is_listed_as_a_whole() {
        for name in ["A", "AB", "C.D"] {
            assert!(lists("A AB C.D", name), "{name}");
        }
        for name in ["", " ", "B", "C", "D", "A AB", "AB ", "ABC", "a"] {
            assert!(!lists("A AB C.D", name), "{name:?}");
        }
        for table in &TABLES {
            for (module, names) in read_sections(table.text).unwrap().into_iter().flat_map(|section| section.lines) {
                let list: Vec<&str> = names.split(' ').collect();
                assert!(list.is_sorted(), "{}: the names of {module} are not in order", table.name);
                for name in &list {
                    assert!(!name.is_empty() && !name.contains('\t'), "{}: {module}", table.name);
                    assert!(lists(names, name), "{}: {module} {name}", table.name);
                }
            }
        }
    }

    #[test]
    fn no_pair_is_listed_twice() {
        let mut seen = HashMap::new();
        for table in &TABLES {
            for section in read_sections(table.text).unwrap() {
                for (module, names) in section.lines {
                    for name in names.split_ascii_whitespace() {
                        let before = seen.insert((module, name), table.name);
                        assert!(before.is_none(), "{module} {name} in {} and {before:?}", table.name);
                    }
                }
            }
        }
    }

    #[test]
    fn malformed_lines_are_refused() {
        for text in ["packages x", "surprise: x", "complete: maybe"] {
            assert!(read_header(text).is_err(), "{text}");
        }
        for text in
            ["[class]", "[klass] x", "[class fly] x", "[class shape=none] x", "[class] x\nname", "[class] x\na b: c"]
        {
            assert!(read_sections(text).is_err(), "{text}");
        }
    }
}
