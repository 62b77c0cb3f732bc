"""The memory after many swaps of versions is that after a few."""
import statistics
import time

from oracle import harness
from swaps import SwapCase
from test_memory import resident

SWAPS, FIRST_SWAPS = min(50, harness.scaled(20)), 5  # a release: ANABRANCH_SCALE=3
MOST_GROWN = 1.10 if SWAPS >= 50 else 1.05


class SwapMemory(SwapCase):

    @staticmethod
    def settled(pid):
        """Memory once the version that nobody needs any more is unloaded."""
        sizes = []
        for _ in range(10):
            time.sleep(0.1)
            sizes.append(resident(pid))
        return min(sizes)

    def test_memory_after_many_swaps_is_that_after_a_few(self):
        stream = self.begin(50, SWAPS + 1)
        sizes = []
        for swap in range(SWAPS):
            self.deploy(swap + 2)
            sizes.append(self.settled(stream.process.pid))
        self.finish(stream)
        self.assertEqual(len({version for _, version in stream.seen.values()}), SWAPS + 1)
        first, last = (statistics.median(sizes[at - 5:at]) for at in (FIRST_SWAPS, SWAPS))
        print(f"{self.megabytes:.0f} MB, resident after {FIRST_SWAPS} swaps {first / 1e6:.1f} MB, after {SWAPS} {last / 1e6:.1f} "
              f"MB: {last / first:.3f}; most {max(sizes) / 1e6:.1f} MB", flush=True)
        self.assertLessEqual(last / first, MOST_GROWN, sizes)


if __name__ == "__main__":
    harness.main()
