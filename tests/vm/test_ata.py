#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""An ATA disk has no reset handlers: what is written to its host's scan file has libata reset the link.

Its I/O cannot be made to hang here: to end a request that is throttled QEMU waits for it, and stands
still. So it is a disk under load that is reset, by a person who takes that on.
"""

import tempfile

import guest
import scenario
from scenario import Agent, step, wait_until

# No hypervisor's own disk: only a rule of an administrator has it guarded.
RULE = 'KERNEL=="sd*", DRIVERS=="ata_piix", TAG+="unhang"'

# What libata says each time that a reset has let the disk tell what it is: there is no second disk on
# the cable (libata-sff.c: ata_sff_dev_classify).
RESET = 'ata[0-9]+: found unknown device'


def case():
    with tempfile.TemporaryDirectory(prefix='unhang-ata.') as folder:
        payload = scenario.make_payload(folder)
        image = scenario.make_disk(f'{folder}/ata')
        devices = ['-drive', f'if=none,id=ata,file={image},format=raw',
                   '-device', 'piix3-ide,id=piix',
                   '-device', 'ide-hd,bus=piix.0,drive=ata,serial=ATA0']
        with guest.Guest('busybox', payload=payload, udev=True, tools=True,
                         devices=devices) as machine:
            step(f'up after {machine.boot_seconds:.1f} s')
            machine.write('/etc/udev/rules.d/70-ata.rules', RULE + '\n')
            machine.sh('udevadm control --reload; modprobe ata_piix')
            name = wait_until(lambda: machine.sh('cd /sys/class/block; for disk in sd*; do '
                                                 'readlink $disk | grep -q /ata && echo $disk; '
                                                 'done; true'), 30, 'the disk appears')
            agent = Agent(machine)
            agent.start()
            step(agent.wait_for_line(f'^{name} .*guarded.*host-reset', 30))
            print(machine.sh(f'unhang show {name}'), flush=True)
            machine.sh(f'mkdir /mnt/ata && mount /dev/{name} /mnt/ata && echo old > /mnt/ata/old; sync')
            job = machine.bg(f'while dd if=/dev/zero of=/mnt/ata/new bs=64k count=4 conv=fsync 2>&1;'
                             ' do [ ! -e /run/stop ] || exit 0; done; exit 1')
            reset(machine, name)
            machine.sh('touch /run/stop')
            assert machine.get(job, 60).status == 0, 'a writer was told of an error'
            assert machine.sh('cat /mnt/ata/old') == 'old'
            machine.wait_for(f'unhang status {name}', 30)


def reset(machine, name):
    before = len(machine.dmesg(RESET))
    output = machine.sh(f'unhang reset {name} --rung=host-reset --force=symptom --yes 2>&1', 60)
    step(output.splitlines()[-1])
    assert 'recovered: ' in output, output
    resets = machine.dmesg(RESET)
    step(resets[-1])
    assert len(resets) == before + 1, resets
    assert not machine.dmesg('ata.*(failed|disabled|frozen)'), machine.dmesg('ata')


scenario.main(case)
