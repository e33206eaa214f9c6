#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""An NVMe controller whose reset comes to no end, and one that the kernel resets again and again.

Both without a request in flight that could be seen to hang, for most of the time.
"""

import sys
import tempfile
import time

import guest
import scenario
from scenario import Agent, step, wait_until

CONFIG = '''[Detect]
WarnSec=4s
StallSec=20s

[Recover]
SettleSec=4s
Act=no
'''

FOR_EVER = 'nvme_core.io_timeout=4294967'


def case():
    with tempfile.TemporaryDirectory(prefix='unhang-controller.') as folder:
        payload = scenario.make_payload(folder)
        image = f'{folder}/image'
        with open(image, 'wb') as file:
            file.truncate(64 << 20)
        for append, check in ((f'{FOR_EVER} nvme_core.multipath=N', stuck_in_reset),
                              ('nvme_core.io_timeout=3 nvme_core.admin_timeout=3 '
                               'nvme_core.max_retries=100', reset_for_ever)):
            with guest.Guest('busybox', payload=payload, udev=True, kernel=sys.argv[1],
                             nvme=[image], append=append) as machine:
                step(f'{append}: up after {machine.boot_seconds:.1f} s')
                agent = Agent(machine)
                agent.start(CONFIG)
                agent.wait_for_line(f'{machine.nvme[0].path()} .*watched', 30)
                check(machine, agent, machine.nvme[0])


def stuck_in_reset(machine, agent, disk):
    """A reset under way: the re-sent requests hang, and the reset waits for them for ever."""
    disk.hang()
    job = read(machine, disk)
    wait_until(lambda: sum(disk.inflight()) > 0, 30, 'it hangs')
    disk.controller.lose_registers()
    controller = f'/sys/class/nvme/{disk.controller.name()}'
    machine.bg(f'echo 1 > {controller}/reset_controller')
    machine.wait_for(f'grep connecting {controller}/state', 30)
    line = agent.wait_for_line(f'{disk.path()} .*controller-stuck: ', 60)
    step(line)
    assert 'recovering nvme' in line, line
    status = machine.get(machine.bg(f'unhang status {disk.path()}'))
    step(status.output)
    assert status.status == 4 and 'stuck' in status.output, status
    disk.release()
    assert machine.get(job, 60).status == 0
    machine.wait_for(f'unhang status {disk.path()}', 60)
    step('healthy again')


def reset_for_ever(machine, agent, disk):
    """The kernel resets the controller every few seconds, and it hangs again."""
    state = f'/sys/class/nvme/{disk.controller.name()}/state'
    disk.hang()
    read(machine, disk)
    deadline = time.monotonic() + 180
    while not any('stalled: ' in line for line in agent.lines()):
        assert time.monotonic() < deadline, agent.lines()
        # One with live registers that is reset would stop the whole machine: see block.py.
        # And one that loses them while it is being reset is given up.
        if machine.sh(f'cat {state}').strip() == 'live' and disk.controller.has_registers():
            disk.controller.lose_registers()
        time.sleep(0.3)
    step(agent.wait_for_line(f'{disk.path()} .*stalled: ', 1))
    resets = machine.dmesg('nvme.*reset controller')
    step(f'the kernel has reset it {len(resets)} times: {resets[-1]}')
    assert len(resets) >= 2, machine.dmesg('nvme')


def read(machine, disk):
    return machine.bg(f'dd if=/dev/{disk.name()} of=/dev/null bs=4k count=1 iflag=direct 2>&1')


scenario.main(case)
