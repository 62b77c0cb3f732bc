"""What a user reads when something is wrong, without a broker: exit code, message, and that nothing was touched."""
import json
import os
import signal
import sqlite3

import harness
from harness import EXIT_FAULTY, EXIT_OK, EXIT_RETRY, EXIT_USAGE


class Usage(harness.PipelineCase):
    def assert_usage(self, *args, says):
        run = self.anabranch(*args, code=EXIT_USAGE, timeout=10)
        self.assertEqual(run.stdout, "", "talk goes to stderr")
        for text in says:
            self.assertIn(text, run.stderr)

    def test_unknown_words_get_a_suggestion(self):
        self.assert_usage("chekc", "topology.json", says=["chekc", "did you mean", "check"])
        self.assert_usage("run", "topology.json", "--onse", says=["--onse", "did you mean", "--once"])
        self.assert_usage("graph", "topology.json", "--format", "mermiad", says=["mermiad", "mermaid"])
        self.assert_usage("run", says=["FILE"])
        self.assert_usage("run", "topology.json", "--instance", "a/b", says=["--instance", "a/b"])

    def test_help_begins_with_an_example(self):
        for command in ("check", "run", "graph", "explain", "schema", "init", "doctor"):
            run = self.anabranch(command, "--help", code=EXIT_OK, timeout=10)
            self.assertRegex(run.stdout, rf"^Example: anabranch {command}")

    def test_help_and_version_are_commands_too(self):
        self.assertEqual(self.anabranch("help", code=EXIT_OK).stdout, self.anabranch("--help", code=EXIT_OK).stdout)
        self.assertEqual(self.anabranch("help", "dlq", "replay", code=EXIT_OK).stdout,
                         self.anabranch("dlq", "replay", "--help", code=EXIT_OK).stdout)
        self.assertEqual(self.anabranch("version", code=EXIT_OK).stdout, self.anabranch("--version", code=EXIT_OK).stdout)
        self.assert_usage("help", "rnu", says=["rnu", "did you mean", "run"])

    def test_the_log_can_be_json_line_by_line(self):
        topology = harness.copy_example("breast_cancer", self.folder) / "topology.json"
        run = self.anabranch("run", topology, "--log-format", "json", code=EXIT_OK)
        lines = [json.loads(line) for line in run.stderr.splitlines()]
        self.assertTrue(all({"ts", "level", "msg", "topology"} <= set(line) for line in lines))
        self.assertEqual({len(line["ts"]) for line in lines}, {24})
        self.assertEqual({line["topology"] for line in lines}, {"breast-cancer"})
        self.assertIn("190 records read", " ".join(line["msg"] for line in lines))
        self.assertEqual(run.stderr, run.stderr.replace("\x1b", ""))
        by_env = self.anabranch("run", topology, "--fresh", "--new-identity", env={"ANABRANCH_LOG_FORMAT": "json"}, code=EXIT_OK)
        self.assertTrue(all(json.loads(line) for line in by_env.stderr.splitlines()))
        (topology.parent / "predictions.jsonl").unlink()
        run = self.anabranch("run", topology, "--log-format", "json", "--log-level", "error")
        self.assertNotEqual(run.code, EXIT_OK)
        self.assertNotIn('"level":"info"', run.stderr)

    def test_no_colour_in_a_pipe(self):
        run = self.anabranch("check", harness.ROOT / "examples" / "digits" / "topology.json", code=EXIT_OK)
        self.assertNotIn("\x1b", run.stdout + run.stderr)


class Faulty(harness.PipelineCase):
    def setUp(self):
        super().setUp()
        self.dir = harness.copy_example("breast_cancer", self.folder)
        self.topology = self.dir / "topology.json"

    def files(self):
        return sorted(str(path.relative_to(self.dir)) for path in self.dir.rglob("*"))

    def edit(self, old, new):
        text = self.topology.read_text()
        self.assertIn(old, text)
        self.topology.write_text(text.replace(old, new, 1))

    def test_a_faulty_topology_is_refused_before_anything_is_read(self):
        self.edit('"inputs": ["derive"]', '"inputs": ["derived"]')
        self.edit('"method": "weighted_mean"', '"method": "wieghted_mean"')
        before = self.files()
        run = self.anabranch("run", self.topology, code=EXIT_FAULTY, timeout=10)
        for text in ("derived", "derive", "wieghted_mean", "weighted_mean", "topology.json:"):
            self.assertIn(text, run.stderr, "all faults at once, with their place")
        self.assertEqual(self.files(), before)

    def test_check_answers_in_json(self):
        self.edit('"worst_area / mean_area"', '"worst_aera / mean_area"')
        self.edit('"derive": {', '"derive": {\n      "knid": 1,')
        run = self.anabranch("check", self.topology, "--format", "json", code=EXIT_FAULTY, timeout=10)
        answer = json.loads(run.stdout)
        self.assertIs(answer["ok"], False)
        self.assertEqual(set(answer), {"ok", "faults"})
        lines = self.topology.read_text().splitlines()
        for fault in answer["faults"]:
            self.assertLessEqual({"code", "severity", "message", "file", "line", "column", "pointer"}, set(fault))
            self.assertIn(fault["severity"], ("error", "warning"))
            self.assertEqual(os.path.basename(fault["file"]), "topology.json")
            self.assertLessEqual(fault["column"], len(lines[fault["line"] - 1]) + 1)
        column = next(fault for fault in answer["faults"] if "worst_aera" in fault["message"])
        self.assertEqual((column["node"], column["pointer"]), ("derive", "/nodes/derive/set/area_ratio"))
        self.assertIn("worst_aera", lines[column["line"] - 1])
        self.assertIn('worst_area', column["hint"])
        key = next(fault for fault in answer["faults"] if "knid" in fault["message"])
        self.assertIn('"knid"', lines[key["line"] - 1])
        self.assertIn("kind", key["hint"])
        sound = self.anabranch("check", harness.ROOT / "examples" / "digits" / "topology.json", "--format", "json", code=EXIT_OK)
        self.assertEqual(json.loads(sound.stdout), {"ok": True, "faults": []})

    def test_a_cycle_is_named_with_its_closed_chain(self):
        self.edit('"inputs": ["check"]', '"inputs": ["check", "score"]')
        run = self.anabranch("check", self.topology, "--format", "json", code=EXIT_FAULTY, timeout=10)
        cycles = [fault["message"] for fault in json.loads(run.stdout)["faults"] if " -> " in fault["message"]]
        self.assertEqual(len(cycles), 1, cycles)
        self.assertRegex(cycles[0], r"(derive|score|logistic|forest|boosting)( -> \w+)+")

    def test_a_model_that_is_gone_or_another_one_is_refused(self):
        self.anabranch("check", self.topology, code=EXIT_OK)
        model = self.dir / "models" / "forest.onnx"
        kept = model.read_bytes()
        model.unlink()
        run = self.anabranch("run", self.topology, code=EXIT_FAULTY, timeout=20)
        self.assertIn("forest.onnx", run.stderr)
        model.write_bytes(kept + b"\0")
        run = self.anabranch("run", self.topology, code=EXIT_FAULTY, timeout=20)
        self.assertIn("sha256", run.stderr.lower())
        model.write_bytes(b"no model at all")
        self.anabranch("run", self.topology, code=EXIT_FAULTY, timeout=20)
        self.assertFalse((self.dir / "predictions.jsonl").exists())
        model.write_bytes(kept)
        self.anabranch("run", self.topology, code=EXIT_OK)

    def test_a_file_that_is_not_ours_is_never_overwritten(self):
        output = self.dir / "predictions.jsonl"
        output.write_text("somebody else's\n")
        run = self.anabranch("run", self.topology, code=EXIT_FAULTY, timeout=20)
        self.assertIn("predictions.jsonl", run.stderr)
        self.assertRegex(run.stderr, "move|remove|another", "names the cure")
        self.assertEqual(output.read_text(), "somebody else's\n")
        self.anabranch("run", self.topology, "--fresh", "--new-identity", code=EXIT_FAULTY, timeout=20)
        self.assertEqual(output.read_text(), "somebody else's\n")
        output.unlink()
        self.anabranch("run", self.topology, code=EXIT_OK)
        self.assertEqual(len(harness.read_lines(output)), 190)

    def test_a_table_that_is_not_ours_is_never_written(self):
        with sqlite3.connect(self.dir / "predictions.db") as db:
            db.execute("CREATE TABLE predictions(id TEXT PRIMARY KEY, key TEXT, mine TEXT)")
            db.execute("INSERT INTO predictions VALUES ('a', 'b', 'c')")
        db.close()
        run = self.anabranch("run", self.topology, code=EXIT_FAULTY, timeout=20)
        self.assertIn("predictions", run.stderr)
        with sqlite3.connect(self.dir / "predictions.db") as db:
            self.assertEqual(db.execute("SELECT * FROM predictions").fetchall(), [("a", "b", "c")])
        db.close()

    def test_a_missing_input_is_named(self):
        (self.dir / "cases.jsonl").unlink()
        run = self.anabranch("run", self.topology, timeout=20)
        self.assertIn(run.code, (harness.EXIT_UNAVAILABLE, EXIT_FAULTY))
        self.assertIn("cases.jsonl", run.stderr)
        self.assertFalse((self.dir / "predictions.jsonl").exists())


class State(harness.PipelineCase):
    def setUp(self):
        super().setUp()
        self.dir = harness.copy_example("digits", self.folder)
        self.topology = self.dir / "topology.json"

    def test_a_second_process_is_told_who_owns_the_state(self):
        first = self.start("run", self.topology, env={"ANABRANCH_FAULT": "epoch.committed@1=stop"})
        self.wait_until("the first process to stop itself", 30, first.stopped, first)
        second = self.anabranch("run", self.topology, code=EXIT_RETRY, timeout=20)
        self.assertIn(str(first.pid), second.stderr)
        self.assertIn("--instance", second.stderr)
        first.send(signal.SIGCONT)
        self.assertEqual(first.wait(60), EXIT_OK)
        cases = (self.dir / "cases.jsonl").read_bytes().splitlines()
        self.assertEqual(len(harness.read_lines(self.dir / "predictions.jsonl")), len(cases))

    def test_another_file_of_the_same_name_is_refused(self):
        self.anabranch("run", self.topology, code=EXIT_OK)
        other = self.dir / "other.json"
        other.write_text(self.topology.read_text())
        before = (self.dir / "predictions.jsonl").read_bytes()
        run = self.anabranch("run", other, code=EXIT_FAULTY, timeout=20)
        self.assertIn("topology.json", run.stderr, "names the file that owns the name")
        self.assertEqual((self.dir / "predictions.jsonl").read_bytes(), before)

    def test_a_state_folder_that_cannot_be_made_is_named(self):
        blocked = self.dir / "blocked"
        blocked.write_text("a file")
        run = self.anabranch("run", self.topology, "--state-dir", blocked / "state", timeout=20)
        self.assertEqual(run.code, harness.EXIT_UNAVAILABLE)
        self.assertIn("blocked", run.stderr)
        self.assertIn("--state-dir", run.stderr)


if __name__ == "__main__":
    harness.main()
