#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_ladder.py CASE: what becomes of a virtio-scsi disk by what its HBA answers to a LUN reset.

never    The reset is never answered: everything on that HBA stands still, which is said; a disk on
         another HBA goes on, and status answers. Answered late, all comes back.
silent   The reset succeeds, and nothing comes back, not even with offline: stuck, and said so.
rejected The reset is refused: tried again, less and less often; the disk is not failed.
relapse  The disk hangs again soon after the reset that cured it: it is failed.
gone     The disk is taken away while its reset is being looked at.
eight    Eight disks of one HBA hang at once: each is reset once, in their turn.
"""

import re
import sys
import tempfile
import time

import guest
import hba
import scenario
from scenario import Agent, Site, step, wait_until

LIMIT = 5
# A host that emulates several guests in software.
LATE = 5


def case():
    CASES[sys.argv[1]]()


def with_site(check):
    with Site('busybox', udev=True) as site:
        agent = Agent(site.guest)
        agent.start()
        for disk in (site.sick, site.sibling, site.apart):
            agent.wait_for_line(f'{disk.name} .*guarded', 30)
        check(site, agent)


def write(site, disk):
    return site.guest.bg(f'dd if=/dev/zero of={disk.mountpoint}/f bs=4k count=1 conv=fsync 2>&1')


def read(site, disk):
    return site.guest.bg(f'dd if=/dev/{disk.name} of=/dev/null bs=4k count=1 iflag=direct 2>&1')


def resets(site, disk):
    return site.hba.stat(disk.target)['tmf']


def never(site, agent):
    site.lose(tmf='hang')
    job = write(site, site.sick)
    wait_until(lambda: site.hba.stat(site.sick.target)['hung_tmfs'], LIMIT + 20, 'a reset is sent')
    sibling = read(site, site.sibling)
    step(agent.wait_for_line(f'lun-reset has not returned for .* stands still', 20))
    step(agent.wait_for_line(f'{site.sick.name} .*stuck: lun-reset does not return', 30))
    assert site.guest.get(read(site, site.apart), 20).status == 0, 'another HBA goes on'
    assert not site.guest.done(sibling), 'the same HBA stands still'
    status = site.guest.sh('unhang status || [ $? = 4 ]')
    print(status)
    assert re.search(f'^{site.sibling.name} .* blocked ', status, re.MULTILINE), status
    assert f'lun-reset of {site.sick.name} has not returned' in status, status
    scenario.holds_for(lambda: resets(site, site.sick) == 1 and resets(site, site.sibling) == 0,
                       3 * LIMIT, 'no second reset on that host')
    site.release()
    for one in (job, sibling):
        assert site.guest.get(one, 60).status == 0
    step(agent.wait_for_line(f'{site.sick.name} .*recovered: ', 60))
    site.guest.wait_for('unhang status', 60)
    assert resets(site, site.sick) == 1 and resets(site, site.sibling) == 0


def silent(site, agent):
    site.lose(tmf='silent')
    job = write(site, site.sick)
    step(agent.wait_for_line(f'{site.sick.name} .*stuck: the device keeps', 3 * LIMIT + 60))
    assert not site.guest.done(job)
    assert not any('shutting down' in line for line in agent.lines())
    site.release()
    site.guest.get(job, 60)
    step(agent.wait_for_line(f'{site.sick.name} .*failed cleanly', 60))
    step(agent.wait_for_line(f'{site.sick.name} .*recovered: the disk answers again', 60))
    site.guest.wait_for('unhang status', 60)
    site.guest.sh(f'touch {site.sick.mountpoint}/again && sync')


def rejected(site, agent):
    site.lose(tmf='reject')
    job = write(site, site.sick)
    step(agent.wait_for_line(f'{site.sick.name} .*stuck: the device refused the LUN reset',
                             LIMIT + 20))
    wait_until(lambda: resets(site, site.sick) == 2, 60, 'it is tried again')
    assert not any('offline' in line for line in agent.lines()
                   if 'guarded' not in line), agent.lines()
    site.release()
    assert site.guest.get(job, 60).status == 0
    step(agent.wait_for_line(f'{site.sick.name} .*recovered: ', 60))


def relapse(site, agent):
    site.lose('write', tmf='heal')
    assert site.guest.get(write(site, site.sick), LIMIT + 60).status == 0
    step(agent.wait_for_line(f'{site.sick.name} .*recovered: ', 30))
    site.guest.wait_for('unhang status', 30)
    site.lose(tmf='ok')
    job = write(site, site.sick)
    step(agent.wait_for_line(f'{site.sick.name} .*stalled: .*: offline', LIMIT + 30))
    assert site.guest.get(job, 60).status == 1
    step(agent.wait_for_line(f'{site.sick.name} .*failed cleanly', 60))
    site.release()
    step(agent.wait_for_line(f'{site.sick.name} .*recovered: the disk answers again', 90))


def gone(site, agent):
    site.lose(tmf='ok')
    job = read(site, site.sick)
    agent.wait_for_line(f'{site.sick.name} .*waiting up to', LIMIT + 20)
    removal = site.guest.bg(f'umount -l {site.sick.mountpoint}; '
                            f'echo 1 > /sys/block/{site.sick.name}/device/delete')
    site.release()
    assert site.guest.get(removal, 60).status == 0
    site.guest.get(job, 60)
    step(agent.wait_for_line(f'{site.sick.name} .*gone, no longer guarded', 60))
    site.guest.wait_for(f'unhang status {site.sibling.name} {site.apart.name}', 30)
    assert site.guest.get(read(site, site.sibling), 30).status == 0


def eight():
    with tempfile.TemporaryDirectory(prefix='unhang-eight.') as folder:
        payload = scenario.make_payload(folder)
        images = [scenario.make_disk(f'{folder}/{i}', 16) for i in range(8)]
        with hba.Hba('data', images) as sick, \
                guest.Guest('busybox', [sick], payload, udev=True) as machine:
            agent = Agent(machine)
            agent.start()
            names = [machine.disk(i) for i in range(8)]
            for name in names:
                agent.wait_for_line(f'{name} .*guarded', 60)
            for i in range(8):
                sick.control('tmf', i, 'heal')
                sick.control('lose', i, 'read')
            began = time.monotonic()
            jobs = [machine.bg(f'dd if=/dev/{name} of=/dev/null bs=4k count=1 iflag=direct 2>&1')
                    for name in names]
            for job in jobs:
                assert machine.get(job, 120).status == 0
            step(f'all eight are back after {time.monotonic() - began:.1f} s')
            machine.wait_for('unhang status', 60)
            assert [sick.stat(i)['tmf'] for i in range(8)] == [1] * 8
            times = [event.time - began for event in sick.events('reset')]
            step('LUN resets after ' + ', '.join(f'{t:.1f}' for t in times) + ' s')
            # None of them had to wait for a limit of its own.
            assert times[-1] < 2 * LIMIT + LATE, times


CASES = {
    'never': lambda: with_site(never),
    'silent': lambda: with_site(silent),
    'rejected': lambda: with_site(rejected),
    'relapse': lambda: with_site(relapse),
    'gone': lambda: with_site(gone),
    'eight': eight,
}

scenario.main(case)
