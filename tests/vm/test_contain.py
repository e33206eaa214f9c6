#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A virtio-blk disk, whose I/O nothing in a guest can end: reported; contained where the policy asks
for it, and mounted again when the hypervisor lets go; and the machine given up where it asks for that."""

import tempfile
import time

import guest
import scenario
from scenario import Agent, step

LIMITS = '''[Detect]
WarnSec=2s
StallSec=5s

[Recover]
SettleSec=5s
'''


def case():
    with tempfile.TemporaryDirectory(prefix='unhang-contain.') as folder:
        payload = scenario.make_payload(folder)
        contained(payload, scenario.make_disk(f'{folder}/one'))
        for fence in ('reboot', 'panic'):
            fenced(payload, scenario.make_disk(f'{folder}/{fence}'), fence)


def machine_with(payload, image):
    return guest.Guest('busybox', payload=payload, udev=True, virtio_blk=[image],
                       append='panic=-1')


def hang(machine, disk):
    """A writer that hangs, from now on for ever."""
    machine.sh(f'mkdir -p /mnt && mount -t ext4 /dev/{disk.name()} /mnt && echo old > /mnt/old && '
               'sync')
    return lambda: machine.bg('dd if=/dev/zero of=/mnt/new bs=4k count=1 conv=fsync 2>&1')


def contained(payload, image):
    with machine_with(payload, image) as machine:
        disk = machine.virtio_blk[0]
        writer = hang(machine, disk)
        agent = Agent(machine)
        agent.start(LIMITS + 'Contain=yes\n')
        agent.wait_for_line(f'{disk.name()} .*(guarded|watched)', 30)
        disk.hang()
        job = writer()
        step(agent.wait_for_line(f'{disk.name()} .*contained: new I/O', 60))
        stuck = {task.name for task in machine.tasks_in_d()}
        result = machine.get(machine.bg('touch /mnt/more'), 20)
        assert result.status != 0, 'new I/O ends with an error'
        assert {task.name for task in machine.tasks_in_d()} <= stuck, 'nothing joins the pile'
        step(f'new I/O: {result.output.strip()}; in D: {sorted(stuck)}')
        disk.release()
        machine.get(job, 60)
        step(agent.wait_for_line(f'{disk.name()} .*recovered: ', 60))
        machine.sh('grep old /mnt/old && touch /mnt/again && sync', 30)
        assert not machine.tasks_in_d()
        machine.wait_for('unhang status', 30)


def fenced(payload, image, how):
    with machine_with(payload, image) as machine:
        disk = machine.virtio_blk[0]
        writer = hang(machine, disk)
        agent = Agent(machine)
        agent.start(LIMITS + f'Fence={how}\nFenceSec=3s\n')
        agent.wait_for_line(f'{disk.name()} .*watched', 30)
        disk.hang()
        writer()
        began = time.monotonic()
        machine.wait_for_end(60)
        step(f'{how}: the machine has ended after {time.monotonic() - began:.1f} s')
        last = [line for line in machine.console().splitlines() if 'unhang' in line]
        assert any(how in line for line in last), machine.console()[-2000:]
        step(last[-1])


scenario.main(case)
