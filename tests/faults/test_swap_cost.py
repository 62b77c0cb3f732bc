"""What a swap of versions costs the stream: how late results are while a large version is loaded beside the one that
scores, and the memory after many swaps."""
import json
import pathlib
import statistics
import subprocess
import sys
import threading
import time

import oracle
from oracle import harness

sys.path[:0] = [str(harness.ROOT / "bench"), str(harness.ROOT / "tests" / "pipelines")]
import trees  # noqa: E402
import watching  # noqa: E402
from test_memory import resident  # noqa: E402

RATE = 500  # records per second
LOADS = 6
MOST_LATER, MOST_GROWN = 2.0, 1.10
SWAPS, FIRST_SWAPS = 50, 5


class Stream:
    """A pipeline from standard input to standard output. Each record is followed from line to line."""

    def __init__(self, file):
        self.sent, self.seen, self._stop = [], {}, threading.Event()  # times by number
        with open(file.with_suffix(".log"), "wb") as log:
            self.process = subprocess.Popen([harness.BIN, "run", file, "--workers", "1"], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=log)
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self._feed, self._read)]
        for thread in self.threads:
            thread.start()

    def _feed(self):
        begin = time.monotonic()
        while not self._stop.wait(max(0, begin + len(self.sent) / RATE - time.monotonic())):
            self.sent.append(time.monotonic())
            self.process.stdin.write(b'{"n":%d}\n' % (len(self.sent) - 1))
            self.process.stdin.flush()
        self.process.stdin.close()

    def _read(self):
        for line in self.process.stdout:
            now, row = time.monotonic(), json.loads(line)
            self.seen[row["n"]] = now, row["ver"]

    def latencies(self, begin, end):
        """Seconds of the records that were sent between these times."""
        numbers = [n for n, at in enumerate(list(self.sent)) if begin <= at < end]
        harness.wait_for("their results", 60, lambda: all(n in self.seen for n in numbers))
        return [self.seen[n][0] - self.sent[n] for n in numbers]

    def finish(self):
        self._stop.set()
        code = self.process.wait(60 * harness.PATIENCE)
        self.threads[1].join(20)
        return code

    def end(self):
        self._stop.set()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(20)


def p99(latencies):
    return statistics.quantiles(latencies, n=100)[98]


class SwapCost(harness.PipelineCase):

    def begin(self, trees_each, versions):
        """A stream that version 1 scores."""
        registry = self.folder / "registry"
        for version in range(1, versions + 1):
            self.anabranch("model", "pack", trees.make(registry, str(version), trees_each), code=0)
        self.megabytes = (registry / "trees-1" / "model.onnx").stat().st_size / 1e6
        self.file = harness.write_json(self.folder / "swaps.json", {
            "anabranch": 1, "name": "swaps",
            "schemas": {"number": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}},
            "models": {"trees": {"registry": "registry", "start": "1"}},
            "sources": {"in": {"file": {"path": "-"}, "schema": "number", "key": "position"}},
            "nodes": {"score": {"kind": "infer", "inputs": ["in"], "model": "trees", "features": "package",
                                "outputs": {"y": "Y[0]", "ver": "@version"}},
                      "out": {"kind": "persist", "inputs": ["score"], "to": {"file": {"path": "-"}}, "envelope": "plain",
                              "fields": ["n", "y", "ver"]}},
            # A batch of a pipe waits until it is full.
            "batch": {"max_rows": 1}, "epoch": {"commit_ms": 5}, "delivery": "at_least_once"})
        stream = Stream(self.file)
        self.addCleanup(stream.end)
        self.wait_until("first results", 60, lambda: stream.seen or stream.process.poll() is not None)
        return stream

    def deploy(self, version):
        """When it was asked for and when it scored."""
        begin = time.monotonic()
        run = self.anabranch("model", "deploy", self.file, f"trees@{version}", "--timeout", 300, "--format", "json",
                             timeout=320, code=0)
        self.assertEqual(json.loads(run.stdout)["version"], str(version))
        return begin, time.monotonic()

    def finish(self, stream):
        self.assertEqual(stream.finish(), harness.EXIT_OK, self.file.with_suffix(".log").read_text()[-3000:])
        self.assertEqual(sorted(stream.seen), list(range(len(stream.sent))))

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
