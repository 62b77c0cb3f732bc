"""Rollouts of a real process: shadows that nobody sees, canaries whose failures cost no record, guards that roll back by
themselves, candidates that kill the process. What they say is computed again by rollout_oracle.py."""
import csv
import json
import shutil
import signal
import sqlite3
import sys
import unittest

import harness
import live
import packages
import rollout_oracle as oracle

sys.path.insert(0, str(harness.ROOT / "bench"))
import shadow  # noqa: E402

EXAMPLE = harness.ROOT / "examples" / "rollout"
FAILS = "n % 33 == 7"  # 3.03 % of the rows


class Oracle(unittest.TestCase):
    """The pass in Python that the others use says what SciPy and NumPy say."""

    def test_its_figures_are_those_of_scipy(self):
        made = json.loads((harness.ROOT / "tests/engine/strategy/oracles.json").read_text())["comparison"]
        for segment, figures in ((None, made["total"]), *made["segments"].items()):
            rows = [row for row in made["rows"] if segment in (None, row[1])]
            for column, edges, name in ((0, made["edges"], "p"), (1, made["far_edges"], "far")):
                found = oracle.number_figures([tuple(each and each[column] for each in row[2:]) for row in rows], edges)
                want = figures[name]
                self.assertEqual([found[k] for k in ("compared", "equal", "serving_bins", "candidate_bins")],
                                 [want[k] for k in ("compared", "equal", "a_bins", "b_bins")])
                for key in ("mean_difference", "deviation", "p50", "p90", "p99", "max", "pearson", "psi", "ks"):
                    self.assertAlmostEqual(found[key], want[key], delta=1e-9, msg=(segment, name, key))
                self.assertAlmostEqual(found["interval"], want["half"], delta=1e-9)
        worst = oracle.worst([(id, tuple(each and each[0] for each in row)) for id, _, *row in made["rows"]])
        self.assertEqual(worst, [tuple(each) for each in made["worst"]])

    def test_its_draws_are_those_of_the_engine_tests(self):
        for each in json.loads((harness.ROOT / "tests/engine/strategy/oracles.json").read_text())["draws"]:
            self.assertEqual(oracle.draw(int(each["salt"]), each["unit"]), each["u"])


class Rollouts(live.LiveCase):
    """Version V scores the number n with n + V * 100,000."""

    name = "sum"
    schema = {"type": "object", "required": ["k", "n"], "properties": {"k": {"type": "string"}, "n": {"type": "integer"}}}
    nodes = {
        "score": {"kind": "infer", "inputs": ["in"], "model": "sum", "features": "package",
                  "outputs": {"y": "Y", "ver": "@version", "gen": "@generation", "arm": "@arm"}},
        "out": {"kind": "persist", "inputs": ["score"], "to": {"sqlite": {"path": "out.db", "table": "results"}},
                "fields": ["n", "y", "ver", "gen", "arm"]}}
    steps = [{"shadow": 1.0}, {"canary": 0.05}, {"canary": 0.25}, "all"]
    rollout = {"guards": {"errors": 0.01}, "on_pass": "hold"}

    def setUp(self):
        super().setUp()
        self.registry = self.folder / "registry"
        for version in ("7", "8"):
            self.pack(version)

    def pack(self, version, **how):
        self.anabranch("model", "pack", packages.make(self.registry, version, **how), code=0)

    def write(self, source="-", **rollout):
        self.write_topology(models={"sum": {"registry": "registry", "start": "7",
                                            "rollout": {"steps": self.steps, **self.rollout, **rollout}}},
                            batch={"max_rows": 256}, epoch={"commit_ms": 20}, dead_letters={"file": {"path": "dead.jsonl"}})
        value = json.loads(self.topology.read_text())
        value["sources"]["in"]["file"]["path"] = source
        value["sources"]["in"]["key"] = {"field": "k"}
        harness.write_json(self.topology, value)

    def rows(self):
        """(id, n, y, version, generation, arm), as they were written."""
        with sqlite3.connect(f"file:{self.folder}/out.db?mode=ro", uri=True, timeout=10) as db:
            return db.execute("SELECT id, n, y, ver, gen, arm FROM results ORDER BY rowid").fetchall()

    def count(self):
        if not (self.folder / "out.db").exists():
            return 0
        with sqlite3.connect(f"file:{self.folder}/out.db?mode=ro", uri=True, timeout=10) as db:
            return db.execute("SELECT count(*) FROM results").fetchone()[0]

    def feed_numbers(self, run, numbers, total):
        """Until `total` results are there."""
        self.feed(run, *({"k": f"key-{n}", "n": n} for n in numbers))
        self.wait_until(f"{total} results", 60, lambda: self.count() == total, run, pause=0.02)

    def append(self, begin, end):
        with open(self.folder / "in.jsonl", "a") as out:
            out.writelines(json.dumps({"k": f"key-{n}", "n": n}) + "\n" for n in range(begin, end))

    def model(self, command, *args, code=0):
        run = self.anabranch("model", command, self.topology, *args, "--format", "json", code=code)
        return json.loads(run.stdout)

    def status(self):
        text = self.anabranch("status", self.topology, "--format", "json", code=0).stdout
        return json.loads(text)["models"][self.name]

    def log(self):
        """Entries of the control log by number."""
        with sqlite3.connect(f"file:{self.state}/models.db?mode=ro", uri=True, timeout=10) as db:
            return {number: json.loads(entry) for number, entry in db.execute("SELECT number, entry FROM entries")}

    def record(self, generation):
        return self.log()[generation]["generation"]

    def dead(self):
        path = self.folder / "dead.jsonl"
        return path.read_text().splitlines() if path.exists() else []

    def node(self, **of):
        """What `model compare` says of the one node, by segment; None: all rows."""
        found = self.model("compare", self.name, *(part for name, value in of.items() for part in (f"--{name}", value)))
        (node,) = found["nodes"]
        return found, node, {each["value"]: each for each in node["segments"]}


class Shadow(Rollouts):
    """The example's flights, with its packages."""

    name = "delay"

    def setUp(self):
        super().setUp()
        self.example = harness.copy_example("rollout", self.folder)
        self.flights = [json.loads(line) for line in (self.example / "flights.jsonl").read_text().splitlines()]

    def begin_with(self, folder, version="1", score=None, **rollout):
        """The example's topology in a folder of its own, reading what is fed."""
        value = harness.load_topology(self.example / "topology.json")
        value["models"]["delay"]["start"] = version
        value["models"]["delay"]["rollout"] |= rollout
        value["nodes"]["score"] |= score or {}
        value["batch"], value["epoch"], value["name"] = {"max_rows": 64}, {"commit_ms": 20}, "live"
        shutil.copytree(self.example / "registry", self.folder / folder / "registry")
        self.topology = harness.write_json(self.folder / folder / "topology.json", value)
        return self.begin("--workers", "1")

    def results(self):
        path = self.topology.parent / "predictions.jsonl"
        return path.read_bytes().splitlines() if path.exists() else []

    def score(self, run, flights, total):
        self.feed(run, *flights)
        self.wait_until(f"{total} results", 30, lambda: len(self.results()) == total, run)

    def alone(self, version):
        """The answers of one version; None: it fails the row."""
        run = self.begin_with(f"alone-{version}", version, {"dead_letter_max": {"share": 1, "rows": 1000}})
        self.feed(run, *self.flights)
        self.finish(run)
        lines = {line.id: line for line in map(harness.Line, self.results())}
        starts, at = [], 0
        for flight in self.flights:
            starts.append(f"file:flights/0/{at}/out")
            at += len(json.dumps(flight)) + 1
        answers = [oracle.float32(lines[id].fields["p_late"]) if id in lines else None for id in starts]
        return answers, [id.removesuffix("/out") for id in starts], self.results()

    def check(self, rows, node, segments):
        """Counts are exact, figures to 1e-9, quantiles to their bucket."""
        wanted = oracle.comparison(rows)
        self.assertEqual(set(segments), set(wanted))
        largest = 0
        for segment, want in wanted.items():
            found = segments[segment]
            (output,) = found["outputs"]
            for key in ("rows", "both_ok", "only_serving_failed", "only_candidate_failed", "both_failed"):
                self.assertEqual(found[key], want[key], (segment, key))
            for key in ("compared", "equal", "serving_bins", "candidate_bins", "max"):
                self.assertEqual(output[key], want[key], (segment, key))
            self.assertEqual((output["name"], output["is_label"], output["edges"]), ("p_late", False, oracle.EDGES))
            for key in ("agreement", "mean_difference", "deviation", "interval", "pearson", "psi", "ks"):
                self.assertAlmostEqual(output[key], want[key], delta=1e-9, msg=(segment, key))
                largest = max(largest, abs(output[key] - want[key]))
            for key in ("p50", "p90", "p99"):
                self.assertAlmostEqual(output[key], want[key], delta=want[key] / 128, msg=(segment, key))
            for arm in ("serving_seconds", "candidate_seconds"):
                self.assertTrue(0 < found[arm]["p50"] <= found[arm]["p99"] < 1, (arm, found[arm]))
        found = [(each["id"], each["difference"]) for each in node["worst"]["p_late"]]
        self.assertEqual(found, oracle.worst([(id, (a, b)) for id, _, a, b in rows]))
        print(f"    {len(rows)} rows, {len(wanted) - 1} segments, figures differ by at most {largest:.1e}", flush=True)

    def rows_of(self, ids, a, b, which=lambda id: True):
        return [(id, flight["origin"], x, y) for id, flight, x, y in zip(ids, self.flights, a, b) if which(id)]

    def test_its_figures_are_those_of_both_versions_and_its_results_are_those_without_it(self):
        (serving, ids, bytes_alone), (better, *_), (bad, *_) = (self.alone(version) for version in "123")
        with open(EXAMPLE / "expected.csv", newline="") as file:
            for row, *found in zip(csv.DictReader(file), serving, better, bad):  # of scikit-learn
                for version, value in zip("123", found):
                    want = row[f"p{version}"]
                    self.assertEqual(value is None, not want)
                    self.assertTrue(value is None or abs(value - float(want)) <= 1e-5, (value, want))
        for candidate, answers in (("2", better), ("3", bad)):
            with self.subTest(candidate=candidate):
                run = self.begin_with(f"beside-{candidate}", on_breach="hold")
                self.score(run, self.flights[:500], 500)
                deployed = self.model("deploy", f"delay@{candidate}", "--reason", "it is better")
                self.score(run, self.flights[500:], len(self.flights))
                self.finish(run)
                self.assertEqual(self.results(), bytes_alone)
                self.assertFalse((self.topology.parent / "dead_letters.jsonl").exists() and
                                 (self.topology.parent / "dead_letters.jsonl").read_bytes())
                found, node, segments = self.node()
                self.assertEqual((found["generation"], found["serving"], found["candidate"], node["node"]),
                                 (deployed["generation"], "1", candidate, "score"))
                self.check(self.rows_of(ids, serving, answers)[500:], node, segments)

    def test_a_share_of_the_records_is_drawn_by_their_ids(self):
        (serving, ids, bytes_alone), (better, *_) = (self.alone(version) for version in "12")
        run = self.begin_with("part", steps=[{"shadow": 0.3, "rows": 10**5}, "all"])
        self.score(run, self.flights[:1], 1)
        deployed = self.model("deploy", "delay@2")
        self.score(run, self.flights[1:], len(self.flights))
        self.finish(run)
        self.assertEqual(self.results(), bytes_alone)
        record = self.record(deployed["generation"])
        _, node, segments = self.node()
        rows = self.rows_of(ids, serving, better, lambda id: id != ids[0] and oracle.draw(record["salt"], id) < 0.3)
        self.assertTrue(800 < len(rows) < 1000, len(rows))
        self.check(rows, node, segments)


class Canary(Rollouts):

    def draws(self, generation, rows):
        """Every row was answered by the version that its key draws. Returns the keys of the candidate."""
        record = self.record(generation)
        self.assertEqual(record["rule"], "canary")
        taken = set()
        for id, n, y, ver, gen, arm in rows:
            self.assertEqual(gen, generation, id)
            drawn = record["arms"][oracle.draw(record["salt"], f"key-{n}") < record["share"]]["version"]
            self.assertEqual((arm, packages.version_of(n, y)), (drawn, ver), (id, n))
            self.assertEqual(ver, drawn, (id, n))
            if ver == record["arms"][1]["version"]:
                taken.add(n)
        return taken

    def test_a_key_keeps_its_version_while_the_share_grows(self):
        keys = max(2000, harness.scaled(100_000))
        self.steps = [{"canary": 0.05}, {"canary": 0.25}, "all"]
        self.write()
        run = self.begin()
        self.feed_numbers(run, [0], 1)
        first = self.model("deploy", "sum@8")["generation"]
        self.feed_numbers(run, range(keys), keys + 1)
        second = self.model("promote", "sum")["generation"]
        self.feed_numbers(run, range(keys), 2 * keys + 1)
        end = self.model("promote", "sum")["generation"]
        self.feed_numbers(run, range(100), 2 * keys + 101)
        self.finish(run)
        rows = self.rows()
        five, quarter = self.draws(first, rows[1:keys + 1]), self.draws(second, rows[keys + 1:2 * keys + 1])
        self.assertEqual({row[3:5] for row in rows[2 * keys + 1:]}, {("8", end)})
        if keys == 100_000:
            self.assertTrue(abs(len(five) / keys - 0.05) < 0.003, len(five))
            self.assertTrue(abs(len(quarter) / keys - 0.25) < 0.006, len(quarter))
        self.assertEqual(five - quarter, set(), "keys that went back")
        self.assertEqual(self.dead(), [])
        print(f"    {keys} keys: {len(five)} drew the candidate at 5 %, {len(quarter)} at 25 %, 0 went back", flush=True)

    def test_a_row_that_the_candidate_fails_is_answered_by_the_serving_version(self):
        self.pack("9", fails=FAILS)
        self.steps = [{"canary": 0.5}, "all"]
        self.write(guards={"errors": 0.3})
        run = self.begin()
        self.feed_numbers(run, [0], 1)
        generation = self.model("deploy", "sum@9")["generation"]
        count = 5000
        self.feed_numbers(run, range(count), count + 1)
        self.finish(run)
        rows, record = self.rows()[1:], self.record(generation)
        drawn = failed = 0
        for id, n, y, ver, gen, arm in rows:
            candidate = oracle.draw(record["salt"], f"key-{n}") < record["share"]
            self.assertEqual(arm, "9" if candidate else "7", id)
            self.assertEqual(ver, "9" if candidate and n % 33 != 7 else "7", id)
            self.assertEqual(packages.version_of(n, y), ver)
            drawn += candidate
            failed += candidate and n % 33 == 7
        self.assertEqual(self.dead(), [])
        _, _, segments = self.node()
        total = segments[None]
        self.assertEqual((total["rows"], total["both_ok"], total["only_candidate_failed"]), (drawn, drawn - failed, failed))
        print(f"    {drawn} of {count} rows drew the candidate; it failed {failed} of them, dead letters: 0", flush=True)


class Guards(Rollouts):

    # What a look at the figures may miss: a step of the agent and an epoch, at the rate of this test.
    INTERVAL = 1500

    def break_a_limit(self, rule, at_once):
        """3 % errors against a limit of 1 %. Returns the run, the generation, and how many rows were fed."""
        self.pack("9", fails=FAILS)
        self.steps = [rule, "all"]
        self.write(by="record")
        run = self.begin()
        self.feed_numbers(run, [0], 1)
        generation, total = self.model("deploy", "sum@9")["generation"], 1
        while self.status()["generation"] == generation:
            self.feed_numbers(run, range(total, total + at_once), total + at_once)
            total += at_once
            self.assertLess(total, 60_000, "it was not rolled back")
        return run, generation, total

    def check_rolled_back(self, generation, share, most):
        rows = self.rows()
        events = self.model("history", self.name)
        self.assertEqual([event["action"] for event in events if event["generation"]], ["start", "deploy", "rollback"])
        back = events[-1]
        self.assertEqual(back["version"], "7")
        self.assertIn("errors", json.dumps(back["guards"]))
        compared = sum(1 for row in rows if row[4] == generation)
        if share < 1:
            compared = sum(1 for row in rows if row[4] == generation and row[5] == "9")
        self.assertLessEqual(compared, most + self.INTERVAL)
        self.assertEqual(self.dead(), [])
        _, _, segments = self.node(generation=str(generation))
        self.assertLessEqual(segments[None]["rows"], compared)
        print(f"    rolled back {compared} rows after the first: {back['guards']}", flush=True)
        return back

    def test_a_shadow_that_fails_too_much_is_rolled_back_and_stays_so_after_a_kill(self):
        run, generation, total = self.break_a_limit({"shadow": 1.0}, 100)
        back = self.check_rolled_back(generation, 1, 1500)
        run.kill()
        again = self.begin()
        self.feed_numbers(again, range(total), 2 * total)
        self.finish(again)
        self.assertEqual({row[3:5] for row in self.rows()[total:]}, {("7", back["generation"])})
        self.assertEqual(self.model("history", self.name)[-1]["generation"], back["generation"])

    def test_a_canary_that_fails_too_much_is_rolled_back(self):
        run, generation, total = self.break_a_limit({"canary": 0.25}, 400)
        self.finish(run)
        self.check_rolled_back(generation, 0.25, 3 * 1500)  # which rows it draws is chance: the median is 500
        self.assertEqual(len(self.rows()), total)

    def test_a_kill_between_the_verdict_and_the_rollback_changes_neither_and_short_runs_are_judged(self):
        self.pack("9", fails=FAILS)
        self.steps = [{"shadow": 1.0}, "all"]
        self.write("in.jsonl", by="record")
        count = 100
        self.append(0, count)
        self.anabranch("run", self.topology, "--once", code=0)
        for point in ("models.counts_sent", "models.step_sent"):
            with self.subTest(point=point):
                generation = self.model("deploy", "sum@9")["generation"]
                code = 0
                while code == 0:
                    self.append(count, count + 500)
                    count += 500
                    code = self.anabranch("run", self.topology, "--once", env={"ANABRANCH_FAULT": f"{point}@1=kill"}).code
                    self.assertLess(count, 20_000, "the point is not passed")
                self.assertEqual(code, -signal.SIGKILL)
                while self.model("history", self.name)[-1]["action"] != "rollback":
                    self.append(count, count + 500)
                    count += 500
                    self.anabranch("run", self.topology, "--once", code=0)
                    self.assertLess(count, 20_000, "it is not rolled back")
                self.append(count, count + 100)
                count += 100
                self.anabranch("run", self.topology, "--once", code=0)
                rows = self.rows()
                self.assertEqual(sorted(row[1] for row in rows), list(range(count)))
                self.assertEqual({row[3] for row in rows}, {"7"})
                back = self.model("history", self.name)
                self.assertEqual([event["action"] for event in back][-2:], ["deploy", "rollback"])
                self.assertEqual({row[4] for row in rows[-100:]}, {back[-1]["generation"]})
                _, _, segments = self.node(generation=str(generation))
                self.assertLessEqual(segments[None]["rows"], sum(row[4] == generation for row in rows))

    def test_a_breach_may_hold_and_a_person_decides(self):
        self.pack("9", fails=FAILS)
        self.steps = [{"shadow": 1.0}, "all"]
        self.write(on_breach="hold")
        run = self.begin()
        self.feed_numbers(run, [0], 1)
        generation = self.model("deploy", "sum@9")["generation"]
        self.feed_numbers(run, range(1, 4001), 4001)
        held = self.wait_until("it is breached", 20, lambda: self.status()["rollout"]["state"] == "breached", run, pause=0.2)
        self.assertTrue(held)
        self.assertEqual(self.status()["generation"], generation)
        self.assertEqual(self.model("rollback", self.name, "--reason", "too many errors")["version"], "7")
        self.assertNotIn("rollout", {key for key, value in self.status().items() if value})
        self.finish(run)

    def test_a_good_candidate_goes_all_the_way_by_itself(self):
        self.steps = [{"shadow": 1.0, "rows": 1000}, {"canary": 0.5, "rows": 1000}, "all"]
        self.write(on_pass="next", by="record")
        run = self.begin()
        self.feed_numbers(run, [0], 1)
        self.model("deploy", "sum@8")
        total = 1
        while self.status()["version"] != "8" or self.status().get("rollout"):
            self.feed_numbers(run, range(total, total + 200), total + 200)
            total += 200
            self.assertLess(total, 60_000, "it did not get through")
        self.feed_numbers(run, range(total, total + 10), total + 10)
        self.finish(run)
        rows = self.rows()
        self.assertEqual([n for _, n, *_ in rows], list(range(total + 10)))
        self.assertEqual({row[3] for row in rows[-10:]}, {"8"})
        events = self.model("history", self.name)
        self.assertEqual([event["action"] for event in events], ["start", "deploy", "promote", "promote"])


class Crashes(Rollouts):
    """A candidate that kills the process with the number 311."""

    def feed_the_number(self, keys):
        with open(self.folder / "in.jsonl", "a") as out:
            out.writelines(json.dumps({"k": f"again-{i}", "n": 311}) + "\n" for i in keys)

    def crash(self, rule, answered_by_candidate):
        self.pack("9", model=packages.CRASH)
        self.steps = [rule, "all"]
        self.write("in.jsonl")
        self.append(0, 10)
        self.anabranch("run", self.topology, "--once", code=0)
        generation = self.model("deploy", "sum@9")["generation"]
        self.append(10, 300)
        self.anabranch("run", self.topology, "--once", code=0)
        self.append(300, 400)
        codes, fed, rolled_back = [], 20, False
        self.feed_the_number(range(fed))  # a key of them draws the candidate
        while not rolled_back:
            run = self.anabranch("run", self.topology, "--once")
            codes.append(run.code)
            rolled_back = "is rolled back, and the run goes on" in run.stderr
            self.assertLess(len(codes), 12, "the candidate is not given up")
            if run.code == 0 and not rolled_back:  # a shadow's rows may be committed before the process is dead
                self.feed_the_number(range(fed, fed + 1))
                fed += 1
        self.assertEqual((sum(code != 0 for code in codes), codes[-1]), (3, 0), codes)  # a sanitizer ends it by an exit code
        rows = self.rows()
        self.assertEqual(sorted(row[1] for row in rows), sorted([*range(400), *[311] * fed]))
        self.assertTrue(all(packages.version_of(n, y) == ver for _, n, y, ver, *_ in rows))
        self.assertEqual("9" in {row[3] for row in rows if row[4] == generation}, answered_by_candidate)
        self.assertEqual({row[3] for row in rows if row[1] >= 311}, {"7"})
        self.assertEqual(self.dead(), [])
        back = self.model("history", self.name)[-1]
        self.assertEqual((back["action"], back["version"], back["state"]), ("rollback", "7", "serves"))
        self.assertIn("score", back["reason"])
        self.assertEqual(json.loads(self.anabranch("status", self.topology, "--format", "json").stdout)["state"], "done")

    def test_a_shadow_that_kills_the_process_three_times_is_rolled_back_at_the_start(self):
        self.crash({"shadow": 1.0}, False)

    def test_a_canary_that_kills_the_process_three_times_is_rolled_back_at_the_start(self):
        self.crash({"canary": 0.5}, True)


class Latency(harness.PipelineCase):

    def test_the_benchmark_of_shadows_measures_windows_with_and_without_one(self):
        run = shadow.Run(harness.BIN, self.folder, rate=500)
        self.addCleanup(run.process.kill)
        found, compared = shadow.measure(run, 2, 1)
        run.close()
        self.assertGreater(compared, 200)  # figures are two seconds late
        for windows in found:
            for quantiles in windows:
                self.assertTrue(0 < quantiles[49] <= quantiles[98] < 5, quantiles[98])


if __name__ == "__main__":
    harness.main()
