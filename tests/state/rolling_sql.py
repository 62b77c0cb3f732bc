"""The same as rolling.py as a self-join over the order of arrival, in DuckDB and in SQLite, from one text.

The text has no window function over time: their frames count the peers of a row, or rows that came later (see
test_oracles.py, `KnownDisagreements`). Window functions here only go over the order of arrival, or rank what the
self-join found. Many streams are judged at once: every table has the number of its job. NaN is a null with a mark,
because SQLite cannot store it, and the final step puts it back.

Not here, for it depends on what failed before: `max_rows`, and `max` of distinct. Nor the lists of values and top.
"""
import math
import sqlite3

import pandas

import functions
import in_duckdb
from streams import judge

FUNCTIONS = ("count", "sum", "mean", "min", "max", "var", "var_pop", "stddev", "stddev_pop", "first", "last", "distinct", "lag",
             "since_last")
BY_RANK = ("first", "last", "lag", "since_last")

TABLES = {
    "job": "job BIGINT, lateness BIGINT, longest BIGINT, expire BIGINT, passes BIGINT",
    "seen": "id BIGINT, job BIGINT, part BIGINT, k VARCHAR, ts BIGINT",
    "col": "job BIGINT, name VARCHAR, kind VARCHAR, cell VARCHAR, over_us BIGINT, tile BIGINT, cur BIGINT, nth BIGINT",
    "cell": "id BIGINT, cell VARCHAR, i BIGINT, d DOUBLE, nan BIGINT, t VARCHAR",
}

TEXTS = [
    """CREATE TABLE passed AS
       SELECT s.id, s.job, s.k, s.ts, s.top - job.longest - job.lateness AS horizon, s.prior - job.lateness AS mark, job.expire
       FROM (SELECT *, max(ts) OVER (PARTITION BY job, part ORDER BY id) AS top,
                    max(ts) OVER (PARTITION BY job, part ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS prior
             FROM seen) s JOIN job ON job.job = s.job
       WHERE s.k IS NOT NULL AND (job.passes = 1 OR s.prior IS NULL OR s.ts >= s.prior - job.lateness)""",
    """CREATE TABLE t AS
       SELECT p.*, sum(CASE WHEN p.greatest <= p.mark - p.expire THEN 1 ELSE 0 END) OVER (PARTITION BY job, k ORDER BY id) AS life
       FROM (SELECT *, max(ts) OVER (PARTITION BY job, k ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS greatest
             FROM passed) p""",
    "CREATE INDEX by_key ON t (job, k, life, id)",
    "CREATE INDEX by_id ON cell (id, cell)",
    # A row is stored only if its time > horizon; the horizon never falls, so b.ts > a.horizon says that too.
    """CREATE TABLE pairs AS
       SELECT a.id, a.ts AS now, col.name, col.kind, col.nth, b.id AS b, b.ts, cell.i, cell.d, cell.nan, cell.t,
              CASE WHEN cell.d IS NOT NULL OR cell.nan = 1 OR cell.t IS NOT NULL THEN 1 ELSE 0 END AS has
       FROM t a JOIN t b ON b.job = a.job AND b.k = a.k AND b.life = a.life AND b.id <= a.id
       JOIN col ON col.job = a.job
       LEFT JOIN cell ON cell.id = b.id AND cell.cell = col.cell
       WHERE (col.cur = 1 OR b.id < a.id)
         AND (col.over_us IS NULL
              OR (b.ts > a.ts - col.over_us - (a.ts - col.over_us) % col.tile AND b.ts <= a.ts AND (b.id = a.id OR b.ts > a.horizon)))""",
    """CREATE TABLE moments AS
       SELECT id, name, count(*) AS n, sum(has) AS filled, sum(i) AS i_sum, sum(d) AS d_sum, avg(d) AS d_mean,
              sum(nan) AS nans, min(i) AS i_min, max(i) AS i_max, min(d) AS d_min, max(d) AS d_max, min(t) AS t_min, max(t) AS t_max,
              count(DISTINCT d) AS d_kinds, count(DISTINCT t) AS t_kinds
       FROM pairs WHERE kind = 'moment' GROUP BY id, name""",
    """CREATE TABLE spread AS
       SELECT p.id, p.name, sum((p.d - m.d_mean) * (p.d - m.d_mean)) AS squares
       FROM pairs p JOIN moments m ON m.id = p.id AND m.name = p.name WHERE p.kind = 'moment' GROUP BY p.id, p.name""",
]

PASSED = "SELECT id FROM t"
MOMENTS = "SELECT moments.*, squares FROM moments JOIN spread ON spread.id = moments.id AND spread.name = moments.name"
# By time and order the first and the last value there is; the value of the nth row before; the time since the row before.
RANKED = """SELECT id, name, i, d, nan, t, now - ts FROM (
    SELECT *, CASE kind WHEN 'first' THEN row_number() OVER (PARTITION BY id, name ORDER BY ts, b)
                        WHEN 'last' THEN row_number() OVER (PARTITION BY id, name ORDER BY ts DESC, b DESC)
                        ELSE row_number() OVER (PARTITION BY id, name ORDER BY b DESC) END AS place
    FROM pairs WHERE kind IN ('first', 'last', 'lag', 'since_last') AND (has = 1 OR kind IN ('lag', 'since_last'))) ranked
    WHERE place = nth"""


def tables(jobs):
    """The rows of TABLES for these jobs, `(rows, node)` each, and the id of every row with a good time."""
    data, ids = {name: [] for name in TABLES}, {}
    for job, (rows, node) in enumerate(jobs):
        passes = int(node.late in ("use", "skip"))
        data["job"].append((job, node.lateness_us, node.longest_us, node.expire_us, passes))
        for name, column in node.columns.items():
            current = column.current and column.function not in ("lag", "since_last")
            kind = column.function if column.function in BY_RANK else "moment"
            data["col"].append((job, name, kind, column.of or "", column.over, column.tile or 1, int(current), column.rows))
        for number, judged in enumerate(judge(rows, node.lateness_us, node.max_ahead_us)):
            if judged.error:
                continue
            row, row_id = judged.row, len(ids)
            ids[job, number] = row_id
            data["seen"].append((row_id, job, row.partition, row.key, row.ts))
            for cell, value in row.columns.items():
                nan, text = functions.is_nan(value), isinstance(value, str)
                number_of = None if nan or text or value is None else value
                data["cell"].append((row_id, cell, number_of if isinstance(value, int) else None,
                                     None if number_of is None else float(number_of), int(nan), value if text else None))
    return data, ids


def run(engine, data):
    """The ids of rows that pass, the moments and the ranked values of one engine: duckdb or sqlite."""
    connection = in_duckdb.connect() if engine == "duckdb" else sqlite3.connect(":memory:")
    try:
        for name, definition in TABLES.items():
            connection.execute(f"CREATE TABLE {name} ({definition})")
            names = [word.split()[0] for word in definition.split(", ")]
            if engine == "duckdb":
                frame = pandas.DataFrame(data[name], columns=names, dtype=object)
                connection.register("frame", frame)
                connection.execute(f"INSERT INTO {name} SELECT * FROM frame")
                connection.unregister("frame")
            else:
                connection.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(names))})", data[name])
        for text in TEXTS:
            connection.execute(text)
        return [connection.execute(text).fetchall() for text in (PASSED, MOMENTS, RANKED)]
    finally:
        connection.close()


def number(i, d, nan, t):
    """The value of a cell as it was."""
    if nan:
        return math.nan
    return t if t is not None else i if i is not None else d


NOTHING = (0, 0, None, None, None, 0, *[None] * 6, 0, 0, None)  # no row counts


def finish(column, moments):
    """The value of a function from the sums of its rows."""
    (n, filled, i_sum, d_sum, d_mean, nans, i_min, i_max, d_min, d_max, t_min, t_max, d_kinds, t_kinds, squares) = moments
    filled, nans = int(filled or 0), int(nans or 0)
    if column.function == "count":
        return n if column.of is None else filled
    if column.function == "distinct":
        return d_kinds + t_kinds + int(nans > 0)
    if filled == 0:
        return None
    if column.function == "min":
        return number(i_min, d_min, int(nans == filled), t_min)
    if column.function == "max":
        return number(i_max, d_max, nans, t_max)
    less = functions.SAMPLE.get(column.function, 0)
    if filled <= less:
        return None
    if nans:
        return math.nan
    if column.function == "sum":
        return d_sum if i_sum is None else int(i_sum)
    if column.function == "mean":
        return d_mean
    return squares / (filled - less) if column.function.startswith("var") else math.sqrt(squares / (filled - less))


def value_of(column, moments, ranked):
    if column.function == "since_last":
        return ranked and ranked[-1]
    if column.function in BY_RANK:
        return ranked and number(*ranked[:-1])
    return finish(column, moments or NOTHING)


def expected(engine, jobs):
    """For each job a list with one dict of values per row; None for a row that does not pass."""
    data, ids = tables(jobs)
    passed, moments, ranked = run(engine, data)
    passed = {p[0] for p in passed}
    moments = {m[:2]: m[2:] for m in moments}
    ranked = {r[:2]: r[2:] for r in ranked}
    found = []
    for job, (rows, node) in enumerate(jobs):
        found.append([])
        for place in range(len(rows)):
            row_id = ids.get((job, place))
            found[-1].append({name: value_of(column, moments.get((row_id, name)), ranked.get((row_id, name)))
                              for name, column in node.columns.items()} if row_id in passed else None)
    return found
