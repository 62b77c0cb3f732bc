"""The state folder and the files beside it: lost, damaged, moved, or touched by somebody else. Nothing is lost in silence,
and every cure that is printed works."""
import json
import sqlite3
import subprocess

import harness
from harness import EXIT_FAULTY, EXIT_OK

EXIT_INTERNAL = 70

TOPOLOGY = {
    "anabranch": 1, "name": "state",
    "schemas": {"s": {"type": "object", "properties": {"x": {"type": "number"}}}},
    "sources": {"in": {"file": {"path": "in.jsonl"}, "schema": "s", "key": "position"}},
    "nodes": {
        "twice": {"kind": "transform", "inputs": ["in"], "set": {"y": "x * 2"}},
        "out": {"kind": "persist", "inputs": ["twice"], "to": {"file": {"path": "out.jsonl"}}, "fields": ["y"]},
        "rows": {"kind": "persist", "inputs": ["twice"], "to": {"sqlite": {"path": "out.db", "table": "rows"}}, "fields": ["y"]},
    },
}


class State(harness.PipelineCase):
    def setUp(self):
        super().setUp()
        self.project = self.folder / "project"
        self.make()

    def make(self, *without):
        self.project.mkdir(exist_ok=True)
        topology = json.loads(json.dumps(TOPOLOGY))
        for node in without:
            del topology["nodes"][node]
        (self.project / "state.json").write_text(json.dumps(topology))
        (self.project / "in.jsonl").write_text("")
        self.add(1, 2, 3)

    def add(self, *numbers, end="\n"):
        with open(self.project / "in.jsonl", "a") as file:
            file.write("\n".join(json.dumps({"x": n}) for n in numbers) + end)

    def run_it(self, *flags, code=EXIT_OK):
        return self.anabranch("run", self.project / "state.json", *flags, code=code, timeout=30)

    def lines(self):
        return [json.loads(line)["value"]["y"] for line in (self.project / "out.jsonl").read_text().splitlines()]

    def rows(self):
        with sqlite3.connect(self.project / "out.db") as db:
            return [y for y, in db.execute("SELECT y FROM rows ORDER BY rowid")]

    def state(self):
        return self.project / ".anabranch" / "state" / "0"

    def cure(self, run, begin):
        """Runs the command at the end of a message."""
        command = run.stderr.strip().splitlines()[-1]
        command = command[command.index(begin):]
        subprocess.run(["sh", "-c", command], check=True, cwd=self.project)

    def test_a_project_folder_can_be_moved_as_a_whole(self):
        self.run_it()
        self.project = self.project.rename(self.folder / "elsewhere")
        self.add(4)
        self.run_it()
        self.assertEqual((self.lines(), self.rows()), ([2, 4, 6, 8], [2, 4, 6, 8]))

    def test_a_result_that_was_deleted_is_missed_by_a_finished_run(self):
        self.run_it()
        for name, without in (("out.jsonl", "rows"), ("out.db", "out")):
            (self.project / name).rename(self.project / "aside")
            run = self.run_it(code=EXIT_FAULTY)
            self.assertIn(f"{name} is gone", run.stderr)
            (self.project / "aside").rename(self.project / name)  # the first cure
            self.assertIn("has not changed", self.run_it().stderr)
        (self.project / "out.jsonl").unlink()
        self.run_it("--fresh", "--new-identity")  # the second
        self.assertEqual(self.lines(), [2, 4, 6])

    def test_lines_of_somebody_else_at_the_end_of_a_result_file_are_kept(self):
        self.run_it()
        with open(self.project / "out.jsonl", "a") as file:
            file.write("a note of mine\n")
        self.add(4)
        run = self.run_it(code=EXIT_FAULTY)
        self.assertIn("has 15 bytes behind", run.stderr)
        self.cure(run, "tail -c")
        self.run_it()
        self.assertEqual(self.lines(), [2, 4, 6, 8])
        self.assertEqual((self.project / "out.jsonl.foreign").read_text(), "a note of mine\n")

    def test_a_last_line_that_is_half_written_waits_for_its_end(self):
        with open(self.project / "in.jsonl", "a") as file:
            file.write('{"x": 1')
        run = self.run_it()
        self.assertIn("is not complete", run.stderr)
        self.assertEqual(self.lines(), [2, 4, 6])
        with open(self.project / "in.jsonl", "a") as file:
            file.write('0}\n{"x": 5}')
        self.run_it()
        self.assertEqual((self.lines(), self.rows()), ([2, 4, 6, 20, 10], [2, 4, 6, 20, 10]))

    def test_a_ledger_that_is_gone_or_damaged_stops_every_command_and_the_cure_goes_on(self):
        self.make("out")
        self.run_it()
        expected = [2, 4, 6]
        for round, harm in enumerate((self.delete_ledger, self.damage_ledger)):
            harm()
            self.add(10 + round)
            expected.append(2 * (10 + round))
            run = self.run_it(code=EXIT_INTERNAL)
            self.assertIn("--new-ledger", run.stderr)
            self.assertEqual(self.rows(), expected[:-1])
            self.run_it("--new-ledger")
            self.assertEqual(self.rows(), expected)
            self.assertTrue(self.state().with_name(f"0.archived-{round + 1}").exists())
        self.assertIn("leave --new-ledger out", self.run_it("--new-ledger", code=EXIT_FAULTY).stderr)

    def delete_ledger(self):
        for file in self.state().glob("ledger.db*"):
            file.unlink()

    def damage_ledger(self):
        with sqlite3.connect(self.state() / "ledger.db") as db:
            db.execute("UPDATE fact SET value = 'gone' WHERE name = 'state'")

    def test_a_new_ledger_keeps_the_identity_of_the_old_one(self):
        self.make("out")
        self.run_it()
        self.run_it("--fresh", "--new-identity")
        self.delete_ledger()
        self.add(4)
        self.run_it("--new-ledger")
        self.assertEqual((self.state() / "generation").read_text(), "1\n")
        with sqlite3.connect(self.project / "out.db") as db:
            names = {name for name, in db.execute("SELECT DISTINCT topology FROM anabranch_progress")}
        self.assertEqual(names & {"state.g1"}, {"state.g1"})
        self.assertEqual(len(self.rows()), len(set(self.rows())), "nothing twice")

    def test_a_new_ledger_never_takes_a_result_file_over(self):
        self.run_it()
        self.delete_ledger()
        run = self.run_it("--new-ledger", code=EXIT_FAULTY)
        self.assertIn("move it away", run.stderr)
        (self.project / "out.jsonl").rename(self.project / "old.jsonl")
        self.run_it()
        self.assertEqual((self.lines(), self.rows()), ([2, 4, 6], [2, 4, 6]))


if __name__ == "__main__":
    harness.main()
