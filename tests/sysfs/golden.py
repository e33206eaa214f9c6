#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares what show-tree tells of each dump with what was found right, or writes that down anew.

    golden.py check SHOW-TREE DUMP     prints a diff, ends with 1 when there is one
    golden.py renew SHOW-TREE DUMP...
"""

import difflib
import os
import subprocess
import sys


def golden(dump):
    return os.path.splitext(dump)[0] + '.golden'


def show(program, dump):
    return subprocess.run([program, dump], check=True, text=True, timeout=30,
                          stdout=subprocess.PIPE).stdout


def check(program, dump):
    with open(golden(dump)) as file:
        expected = file.read()
    diff = list(difflib.unified_diff(expected.splitlines(True),
                                     show(program, dump).splitlines(True),
                                     os.path.basename(golden(dump)), 'show-tree'))
    sys.stdout.writelines(diff)
    return 1 if diff else 0


def renew(program, dumps):
    for dump in dumps:
        text = show(program, dump)
        with open(golden(dump), 'w') as file:
            file.write(text)
    return 0


what, show_tree, *paths = sys.argv[1:]
sys.exit(check(show_tree, *paths) if what == 'check' else renew(show_tree, paths))
