#!/usr/bin/env python3
"""Makes globals.tsv and python2.tsv from one JSON dump per torch version (what `torch.load(weights_only=True)` allows).

usage: gen.py DIR_WITH_DUMPS      (files VERSION.json with allowed_globals, user_default, name_mapping, import_mapping)

globals.tsv   name, kind, first, last    kind: class, function, dtype, qscheme, storage:DTYPE,
              ambient (added by `import torch` itself), unimported:MODULE (refused with "MODULE must be imported")
python2.tsv   old, new, first, last      old and new are module.name, or module.* for a whole module
first and last are known minor versions, both inclusive.
"""
import glob, json, os, sys

HERE = os.path.dirname(os.path.abspath(__file__))

# Refused with a text of their own rather than as unsupported globals (_weights_only_unpickler.py of these versions).
UNIMPORTED = [(f"torch.distributed.{n}", "torch.distributed.tensor", "2.6", None) for n in (
    "device_mesh.DeviceMesh", "tensor._dtensor_spec.DTensorSpec", "tensor._dtensor_spec.TensorMeta", "tensor.DTensor",
    "tensor.placement_types.Partial", "tensor.placement_types.Replicate", "tensor.placement_types.Shard")]
UNIMPORTED += [("torch._dynamo.decorators._DimRange", "torch.nested", "2.6", "2.14")]


def minor(version):
    return ".".join(version.replace("a0", "").split(".")[:2])


def runs(table, versions):
    """(name, kind, first, last) for every unbroken run of versions in which name has kind."""
    rows = []
    for name in sorted({n for v in versions for n in table[v]}):
        last = None
        for v in versions:
            kind = table[v].get(name)
            if kind is not None and kind == last:
                rows[-1][3] = minor(v)
            elif kind is not None:
                rows.append([name, kind, minor(v), minor(v)])
            last = kind
    return rows


def write(name, head, rows):
    with open(os.path.join(HERE, name), "w") as f:
        f.write(head)
        f.writelines("\t".join(r) + "\n" for r in rows)


def main():
    dumps = {}
    for path in glob.glob(os.path.join(sys.argv[1], "*.json")):
        with open(path) as f:
            dumps[os.path.basename(path)[:-5]] = json.load(f)
    versions = sorted(dumps, key=lambda v: [int(x) for x in v.replace("a0", "").split(".")])
    allowed, python2 = {}, {}
    for v in versions:
        kinds = allowed[v] = {}
        for name, kind in dumps[v]["allowed_globals"].items():
            # Up to 2.1 the value of a storage name was the class itself; which one it is shows in the name.
            if kind.startswith("storage_type:"):
                kind = "storage:" + kind.split(":torch.")[1]
            elif kind == "class" and name.endswith("Storage") and not name.endswith(("TypedStorage", "UntypedStorage")):
                kind = dumps[versions[-1]]["allowed_globals"][name].replace("storage_type:torch.", "storage:")
            kinds[name] = kind
        kinds.update((name, "ambient") for name in dumps[v]["user_default"])
        at = versions.index(v)
        order = [minor(x) for x in versions]
        for name, module, first, last in UNIMPORTED:
            if order.index(first) <= at <= (order.index(last) if last else at) and name not in kinds:
                kinds[name] = f"unimported:{module}"
        python2[v] = dict(dumps[v]["name_mapping"] or {})
        python2[v].update((f"{a}.*", f"{b}.*") for a, b in (dumps[v]["import_mapping"] or {}).items())
    head = "# Made by gen.py from dumps of real torch versions; do not edit.\n"
    write("globals.tsv", head + "# name\tkind\tfirst\tlast\n", runs(allowed, versions))
    write("python2.tsv", head + "# old\tnew\tfirst\tlast\n", runs(python2, versions))


main()
