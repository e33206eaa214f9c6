#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""campaign.py [--disks KIND] [--seed N] [--runs N] [--guests N] [--only N] [--first N]
            [--plant WHAT]

Randomised hangs in real guests, of a virtio-scsi disk or, with --disks nvme, of an NVMe controller
with two namespaces, and what became of them.

    UNHANG_PAYLOAD=TREE tests/vm/campaign.py --seed 1 --runs 200 --guests 2

TREE is what "meson install --destdir TREE" made of a release build. What each run is (draw.py,
draw_nvme.py) comes from the seed and its number alone: --only N does the N-th again, --first N
begins there. Writers go on all the while on the sick disk, on its sibling on the same HBA, and on a
disk of another HBA or controller; at the end of a run each of their records that was acknowledged
has to be on its disk. In half of the runs with NVMe all of unhangd is killed at any moment, and
started again.

A run ends recovered (the writers on the sick disk went on), failed cleanly (they got an error, the
filesystem was unmounted, and mounted again when the disk answered), stuck by nature (nothing in the
guest could have helped; when the hypervisor let go, all ended well), left alone (a reset would have
reached a healthy namespace), or gone (the kernel gave the disk up before the limit). What does not
fit what was drawn, a record that was lost, and harm to a healthy disk (an act on it, an error, a
pause of its writers) makes the status 1. --plant shows that this is found: see PLANTS in run.py.
"""

import argparse
import collections
import multiprocessing
import sys
import traceback

import draw
import draw_nvme
import guest
import hang
import hang_nvme
import run
import scenario
import stacks

# What is drawn, and how that is done.
DISKS = {'virtio-scsi': (draw, hang), 'nvme': (draw_nvme, hang_nvme)}


def parse(arguments):
    parser = argparse.ArgumentParser(description='Randomised hangs in real guests.')
    parser.add_argument('--disks', choices=DISKS, default='virtio-scsi')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--runs', type=int, default=200)
    parser.add_argument('--guests', type=int, default=1, help='so many at a time')
    parser.add_argument('--first', type=int, default=0)
    parser.add_argument('--only', type=int, help='this run and no other')
    parser.add_argument('--plant', choices=run.PLANTS)
    return parser.parse_args(arguments)


def blocks_of(options):
    """The numbers of the runs, by the guests that they share."""
    numbers = range(options.first, options.first + options.runs)
    if options.only is not None:
        numbers = [options.only]
    blocks = collections.defaultdict(list)
    for number in numbers:
        blocks[number // DISKS[options.disks][0].BLOCK].append(number)
    return list(blocks.values())


def do_block(options, numbers, is_first):
    """All runs that share a guest; after one that did not come to its end, they have a new one."""
    draws = [DISKS[options.disks][0].draw(options.seed, number) for number in numbers]
    results, again = [], True
    while len(results) < len(draws):
        try:
            do_guest(options, draws, is_first and not results, results)
        except guest.Skip:
            raise
        except Exception as error:
            if isinstance(error, run.Again) and again:
                again = False
                print(f'{draws[len(results)].number:4} {error}: once more', flush=True)
                continue
            # The guest does not come up, or is gone: that counts as the failure of a run.
            results.append(run.failed(draws[len(results)], traceback.format_exc()))
            tell(options.seed, results[-1])
    return results


def do_guest(options, draws, is_first, results):
    what, how = DISKS[options.disks]
    with how.Machine(draws[0]) as machine:
        if is_first:
            say_what_lacks(machine, what)
        while len(results) < len(draws):
            results.append(how.Run(machine, draws[len(results)], options.plant).do())
            tell(options.seed, results[-1])
            if not results[-1].clean:
                return


def tell(seed, result):
    figures = (f'acknowledged {result.acknowledged}, verified {result.verified}, '
               f'lost {result.lost}, harm {result.harm}')
    notes = f' ({"; ".join(result.notes)})' if result.notes else ''
    lines = [f'{result.draw.number:4} {result.outcome or "FAILED":15} {result.seconds:5.1f} s  '
             f'{result.draw.describe()}: {figures}{notes}']
    if result.failure:
        lines.append(f'run {result.draw.number} of seed {seed} FAILED: {result.failure}')
    print('\n'.join(lines), flush=True)


def table(what, results):
    """Filesystems by outcome, and what was acknowledged, verified, lost and harmed."""
    head = ['filesystem', *what.OUTCOMES, 'failures', 'acknowledged', 'verified', 'lost', 'harm']
    rows = [row(what, name, [r for r in results if r.draw.filesystem == name])
            for name in what.FILESYSTEMS]
    rows.append(row(what, 'all', results))
    widths = [max(len(str(line[i])) for line in [head, *rows]) for i in range(len(head))]
    for line in [head, *rows]:
        print('  '.join(str(cell).rjust(width) if i else str(cell).ljust(width)
                        for i, (cell, width) in enumerate(zip(line, widths))))


def row(what, name, results):
    return [name, *(sum(r.outcome == outcome and not r.failure for r in results)
                    for outcome in what.OUTCOMES),
            sum(bool(r.failure) for r in results), sum(r.acknowledged for r in results),
            sum(r.verified for r in results), sum(r.lost for r in results),
            sum(r.harm for r in results)]


def say_what_lacks(machine, what):
    """What is not drawn because the image cannot do it; an error if it is drawn all the same."""
    lacking = stacks.lacking(machine.guest)
    print(f'NOT DRAWN, for the image lacks it: {", ".join(lacking) or "nothing"}')
    print('NOT DRAWN, for the kernel may lose what it acknowledges then: btrfs with writes in place',
          flush=True)
    wanted = set(lacking) & {*what.FILESYSTEMS, *what.STACKS}
    assert not wanted, f'the image lacks what is drawn: {wanted}'


def campaign(arguments):
    """Returns the results of all runs."""
    options = parse(arguments)
    blocks = blocks_of(options)
    print(f'{options.disks}, seed {options.seed}, {sum(map(len, blocks))} runs', flush=True)
    work = [(options, block, block is blocks[0]) for block in blocks]
    # Leaving it ends the workers, and so their guests, also when we are told to end ourselves.
    with multiprocessing.get_context('fork').Pool(options.guests, guest.die_with_parent) as pool:
        results = [result for block in pool.starmap(do_block, work, chunksize=1)
                   for result in block]
    print()
    table(DISKS[options.disks][0], results)
    return results


def is_good(results):
    return bool(results) and not any(r.failure or r.lost or r.harm for r in results)


def main():
    assert is_good(campaign(sys.argv[1:])), 'see above'


if __name__ == '__main__':
    scenario.main(main)
