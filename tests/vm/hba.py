# SPDX-License-Identifier: LGPL-2.1-or-later
"""A sick HBA, seen from the test: starts backend.py and talks to it."""

import collections
import json
import os
import shutil
import subprocess
import sys
import tempfile

import guest

Event = collections.namedtuple('Event', 'time target what details')


class Hba:
    """The vhost-user-scsi HBA NAME, with one disk for each image. Use it in a with statement.

    Its words (lose, tmf, delay, release ...) are described in backend.py:

        hba.control('lose', 0, 'write')
    """

    def __init__(self, name, images):
        self.name = name
        self._images = list(images)
        self._process = None

    def __enter__(self):
        self._dir = tempfile.mkdtemp(prefix='unhang-hba.')
        self._vhost = os.path.join(self._dir, 'vhost')
        self._control_path = os.path.join(self._dir, 'control')
        script = os.path.join(guest.HERE, 'backend.py')
        try:
            self._process = subprocess.Popen(
                [sys.executable, script, self._vhost, self._control_path, self.name,
                 *self._images], preexec_fn=guest.die_with_parent)
            self._control = guest.connect(self._control_path, self._process)
        except BaseException:
            self.close()
            raise
        self._stream = self._control.makefile('rw')
        return self

    def __exit__(self, *exception):
        self.close()

    def qemu_arguments(self, slot):
        return ['-chardev', f'socket,id={self.name},path={self._vhost}',
                '-device', f'vhost-user-scsi-pci,chardev={self.name},addr={slot:#x},'
                           'num_queues=2,virtqueue_size=512']

    def control(self, verb, target, *arguments):
        reply = self._ask(' '.join(map(str, (verb, target, *arguments))))
        assert reply == 'ok', reply

    def stat(self, target):
        """The counts of one target: io, lost, late, error, reset, pending, waiting ..."""
        return json.loads(self._ask('stat'))['targets'][target]

    def events(self, what=None, target=None):
        """What has happened so far, in time.monotonic() of this machine: lost, reset, abort ..."""
        events = [Event(time, number, name, details)
                  for time, number, name, *details in json.loads(self._ask('stat'))['events']]
        return [e for e in events if what in (None, e.what) and target in (None, e.target)]

    def _ask(self, line):
        self._stream.write(line + '\n')
        self._stream.flush()
        return self._stream.readline().rstrip('\n')

    def close(self):
        if self._process:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._dir, ignore_errors=True)
