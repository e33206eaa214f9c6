#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What keeps the daemon from a reset: suppressed by hand, dry run, healthy siblings, boot grace, the
budget. Each time the disk hangs far beyond its limit; then the guard goes, and it is reset."""

import json

import scenario
from scenario import CONFIG, Agent, Site, holds_for, step, wait_until

BEYOND = 6  # seconds after the report in which nothing may be done


def case():
    with Site('debian') as site:
        agent = Agent(site.guest)
        agent.start(CONFIG)
        suppressed(site, agent)
        refused(site, agent, 'DryRun=yes', 'dry run')
        refused(site, agent, 'BootGraceSec=1d', 'BootGraceSec=')
        refused(site, agent, 'IfSiblingsHealthy=report', 'IfSiblingsHealthy=')
        budget(site, agent)


def unhang(site, arguments):
    return site.guest.get(site.guest.bg(f'unhang {arguments}'), 60)


def state(site):
    output = unhang(site, 'status --json').output
    return next(disk for disk in json.loads(output)['disks'] if disk['name'] == site.sick.name)


def resets(site):
    return site.hba.stat(site.sick.target)['reset']


def restart(site, config):
    site.guest.write('/etc/unhang/unhangd.conf', config)
    site.guest.sh('systemctl restart unhangd', 60)
    wait_until(lambda: unhang(site, 'status').status in (0, 4), 30, 'unhangd answers')


def hang(site):
    """Lose I/O of the sick disk; the writer that waits for it."""
    site.lose(tmf='heal')
    job = site.guest.bg(f'dd if=/dev/zero of={site.sick.mountpoint}/f bs=4k count=1 conv=fsync')
    wait_until(lambda: site.pending() > 0, 30, 'I/O is lost')
    return job


def stays(site, words):
    """It is reported, with the reason, and nothing is done."""
    before = resets(site)
    wait_until(lambda: state(site)['state'] == 'stuck', 60, 'the hang is reported')
    detail = state(site)['detail']
    step(detail)
    assert words in detail, detail
    holds_for(lambda: resets(site) == before, BEYOND, 'nothing is done')


def cured(site, job, before):
    wait_until(lambda: resets(site) == before + 1, 60, 'the disk is reset')
    assert site.guest.get(job, 60).status == 0
    wait_until(lambda: state(site)['state'] in ('healthy', 'recovered'), 60, 'all is well')


def suppressed(site, agent):
    step('suppressed by hand, also across a restart')
    name, before = site.sick.name, resets(site)
    assert unhang(site, f'suppress {name} 1h').status == 0
    assert 'suppressed by hand' in unhang(site, f'show {name}').output
    restart(site, CONFIG)
    assert 'suppressed by hand' in state(site)['detail'], state(site)
    job = hang(site)
    stays(site, 'suppressed by hand')
    refusal = unhang(site, f'reset --yes {name}')
    assert refusal.status == 1 and '--force=suppressed' in refusal.output, refusal
    assert unhang(site, f'suppress {name} off').status == 0
    cured(site, job, before)
    agent.wait_for_line('acts are no longer suppressed by hand', 10)


def refused(site, agent, setting, words):
    step(f'{setting}: nothing is done; without it the disk is reset')
    before = resets(site)
    restart(site, f'{CONFIG}{setting}\n')
    job = hang(site)
    stays(site, words)
    restart(site, CONFIG)
    cured(site, job, before)


def budget(site, agent):
    step('MaxActs=1: the second hang is only reported, and reset by hand')
    restart(site, f'{CONFIG}MaxActs=1\nMaxActsWindowSec=1h\n')
    before = resets(site)
    shown = unhang(site, f'show {site.sick.name}').output
    step('\n' + shown)
    spent = 'MaxActs= acts within MaxActsWindowSec= are spent'
    job = hang(site)
    stays(site, spent)
    result = unhang(site, f'reset --yes {site.sick.name}')
    assert result.status == 1 and '--force=budget' in result.output, result
    result = unhang(site, f'reset --yes --force=budget {site.sick.name}')
    step(result.output)
    assert result.status == 0 and 'recovered' in result.output, result
    cured_by_hand = resets(site)
    assert cured_by_hand == before + 1, cured_by_hand
    assert site.guest.get(job, 60).status == 0


scenario.main(case)
