"""What a `lookup` in a table topic must give (specification 5.2, sentence 14), as a stepwise model; `in_duckdb` and
`asof_in_duckdb` are the same as a self-join and as ASOF JOIN.

Events are `("table", row)` and `("record", row)` in one order of arrival. A table row with `columns` None is a tombstone.
Readings where the text leaves room:
* `arrival`: the version that was applied last, whatever its time.
* `event_time`: among the versions that arrived before the record, the greatest (time, offset) with time <= t. A tombstone
  is a version: from its time on there is nothing. A version that arrives later changes no answer that was given.
* `history`: of a key stay all versions with time > greatest time of the table's partition - history, and the newest at
  or below that bound. So an old value does not vanish, and the answer is exact for t >= that bound.
* A null `by` is the record error `key`, as sentence 6 says of all kinds.
"""
import duckdb
import pandas


def expected(events, as_of, history_us=None):
    """One answer per record: the columns of the version, None if there is none, or "key"."""
    versions, top, answers = {}, {}, []
    for kind, row in events:
        if kind == "table":
            top[row.partition] = max(row.ts, top.get(row.partition, row.ts))
            versions.setdefault(row.key, []).append((row.ts, row.offset, row.columns, row.partition))
            continue
        if row.key is None:
            answers.append("key")
            continue
        known = versions.get(row.key, [])
        if as_of == "arrival":
            answers.append(known[-1][2] if known else None)
            continue
        if known and history_us is not None:
            bound = top[known[0][3]] - history_us
            old = max((v[:2] for v in known if v[0] <= bound), default=None)
            known = versions[row.key] = [v for v in known if v[0] > bound or v[:2] == old]
        before = [v for v in known if v[0] <= row.ts]
        answers.append(max(before, key=lambda v: v[:2])[2] if before else None)
    return answers


def frames(jobs, value):
    rows = [(job, place, kind, row.key, row.ts, row.offset, (row.columns or {}).get(value), row.columns is None)
            for job, events in enumerate(jobs) for place, (kind, row) in enumerate(events)]
    return pandas.DataFrame(rows, columns=["job", "place", "kind", "k", "ts", "off", "v", "gone"]).astype({"v": "Int64", "k": "object"})


SELF = """SELECT a.job, a.place, arg_max(struct_pack(v := b.v, gone := b.gone), struct_pack(ts := b.ts, off := b.off))
    FROM rows a LEFT JOIN rows b ON b.job = a.job AND b.kind = 'table' AND b.k = a.k AND b.place < a.place AND b.ts <= a.ts
    WHERE a.kind = 'record' GROUP BY a.job, a.place ORDER BY a.job, a.place"""
# Right only where all versions arrived before, and no two of a key have the same time.
ASOF = """SELECT a.job, a.place, b.v, b.gone FROM (SELECT * FROM rows WHERE kind = 'record') a
    ASOF LEFT JOIN (SELECT * FROM rows WHERE kind = 'table') b ON b.job = a.job AND b.k = a.k AND a.ts >= b.ts ORDER BY a.job, a.place"""


def in_duckdb(jobs, value, text=SELF):
    """For each job one answer per record: the column `value` of the version at its event time, or None."""
    answers = [[] for _ in jobs]
    with duckdb.connect() as connection:
        connection.register("rows", frames(jobs, value))
        for job, _, *found in connection.execute(text).fetchall():
            if text is SELF:
                found = (found[0]["v"], found[0]["gone"]) if found[0] else (None, True)
            answers[job].append(None if found[1] else found[0])
    return answers
