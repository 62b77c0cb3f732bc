"""The parts of bench/suite that decide what a figure means: they measure nothing here."""

import contextlib
import dataclasses
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import unittest.mock
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
from suite import generated, goals, plot, process, report, rounds, sampling, stats  # noqa: E402
from suite.options import Options  # noqa: E402
from suite.results import Difference, Figure, Ratio, Results, Value, second_try  # noqa: E402
from suite.sections import latency, micro, profile, restart, start, throughput  # noqa: E402
from suite.systems import Side  # noqa: E402

MACHINE = {
    "time": "2026-01-01 00:00 UTC",
    "commit": "abc",
    "processor": "P",
    "cores": 2,
    "memory_gb": 8,
    "kernel": "6",
    "versions": {"librdkafka": "2.0.2"},
}


def results(**series) -> Results:
    """Runs of section "s": name of a system = its values by round."""
    found = Results()
    for name, values in series.items():
        for number, value in enumerate(values):
            found.add({"section": "s", "system": name, "round": number, "settings": "", "rate": value})
    return found


class Statistics(unittest.TestCase):
    def test_a_spread_is_median_and_range(self):
        self.assertEqual(stats.spread([3, 1, 2]), stats.Spread(2, 1, 3, 3))
        self.assertEqual(stats.spread([4, 1, 2, 3]).median, 2.5)

    def test_what_was_not_taken_is_not_zero(self):
        self.assertIsNone(stats.spread([]))
        self.assertIsNone(stats.spread([None]))

    def test_ratios_are_of_neighbours_and_a_round_of_one_side_says_nothing(self):
        self.assertEqual(stats.ratios({0: 10, 1: 20, 2: 30}, {0: 5, 2: 10}), [2, 3])
        self.assertEqual(stats.ratios({0: 10}, {0: 0}), [])
        self.assertEqual(stats.differences({0: 10, 1: 4}, {0: 5, 1: 5}), [5, -1])

    def test_at_least_holds_by_median_and_is_missed_when_even_the_best_round_misses(self):
        for values, expected in (
            ([1, 2, 3], stats.HOLDS),
            ([1, 1.5, 2], stats.INCONCLUSIVE),
            ([1, 1.2, 1.9], stats.MISSED),
        ):
            self.assertEqual(stats.verdict(stats.spread(values), 2, True), expected, values)

    def test_at_most_is_the_same_the_other_way_round(self):
        for values, expected in (
            ([1, 2, 3], stats.HOLDS),
            ([2, 2.5, 3], stats.INCONCLUSIVE),
            ([2.1, 2.2, 3], stats.MISSED),
        ):
            self.assertEqual(stats.verdict(stats.spread(values), 2, False), expected, values)

    def test_nothing_found_has_no_verdict(self):
        self.assertIsNone(stats.verdict(None, 2, True))

    def test_a_time_between_two_samples_is_interpolated_and_one_outside_is_the_end(self):
        samples = [(0, 0.0), (10, 1.0), (20, 3.0)]
        self.assertEqual([stats.interpolate(samples, t) for t in (-5, 5, 15, 99)], [0.0, 0.5, 2.0, 3.0])

    def test_a_slope_is_what_one_more_costs(self):
        self.assertAlmostEqual(stats.slope([(1, 5), (2, 7), (4, 11)]), 2)
        self.assertIsNone(stats.slope([(1, 5)]))


class Measures(unittest.TestCase):
    def test_warm_up_and_failed_runs_stay_out(self):
        found = results(a=[10, 20], b=[5, 5])
        found.add({"section": "s", "system": "a", "round": -1, "settings": "", "rate": 99})
        found.add({"section": "s", "system": "a", "round": 2, "settings": "", "rate": 99, "error": "it ended"})
        self.assertEqual(found.series("s", "a", "rate"), {0: 10, 1: 20})
        self.assertEqual(len(found.failures()), 1)

    def test_sources_take_ratio_difference_value_and_figure(self):
        found = results(a=[10, 20], b=[5, 5])
        found.figures.append({"section": "micro", "name": "f", "median": 1, "min": 0.5, "max": 2})
        self.assertEqual(Ratio("s", "rate", "a", "b").take(found), stats.Spread(3, 2, 4, 2))
        self.assertEqual(Difference("s", "rate", "a", "b").take(found).median, 10)
        self.assertEqual(Value("s", "rate", "b").take(found).median, 5)
        self.assertEqual(Figure("micro", "f").take(found)[:3], (1, 0.5, 2))
        self.assertIsNone(Ratio("s", "rate", "a", "none").take(found))

    def test_a_miss_of_the_bound_is_not_held_and_what_was_not_measured_is(self):
        def held(bound, **more):
            made = goals.Measure(1, "", "×", goals.MORE, 9, None, Ratio("s", "rate", "a", "b"), bound=bound, **more)
            return made.judge(results(a=[10, 20], b=[5, 5]))["held"]

        self.assertTrue(held(4))
        self.assertFalse(held(4.5))
        self.assertTrue(held(4.5, gate=False))
        self.assertTrue(goals.MEASURES[0].judge(Results())["held"])

    def test_a_miss_is_judged_by_its_second_try_with_neighbours_of_its_own(self):
        made = goals.Measure(1, "", "×", goals.MORE, 4, None, Ratio("s", "rate", "a", "b"))
        found = results(a=[10, 10], b=[5, 5])
        self.assertFalse(made.judge(found)["held"])
        for name, value in (("a", 20), ("b", 4)):
            found.add({"section": second_try("s"), "system": name, "round": 0, "settings": "", "rate": value})
        self.assertEqual(made.judge(found)["found"].median, 5)
        self.assertEqual(dataclasses.replace(made, goal=2).judge(found)["found"].median, 2)

    def test_the_page_says_that_it_is_a_second_try_and_what_the_first_one_was(self):
        made = goals.Measure(1, "", "×", goals.MORE, 4, None, Ratio("s", "rate", "a", "b"))
        found = results(a=[10, 10], b=[5, 5])
        self.assertNotIn("second try", report.measures([made.judge(found)])[2])
        for name, value in (("a", 20), ("b", 4)):
            found.add({"section": second_try("s"), "system": name, "round": 0, "settings": "", "rate": value})
        row = report.measures([made.judge(found)])[2]
        self.assertIn("holds; second try, the first **missed**: 2.00 (2.00…2.00)", row)

    def test_quick_has_bounds_of_its_own_where_they_are_named(self):
        made = goals.Measure(1, "", "×", goals.MORE, 9, None, Value("s", "rate", "a"), bound=5, quick=4)
        self.assertEqual((made.limit(False), made.limit(True)), (5, 4))
        self.assertEqual(goals.Measure(1, "", "×", goals.MORE, 9, None, Value("s", "rate", "a")).limit(True), 9)

    def test_all_seventeen_are_there_and_every_side_of_them_is_played(self):
        self.assertEqual({m.number for m in goals.MEASURES}, set(range(1, 18)))
        played = {
            "tabular": throughput.TABULAR_OWN + throughput.TABULAR_BESIDE + throughput.TABULAR_PEERS,
            "ffnn": throughput.FFNN,
            "latency": latency.OWN + latency.OWN_EO + latency.AT_ONCE + latency.PEERS,
            "half load": latency.OWN,
            "start": start.SIDES,
            "restart": [Side(goals.ENGINE, "anabranch", "tabular")],
        }
        for m in goals.MEASURES:
            for label in m.source.labels:
                self.assertIn(label, [s.label for s in played[m.source.section]], m.what)

    def test_every_peer_that_is_played_is_in_the_list_of_systems(self):
        known = json.loads((ROOT / "bench/peers/systems.json").read_text())
        for side in throughput.TABULAR_PEERS + throughput.FFNN + latency.AT_ONCE + latency.PEERS:
            if side.system not in ("relay", "anabranch"):
                self.assertIn(side.workload, known[side.system]["workloads"], side)
                self.assertIn(side.guarantee, known[side.system]["guarantees"], side)


class Rounds(unittest.TestCase):
    def test_the_order_turns_so_that_no_side_always_follows_the_same_other(self):
        orders = [rounds.order(["a", "b", "c"], i) for i in range(6)]
        self.assertTrue(all(sorted(o) == ["a", "b", "c"] for o in orders))
        self.assertEqual({o[0] for o in orders}, {"a", "b", "c"})
        self.assertGreater(len({o.index("a") > o.index("b") for o in orders}), 1)

    def test_with_many_sides_and_few_rounds_each_runs_before_and_behind_the_other(self):
        for count, played in ((19, 3), (9, 3), (7, 5)):
            orders = [rounds.order(list(range(count)), i) for i in range(played)]
            for a in range(count):
                for b in range(a):
                    self.assertEqual(len({o.index(a) < o.index(b) for o in orders}), 2, (count, played, a, b))

    def test_two_sides_take_turns_at_being_first(self):
        first = [rounds.order(["a", "b"], i)[0] for i in range(8)]
        self.assertEqual((first.count("a"), first.count("b")), (4, 4))
        self.assertEqual({first[0], first[1]}, {"a", "b"})

    def test_a_jvm_without_a_window_behind_its_warm_up_is_refused_or_marked_as_cold(self):
        found = {"first_ms": 0, "begin_ms": 10_000, "last_ms": 12_000}
        with self.assertRaisesRegex(process.Failed, "2.0 s are left behind the 10 s.*--scale 1.2"):
            rounds.judge_window(found, 10, may_be_cold=False)
        self.assertFalse(rounds.judge_window(found, 10, may_be_cold=True))
        self.assertTrue(rounds.judge_window({**found, "last_ms": 13_000}, 10, may_be_cold=False))
        self.assertTrue(rounds.judge_window(found, 0, may_be_cold=False))

    def test_every_java_system_is_given_time_to_get_warm_and_says_how_its_clients_are_set(self):
        for name, system in json.loads((ROOT / "bench/peers/systems.json").read_text()).items():
            self.assertEqual(system.get("warm_s", 0), 10 if "java" in system["command"][0] else 0, name)
            self.assertRegex(Side(name, name, "tabular").settings(), "acks (all|1)")

    def test_a_side_that_fails_is_noted_and_the_others_go_on(self):
        found = Results()

        def measure(side):
            if side.label == "bad":
                raise process.Failed("it ended by itself")
            return {"rate": 1.0}

        sides = [Side("bad", "relay", "relay"), Side("good", "relay", "relay")]
        rounds.play("s", sides, 2, measure, found, lambda run: "")
        self.assertEqual(len(found.failures()), 3)
        self.assertEqual(found.series("s", "good", "rate"), {0: 1.0, 1: 1.0})

    def test_what_only_stands_beside_fails_no_run_and_nothing_is_held_against_it(self):
        found = Results()

        def measure(side):
            raise process.Failed("records are there twice")

        rounds.play("s", [Side("b", "relay", "relay", beside=True)], 1, measure, found, lambda run: "")
        self.assertEqual((len(found.failures()), found.faults()), (2, []))
        for side in throughput.TABULAR_BESIDE:
            self.assertFalse(side.beside and any(side.label in m.source.labels for m in goals.MEASURES))

    def test_a_side_that_cannot_be_started_leaves_no_topics_and_no_folder(self):
        class Fake:
            address, pid, topics = "nowhere:1", os.getpid(), []

            def make(self, partitions):
                self.topics += partitions

            def make_out(self, name, partitions):
                self.topics += [name]

            def delete(self, *names):
                self.topics = [t for t in self.topics if t not in names]

        bench = rounds.Bench()
        bench._broker = Fake()
        try:
            with self.assertRaisesRegex(process.Failed, 'no system "none"'):
                with rounds.Started(bench, Side("n", "none", "relay"), "in", 1):
                    self.fail("it was started")
            self.assertEqual((bench._broker.topics, list(bench.folder.iterdir())), ([], []))
        finally:
            bench._broker = None
            bench.close()

    def test_sections_are_named_with_blanks_or_commas_and_an_unknown_one_is_told(self):
        self.assertEqual(Options(["--only", "start,micro", "tabular"]).sections, ["micro", "tabular", "start"])
        said = io.StringIO()
        with contextlib.redirect_stderr(said), self.assertRaises(SystemExit):
            Options(["--only", "tabular,fnn"])
        self.assertIn('no section "fnn" (known: micro, tabular, ffnn', said.getvalue())

    def test_only_the_systems_that_were_asked_for_are_chosen(self):
        options = Options(["--systems", "relay"])
        self.assertEqual([s.label for s in options.chosen(throughput.TABULAR_OWN)], [goals.RELAY])
        self.assertEqual([s.label for s in Options([]).chosen(throughput.TABULAR_OWN, [goals.ENGINE])], [goals.ENGINE])


class Page(unittest.TestCase):
    def judged(self, values):
        made = goals.Measure(6, "rate / other", "×", goals.MORE, 2, 4, Ratio("s", "rate", "a", "b"))
        return [made.judge(results(a=values, b=[1] * len(values)))]

    def test_a_row_has_value_range_goal_stretch_and_verdict(self):
        row = report.measures(self.judged([2, 3, 5]))[2]
        self.assertEqual(row, "| 6 | rate / other | 3.00 × | 2.00 … 5.00 | ≥ 2 × | ≥ 4 × | holds |")
        self.assertIn("holds, stretch holds", report.measures(self.judged([5, 6, 7]))[2])
        self.assertIn("**missed**", report.measures(self.judged([1, 1.5, 1.9]))[2])
        self.assertIn("inconclusive", report.measures(self.judged([1, 1.5, 2.9]))[2])

    def test_a_range_on_both_sides_of_zero_and_of_a_bound_decides_nothing(self):
        cost = goals.Measure(4, "cost", "ns", goals.LESS, 10, 3, Value("s", "rate", "a"))
        row = report.measures([cost.judge(results(a=[-5.59, 2.92, 8.42]))])[2]
        self.assertTrue(row.endswith("| holds, stretch undecided (the range spans zero) |"), row)
        row = report.measures([cost.judge(results(a=[-5, 2, 12]))])[2]
        self.assertIn("| undecided (the range spans zero), stretch undecided (the range spans zero) |", row)
        self.assertTrue(cost.judge(results(a=[-5, 2, 12]))["held"], "no run fails by noise")
        self.assertIn("holds, stretch holds", report.measures([cost.judge(results(a=[-5, 1, 2]))])[2])

    def test_what_was_not_measured_is_named_below_the_table(self):
        lines = report.measures([m.judge(Results()) for m in goals.MEASURES[:3]] + self.judged([1]))
        self.assertIn("Not measured in this run: 1, 2.", lines)
        half = report.measures(
            [goals.Measure(6, "other", "×", goals.MORE, 2, 4, Value("s", "rate", "z")).judge(Results())]
            + self.judged([1])
        )
        self.assertIn("Not measured in this run: 6 other.", half)

    def test_the_page_has_every_system_and_says_what_failed(self):
        found = Results()
        for number in range(2):
            found.add(
                {
                    "section": "tabular",
                    "system": "raw relay",
                    "round": number,
                    "settings": "linger 5",
                    "rate": 1.2e6,
                    "cpu_us": 0.5,
                    "broker_us": 0.4,
                    "rss_mb": 40.0,
                    "peak_mb": 44.0,
                    "start_s": 0.1,
                    "records": 7,
                }
            )
        found.add({"section": "tabular", "system": "flink", "round": 0, "settings": "", "error": "ended\nmore"})
        text = report.page(found, report.judge(found, False), MACHINE, "bench/run")
        self.assertIn("| raw relay | linger 5 | 1,200,000 (1,200,000…1,200,000) | 0.50 (0.50…0.50) |", text)
        self.assertIn("| 14 |", text)  # results that were checked
        self.assertIn("- tabular, round 1, flink: ended", text)
        self.assertNotIn("JVM cold", text)
        found.runs[0]["cold"] = True
        self.assertIn("| raw relay | linger 5; **JVM cold** |", report.page(found, [], MACHINE, "bench/run"))
        self.assertIn("commit abc", text.lower())
        self.assertNotIn("interrupted", text)
        self.assertIn("**interrupted**", report.page(found, [], MACHINE, "bench/run", whole=False))

    def test_a_report_is_written_with_its_data_and_plots(self):
        found = results(a=[1.0])
        found.curves.append(
            {
                "section": "scale",
                "title": "CPU against nodes",
                "x": "nodes",
                "y": "ns",
                "lines": {"a": [[1, 2], [3, 4]]},
            }
        )
        with tempfile.TemporaryDirectory() as folder:
            report.write(pathlib.Path(folder), found, report.judge(found, False), MACHINE, "bench/run")
            self.assertEqual(json.loads((pathlib.Path(folder) / "report.json").read_text())["runs"][0]["rate"], 1.0)
            self.assertIn("(cpu-against-nodes.svg)", (pathlib.Path(folder) / "report.md").read_text())
            ElementTree.parse(pathlib.Path(folder) / "cpu-against-nodes.svg")


class Plots(unittest.TestCase):
    def test_ticks_are_round_begin_at_zero_and_reach_the_top(self):
        for top in (0.03, 1, 7, 42, 999, 1_234_567):
            found = plot.ticks(top)
            self.assertEqual(found[0], 0)
            self.assertGreaterEqual(found[-1], top)
            self.assertLessEqual(len(found), 6)

    def test_a_plot_is_xml_with_a_line_per_name_and_every_point_inside(self):
        tree = ElementTree.fromstring(plot.svg("a < b", "x", "y", {"one": [(1, 5), (40, 90)], "two": [(1, 1)]}, "n"))
        tag = "{http://www.w3.org/2000/svg}"
        self.assertEqual(len(tree.findall(tag + "polyline")), 2)
        for circle in tree.findall(tag + "circle"):
            self.assertTrue(0 <= float(circle.get("cx")) <= plot.WIDTH and 0 <= float(circle.get("cy")) <= plot.HEIGHT)

    def test_nothing_is_not_plotted(self):
        with self.assertRaises(ValueError):
            plot.svg("t", "x", "y", {"none": []})


class Processes(unittest.TestCase):
    def test_a_group_is_sampled_with_its_children_until_it_ends(self):
        script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"
        made = subprocess.Popen([sys.executable, "-c", script], start_new_session=True)
        sampler = sampling.Sampler(made.pid)
        try:
            deadline = time.monotonic() + 20
            while (not sampler.cpu or sampler.cpu[-1][1] < 0.2) and time.monotonic() < deadline:
                time.sleep(0.05)
        finally:
            os.killpg(made.pid, signal.SIGKILL)
            made.wait()
            sampler.close()
        self.assertGreater(sampler.cpu[-1][1], 0.2)
        self.assertGreater(sampler.peak_mb(), 5)
        self.assertGreater(sampler.cpu_between(sampler.cpu[0][0], sampler.cpu[-1][0]), 0)

    def test_a_system_that_ends_by_itself_or_badly_has_failed(self):
        with tempfile.TemporaryDirectory() as folder:
            ended = process.Process([sys.executable, "-c", "print('why')"], pathlib.Path(folder))
            ended.wait(20)
            with self.assertRaisesRegex(process.Failed, "by itself(.|\n)*why"):
                ended.stop()
            bad = process.Process(
                [
                    sys.executable,
                    "-c",
                    "import signal,sys,time;signal.signal(15,lambda *_:sys.exit(3));"
                    "print('up',flush=True);time.sleep(60)",
                ],
                pathlib.Path(folder),
                name="bad",
            )
            while "up" not in process.tail(bad.log):
                time.sleep(0.02)
            with self.assertRaisesRegex(process.Failed, "exit code 3"):
                bad.stop()

    def test_a_tool_that_finds_fault_fails_with_what_it_said(self):
        script = "print('{\"missing\": 2}'); import sys; sys.exit(1)"
        with self.assertRaisesRegex(process.Failed, "missing"):
            process.ask([sys.executable, "-c", script], 20)
        self.assertEqual(process.ask([sys.executable, "-c", "print('{\"a\": 1}')"], 20), {"a": 1})

    def test_a_tool_that_does_not_answer_is_ended(self):
        begin = time.monotonic()
        with self.assertRaisesRegex(process.Failed, "no answer in 1 s"):
            process.ask([sys.executable, "-c", "import time; time.sleep(60)"], 0.6)
        self.assertLess(time.monotonic() - begin, 20)

    def test_a_program_that_does_not_end_has_missed_its_bounds(self):
        with tempfile.TemporaryDirectory() as folder, unittest.mock.patch.object(micro, "LIMIT_S", 0.3):
            program = pathlib.Path(folder) / "bench" / "never"
            program.parent.mkdir()
            program.write_text("#!/bin/sh\nexec sleep 60\n")
            program.chmod(0o755)
            bench = type("Bench", (), {"folder": pathlib.Path(folder)})
            self.assertFalse(micro.hold([program], bench, Results()))


class Profile(unittest.TestCase):
    def test_memory_is_the_c_librarys_and_mimallocs_on_the_threads_of_both(self):
        memory = "memory (allocate, free, copy)"
        for library, symbol in (
            ("libc.so.6", "[.] _int_free"),
            ("libc.so.6", "[.] __memmove_avx_unaligned_erms"),
            ("libmimalloc.so.2.0", "[.] mi_free"),
            ("anabranch", "[.] _mi_page_malloc"),
            ("relay", "[.] malloc"),
            ("anabranch", "[.] operator new(unsigned long)"),
        ):
            self.assertEqual(profile.part_of("lane-0", library, symbol), profile.OWN + memory, symbol)
            self.assertEqual(profile.part_of("rdk:broker1", library, symbol), profile.CLIENT + memory, symbol)
        for symbol in ("JsonDecoder::Freeze()", "anabranch::(anonymous namespace)::ListReader<float>::Commas", "anabranch::ToFloat"):
            self.assertEqual(profile.part_of("lane-0", "anabranch", "[.] " + symbol), "decode")
        self.assertEqual(profile.part_of("lane-0", "[kernel.kallsyms]", "[k] kmem_cache_free"), profile.OWN + "kernel")


class Requirements(unittest.TestCase):
    def test_the_data_is_made_with_the_versions_of_the_peers(self):
        def lines(name):
            return {line for line in (ROOT / "bench/peers" / name).read_text().splitlines() if line[:1] != "#"}

        self.assertEqual({line.partition("==")[0] for line in lines("requirements-data.txt")}, {"numpy", "onnxruntime"})
        self.assertLess(lines("requirements-data.txt"), lines("requirements.txt"))


class Generated(unittest.TestCase):
    def test_every_curve_makes_records_of_its_size(self):
        topology, line = generated.size(4000)
        self.assertAlmostEqual(len(line(3)), 4000, delta=8)
        self.assertEqual(len(generated.chain(40)[0]["nodes"]), 41)
        self.assertEqual(len(json.loads(generated.wide(64)[1](5))), 64)
        self.assertEqual(len(generated.members(8)[0]["nodes"]["vote"]["members"]), 8)


if __name__ == "__main__":
    unittest.main(verbosity=2)
