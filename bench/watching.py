"""What it costs to be watched: a run at full speed, whose /metrics is scraped once a second while a page is open that asks
what the page asks, against the same run unwatched. With --tap: two taps at once, one that follows everything that is
written, and one with a condition that is never true.

    python3 bench/watching.py [--tap] [--pairs N] [--window S] [--program FILE]     (needs build/bin/anabranch)

One process, watched and unwatched by turns, so the machine treats both alike; the order changes from pair to pair.
Nobody asks the process anything in an unwatched window: records are counted by the bytes that it read, CPU time by
/proc. Printed are medians over the pairs, with the interval that holds the true median in 19 of 20 cases. A bound holds
when all of the interval keeps it, or the median does and the interval is narrow; it is missed when all of the interval is
beyond it; else the machine was too busy to say.

Exit code: 0 all bounds hold, 1 one is missed or a watcher failed, 75 it cannot be said.
"""
import argparse
import contextlib
import http.client
import json
import math
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
MOST_ADDED, MOST_TAP_ADDED = 0.005, 0.10  # share of the CPU time; what a tap shows is made beside the lane
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
        raise WatcherFailed(f"{path}: {answer.status} {body[:200]}")
    return body


class Watching:
    """Threads that ask while `on`. One that fails is a failure of the measurement, and not a run without watchers."""

    def __init__(self, jobs):
        self.on, self.over = threading.Event(), threading.Event()
        self.asked, self.failures = [0] * len(jobs), []
        self.threads = [threading.Thread(target=self._guard, args=(i, *job), daemon=True) for i, job in enumerate(jobs)]
        for thread in self.threads:
            thread.start()

    def _guard(self, number, job, *arguments):
        try:
            while not self.over.is_set():
                if self.on.wait(0.2):
                    job(number, *arguments)
        except Exception as error:
            self.failures.append(f"{type(error).__name__}: {error}")

    def close(self, seconds):
        """After `seconds` of watching in all: each has asked about once a second at least."""
        self.over.set()
        for thread in self.threads:
            thread.join(15)
        if any(thread.is_alive() for thread in self.threads):
            self.failures.append("a watcher waits for its answer")
        if min(self.asked) < 0.5 * seconds - 1:
            self.failures.append(f"watchers got {self.asked} answers in {seconds:.0f} s of watching")
        if self.failures:
            raise WatcherFailed("; ".join(self.failures))


class WatcherFailed(Exception):
    pass


class Watchers(Watching):
    """A scraper and a page with an open panel, each once a second; what the page asks more rarely, as rarely."""

    PAGE = {"/api/v1/snapshot": 1, "/api/v1/letters/groups": 5, "/api/v1/runs?limit=200": 15,
            **{f"/api/v1/series?stage=out&metric={metric}": 60 for metric in ("p50", "p99", "rows")}}

    def __init__(self, metrics_port, page_port):
        super().__init__([(self._poll, metrics_port, {"/metrics": 1}), (self._poll, page_port, self.PAGE)])

    def _poll(self, number, port, paths):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        tick = 0
        while not self.over.is_set():
            if not self.on.wait(0.2):
                continue
            for path, seconds in paths.items():
                if tick % seconds == 0:
                    get(connection, path)
            tick += 1
            self.asked[number] += 1
            self.over.wait(1)


class Taps(Watching):
    """As Watchers: what `anabranch tap --follow` does."""

    REQUESTS = {"limit": 0}, {"limit": 0, "nodes": ["out"], "where": "f1 > 1e6 && id != ''", "columns": ["f1", "id"]}

    def __init__(self, path):
        self.seen, self.dropped, self.shown = 0, 0, 0
        super().__init__([(self._follow, path, request) for request in self.REQUESTS])

    def _follow(self, number, path, request):
        connection = UnixConnection(path)
        connection.request("POST", "/api/v1/taps", json.dumps(request), {"Content-Type": "application/json"})
        tap, answer, after = json.loads(connection.getresponse().read())["id"], {}, 0
        while self.on.is_set() and not self.over.is_set():
            answer = json.loads(get(connection, f"/api/v1/taps/{tap}?after={after}"))
            after = answer["next"]
            self.shown += len(answer["rows"])
            self.asked[number] += 1
            self.over.wait(0.2)
        self.seen += answer.get("seen", 0)
        self.dropped += answer.get("dropped", 0)
        connection.request("DELETE", f"/api/v1/taps/{tap}")
        connection.getresponse().read()
        connection.close()


class Run:
    def __init__(self, program, folder):
        ports = free_port(), free_port()
        fed = rows(folder)
        self.row_bytes = fed.stat().st_size / ROWS
        feed = f'while cat "{fed}"; do :; done'
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
        """(time, records read, CPU seconds, those of the lane), without a word to the process."""
        return (time.monotonic(), self.read_bytes() / self.row_bytes, time.clock_gettime((~self.process.pid << 3) | 2),
                self.busiest_thread())

    def read_bytes(self):
        """From files and pipes: its input, and next to nothing else. Requests come by sockets, which do not count."""
        return int(pathlib.Path(f"/proc/{self.process.pid}/io").read_text().split()[1])

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

    def usual_memory_mb(self):
        """It goes up and down by some MB with what is in flight: the median over five seconds, after five."""
        time.sleep(5)
        found = []
        for _ in range(25):
            time.sleep(0.2)
            found.append(self.memory_mb())
        return statistics.median(found)

    def close(self):
        self.process.terminate()
        self.process.wait(30)
        os.killpg(self.feed.pid, 15)
        self.feed.wait(10)


def measure(run, watchers, watched, seconds):
    watchers.on.set() if watched else watchers.on.clear()
    time.sleep(0.3)  # what was asked before is answered
    begin, threads = run.look(), run.threads()
    time.sleep(seconds)
    used = sorted(ns - threads.get(thread, 0) for thread, ns in run.threads().items())
    end = run.look()
    records = end[1] - begin[1]
    return (records / (end[0] - begin[0]), (end[2] - begin[2]) / records, sum(used[:-2]) / sum(used),
            (end[3] - begin[3]) / records)


HOLDS, MISSED, UNKNOWN = "holds", "MISSED", "cannot be said: noise"


def interval(values):
    """Of the median, by ranks: it holds the true one in 19 of 20 cases; of fewer than six values, all of them."""
    ordered, count = sorted(values), len(values)
    beyond = max((rank for rank in range(count // 2)
                  if 2 * sum(math.comb(count, k) for k in range(rank + 1)) / 2**count <= 0.05), default=0)
    return ordered[beyond], ordered[count - 1 - beyond]


def judge(values, least=None, most=None):
    """Whether the median keeps the bound, and whether these values can say so."""
    (low, high), median = interval(values), statistics.median(values)
    if most is not None:  # the same, upside down
        low, high, median, least, room = -high, -low, -median, -most, most
    else:
        room = 1 - least
    if high < least:
        return MISSED
    narrow = max(high - median, median - low) <= room
    return HOLDS if low >= least or (median >= least and narrow) else UNKNOWN


def report(name, values, least=None, most=None):
    low, high = interval(values)
    word = HOLDS if least is None and most is None else judge(values, least, most)
    bound = f"  [at least {least}: {word}]" if least is not None else f"  [at most {most}: {word}]" if most is not None else ""
    print(f"{name:<56} {statistics.median(values):9.4f} ({low:.4f}..{high:.4f}){bound}", flush=True)
    return word


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tap", action="store_true")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--window", type=float, default=2.5)
    parser.add_argument("--program", default=str(ROOT / "build/bin/anabranch"))
    options = parser.parse_args(arguments)
    rates, cpus, lanes, absolute, shares, added = [], [], [], [], {True: [], False: []}, []
    with tempfile.TemporaryDirectory(prefix="anabranch-watching-") as name:
        run = Run(options.program, pathlib.Path(name))
        try:
            before_mb = run.usual_memory_mb()  # nobody has asked it anything
            watchers = Taps(run.socket) if options.tap else Watchers(*run.ports)
            for pair in range(options.pairs):
                sides = {}
                for watched in (pair % 2 == 0, pair % 2 != 0):
                    sides[watched] = measure(run, watchers, watched, options.window)
                    shares[watched].append(sides[watched][2])
                rates.append(sides[True][0] / sides[False][0])
                cpus.append(sides[False][1] / sides[True][1])
                lanes.append(sides[False][3] / sides[True][3])
                added.append(sides[True][2] - sides[False][2])
                absolute.append(sides[False][0] / 1000)
            watchers.on.set()
            added_mb = run.usual_memory_mb() - before_mb
            watchers.close(options.pairs * options.window)
        finally:
            run.close()
    print(f"{options.pairs} pairs of {options.window} s, one lane, {sum(watchers.asked)} times asked")
    report("unwatched: k records/s", absolute)
    if options.tap:
        print(f"{watchers.seen} rows seen by taps, {watchers.shown} shown, {watchers.dropped} dropped")
    floor = TAP_FLOOR if options.tap else FLOOR
    words = [report("watched: rate / unwatched", rates, least=floor),
             report("watched: CPU of the lane per record, unwatched / watched", lanes, least=floor),
             report("watched: CPU per record, unwatched / watched", cpus, least=None if options.tap else floor),
             report("watched: share of CPU outside lane and writer, added", added, most=MOST_TAP_ADDED if options.tap else MOST_ADDED)]
    report("unwatched: share of CPU outside lane and writer", shares[False])
    report("watched: share of CPU outside lane and writer", shares[True])
    words.append(HOLDS if added_mb <= MOST_MB else MISSED)
    print(f"{'memory that watching added: MB':<56} {added_mb:9.1f}  [at most {MOST_MB}: {words[-1]}]", flush=True)
    return 1 if MISSED in words else 75 if UNKNOWN in words else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except WatcherFailed as failed:
        sys.exit(f"a watcher failed: {failed}")
