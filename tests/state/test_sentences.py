#!/usr/bin/env python3
"""The sentences of the specification of keyed state (5.2) and the readings of the oracles, with values worked by hand:
oracles that agree with each other may still be wrong together. Times are in seconds from a full hour, 1970 UTC.
"""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "pipelines"))

import dedupe
import functions
import joins
import lookups
import rolling
import rolling_sql
import rows as row_spaces
import windows
from functions import Column
from streams import MINUTE, SECOND, Row, judge

HOUR_0 = 472_222 * 3600  # 1,699,999,200 s
NAN = float("nan")


def at(second):
    return int((HOUR_0 + second) * SECOND)


def stream(*rows, key="a"):
    """Rows `(second, x)` or `(second, x, key)`, offsets from 0."""
    return [Row(0, offset, row[2] if len(row) > 2 else key, None if row[0] is None else at(row[0]), {"x": row[1]}, at(0))
            for offset, row in enumerate(rows)]


class Aggregate(unittest.TestCase):
    def values(self, rows, column, lateness=0, more=None, **node):
        """The values of one column, in the model; DuckDB and SQLite must agree where they know the function."""
        node = rolling.Node({"c": column, **(more or {})}, lateness * SECOND, **node)
        results = rolling.expected(rows, node)
        depends = node.late == "skip" or node.max_rows < 100 or any(c.max is not None for c in node.columns.values())
        if column.function in rolling_sql.FUNCTIONS and not depends:
            for engine in ("duckdb", "sqlite"):
                for result, found in zip(results, rolling_sql.expected(engine, [(rows, node)])[0]):
                    self.assertTrue(found is None if result.outcome != "pass" else
                                    functions.close(found["c"], result.values["c"], result.scales["c"]), (engine, result, found))
        return [result.values["c"] if result.outcome == "pass" else result.outcome for result in results]

    def sum(self, over, **more):
        return Column("sum", "x", over * SECOND, **more)

    def test_1_and_2_a_bad_time_moves_no_watermark_and_a_row_is_judged_before_it_moves_it(self):
        rows = stream((0, 1), (None, 1), (301, 1), (100, 1), (89, 1), (90, 1))
        judged = judge(rows, 10 * SECOND, 300 * SECOND)
        self.assertEqual([j.error for j in judged], [None, "time", "time_ahead", None, None, None])
        self.assertEqual([j.before and (j.before - at(0)) // SECOND for j in judged], [None, -10, -10, -10, 90, 90])
        self.assertEqual([j.late for j in judged if not j.error], [False, False, True, False])

    def test_3_the_lower_bound_is_open_and_the_record_itself_counts(self):
        self.assertEqual(self.values(stream((0, 1), (9, 2), (10, 4)), self.sum(10), lateness=60), [1, 3, 6])

    def test_3_current_false_leaves_the_record_out_but_not_its_peers(self):
        self.assertEqual(self.values(stream((0, 1), (0, 2), (5, 4)), self.sum(10, current=False)), [None, 1, 3])

    def test_3_of_equal_times_only_smaller_offsets_count_and_later_times_do_not(self):
        self.assertEqual(self.values(stream((5, 1), (5, 2), (3, 4), (5, 8)), self.sum(10), lateness=60), [1, 3, 4, 15])

    def test_4_a_tile_rounds_the_open_lower_bound_down(self):
        # at 25 with over 10 and tile 10: (10, 25]; the row exactly at 10 is outside, that at 11 is inside
        self.assertEqual(self.values(stream((10, 1), (11, 2), (19, 4), (25, 8)), self.sum(10, tile=10 * SECOND)), [1, 3, 7, 14])
        self.assertEqual(self.values(stream((10, 1), (11, 2), (19, 4), (25, 8)), self.sum(10)), [1, 3, 7, 12])

    def test_5_remembered_is_what_is_above_the_horizon(self):
        # at 100 the horizon is 100 - 10 - 5 = 85: the late row at 92 sees 86, not 85; without memory of it 83 sees itself
        rows = stream((85, 1), (86, 2), (100, 4), (92, 8), (83, 16), (93, 32))
        self.assertEqual(self.values(rows, self.sum(10), lateness=5), [1, 3, 4, 10, 16, 42])

    def test_5_the_longest_window_is_of_the_whole_node_with_its_tile(self):
        rows = stream((60, 1), (100, 4), (65, 8))
        self.assertEqual(self.values(rows, self.sum(10)), [1, 4, 8])
        self.assertEqual(self.values(rows, self.sum(10), more={"long": self.sum(60)}), [1, 4, 9])
        self.assertEqual(self.values(rows, self.sum(10), more={"long": self.sum(30, tile=15 * SECOND)}), [1, 4, 9])

    def test_5_a_row_at_the_watermark_is_not_late(self):
        rows = stream((100, 1), (90, 2), (89, 4), (95, 8))
        for late, want in (("use", [1, 2, 4, 14]), ("skip", [1, 2, None, 14]), ("drop", [1, 2, "late", 10]), ("dead_letter", [1, 2, "late", 10])):
            self.assertEqual(self.values(rows, self.sum(50), lateness=10, late=late), want, late)

    def test_5_a_key_expires_by_the_watermark_before_the_record(self):
        rows = stream((0, 1), (59, 2), (120, 4), (121, 8), (300, 0, "b"), (301, 16))
        # 120 still finds the key, as the watermark before it is 59; after it b moved the watermark to 300
        self.assertEqual(self.values(rows, Column("sum", "x"), expire_us=MINUTE), [1, 3, 7, 15, 0, 16])
        self.assertEqual(self.values(rows[:4] + stream((181, 0, "b"), (182, 16)), Column("count"), expire_us=MINUTE), [1, 2, 3, 4, 1, 1])
        self.assertEqual(self.values(rows[:4] + stream((180, 0, "b"), (182, 16)), Column("count"), expire_us=MINUTE), [1, 2, 3, 4, 1, 5])

    def test_5_functions_without_over_count_late_rows_too(self):
        rows = stream((1000, 1), (0, 2), (1000, 4))
        self.assertEqual(self.values(rows, Column("count"), expire_us=3600 * SECOND), [1, 2, 3])
        self.assertEqual(self.values(rows, Column("lag", "x"), expire_us=3600 * SECOND), [None, 1, 2])

    def test_6_nulls(self):
        rows = stream((0, None), (1, 2), (2, None))
        for function, want in (("count", [0, 1, 1]), ("sum", [None, 2, 2]), ("mean", [None, 2.0, 2.0]), ("min", [None, 2, 2]),
                               ("first", [None, 2, 2]), ("last", [None, 2, 2]), ("distinct", [0, 1, 1]), ("lag", [None, None, 2]),
                               ("var", [None, None, None]), ("var_pop", [None, 0.0, 0.0])):
            self.assertEqual(self.values(rows, Column(function, "x")), want, function)
        self.assertEqual(self.values(rows, Column("count")), [1, 2, 3])
        self.assertEqual(self.values(stream((0, 1), (1, 2, None)), Column("count")), [1, "key"])

    def test_6_nan_counts_and_leaves_with_its_row(self):
        rows = stream((0, 1.0), (5, NAN), (9, 2.0), (14, 3.0), (15, 4.0))
        for function, want in (("sum", [1.0, NAN, NAN, NAN, 9.0]), ("min", [1.0, 1.0, 1.0, 2.0, 2.0]), ("max", [1.0, NAN, NAN, NAN, 4.0]),
                               ("count", [1, 2, 3, 3, 3]), ("distinct", [1, 2, 3, 3, 3])):
            self.assertEqual(list(map(str, self.values(rows, Column(function, "x", 10 * SECOND)))), list(map(str, want)), function)

    def test_6_zeros_are_one_value(self):
        self.assertEqual(self.values(stream((0, 0.0), (1, -0.0), (2, NAN), (3, NAN)), Column("distinct", "x")), [1, 1, 2, 2])

    def test_7_variance(self):
        rows = stream((0, 2.0), (1, 4.0), (2, 9.0))
        self.assertEqual(self.values(rows, Column("var", "x")), [None, 2.0, 13.0])
        self.assertEqual(self.values(rows, Column("var_pop", "x"))[:2], [0.0, 1.0])
        self.assertEqual(self.values(rows[:2], Column("stddev_pop", "x")), [0.0, 1.0])
        large = stream((0, 1e9 + 1), (1, 1e9 + 2), (2, 1e9 + 3))  # where the mean of squares less the square of the mean fails
        self.assertEqual(self.values(large, Column("var", "x"))[2], 1.0)
        larger = stream((0, 1e15 + 1), (1, 1e15 + 2), (2, 1e15 + 4))  # the mean, 1e15 + 7/3, is no double
        self.assertAlmostEqual(self.values(larger, Column("var", "x"))[2], 7 / 3, 12)

    def test_7_first_and_last_are_by_time_and_offset(self):
        rows = stream((5, 1), (3, 2), (5, 3), (3, 4))
        self.assertEqual(self.values(rows, Column("first", "x"), lateness=60), [1, 2, 2, 2])
        self.assertEqual(self.values(rows, Column("last", "x"), lateness=60), [1, 1, 3, 3])

    def test_7_lag_since_last_and_values_are_by_partition_order(self):
        rows = stream((5, 1), (3, None), (9, 3), (4, 4))
        self.assertEqual(self.values(rows, Column("lag", "x"), lateness=60), [None, 1, None, 3])
        self.assertEqual(self.values(rows, Column("lag", "x", rows=2), lateness=60), [None, None, 1, None])
        self.assertEqual(self.values(rows, Column("since_last"), lateness=60), [None, -2 * SECOND, 6 * SECOND, -5 * SECOND])
        self.assertEqual(self.values(rows, Column("values", "x", rows=2, pad=0), lateness=60), [[0, 1], [0, 1], [1, 3], [3, 4]])

    def test_7_ewma_counts_late_rows_by_their_age(self):
        rows = stream((0, 4.0), (10, 1.0), (0, 4.0))
        # weights 1/2 and 1; then 1/2, 1, 1/2
        self.assertEqual(self.values(rows, Column("ewma", "x", half_life=10 * SECOND), lateness=60), [4.0, 2.0, 2.5])

    def test_8_top_is_by_count_then_by_who_reached_it_first(self):
        rows = stream(*((second, text) for second, text in enumerate("abbacc")))
        self.assertEqual(self.values(rows, Column("top", "x", rows=2)), [["a"], ["a", "b"], ["b", "a"], ["b", "a"], ["b", "a"], ["b", "a"]])
        # in the window of 4 s the counts are b 2, a 1, c 1, then b 1, a 1, c 2
        self.assertEqual(self.values(rows, Column("top", "x", 4 * SECOND, rows=3))[4:], [["b", "a", "c"], ["c", "b", "a"]])

    def test_8_distinct_beyond_max_fails_and_is_not_remembered(self):
        rows = stream((0, 1), (1, 2), (2, 3), (3, 2), (4, 3))
        self.assertEqual(self.values(rows, Column("distinct", "x", 60 * SECOND, max=2)), [1, 2, "state_full", 2, "state_full"])
        self.assertEqual(self.values(rows, Column("count", None, 60 * SECOND), more={"d": Column("distinct", "x", 60 * SECOND, max=2)}),
                         [1, 2, "state_full", 3, "state_full"])
        self.assertEqual(self.values(rows, Column("count", None, 2 * SECOND), max_rows=2), [1, 2, 2, 2, 2])
        self.assertEqual(self.values(rows, Column("count", None, 4 * SECOND), max_rows=2), [1, 2, "state_full", "state_full", 2])


class Summarise(unittest.TestCase):
    def run_of(self, events, window, lateness=0, at_end=False, **node):
        node = windows.Node(window, {"n": Column("count"), "sum": Column("sum", "x")}, lateness * SECOND, **node)
        found, outcomes = windows.expected(events, node, at_end)
        return [(w.key, w.start // SECOND - HOUR_0, w.end // SECOND - HOUR_0, w.values["sum"], w.at) for w in found], outcomes

    def test_10_a_window_leaves_once_with_the_record_that_closes_it(self):
        rows = stream((0, 1), (9, 2), (10, 4), (9, 8), (15, 16), (14, 32), (20, 64))
        found, outcomes = self.run_of(rows, windows.Fixed(10 * SECOND), lateness=5)
        self.assertEqual(found, [("a", 0, 10, 11, (4, 0))])
        found, outcomes = self.run_of(rows, windows.Fixed(10 * SECOND), at_end=True)
        self.assertEqual(found, [("a", 0, 10, 3, (2, 0)), ("a", 10, 20, 52, (6, 0)), ("a", 20, 30, 64, None)])
        self.assertEqual(outcomes[3], "late")

    def test_10_hops_and_offsets(self):
        rows = stream((7, 1), (12, 2))
        self.assertEqual(self.run_of(rows, windows.Fixed(10 * SECOND, 5 * SECOND), at_end=True)[0],
                         [("a", 0, 10, 1, (1, 0)), ("a", 5, 15, 3, None), ("a", 10, 20, 2, None)])
        self.assertEqual(self.run_of(rows, windows.Fixed(10 * SECOND, offset=3 * SECOND), at_end=True)[0], [("a", 3, 13, 3, None)])

    def test_10_a_row_counts_in_the_hops_that_are_open(self):
        rows = stream((10, 1), (7, 2))
        found, outcomes = self.run_of(rows, windows.Fixed(10 * SECOND, 5 * SECOND), at_end=True)
        self.assertEqual(found, [("a", 5, 15, 3, None), ("a", 10, 20, 1, None)])
        self.assertEqual(outcomes, ["pass", "pass"])

    def test_10_sessions_merge_strictly_within_the_gap(self):
        rows = stream((0, 1), (10, 2), (5, 4), (100, 8))
        self.assertEqual(self.run_of(rows[:2] + rows[3:], windows.Session(10 * SECOND), 50)[0],
                         [("a", 0, 10, 1, (3, 0)), ("a", 10, 20, 2, (3, 0))])
        self.assertEqual(self.run_of(rows, windows.Session(10 * SECOND), 50)[0], [("a", 0, 20, 7, (3, 0))])

    def test_10_a_session_that_is_closed_is_forgotten(self):
        # b moves the watermark to 10 and closes a's session; the row at 5 would live until 15, so it is not late
        found, outcomes = self.run_of(stream((0, 1), (10, 0, "b"), (0, 8), (5, 4), (20, 0, "b")), windows.Session(10 * SECOND))
        self.assertEqual([w for w in found if w[0] == "a"], [("a", 0, 10, 1, (1, 0)), ("a", 5, 15, 4, (4, 0))])
        self.assertEqual(outcomes, ["pass", "pass", "late", "pass", "pass"])

    def test_10_a_late_row_may_still_join_an_open_session(self):
        found, outcomes = self.run_of(stream((0, 1), (9, 2), (18, 4), (1, 8), (100, 0, "b"), (1, 16)), windows.Session(10 * SECOND), 5)
        self.assertEqual([w for w in found if w[0] == "a"], [("a", 0, 28, 15, (4, 0))])
        self.assertEqual(outcomes[-1], "late")

    def test_10_max_splits_a_session(self):
        rows = stream((0, 1), (8, 2), (12, 4), (16, 8))
        self.assertEqual(self.run_of(rows, windows.Session(10 * SECOND, 20 * SECOND), at_end=True)[0],
                         [("a", 0, 18, 3, None), ("a", 12, 26, 12, None)])

    def test_11_at_most_the_quota_leaves_with_one_record_by_end_and_key(self):
        rows = stream((0, 1, "b"), (1, 2, "é"), (2, 4, "a"), (60, 8, "a"), (60, 16, None), (59, 0, "b"))
        found, outcomes = self.run_of(rows, windows.Fixed(10 * SECOND), quota=1)
        self.assertEqual([(w[0], w[4]) for w in found], [("a", (3, 0)), ("b", (4, 0)), ("é", (5, 0))])
        self.assertEqual(outcomes[4:], ["key", "late"])

    def test_11_a_record_that_fails_carries_windows_too(self):
        rows = stream((0, 1, "b"), (1, 2, "a"), (60, 8, None), (None, 8))
        found, outcomes = self.run_of(rows, windows.Fixed(10 * SECOND), quota=1)
        self.assertEqual([(w[0], w[4]) for w in found], [("a", (2, 0)), ("b", (3, 0))])
        self.assertEqual(outcomes[2:], ["key", "time"])

    def test_11_the_timestamp_is_the_last_millisecond(self):
        node = windows.Node(windows.Fixed(10 * SECOND), {}, 0)
        self.assertEqual(windows.expected(stream((0, 1)), node, at_end=True)[0][0].timestamp_ms, (HOUR_0 + 10) * 1000 - 1)

    def test_12_ticks_count_from_the_last_record(self):
        events = stream((0, 1), (5, 2)) + [windows.Tick(0, 4 * SECOND), windows.Tick(0, 4 * SECOND + 1), windows.Tick(0, 5 * SECOND)] + stream((9, 4), (6, 8))
        found, outcomes = self.run_of(events, windows.Fixed(10 * SECOND))
        self.assertEqual(found, [("a", 0, 10, 3, (1, 3))])
        self.assertEqual(outcomes, ["pass", "pass", "late", "late"])

    def test_partitions_have_watermarks_of_their_own(self):
        rows = stream((0, 1), (100, 2))
        rows[1] = rows[1]._replace(partition=1, key="b")
        self.assertEqual(self.run_of(rows, windows.Fixed(10 * SECOND))[0], [])


class OtherKinds(unittest.TestCase):
    def test_14_arrival_takes_the_newest_applied_and_event_time_the_version_then(self):
        table = [("table", Row(0, offset, "k", at(second), value and {"v": value})) for offset, (second, value) in
                 enumerate(((10, 1), (30, 3), (20, 2), (30, 4), (40, None)))]
        ask = [("record", Row(0, offset, key, at(second), {})) for offset, (second, key) in
               enumerate(((35, "k"), (30, "k"), (29, "k"), (9, "k"), (40, "k"), (50, "other"), (50, None)))]
        answers = lookups.expected(table[:4] + ask, "event_time")
        self.assertEqual([a and a["v"] if a != "key" else a for a in answers], [4, 4, 2, None, 4, None, "key"])
        self.assertEqual(lookups.expected(table + ask[:1] + ask[4:5], "event_time"), [{"v": 4}, None])
        self.assertEqual(lookups.expected(table[:3] + ask[:1] + table[3:] + ask[:1], "arrival"), [{"v": 2}, None])
        # history 5: bound 40 - 5 = 35; the newest at or below it stays, what is older is gone
        self.assertEqual(lookups.expected(table + ask[:3], "event_time", 5 * SECOND), [{"v": 4}, {"v": 4}, None])

    def join(self, *events, how="left", once=False, lateness=0):
        events = [(side, Row(0, offset, "a", at(second), {})) for offset, (side, second) in enumerate(events)]
        node = joins.Node(2 * SECOND, 5 * SECOND, lateness * SECOND, lateness * SECOND, how, once)
        pairs, outcomes = joins.expected(events, node)
        return [(pair.left[1], pair.right and pair.right[1]) for pair in pairs], outcomes

    def test_15_bounds_are_inclusive_and_both_watermarks_must_pass(self):
        self.assertEqual(self.join(("left", 10), ("right", 8), ("right", 15), ("right", 16))[0], [(0, 1), (0, 2)])
        self.assertEqual(self.join(("left", 10), ("left", 20), ("right", 15))[0], [(0, 2)])
        self.assertEqual(self.join(("left", 10), ("left", 20), ("right", 16))[0], [(0, None)])
        self.assertEqual(self.join(("left", 10), ("left", 20), ("right", 16), how="inner")[0], [])
        self.assertEqual(self.join(("left", 10), ("right", 30))[0], [])

    def test_15_late_rows_are_dropped_and_once_is_the_first_match(self):
        self.assertEqual(self.join(("left", 10), ("right", 20), ("right", 12)), ([], ["pass", "pass", "late"]))
        self.assertEqual(self.join(("left", 10), ("right", 12), ("right", 12), ("left", 10), once=True)[0], [(0, 1), (3, 1)])

    def test_16_near_what_passed_does_not_pass(self):
        def outcomes(*seconds, lateness=60):
            return dedupe.expected(stream(*((second, 0) for second in seconds)), 10 * SECOND, lateness * SECOND)
        self.assertEqual(outcomes(0, 9, 10, 1, 19, 20), ["pass", "duplicate", "pass", "duplicate", "duplicate", "pass"])
        self.assertEqual(outcomes(0, 100, 5, 15, lateness=200), ["pass", "pass", "duplicate", "pass"])
        self.assertEqual(outcomes(0, 100, 5, 5), ["pass", "pass", "pass", "pass"])  # below the horizon, 30

    def test_17_expand_and_collect(self):
        parent = row_spaces.expand("payments:2:7", {"basket": ["x", "y"], "total": 3}, "basket")
        self.assertEqual([(c.id, c.ordinal, c.element, c.parent["total"]) for c in parent.children],
                         [("payments:2:7#0", 0, "x", 3), ("payments:2:7#1", 1, "y", 3)])
        for empty in ([], None):
            self.assertEqual(row_spaces.expand("p", {"basket": empty}, "basket"), ("expanded", []))
        self.assertEqual(row_spaces.expand("p", {"basket": [1, 2]}, "basket", most=1), ("too_long", []))
        self.assertEqual(len(row_spaces.expand("p", {"basket": [1, 2]}, "basket", most=2).children), 2)
        columns = {"n": Column("count"), "worst": Column("max", "p"), "last": Column("last", "p")}
        ended = [row_spaces.Ended({"p": 3}), row_spaces.Ended(None, "rule"), row_spaces.Ended({"p": 1}), row_spaces.Ended(None)]
        self.assertEqual(row_spaces.collect(ended, columns), ("rule", {}))
        self.assertEqual(row_spaces.collect(ended, columns, "skip"), ("pass", {"n": 2, "worst": 3, "last": 1}))
        self.assertEqual(row_spaces.collect([], columns), ("pass", {"n": 0, "worst": None, "last": None}))


if __name__ == "__main__":
    unittest.main()
