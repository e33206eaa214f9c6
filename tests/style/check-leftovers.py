#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""check-leftovers.py ROOT: no path of the machine it was written on, no note to oneself."""

import os
import re
import sys

import tree

# Split, so that this file does not find itself.
LEFTOVERS = re.compile(
    "|".join([
        r"(?<![\w.])/ho" r"me/\w", r"(?<![\w.])/ro" r"ot/\w",
        r"\bTO" r"DO\b", r"\bFIX" r"ME\b", r"\bX" r"XX\b",
        # Mirrors are the machine's own, from its apt configuration.
        r"://[^/\s\"']+/deb" r"ian\b",
    ]))
NOT_OURS = ("LICENSE",)


def main(root):
    violations, checked, here = [], 0, os.path.abspath(root) + "/"
    for name in tree.files(root):
        text = tree.read(root, name)
        if name in NOT_OURS or "\0" in text:
            continue
        checked += 1
        for number, line in enumerate(text.split("\n"), 1):
            violations += [f"{name}:{number}: {match.group()}"
                           for match in LEFTOVERS.finditer(line)]
            if here in line:
                violations.append(f"{name}:{number}: {here}")
    tree.finish(violations, checked)


main(sys.argv[1])
