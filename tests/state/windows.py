"""What a `summarise` node must give (specification 5.2, sentences 10 to 13), as a stepwise model.
in_duckdb.py has the same as GROUP BY, where SQL can say it.

A record is judged by the watermark before it, is added to each window that holds its time and is not closed, and then
moves the watermark. Windows with end <= watermark close and wait; every record and tick of the partition carries at
most `quota` of those that wait, by (end, key). Readings where the text leaves room:
* Every record with a good time moves the watermark of its partition, also one with a null key or one that failed above
  the node. Every record carries windows that are due, also one that failed, even one without a good time.
* A row is late when all windows that hold its time are closed. It may count in some windows of a hop and not in others.
* A session is [first time, last time + gap). A row is late when the session it would be in, merged with the open ones
  less than `gap` away, has end <= watermark. A closed session is forgotten: a row near it begins a new one.
* `max`: a row joins its neighbours only if the session stays within max, end - start <= max. It tries all of them, then
  each alone, the one that begins last first, and else begins a session of its own.
* A tick moves the watermark to what it was after the last record, plus the time since: a second tick does not add to the
  first. The position of what it carries is (offset of the last record, number of the tick since).
* At the end of a file what still waits, and then all that is open, leaves in the same order, at no record (`at` None).
"""
import dataclasses
import math
from typing import Dict, NamedTuple, Optional, Tuple

import functions
from functions import Column
from streams import Row


@dataclasses.dataclass(frozen=True)
class Fixed:
    """Tumbling, or hopping when `every` is less than the size. Aligned to 1970 UTC, shifted by `offset`."""
    size: int
    every: Optional[int] = None
    offset: int = 0

    def starts(self, ts):
        every = self.every or self.size
        newest = ts - (ts - self.offset) % every
        return range(newest - self.size + every, newest + 1, every)


@dataclasses.dataclass(frozen=True)
class Session:
    gap: int
    max: Optional[int] = None


@dataclasses.dataclass
class Node:
    window: object
    columns: Dict[str, Column]
    lateness_us: int
    quota: int = 1024
    max_ahead_us: Optional[int] = None


class Tick(NamedTuple):
    """The partition brought nothing for `idle_us` since its last record was read."""
    partition: int
    idle_us: int


class Window(NamedTuple):
    partition: int
    key: str
    start: int
    end: int
    values: Dict[str, object]
    scales: Dict[str, float]
    at: Optional[Tuple[int, int]]  # (offset, tick) of the record or tick that carries it

    @property
    def timestamp_ms(self):
        return self.end // 1000 - 1


@dataclasses.dataclass
class Open:
    """A window that is not closed. Of a session: `end` is its last time + gap."""
    key: str
    start: int
    end: int
    entries: list


class Partition:
    def __init__(self, number):
        self.number, self.top, self.of_records, self.watermark = number, None, None, None
        self.offset, self.tick, self.open, self.due = None, 0, [], []

    def is_closed(self, end):
        return self.watermark is not None and end <= self.watermark

    def advance(self, watermark):
        if watermark is not None and (self.watermark is None or watermark > self.watermark):
            self.watermark = watermark
            closed = [w for w in self.open if w.end <= watermark]
            self.open = [w for w in self.open if w.end > watermark]
            self.due += sorted(closed, key=lambda w: (w.end, w.key.encode(), w.start))

    def leave(self, node, at, quota):
        leaving, self.due = self.due[:quota], self.due[quota:]
        for window in leaving:
            found = {name: functions.apply(column, [(ts, place, values.get(column.of)) for ts, place, values in window.entries])
                     for name, column in node.columns.items()}
            yield Window(self.number, window.key, window.start, window.end, {name: value for name, (value, _) in found.items()},
                         {name: scale for name, (_, scale) in found.items()}, at)


def add_to_fixed(partition, window, row, place):
    starts = [start for start in window.starts(row.ts) if not partition.is_closed(start + window.size)]
    for start in starts:
        there = next((w for w in partition.open if (w.key, w.start) == (row.key, start)), None)
        if there is None:
            there = Open(row.key, start, start + window.size, [])
            partition.open.append(there)
        there.entries.append((row.ts, place, row.columns))
    return bool(starts)


def add_to_session(partition, window, row, place):
    near = [w for w in partition.open if w.key == row.key and w.start - window.gap < row.ts < w.end]
    merged = Open(row.key, row.ts, row.ts + window.gap, [])
    alone = sorted(near, key=lambda w: -w.start)
    for chosen in (near, *([w] for w in alone), []):
        start = min([row.ts, *(w.start for w in chosen)])
        end = max([row.ts + window.gap, *(w.end for w in chosen)])
        if not chosen or window.max is None or end - start <= window.max:
            merged = Open(row.key, start, end, sorted((e for w in chosen for e in w.entries), key=lambda e: e[1]))
            break
    if partition.is_closed(merged.end):
        return False
    partition.open = [w for w in partition.open if not any(w is c for c in chosen)]
    merged.entries.append((row.ts, place, row.columns))
    partition.open.append(merged)
    return True


def take(partition, node, row, place):
    """The outcome of one record: pass, late, key, time, time_ahead. Its watermark is moved by it."""
    if row.ts is None:
        return "time"
    if node.max_ahead_us is not None and row.ts > row.wall + node.max_ahead_us:
        return "time_ahead"
    outcome = "key"
    if row.key is not None:
        add = add_to_session if isinstance(node.window, Session) else add_to_fixed
        outcome = "pass" if add(partition, node.window, row, place) else "late"
    partition.top = row.ts if partition.top is None else max(partition.top, row.ts)
    partition.advance(partition.top - node.lateness_us)
    return outcome


def expected(events, node, at_end=False):
    """(windows in the order in which they leave, the outcome of each record). Events are rows and ticks in the order of
    arrival. `at_end`: the events are a whole file, so the watermark ends infinite."""
    partitions, windows, outcomes = {}, [], []
    for place, event in enumerate(events):
        partition = partitions.setdefault(event.partition, Partition(event.partition))
        if isinstance(event, Row):
            partition.offset, partition.tick = event.offset, 0
            outcomes.append(take(partition, node, event, place))
            partition.of_records = partition.watermark
        elif partition.of_records is not None:
            partition.tick += 1
            partition.advance(partition.of_records + event.idle_us)
        windows += partition.leave(node, (partition.offset, partition.tick), node.quota)
    for partition in partitions.values() if at_end else ():
        partition.advance(math.inf)
        windows += partition.leave(node, None, len(partition.due))
    return windows, outcomes
