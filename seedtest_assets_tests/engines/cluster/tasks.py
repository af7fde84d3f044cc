"""What tests let workers do. It stands apart, because a worker that is given a function imports its whole module first."""

import os
import time

import numpy as np

from seedtest_assets import irt
from seedtest_assets.irt.parallel import threads


def part(_, of_shard):
    return of_shard


def name_of(shard):
    return str(shard)


def threads_of(_):
    return threads()


def total_of(_, *values):
    return float(sum(np.sum(value) for value in values))


def length_after_a_while(shard):
    time.sleep(0.1)
    return len(shard)


def refused(_):
    raise irt.DataError("item 3 has no answers")


def end_at_the_last_of_three(shard):
    if shard == 2:
        os._exit(1)
