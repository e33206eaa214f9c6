#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A LUN reset 200 s after the hang: with the timeout that unhangd has set the request is sent again,
with the kernel's own it is too old for that, and ends with EIO (scsi_lib.c)."""

import time

import scenario
from scenario import Agent, Site, step

LIMIT = 200
CONFIG = f'''[Detect]
WarnSec=30s
StallSec={LIMIT}s

[Recover]
SettleSec=10s
'''


def timeout(site, disk):
    return site.guest.sh(f'cat /sys/block/{disk.name}/device/timeout')


def case():
    with Site('busybox', udev=True) as site:
        before = timeout(site, site.sick)
        agent = Agent(site.guest)
        agent.start(CONFIG)
        step(agent.wait_for_line(f'{site.sick.name}: ScsiTimeoutSec=: set; it was {before}', 30))
        step(f'device/timeout: {timeout(site, site.sick)} s')
        site.guest.wait_for(f'[ $(cat /sys/block/{site.sibling.name}/device/timeout) != {before} ]')
        site.guest.sh(f'echo {before} > /sys/block/{site.sibling.name}/device/timeout')

        jobs = []
        for disk in (site.sick, site.sibling):
            site.hba.control('tmf', disk.target, 'heal')
            site.hba.control('lose', disk.target, 'write')
            jobs.append(site.guest.bg(f'dd if=/dev/zero of=/dev/{disk.name} bs=4k count=1 seek=4000 '
                                      'oflag=direct 2>&1'))
        began = time.monotonic()
        results = [site.guest.get(job, LIMIT + 120) for job in jobs]
        took = time.monotonic() - began
        step(f'after {took:.0f} s: with the timeout set {results[0]}, without {results[1]}')
        assert took > LIMIT, took
        assert results[0].status == 0 and results[1].status == 1, results


scenario.main(case)
