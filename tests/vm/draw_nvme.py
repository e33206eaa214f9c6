# SPDX-License-Identifier: LGPL-2.1-or-later
"""What each run of the campaign with NVMe is: drawn from the seed and its number, and from nothing
else."""

import collections
import random

from draw import FAILED, KERNELS, RECOVERED, can_be_in_place, describe_load

# A controller that was failed, and hangs on, can be used by nobody: each run has its own guest.
BLOCK = 1
FILESYSTEMS = ('ext4', 'xfs', 'btrfs')
STACKS = ()

LEFT, GONE = 'left alone', 'gone'
OUTCOMES = (RECOVERED, FAILED, LEFT, GONE)

# What is wrong, with both namespaces if nothing else is said.
FAULTS = {
    'deaf': RECOVERED,        # no doorbell is heard, and a reset cures that
    'deaf again': FAILED,     # not for long
    'gone': FAILED,           # nothing answers any more, until the hypervisor gives it back
    'one namespace': LEFT,    # healthy is the other one, which a reset would reach
}
# Where the kernel has a timeout of its own, QEMU does not survive what that does to one of two.
FOR_TIMEOUT = ('deaf', 'deaf again', 'gone')

# From so many seconds after the loss on, and until so many, its reset may be under way.
ACTING = (4, 20)


class Draw(collections.namedtuple('Draw', 'number kernel multipath timeout filesystem threads ring '
                                          'dirops after fault kill down')):
    def allowed(self):
        """The outcomes that fit what was drawn."""
        outcome = FAULTS[self.fault]
        if outcome == FAILED and self.timeout == '6' and self.kill is not None:
            # Until the new one has seen a whole limit the kernel may have given up by itself.
            return {FAILED, GONE}
        if outcome != RECOVERED:
            return {outcome}
        if self.kernel == '6.1' and self.multipath == 'N' and self.timeout == 'infinite':
            return {FAILED}  # a reset might never return there, and nothing could end it
        if self.kill is not None and ACTING[0] <= self.kill <= ACTING[1]:
            return {RECOVERED, FAILED}  # it was noted, and may never have begun
        return {RECOVERED}

    def needs_help(self):
        """Somebody has to do something: unhangd."""
        return (self.fault == 'deaf' and self.multipath == 'Y' and self.timeout == 'infinite' and
                self.kill is None)

    def describe(self):
        kill = ''
        if self.kill is not None:
            kill = f'; unhangd killed after {self.kill} s, for {self.down} s'
        return (f'kernel {self.kernel}, multipath {self.multipath}, io_timeout {self.timeout}, '
                f'{self.filesystem}, {describe_load(self)} on each; '
                f'{self.fault} after {self.after} s{kill}')


def draw(seed, number):
    dice = random.Random(f'{seed}/nvme/{number}')
    filesystem = dice.choice(FILESYSTEMS)
    timeout = dice.choice(('infinite', 'infinite', '6'))
    faults = tuple(FAULTS) if timeout == 'infinite' else FOR_TIMEOUT
    return Draw(number=number,
                kernel=dice.choice(KERNELS),
                multipath=dice.choice('YN'),
                timeout=timeout,
                filesystem=filesystem,
                threads=dice.randint(1, 4),
                ring=dice.choice((0, 0, 8, 32)) if can_be_in_place(filesystem, 'all') else 0,
                dirops=dice.randint(0, 1),
                after=round(dice.uniform(0, 5), 1),
                fault=dice.choice(faults),
                kill=round(dice.uniform(0, 40), 1) if dice.random() < 0.5 else None,
                down=round(dice.uniform(0, 5), 1))
