"""bench/run: see docs/benchmarks.md. Exits 1 when a bound is missed beyond the noise of the run, twice."""

import signal
import subprocess
import sys

from . import machine, report
from .goals import of_section
from .options import Options
from .process import talk
from .results import Results
from .rounds import Bench
from .sections import latency, micro, profile, restart, scale, start, throughput
from .stats import MISSED
from .systems import ROOT

PLAYED = {  # section of the command line → section of the results, what runs it
    "tabular": ("tabular", throughput.tabular),
    "ffnn": ("ffnn", throughput.ffnn),
    "latency": ("latency", latency.steady),
    "half-load": ("half load", latency.half_load),
    "start": ("start", start.run),
    "restart": ("restart", restart.run),
}
OTHERS = {"micro": micro.run, "scale": scale.run, "profile": profile.run}


def missed(section: str, results: Results, quick: bool) -> list:
    """Labels of the sides of measures whose bound even the best round missed."""
    judged = [(m, m.judge(results, quick)) for m in of_section(section)]
    return [label for m, j in judged if not j["held"] for label in m.source.labels]


def play(name: str, bench: Bench, results: Results, options: Options):
    section, run = PLAYED[name]
    run(bench, results, options)
    again = missed(section, results, options.quick)
    if again:
        talk(f"-- a bound was missed: {', '.join(dict.fromkeys(again))} once more")
        first = results.drop(section, again)
        run(bench, results, options, labels=again)
        results.runs += [{**r, "section": f"{section}, first try"} for r in first]


def recovery(options: Options) -> bool:
    """kill -9 to the next committed result: a program and a broker of its own."""
    command = [sys.executable, ROOT / "bench" / "recovery.py", "--kills", str(12 if options.quick else 40)]
    return any(subprocess.run(command, stdin=subprocess.DEVNULL, stdout=2).returncode == 0 for _ in range(2))


def measure(bench: Bench, results: Results, options: Options) -> bool:
    """True when the programs that hold bounds of their own held them."""
    held = True
    for name in options.sections:
        talk(f"== {name}")
        if name in PLAYED:
            play(name, bench, results, options)
        elif name == "recovery":
            held &= recovery(options)
        else:
            held &= OTHERS[name](bench, results, options) is not False
    return held


def main(arguments: list) -> int:
    options = Options(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything started is ended
    about, results, bench = machine.describe(), Results(), Bench()
    try:
        held = measure(bench, results, options)
    finally:
        bench.close()
        judged = report.judge(results, options.quick)
        path = report.write(options.out, results, judged, about, options.command(arguments))
    print(path.read_text())
    lost = [m for m in judged if not m["held"]]
    for m in lost:
        talk(f"MISSED: {m['number']} {m['what']}: {report.with_range(m['found'])} {m['unit']}, bound {m['bound']:g}")
    failed = [r for r in results.failures() if not r["section"].endswith("first try")]
    talk(f"the page: {path}")
    return 1 if lost or failed or not held else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
