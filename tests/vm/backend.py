#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A vhost-user-scsi HBA whose disks lose commands on demand: the sick hypervisor of the tests.

    backend.py VHOST_SOCKET CONTROL_SOCKET NAME IMAGE...

The i-th image is target i, LUN 0, and says in its INQUIRY data that its serial number is NAME-i.
What the guest writes is in the image once the write has been carried out, and not before: a lost
write never reaches it, unless it is released or sent again.

Control: one line of text in, one line back ("ok", "error ...", JSON). T is a target.

    lose T read|write|flush|rw|all [COUNT]  swallow the next COUNT matching commands (or, without
                                            COUNT, all from now on); rw is read, write and flush
    tmf T MODE           what an abort or a LUN reset does:
          ok             the commands come back as RESET; the fault stays, they are lost again
          heal           the same, and a reset lifts the fault
          hang           the request itself is never answered
          silent         it is answered with success, and the lost commands stay lost
          reject         it is refused
    healafter T N        ok, and heal at the N-th reset from now
    delay T MS           reads, writes and flushes take MS more each, all at the same time: slow
    fail T CODE|none     answer reads, writes and flushes with this virtio-scsi response code
    release T            lose no more, carry out the lost commands, answer the hanging resets
    forget T             lose no more, but never answer what has been lost
    stat                 JSON: {"targets": [...], "events": [[monotonic time, target, what, ...]]}
"""

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
DATA = READ | WRITE | FLUSH
KINDS = {'read': READ, 'write': WRITE, 'flush': FLUSH, 'rw': DATA, 'all': set(range(256))}

TEST_UNIT_READY = 0x00
REQUEST_SENSE = 0x03
INQUIRY = 0x12
MODE_SENSE_6 = 0x1a
START_STOP = 0x1b
ALLOW_REMOVAL = 0x1e
READ_CAPACITY_10 = 0x25
MODE_SENSE_10 = 0x5a
SERVICE_ACTION_IN = 0x9e
REPORT_LUNS = 0xa0
READ_CAPACITY_16 = 0x10

NOT_FOR_UNIT_ATTENTION = {INQUIRY, REPORT_LUNS, REQUEST_SENSE}

ILLEGAL_REQUEST = 5
UNIT_ATTENTION = 6


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
        """First byte and length of a read or write."""
        cdb = self.cdb
        if self.opcode in (0x08, 0x0a):
            block, count = big_endian(cdb[1:4]) & 0x1fffff, cdb[4] or 256
        elif self.opcode in (0x28, 0x2a):
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
        self.unit_attention = True

    def execute(self, command):
        opcode = command.opcode
        if command.lun[2:4] not in (b'\0\0', b'\x40\0') and opcode != INQUIRY:
            command.check_condition(ILLEGAL_REQUEST, 0x25)
        elif self.unit_attention and opcode not in NOT_FOR_UNIT_ATTENTION:
            self.unit_attention = False
            command.check_condition(UNIT_ATTENTION, 0x29)
        elif opcode in READ or opcode in WRITE:
            self._transfer(command)
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
            data = struct.pack('>QI', last_block, SECTOR).ljust(32, b'\0')
            command.send(data, big_endian(cdb[10:14]))
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
            data = bytes([0x00, 0x80, 0x83])
        elif page == 0x80:
            data = self._serial
        elif page == 0x83:
            vendor = b'UNHANG  ' + self._serial
            data = bytes([2, 1, 0, len(vendor)]) + vendor
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
        self.tmf_mode = 'ok'
        self.heal_after = 0
        self.delay = 0
        self.fail_code = None
        self.lost = []
        self.delayed = []
        self.hung_tmfs = []
        self.counts = dict.fromkeys(('io', 'lost', 'late', 'tmf', 'reset', 'abort'), 0)

    def loses(self, opcode):
        """Is a command with this opcode to be lost? Uses one up if they are counted."""
        if self.lose_kind is None or opcode not in KINDS[self.lose_kind] or self.lose_count == 0:
            return False
        if self.lose_count is not None:
            self.lose_count -= 1
        return True

    def execute(self, command):
        self.counts['io'] += 1
        if self.fail_code is not None and command.opcode in DATA:
            command.respond(self.fail_code)
        else:
            self.disk.execute(command)

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
        self.disk.unit_attention = True
        commands = self.lost + self.delayed
        self.lost, self.delayed = [], []
        for command in commands:
            command.respond(RESET)
        return heals

    def abort(self, tag):
        """Give back one lost command, or all of them if no tag is given."""
        commands = [c for c in self.lost if tag is None or c.tag == tag]
        self.lost = [c for c in self.lost if c not in commands]
        for command in commands:
            command.respond(ABORTED)

    def drop_queue(self, queue):
        """The guest has taken the queue back: nothing on it will ever be answered."""
        self.lost = [c for c in self.lost if c.request.queue is not queue]
        self.delayed = [c for c in self.delayed if c.request.queue is not queue]
        self.hung_tmfs = [t for t in self.hung_tmfs if t[0].queue is not queue]

    def state(self):
        return {**self.counts, 'pending': len(self.lost), 'hung_tmfs': len(self.hung_tmfs),
                'lose': self.lose_kind, 'tmf_mode': self.tmf_mode}

    # What the control socket sets.

    def set_lose(self, kind, count=None):
        KINDS[kind]  # raises KeyError if there is no such kind
        self.lose_kind = kind
        self.lose_count = int(count) if count else None

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
        for target in self._targets:
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
        elif target.loses(command.opcode):
            target.lost.append(command)
            target.counts['lost'] += 1
            self._event(target, 'lost', f'{command.opcode:#04x}')
        elif target.delay and command.opcode in DATA:
            target.delayed.append(command)
            self._loop.later(target.delay, lambda: target.finish_delayed(command))
        else:
            target.execute(command)

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
            'delay': target.set_delay,
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
