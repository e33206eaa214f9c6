#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_campaign.py CASE DISKS: a slice of the campaign, see campaign.py.

runs    Eight randomised hangs of virtio-scsi, four of NVMe.
plants  What it would find in an agent that does harm, loses a record, or leaves a disk hanging.
"""

import itertools
import sys

import campaign
import run
import scenario
from scenario import step

# Chosen for what they draw: each filesystem, each stack and each answer of virtio-scsi; each fault,
# each filesystem and each kernel with NVMe, with two kills.
SLICES = {'virtio-scsi': ('34338', '8'), 'nvme': ('6413', '4')}

# What is said of it.
FOUND = {'record': 'acknowledged records are lost',
         'sibling': 'was reset',
         'endless': 'not so after'}


def runs(disks):
    seed, number = SLICES[disks]
    results = campaign.campaign(['--disks', disks, '--seed', seed, '--runs', number])
    scenario.tell_records(*(sum(getattr(result, name) for result in results)
                            for name in scenario.Verdict._fields))
    assert campaign.is_good(results), 'see above'


def plants(disks):
    assert FOUND.keys() == run.PLANTS.keys()
    seed, _ = SLICES[disks]
    draws = (campaign.DISKS[disks][0].draw(int(seed), number) for number in itertools.count())
    number = next(str(what.number) for what in draws if what.needs_help())
    for plant, text in FOUND.items():
        results = campaign.campaign(['--disks', disks, '--seed', seed, '--only', number,
                                     '--plant', plant])
        step(f'{plant}: {run.PLANTS[plant]}')
        result, = results
        assert not campaign.is_good(results), 'not found'
        assert text in result.failure, result.failure
        assert (result.lost > 0) == (plant == 'record'), result.lost
        assert (result.harm > 0) == (plant == 'sibling'), result.harm


scenario.main(lambda: {'runs': runs, 'plants': plants}[sys.argv[1]](sys.argv[2]))
