"""Asks Kafka Streams: jobs for driver/src/StreamsDriver.java, and its answers in the terms of the models.

Where its semantics agree with the specification, and where not:
* One partition, rows with a time and a key: a record without a key moves our watermark, but not its stream time.
* Times in milliseconds. Its stream time less the grace is our watermark: late is judged alike, and a window leaves with
  the record that closes it. It has no quota of windows per record.
* Its gap of sessions is inclusive, ours is not, so it gets our gap less 1 ms, and its session ends at the last record. It
  closes 1 ms too early for that; where all times are multiples of 10 ms the difference is not seen.
* Its session store in memory forgets a session when it closes, as ours. (That in RocksDB keeps whole segments, and a row
  below the watermark may be merged with a session that was emitted.)
* Bounds of its interval join are inclusive as ours. It has one stream time for both sides, the greater one, so unmatched
  rows leave earlier. The sets of pairs agree where no row is late by the greater one; those of a left join only where
  rows are in order, as a left row behind the stream time is given as unmatched before its grace is over.
"""
import json
import os
import subprocess

import harness
import windows
from streams import MS

FOLDER = os.path.join(os.environ.get("ANABRANCH_DEPS", str(harness.ROOT / ".deps")), "streams-driver")


def ask(jobs):
    """The answers of one run of the driver, one for each job: lists of (number of the row that carried it, key, text)."""
    if not os.path.isdir(os.path.join(FOLDER, "classes")):
        raise AssertionError(f"{FOLDER} is missing; tests/setup/streams_driver makes it")
    command = ["java", "-Xmx512m", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp",
               f"{FOLDER}/classes:{FOLDER}/lib/*", "StreamsDriver"]
    done = subprocess.run(command, input="".join(json.dumps(job) + "\n" for job in jobs), capture_output=True, text=True,
                          timeout=300 * harness.PATIENCE)
    if done.returncode != 0:
        raise AssertionError(f"the driver failed with code {done.returncode}:\n{done.stderr[-4000:]}")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(jobs), f"{len(answers)} answers to {len(jobs)} jobs"
    return answers


def lines(rows):
    return [[row.key, row.ts // MS, row.columns["n"]] for row in rows]


def windows_job(rows, node):
    grace = node.lateness_us // MS
    if isinstance(node.window, windows.Session):
        return {"kind": "session", "gap": node.window.gap // MS - 1, "grace": grace, "rows": lines(rows)}
    every = node.window.every or node.window.size
    return {"kind": "fixed", "size": node.window.size // MS, "every": every // MS, "grace": grace, "rows": lines(rows)}


def windows_of(answer, rows, node):
    """(offset of the record that carried it, key, start, end, rows, sum)."""
    longer = node.window.gap if isinstance(node.window, windows.Session) else 0
    found = []
    for number, key, text in answer:
        start, end, count, total = map(int, text.split(","))
        found.append((rows[number].offset, key, start * MS, end * MS + longer, count, total))
    return found


def join_job(events, node):
    rows = [[row.key, row.ts // MS, row.columns["n"], side] for side, row in events]
    return {"kind": "join", "before": node.before_us // MS, "after": node.after_us // MS, "grace": node.left_lateness_us // MS,
            "left": node.how == "left", "rows": rows}


def pairs_of(answer, events):
    """The ids of pairs, as in joins.Pair."""
    def position(number):
        return None if number == "null" else (events[int(number)][1].partition, events[int(number)][1].offset)
    return [tuple(map(position, text.split(","))) for _, _, text in answer]


def dedupe_job(rows, within_us, lateness_us):
    return {"kind": "dedupe", "within": within_us // MS, "lateness": lateness_us // MS, "rows": lines(rows)}
