"""Models as users bring them: with weights in other files, random, endless, or not models at all."""
import hashlib
import json
import shutil
import signal
import sqlite3

import harness
from harness import EXIT_FAULTY, EXIT_OK, EXIT_STAGE

ODD = harness.ROOT / "tests" / "models" / "odd"


class ModelCase(harness.PipelineCase):
    """Numbers x from a file through one model, y = Y[0], into out.jsonl."""

    def lay(self, model, numbers=(1, 2, 3), nodes=None, features=("x",), **entry):
        for path in ODD.glob(f"{model}*"):
            shutil.copy(path, self.folder)
        name = model if "." in model else f"{model}.onnx"
        (self.folder / "in.jsonl").write_text("".join(json.dumps({"x": x}) + "\n" for x in numbers))
        topology = {
            "anabranch": 1, "name": "models",
            "schemas": {"number": {"type": "object", "required": ["x"], "properties": {"x": {"type": "number"}}}},
            "models": {"m": {"path": name, **entry}},
            "sources": {"numbers": {"file": {"path": "in.jsonl"}, "schema": "number", "key": "position"}},
            "nodes": {
                "score": {"kind": "infer", "inputs": ["numbers"], "model": "m", "features": list(features), "outputs": {"y": "Y[0]"}},
                "out": {"kind": "persist", "inputs": ["score"], "to": {"file": {"path": "out.jsonl"}}, "fields": ["x", "y"]},
            },
            "batch": {"max_rows": 16},
        }
        topology["nodes"].update(nodes or {})
        self.topology = topology
        self.file = harness.write_json(self.folder / "topology.json", topology)

    def edit(self, **entry):
        self.topology["models"]["m"].update(entry)
        harness.write_json(self.file, self.topology)

    def results(self):
        fields = [line.fields for line in harness.read_lines(self.folder / "out.jsonl")]
        return [(each["x"], each["y"]) for each in fields]


class DataFiles(ModelCase):
    def test_weights_beside_the_model_are_used_and_are_part_of_it(self):
        self.lay("twice")
        shown = json.loads(self.anabranch("model", "inspect", self.folder / "twice.onnx", "--format", "json", code=EXIT_OK).stdout)
        self.assertEqual(shown["data"], [{"location": "twice.onnx.data", "bytes": 4}])
        self.assertIsNone(shown["version"])
        digests = [hashlib.sha256((self.folder / name).read_bytes()).hexdigest() for name in ("twice.onnx", "twice.onnx.data")]
        self.assertEqual(shown["sha256"], hashlib.sha256("".join(d + "\n" for d in digests).encode()).hexdigest())
        self.edit(sha256=shown["sha256"])
        self.anabranch("run", self.file, "--once", code=EXIT_OK)
        self.assertEqual(self.results(), [(1, 2), (2, 4), (3, 6)])

        (self.folder / "twice.onnx.data").write_bytes(b"\0\0\x40\x40")  # 3.0
        run = self.anabranch("check", self.file, code=EXIT_FAULTY)
        self.assertIn("AB405", run.stdout + run.stderr, "other weights are another model")

    def test_a_data_file_that_is_missing_is_named(self):
        self.lay("twice")
        (self.folder / "twice.onnx.data").unlink()
        run = self.anabranch("check", self.file, code=EXIT_FAULTY)
        self.assertIn("twice.onnx.data", run.stdout + run.stderr)
        shutil.copy(ODD / "twice.onnx.data", self.folder)
        self.anabranch("check", self.file, code=EXIT_OK)


class Random(ModelCase):
    def test_a_random_model_is_refused_until_it_is_allowed(self):
        self.lay("noisy")
        run = self.anabranch("check", self.file, code=EXIT_FAULTY)
        for text in ("AB406", "RandomNormalLike", '"nondeterministic": true'):
            self.assertIn(text, run.stdout + run.stderr)
        self.edit(nondeterministic=True)
        self.assertIn("always kept", self.anabranch("explain", self.file, code=EXIT_OK).stdout)
        self.anabranch("run", self.file, "--once", code=EXIT_OK)
        self.assertEqual([x for x, _ in self.results()], [1, 2, 3])

    def test_two_targets_agree_after_a_kill_between_their_commits(self):
        self.lay("noisy", range(64), nondeterministic=True, nodes={
            "table": {"kind": "persist", "inputs": ["score"], "to": {"sqlite": {"path": "out.db", "table": "t"}}, "fields": ["x", "y"]}})
        self.topology["epoch"] = {"max_rows": 16}
        self.edit()
        run = self.anabranch("run", self.file, "--once", "--workers", 1, env={"ANABRANCH_FAULT": "sqlite.committed@2=kill"})
        self.assertEqual(run.code, -signal.SIGKILL)
        with sqlite3.connect(self.folder / "out.db") as table:
            before = dict(table.execute("select x, y from t"))
        self.assertGreater(len(before), len(self.results()), "the kill came between the two")
        self.anabranch("run", self.file, "--once", "--workers", 1, code=EXIT_OK)
        with sqlite3.connect(self.folder / "out.db") as table:
            after = dict(table.execute("select x, y from t"))
        table.close()
        written = dict(self.results())
        self.assertEqual(len(written), 64)
        self.assertEqual({x: y for x, y in after.items() if x in before}, before)
        for x, y in after.items():
            self.assertAlmostEqual(written[x], y, places=5)


class Endless(ModelCase):
    def test_a_model_that_never_ends_its_first_call_stops_the_start(self):
        self.lay("endless", warmup_timeout_ms=1000)
        run = self.anabranch("run", self.file, "--once", code=EXIT_STAGE, timeout=30)
        self.assertIn("warmup_timeout_ms", run.stderr)

    def test_a_stop_during_such_a_call_is_obeyed(self):
        self.lay("endless", warmup_timeout_ms=2000)
        run = self.start("run", self.file)
        self.wait_until("the model is called", 10, lambda: run.running() and run.seconds > 0.7, run)
        run.process.send_signal(signal.SIGTERM)
        run.wait(20)
        self.assertIsNotNone(run.code)

    def test_a_record_that_the_model_never_finishes_costs_one_record(self):
        numbers = [100 if i == 21 else i for i in range(40)]
        self.lay("loops_for_99", numbers, call_timeout_ms=400)
        run = self.anabranch("run", self.file, "--once", "--workers", 1, code=EXIT_OK, timeout=30)
        self.assertEqual(self.results(), [(x, x) for x in numbers if x != 100], run)
        letters = self.anabranch("dlq", "ls", self.file, code=EXIT_OK).stdout
        self.assertIn("timeout", letters)

    def assert_rows_are_kept(self, numbers, *texts):
        run = self.anabranch("run", self.file, "--once", "--workers", 1, code=EXIT_STAGE, timeout=30)
        for text in (*texts, "anabranch restart"):
            self.assertIn(text, run.stderr)
        for path in ODD.glob("twice*"):
            shutil.copy(path, self.folder)
        self.edit(path="twice.onnx")
        self.anabranch("restart", self.file, "--yes", "--once", code=EXIT_OK)
        self.assertEqual([x for x, _ in self.results()], numbers)

    def test_more_of_them_stop_the_stage_and_nothing_is_lost(self):
        numbers = [100 if 20 <= i < 30 else i for i in range(40)]
        self.lay("loops_for_99", numbers, call_timeout_ms=300)
        self.assert_rows_are_kept(numbers, "call_timeout_ms")

    def test_an_operator_that_cannot_be_ended_ends_the_process_and_nothing_is_lost(self):
        numbers = [100 if i == 21 else i for i in range(40)]
        self.lay("stubborn_for_99", numbers, call_timeout_ms=300)
        self.assert_rows_are_kept(numbers, "a call did not return within its time limit")

    def test_such_an_operator_in_the_first_call_ends_the_start(self):
        self.lay("stubborn", warmup_timeout_ms=300)
        run = self.anabranch("run", self.file, "--once", code=EXIT_STAGE, timeout=30)
        self.assertIn("warmup_timeout_ms", run.stderr)


class Foreign(ModelCase):
    def assert_refused(self, model, *texts):
        self.lay(model)
        run = self.anabranch("check", self.file, code=EXIT_FAULTY)
        for text in texts:
            self.assertIn(text, run.stdout + run.stderr)

    def test_each_refusal_names_what_to_change(self):
        self.assert_refused("float64_zipmap", 'options={"zipmap": False}', "astype(numpy.float32)")
        self.assert_refused("newer", "IR version: 99", "model.ir_version = ")
        self.assert_refused("classifier.pkl", "is a Python pickle", "skl2onnx.to_onnx")
        self.assert_refused("dict_vectorizer", "map<string, float32>", "OneHotEncoder")


class Notes(ModelCase):
    def test_a_rule_that_is_a_note_is_not_enforced_and_is_said_to_be_one(self):
        rules = {"x-never": "x < 0", "$comment": "prices"}
        self.lay("twice", nodes={"check": {"kind": "validate", "inputs": ["numbers"], "rules": rules}})
        self.topology["nodes"]["score"]["inputs"] = ["check"]
        self.edit()
        run = self.anabranch("check", self.file, code=EXIT_OK)
        self.assertIn('"x-never" in "rules" of node "check" has no effect', run.stdout + run.stderr)
        self.anabranch("run", self.file, "--once", code=EXIT_OK)
        self.assertEqual(self.results(), [(1, 2), (2, 4), (3, 6)])


if __name__ == "__main__":
    harness.main()
