"""bench/run: see docs/benchmarks.md. Exits 1 when a bound is missed beyond the noise of the run, twice."""

import signal
import sys

from . import machine, report
from .goals import of_section
from .options import Options
from .process import talk
from .results import Results
from .rounds import Bench
from .sections import latency, micro, profile, restart, scale, start, throughput
from .systems import ROOT

PLAYED = {  # section of the command line → section of the results, what runs it
    "tabular": ("tabular", throughput.tabular),
    "ffnn": ("ffnn", throughput.ffnn),
    "latency": ("latency", latency.steady),
    "half-load": ("half load", latency.half_load),
    "start": ("start", start.run),
    "restart": ("restart", restart.run),
}


def play(name: str, bench: Bench, results: Results, options: Options):
    section, run = PLAYED[name]
    run(bench, results, options)
    lost = [m for m in of_section(section) if not m.judge(results, options.quick)["held"]]
    for m in lost:
        found, bound = m.source.take(results), m.limit(options.quick)
        talk(f"-- missed, once more: {m.number} {m.what}: {report.with_range(found)} {m.unit}, bound {bound:g}")
    if lost:
        run(bench, results, options, labels={label for m in lost for label in m.source.labels})


def recovery(bench: Bench, results: Results, options: Options) -> bool:
    """kill -9 to the next committed result: a program and a broker of its own."""
    return micro.hold(
        [sys.executable, ROOT / "bench" / "recovery.py", "--kills", 12 if options.quick else 40], bench, results
    )


OTHERS = {"micro": micro.run, "scale": scale.run, "profile": profile.run, "recovery": recovery}


def measure(bench: Bench, results: Results, options: Options) -> bool:
    """True when the programs that hold bounds of their own held them."""
    held = True
    for name in options.sections:
        talk(f"== {name}")
        if name in PLAYED:
            play(name, bench, results, options)
        else:
            held &= OTHERS[name](bench, results, options) is not False
    return held


def main(arguments: list) -> int:
    options = Options(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything started is ended
    about, results, bench = machine.describe(), Results(), Bench(options.quick or options.scale < 1)
    whole = False
    try:
        held = measure(bench, results, options)
        whole = True
    finally:
        bench.close()
        judged = report.judge(results, options.quick)
        path = report.write(options.out, results, judged, about, options.command(arguments), whole)
    print(path.read_text())
    lost = [m for m in judged if not m["held"]]
    for m in lost:
        talk(f"MISSED: {m['number']} {m['what']}: {report.with_range(m['found'])} {m['unit']}, bound {m['bound']:g}")
    talk(f"the page: {path}")
    return 1 if lost or results.faults() or not held else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
