"""Lets a CUDA build of torch be imported where CUDA is not: puts empty libraries in the place of those it links with.

Run by the interpreter of the environment. Each stub has the name and the symbol versions that torch asks for, and defines
every function that torch does not find elsewhere; none is ever called. Needs nm, readelf and cc.
"""

import re
import subprocess
import sysconfig
from collections import defaultdict
from pathlib import Path


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main() -> None:
    torch = Path(sysconfig.get_path("purelib")) / "torch"
    lib = torch / "lib"
    needed: set[str] = set()
    versions: dict[str, set[str]] = defaultdict(set)
    wanted: dict[str, set[str]] = defaultdict(set)
    loose: set[str] = set()
    for path in sorted(lib.glob("*.so")):
        needed.update(re.findall(r"\(NEEDED\).*\[(.+)\]", run("readelf", "-d", str(path))))
        file = ""
        for line in run("readelf", "-V", str(path)).splitlines():
            if found := re.search(r"Version: \d+  File: (\S+)", line):
                file = found[1]
            elif found := re.search(r"Name: (\S+)  Flags: .*  Version: \d+", line):
                versions[file].add(found[1])
        for line in run("nm", "-D", "--undefined-only", "--with-symbol-versions", str(path)).splitlines():
            symbol = line.split()[-1]
            name, _, version = symbol.partition("@")
            if version:
                wanted[version.lstrip("@")].add(name)
            elif re.match(r"(cu|nv|nccl)[A-Za-z]", name):
                loose.add(name)
    known = set(re.findall(r"^\s+(\S+) \(", run("ldconfig", "-p"), re.M))
    missing = sorted(
        name
        for name in needed
        if name not in known and not (lib / name).exists() and not name.startswith(("ld-linux", "linux-vdso"))
    )
    for position, name in enumerate(missing):
        symbols = set().union(*(wanted[version] for version in versions[name])) | (loose if position == 0 else set())
        code = "".join(f"void {symbol}(void) {{}}\n" for symbol in sorted(symbols))
        script = "".join(
            f"{version} {{ global: {' '.join(f'{symbol};' for symbol in sorted(wanted[version]))} }};\n"
            for version in sorted(versions[name])
        )
        source, mapping = lib / f"{name}.c", lib / f"{name}.map"
        source.write_text(code or "static int nothing __attribute__((unused));\n")
        mapping.write_text(script)
        flags = [f"-Wl,--version-script={mapping}"] if script else []
        run("cc", "-w", "-shared", "-fPIC", f"-Wl,-soname,{name}", *flags, "-o", str(lib / name), str(source))
        source.unlink()
        mapping.unlink()
    print(f"stubs: {len(missing)}")


if __name__ == "__main__":
    main()
