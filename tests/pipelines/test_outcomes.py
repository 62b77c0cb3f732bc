"""The exit code and message of a run when records fail, when a result is too large, and after an edit of the pipeline."""
import json
import sqlite3

import harness
from harness import EXIT_FAULTY, EXIT_OK, EXIT_STAGE


class Outcomes(harness.PipelineCase):

    def write(self, name="scores", to=None, fields=("n",), nodes=None, **more):
        item = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}, "text": {"type": "string"}}}
        return harness.write_json(self.folder / "topology.json", {
            "anabranch": 1, "name": name, "schemas": {"item": item},
            "sources": {"items": {"file": {"path": "in.jsonl"}, "format": "json", "schema": "item", "key": "position"}},
            "nodes": {**(nodes or {"check": {"kind": "validate", "inputs": ["items"]}}),
                      "out": {"kind": "persist", "inputs": ["check"], "to": to or {"file": {"path": "out.jsonl"}},
                              "fields": list(fields) if not isinstance(fields, dict) else fields}},
            **more})

    def feed(self, items):
        with open(self.folder / "in.jsonl", "w") as lines:
            for item in items:
                lines.write(json.dumps(item) + "\n")

    def run_it(self, *args, code):
        return self.anabranch("run", self.folder / "topology.json", *args, code=code)


class DeadLetters(Outcomes):

    def test_a_run_in_which_no_record_got_through_is_a_failure_that_says_why_and_where_the_letters_are(self):
        self.write()
        self.feed([{"n": "oops"}] * 38 + [{}] * 2)
        run = self.run_it(code=EXIT_STAGE)
        letters = self.folder / ".anabranch" / "scores" / "0" / "dead_letters.jsonl"
        self.assertIn(f"dead letters -> file {letters} (40 records)", run.stderr)
        self.assertTrue(letters.exists())
        self.assertIn('failed in "check": 40 × schema (field "n" is "oops"; wanted an integer)', run.stderr)
        self.assertIn("40 of 40 records became dead letters: no record got through", run.stderr)
        command = run.stderr.splitlines()[-1].split()
        self.assertIn("40", self.anabranch(*command[1:], code=EXIT_OK).stdout)

    def test_max_dead_letters_is_a_number_or_a_share(self):
        self.write()
        for limit, code in (("3", EXIT_OK), ("2", EXIT_STAGE), ("30%", EXIT_OK), ("29.9%", EXIT_STAGE), ("0", EXIT_STAGE)):
            with self.subTest(limit=limit):
                self.feed([{"n": n} for n in range(7)] + [{}] * 3)
                self.run_it("--fresh", "--max-dead-letters", limit, code=code)
        self.run_it("--fresh", code=EXIT_OK)
        self.run_it("--max-dead-letters", "few", code=harness.EXIT_USAGE)
        self.feed([{}] * 3)
        self.run_it("--fresh", code=EXIT_STAGE)
        self.run_it("--fresh", "--max-dead-letters", "100%", code=EXIT_OK)


class Edited(Outcomes):

    def cure(self, run):
        """The command at the end of the message."""
        return run.stderr.strip().split("anabranch run ")[-1].split()

    def test_an_edited_pipeline_with_a_table_names_one_command_that_works(self):
        table = {"sqlite": {"path": "out.db", "table": "scores"}}
        self.feed([{"n": n, "text": f"t{n}"} for n in range(10)])
        self.write(to=table)
        self.run_it(code=EXIT_OK)
        self.write(to=table, fields=["n", "text"])
        self.feed([{"n": n, "text": f"t{n}"} for n in range(20)])
        run = self.run_it(code=EXIT_FAULTY)
        self.assertIn("the topology was edited", run.stderr)
        self.anabranch("run", *self.cure(run), code=EXIT_OK)
        with sqlite3.connect(self.folder / "out.db") as database:
            self.assertEqual(database.execute("SELECT n, text FROM scores ORDER BY n").fetchall(),
                             [(n, f"t{n}") for n in range(20)])

    def test_an_edited_pipeline_with_a_file_names_one_command_that_works(self):
        self.feed([{"n": n, "text": "t"} for n in range(10)])
        self.write()
        self.run_it(code=EXIT_OK)
        self.write(fields=["n", "text"])
        run = self.run_it(code=EXIT_FAULTY)
        self.anabranch("run", *self.cure(run), code=EXIT_OK)
        self.assertEqual(len(harness.read_lines(self.folder / "out.jsonl")), 10)

    def test_a_restart_over_another_input_is_refused_by_its_plan_too(self):
        self.write(nodes={"check": {"kind": "transform", "inputs": ["items"], "set": {"share": "100 % n"},
                                    "on_error": {"record": "stop"}}}, fields=["share"])
        self.feed([{"n": 3}, {"n": 0}, {"n": 5}])
        self.run_it(code=EXIT_STAGE)
        self.feed([{"n": 3}, {"n": 1}, {"n": 5}])
        file = self.folder / "topology.json"
        plan = self.anabranch("restart", file, "--dry-run")
        done = self.anabranch("restart", file, "--yes")
        self.assertEqual((plan.code, done.code), (EXIT_STAGE, EXIT_STAGE))
        for run in (plan.stdout, done.stderr):
            self.assertIn('refused: the input of source "items" is not the one that was read before', run)
        self.anabranch("run", *self.cure(done), code=EXIT_OK)
        self.assertEqual([line.fields for line in harness.read_lines(self.folder / "out.jsonl")],
                         [{"share": 1}, {"share": 0}, {"share": 0}])


class LargeResults(Outcomes):

    def test_a_result_above_the_limit_costs_one_record(self):
        self.write(fields={"n": "n", **{f"f{i}": "text" for i in range(4)}}, limits={"result_bytes": 5000})
        self.feed([{"n": n, "text": "x" * (2000 if n == 3 else 100)} for n in range(10)])
        run = self.run_it(code=EXIT_OK)
        self.assertEqual([line.fields["n"] for line in harness.read_lines(self.folder / "out.jsonl")], [0, 1, 2, 4, 5, 6, 7, 8, 9])
        self.assertRegex(run.stderr, r'failed in "out": 1 × too_large \(its result has \d+ bytes or more; limits.result_bytes is 5000')


if __name__ == "__main__":
    harness.main()
