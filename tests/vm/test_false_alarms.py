#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_false_alarms.py GROUP: what is slow, busy, broken, reconfigured or stopped, but not hung.

Every case has to end without a reset, and without an alarm. At the end of each guest the disk loses
a command for good, and that has to be seen: so the agent was awake.
"""

import re
import sys
import time

import scenario
from scenario import Agent, Site, step, wait_until

LIMIT = 5

FIO = ('fio --name=load --filename=/dev/{disk} --direct=1 --bs=4k --ioengine=libaio --time_based '
       '--runtime={seconds} {options} > /run/fio.log 2>&1')


def case():
    group = GROUPS[sys.argv[1]]
    with Site('busybox', udev=True, tools=True) as site:
        agent = Agent(site.guest)
        agent.start()
        agent.wait_for_line(f'{site.sick.name} .*guarded', 30)
        for check in group:
            began = time.monotonic()
            check(site)
            healthy(site, agent)
            step(f'{check.__doc__} {time.monotonic() - began:.0f} s, no act')
        awake(site, agent)


def healthy(site, agent):
    """Everything serves again, and nothing was done, nor any alarm raised."""
    site.hba.control('delay', site.sick.target, 0)
    site.hba.control('iops', site.sick.target, 0)
    site.hba.control('error', site.sick.target, 'none')
    site.hba.control('medium', site.sick.target, 'in')
    site.guest.wait_for(f'unhang status {site.sick.name} {site.sibling.name}', 60)
    for disk in (site.sick, site.sibling):
        assert site.hba.stat(disk.target)['tmf'] == 0, site.hba.events('reset')
    alarms = [line for line in agent.lines()
              if re.search('stalled:|stuck-request:|saturated:|controller-stuck:|LUN reset,', line)]
    assert not alarms, alarms


def awake(site, agent):
    # All, for ext4 may still be at its inode tables: whatever completes ends a stall.
    site.lose('all', tmf='heal')
    job = site.guest.bg(f'dd if=/dev/{site.sick.name} of=/dev/null bs=4k count=1 iflag=direct 2>&1')
    step(agent.wait_for_line(f'{site.sick.name} .*stalled:', LIMIT + 15))
    wait_until(lambda: site.hba.events('reset'), 10, 'a LUN reset arrives')
    assert site.guest.get(job, 30).status == 0


def fio(site, seconds, options):
    return site.guest.bg(FIO.format(disk=site.sick.name, seconds=seconds, options=options))


def io(site):
    return site.hba.stat(site.sick.target)['io']


# ---- slow ----

def just_under_the_limit(site):
    """One command at a time, each takes 4.3 s with a limit of 5 s:"""
    site.hba.control('delay', site.sick.target, 4300)
    before = io(site)
    fio(site, 40, '--rw=randread --iodepth=1')
    site.guest.wait_for('! pidof fio', 90)
    assert io(site) - before >= 6, io(site) - before


def one_per_second(site):
    """Throttled to one command a second, 128 of them waiting:"""
    site.hba.control('iops', site.sick.target, 1)
    fio(site, 60, '--rw=randread --iodepth=128')
    wait_until(lambda: site.hba.stat(site.sick.target)['waiting'] > 60, 60, 'a long queue')
    age = 0
    for _ in range(12):
        time.sleep(5)
        ages = re.findall(r'allocated (\d+)\.\d+ s ago',
                          site.guest.sh(f'cat /sys/kernel/debug/block/{site.sick.name}/hctx*/busy'))
        age = max([age] + [int(text) for text in ages])
    assert age > 4 * LIMIT, age
    step(f'the oldest request was {age} s old')
    site.hba.control('iops', site.sick.target, 0)
    site.guest.wait_for('! pidof fio', 60)


def full_depth(site):
    """Random reads and writes at full depth:"""
    before = io(site)
    site.guest.sh(f'umount {site.sick.mountpoint}')
    fio(site, 90, '--rw=randrw --iodepth=256')
    site.guest.wait_for('! pidof fio', 150)
    step(f'{io(site) - before} commands')
    site.guest.sh(f'/usr/sbin/mke2fs -q -F -t ext4 '
                  f'-E lazy_itable_init=0,lazy_journal_init=0 /dev/{site.sick.name}', 120)
    site.mount(site.sick)


# ---- broken, but not hung ----

def error_burst(site):
    """Every command fails at once:"""
    site.hba.control('error', site.sick.target, 'all')
    site.guest.sh(f'end=$(($(date +%s) + 15)); while [ $(date +%s) -lt $end ]; do '
                  f'dd if=/dev/{site.sick.name} of=/dev/null bs=4k count=1 iflag=direct; '
                  'done > /dev/null 2>&1; true', 60)
    assert site.hba.stat(site.sick.target)['error'] > 10


def medium_removed(site):
    """The medium is gone:"""
    site.hba.control('medium', site.sick.target, 'out')
    fio(site, 15, '--rw=randread --iodepth=4 --continue_on_error=all')
    site.guest.wait_for('! pidof fio', 60)


def storm(site):
    """A storm of probes and readers on slow disks, as at boot:"""
    for disk in (site.sick, site.sibling):
        site.hba.control('delay', disk.target, 400)
    jobs = [site.guest.bg(f'dd if=/dev/{disk.name} of=/dev/null bs=4k count=8 skip={i} '
                          'iflag=direct 2>&1')
            for disk in (site.sick, site.sibling) for i in range(20)]
    for _ in range(5):
        site.guest.sh('udevadm trigger --action=add --subsystem-match=block', 60)
        time.sleep(2)
    for job in jobs:
        assert site.guest.get(job, 120).status == 0
    site.guest.sh('udevadm settle --timeout=60', 90)
    site.hba.control('delay', site.sibling.target, 0)


# ---- tools ----

def tools(site):
    """mkfs, fsck, fstrim, blkdiscard of the whole disk, dd with huge requests:"""
    disk, where = site.sick.name, site.sick.mountpoint
    site.hba.control('delay', site.sick.target, 30)
    for command in (f'umount {where}',
                    f'/usr/sbin/blkdiscard /dev/{disk}',
                    f'dd if=/dev/zero of=/dev/{disk} bs=32M count=2 oflag=direct 2>&1',
                    f'dd if=/dev/zero of=/dev/{disk} bs=64M count=1 conv=fsync 2>&1',
                    f'/usr/sbin/mke2fs -q -F -t ext4 -E lazy_itable_init=0 /dev/{disk}',
                    f'/usr/sbin/e2fsck -fy /dev/{disk}',
                    f'mount -t ext4 /dev/{disk} {where}',
                    f'dd if=/dev/zero of={where}/file bs=1M count=16 conv=fsync 2>&1',
                    f'rm {where}/file; sync; /usr/sbin/fstrim {where}'):
        site.guest.sh(command, 180)


def volumes(site):
    """A volume with a snapshot, and suspended for 15 s with a writer waiting:"""
    disk, where = site.sick.name, site.sick.mountpoint
    site.guest.sh(f'modprobe -a dm-mod dm-snapshot; export DM_DISABLE_UDEV=1; '
                  f'umount {where}; lvm pvcreate -ff -y /dev/{disk} && '
                  f'lvm vgcreate vg /dev/{disk} && lvm lvcreate -y -Wn -Zn -n lv -L 20M vg && '
                  '/usr/sbin/mke2fs -q -F -t ext4 /dev/vg/lv && '
                  f'mount -t ext4 /dev/vg/lv {where}', 120)
    write = f'dd if=/dev/zero of={where}/n bs=4k count=1 conv=fsync 2> /dev/null'
    writer = site.guest.bg(f'for i in $(seq 60); do {write} || exit 1; sleep 0.5; done')
    site.guest.sh('export DM_DISABLE_UDEV=1; lvm lvcreate -y -s -n snap -L 8M vg/lv', 120)
    site.guest.sh('export DM_DISABLE_UDEV=1; dmsetup suspend --nolockfs vg-lv')
    time.sleep(15)
    site.guest.sh('export DM_DISABLE_UDEV=1; dmsetup resume vg-lv')
    assert site.guest.get(writer, 120).status == 0
    site.guest.sh(f'export DM_DISABLE_UDEV=1; umount {where} && lvm lvremove -y vg && '
                  f'lvm vgremove -y vg && lvm pvremove -ff -y /dev/{disk} && '
                  f'/usr/sbin/mke2fs -q -F -t ext4 /dev/{disk}', 120)
    site.mount(site.sick)


# ---- pauses: with commands in flight which the disk serves in 2 s ----

def load(site):
    site.hba.control('delay', site.sick.target, 2000)
    fio(site, 1000, '--rw=randread --iodepth=4')
    before = io(site)
    wait_until(lambda: io(site) > before + 4, 30, 'the load runs')


def end_load(site):
    time.sleep(2 * LIMIT)
    site.guest.sh('killall fio')
    site.guest.wait_for('! pidof fio', 60)
    site.hba.control('delay', site.sick.target, 0)


def machine_stopped(site):
    """QMP stop and cont after 20 s:"""
    load(site)
    site.guest.monitor.execute('stop')
    time.sleep(20)
    site.guest.monitor.execute('cont')
    end_load(site)


def hypervisor_stopped(site):
    """SIGSTOP of the hypervisor for 60 s, whose clock then jumps:"""
    load(site)
    site.guest.freeze()
    time.sleep(60)
    site.guest.thaw()
    end_load(site)


def daemon_stopped(site):
    """SIGSTOP of unhangd for 20 s:"""
    load(site)
    site.guest.sh('kill -STOP $(pidof unhangd)')
    time.sleep(20)
    site.guest.sh('kill -CONT $(pidof unhangd)')
    end_load(site)


def starved(site):
    """All processors taken by real-time tasks for 30 s:"""
    load(site)
    site.guest.sh("for i in 1 2 3 4; do chrt -f 50 sh -c 'end=$(($(date +%s) + 30)); "
                  "while [ $(date +%s) -lt $end ]; do :; done' & done; wait", 180)
    end_load(site)


GROUPS = {
    'slow': (just_under_the_limit, one_per_second, full_depth),
    'broken': (error_burst, medium_removed, storm),
    'tools': (tools, volumes),
    'pauses': (machine_stopped, hypervisor_stopped, daemon_stopped, starved),
}

scenario.main(case)
