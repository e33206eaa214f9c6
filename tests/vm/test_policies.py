#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Policies that udev and files choose, taken live: hot-plug, rules that change, and reloads."""

import time

import scenario
from scenario import Agent, Site, step, wait_until

RULE = '/etc/udev/rules.d/70-mine.rules'
CONF = '/etc/unhang/unhangd.conf'
POLICIES = '/etc/unhang/policy.d'

SLOW = '[Detect]\nWarnSec=4s\nStallSec=16s\n[Recover]\nSettleSec=5s\n'
QUICK = '[Detect]\nWarnSec=2s\nStallSec=5s\n[Recover]\nSettleSec=5s\n'
# What the host of a software-emulated guest may add to a limit.
LATE = 6


def case():
    with Site('debian') as site:
        agent = Agent(site.guest)
        site.guest.write(f'{POLICIES}/quick.policy', QUICK)
        agent.start(SLOW)
        agent.wait_for_line(f'{site.sick.name} .*guarded: .*policy default', 30)
        by_rule(site, agent)
        what_does_not_go_well(site)
        mistakes_in_a_rule(site, agent)
        hot_plug(site, agent)
        files(site, agent)
        broken_file(site, agent)
        each_at_its_own_time(site, agent)
    # Where no disk has been reset before: one that hangs again soon is not reset, but failed.
    with Site('debian') as site:
        agent = Agent(site.guest)
        agent.start(SLOW)
        agent.wait_for_line(f'{site.sick.name} .*guarded: .*policy default', 30)
        in_mid_incident(site, agent)
        on_the_disk_that_hangs(site, agent)


def rule(site, disk, assignments):
    """What an administrator does: a rule for one disk, made to count."""
    line = f'SUBSYSTEM=="block", ENV{{DEVTYPE}}=="disk", ENV{{ID_SERIAL}}=="*{serial(disk)}"'
    text = ''.join(f'{line}, {assignment}\n' for assignment in assignments)
    site.guest.write(RULE, text)
    site.guest.sh('udevadm control --reload; udevadm trigger --settle --action=change '
                  f'/sys/class/block/{disk.name}', 60)


def serial(disk):
    return f'data-{disk.target}'


def policy(site, disk):
    """{key: (value, origin)} of unhang policy, and the line with its name."""
    output = site.guest.sh(f'unhang policy {disk.name}', 60)
    lines = output.splitlines()
    values = {}
    for line in lines[1:]:
        if line.startswith('    '):
            assignment, origin = line.strip().split('  ', 1)
            key, value = assignment.split('=', 1)
            values[key] = value, origin.strip()
    return values, lines[0]


def wait_for_value(site, disk, key, value):
    return wait_until(lambda: policy(site, disk)[0][key][0] == value and policy(site, disk), 20,
                      f'{key}={value} for {disk.name}')


def by_rule(site, agent):
    step('a rule names a policy, another sets one key; both are taken without a restart')
    disk = site.sick
    values, head = policy(site, disk)
    assert values['StallSec'] == ('16s', f'{CONF}:3'), values
    assert values['InflightLimitSec'] == ('10min', 'default'), values
    rule(site, disk, ['ENV{UNHANG_POLICY}="quick"'])
    values, head = wait_for_value(site, disk, 'StallSec', '5s')
    assert values['StallSec'][1] == f'{POLICIES}/quick.policy:3', values
    assert 'policy quick: udev property UNHANG_POLICY' in head, head
    step(agent.wait_for_line(f'{disk.name} .*policy quick .was default.: .*StallSec=5s', 10))
    assert policy(site, site.sibling)[0]['StallSec'][0] == '16s'

    rule(site, disk, ['ENV{UNHANG_POLICY}="quick", ENV{UNHANG_STALL_SEC}="45"'])
    values, head = wait_for_value(site, disk, 'StallSec', '45s')
    assert values['StallSec'][1] == 'udev property UNHANG_STALL_SEC', values
    step(agent.wait_for_line(f'{disk.name} .*: StallSec=45s .was 5s.', 10))

    rule(site, disk, ['ENV{UNHANG_POLICY}="report-only"'])
    values, head = wait_for_value(site, disk, 'Act', 'no')
    assert values['StallSec'][0] == '16s', values

    step('the rule is removed, and with it what it set')
    rule(site, disk, [])
    values, head = wait_for_value(site, disk, 'Act', 'yes')
    assert 'policy default' in head and values['StallSec'][0] == '16s', (head, values)

    step('a disk is taken out, and comes back')
    rule(site, disk, ['ENV{UNHANG_IGNORE}="1"'])
    agent.wait_for_line(f'{disk.name} .*no longer guarded: .*UNHANG_IGNORE', 20)
    assert disk.name not in site.guest.get(site.guest.bg('unhang status')).output
    rule(site, disk, [])
    wait_until(lambda: site.guest.get(site.guest.bg(f'unhang policy {disk.name}')).status == 0, 20,
               'it is guarded again')


def what_does_not_go_well(site):
    step('values that are allowed, and do not go well with the disk or the machine')
    disk = site.sick
    rule(site, disk, ['ENV{UNHANG_RUNGS}="lun-reset bus-reset", ENV{UNHANG_FENCE}="panic"'])
    wait_for_value(site, disk, 'Fence', 'panic')
    site.guest.sh('sysctl -q kernel.panic=0')
    output = site.guest.sh(f'unhang policy {disk.name}', 60)
    step(output)
    assert '! Rungs=: virtio_scsi knows no bus-reset; left out' in output, output
    assert '! Fence=panic: no crash kernel is loaded' in output, output
    site.guest.sh('sysctl -q kernel.panic=10')
    output = site.guest.sh(f'unhang policy {disk.name}', 60)
    assert 'Fence=panic: no crash kernel' not in output, output
    rule(site, disk, [])
    wait_for_value(site, disk, 'Fence', 'none')


def mistakes_in_a_rule(site, agent):
    step('a property that cannot be read, and a policy that is not there: nothing is done sooner')
    disk = site.sick
    rule(site, disk, ['ENV{UNHANG_STALL_SEC}="5 parsecs", ENV{UNHANG_STAL_SEC}="1"'])
    wait_for_value(site, disk, 'StallSec', '7d')
    step(agent.wait_for_line(f'{disk.name}: UNHANG_STALL_SEC=5 parsecs: allowed is a time', 10))
    agent.wait_for_line(f'{disk.name}: UNHANG_STAL_SEC=1: there is no such property', 10)
    rule(site, disk, ['ENV{UNHANG_POLICY}="nowhere"'])
    wait_for_value(site, disk, 'Act', 'no')
    step(agent.wait_for_line(f'{disk.name}: UNHANG_POLICY=nowhere: there is no policy', 10))
    rule(site, disk, [])
    wait_for_value(site, disk, 'Act', 'yes')


def hot_plug(site, agent):
    step('a disk is plugged in whose rule names a policy')
    disk = site.sibling
    site.guest.sh(f'umount {disk.mountpoint}; echo 1 > /sys/block/{disk.name}/device/delete')
    agent.wait_for_line(f'{disk.name} .*gone, no longer guarded', 20)
    site.guest.write(RULE, 'SUBSYSTEM=="block", ENV{ID_SERIAL}=="*' + serial(disk) +
                     '", ENV{UNHANG_POLICY}="quick"\n')
    site.guest.sh('udevadm control --reload; '
                  'for scan in /sys/class/scsi_host/host*/scan; do echo "- - -" > $scan; done', 60)
    step(agent.wait_for_line('(guarded|watched): .*when it hangs for 5s.*policy quick', 30))
    disk.name = site.guest.disk(disk.target, 0)
    site.mount(disk)


def reload(site, expected=0):
    result = site.guest.get(site.guest.bg('systemctl reload unhangd 2>&1'), 60)
    assert (result.status == 0) == (expected == 0), result


def files(site, agent):
    step('a file is changed, another masks a shipped one; both count after a reload')
    site.guest.write('/run/unhang/unhangd.conf.d/10-run.conf', '[Recover]\nSettleSec=6s\n')
    site.guest.write(f'{POLICIES}/10-mine.policy',
                     f'[Match]\nMountPoint={site.apart.mountpoint}\nDriver=virtio_*\n'
                     '[Detect]\nStallSec=3min\n')
    site.guest.sh(f'ln -s /dev/null {POLICIES}/root.policy')
    # What cannot be known before the reload is known without the daemon.
    output = site.guest.sh('unhang policy --test Driver=virtio_scsi MountPoint=/mnt/apart')
    assert 'policy 10-mine' in output and '/run/unhang/unhangd.conf.d/10-run.conf:2' in output
    assert policy(site, site.apart)[0]['StallSec'][0] == '16s'
    reload(site)
    values, head = wait_for_value(site, site.apart, 'StallSec', '3min')
    assert f'[Match] of {POLICIES}/10-mine.policy' in head, head
    assert policy(site, site.sick)[0]['SettleSec'] == \
        ('6s', '/run/unhang/unhangd.conf.d/10-run.conf:2')
    step(agent.wait_for_line(f'{site.apart.name} .*policy 10-mine .was default.: ', 10))
    agent.wait_for_line('configuration reloaded: 9 policies', 10)
    assert site.guest.sh('unhang check') == 'no errors'


def broken_file(site, agent):
    step('a file with mistakes is not taken up, in no part, and what was in force stays')
    before = policy(site, site.sick)
    site.guest.write(CONF, '[Detect]\nWarnSec=4s\nStallSec=never\n[Recover]\nSettleSec=1s\n')
    result = site.guest.get(site.guest.bg('unhang check 2>&1'), 60)
    step(result.output.strip())
    assert result.status == 1 and f'{CONF}:3: [Detect] StallSec=never: allowed' in result.output
    reload(site, expected=1)
    assert policy(site, site.sick) == before
    # Also when it is not asked first.
    pid = site.guest.sh('systemctl show --property=MainPID --value unhangd')
    site.guest.sh(f'kill -HUP {pid}')
    step(agent.wait_for_line('configuration not reloaded: it has 1 error; what was in force', 20))
    agent.wait_for_line(f'{CONF}:3: .Detect. StallSec=never: allowed', 10)
    assert policy(site, site.sick) == before
    assert site.guest.sh('systemctl is-active unhangd') == 'active'
    site.guest.write(CONF, SLOW)
    reload(site)


def write(site, disk):
    return site.guest.bg(f'dd if=/dev/zero of={disk.mountpoint}/f bs=4k count=1 conv=fsync 2>&1')


def each_at_its_own_time(site, agent):
    step('two disks with different limits hang together: each is reset at its own time')
    sick, quick = site.sick, site.sibling
    assert policy(site, sick)[0]['StallSec'][0] == '16s'
    assert policy(site, quick)[0]['StallSec'][0] == '5s'
    for disk in (sick, quick):
        site.hba.control('tmf', disk.target, 'heal')
        site.hba.control('lose', disk.target, 'rw')
    jobs = [write(site, disk) for disk in (sick, quick)]
    wait_until(lambda: all(site.hba.stat(d.target)['pending'] for d in (sick, quick)), 30,
               'both have lost something')
    wait_until(lambda: site.hba.events('reset', sick.target), 60, 'both are reset')
    # They share a host: the reset of the first begins the observation of the second anew.
    for disk, limit, set_back in ((quick, 5, 0), (sick, 16, 5 + LATE)):
        lost = site.hba.events('lost', disk.target)[0].time
        resets = site.hba.events('reset', disk.target)
        took = resets[0].time - lost
        step(f'{disk.name}: reset {took:.1f} s after the loss, limit {limit} s')
        assert limit <= took <= limit + set_back + LATE and len(resets) == 1, (took, resets)
    for job in jobs:
        assert site.guest.get(job, 60).status == 0
    wait_until(lambda: site.guest.get(site.guest.bg('unhang status')).status == 0, 60,
               'all are healthy')


def in_mid_incident(site, agent):
    step('a reload while a disk hangs: the new limit counts from the next look on')
    disk = site.sick
    site.guest.write(CONF, SLOW.replace('16s', '10min'))
    reload(site)
    wait_for_value(site, disk, 'StallSec', '10min')
    resets = len(site.hba.events('reset', disk.target))
    site.lose(tmf='heal')
    job = write(site, disk)
    wait_until(site.pending, 30, 'a request is lost')
    agent.wait_for_line(f'{disk.name} .*none completed.*LUN reset after 10min', 30)
    time.sleep(8)
    assert len(site.hba.events('reset', disk.target)) == resets
    site.guest.write(CONF, SLOW.replace('16s', '7s'))
    site.guest.bg('systemctl reload unhangd')
    began = time.monotonic()
    wait_until(lambda: len(site.hba.events('reset', disk.target)) > resets, 30, 'it is reset')
    step(f'reset {time.monotonic() - began:.1f} s after the reload was asked for')
    step(agent.wait_for_line(f'{disk.name} .*: StallSec=7s .was 10min.', 10))
    assert site.guest.get(job, 60).status == 0
    wait_until(lambda: site.guest.get(site.guest.bg('unhang status')).status == 0, 60,
               'it is healthy')


def on_the_disk_that_hangs(site, agent):
    step('the configuration lies on the disk that hangs: the daemon goes on without it')
    disk = site.sick
    site.guest.sh(f'mkdir {disk.mountpoint}/conf && '
                  f'echo "[Recover]" > {disk.mountpoint}/conf/there.policy && sync && '
                  f'umount {disk.mountpoint}')
    site.mount(disk)
    rule(site, disk, ['ENV{UNHANG_POLICY}="report-only"'])
    wait_for_value(site, disk, 'Act', 'no')
    before = policy(site, site.apart)
    site.guest.sh(f'mkdir -p {POLICIES} && '
                  f'ln -s {disk.mountpoint}/conf/there.policy {POLICIES}/there.policy')
    site.lose()
    pid = site.guest.sh('systemctl show --property=MainPID --value unhangd')
    site.guest.sh(f'kill -HUP {pid}')
    wait_until(lambda: any(task.name == 'unhang-reload' for task in site.guest.tasks_in_d()), 30,
               'the process that reads it hangs')
    step(agent.wait_for_line(f'{disk.name} .*Act=no', 60))
    assert policy(site, site.apart) == before
    step(agent.wait_for_line('configuration not reloaded: it could not be read in time', 60))
    site.guest.sh(f'kill -HUP {pid}')
    step(agent.wait_for_line('not reloaded: the process that read it .* has not ended yet', 20))
    assert site.guest.sh('systemctl show --property=MainPID --value unhangd') == pid
    assert not site.hba.events('abort', disk.target)

    step('the disk is back, and so is the configuration')
    site.release()
    wait_until(lambda: not site.guest.tasks_in_d(), 60, 'nothing hangs')
    reload(site)
    agent.wait_for_line('configuration reloaded: 9 policies', 20)


scenario.main(case)
