#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""unhangd as it is installed: enabled, started early in the boot, watched, and stopped last."""

import scenario
from scenario import Agent, Site, step, wait_until


def case():
    with Site('debian', enabled=True) as site:
        guest = site.guest
        agent = Agent(guest)
        guest.wait_for('systemctl is-active unhangd', 60)
        step('it is up without anybody starting it')
        cycles = guest.sh('journalctl -b --no-pager | grep "ordering cycle" || true')
        assert not cycles, cycles
        complaints = guest.sh('systemd-analyze verify --man=no unhangd.service '
                             'unhang-lvm@dev-mapper-a.service 2>&1', 60)
        assert 'unhang' not in complaints, complaints
        early = show(guest, 'unhangd.service', 'ActiveEnterTimestampMonotonic')
        mounts = show(guest, 'local-fs.target', 'ActiveEnterTimestampMonotonic')
        assert 0 < int(early) <= int(mounts), (early, mounts)

        step('a disk that is there is guarded, with the mount that came after')
        for disk in (site.sick, site.sibling, site.apart):
            agent.wait_for_line(f'{disk.name} .*guarded', 30)
        wait_until(lambda: status(guest).count('  1       -') == 4, 30, 'one mount on each')

        step('systemd watches it: one that stands still is started anew')
        pid = show(guest, 'unhangd', 'MainPID')
        guest.sh(f'kill -STOP {pid}')
        wait_until(lambda: show(guest, 'unhangd', 'MainPID') not in ('0', pid), 90,
                   'the watchdog bites')
        guest.wait_for('unhang status', 30)
        locked = guest.sh(f'grep VmLck /proc/{show(guest, "unhangd", "MainPID")}/status')
        assert int(locked.split()[1]) > 1000, locked

        step('the guest goes down with it')
        guest.bg('systemctl poweroff')
        guest.wait_for_end(90)


def show(guest, unit, name):
    return guest.sh(f'systemctl show --property={name} --value {unit}')


def status(guest):
    return guest.get(guest.bg('unhang status')).output


scenario.main(case)
