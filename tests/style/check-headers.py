#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""check-headers.py ROOT COMPILER...: every header compiles alone, and twice.

COMPILER is the compiler's command with whatever flags the project needs beside its own."""

import concurrent.futures
import subprocess
import sys

import tree

FLAGS = ["-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
         "-x", "c", "-"]


def compile_alone(root, compiler, name):
    run = subprocess.run([*compiler, "-I", root, *FLAGS], text=True, capture_output=True,
                         input=f'#include "{name}"\n' * 2, check=False)
    return None if run.returncode == 0 else f"{name}: does not compile alone\n{run.stderr}"


def main(root, compiler):
    headers = [name for name in tree.c_files(root) if name.endswith(".h")]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        results = pool.map(lambda name: compile_alone(root, compiler, name), headers)
    tree.finish([r for r in results if r], len(headers))


main(sys.argv[1], sys.argv[2:])
