#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_watched.py KERNEL: disks that are only watched.

NVMe, with and without multipath, to which nothing is to be done; virtio-blk, and a volume on top. What hangs, be it only a flush, is
reported within the limit and an interval, nothing is done to it, and the alarm ends with the hang.
"""

import json
import sys
import tempfile
import time

import guest
import scenario
from scenario import Agent, step, wait_until

LIMIT = 5
INTERVAL = LIMIT / 8
LATE = 3

# The kernel is not to act by itself: as cloud images set it.
PATIENT = 'nvme_core.io_timeout=4294967'


def case():
    with tempfile.TemporaryDirectory(prefix='unhang-watched.') as folder:
        payload = scenario.make_payload(folder)
        for multipath in ('Y', 'N'):
            images = [make_image(f'{folder}/{name}{multipath}') for name in ('nvme', 'blk')]
            with guest.Guest('busybox', payload=payload, udev=True, kernel=sys.argv[1],
                             tools=True, nvme=images[:1], virtio_blk=[f'blkdebug::{images[1]}'],
                             append=f'{PATIENT} nvme_core.multipath={multipath}') as machine:
                step(f'kernel {sys.argv[1]}, multipath={multipath}: '
                     f'up after {machine.boot_seconds:.1f} s')
                watch(machine, multipath == 'Y')


def make_image(path):
    with open(path, 'wb') as image:
        image.truncate(64 << 20)
    return path


def watch(machine, multipath):
    agent = Agent(machine)
    nvme, blk = machine.nvme[0], machine.virtio_blk[0]
    size = machine.sh(f'cat /sys/block/{blk.name()}/size').strip()
    machine.sh(f'modprobe dm-mod; export DM_DISABLE_UDEV=1; '
               f'echo 0 {size} linear /dev/{blk.name()} 0 | dmsetup create above')
    statistics = f'/sys/block/{blk.name()}/queue/iostats'
    machine.sh(f'echo 0 > {statistics}')
    agent.start(scenario.CONFIG + 'Act=no\n')
    agent.wait_for_line(f'{blk.name()}: its I/O statistics were off; switched on', 30)
    assert machine.sh(f'cat {statistics}').strip() == '1'
    for name in {nvme.path(), nvme.name(), blk.name()}:
        agent.wait_for_line(f'{name} .*watched', 30)
    print(machine.sh(f'unhang show {nvme.path()}; unhang show {blk.name()}; unhang show dm-0'))
    if multipath:
        assert nvme.path() != nvme.name()
        step(machine.sh(f'unhang show {nvme.name()}'))

    hang(machine, agent, nvme, nvme.path(), f'/dev/{nvme.name()}')
    hang(machine, agent, blk, blk.name(), '/dev/mapper/above')
    assert any('dm-0' in line and 'stalled' in line for line in agent.lines()), agent.lines()
    hang_in_flush(machine, agent, blk)


def hang(machine, agent, disk, name, node):
    """Let the disk hang under a read of NODE, and see that of NAME, and only that, reported."""
    disk.hang()
    began = time.monotonic()
    job = machine.bg(f'dd if={node} of=/dev/null bs=4k count=1 iflag=direct 2>&1')
    reported(machine, agent, name, began)
    disk.release()
    ended(machine, agent, name, job)


def hang_in_flush(machine, agent, disk):
    """Only a flush is out, which stat does not show on kernels 5.11 to 6.9."""
    disk.hang_flush()
    began = time.monotonic()
    job = machine.bg(f'dd if=/dev/zero of=/dev/{disk.name()} bs=4k count=1 conv=fsync 2>&1')
    reported(machine, agent, disk.name(), began, 2)
    step(f'inflight while only a flush was out: {disk.inflight()}')
    assert disk.inflight() == (0, 0), disk.inflight()
    disk.release_flush()
    ended(machine, agent, disk.name(), job)


def reported(machine, agent, name, began, times=1):
    wait_until(lambda: len(stalled(agent, name)) == times, LIMIT + 20, f'{name} is reported')
    line = stalled(agent, name)[-1]
    took = time.monotonic() - began
    step(f'{took:.1f} s after the read: {line}')
    assert LIMIT - 1 <= took <= LIMIT + INTERVAL + LATE + 1, took
    status = machine.get(machine.bg(f'unhang status --json {name}'))
    shown = json.loads(status.output)['disks'][0]
    assert status.status == 4 and shown['state'] == 'stuck', status
    assert shown['symptom'] == 'stalled' and shown['last_act'] is None, shown


def ended(machine, agent, name, job):
    result = machine.get(job, 60)
    assert result.status == 0, result
    machine.wait_for(f'unhang status {name}', 30)
    step(agent.wait_for_line(f'{name} .*I/O completes again by itself', 10))
    assert not resets(agent), agent.lines()


def stalled(agent, name):
    return [line for line in agent.lines() if line.startswith(f'{name} ') and 'stalled: ' in line]


def resets(agent):
    return [line for line in agent.lines() if 'LUN reset' in line]


scenario.main(case)
