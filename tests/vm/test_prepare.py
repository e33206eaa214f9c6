#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is prepared on a disk: XFS's limit of retries; and the timeout of its commands.

A LUN reset long after the hang: with the timeout that unhangd has set the request is sent again,
with one that is left as it was it is too old for that, and ends with EIO (scsi_lib.c)."""

import time

import scenario
from scenario import Agent, Site, step

# The kernel sends nothing again that is older than six times the timeout.
TIMEOUT, LIMIT = 5, 40
CONFIG = f'''[Prepare]
XfsMaxRetries=3

[Detect]
WarnSec=20s
StallSec={LIMIT}s

[Recover]
SettleSec=10s
'''


def timeout(site, disk):
    return site.guest.sh(f'cat /sys/block/{disk.name}/device/timeout')


def xfs_limits(site, agent):
    """Of a filesystem that is mounted later than its disk appears, as all are; and put back."""
    disk = site.apart
    file = f'/sys/fs/xfs/{disk.name}/error/metadata/EIO/max_retries'
    site.guest.sh(f'modprobe xfs; umount {disk.mountpoint}; '
                  f'/usr/sbin/mkfs.xfs -f --unsupported /dev/{disk.name}', 60)
    site.guest.sh(f'mount -t xfs /dev/{disk.name} {disk.mountpoint}')
    site.guest.wait_for(f'[ $(cat {file}) = 3 ]', 30)
    step(agent.wait_for_line(f'{disk.name}: XfsMaxRetries=: set; it was -1', 10))
    site.guest.write('/etc/unhang/unhangd.conf', CONFIG.replace('XfsMaxRetries=3\n', ''))
    site.guest.sh("kill -HUP $(pidof unhangd | sed 's/.* //')")
    site.guest.wait_for(f'[ $(cat {file}) = -1 ]', 30)
    step('XfsMaxRetries= is put back when the policy leaves it')


def case():
    with Site('busybox', udev=True, tools=True) as site:
        for disk in (site.sick, site.sibling):
            site.guest.sh(f'echo {TIMEOUT} > /sys/block/{disk.name}/device/timeout')
        agent = Agent(site.guest)
        agent.start(CONFIG)
        step(agent.wait_for_line(f'{site.sick.name}: ScsiTimeoutSec=: set; it was {TIMEOUT}', 30))
        prepared = timeout(site, site.sick)
        step(f'device/timeout: {prepared} s')
        site.guest.wait_for(f'[ $(cat /sys/block/{site.sibling.name}/device/timeout) = {prepared} ]')

        xfs_limits(site, agent)
        assert timeout(site, site.sick) == prepared, 'it is set as before'
        site.guest.sh(f'echo {TIMEOUT} > /sys/block/{site.sibling.name}/device/timeout')

        jobs = []
        for disk in (site.sick, site.sibling):
            site.hba.control('tmf', disk.target, 'heal')
            site.hba.control('lose', disk.target, 'write')
            jobs.append(site.guest.bg(f'dd if=/dev/zero of=/dev/{disk.name} bs=4k count=1 seek=4000 '
                                      'oflag=direct 2>&1'))
        began = time.monotonic()
        results = [site.guest.get(job, LIMIT + 120) for job in jobs]
        took = time.monotonic() - began
        step(f'after {took:.0f} s: with the timeout set {results[0]}, without {results[1]}')
        assert took > LIMIT, took
        assert results[0].status == 0 and results[1].status == 1, results


scenario.main(case)
