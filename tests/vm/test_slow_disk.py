#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A disk that takes 7 s for each command, longer than the limit, but completes them: no reset.

And then one that loses them: the same agent resets it, so it was awake.
"""

import scenario
from scenario import Agent, Site, step, wait_until

DELAY = 7
IN_FLIGHT = 4
WATCH_SECONDS = 60


def case():
    with Site('busybox', udev=True) as site:
        agent = Agent(site.guest)
        agent.start()
        agent.wait_for_line(f'{site.sick.name} .*guarded', 30)

        step(f'each command comes to take {DELAY} s, the limit is 5 s')
        site.guest.bg(f'n=0; while :; do n=$((n + 1)); dd if=/dev/{site.sick.name} of=/dev/null '
                      'bs=4k iflag=direct skip=$n count=1 2> /dev/null & sleep 1; done')
        # Slower by and by: a disk that falls silent at once for 7 s is past the limit.
        for seconds in range(1, DELAY + 1):
            site.hba.control('delay', site.sick.target, seconds * 1000)
            done = site.hba.stat(site.sick.target)['io']
            wait_until(lambda: site.hba.stat(site.sick.target)['io'] > done + 1, 30, 'it completes')
        wait_until(lambda: in_flight(site) >= IN_FLIGHT, 60, f'{IN_FLIGHT} are under way')
        before = site.hba.stat(site.sick.target)['io']
        scenario.holds_for(lambda: site.hba.stat(site.sick.target)['tmf'] == 0, WATCH_SECONDS,
                           'no reset')
        done = site.hba.stat(site.sick.target)['io'] - before
        step(f'{done} commands completed in {WATCH_SECONDS} s, no reset')
        assert done >= WATCH_SECONDS // 4, f'only {done}: the disk was hung'
        assert not any('stalled' in line for line in agent.lines()), agent.lines()

        step('now it loses them')
        site.lose('read', tmf='heal')
        site.hba.control('delay', site.sick.target, 0)
        wait_until(lambda: site.hba.events('reset'), 40, 'a LUN reset arrives')
        step(agent.wait_for_line(f'{site.sick.name} .*recovered: ', 20))


def in_flight(site):
    return int(site.guest.sh(f'cat /sys/block/{site.sick.name}/device/device_busy'))


scenario.main(case)
