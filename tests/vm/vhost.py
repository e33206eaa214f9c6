# SPDX-License-Identifier: LGPL-2.1-or-later
"""The transport of a vhost-user device: QEMU's socket, the guest's memory and the virtqueues.

Nothing here knows SCSI. QEMU hands over the guest's memory as file descriptors and tells where the
rings lie; from then on a request is taken from a ring, and answered on it, without QEMU.
"""

import array
import heapq
import mmap
import os
import select
import socket
import struct
import time

FEATURES = 1 << 32 | 1 << 30  # VIRTIO_F_VERSION_1, VHOST_USER_F_PROTOCOL_FEATURES
PROTOCOL_FEATURES = 1 << 0 | 1 << 3  # several queues, replies on request
MAX_QUEUES = 16

GET_FEATURES = 1
SET_MEM_TABLE = 5
SET_VRING_NUM = 8
SET_VRING_ADDR = 9
SET_VRING_BASE = 10
GET_VRING_BASE = 11
SET_VRING_KICK = 12
SET_VRING_CALL = 13
SET_VRING_ERR = 14
GET_PROTOCOL_FEATURES = 15
GET_QUEUE_NUM = 17
SET_VRING_ENABLE = 18

REPLY = 5  # protocol version 1, "this is a reply"
WANTS_REPLY = 8

DESC_NEXT = 1
DESC_WRITE = 2
AVAIL_NO_INTERRUPT = 1


class Loop:
    """One thread's event loop: file descriptors and timers."""

    def __init__(self):
        self._epoll = select.epoll()
        self._handlers = {}
        self._timers = []
        self._serial = 0

    def watch(self, fd, handler):
        self._handlers[fd] = handler
        self._epoll.register(fd, select.EPOLLIN)

    def unwatch(self, fd):
        if self._handlers.pop(fd, None):
            self._epoll.unregister(fd)

    def later(self, seconds, function):
        self._serial += 1
        heapq.heappush(self._timers, (time.monotonic() + seconds, self._serial, function))

    def run(self):
        while True:
            for fd, _ in self._epoll.poll(self._next_timer()):
                handler = self._handlers.get(fd)
                if handler:
                    handler()
            while self._timers and self._timers[0][0] <= time.monotonic():
                heapq.heappop(self._timers)[2]()

    def _next_timer(self):
        if not self._timers:
            return -1
        return max(0, self._timers[0][0] - time.monotonic())


class Region:
    """A piece of the guest's memory, mapped here."""

    def __init__(self, guest_address, size, user_address, offset, fd):
        self.guest_address = guest_address
        self.user_address = user_address
        self.size = size
        self._offset = offset
        self._view = memoryview(mmap.mmap(fd, size + offset, mmap.MAP_SHARED))
        os.close(fd)

    def slice(self, start, length):
        return self._view[self._offset + start:self._offset + start + length]


class Memory:
    """The guest's memory, addressed as the guest or as QEMU does."""

    def __init__(self):
        self.regions = []

    def guest(self, address, length):
        for region in self.regions:
            if region.guest_address <= address < region.guest_address + region.size:
                return region.slice(address - region.guest_address, length)
        raise ValueError(f'guest address {address:#x} is outside its memory')

    def user(self, address, length):
        for region in self.regions:
            if region.user_address <= address < region.user_address + region.size:
                return region.slice(address - region.user_address, length)
        raise ValueError(f'QEMU address {address:#x} is outside the guest memory')


class Request:
    """One descriptor chain: what the driver sent, and the room for our answer."""

    def __init__(self, queue, head, readable, writable):
        self.queue = queue
        self.data = b''.join(readable)
        self.room = sum(len(part) for part in writable)
        self._head = head
        self._writable = writable
        self._generation = queue.generation

    def answer(self, reply):
        """Write the reply where the driver wants it, and give the chain back. Once only."""
        if self._generation != self.queue.generation:
            return  # the guest has reset the device meanwhile: these buffers are no longer ours
        done = 0
        for part in self._writable:
            count = min(len(part), len(reply) - done)
            part[:count] = reply[done:done + count]
            done += count
        self.queue.push(self._head, done)


class Queue:
    """A split virtqueue."""

    def __init__(self):
        self.size = 0
        self.addresses = None
        self.generation = 0
        self.next = 0
        self.started = False
        self.enabled = True
        self.kick = -1
        self.call = -1
        self._desc = self._avail = self._used = self._used_index = None

    def map(self, memory):
        desc, used, avail = self.addresses
        self._desc = memory.user(desc, 16 * self.size)
        self._avail = memory.user(avail, 4 + 2 * self.size).cast('H')
        self._used = memory.user(used, 4 + 8 * self.size)
        self._used_index = self._used.cast('H')

    def ready(self):
        return self.started and self.enabled and self._desc is not None

    def pop(self, memory):
        """The next request, or None."""
        if self.next == self._avail[1]:
            return None
        head = self._avail[2 + self.next % self.size]
        self.next = (self.next + 1) & 0xffff
        readable, writable = [], []
        index = head
        while True:
            address, length, flags, following = struct.unpack_from('<QIHH', self._desc, 16 * index)
            part = memory.guest(address, length)
            if flags & DESC_WRITE:
                writable.append(part)
            else:
                readable.append(part)
            if not flags & DESC_NEXT:
                return Request(self, head, readable, writable)
            index = following

    def push(self, head, length):
        index = self._used_index[1]
        struct.pack_into('<II', self._used, 4 + 8 * (index % self.size), head, length)
        self._used_index[1] = (index + 1) & 0xffff
        if self.call >= 0 and not self._avail[0] & AVAIL_NO_INTERRUPT:
            os.eventfd_write(self.call, 1)

    def stop(self, loop):
        self.generation += 1
        self.started = False
        self.set_kick(loop, -1)

    def set_kick(self, loop, fd):
        if self.kick >= 0:
            loop.unwatch(self.kick)
            os.close(self.kick)
        self.kick = fd

    def set_call(self, fd):
        if self.call >= 0:
            os.close(self.call)
        self.call = fd
        # QEMU changes the descriptor when the guest masks and unmasks the interrupt, and does not
        # wait for us: a completion may just have been told to the old one, which nobody hears.
        if fd >= 0:
            os.eventfd_write(fd, 1)


# A guest whose processors are emulated takes as long for a completion as we do for a request: one
# that always finds another does not leave its interrupt handler (virtio_scsi.c: virtscsi_vq_done),
# nor do we our loop, and whatever else runs there waits for as long as the load lasts. So after so
# many requests there is a pause.
BURST = 64
PAUSE = 0.002


class Device:
    """The back end's end of the vhost-user socket.

    on_request(number of the queue, request) is called for each request,
    on_stop(queue) when the guest takes a queue, and all its buffers, back.
    """

    def __init__(self, loop, path, on_request, on_stop):
        self._loop = loop
        self._on_request = on_request
        self._on_stop = on_stop
        self._memory = Memory()
        self._queues = {}
        self._connection = None
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(1)
        loop.watch(self._listener.fileno(), self._accept)
        self._calls = {
            GET_FEATURES: lambda body, fds: struct.pack('<Q', FEATURES),
            GET_PROTOCOL_FEATURES: lambda body, fds: struct.pack('<Q', PROTOCOL_FEATURES),
            GET_QUEUE_NUM: lambda body, fds: struct.pack('<Q', MAX_QUEUES),
            SET_MEM_TABLE: self._set_memory,
            SET_VRING_NUM: self._set_size,
            SET_VRING_ADDR: self._set_addresses,
            SET_VRING_BASE: self._set_base,
            GET_VRING_BASE: self._get_base,
            SET_VRING_KICK: self._set_kick,
            SET_VRING_CALL: self._set_call,
            SET_VRING_ERR: self._set_err,
            SET_VRING_ENABLE: self._set_enable,
        }

    def _accept(self):
        self._connection, _ = self._listener.accept()
        self._loop.watch(self._connection.fileno(), self._on_message)

    def _on_message(self):
        header, fds = self._receive_header()
        if len(header) < 12:
            raise SystemExit(0)  # QEMU has gone
        request, flags, size = struct.unpack('<III', header)
        body = b''
        while len(body) < size:
            body += self._connection.recv(size - len(body))
        call = self._calls.get(request)
        reply = call(body, fds) if call else None
        if reply is None and flags & WANTS_REPLY:
            reply = struct.pack('<Q', 0)
        if reply is not None:
            self._connection.sendall(struct.pack('<III', request, REPLY, len(reply)) + reply)

    def _receive_header(self):
        fds = array.array('i')
        try:
            header, ancillary, _, _ = self._connection.recvmsg(12, socket.CMSG_SPACE(16 * 4))
        except OSError:
            return b'', fds
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(data[:len(data) // fds.itemsize * fds.itemsize])
        return header, fds

    def _queue(self, index):
        return self._queues.setdefault(index, Queue())

    def _set_memory(self, body, fds):
        count, = struct.unpack_from('<I', body)
        regions = []
        for i in range(count):
            guest, size, user, offset = struct.unpack_from('<QQQQ', body, 8 + 32 * i)
            regions.append(Region(guest, size, user, offset, fds[i]))
        self._memory.regions = regions
        for queue in self._queues.values():
            if queue.addresses:
                queue.map(self._memory)

    def _set_size(self, body, fds):
        index, size = struct.unpack_from('<II', body)
        self._queue(index).size = size

    def _set_addresses(self, body, fds):
        index, _, desc, used, avail, _ = struct.unpack_from('<IIQQQQ', body)
        queue = self._queue(index)
        queue.addresses = desc, used, avail
        queue.map(self._memory)

    def _set_base(self, body, fds):
        index, base = struct.unpack_from('<II', body)
        self._queue(index).next = base

    def _get_base(self, body, fds):
        """QEMU asks for this to stop a queue."""
        index, _ = struct.unpack_from('<II', body)
        queue = self._queue(index)
        self._on_stop(queue)
        queue.stop(self._loop)
        return struct.pack('<II', index, queue.next)

    def _set_kick(self, body, fds):
        index = body[0]
        queue = self._queue(index)
        fd = fds[0]
        os.set_blocking(fd, False)
        queue.set_kick(self._loop, fd)
        queue.started = True
        self._loop.watch(fd, lambda: self._on_kick(index, fd))
        self._loop.later(0, lambda: self._drain(index))

    def _set_call(self, body, fds):
        self._queue(body[0]).set_call(fds[0] if fds else -1)

    def _set_err(self, body, fds):
        for fd in fds:
            os.close(fd)

    def _set_enable(self, body, fds):
        index, enabled = struct.unpack_from('<II', body)
        self._queue(index).enabled = bool(enabled)
        self._loop.later(0, lambda: self._drain(index))

    def _on_kick(self, index, fd):
        try:
            os.eventfd_read(fd)
        except BlockingIOError:
            pass
        self._drain(index)

    def _drain(self, index):
        queue = self._queues[index]
        for _ in range(BURST):
            if not queue.ready():
                return
            request = queue.pop(self._memory)
            if request is None:
                return
            self._on_request(index, request)
        self._loop.later(PAUSE, lambda: self._drain(index))
