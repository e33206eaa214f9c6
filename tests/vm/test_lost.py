#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_lost.py KERNEL: whatever a virtio-scsi disk loses is seen within the limit and an interval.

A read; a write; a cache flush and nothing else, which "inflight" does not show; a discard; one
command of many in a busy load, which only its age shows; and the same without debugfs, where only
the timer of the request shows it.
"""

import re
import sys
import time

import scenario
from scenario import CLOCKS, Agent, Site, step, wait_until

LIMIT = 5
INTERVAL = LIMIT / 8
# What a host that emulates the guest in software, beside another one, may add to it.
LATE = 3

FIO = ('fio --name=load --filename=/dev/{} --direct=1 --rw=randread --bs=4k --iodepth=32 '
       '--ioengine=libaio --time_based --runtime=3600 > /run/fio.log 2>&1')


def case():
    with Site('busybox', udev=True, kernel=sys.argv[1], tools=True) as site:
        agent = Agent(site.guest)
        agent.start()
        agent.wait_for_line(f'{site.sick.name} .*guarded', 30)
        where = site.sick.mountpoint
        site.guest.sh(f'dd if=/dev/zero of={where}/file bs=1M count=8 conv=fsync 2>&1')

        lost(site, 'read', f'dd if=/dev/{site.sick.name} of=/dev/null bs=4k count=1 iflag=direct')
        lost(site, 'write', f'dd if=/dev/zero of={where}/file bs=4k count=1 conv=notrunc '
                            'oflag=direct')
        inflight = lost(site, 'flush', f'dd if=/dev/zero of={where}/word bs=4k count=1 conv=fsync')
        step(f'inflight while only a flush was out: {inflight}')
        lost(site, 'discard', f'rm {where}/file && sync && /usr/sbin/fstrim {where}')
        one_of_many(site, agent)
        without_debugfs(site, agent)


def lost(site, kind, command):
    """Lose what the command sends, and see it noticed. Returns inflight as it was meanwhile."""
    before = len(site.hba.events('reset'))
    lost_before = len(site.hba.events('lost'))
    site.lose(kind, tmf='heal')
    job = site.guest.bg(f'({command}) 2>&1')
    wait_until(lambda: len(site.hba.events('lost')) > lost_before, 30, f'a {kind} is lost')
    inflight = site.guest.sh(f'cat /sys/block/{site.sick.name}/inflight').split()
    wait_until(lambda: len(site.hba.events('reset')) > before, LIMIT + 20, 'a LUN reset')
    took = site.hba.events('reset')[before].time - site.hba.events('lost')[lost_before].time
    step(f'{kind}: reset {took:.2f} s after the loss')
    assert LIMIT - CLOCKS <= took <= LIMIT + INTERVAL + LATE, took
    result = site.guest.get(job, 30)
    assert result.status == 0, result
    settled(site)
    return inflight


def settled(site):
    """The disk is healthy again in the eyes of the agent, and the next hang is no relapse."""
    site.guest.wait_for(f'unhang status {site.sick.name}', 60)
    time.sleep(LIMIT + 1)


def begin_load(site):
    job = site.guest.bg(FIO.format(site.sick.name))
    io = site.hba.stat(site.sick.target)['io']
    wait_until(lambda: site.hba.stat(site.sick.target)['io'] > io + 500, 60, 'the load runs')
    return job


def one_of_many(site, agent):
    job = begin_load(site)
    took = lose_one(site)
    assert took <= LIMIT + INTERVAL + LATE, took
    line = agent.wait_for_line(f'{site.sick.name} .*stuck-request: ', 10)
    step(f'one of many: reset {took:.2f} s after the loss: {line}')
    settled(site)
    end_load(site, job)


def without_debugfs(site, agent):
    """The timer behind iotmo_cnt runs out at the age of the limit, if it has been set so before."""
    if not site.guest.sh(f'ls /sys/block/{site.sick.name}/device | grep iotmo_cnt || true'):
        step('this kernel has no iotmo_cnt: one of many cannot be seen without debugfs')
        return
    site.guest.sh('kill $(pidof unhangd); umount /sys/kernel/debug; '
                  f'echo {LIMIT} > /sys/block/{site.sick.name}/device/timeout')
    site.guest.wait_for('! pidof unhangd', 30)
    agent.start()
    shown = site.guest.wait_for(f'unhang show {site.sick.name} | grep -e requests -e iotmo_cnt', 30)
    step(shown)
    assert re.search('requests .*missing', shown) and 'exact' in shown, shown
    job = begin_load(site)
    took = lose_one(site)
    # The kernel looks at its timers rounded up to seconds (block/blk-timeout.c).
    assert took <= LIMIT + INTERVAL + LATE + 2, took
    line = agent.wait_for_line(f'{site.sick.name} .*stuck-request: ', 10)
    step(f'one of many by its timer: reset {took:.2f} s after the loss: {line}')
    settled(site)
    end_load(site, job)


def lose_one(site):
    before, lost_before = len(site.hba.events('reset')), len(site.hba.events('lost'))
    site.lose('one', tmf='heal')
    wait_until(lambda: len(site.hba.events('reset')) > before, LIMIT + 30, 'a LUN reset')
    assert len(site.hba.events('lost')) == lost_before + 1, 'more than one was lost'
    took = site.hba.events('reset')[before].time - site.hba.events('lost')[lost_before].time
    assert took >= LIMIT - CLOCKS, took
    return took


def end_load(site, job):
    assert not site.guest.done(job), site.guest.sh('cat /run/fio.log')
    # Asked to end, it may be at a place where its own handler of the signal waits for ever.
    site.guest.sh('killall -KILL fio')
    site.guest.get(job, 30)


scenario.main(case)
