#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_volumes.py: filesystems on LVM and LUKS on NVMe disks that go, and come back as others.

One controller with two disks: on the first LVM in LUKS, which crypttab knows; on the second two
logical volumes. The controller does not answer, and the driver gives it up; with it go the disks,
and what is left of the volumes maps to nothing. When it is back the disks have other names.
In the end one of the filesystems is unmounted: nobody would bring its volume back, so the disk is not
failed.
"""

import json
import re
import tempfile

import guest
import scenario
from scenario import ACKS, OFTEN, Agent, step, wait_until

LIMIT = 5
DAYS = 4294967
CONFIG = OFTEN.format(LIMIT)

LUKS = '''head -c 32 /dev/urandom > /etc/key && chmod 600 /etc/key
cryptsetup -q luksFormat --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 \\
    --key-file /etc/key /dev/{disk} &&
echo "vault UUID=$(cryptsetup luksUUID /dev/{disk}) /etc/key luks" > /etc/crypttab &&
systemctl daemon-reload && systemctl start systemd-cryptsetup@vault'''
LVM = 'lvm pvcreate -q -ff -y /dev/{device} && lvm vgcreate -q {vg} /dev/{device}'
LV = 'lvm lvcreate -q -y -Wn -n {lv} -L {size}M {vg}'
REFUSED = 'something stands there that would not be brought back'
MKFS = 'mke2fs -q -F -t ext4 -E lazy_itable_init=0,lazy_journal_init=0 /dev/mapper/{volume}'

# Where each filesystem is mounted, and the volumes below it, from the disk up. One is called as its
# disk is, which does not make it one of the disk's partitions.
VOLUMES = {'/mnt/deep': ('vault', '{first}_vg-in'), '/mnt/one': ('flat-one',),
           '/mnt/two': ('flat-t--wo',)}


def case():
    with tempfile.TemporaryDirectory(prefix='unhang-volumes.') as folder:
        payload = scenario.make_payload(folder)
        images = [scenario.make_disk(f'{folder}/{name}', 128) for name in ('one', 'two')]
        with guest.Guest('debian', payload=payload, nvme=[images],
                         append=f'nvme_core.io_timeout={DAYS}') as machine:
            step(f'up after {machine.boot_seconds:.1f} s')
            agent = Agent(machine)
            try:
                run(machine, agent)
            except BaseException:
                print('\n'.join(agent.lines()))
                print(machine.sh('journalctl -b --no-pager -o short-monotonic | tail -150; lsblk; '
                                 'dmsetup ls --tree', 60))
                raise


def run(machine, agent):
    controller = machine.nvme[0].controller
    first = machine.nvme[0].name()
    make_volumes(machine, first, machine.nvme[1].name())
    agent.start(CONFIG)
    names = [disk.path() for disk in machine.nvme]
    for name, target in zip(names, ('/mnt/deep', '/mnt/two')):
        machine.wait_for(f'unhang show {name} | grep -q " {target} "', 60)
    print(machine.sh(f'unhang show {names[0]}'))
    for name, word in (('gone once', 'first'), ('gone twice', 'second')):
        step(f'---- {name} ----')
        machine.sh(f'for m in {" ".join(VOLUMES)}; do mkdir $m/{word}; done')
        gone_and_back(machine, agent, controller, word)
        assert_volumes(machine, first)
    not_brought_back(machine)


def make_volumes(machine, first, second):
    machine.sh('modprobe -a dm-mod dm-crypt xts ecb; ' + LUKS.format(disk=first), 120)
    machine.sh(LVM.format(device='mapper/vault', vg=f'{first}_vg') + ' && ' +
               LV.format(lv='in', vg=f'{first}_vg', size=64), 120)
    machine.sh(LVM.format(device=second, vg='flat'), 120)
    for name in ('one', 't-wo'):
        machine.sh(LV.format(lv=name, vg='flat', size=48), 120)
    for target, volumes in VOLUMES.items():
        volume = volumes[-1].format(first=first)
        machine.sh(MKFS.format(volume=volume) + f' && mkdir -p {target} && '
                   f'mount /dev/mapper/{volume} {target}', 120)


def gone_and_back(machine, agent, controller, word):
    before = [disk.name() for disk in machine.nvme]
    seen = len(agent.lines())
    folders = [f'{target}/{word}' for target in VOLUMES]
    del machine.acks[:]
    machine.bg(f'exec recorder write --acks {ACKS} --threads 2 {" ".join(folders)}')
    wait_until(lambda: sorted(acknowledged(machine)) == list(range(2 * len(folders))) and
               min(acknowledged(machine).values()) >= 20, 60, 'all writers write')
    controller.take_away()
    wait_until(lambda: count(agent, seen, 'failed cleanly') == 2, 180, 'both are failed cleanly')
    wait_until(lambda: not mounted(machine), 60, 'all is unmounted')
    assert not machine.tasks_in_d(), machine.tasks_in_d()
    step('failed: nothing is mounted, no task is in D')
    controller.give_back()
    machine.sh('echo 1 > /sys/bus/pci/rescan', 60)
    wait_until(lambda: states(machine) == ['healthy', 'healthy'], 240, 'both are healthy')
    after = [disk.name() for disk in machine.nvme]
    step(f'{before} came back as {after}')
    assert not set(before) & set(after), 'under the same name: this shows nothing'
    for line in agent.lines()[seen:]:
        if re.search('volume|mount: ', line):
            print(line)
    assert mounted(machine) == sorted(VOLUMES), mounted(machine)
    verify(machine, folders)


def acknowledged(machine):
    last = {}
    for line in list(machine.acks):
        kind, thread, *rest = line.text.split()
        if kind == 'A':
            last[int(thread)] = int(rest[0])
    return last


def verify(machine, folders):
    output = machine.sh(f'recorder verify --threads 2 {" ".join(folders)}', 60)
    found = {}
    for line in output.splitlines():
        _, thread, last, _ = line.split()
        found[int(thread)] = int(last)
    verdict = scenario.compare(acknowledged(machine), found)
    assert verdict.acknowledged > 0 and verdict.lost == 0, verdict


def count(agent, seen, pattern):
    return len([line for line in agent.lines()[seen:] if pattern in line])


def mounted(machine):
    return sorted(machine.sh('grep -o " /mnt/[^ ]* " /proc/mounts || true').split())


def states(machine):
    status = json.loads(machine.sh('unhang status --json || [ $? = 4 ]'))
    return [disk['state'] for disk in status['disks'] if disk['driver'] == 'nvme']


def assert_volumes(machine, first):
    """They are on disks that are there, and none is left of those that are gone."""
    disks = {disk.name() for disk in machine.nvme}
    names = machine.sh('cat /sys/block/dm-*/dm/name').split()
    expected = [name.format(first=first) for volumes in VOLUMES.values() for name in volumes]
    assert sorted(names) == sorted(expected), names
    below = machine.sh('for d in /sys/block/dm-*/slaves/*; do [ -e $d ] && echo ${d##*/}; done')
    assert {name for name in below.split() if not name.startswith('dm-')} == disks, below


def not_brought_back(machine):
    """What nothing is mounted on would be lost with the disk."""
    name = machine.nvme[1].path()
    command = f'unhang reset --dry-run --force=symptom --rung=controller-fail {name} 2>&1 || true'
    before = machine.sh(command)
    machine.sh('umount /mnt/two')
    machine.wait_for(f'! unhang show {name} | grep -q " /mnt/two "', 30)
    after = machine.sh(command)
    step(f'with all volumes mounted: {before}')
    step(f'with one that is not: {after}')
    assert 'In the way: nothing' in before and REFUSED in after


scenario.main(case)
