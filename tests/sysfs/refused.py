#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Dumps that are wrong, or would reach out of the directory that they are unpacked into, are
refused with their reason: refused.py SHOW-TREE"""

import subprocess
import sys
import tempfile

DOTS = 'the path has . or .. in it'
EMPTY = 'a name in the path is empty or too long'
THROUGH = 'the path goes through what is no directory'
OUT = 'the link leads out of the tree'
KIND = 'the line begins neither with d nor f nor l'
ESCAPE = 'the content has an escape that is none'

# What the dump has after "d sys/block", whose line is 1; line at fault; reason.
CASES = [
    ('f ../x y', 2, DOTS),
    ('f a/../../x y', 2, DOTS),
    ('d ..', 2, DOTS),
    ('d .', 2, DOTS),
    ('d sys/./x', 2, DOTS),
    ('f /tmp/x y', 2, EMPTY),
    ('d a//b', 2, EMPTY),
    ('d a/', 2, EMPTY),
    ('d ', 2, EMPTY),
    ('d ' + 'n' * 256, 2, EMPTY),
    ('l a -> sys\nf a/b c', 3, THROUGH),
    ('f a b\nf a/b c', 3, THROUGH),
    ('f a b\nf a c', 3, 'the file cannot be made'),
    ('l a -> sys\nf a c', 3, 'the file cannot be made'),
    ('l a -> sys\nd a', 3, 'the directory cannot be made'),
    ('f a b\nd a', 3, 'the directory cannot be made'),
    ('d a\nl a -> sys', 3, 'the link cannot be made'),
    ('l a -> /', 2, EMPTY),
    ('l a -> /sys', 2, EMPTY),
    ('l a -> ../x', 2, OUT),
    ('l a/b -> ../../x', 2, OUT),
    ('l a/b/c -> ../../../../x', 2, OUT),
    ('l a/b -> c/../../../x', 2, DOTS),
    ('l a/b -> ..', 2, DOTS),
    ('l a ', 2, 'the link has no target'),
    ('l a -> a', 2, 'the directory cannot be made'),
    ('l a -> ' + 'n/' * 511 + 'nn', 2, 'the link is too long'),
    ('f ' + 'n/' * 511 + 'nn', 2, 'the path is too long'),
    ('f a \\q', 2, ESCAPE),
    ('f a \\x0', 2, ESCAPE),
    ('f a \\xGG', 2, ESCAPE),
    ('f a \\', 2, ESCAPE),
    ('x a', 2, KIND),
    ('d', 2, KIND),
    ('', 2, KIND),
    ('da', 2, KIND),
]


def main(program):
    for text, line, reason in CASES:
        with tempfile.NamedTemporaryFile('w', suffix='.sysfs') as dump:
            dump.write(f'd sys/block\n{text}\n')
            dump.flush()
            run = subprocess.run([program, dump.name], text=True, timeout=30,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        print(f'{text[:40]!r}: {run.returncode}, {run.stdout.strip()}')
        assert run.returncode == 1, f'ended with {run.returncode}'
        assert run.stdout == f'line {line}: {reason}\n', f'had to be refused for: {reason}'


main(sys.argv[1])
