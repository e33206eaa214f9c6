#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks that go, come back as another, go while they hang; and hundreds of them at once."""

import re
import time

import scenario
from scenario import Agent, Site, step, wait_until

MANY = 300
# What unhangd may use of a processor for so many, in a software-emulated guest.
SHARE_MAX = 0.3
# What a process of one disk may have of memory that it shares with nobody: there can be thousands.
EXECUTOR_KB_MAX = 1024

RULE = 'KERNEL=="sd*", ENV{ID_MODEL}=="scsi_debug", TAG+="unhang"'


def case():
    with Site('busybox', udev=True, tools=True) as site:
        agent = Agent(site.guest)
        agent.start()
        agent.wait_for_line(f'{site.sibling.name} .*guarded', 30)
        goes_and_comes_back(site, agent)
        goes_while_it_hangs(site, agent)
        many(site, agent)


def count(agent, pattern):
    return sum(bool(re.search(pattern, line)) for line in agent.lines())


def goes_and_comes_back(site, agent):
    disk = site.sibling
    site.guest.sh(f'umount {disk.mountpoint}; echo 1 > /sys/block/{disk.name}/device/delete')
    agent.wait_for_line(f'{disk.name} .*gone, no longer guarded', 20)
    site.guest.sh('for scan in /sys/class/scsi_host/host*/scan; do echo "- - -" > $scan; done', 60)
    wait_until(lambda: count(agent, r'0:0:1:0.*guarded: ') == 2, 30, 'it is guarded again')
    step('gone, and guarded again')


def goes_while_it_hangs(site, agent):
    disk = site.sick
    site.guest.sh(f'umount {disk.mountpoint}')
    site.lose('read', tmf='heal')
    job = site.guest.bg(f'dd if=/dev/{disk.name} of=/dev/null bs=4k count=1 iflag=direct 2>&1')
    agent.wait_for_line(f'{disk.name} .*none completed', 20)
    removal = site.guest.bg(f'echo 1 > /sys/block/{disk.name}/device/delete')
    # The kernel waits for the request, but the disk has left sysfs: not for us to act on.
    step(agent.wait_for_line(f'{disk.name} .*gone, no longer guarded', 30))
    assert not site.hba.events('reset'), site.hba.events('reset')
    site.release()
    site.guest.get(removal, 30)
    site.guest.get(job, 30)
    step('the removal has ended')


def many(site, agent):
    site.guest.write('/etc/udev/rules.d/70-many.rules', RULE + '\n')
    site.guest.sh('udevadm control --reload; modprobe scsi_debug num_tgts=1 dev_size_mb=1 '
                  f'max_luns={MANY} 2>&1', 300)
    began = time.monotonic()
    wait_until(lambda: count(agent, 'guarded: ') >= MANY, 200, f'{MANY} disks are guarded')
    step(f'{MANY} more disks after {time.monotonic() - began:.0f} s')
    before = cpu(site)
    time.sleep(20)
    share = (cpu(site) - before) / 20
    memory = sorted(own_memory(site))
    step(f'{share:.3f} of a processor, {len(memory)} processes, of their own '
         f'{memory[MANY // 2]} kB each, and unhangd {memory[-1]} kB')
    assert share < SHARE_MAX, share
    assert MANY < len(memory) < MANY + 16, len(memory)
    assert memory[MANY // 2] < EXECUTOR_KB_MAX, memory
    site.guest.sh('echo -1 > /sys/bus/pseudo/drivers/scsi_debug/add_host', 120)
    wait_until(lambda: count(agent, 'gone, no longer guarded') >= MANY, 120, 'all are gone')
    assert not count(agent, 'stalled:|stuck-request:'), agent.lines()


def own_memory(site):
    """kB of memory that each process of the daemon shares with no other."""
    output = site.guest.sh('for p in $(grep -l "^unhang" /proc/[0-9]*/comm); do '
                           'grep Private_Dirty ${p%comm}smaps_rollup; done', 60)
    return [int(line.split()[1]) for line in output.splitlines()]


def cpu(site):
    """Seconds of processor time of the daemon."""
    stat = site.guest.sh("cat /proc/$(pidof unhangd | sed 's/.* //')/stat")
    fields = stat.rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


scenario.main(case)
