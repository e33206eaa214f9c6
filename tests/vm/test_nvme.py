#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test_nvme.py KERNEL MULTIPATH IO_TIMEOUT [CASE]: an NVMe controller with two namespaces that
hangs.

One namespace that hangs beside a healthy one, which is left alone; a reset that cures both; a
controller that is gone, whose filesystems end with EIO and are mounted again when it is back; and one
that hangs again after each reset. MULTIPATH is Y or N, IO_TIMEOUT in seconds or infinite.

CASE is one of these instead: "killed", all of unhangd is killed while it ends the controller, at
several moments of it, and started again; "restarted", that happens when the controller has left the
bus; "started", unhangd is started while it hangs, and the kernel gives it up by itself.
"""

import json
import re
import sys
import tempfile
import time

import guest
import scenario
from scenario import Agent, step, wait_until

LIMIT = 5
DAYS = 4294967
PARAMETERS = '/sys/module/nvme_core/parameters'

CONFIG = '''[Detect]
WarnSec=2s
StallSec=5s

[Recover]
SettleSec=5s
'''


def case():
    kernel, multipath, timeout = sys.argv[1:4]
    seconds = DAYS if timeout == 'infinite' else int(timeout)
    with tempfile.TemporaryDirectory(prefix='unhang-nvme.') as folder:
        payload = scenario.make_payload(folder)
        images = [scenario.make_disk(f'{folder}/{name}') for name in ('one', 'two')]
        with guest.Guest('busybox', payload=payload, udev=True, kernel=kernel, tools=True,
                         nvme=[images], append=f'nvme_core.multipath={multipath} '
                                               f'nvme_core.io_timeout={seconds}') as machine:
            step(f'up after {machine.boot_seconds:.1f} s')
            site = Site(machine)
            try:
                print(machine.sh(f'unhang show {site.names()[0]}'))
                if sys.argv[4:]:
                    {'killed': killed, 'restarted': restarted,
                     'started': started}[sys.argv[4]](site)
                    return
                if seconds == DAYS:
                    one_of_two(site)
                if multipath == 'Y' or kernel != '6.1' or seconds != DAYS:
                    cured(site)
                gone_and_back(site)
                time.sleep(LIMIT + 2)  # a hang that comes sooner would be a relapse
                hangs_again(site)
            except BaseException:
                print('\n'.join(site.agent.lines()))
                raise


class Site:
    """Both namespaces, each with an ext4 that is mounted, and unhangd."""

    def __init__(self, machine):
        self.machine = machine
        self.disks = machine.nvme
        self.controller = self.disks[0].controller
        for disk in self.disks:
            machine.sh(f'mkdir -p /mnt/{disk.number} && '
                       f'mount -t ext4 /dev/{disk.name()} /mnt/{disk.number} && '
                       f'echo old > /mnt/{disk.number}/old && sync')
        self.values = self.read_values()
        self.agent = Agent(machine)
        self.agent.start(CONFIG)
        for name in self.names():
            self.agent.wait_for_line(f'{name} .*guarded', 30)

    def names(self):
        """Those by which they are guarded: paths, where there is multipath."""
        return [disk.path() for disk in self.disks]

    def read_values(self):
        return self.machine.sh(f'cat {PARAMETERS}/max_retries {PARAMETERS}/admin_timeout')

    def write(self, *disks):
        """Starts a writer on each of the disks."""
        return [self.machine.bg(f'dd if=/dev/zero of=/mnt/{disk.number}/new bs=64k count=4 '
                                'conv=fsync 2>&1') for disk in disks]

    def states(self):
        status = json.loads(self.machine.sh('unhang status --json || [ $? = 4 ]'))
        return [disk['state'] for disk in status['disks'] if disk['driver'] == 'nvme']

    def wait_for_healthy(self, timeout):
        wait_until(lambda: self.states() == ['healthy', 'healthy'], timeout, 'both are healthy')


def cured(site):
    site.controller.lose_registers()
    jobs = site.write(*site.disks)
    line = site.agent.wait_for_line('recovered: ', LIMIT + 60)
    step(line)
    for job in jobs:
        assert site.machine.get(job, 60).status == 0
    site.wait_for_healthy(60)
    assert count(site, r'\(limit 5s\): controller reset') == 1, 'one incident, one reset'


def count(site, pattern):
    return len([line for line in site.agent.lines() if re.search(pattern, line)])


def one_of_two(site):
    """The other namespace is healthy: it is not reset with the one that hangs."""
    one, two = site.disks
    one.hang()
    jobs = site.write(one)
    step(site.agent.wait_for_line(f'{site.names()[0]} .*beyond BlastRadius=', LIMIT + 30))
    assert site.machine.get(site.write(two)[0], 60).status == 0
    one.release()
    assert site.machine.get(jobs[0], 60).status == 0
    site.wait_for_healthy(60)
    assert count(site, 'controller reset$') == 0


def gone_and_back(site):
    """The controller does not answer at all, and the driver gives it up; later it is there again."""
    names = site.names()
    site.controller.take_away()
    jobs = site.write(*site.disks)
    ends(site, names, jobs)
    give_back(site)
    is_back(site)


def give_back(site):
    site.controller.give_back()
    site.machine.sh('echo 1 > /sys/bus/pci/rescan', 60)


def is_back(site):
    site.wait_for_healthy(120)
    for disk in site.disks:
        site.machine.sh(f'grep old /mnt/{disk.number}/old && '
                        f'echo new > /mnt/{disk.number}/again && sync', 60)
    step('back: both are mounted again, with what was on them')


def hangs_again(site):
    """Each reset works, and it hangs again. There is no way back here: QEMU would carry out what it
    still holds, with memory that the guest has given to somebody else by then."""
    names = site.names()
    ends(site, names, hang(site))


def hang(site):
    for disk in site.disks:
        disk.hang()
    jobs = site.write(*site.disks)
    wait_until(lambda: sum(site.disks[0].inflight()) > 0, 60, 'it hangs')
    site.controller.lose_registers()
    site.controller.keep_losing_registers()
    return jobs


def killed(site):
    """All of unhangd is killed in the midst of an end, and what it has not ended the next one does,
    on both: when the controller is dead and not yet removed, which is when requests still wait for
    it; when it has just left the bus; and while it is being failed, when what was changed for that
    is put back as well."""
    for wanted, condition in (('dead', '[ "$x" = dead ]'), ('gone', 'false')):
        names = site.names()
        state = f'/sys/class/nvme/{site.controller.name()}/state'
        assert site.machine.sh(f'cat {state}') == 'live'
        site.controller.take_away()
        jobs = site.write(*site.disks)
        kill_when(site, f'{state} && ! {condition}')
        found = site.machine.sh(f'cat {state} 2>/dev/null || echo gone')
        step(f'all of unhangd is killed when the controller is to be {wanted}; it is {found}')
        assert found != 'live', 'it was killed too early'
        taken_up(site, names, jobs)
        give_back(site)
        is_back(site)
        time.sleep(LIMIT + 2)  # a hang that comes sooner would be a relapse
    killed_in_the_fail(site)


def kill_when(site, ended, after='true'):
    """Nothing is forked between what is waited for, the end of a loop that reads a file into x, and
    the kill: it may last no more than some hundredths of a second."""
    return site.machine.sh(f'pids=$(pidof unhangd); while read x < {ended}; do :; done 2>/dev/null; '
                           f'kill -9 $pids; {after}', 180)


def killed_in_the_fail(site):
    names = site.names()
    jobs = hang(site)
    # Without multipath the reset does not return, and the controller is ended by a command.
    parameter, value = ('max_retries', '0') if sys.argv[2] == 'Y' else ('admin_timeout', '3')
    file = f'{PARAMETERS}/{parameter}'
    left = kill_when(site, f'{file} && [ "$x" != {value} ]', f'sleep 1; cat {file}')
    assert left == value, f'it was killed too late: {left}'
    step(f'all of unhangd is killed, and nvme_core.{parameter} is still {value}')
    taken_up(site, names, jobs)
    step(f'put back by the next one: {site.read_values().split()}')


def taken_up(site, names, jobs):
    """By a new unhangd, which has said nothing yet."""
    site.agent.start(CONFIG)
    for name in names:
        step(site.agent.wait_for_line(f'{name} .*failed cleanly', 180))
    assert [site.machine.get(job, 60).status for job in jobs] == [1, 1]
    assert not site.machine.sh('grep " /mnt/" /proc/mounts || true')
    wait_until(lambda: not site.machine.tasks_in_d(), 10, 'no task is in D')
    wait_until(lambda: site.read_values() == site.values, 60, 'all is put back')


def started(site):
    """What unhangd would ask of a disk that hangs would keep the kernel from ending it (6.1)."""
    names = site.names()
    site.machine.sh('kill -9 $(pidof unhangd)')
    site.controller.take_away()
    jobs = site.write(*site.disks)
    wait_until(lambda: site.machine.dmesg('timeout, aborting'), 60, 'the kernel has waited enough')
    # It waits so long once more: what is started has to be there by then, and not at its limit.
    time.sleep(int(sys.argv[3]) - LIMIT + 2)
    site.agent.start(CONFIG)
    for name in names:
        step(site.agent.wait_for_line(f'{name} .*gone, no longer guarded', 60))
    assert [site.machine.get(job, 60).status for job in jobs] == [1, 1]
    wait_until(lambda: not site.machine.tasks_in_d(), 10, 'no task is in D')


def restarted(site):
    """Nothing but what unhangd has noted tells the next one of disks that have left the bus: with a
    filesystem that is still held, with all of them unmounted, and with one that cannot be mounted
    at once when its disk is back."""
    one, two = site.names()
    place = f'/mnt/{site.disks[0].number}'
    holder = site.machine.sh(f'cd {place}; sleep 10000 > /dev/null 2>&1 & echo $!')
    site.controller.take_away()
    jobs = site.write(*site.disks)
    site.agent.wait_for_line(f'{two} .*failed cleanly', 180)
    site.agent.wait_for_line(f'{one} .*Device or resource busy', 60)
    restart(site)
    step(site.agent.wait_for_line(f'{one} .*taking up the incident .*given the disk up', 30))
    step(site.agent.wait_for_line(f'{two} .*taking up the incident .*given the disk up', 30))
    assert site.states().count('failed') == 1, site.states()
    for command, status, said in (('status', 4, 'taken up again when it appears'),
                                  (f'show {one}', 4, f'{place}  mount'),
                                  (f'policy {two}', 0, 'StallSec=5s'),
                                  (f'blast-radius {one}', 0, place),
                                  (f'reset --dry-run {two}', 1, 'no rung')):
        result = site.machine.get(site.machine.bg(f'unhang {command} 2>&1'))
        step(f'unhang {command}: {result.status}\n{result.output}')
        assert result.status == status and said in result.output, command
        assert 'seen through' not in result.output, 'nothing is seen of a disk that is gone'
    site.machine.sh(f'kill {holder}')
    site.agent.wait_for_line(f'{one} .*failed cleanly', 60)
    assert not site.machine.sh('grep " /mnt/" /proc/mounts || true')
    assert [site.machine.get(job, 60).status for job in jobs] == [1, 1]

    restart(site)
    wait_until(lambda: site.states() == ['failed', 'failed'], 30, 'both are known to be failed')
    site.machine.sh(f'mv {place} /mnt/away')
    give_back(site)
    step(site.agent.wait_for_line(f'{place}: mount: No such file', 60))
    wait_until(lambda: 'healthy' in site.states(), 60, 'the other one is back')
    restart(site)
    site.machine.sh(f'mv /mnt/away {place}')
    is_back(site)
    assert count(site, 'taking up the incident') == 1, 'of one that has been failed'
    assert count(site, 'given the disk up') == 0, 'both were there'
    files = site.machine.sh('ls /run/unhang/disk-*').split()
    assert len(files) == 2, f'something is left of the disks as they were: {files}'

    time.sleep(LIMIT + 2)  # a hang that comes sooner would be a relapse
    one, two = site.names()
    site.controller.take_away()
    ends(site, [one, two], site.write(*site.disks))
    site.machine.sh(f"rm $(grep -l '^disk .* {one} ' /run/unhang/disk-*)")
    restart(site)
    assert site.states() == ['failed'], site.states()
    step(f'{one} is forgotten')


def restart(site):
    site.machine.sh('kill -9 $(pidof unhangd)')
    site.agent.start(CONFIG)
    site.machine.wait_for('unhang status | grep -q ^nvme', 30)


def ends(site, names, jobs):
    before = [count(site, f'{name} .*failed cleanly') for name in names]
    for name, seen in zip(names, before):
        wait_until(lambda: count(site, f'{name} .*failed cleanly') > seen, 180,
                   f'{name} is failed cleanly')
    statuses = [site.machine.get(job, 60).status for job in jobs]
    assert statuses == [1, 1], statuses
    assert not site.machine.sh('grep " /mnt/" /proc/mounts || true')
    assert not site.machine.tasks_in_d(), site.machine.tasks_in_d()
    assert site.read_values() == site.values, 'a parameter was not put back'
    step('failed: all I/O has ended with EIO, nothing is mounted, no task is in D')


scenario.main(case)
