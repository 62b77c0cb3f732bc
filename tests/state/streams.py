"""Seeded streams that try to break keyed state: few, hot and Zipf keys, ties, nulls, NaN, disorder within and beyond
the lateness, duplicates, times in the far future, missing times and keys, several partitions, gaps between offsets.

A stream is a list of rows in the order of arrival. A key is in one partition only, as co-partitioning promises. The
integer column `n` is small enough that no sum of a stream leaves 64 bits. The columns `x` of a stream are either
multiples of 1/64, whose sums are exact in a double, or wild: magnitudes from 1e-9 to 1e12. Infinite values are not made.
"""
import dataclasses
import math
import random
import zlib
from typing import NamedTuple, Optional

MS, SECOND, MINUTE, HOUR = 1_000, 1_000_000, 60_000_000, 3_600_000_000
START = 1_700_000_000 * SECOND  # 2023-11-14, no multiple of any window


class Row(NamedTuple):
    """One record. `ts` is in microseconds since 1970, None when the record has no time; `wall` is the clock's time at its
    arrival; `key` None is a null key."""
    partition: int
    offset: int
    key: Optional[str]
    ts: Optional[int]
    columns: dict
    wall: int = 0


@dataclasses.dataclass
class Shape:
    """What a stream is made of. The defaults give an ordinary one; `draw` gives a hostile one."""
    rows: int = 60
    partitions: int = 1
    keys: str = "few"          # few: 3 equally often; hot: one has 80 %; zipf: 30 with exponent 1.1
    step_us: int = 10 * SECOND  # mean distance of two records
    grain_us: int = MS          # times are multiples of it: a coarse grain makes ties
    lateness_us: int = 30 * SECOND
    disorder: float = 0.3       # this share goes back in time by at most the lateness
    beyond: float = 0.0         # this share goes back by more: up to 20 times the lateness and a minute
    duplicates: float = 0.05    # this share repeats key, time and columns of an earlier record
    ties: float = 0.1           # this share has the time of the record before it
    nulls: float = 0.1          # of each column
    nans: float = 0.0           # of `x`
    wild: bool = False
    ahead: float = 0.0          # this share is beyond max_ahead: the record fails with `time_ahead`
    jumps: float = 0.0          # this share is in the future by less than max_ahead, and makes what follows late
    max_ahead_us: int = 5 * MINUTE
    no_time: float = 0.0
    no_key: float = 0.0


def draw(seed, **fixed):
    """The shape of a stream for one seed; `fixed` sets fields."""
    rng = random.Random(f"shape {seed}")

    def sometimes(share):
        return share if rng.random() < 0.5 else 0.0

    shape = Shape(rows=rng.choice((5, 30, 60, 90)), partitions=rng.choice((1, 1, 2, 3)), keys=rng.choice(("few", "hot", "zipf")),
                  step_us=rng.choice((200 * MS, 2 * SECOND, 20 * SECOND, 2 * MINUTE)), grain_us=rng.choice((1, MS, SECOND, 5 * SECOND)),
                  lateness_us=rng.choice((0, SECOND, 30 * SECOND, 10 * MINUTE)), disorder=rng.choice((0.0, 0.3, 0.7)),
                  beyond=sometimes(0.1), duplicates=sometimes(0.1), ties=sometimes(0.2), nulls=sometimes(0.2), nans=sometimes(0.05),
                  wild=rng.random() < 0.3, ahead=sometimes(0.05), jumps=sometimes(0.02), no_time=sometimes(0.03), no_key=sometimes(0.05))
    return dataclasses.replace(shape, **fixed)


def _key(rng, shape):
    if shape.keys == "few":
        return f"k{rng.randrange(3)}"
    if shape.keys == "hot":
        return "hot" if rng.random() < 0.8 else f"k{rng.randrange(5)}"
    return f"z{min(30, int((1.0 - rng.random()) ** (-1 / 1.1)))}"


def _columns(rng, shape):
    if shape.wild:
        x = rng.choice((-1, 1)) * 10.0 ** rng.uniform(-9, 12)
    else:
        x = rng.choice((0.0, -0.0, rng.randrange(-1 << 16, 1 << 16) / 64))
    if rng.random() < shape.nans:
        x = math.nan
    columns = {"n": rng.choice((0, 1, rng.randrange(-1 << 40, 1 << 40))), "x": x, "s": rng.choice("abcdéß\U0001f600") * rng.randint(0, 2)}
    return {name: None if rng.random() < shape.nulls else value for name, value in columns.items()}


def _time(rng, shape, clock, last):
    """The time of a record that arrives at `clock`; `last` is the time of the record before it."""
    drawn, ts = rng.random(), clock
    for share, choose in ((shape.no_time, lambda: None),
                          (shape.ahead, lambda: clock + shape.max_ahead_us + rng.randint(shape.grain_us, 20 * HOUR)),
                          (shape.jumps, lambda: clock + rng.randint(0, shape.max_ahead_us - shape.grain_us)),
                          (shape.beyond, lambda: clock - shape.lateness_us - rng.randint(1, 20 * shape.lateness_us + MINUTE)),
                          (shape.ties, lambda: last),
                          (shape.disorder, lambda: clock - rng.randint(0, shape.lateness_us))):
        if drawn < share:
            ts = choose()
            break
        drawn -= share
    return None if ts is None else ts // shape.grain_us * shape.grain_us


def make(seed, shape):
    """The rows of a stream. Without jumps and `beyond` no row of it is late: the clock only grows, and a row is behind it
    by at most the lateness less one grain."""
    rng = random.Random(f"stream {seed}")
    clock, last, rows = START + rng.randrange(HOUR), None, []
    offsets = [rng.randrange(1000) for _ in range(shape.partitions)]
    inner = dataclasses.replace(shape, lateness_us=max(0, shape.lateness_us - shape.grain_us))
    for _ in range(shape.rows):
        clock += int(rng.expovariate(1 / shape.step_us))
        if rows and rng.random() < shape.duplicates:
            again = rng.choice(rows[-10:])
            key, ts, columns = again.key, again.ts, dict(again.columns)
        else:
            key = None if rng.random() < shape.no_key else _key(rng, shape)
            ts, columns = _time(rng, inner, clock, clock if last is None else last), _columns(rng, shape)
        if ts is not None and not shape.beyond and ts < clock - inner.lateness_us:  # an old tie, an old duplicate
            ts = clock // shape.grain_us * shape.grain_us
        partition = zlib.crc32((key or str(rng.random())).encode()) % shape.partitions
        offsets[partition] += 1 if rng.random() < 0.9 else rng.randint(2, 5)  # markers of transactions take offsets
        rows.append(Row(partition, offsets[partition], key, ts, columns, clock))
        if ts is not None and ts <= clock:
            last = ts
    return rows


class Judged(NamedTuple):
    """A row and what sentences 1 and 2 of the specification say of it. `error`: time, time_ahead or None. `before`: the
    watermark before this row, None before the first good time; `top`: the greatest good time up to and with this row."""
    row: Row
    error: Optional[str]
    before: Optional[int]
    top: Optional[int]

    @property
    def late(self):
        return self.before is not None and self.row.ts < self.before


def judge(rows, lateness_us, max_ahead_us=None):
    """Time and watermark of each row, partition by partition, in the order of `rows`. Every row with a good time moves
    the watermark of its partition, also one whose key is null. Without max_ahead no row is too far ahead."""
    tops, judged = {}, []
    for row in rows:
        top = tops.get(row.partition)
        before = None if top is None else top - lateness_us
        error = None
        if row.ts is None:
            error = "time"
        elif max_ahead_us is not None and row.ts > row.wall + max_ahead_us:
            error = "time_ahead"
        else:
            top = tops[row.partition] = row.ts if top is None else max(top, row.ts)
        judged.append(Judged(row, error, before, top))
    return judged
