"""Decides whether a class may be rebuilt from a pickle, by reading the source of whatever rebuilding can reach.

The criteria are in ../README.md. The judge follows calls through the source (methods of the class, functions of its package)
and reports a fault for everything that could run, import, open or call what the pickle supplies. It cannot see into native
code; frameworks say which of their native modules were reviewed. When in doubt it reports a fault: a person then either
lists the function in reviewed_functions.txt with a reason, or leaves the class out.
"""

import ast
import builtins
import inspect
import textwrap
import types

# Reached by NEWOBJ and BUILD, by being a key of a dict or set, and by being dropped.
BUILDING = ("__new__", "__setstate__", "__setattr__", "__delattr__", "__getattr__", "__getattribute__", "__hash__", "__eq__",
            "__del__", "__getnewargs__")
CALLING = ("__init__", "__post_init__")
FILLING = ("__setitem__", "__missing__", "append", "extend", "add", "update")
BAD_BUILTINS = {"exec", "eval", "compile", "open", "__import__", "input", "breakpoint", "execfile"}
# Method names that are a fault on a receiver we cannot resolve.
BAD_METHODS = set(
    "system popen Popen run call check_call check_output spawn fork exec eval execute import_module load loads load_module "
    "exec_module open read_text read_bytes write_text write_bytes unlink rmdir rmtree rename mkdir makedirs remove_file "
    "from_pretrained save_pretrained push_to_hub from_config load_state_dict_from_url download urlopen urlretrieve connect "
    "request getLoader load_library resolve_name find_class reduce apply starmap submit start".split())
# Packages whose functions are taken as they are, unless the table of dangerous globals names them.
CALM = set(
    "numpy math cmath re warnings logging collections copy operator itertools functools typing enum dataclasses datetime abc "
    "json numbers weakref string textwrap packaging inspect torch types contextlib threading time random decimal fractions "
    "uuid hashlib struct array bisect heapq html urllib pathlib _thread traceback builtins typing_extensions _operator "
    "_collections _collections_abc _weakref _weakrefset _struct reprlib".split())
MAX_DEPTH = 10


class Judge:
    def __init__(self, dangerous, reviewed, native=()):
        """dangerous(module, name) -> bool; reviewed: {"module qualname"}; native: prefixes of reviewed native modules."""
        self.dangerous, self.reviewed, self.native, self.memo = dangerous, reviewed, native, {}

    def class_faults(self, cls, names):
        """What is wrong with reaching the methods `names` of `cls`: a list of reasons, empty when nothing is."""
        if issubclass(cls, type):
            return ["a metaclass: rebuilding it makes a class"]
        out = []
        for name in names:
            owner, raw = find(cls, name)
            if owner is None or owner is object:
                continue
            out += self.attribute_faults(cls, owner, name, raw)
        if names is BUILDING:
            state = self.state_source(cls)
            for owner in cls.__mro__:
                for name, raw in vars(owner).items():
                    if state is not None and "setattr" not in state and f".{name} =" not in state:
                        continue  # its own __setstate__ stands between BUILD and the setters
                    if isinstance(raw, property) and raw.fset:
                        out += [f"{name} setter: {f}" for f in self.function_faults(raw.fset, cls, owner, 0)]
                    elif hasattr(type(raw), "__set__") and type(raw).__module__ not in ("enum", "types", "functools") and isinstance(
                            inspect.getattr_static(type(raw), "__set__"), types.FunctionType):
                        out += [f"{name} descriptor: {f}" for f in self.function_faults(type(raw).__set__, type(raw), type(raw), 0)]
        return sorted(set(out))

    def state_source(self, cls):
        """The source of every __setstate__ of a class; None if BUILD sets attributes itself, or if it cannot be read."""
        owner, _ = find(cls, "__setstate__")
        if owner is None or owner is object:
            return None
        try:
            return "".join(inspect.getsource(inspect.unwrap(vars(base)["__setstate__"])) for base in cls.__mro__ if "__setstate__" in vars(base))
        except (OSError, TypeError):
            return None

    def attribute_faults(self, cls, owner, name, raw):
        func = raw.__func__ if isinstance(raw, (staticmethod, classmethod)) else raw
        if func is None or owner.__module__ == "builtins":
            return []
        if isinstance(func, types.FunctionType):
            return [f"{owner.__qualname__}.{name}: {fault}" for fault in self.function_faults(func, cls, owner, 0)]
        if owner.__module__.split(".")[0] in CALM - {"torch", "numpy"} or self.is_native(owner.__module__):
            return []
        if name in ("__hash__", "__eq__", "__setattr__", "__delattr__", "__getattribute__") and not isinstance(func, types.FunctionType):
            return []
        return [f"{owner.__module__}.{owner.__qualname__}.{name} is native code"]

    def is_native(self, module):
        return any(module == prefix or module.startswith(prefix + ".") for prefix in self.native)

    def function_faults(self, func, cls, owner, depth):
        func = inspect.unwrap(func)
        if not isinstance(func, types.FunctionType):
            return []
        if f"{func.__module__} {func.__qualname__}" in self.reviewed:
            return []
        if func.__code__.co_filename.startswith("<"):  # made by dataclasses, namedtuple, attrs: compares or stores fields
            return []
        key = (func.__code__, cls)
        if key in self.memo:
            return self.memo[key]
        if depth > MAX_DEPTH:
            return ["calls go too deep"]
        self.memo[key] = []  # a recursive call adds nothing
        self.memo[key] = self.read(func, cls, owner, depth)
        return self.memo[key]

    def read(self, func, cls, owner, depth):
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(func)))
        except (OSError, TypeError, SyntaxError, IndentationError):
            return ["no source"]
        node = tree.body[0]
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return ["not a def"]
        args = node.args
        params = {a.arg for a in args.posonlyargs + args.args + args.kwonlyargs}
        params |= {a.arg for a in (args.vararg, args.kwarg) if a}
        first = args.args[0].arg if args.args and cls else None
        stored = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        inner = {n.name for n in ast.walk(node) if isinstance(n, (ast.FunctionDef, ast.ClassDef)) and n is not node}
        imported = {}
        for n in ast.walk(node):
            if isinstance(n, ast.ImportFrom):
                for alias in n.names:
                    imported[alias.asname or alias.name] = from_import(func, n, alias.name)
            elif isinstance(n, ast.Import):
                for alias in n.names:
                    imported[alias.asname or alias.name.split(".")[0]] = plain_import(alias)
        scope = Scope(func, params, stored, inner, imported, first, cls, owner)
        faults = []
        for body in node.body:
            for n in ast.walk(body):
                if isinstance(n, ast.Call):
                    faults += self.call_faults(n, scope, depth)
                elif isinstance(n, (ast.Name, ast.Attribute)) and isinstance(n.ctx, ast.Load):
                    found, value = scope.resolve(n)
                    if found and self.is_dangerous(value):
                        faults.append(f"uses {show(n)}")
        return faults

    def is_dangerous(self, value):
        if isinstance(value, types.ModuleType):
            return False
        if str(type(value).__module__).split(".")[0] in ("ctypes", "_ctypes", "_cffi_backend"):  # a native library: handles are pointers
            return True
        module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
        if not isinstance(module, str) or not isinstance(name, str) or not callable(value):
            return False
        return name in BAD_BUILTINS if module == "builtins" else self.dangerous(module, name)

    def call_faults(self, call, scope, depth):
        target = call.func
        if isinstance(target, ast.Call):
            return [] if show(target).startswith(("super(", "type(")) else [f"calls the result of {show(target)}"]
        if isinstance(target, ast.Name):
            name = target.id
            if name == "cls" and name == scope.first:
                return [f"cls(): {f}" for f in self.class_faults(scope.cls, CALLING)]
            if name in scope.inner:
                return []
            if name in scope.params or name in scope.stored and name not in scope.imported:
                return [f"calls its {'argument' if name in scope.params else 'variable'} {name}"]
            if name == "getattr" and len(call.args) > 1 and not isinstance(call.args[1], ast.Constant):
                return []  # the value is data; calling it is caught above
        elif isinstance(target, ast.Attribute):
            base = target.value
            if isinstance(base, ast.Name) and base.id == scope.first or show(base) in ("type(self)", "self.__class__"):
                return self.method_faults(target.attr, scope, scope.cls, depth)
            if isinstance(base, ast.Call) and isinstance(base.func, ast.Name) and base.func.id == "super":
                return self.super_faults(target.attr, scope, depth)
        else:
            return [f"calls {show(target)}"]
        found, value = scope.resolve(target)
        if not found:
            if isinstance(target, ast.Attribute):
                return [f"calls {show(target)}"] if target.attr in BAD_METHODS else []
            return [f"calls unknown {show(target)}"]
        return self.value_faults(value, show(target), depth)

    def value_faults(self, value, shown, depth):
        if self.is_dangerous(value):
            return [f"calls {shown}"]
        module = getattr(value, "__module__", None)
        module = module if isinstance(module, str) else ""
        if module.split(".")[0] in CALM:
            return []
        if isinstance(value, type):
            faults = self.class_faults(value, ("__new__", "__init__", "__post_init__"))
            return [f"{shown}: {fault}" for fault in faults]
        if isinstance(value, types.FunctionType):
            return [f"{shown}: {fault}" for fault in self.function_faults(value, None, None, depth + 1)]
        if isinstance(value, types.MethodType):
            return [f"{shown}: {f}" for f in self.function_faults(value.__func__, type(value.__self__), type(value.__self__), depth + 1)]
        return []

    def method_faults(self, name, scope, cls, depth):
        if cls is None:
            return []
        owner, raw = find(cls, name)
        if owner is None:
            return [f"calls the attribute self.{name}"]
        if isinstance(raw, (staticmethod, classmethod)):
            raw = raw.__func__
        if isinstance(raw, property):
            return [f"calls the property self.{name}"]
        if isinstance(raw, type):
            return []
        if isinstance(raw, types.FunctionType) or hasattr(raw, "__wrapped__"):
            return [f"self.{name}: {fault}" for fault in self.function_faults(raw, cls, owner, depth + 1)]
        return []

    def super_faults(self, name, scope, depth):
        if scope.cls is None:
            return []
        mro = scope.cls.__mro__
        after = mro[mro.index(scope.owner) + 1:] if scope.owner in mro else mro
        for owner in after:
            if name in vars(owner):
                raw = vars(owner)[name]
                raw = raw.__func__ if isinstance(raw, (staticmethod, classmethod)) else raw
                if isinstance(raw, types.FunctionType):
                    return [f"super().{name}: {f}" for f in self.function_faults(raw, scope.cls, owner, depth + 1)]
                return []
        return []


class Scope:
    """Names as a function sees them."""

    def __init__(self, func, params, stored, inner, imported, first, cls, owner):
        self.func, self.params, self.stored, self.inner, self.imported = func, params, stored, inner, imported
        self.first, self.cls, self.owner = first, cls, owner

    def resolve(self, node):
        """(found, value) of a dotted name that does not begin with a local."""
        if isinstance(node, ast.Attribute):
            found, base = self.resolve(node.value)
            if not found or not isinstance(base, (types.ModuleType, type)):
                return False, None
            try:
                return True, getattr(base, node.attr)
            except Exception:
                return False, None
        if not isinstance(node, ast.Name):
            return False, None
        if node.id in self.imported:
            value = self.imported[node.id]
            return value is not None, value
        if node.id in self.params or node.id in self.stored or node.id in self.inner:
            return False, None
        for names, cells in ((self.func.__code__.co_freevars, self.func.__closure__ or ()),):
            if node.id in names:
                try:
                    return True, cells[names.index(node.id)].cell_contents
                except ValueError:
                    return False, None
        for names in (self.func.__globals__, vars(builtins)):
            if node.id in names:
                return True, names[node.id]
        return False, None


def find(cls, name):
    for owner in cls.__mro__:
        if name in vars(owner):
            return owner, vars(owner)[name]
    return None, None


def from_import(func, node, name):
    try:
        package = func.__globals__.get("__package__") or ""
        if node.level:
            package = package.rsplit(".", node.level - 1)[0] if node.level > 1 else package
            module = f"{package}.{node.module}" if node.module else package
        else:
            module = node.module
        return getattr(__import__(module, fromlist=[name]), name)
    except Exception:
        return None


def plain_import(alias):
    try:
        return __import__(alias.name, fromlist=["_"] if alias.asname else [])
    except Exception:
        return None


def show(node):
    return ast.unparse(node)[:60]
