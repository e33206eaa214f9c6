#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A disk with swap on it is reset, but never failed: what was swapped out would be lost."""

import scenario
from scenario import Agent, Site, step, wait_until


def case():
    with Site('busybox', udev=True) as site:
        guest = site.guest
        guest.sh(f'umount {site.sick.mountpoint} && mkswap /dev/{site.sick.name} && '
                 f'swapon /dev/{site.sick.name}')
        agent = Agent(guest)
        agent.start()
        agent.wait_for_line(f'{site.sick.name} .*guarded', 30)

        step('it hangs, and a reset does not help')
        site.lose(tmf='ok')
        job = guest.bg(f'dd if=/dev/{site.sick.name} of=/dev/null bs=4k count=1 iflag=direct')
        step(agent.wait_for_line(f'{site.sick.name} .*stuck: .*swap', 60))
        state = guest.sh(f'cat /sys/block/{site.sick.name}/device/state')
        assert state == 'running', state
        step('it is reset again after a while, for it still hangs')
        wait_until(lambda: site.hba.stat(site.sick.target)['reset'] == 2, 60, 'a second reset')
        assert not guest.done(job)

        step('the hypervisor comes back')
        site.release()
        step(agent.wait_for_line(f'{site.sick.name} .*recovered: ', 60))
        result = guest.get(job, 30)
        assert result.status == 0, result


scenario.main(case)
