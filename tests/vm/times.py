#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""times.py [RUNS]: how long after the limit a hung disk completes something again.

    UNHANG_PAYLOAD=TREE tests/vm/times.py 20

TREE is what "meson install --destdir TREE" made of a release build. A read hangs, on a virtio-scsi
disk and on an NVMe disk, whose resets cure that; the time from the loss to the end of the read, less
the limit, is what detection, reset and the kernel's retry took. With the looks of a guest before it.
"""

import statistics
import sys
import tempfile
import time

import guest
import hba
import scenario
from scenario import Agent, step

LIMIT = 5
CONFIG = f'''[Detect]
WarnSec=2s
StallSec={LIMIT}s

[Recover]
SettleSec=5s
MaxActs=16
MaxActsWindowSec=1min
'''

KERNEL_COMMAND_LINE = 'nvme_core.multipath=Y nvme_core.io_timeout=4294967'


def case():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory(prefix='unhang-times.') as folder:
        payload = scenario.make_payload(folder)
        images = [scenario.make_disk(f'{folder}/{name}') for name in ('scsi', 'nvme')]
        with hba.Hba('data', images[:1]) as sick, \
                guest.Guest('busybox', [sick], payload, udev=True, tools=True, nvme=[images[1]],
                            append=KERNEL_COMMAND_LINE) as machine:
            agent = Agent(machine)
            agent.start(CONFIG)
            nvme = machine.nvme[0]
            for name in (machine.disk(0), nvme.path()):
                agent.wait_for_line(f'{name} .*guarded', 60)
            print('                 from the limit to the first completed I/O, in seconds')
            print('                 runs   least  median    most')
            tell('virtio-scsi', [scsi(machine, sick) for _ in range(runs)])
            tell('NVMe', [on_nvme(machine, nvme) for _ in range(runs)])


def tell(name, times):
    print(f'{name:15}  {len(times):4}  {min(times):6.2f}  {statistics.median(times):6.2f}  '
          f'{max(times):6.2f}', flush=True)
    step(' '.join(f'{t:.2f}' for t in times))


def read(machine, name):
    return machine.bg(f'dd if=/dev/{name} of=/dev/null bs=4k count=1 iflag=direct 2>&1')


def scsi(machine, sick):
    sick.control('tmf', 0, 'heal')
    sick.control('lose', 0, 'read')
    return took(machine, read(machine, machine.disk(0)),
                lambda: sick.events('lost')[-1].time)


def on_nvme(machine, nvme):
    nvme.controller.lose_registers()
    began = time.monotonic()
    return took(machine, read(machine, nvme.name()), lambda: began)


def took(machine, job, lost_at):
    assert machine.get(job, 60).status == 0
    late = time.monotonic() - lost_at() - LIMIT
    machine.wait_for('unhang status', 60)
    time.sleep(LIMIT + 1)  # a hang that comes sooner would be a relapse
    return late


scenario.main(case)
