"""What an `aggregate` node must give (specification 5.2, sentences 3 to 9), as a stepwise model in plain Python.
rolling_sql.py computes the same as a self-join in DuckDB and in SQLite.

For a row at time t, `over: W` counts the rows of its key that passed the node at or before it in partition order, with a
time in (t - W, t], if they are remembered. Readings where the text leaves room:
* The longest `over` of sentence 5 is the longest `over + tile`: else a tile's extra length would be forgotten too early.
* With `tile: T` the window is (floor(t - W, T), t]: the rounded bound stays open. A tile thus is (kT, (k + 1)T].
* A row is remembered while its time > horizon = greatest time - longest - lateness, each row for itself, also with tiles.
* Late is: time < watermark, judged before the record. A row at the watermark is not late.
* `late: skip` gives null columns, but the row passed (sentence 9), so it counts for later rows if it is still in memory.
* Columns without `over` count every row that passes, also one at or below the horizon, for as long as the key lives.
* A key is gone, with all its rows, when its greatest time <= watermark - expire, the watermark before the record.
* `distinct` fails its record when the value it would give exceeds `max`. A key may remember `max_rows` rows; the record
  that would be one more fails. A record that fails is not remembered.
* `lag` and `since_last` look at the rows before this one. `since_last` is in microseconds here.
"""
import dataclasses
from typing import Dict, NamedTuple, Optional

import functions
from functions import Column
from streams import Row, judge


@dataclasses.dataclass
class Node:
    columns: Dict[str, Column]
    lateness_us: int
    late: str = "use"  # use, skip, drop, dead_letter
    expire_us: Optional[int] = None
    max_rows: int = 10_000
    max_ahead_us: Optional[int] = None

    @property
    def longest_us(self):
        return max((c.over + (c.tile or 0) for c in self.columns.values() if c.over is not None), default=0)


class Result(NamedTuple):
    """`outcome`: pass, or why the row has no values: late, time, time_ahead, key, state_full."""
    row: Row
    outcome: str
    values: Dict[str, object]
    scales: Dict[str, float]


class Key:
    def __init__(self):
        self.rows = []      # (ts, place) of all that passed
        self.columns = []
        self.greatest = None


def counted(column, key, ts, horizon, now):
    """The entries of one column for the newest row of `key`, which is number `now`."""
    entries = []
    lower = None
    if column.over is not None:
        lower = ts - column.over
        lower -= lower % (column.tile or 1)
    before = not column.current or column.function in ("lag", "since_last")
    for number, ((row_ts, place), values) in enumerate(zip(key.rows, key.columns)):
        own = number == now
        if own and before:
            continue
        if lower is not None and not (lower < row_ts <= ts and (own or row_ts > horizon)):
            continue
        entries.append((row_ts, place, values.get(column.of)))
    return entries


def value_of(column, key, ts, horizon, now):
    entries = counted(column, key, ts, horizon, now)
    if column.function == "since_last":
        return (ts - max(entries, key=lambda e: e[1])[0] if entries else None), None
    return functions.apply(column, entries)


def update(node, key, judged, place):
    """(outcome, values, scales) of a row that passes; the key keeps it unless it fails."""
    ts = judged.row.ts
    horizon = judged.top - node.longest_us - node.lateness_us
    key.rows.append((ts, place))
    key.columns.append(judged.row.columns)
    now = len(key.rows) - 1
    results = {name: value_of(column, key, ts, horizon, now) for name, column in node.columns.items()}
    full = any(c.function == "distinct" and c.max is not None and results[name][0] > c.max for name, c in node.columns.items())
    if full or sum(1 for row_ts, _ in key.rows if row_ts > horizon) > node.max_rows:
        key.rows.pop()
        key.columns.pop()
        return "state_full", {}, {}
    key.greatest = ts if key.greatest is None else max(key.greatest, ts)
    if judged.late and node.late == "skip":
        return "pass", dict.fromkeys(node.columns), {}
    return "pass", {name: value for name, (value, _) in results.items()}, {name: scale for name, (_, scale) in results.items()}


def expected(rows, node):
    """One Result per row, in the order of `rows`. A key is in one partition only."""
    keys, results = {}, []
    for place, judged in enumerate(judge(rows, node.lateness_us, node.max_ahead_us)):
        row = judged.row
        outcome, values, scales = judged.error, {}, {}
        if outcome is None and row.key is None:
            outcome = "key"
        elif outcome is None and judged.late and node.late in ("drop", "dead_letter"):
            outcome = "late"
        elif outcome is None:
            key = keys.setdefault(row.key, Key())
            if None not in (node.expire_us, key.greatest, judged.before) and key.greatest <= judged.before - node.expire_us:
                key = keys[row.key] = Key()
            outcome, values, scales = update(node, key, judged, place)
        results.append(Result(row, outcome, values, scales))
    return results
