#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_campaign.py CASE: a slice of the campaign, see campaign.py.

runs    Eight randomised hangs in one guest.
plants  What it would find in an agent that does harm, loses a record, or leaves a disk hanging.
"""

import itertools
import sys

import campaign
import draw
import hang
import scenario
from scenario import step

# Chosen for what it draws: each filesystem, each stack and each answer, in eight runs.
SEED = '34338'

# What is said of it.
FOUND = {'record': 'acknowledged records are lost',
         'sibling': 'was reset',
         'endless': 'not so after'}


def runs():
    results = campaign.campaign(['--seed', SEED, '--runs', '8'])
    scenario.tell_records(*(sum(getattr(result, name) for result in results)
                            for name in scenario.Verdict._fields))
    assert campaign.is_good(results), 'see above'


def let_go():
    """A run in which the hypervisor has to let go of the disk."""
    draws = (draw.draw(int(SEED), number) for number in itertools.count())
    return next(str(what.number) for what in draws
                if what.answer == 'reject' and what.stack == 'disk')


def plants():
    assert FOUND.keys() == hang.PLANTS.keys()
    for plant, text in FOUND.items():
        results = campaign.campaign(['--seed', SEED, '--only', let_go(), '--plant', plant])
        step(f'{plant}: {hang.PLANTS[plant]}')
        result, = results
        assert not campaign.is_good(results), 'not found'
        assert text in result.failure, result.failure
        assert (result.lost > 0) == (plant == 'record'), result.lost
        assert (result.harm > 0) == (plant == 'sibling'), result.harm


scenario.main({'runs': runs, 'plants': plants}[sys.argv[1]])
