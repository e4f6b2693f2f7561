#!/usr/bin/env python3
"""Makes ../generated/*.txt from the packages installed beside this interpreter.

    generate.py [TABLE ...]           adds to each table what this environment has and the judge accepts
    generate.py --check [TABLE ...]   changes nothing; exit 1 if a table lacks something, or holds what the judge refuses

What the judge refuses is kept in refused/TABLE.txt, with reasons.

Tables accumulate: run it in an environment per version that shall be known. What a reviewed table lists is left to it.
Deterministic for an environment. Needs only the standard library and the packages it inspects.
"""

import contextlib
import enum
import glob
import importlib
import importlib.metadata
import os
import pickle
import pickletools
import pkgutil
import subprocess
import sys
import types
import warnings

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import aliases  # noqa: E402
import tables  # noqa: E402
from frameworks import FRAMEWORKS, TESTS  # noqa: E402
from judge import BUILDING, CALLING, FILLING, Judge, find  # noqa: E402

ROOT = os.path.dirname(HERE)
PLAIN = "rebuilt from a dict of attributes; no code of its class runs"
SCANNED = "rebuilt by code that was read: it calls, imports and opens nothing it is given"
HELD = ("calls its ", "calls the ", "calls unknown ")  # later use, by whoever holds the function
NATIVE = "native class over numbers and arrays; its module was reviewed"


def below(module, prefixes):
    return any(module == p or module.startswith(p + ".") for p in prefixes)


def modules_of(spec):
    skip = spec.get("skip", "").split()
    if "modules" in spec:
        names = spec["modules"].split()
    else:
        names = []
        for package in spec["walk"].split():
            try:
                root = importlib.import_module(package)
            except Exception:
                continue
            names.append(package)
            if hasattr(root, "__path__"):
                names += [m.name for m in pkgutil.walk_packages(root.__path__, package + ".", onerror=lambda _: None)
                          if not below(m.name, skip) and not set(m.name.split(".")) & set(TESTS)]
    for name in names:
        if below(name, skip) or dangerous(name, "*"):
            continue
        try:
            importlib.import_module(name)
        except BaseException:  # optional parts that lack a dependency, or that exit
            continue
    packages = {n.split(".")[0] for n in names}
    return {n: m for n, m in sorted(sys.modules.items()) if isinstance(m, types.ModuleType) and n.split(".")[0] in packages
            and not below(n, skip) and not set(n.split(".")) & set(TESTS)} if "modules" not in spec else {n: sys.modules[n] for n in names if n in sys.modules}


FILES = {"from_file"}  # methods that open what they are given
REVIEWED, DANGEROUS = {}, {}


def read_reviewed():
    for path in sorted(glob.glob(os.path.join(ROOT, "reviewed", "*.txt"))):
        for module, name, words in tables.read(path).pairs():
            (DANGEROUS if words == "dangerous" else REVIEWED)[module, name] = words


def dangerous(module, name):
    if (module, name) in DANGEROUS:
        return True
    if (module, name) in REVIEWED:
        return False
    parts = module.split(".")
    return any((".".join(parts[:n]), "*") in DANGEROUS for n in range(1, len(parts) + 1))


def reviewed_functions():
    with open(os.path.join(HERE, "reviewed_functions.txt"), encoding="utf-8") as lines:
        return {line.split(":")[0].strip() for line in lines if line.strip() and not line.startswith("#")}


def resolves(module, qualname, obj):
    value = sys.modules.get(module)
    for part in qualname.split("."):
        value = getattr(value, part, None)
    return value is obj


def classes_in(modules, spec):
    packages = {n.split(".")[0] for n in modules}
    only, skip = spec.get("only", "").split(), spec.get("skip", "").split()
    seen, queue = set(), []
    for module in modules.values():
        queue += [v for v in list(vars(module).values()) if isinstance(v, type)]
    while queue:
        cls = queue.pop()
        if cls in seen or not isinstance(getattr(cls, "__module__", None), str):
            continue
        seen.add(cls)
        where = cls.__module__
        if "modules" in spec:
            if where not in modules:
                continue
        elif where.split(".")[0] not in packages or below(where, skip) or (only and not below(where, only)) or set(where.split(".")) & set(TESTS):
            continue
        queue += [v for v in vars(cls).values() if isinstance(v, type)]
        if "<locals>" not in cls.__qualname__ and resolves(where, cls.__qualname__, cls):
            yield cls


def needs_call(cls):
    """Pickle calls such a class instead of its __new__."""
    if issubclass(cls, (enum.Enum, BaseException)):
        return True
    for name in ("__reduce__", "__reduce_ex__"):
        owner, _ = find(cls, name)
        if owner is not None and owner is not object and owner.__module__ != "builtins":
            return True
    return False


def judge_class(cls, judge, spec):
    """(words, why) of a class, or a list of faults."""
    if issubclass(cls, BaseException) and find(cls, "__reduce__")[0].__module__ == "builtins":
        pass
    faults = judge.class_faults(cls, BUILDING)
    if faults:
        return faults
    words = ["class"]
    own = [n for n in BUILDING if (find(cls, n)[0] or object).__module__ not in ("builtins", "enum", "abc", "typing")]
    why = SCANNED if own else PLAIN
    native = not cls.__flags__ & (1 << 9) and judge.is_native(cls.__module__)
    if native:
        why = NATIVE
    if issubclass(cls, enum.Enum):
        own = vars(cls).get("_missing_") or find(cls, "_missing_")[1]
        missing = getattr(own, "__func__", None)
        bad = judge.function_faults(missing, cls, cls, 0) if missing and find(cls, "_missing_")[0].__module__ != "enum" else []
        if not bad:
            return "class call members", "an enumeration: looked up by value or name"
        return bad
    if needs_call(cls):
        if native and below(cls.__module__, spec.get("call_native", "").split()):
            words.append("call")
        elif not native and not judge.class_faults(cls, ("__new__",) + CALLING):
            words.append("call")
            if issubclass(cls, BaseException):
                why = "an exception: holds what it is given"
    if issubclass(cls, (dict, list, set)) and not judge.class_faults(cls, FILLING):
        words.append("items")
    return " ".join(words), why


def shaped(cls, spec):
    """(words, why) of a class that is vetted under a rule of shape, with a base that was read: nothing in it may override what
    unpickling reaches of that base."""
    for name, (shape, why) in spec.get("shaped", {}).items():
        base = next((base for base in cls.__mro__ if base.__name__ == name), None)
        reached = [find(cls, method)[0] for method in (*BUILDING, "_attach_methods", "_attach_argparser_methods")] if base else []
        if base and all(owner is None or owner.__module__ in ("builtins", base.__module__) for owner in reached):
            return f"class shape={shape}", why
    return None


def pickled_names(obj):
    """The one global that a pickle of `obj` is, if it is just that."""
    try:
        ops = [(op.name, arg) for op, arg, _ in pickletools.genops(pickle.dumps(obj, 2))]
    except Exception:
        return None
    ops = [o for o in ops if o[0] not in ("PROTO", "BINPUT", "STOP", "FRAME", "MEMOIZE")]
    if len(ops) == 1 and ops[0][0] == "GLOBAL":
        module, _, name = ops[0][1].partition(" ")
        return module, name
    return None


def functions_in(modules, spec, judge):
    where = spec.get("functions", "").split()
    packages = {n.split(".")[0] for n in modules}
    for name, module in modules.items():
        if not below(name, where):
            continue
        for attr, value in list(vars(module).items()):
            if isinstance(value, (type, types.ModuleType)) or not callable(value) or attr.startswith("__"):
                continue
            home = getattr(value, "__module__", None)
            if isinstance(home, str) and (home.split(".")[0] not in packages or below(home, spec.get("skip", "").split())):
                continue
            if not isinstance(value, (types.FunctionType, types.BuiltinFunctionType)) and not type(value).__name__ in ("ufunc", "_ArrayFunctionDispatcher"):
                continue
            pair = pickled_names(value)
            if not pair or pair[0].split(".")[0] not in packages or "." in pair[1] or dangerous(*pair):
                continue
            if isinstance(value, types.FunctionType) and any(
                    fault.startswith(("calls ", "uses ")) and not fault.startswith(HELD)
                    for fault in judge.function_faults(value, None, None, 0) if ": " not in fault):
                continue
            yield pair


def make(name, spec):
    """The table of this environment, and what was refused."""
    warnings.simplefilter("ignore")
    with open(os.devnull, "w", encoding="utf-8") as quiet, contextlib.redirect_stdout(quiet):  # some packages greet
        modules = modules_of(spec)
    judge = Judge(dangerous, reviewed_functions(), spec.get("native", "").split())
    table, rejected = tables.Table(), {}
    accepted = {}
    for cls in classes_in(modules, spec):
        pair = cls.__module__, cls.__qualname__
        if pair in REVIEWED or dangerous(*pair):
            continue
        try:
            result = shaped(cls, spec) or judge_class(cls, judge, spec)
        except RecursionError:
            result = ["recursion"]
        if isinstance(result, list):
            rejected[pair] = result
        else:
            accepted[pair] = result
    for pair in functions_in(modules, spec, judge):
        if pair not in REVIEWED and pair not in accepted:
            accepted[pair] = "reference", "a function over numbers, arrays or text, named as data"
    for where, names in spec.get("methods", {}).items():
        for cls in classes_in(modules, {**spec, "only": ""}):
            if where in {base.__name__ for base in cls.__mro__}:
                for method in names.split() if names != "*" else sorted(n for n in dir(cls) if n[0] != "_" and n not in FILES):
                    if hasattr(cls, method):
                        accepted[cls.__module__, f"{cls.__qualname__}.{method}"] = "reference", "a method over tensors and numbers, named as data"
    for module in modules.values():
        for attr in vars(module):
            if attr.startswith("__pyx_unpickle_") and judge.is_native(module.__name__) and (module.__name__, attr) not in REVIEWED:
                accepted[module.__name__, attr] = "function", "cls.__new__ and the fields of a native class over numbers and arrays"
    for (module, qualname), standing in list(accepted.items()):
        for old in aliases.old_names(spec.get("aliases", []), module):
            if (old, qualname) not in REVIEWED and (old, qualname) not in rejected and not dangerous(old, qualname):
                accepted.setdefault((old, qualname), standing)
    for (module, qualname), (words, why) in accepted.items():
        table.add(words, why, module, [qualname])
        table.packages.add(module.split(".")[0])
    return table, rejected


def refused(name, rejected):
    """What any environment so far refused, with reasons: a class stays out until a person strikes its line."""
    path, known = os.path.join(HERE, "refused", name + ".txt"), {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                pair, _, why = line.strip().partition(": ")
                known[tuple(pair.split())] = why
    known.update({pair: "; ".join(faults)[:160] for pair, faults in rejected.items()})
    return path, known, "".join(f"{module} {qualname}: {why}\n" for (module, qualname), why in sorted(known.items()))


def versions(spec):
    out = []
    for dist in spec["dist"]:
        try:
            out.append(f"{dist} {importlib.metadata.version(dist)}")
        except importlib.metadata.PackageNotFoundError:
            pass
    return out or [f"CPython {sys.version_info.major}.{sys.version_info.minor}"]


def merge(old, new, rejected, spec):
    """`new` added to the table `old` (a path that may not exist) and `rejected` taken out, in order of section."""
    known, out = set(), tables.Table()
    if os.path.exists(old):
        before = tables.read(old)
        for line in before.header:
            if line.startswith("versions: "):
                known.update(line.removeprefix("versions: ").split(", "))
    else:
        before = tables.Table()
    fresh = {(module, name) for module, name, _ in new.pairs()}
    for source in (new, before):
        for (words, why), lines in source.sections.items():
            for module, names in lines.items():
                keep = {n for n in names if (module, n) not in rejected and (module, n) not in REVIEWED and not dangerous(module, n)
                        and (source is new or (module, n) not in fresh)}
                if keep:
                    out.add(words, why, module, keep)
    out.sections = dict(sorted(out.sections.items()))
    out.comments = ["# Made by gen/generate.py; not edited by hand."]
    out.packages = before.packages | new.packages
    out.header = ["versions: " + ", ".join(sorted(known | set(versions(spec)))), "complete: " + ("yes" if spec.get("complete", True) else "no")]
    return out


def python2():
    """The maps of `pickle.load` for protocols 0 to 2, one line each."""
    import _compat_pickle as maps  # noqa: PLC0415

    lines = [f"{a} {b} -> {c} {d}" for (a, b), (c, d) in maps.NAME_MAPPING.items()]
    lines += [f"{a} -> {b}" for a, b in maps.IMPORT_MAPPING.items()]
    return "\n".join(["# CPython _compat_pickle: how Python 3 looks up the names of protocols 0 to 2. Made by gen/generate.py.",
                      *sorted(lines)]) + "\n"


def write(path, text, check):
    """Writes a table, or says that it differs."""
    if not check:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return
    with open(path, encoding="utf-8") as file:
        if file.read() != text:
            sys.exit(f"{os.path.basename(path)}: differs from what this environment gives; run gen/generate.py")


def main(argv):
    read_reviewed()
    flags, names = [a for a in argv if a.startswith("--")], [a for a in argv if not a.startswith("--")]
    if len(names) != 1:
        code = 0
        if not names:
            write(os.path.join(ROOT, "generated", "python2.txt"), python2(), "--check" in flags)
        for name in names or FRAMEWORKS:  # a process each: imports of one must not change another
            code |= subprocess.run([sys.executable, __file__, *flags, name], check=False).returncode
        sys.exit(code)
    name, spec = names[0], FRAMEWORKS[names[0]]
    table, rejected = make(name, spec)
    path = os.path.join(ROOT, "generated", name + ".txt")
    if not table.sections:
        print(f"{name}: not installed here")
        return
    notes, out, lines = refused(name, rejected)
    write(path, merge(path, table, out, spec).text(), "--check" in flags)
    write(notes, lines, "--check" in flags)
    print(f"{name}: {sum(1 for _ in table.pairs())} accepted, {len(rejected)} refused")


if __name__ == "__main__":
    main(sys.argv[1:])
