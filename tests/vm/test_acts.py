#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each rung by itself, without the daemon: that it does what it says, and refuses what would never
return. SCSI on scsi_debug, NVMe on a controller with two namespaces."""

import glob
import os
import subprocess
import sys
import tempfile

import guest
import scenario
from scenario import step, wait_until

ROOT = os.path.dirname(os.path.dirname(guest.HERE))
SOURCES = ['tests/vm/act.c', 'agent/decide/names.c', 'agent/observe/device.c',
           'agent/observe/nvme.c']
FOR_EVER = 'nvme_core.io_timeout=4294967'
PARAMETERS = '/sys/module/nvme_core/parameters'
WRITE = 'dd if=/dev/zero of=/mnt/{}/new bs=64k count=4 conv=notrunc,fsync 2>&1'


def make_payload(folder):
    tree = scenario.make_payload(folder)
    sources = [f'{ROOT}/{name}' for name in SOURCES]
    for part in ('act', 'base'):
        sources += glob.glob(f'{ROOT}/agent/{part}/*.c')
    subprocess.run(['cc', '-O1', '-D_GNU_SOURCE', f'-I{ROOT}', '-o', f'{tree}/usr/bin/act',
                    *sources, '-lnvme', '-lsgutils2', '-lsystemd'], check=True)
    return tree


class Acts:
    """act.c in a guest."""

    def __init__(self, machine, *disks):
        self._guest = machine
        self._seen = 0
        machine.sh(f'mkfifo /run/acts; act {" ".join(disks)} <> /run/acts > /run/acts.log 2>&1 &')
        machine.wait_for(f'[ $(grep -c inspected /run/acts.log) = {len(disks)} ] && '
                         f'[ $(grep -c attached /run/acts.log) = {3 * len(disks)} ]', 60)
        log = machine.sh('cat /run/acts.log')
        assert all(' ok ' in line for line in log.splitlines()), log

    def begin(self, name):
        self._seen = len(self._returned(name))
        self._guest.sh(f'echo {name} > /run/acts')

    def end(self, name, timeout=40):
        """How the step that was begun returned, and after how many seconds."""
        wait_until(lambda: len(self._returned(name)) > self._seen, timeout, f'{name} has returned')
        words = self._returned(name)[-1].split()
        step(f'{name}: {words[4]} after {words[5]} s')
        return words[4], float(words[5])

    def do(self, name):
        self.begin(name)
        return self.end(name)[0]

    def _returned(self, name):
        log = self._guest.sh(f'grep "returned {name} " /run/acts.log || true')
        return log.splitlines()


class Controller:
    """A guest with a controller of two namespaces, each with an ext4 that is mounted.

    Nothing but writes may hang there. What QEMU holds when the guest gives a controller up it carries
    out when it is released, and what it reads then goes to memory that is somebody else's by now. So
    all that a writer needs has been read before.
    """

    def __init__(self, machine):
        self.machine = machine
        self.disks = machine.nvme
        self.controller = machine.nvme[0].controller
        self._jobs = []
        for disk in self.disks:
            machine.sh(f'mkdir -p /mnt/{disk.number} && '
                       f'mount -t ext4 -o no_prefetch_block_bitmaps /dev/{disk.name()} '
                       f'/mnt/{disk.number} && {WRITE.format(disk.number)}', 60)
        machine.sh('echo old > /mnt/1/old; sync')
        self.sysfs = f'/sys/class/nvme/{self.controller.name()}'
        self.values = self.read_values()
        self.acts = Acts(machine, *(disk.path() for disk in self.disks))

    def read_values(self):
        return self.machine.sh(f'cat {PARAMETERS}/max_retries {PARAMETERS}/admin_timeout')

    def write(self):
        self._jobs = [self.machine.bg(WRITE.format(disk.number)) for disk in self.disks]
        wait_until(lambda: all(sum(disk.inflight()) > 0 for disk in self.disks), 60, 'they hang')
        assert not any(disk.inflight()[0] for disk in self.disks), 'a read hangs'

    def hang(self):
        for disk in self.disks:
            disk.hang()
        self.write()
        self.controller.lose_registers()

    def hang_again_and_again(self):
        self.hang()
        self.controller.keep_losing_registers()

    def status(self):
        """How the writers ended."""
        return [self.machine.get(job, 30).status for job in self._jobs]

    def pending(self):
        return not any(self.machine.done(job) for job in self._jobs)

    def assert_failed_and_back(self):
        """All I/O has ended with EIO; umount works; what was there before is there again."""
        assert self.status() == [1, 1], self.status()
        for disk in self.disks:
            self.machine.sh(f'umount /mnt/{disk.number}', 30)
        assert self.read_values() == self.values, self.read_values()
        self.controller.keep_registers()
        for disk in self.disks:
            disk.release()
        assert self.acts.do('controller-rescan') == 'ok'
        name = self.disks[0].name()
        self.machine.sh(f'mount -t ext4 /dev/{name} /mnt/1 && grep old /mnt/1/old && '
                        'touch /mnt/1/again && sync && umount /mnt/1', 60)
        step(f'back as {name}, and what was on it')


# What is to be seen of each, by the kernel's arguments.

def fails(site, kernel):
    """Never remove first; the kill switch; then off PCI, and back."""
    site.hang_again_and_again()
    assert site.acts.do('controller-remove') == 'EPERM'
    if kernel == '6.1':
        assert site.acts.do('controller-reset') == 'EPERM'  # nothing could end it
    assert site.pending()
    assert site.acts.do('controller-fail') == 'ok'
    assert site.acts.do('controller-remove') == 'ok'
    site.assert_failed_and_back()


def resets(site, _kernel):
    """A reset cures; where it hangs again after each of them, the kill switch ends it."""
    site.controller.lose_registers()
    site.write()
    assert site.acts.do('controller-reset') == 'ok'
    assert site.status() == [0, 0], site.status()
    site.hang_again_and_again()
    for _ in range(2):
        assert site.acts.do('controller-reset') == 'ok'
        wait_until(lambda: not site.controller.has_registers(), 30,
                   'the registers are lost again')
        assert site.pending()
    assert site.acts.do('controller-fail') == 'ok'
    assert site.acts.do('controller-remove') == 'ok'
    site.assert_failed_and_back()


def ends(site, kernel):
    """A reset that does not return is ended from beside, by what the kernel itself asks."""
    site.hang_again_and_again()
    site.machine.bg(f'echo 1 > {site.sysfs}/reset_controller')
    site.machine.wait_for(f'grep connecting {site.sysfs}/state', 30)
    assert site.acts.do('controller-fail') == 'EBUSY'
    assert site.acts.do('controller-remove') == 'EPERM'
    if kernel == '6.1':
        assert site.acts.do('controller-end') == 'EOPNOTSUPP'
        return
    assert site.acts.do('controller-end') == 'ok'
    assert site.acts.do('controller-remove') == 'ok'
    site.assert_failed_and_back()


def ends_below_a_bridge(site, _kernel):
    """The same by the number of the bus, which is the remove, too."""
    site.hang_again_and_again()
    site.acts.begin('controller-reset')
    site.machine.wait_for(f'grep connecting {site.sysfs}/state', 30)
    assert site.acts.do('controller-end') == 'ok'
    assert site.acts.end('controller-reset')[0] != 'ok'
    site.assert_failed_and_back()


def ends_by_itself(site, _kernel):
    """With a time that is not infinite the kernel ends what a reset has sent again."""
    site.hang_again_and_again()
    assert site.acts.do('controller-reset') == 'ENETRESET'
    assert site.acts.do('controller-remove') == 'ok'
    site.assert_failed_and_back()


CASES = {
    'fails': (fails, f'{FOR_EVER} nvme_core.multipath=N', False),
    'resets': (resets, f'{FOR_EVER} nvme_core.multipath=Y', False),
    'ends': (ends, f'{FOR_EVER} nvme_core.multipath=N', False),
    'ends-below-a-bridge': (ends_below_a_bridge, f'{FOR_EVER} nvme_core.multipath=N', True),
    'ends-by-itself': (ends_by_itself, 'nvme_core.io_timeout=6 nvme_core.multipath=N', False),
}


def nvme(kernel):
    for name, (check, append, bridge) in CASES.items():
        with tempfile.TemporaryDirectory(prefix='unhang-acts.') as folder:
            payload = make_payload(folder)
            images = [scenario.make_disk(f'{folder}/{number}') for number in range(2)]
            with guest.Guest('busybox', payload=payload, kernel=kernel, nvme=[images],
                             nvme_bridge=bridge, append=append) as machine:
                step(f'{name}: {append}: up after {machine.boot_seconds:.1f} s')
                check(Controller(machine), kernel)


def scsi():
    """scsi_debug says which of its handlers was called."""
    with tempfile.TemporaryDirectory(prefix='unhang-acts.') as folder:
        with guest.Guest('busybox', payload=make_payload(folder)) as machine:
            machine.sh('modprobe sg && modprobe scsi_debug opts=0x2000')  # resets are logged
            name = os.path.basename(machine.wait_for('ls -d /sys/block/sd*', 30))
            machine.wait_for(f'ls -d /sys/block/{name}/device/scsi_generic/*', 30)
            acts = Acts(machine, name)
            for rung, handler in (('lun', 'device'), ('target', 'target'), ('bus', 'bus'),
                                  ('host', 'host')):
                before = len(machine.dmesg('scsi_debug_.*_reset$'))
                assert acts.do(f'{rung}-reset') == 'ok'
                lines = machine.dmesg('scsi_debug_.*_reset$')[before:]
                assert len(lines) == 1 and f'scsi_debug_{handler}_reset' in lines[0], lines
            assert acts.do('probe') == 'ok'


def case():
    if sys.argv[1] == 'scsi':
        scsi()
    else:
        nvme(sys.argv[1])


scenario.main(case)
