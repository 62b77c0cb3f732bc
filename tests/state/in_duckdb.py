"""What SQL can say of windows, joins and lookups, in DuckDB: the second judge of windows.py, joins.py and lookups.py."""
import duckdb
import pandas

import joins
import windows
from functions import Column
from streams import judge


def connect():
    """One thread: what is asked here is small, and tests run side by side."""
    return duckdb.connect(config={"threads": 1})


COLUMNS = {"rows": Column("count"), "filled": Column("count", "n"), "total": Column("sum", "n"), "least": Column("min", "n"),
               "most": Column("max", "n")}


def windows_frame(jobs):
    """The rows with a good time as a table, with the watermark before and after each."""
    found = []
    for job, (rows, node) in enumerate(jobs):
        window = node.window
        shape = (window.gap, 1, 0) if isinstance(window, windows.Session) else (window.size, window.every or window.size, window.offset)
        for place, judged in enumerate(judge(rows, node.lateness_us, node.max_ahead_us)):
            if judged.error is None:
                row = judged.row
                found.append((job, row.partition, place, row.offset, row.key, row.ts, row.columns["n"], judged.before,
                              judged.top - node.lateness_us, *shape))
    names = ["job", "part", "place", "off", "k", "ts", "n", "before", "after", "size", "every", "shift"]
    return pandas.DataFrame(found, columns=names).astype({"n": "Int64", "before": "Int64", "k": "object"})


CLOSED = """SELECT w.*, (SELECT min(m.off) FROM seen m WHERE m.job = w.job AND m.part = w.part AND m.after >= w.fin) AS closed_at
    FROM w ORDER BY job, part, closed_at, fin, k"""
GROUPED = """WITH each AS (
    SELECT *, ts - ((ts - shift) % every) AS newest FROM seen WHERE k IS NOT NULL),
    held AS (SELECT *, unnest(generate_series(newest - size + every, newest, every)) AS start FROM each),
    w AS (SELECT job, part, k, start, start + any_value(size) AS fin, count(*) AS rows, count(n) AS filled, CAST(sum(n) AS BIGINT) AS total,
                 min(n) AS least, max(n) AS most
          FROM held WHERE before IS NULL OR start + size > before GROUP BY job, part, k, start) """ + CLOSED
# Right only where no row is below its watermark: then no session closes before a row that belongs to it.
ISLANDS = """WITH near AS (
    SELECT *, CASE WHEN ts - lag(ts) OVER (PARTITION BY job, k ORDER BY ts, place) < size THEN 0 ELSE 1 END AS begins
    FROM seen WHERE k IS NOT NULL),
    island AS (SELECT *, sum(begins) OVER (PARTITION BY job, k ORDER BY ts, place) AS number FROM near),
    w AS (SELECT job, part, k, min(ts) AS start, max(ts) + any_value(size) AS fin, count(*) AS rows, count(n) AS filled,
                 CAST(sum(n) AS BIGINT) AS total, min(n) AS least, max(n) AS most
          FROM island GROUP BY job, part, k, number) """ + CLOSED


def windows_of(jobs, text):
    """For each job its windows as (partition, key, start, end, values of COLUMNS, offset of the record that closed it
    or None). That record carries the window if the quota is not exceeded."""
    found = [[] for _ in jobs]
    with connect() as connection:
        connection.register("seen", windows_frame(jobs))
        for job, part, key, start, end, *values, closed_at in connection.execute(text).fetchall():
            found[job].append((part, key, start, end, dict(zip(COLUMNS, values)), closed_at))
    return found


PAIRS = """SELECT l.job, l.part, l.off, r.off FROM rows l LEFT JOIN rows r
    ON r.job = l.job AND r.side = 'right' AND r.k = l.k AND r.ts BETWEEN l.ts - l.before AND l.ts + l.after
    WHERE l.side = 'left' AND l.k IS NOT NULL"""


def pairs_of(jobs):
    """For each job `(events, node)` the set of its pairs with `how: left`; right where no row is late."""
    rows = [(job, side, row.partition, row.offset, row.key, row.ts, node.before_us, node.after_us)
            for job, (events, node) in enumerate(jobs) for side, row in events]
    found = [set() for _ in jobs]
    with connect() as connection:
        frame = pandas.DataFrame(rows, columns=["job", "side", "part", "off", "k", "ts", "before", "after"])
        connection.register("rows", frame)
        for job, partition, left, right in connection.execute(PAIRS).fetchall():
            found[job].add(joins.Pair((partition, left), None if right is None else (partition, right)))
    return found


def versions_frame(jobs, value):
    rows = [(job, place, kind, row.key, row.ts, row.offset, (row.columns or {}).get(value), row.columns is None)
            for job, events in enumerate(jobs) for place, (kind, row) in enumerate(events)]
    return pandas.DataFrame(rows, columns=["job", "place", "kind", "k", "ts", "off", "v", "gone"]).astype({"v": "Int64", "k": "object"})


SELF = """SELECT a.job, a.place, arg_max(struct_pack(v := b.v, gone := b.gone), struct_pack(ts := b.ts, off := b.off))
    FROM rows a LEFT JOIN rows b ON b.job = a.job AND b.kind = 'table' AND b.k = a.k AND b.place < a.place AND b.ts <= a.ts
    WHERE a.kind = 'record' GROUP BY a.job, a.place ORDER BY a.job, a.place"""
# Right only where all versions arrived before, and no two of a key have the same time.
ASOF = """SELECT a.job, a.place, b.v, b.gone FROM (SELECT * FROM rows WHERE kind = 'record') a
    ASOF LEFT JOIN (SELECT * FROM rows WHERE kind = 'table') b ON b.job = a.job AND b.k = a.k AND a.ts >= b.ts ORDER BY a.job, a.place"""


def versions_of(jobs, value, text=SELF):
    """For each job one answer per record: the column `value` of the version at its event time, or None."""
    answers = [[] for _ in jobs]
    with connect() as connection:
        connection.register("rows", versions_frame(jobs, value))
        for job, _, *found in connection.execute(text).fetchall():
            if text is SELF:
                found = (found[0]["v"], found[0]["gone"]) if found[0] else (None, True)
            answers[job].append(None if found[1] else found[0])
    return answers
