# SPDX-License-Identifier: MIT
"""How much of the processors' time goes to other processes, from /proc/stat."""

import os
import re
import resource
import time
from typing import NamedTuple

# The columns of /proc/stat that are not idle time: user, nice, system, irq, softirq, steal. The
# columns of guests are part of user and nice.
_BUSY_COLUMNS = (0, 1, 2, 5, 6, 7)


class Sample(NamedTuple):
    """Seconds: of the clock, of all processes on our processors, and of this process."""

    wall: float
    everyone: float
    own: float


def busy_ticks(stat, processors):
    """The ticks in the text of /proc/stat during which these processors were not idle.

    Time that a hypervisor gave to other machines counts: other programs had the processor.
    """
    ticks = 0
    for number, text in re.findall(r"^cpu(\d+) (.*)$", stat, re.MULTILINE):
        if int(number) in processors:
            columns = [int(column) for column in text.split()]
            ticks += sum(columns[i] for i in _BUSY_COLUMNS if i < len(columns))
    return ticks


def sample():
    """A Sample of now."""
    own = sum(usage.ru_utime + usage.ru_stime for usage in map(
        resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))
    with open("/proc/stat", encoding="ascii") as stat:
        ticks = busy_ticks(stat.read(), os.sched_getaffinity(0))
    return Sample(time.perf_counter(), ticks / os.sysconf("SC_CLK_TCK"), own)


def busyness(before, after, processors):
    """The time of other processes between two Samples, in percent of the processors' time.

    Ticks are coarse, 10 ms as a rule, so that the difference may be below 0 or above 100.
    """
    capacity = (after.wall - before.wall) * processors
    others = (after.everyone - before.everyone) - (after.own - before.own)
    return min(100.0, max(0.0, 100 * others / capacity))


def watched(measure):
    """Calls measure. Returns its result and the busy-ness meanwhile."""
    before = sample()
    result = measure()
    return result, busyness(before, sample(), len(os.sched_getaffinity(0)))
