#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The incident that this project exists for, with nobody there to help.

The hypervisor loses the I/O of a data disk. Its ext4 has a transaction open that can never close;
whoever writes, fsyncs or changes a directory there ends in D state, and stays there. The system
disk, and the other disks, are as healthy as ever. Nothing in the kernel puts an end to it.
"""

import collections

import scenario
from scenario import Site, step, wait_until

THREADS = 4
WATCH_SECONDS = 40
PILE = collections.Counter(recorder=THREADS, dd=3, sync=1)


def acknowledged(site, disk_index):
    """How many records the threads of the first or second disk have had acknowledged."""
    threads = range(disk_index * THREADS, (disk_index + 1) * THREADS)
    last = site.acknowledged()
    return [last.get(thread, 0) for thread in threads]


def case():
    with Site('debian') as site:
        guest = site.guest
        step('writers on two disks')
        job = site.record(site.sick, site.apart, threads=THREADS, options='--dirops 2')
        wait_until(lambda: min(acknowledged(site, 0) + acknowledged(site, 1)) > 5, 60,
                   'every thread has records acknowledged')

        step('the hypervisor loses the I/O of one of them')
        site.lose(tmf='ok')
        wait_until(lambda: f'jbd2/{site.sick.name}-8' in names_in_d(guest), 60,
                   'the journal thread is in D')
        visitors = [guest.bg(f'echo hello | dd of={site.sick.mountpoint}/visitor{i} conv=fsync')
                    for i in range(3)]
        visitors.append(guest.bg(f'sync -f {site.sick.mountpoint}'))
        wait_until(lambda: PILE <= collections.Counter(names_in_d(guest)), 60,
                   f'these are in D: {PILE}')
        step(f'in D: {sorted(names_in_d(guest))}')

        step(f'nothing changes for {WATCH_SECONDS} s')
        stuck = acknowledged(site, 0)
        others = acknowledged(site, 1)
        tasks = {task.pid for task in guest.tasks_in_d() if task.name in ('dd', 'sync')}
        scenario.holds_for(lambda: still_so(site, stuck, tasks), WATCH_SECONDS,
                           'the disk is hung, and so are its users')
        assert not any(guest.done(visitor) for visitor in visitors)
        assert not site.hba.events('reset') and not site.hba.events('abort'), site.hba.events()
        assert not site.errors(), site.errors()

        step('the other disk, and the system, have gone on')
        now = acknowledged(site, 1)
        assert all(after > before for before, after in zip(others, now)), (others, now)
        guest.sh('echo alive > /var/tmp/alive && sync -f /var/tmp')

        step('the hypervisor comes back: nothing was lost')
        site.release()
        for visitor in visitors:
            result = guest.get(visitor, 60)
            assert result.status == 0, result
        wait_until(lambda: all(after > before for before, after in
                               zip(stuck, acknowledged(site, 0))), 60, 'the writers go on')
        site.stop_recording(job)
        verdict = site.verify(site.sick, site.apart, threads=THREADS)
        step(str(verdict))
        assert verdict.lost == 0, verdict


def names_in_d(guest):
    return [task.name for task in guest.tasks_in_d()]


def still_so(site, stuck, tasks):
    in_d = {task.pid for task in site.guest.tasks_in_d()}
    return acknowledged(site, 0) == stuck and tasks <= in_d and site.pending() > 0


scenario.main(case)
