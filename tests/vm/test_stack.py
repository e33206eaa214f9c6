#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""All that stands on a disk is told, in every mount namespace, and who holds it while it hangs."""

import contextlib
import json
import tempfile
import time

import capture
import guest
import hba
import scenario
from scenario import Agent, step, wait_until

MEGABYTES = 128

# Nothing is to be done to a disk here.
CONFIG = '''[Detect]
WarnSec=2s
StallSec=1h
'''

# A process with a mount namespace of its own, into which nothing of ours is propagated: made before
# all else is mounted.
PRIVATE = ('''unshare -m sh -c 'cd {0} && exec 3> open && echo $$ > /run/private.pid && '''
           '''exec sleep 1000000' ''')

# No rule of udev tells libdevmapper here that a node is made: it has to make them itself.
PREPARE = '''
set -e
export DM_DISABLE_UDEV=1
modprobe -a dm-mod dm-crypt ecb xts raid1 loop btrfs
mkdir -p /mnt/lvm /mnt/bind /mnt/md /mnt/luks /mnt/loop /mnt/btrfs
pvcreate -y /dev/{parted}1
vgcreate vg /dev/{parted}1
lvcreate -y -n lv-0 -L 16M vg
/usr/sbin/mke2fs -q -t ext4 -E lazy_itable_init=0 /dev/vg/lv-0
mount -t ext4 /dev/vg/lv-0 /mnt/lvm
mkdir /mnt/lvm/part
mount -o bind /mnt/lvm/part /mnt/bind
mdadm --create /dev/md0 --run --assume-clean --metadata=1.2 --level=1 --raid-devices=2 \
    /dev/{parted}2 /dev/{leg}
/usr/sbin/mke2fs -q -t ext4 -E lazy_itable_init=0 /dev/md0
mount -t ext4 /dev/md0 /mnt/md
mkswap /dev/{parted}3
swapon /dev/{parted}3
echo -n secret > /run/key
cryptsetup -q luksFormat --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 \
    --key-file /run/key /dev/{luks}
cryptsetup open --key-file /run/key /dev/{luks} vault
/usr/sbin/mke2fs -q -t ext4 -E lazy_itable_init=0 /dev/mapper/vault
mount -t ext4 /dev/mapper/vault /mnt/luks
dd if=/dev/zero of=/mnt/luks/image bs=1M count=16
losetup /dev/loop0 /mnt/luks/image
/usr/sbin/mke2fs -q -t ext4 -E lazy_itable_init=0 /dev/loop0
mount -t ext4 /dev/loop0 /mnt/loop
mkfs.btrfs -q -d raid1 -m raid1 /dev/{btrfs} /dev/{second}
mount -t btrfs -o device=/dev/{second} /dev/{btrfs} /mnt/btrfs
'''

NAMES = ('parted', 'leg', 'luks', 'btrfs', 'second', 'plain')

SPARE = 'goes on without this disk'

# Of each disk: depth, kind, text, note.
EXPECTED = {
    'parted': [
        (1, 'partition', None, None),
        (2, 'lvm', 'vg-lv--0', None),
        (3, 'filesystem', '/dev/vg/lv-0', None),
        (4, 'mount', '/mnt/lvm', None),
        (4, 'mount', '/mnt/bind', None),
        (1, 'partition', None, None),
        (2, 'md', 'raid1', SPARE),
        (3, 'filesystem', '/dev/md0', None),
        (4, 'mount', '/mnt/md', None),
        (1, 'partition', None, None),
        (2, 'swap', '/dev/{parted}3', None),
    ],
    'leg': [
        (1, 'md', 'raid1', SPARE),
        (2, 'filesystem', '/dev/md0', None),
        (3, 'mount', '/mnt/md', None),
    ],
    'luks': [
        (1, 'crypt', 'vault', None),
        (2, 'filesystem', '/dev/mapper/vault', None),
        (3, 'mount', '/mnt/luks', None),
        (3, 'loop', '/mnt/luks/image', None),
        (4, 'filesystem', '/dev/loop0', None),
        (5, 'mount', '/mnt/loop', None),
    ],
    'btrfs': [
        (1, 'filesystem', '/dev/{btrfs}', 'on 2 devices'),
        (2, 'mount', '/mnt/btrfs', None),
    ],
    'plain': [
        (1, 'filesystem', '/dev/{plain}', None),
        (2, 'mount', '/mnt/plain', None),
        (2, 'mount', '/mnt/plain', 'stays in the mount namespace of process {pid}'),
    ],
}
EXPECTED['second'] = EXPECTED['btrfs']


def ask(machine, command):
    """What unhang writes as JSON. Its exit status tells whether the disk is well."""
    job = machine.bg(f'unhang {command} --json')
    result = machine.get(job, 60)
    assert result.status in (0, 4), result
    return json.loads(result.output)


def stack_of(answer):
    return [(node['depth'], node['kind'], node['text'], node['note'])
            for node in answer['stack'] if node['depth'] > 0]


def expected_of(role, names):
    return [(depth, kind, text and text.format(**names), note and note.format(**names))
            for depth, kind, text, note in EXPECTED[role]]


def check_stacks(machine, names):
    for role in NAMES:
        answer = ask(machine, f'show {names[role]}')
        found, expected = stack_of(answer), expected_of(role, names)
        assert found == expected, f'{role}: {found}, not {expected}'
        assert answer['complete'], answer
        assert answer['owners'] == (['md'] if role in ('parted', 'leg') else []), answer
        step(f'{names[role]}: as it should be, {len(found)} nodes')


def check_radius(machine, names):
    answer = ask(machine, f'blast-radius {names["leg"]}')
    assert answer['domain'].startswith('host'), answer
    # Volumes: one of LVM, md, LUKS, a loop device.
    expected = {'disks': 6, 'partitions': 3, 'volumes': 4, 'filesystems': 6, 'mounts': 8,
                'swaps': 1}
    assert expected.items() <= answer.items(), answer
    assert [node['depth'] for node in answer['stack']].count(0) == 6, answer
    print(machine.sh(f'unhang blast-radius {names["leg"]}'), flush=True)


def check_holders(machine, names, private, writer):
    """Of the plain disk: who is in another namespace, and who is in D."""
    begun = time.monotonic()
    answer = ask(machine, f'holders {names["plain"]}')
    step(f'asked who holds it: {time.monotonic() - begun:.1f} s')
    holders = {holder['pid']: holder for holder in answer['holders']}
    assert answer['complete'], answer
    assert private in holders and holders[private]['cwd'], answer
    assert holders[private]['files'] == 1 and holders[private]['state'] == 'S', answer
    if writer:
        assert holders[writer]['comm'] == 'dd' and holders[writer]['state'] == 'D', answer
        assert holders[writer]['files'] == 1, answer
        assert holders[writer]['path'] == '/mnt/plain/file', answer
    assert set(holders) <= {private, writer}, answer
    print(machine.sh(f'unhang holders {names["plain"]}'), flush=True)


def prepare(machine):
    names = {role: machine.disk(number) for number, role in enumerate(NAMES)}
    machine.sh(f'mkdir -p /mnt/plain && mount -t ext4 /dev/{names["plain"]} /mnt/plain')
    machine.bg(PRIVATE.format('/mnt/plain'))
    names['pid'] = int(machine.wait_for('cat /run/private.pid 2>/dev/null', 20))
    machine.sh(PREPARE.format(**names), 300)
    return names


def make_hang(machine, sick, disk):
    """A writer hangs on the disk; its process."""
    sick.control('tmf', NAMES.index('plain'), 'reject')
    sick.control('lose', NAMES.index('plain'), 'rw')
    job = machine.bg('dd if=/dev/zero of=/mnt/plain/file bs=4k count=8 conv=fsync')
    tasks = wait_until(lambda: [task for task in machine.tasks_in_d() if task.name == 'dd'], 30,
                       f'a writer on {disk} is in D')
    return job, tasks[0].pid


def seen_at_once(machine, disk, other):
    """What is not all known is read again every half minute; what changes meanwhile, at once."""
    machine.wait_for(f'unhang status {disk}', 60)
    machine.bg('cd /mnt/btrfs && exec sleep 1000000')
    machine.wait_for('ls -l /proc/[0-9]*/cwd 2>/dev/null | grep -q " /mnt/btrfs$"', 30)
    machine.sh('umount -l /mnt/btrfs')
    wait_until(lambda: not ask(machine, f'show {other}')['complete'], 60, 'it is mounted nowhere')
    machine.sh('mount -o bind /mnt/plain /mnt/late')
    late = (2, 'mount', '/mnt/late', None)
    began = time.monotonic()
    wait_until(lambda: late in stack_of(ask(machine, f'show {disk}')), 15, 'it is seen at once')
    step(f'seen after {time.monotonic() - began:.1f} s, though not all is known')


def case():
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix='unhang-stack.'))
        payload = scenario.make_payload(folder)
        images = []
        for role in NAMES:
            images.append(f'{folder}/{role}')
            with open(images[-1], 'wb') as image:
                image.truncate(MEGABYTES << 20)
        capture.make_partitions(images[0], sectors=MEGABYTES << 11)
        scenario.make_disk(images[-1])
        sick = stack.enter_context(hba.Hba('data', images))
        machine = stack.enter_context(
            guest.Guest('busybox', [sick], payload, udev=True, tools=True))
        step(f'busybox guest is up after {machine.boot_seconds:.1f} s')
        names = prepare(machine)
        step(f'all is made: {names}')
        agent = Agent(machine)
        agent.start(CONFIG)
        agent.wait_for_line(f'{names["plain"]} .*guarded', 30)
        show = f'show {names["plain"]}'
        wait_until(lambda: stack_of(ask(machine, show)), 30, 'a first look')
        check_stacks(machine, names)
        check_radius(machine, names)
        print(machine.sh(f'unhang show {names["parted"]}'), flush=True)
        check_holders(machine, names, names['pid'], None)

        step('something more is mounted, and unmounted')
        machine.sh('mkdir /mnt/late && mount -o bind /mnt/plain /mnt/late')
        late = (2, 'mount', '/mnt/late', None)
        wait_until(lambda: late in stack_of(ask(machine, show)), 60, 'it is seen')
        machine.sh('umount /mnt/late')
        wait_until(lambda: late not in stack_of(ask(machine, show)), 60, 'it is seen to be gone')

        step(f'{names["plain"]} hangs')
        job, writer = make_hang(machine, sick, names['plain'])
        agent.wait_for_line(f'{names["plain"]} .*in flight', 30)
        check_holders(machine, names, names['pid'], writer)
        check_stacks(machine, names)

        step('it goes on')
        sick.control('release', NAMES.index('plain'))
        result = machine.get(job, 60)
        assert result.status == 0, result
        assert all(sick.stat(number)['reset'] == 0 for number in range(len(NAMES)))
        seen_at_once(machine, names['plain'], names['btrfs'])


scenario.main(case)
