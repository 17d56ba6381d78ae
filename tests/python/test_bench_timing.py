# SPDX-License-Identifier: MIT
"""How bench/peers.py takes times, and how it finds how busy other processes keep the machine."""

import os
import unittest

import peers_timing
from peers_busy import Sample, busy_ticks, busyness, sample, watched

STAT = """cpu  100 0 100 100 0 0 0 0 0 0
cpu0 10 20 30 4000 5000 6 7 8 900 900
cpu1 1 2 3 4 5 6 7 8 9 10
cpu12 1000 0 0 0 0
intr 1 2 3
"""


class BusyTest(unittest.TestCase):
    def test_ticks(self):
        self.assertEqual(busy_ticks(STAT, {0}), 10 + 20 + 30 + 6 + 7 + 8)
        self.assertEqual(busy_ticks(STAT, {0, 1}), 81 + 27)
        self.assertEqual(busy_ticks(STAT, {12}), 1000)
        self.assertEqual(busy_ticks(STAT, {5}), 0)

    def test_busyness(self):
        before = Sample(wall=10.0, everyone=100.0, own=3.0)
        # Two processors have 8 seconds, of which 6 are used, 5 by this process.
        self.assertAlmostEqual(busyness(before, Sample(14.0, 106.0, 8.0), 2), 12.5)
        self.assertEqual(busyness(before, Sample(14.0, 107.0, 10.5), 2), 0.0)
        self.assertEqual(busyness(before, Sample(10.01, 100.03, 3.0), 2), 100.0)

    def test_sample(self):
        before = sample()
        result, busy = watched(lambda: sum(range(1000000)))
        self.assertEqual(result, 499999500000)
        self.assertGreaterEqual(busy, 0)
        after = sample()
        self.assertGreater(after.wall, before.wall)
        self.assertGreater(after.own, before.own)
        self.assertGreaterEqual(after.everyone, before.everyone)

    def test_sample_of_one_processor(self):
        allowed = os.sched_getaffinity(0)
        everyone = sample().everyone
        try:
            os.sched_setaffinity(0, {min(allowed)})
            self.assertLessEqual(sample().everyone, everyone + 1)
        finally:
            os.sched_setaffinity(0, allowed)


class QuietestTest(unittest.TestCase):
    def quietest(self, *busy, limit=6, more=3):
        rows = iter([(f"row {i}", value) for i, value in enumerate(busy)])
        return peers_timing.quietest(lambda: next(rows), limit, more)

    def test_quiet(self):
        self.assertEqual(self.quietest(6), ("row 0", 6, 1))
        self.assertEqual(self.quietest(6.1, 5), ("row 1", 5, 2))

    def test_never_quiet(self):
        self.assertEqual(self.quietest(30, 10, 20, 40), ("row 1", 10, 4))
        self.assertEqual(self.quietest(30, more=0), ("row 0", 30, 1))


class TimesTest(unittest.TestCase):
    def test_turns(self):
        calls = []
        times = peers_timing.bursts([lambda: calls.append("a"), lambda: calls.append("b")], 3)
        self.assertEqual([len(seconds) for seconds in times], [3, 3])
        self.assertTrue(all(second > 0 for seconds in times for second in seconds))
        turns = [call for call, last in zip(calls, [None, *calls]) if call != last]
        self.assertEqual("".join(turns), "ab" * 4)  # one turn tells how long a burst must be

    def test_least_seconds(self):
        [seconds] = peers_timing.bursts([lambda: None], 3, 0.1)
        self.assertGreater(len(seconds), 3)

    def test_fastest_of_a_group(self):
        def slow():
            sum(range(100000))

        times = peers_timing.microseconds({"copy": [slow, lambda: None], "slow": [slow]}, 3)
        self.assertEqual(list(times), ["copy", "slow"])
        self.assertLess(times["copy"]["median"], times["slow"]["minimum"])
        for time in times.values():
            self.assertLessEqual(time["minimum"], time["median"])


if __name__ == "__main__":
    unittest.main()
