"""The parts by themselves: what the C++ benchmarks print (decode, expressions, chain, inference, ensemble)."""

import json
import os
import signal
import subprocess

from ..process import STOP_S, talk
from ..systems import ROOT

BENCHES = (
    "decode_bench",
    "number_bench",
    "writer_bench",
    "expression_bench",
    "chain_bench",
    "rolling_bench",
    "infer_bench",
    "ensemble_bench",
)
LIMIT_S = 900


def run(bench, results, options) -> bool:
    """Their own bounds are held as well."""
    held = True
    for name in BENCHES:
        program = ROOT / "build" / "bench" / name
        if program.exists():
            held &= hold([program], bench, results)
        else:
            talk(f"-- {name} is not built: omitted")
    return held


def _code_of(command: list, env: dict):
    """Its exit code; None when it did not end in time: interrupted first, it can end what it started."""
    program = subprocess.Popen([str(part) for part in command], env=env, stdin=subprocess.DEVNULL, stdout=2)
    try:
        return program.wait(LIMIT_S)
    except subprocess.TimeoutExpired:
        talk(f"   did not end within {LIMIT_S} s")
        return None
    finally:
        if program.poll() is None:
            program.send_signal(signal.SIGINT)
            try:
                program.wait(STOP_S)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()


def hold(command: list, bench, results) -> bool:
    """Runs a program that holds bounds of its own and writes its figures where BENCH_JSON says; a miss once more."""
    name = next(str(part).rpartition("/")[2] for part in command if "/bench/" in str(part))
    for attempt in ("", ": a bound was missed, once more"):
        talk(f"-- {name}{attempt}")
        file = bench.folder / f"{name}.json"
        file.unlink(missing_ok=True)
        code = _code_of(command, {**os.environ, "BENCH_JSON": str(file)})
        lines = file.read_text().splitlines() if file.exists() else []
        results.figures = [f for f in results.figures if f["bench"] != name]
        results.figures += [{"section": "micro", "bench": name, **json.loads(line)} for line in lines]
        if code == 0:
            return True
    return False
