#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a person sees and does: status, a reset by hand, a configuration with mistakes."""

import json

import scenario
from scenario import Agent, Site, step, wait_until

BAD_CONFIG = '''[Detect]
WarnSec=2s
StallSec=0
StalSec=10s

[Recover]
SettleSec=5 parsecs
'''


def case():
    with Site('debian') as site:
        agent = Agent(site.guest)
        not_running(site)
        mistakes(site, agent)
        healthy(site)
        by_hand(site, agent)


def unhang(site, arguments):
    return site.guest.get(site.guest.bg(f'unhang {arguments}'), 60)


def not_running(site):
    result = unhang(site, 'status')
    step(result.output.strip())
    assert result.status == 3 and 'systemctl start unhangd' in result.output, result


def mistakes(site, agent):
    step('a configuration with mistakes: each is named, and nothing is done sooner')
    agent.start(BAD_CONFIG)
    path = '/etc/unhang/unhangd.conf'
    for expected in (f'{path}:3: [Detect] StallSec=0: allowed is a time from 1s to 7d; '
                     '7d is in force, to be safe',
                     f'{path}:4: [Detect] StalSec=10s: no such key',
                     f'{path}:7: [Recover] SettleSec=5 parsecs: allowed is a time'):
        assert any(line.startswith(expected) for line in agent.lines()), (expected, agent.lines())
    status = unhang(site, 'status')
    step('\n' + status.output)
    assert status.status == 0 and status.output.count(' 7d ') == 4, status

    site.guest.sh(f'rm {path}; mkdir {path}; systemctl restart unhangd', 60)
    agent.wait_for_line(f'{path}: cannot be read: .*directory', 10)
    assert unhang(site, 'status').output.count(' 2min ') == 4
    assert 'Act=no' in unhang(site, f'policy {site.sick.name}').output
    site.guest.sh(f'rmdir {path}; systemctl reload unhangd', 60)
    wait_until(lambda: 'Act=yes' in unhang(site, f'policy {site.sick.name}').output, 20,
               'the disks are guarded again')


def healthy(site):
    step('a healthy disk is not reset, unless the person takes that on')
    name = site.sick.name
    result = unhang(site, f'reset --yes {name}')
    step(result.output.strip())
    assert result.status == 1 and 'it is not hung' in result.output, result
    assert '--force=symptom' in result.output, result
    assert unhang(site, 'reset --yes nosuchdisk').status == 1
    for wrong in ('--rung=bus-reset', '--rung=nonsense'):
        result = unhang(site, f'reset --yes {wrong} {name}')
        assert result.status == 1 and 'there is: lun-reset, offline' in result.output, result
    assert unhang(site, f'reset --yes --force=nonsense {name}').status == 2

    step('a dry run tells each step, and does nothing')
    result = unhang(site, f'reset --dry-run {name}')
    assert result.status == 1 and 'In the way: it is not hung' in result.output, result
    result = unhang(site, f'reset --dry-run --force=symptom {name}')
    step('\n' + result.output)
    assert result.status == 0 and 'In the way: nothing' in result.output, result
    assert f'through /dev/{site.sick.sg}' in result.output, result
    assert 'A reset of host' in result.output and site.sibling.mountpoint in result.output, result
    result = unhang(site, f'reset --dry-run --rung=offline --force=symptom {name}')
    assert result.status == 0 and 'unmounted' in result.output, result
    assert site.sick.mountpoint in result.output, result
    assert site.hba.stat(site.sick.target)['tmf'] == 0

    result = unhang(site, f'reset --yes --force=symptom --rung=lun-reset /dev/{name}')
    step(result.output.strip())
    assert result.status == 0 and 'recovered' in result.output, result
    assert site.hba.stat(site.sick.target)['reset'] == 1
    shown = json.loads(unhang(site, f'show --json {name}').output)
    facts = {fact['name']: fact['text'] for fact in shown['facts']}
    step(facts)
    assert facts['rungs'] == 'lun-reset, offline', facts
    assert facts['acts'].startswith('1 of ') and facts['in the way'].startswith('nothing'), facts
    assert 'virtio_scsi.c' in facts['source'], facts


def by_hand(site, agent):
    step('a disk that hangs is reset by hand, long before the limit')
    site.lose(tmf='heal')
    job = site.guest.bg(f'dd if=/dev/zero of={site.sick.mountpoint}/f bs=4k count=1 conv=fsync')
    wait_until(lambda: site.pending() > 0, 30, 'I/O is lost')
    agent.wait_for_line('; LUN reset after', 60)
    result = unhang(site, '--json status')
    disks = {disk['name']: disk for disk in json.loads(result.output)['disks']}
    assert result.status == 4 and disks[site.sick.name]['state'] == 'suspect', result
    assert disks[site.sibling.name]['state'] == 'healthy', result

    refused = unhang(site, f'reset {site.sick.name}')
    assert refused.status == 1 and '--yes' in refused.output, refused
    result = unhang(site, f'reset --yes {site.sick.name}')
    step(result.output.strip())
    assert result.status == 0 and 'recovered' in result.output, result
    assert site.guest.get(job, 30).status == 0
    assert site.hba.stat(site.sick.target)['reset'] == 2


scenario.main(case)
