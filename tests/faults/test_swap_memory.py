"""The memory after many swaps of versions is that after a few, and a swap in place takes that of one version."""
import re
import statistics
import time

from oracle import harness
from swaps import SwapCase, trees
from test_memory import resident

SWAPS, FIRST_SWAPS = min(50, harness.scaled(20)), 5  # a release: ANABRANCH_SCALE=3
MOST_GROWN = 1.10 if SWAPS >= 50 else 1.05
MEGABYTES = 100
MOST_IN_PLACE, LEAST_BESIDE = 1.25, 1.35  # most memory during a swap, by the most of the start


def peak(pid):
    """The most memory since the last call."""
    with open(f"/proc/{pid}/status") as status:
        most = next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM:"))
    with open(f"/proc/{pid}/clear_refs", "w") as clear:
        clear.write("5")
    return most


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

    def swap_twice(self, swap):
        """The most memory of two swaps, by the most of the start."""
        folder = self.folder / swap
        for version in (1, 2, 3):
            made = trees.make(folder / "registry", str(version), trees.table(version, MEGABYTES))
            self.anabranch("model", "pack", made, code=0)
        stream = self.score(folder / "swaps.json", swap=swap)
        peaks = [peak(stream.process.pid)]
        for version in (2, 3):
            self.deploy(version)
            self.wait_until("it scores", 60, lambda: stream.seen[max(stream.seen)][1] == str(version))
            peaks.append(peak(stream.process.pid))
        self.finish(stream)
        versions = [stream.seen[n][1] for n in sorted(stream.seen)]
        self.assertEqual(versions, sorted(versions))
        self.assertEqual(set(versions), {"1", "2", "3"})
        pauses = re.findall(r"is loaded, after (\d+) ms", self.file.with_suffix(".log").read_text())
        start, *swaps = (round(each / 1e6) for each in peaks)
        print(f"{MEGABYTES} MB, {swap}: most memory of the start {start} MB, of swaps {swaps} MB; {len(versions)} records, "
              f"which waited {pauses} ms", flush=True)
        return max(peaks[1:]) / peaks[0]

    def test_a_swap_in_place_takes_the_memory_of_one_version(self):
        self.assertLessEqual(self.swap_twice("in_place"), MOST_IN_PLACE)
        self.assertGreaterEqual(self.swap_twice("beside"), LEAST_BESIDE)


if __name__ == "__main__":
    harness.main()
