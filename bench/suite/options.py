"""What the command line says, and how much of everything that means."""

import argparse
import pathlib

from .process import talk
from .systems import ROOT, usable

SECTIONS = ("micro", "tabular", "ffnn", "latency", "half-load", "start", "restart", "scale", "profile", "recovery")
QUICK = ("micro", "tabular", "latency", "recovery")
# Records of a preloaded topic: a JVM is warm after ten seconds, and some seconds must be left behind them.
COUNTS = {"tabular": 3_000_000, "ffnn": 500_000}
QUICK_COUNTS = {"tabular": 400_000, "ffnn": 40_000}
ROUNDS, QUICK_ROUNDS = 5, 5
FEWER = {"latency": 3, "start": 5, "restart": 3}


class Options:
    def __init__(self, arguments=None):
        parser = argparse.ArgumentParser(
            prog="bench/run", description="Benchmarks: one page of measures, goals and figures."
        )
        parser.add_argument("--quick", action="store_true", help="what every change must pass: no peers, fewer records")
        parser.add_argument("--only", nargs="+", metavar="SECTION", help="some of: " + ", ".join(SECTIONS))
        parser.add_argument(
            "--systems", help="only these systems, by commas: relay, anabranch, and those of bench/peers/systems.json"
        )
        parser.add_argument(
            "--out", metavar="DIR", help="where the report goes (default bench/results; --quick: build/bench/results)"
        )
        parser.add_argument("--rounds", type=int, help=f"rounds of every section (default {ROUNDS}, latency fewer)")
        parser.add_argument("--scale", type=float, default=1.0, help="times as many records and seconds")
        given = parser.parse_args(arguments)
        self.quick, self.rounds, self.scale = given.quick, given.rounds, given.scale
        only = [name for word in given.only or () for name in word.split(",")]
        for name in only:
            if name not in SECTIONS:
                parser.error(f'no section "{name}" (known: {", ".join(SECTIONS)})')
        self.sections = [s for s in SECTIONS if s in (only or (QUICK if given.quick else SECTIONS))]
        self.systems = given.systems.split(",") if given.systems else None
        self.out = (
            pathlib.Path(given.out) if given.out else ROOT / ("build/bench/results" if given.quick else "bench/results")
        )

    def rounds_of(self, section: str) -> int:
        if self.rounds:
            return self.rounds
        return min(FEWER.get(section, QUICK_ROUNDS if self.quick else ROUNDS), QUICK_ROUNDS if self.quick else ROUNDS)

    def count(self, section: str) -> int:
        return max(1000, int((QUICK_COUNTS if self.quick else COUNTS)[section] * self.scale))

    def seconds(self, measured: float, warm_up: float) -> tuple:
        return max(3, round(measured * self.scale)), max(3, round(warm_up * self.scale))

    def chosen(self, sides: list, labels=None) -> list:
        """The sides that were asked for (all, or by name of the system) and that are there."""
        wanted = [
            s
            for s in sides
            if (labels is None or s.label in labels) and (self.systems is None or s.system in self.systems)
        ]
        for side in wanted:
            if not usable(side):
                talk(f"-- {side.label}: omitted, systems.json has none of {side.workload}, {side.guarantee}")
        return [s for s in wanted if usable(s)]

    def command(self, arguments: list) -> str:
        return " ".join(["bench/run", *arguments])
