# SPDX-License-Identifier: MIT
"""Times calls in turns, in bursts, and again while other processes keep the machine busy."""

import itertools
import math
import statistics
import time

BURST_SECONDS = 1e-3
WARMING_SECONDS = 10e-3  # the most time for the calls before a burst


def _burst(call, count, warming=1):
    """The seconds per call, after untimed calls that leave the caches as such calls do."""
    for _ in range(warming):
        call()
    start = time.perf_counter()
    for _ in itertools.repeat(None, count):
        call()
    return (time.perf_counter() - start) / count


def bursts(calls, repeats, least_seconds=0.0):
    """The seconds of each call in each of its bursts: a list per call. The calls take turns.

    There are more turns than `repeats` if these take less time than least_seconds.
    """
    sizes = []
    for call in calls:
        seconds = min(_burst(call, 1) for _ in range(3))
        sizes.append((call, max(1, math.ceil(BURST_SECONDS / seconds)),
                      max(1, min(4, int(WARMING_SECONDS / seconds)))))
    times = []
    end = time.perf_counter() + least_seconds
    while len(times) < repeats or time.perf_counter() < end:
        times.append([_burst(*size) for size in sizes])
    return list(map(list, zip(*times)))


def microseconds(groups, repeats, least_seconds=0.0):
    """The median and the minimum time of each group of calls, a dict of lists by name.

    The fastest call of a group counts, chosen by its median.
    """
    calls = list(itertools.chain(*groups.values()))
    times = iter(bursts(calls, repeats, least_seconds))
    found = {}
    for name, calls in groups.items():
        best = min((next(times) for _ in calls), key=statistics.median)
        found[name] = {"median": 1e6 * statistics.median(best), "minimum": 1e6 * min(best)}
    return found


def quietest(measure, limit, more):
    """Calls measure until the busy-ness that it returns is at most the limit.

    measure returns the times and the busy-ness in percent. Up to `more` further calls are made.
    Returns the times and the busy-ness of the quietest one, and the number of calls.
    """
    best = None
    for tries in range(1, more + 2):
        found = measure()
        if best is None or found[1] < best[1]:
            best = found
        if best[1] <= limit:
            break
    return *best, tries
