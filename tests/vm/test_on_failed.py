#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What OnFailed= leaves of a filesystem that a process holds, when its disk was failed and is back:
nothing, shutdown, unmount, lazy-unmount; and remount once the process has let it go.

A disk has one partition, with ext4 on it."""

import scenario
import stacks
from scenario import OFTEN, Agent, Site, step, wait_until

MEGABYTES = 64

LIMIT = 5
CONFIG = OFTEN.format(LIMIT) + '''
[Filesystem]
OnFailed={}
'''

CHOICES = ('nothing', 'shutdown', 'unmount', 'lazy-unmount', 'remount')


class Run:
    def __init__(self, site, agent, choice):
        self.site, self.agent, self.choice = site, agent, choice
        self.where = site.sick.mountpoint
        self.part = f'/dev/{site.sick.name}1'
        site.guest.write('/etc/unhang/unhangd.conf', CONFIG.format(choice))
        site.guest.sh('kill -HUP $(pidof unhangd)')
        if not self.is_mounted():
            site.guest.sh(f'mount -t ext4 {self.part} {self.where}')
        site.guest.sh(f'echo kept > {self.where}/{choice}; sync')
        site.guest.wait_for(f'unhang show {site.sick.name} | grep -q " {self.where} "', 30)
        self.seen = len(agent.lines())
        self.holder = site.guest.sh(f'cd {self.where}; sleep 10000 > /dev/null 2>&1 & echo $!')

    def is_mounted(self):
        return bool(self.site.guest.sh(f'grep " {self.where} " /proc/mounts || true'))

    def said(self, text):
        return any(text in line for line in self.agent.lines()[self.seen:])

    def wait_for(self, text, timeout=120):
        wait_until(lambda: self.said(text), timeout, f'unhangd has said {text}')

    def let_go(self):
        self.site.guest.sh(f'kill {self.holder}')

    def hang(self):
        self.site.lose('write', tmf='ok')
        job = self.site.guest.bg(f'dd if=/dev/zero of={self.where}/lost bs=4k count=1 conv=fsync')
        self.wait_for('in-flight I/O has ended' if self.choice != 'nothing' else 'failed cleanly')
        assert self.site.guest.get(job, 30).status != 0
        return job

    def is_left(self):
        """While the disk is failed: whether it is mounted still, as it should be."""
        if self.choice in ('unmount', 'remount'):
            self.wait_for('Device or resource busy')
            assert self.is_mounted()
            self.let_go()
        self.wait_for('failed cleanly')
        mounted = self.choice in ('nothing', 'shutdown')
        assert self.is_mounted() == mounted, f'mounted: {not mounted}'
        assert self.said('shutdown-filesystem') == (self.choice != 'nothing')
        step(f'{self.choice}: {"mounted" if mounted else "unmounted"}, and failed cleanly')

    def comes_back(self):
        self.site.release()
        self.wait_for('recovered: ')
        assert self.said(': mount: done') == (self.choice == 'remount')
        assert self.is_mounted() == (self.choice in ('nothing', 'shutdown', 'remount'))
        if self.choice == 'lazy-unmount':
            self.site.guest.sh(f'[ -d /proc/{self.holder} ]')
        if self.choice not in ('unmount', 'remount'):
            self.let_go()
        if self.choice in ('nothing', 'shutdown'):
            # Dead on a disk that is well; unmounting is what was not to be done.
            self.site.guest.sh(f'umount {self.where}')
        if self.choice != 'remount':
            self.site.guest.sh(f'mount -t ext4 {self.part} {self.where}')
        assert self.site.guest.sh(f'cat {self.where}/{self.choice}') == 'kept'
        self.site.guest.sh(f'echo more > {self.where}/more && sync')
        self.site.guest.wait_for(f'unhang status {self.site.sick.name}', 60)
        self.site.guest.sh(f'sleep {LIMIT + 1}')


def case():
    with Site('busybox', udev=True, tools=True) as site:
        name = site.sick.name
        site.guest.sh(f'umount {site.sick.mountpoint} && ' +
                      stacks.BUILD['partition'].format(disk=name, label=stacks.label(MEGABYTES)), 60)
        site.guest.wait_for(f'[ -b /dev/{name}1 ]', 30)
        site.guest.sh(stacks.MAKE['ext4'].format(f'/dev/{name}1'), 60)
        agent = Agent(site.guest)
        agent.start(CONFIG.format('remount'))
        agent.wait_for_line(f'{name} .*guarded', 30)
        try:
            for choice in CHOICES:
                step(f'---- OnFailed={choice} ----')
                run = Run(site, agent, choice)
                run.hang()
                run.is_left()
                run.comes_back()
        except BaseException:
            print('\n'.join(agent.lines()))
            raise


scenario.main(case)
