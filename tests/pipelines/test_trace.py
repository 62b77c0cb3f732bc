"""trace: one record again, in memory, with every column as it was made; from files."""
import json
import math

import harness
from harness import EXIT_FAULTY, EXIT_OK, EXIT_STAGE, EXIT_USAGE
from test_examples import TOLERANCE, expected_rows


class TraceCase(harness.PipelineCase):
    def text(self, *args, code=EXIT_OK, **settings):
        return self.anabranch("trace", self.topology, *args, code=code, **settings)

    def trace(self, *args, **settings):
        return json.loads(self.text(*args, "--format", "json", **settings).stdout)

    @staticmethod
    def stages(trace):
        return {stage["name"]: stage for stage in trace["stages"]}

    @staticmethod
    def columns(trace):
        return {name: value for stage in trace["stages"] for name, value in stage.get("columns", {}).items()}


class BreastCancer(TraceCase):
    def setUp(self):
        super().setUp()
        self.dir = harness.copy_example("breast_cancer", self.folder)
        self.topology = self.dir / "topology.json"
        self.records = [json.loads(line) for line in (self.dir / "cases.jsonl").read_text().splitlines()]

    def test_shows_the_values_of_scikit_learn(self):
        expected = expected_rows("breast_cancer")
        for number in (1, 12, 190):
            with self.subTest(number):
                trace = self.trace(f"cases#{number}")
                record, row = self.records[number - 1], expected[number - 1]
                self.assertEqual(json.loads(trace["value"]), record)
                columns = self.columns(trace)
                for name in ("p_logistic", "p_forest", "p_boosting", "p_malignant"):
                    self.assertLessEqual(abs(columns[name] - float(row[name])), TOLERANCE, name)
                # The derived features, as train.py makes them for scikit-learn.
                self.assertEqual(columns["area_ratio"], record["worst_area"] / record["mean_area"])
                self.assertTrue(math.isclose(columns["shape_index"],
                                             record["mean_perimeter"] ** 2 / (4 * math.pi * record["mean_area"]),
                                             rel_tol=1e-15))
                self.assertEqual({name: columns[name] for name in record}, record)
        self.assertEqual([path.name for path in self.dir.iterdir() if path.name.startswith(("predictions", ".ana"))], [])

    def test_gives_what_the_run_wrote_for_the_id_of_a_result(self):
        self.anabranch("run", self.topology, code=EXIT_OK)
        lines = harness.read_lines(self.dir / "predictions.jsonl")
        state = self.files()
        for line in (lines[0], lines[77]):
            trace = self.trace(line.id)
            self.assertEqual(trace["id"], line.id.rsplit("/", 1)[0])
            rows = self.stages(trace)["out"]["rows"]
            written = json.loads(rows[0]["value"])
            self.assertEqual((written["id"], written["key"], len(rows)), (line.id, line.key, 1))
            self.assertIn(line.value.decode(), rows[0]["value"])
        self.assertEqual(state, self.files(), "a trace changes no file")

    def files(self):
        """All but those that readers of a ledger make beside it."""
        return sorted((str(path), path.stat().st_mtime_ns) for path in self.dir.rglob("*")
                      if path.is_file() and not path.name.endswith(("-shm", "-wal")))

    def test_names_stages_models_and_expressions_for_people(self):
        shown = self.text("cases/0/0").stdout
        self.assertRegex(shown, r"(?m)^derive +transform +ok\n  area_ratio = 2\.01698\d+   worst_area / mean_area$")
        self.assertRegex(shown, r"(?m)^forest +infer +ok +forest@1, sha256 67e66cda4f41\n  p_forest = 0\.97999")
        self.assertRegex(shown, r"(?m)^  worst_is_not_smaller: true   worst_radius >= mean_radius && .*worst_radius = 25\.38")
        self.assertRegex(shown, r"(?m)^out +persist +ok +file .*predictions\.jsonl\n  key: case-0000\n  value: \{\"p_log")

    def test_says_that_a_model_is_another_one_than_that_of_the_letter(self):
        broken = {**self.records[3], "worst_radius": 0.5}
        with open(self.dir / "cases.jsonl", "a") as file:
            file.write(json.dumps(broken) + "\n")
        self.anabranch("run", self.topology, code=EXIT_OK)
        trace = self.trace("cases#191")
        self.assertEqual((trace["past"]["same_topology"], trace["past"]["same_models"]), (True, True))
        self.assertEqual([f["verdict"] for f in self.stages(trace)["check"]["findings"]], ["true", "false"])
        topology = harness.load_topology(self.topology)
        topology["models"]["forest"]["version"] = "2"
        harness.write_json(self.topology, topology)
        changed = self.trace("cases#191")
        self.assertEqual((changed["past"]["same_topology"], changed["past"]["same_models"]), (False, False))
        self.assertIn(f"this record failed in {trace['topology']} with logistic@1,forest@1,boosting@1; this file is "
                      f"{changed['topology']} with logistic@1,forest@2,boosting@1: the values below may differ",
                      self.text("cases#191").stdout)

    def test_a_faulty_id_is_refused_with_what_helps(self):
        second = len((self.dir / "cases.jsonl").read_bytes().splitlines(keepends=True)[0])
        run = self.text(f"file:cases/0/{second + 3}", code=EXIT_STAGE)
        self.assertIn(f"Record 2 begins at byte {second}: file:cases/0/{second}", run.stderr)
        self.assertIn("190", self.text("cases#191", code=EXIT_STAGE).stderr)
        self.assertIn('"cases"', self.text("payments/0/82", code=EXIT_STAGE).stderr)
        self.assertIn("names no record", self.text("payments", code=EXIT_USAGE).stderr)
        self.assertIn("names no record", self.text("cases/0/-1", code=EXIT_USAGE).stderr)
        self.assertIn("which record", self.text(code=EXIT_USAGE).stderr)


class Letters(TraceCase):
    """Records that fail, and what becomes of them."""

    def setUp(self):
        super().setUp()
        self.topology = self.folder / "t.json"
        self.input = self.folder / "in.jsonl"
        values = [{"id": "a", "n": 1}, {"id": "b", "n": 200}, {"id": "c"}, {"id": "d", "n": 0}]
        self.input.write_text("".join(json.dumps(value) + "\n" for value in values) + "{broken\n")
        self.write()

    def write(self, **nodes):
        schema = {"type": "object", "required": ["id", "n"],
                  "properties": {"id": {"type": "string"}, "n": {"type": "integer"}}}
        harness.write_json(self.topology, {
            "anabranch": 1, "name": "letters", "schemas": {"s": schema},
            "sources": {"in": {"file": {"path": "in.jsonl"}, "schema": "s", "key": {"field": "id"}}},
            "nodes": {
                "check": {"kind": "validate", "inputs": ["in"], "rules": {"positive": "n >= 0", "small": "n < 100"}},
                "make": {"kind": "transform", "inputs": ["check"], "set": {"twice": "2 * n"}, "when": "n > 0"},
                "keep": {"kind": "transform", "inputs": ["make"], "where": "n != 0"},
                "out": {"kind": "persist", "inputs": ["keep"], "to": {"file": {"path": "out.jsonl"}}, "fields": ["twice"]},
                **nodes}})

    def outcomes(self, trace):
        return [(stage["name"], stage["outcome"]) for stage in trace["stages"]]

    def run_it(self):
        self.anabranch("run", self.topology, "--max-dead-letters", "9", code=EXIT_OK)

    def test_shows_the_rule_that_failed_and_every_other_one(self):
        self.run_it()
        trace = self.trace("in#2")
        check = self.stages(trace)["check"]
        self.assertEqual([(f["name"], f["verdict"]) for f in check["findings"]],
                         [("schema", "true"), ("positive", "true"), ("small", "false")])
        self.assertEqual((check["outcome"], check["code"]), ("failed", "rule"))
        self.assertEqual(self.outcomes(trace)[2:], [("make", "absent"), ("keep", "absent"), ("out", "absent")])
        self.assertEqual([letter["code"] for letter in trace["letters"]], ["rule"])
        self.assertEqual(len(trace["dead_letters"]), 1)
        shown = self.text(trace["id"]).stdout
        self.assertRegex(shown, r'(?m)^letter +it failed in validate "check" at 20\d\d-.*rule "small" is not true')
        self.assertRegex(shown, r"(?m)^this record failed in this topology")
        self.assertRegex(shown, r"(?m)^  small: false   n < 100 \(n = 200\)$")
        self.assertRegex(shown, r"(?m)^make +transform +absent +the record left the stream above$")

    def test_shows_what_was_skipped_and_filtered_and_why(self):
        trace = self.trace("in#4")
        self.assertEqual(self.outcomes(trace), [("in", "ok"), ("check", "ok"), ("make", "skipped"),
                                                ("keep", "filtered"), ("out", "absent")])
        shown = self.text("in#4").stdout
        self.assertRegex(shown, r'(?m)^make +transform +skipped +"when" is not true: n > 0$')
        self.assertRegex(shown, r"(?m)^keep +transform +filtered .*\n  where   n != 0$")

    def test_a_record_that_fails_the_schema_is_not_judged_by_rules(self):
        check = self.stages(self.trace("in#3"))["check"]
        self.assertEqual([(f["name"], f["verdict"]) for f in check["findings"]],
                         [("schema", "false"), ("positive", ""), ("small", "")])
        self.assertIn('"n" is missing', check["findings"][0]["text"])
        self.assertEqual(self.stages(self.trace("in#5"))["in"]["code"], "json")

    def test_says_that_the_topology_is_another_one_than_that_of_the_letter(self):
        self.run_it()
        before = self.trace("in#2")
        self.assertEqual((before["past"]["same_topology"], before["past"]["topology"]), (True, before["topology"]))
        self.write(check={"kind": "validate", "inputs": ["in"], "rules": {"small": "n < 1000"}})
        after = self.trace("in#2")
        self.assertEqual((after["past"]["same_topology"], after["past"]["topology"]), (False, before["topology"]))
        self.assertEqual(self.columns(after)["twice"], 400)
        self.assertIn(f"this record failed in {before['topology']}; this file is {after['topology']}: the values below "
                      "may differ from those of then", self.text("in#2").stdout)

    def test_a_record_that_its_source_lost_comes_from_its_letter(self):
        self.run_it()
        first = self.trace("in#2")
        self.input.write_text('{"id": "a", "n": 1}\n')
        second = self.trace(first["id"])
        self.assertEqual((second["copy"], second["value"]), (True, first["value"]))
        self.assertEqual(self.outcomes(second), self.outcomes(first))
        self.assertIn("no record begins at byte", self.text(first["id"]).stdout)
        self.assertIn("Record 1 begins at byte 0", self.text("in/0/9999", code=EXIT_STAGE).stderr)

    def test_dead_letter_is_the_copy_on_demand(self):
        self.run_it()
        self.assertTrue(self.trace("in#2", "--dead-letter")["copy"])
        run = self.text("in#1", "--dead-letter", code=EXIT_STAGE)
        self.assertIn("anabranch dlq ls", run.stderr)

    def test_what_a_stopped_stage_had_is_shown(self):
        self.write(make={"kind": "transform", "inputs": ["check"], "set": {"twice": "100 % n"}, "on_error": "stop"})
        trace = self.trace("in#4")
        self.assertEqual(self.outcomes(trace), [("in", "ok"), ("check", "ok"), ("make", "stopped"),
                                                ("keep", "not_run"), ("out", "not_run")])
        self.assertEqual(self.columns(trace), {"id": "d", "n": 0})
        self.assertEqual(trace["stopped"], "make")
        self.assertIn("division by zero", self.stages(trace)["make"]["message"])

    def test_text_from_outside_is_printable(self):
        self.input.write_text('{"id": "\\u001b[2J\\u202e", "n": 1}\n')
        shown = self.text("in#1").stdout
        self.assertNotIn("\x1b", shown)
        self.assertNotIn("\u202e", shown)

    def test_a_faulty_topology_is_refused(self):
        self.topology.write_text("{")
        self.text("in#1", code=EXIT_FAULTY)


if __name__ == "__main__":
    harness.main()
