//! The globals that one stream names: each once, with its standing and what was said about it.

use super::globals::{self, Kind, Standing, Vetted};
use std::collections::HashMap;

/// One global, after the Python-2 names were mapped.
#[derive(Clone, Debug)]
pub struct Name {
    /// Module, as it would be imported.
    pub module: String,
    /// Qualified name inside the module.
    pub name: String,
    /// What is known of it.
    pub standing: Standing,
    /// True once a call of it was reported.
    pub call_reported: bool,
    /// True once a use of it was reported.
    pub use_reported: bool,
    /// True once a stream wrote this very name and meant it, by whether the Python-2 maps apply.
    written: [bool; 2],
}

/// The globals of a stream, in order of first mention.
#[derive(Clone, Debug, Default)]
pub struct Names {
    list: Vec<Name>,
    index: HashMap<String, u32>,
    /// Names that streams write and that mean another, by whether the Python-2 maps apply.
    renamed: [HashMap<String, u32>; 2],
}

/// More different globals than any library writes.
const MAX_NAMES: usize = 1 << 16;
/// A qualified name with more dots than this reaches nothing that is ordinarily saved.
const MAX_DOTS: usize = 16;

/// Too many globals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

/// One text for a pair.
fn key(module: &str, name: &str) -> String {
    [module, "\0", name].concat()
}

impl Names {
    /// What a name as written was resolved to before.
    pub fn written(&self, old: bool, module: &str, name: &str) -> Option<u32> {
        let key = key(module, name);
        let by_itself = self.index.get(&key).copied().filter(|id| {
            self.get(*id).is_some_and(|held| {
                let [new, as_old] = held.written;
                if old { as_old } else { new }
            })
        });
        let [new_names, old_names] = &self.renamed;
        by_itself.or_else(|| if old { old_names } else { new_names }.get(&key).copied())
    }
    /// Notes what a name as written was resolved to.
    pub fn wrote(&mut self, old: bool, module: &str, name: &str, id: u32) {
        if let Some(held) = self.get_mut(id).filter(|held| held.is(module, name)) {
            let [new, as_old] = &mut held.written;
            *if old { as_old } else { new } = true;
            return;
        }
        let [new_names, old_names] = &mut self.renamed;
        if old { old_names } else { new_names }.insert(key(module, name), id);
    }
    /// The number of a global, and whether it is new.
    pub fn intern(&mut self, module: &str, name: &str, trusted: &[String]) -> Result<(u32, bool), TooMany> {
        let key = key(module, name);
        if let Some(&id) = self.index.get(&key) {
            return Ok((id, false));
        }
        if self.list.len() >= MAX_NAMES {
            return Err(TooMany);
        }
        let id = u32::try_from(self.list.len()).map_err(|_| TooMany)?;
        self.index.insert(key, id);
        self.list.push(Name {
            module: module.to_owned(),
            name: name.to_owned(),
            standing: standing(module, name, trusted),
            call_reported: false,
            use_reported: false,
            written: [false; 2],
        });
        Ok((id, true))
    }
    /// A global by its number.
    pub fn get(&self, id: u32) -> Option<&Name> {
        self.list.get(usize::try_from(id).ok()?)
    }
    /// A global by its number.
    pub fn get_mut(&mut self, id: u32) -> Option<&mut Name> {
        self.list.get_mut(usize::try_from(id).ok()?)
    }
    /// True if nothing was named.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
    /// True if a name is known, for good or bad.
    pub fn any_known(&self) -> bool {
        self.list.iter().any(|name| !matches!(name.standing, Standing::Unvetted))
    }
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Name> {
        self.list.iter()
    }
    /// All of them, as `module.qualname`.
    pub fn into_list(self) -> Vec<String> {
        self.list.into_iter().map(|n| n.full()).collect()
    }
}

impl Name {
    /// `module.qualname`.
    pub fn full(&self) -> String {
        [self.module.as_str(), ".", &self.name].concat()
    }
    /// How it may be used, if it is vetted.
    pub fn vetted(&self) -> Option<Vetted> {
        match self.standing {
            Standing::Vetted(vetted) => Some(vetted),
            _ => None,
        }
    }
    /// The argument rule of its calls.
    pub fn shape(&self) -> Option<&'static str> {
        self.vetted().and_then(|v| v.shape)
    }
    /// True if it may be called with any vetted arguments.
    pub fn freely_callable(&self) -> bool {
        self.vetted().is_some_and(|v| may_call(v) && v.shape.is_none())
    }
    /// True if it has the name of a class (PEP 8: it begins with a capital), or of a private function by which a library
    /// makes its objects again when they are loaded.
    pub fn constructs(&self) -> bool {
        let is_class = |part: &str| part.trim_start_matches('_').starts_with(|first: char| first.is_ascii_uppercase());
        let remakes = ["unpickle", "reconstruct", "rebuild", "recreate"];
        // no library lies in a script
        if self.module == "__main__" {
            return false;
        }
        self.name.split('.').all(is_class)
            || (self.name.starts_with('_')
                && !self.name.contains('.')
                && remakes.iter().any(|word| self.name.contains(word)))
    }
    /// True if it is a class that may be constructed.
    pub fn is_class(&self) -> bool {
        self.vetted().is_some_and(|v| v.kind == Kind::Class)
    }
    /// True for `module.name`.
    pub fn is(&self, module: &str, name: &str) -> bool {
        self.module == module && self.name == name
    }
    /// True if a part of the name is private machinery of Python (`__globals__`, `__reduce__` …).
    pub fn has_dunder(&self) -> bool {
        self.name.split('.').any(|part| part.len() > 4 && part.starts_with("__") && part.ends_with("__"))
    }
}

/// True if calling is permitted, in its shape if it has one.
pub fn may_call(vetted: Vetted) -> bool {
    match vetted.kind {
        Kind::Function => true,
        Kind::Class => vetted.call,
        Kind::Reference => false,
    }
}

/// What is known of a global. A dotted name that passes through a dangerous module is as dangerous as that
/// (`torch.serialization` `os.system`, `random` `_os.popen`).
fn standing(module: &str, name: &str, trusted: &[String]) -> Standing {
    let own = globals::lookup(module, name);
    if matches!(own, Standing::Vetted(_) | Standing::Dangerous(_)) {
        return own;
    }
    let mut tail = name;
    for _ in 0..MAX_DOTS {
        let Some((head, rest)) = tail.split_once('.') else { break };
        let plain = head.trim_start_matches('_');
        if let Standing::Dangerous(what) = globals::lookup(plain, rest) {
            return Standing::Dangerous(what);
        }
        tail = rest;
    }
    let vouched = |full: &String| {
        full.strip_prefix(module).and_then(|rest| rest.strip_prefix('.')).is_some_and(|rest| rest == name)
    };
    if trusted.iter().any(vouched) {
        return Standing::Vetted(Vetted {
            kind: Kind::Class,
            call: true,
            items: true,
            members: false,
            shape: None,
            why: "vouched for by the user",
        });
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dangerous(module: &str, name: &str) -> bool {
        matches!(standing(module, name, &[]), Standing::Dangerous(_))
    }

    #[test]
    fn a_path_through_a_dangerous_module_is_dangerous() {
        for (module, name) in [
            ("os", "system"),
            ("torch.serialization", "os.system"),
            ("random", "_os.popen"),
            ("collections", "_sys.modules.get"),
            ("shutil", "os.getpid"),
        ] {
            assert!(dangerous(module, name), "{module} {name}");
        }
        assert!(!dangerous("collections", "OrderedDict"));
    }

    #[test]
    fn the_user_can_vouch_for_the_unknown_but_not_for_the_dangerous() {
        let trusted = ["mine.Net".to_owned(), "os.system".to_owned()];
        assert!(matches!(standing("mine", "Net", &trusted), Standing::Vetted(_)));
        assert!(matches!(standing("mine", "Other", &trusted), Standing::Unvetted));
        assert!(matches!(standing("os", "system", &trusted), Standing::Dangerous(_)));
    }

    #[test]
    fn each_name_is_kept_once() {
        let mut names = Names::default();
        assert_eq!(names.intern("a", "b", &[]), Ok((0, true)));
        assert_eq!(names.intern("a", "b", &[]), Ok((0, false)));
        assert_eq!(names.intern("a", "c", &[]), Ok((1, true)));
        assert_eq!(names.into_list(), ["a.b", "a.c"]);
    }
}
