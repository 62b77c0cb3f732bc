"""How cost grows: CPU per record against nodes, fields, models, members of an ensemble and record size; rate, CPU and
memory against workers and partitions.

Against the size of a topology: the engine from a file to a file, so that nothing else has a part in it. CPU per record
is the difference between a long and a short run, divided by the difference in records: starting and ending fall out.
"""

import json
import os
import pathlib
import shutil
import signal
import statistics
import time

from .. import goals as g
from ..process import Failed, talk
from ..rounds import drain, play
from ..stats import slope
from ..systems import ENGINE, ROOT, Side
from .. import generated

WORKERS, PARTITIONS = (1, 2, 4), (1, 2, 4)
LIMIT_S = 300  # of one run
SHORT = 10  # the short run has a tenth of the records


def run(bench, results, options):
    for curve in generated.CURVES:
        costs = {x: [] for x in curve.values}
        for _ in range(min(3, options.rounds_of("scale"))):
            for x in curve.values:
                costs[x].append(cpu_per_record(bench, curve, x, options))
                talk(f"   {curve.title}: {x:5d}  {costs[x][-1]:8.0f} ns per record")
        points = [[x, statistics.median(found)] for x, found in costs.items()]
        results.curves.append(
            {
                "section": "scale",
                "title": curve.title,
                "x": curve.x,
                "y": "CPU ns per record",
                "lines": {"anabranch": points},
            }
        )
        results.tables.append(
            {
                "section": "scale",
                "title": curve.title,
                "columns": [curve.x, "CPU ns per record", "range"],
                "rows": [[x, f"{y:,.0f}", f"{min(costs[x]):,.0f} … {max(costs[x]):,.0f}"] for x, y in points],
                "note": f"{curve.note} One more of it: {slope(points):,.1f} ns per record (least squares).",
            }
        )
    if options.systems is None or "anabranch" in options.systems:
        workers(bench, results, options)


def cpu_per_record(bench, curve, x: int, options) -> float:
    """In nanoseconds."""
    count = max(2000, int(curve.records * options.scale))
    folder = bench.folder / bench.name("scale")
    folder.mkdir()
    try:
        topology, line = curve.make(x)
        (folder / "topology.json").write_text(json.dumps(topology))
        long_s, short_s = (cpu_of(folder, line, n) for n in (count, count // SHORT))
        return (long_s - short_s) * 1e9 / (count - count // SHORT)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def cpu_of(folder: pathlib.Path, line, count: int) -> float:
    """User and system seconds of one whole run over `count` records."""
    with open(folder / "in.jsonl", "w", encoding="ascii") as file:
        file.writelines(line(i) for i in range(count))
    shutil.rmtree(folder / ".anabranch", ignore_errors=True)
    (folder / "out.jsonl").unlink(missing_ok=True)
    log = folder / "log"
    pid = os.posix_spawn(
        str(ENGINE),
        [str(ENGINE), "run", str(folder / "topology.json"), "--once", "--workers", "1", "--allow-path", str(ROOT)],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
    )
    status, usage = _ended(pid)
    if os.waitstatus_to_exitcode(status) != 0:
        raise Failed(f"a generated topology failed: {log.read_text()[-1500:]}")
    with open(folder / "out.jsonl", "rb") as out:
        results = sum(chunk.count(b"\n") for chunk in iter(lambda: out.read(1 << 20), b""))
    if results != count:
        raise Failed(f"{results} results of {count} records")
    return usage.ru_utime + usage.ru_stime


def _ended(pid: int) -> tuple:
    """Status and usage of a process; one that does not end, or that nobody waits for any more, is killed."""
    deadline, ended = time.monotonic() + LIMIT_S, 0
    try:
        while not ended:
            ended, status, usage = os.wait4(pid, os.WNOHANG)
            if not ended and time.monotonic() > deadline:
                raise Failed(f"a generated topology did not end within {LIMIT_S} s")
            time.sleep(0.005)
        return status, usage
    finally:
        if not ended:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def workers(bench, results, options):
    """Preloaded Kafka topics; the workers share the partitions."""
    count = options.count("tabular") // 2
    for partitions in PARTITIONS:
        # Others' runs lie between those of one kind: all in each round.
        sides = [
            Side(f"{g.ENGINE}, {partitions} partitions, {n} workers", "anabranch", "tabular", threads=n)
            for n in WORKERS
        ]
        play(
            "scale",
            sides,
            min(3, options.rounds_of("scale")),
            lambda side: drain(bench, side, count, partitions),
            results,
            lambda r: f"{r['rate'] / 1000:8.1f} k/s  {r['cpu_us']:6.2f} us/record  {r['rss_mb'] or 0:5.0f} MB",
            warm_up=None if partitions == 1 else [],
        )
        bench.drop_inputs()
    lines = {
        f"{p} partitions": [
            [n, found.median]
            for n in WORKERS
            if (found := results.spread("scale", f"{g.ENGINE}, {p} partitions, {n} workers", "rate"))
        ]
        for p in PARTITIONS
    }
    results.curves.append(
        {
            "section": "scale",
            "title": "Rate against workers",
            "x": "workers",
            "y": "records/s",
            "lines": {name: line for name, line in lines.items() if line},
        }
    )
    per_worker = slope(
        [
            (n, found.median)
            for p in PARTITIONS
            for n in WORKERS
            if (found := results.spread("scale", f"{g.ENGINE}, {p} partitions, {n} workers", "rss_mb"))
        ]
    )
    if per_worker is not None:
        results.tables.append(
            {
                "section": "scale",
                "title": "Memory per worker",
                "columns": ["", "MB"],
                "rows": [["one more worker (least squares)", f"{per_worker:.1f}"]],
            }
        )
