#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""check-scripts.py ROOT: what begins with #! can be started by its name, and nothing else can."""

import os
import sys

import tree


def main(root):
    violations, checked = [], 0
    for name in tree.files(root):
        with open(os.path.join(root, name), "rb") as f:
            is_script = f.read(2) == b"#!"
        is_executable = os.access(os.path.join(root, name), os.X_OK)
        checked += is_script or is_executable
        if is_script and not is_executable:
            violations.append(f"{name}: begins with #! and is not executable")
        elif is_executable and not is_script:
            violations.append(f"{name}: is executable and does not begin with #!")
    tree.finish(violations, checked)


main(sys.argv[1])
