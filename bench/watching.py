"""What it costs to be watched: a run at full speed, whose /metrics is scraped once a second while a page polls its
snapshot once a second, against the same run unwatched. With --tap: two taps at once, one that follows everything that is
written, and one with a condition that is never true.

    python3 bench/watching.py [--tap] [--pairs N] [--window S] [--program FILE]     (needs build/bin/anabranch)

One process, watched and unwatched by turns, so the machine treats both alike; the order changes from pair to pair.
Prints the ratio of the rates and of the CPU time per record, median and range over the pairs. Both are noisy where
others use the machine, and then a miss says so. What is not: the share of the process's CPU time that its other
threads take, beside the lane and its writer, watched and unwatched. Then the memory: what the first watching added.
"""
import argparse
import contextlib
import http.client
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
FLOOR, TAP_FLOOR = 0.995, 0.99
MOST_MB = 8
ROWS = 20_000  # of the file that is fed again and again


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def topology(folder):
    """The tabular workload, from standard input to standard output."""
    value = json.loads((ROOT / "bench/workload/tabular.json").read_text())
    value.pop("connections")
    value["name"] = "watched"
    value["models"]["mlp"]["path"] = str(ROOT / "tests/models/mlp_8_64_64_1.onnx")
    value["sources"]["in"] = {"file": {"path": "-"}, "format": "json", "schema": "row", "key": {"field": "id"}}
    value["nodes"]["out"].update({"to": {"file": {"path": "-"}}, "envelope": "plain"})
    value["dead_letters"] = {"file": {"path": "dead.jsonl"}}
    value["delivery"] = "at_least_once"
    value["epoch"] = {"commit_ms": 100}
    path = folder / "watched.json"
    path.write_text(json.dumps(value))
    return path


def rows(folder):
    path = folder / "rows.jsonl"
    with open(path, "w", encoding="utf-8") as out:
        for i in range(ROWS):
            fields = ",".join(f'"f{k}":{(i * k) % 997 / 7:.4f}' for k in range(1, 9))
            out.write(f'{{"id":"r{i:09d}",{fields},"note":"rotating test record"}}\n')
    return path


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(self.path)


def get(connection, path):
    connection.request("GET", path)
    try:
        answer = connection.getresponse()
    except http.client.RemoteDisconnected:  # it was idle for longer than the server keeps it
        connection.close()
        connection.request("GET", path)
        answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise SystemExit(f"{path}: {answer.status} {body[:200]}")
    return body


class Watchers:
    """A scraper and a page, each once a second, while `on`."""

    def __init__(self, metrics_port, page_port):
        self.on, self.over, self.asked = threading.Event(), threading.Event(), 0
        self.threads = [threading.Thread(target=self._poll, args=at, daemon=True)
                        for at in ((metrics_port, "/metrics"), (page_port, "/api/v1/snapshot"))]
        for thread in self.threads:
            thread.start()

    def _poll(self, port, path):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        while not self.over.is_set():
            if self.on.wait(0.2):
                get(connection, path)
                self.asked += 1
                self.over.wait(1)

    def close(self):
        self.over.set()
        for thread in self.threads:
            thread.join(5)


class Taps:
    """As Watchers: what `anabranch tap --follow` does."""

    REQUESTS = {"limit": 0}, {"limit": 0, "nodes": ["out"], "where": "f1 > 1e6 && id != ''", "columns": ["f1", "id"]}

    def __init__(self, path):
        self.on, self.over, self.asked, self.seen, self.dropped, self.shown = threading.Event(), threading.Event(), 0, 0, 0, 0
        self.threads = [threading.Thread(target=self._follow, args=(path, request), daemon=True) for request in self.REQUESTS]
        for thread in self.threads:
            thread.start()

    def _follow(self, path, request):
        connection = UnixConnection(path)
        while not self.over.is_set():
            if not self.on.wait(0.2):
                continue
            connection.request("POST", "/api/v1/taps", json.dumps(request), {"Content-Type": "application/json"})
            tap, answer, after = json.loads(connection.getresponse().read())["id"], {}, 0
            while self.on.is_set() and not self.over.is_set():
                answer = json.loads(get(connection, f"/api/v1/taps/{tap}?after={after}"))
                after = answer["next"]
                self.shown += len(answer["rows"])
                self.asked += 1
                self.over.wait(0.2)
            self.seen += answer.get("seen", 0)
            self.dropped += answer.get("dropped", 0)
            connection.request("DELETE", f"/api/v1/taps/{tap}")
            connection.getresponse().read()

    close = Watchers.close


class Run:
    def __init__(self, program, folder):
        ports = free_port(), free_port()
        feed = f'while cat "{rows(folder)}"; do :; done'
        self.feed = subprocess.Popen(["bash", "-c", feed], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                     start_new_session=True)
        self.process = subprocess.Popen([program, "run", str(topology(folder)), "--workers", "1", "--state-dir",
                                         str(folder / "state"), "--metrics", f"127.0.0.1:{ports[0]}", "--http",
                                         f"127.0.0.1:{ports[1]}", "--allow-path", str(ROOT)],
                                        stdin=self.feed.stdout, stdout=subprocess.DEVNULL,
                                        stderr=open(folder / "log", "w"))
        self.feed.stdout.close()
        self.folder, self.ports = folder, ports
        self.socket = folder / "state" / "control.sock"
        deadline = time.monotonic() + 30
        while not self.socket.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit((folder / "log").read_text())
            time.sleep(0.05)

    def look(self):
        """(time, records, CPU seconds, those of the lane), when the process counts: it does so once a second."""
        connection = UnixConnection(self.socket)
        count = lambda: json.loads(get(connection, "/api/v1/snapshot"))["stages"]["out"]["rows_in"]
        before = records = count()
        while records == before:
            time.sleep(0.005)
            records = count()
        moment = time.monotonic(), records, time.clock_gettime((~self.process.pid << 3) | 2), self.busiest_thread()
        connection.close()
        return moment

    def busiest_thread(self):
        """CPU seconds of the lane: it does nearly everything."""
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return max(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def threads(self):
        """CPU nanoseconds by thread."""
        used = {}
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError):  # it ended meanwhile
                used[task.name] = int((task / "schedstat").read_text().split()[0])
        return used

    def memory_mb(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1024

    def close(self):
        self.process.terminate()
        self.process.wait(30)
        os.killpg(self.feed.pid, 15)
        self.feed.wait(10)


def measure(run, watchers, watched, seconds):
    watchers.on.set() if watched else watchers.on.clear()
    begin, threads = run.look(), run.threads()
    time.sleep(seconds)
    used = sorted(ns - threads.get(thread, 0) for thread, ns in run.threads().items())
    end = run.look()
    records = end[1] - begin[1]
    return (records / (end[0] - begin[0]), (end[2] - begin[2]) / records, sum(used[:-2]) / sum(used),
            (end[3] - begin[3]) / records)


def report(name, values, floor=None):
    median = statistics.median(values)
    reached = floor is None or max(values) >= floor
    word = "holds" if floor is not None and median >= floor else "inconclusive: noise" if reached else "MISSED"
    bound = "" if floor is None else f"  [at least {floor}: {word}]"
    print(f"{name:<56} {median:9.4f} ({min(values):.4f}..{max(values):.4f}){bound}", flush=True)
    return reached


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tap", action="store_true")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--window", type=float, default=2.5)
    parser.add_argument("--program", default=str(ROOT / "build/bin/anabranch"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="anabranch-watching-") as name:
        run = Run(options.program, pathlib.Path(name))
        watchers = Taps(run.socket) if options.tap else Watchers(*run.ports)
        try:
            measure(run, watchers, False, 5)
            before_mb = run.memory_mb()
            rates, cpus, lanes, absolute, shares = [], [], [], [], {True: [], False: []}
            for pair in range(options.pairs):
                sides = {}
                for watched in (pair % 2 == 0, pair % 2 != 0):
                    sides[watched] = measure(run, watchers, watched, options.window)
                rates.append(sides[True][0] / sides[False][0])
                cpus.append(sides[False][1] / sides[True][1])
                lanes.append(sides[False][3] / sides[True][3])
                absolute.append(sides[False][0] / 1000)
                for watched, side in sides.items():
                    shares[watched].append(side[2])
            added_mb = run.memory_mb() - before_mb
        finally:
            watchers.close()
            run.close()
    print(f"{options.pairs} pairs of {options.window} s, one lane, {watchers.asked} requests answered")
    report("unwatched: k records/s", absolute)
    if options.tap:
        print(f"{watchers.seen} rows seen by taps, {watchers.shown} shown, {watchers.dropped} dropped")
    floor = TAP_FLOOR if options.tap else FLOOR
    held = report("watched: rate / unwatched", rates, floor)
    held &= report("watched: CPU of the lane per record, unwatched / watched", lanes, floor)
    held &= report("watched: CPU per record, unwatched / watched", cpus, None if options.tap else floor)
    report("unwatched: share of CPU outside lane and writer", shares[False])
    report("watched: share of CPU outside lane and writer", shares[True])
    added = statistics.median(shares[True]) - statistics.median(shares[False])
    print(f"{'watched: share of CPU added':<56} {added:9.4f}  [at most {1 - floor:.3f}]", flush=True)
    held &= options.tap or added <= 1 - floor  # the answers to a tap are made beside the lane
    print(f"{'memory after the first watching: + MB':<56} {added_mb:9.1f}  [at most {MOST_MB}]", flush=True)
    return 0 if held and added_mb <= MOST_MB else 1


if __name__ == "__main__":
    sys.exit(main())
