"""`anabranch diff`: two versions of a topology over the same records. The oracle is two real runs, compared in Python."""
import collections
import json
import math
import random
import shutil
import signal
import struct

import harness
from harness import EXIT_FAULTY, EXIT_OK, EXIT_STAGE, EXIT_UNAVAILABLE, EXIT_USAGE

ODD = harness.ROOT / "tests" / "models" / "odd"
EXIT_INTERRUPTED = 130


def compare(before, after, fields):
    """Two dicts of rows by record, field by field: what `diff` must find."""
    both = sorted(set(before) & set(after))
    found = {"both": len(both), "only_before": len(set(before) - set(after)), "only_after": len(set(after) - set(before)),
             "changed_rows": 0, "fields": {}}
    differs = lambda a, b: (not math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-8) if isinstance(a, float) or isinstance(b, float)
                            else a != b)
    changed_records = set(before) ^ set(after)
    for field in fields:
        pairs = [(record, before[record][field], after[record][field]) for record in both]
        changed = [(record, a, b) for record, a, b in pairs if differs(a, b)]
        changed_records.update(record for record, _, _ in changed)
        found["fields"][field] = {"changed": len(changed), "equal": len(both) - len(changed),
                                  "flips": collections.Counter((json.dumps(a), json.dumps(b)) for _, a, b in changed)}
        if all(isinstance(a, (int, float)) and not isinstance(a, bool) for _, a, _ in pairs):
            deltas = sorted(abs(a - b) for _, a, b in pairs)
            found["fields"][field]["max_delta"] = deltas[-1]
            found["fields"][field]["p99_delta"] = deltas[math.ceil(len(deltas) * 99 / 100) - 1]
    found["changed"] = len(changed_records)
    return found


class DiffCase(harness.PipelineCase):
    """Items through a rule, a model that multiplies by a weight, and a label; two versions, a.json and b.json."""

    def setUp(self):
        super().setUp()
        for name in ("one", "two"):
            (self.folder / name).mkdir()
            shutil.copy(ODD / "twice.onnx", self.folder / name)
        self.weigh("one", 2.0)
        self.weigh("two", 2.0)

    def weigh(self, name, weight):
        (self.folder / name / "twice.onnx.data").write_bytes(struct.pack("<f", weight))

    def topology(self, **more):
        item = {"type": "object", "required": ["id", "x"], "properties": {
            "id": {"type": "string"}, "x": {"type": "number"}, "n": {"type": "integer"}}}
        topology = {
            "anabranch": 1, "name": "scores", "schemas": {"item": item}, "models": {"m": {"path": "one/twice.onnx"}},
            "sources": {"items": {"file": {"path": "in.jsonl"}, "schema": "item", "key": {"field": "id"}}},
            "nodes": {
                "check": {"kind": "validate", "inputs": ["items"], "rules": {"sane": "x < 985"}},
                "score": {"kind": "infer", "inputs": ["check"], "model": "m", "features": ["x"], "outputs": {"y": "Y[0]"}},
                "label": {"kind": "transform", "inputs": ["score"], "set": {"label": "y >= 1000 ? 'high' : 'low'",
                                                                          "level": "int(y / 100)"}},
                "out": {"kind": "persist", "inputs": ["label"], "to": {"file": {"path": "out.jsonl"}},
                        "fields": ["id", "x", "y", "label", "level"]}},
            "dead_letters": {"file": {"path": "dead.jsonl"}}}
        topology.update(more)
        return topology

    def write(self, name, topology):
        return harness.write_json(self.folder / name, topology)

    def feed(self, items, name="in.jsonl"):
        (self.folder / name).write_text("".join(json.dumps(item) + "\n" for item in items))

    def some_items(self, count, seed=5):
        chance = random.Random(seed)
        return [{"id": f"i{i}", "x": round(chance.uniform(0, 1000), 3), "n": i} for i in range(count)]

    def diff(self, *args, code=EXIT_OK, **more):
        return self.anabranch("diff", *args, code=code, **more)

    def results(self, *args, code=EXIT_OK):
        return json.loads(self.diff(*args, "--format", "json", code=code).stdout)["results"]

    def run_of(self, file):
        """The rows and the dead letters of a real run, by record. It removes what the run wrote."""
        self.anabranch("run", file, "--once", "--fresh", code=EXIT_OK)
        rows = {line.id.rpartition("/")[0]: line.fields for line in harness.read_lines(self.folder / "out.jsonl")}
        letters = collections.Counter()
        for text in (self.folder / "dead.jsonl").read_text().splitlines():
            headers = json.loads(text)["headers"]
            letters[headers["anabranch.error.node"], headers["anabranch.error.code"]] += 1
        for name in ("out.jsonl", "dead.jsonl"):
            (self.folder / name).unlink()
        shutil.rmtree(self.folder / ".anabranch")
        return rows, letters

    def assert_found(self, results, oracle):
        """The one target's report is what the oracle says, field by field."""
        [out] = results["targets"]
        self.assertEqual((out["both"], out["only_before"]["rows"], out["only_after"]["rows"]),
                         (oracle["both"], oracle["only_before"], oracle["only_after"]))
        self.assertEqual(results["changed"], oracle["changed"])
        self.assertEqual([field["field"] for field in out["fields"]], list(oracle["fields"]))
        for field in out["fields"]:
            expected = oracle["fields"][field["field"]]
            self.assertEqual((field["changed"], field["equal"]), (expected["changed"], expected["equal"]), field)
            for name in ("max_delta", "p99_delta"):
                self.assertEqual(name in field, name in expected)
                if name in expected:
                    self.assertTrue(math.isclose(field[name], expected[name], rel_tol=1e-12), (field, expected))
            if field["flips"]:
                flips = {(flip["before"], flip["after"]): flip["count"] for flip in field["flips"]}
                self.assertEqual([flip["count"] for flip in field["flips"]],
                                 [count for _, count in expected["flips"].most_common(len(flips))])
                for pair, count in flips.items():
                    self.assertEqual(expected["flips"][pair], count)
                self.assertEqual(sum(flips.values()) + field["other_flips"], expected["changed"])


class TwoVersions(DiffCase):
    def test_ten_thousand_records_are_compared_as_two_real_runs_are(self):
        self.feed(self.some_items(10_000))
        self.weigh("two", 2.01)
        b = self.topology(models={"m": {"path": "two/twice.onnx"}})
        b["nodes"]["check"]["rules"]["sane"] = "x < 980"
        a, b = self.write("a.json", self.topology()), self.write("b.json", b)
        (rows_a, letters_a), (rows_b, letters_b) = self.run_of(a), self.run_of(b)
        before = sorted(path.name for path in self.folder.iterdir())
        results = self.results(a, b, "--on", "items", code=EXIT_STAGE)
        self.assertEqual(results["records"], 10_000)
        oracle = compare(rows_a, rows_b, ["id", "x", "y", "label", "level"])
        self.assertGreater(oracle["fields"]["label"]["changed"], 10)
        self.assert_found(results, oracle)
        self.assertEqual(oracle["fields"]["id"]["changed"] + oracle["fields"]["x"]["changed"], 0)
        letters = {(each["node"], each["code"]): (each["before"], each["after"]) for each in results["dead_letters"]}
        self.assertEqual(letters, {name: (letters_a[name], letters_b[name]) for name in letters_a | letters_b})
        # Examples are real: the largest differences, with the record's position and both values.
        [y] = [field for field in results["targets"][0]["fields"] if field["field"] == "y"]
        largest = sorted(abs(rows_a[record]["y"] - rows_b[record]["y"]) for record in set(rows_a) & set(rows_b))[-3:]
        for example, delta in zip(y["examples"], reversed(largest)):
            self.assertEqual(json.loads(example["before"]), rows_a[example["record"]]["y"])
            self.assertEqual(json.loads(example["after"]), rows_b[example["record"]]["y"])
            self.assertAlmostEqual(example["delta"], delta)
        self.assertEqual(sorted(path.name for path in self.folder.iterdir() if not path.name.startswith("run-")),
                         [name for name in before if not name.startswith("run-")], "diff writes nothing")

    def test_a_swapped_model_is_one_set_away(self):
        self.feed(self.some_items(500))
        self.weigh("two", 2.5)
        a = self.write("a.json", self.topology())
        b = self.write("b.json", self.topology(models={"m": {"path": "two/twice.onnx"}}))
        text = a.read_bytes()
        by_set = json.loads(self.diff(a, "--set", "models.m.path=two/twice.onnx", "--on", "items", "--format", "json",
                                      code=EXIT_STAGE).stdout)
        by_file = json.loads(self.diff(a, b, "--on", "items", "--format", "json", code=EXIT_STAGE).stdout)
        for key in ("plans", "results"):
            self.assertEqual(by_set[key], by_file[key])
        self.assertEqual(a.read_bytes(), text)
        self.assertEqual(by_set["plans"]["changes"], ["score (infer): model file changed"])
        self.assertEqual(by_set["plans"]["results_reused"], ["check"])
        self.assertEqual(by_set["plans"]["run_again"], ["score", "label", "out"])
        changed = {field["field"] for field in by_set["results"]["targets"][0]["fields"] if field["changed"]}
        self.assertEqual(changed, {"y", "label", "level"})
        shown = self.diff(a, "--set", "models.m.path=two/twice.onnx", "--on", "items", code=EXIT_STAGE).stdout
        self.assertIn("score (infer): model file changed", shown)
        self.assertIn('"low" -> "high"', shown)
        self.assertIn("equal: id, x\n", shown)

    def test_the_exit_code_obeys_max_changed(self):
        self.feed([{"id": f"i{i}", "x": 100 if i < 3 else 1} for i in range(200)])
        a = self.write("a.json", self.topology())
        args = [a, "--set", "nodes.label.set.label=y >= 200 ? 'high' : 'low'", "--on", "items"]
        for limit, code in (("0.015", EXIT_OK), ("0.0149", EXIT_STAGE), ("1.5%", EXIT_OK), ("1.4%", EXIT_STAGE), ("1", EXIT_OK),
                            ("0", EXIT_STAGE)):
            with self.subTest(limit=limit):
                shown = self.diff(*args, "--max-changed", limit, code=code).stdout
                self.assertIn("the results of 3 of 200 records (1.5 %)", shown)
                self.assertIn("within" if code == EXIT_OK else "more than", shown.splitlines()[-1])
        self.diff(*args, code=EXIT_STAGE)
        for limit in ("2", "101%", "-1", "few"):
            self.diff(*args, "--max-changed", limit, code=EXIT_USAGE)

    def test_the_tolerance_decides_what_is_equal(self):
        self.feed(self.some_items(100))
        self.weigh("two", 2.001)
        a = self.write("a.json", self.topology())
        args = [a, "--set", "models.m.path=two/twice.onnx", "--set", "nodes.out.fields=[\"y\"]", "--on", "items", "--max-changed", "0"]
        b = ["--set", "nodes.out.fields=[\"id\", \"x\", \"y\"]"]
        self.diff(*args, *b, code=EXIT_STAGE)
        loose = self.diff(*args, *b, "--tolerance", "1e-3", code=EXIT_STAGE)  # label and level are gone
        self.assertIn("equal within the tolerance: y", loose.stdout)
        self.diff(*args, "--tolerance", "1e-3,", code=EXIT_USAGE)

    def test_the_same_file_has_no_difference(self):
        self.feed(self.some_items(50))
        a = self.write("a.json", self.topology())
        shown = self.diff(a, a, "--on", "items", code=EXIT_OK).stdout
        self.assertIn("plans: no difference", shown)
        self.assertIn("no difference in the results of 50 records", shown)
        plans = self.diff(a, a, code=EXIT_OK)
        self.assertIn("plans: no difference", plans.stdout)
        self.assertIn("only the plans were compared", plans.stderr)


class Consumers(DiffCase):
    def test_a_field_that_is_gone_fails_the_gate_and_a_new_one_does_not(self):
        self.feed(self.some_items(20))
        a = self.write("a.json", self.topology())
        gone = self.diff(a, "--set", 'nodes.out.fields=["id", "y", "level"]', "--on", "items", code=EXIT_STAGE).stdout
        self.assertIn('out: field "label" is gone; it was string', gone)
        self.assertRegex(gone, r"label +string +gone\n")
        more = self.diff(a, "--set", 'nodes.out.fields=["id", "x", "y", "label", "level", "n"]', "--on", "items", code=EXIT_OK).stdout
        self.assertIn('out: field "n" is new: int64?', more)
        self.assertIn("no difference in the results", more)
        typed = self.diff(a, "--set", "nodes.label.set.level=y / 100", "--on", "items", code=EXIT_STAGE).stdout
        self.assertIn('out: field "level" is float64; it was int64', typed)

    def test_a_renamed_node_is_the_same_node(self):
        self.feed(self.some_items(20))
        a, b = self.topology(), self.topology()
        b["nodes"]["result"] = {**b["nodes"].pop("out"), "was": "out"}
        b["nodes"]["rule"] = {**b["nodes"].pop("check"), "was": "check"}
        b["nodes"]["score"]["inputs"] = ["rule"]
        a, b = self.write("a.json", a), self.write("b.json", b)
        shown = json.loads(self.diff(a, b, "--on", "items", "--format", "json", code=EXIT_OK).stdout)
        self.assertEqual(shown["results"]["changed"], 0)
        self.assertEqual([(target["target"], target["was"]) for target in shown["results"]["targets"]], [("result", "out")])
        self.assertIn("rule (validate): renamed, was check", shown["plans"]["changes"])
        self.assertEqual(shown["plans"]["run_again"], [])
        self.assertTrue(all(letter["node"] == "rule" for letter in shown["results"]["dead_letters"]))

    def test_an_edited_node_says_what_became_of_its_rows(self):
        self.feed([{"id": "a", "x": 1}, {"id": "b", "x": 600}, {"id": "c", "x": 990}, {"id": "d", "x": "?"}])
        a = self.write("a.json", self.topology())
        results = self.results(a, "--set", "nodes.check.rules.sane=x < 500", "--on", "items", code=EXIT_STAGE)
        [out] = results["targets"]
        self.assertEqual(out["only_before"]["why"], {"failed at check (rule)": 1})
        self.assertEqual(out["only_before"]["examples"], ["file:items/0/20"])
        self.assertEqual(results["dead_letters"], [{"node": "check", "code": "rule", "before": 1, "after": 2},
                                                   {"node": "check", "code": "schema", "before": 1, "after": 1}])
        filtered = self.results(a, "--set", "nodes.label.where=x < 500", "--on", "items", code=EXIT_STAGE)
        self.assertEqual(filtered["targets"][0]["only_before"]["why"], {"filtered at label": 1})
        self.assertEqual(filtered["changed"], 1)


class Records(DiffCase):
    def kafka(self, **source):
        """A topology whose source and target are topics. No broker is needed for a comparison over a file."""
        topology = self.topology(connections={"main": {"kafka": {"bootstrap.servers": "127.0.0.1:1"}}},
                                 dead_letters={"kafka": {"topic": "dead"}})
        topology["sources"]["items"] = {"kafka": {"topics": ["items"]}, "schema": "item", **source}
        topology["nodes"]["out"]["to"] = {"kafka": {"topic": "scores"}}
        return self.write("kafka.json", topology)

    def test_a_file_stands_in_for_a_topic(self):
        self.feed(self.some_items(30), "dump.jsonl")
        file = self.kafka()
        shown = self.diff(file, "--set", "nodes.label.set.label=y >= 500 ? 'high' : 'low'", "--on", self.folder / "dump.jsonl",
                          code=EXIT_STAGE)
        self.assertIn("results of 30 records from file", shown.stdout)
        self.assertIn("have no keys", shown.stderr)
        self.assertRegex(shown.stdout, r"label +string +\d+ +\d+\n")

    def test_lines_without_timestamps_have_no_event_time(self):
        self.feed(self.some_items(30), "dump.jsonl")
        shown = self.diff(self.kafka(key={"field": "id"}, time={}), "--set", "nodes.label.set.label=y >= 500 ? 'high' : 'low'",
                          "--on", self.folder / "dump.jsonl", code=EXIT_STAGE)
        self.assertIn("results of 30 records from file", shown.stdout)
        self.assertIn("have no timestamps", shown.stderr)
        self.assertRegex(shown.stdout, r"label +string +\d+ +\d+\n")

    def test_whole_records_have_their_keys_and_headers(self):
        with open(self.folder / "dump.jsonl", "w") as lines:
            for item in [{"id": f"i{i}", "x": i} for i in range(10)]:
                lines.write(json.dumps({"key": "k" + item["id"], "value": item, "headers": {"h": item["id"]}}) + "\n")
        file = self.kafka(key={"header": "h"})
        on = ["--on", self.folder / "dump.jsonl", "--envelope", "record"]
        self.diff(file, file, *on, code=EXIT_OK)
        results = self.results(file, "--set", "sources.items.key=record", *on, code=EXIT_STAGE)
        [key] = results["targets"][0]["envelope"]
        self.assertEqual((key["field"], key["changed"]), ("key", 10))
        self.assertEqual(key["examples"][0], {"record": "file:items/0/0", "before": '"i0"', "after": '"ki0"'})

    def test_the_last_records_of_a_file(self):
        items = self.some_items(50)
        self.feed(items)
        a = self.write("a.json", self.topology())
        self.assertEqual(self.results(a, a, "--on", "items", "--last", "7")["records"], 7)
        results = self.results(a, "--set", "nodes.label.set.label='none'", "--on", "items", "--last", "1", code=EXIT_STAGE)
        offset = sum(len(json.dumps(item)) + 1 for item in items[:-1])
        [label] = [field for field in results["targets"][0]["fields"] if field["field"] == "label"]
        self.assertEqual(label["examples"][0]["record"], f"file:items/0/{offset}")

    def test_a_csv_file_with_its_columns_in_another_order(self):
        topology = self.topology()
        topology["sources"]["items"].update(format="csv")
        topology["sources"]["items"]["file"] = {"path": "in.csv", "delimiter": ";"}
        (self.folder / "in.csv").write_text("id;x;n\na;1;1\n")
        (self.folder / "other.csv").write_text("n;x;id\n1;500;a\n2;20;b\n")
        a = self.write("a.json", topology)
        for on in (self.folder / "other.csv", f"items={self.folder / 'other.csv'}"):
            results = self.results(a, "--set", "nodes.label.set.level=n", "--on", on, code=EXIT_STAGE)
            [level] = [field for field in results["targets"][0]["fields"] if field["field"] == "level"]
            self.assertEqual([(flip["before"], flip["after"]) for flip in level["flips"]], [("0", "2"), ("10", "1")])

    def test_two_sources_need_a_name(self):
        topology = self.topology()
        topology["sources"]["others"] = {**topology["sources"]["items"], "file": {"path": "others.jsonl"}}
        topology["nodes"]["other_check"] = {"kind": "transform", "inputs": ["others"], "set": {"z": "1"}}
        topology["nodes"]["other_out"] = {"kind": "persist", "inputs": ["other_check"], "to": {"file": {"path": "o.jsonl"}}, "fields": ["z"]}
        self.feed(self.some_items(3))
        self.feed(self.some_items(5), "others.jsonl")
        a = self.write("a.json", topology)
        self.assertIn("--on items=", self.diff(a, a, "--on", self.folder / "in.jsonl", code=EXIT_USAGE).stderr)
        self.assertEqual(self.results(a, a, "--on", "others")["records"], 5)
        self.assertEqual(self.results(a, a, "--on", f"others={self.folder / 'in.jsonl'}")["records"], 3)


class Tests(DiffCase):
    """The records that test cases give."""

    def cases(self, name, *values):
        return {"name": name, "given": {"items": [{"value": value} for value in values]}, "expect": {"out": {"count": len(values)}}}

    def test_the_tests_of_the_file_are_compared_where_nothing_else_is_named(self):
        topology = self.topology(tests=[self.cases("small", {"id": "a", "x": 1}), self.cases("large", {"id": "a", "x": 1}, {"id": "b", "x": 600})])
        self.feed([])
        a = self.write("a.json", topology)
        edit = ["--set", "nodes.label.set.label=y >= 1300 ? 'high' : 'low'"]
        by_default = self.results(a, *edit, code=EXIT_STAGE)
        self.assertEqual((by_default["records"], by_default["changed"]), (3, 1))
        [label] = [field for field in by_default["targets"][0]["fields"] if field["field"] == "label"]
        self.assertEqual(label["examples"], [{"record": "large/items/0/1", "before": '"high"', "after": '"low"'}])
        self.assertEqual(self.results(a, *edit, "--on", "tests", code=EXIT_STAGE), by_default)
        self.diff(a, *edit, "--max-changed", "0.34", code=EXIT_OK)

    def test_a_file_of_tests(self):
        self.feed([])
        a = self.write("a.json", self.topology())
        tests = self.write("more.tests.json", {"anabranch_tests": 1, "topology": "a.json", "tests": [self.cases("one", {"id": "a", "x": 5})]})
        self.assertEqual(self.results(a, a, "--on", tests)["records"], 1)
        self.assertIn("there was no record", self.diff(a, a, "--on", "tests", code=EXIT_STAGE).stdout)
        tests.write_text(tests.read_text().replace('"items"', '"itemz"'))
        self.assertIn('did you mean "items"?', self.diff(a, a, "--on", tests, code=EXIT_FAULTY).stderr)


class Refused(DiffCase):
    def setUp(self):
        super().setUp()
        self.feed(self.some_items(5))
        self.a = self.write("a.json", self.topology())

    def assert_says(self, text, *args, code=EXIT_USAGE):
        self.assertIn(text, self.diff(self.a, *args, code=code).stderr)

    def test_a_wrong_command_line_says_what_helps(self):
        self.assert_says("name the other version")
        self.assert_says("is not PATH=VALUE", "--set", "models.m.path")
        self.assert_says('did you mean "items"?', self.a, "--on", "itemz")
        self.assert_says('no source "itemz"; did you mean "items"?', self.a, "--on", "itemz=in.jsonl")
        self.assert_says("nowhere.jsonl: No such file", self.a, "--on", "items=nowhere.jsonl", code=EXIT_UNAVAILABLE)
        self.assert_says("--on tests, a source or a file", self.a, "--max-changed", "0.1")
        self.assert_says("cannot be read a second time", self.a, "--on", "items=-")
        other = self.topology()
        other["sources"] = {"things": other["sources"]["items"]}
        other["nodes"]["check"]["inputs"] = ["things"]
        self.assert_says('has no source "items"', self.write("b.json", other), "--on", "items")

    def test_a_faulty_version_is_reported_as_check_does(self):
        self.assert_says('/models has no "n"', "--set", "models.n.path=x", code=EXIT_FAULTY)
        wrong = self.diff(self.a, "--set", "models.m.path=nowhere.onnx", code=EXIT_FAULTY).stderr
        self.assertIn('"path": "nowhere.onnx"', wrong)
        self.assert_says("AB101", "--set", "models.m.pathh=one/twice.onnx", code=EXIT_FAULTY)

    def test_a_comparison_of_nothing_is_a_failure(self):
        self.feed([])
        self.assertIn("there was no record", self.diff(self.a, self.a, "--on", "items", "--max-changed", "1", code=EXIT_STAGE).stdout)
        self.feed([{"id": 1}] * 3)
        self.assertIn("no record got through", self.diff(self.a, self.a, "--on", "items", code=EXIT_STAGE).stdout)

    def test_a_stage_that_stops_is_named_with_its_version_and_record(self):
        self.feed([{"id": "a", "x": 1}, {"id": "b", "x": 990}])
        self.assert_says('--set nodes.check.on_error=stop: stage "check" stopped', "--set", "nodes.check.on_error=stop", "--on", "items",
                         code=EXIT_STAGE)

    def test_an_interrupt_ends_it(self):
        self.feed(self.some_items(300_000))
        run = self.start("diff", self.a, self.a, "--on", "items")
        caught = lambda: int(next(line.split()[1] for line in open(f"/proc/{run.pid}/status") if line.startswith("SigCgt")), 16)
        self.wait_until("it handles SIGINT", 30, lambda: caught() >> (signal.SIGINT - 1) & 1, run)
        run.send(signal.SIGINT)
        self.assertEqual(run.wait(30), EXIT_INTERRUPTED, run.stderr)
        self.assertEqual(run.stdout, "")


if __name__ == "__main__":
    harness.main()
