"""How late results are while a large version is loaded beside the one that scores."""
import statistics
import sys
import time

from oracle import harness
from swaps import SwapCase

sys.path.insert(0, str(harness.ROOT / "bench"))
import watching  # noqa: E402

LOADS = 6
MOST_LATER = 2.0


def p99(latencies):
    return statistics.quantiles(latencies, n=100)[98]


class SwapCost(SwapCase):

    def test_results_are_not_later_than_twice_while_a_version_is_loaded(self):
        stream = self.begin(600, 3)
        quiet, loads, spans = [], [], []
        for load in range(LOADS + 1):
            time.sleep(1)  # what went before is unloaded
            begin = time.monotonic()
            time.sleep(min(5, spans[-1]) if spans else 3)
            quiet.append(stream.latencies(begin, time.monotonic()))
            if load < LOADS:
                window = self.deploy((load + 1) % 3 + 1)  # neither the one that scores nor the one before it
                loads.append(stream.latencies(*window))
                spans.append(window[1] - window[0])
        self.finish(stream)
        ratios = [p99(each) / p99(before + after) for before, each, after in zip(quiet, loads, quiet[1:])]
        print(f"{self.megabytes:.0f} MB, {LOADS} loads of {statistics.median(spans):.1f} s, {len(stream.sent)} records; median "
              f"of the p99: quiet {statistics.median(map(p99, quiet)) * 1e3:.1f} ms, during a load "
              f"{statistics.median(map(p99, loads)) * 1e3:.1f} ms", flush=True)
        verdict = watching.report("p99 during a load / quiet", ratios, most=MOST_LATER)
        self.assertGreater(self.megabytes, 30)
        self.assertNotEqual(verdict, watching.MISSED, ratios)  # a machine that is too busy to say is no failure


if __name__ == "__main__":
    harness.main()
