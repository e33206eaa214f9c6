#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""32 requests are lost, a LUN reset brings them all back, and the disk beside it never notices."""

import re

import scenario
from scenario import CLOCKS, Agent, Site, step, wait_until

IN_FLIGHT = 32
LIMIT = 5
# A sampling interval, and what the host of a software-emulated guest may add to it.
LATEST = LIMIT + 1 + 3


def case():
    with Site('busybox', udev=True) as site:
        agent = Agent(site.guest)
        agent.start()
        agent.wait_for_line(f'{site.sick.name} .*guarded', 30)
        agent.wait_for_line(f'{site.sibling.name} .*guarded', 30)

        step(f'{IN_FLIGHT} writers, one request each')
        job = site.record(site.sick, threads=IN_FLIGHT, options='--ring 8')
        other = site.guest.bg(f'while :; do dd if=/dev/zero of={site.sibling.mountpoint}/f bs=4k '
                              'count=1 conv=fsync 2> /dev/null || exit 1; done')
        site.merge_nothing()
        wait_until(lambda: len(site.acknowledged()) == IN_FLIGHT, 60, 'all have written')
        site.lose(tmf='heal')
        wait_until(lambda: site.pending() == IN_FLIGHT, 30, f'{IN_FLIGHT} requests are lost')
        before = site.acknowledged()

        agent.wait_for_line(f'{site.sick.name} .*in flight, none completed', 20)
        site.guest.bg(f'echo planted > /sys/fs/ext4/{site.sick.name}/trigger_fs_error')

        step('the limit passes')
        wait_until(lambda: site.hba.events('reset'), LATEST + 10, 'a LUN reset arrives')
        reset = site.hba.events('reset')[0]
        # What the writers lost came first; the kernel's own write-back may have added to it since.
        hung_at = site.hba.events('lost')[IN_FLIGHT - 1].time
        took = reset.time - hung_at
        assert LIMIT - CLOCKS <= took <= LATEST, f'reset {took:.1f} s after the hang'
        line = agent.wait_for_line(f'{site.sick.name} .*stalled: ', 10)
        step(f'{line} ({took:.1f} s after the hang)')
        assert int(re.search(r'stalled: (\d+) requests', line).group(1)) >= IN_FLIGHT, line
        step(agent.wait_for_line(f'{site.sick.name} .*recovered: ', 20))

        step(agent.wait_for_line('/mnt/sick: ext4 has noted 1 error since', 5))

        step('all of them come back')
        wait_until(lambda: all(site.acknowledged()[thread] > last
                               for thread, last in before.items()), 30, 'every writer goes on')
        assert not site.errors(), site.errors()
        assert not site.guest.done(other), 'the writer on the other disk has ended'
        site.stop_recording(job)
        verdict = site.verify(site.sick, threads=IN_FLIGHT)
        step(str(verdict))
        assert verdict.lost == 0 and verdict.acknowledged > IN_FLIGHT, verdict
        sick, sibling = site.hba.stat(site.sick.target), site.hba.stat(site.sibling.target)
        assert (sick['reset'], sick['abort']) == (1, 0), sick
        assert sibling['tmf'] == 0, f'the healthy LUN was reset: {sibling}'
        assert not any(site.sibling.name in line for line in agent.lines()
                       if 'guarded' not in line), agent.lines()


scenario.main(case)
