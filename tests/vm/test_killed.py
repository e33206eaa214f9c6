#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""unhangd is killed in mid-incident: the next one finishes it, and no reset is ever doubled."""

import time

import scenario
from scenario import Agent, Site, step, wait_until

KILL = 'systemctl kill --kill-whom=main --signal=KILL unhangd'


def case():
    with Site('debian') as site:
        agent = Agent(site.guest)
        agent.start()
        while_the_reset_hangs(site, agent)
        while_it_settles(site, agent)
        while_it_is_failed(site, agent)


def kill(site):
    """Returns when the next daemon is at work."""
    pid = main_pid(site)
    site.guest.sh(KILL)
    wait_until(lambda: main_pid(site) not in ('0', pid), 60, 'systemd starts it again')
    site.guest.wait_for('unhang status | grep -q ^sd', 30)


def main_pid(site):
    return site.guest.sh('systemctl show --property=MainPID --value unhangd')


def write(site):
    return site.guest.bg(f'dd if=/dev/zero of={site.sick.mountpoint}/f bs=4k count=1 conv=fsync')


def resets(site):
    return site.hba.stat(site.sick.target)['reset']


def recovered(agent):
    return sum(entry.get('UNHANG_EVENT') == 'recovered' for entry in agent.entries())


def while_the_reset_hangs(site, agent):
    step('killed while the device does not answer the reset')
    site.lose(tmf='hang')
    job = write(site)
    wait_until(lambda: site.hba.stat(site.sick.target)['hung_tmfs'], 30, 'the TMF is sent')
    kill(site)
    agent.wait_for_line('taking up the incident .* acting', 20)
    began = time.monotonic()
    site.guest.sh('systemctl restart unhangd', 60)
    took = time.monotonic() - began
    step(f'systemctl restart took {took:.1f} s with a process in D')
    assert took < 20, took
    scenario.holds_for(lambda: resets(site) == 1, 15, 'one reset, which is not answered')
    status = site.guest.get(site.guest.bg('unhang status')).output
    assert 'earlier unhangd still hangs' in status, status
    processes = site.guest.sh('cat /proc/[0-9]*/comm | grep -c unhang-host')
    assert int(processes) <= 4, f'{processes} executors of hosts: they pile up'

    site.release()
    result = site.guest.get(job, 30)
    assert result.status == 0, result
    wait_until(lambda: recovered(agent) == 1, 30, 'it is finished')
    assert resets(site) == 1, 'a reset was doubled'


def while_it_settles(site, agent):
    step('killed between a reset and its outcome')
    time.sleep(8)  # one that comes sooner would be a relapse, and not be reset again
    before = resets(site)
    site.lose(tmf='ok')
    job = write(site)
    wait_until(lambda: resets(site) == before + 1, 30, 'the LUN reset arrives')
    reset_at = time.monotonic()
    kill(site)
    agent.wait_for_line('taking up the incident .* settling', 20)
    result = site.guest.get(job, 60)
    assert result.status == 1 and 'Input/output error' in result.output, result
    wait_until(lambda: failed(agent) == 1, 30, 'it is failed')
    # The second one belongs to "offline"; between the two there was a whole window to settle.
    events = [event.time for event in site.hba.events('reset')][before:]
    assert len(events) == 2, events
    assert events[1] - reset_at >= 5, events


def failed(agent):
    return sum(entry.get('UNHANG_EVENT') == 'failed' for entry in agent.entries())


def while_it_is_failed(site, agent):
    step('killed while the disk is failed and its filesystem is unmounted')
    kill(site)
    agent.wait_for_line('taking up the incident .* (failed|returning)', 20)
    site.release()
    wait_until(lambda: recovered(agent) == 2, 90, 'it is brought back')
    site.guest.sh(f'grep " {site.sick.mountpoint} ext4 rw" /proc/mounts')
    site.guest.sh(f'echo alive > {site.sick.mountpoint}/alive && sync -f {site.sick.mountpoint}')


scenario.main(case)
