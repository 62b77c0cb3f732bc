#!/usr/bin/env python3
"""The oracles of keyed state judge each other on random streams: DuckDB = SQLite = plain Python, pandas where it agrees,
and Kafka Streams. The seeds are ANABRANCH_SEED (0) and those after it; ANABRANCH_SCALE=6.7 runs 2,000 streams per test.
"""
import collections
import math
import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "pipelines"))

import pandas

import dedupe
import draws
import driver
import functions
import harness
import in_duckdb
import joins
import lookups
import rolling
import rolling_sql
import rows as row_spaces
import windows
from functions import Column, close
from streams import HOUR, MINUTE, MS, SECOND, START, Row, Shape, draw, judge, make

SEED = int(os.environ.get("ANABRANCH_SEED", "0"))


def seeds(count):
    return range(SEED, SEED + harness.scaled(count))


def say(name, of, **counts):
    print(f"{name}: seeds {of[0]} to {of[-1]}, " + ", ".join(f"{count:,} {what}" for what, count in counts.items()), flush=True)


class Streams(unittest.TestCase):
    def test_they_contain_what_breaks_state(self):
        of, found = seeds(300), collections.Counter()
        for seed in of:
            shape = draw(seed)
            previous = {}
            for judged in judge(make(seed, shape), shape.lateness_us, shape.max_ahead_us):
                row = judged.row
                found["rows"] += 1
                found[judged.error or ("late" if judged.late else "in time")] += 1
                found["null keys"] += row.key is None
                found["nulls"] += row.columns["n"] is None
                found["NaN"] += functions.is_nan(row.columns["x"])
                last = previous.get(row.partition)
                if last is not None and row.ts is not None:
                    found["ties"] += row.ts == last.ts
                    found["back in time"] += last.ts is not None and row.ts < last.ts
                    found["gaps between offsets"] += row.offset > last.offset + 1
                    self.assertGreater(row.offset, last.offset)
                previous[row.partition] = row
        say("streams", of, **found)
        for kind in ("late", "time", "time_ahead", "null keys", "nulls", "NaN", "ties", "back in time", "gaps between offsets"):
            self.assertGreater(found[kind], found["rows"] // 500, kind)

    def test_without_beyond_and_jumps_nothing_is_late(self):
        for seed in seeds(100):
            shape = draw(seed, beyond=0.0, jumps=0.0)
            self.assertFalse([j for j in judge(make(seed, shape), shape.lateness_us, shape.max_ahead_us) if not j.error and j.late], seed)


class Rolling(unittest.TestCase):
    def test_duckdb_and_sqlite_and_python_agree(self):
        of = seeds(300)
        jobs = [draws.rolling_job(seed, rolling_sql.FUNCTIONS) for seed in of]
        model = [rolling.expected(*job) for job in jobs]
        outcomes = collections.Counter(result.outcome for results in model for result in results)
        for engine in ("duckdb", "sqlite"):
            compared = 0
            for seed, (_, node), results, values in zip(of, jobs, model, rolling_sql.expected(engine, jobs)):
                for place, (result, found) in enumerate(zip(results, values)):
                    if result.outcome != "pass":
                        self.assertIsNone(found, (seed, place, result))
                        continue
                    skipped = node.late == "skip" and set(result.values.values()) == {None}
                    for name, column in () if skipped else node.columns.items():
                        compared += 1
                        self.assertTrue(close(found[name], result.values[name], result.scales.get(name)),
                                        (engine, seed, place, column, found[name], result.values[name]))
            say(engine, of, values=compared, **outcomes)
            self.assertGreater(compared, 100 * len(of))

    def test_pandas_agrees_on_sorted_streams(self):
        """`closed="right"` is (t - W, t], and pandas counts peers in the order of the rows. Its sums are running ones, so
        the values are those whose sums are exact, and the variance has a wider bound."""
        of, compared = seeds(60), 0
        of_pandas = {"count": "count", "sum": "sum", "mean": "mean", "min": "min", "max": "max", "var": "var"}
        for seed in of:
            shape = draw(seed, disorder=0.0, beyond=0.0, duplicates=0.0, jumps=0.0, ahead=0.0, no_time=0.0, no_key=0.0, nans=0.0,
                         wild=False, partitions=1, rows=60)
            stream = sorted(make(seed, shape), key=lambda row: row.ts)
            over = (SECOND, MINUTE, HOUR)[seed % 3]
            columns = {function: Column(function, "x", over) for function in of_pandas}
            columns["ewma"] = Column("ewma", "x", half_life=over)
            results = rolling.expected(stream, rolling.Node(columns, 0))
            frame = pandas.DataFrame({"k": [r.key for r in stream], "x": [r.columns["x"] for r in stream]}, dtype=object)
            frame.index = pandas.to_datetime([r.ts - START for r in stream], unit="us")  # its weights lose digits of large times
            for key in set(frame["k"]):
                own = [number for number, row in enumerate(stream) if row.key == key]
                x = frame["x"].iloc[own].astype(float)
                found = {name: getattr(x.rolling(f"{over}us", closed="right", min_periods=0 if name == "count" else 1), method)()
                         for name, method in of_pandas.items()}
                found["ewma"] = x.ewm(halflife=pandas.Timedelta(over, "us"), times=x.index).mean()
                for name, series in found.items():
                    for number, value in zip(own, series):
                        want, scale = results[number].values[name], results[number].scales.get(name)
                        compared += 1
                        self.assertTrue(close(None if math.isnan(value) else value, want, scale, 1e-9),
                                        (seed, number, name, value, want))
        say("pandas", of, values=compared)

    def test_a_window_function_agrees_only_without_ties_and_disorder(self):
        """RANGE with W - 1 us, on sorted times that are all different."""
        of, compared = seeds(60), 0
        for seed in of:
            stream = [Row(0, number, f"k{number % 3}", START + number * SECOND + seed, {"n": number * seed}) for number in range(60)]
            results = rolling.expected(stream, rolling.Node({"sum": Column("sum", "n", 10 * SECOND)}, 0))
            with in_duckdb.connect() as connection:
                connection.register("t", pandas.DataFrame([(r.key, r.ts, r.columns["n"]) for r in stream], columns=["k", "ts", "n"]))
                found = connection.execute("SELECT sum(n) OVER (PARTITION BY k ORDER BY ts RANGE 9999999 PRECEDING) FROM t ORDER BY ts")
                values = [int(value) for value, in found.fetchall()]
            self.assertEqual(values, [result.values["sum"] for result in results], seed)
            compared += len(values)
        say("RANGE", of, values=compared)


class KnownDisagreements(unittest.TestCase):
    """Why the oracle is a self-join over the order of arrival, and no window function."""

    def stream(self, *rows):
        return [Row(0, offset, key, START + second * SECOND, {"n": n}) for offset, (key, second, n) in enumerate(rows)]

    def sums(self, stream, over=HOUR):
        return [result.values["sum"] for result in rolling.expected(stream, rolling.Node({"sum": Column("sum", "n", over)}, HOUR))]

    def in_sql(self, stream, text):
        with in_duckdb.connect() as connection:
            connection.register("t", pandas.DataFrame([(r.offset, r.key, pandas.Timestamp(r.ts, unit="us"), r.columns["n"]) for r in stream],
                                                      columns=["off", "k", "ts", "n"]))
            return [int(row[0]) for row in connection.execute(text).fetchall()]

    RANGE = "SELECT sum(n) OVER (PARTITION BY k ORDER BY ts RANGE INTERVAL 1 HOUR PRECEDING) FROM t ORDER BY off"

    def test_duckdb_range_includes_the_row_exactly_an_hour_ago(self):
        stream = self.stream(("a", 0, 1), ("a", 3600, 2))
        self.assertEqual(self.sums(stream), [1, 2])
        self.assertEqual(self.in_sql(stream, self.RANGE), [1, 3])

    def test_duckdb_range_counts_peers_with_later_offsets(self):
        stream = self.stream(("a", 0, 1), ("a", 0, 2))
        self.assertEqual(self.sums(stream), [1, 3])
        self.assertEqual(self.in_sql(stream, self.RANGE), [3, 3])

    def test_duckdb_range_sees_what_arrived_later(self):
        stream = self.stream(("a", 10, 1), ("a", 5, 2))
        self.assertEqual(self.sums(stream), [1, 2])
        self.assertEqual(self.in_sql(stream, self.RANGE), [3, 2])

    def test_duckdb_rows_ignores_time(self):
        stream = self.stream(("a", 10, 1), ("a", 5, 2))
        text = "SELECT sum(n) OVER (PARTITION BY k ORDER BY off ROWS UNBOUNDED PRECEDING) FROM t ORDER BY off"
        self.assertEqual(self.in_sql(stream, text), [1, 3])

    def test_pandas_closed_both_includes_the_row_exactly_an_hour_ago(self):
        stream = self.stream(("a", 0, 1), ("a", 3600, 2))
        x = pandas.Series([1, 2], index=pandas.to_datetime([r.ts for r in stream], unit="us"))
        self.assertEqual(list(x.rolling("1h", closed="both").sum()), [1, 3])
        self.assertEqual(list(x.rolling("1h").sum()), [1, 2])

    def test_pandas_refuses_disorder(self):
        x = pandas.Series([1, 2, 3], index=pandas.to_datetime([10, 5, 7], unit="s"))
        with self.assertRaisesRegex(ValueError, "monotonic"):
            x.rolling("1h").sum()

    def test_a_running_sum_never_loses_a_nan(self):
        """Subtracting what leaves keeps a NaN for ever, and cancellation with it."""
        stream = [Row(0, offset, "a", START + offset * HOUR, {"n": n}) for offset, n in enumerate((math.nan, 1.0))]
        self.assertEqual([str(value) for value in self.sums(stream)], ["nan", "1.0"])
        self.assertTrue(math.isnan(math.nan + 1.0 - math.nan))

    def test_merge_asof_matches_null_keys_and_asof_join_does_not(self):
        left = pandas.DataFrame({"ts": [5], "k": pandas.Series([None], dtype=object)})
        right = pandas.DataFrame({"ts": [1], "k": pandas.Series([None], dtype=object), "v": [7]})
        self.assertEqual(list(pandas.merge_asof(left, right, on="ts", by="k")["v"]), [7])
        with in_duckdb.connect() as connection:
            connection.register("l", left)
            connection.register("r", right)
            self.assertEqual(connection.execute("SELECT v FROM l ASOF LEFT JOIN r ON l.k = r.k AND l.ts >= r.ts").fetchall(), [(None,)])

    def test_asof_join_may_take_another_tie(self):
        """The greatest offset of a time is the version. ASOF JOIN promises none; in 1.5.6 it takes the first."""
        events = [("table", Row(0, 0, "a", START, {"n": 1})), ("table", Row(0, 1, "a", START, {"n": 2})),
                  ("record", Row(0, 0, "a", START, {}))]
        self.assertEqual(lookups.expected(events, "event_time"), [{"n": 2}])
        self.assertEqual(in_duckdb.versions_of([events], "n"), [[2]])
        self.assertIn(in_duckdb.versions_of([events], "n", in_duckdb.ASOF)[0][0], (1, 2))

    def test_kafka_streams_gap_is_inclusive_and_its_sessions_close_a_millisecond_too_early(self):
        node = windows.Node(windows.Session(10 * MS), in_duckdb.COLUMNS, 0)
        apart = [Row(0, offset, key, START + ms * MS, {"n": 1}) for offset, (key, ms) in enumerate((("a", 0), ("a", 10), ("b", 19), ("b", 20)))]
        inclusive = driver.windows_job(apart, node)
        inclusive["gap"] += 1
        answers = driver.ask([inclusive, driver.windows_job(apart, node)])
        counts = [[(number, text.split(",")[2]) for number, key, text in answer if key == "a"] for answer in answers]
        self.assertEqual(counts, [[(3, "2")], [(1, "1"), (2, "1")]])
        ours = [(w.at[0], w.values["rows"]) for w in windows.expected(apart, node)[0] if w.key == "a"]
        self.assertEqual(ours, [(1, 1), (3, 1)])

    def test_kafka_streams_gives_an_unmatched_row_before_its_grace_is_over(self):
        """A left row behind the stream time is given as unmatched at once, and with its match when that comes."""
        node = joins.Node(0, 0, MINUTE, MINUTE, "left")
        events = [(side, Row(0, offset, key, START + second * SECOND, {"n": 1})) for offset, (side, key, second) in
                  enumerate((("left", "b", 30), ("right", "b", 30), ("left", "a", 10), ("right", "a", 10)))]
        ours = [((0, 0), (0, 1)), ((0, 2), (0, 3))]
        self.assertEqual([tuple(pair) for pair in joins.expected(events, node, at_end=True)[0]], ours)
        answer = driver.ask([driver.join_job(events, node)])[0]
        self.assertEqual(driver.pairs_of(answer, events), [ours[0], ((0, 2), None), ours[1]])


class Windows(unittest.TestCase):
    def shapes(self, found, at_of):
        return [(w.partition, w.key, w.start, w.end, tuple(w.values.values()), at_of(w)) for w in found]

    def compare(self, name, of, jobs, text):
        count, late = 0, 0
        for seed, (rows, node), found in zip(of, jobs, in_duckdb.windows_of(jobs, text)):
            model, outcomes = windows.expected(rows, node, at_end=True)
            model.sort(key=lambda w: w.partition)  # stable: the order in each partition stays
            want = self.shapes(model, lambda w: w.at and w.at[0])
            self.assertEqual([(*w[:4], tuple(w[4].values()), w[5]) for w in found], want, (seed, node))
            count, late = count + len(want), late + outcomes.count("late")
        say(name, of, windows=count, late=late)
        self.assertGreater(count, len(of))

    def test_tumbling_and_hopping_equal_group_by(self):
        of = seeds(300)
        self.compare("fixed", of, [draws.windows_job(seed) for seed in of], in_duckdb.GROUPED)

    def test_sessions_equal_gaps_and_islands(self):
        of = seeds(300)
        self.compare("sessions", of, [draws.windows_job(seed, session=True) for seed in of], in_duckdb.ISLANDS)

    def test_the_quota_changes_only_when_windows_leave(self):
        of, delayed = seeds(100), 0
        for seed in of:
            rows, node = draws.windows_job(seed, session=seed % 2 == 1)
            all_at_once, outcomes = windows.expected(rows, node, at_end=True)
            node.quota = 1
            one_by_one, same = windows.expected(rows, node, at_end=True)
            self.assertEqual(outcomes, same)
            for partition in {row.partition for row in rows}:
                self.assertEqual([w[:5] for w in all_at_once if w.partition == partition],
                                 [w[:5] for w in one_by_one if w.partition == partition], seed)
            places = [w.at for w in one_by_one if w.at]
            by_place = {(w.partition, w.at) for w in one_by_one if w.at}
            self.assertEqual(len(places), len(by_place), seed)
            delayed += sum(a.at != b.at for a, b in zip(sorted(all_at_once, key=lambda w: w[:4]), sorted(one_by_one, key=lambda w: w[:4])))
        say("quota", of, delayed=delayed)
        self.assertGreater(delayed, 0)

    def test_disorder_within_the_lateness_gives_the_windows_of_the_sorted_stream(self):
        of, count = seeds(300), 0
        for seed in of:
            rows, node = draws.windows_job(seed, session=seed % 2 == 1, beyond=0.0, jumps=0.0, no_time=0.0, ahead=0.0)
            ordered = sorted(rows, key=lambda row: row.ts)
            one, outcomes = windows.expected(rows, node, at_end=True)
            two, _ = windows.expected(ordered, node, at_end=True)
            self.assertNotIn("late", outcomes, seed)
            self.assertEqual(sorted(w[:5] for w in one), sorted(w[:5] for w in two), seed)
            count += len(one)
        say("permutations", of, windows=count)


class KafkaStreams(unittest.TestCase):
    """One run of the TopologyTestDriver for all jobs."""

    @classmethod
    def setUpClass(cls):
        cls.of = seeds(40)
        cls.fixed = [draws.windows_job(seed, **draws.COMMON) for seed in cls.of]
        for _, node in cls.fixed:
            node.window = windows.Fixed(node.window.size, node.window.every)  # it has no offset
        cls.sessions = []
        for seed in cls.of:
            rows, node = draws.windows_job(seed, session=True, beyond=0.15, jumps=0.02, **draws.COMMON)
            cls.sessions.append((rows, node))
        in_order = {"disorder": 0.0, "duplicates": 0.0}  # else it gives unmatched rows that do match (KnownDisagreements)
        cls.joins = [draws.join_job(seed, ("inner", "left")[seed % 2], **draws.COMMON, **(in_order if seed % 2 else {})) for seed in cls.of]
        for events, node in cls.joins:
            last = events[-1][1]
            for side in ("left", "right"):  # moves both watermarks far enough, and pairs with nothing
                events.append((side, last._replace(key=f"end {side}", ts=last.ts + 20 * HOUR, offset=last.offset + 1)))
        cls.dedupes = [(make(seed, draw(seed, **draws.COMMON)), (SECOND, MINUTE, HOUR)[seed % 3], draw(seed).lateness_us) for seed in cls.of]
        jobs = [driver.windows_job(*job) for job in cls.fixed + cls.sessions]
        jobs += [driver.join_job(*job) for job in cls.joins] + [driver.dedupe_job(*job) for job in cls.dedupes]
        cls.answers = iter(driver.ask(jobs))
        size = len(cls.of)
        taken = [[next(cls.answers) for _ in range(size)] for _ in range(4)]
        cls.of_fixed, cls.of_sessions, cls.of_joins, cls.of_dedupes = taken

    def compare_windows(self, name, jobs, answers):
        count, late = 0, 0
        for seed, (rows, node), answer in zip(self.of, jobs, answers):
            found, outcomes = windows.expected(rows, node)
            want = [(w.at[0], w.key, w.start, w.end, w.values["rows"], w.values["total"] or 0) for w in found]
            self.assertEqual(sorted(driver.windows_of(answer, rows, node)), sorted(want), (seed, node))
            count, late = count + len(want), late + outcomes.count("late")
        say(f"Kafka Streams, {name}", self.of, windows=count, late=late)
        self.assertGreater(count, len(self.of))
        self.assertGreater(late, 0)

    def test_tumbling_and_hopping(self):
        self.compare_windows("fixed", self.fixed, self.of_fixed)

    def test_sessions(self):
        self.compare_windows("sessions", self.sessions, self.of_sessions)

    def test_joins(self):
        pairs, unmatched = 0, 0
        for seed, (events, node), answer in zip(self.of, self.joins, self.of_joins):
            found, outcomes = joins.expected(events, node)
            self.assertEqual(set(outcomes), {"pass"}, seed)
            self.assertEqual(sorted(driver.pairs_of(answer, events), key=str), sorted(map(tuple, found), key=str), (seed, node))
            pairs, unmatched = pairs + len(found), unmatched + sum(pair.right is None for pair in found)
        say("Kafka Streams, joins", self.of, pairs=pairs, unmatched=unmatched)
        self.assertGreater(pairs - unmatched, 0)
        self.assertGreater(unmatched, 0)

    def test_dedupe(self):
        found = collections.Counter()
        for seed, job, answer in zip(self.of, self.dedupes, self.of_dedupes):
            outcomes = dedupe.expected(*job)
            self.assertEqual([int(text) for _, _, text in answer], [n for n, o in enumerate(outcomes) if o == "pass"], seed)
            found.update(outcomes)
        say("Kafka Streams, dedupe", self.of, **found)
        self.assertGreater(found["duplicate"], 0)


class JoinsAndLookups(unittest.TestCase):
    def test_pairs_equal_a_join_on_between(self):
        of, pairs = seeds(300), 0
        jobs = [draws.join_job(seed, ("inner", "left")[seed % 2]) for seed in of]
        for seed, (events, node), want in zip(of, jobs, in_duckdb.pairs_of(jobs)):
            found, outcomes = joins.expected(events, node, at_end=True)
            self.assertNotIn("late", outcomes, seed)
            want = {pair for pair in want if node.how == "left" or pair.right}
            self.assertEqual(len(found), len(set(found)), seed)
            self.assertEqual(set(found), want, (seed, node))
            pairs += len(found)
        say("joins", of, pairs=pairs)

    def test_the_set_of_pairs_does_not_depend_on_how_the_sides_interleave(self):
        of = seeds(100)
        for seed in of:
            events, node = draws.join_job(seed, "left")
            found, _ = joins.expected(events, node, at_end=True)
            sides = sorted(events, key=lambda event: event[0])  # all of the left first; stable
            self.assertEqual(set(joins.expected(sides, node, at_end=True)[0]), set(found), seed)
            node.once = True
            once, _ = joins.expected(events, node, at_end=True)
            self.assertEqual(len({pair.left for pair in once}), len(once), seed)
            self.assertEqual({pair.left for pair in once}, {pair.left for pair in found}, seed)
            self.assertLessEqual(set(once), set(found), seed)

    def test_lookups_equal_a_self_join(self):
        of, answers = seeds(300), collections.Counter()
        jobs = [draws.lookup_job(seed) for seed in of]
        for seed, events, want in zip(of, jobs, in_duckdb.versions_of(jobs, "n")):
            found = lookups.expected(events, "event_time")
            found = [None if answer in ("key", None) else answer["n"] for answer in found]
            self.assertEqual(found, want, seed)
            # With all of a day remembered, every record that is not older than that gets the same.
            self.assertEqual([a and a != "key" and a["n"] for a in lookups.expected(events, "event_time", 100 * HOUR)],
                             [a and a != "key" and a["n"] for a in lookups.expected(events, "event_time")], seed)
            answers.update("found" if value is not None else "nothing" for value in want)
        say("lookups", of, **answers)
        self.assertGreater(answers["found"], answers["nothing"] // 10)

    def test_lookups_equal_asof_join_and_merge_asof_where_no_times_are_equal(self):
        of, compared = seeds(100), 0
        jobs = []
        for seed in of:
            events, seen = draws.lookup_job(seed, no_key=0.0), set()
            tables = [e for e in events if e[0] == "table" and e[1].columns and not (e[1][2:4] in seen or seen.add(e[1][2:4]))]
            jobs.append(tables + [e for e in events if e[0] == "record"])
        for seed, events, want in zip(of, jobs, in_duckdb.versions_of(jobs, "n", in_duckdb.ASOF)):
            found = [answer and answer["n"] for answer in lookups.expected(events, "event_time")]
            self.assertEqual(found, want, seed)
            frames = [pandas.DataFrame({"ts": [r.ts for r in part], "k": [r.key for r in part], "n": pandas.array(
                [r.columns["n"] for r in part], dtype="Int64"), "place": range(len(part))}).sort_values("ts", kind="stable")
                for part in ([r for kind, r in events if kind == side] for side in ("record", "table"))]
            if all(len(frame) for frame in frames):
                merged = pandas.merge_asof(frames[0], frames[1], on="ts", by="k", suffixes=("", "_table")).sort_values("place")
                self.assertEqual([None if value is pandas.NA else value for value in merged["n_table"]], want, seed)
            compared += len(want)
        say("as-of", of, answers=compared)


class DedupeAndRows(unittest.TestCase):
    def test_what_passes_is_apart_and_what_does_not_is_near_something_that_passed(self):
        of, found = seeds(300), collections.Counter()
        for seed in of:
            shape = draw(seed)
            rows, within = make(seed, shape), (SECOND, MINUTE, HOUR)[seed % 3]
            judged = judge(rows, shape.lateness_us, shape.max_ahead_us)
            outcomes = dedupe.expected(rows, within, shape.lateness_us, shape.max_ahead_us)
            found.update(outcomes)
            passed = collections.defaultdict(list)
            for row, judgement, outcome in zip(rows, judged, outcomes):
                near = outcome in ("pass", "duplicate") and [ts for ts in passed[row.key] if abs(ts - row.ts) < within]
                if outcome == "pass":
                    if not judgement.late:
                        self.assertFalse(near, seed)
                    passed[row.key].append(row.ts)
                elif outcome == "duplicate":
                    self.assertTrue(near, seed)
        say("dedupe", of, **found)

    def test_expand_and_collect_equal_unnest_and_group_by(self):
        of, count = seeds(100), 0
        for seed in of:
            stream = make(seed, Shape(rows=40, nulls=0.2))
            lists = [None if number % 7 == 3 else [r.columns["n"] for r in stream[number:number + number % 5]] for number in range(40)]
            columns = {"rows": Column("count"), "n": Column("count", "n"), "sum": Column("sum", "n"), "last": Column("last", "n")}
            found = []
            for number, items in enumerate(lists):
                parent = row_spaces.expand(number, {"basket": items}, "basket")
                children = [row_spaces.Ended({"n": child.element}) for child in parent.children]
                found.append(tuple(row_spaces.collect(children, columns)[1].values()))
                count += len(children)
            with in_duckdb.connect() as connection:
                connection.register("p", pandas.DataFrame({"id": range(40), "basket": pandas.Series(lists, dtype=object)}))
                text = """WITH c AS (SELECT id, unnest(basket::BIGINT[]) AS n, generate_subscripts(basket, 1) AS place FROM p)
                    SELECT p.id, count(place), count(n), sum(n)::BIGINT, arg_max(n, place) FILTER (n IS NOT NULL)
                    FROM p LEFT JOIN c ON c.id = p.id GROUP BY p.id ORDER BY p.id"""
                self.assertEqual([row[1:] for row in connection.execute(text).fetchall()], found, seed)
        say("expand and collect", of, children=count)


if __name__ == "__main__":
    unittest.main()
