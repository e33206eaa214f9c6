# SPDX-License-Identifier: LGPL-2.1-or-later
"""The main job, to look at: the same incident in two guests, one with unhangd and one without.

Run by tests/demo, which sees to packages, build and images first.
"""

import json
import selectors
import signal
import subprocess
import sys
import time

import guest
import scenario
from scenario import Agent, Site, wait_until

THREADS = 4
WATCH_SECONDS = 30
LABELS = {'without': 'without unhangd', 'with': 'with unhangd'}
SHOWN = ('suspect', 'act', 'recovered', 'stuck', 'failed')


# One side: a process of its own, which tells what it sees as lines of JSON.

def tell(what, text='', when=None, **more):
    print(json.dumps(dict(what=what, text=text, time=when or time.monotonic(), **more)), flush=True)


def side(name):
    with Site('debian') as site:
        tell('note', f'guest is up after {site.guest.boot_seconds:.0f} s: ext4 on a virtio-scsi '
                     f'disk, {THREADS} writers that fsync each record')
        agent = Agent(site.guest) if name == 'with' else None
        if agent:
            agent.start()
        job = site.record(site.sick, threads=THREADS, options='--dirops 2')
        wait_until(lambda: min(site.acknowledged().get(i, 0) for i in range(THREADS)) > 3, 90,
                   'every writer has records acknowledged')
        tell('ready')
        sys.stdin.readline()
        site.lose(tmf='heal')
        lost_at = time.monotonic()
        if agent:
            watch_agent(site, agent, job, lost_at)
        else:
            watch_nothing(site, lost_at)


def watch_agent(site, agent, job, lost_at):
    clock = site.guest.sh('date +%s.%N')
    offset = time.monotonic() - float(clock)
    told = 0
    back_at = None
    while not back_at:
        if time.monotonic() > lost_at + 90:
            return tell('end', ok=False, text='unhangd did not bring the disk back')
        entries = [e for e in agent.entries() if e.get('UNHANG_EVENT') in SHOWN]
        events = [(moment_of(site, entry, offset), entry['MESSAGE']) for entry in entries[told:]]
        told = len(entries)
        if any(entry['UNHANG_EVENT'] == 'recovered' for entry in entries):
            back_at = first_ack_after_pause(site, lost_at)
            events.append((back_at, 'the writers go on: a record is acknowledged'))
        for moment, text in sorted(events):
            tell('event', text, moment)
    count = len(site.guest.acks)
    wait_until(lambda: len(site.guest.acks) > count + 20, 60, 'the writers write on')
    site.stop_recording(job)
    return finish(site, back_at - lost_at)


def moment_of(site, entry, offset):
    """The journal stamps what it takes, which may be a while after: no act is later than its reset."""
    stamp = int(entry['__REALTIME_TIMESTAMP']) / 1e6 + offset
    resets = [event.time for event in site.hba.events('reset')]
    return min([stamp, *resets]) if entry['UNHANG_EVENT'] == 'act' else stamp


def first_ack_after_pause(site, lost_at):
    """When the writers went on; what was acknowledged just before the loss may come a bit late."""
    def find():
        times = [line.time for line in list(site.guest.acks) if line.text.startswith('A ')]
        for before, after in zip(times, times[1:]):
            if after > lost_at and after - before > 2:
                return after
        return None
    return wait_until(find, 60, 'the writers go on')


def finish(site, seconds):
    verdict = site.verify(site.sick, threads=THREADS)
    resets = len(site.hba.events('reset'))
    errors = site.errors()
    in_d = site.guest.tasks_in_d()
    tell('event', f'{verdict.acknowledged} records acknowledged, {verdict.verified} found on the '
                  f'disk, {verdict.lost} lost; {resets} LUN reset; {len(in_d)} tasks in D')
    ok = verdict.lost == 0 and resets == 1 and not errors and not in_d
    return tell('end', ok=ok, seconds=seconds, acknowledged=verdict.acknowledged,
                lost=verdict.lost,
                text='' if ok else f'{verdict}, {resets} resets, errors {errors}, in D {in_d}')


def watch_nothing(site, lost_at):
    in_d, acks = [], None
    for seconds in range(10, WATCH_SECONDS + 1, 10):
        time.sleep(max(0, lost_at + seconds - time.monotonic()))
        in_d = site.guest.tasks_in_d()
        previous, acks = acks, len(site.guest.acks)
        tell('event', f'{len(in_d)} tasks in D state: '
                      f'{", ".join(sorted({task.name for task in in_d}))}')
    ok = bool(in_d) and acks == previous and site.pending() > 0
    tell('end', ok=ok, tasks=len(in_d),
         text='' if ok else 'it came back by itself: this is not the incident')


# Both sides, and the person who looks on.

class Side:
    def __init__(self, name):
        self.name = name
        self.end = None
        self.said = []
        self.ready = False
        self.process = subprocess.Popen([sys.executable, __file__, name], text=True, bufsize=1,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        preexec_fn=guest.die_with_parent)

    def stop(self):
        """The side removes its guest and its files when it is told to end."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


def show(started, name, text, when=None):
    seconds = (when or time.monotonic()) - started
    print(f'{seconds:7.1f} s  {LABELS.get(name, ""):16}{text}', flush=True)


def follow(sides, started, until):
    """Show what comes until UNTIL(side) is true of all; False when one ended before that."""
    with selectors.DefaultSelector() as selector:
        for one in sides:
            selector.register(one.process.stdout, selectors.EVENT_READ, one)
        while not all(until(one) for one in sides):
            for key, _ in selector.select():
                one = key.data
                line = one.process.stdout.readline()
                if not line:
                    if not until(one):
                        print(*one.said, sep='', end='')
                        show(started, one.name, 'has failed')
                        return False
                    selector.unregister(one.process.stdout)
                    continue
                take(one, line, started)
    return True


def take(one, line, started):
    try:
        message = json.loads(line)
    except ValueError:
        one.said.append(line)  # of use only when it fails
        return
    if message['what'] == 'ready':
        one.ready = True
    elif message['what'] == 'end':
        one.end = message
        if not message['ok']:
            show(started, one.name, message['text'])
    else:
        show(started, one.name, message['text'], message['time'])


def demo():
    started = time.monotonic()
    show(started, '', 'booting two guests with the same disks, one of them with unhangd')
    sides = [Side(name) for name in LABELS]
    try:
        if not follow(sides, started, lambda one: one.ready):
            return 1
        lost_at = time.monotonic()
        for one in sides:
            one.process.stdin.write('go\n')
        print('\n  seconds since the hypervisor lost the I/O of the disk (limit: StallSec=5s)\n',
              flush=True)
        if not follow(sides, lost_at, lambda one: one.end):
            return 1
    finally:
        for one in sides:
            one.stop()
    without, with_agent = (one.end for one in sides)
    if not (without['ok'] and with_agent['ok']):
        print('\nThe demonstration failed: see above.')
        return 1
    print(f'\nThe hypervisor lost the I/O of a disk. With unhangd it was back after '
          f'{with_agent["seconds"]:.1f} s, with all {with_agent["acknowledged"]} acknowledged '
          f'records on it;\nwithout, {without["tasks"]} tasks still hung after {WATCH_SECONDS} s, '
          'and would for ever.')
    return 0


def main():
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        if sys.argv[1:]:
            side(sys.argv[1])
        else:
            sys.exit(demo())
    except KeyboardInterrupt:
        sys.exit(130)
    except scenario.Skip as reason:
        sys.exit(f'demo: {reason}')


main()
