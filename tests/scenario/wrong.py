#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A story that is wrong has to be found wrong, for the reason it tells: wrong.py UNHANG STORY"""

import subprocess
import sys

HEAD = '# must fail: '

program, story = sys.argv[1:]
with open(story) as lines:
    reasons = [line[len(HEAD):].strip() for line in lines if line.startswith(HEAD)]
assert len(reasons) == 1, f'{story}: one line begins with "{HEAD}"'
run = subprocess.run([program, 'simulate', story], text=True, timeout=10,
                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
print(run.stdout, end='')
assert run.returncode == 1, f'ended with {run.returncode}'
assert reasons[0] in run.stdout, f'had to fail: {reasons[0]}'
