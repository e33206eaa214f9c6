#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""check-globals.py ROOT BUILD: no variable that outlives its function and can be written to.

Read from the objects of agent/, so that statics inside functions count and const tables do not,
whatever they are called. The exceptions are in ALLOWED, by file and name."""

import re
import sys

import tree

# Options of the two programs, and where log lines go: set once, before anything else runs.
ALLOWED = [
    (r"agent/(main|unhang)\.c", r"arg_\w+"),
    (r"agent/base/log\.c", r"target"),
]

WRITABLE = re.compile(r"(\.data|\.bss|\.tdata|\.tbss|\.ldata|\.lbss)(\..*)?|\*COM\*")
# Written once by the dynamic linker, then made read-only: const tables with pointers in them.
RELRO = re.compile(r"\.data\.rel\.ro(\..*)?")
COMPILERS_OWN = re.compile(
    r"\.L.*|\*?\.L\w*|__odr_asan\S*|__unnamed_\d+|__?_?asan_\S*|__gcov\S*|__?llvm_\S*|__sancov\S*"
    r"|__prof\S*|\.(data|bss|tdata|tbss)(\..*)?|completed\.\d+")


def variables(path):
    for name, section, _ in tree.symbols(path):
        if WRITABLE.fullmatch(section) and not RELRO.fullmatch(section) and \
           not COMPILERS_OWN.fullmatch(name):
            # A static in a function: "name.0" of gcc, "function.name" of clang.
            yield re.sub(r"\.\d+$", "", name)


def allowed(source, name):
    return any(re.fullmatch(s, source) and re.fullmatch(n, name) for s, n in ALLOWED)


def main(root, build):
    compiled = tree.objects(root, build, "agent")
    found = {(source, name) for source, paths in compiled.items()
             for path in paths for name in variables(path)}
    violations = [f"{source}: {name} is a variable at file level or static"
                  for source, name in sorted(found) if not allowed(source, name)]
    violations += [f"{name}: was not compiled" for name in tree.c_files(root, ("agent",))
                   if name.endswith(".c") and name not in compiled]
    tree.finish(violations, len(compiled))


main(sys.argv[1], sys.argv[2])
