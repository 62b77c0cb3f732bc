"""The examples on their real data, from file to file and SQLite."""
import csv
import json
import os
import shutil
import signal
import sqlite3
import struct

import harness
from harness import EXIT_FAULTY, EXIT_OK

TOLERANCE = 1e-5


def expected_rows(example):
    with open(harness.ROOT / "examples" / example / "expected.csv", newline="") as file:
        return list(csv.DictReader(file))


def sqlite_rows(path):
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10) as db:
        db.row_factory = sqlite3.Row
        return {row["key"]: dict(row) for row in db.execute("SELECT * FROM predictions")}


def as_float32(fields):
    """A file has the shortest text of a float32, SQLite its exact value as float64."""
    return {name: struct.pack("f", value) for name, value in fields.items()}


class Files(harness.PipelineCase):
    def test_examples_and_templates_are_strict_json(self):
        files = [*harness.ROOT.glob("examples/*/*.json"), *harness.ROOT.glob("topologies/templates/*.json")]
        self.assertGreaterEqual(len(files), 9)
        for file in files:
            with self.subTest(file.name):
                json.loads(file.read_text())


class ExampleCase(harness.PipelineCase):
    example = "breast_cancer"

    def setUp(self):
        super().setUp()
        self.dir = harness.copy_example(self.example, self.folder)
        self.topology = self.dir / "topology.json"
        self.input = self.dir / "cases.jsonl"
        self.output = self.dir / "predictions.jsonl"
        self.database = self.dir / "predictions.db"

    def rewrite(self, change):
        topology = harness.load_topology(self.topology)
        change(topology)
        harness.write_json(self.topology, topology)

    def input_ids(self):
        return [json.loads(line)["id"] for line in self.input.read_text().splitlines()]

    def run_it(self, *args, code=EXIT_OK, timeout=60):
        return self.anabranch("run", self.topology, *args, code=code, timeout=timeout)

    def assert_each_key_once_in_order(self, lines):
        self.assertEqual([line.key for line in lines], self.input_ids())

    def assert_ids_are_positions(self, lines, source, node):
        offset = 0
        for line, raw in zip(lines, self.input.read_bytes().splitlines(keepends=True)):
            self.assertEqual(line.id, f"file:{source}/0/{offset}/{node}")
            offset += len(raw)


class BreastCancer(ExampleCase):
    def test_probabilities_are_those_of_scikit_learn(self):
        self.anabranch("check", self.topology, code=EXIT_OK)
        self.run_it()
        lines = harness.read_lines(self.output)
        self.assert_each_key_once_in_order(lines)
        self.assert_ids_are_positions(lines, "cases", "out")
        expected = expected_rows(self.example)
        self.assertEqual(len(lines), 190)
        self.assertEqual([row["id"] for row in expected], [line.key for line in lines])
        for line, row in zip(lines, expected):
            self.assertEqual(set(line.fields), {"p_logistic", "p_forest", "p_boosting", "p_malignant"})
            for column, value in line.fields.items():
                self.assertLessEqual(abs(value - float(row[column])), TOLERANCE, f"{line.key} {column}")
        for dead in self.dir.rglob("dead_letters.jsonl"):
            self.assertEqual(dead.read_bytes(), b"", "nothing was to be dead-lettered")

    def test_sqlite_rows_are_those_of_the_file(self):
        self.run_it()
        lines = harness.read_lines(self.output)
        rows = sqlite_rows(self.database)
        self.assertEqual(len(rows), len(lines))
        for line in lines:
            row = rows[line.key]
            self.assertEqual(as_float32({name: row[name] for name in line.fields}), as_float32(line.fields))
            self.assertEqual(row["p_malignant"], line.fields["p_malignant"])
            self.assertEqual(row["id"], line.id.rsplit("/", 1)[0] + "/keep")

    def test_second_run_is_a_no_op(self):
        self.run_it()
        before = self.output.read_bytes(), os.stat(self.output).st_mtime_ns, sqlite_rows(self.database)
        second = self.run_it()
        self.assertEqual(before, (self.output.read_bytes(), os.stat(self.output).st_mtime_ns, sqlite_rows(self.database)))
        self.assertRegex(second.stderr, r"20\d\d-\d\d-\d\d", "says when it was done")
        self.assertIn("--fresh", second.stderr)

    def test_fresh_redoes_it_under_a_new_identity(self):
        self.run_it()
        before = self.output.read_bytes(), sqlite_rows(self.database)
        refused = self.run_it("--fresh", code=EXIT_FAULTY)
        self.assertIn("--new-identity", refused.stderr)
        self.assertEqual(before, (self.output.read_bytes(), sqlite_rows(self.database)))
        self.run_it("--fresh", "--new-identity")
        lines = harness.read_lines(self.output)
        self.assert_each_key_once_in_order(lines)
        self.assertEqual(self.output.read_bytes(), before[0])
        self.assertEqual({key: row["p_malignant"] for key, row in sqlite_rows(self.database).items()},
                         {key: row["p_malignant"] for key, row in before[1].items()})

    def test_a_grown_input_goes_on(self):
        whole = self.input.read_bytes().splitlines(keepends=True)
        self.input.write_bytes(b"".join(whole[:100]))
        self.run_it()
        first = self.output.read_bytes()
        self.assertEqual(len(first.splitlines()), 100)
        with open(self.input, "ab") as file:
            file.write(b"".join(whole[100:]).rstrip(b"\n"))  # the last line without its end is a record too
        self.run_it()
        self.assertTrue(self.output.read_bytes().startswith(first))
        lines = harness.read_lines(self.output)
        self.assert_each_key_once_in_order(lines)
        self.assertEqual(set(sqlite_rows(self.database)), {line.key for line in lines})

    def test_a_changed_beginning_is_refused(self):
        self.run_it()
        before = self.output.read_bytes()
        self.input.write_bytes(self.input.read_bytes().replace(b"case-0000", b"case-9999", 1))
        refused = self.run_it(code=EXIT_FAULTY)
        self.assertIn("--fresh", refused.stderr)
        self.assertIn("cases", refused.stderr)
        self.assertEqual(self.output.read_bytes(), before)

    def test_an_edited_topology_is_refused(self):
        self.run_it()
        self.rewrite(lambda t: t["nodes"]["score"].update(members={"p_logistic": 1, "p_forest": 1, "p_boosting": 1}))
        refused = self.run_it(code=EXIT_FAULTY)
        self.assertIn("--fresh", refused.stderr)


class Batches(ExampleCase):
    """The same record gives the same bytes whatever the batch and whoever computes it."""

    def outputs(self, *args, max_rows=None, model_rows=None):
        work = self.folder / f"run-{max_rows}-{model_rows}-{'-'.join(args)}"
        shutil.copytree(self.dir, work)
        topology = harness.load_topology(work / "topology.json")
        if max_rows:
            topology["batch"] = {"max_rows": max_rows}
        if model_rows:
            for node in topology["nodes"].values():
                if node["kind"] == "infer":
                    node["batch"] = {"max_rows": model_rows}
        self.anabranch("run", harness.write_json(work / "topology.json", topology), *args, code=EXIT_OK)
        lines = harness.read_lines(work / "predictions.jsonl")
        self.assert_each_key_once_in_order(lines)
        return [(line.id, line.key, line.value) for line in lines]

    def assert_all_alike(self):
        reference = self.outputs()
        for workers in ("1", "4"):
            with self.subTest(workers=workers):
                self.assertEqual(self.outputs("--workers", workers), reference)
        for rows in (1, 7, 256):
            with self.subTest(micro_batch=rows):
                self.assertEqual(self.outputs("--workers", "2", max_rows=rows), reference)
            with self.subTest(model_call=rows):
                self.assertEqual(self.outputs("--workers", "2", model_rows=rows), reference)
        with self.subTest("small batches on four workers"):
            self.assertEqual(self.outputs("--workers", "4", max_rows=7, model_rows=1), reference)


class BreastCancerBatches(Batches):
    def test_every_batch_and_worker_count_gives_the_same_bytes(self):
        self.assert_all_alike()


class DigitBatches(Batches):
    example = "digits"

    def test_every_batch_and_worker_count_gives_the_same_bytes(self):
        self.assert_all_alike()


class Digits(ExampleCase):
    example = "digits"

    def test_digits_and_probabilities_are_those_of_scikit_learn(self):
        self.run_it()
        lines = harness.read_lines(self.output)
        self.assert_each_key_once_in_order(lines)
        expected = expected_rows(self.example)
        self.assertEqual(len(lines), 599)
        for line, row in zip(lines, expected):
            self.assertEqual(line.key, row["id"])
            self.assertEqual(line.fields["digit"], int(row["digit"]), line.key)
            self.assertEqual(len(line.fields["vec"]), 10)
            for i, value in enumerate(line.fields["vec"]):
                self.assertLessEqual(abs(value - float(row[f"p{i}"])), TOLERANCE, f"{line.key} vec[{i}]")

    def test_fresh_truncates_the_file_it_owns(self):
        self.run_it()
        before = self.output.read_bytes()
        self.run_it("--fresh")
        self.assertEqual(self.output.read_bytes(), before)


class LongRun(ExampleCase):
    """A run over a long file, interrupted in the middle."""

    rows = harness.scaled(100_000)

    def setUp(self):
        super().setUp()
        self.anabranch("run", self.topology, code=EXIT_OK)
        base = [line.value for line in harness.read_lines(self.output)]
        cases = [line.split(b",", 1)[1] for line in self.input.read_bytes().splitlines()]
        work = self.folder / "long"
        shutil.copytree(self.dir, work, ignore=shutil.ignore_patterns(".anabranch", "predictions.*"))
        self.topology, self.input = work / "topology.json", work / "cases.jsonl"
        self.output, self.database = work / "predictions.jsonl", work / "predictions.db"
        # Short epochs and little room to read ahead: there is a middle to stop in.
        self.rewrite(lambda t: t.update(epoch={"max_rows": max(1, self.rows // 40)},
                                        limits={"memory_bytes": max(1 << 20, self.rows * 80)}))
        with open(self.input, "wb") as file:
            for i in range(self.rows):
                file.write(b'{"id":"case-%d",%s\n' % (1_000_000 + i, cases[i % len(cases)]))
        self.values = [base[i % len(base)] for i in range(self.rows)]

    def lines_there(self):
        try:
            with open(self.output, "rb") as file:
                return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
        except FileNotFoundError:
            return 0

    def start_until(self, share):
        run = self.start("run", self.topology, "--workers", "2")
        wanted = int(self.rows * share)
        self.wait_until(f"{wanted} lines of output", 60, lambda: self.lines_there() >= wanted, run)
        return run

    def assert_in_the_middle(self):
        done = self.lines_there()
        self.assertGreaterEqual(done, self.rows * 0.1)
        self.assertLessEqual(done, self.rows * 0.9)
        return done

    def assert_complete(self):
        lines = harness.read_lines(self.output)
        self.assertEqual(len(lines), self.rows)
        for i, line in enumerate(lines):
            if line.key != f"case-{1_000_000 + i}" or line.value != self.values[i]:
                self.fail(f"line {i}: {line.key} {line.value}, expected case-{1_000_000 + i} {self.values[i]}")
        rows = sqlite_rows(self.database)
        self.assertEqual(len(rows), self.rows)
        for i in range(0, self.rows, 97):
            key = f"case-{1_000_000 + i}"
            fields = json.loads(self.values[i])
            self.assertEqual(as_float32({name: rows[key][name] for name in fields}), as_float32(fields), key)

    def test_killed_in_the_middle_it_loses_and_doubles_nothing(self):
        done = 0
        for share in (0.2, 0.5):
            run = self.start_until(share)
            run.kill()
            self.assertEqual(run.code, -signal.SIGKILL)
            self.assertGreater(self.assert_in_the_middle(), done)
            done = self.lines_there()
        self.anabranch("run", self.topology, code=EXIT_OK, timeout=120)
        self.assert_complete()

    def test_stopped_in_the_middle_it_drains_and_goes_on_later(self):
        run = self.start_until(0.3)
        run.send(signal.SIGTERM)
        self.assertEqual(run.wait(20), EXIT_OK)
        done = self.assert_in_the_middle()
        kept = harness.read_lines(self.output)
        self.assertEqual([line.key for line in kept], [f"case-{1_000_000 + i}" for i in range(done)])
        self.assertEqual(len(sqlite_rows(self.database)), done, "drained: the targets agree")
        self.anabranch("run", self.topology, code=EXIT_OK, timeout=120)
        self.assert_complete()


if __name__ == "__main__":
    harness.main()
