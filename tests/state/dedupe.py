"""What a `dedupe` node must let pass (specification 5.2, sentence 16), as a stepwise model. No SQL: whether a row passes
depends on which rows before it passed. The StreamsDriver has a second one, as a Processor of Kafka Streams.

Readings where the text leaves room: a row that passed is remembered while its time > greatest time - within - lateness,
as in `aggregate`. So the answer is exact for every row at or above the watermark, and a late row is judged by what is
remembered; it is remembered itself only if it is above that bound.
"""
from streams import judge


def expected(rows, within_us, lateness_us, max_ahead_us=None):
    """The outcome of each row: pass, duplicate, key, time, time_ahead."""
    passed, outcomes = {}, []
    for judged in judge(rows, lateness_us, max_ahead_us):
        row = judged.row
        if judged.error or row.key is None:
            outcomes.append(judged.error or "key")
            continue
        horizon = judged.top - within_us - lateness_us
        times = passed[row.key] = [ts for ts in passed.get(row.key, []) if ts > horizon]
        if any(abs(ts - row.ts) < within_us for ts in times):
            outcomes.append("duplicate")
        else:
            outcomes.append("pass")
            times.append(row.ts)
    return outcomes
