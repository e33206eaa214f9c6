# SPDX-License-Identifier: LGPL-2.1-or-later
"""What each run of the campaign is: drawn from the seed and its number, and from nothing else.

These are those with virtio-scsi; draw_nvme.py has those with NVMe."""

import collections
import random

# Runs that share a guest, and so a kernel.
BLOCK = 8
KERNELS = ('6.1', '6.12')

FILESYSTEMS = ('ext4', 'ext4 without journal', 'xfs', 'btrfs')
STACKS = ('disk', 'partition', 'lvm', 'luks', 'md')
LOSSES = ('read', 'write', 'write', 'flush', 'rw', 'rw', 'all', 'one')

RECOVERED, FAILED, STUCK = 'recovered', 'failed cleanly', 'stuck by nature'
OUTCOMES = (RECOVERED, FAILED, STUCK)

# What the device answers to a reset, and what may then become of the disk.
ANSWERS = {
    'heal': {RECOVERED},
    'second heals': {FAILED},       # what the first reset brings back is lost again
    'never heals': {FAILED},        # the hypervisor has to let go
    'relapse': {FAILED},            # healed, and lost again right after
    'reject': {STUCK},
    'silent': {STUCK},              # success, and nothing comes back
    'unanswered': {STUCK},          # all LUNs of the HBA stand still until the hypervisor lets go
    'released': {RECOVERED, FAILED},  # the hypervisor lets go at any time
}

# One lost command is not lost again when it comes back.
FOR_ONE = ('heal', 'reject', 'silent', 'unanswered', 'released')

# Of the others, each ends in its own way; of these, much can go wrong on the way.
WEIGHTS = {'heal': 2, 'second heals': 2, 'never heals': 3, 'relapse': 2, 'released': 2}


class Draw(collections.namedtuple('Draw', 'number kernel filesystem stack threads ring dirops loss '
                                          'after answer release')):
    def allowed(self):
        """The outcomes that fit what was drawn."""
        outcomes = ANSWERS[self.answer]
        if self.stack == 'md' and FAILED in outcomes:
            # The mirror goes on with its other leg.
            return outcomes - {FAILED} | {RECOVERED}
        return outcomes

    def needs_help(self):
        """Somebody has to do something: the hypervisor."""
        return self.answer == 'reject' and self.stack == 'disk'

    def describe(self):
        answer = self.answer
        answer += f' after {self.release} s' if answer == 'released' else ''
        return (f'kernel {self.kernel}, {self.filesystem} on {self.stack}, {describe_load(self)}; '
                f'loses {self.loss} after {self.after} s; reset: {answer}')


def describe_load(what):
    load = f'{what.threads} writers'
    load += f', ring of {what.ring}' if what.ring else ''
    load += f', {what.dirops} x dirops' if what.dirops else ''
    return load


def kernel_of(seed, number):
    return random.Random(f'{seed}/kernel/{number // BLOCK}').choice(KERNELS)


def can_be_in_place(filesystem, loss):
    """A write in place needs no flush. And btrfs may tell several such writers that their data is
    safe, though it is not, when the commit of the log that they wait for fails (6.12, seldom): the
    fault is the kernel's, and would hide ours."""
    return loss != 'flush' and filesystem != 'btrfs'


def draw(seed, number):
    dice = random.Random(f'{seed}/{number}')
    loss = dice.choice(LOSSES)
    answers = FOR_ONE if loss == 'one' else tuple(ANSWERS)
    filesystem = dice.choice(FILESYSTEMS)
    return Draw(number=number,
                kernel=kernel_of(seed, number),
                filesystem=filesystem,
                stack=dice.choice(STACKS),
                threads=dice.randint(1, 8),
                ring=dice.choice((0, 0, 8, 32)) if can_be_in_place(filesystem, loss) else 0,
                dirops=dice.randint(0, 2),
                loss=loss,
                after=round(dice.uniform(0, 5), 1),
                answer=dice.choices(answers, [WEIGHTS.get(answer, 1) for answer in answers])[0],
                release=round(dice.uniform(1, 15), 1))
