#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The reset brings nothing back: fail cleanly, and mount again when the disk answers.

EIO within the deadline, the filesystem shut down and unmounted, no task left in D; then the disk
answers again, the journal is replayed, and every acknowledged record is there.
"""

import scenario
from scenario import Agent, Site, step, wait_until

THREADS = 4
LIMIT, SETTLE = 5, 5
# Both, a sampling interval for each, and what a software-emulated guest adds to it.
DEADLINE = LIMIT + SETTLE + 2 + 8


def case():
    with Site('debian') as site:
        guest = site.guest
        agent = Agent(guest)
        agent.start()
        job = site.record(site.sick, threads=THREADS, options='--dirops 2')
        wait_until(lambda: min(site.acknowledged().get(i, 0) for i in range(THREADS)) > 3, 60,
                   'everybody has written')

        holder = guest.sh(f'unshare --mount --propagation private sleep 1000 > /dev/null 2>&1 & '
                          'echo $!')
        guest.wait_for(f'grep " {site.sick.mountpoint} " /proc/{holder}/mounts && '
                       f'[ $(readlink /proc/{holder}/ns/mnt) != $(readlink /proc/1/ns/mnt) ]', 30)

        step('the hypervisor loses the I/O, and again what comes back by a reset')
        site.lose(tmf='ok')
        wait_until(lambda: site.pending() > 0, 30, 'I/O is lost')
        first_lost = site.hba.events('lost')[0].time
        wait_until(lambda: len(site.errors()) == THREADS, 60, 'every writer is told of an error')
        took = max(line.time for line in list(guest.acks) if line.text.startswith('E')) - first_lost
        step(f'all writers have an error {took:.1f} s after the first loss: {site.errors()}')
        assert took <= DEADLINE, took
        step(agent.wait_for_entry(60, UNHANG_EVENT='failed')['MESSAGE'])
        assert not guest.sh(f'grep " {site.sick.mountpoint} " /proc/mounts || true'), 'mounted'
        guest.get(job, 60)
        wait_until(lambda: not guest.tasks_in_d(), 30, 'no task is in D')
        status = guest.get(guest.bg('unhang status')).output
        step('\n' + status)
        assert ' failed ' in status, status

        step('udev looks at it again, and cannot read its serial: it is the same disk all the same')
        guest.sh(f'udevadm trigger --action=change --settle /sys/block/{site.sick.name}', 60)
        serial = guest.sh(f'udevadm info -q property /sys/block/{site.sick.name} | '
                          'grep ^ID_SERIAL= || true')
        assert not serial, f'udev could read it: {serial}'
        rows = [line for line in guest.get(guest.bg('unhang status')).output.splitlines()
                if line.split()[:1] == [site.sick.name]]
        assert len(rows) == 1 and ' failed ' in rows[0] and '1UNHANG_' in rows[0], rows

        step('it is asked for again and again, in vain')
        agent.wait_for_line('asking the disk', 60)
        agent.wait_for_line('does not answer yet', 60)
        tries = site.hba.stat(site.sick.target)['reset']
        assert tries >= 3, tries

        step('the hypervisor comes back')
        site.release()
        step('another mount namespace still holds the dead filesystem: it is not mounted on it')
        step(agent.wait_for_line('could be mounted .*busy', 120))
        assert not guest.sh(f'grep " {site.sick.mountpoint} " /proc/mounts || true'), 'mounted'
        guest.sh(f'kill {holder}')
        step(agent.wait_for_entry(120, UNHANG_EVENT='recovered')['MESSAGE'])
        guest.sh(f'grep " {site.sick.mountpoint} ext4 rw" /proc/mounts')
        assert guest.dmesg(f'EXT4-fs .{site.sick.name}.: recovery complete'), guest.dmesg('EXT4')
        verdict = site.verify(site.sick, threads=THREADS)
        step(str(verdict))
        assert verdict.lost == 0 and verdict.acknowledged > THREADS, verdict
        guest.sh(f'echo alive > {site.sick.mountpoint}/alive && sync -f {site.sick.mountpoint}')
        guest.sh('unhang status')
        assert site.hba.stat(site.sibling.target)['tmf'] == 0, 'the healthy LUN was reset'

        step('and it is clean')
        guest.sh(f'umount {site.sick.mountpoint}')
        # With an error noted in the superblock, ext4 forgets the inodes that were being removed
        # (fs/ext4/orphan.c: ext4_orphan_cleanup), and leaves them to e2fsck.
        if guest.dmesg(f'EXT4-fs .{site.sick.name}.: Errors on filesystem, clearing orphan list'):
            step(guest.sh(f'e2fsck -p /dev/{site.sick.name} || [ $? = 1 ]', 60))
        guest.sh(f'e2fsck -fn /dev/{site.sick.name}', 60)


scenario.main(case)
