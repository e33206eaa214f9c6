#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_f2fs.py KERNEL: F2FS, which only Debian's kernels for all machines have, so that the campaign
cannot draw it. One reset that cures the disk, and two that do not, so that it is failed and comes
back; with all that the campaign asks of a run: no record lost, every writer told, mounted again, no
harm."""

import sys

import campaign
import draw
import hang
import scenario
import stacks

RUN = {'filesystem': 'f2fs', 'threads': 4, 'after': 1.0, 'release': 0}
RUNS = (
    {'answer': 'heal', 'stack': 'disk', 'loss': 'rw', 'ring': 8, 'dirops': 1},
    {'answer': 'never heals', 'stack': 'partition', 'loss': 'write', 'ring': 0, 'dirops': 2},
    {'answer': 'second heals', 'stack': 'lvm', 'loss': 'all', 'ring': 0, 'dirops': 1},
)


def case(kernel):
    draws = [draw.Draw(number=number, kernel=kernel, **RUN, **run)
             for number, run in enumerate(RUNS)]
    with hang.Machine(draws[0]) as machine:
        lacking = {'f2fs', 'lvm'}.intersection(stacks.lacking(machine.guest))
        assert not lacking, f'the image lacks {lacking}'
        results = []
        for what in draws:
            results.append(hang.Run(machine, what).do())
            campaign.tell(0, results[-1])
            if not results[-1].clean:
                break
    scenario.tell_records(*(sum(getattr(result, name) for result in results)
                            for name in scenario.Verdict._fields))
    assert campaign.is_good(results), 'see above'


scenario.main(lambda: case(sys.argv[1]))
