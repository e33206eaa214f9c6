# SPDX-License-Identifier: LGPL-2.1-or-later
"""Filesystems on what can stand between them and a disk: made, checked and unmade in a guest."""

import base64
import struct

from guest import CommandFailed

# No rule of udev tells libdevmapper in a busybox guest that a node is made.
DM = 'export DM_DISABLE_UDEV=1'

# The kernel cannot ask for what it needs itself: there is no /sbin/modprobe.
MODULES = 'crc32_generic crc32c_generic dm-mod dm-crypt ecb xts raid1 xfs btrfs'

MAKE = {
    'ext4': '/usr/sbin/mke2fs -q -t ext4 -F -E lazy_itable_init=0,lazy_journal_init=0,nodiscard {}',
    'ext4 without journal': '/usr/sbin/mke2fs -q -t ext4 -F -O ^has_journal '
                            '-E lazy_itable_init=0,nodiscard {}',
    'xfs': '/usr/sbin/mkfs.xfs -q -f -K {}',
    'btrfs': '/usr/sbin/mkfs.btrfs -q -f -K {}',
    'f2fs': '/usr/sbin/mkfs.f2fs -q -f -t 0 {}',
}
BUILD = {
    'disk': 'true',
    'partition': 'echo {label} | base64 -d > /run/label && '
                 'dd if=/run/label of=/dev/{disk} conv=notrunc,fsync 2>&1 && '
                 '/usr/bin/blockdev --rereadpt /dev/{disk}',
    'lvm': 'pvcreate -q -ff -y /dev/{disk} && vgcreate -q sick /dev/{disk} && '
           'lvcreate -q -y -Wn -n data -l 100%FREE sick',
    'luks': 'echo -n secret > /run/key && cryptsetup -q luksFormat --type luks2 --pbkdf pbkdf2 '
            '--pbkdf-force-iterations 1000 --key-file /run/key /dev/{disk} && '
            'cryptsetup open --key-file /run/key /dev/{disk} vault',
    'md': 'mdadm --quiet --create /dev/md0 --run --assume-clean --metadata=1.2 --level=1 '
          '--raid-devices=2 /dev/{disk} /dev/{leg}',
}
DEVICE = {'disk': '/dev/{disk}', 'partition': '/dev/{disk}1', 'lvm': '/dev/sick/data',
          'luks': '/dev/mapper/vault', 'md': '/dev/md0'}
UNDO = {
    'disk': 'true',
    'partition': 'true',
    'lvm': 'vgchange -q -an sick',
    'luks': 'cryptsetup close vault',
    'md': 'mdadm --quiet --stop /dev/md0 && '
          'dd if=/dev/zero of=/dev/{leg} bs=1M count=4 conv=fsync 2>&1',
}
WIPE = ('dd if=/dev/zero of=/dev/{disk} bs=1M count=4 conv=fsync 2>&1 && '
        '/usr/bin/blockdev --rereadpt /dev/{disk}')

# What is needed of the image: a module or a program each.
NEEDS = {'xfs': ('xfs', '/usr/sbin/mkfs.xfs'), 'btrfs': ('btrfs', '/usr/sbin/mkfs.btrfs'),
         'f2fs': ('f2fs', '/usr/sbin/mkfs.f2fs'), 'lvm': ('dm-mod', '/usr/sbin/lvm'),
         'luks': ('dm-crypt', '/usr/sbin/cryptsetup'), 'md': ('raid1', '/usr/sbin/mdadm')}


def lacking(machine):
    """What the guest's image cannot do, of what a campaign would draw."""
    checks = '; '.join(f'modprobe -q {module} && [ -x {program} ] || echo {name}'
                       for name, (module, program) in NEEDS.items())
    return machine.sh(checks).split()


def label(megabytes):
    """A DOS label with one partition, as base64."""
    size = (megabytes << 11) - 2048
    entry = struct.pack('<BBBBBBBBII', 0, 254, 255, 255, 0x83, 254, 255, 255, 2048, size)
    return base64.b64encode(bytes(446) + entry + bytes(48) + b'\x55\xaa').decode()


class Stack:
    """A filesystem on a stack on a disk, at a mount point; LEG is the other one of a mirror."""

    def __init__(self, machine, filesystem, stack, disk, leg, megabytes, mountpoint):
        self._machine = machine
        self._names = {'disk': disk, 'leg': leg, 'label': label(megabytes)}
        self._filesystem = filesystem
        self._stack = stack
        self._mountpoint = mountpoint
        self._device = DEVICE[stack].format(**self._names)

    def _sh(self, command, timeout=120):
        return self._machine.sh(f'{DM}; {command.format(**self._names)}', timeout)

    def make(self):
        self._sh(BUILD[self._stack])
        # udev takes the node away for a moment when the table is read anew.
        self._machine.wait_for(f'[ -b {self._device} ]', 30)
        self._sh(MAKE[self._filesystem].format(self._device))
        self.mount()

    def mount(self, options='rw'):
        kind = self._filesystem.split()[0]
        self._sh(f'mkdir -p {self._mountpoint} && mount -t {kind} -o {options} {self._device} '
                 f'{self._mountpoint}')

    def unmount(self):
        self._sh(f'umount {self._mountpoint}')

    def is_mounted(self):
        return bool(self._sh(f'grep " {self._mountpoint} " /proc/mounts || true'))

    def check(self, failed):
        """fsck of the unmounted filesystem, which had FAILED or had not. What was mended."""
        if self._filesystem == 'btrfs':
            return ''  # to mount it again is the check
        if self._filesystem == 'xfs':
            self._sh(f'xfs_repair -n {self._device} 2>&1')
            return ''
        if self._filesystem == 'f2fs':
            # That the superblock could not be written while the disk was failed is told to whoever
            # syncs the device next.
            self._sh(f'dd if=/dev/null of={self._device} conv=notrunc,fsync 2>&1 || true')
            self._sh(f'fsck.f2fs --dry-run {self._device} 2>&1')
            return ''
        mended = ''
        if failed:
            # ext4 leaves inodes that were being removed to it, and without a journal all else.
            how = '-y' if self._filesystem == 'ext4 without journal' else '-p'
            mended = self._sh(f'/usr/sbin/e2fsck -f {how} {self._device} 2>&1 || '
                              '{{ [ $? = 1 ] && echo mended; }}')
        self._sh(f'/usr/sbin/e2fsck -fn {self._device} 2>&1')
        return mended if mended.endswith('mended') else ''

    def unmake(self):
        """Leave an empty disk."""
        self._sh(UNDO[self._stack])
        try:
            self._sh(WIPE)
        except CommandFailed:
            # Somebody, such as udev, still has a partition open.
            self._machine.wait_for(f'/usr/bin/blockdev --rereadpt /dev/{self._names["disk"]}', 30)
