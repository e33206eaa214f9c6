#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes down the sysfs of a guest that has disks of all kinds, some of them hanging; see dump.c.

    capture.py KERNEL FOLDER

KERNEL is 5.10, 6.1, 6.12 or newest. Makes KERNEL-multipath.sysfs, where an NVMe namespace is a head
and a hidden path, and KERNEL-singlepath.sysfs (nvme_core.multipath=N).

    scsi   target 0: an LVM volume group, with an ext4 in it that is mounted; loses what it is sent
           target 1: three partitions: two are halves of a RAID 1, one is swap; loses one command
    nvme   a controller with one namespace; hangs
    virtio-blk   hangs
    scsi_debug   healthy
"""

import contextlib
import os
import struct
import subprocess
import sys
import tempfile

import guest
import hba
import scenario
from scenario import step, wait_until

MEGABYTES = 48
SECTORS = MEGABYTES << 11

PREPARE = '''
set -e
modprobe -a dm-mod raid1 ext4
pvcreate -y /dev/{lvm}
vgcreate vg /dev/{lvm}
lvcreate -y -n lv -L 16M vg
/usr/sbin/mke2fs -q -t ext4 -E lazy_itable_init=0 /dev/vg/lv
mount -t ext4 /dev/vg/lv /mnt
mdadm --create /dev/md0 --run --assume-clean --metadata=1.2 --level=1 --raid-devices=2 \
    /dev/{parted}1 /dev/{parted}2
mkswap /dev/{parted}3
swapon /dev/{parted}3
dd if=/dev/zero of=/mnt/file bs=1M count=2
sync
for disk in {parted} {nvme} {virtio} {debug} md0; do
    dd if=/dev/$disk of=/dev/null bs=64k count=16 iflag=direct
    dd if=/dev/zero of=/dev/$disk bs=4k count=3 seek=200 oflag=direct
done
'''
FIND_DEBUG = ('for vendor in /sys/block/sd*/device/vendor; do read -r name < $vendor\n'
              'case $name in Linux*) echo $vendor; break;; esac; done | grep .')


def make_image(path):
    with open(path, 'wb') as image:
        image.truncate(SECTORS * 512)
    return path


def make_partitions(path, count=3, sectors=SECTORS):
    """A DOS label: no tool is needed for it."""
    size = sectors // count - 2048
    with open(path, 'r+b') as image:
        image.seek(446)
        for number in range(count):
            start = 2048 + number * size
            image.write(struct.pack('<BBBBBBBBII', 0, 254, 255, 255, 0x83, 254, 255, 255,
                                    start, size))
        image.seek(510)
        image.write(b'\x55\xaa')


def make_payload(folder):
    os.makedirs(f'{folder}/payload/usr/bin')
    subprocess.run(['cc', '-static', '-O2', '-o', f'{folder}/payload/usr/bin/dump',
                    f'{guest.HERE}/dump.c'], check=True, timeout=60)
    return f'{folder}/payload'


def prepare(machine):
    """Make all that lies on the disks, and I/O, so that no counter is zero."""
    machine.sh('modprobe -a nvme && modprobe scsi_debug dev_size_mb=8', 60)
    names = {
        'lvm': machine.disk(0), 'parted': machine.disk(1),
        'nvme': machine.nvme[0].name(), 'virtio': machine.virtio_blk[0].name(),
        'debug': machine.wait_for(FIND_DEBUG, 60).split('/')[3],
    }
    machine.sh(PREPARE.format(**names), 180)
    return names


def read(machine, disk, count):
    for number in range(count):
        machine.bg(f'dd if=/dev/{disk} of=/dev/null bs=4k skip={number + 300} count=1 iflag=direct')


def write(machine, disk, count):
    for number in range(count):
        machine.bg(f'dd if=/dev/zero of=/dev/{disk} bs=4k seek={number + 300} count=1 oflag=direct')


def make_hang(machine, sick, names):
    """Some reads and writes are in flight on every disk but scsi_debug's."""
    sick.control('lose', 0, 'rw')
    sick.control('lose', 1, 'one')
    machine.nvme[0].hang()
    machine.virtio_blk[0].hang()
    read(machine, 'vg/lv', 2)
    write(machine, 'vg/lv', 1)
    read(machine, 'md0', 1)
    for disk in names['nvme'], names['virtio']:
        read(machine, disk, 2)
        write(machine, disk, 1)
    wait_until(lambda: sick.stat(0)['pending'] >= 3 and sick.stat(1)['pending'] == 1, 60,
               'the SCSI disks have lost commands')
    for disk in machine.nvme[0], machine.virtio_blk[0]:
        wait_until(lambda disk=disk: disk.inflight() == (2, 1), 60, f'{disk.name()} hangs')


def capture(kernel, path, append):
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix='unhang-capture.'))
        images = [make_image(f'{folder}/{name}') for name in ('lvm', 'parted', 'nvme', 'virtio')]
        make_partitions(images[1])
        sick = stack.enter_context(hba.Hba('data', images[:2]))
        machine = stack.enter_context(
            guest.Guest('busybox', [sick], make_payload(folder), kernel=kernel, tools=True,
                        nvme=images[2:3], virtio_blk=images[3:], append=append))
        step(f'kernel {kernel} is up after {machine.boot_seconds:.1f} s')
        names = prepare(machine)
        make_hang(machine, sick, names)
        text = machine.sh('dump', 60)
    with open(path, 'w') as file:
        file.write(text + '\n')
    step(f'{path}: {len(text) >> 10} kB')


def case():
    kernel, folder = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    capture(kernel, f'{folder}/{kernel}-multipath.sysfs', '')
    capture(kernel, f'{folder}/{kernel}-singlepath.sysfs', 'nvme_core.multipath=N')


if __name__ == '__main__':
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    scenario.main(case)
