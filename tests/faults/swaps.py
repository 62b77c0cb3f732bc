"""A stream whose versions of a model change while it goes on, from line to line."""
import json
import subprocess
import sys
import threading
import time

from oracle import harness

sys.path.insert(0, str(harness.ROOT / "tests" / "pipelines"))
import trees  # noqa: E402

RATE = 500  # records per second


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


class SwapCase(harness.PipelineCase):

    def begin(self, trees_each, versions):
        """A stream that version 1 scores."""
        registry = self.folder / "registry"
        for version in range(1, versions + 1):
            self.anabranch("model", "pack", trees.make(registry, str(version), trees.model(version, trees_each)), code=0)
        self.megabytes = (registry / "trees-1" / "model.onnx").stat().st_size / 1e6
        return self.score(self.folder / "swaps.json")

    def score(self, file, **model):
        """The same with the packages beside the file; `model`: what else the model says."""
        self.file = harness.write_json(file, {
            "anabranch": 1, "name": "swaps",
            "schemas": {"number": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}},
            "models": {"trees": {"registry": "registry", "start": "1", **model}},
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
