# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the cases have in common: the disks, the fault, the writers, the agent, the verdict."""

import collections
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import guest
import hba
from guest import Skip

SKIPPED = 77

# QEMU 10 under software emulation may abort when the guest moves the registers of a device about, for
# one thread changes the map of the memory while another is about to use it. Once in a dozen runs that
# take a controller off PCI, a guest halts with both processors and is waked by nothing. That is not
# ours: no agent takes part in some of these. Such a case is run once more, and says so; if it was
# ours after all, it fails again.
QEMU_ABORT = 'iotlb_to_section: Assertion'
AGAIN = 'UNHANG_TEST_AGAIN'

# Limits short enough for a test. Under TCG everything takes several times longer than on metal.
CONFIG = '''[Detect]
WarnSec=2s
StallSec=5s

[Recover]
SettleSec=5s
'''

# The same for a disk that hangs more often than it may be acted on in an hour.
OFTEN = '''[Detect]
WarnSec=2s
StallSec={}s

[Recover]
SettleSec=3s
MaxActs=16
MaxActsWindowSec=1min
'''

# By so many seconds a guest's clock may be ahead of the host's over the length of a limit.
CLOCKS = 0.1

ACKS = '/dev/virtio-ports/acks'
RECORDER_PID = '/run/recorder.pid'

Verdict = collections.namedtuple('Verdict', 'acknowledged verified lost')

started = time.monotonic()


def step(text):
    """Say what is going on."""
    print(f'[{time.monotonic() - started:6.1f}] {text}', flush=True)


def emulation_failed(error):
    """What the emulation has done by itself, as far as that can be told; None if nothing.

    What has failed first may be followed by what failed while the end was being told.
    """
    while error:
        if isinstance(error, guest.Frozen):
            return 'the guest as a whole is frozen'
        if QEMU_ABORT in str(error):
            return f'QEMU itself has aborted ({QEMU_ABORT})'
        error = error.__context__
    return None


def main(case):
    """Run a case as a program: the exit status is what meson expects."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        case()
    except Skip as reason:
        print(f'SKIP: {reason}')
        sys.exit(SKIPPED)
    except Exception as error:
        traceback.print_exc(file=sys.stdout)
        if emulation_failed(error) and AGAIN not in os.environ:
            step(f'{emulation_failed(error)}: once more from the beginning')
            sys.stdout.flush()
            os.execve(sys.executable, [sys.executable] + sys.argv, os.environ | {AGAIN: 'yes'})
        step('FAILED')
        sys.exit(1)
    step('passed')


def wait_until(condition, timeout, what):
    """Wait until CONDITION() is true, and return what it returned."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise guest.Timeout(f'not so after {timeout} s: {what}')
        time.sleep(0.1)


def holds_for(condition, seconds, what):
    """Watch for so long that CONDITION() stays true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), f'no longer so: {what}'
        time.sleep(1)


def make_payload(folder):
    """The tree for the guests: what 'meson install' made of this project, and the recorder."""
    installed = os.environ.get('UNHANG_PAYLOAD')
    if not installed:
        raise Skip('UNHANG_PAYLOAD is not set: give it the tree that '
                   '"meson install --destdir TREE" made, or run tests/run vm')
    if not shutil.which('qemu-system-x86_64'):
        raise Skip('there is no qemu-system-x86_64')
    tree = os.path.join(folder, 'payload')
    shutil.copytree(installed, tree, symlinks=True)
    os.makedirs(f'{tree}/usr/bin', exist_ok=True)
    subprocess.run(['cc', '-static', '-O2', '-pthread', '-o', f'{tree}/usr/bin/recorder',
                    f'{guest.HERE}/recorder.c'], check=True)
    return tree


def enable(tree):
    """What "systemctl enable unhangd" does, in a tree."""
    wants = f'{tree}/etc/systemd/system/sysinit.target.wants'
    os.makedirs(wants)
    os.symlink('/usr/lib/systemd/system/unhangd.service', f'{wants}/unhangd.service')


def make_disk(path, megabytes=64):
    """An image with an ext4 that starts no I/O of its own."""
    with open(path, 'wb') as image:
        image.truncate(megabytes << 20)
    subprocess.run(['mke2fs', '-q', '-t', 'ext4', '-F', '-E', 'lazy_itable_init=0,'
                    'lazy_journal_init=0', path], check=True)
    return path


def tell_records(acknowledged, verified, lost):
    """In a form that tests/run adds up."""
    step(f'records: {acknowledged} acknowledged, {verified} verified, {lost} lost')


def compare(acknowledged, found):
    """The last record of each thread that was acknowledged, against the last that is there."""
    verified = sum(min(last, found.get(thread, 0)) for thread, last in acknowledged.items())
    verdict = Verdict(sum(acknowledged.values()), verified, sum(acknowledged.values()) - verified)
    tell_records(*verdict)
    return verdict


def last_words(machine):
    """What unhangd said last, as far as the guest of a case that has failed still tells."""
    try:
        return Agent(machine).lines()[-20:]
    except Exception as error:
        return [f'(not known: {error})']


class Disk:
    """A disk of the site: its names in this boot of the guest, and where it is mounted."""

    def __init__(self, machine, target, hba_number, image, mountpoint):
        self.target = target
        self.image = image
        self.mountpoint = mountpoint
        self.name = machine.disk(target, hba_number)
        self.sg = machine.sg(target, hba_number)


class Site:
    """A guest with three data disks, each with an ext4 that is mounted.

    sick and sibling (/mnt/sick, /mnt/sibling) share the HBA that can be made ill, self.hba;
    apart (/mnt/apart) is on an HBA of its own, as a healthy data disk would be.
    enabled: unhangd is started by systemd as the guest boots.
    """

    def __init__(self, kind, enabled=False, **options):
        self._kind = kind
        self._enabled = enabled
        self._options = options

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix='unhang-site.'))
            payload = make_payload(folder)
            if self._enabled:
                enable(payload)
            images = [make_disk(f'{folder}/{name}') for name in ('sick', 'sibling')]
            # Writers go on there for as long as a case lasts, on a host of any speed.
            images.append(make_disk(f'{folder}/apart', 1024))
            self.hba = stack.enter_context(hba.Hba('data', images[:2]))
            other = stack.enter_context(hba.Hba('other', images[2:]))
            self.guest = stack.enter_context(
                guest.Guest(self._kind, [self.hba, other], payload, **self._options))
            step(f'{self._kind} guest is up after {self.guest.boot_seconds:.1f} s')
            self.sick = Disk(self.guest, 0, 0, images[0], '/mnt/sick')
            self.sibling = Disk(self.guest, 1, 0, images[1], '/mnt/sibling')
            self.apart = Disk(self.guest, 0, 1, images[2], '/mnt/apart')
            for disk in (self.sick, self.sibling, self.apart):
                self.mount(disk)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind, value, trace):
        if kind:
            step(f'the last events of the HBA: {self.hba.events()[-20:]}')
            for line in last_words(self.guest):
                step(f'unhangd said: {line}')
        self._stack.close()

    def mount(self, disk):
        self.guest.sh(f'mkdir -p {disk.mountpoint} && '
                      f'mount -t ext4 /dev/{disk.name} {disk.mountpoint}')

    def merge_nothing(self):
        """On a busy host requests wait, and those of neighbours on the disk would become one."""
        self.guest.sh(f'echo 2 > /sys/block/{self.sick.name}/queue/nomerges')

    # The fault.

    def lose(self, kind='rw', tmf='heal'):
        """From now on the sick disk loses what KIND says; TMF is what a reset then does."""
        self.hba.control('tmf', self.sick.target, tmf)
        self.hba.control('lose', self.sick.target, kind)

    def pending(self):
        """How many commands the sick disk has swallowed and not given back."""
        return self.hba.stat(self.sick.target)['pending']

    def release(self):
        self.hba.control('release', self.sick.target)

    # The writers.

    def record(self, *disks, threads=4, options=''):
        """Start writers in the root directories of these disks; see recorder.c."""
        folders = ' '.join(disk.mountpoint for disk in disks)
        return self.guest.bg(f'echo $$ > {RECORDER_PID}; exec recorder write --acks {ACKS} '
                             f'--threads {threads} {options} {folders}')

    def stop_recording(self, job):
        """End the writers; to be called when none of them hangs."""
        assert not self.guest.done(job), f'the writers have ended: {self.guest.get(job)}'
        self.guest.sh(f'kill $(cat {RECORDER_PID})')
        self.guest.get(job, 60)

    def acknowledged(self):
        """The last acknowledged record of each thread."""
        last = {}
        for line in list(self.guest.acks):
            kind, thread, *rest = line.text.split()
            if kind == 'A':
                last[int(thread)] = int(rest[0])
        return last

    def errors(self):
        """Threads that were told of an error, with its number."""
        lines = [line.text.split() for line in list(self.guest.acks)]
        return {int(words[1]): int(words[3]) for words in lines if words[0] == 'E'}

    def verify(self, *disks, threads=4):
        """What is on the disks, against what was acknowledged."""
        folders = ' '.join(disk.mountpoint for disk in disks)
        output = self.guest.sh(f'recorder verify --threads {threads} {folders}', 60)
        found = {}
        for line in output.splitlines():
            _, thread, last, _ = line.split()
            found[int(thread)] = int(last)
        return compare(self.acknowledged(), found)


class Agent:
    """unhangd in a guest: a systemd service, or started by hand in a busybox guest."""

    LOG = '/run/unhangd.log'

    def __init__(self, machine):
        self._guest = machine

    def start(self, config=CONFIG):
        self._guest.write('/etc/unhang/unhangd.conf', config)
        if self._guest.kind == 'debian':
            self._guest.sh('systemctl start unhangd', 60)
        else:
            self._guest.sh(f'unhangd > {self.LOG} 2>&1 &')

    def lines(self):
        """The messages, oldest first."""
        if self._guest.kind == 'debian':
            return [entry['MESSAGE'] for entry in self.entries()]
        return self._guest.sh(f'cat {self.LOG}').splitlines()

    def entries(self):
        """The journal entries, with UNHANG_DISK, UNHANG_EVENT, UNHANG_STEP ... (debian only)."""
        output = self._guest.sh('journalctl -u unhangd -o json --no-pager', 60)
        return [json.loads(line) for line in output.splitlines()]

    def wait_for_line(self, pattern, timeout):
        """The first message in which the pattern is found."""
        def find():
            return next((line for line in self.lines() if re.search(pattern, line)), None)
        return wait_until(find, timeout, f'a message of unhangd with {pattern}')

    def wait_for_entry(self, timeout, **fields):
        """The first journal entry with these fields."""
        def find():
            return next((entry for entry in self.entries()
                         if fields.items() <= entry.items()), None)
        return wait_until(find, timeout, f'a journal entry of unhangd with {fields}')
