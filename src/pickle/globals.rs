//! What we know about the globals that pickles name: which are vetted, in what use and shape, and which are dangerous.
//!
//! The knowledge is text: `manifests/globals/` (its README states the criteria), compiled in. A table is split into lines
//! when a global of its package is first asked for, so a file that names nothing pays nothing; a lookup is a binary search
//! in each of at most a few tables. Names come from hostile files: they are compared, never interpreted, and a lookup
//! costs at most O(length of the names × log of the table).

mod python2;
mod table;

pub use python2::python3_name;

/// How a vetted global may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A class. `cls.__new__(cls, *args)` (NEWOBJ, NEWOBJ_EX, `copyreg._reconstructor`) and filling the instance (BUILD)
    /// run nothing of an attacker's choice. Calling it (REDUCE, OBJ, INST) is a separate permission: [`Vetted::call`].
    Class,
    /// A function that may be called, under its shape if it has one; it may be named as data too.
    Function,
    /// May be named as data (a ufunc, a scorer, a type in a table) but not called, built or constructed.
    Reference,
}

/// A global whose use was reviewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vetted {
    /// What it is.
    pub kind: Kind,
    /// It may be called with any vetted arguments: true for functions, and for classes whose constructor is harmless.
    pub call: bool,
    /// Instances may take SETITEM(S), APPEND(S) and ADDITEMS: the class is a plain container.
    pub items: bool,
    /// An enumeration: `getattr(cls, "NAME")` with a constant name without a leading underscore is one of its members.
    pub members: bool,
    /// The argument rule that holds when it is called (one of [`SHAPES`]); `None`: any vetted arguments.
    pub shape: Option<&'static str>,
    /// Why it is vetted, in a few words.
    pub why: &'static str,
}

/// A global that no saved model needs and that can run code, or touch files, processes or the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dangerous {
    /// What it does, as in "os.system … *runs commands*".
    pub what: &'static str,
}

/// What we know of a global.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Reviewed, within the stated use.
    Vetted(Vetted),
    /// Listed as dangerous, by itself or with its module.
    Dangerous(Dangerous),
    /// Not vetted, though the table of its package is complete: nothing that is ordinarily saved names it.
    Covered,
    /// Of a package we do not know.
    Unvetted,
}

/// The argument rules, and what each demands of a call. The machine implements them.
pub static SHAPES: &[(&str, &str)] = &[
    ("latin1-encode", "exactly (constant str, \"latin1\" or \"latin-1\")"),
    (
        "const-getattr",
        "exactly (object, constant name without dot): the object is a vetted class or an instance of one, and the pair \
         `Class.name` is vetted itself or a member of an enumeration; or a vetted method of a plain value; or a vetted class, \
         or one nobody knows, and `__new__`, which only a `partial` that constructs the class takes",
    ),
    (
        "partial-of-vetted",
        "the first argument, and the callable set by BUILD, is vetted without a shape (holding it calls nothing), or is \
         `defaultdict` over a global that may be called, or a vetted method; or it is `__new__` of the class that follows: calling \
         that is NEWOBJ_EX as protocols 2 and 3 write it",
    ),
    (
        "callable-args",
        "the first argument is data, a built object, or a class that may be called without a shape; any other is data, such \
         a class, or numpy's own `__bit_generator_ctor`",
    ),
    ("import-by-name", "exactly (constant module, constant name): that pair is vetted"),
    ("none-first", "the first argument, if there is one, is None"),
    ("type-union", "exactly (operator.or_, a tuple of vetted classes and types)"),
    ("typing-alias", "exactly (a name of `typing`, one of them or a tuple of them or of vetted classes and types)"),
    ("reconstructor", "(vetted class, builtins.object, a vetted built-in class or one that may be called, state)"),
    ("np-reconstruct", "(vetted class, shape, type code): an array to be filled by BUILD"),
    ("array-of-numpy", "(numpy's `_reconstruct`, its arguments, the state of the array[, plain attributes])"),
    (
        "builtin-by-name",
        "exactly (constant name): the built-in type of that name is vetted, or it is `functools.partial`",
    ),
    ("np-scalar", "(dtype, bytes): a dtype without objects"),
    ("np-dtype", "(constant str or vetted class, flags …): a dtype to be filled by BUILD"),
    ("load-from-bytes", "bytes that are a torch file: checked in turn"),
    ("rebuild-tensor", "a tensor over a storage: bounds are checked against the storage"),
    (
        "rebuild-from-type",
        "(function, vetted class, arguments, state): the function is vetted to be called, in its own shape",
    ),
    ("type-of-none", "exactly one argument: None, NotImplemented or Ellipsis"),
    ("one-argument", "exactly one argument"),
    ("newobj", "(vetted class, arguments …): the same as NEWOBJ or NEWOBJ_EX of that class"),
    ("opens-a-file", "never called or constructed: only numpy's own functions make one, without its constructor"),
    (
        "distribution",
        "filled by a dict whose `_parse_arg_template` is scipy's own text over names of parameters, and which replaces no method \
         that runs it",
    ),
    ("array-file", "joblib before 0.10: the array is a file beside the pickle, or follows in the stream"),
    ("array-wrapper", "joblib: raw array bytes follow BUILD in the stream"),
    ("default-factory", "no argument, None, one global that may be called without arguments, or a `partial` of one"),
    ("plain-items", "constant numbers, keys that are neither empty nor private, and slices of constants"),
    ("attribute-paths", "constant names, with dots between; none begins with an underscore"),
    (
        "method-call",
        "a constant name without dot or leading underscore, then vetted arguments for the method of that name: held, never called",
    ),
    (
        "calls-lazily",
        "an iterator that calls its function when something goes through it: the function is None or a global that may be called \
         without a shape",
    ),
    ("singleton-by-name", "exactly (\"Ellipsis\", \"NotImplemented\" or the text of a range of integers)"),
    (
        "local-files",
        "exactly (fsspec's class of the local file system or of one in memory, constants, constant keywords)",
    ),
    ("plain-containers", "each argument is None or a plain container: none is a function that orders what is held"),
    (
        "batch-of",
        "no argument; what it makes is called with torch_geometric's class of batches and one of its classes of graphs",
    ),
    ("unproven", "never proven harmless, for the reason that the table states; it gives an attacker nothing, either"),
    ("sized", "an integer argument is a size: at most max_decompressed bytes"),
];

/// What is known of `qualname` in `module`, both exactly as unpickling would look them up (Python-2 names mapped before, by
/// [`python3_name`]). Exact pairs outrank entries for whole modules; dotted and dunder names count only where listed.
pub fn lookup(module: &str, qualname: &str) -> Standing {
    let package = table::package_of(module);
    if let Some(standing) = package.and_then(|package| package.exact(module, qualname)) {
        return standing;
    }
    match table::dangerous_module(module) {
        Some(what) => Standing::Dangerous(Dangerous { what }),
        None if package.is_some_and(table::Package::complete) => Standing::Covered,
        None => Standing::Unvetted,
    }
}

#[cfg(test)]
mod tests;
