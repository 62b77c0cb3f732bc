"""The parts by themselves: what the C++ benchmarks print (decode, expressions, chain, inference, ensemble)."""

import json
import os
import pathlib
import subprocess

from ..process import talk
from ..systems import ROOT

BENCHES = (
    "decode_bench",
    "number_bench",
    "writer_bench",
    "expression_bench",
    "chain_bench",
    "infer_bench",
    "ensemble_bench",
)


def run(bench, results, options) -> bool:
    """Their own bounds are held as well; one that is missed is run once more."""
    held = True
    for name in BENCHES:
        program = ROOT / "build" / "bench" / name
        if not program.exists():
            talk(f"-- {name} is not built: left out")
            continue
        held &= _once(program, bench.folder, results) or _again(program, bench.folder, results)
    return held


def _again(program, folder, results) -> bool:
    talk(f"-- {program.name}: a bound was missed, once more")
    return _once(program, folder, results)


def _once(program: pathlib.Path, folder: pathlib.Path, results) -> bool:
    talk(f"-- {program.name}")
    file = folder / f"{program.name}.json"
    file.unlink(missing_ok=True)
    done = subprocess.run(
        [program], env={**os.environ, "BENCH_JSON": str(file)}, stdin=subprocess.DEVNULL, stdout=2, timeout=600
    )
    lines = file.read_text().splitlines() if file.exists() else []
    results.figures = [f for f in results.figures if f["bench"] != program.name]
    results.figures += [{"section": "micro", "bench": program.name, **json.loads(line)} for line in lines]
    return done.returncode == 0
