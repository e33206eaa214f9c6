#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""NVMe controllers that hang, with the daemon: cured by a reset; and failed, when each reset works
and it hangs again. Two namespaces on one controller, each with an ext4 that is mounted."""

import sys
import tempfile

import guest
import scenario
from scenario import Agent, step, wait_until

CONFIG = '''[Detect]
WarnSec=2s
StallSec=6s

[Recover]
SettleSec=5s
BlastRadius=domain
'''

FOR_EVER = 'nvme_core.io_timeout=4294967'


def write(machine):
    jobs = [machine.bg(f'dd if=/dev/zero of=/mnt/{disk.number}/new bs=64k count=4 conv=fsync 2>&1')
            for disk in machine.nvme]
    wait_until(lambda: sum(machine.nvme[0].inflight()) > 0, 60, 'it hangs')
    return jobs


def status(machine, jobs, timeout):
    return [machine.get(job, timeout).status for job in jobs]


def cured(machine, agent):
    """Doorbells are lost: one reset, and no writer notices."""
    machine.nvme[0].controller.lose_registers()
    jobs = write(machine)
    assert status(machine, jobs, 120) == [0, 0]
    step(agent.wait_for_line('recovered', 60))
    machine.wait_for('unhang status', 60)


def failed(machine, agent):
    """Each reset works, and it hangs again: all ends with errors, and nothing is left in D."""
    for disk in machine.nvme:
        disk.hang()
    jobs = write(machine)
    machine.nvme[0].controller.lose_registers()
    machine.nvme[0].controller.keep_losing_registers()
    assert status(machine, jobs, 180) == [1, 1]
    step('both writers were told of an error')
    step(agent.wait_for_line('failed cleanly', 120))
    mounts = machine.sh('grep -o "/mnt/[0-9]*" /proc/mounts || true').split()
    assert len(mounts) < len(machine.nvme), mounts
    for mount in mounts:  # of what was within reach of the act
        machine.sh(f'umount {mount}', 30)
    assert machine.sh('cat /sys/module/nvme_core/parameters/max_retries') == '5'
    # No release(): QEMU would carry out what it still holds, with memory that the guest has by now
    # given to somebody else.


def case():
    check, kernel = {'cured': cured, 'failed': failed}[sys.argv[1]], sys.argv[2]
    for multipath in 'YN':
        append = f'{FOR_EVER} nvme_core.multipath={multipath}'
        if check is cured and kernel == '6.1' and multipath == 'N':
            continue  # there no reset could be ended that does not return: it is failed at once
        with tempfile.TemporaryDirectory(prefix='unhang-nvme.') as folder:
            payload = scenario.make_payload(folder)
            images = [scenario.make_disk(f'{folder}/{number}') for number in range(2)]
            with guest.Guest('busybox', payload=payload, udev=True, kernel=kernel, nvme=[images],
                             append=append) as machine:
                step(f'{check.__name__}: {append}: up after {machine.boot_seconds:.1f} s')
                for disk in machine.nvme:
                    machine.sh(f'mkdir -p /mnt/{disk.number} && '
                               f'mount -t ext4 /dev/{disk.name()} /mnt/{disk.number}')
                agent = Agent(machine)
                agent.start(CONFIG)
                for disk in machine.nvme:
                    agent.wait_for_line(f'{disk.path()} .*guarded', 30)
                try:
                    check(machine, agent)
                finally:
                    print('\n'.join(agent.lines()), flush=True)


scenario.main(case)
