#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What systemd runs on a filesystem: stopped in order before it is unmounted, and started in order
when it is mounted again. The filesystem has a mount unit; one service needs it, one needs that
service, one only holds a file, and there is a process that no service can be stopped for.

Holders=wait waits for who holds it; stop-units and kill go as far as they say. Then a filesystem
without a journal, which systemd checks before it is mounted again.
"""

import re

import scenario
from scenario import OFTEN, ACKS, Agent, Site, step, wait_until

LIMIT = 6
CONFIG = OFTEN.format(LIMIT) + '''
[Filesystem]
Holders={holders}
'''

UNITS = '/etc/systemd/system'
THREADS = 2

# Each start writes into a folder of its own, for records are counted from one.
WRITE = f'''#!/bin/sh
read -r n < /run/starts
echo $((n + 1)) > /run/starts
mkdir -p /mnt/sick/$n
exec recorder write --retry --acks {ACKS} --threads {THREADS} --first $((n * {THREADS})) \\
    --pause 50 /mnt/sick/$n
'''

MOUNT = '''[Mount]
What=/dev/{disk}
Where=/mnt/sick
Type=ext4
'''
WRITER = '''[Unit]
RequiresMountsFor=/mnt/sick
[Service]
ExecStart=/run/write
'''
FOLLOWER = '''[Unit]
Requires=writer.service
After=writer.service
[Service]
ExecStart=/bin/sleep infinity
'''
HOLDER = '''[Service]
WorkingDirectory=/mnt/sick
ExecStart=/bin/sleep infinity
'''
BYSTANDER = '''[Unit]
RequiresMountsFor=/mnt/apart
[Service]
WorkingDirectory=/mnt/apart
ExecStart=/bin/sleep infinity
'''


class Services:
    """The units in the guest."""

    def __init__(self, site):
        self._site = site
        self._guest = site.guest
        texts = {'mnt-sick.mount': MOUNT.format(disk=site.sick.name), 'writer.service': WRITER,
                 'follower.service': FOLLOWER, 'holder.service': HOLDER,
                 'bystander.service': BYSTANDER}
        for name, text in texts.items():
            self._guest.write(f'{UNITS}/{name}', text)
        self._guest.write('/run/write', WRITE)
        self._guest.sh('umount /mnt/sick; echo 0 > /run/starts; chmod +x /run/write; '
                       'systemctl daemon-reload; systemctl start mnt-sick.mount', 60)
        self.start()
        self._guest.sh('systemctl start bystander')
        self._pids = self.pids('bystander')

    def start(self):
        self._guest.sh('systemctl start follower holder', 60)
        self.write_on()

    def stop(self):
        self._guest.sh('systemctl stop writer holder', 60)

    def pids(self, *names):
        return self._guest.sh(f'systemctl show -P MainPID {" ".join(names)}').split()

    def write_on(self):
        """The writer has been acknowledged something since now."""
        before = len(self._site.guest.acks)
        wait_until(lambda: any(line.text.startswith('A') for line in
                               list(self._site.guest.acks)[before:]), 60, 'the writer writes')

    def active(self):
        names = ('writer', 'follower', 'holder')
        states = self._guest.sh(f'systemctl is-active {" ".join(names)} || true').split()
        return [name for name, state in zip(names, states) if state == 'active']

    def assert_bystander(self):
        assert self.pids('bystander') == self._pids, 'a service of a healthy disk was stopped'

    def order(self):
        """What systemd and unhangd said of it, in the order of the journal."""
        text = self._guest.sh('journalctl -b --no-pager -o cat', 60)
        return [line for line in text.splitlines() if
                re.search(r'(Stopped|Started|Deactivated) .*(writer|follower|holder)|'
                          r'/mnt/sick: (unmount|mount): done', line)]


def fail(site, agent, before):
    """The disk hangs; the reset brings nothing back; it is failed."""
    site.lose('rw', tmf='ok')
    wait_until(lambda: any('shutdown' in line for line in agent.lines()[before:]), 120,
               'its filesystems are shut down')


def count_lost(site):
    """Over all the folders that writers had."""
    starts = int(site.guest.sh('cat /run/starts'))
    acknowledged = site.acknowledged()  # the last of them is still at it
    found = {}
    for n in range(starts):
        output = site.guest.sh(f'recorder verify --threads {THREADS} --first {n * THREADS} '
                               f'/mnt/sick/{n}', 60)
        for line in output.splitlines():
            _, thread, last, _ = line.split()
            found[int(thread)] = int(last)
    verdict = scenario.compare(acknowledged, found)
    assert verdict.acknowledged > 0 and verdict.lost == 0, verdict


def is_mounted(site):
    return bool(site.guest.sh('grep " /mnt/sick " /proc/mounts || true'))


def comes_back(site, agent, services, seen):
    site.release()
    wait_until(lambda: any('filesystems are mounted again' in line for line in
                           agent.lines()[seen:]), 180, 'it is mounted again')
    services.write_on()
    assert services.active() == ['writer', 'follower', 'holder'], services.active()
    site.guest.wait_for(f'unhang status {site.sick.name}', 60)
    assert not site.guest.sh('ls /run/unhang/units'), 'something is still noted'
    services.assert_bystander()


def waits(site, agent, services):
    """Nobody that holds it is touched; those who need it are stopped when nobody does."""
    seen = len(agent.lines())
    fail(site, agent, seen)
    wait_until(lambda: any('unmount: Device or resource busy' in line for line in
                           agent.lines()[seen:]), 60, 'it is busy')
    assert services.active() == ['writer', 'follower', 'holder'], services.active()
    assert is_mounted(site)
    services.stop()
    wait_until(lambda: not is_mounted(site), 60, 'it is unmounted')
    site.release()
    wait_until(lambda: any('filesystems are mounted again' in line for line in
                           agent.lines()[seen:]), 180, 'it is mounted again')
    assert not services.active(), 'what a person has stopped was started'
    services.start()


def stops_units(site, agent, services):
    seen, before = len(agent.lines()), len(services.order())
    fail(site, agent, seen)
    wait_until(lambda: not is_mounted(site), 120, 'it is unmounted')
    assert not services.active(), services.active()
    assert any('/mnt/sick: stopping holder.service, which needs or holds it' in line for line in
               agent.lines()[seen:])
    step('unhangd is killed; the next one finds what is to be started')
    site.guest.sh('systemctl kill -s KILL --kill-who=main unhangd')
    comes_back(site, agent, services, seen)
    order = services.order()[before:]
    print('\n'.join(order))
    places = [next(i for i, line in enumerate(order) if re.search(pattern, line)) for pattern in
              ('Stopped .*follower', 'Stopped .*writer', 'unmount: done', ': mount: done',
               'Started .*writer', 'Started .*follower')]
    assert places == sorted(places), places


def kills(site, agent, services):
    """What is in no service is only ended by kill."""
    site.guest.sh('systemd-run --scope --unit=shell sh -c '
                  '"cd /mnt/sick && exec sleep 10000" > /dev/null 2>&1 &')
    site.guest.wait_for('systemctl is-active shell.scope', 30)
    seen = len(agent.lines())
    fail(site, agent, seen)
    wait_until(lambda: any('unmount: Device or resource busy' in line for line in
                           agent.lines()[seen:]), 60, 'it is busy')
    assert not services.active() and is_mounted(site)
    site.guest.sh('systemctl is-active shell.scope')
    set_holders(site, 'kill')
    wait_until(lambda: not is_mounted(site), 60, 'it is unmounted')
    site.guest.sh('! systemctl is-active shell.scope')
    comes_back(site, agent, services, seen)


def checks(site, agent, services):
    """Without a journal: fsck first, which puts right what is not."""
    services.stop()
    site.guest.sh(f'systemctl stop mnt-sick.mount; mke2fs -q -F -t ext4 -O ^has_journal '
                  f'/dev/{site.sick.name} && systemctl start mnt-sick.mount && '
                  'echo kept > /mnt/sick/kept && sync /mnt/sick/kept', 60)
    site.guest.wait_for(f'unhang show {site.sick.name} | grep -q " /mnt/sick "', 30)
    services.start()
    seen = len(agent.lines())
    fail(site, agent, seen)
    wait_until(lambda: not is_mounted(site), 60, 'it is unmounted')
    comes_back(site, agent, services, seen)
    text = site.guest.sh(f'journalctl -b --no-pager -o cat -u systemd-fsck@dev-{site.sick.name}', 60)
    step(f'systemd-fsck: {text.splitlines()[-2:]}')
    assert 'clean' in text or 'MODIFIED' in text, text
    assert site.guest.sh('cat /mnt/sick/kept') == 'kept'


def set_holders(site, holders):
    site.guest.write('/etc/unhang/unhangd.conf', CONFIG.format(holders=holders))
    site.guest.sh('systemctl reload unhangd', 60)


def settle(site):
    """A hang that comes sooner would be a relapse."""
    site.guest.wait_for(f'unhang status {site.sick.name}', 60)
    site.guest.sh(f'sleep {LIMIT + 1}')


def case():
    with Site('debian') as site:
        agent = Agent(site.guest)
        agent.start(CONFIG.format(holders='wait'))
        agent.wait_for_line(f'{site.sick.name} .*guarded', 30)
        services = Services(site)
        site.guest.wait_for(f'unhang show {site.sick.name} | grep -q " /mnt/sick "', 30)
        try:
            for holders, check in (('wait', waits), ('stop-units', stops_units),
                                   ('stop-units', kills)):
                step(f'---- Holders={holders}: {check.__name__} ----')
                set_holders(site, holders)
                check(site, agent, services)
                settle(site)
            count_lost(site)
            step('---- without a journal ----')
            checks(site, agent, services)
        except BaseException:
            print('\n'.join(agent.lines()))
            print(site.guest.sh('journalctl -b --no-pager -o short-monotonic | tail -60', 60))
            raise


scenario.main(case)
