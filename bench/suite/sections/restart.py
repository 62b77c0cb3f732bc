"""A stage failed, 1 GiB of results is kept: how long after `anabranch restart --yes` until the stage runs again?

The clock stops at the first result in the target, so reading and checking the kept results, the stage itself and the
commit are inside. One batch of 65,536 rows fails: all that was kept is needed before the stage has its first row.
"""

import json
import os
import pathlib
import shutil
import time

from .. import goals as g
from ..process import Failed, Process, tail
from ..results import section_of
from ..rounds import play
from ..systems import ENGINE, Side

ROWS, LINE_BYTES = 65536, 16380
GIB = 1 << 30
LIMIT_S = 120


def topology(expression: str) -> dict:
    fields = {"id": "string", "n": "integer", "d": "integer", "pad": "string"}
    return {
        "anabranch": 1,
        "name": "bench-restart",
        "schemas": {"row": {"type": "object", "properties": {name: {"type": kind} for name, kind in fields.items()}}},
        "sources": {"in": {"file": {"path": "in.jsonl"}, "schema": "row", "key": {"field": "id"}}},
        "nodes": {
            "above": {"kind": "transform", "inputs": ["in"], "set": {"m": "n + 1"}},
            "stage": {"kind": "transform", "inputs": ["above"], "set": {"y": expression}, "on_error": "stop"},
            "out": {
                "kind": "persist",
                "inputs": ["stage"],
                "to": {"file": {"path": "out.jsonl"}},
                "fields": ["id", "y"],
            },
        },
        "batch": {"max_rows": ROWS, "max_bytes": GIB},
        "limits": {"memory_bytes": 8 * GIB, "kept_bytes": 8 * GIB},
    }


def write_records(path: pathlib.Path):
    with open(path, "w", encoding="ascii") as file:
        for i in range(ROWS):
            head = f'{{"id":"r{i:09d}","n":{i},"d":{min(i, 1)},"pad":"'
            file.write(head + "x" * (LINE_BYTES - len(head) - 3) + '"}\n')


def run(bench, results, options, labels=None):
    folder = bench.folder / "restart"
    folder.mkdir(exist_ok=True)
    if not (folder / "in.jsonl").exists():
        write_records(folder / "in.jsonl")
    try:
        play(
            section_of("restart", labels),
            options.chosen([Side(g.ENGINE, "anabranch", "tabular")], labels),
            options.rounds_of("restart"),
            lambda side: once(folder),
            results,
            lambda found: f"{found['kept_mb']:.0f} MB kept, the stage runs after {found['seconds']:.2f} s",
            warm_up=[],
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def once(folder: pathlib.Path) -> dict:
    file, out = folder / "topology.json", folder / "out.jsonl"
    shutil.rmtree(folder / ".anabranch", ignore_errors=True)
    out.unlink(missing_ok=True)
    file.write_text(json.dumps(topology("m % d")))
    failing = Process([ENGINE, "run", file, "--once", "--workers", 1], folder, name="failing")
    if failing.wait(LIMIT_S) != 1:
        raise Failed(f"the stage did not stop: exit code {failing.code}\n{tail(failing.log)}")
    kept = sum(path.stat().st_size for path in (folder / ".anabranch").rglob("results/*"))
    if kept < GIB:
        raise Failed(f"{kept} bytes were kept, less than 1 GiB")
    file.write_text(json.dumps(topology("m % (d + 1)")))
    begin = time.monotonic()
    process = Process([ENGINE, "restart", file, "--yes", "--once", "--workers", 1], folder, name="restart")
    while not (out.exists() and os.path.getsize(out) > 0):
        if not process.running() or time.monotonic() - begin > LIMIT_S:
            process.kill()
            raise Failed(f"no result after the restart\n{tail(process.log)}")
        time.sleep(0.001)
    seconds = time.monotonic() - begin
    if process.wait(LIMIT_S) != 0:
        raise Failed(f"the restart ended with exit code {process.code}\n{tail(process.log)}")
    lines = out.read_bytes().count(b"\n")
    if lines != ROWS:
        raise Failed(f"{lines} results after the restart, not {ROWS}")
    return {"seconds": seconds, "kept_mb": kept / 1e6, "records": lines}
