#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The incident that this project exists for, with unhangd there.

As in test_origin_without_agent.py, and then: the transaction closes, no task is left in D, all that
was acknowledged is on the disk, and neither the system disk nor the other disks noticed anything.
"""

import scenario
from scenario import Agent, Site, step, wait_until

THREADS = 4


def case():
    with Site('debian') as site:
        guest = site.guest
        agent = Agent(guest)
        agent.start()
        job = site.record(site.sick, site.apart, threads=THREADS, options='--dirops 2')
        wait_until(lambda: len(site.acknowledged()) == 2 * THREADS, 60, 'everybody has written')
        count = transactions(site)

        step('the hypervisor loses the I/O of one disk; its users pile up')
        site.lose(tmf='heal')
        visitors = [guest.bg(f'echo hello | dd of={site.sick.mountpoint}/visitor{i} conv=fsync')
                    for i in range(3)]
        wait_until(lambda: f'jbd2/{site.sick.name}-8' in names_in_d(guest), 60,
                   'the journal thread is in D')
        step(f'in D: {sorted(names_in_d(guest))}')

        entry = agent.wait_for_entry(60, UNHANG_EVENT='recovered')
        step(entry['MESSAGE'])
        assert entry['UNHANG_DISK'] == site.sick.name, entry
        assert entry['UNHANG_STEP'] == 'lun-reset', entry
        assert entry['UNHANG_OUTCOME'] == 'recovered', entry

        for visitor in visitors:
            result = guest.get(visitor, 60)
            assert result.status == 0, result
        wait_until(lambda: transactions(site) > count, 60, 'the transaction closes')
        before = site.acknowledged()
        wait_until(lambda: all(site.acknowledged()[thread] > before[thread] for thread in before),
                   60, 'all writers go on')
        site.stop_recording(job)
        guest.sh('sync -f ' + site.sick.mountpoint)
        wait_until(lambda: not guest.tasks_in_d(), 30, 'no task is in D')
        assert not site.errors(), site.errors()
        verdict = site.verify(site.sick, site.apart, threads=THREADS)
        step(str(verdict))
        assert verdict.lost == 0, verdict

        step('nobody else noticed')
        assert site.hba.stat(site.sick.target)['reset'] == 1
        assert site.hba.stat(site.sibling.target)['tmf'] == 0
        noticed = {entry['UNHANG_DISK'] for entry in agent.entries()
                   if entry.get('UNHANG_EVENT') not in (None, 'guarded', 'policy')}
        assert noticed == {site.sick.name}, noticed
        errors = guest.dmesg('I/O error|Buffer I/O|EXT4-fs error|blocked for more')
        assert not errors, errors
        guest.sh('systemctl is-active unhangd')


def transactions(site):
    """How many transactions of the journal have been closed."""
    text = site.guest.sh(f'cat /proc/fs/jbd2/{site.sick.name}-8/info')
    return int(text.split()[0])


def names_in_d(guest):
    return [task.name for task in guest.tasks_in_d()]


scenario.main(case)
