"""What a `lookup` in a table topic must give (specification 5.2, sentence 14), as a stepwise model. in_duckdb.py
has the answers by event time as a self-join and as ASOF JOIN.

Events are `("table", row)` and `("record", row)` in one order of arrival. A table row with `columns` None is a tombstone.
Readings where the text leaves room:
* `arrival`: the version that was applied last, whatever its time.
* `event_time`: among the versions that arrived before the record, the greatest (time, offset) with time <= t. A tombstone
  is a version: from its time on there is nothing. A version that arrives later changes no answer that was given.
* `history`: of a key stay all versions with time > greatest time of the table's partition - history, and the newest at
  or below that bound. So an old value does not vanish, and the answer is exact for t >= that bound.
* A null `by` is the record error `key`, as sentence 6 says of all kinds.
"""

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
