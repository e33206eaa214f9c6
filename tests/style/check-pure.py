#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""check-pure.py ROOT BUILD: detect/ and decide/ call nothing that could look at the world.

Their objects may need one another within a folder, and the functions below; so there is no clock,
no file, no log, no allocation in them, not even through a helper in agent/base/. (Which headers
they may include is check-includes.py's.)"""

import os
import re
import sys

import tree

FOLDERS = ("agent/detect", "agent/decide")

ALLOWED = re.compile(r"""
    (__)?mem(cpy|move|set|cmp|chr|rchr)(_chk)?
  | (__)?str(n?cmp|n?len|r?chr|c?spn|pbrk|str|n?cpy)(_chk)?
  | __assert_fail | __assert | abort | __stack_chk_fail
  | _GLOBAL_OFFSET_TABLE_ | __tls_get_addr
  | __\w+[dst]i[234]                       # arithmetic that the compiler keeps in libgcc
  | __(asan|ubsan|tsan|msan|sanitizer|odr_asan|sancov)_\w+ | __(start|stop)___sancov\w+
  | __gcov_\w+ | (__)?llvm_\w+               # coverage
""", re.X)


def main(root, build):
    violations, compiled = [], tree.objects(root, build, *FOLDERS)
    sources = [n for n in tree.c_files(root) if n.endswith(".c") and os.path.dirname(n) in FOLDERS]
    for folder in FOLDERS:
        mine = {s: paths for s, paths in compiled.items() if os.path.dirname(s) == folder}
        own = {name for paths in mine.values() for path in paths
               for name, section, is_global in tree.symbols(path)
               if is_global and section != "*UND*"}
        for source, paths in sorted(mine.items()):
            needed = {name for path in paths for name, section, _ in tree.symbols(path)
                      if section == "*UND*"}
            violations += [f"{source}: needs {name}()" for name in sorted(needed - own)
                           if not ALLOWED.fullmatch(name)]
    violations += [f"{source}: was not compiled" for source in sources if source not in compiled]
    tree.finish(violations, len(compiled))


main(sys.argv[1], sys.argv[2])
