"""What the Python peers share around their work: arguments, Kafka settings, processes, the end by SIGTERM."""
from __future__ import annotations

import argparse
import os
import signal
import sys
from typing import Callable

import work

# A reader fetches far ahead. With its defaults librdkafka stops at 100,000 records and looks again after a second.
FETCH_AHEAD = {"queued.min.messages": 1_000_000, "fetch.queue.backoff.ms": 10}


def arguments(system: str, workloads: tuple = work.WORKLOADS,
              guarantees: tuple = ("at_least_once",)) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=system)
    parser.add_argument("--bootstrap", required=True, metavar="HOST:PORT")
    parser.add_argument("--in", dest="source", required=True, metavar="TOPIC")
    parser.add_argument("--out", dest="target", required=True, metavar="TOPIC")
    parser.add_argument("--group", required=True, metavar="NAME")
    parser.add_argument("--workload", required=True, choices=workloads)
    parser.add_argument("--model", metavar="FILE")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="workers")
    parser.add_argument("--linger", default="5", metavar="MS", help="of the producer; default = no tuning at all")
    parser.add_argument("--guarantee", choices=guarantees, default="at_least_once")
    parser.add_argument("--commit-ms", type=int, default=100, metavar="MS", help="one transaction lasts this long")
    options = parser.parse_args()
    if options.threads < 1:
        parser.error("--threads must be 1 or more")
    return options


def is_tuned(options: argparse.Namespace) -> bool:
    return options.linger != "default"


def consumer_settings(options: argparse.Namespace) -> dict:
    return dict(FETCH_AHEAD) if is_tuned(options) else {}


def producer_settings(options: argparse.Namespace) -> dict:
    """Idempotent in any case: otherwise a request that is sent again may change the order of the records."""
    settings: dict = {"enable.idempotence": True}
    if is_tuned(options):
        settings |= {"linger.ms": float(options.linger), "queue.buffering.max.messages": 500_000}
    return settings


class Stop:
    """True once SIGTERM or SIGINT has come."""

    def __init__(self, then: Callable[[], None] = lambda: None):
        self._came = False
        self._then = then
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._take)

    def _take(self, *_) -> None:
        self._came = True
        self._then()

    def __bool__(self) -> bool:
        return self._came


def run_processes(count: int, run: Callable[[int], None]) -> None:
    """run(0) … run(count - 1), each in a process of its own; SIGTERM goes on to all. One alone runs in this process.

    Ends with exit code 0 when all did; when one fails the others are ended.
    """
    work.keep_freed_memory()
    if count == 1:
        run(0)
        return
    children = []
    for index in range(count):
        pid = os.fork()
        if pid == 0:
            run(index)
            sys.stderr.flush()
            os._exit(0)
        children.append(pid)

    def end_all() -> None:
        for pid in children:
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                pass

    Stop(then=end_all)
    failed = False
    for _ in range(count):
        pid, status = os.wait()
        children.remove(pid)
        if status != 0:
            failed = True
            end_all()
    sys.exit(1 if failed else 0)


def report(done: Callable) -> None:
    """Records that a workload refused are counted; the benchmark's data has none."""
    refused = getattr(done, "refused", 0)
    if refused:
        print(f"{refused} records were refused", file=sys.stderr)
