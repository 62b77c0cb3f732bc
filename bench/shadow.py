"""What a shadow costs those who wait for results: the p99 of one run at a moderate fixed rate, with a version that scores
every row unseen, against the same run without it.

    python3 bench/shadow.py [--pairs N] [--window S] [--rate R] [--program FILE]     (needs build/bin/anabranch)

One process, with and without the shadow by turns, so the machine treats both alike; the order changes from pair to pair.
`model deploy` begins a window with the shadow, `model rollback` ends it. A row is sent when it is due, and its time ends when
its result is read from standard output. Printed are medians over the pairs, with the interval that holds the true median in
19 of 20 cases (bench/watching.py says when a bound holds).

Exit code: 0 the bound holds, 1 it is missed, 75 it cannot be said.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import watching

ROOT = pathlib.Path(__file__).resolve().parents[1]
MOST = 1.10  # p99 with the shadow / without
MODEL = ROOT / "tests/models/mlp_8_64_64_1.onnx"
FEATURES = [f"f{k}" for k in range(1, 9)]


def package(registry, program, version):
    folder = registry / f"mlp-{version}"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(MODEL.read_bytes())
    made = {f"x{k}": f"{name} * 1.0{version}" for k, name in enumerate(FEATURES)}
    (folder / "features.json").write_text(json.dumps({"set": made, "order": list(made)}))
    (folder / "model.json").write_text(json.dumps({
        "anabranch_package": 1, "name": "mlp", "version": version, "inputs": dict.fromkeys(FEATURES, "float64"), "features": list(made)}))
    subprocess.run([program, "model", "pack", folder], check=True, stdout=subprocess.DEVNULL)


def topology(folder):
    columns = {name: {"type": "number"} for name in FEATURES}
    value = {
        "anabranch": 1, "name": "shadowed",
        "schemas": {"row": {"type": "object", "required": ["id", *FEATURES], "properties": {"id": {"type": "integer"}, **columns}}},
        "models": {"mlp": {"registry": "registry", "start": "1", "rollout": {
            "steps": [{"shadow": 1.0}, "all"], "guards": {"errors": 0.5}, "on_pass": "hold", "on_breach": "hold", "max_rows": 10**9}}},
        "sources": {"in": {"file": {"path": "-"}, "format": "json", "schema": "row", "key": "position"}},
        "nodes": {"mlp": {"kind": "infer", "inputs": ["in"], "model": "mlp", "features": "package", "outputs": {"score": "Y[0]"}},
                  "out": {"kind": "persist", "inputs": ["mlp"], "to": {"file": {"path": "-"}}, "envelope": "plain", "fields": ["id"]}},
        "batch": {"max_rows": 16}, "epoch": {"commit_ms": 5}}
    path = folder / "shadowed.json"
    path.write_text(json.dumps(value))
    return path


class Run:
    """A run that is fed at a fixed rate; `times` has the seconds of every result of the window that is open."""

    def __init__(self, program, folder, rate):
        for version in ("1", "2"):
            package(folder / "registry", program, version)
        self.program, self.topology, self.rate = program, topology(folder), rate
        self.process = subprocess.Popen([program, "run", self.topology, "--workers", "1"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=open(folder / "log", "wb"))
        self.due, self.done, self.times, self.over = [], 0, None, threading.Event()
        self.threads = [threading.Thread(target=each, daemon=True) for each in (self._feed, self._read)]
        for thread in self.threads:
            thread.start()

    def _feed(self):
        rest = "".join(f',"{name}":{k}.25' for k, name in enumerate(FEATURES))
        begin = time.monotonic()
        while not self.over.is_set():
            time.sleep(0.002)
            wanted = int((time.monotonic() - begin) * self.rate)
            lines = [b'{"id":%d%s}\n' % (n, rest.encode()) for n in range(len(self.due), wanted)]
            self.due.extend(begin + n / self.rate for n in range(len(self.due), wanted))
            self.process.stdin.write(b"".join(lines))
            self.process.stdin.flush()
        self.process.stdin.close()

    def _read(self):
        for line in self.process.stdout:
            if not line.startswith(b"{"):
                continue  # the table at the end
            number, now, times = json.loads(line)["id"], time.monotonic(), self.times
            self.done += 1
            if times is not None:
                times.append(now - self.due[number])

    def window(self, seconds):
        time.sleep(0.5)
        times = self.times = []
        time.sleep(seconds)
        self.times = None
        if len(times) < 0.5 * seconds * self.rate:
            raise RuntimeError(f"{len(times)} results in {seconds} s at {self.rate} rows/s: the rate is too high for this machine")
        return statistics.quantiles(times, n=100)

    def model(self, *words):
        done = subprocess.run([self.program, "model", words[0], self.topology, *words[1:], "--format", "json"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"model {words}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def compared(self):
        """Rows of the last shadow; its counts come to the control log some seconds late."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            nodes = self.model("compare", "mlp")["nodes"]
            if nodes:
                return next(each["rows"] for each in nodes[0]["segments"] if each["value"] is None)
            time.sleep(0.2)
        raise RuntimeError("the counts of the shadow are not in the control log after 20 s")

    def close(self):
        self.over.set()
        self.process.wait(30)


def measure(run, pairs, seconds):
    """By pair: p50 and p99 with the shadow, and without it; rows that were compared."""
    found, compared = [], 0
    time.sleep(1)
    for pair in range(pairs):
        sides = {}
        for shadowed in (pair % 2 == 0, pair % 2 != 0):
            if shadowed:
                run.model("deploy", "mlp@2")
            sides[shadowed] = run.window(seconds)
            if shadowed:
                run.model("rollback", "mlp")
                compared += run.compared()
        found.append((sides[True], sides[False]))
    return found, compared


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--window", type=float, default=4)
    parser.add_argument("--rate", type=int, default=2000)
    parser.add_argument("--program", default=str(ROOT / "build/bin/anabranch"))
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="anabranch-shadow-") as name:
        run = Run(options.program, pathlib.Path(name), options.rate)
        try:
            found, compared = measure(run, options.pairs, options.window)
        finally:
            run.close()
    print(f"{options.pairs} pairs of {options.window} s at {options.rate} rows/s, {compared} rows compared")
    if compared < 0.5 * options.pairs * options.window * options.rate:
        sys.exit("the shadow compared less than half of its rows: nothing was measured")
    for part, at in (("p50", 49), ("p99", 98)):
        watching.report(f"without: {part} in ms", [without[at] * 1000 for _, without in found])
        watching.report(f"with: {part} in ms", [with_it[at] * 1000 for with_it, _ in found])
    watching.report("p99: with / without", [with_it[98] / without[98] for with_it, without in found])
    word = watching.report("p99: without / with", [without[98] / with_it[98] for with_it, without in found], least=1 / MOST)
    return {watching.HOLDS: 0, watching.MISSED: 1}.get(word, 75)


if __name__ == "__main__":
    sys.exit(main())
