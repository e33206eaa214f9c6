# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the runs of the campaign have in common: writers, records, the result, what is planted.

hang.py has those with virtio-scsi, hang_nvme.py those with NVMe."""

import collections
import time
import traceback

import guest
import scenario

LIMIT, SETTLE = 5, 3
# Hangs are drawn, not earned: no budget, and no owner, is to keep the agent from any of them.
CONFIG = f'''[Detect]
WarnSec=2s
StallSec={LIMIT}s

[Recover]
SettleSec={SETTLE}s
MaxActs=infinity
IfOwned=act
'''

# The writers of healthy disks: a pause that a starved guest does not explain.
PAUSE = 20

# A port can be opened once, and there are several recorders.
ACKS = '/run/acks'
RELAY = f'mkfifo {ACKS}; (exec 3<>{ACKS}; exec cat <&3 > {scenario.ACKS}) > /dev/null 2>&1 &'

# Faults of the agent, planted by the test itself: that each is found shows that it would be.
PLANTS = {
    'record': 'a record that was acknowledged is wiped out',
    'sibling': 'a healthy disk is reset',
    'endless': 'the disk is never released, and never cured',
}

Result = collections.namedtuple('Result', 'draw outcome seconds acknowledged verified lost harm '
                                          'notes failure clean')


def failed(what, failure):
    return Result(what, '', 0, 0, 0, 0, 0, [], failure, False)


class Again(Exception):
    """The emulation has failed, and not what is tested."""


class Acks:
    """What the writers say, taken in once: the last record, the error and the longest pause of each
    thread."""

    def __init__(self, machine):
        self._lines = machine.acks
        self._seen = 0
        self.last, self.errors = {}, {}
        self._times, self._pauses = {}, {}

    def update(self):
        for line in self._lines[self._seen:]:
            self._seen += 1
            kind, thread, sequence, *rest = line.text.split()
            thread = int(thread)
            if kind == 'E':
                self.errors[thread] = int(rest[0])
                continue
            self.last[thread] = int(sequence)
            pause = line.time - self._times.get(thread, line.time)
            self._pauses[thread] = max(pause, self._pauses.get(thread, 0))
            self._times[thread] = line.time
        return self

    def of(self, threads):
        """The last acknowledged record of each of these threads."""
        self.update()
        return {thread: self.last.get(thread, 0) for thread in threads}

    def errors_of(self, threads):
        self.update()
        return {thread: self.errors[thread] for thread in threads if thread in self.errors}

    def time_of(self, thread):
        """When its last record was acknowledged."""
        return self._times[thread]

    def longest_pause(self, threads):
        """So far, also in one that has not ended."""
        self.update()
        now = time.monotonic()
        return max(max(self._pauses.get(thread, 0), now - self._times.get(thread, now))
                   for thread in threads)


def record(machine, name, threads, folders, options):
    """Start writers; their process is NAME."""
    per_folder = len(threads) // len(folders)
    return machine.bg(f'echo $$ > /run/{name}.pid; exec recorder write '
                      f'--acks {ACKS} --first {threads[0]} '
                      f'--threads {per_folder} {options} {" ".join(folders)}')


def nothing_stays_in_d(machine):
    """A healthy disk's writers are there, too, for a moment each."""
    first = {task.pid: task.name for task in machine.tasks_in_d()}
    for _ in range(60):
        if not first:
            return
        time.sleep(0.2)
        now = {task.pid for task in machine.tasks_in_d()}
        first = {pid: name for pid, name in first.items() if pid in now}
    raise AssertionError(f'in D: {first}')


class Run:
    """One run; what it does is _do() of those that are one. PLANT: see PLANTS."""

    moves_registers = False  # which QEMU may not survive: see scenario.py

    def __init__(self, machine, what, plant):
        self.machine, self.draw, self.plant = machine, what, plant
        self.guest, self.acks = machine.guest, machine.acks
        self.began = time.monotonic()
        self.acknowledged = self.verified = self.lost = self.harm = 0
        self.notes = []
        self.outcome = ''
        self.clean = False  # the guest is as it was before

    def do(self):
        failure = ''
        try:
            self._do()
            assert not self.lost, f'{self.lost} acknowledged records are lost'
            assert not self.harm, 'healthy disks were harmed: ' + '; '.join(self.notes)
        except (guest.Skip, Again):
            raise
        except Exception as error:
            if self.moves_registers and scenario.emulation_failed(error):
                raise Again(scenario.emulation_failed(error)) from error
            failure = traceback.format_exc() + self._evidence()
        return Result(self.draw, self.outcome, time.monotonic() - self.began, self.acknowledged,
                      self.verified, self.lost, self.harm, self.notes, failure, self.clean)

    def _harmed(self, how):
        self.harm += 1
        self.notes.append(how)

    def _wipe_record(self, machine, thread, folder):
        """The last one that was acknowledged."""
        place = self.acks.of([thread])[thread] - 1
        place = place % self.draw.ring if self.draw.ring else place
        machine.sh(f'dd if=/dev/zero of={folder}/records.{thread} bs=4k count=1 seek={place} '
                   'conv=notrunc,fsync 2>&1')

    def _count(self, machine, threads, folders):
        """What is on the disks, against what was acknowledged."""
        per_folder = len(threads) // len(folders)
        output = machine.sh(f'recorder verify --first {threads[0]} --threads {per_folder} '
                            f'{" ".join(folders)}', 60)
        found = {int(words[1]): int(words[2]) for words in map(str.split, output.splitlines())}
        for thread, last in self.acks.of(threads).items():
            self.acknowledged += last
            self.verified += min(last, found.get(thread, 0))
            if found.get(thread, 0) < last:
                self.lost += last - found.get(thread, 0)
                after = self.acks.time_of(thread) - self.lost_at
                self.notes.append(f'thread {thread}: {last} acknowledged, the last of them '
                                  f'{after:.2f} s after the loss, {found.get(thread, 0)} found')
