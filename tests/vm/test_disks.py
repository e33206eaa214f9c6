#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The harness: disks of every kind hang and go on when told so, and lose what they are to lose."""

import contextlib
import tempfile

import guest
import hba
import scenario
from scenario import step, wait_until

READ = 'dd if=/dev/{0} of=/dev/null bs=4k count=1 skip=9 iflag=direct'
WRITE = 'dd if=/dev/zero of=/dev/{0} bs=4k count=1 seek=9 oflag=direct'
FLUSH = WRITE + ' conv=fsync'
TRIM = '/usr/sbin/fstrim /mnt'

# What is lost, a command that hangs then, and those that do not.
LOSSES = [
    ('read', READ, [WRITE]),
    ('write', WRITE, [READ]),
    ('flush', FLUSH, [READ, WRITE]),
    ('discard', TRIM, [READ]),
    ('one', READ, [READ, WRITE]),
]
DEPTH = 32
FIO = ('fio --name=x --filename=/dev/{0} --rw=randread --bs=4k --ioengine=libaio --direct=1 '
       f'--iodepth={DEPTH} --time_based --runtime={{1}}')


def check_hang(machine, disk):
    name = disk.name()
    step(f'{name} hangs, and goes on')
    disk.hang()
    job = machine.bg(READ.format(name))
    wait_until(lambda: disk.inflight() == (1, 0), 20, f'a read of {name} is in flight')
    wait_until(lambda: any(task.name == 'dd' for task in machine.tasks_in_d()), 20, 'dd is in D')
    assert not machine.done(job), machine.get(job)
    disk.release()
    result = machine.get(job, 20)
    assert result.status == 0, result
    assert disk.inflight() == (0, 0)


def check_loss(machine, sick, disk, kind, hangs, passes):
    step(f'{disk} loses: {kind}')
    sick.control('lose', 0, kind)
    job = machine.bg(hangs.format(disk))
    wait_until(lambda: sick.stat(0)['pending'] == 1, 20, f'lost: {kind}')
    for command in passes:
        machine.sh(command.format(disk), 20)
    assert not machine.done(job), machine.get(job)
    sick.control('release', 0)
    result = machine.get(job, 20)
    assert result.status == 0, result


def check_errors(machine, sick, disk):
    step(f'{disk} fails, and has no medium')
    for fault, on, off in (('error', 'all', 'none'), ('medium', 'out', 'in')):
        sick.control(fault, 0, on)
        for command in READ, WRITE:
            result = machine.get(machine.bg(command.format(disk)), 60)
            assert result.status != 0, (fault, command)
        sick.control(fault, 0, off)
        machine.sh(READ.format(disk))


def check_rate(machine, sick, disk):
    step(f'{disk} serves 20 requests per second, {DEPTH} at a time')
    sick.control('iops', 0, 20)
    job = machine.bg(FIO.format(disk, 4))
    wait_until(lambda: sick.stat(0)['waiting'] >= DEPTH - 1, 20, 'requests wait')
    before = sick.stat(0)['io']
    wait_until(lambda: sick.stat(0)['io'] > before + 20, 20, 'they are served')
    sick.control('iops', 0, 0)
    wait_until(lambda: sick.stat(0)['waiting'] == 0, 10, 'none waits')
    result = machine.get(job, 60)
    assert result.status == 0, result


def case():
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix='unhang-disks.'))
        images = [scenario.make_disk(f'{folder}/{number}') for number in range(4)]
        sick = stack.enter_context(hba.Hba('data', images[:1]))
        machine = stack.enter_context(
            guest.Guest('busybox', [sick], nvme=[images[1:3]], virtio_blk=images[3:], tools=True))
        step(f'guest is up after {machine.boot_seconds:.1f} s')
        machine.sh('modprobe nvme')
        for disk in machine.nvme + machine.virtio_blk:
            check_hang(machine, disk)
        name = machine.disk(0)
        machine.sh(f'mount -t ext4 /dev/{name} /mnt')
        for kind, hangs, passes in LOSSES:
            check_loss(machine, sick, name, kind, hangs, passes)
        machine.sh('umount /mnt')
        check_errors(machine, sick, name)
        check_rate(machine, sick, name)


scenario.main(case)
