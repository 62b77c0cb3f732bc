"""Random nodes and random inputs of several kinds for the streams of streams.py, by seed."""
import random

import joins
import rolling
import windows
from functions import Column
from in_duckdb import COLUMNS
from streams import HOUR, MINUTE, MS, SECOND, draw, make

NUMERIC = ("sum", "mean", "var", "var_pop", "stddev", "stddev_pop")


def column(rng, function):
    of = rng.choice({"count": (None, "n", "x", "s"), "since_last": (None,)}.get(function, ("n", "x") if function in NUMERIC else ("n", "x", "s")))
    if function in ("lag", "since_last"):
        return Column(function, of, rows=rng.choice((1, 1, 2, 3)) if function == "lag" else 1)
    over = rng.choice((None, SECOND, 10 * SECOND, MINUTE, 5 * MINUTE, HOUR))
    tile = over // rng.choice((1, 2, 5)) if over and rng.random() < 0.3 else None
    return Column(function, of, over, tile, current=rng.random() < 0.8)


def aggregate(seed, shape, functions, count=6):
    """An `aggregate` node with some of the functions. What expires does so after its longest `over`."""
    rng = random.Random(f"aggregate {seed}")
    columns = {f"c{number}": column(rng, rng.choice(functions)) for number in range(count)}
    node = rolling.Node(columns, shape.lateness_us, rng.choice(("use", "use", "skip", "drop")), max_ahead_us=shape.max_ahead_us)
    node.expire_us = rng.choice((None, node.longest_us + MINUTE, node.longest_us + HOUR))
    return node


def rolling_job(seed, functions):
    shape = draw(seed)
    return make(seed, shape), aggregate(seed, shape, functions)


def fixed_window(rng):
    size = rng.choice((SECOND, 10 * SECOND, MINUTE, 10 * MINUTE, HOUR))
    return windows.Fixed(size, rng.choice((None, size // 2, size // 5)), rng.choice((0, 0, size // 3)))


def windows_job(seed, session=False, **fixed):
    """Sessions come from streams without rows below the watermark, unless `fixed` says otherwise."""
    rng = random.Random(f"windows {seed}")
    shape = draw(seed, **({"beyond": 0.0, "jumps": 0.0, **fixed} if session else fixed))
    window = windows.Session(rng.choice((SECOND, 10 * SECOND, MINUTE, 10 * MINUTE))) if session else fixed_window(rng)
    return make(seed, shape), windows.Node(window, COLUMNS, shape.lateness_us, max_ahead_us=shape.max_ahead_us)


# What Kafka Streams can be asked: one partition, keys and times for all rows, times and lateness in steps of 10 ms.
COMMON = {"partitions": 1, "grain_us": 10 * MS, "no_time": 0.0, "no_key": 0.0, "ahead": 0.0, "rows": 60}


def join_job(seed, how, once=False, **fixed):
    """(events, node). The rows of one stream go to two sides, so each side is in order by the same lateness."""
    rng = random.Random(f"join {seed}")
    shape = draw(seed, **{"beyond": 0.0, "jumps": 0.0, "no_time": 0.0, "ahead": 0.0, **fixed})
    events = [(rng.choice(("left", "right")), row) for row in make(seed, shape)]
    before, after = (rng.choice((0, shape.step_us // (10 * MS) * (10 * MS), MINUTE)) for _ in range(2))
    return events, joins.Node(before, after, shape.lateness_us, shape.lateness_us, how, once)


def lookup_job(seed, **fixed):
    """Events of a table and of records. Some versions are tombstones."""
    rng = random.Random(f"lookup {seed}")
    shape = draw(seed, no_time=0.0, ahead=0.0, **fixed)
    events = []
    for row in make(seed, shape):
        if row.key is not None and rng.random() < 0.4:
            events.append(("table", row._replace(columns=None) if rng.random() < 0.1 else row))
        else:
            events.append(("record", row))
    return events
