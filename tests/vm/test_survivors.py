#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_survivors.py KERNEL [CASE...]: filesystems and volumes that live through a hang, or do not.

Each on the disk, or on LVM or LUKS on it. First the reset cures the disk, but the requests are too
old to be sent again and end with EIO: the filesystem is dead on a disk that is well, and is mounted
anew. Then the disk is failed: what is mounted on it is unmounted, and mounted again when it is back.
What was synced before is there each time.
"""

import sys

import scenario
from scenario import OFTEN, Agent, Site, step, wait_until

# The kernel sends nothing again that is older than six times the timeout.
LIMIT, TIMEOUT = 8, 1

CONFIG = OFTEN.format(LIMIT)

# No rule of udev tells libdevmapper here that a node is made: it has to make them itself.
LVM = '''export DM_DISABLE_UDEV=1; modprobe dm-mod;
lvm pvcreate -ff -y /dev/{disk} && lvm vgcreate vg /dev/{disk} &&
lvm lvcreate -y -Wn -Zn -n lv -l 100%FREE vg'''
LUKS = '''export DM_DISABLE_UDEV=1; modprobe -a dm-mod dm-crypt ecb xts; echo -n secret > /run/key;
cryptsetup -q luksFormat --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 \
    --key-file /run/key /dev/{disk} &&
cryptsetup open --key-file /run/key /dev/{disk} vault'''

MKFS = {
    'ext4': '/usr/sbin/mke2fs -q -F -t ext4 -E lazy_itable_init=0,lazy_journal_init=0',
    'xfs': '/usr/sbin/mkfs.xfs -q -f --unsupported',
    'btrfs': 'mkfs.btrfs -q -f --mixed',
}

# A part of the filesystem, mounted by itself.
PART = '/mnt/part'

NO_JOURNAL = '-O ^has_journal'

# Name, filesystem, what makes the volume it is on, its node, what removes it.
CASES = (
    ('ext4', 'ext4', '', '/dev/{disk}', ''),
    ('xfs', 'xfs', '', '/dev/{disk}', ''),
    ('btrfs', 'btrfs', '', '/dev/{disk}', ''),
    ('ext4 on LVM', 'ext4', LVM, '/dev/mapper/vg-lv',
     'export DM_DISABLE_UDEV=1; lvm vgremove -ff -y vg; lvm pvremove -ff -y /dev/{disk}'),
    ('xfs on LUKS', 'xfs', LUKS, '/dev/mapper/vault',
     'export DM_DISABLE_UDEV=1; cryptsetup close vault'),
)


def case():
    with Site('busybox', udev=True, tools=True, kernel=sys.argv[1]) as site:
        agent = Agent(site.guest)
        agent.start(CONFIG)
        agent.wait_for_line(f'{site.sick.name} .*guarded', 30)
        site.guest.sh(f'umount {site.sick.mountpoint}; modprobe -a xfs btrfs')
        try:
            for name, fstype, volume, node, remove in CASES:
                if sys.argv[2:] and name not in sys.argv[2:]:
                    continue
                step(f'---- {name} ----')
                node = node.format(disk=site.sick.name)
                if volume:
                    site.guest.sh(volume.format(disk=site.sick.name), 120)
                site.guest.sh(f'{MKFS[fstype]} {node}', 120)
                run(Run(site, agent, fstype, node), held=name == 'ext4')
                site.guest.sh(f'umount {PART} {site.sick.mountpoint}')
                if remove:
                    site.guest.sh(remove.format(disk=site.sick.name), 120)
            step('---- ext4 without a journal ----')
            site.guest.sh(f'{MKFS["ext4"]} {NO_JOURNAL} /dev/{site.sick.name}')
            without_journal(Run(site, agent, 'ext4', f'/dev/{site.sick.name}'))
            for disk in (site.sibling, site.apart):
                assert site.guest.sh(f'echo well > {disk.mountpoint}/well; sync; '
                                     f'cat {disk.mountpoint}/well') == 'well'
            assert site.hba.stat(site.sibling.target)['tmf'] == 0, 'the healthy LUN was reset'
        except BaseException:
            print('\n'.join(agent.lines()))
            raise


class Run:
    """One filesystem on the sick disk."""

    def __init__(self, site, agent, fstype, node):
        self.site, self.agent, self.fstype, self.node = site, agent, fstype, node
        self.where = site.sick.mountpoint
        self.seen = len(agent.lines())
        self.sh(f'mount -t {fstype} {node} {self.where}')
        self.sh(f'echo old > {self.where}/old; mkdir -p {self.where}/part {PART}; '
                f'echo part > {self.where}/part/this; sync; mount -o bind {self.where}/part {PART}')
        self.sh(f'echo {TIMEOUT} > /sys/block/{site.sick.name}/device/timeout')
        site.guest.wait_for(f'unhang show {site.sick.name} | grep -q " {self.where} "', 30)

    def sh(self, command, timeout=30):
        return self.site.guest.sh(command, timeout)

    def wait_for_line(self, pattern, timeout):
        """Of those since the last that was waited for."""
        def find():
            for i, line in enumerate(self.agent.lines()[self.seen:]):
                if line.startswith(self.site.sick.name) and pattern in line:
                    self.seen += i + 1
                    return line
            return None
        step(wait_until(find, timeout, f'a message of unhangd with {pattern}'))

    def hang(self, tmf):
        """The log is written, and does not arrive: a failed write of data alone kills nothing."""
        self.site.lose('write', tmf)
        return self.site.guest.bg(f'mkdir {self.where}/{tmf}; sync')

    def is_dead(self):
        return self.site.guest.get(self.site.guest.bg(
            f'dd if=/dev/zero of={self.where}/alive bs=4k count=1 conv=fsync 2>&1'), 60).status != 0

    def is_well(self):
        """Mounted as before, with what was synced, and takes more."""
        self.sh(f'grep "^[^ ]* {self.where} {self.fstype} rw" /proc/mounts')
        assert self.sh(f'cat {self.where}/old {PART}/this').split() == ['old', 'part']
        assert not self.is_dead(), 'it does not take writes'
        self.site.guest.wait_for(f'unhang status {self.site.sick.name}', 60)
        assert not self.site.guest.tasks_in_d(), self.site.guest.tasks_in_d()


def run(r, held):
    print(r.sh(f'unhang show {r.site.sick.name} --json'))
    job = r.hang('heal')
    if held:
        r.sh(f'cd {r.where} && sleep 1000 > /dev/null 2>&1 & echo $! > /run/holder')
    r.wait_for_line('LUN reset', LIMIT + 15)
    r.wait_for_line('not all its filesystems have survived', 30)
    r.site.guest.get(job, 60)
    if held:
        r.wait_for_line('cannot be unmounted: Device or resource busy', 30)
        assert r.is_dead(), 'it came back by itself'
        # The mount that follows hangs, too, and ends with EIO when the next reset cures that.
        r.site.lose('read', 'heal')
        r.sh('kill $(cat /run/holder)')
        r.wait_for_line('stalled: ', LIMIT + 30)
    r.wait_for_line('what had not survived is mounted again', 60)
    r.is_well()
    r.sh(f'sleep {LIMIT + 1}', LIMIT + 30)  # a hang that comes sooner would be a relapse

    fail(r)
    r.wait_for_line('its filesystems are mounted again', 120)
    r.is_well()
    r.sh(f'sleep {LIMIT + 1}', LIMIT + 30)


def fail(r):
    """The reset brings nothing back, and the disk is failed; then it is well again."""
    job = r.hang('ok')
    r.wait_for_line('LUN reset', LIMIT + 15)
    r.wait_for_line('offline', 30)
    r.wait_for_line('failed cleanly', 60)
    r.site.guest.get(job, 60)
    assert not r.sh(f'grep " {r.where} " /proc/mounts || true'), 'it is still mounted'
    r.site.release()


def without_journal(r):
    """Only fsck makes it whole: written to before, it would give what was synced to others."""
    fail(r)
    r.wait_for_line('mount: only fsck makes it whole', 120)
    assert not r.sh(f'grep " {r.where} " /proc/mounts || true'), 'it is mounted'
    r.sh(f'/usr/sbin/e2fsck -fy {r.node} || [ $? = 1 ]', 60)
    r.sh(f'mount -t ext4 {r.node} {r.where}; mount -o bind {r.where}/part {PART}')
    r.wait_for_line('recovered: ', 120)
    r.is_well()


scenario.main(case)
