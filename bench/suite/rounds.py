"""One run of one side, and rounds of all sides in turn."""

import contextlib
import itertools
import pathlib
import shutil
import subprocess
import tempfile

from . import systems
from .broker import Broker
from .process import Failed, ask, talk
from .sampling import Sampler
from .systems import LOAD, ROOT, Setup, Side

WARM_UP = -1  # the round that is thrown away: a cold broker gives a third of its rate
AWAIT_S = 300
LEAST_WINDOW_S = 3  # what is left behind a JVM's warm-up
FEED_LINGER_MS = 1  # each record a request of its own keeps a broker on two cores busy with nothing else


class Bench:
    """What the runs of a session share: broker, data, peers, a folder."""

    def __init__(self, may_be_cold=True):
        self.may_be_cold = may_be_cold  # a JVM in a run of few records: reported on the page instead of a failure
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="anabranch-bench-"))
        self.setup = Setup()
        self._broker, self._data, self._inputs = None, None, {}
        self._numbers = itertools.count()

    @property
    def broker(self) -> Broker:
        if self._broker is None:
            self._broker = Broker()
        return self._broker

    @property
    def data(self) -> pathlib.Path:
        if self._data is None:
            self._data = ROOT / ".deps" / "bench-data"
            maker = [self.setup.get("data"), ROOT / "bench" / "workload" / "make", self._data]
            if subprocess.run(maker, stdin=subprocess.DEVNULL, stdout=2).returncode != 0:
                raise Failed("bench/workload/make failed")
        return self._data

    def name(self, what: str) -> str:
        return f"b{next(self._numbers)}-{what}"

    def input(self, kind: str, count: int, partitions: int = 1) -> str:
        """A topic preloaded with `count` records; the same one for all who ask for the same."""
        key = (kind, count, partitions)
        if key not in self._inputs:
            topic = "in-" + "-".join(map(str, key))
            self.broker.make({topic: partitions})
            ask(
                [
                    LOAD,
                    "feed",
                    self.broker.address,
                    topic,
                    "--records",
                    self.data / f"{kind}.records",
                    "--count",
                    count,
                    "--partitions",
                    partitions,
                ],
                600,
            )
            self._inputs[key] = topic
        return self._inputs[key]

    def drop_inputs(self):
        """Gives the disk back when a section is done."""
        if self._inputs:
            self.broker.delete(*self._inputs.values())
        self._inputs = {}

    def close(self):
        if self._broker is not None:
            self._broker.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Started:
    """A side that runs with topics of its own; all of it is gone after the `with`."""

    def __init__(self, bench: Bench, side: Side, in_topic: str, partitions: int):
        self._bench, self._side, self._in, self._partitions = bench, side, in_topic, partitions

    def __enter__(self):
        bench, name = self._bench, self._bench.name(self._side.system)
        self.folder = bench.folder / name
        self.folder.mkdir()
        self.out, self._dead = f"{name}.out", f"{name}.dead"
        with contextlib.ExitStack() as started:  # what is there already goes again when the rest fails
            started.callback(shutil.rmtree, self.folder, ignore_errors=True)
            bench.broker.make_out(self.out, self._partitions)
            started.callback(bench.broker.delete, self.out)
            bench.broker.make({self._dead: 1})
            started.callback(bench.broker.delete, self._dead)
            self.process = systems.start(
                self._side, self.folder, bench.setup, bench.broker.address, self._in, self.out, self._dead, name
            )
            started.callback(self.process.kill)
            self.sampler, self.broker_sampler = Sampler(self.process.pid), Sampler(bench.broker.pid)
            started.callback(self.sampler.close)
            started.callback(self.broker_sampler.close)
            self._end = started.pop_all()
        return self

    def stop(self):
        self.sampler.close()
        self.broker_sampler.close()
        self.process.stop()

    def __exit__(self, *_):
        self._end.close()


def verify(bench: Bench, side: Side, out: str, count: int, partitions: int, warm_s: float = 0) -> dict:
    return ask(
        [
            LOAD,
            "verify",
            bench.broker.address,
            out,
            "--count",
            count,
            "--records",
            bench.data / f"{side.kind}.records",
            "--scores",
            bench.data / f"{side.kind}.scores",
            "--workload",
            side.workload,
            "--partitions",
            partitions,
            "--warm",
            int(warm_s * 1000),
            *(["--committed"] if side.committed() else []),
        ],
        600,
    )


def judge_window(found: dict, warm_s: float, may_be_cold: bool) -> bool:
    """Whether what `load verify` measured began behind the warm-up and was long enough. False: the system was cold."""
    window_s = (found["last_ms"] - found["begin_ms"]) / 1000
    if not warm_s or window_s >= LEAST_WINDOW_S:
        return True
    if may_be_cold:
        return False
    needed = (warm_s + LEAST_WINDOW_S + 1) * 1000 / max(1, found["last_ms"] - found["first_ms"])
    raise Failed(
        f"{window_s:.1f} s are left behind the {warm_s:.0f} s in which a JVM gets warm, and {LEAST_WINDOW_S} s are "
        f"needed: more records (--scale {needed:.1f})"
    )


def drain(bench: Bench, side: Side, count: int, partitions: int = 1, warm=True) -> dict:
    """A preloaded topic through one side to its end: rate, CPU, memory, and every result checked. Rate, CPU and memory
    are those behind the first quarter of the results, and of a JVM behind its warm-up (unless `warm` is False)."""
    count = max(1, int(count * side.share))
    with Started(bench, side, bench.input(side.kind, count, partitions), partitions) as run:
        ask(
            [
                LOAD,
                "await",
                bench.broker.address,
                run.out,
                "--count",
                count,
                "--partitions",
                partitions,
                "--timeout",
                AWAIT_S,
            ],
            AWAIT_S + 30,
            run.process,
        )
        peak = run.sampler.peak_mb()
        run.stop()
        warm_s = systems.warm_s(side) if warm else 0
        found = verify(bench, side, run.out, count, partitions, warm_s)
        cold = not judge_window(found, warm_s, bench.may_be_cold)
        if cold:
            found = verify(bench, side, run.out, count, partitions)
        first, begin, end = found["first_ms"], found["begin_ms"], found["last_ms"]
        resident, in_window = run.sampler.resident_between(begin, end), found["measured"]
        return {
            "records": found["records"],
            "rate": found["rate"],
            **({"cold": True} if cold else {}),
            "cpu_us": run.sampler.cpu_between(begin, end) * 1e6 / in_window,
            "cpu_whole_us": run.sampler.cpu_between(first, end) * 1e6 / count,
            "broker_us": run.broker_sampler.cpu_between(begin, end) * 1e6 / in_window,
            "rss_mb": resident.median if resident else None,
            "peak_mb": peak,
            "start_s": (found["first_ms"] - run.process.started_ms) / 1000,
        }


def open_loop(bench: Bench, side: Side, rate: int, seconds: float, warm_up: float, partitions: int = 1) -> dict:
    """Records come at a fixed rate whatever happens; the latency of each. A JVM is given twice its time to get warm: it
    starts when the feeder does, and has fewer records to learn from."""
    warm_up = max(warm_up, 2 * systems.warm_s(side))
    in_topic = bench.name("open.in")
    bench.broker.make({in_topic: partitions})
    try:
        with Started(bench, side, in_topic, partitions) as run:
            found = ask(
                [
                    LOAD,
                    "open",
                    bench.broker.address,
                    in_topic,
                    run.out,
                    "--rate",
                    rate,
                    "--seconds",
                    seconds,
                    "--warmup",
                    warm_up,
                    "--feed-linger",
                    FEED_LINGER_MS,
                    "--records",
                    bench.data / f"{side.kind}.records",
                    "--partitions",
                    partitions,
                    *(["--committed"] if side.committed() else []),
                ],
                seconds + warm_up + 90,
                run.process,
            )
            run.stop()
            verify(bench, side, run.out, found["sent"], partitions)
            begin, end = found["begin_ms"], found["end_ms"]
            resident = run.sampler.resident_between(begin, end)
            return {
                **found,
                "rate": rate,
                "cpu_us": run.sampler.cpu_between(begin, end) * 1e6 / found["measured"],
                "rss_mb": resident.median if resident else None,
            }
    finally:
        bench.broker.delete(in_topic)


def order(sides: list, number: int) -> list:
    """No side always runs behind the same other, or first: every other round runs backwards, and each pair of rounds
    begins a third of the sides later."""
    shift = number // 2 * max(1, len(sides) // 3) % max(1, len(sides))
    turned = sides[shift:] + sides[:shift]
    return turned[::-1] if number % 2 else turned


def play(section: str, sides: list, rounds: int, measure, results, show, warm_up=None):
    """All sides in each round; before them those of `warm_up` (None: all), whose figures are thrown away. A side that
    fails is told and stays out of the medians; the run goes on."""
    for number in range(WARM_UP, rounds):
        for side in order(sides, number) if number >= 0 else sides if warm_up is None else warm_up:
            run = {"section": section, "system": side.label, "round": number, "settings": side.settings()}
            if side.beside:
                run["beside"] = True
            try:
                run.update(measure(side))
                talk(f"   {section} round {number + 1}/{rounds}  {side.label:<42} {show(run)}")
            except Failed as failure:
                run["error"] = str(failure)
                talk(f"   {section} round {number + 1}/{rounds}  {side.label:<42} FAILED: {failure}")
            results.add(run)
