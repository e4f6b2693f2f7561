"""The text form of the tables (see src/pickle/globals/table.rs): reading, merging and writing them in one normal form.

Run as a program it puts reviewed tables into that form: `python tables.py FILE...`.
"""

import re
import sys
import textwrap

HEADER = re.compile(r"(packages|versions|complete): ")
LINE = re.compile(r"([\w.]+): (\S.*)")


class Table:
    """Comments, header lines, and sections: {(words, why): {module: {name}}}, in order of writing."""

    def __init__(self):
        self.comments, self.header, self.packages, self.sections = [], [], set(), {}

    def add(self, words, why, module, names):
        self.sections.setdefault((words, why), {}).setdefault(module, set()).update(names)

    def pairs(self):
        """Each (module, name) and the words of its section."""
        for (words, _), modules in self.sections.items():
            for module, names in modules.items():
                for name in names:
                    yield module, name, words

    def text(self):
        out = list(self.comments)
        out += ["packages: " + line for line in textwrap.wrap(" ".join(sorted(self.packages)), 108)]
        out += self.header
        for (words, why), modules in self.sections.items():
            out += ["", f"[{words}] {why}"]
            out += [f"{module}: {' '.join(sorted(names))}" for module, names in sorted(modules.items())]
        return "\n".join(out) + "\n"


def read(path):
    table, section = Table(), None
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(map(str.strip, lines), 1):
            if not line:
                continue
            if line.startswith("#"):
                if section:
                    sys.exit(f"{path}:{number}: comments stand before the first section")
                table.comments.append(line)
            elif section is None and HEADER.match(line):
                if line.startswith("packages: "):
                    table.packages.update(line.split()[1:])
                else:
                    table.header.append(line)
            elif line.startswith("["):
                words, _, why = line[1:].partition("] ")
                section = (words, why)
            elif section and (found := LINE.fullmatch(line)):
                table.add(*section, found[1], found[2].split())
            else:
                sys.exit(f"{path}:{number}: not a line of a table: {line}")
    return table


def main(paths):
    for path in paths:
        text = read(path).text()
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)


if __name__ == "__main__":
    main(sys.argv[1:])
