# SPDX-License-Identifier: LGPL-2.1-or-later
"""One run of the campaign with NVMe: a controller of two namespaces hangs under load. Whatever
becomes of it, the guest is cut off at the end, and another one reads what is on the disks."""

import contextlib
import json
import re
import tempfile
import time

import guest
import run
import scenario
import stacks
from draw import FAILED, RECOVERED
from draw_nvme import GONE, LEFT
from run import CONFIG, LIMIT, PAUSE, RELAY, Acks, nothing_stays_in_d, record
from scenario import Agent, wait_until

DAYS = 4294967
PARAMETERS = '/sys/module/nvme_core/parameters'
MEGABYTES = 384
LOAD = f'modprobe -a {stacks.MODULES} || true'  # some are part of some kernels
SICK, APART = ('/mnt/1', '/mnt/2'), '/mnt/apart'

# From the loss to where all is decided: a reset that does not return has its time, twice if unhangd
# is killed, and the driver takes its own until it gives a controller up.
DECIDED = 300


class Machine:
    """A busybox guest with unhangd; a controller with two namespaces, another with one."""

    def __init__(self, what):
        self.draw = what

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix='unhang-campaign.'))
            self.payload = scenario.make_payload(folder)
            self.images = [f'{folder}/{name}' for name in ('one', 'two')]
            for path in self.images:
                with open(path, 'wb') as image:
                    image.truncate(MEGABYTES << 20)
            self.images.append(scenario.make_disk(f'{folder}/apart', 1024))
            self.guest = stack.enter_context(self.boot())
            self.acks = Acks(self.guest)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception):
        self._stack.close()

    def boot(self):
        what = self.draw
        seconds = DAYS if what.timeout == 'infinite' else what.timeout
        return guest.Guest('busybox', payload=self.payload, udev=True, tools=True,
                           kernel=what.kernel, nvme=[self.images[:2], self.images[2:]],
                           append=f'nvme_core.multipath={what.multipath} '
                                  f'nvme_core.io_timeout={seconds}')


class Run(run.Run):
    moves_registers = True

    def __init__(self, machine, what, plant=None):
        super().__init__(machine, what, plant)
        self.disks = self.guest.nvme[:2]
        self.controller = self.disks[0].controller
        self.writers = [range(first, first + what.threads) for first in (1000, 1100)]
        self.later = [range(first, first + 2) for first in (2000, 2100)]
        self.healthy = range(3000, 3002)
        self.everybody = [*self.writers[0], *self.writers[1]]
        self.earlier = []       # what an unhangd has said that was killed
        self.first_seen = None  # the records after the limit
        self.patience = 45 if plant == 'endless' else DECIDED

    def _do(self):
        self._prepare()
        self._lose()
        self._kill()
        self._follow()
        self._judge()
        self._come_back()
        self._look_for_harm()
        self._verify()
        self.clean = True

    # Before.

    def _prepare(self):
        what, machine = self.draw, self.guest
        machine.sh(f'{LOAD}; {RELAY}', 60)
        for disk, place in zip(self.disks, SICK):
            stacks.Stack(machine, what.filesystem, 'disk', disk.name(), None, MEGABYTES,
                         place).make()
        apart = machine.nvme[2]
        machine.sh(f'mkdir -p {APART} && mount -t ext4 /dev/{apart.name()} {APART}')
        self.names = [disk.path() for disk in self.disks]
        self.apart = (apart.path(), apart.controller.name())
        self.values = self._values()
        self.agent = Agent(machine)
        self.agent.start(CONFIG)
        for name in (*self.names, apart.path()):
            self.agent.wait_for_line(f'^{name} .*guarded', 60)
        self.kernel_lines = len(self._of_apart())
        record(machine, 'healthy', self.healthy, [APART], '--pause 100')
        for name, threads, place in zip(('one', 'two'), self.writers, SICK):
            record(machine, name, threads, [place],
                   f'--pause 20 --ring {what.ring} --dirops {what.dirops}')
        wait_until(lambda: all(self.acks.of([*self.everybody, *self.healthy]).values()), 60,
                   'everybody has written')
        time.sleep(what.after)
        assert not self._lines(' (stalled|controller reset)'), self._lines('')

    def _values(self):
        return self.guest.sh(f'cat {PARAMETERS}/max_retries {PARAMETERS}/admin_timeout')

    def _of_apart(self):
        return self.guest.dmesg(f'nvme {self.apart[1]}: |I/O error.* dev {self.apart[0]}')

    # The hang.

    def _lose(self):
        self.lost_at = time.monotonic()
        {'deaf': self.controller.lose_registers, 'gone': self.controller.take_away,
         'deaf again': self._deaf_again, 'one namespace': self._hang_one}[self.draw.fault]()
        if self.plant == 'sibling':
            self.guest.sh(f'echo 1 > /sys/class/nvme/{self.apart[1]}/reset_controller')

    def _hang(self, disks):
        """No request of the guest may come in between, for it would have QEMU wait for it."""
        self.guest.monitor.execute('stop')
        for disk in disks:
            disk.hang()
        self.guest.monitor.execute('cont')

    def _hang_one(self):
        self._hang(self.disks[:1])

    def _deaf_again(self):
        """What hangs in QEMU is never carried out there: what is sent again is what has to end."""
        self._hang(self.disks)
        wait_until(lambda: all(sum(disk.inflight()) for disk in self.disks), 60, 'both hang')
        self.controller.lose_registers()
        self.controller.keep_losing_registers()

    def _kill(self):
        if self.plant == 'endless':
            self.guest.sh('kill -9 $(pidof unhangd)')
        if self.draw.kill is None or self.plant == 'endless':
            return
        time.sleep(max(0, self.lost_at + self.draw.kill - time.monotonic()))
        self.earlier = self.agent.lines()
        self.guest.sh('kill -9 $(pidof unhangd)')
        time.sleep(self.draw.down)
        self.agent.start(CONFIG)
        self.guest.wait_for('unhang status | grep -q nvme', 60)

    def _lines(self, pattern):
        """What any unhangd has said."""
        return [line for line in [*self.earlier, *self.agent.lines()] if re.search(pattern, line)]

    def _states(self):
        result = self.guest.get(self.guest.bg('unhang status --json'), 60)
        assert result.status in (0, 4), result
        return [disk['state'] for disk in json.loads(result.output)['disks']
                if disk['driver'] == 'nvme' and disk['name'] != self.apart[0]]

    # What becomes of it.

    def _follow(self):
        if self.draw.fault == 'one namespace':
            self._left_alone()
        self.outcome = wait_until(self._decided, self.patience, 'it goes on, or is failed')
        if self.draw.fault == 'one namespace' and self.outcome == RECOVERED:
            self.outcome = LEFT
        if self.outcome == FAILED:
            wait_until(lambda: self._states() in (['failed', 'failed'], []), 180,
                       'both are failed, or no longer guarded')
            self.outcome = FAILED if self._states() else GONE

    def _left_alone(self):
        one, two = self.writers
        wait_until(lambda: self._lines(f'^{self.names[0]} .*beyond BlastRadius='), self.patience,
                   'unhangd says why it does nothing')
        before = self.acks.of(two)
        time.sleep(LIMIT)
        now = self.acks.of(two)
        assert all(now[thread] > last for thread, last in before.items()), 'the other one stands'
        self.disks[0].release()

    def _decided(self):
        if len(self.acks.errors_of(self.everybody)) == len(self.everybody):
            return FAILED
        if time.monotonic() < self.lost_at + LIMIT:
            return ''
        if self.first_seen is None:
            self.first_seen = self.acks.of(self.everybody)
        now = self.acks.of(self.everybody)
        if not all(now[thread] > last for thread, last in self.first_seen.items()):
            return ''
        return RECOVERED if self._states() == ['healthy', 'healthy'] else ''

    def _judge(self):
        allowed = self.draw.allowed()
        assert self.outcome in allowed, f'{self.outcome}, not {" or ".join(allowed)}'
        if self.outcome == FAILED:
            mounts = self.guest.sh('cat /proc/mounts')
            assert not any(f' {place} ' in mounts for place in SICK), mounts
        elif self.outcome != GONE:
            assert not self.acks.errors_of(self.everybody), 'writers got errors'
        resets = [line for line in self._lines(r'\): controller reset$')
                  if line.startswith(tuple(self.names))]
        assert self.outcome != LEFT or not resets, resets
        nothing_stays_in_d(self.guest)
        wait_until(lambda: self._values() == self.values, 90, 'all is put back')

    def _come_back(self):
        if self.outcome != FAILED or self.draw.fault == 'deaf again':
            return
        if self.draw.fault == 'gone':
            self.controller.give_back()
        self._remove_left()
        self.guest.sh('echo 1 > /sys/bus/pci/rescan', 60)
        wait_until(lambda: self._states() == ['healthy', 'healthy'], 120, 'both are back')
        for name, threads, place in zip(('one', 'two'), self.later, SICK):
            record(self.guest, f'{name}-later', threads, [place], '--pause 20 --dirops 1')
        everybody = [*self.later[0], *self.later[1]]
        wait_until(lambda: min(self.acks.of(everybody).values()) >= 5, 60,
                   'the filesystems can be written again')

    def _remove_left(self):
        """Who kills unhangd while a driver gives up its device may find that without one (6.1)."""
        left = self.guest.sh(f'cd {self.controller.pci()} 2>/dev/null && [ ! -e driver ] && '
                             'echo 1 > remove && echo left || true', 60)
        if left:
            assert self.draw.kill is not None and self.draw.kernel == '6.1', 'left without a driver'
            self.notes.append('left without a driver')

    def _look_for_harm(self):
        for line in self._of_apart()[self.kernel_lines:]:
            # What the driver says last when it has set a controller up.
            how = 'was reset' if line.endswith(' queues') else 'is not well'
            self._harmed(f'{self.apart[1]} {how}: {line}')
        for line in self._lines(rf'^{self.apart[0]} \(.*\): (?!guarded).*controller'):
            self._harmed(line)
        for thread, number in self.acks.errors_of(self.healthy).items():
            self._harmed(f'writer {thread} got error {number}')
        pause = self.acks.longest_pause(self.healthy)
        if pause > PAUSE:
            self._harmed(f'the writers of a healthy disk paused for {pause:.0f} s')

    # After it: as if the power had gone.

    def _verify(self):
        self.controller.keep_registers()
        self.guest.kill()
        with self.machine.boot() as other:
            other.sh(LOAD, 60)
            kinds = (self.draw.filesystem, self.draw.filesystem, 'ext4')
            for disk, kind, place in zip(other.nvme, kinds, (*SICK, APART)):
                other.sh(f'mkdir -p {place} && mount -t {kind} /dev/{disk.name()} {place}', 120)
            if self.plant == 'record':
                self._wipe_record(other, self.writers[0][0], SICK[0])
            for threads, place in zip((*self.writers, *self.later, self.healthy),
                                      (*SICK, *SICK, APART)):
                self._count(other, threads, [place])

    def _evidence(self):
        """What there is to tell of a run that failed."""
        try:
            lines = ['--- unhangd:', *self.earlier, '--- the last one:', *self.agent.lines(),
                     '--- in D:', str(self.guest.tasks_in_d()),
                     '--- status:', self.guest.get(self.guest.bg('unhang status')).output,
                     '--- kernel:', *self.guest.dmesg()[-30:]]
        except Exception as error:  # a guest that does not answer any more
            return f'(no evidence: {error!r})'
        return '\n'.join(lines)
