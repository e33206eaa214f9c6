# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest under QEMU: boot it, run commands in it, watch it, end it."""

import base64
import collections
import ctypes
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import block

HERE = os.path.dirname(os.path.abspath(__file__))

KERNEL_COMMAND_LINE = ('console=ttyS0 quiet panic=-1 tsc=reliable no_timer_check mitigations=off '
                       'cryptomgr.notests random.trust_cpu=on 8250.nr_uarts=1')

Result = collections.namedtuple('Result', 'status output')
Line = collections.namedtuple('Line', 'time text')
Task = collections.namedtuple('Task', 'pid name')


class Skip(Exception):
    """Something that is needed cannot be had on this machine."""


class Timeout(Exception):
    """The guest did not do in time what it was told."""


class Frozen(Timeout):
    """The guest as a whole no longer answers, whatever it is told."""


class CommandFailed(Exception):
    """A command in the guest ended with an error."""


class GuestGone(Exception):
    """QEMU has ended."""


libc = ctypes.CDLL(None)


def die_with_parent():
    """To be run in a child between fork and exec: no test leaves a process behind.

    The kernel sends the signal when the thread that forked ends, so fork from one that stays.
    """
    libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def accelerator():
    """The -accel and -cpu of this machine, or of $UNHANG_ACCEL."""
    wanted = os.environ.get('UNHANG_ACCEL') or ('kvm' if kvm_works() else 'tcg')
    if wanted == 'kvm':
        return ['-accel', 'kvm', '-cpu', 'host']
    if wanted == 'tcg':
        # One thread for all processors: with one for each, QEMU (7.2 and 10.0) may go on with a
        # breakpoint that another processor has already taken out of the kernel's code. 6.12 dies of
        # it, and 6.1 spins for ever: see test_harness.py. Two guests on two cores lose no time by it.
        # With rdrand the kernel's random numbers are ready at boot.
        return ['-accel', 'tcg,thread=single', '-cpu', 'qemu64,+rdrand']
    raise ValueError(f'UNHANG_ACCEL must be kvm or tcg, not {wanted}')


def kvm_works():
    """A device node alone says nothing: it may be there on a processor without the extensions."""
    with open('/proc/cpuinfo') as cpuinfo:
        if not re.search(r'^flags\s*:.*\b(vmx|svm)\b', cpuinfo.read(), re.MULTILINE):
            return False
    try:
        os.close(os.open('/dev/kvm', os.O_RDWR))
    except OSError:
        return False
    return True


def images(*what):
    """The folder with the guest images, or with what else images makes: ('kernel', '6.12')."""
    command = [os.path.join(HERE, 'images'), *what]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    message = ''
    for message in process.stderr:
        sys.stderr.write(message)
    folder = process.stdout.read().strip()
    if process.wait() == 77:
        raise Skip(message.strip())
    if process.returncode != 0:
        raise CommandFailed(f'{" ".join(command)}: {message.strip()}')
    return folder


def connect(path, process, seconds=10):
    """Connect to a socket that PROCESS is about to make."""
    deadline = time.monotonic() + seconds
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(path)
            return connection
        except OSError:
            connection.close()
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


class Port:
    """A virtio-serial port of the guest: reads lines as they come, each with its time."""

    def __init__(self, connection, on_line):
        self._connection = connection
        self._on_line = on_line
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, text):
        self._connection.sendall(text.encode())

    def _read(self):
        with self._connection.makefile('rb') as stream:
            for line in stream:
                text = line.decode(errors='replace').rstrip('\n')
                self._on_line(Line(time.monotonic(), text))


class Bus:
    """What answers at physical addresses of the guest, by QEMU's protocol for its own tests."""

    def __init__(self, connection):
        connection.settimeout(10)
        self._lock = threading.Lock()
        self._stream = connection.makefile('rw')

    def read(self, address):
        """32 bits."""
        return int(self._execute(f'readl {address:#x}')[0], 16)

    def write(self, address, value, size=4):
        self._execute(f'write{ {2: "w", 4: "l"}[size] } {address:#x} {value:#x}')

    def _execute(self, command):
        with self._lock:
            self._stream.write(command + '\n')
            self._stream.flush()
            status, *words = self._stream.readline().split() or ['no answer']
        if status != 'OK':
            raise CommandFailed(f'{command}: {status} {" ".join(words)}')
        return words


class Monitor:
    """QEMU's machine protocol."""

    def __init__(self, connection):
        connection.settimeout(10)
        self._lock = threading.Lock()
        self._stream = connection.makefile('rw')
        self._stream.readline()
        self.execute('qmp_capabilities')

    def hmp(self, line):
        """A command of the monitor for humans; returns what it printed."""
        return self.execute('human-monitor-command', **{'command-line': line})

    def execute(self, command, **arguments):
        with self._lock:
            return self._execute(command, arguments)

    def _execute(self, command, arguments):
        self._stream.write(json.dumps({'execute': command, 'arguments': arguments}) + '\n')
        self._stream.flush()
        while True:
            reply = json.loads(self._stream.readline())
            if 'error' in reply:
                raise CommandFailed(f'{command}: {reply["error"]["desc"]}')
            if 'return' in reply:
                return reply['return']


class Guest:
    """One guest, of kind 'busybox' (up in seconds, everything in memory) or 'debian' (systemd).

    hbas     the sick HBAs (hba.Hba), in the order in which disk() counts them
    payload  a tree to be laid over the guest's root
    udev     run systemd-udevd in a busybox guest (a debian guest always does)
    devices  more arguments for QEMU
    append   more words for the kernel command line
    kernel   another kernel than Debian's own, as images has them: '6.1', '6.12-amd64'
    qemu     10 for a QEMU of at least this version; what nvme needs is taken anyhow
    nvme     images, each a controller with one namespace, or a list of them: its namespaces
    nvme_options  of each of these controllers
    nvme_bridge   each of these controllers is below a root port of its own
    virtio_blk    images, each a virtio-blk disk
    tools    fio, lvm, mdadm ... are in a busybox guest. Where busybox has a program of that name,
             its shell takes that one, so say /usr/sbin/mke2fs, blkdiscard, fstrim with the folder

    The system disk of a debian guest is a healthy virtio-blk disk apart from the HBAs, and what is
    written there is gone with the guest. What nvme and virtio_blk made are block.BlockDisks, in
    self.nvme (all namespaces, one after the other) and self.virtio_blk. Use it in a with statement.
    """

    def __init__(self, kind, hbas=(), payload=None, udev=False, devices=(), append='', kernel=None,
                 qemu=None, nvme=(), nvme_options=block.NVME_OPTIONS, nvme_bridge=False,
                 virtio_blk=(), tools=False):
        assert kind in ('busybox', 'debian'), kind
        self.kind = kind
        self._kernel = kernel
        self._new_qemu = qemu == 10 or bool(nvme)
        self._tools = tools
        self._controllers = [block.NvmeController(self, number, images, nvme_options,
                                                   nvme_bridge)
                             for number, images in enumerate(nvme)]
        self.nvme = [disk for controller in self._controllers for disk in controller.disks]
        self.virtio_blk = [block.VirtioDisk(self, number, image)
                           for number, image in enumerate(virtio_blk)]
        self.acks = []
        self.boot_seconds = None
        self._hbas = list(hbas)
        self._payload = payload
        self._devices = list(devices)
        self._append = append + (' unhang.udev' if udev else '')
        self._results = {}
        self._changed = threading.Condition()
        self._last_job = 0
        self._qemu = None

    def __enter__(self):
        self._dir = tempfile.mkdtemp(prefix='unhang-guest.')
        try:
            self._start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, kind, value, trace):
        if kind:
            self._say_last_words()
        self.kill()

    def _path(self, name):
        return os.path.join(self._dir, name)

    def _start(self):
        started = time.monotonic()
        command = self._command(images())
        with open(self._path('qemu.log'), 'wb') as log:
            self._qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                          stderr=log, preexec_fn=die_with_parent)
        try:
            self._ctl = Port(connect(self._path('ctl'), self._qemu), self._on_result)
            Port(connect(self._path('acks'), self._qemu), self.acks.append)
            self.monitor = Monitor(connect(self._path('qmp'), self._qemu))
            self.bus = Bus(connect(self._path('bus'), self._qemu))
        except OSError:
            raise GuestGone(f'QEMU did not start: {self._read("qemu.log")}') from None
        try:
            self.get('boot', 180)
        except Timeout:
            raise Timeout(f'no sign of life; the console: {self.console()[-2000:]}') from None
        self.boot_seconds = time.monotonic() - started

    def _command(self, folder):
        memory = (768 if self.kind == 'debian' else 384) + (384 if self._tools else 0)
        kernel = images('kernel', self._kernel) if self._kernel else folder
        append = f'{KERNEL_COMMAND_LINE} {self._append}'
        system_disk = []
        if self.kind == 'debian':
            append += ' unhang.root=system'
            system_disk = [
                '-drive', f'if=none,id=system,file={folder}/root.ext4,format=raw,snapshot=on,'
                          'cache=unsafe',
                '-device', 'virtio-blk-pci,drive=system,serial=system',
            ]
        command = [
            *self._program(), *accelerator(), '-smp', '2', '-m', str(memory),
            '-machine', 'q35,memory-backend=memory',
            '-object', f'memory-backend-memfd,id=memory,size={memory}M,share=on',
            '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot',
            '-kernel', f'{kernel}/vmlinuz', '-initrd', self._make_initrd(folder, kernel),
            '-append', append,
            '-serial', f'file:{self._path("console")}',
            '-qmp', f'unix:{self._path("qmp")},server=on,wait=off',
            '-qtest', f'unix:{self._path("bus")},server=on,wait=off', '-qtest-log', 'none',
            '-device', 'virtio-serial-pci', *self._port('acks'), *self._port('ctl'),
            *system_disk,
        ]
        for number, hba in enumerate(self._hbas):
            command += hba.qemu_arguments(self._slot(number))
        for device in self._controllers + self.virtio_blk:
            command += device.qemu_arguments()
        return command + self._devices

    def _program(self):
        if not self._new_qemu:
            return ['qemu-system-x86_64']
        root = images('qemu').rstrip('/')
        return [f'{root}/usr/bin/qemu-system-x86_64',
                '-L', f'{root}/usr/share/qemu', '-L', f'{root}/usr/share/seabios']

    def _port(self, name):
        path = self._path(name)
        return ['-chardev', f'socket,id={name},path={path},server=on,wait=off',
                '-device', f'virtserialport,chardev={name},name={name}']

    @staticmethod
    def _slot(hba):
        """The PCI slot of an HBA: fixed, so that disk() finds it again."""
        return 0x10 + hba

    def _make_initrd(self, folder, kernel):
        """The initramfs of the images, and more archives behind it, which lay themselves over."""
        path = self._path('initrd')
        archives = [f'{folder}/initramfs.img']
        if kernel != folder:
            archives.append(f'{kernel}/modules.img')
        if self._tools:
            archives.append(f'{images("tools")}/tools.img')
        with open(path, 'wb') as initrd:
            for archive in archives:
                with open(archive, 'rb') as file:
                    shutil.copyfileobj(file, initrd)
        if self._payload:
            stage = self._path('stage')
            shutil.copytree(self._payload, f'{stage}/payload', symlinks=True)
            names = subprocess.run(['find', 'payload'], cwd=stage, stdout=subprocess.PIPE,
                                   check=True).stdout
            with open(path, 'ab') as initrd:
                subprocess.run(['cpio', '-o', '-H', 'newc', '-R', '0:0', '--quiet'], cwd=stage,
                               input=names, stdout=initrd, check=True)
            shutil.rmtree(stage)
        return path

    def _on_result(self, line):
        words = line.text.split(' ')
        if words[0] != 'R':
            return
        output = base64.b64decode(words[3]).decode(errors='replace')
        with self._changed:
            self._results[words[1]] = Result(int(words[2]), output)
            self._changed.notify_all()

    def _read(self, name):
        with open(self._path(name), errors='replace') as file:
            return file.read()

    # Commands. Each runs in the background in the guest, so one that hangs holds up no other.

    def bg(self, command):
        """Start a command; returns a job for done() and get()."""
        self._last_job += 1
        job = str(self._last_job)
        text = base64.b64encode(command.encode()).decode()
        try:
            self._ctl.send(f'{job} {text}\n')
        except OSError:
            raise self._gone() from None
        return job

    def _gone(self):
        return GuestGone(f'QEMU has ended: {self._read("qemu.log")}; the end of the console: '
                         f'{self.console()[-2000:]}')

    def done(self, job):
        return job in self._results

    def get(self, job, timeout=30):
        """The result of a job, which is waited for."""
        if not self._ends(job, timeout):
            kind = Timeout if self._ends(self.bg('true'), 10) else Frozen
            if job not in self._results:
                raise kind(f'no answer from the guest to job {job} in {timeout} s')
            print(f'job {job} has been answered only when another one was', flush=True)
        return self._results[job]

    def _ends(self, job, timeout):
        """Whether a job ends in time."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while job not in self._results:
                if not self.running():
                    raise self._gone()
                if time.monotonic() > deadline:
                    return False
                self._changed.wait(0.5)
        return True

    def sh(self, command, timeout=30):
        """Run a command that has to work; returns what it printed."""
        try:
            result = self.get(self.bg(command), timeout)
        except Timeout as error:
            raise type(error)(f'no answer from the guest in {timeout} s: {command}') from None
        if result.status != 0:
            raise CommandFailed(f'{command}: status {result.status}: {result.output.strip()}')
        return result.output.strip()

    def wait_for(self, command, timeout=30):
        """Run a command in the guest, again and again, until it succeeds; returns what it printed.

        The loop runs in the guest, and of the shell's own commands: a fork is slow under TCG.
        """
        loop = (f'read -r up rest < /proc/uptime; end=$((${{up%.*}} + {timeout}))\n'
                f'until {{ {command}\n}}; do\n'
                'read -r up rest < /proc/uptime; [ ${up%.*} -lt $end ] || exit 1; sleep 0.1\n'
                'done')
        result = self.get(self.bg(loop), timeout + 30)
        if result.status != 0:
            raise Timeout(f'not so after {timeout} s: {command}: {result.output[-500:]}')
        return result.output.strip()

    def write(self, path, text):
        """Make a file in the guest."""
        self.sh(f'mkdir -p {shlex.quote(os.path.dirname(path))} && '
                f'printf %s {shlex.quote(text)} > {shlex.quote(path)}')

    # What is seen from inside.

    def disk(self, target, hba=0):
        """The name of a target's disk, sda or so: names change from boot to boot."""
        return self._scsi_name(target, hba, 'block')

    def sg(self, target, hba=0):
        """The name of a target's sg device."""
        return self._scsi_name(target, hba, 'scsi_generic')

    def _scsi_name(self, target, hba, kind):
        pattern = (f'/sys/bus/pci/devices/0000:00:{self._slot(hba):02x}.0/virtio*/host*/'
                   f'target*:0:{target}/*:0:{target}:0/{kind}/*')
        return os.path.basename(self.wait_for(f'ls -d {pattern} 2>/dev/null', 120))

    def tasks_in_d(self):
        """The tasks in uninterruptible sleep. Their status is all that is safe to read."""
        output = self.sh("grep -shE '^(Name|State|Pid):' /proc/[0-9]*/task/[0-9]*/status || true")
        tasks = []
        for line in output.splitlines():
            key, _, value = line.partition(':')
            if key == 'Name':
                name = value.strip()
            elif key == 'State':
                state = value.strip()[:1]
            elif state == 'D':
                tasks.append(Task(int(value), name))
        return tasks

    def dmesg(self, pattern=''):
        """The lines of the kernel log in which the pattern is found."""
        return [line for line in self.sh('dmesg').splitlines() if re.search(pattern, line)]

    def console(self):
        return self._read('console')

    def _say_last_words(self):
        """What a case that fails should know of the guest before it is gone."""
        if self.running():
            print(f'the threads of QEMU: {self._threads()}')
            try:
                processors = self.monitor.hmp('info registers -a')
                print('\n'.join(re.findall('RIP=.*', processors)))
            except (OSError, ValueError, CommandFailed) as error:
                print(f'its monitor does not answer: {error!r}')
        print('the end of the console:', *self.console().splitlines()[-40:], sep='\n', flush=True)

    def _threads(self):
        """Name, state, and how many ticks of processor time it took in a second."""
        before = self._ticks()
        time.sleep(1)
        return [f'{name} {state} {ticks - before.get(thread, (0, 0, 0))[2]}'
                for thread, (name, state, ticks) in self._ticks().items()]

    def _ticks(self):
        folder = f'/proc/{self._qemu.pid}/task'
        threads = {}
        for thread in os.listdir(folder):
            with open(f'{folder}/{thread}/stat') as file:
                name, _, rest = file.read().partition(') ')
            words = rest.split()
            threads[thread] = (name.partition('(')[2], words[0], int(words[11]) + int(words[12]))
        return threads

    # Life and death.

    def running(self):
        return self._qemu.poll() is None

    def wait_for_end(self, timeout=30):
        """Wait until the guest has powered off, rebooted or panicked."""
        try:
            self._qemu.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Timeout(f'the guest still ran after {timeout} s') from None

    def freeze(self):
        """Stop the hypervisor's process: the guest's clock jumps when it goes on."""
        os.kill(self._qemu.pid, signal.SIGSTOP)

    def thaw(self):
        os.kill(self._qemu.pid, signal.SIGCONT)

    def kill(self):
        if self._qemu:
            self._qemu.kill()
            self._qemu.wait()
        shutil.rmtree(self._dir, ignore_errors=True)
