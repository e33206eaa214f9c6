#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The harness: both guests boot, a lost write hangs, a reset cures it, the sibling is unhurt.

Without this, a passing case would prove nothing.
"""

import scenario
from scenario import Site, step, wait_until

MARK = 'this line was lost by the hypervisor'
DEEP = 32
BUSY = 'while [ ! -e /run/quiet ]; do echo; done | while read -r line; do :; done'
CHANGE_CODE = '''n=0; while [ $((n += 1)) -le 200 ]; do
    echo 1 > /proc/sys/kernel/sched_schedstats; echo 0 > /proc/sys/kernel/sched_schedstats
done'''


def write(guest, disk, text):
    return guest.bg(f'echo "{text}" | dd of={disk.mountpoint}/text conv=fsync')


def reaches_image(disk, text):
    with open(disk.image, 'rb') as image:
        return text.encode() in image.read()


def check_lost_write(site):
    guest = site.guest
    step('a lost write hangs')
    site.lose()
    job = write(guest, site.sick, MARK)
    wait_until(site.pending, 10, 'a command is lost')
    stuck = wait_until(guest.tasks_in_d, 10, 'a task is in D')
    assert any(task.name == 'dd' for task in stuck), stuck

    step('its sibling on the same HBA is unhurt')
    other = guest.get(write(guest, site.sibling, 'unhurt'))
    assert other.status == 0, other

    assert not guest.done(job), guest.get(job)
    assert not reaches_image(site.sick, MARK), 'a lost write is in the image'

    step('sg_reset cures it')
    guest.sh(f'sg_reset --device --no-esc /dev/{site.sick.sg}')
    result = guest.get(job)
    assert result.status == 0, result
    assert reaches_image(site.sick, MARK), 'the retried write is not in the image'
    resets = site.hba.events('reset')
    assert [event.target for event in resets] == [site.sick.target], resets


def check_deep_queue(site):
    step(f'{DEEP} requests in flight hang, and come back')
    site.merge_nothing()
    job = site.record(site.sick, threads=DEEP, options='--ring 8')
    wait_until(lambda: len(site.acknowledged()) == DEEP, 60, 'all threads write')
    site.lose()
    wait_until(lambda: site.pending() == DEEP, 30, f'{DEEP} commands are lost')
    before = site.acknowledged()
    site.guest.sh(f'sg_reset --device --no-esc /dev/{site.sick.sg}')
    wait_until(lambda: all(site.acknowledged()[thread] > before[thread] for thread in before),
               60, 'all threads write again')
    site.guest.sh('killall recorder')
    site.guest.get(job)
    verdict = site.verify(site.sick, threads=DEEP)
    step(str(verdict))
    assert verdict.lost == 0 and not site.errors(), (verdict, site.errors())


def check_changing_code(site):
    """A kernel does so all the time; an emulation that misses it once fails any case, at random."""
    step('the kernel changes its own code while both processors are busy')
    busy = [site.guest.bg(BUSY) for processor in range(2)]
    site.guest.sh(CHANGE_CODE, 120)
    site.guest.sh('touch /run/quiet')
    for job in busy:
        site.guest.get(job)


def check_udev(site):
    step('udev knows the disk')
    serial = f'{site.hba.name}-{site.sick.target}'
    site.guest.wait_for(f'udevadm info /dev/{site.sick.name} | grep ID_SCSI_SERIAL={serial}')


def busybox():
    with Site('busybox', udev=True) as site:
        check_changing_code(site)
        check_udev(site)
        check_lost_write(site)
        check_deep_queue(site)


def debian():
    with Site('debian') as site:
        step('systemd is content')
        state = site.guest.sh('systemctl is-system-running --wait || systemctl --failed', 60)
        assert state == 'running', state
        check_udev(site)
        check_lost_write(site)


def case():
    busybox()
    debian()


scenario.main(case)
