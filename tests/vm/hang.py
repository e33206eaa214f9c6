# SPDX-License-Identifier: LGPL-2.1-or-later
"""One run of the campaign: a disk hangs under load, and comes to rest again."""

import contextlib
import json
import re
import tempfile
import time

import draw
import guest
import hba
import run
import scenario
import stacks
from draw import FAILED, RECOVERED, STUCK
from run import CONFIG, LIMIT, PAUSE, RELAY, Acks, nothing_stays_in_d, record
from scenario import CLOCKS, Agent, wait_until

# A sampling interval, and what guests that are emulated in software, two at a time, add to it.
LATE = 1 + 9
# For the agent to come to a finding; for all to be at rest, of which up to a minute is a wait
# between two tries.
FINDING, REST = 60, 120
MEGABYTES = 384
MOUNTPOINT = '/mnt/sick'

RECORDER_DIES = 'kill $(cat /run/{0}.pid) 2>/dev/null; true'

class Machine:
    """A busybox guest with unhangd; a sick disk, its sibling; on another HBA a leg, and a disk."""

    def __init__(self, what):
        self._kernel = what.kernel

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix='unhang-campaign.'))
            payload = scenario.make_payload(folder)
            images = [f'{folder}/{name}' for name in ('sick', 'leg')]
            for path in images:
                with open(path, 'wb') as image:
                    image.truncate(MEGABYTES << 20)
            healthy = [scenario.make_disk(f'{folder}/{name}', 1024)
                       for name in ('sibling', 'apart')]
            self.hba = stack.enter_context(hba.Hba('data', [images[0], healthy[0]]))
            self.other = stack.enter_context(hba.Hba('other', [healthy[1], images[1]]))
            self.guest = stack.enter_context(
                guest.Guest('busybox', [self.hba, self.other], payload, udev=True, tools=True,
                            kernel=self._kernel))
            self.guest.sh(f'modprobe -a {stacks.MODULES}; {RELAY}', 60)
            self.sick, self.sibling = self.guest.disk(0), self.guest.disk(1)
            self.apart, self.leg = self.guest.disk(0, 1), self.guest.disk(1, 1)
            for name, folder in ((self.sibling, '/mnt/sibling'), (self.apart, '/mnt/apart')):
                self.guest.sh(f'mkdir -p {folder} && mount -t ext4 /dev/{name} {folder}')
            self.agent = Agent(self.guest)
            self.agent.start(CONFIG)
            for name in self.names():
                self.agent.wait_for_line(f'^{name} .*guarded', 60)
            self.acks = Acks(self.guest)
            self.rested_at = time.monotonic()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception):
        self._stack.close()

    def names(self):
        return [self.sick, self.sibling, self.apart, self.leg]

    def healthy(self):
        """HBA, target and name of each disk that nothing is wrong with."""
        return [(self.hba, 1, self.sibling), (self.other, 0, self.apart),
                (self.other, 1, self.leg)]

    def ask(self, command):
        result = self.guest.get(self.guest.bg(f'unhang {command} --json'), 60)
        assert result.status in (0, 4), result
        return json.loads(result.output)

    def states(self):
        return {disk['name']: disk['state'] for disk in self.ask('status')['disks']
                if disk['name'] in self.names()}


class Run(run.Run):
    def __init__(self, machine, what, plant=None):
        super().__init__(machine, what, plant)
        self.first_line = len(machine.agent.lines())
        self.first_event = len(machine.hba.events())
        self.counts = [sick.stat(target)['tmf'] for sick, target, _ in machine.healthy()]
        self.stack = stacks.Stack(self.guest, what.filesystem, what.stack, machine.sick,
                                  machine.leg, MEGABYTES, MOUNTPOINT)
        # Numbers that no other run in this guest has, so that no old record passes for a new one.
        base = 1000 + 100 * (what.number % draw.BLOCK)
        self.writers = range(base, base + what.threads)
        self.later = range(base + 50, base + 52)
        self.healthy = range(base + 70, base + 72)
        self.checked = False  # by hand, as the agent said that it has to be
        self.fsck = self.by_hand = ''
        self.at_rest = None
        self.rest = 45 if plant == 'endless' else REST

    def _do(self):
        self._prepare()
        self._lose()
        self._follow()
        self._come_to_rest()
        self._judge()
        self._go_on()
        self._verify()
        self._look_for_harm()
        self.stack.unmake()
        self.clean = True

    # Before.

    def _prepare(self):
        what, machine = self.draw, self.machine
        self.stack.make()
        wait_until(lambda: any(node['kind'] == 'mount' and node['text'] == MOUNTPOINT
                               for node in machine.ask(f'show {machine.sick}')['stack']),
                   30, 'unhangd sees the filesystem')
        self.healthy_job = record(self.guest, 'healthy', self.healthy,
                                  ['/mnt/sibling', '/mnt/apart'], '--pause 100')
        self.job = record(self.guest, 'sick', self.writers, [MOUNTPOINT],
                          f'--pause 20 --ring {what.ring} --dirops {what.dirops}')
        self.reader = None
        if what.loss in ('read', 'one', 'all'):
            self.reader = self.guest.bg(
                'echo $$ > /run/reader.pid; '
                f'while dd if=/dev/{machine.sick} of=/dev/null bs=4k count=1 iflag=direct 2>&1; '
                'do sleep 0.2; done')
        wait_until(lambda: all(self.acks.of([*self.writers, *self.healthy]).values()), 60,
                   'everybody has written')
        time.sleep(what.after)
        # A hang that comes sooner would be a relapse.
        time.sleep(max(0, machine.rested_at + LIMIT + 2 - time.monotonic()))
        assert not self._lines(' (stalled|stuck-request|LUN reset)'), self._lines('')

    # The hang.

    def _lose(self):
        mode = {'heal': 'heal', 'second heals': None, 'never heals': 'ok', 'relapse': 'heal',
                'reject': 'reject', 'silent': 'silent', 'unanswered': 'hang', 'released': 'ok'}
        sick = self.machine.hba
        if self.draw.answer == 'second heals':
            sick.control('healafter', 0, 2)
        else:
            sick.control('tmf', 0, mode[self.draw.answer])
        sick.control('lose', 0, self.draw.loss)
        wait_until(lambda: self._events('lost'), 30, f'a {self.draw.loss} is lost')
        self.lost_at = self._events('lost')[0].time
        if self.plant == 'sibling':
            self.guest.sh(f'sg_reset --device --no-esc /dev/{self.guest.sg(1)}')

    def _release(self):
        if self.plant != 'endless':
            self.machine.hba.control('release', 0)

    def _events(self, what):
        return [e for e in self.machine.hba.events()[self.first_event:]
                if e.what == what and e.target == 0]

    def _lines(self, pattern):
        """What unhangd has said of the sick disk in this run."""
        return [line for line in self.machine.agent.lines()[self.first_line:]
                if line.startswith(f'{self.machine.sick} ') and re.search(pattern, line)]

    def _said(self, pattern, timeout=FINDING):
        return wait_until(lambda: self._lines(pattern), timeout,
                          f'unhangd says {pattern} of the sick disk')[-1]

    def _follow(self):
        """Up to where the hypervisor has to let go, if it ever has to."""
        {
            'heal': lambda: self._said('recovered: '),
            'second heals': lambda: self._said('failed cleanly'),
            'never heals': self._never_heals,
            'relapse': self._relapse,
            'released': self._released,
        }.get(self.draw.answer, self._stuck)()

    def _never_heals(self):
        self._said('failed cleanly')
        if self.draw.stack != 'md':
            self._is_failed()
        self._release()

    def _is_failed(self):
        """Everybody has been told, and nothing is left of the filesystem, and nothing in D."""
        wait_until(lambda: len(self.acks.errors_of(self.writers)) == len(self.writers), 20,
                   'every writer is told of an error')
        self.guest.get(self.job, 20)
        assert not self.stack.is_mounted(), 'it is still mounted'
        nothing_stays_in_d(self.guest)

    def _relapse(self):
        self._said('recovered: ')
        wait_until(lambda: set(self.machine.states().values()) == {'healthy'}, 30, 'all is well')
        before = len(self._events('lost'))
        self.machine.hba.control('tmf', 0, 'ok')
        self.machine.hba.control('lose', 0, self.draw.loss)
        wait_until(lambda: len(self._events('lost')) > before, 30, 'it is lost again')
        self._never_heals()

    def _released(self):
        time.sleep(max(0, self.lost_at + self.draw.release - time.monotonic()))
        self._release()
        self.released_at = time.monotonic()

    def _stuck(self):
        self._said('stuck: ')
        assert self.machine.hba.stat(0)['pending'], 'it is said to be stuck, and nothing is out'
        time.sleep(1)
        assert self.machine.hba.stat(0)['pending'], 'it is said to be stuck, and is not'
        self._release()

    # After it.

    def _come_to_rest(self):
        """All disks are healthy, what is mounted works, and every request has ended."""
        wait_until(self._is_at_rest, self.rest, 'all is at rest')
        self.machine.rested_at = time.monotonic()

    def _check_by_hand(self):
        """What has no journal is left to people, who check it before they mount it.

        The records are counted before that: "e2fsck -y" may discard the end of a file that was
        synced ("end of extent exceeds allowed value"), where what is run at boot, and by unhangd
        under systemd, "e2fsck -a", stops. But a directory that changed while it was being written
        may be on the disk with the checksum of neither, and is not to be read before the check.
        """
        self.checked = True
        assert not self.stack.is_mounted(), 'it is mounted, and has not been checked'
        self.stack.mount('ro')
        torn = False
        try:
            self._count(self.guest, self.writers, [MOUNTPOINT])
        except guest.CommandFailed:
            torn = bool(self.guest.dmesg('EXT4-fs error .*: checksumming directory block'))
            if not torn:
                raise
        self.stack.unmount()
        self.by_hand = self.stack.check(True)
        self.stack.mount()
        if torn:
            self.notes.append('a directory was torn')
            self._count(self.guest, self.writers, [MOUNTPOINT])

    def _is_at_rest(self):
        if not self.checked and self._lines('mount: only fsck makes it whole'):
            self._check_by_hand()
        return (not self.machine.hba.stat(0)['pending'] and
                set(self.machine.states().values()) == {'healthy'} and
                self.stack.is_mounted() and (self._goes_on() or self._have_ended()))

    def _goes_on(self):
        """Every writer has written since this was first asked."""
        if self.at_rest is None:
            self.at_rest = self.acks.of(self.writers)
        now = self.acks.of(self.writers)
        return all(now[thread] > last for thread, last in self.at_rest.items())

    def _have_ended(self):
        return len(self.acks.errors_of(self.writers)) == len(self.writers)

    def _judge(self):
        """What became of it, and whether that fits what was drawn."""
        errors = self.acks.errors_of(self.writers)
        failed_cleanly = bool(self._lines('failed cleanly')) and self.draw.stack != 'md'
        if self._lines('stuck: '):
            self.outcome = STUCK
        else:
            self.outcome = FAILED if errors or failed_cleanly else RECOVERED
        self.failed = failed_cleanly
        allowed = self.draw.allowed()
        assert self.outcome in allowed, f'{self.outcome}, not {" or ".join(allowed)}'
        assert bool(errors) == failed_cleanly, f'errors {errors}, failed: {failed_cleanly}'
        expected = len(self.writers) if failed_cleanly else 0
        assert len(errors) == expected, f'{errors}, of {len(self.writers)} writers'
        by_hand = failed_cleanly and self.draw.filesystem == 'ext4 without journal'
        assert self.checked == by_hand, f'left to people to check: {self.checked}'
        self._judge_times()

    def _judge_times(self):
        resets = self._events('reset')
        took = [event.time - self.lost_at for event in resets]
        if took:
            self.notes.append(f'reset after {took[0]:.1f} s')
            assert took[0] >= LIMIT - CLOCKS, f'reset before the limit: after {took[0]:.1f} s'
            assert took[0] <= LIMIT + LATE, f'reset too late: after {took[0]:.1f} s'
        elif self.draw.answer != 'released':
            raise AssertionError('there was no reset')
        if self.draw.answer == 'released' and self.released_at < self.lost_at + LIMIT:
            assert not resets, 'reset, though the disk was released before the limit'

    def _go_on(self):
        """Writers on what is there now; then all writers end."""
        job = record(self.guest, 'later', self.later, [MOUNTPOINT], '--pause 20 --dirops 1')
        wait_until(lambda: min(self.acks.of(self.later).values()) >= 5, 60,
                   'the filesystem can be written again')
        for name in ('later', 'sick', 'reader'):
            self.guest.sh(RECORDER_DIES.format(name))
        self.guest.get(job, 30)
        self.guest.get(self.job, 30)
        if self.reader:
            self.guest.get(self.reader, 30)
        assert not self.guest.done(self.healthy_job), 'the writers on healthy disks have ended'
        self.pause = self.acks.longest_pause(self.healthy)
        self.guest.sh(RECORDER_DIES.format('healthy'))
        self.guest.get(self.healthy_job, 30)
        nothing_stays_in_d(self.guest)

    def _verify(self):
        """Everything is read from the disks, not from memory."""
        if self.plant == 'record':
            self._wipe_record(self.guest, self.writers[0], MOUNTPOINT)
        self.stack.unmount()
        self.fsck = self.stack.check(self.failed)
        if self.fsck:
            self.notes.append('fsck had to mend it')
        self.stack.mount()
        sibling, apart = '/mnt/sibling', '/mnt/apart'
        for name, folder in ((self.machine.sibling, sibling), (self.machine.apart, apart)):
            self.guest.sh(f'umount {folder} && mount -t ext4 /dev/{name} {folder}')
        if not self.checked:
            self._count(self.guest, self.writers, [MOUNTPOINT])
        self._count(self.guest, self.later, [MOUNTPOINT])
        self._count(self.guest, self.healthy, [sibling, apart])
        self.guest.sh(f'rm -f {sibling}/records.* {apart}/records.*')
        self.stack.unmount()

    def _look_for_harm(self):
        machine = self.machine
        for (sick, target, name), before in zip(machine.healthy(), self.counts):
            if sick.stat(target)['tmf'] != before:
                self._harmed(f'{name} was reset')
            state = self.guest.sh(f'cat /sys/block/{name}/device/state')
            if state != 'running':
                self._harmed(f'{name} is {state}')
            for line in self.guest.dmesg(f'I/O error.* dev {name}|rejecting I/O.*{name}'):
                self._harmed(line)
        for thread, number in self.acks.errors_of([*self.later, *self.healthy]).items():
            self._harmed(f'writer {thread} got error {number}')
        # While a reset is not answered, its whole host stands still.
        if self.pause > PAUSE and self.draw.answer != 'unanswered':
            self._harmed(f'writers of healthy disks paused for {self.pause:.0f} s')
        self.guest.sh('dmesg -c > /dev/null')

    def _evidence(self):
        """What there is to tell of a run that failed."""
        try:
            lines = ['--- unhangd:', *self.machine.agent.lines()[self.first_line:],
                     '--- HBA:', *map(str, self.machine.hba.events()[self.first_event:][-40:]),
                     '--- in D:', str(self.guest.tasks_in_d()),
                     '--- status:', self.guest.get(self.guest.bg('unhang status')).output,
                     '--- fsck:', *self.by_hand.splitlines()[-60:], *self.fsck.splitlines()[-30:],
                     '--- kernel:', *self.guest.dmesg()[-30:],
                     '--- console:', *self.guest.console().splitlines()[-5:]]
        except Exception as error:  # a guest that does not answer any more
            return f'(no evidence: {error!r})\n' + self.guest.console()[-2000:]
        return '\n'.join(lines)
