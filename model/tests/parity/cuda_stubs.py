"""Stands in for the CUDA libraries that torch names and that are not installed.

PyPI's torch for Linux is linked with gigabytes of CUDA libraries, which only a GPU
needs, and cannot be imported without them. This writes libraries of the same names
beside torch's, in which every function that torch takes from them returns 1, an
error in all of these interfaces. Where nothing is missing, nothing is written.
Needs a C compiler and readelf.
"""

import importlib.util
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

LIBRARY = re.compile(r"lib(cu|nv|nccl)")
# Symbols without a version may come from any library.
FUNCTION = re.compile(r"(cu|nv|nccl)")


def readelf(flag, path):
    done = subprocess.run(["readelf", "--wide", flag, str(path)], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def needed(path):
    """The libraries that a library names."""
    return re.findall(r"\(NEEDED\).*\[(.+)\]", "\n".join(readelf("--dynamic", path)))


def versions(path):
    """The library that each version of a symbol comes from."""
    found, library = {}, ""
    for line in readelf("--version-info", path):
        if match := re.search(r"File: (\S+)", line):
            library = match[1]
        elif match := re.search(r"Name: (\S+)  Flags", line):
            found[match[1]] = library
    return found


def symbols(path):
    """The names and versions of the symbols that a library lacks, and the names of those that it has."""
    lacks, has = set(), set()
    for line in readelf("--dyn-syms", path):
        parts = line.split()
        if len(parts) < 8 or not parts[0].rstrip(":").isdigit():
            continue
        name, _, version = parts[7].partition("@")
        if parts[6] != "UND":
            has.add(name)
        elif parts[4] != "WEAK":
            lacks.add((name, version.lstrip("@")))
    return lacks, has


def write(target, names, scratch):
    """Writes a library of functions that return 1, each in its version."""
    named = defaultdict(list)
    for name, version in sorted(names):
        named[version].append(name)
    source, script = scratch / "stub.c", scratch / "stub.map"
    source.write_text("".join(f"int {name}(void) {{ return 1; }}\n" for name, _ in sorted(names)))
    script.write_text("".join(f"{version} {{ global: {'; '.join(found)}; }};\n"
                              for version, found in named.items() if version))
    command = ["cc", "-shared", "-fPIC", "-nostdlib", "-w", "-o", str(target), str(source),
               f"-Wl,-soname,{target.name}"]
    if script.read_text():
        command.append(f"-Wl,--version-script={script}")
    subprocess.run(command, check=True)


def main():
    if not sys.platform.startswith("linux"):
        return
    torch = Path(importlib.util.find_spec("torch").origin).parent
    own = sorted((torch / "lib").glob("*.so*"))
    present = [*own, *torch.parent.glob("nvidia/**/*.so*")]
    wanted = {name for path in own for name in needed(path) if LIBRARY.match(name)}
    # The driver is opened by hand, never linked.
    missing = sorted(wanted - {path.name for path in present} - {"libcuda.so.1"})
    lacks, has, homes = set(), set(), {}
    for path in own:
        lacking, having = symbols(path)
        lacks, has, homes = lacks | lacking, has | having, homes | versions(path)
    lacks = {(name, version) for name, version in lacks if name not in has}
    with tempfile.TemporaryDirectory() as scratch:
        for library in missing:
            names = {(name, version) for name, version in lacks if homes.get(version) == library}
            if library == missing[0]:
                names |= {(name, version) for name, version in lacks if not version and FUNCTION.match(name)}
            write(torch / "lib" / library, names, Path(scratch))
            print(library, len(names))


if __name__ == "__main__":
    main()
