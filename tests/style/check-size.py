#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""check-size.py ROOT: the size budget, and the outward shape of C files.

In agent/ and include/: functions, files and headers within the budget. In tests/ too: line width,
no tabs, no blanks at the end of a line, the licence line, #pragma once in headers."""

import statistics
import sys

import tree

FUNCTION_MAX = 100
FUNCTION_MEDIAN = 20  # the median stays below it
SOURCE_MAX = 600
HEADER_MAX = 100
WIDTH_MAX = 100
LICENCE = "/* SPDX-License-Identifier: LGPL-2.1-or-later */"


def shape(name, text):
    lines = text.split("\n")
    if lines[0] != LICENCE:
        yield f"{name}:1: does not begin with {LICENCE}"
    if name.endswith(".h") and "#pragma once" not in lines:
        yield f"{name}:1: has no #pragma once"
    if lines[-1] != "":
        yield f"{name}:{len(lines)}: has no newline at its end"
    for number, line in enumerate(lines, 1):
        if "\t" in line:
            yield f"{name}:{number}: has a tab"
        if len(line) > WIDTH_MAX:
            yield f"{name}:{number}: is {len(line)} columns wide, {WIDTH_MAX} are allowed"
        if line != line.rstrip():
            yield f"{name}:{number}: ends with blanks"


def budget(name, text):
    lines, limit = text.count("\n"), HEADER_MAX if name.endswith(".h") else SOURCE_MAX
    if lines > limit:
        yield f"{name}: has {lines} lines, {limit} are allowed"
    for function, first, last in tree.functions(text):
        if last - first + 1 > FUNCTION_MAX:
            yield f"{name}:{first}: {function}() has {last - first + 1} lines, " \
                  f"{FUNCTION_MAX} are allowed"


def main(root):
    violations, sizes, names = [], [], tree.c_files(root, tree.C_FOLDERS)
    for name in names:
        text = tree.read(root, name)
        violations += shape(name, text)
        if not name.startswith("tests/"):
            violations += budget(name, text)
            sizes += [last - first + 1 for _, first, last in tree.functions(text)]
    if sizes:
        median = statistics.median(sizes)
        print(f"{len(sizes)} functions: median {median:g} lines, longest {max(sizes)}")
        if median >= FUNCTION_MEDIAN:
            violations.append(f"the median function has {median:g} lines, "
                              f"fewer than {FUNCTION_MEDIAN} are allowed")
    tree.finish(violations, len(names))


main(sys.argv[1])
