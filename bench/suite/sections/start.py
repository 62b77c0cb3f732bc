"""From the start of the process to its first result: from a file, and from Kafka."""

import json
import os
import pathlib
import shutil
import statistics
import time

from .. import goals as g
from ..process import Failed, Process, tail
from ..results import section_of
from ..rounds import drain, play
from ..systems import DEFAULT, ENGINE, ROOT, Side

SIDES = [Side(g.ENGINE, "anabranch", "tabular"), Side(g.KSTREAMS, "kafka-streams", "tabular", linger=DEFAULT)]
RECORDS = 4096
FILE_RUNS = 4  # in each round


def run(bench, results, options, labels=None):
    def measure(side):
        found = drain(bench, side, RECORDS, warm=False)
        kept = {name: found[name] for name in ("start_s", "records", "rss_mb")}
        if side.system == "anabranch":
            kept["file_ms"] = statistics.median(from_file(bench) for _ in range(FILE_RUNS))
        return kept

    def show(found):
        return f"first result after {found['start_s']:.3f} s" + (
            f", from a file after {found['file_ms']:.0f} ms" if "file_ms" in found else ""
        )

    try:
        play(
            section_of("start", labels),
            options.chosen(SIDES, labels),
            options.rounds_of("start"),
            measure,
            results,
            show,
        )
    finally:
        bench.drop_inputs()


def file_topology(folder: pathlib.Path, records: pathlib.Path) -> pathlib.Path:
    """The tabular workload from a file to a file."""
    topology = json.loads((ROOT / "bench/workload/tabular.json").read_text())
    for unwanted in ("connections", "dead_letters", "delivery", "epoch"):
        topology.pop(unwanted, None)
    topology["name"] = "bench-file"
    topology["models"]["mlp"]["path"] = str(ROOT / "tests/models/mlp_8_64_64_1.onnx")
    topology["sources"]["in"] = {"file": {"path": str(records)}, "schema": "row", "key": "position"}
    topology["nodes"]["out"]["to"] = {"file": {"path": "results.jsonl"}}
    path = folder / "topology.json"
    path.write_text(json.dumps(topology))
    return path


def from_file(bench) -> float:
    folder = bench.folder / bench.name("file")
    folder.mkdir()
    try:
        records = folder / "in.jsonl"
        shutil.copyfile(bench.data / "tabular.records", records)
        file, out = file_topology(folder, records), folder / "results.jsonl"
        begin = time.monotonic()
        process = Process(
            [ENGINE, "run", file, "--once", "--allow-path", ROOT, "--workers", 1], folder, name="anabranch"
        )
        while not (out.exists() and os.path.getsize(out) > 0):
            if not process.running() or time.monotonic() - begin > 30:
                process.kill()
                raise Failed(f"no result from a file within 30 s\n{tail(process.log)}")
            time.sleep(0.0005)
        taken = (time.monotonic() - begin) * 1000
        if process.wait(30) != 0:
            raise Failed(f"a run from a file ended with exit code {process.code}\n{tail(process.log)}")
        return taken
    finally:
        shutil.rmtree(folder, ignore_errors=True)
