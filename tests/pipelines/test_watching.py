#!/usr/bin/env python3
"""The benchmark of being watched says what it measured, and nothing that it did not: on a busy machine most of all."""
import pathlib
import sys
import tempfile
import time
import unittest

import harness

sys.path.insert(0, str(harness.ROOT / "bench"))
import watching


class Verdicts(unittest.TestCase):
    def test_an_interval_holds_the_median_of_most_samples(self):
        """By ranks of the binomial distribution: of 20 values the 6th and the 15th."""
        self.assertEqual(watching.interval(range(20)), (5, 14))
        self.assertEqual(watching.interval(range(8)), (0, 7))
        self.assertEqual(watching.interval(range(9)), (1, 7))
        self.assertEqual(watching.interval([3]), (3, 3))

    def test_one_good_pair_of_twenty_does_not_hold(self):
        self.assertEqual(watching.judge([0.95] * 19 + [0.999], least=0.995), watching.MISSED)

    def test_noise_is_neither_held_nor_missed(self):
        noisy = [1 + step / 10 for step in range(-10, 10)]
        self.assertEqual(watching.judge(noisy, least=0.995), watching.UNKNOWN)
        self.assertEqual(watching.judge([step / 100 for step in range(-10, 10)], most=0.005), watching.UNKNOWN)

    def test_a_wide_interval_that_is_all_within_holds(self):
        self.assertEqual(watching.judge([0.999 + step / 100 for step in range(20)], least=0.995), watching.HOLDS)
        self.assertEqual(watching.judge([0.005 - step / 100 for step in range(20)], most=0.005), watching.HOLDS)

    def test_what_is_narrow_and_within_holds(self):
        self.assertEqual(watching.judge([0.9999 + step / 1e5 for step in range(-10, 10)], least=0.995), watching.HOLDS)
        self.assertEqual(watching.judge([0.0006 + step / 1e5 for step in range(20)], most=0.005), watching.HOLDS)


class Watchers(unittest.TestCase):
    def test_one_that_cannot_connect_fails_the_measurement(self):
        port = watching.free_port()
        watchers = watching.Watchers(port, port)
        watchers.on.set()
        harness.wait_for("both failed", 10, lambda: len(watchers.failures) == 2)
        with self.assertRaisesRegex(watching.WatcherFailed, "refused"):
            watchers.close(0)

    def test_one_that_asks_too_rarely_fails_the_measurement(self):
        watchers = watching.Watching([(lambda number: time.sleep(0.01),)])
        watchers.on.set()
        time.sleep(0.1)
        with self.assertRaisesRegex(watching.WatcherFailed, "answers in 60 s"):
            watchers.close(60)

    def test_an_unwatched_window_has_no_request(self):
        """The pipeline counts its requests itself."""
        with tempfile.TemporaryDirectory() as folder:
            run = watching.Run(harness.BIN, pathlib.Path(folder))
            watchers = watching.Watchers(*run.ports)
            try:
                unwatched = watching.measure(run, watchers, False, 1)
                watching.measure(run, watchers, True, 2)
                watchers.on.clear()
                time.sleep(0.5)
                before = requests(run)
                watching.measure(run, watchers, False, 1.5)
                self.assertEqual(requests(run) - before, 1)  # the one that asks for the number
                watchers.close(2)
            finally:
                run.close()
        self.assertGreater(unwatched[0], 1000)
        self.assertTrue(0 <= unwatched[2] < 0.5, unwatched)
        self.assertEqual(watchers.failures, [])


def requests(run):
    """How many were answered, by the pipeline's own count."""
    connection = watching.http.client.HTTPConnection("127.0.0.1", run.ports[0], timeout=10)
    text = watching.get(connection, "/metrics").decode()
    connection.close()
    return sum(int(float(line.split()[-1])) for line in text.splitlines() if line.startswith("anabranch_http_requests_total"))


if __name__ == "__main__":
    harness.main()
