# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks that QEMU itself serves, NVMe and virtio-blk, and how to make them hang.

They hang in QEMU's throttle, above the image: what sits there is lost to the guest until release().
There is no way but that one back: a guest that resets an NVMe controller while a disk of it hangs
makes QEMU wait for its requests, and so the whole guest stands still, unless the controller has
lost its registers first (see lose_registers).
"""

import contextlib
import os
import re
import threading

# Shadow doorbells lose requests when the controller is reset. QEMU 7 cannot do without them.
NVME_OPTIONS = 'dbcs=off'

FIRST_NVME_SLOT = 0x08
FIRST_VIRTIO_SLOT = 0x18

# How many bytes a disk that hangs has to pay off, at one per second, before the next request.
DEBT = 1 << 20

COMMAND = 4  # PCI's command register
MEMORY_SPACE = 2  # in there: the device answers at its memory addresses
BAR = 0x14  # the upper half of the address of an NVMe controller's registers
BUS_NUMBERS = 0x18  # of a bridge: the byte in the middle is that of the bus below

# Where the firmware of a q35 has the configuration spaces of all of PCI.
CONFIG_SPACES = 0xb0000000
IDENTITY = 0x00101b36  # QEMU's NVMe controller: at the beginning of its own

# For how many seconds a controller that keeps losing its registers has them after a reset.
LEFT_ALONE = 1.5


class BlockDisk:
    """A disk that can hang. NUMBER is its number among those of its kind."""

    def __init__(self, machine, device, image):
        self._guest = machine
        self._device = device
        self._throttled = device  # what QEMU knows the owner of the throttle by
        self.image = image

    def drive(self):
        """The argument of -drive."""
        return f'if=none,id={self._device}-drive,file={self.image},format=raw,cache=writeback'

    def hang(self):
        """From now on no read and no write comes back; a flush with nothing to write does.

        The first request passes an empty bucket, so the bucket is filled with one of our own.
        """
        self._throttle(1)
        self._guest.monitor.hmp(f'qemu-io -d {self._throttled} "read 0 {DEBT}"')

    def release(self):
        """Serve again, what waits first."""
        self._throttle(0)

    # For a disk whose image is "blkdebug::PATH": a flush, and nothing else, is lost.

    def hang_flush(self):
        self._guest.monitor.hmp(f'qemu-io -d {self._throttled} "break flush_to_disk flush"')

    def release_flush(self):
        self._guest.monitor.hmp(f'qemu-io -d {self._throttled} "resume flush"')

    def _throttle(self, bytes_per_second):
        self._guest.monitor.execute('block_set_io_throttle', id=self._throttled,
                                    bps=bytes_per_second, bps_rd=0, bps_wr=0,
                                    iops=0, iops_rd=0, iops_wr=0)

    def inflight(self):
        """How many reads and writes the guest waits for."""
        reads, writes = self._guest.sh(f'cat {self.sysfs()}/inflight').split()
        return int(reads), int(writes)

    def sysfs(self):
        """The folder in the guest's sysfs in which requests are counted."""
        return f'/sys/block/{self.name()}'


class VirtioDisk(BlockDisk):
    """A virtio-blk disk, with the serial number blkN."""

    def __init__(self, machine, number, image):
        super().__init__(machine, f'blk{number}', image)
        self._slot = FIRST_VIRTIO_SLOT + number
        self._throttled = f'/machine/peripheral/{self._device}/virtio-backend'

    def qemu_arguments(self):
        return ['-drive', self.drive(),
                '-device', f'virtio-blk-pci,id={self._device},drive={self._device}-drive,'
                           f'serial={self._device},addr={self._slot:#x}']

    def name(self):
        """Its name in the guest: vda or so."""
        pattern = f'/sys/bus/pci/devices/0000:00:{self._slot:02x}.0/virtio*/block/*'
        return os.path.basename(self._guest.wait_for(f'ls -d {pattern} 2>/dev/null', 60))


class Namespace(BlockDisk):
    """A namespace of an NVMe controller."""

    def __init__(self, machine, controller, number, image):
        super().__init__(machine, f'{controller.device}ns{number}', image)
        self.controller = controller
        self.number = number

    def qemu_arguments(self):
        return ['-drive', self.drive(),
                '-device', f'nvme-ns,id={self._device},drive={self._device}-drive,'
                           f'bus={self.controller.device},nsid={self.number}']

    def path(self):
        """What counts requests in the guest: nvme0c0n1, hidden behind a head, or nvme0n1.

        Its number need not be that of the namespace: new kernels look for several at a time.
        """
        command = (f'for file in {self.controller.pci()}/nvme/nvme*/nvme*/nsid; do\n'
                   f'read -r nsid < $file && [ $nsid = {self.number} ] && echo $file && break\n'
                   'done 2>/dev/null')
        return os.path.basename(os.path.dirname(self._guest.wait_for(command, 60)))

    def sysfs(self):
        return f'/sys/block/{self.path()}'

    def name(self):
        """The disk to read and write: nvme0n1."""
        return re.sub(r'c\d+n', 'n', self.path())


class NvmeController:
    """An NVMe controller, with the serial number nvmeN, whose images are namespaces 1, 2 ...

    BRIDGE: it is below a root port, and alone there.

    What QEMU does when its registers are gone stands for most ways in which one fails:
      A   a disk hangs, lose_registers(): a reset by the guest's driver cures it
      B   the same and keep_losing_registers(): each reset works, and it hangs again
      C   what B becomes without multipath: the reset waits for ever for what it has sent again
      gone  take_away(): the guest's driver gives it up; give_back() before it can be found again
    """

    def __init__(self, machine, number, images, options, bridge=False):
        self._guest = machine
        self._slot = FIRST_NVME_SLOT + number
        self._options = options
        self._bridge = f'bridge{number}' if bridge else None
        self._thief = None
        self._bar = None
        self.device = f'nvme{number}'
        if isinstance(images, str):
            images = [images]
        self.disks = [Namespace(machine, self, nsid, image)
                      for nsid, image in enumerate(images, 1)]

    def qemu_arguments(self):
        options = f',{self._options}' if self._options else ''
        arguments, place = [], f'addr={self._slot:#x}'
        if self._bridge:
            arguments = ['-device', f'pcie-root-port,id={self._bridge},chassis={self._slot},{place}']
            place = f'bus={self._bridge}'
        arguments += ['-device', f'nvme,id={self.device},serial={self.device},{place}{options}']
        for disk in self.disks:
            arguments += disk.qemu_arguments()
        return arguments

    def pci(self):
        """The PCI device in the guest's sysfs."""
        slot = f'/sys/bus/pci/devices/0000:00:{self._slot:02x}.0'
        return f'{slot}/0000:*:00.0' if self._bridge else slot

    def name(self):
        """nvme0 or so; its number need not be ours."""
        return os.path.basename(self._guest.wait_for(f'ls -d {self.pci()}/nvme/nvme*', 60))

    def has_registers(self):
        """Whether they are there for the guest."""
        bus, = self._guest.monitor.execute('query-pci')
        device, = (device for device in bus['devices'] if device['slot'] == self._slot)
        if self._bridge:
            device, = device['pci_bridge']['devices']
        return all(0 < region['address'] < 1 << 63 for region in device['regions']
                   if region['bar'] == 0)

    # Its configuration space, where memory shows it, for each access is one by itself there: the
    # ports of the PCI host take two, and a guest's kernel that is between its own two writes what
    # it means for one device to another, or takes the interrupts of one away.

    def _read_config(self, register):
        return self._guest.bus.read(self._config() + register)

    def _write_config(self, register, value, size=4):
        self._guest.bus.write(self._config() + register, value, size)

    def _config(self):
        place = CONFIG_SPACES + (self._slot << 15)
        if self._bridge:
            bus = self._guest.bus.read(place + BUS_NUMBERS) >> 8 & 0xff
            place = CONFIG_SPACES + (bus << 20)
        found = self._guest.bus.read(place)
        if found != IDENTITY:
            raise ValueError(f'{found:#010x} at {place:#x} is not {self.device}')
        return place

    # What can be wrong with it.

    def lose_registers(self):
        """No doorbell is heard any more. A controller reset by the guest's driver cures that."""
        command = self._read_config(COMMAND) & 0xffff
        self._write_config(COMMAND, command & ~MEMORY_SPACE, 2)

    def keep_losing_registers(self):
        """From now on it loses its registers again shortly after each reset."""
        self._thief = Thief(self)

    def keep_registers(self):
        """Whatever the guest does from now on, it keeps its registers."""
        if self._thief:
            self._thief.end()
            self._thief = None

    def take_away(self):
        """Nothing answers at its addresses any more, whatever the guest's driver tries."""
        self._bar = self._read_config(BAR)
        self._write_config(BAR, 0xffffffff)

    def give_back(self):
        self._write_config(BAR, self._bar)


class Thief:
    """Takes a controller's registers away again when the guest has set them up anew.

    A reset needs them for some tenths of a second, and for longer on a busy host.
    """

    def __init__(self, controller):
        self._controller = controller
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self):
        self._end.set()
        self._thread.join()

    def _run(self):
        with contextlib.suppress(OSError, ValueError):  # QEMU has ended, and its monitor with it
            self._steal()

    def _steal(self):
        while not self._end.wait(0.05):
            if not self._controller.has_registers():
                continue
            if not self._end.wait(LEFT_ALONE):
                self._controller.lose_registers()
