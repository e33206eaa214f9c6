#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A vhost-user-scsi HBA whose disks lose commands on demand: the sick hypervisor of the tests.

    backend.py VHOST_SOCKET CONTROL_SOCKET NAME IMAGE...

The i-th image is target i, LUN 0, and says in its INQUIRY data that its serial number is NAME-i.
What the guest writes is in the image once the write has been carried out, and not before: a lost
write never reaches it, unless it is released or sent again.

Control: one line of text in, one line back ("ok", "error ...", JSON). T is a target.

    lose T KIND [COUNT]  swallow the next COUNT commands of this kind, or, without COUNT, all from
                         now on: read, write, flush, discard, rw (read, write and flush), all;
                         one is a single read or write
    tmf T MODE           what an abort or a LUN reset does:
          ok             the commands come back as RESET; the fault stays, they are lost again
          heal           the same, and a reset lifts the fault
          hang           the request itself is never answered
          silent         it is answered with success, and the lost commands stay lost
          reject         it is refused
    healafter T N        ok, and heal at the N-th reset from now
    error T KIND [COUNT] fail such commands at once, with a medium error; KIND none: no more
    delay T MS           reads, writes, flushes and discards take MS more each, all at the same
                         time: slow
    iops T N             carry out N of them per second, strictly in the order in which they came,
                         while the others wait; 0: as many as there are
    medium T out|in      no medium in the drive: NOT READY; a unit attention when it is back
    keys T N             so many initiators are registered for persistent reservations
    fail T CODE|none     answer reads, writes, flushes, discards with this virtio-scsi response code
    release T            lose no more, carry out the lost commands, answer the hanging resets
    forget T             lose no more, but never answer what has been lost
    stat                 JSON: {"targets": [...], "events": [[monotonic time, target, what, ...]]}
"""

import collections
import ctypes
import json
import os
import socket
import struct
import sys
import time

import vhost

CONTROL_QUEUE = 0
EVENT_QUEUE = 1

# Virtio-scsi response codes.
OK = 0
ABORTED = 2
BAD_TARGET = 3
RESET = 4
FUNCTION_SUCCEEDED = 10
FUNCTION_REJECTED = 11

# Task management functions.
ABORT_TASK = 0
RESETS = {4, 5}  # I_T nexus, logical unit
TMF_MODES = {'ok', 'heal', 'hang', 'silent', 'reject'}

RESPONSE_SIZE = 108
REQUEST_SIZE = 51
SECTOR = 512

READ = {0x08, 0x28, 0xa8, 0x88}
WRITE = {0x0a, 0x2a, 0xaa, 0x8a}
FLUSH = {0x35, 0x91}
UNMAP = 0x42
WRITE_SAME_10 = 0x41
WRITE_SAME_16 = 0x93
WRITE_SAME = {WRITE_SAME_10, WRITE_SAME_16}
RW = READ | WRITE | FLUSH
DATA = RW | WRITE_SAME | {UNMAP}
# A WRITE SAME that unmaps is a discard, another one is a write: see Command.is_a.
KINDS = {'read': READ, 'write': WRITE | WRITE_SAME, 'flush': FLUSH, 'discard': set(),
         'rw': RW | WRITE_SAME, 'one': READ | WRITE, 'all': set(range(256))}

TEST_UNIT_READY = 0x00
REQUEST_SENSE = 0x03
INQUIRY = 0x12
MODE_SENSE_6 = 0x1a
START_STOP = 0x1b
ALLOW_REMOVAL = 0x1e
READ_CAPACITY_10 = 0x25
MODE_SENSE_10 = 0x5a
PERSISTENT_RESERVE_IN = 0x5e
SERVICE_ACTION_IN = 0x9e
REPORT_LUNS = 0xa0
READ_CAPACITY_16 = 0x10

NOT_FOR_UNIT_ATTENTION = {INQUIRY, REPORT_LUNS, REQUEST_SENSE}

NOT_READY = 2
MEDIUM_ERROR = 3
ILLEGAL_REQUEST = 5
UNIT_ATTENTION = 6

# Additional sense codes.
WRITE_ERROR = 0x0c
READ_ERROR = 0x11
NO_MEDIUM = 0x3a
MEDIUM_CHANGED = 0x28
RESET_OCCURRED = 0x29

# What one UNMAP or WRITE SAME may discard or write, in blocks.
MAX_DISCARD = 1 << 16
MAX_RANGES = 64

libc = ctypes.CDLL(None, use_errno=True)


def big_endian(data):
    return int.from_bytes(data, 'big')


class Command:
    """A SCSI command from a request queue."""

    def __init__(self, request):
        self.request = request
        self.lun = request.data[:8]
        self.tag, = struct.unpack_from('<Q', request.data, 8)
        self.cdb = request.data[19:REQUEST_SIZE]
        self.opcode = self.cdb[0]

    def discards(self):
        return self.opcode == UNMAP or self.opcode in WRITE_SAME and bool(self.cdb[1] & 8)

    def is_a(self, kind):
        if self.discards():
            return kind in ('discard', 'all')
        return self.opcode in KINDS[kind]

    def payload(self):
        return self.request.data[REQUEST_SIZE:]

    def respond(self, response=OK, status=0, data=b'', sense=b'', residual=0):
        header = struct.pack('<IIHBB', len(sense), residual, 0, status, response)
        self.request.answer(header + sense.ljust(RESPONSE_SIZE - 12, b'\0') + data)

    def send(self, data, allocation):
        """Answer with data, cut to what the command and its buffer allow."""
        room = self.request.room - RESPONSE_SIZE
        data = data[:min(allocation, room)]
        self.respond(data=data, residual=room - len(data))

    def check_condition(self, key, code):
        self.respond(status=2, sense=bytes([0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, code, 0,
                                            0, 0, 0, 0]))

    def extent(self):
        """First byte and length of a read or write, or a WRITE SAME."""
        cdb = self.cdb
        if self.opcode in (0x08, 0x0a):
            block, count = big_endian(cdb[1:4]) & 0x1fffff, cdb[4] or 256
        elif self.opcode in (0x28, 0x2a, WRITE_SAME_10):
            block, count = big_endian(cdb[2:6]), big_endian(cdb[7:9])
        elif self.opcode in (0xa8, 0xaa):
            block, count = big_endian(cdb[2:6]), big_endian(cdb[6:10])
        else:
            block, count = big_endian(cdb[2:10]), big_endian(cdb[10:14])
        return block * SECTOR, count * SECTOR


class Disk:
    """A healthy SCSI disk: carries out one command at once."""

    def __init__(self, path, serial):
        self._fd = os.open(path, os.O_RDWR)
        self._size = os.fstat(self._fd).st_size
        self._serial = serial.encode()
        self.unit_attention = RESET_OCCURRED
        self.medium = True
        self.keys = 0

    def execute(self, command):
        opcode = command.opcode
        if command.lun[2:4] not in (b'\0\0', b'\x40\0') and opcode != INQUIRY:
            command.check_condition(ILLEGAL_REQUEST, 0x25)
        elif self.unit_attention and opcode not in NOT_FOR_UNIT_ATTENTION:
            command.check_condition(UNIT_ATTENTION, self.unit_attention)
            self.unit_attention = None
        elif not self.medium and opcode not in NOT_FOR_UNIT_ATTENTION:
            command.check_condition(NOT_READY, NO_MEDIUM)
        elif opcode in READ or opcode in WRITE:
            self._transfer(command)
        elif opcode == UNMAP:
            self._unmap(command)
        elif opcode in WRITE_SAME:
            self._write_same(command)
        elif opcode in FLUSH or opcode in (TEST_UNIT_READY, START_STOP, ALLOW_REMOVAL):
            command.respond()
        else:
            self._describe(command)

    def _transfer(self, command):
        start, length = command.extent()
        if start + length > self._size:
            command.check_condition(ILLEGAL_REQUEST, 0x21)
        elif command.opcode in READ:
            command.respond(data=os.pread(self._fd, length, start))
        else:
            os.pwrite(self._fd, command.payload()[:length], start)
            command.respond()

    def _unmap(self, command):
        data = command.payload()
        end = min(8 + big_endian(data[2:4]), len(data))
        ranges = [struct.unpack_from('>QI', data, at) for at in range(8, end - 15, 16)]
        if any((block + count) * SECTOR > self._size for block, count in ranges):
            command.check_condition(ILLEGAL_REQUEST, 0x21)
            return
        for block, count in ranges:
            self._discard(block * SECTOR, count * SECTOR)
        command.respond()

    def _write_same(self, command):
        start, length = command.extent()
        if start + length > self._size:
            command.check_condition(ILLEGAL_REQUEST, 0x21)
            return
        if command.discards():
            self._discard(start, length)
        else:
            block = command.payload()[:SECTOR].ljust(SECTOR, b'\0')
            os.pwrite(self._fd, block * (length // SECTOR), start)
        command.respond()

    def _discard(self, start, length):
        """Make a hole: it reads as zeros, as READ CAPACITY promises."""
        if length == 0:
            return
        keep_size, punch_hole = 1, 2
        offset = ctypes.c_int64
        if libc.fallocate(self._fd, keep_size | punch_hole, offset(start), offset(length)) < 0:
            os.pwrite(self._fd, bytes(length), start)  # a file system that knows no holes

    def _describe(self, command):
        opcode, cdb = command.opcode, command.cdb
        last_block = self._size // SECTOR - 1
        if opcode == INQUIRY:
            self._inquiry(command)
        elif opcode in (MODE_SENSE_6, MODE_SENSE_10):
            self._mode_sense(command)
        elif opcode == REQUEST_SENSE:
            command.send(bytes([0x70, 0, 0, 0, 0, 0, 0, 10]) + bytes(10), cdb[4])
        elif opcode == READ_CAPACITY_10:
            command.send(struct.pack('>II', min(last_block, 0xffffffff), SECTOR), 8)
        elif opcode == SERVICE_ACTION_IN and cdb[1] & 31 == READ_CAPACITY_16:
            thin = bytes([0, 0, 0xc0])  # provisioned thinly, and what is discarded reads as zeros
            data = (struct.pack('>QI', last_block, SECTOR) + thin).ljust(32, b'\0')
            command.send(data, big_endian(cdb[10:14]))
        elif opcode == PERSISTENT_RESERVE_IN and cdb[1] & 31 == 0:  # READ KEYS
            keys = b''.join(struct.pack('>Q', 1 + key) for key in range(self.keys))
            command.send(struct.pack('>II', 1, len(keys)) + keys, big_endian(cdb[7:9]))
        elif opcode == REPORT_LUNS:
            command.send(struct.pack('>II', 8, 0) + bytes(8), big_endian(cdb[6:10]))
        else:
            command.check_condition(ILLEGAL_REQUEST, 0x20)

    def _inquiry(self, command):
        allocation = big_endian(command.cdb[3:5])
        if command.cdb[1] & 1:
            self._vital_product_data(command, allocation)
            return
        present = command.lun[3] == 0
        header = bytes([0 if present else 0x7f, 0, 6, 2, 31, 0, 0, 2])
        command.send(header + b'UNHANG  ' + b'TEST DISK       ' + b'1.0 ', allocation)

    def _vital_product_data(self, command, allocation):
        page = command.cdb[2]
        if page == 0x00:
            data = bytes([0x00, 0x80, 0x83, 0xb0, 0xb2])
        elif page == 0x80:
            data = self._serial
        elif page == 0x83:
            vendor = b'UNHANG  ' + self._serial
            data = bytes([2, 1, 0, len(vendor)]) + vendor
        elif page == 0xb0:  # limits of UNMAP, and of WRITE SAME
            data = struct.pack('>16xIIIIQ', MAX_DISCARD, MAX_RANGES, 1, 0, MAX_DISCARD)
            data = data.ljust(60, b'\0')
        elif page == 0xb2:  # UNMAP and both WRITE SAME discard
            data = bytes([0, 0xe4, 2, 0])
        else:
            command.check_condition(ILLEGAL_REQUEST, 0x24)
            return
        command.send(bytes([0, page, 0, len(data)]) + data, allocation)

    def _mode_sense(self, command):
        """A disk with a write-back cache that knows FUA."""
        caching = bytes([8, 18, 4]) + bytes(17)
        pages = caching if command.cdb[2] & 0x3f in (0x08, 0x3f) else b''
        if command.opcode == MODE_SENSE_6:
            command.send(bytes([3 + len(pages), 0, 0x10, 0]) + pages, command.cdb[4])
        else:
            header = struct.pack('>HBBHH', 6 + len(pages), 0, 0x10, 0, 0)
            command.send(header + pages, big_endian(command.cdb[7:9]))


class Target:
    """A disk and what is wrong with it."""

    def __init__(self, number, disk):
        self.number = number
        self.disk = disk
        self.lose_kind = None
        self.lose_count = None
        self.error_kind = None
        self.error_count = None
        self.tmf_mode = 'ok'
        self.heal_after = 0
        self.delay = 0
        self.iops = 0
        self.next_turn = 0
        self.alarm = None  # the turn for which a timer has been set
        self.fail_code = None
        self.lost = []
        self.delayed = []
        self.waiting = collections.deque()
        self.hung_tmfs = []
        self.counts = dict.fromkeys(
            ('io', 'lost', 'late', 'error', 'tmf', 'reset', 'abort'), 0)

    def loses(self, command):
        """Is this command to be lost? Uses one up if they are counted."""
        if self.lose_kind is None or not command.is_a(self.lose_kind) or self.lose_count == 0:
            return False
        if self.lose_count is not None:
            self.lose_count -= 1
        return True

    def errs(self, command):
        """Is this command to fail? Uses one up if they are counted."""
        if self.error_kind is None or not command.is_a(self.error_kind) or self.error_count == 0:
            return False
        if self.error_count is not None:
            self.error_count -= 1
        return True

    def execute(self, command):
        self.counts['io'] += 1
        if self.fail_code is not None and command.opcode in DATA:
            command.respond(self.fail_code)
        elif self.errs(command):
            self.counts['error'] += 1
            code = READ_ERROR if command.opcode in READ else WRITE_ERROR
            command.check_condition(MEDIUM_ERROR, code)
        else:
            self.disk.execute(command)

    def take_turns(self):
        """Carry out those whose turn it is; returns when it is the next one's, or None."""
        now = time.monotonic()
        while self.waiting and (self.iops == 0 or self.next_turn <= now):
            if self.iops:
                self.next_turn = max(self.next_turn, now - 1 / self.iops) + 1 / self.iops
            self.execute(self.waiting.popleft())
        return self.next_turn if self.waiting else None

    def drain_queue(self, queue):
        for command in [c for c in [*self.delayed, *self.waiting] if c.request.queue is queue]:
            (self.delayed if command in self.delayed else self.waiting).remove(command)
            self.execute(command)

    def finish_delayed(self, command):
        if command in self.delayed:
            self.delayed.remove(command)
            self.execute(command)

    def reset(self):
        """Give all commands back, as a LUN reset does. True if that has lifted the fault."""
        heals = self.tmf_mode == 'heal'
        if self.heal_after:
            self.heal_after -= 1
            heals = self.heal_after == 0
        if heals:
            self.lose_kind = None
        self.disk.unit_attention = RESET_OCCURRED
        for command in self._take(lambda c: True):
            command.respond(RESET)
        return heals

    def abort(self, tag):
        """Give back one command that has not been carried out, or all if no tag is given."""
        for command in self._take(lambda c: tag is None or c.tag == tag):
            command.respond(ABORTED)

    def _take(self, matches):
        """Forget the matching commands, and return them."""
        taken = [c for c in [*self.lost, *self.delayed, *self.waiting] if matches(c)]
        self.lost = [c for c in self.lost if c not in taken]
        self.delayed = [c for c in self.delayed if c not in taken]
        self.waiting = collections.deque(c for c in self.waiting if c not in taken)
        return taken

    def drop_queue(self, queue):
        """The guest has taken the queue back: nothing on it will ever be answered."""
        self._take(lambda c: c.request.queue is queue)
        self.hung_tmfs = [t for t in self.hung_tmfs if t[0].queue is not queue]

    def state(self):
        return {**self.counts, 'pending': len(self.lost), 'waiting': len(self.waiting),
                'hung_tmfs': len(self.hung_tmfs),
                'lose': self.lose_kind, 'tmf_mode': self.tmf_mode}

    # What the control socket sets.

    def set_lose(self, kind, count=None):
        KINDS[kind]  # raises KeyError if there is no such kind
        self.lose_kind = kind
        self.lose_count = 1 if kind == 'one' else int(count) if count else None

    def set_error(self, kind, count=None):
        if kind != 'none':
            KINDS[kind]
        self.error_kind = None if kind == 'none' else kind
        self.error_count = int(count) if count else None

    def set_medium(self, state):
        self.disk.medium = {'in': True, 'out': False}[state]
        if self.disk.medium:
            self.disk.unit_attention = MEDIUM_CHANGED

    def set_keys(self, count):
        self.disk.keys = int(count)

    def set_tmf(self, mode):
        if mode not in TMF_MODES:
            raise ValueError(mode)
        self.tmf_mode = mode

    def set_heal_after(self, resets):
        self.tmf_mode = 'ok'
        self.heal_after = int(resets)

    def set_delay(self, milliseconds):
        self.delay = float(milliseconds) / 1000

    def set_fail(self, code):
        self.fail_code = None if code == 'none' else int(code)

    def forget(self):
        self.lose_kind = None
        self.lost = []


class Hba:
    """The targets behind one vhost-user socket, and the control socket."""

    def __init__(self, loop, vhost_path, control_path, disks):
        self._loop = loop
        self._targets = [Target(number, disk) for number, disk in enumerate(disks)]
        self._events = []
        self._device = vhost.Device(loop, vhost_path, self._on_request, self._on_stop)
        self._control = socket.socket(socket.AF_UNIX)
        self._control.bind(control_path)
        self._control.listen(5)
        loop.watch(self._control.fileno(), self._accept)

    def _event(self, target, *what):
        self._events.append((round(time.monotonic(), 3), target.number, *what))

    def _find(self, lun):
        """The target that an eight-byte virtio-scsi LUN addresses, or None."""
        if lun[0] == 1 and lun[1] < len(self._targets):
            return self._targets[lun[1]]
        return None

    def _on_stop(self, queue):
        """The guest is being stopped: what is not lost is carried out before, as QEMU does."""
        for target in self._targets:
            target.drain_queue(queue)
            target.drop_queue(queue)

    def _on_request(self, index, request):
        if index == CONTROL_QUEUE:
            self._on_control_request(request)
        elif index != EVENT_QUEUE:
            self._on_command(Command(request))

    def _on_command(self, command):
        target = self._find(command.lun)
        if target is None:
            command.respond(BAD_TARGET)
        elif target.loses(command):
            target.lost.append(command)
            target.counts['lost'] += 1
            self._event(target, 'lost', f'{command.opcode:#04x}')
        elif command.opcode in DATA and (target.iops or target.waiting):
            target.waiting.append(command)
            self._serve_waiting(target)
        elif target.delay and command.opcode in DATA:
            target.delayed.append(command)
            self._loop.later(target.delay, lambda: target.finish_delayed(command))
        else:
            target.execute(command)

    def _serve_waiting(self, target):
        """To be called when a command has come, a turn has, or the rate is another."""
        turn = target.take_turns()
        if turn is not None and turn != target.alarm:
            target.alarm = turn
            self._loop.later(turn - time.monotonic(), lambda: self._serve_waiting(target))

    def _set_iops(self, target, rate):
        target.iops = float(rate)
        target.next_turn = time.monotonic()
        self._serve_waiting(target)

    def _on_control_request(self, request):
        kind, function = struct.unpack_from('<II', request.data)
        if kind != 0:  # asynchronous notifications: there are none
            request.answer(struct.pack('<IB', 0, OK))
            return
        target = self._find(request.data[8:16])
        if target is None:
            request.answer(bytes([BAD_TARGET]))
            return
        name = 'reset' if function in RESETS else 'abort'
        target.counts['tmf'] += 1
        target.counts[name] += 1
        self._event(target, name, target.tmf_mode)
        if target.tmf_mode == 'hang':
            target.hung_tmfs.append((request, function))
        else:
            self._manage_tasks(target, request, function)

    def _manage_tasks(self, target, request, function):
        if target.tmf_mode == 'reject':
            request.answer(bytes([FUNCTION_REJECTED]))
            return
        if target.tmf_mode != 'silent':
            if function in RESETS:
                if target.reset():
                    self._event(target, 'healed')
            elif function == ABORT_TASK:
                target.abort(struct.unpack_from('<Q', request.data, 16)[0])
            else:
                target.abort(None)
        request.answer(bytes([FUNCTION_SUCCEEDED]))

    def _release(self, target):
        target.lose_kind = None
        if target.tmf_mode == 'hang':
            target.tmf_mode = 'ok'
        commands, target.lost = target.lost, []
        target.counts['late'] += len(commands)
        for command in commands:
            target.execute(command)
        hung, target.hung_tmfs = target.hung_tmfs, []
        for request, function in hung:
            self._manage_tasks(target, request, function)

    def _accept(self):
        connection, _ = self._control.accept()
        connection.settimeout(5)
        self._loop.watch(connection.fileno(), lambda: self._on_line(connection))

    def _on_line(self, connection):
        line = connection.recv(4096).decode()
        if not line:
            self._loop.unwatch(connection.fileno())
            connection.close()
            return
        try:
            reply = self._obey(line.split())
        except (ValueError, IndexError, KeyError, TypeError) as error:
            reply = f'error {line.strip()}: {error!r}'
        connection.sendall(reply.encode() + b'\n')

    def _obey(self, words):
        if words == ['stat']:
            return json.dumps({'targets': [t.state() for t in self._targets],
                               'events': self._events})
        verb, number, *arguments = words
        target = self._targets[int(number)]
        verbs = {
            'lose': target.set_lose,
            'tmf': target.set_tmf,
            'healafter': target.set_heal_after,
            'error': target.set_error,
            'delay': target.set_delay,
            'iops': lambda rate: self._set_iops(target, rate),
            'medium': target.set_medium,
            'keys': target.set_keys,
            'fail': target.set_fail,
            'forget': target.forget,
            'release': lambda: self._release(target),
        }
        verbs[verb](*arguments)
        self._event(target, ' '.join([verb, *arguments]))
        return 'ok'


def main():
    vhost_path, control_path, name, *images = sys.argv[1:]
    loop = vhost.Loop()
    disks = [Disk(path, f'{name}-{number}') for number, path in enumerate(images)]
    Hba(loop, vhost_path, control_path, disks)
    loop.run()


if __name__ == '__main__':
    main()
