"""The time that a process says its lanes spent, against the clock of a test. The process counts once a second; a test sees
that between two of its looks, so it knows within bounds when that was."""
import re
import time


class LaneTime:
    def __init__(self, case, metrics):
        """`metrics()`: the text of /metrics."""
        self.case, self.metrics = case, metrics

    def _look(self):
        """When it was asked, when it was answered, and the seconds by lane."""
        asked, by_lane = time.monotonic(), {}
        for lane, seconds in re.findall(r'^anabranch_lane_seconds_total\{.*lane="(\d+)".*\} (\S+)$', self.metrics(), re.MULTILINE):
            by_lane[lane] = by_lane.get(lane, 0) + float(seconds)
        return asked, time.monotonic(), by_lane

    def at_a_tick(self):
        """(earliest, latest, seconds by lane) of a count."""
        before = first = self._look()
        while True:
            after = self._look()
            if after[2] != before[2]:
                return before[0], after[1], after[2]
            self.case.assertLess(after[1] - first[0], 30, "the time of the lanes does not grow")
            before = after
            time.sleep(0.005)

    def check(self, seconds):
        """The states of each lane sum to the wall time of a stretch, ± 2 %."""
        begin = self.at_a_tick()
        self.case.assertGreaterEqual(len(begin[2]), 1, "no lane is measured")
        while (end := self.at_a_tick())[0] - begin[1] < seconds:
            pass
        self.case.assertEqual(begin[2].keys(), end[2].keys())
        least, most = end[0] - begin[1], end[1] - begin[0]
        self.case.assertLess(most / least, 1.05, "the looks were too slow to say anything")
        for lane, total in end[2].items():
            spent = total - begin[2][lane]
            self.case.assertTrue(0.98 * least <= spent <= 1.02 * most, f"lane {lane}: {spent:.3f} s of {least:.3f} to {most:.3f} s")
        return len(end[2])
