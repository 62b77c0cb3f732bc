"""Files as users have them: CSV of any dialect, compressed files, standard input and output."""
import csv
import gzip
import json
import random
import signal
import subprocess

import harness
from harness import BIN, EXIT_FAULTY, EXIT_OK

SCHEMA = {"type": "object", "required": ["id"], "properties": {
    "id": {"type": "string"}, "x": {"type": ["number", "null"]}, "note": {"type": ["string", "null"]}}}


class Formats(harness.PipelineCase):
    def topology(self, source, target, fields=None, **more):
        file = {
            "anabranch": 1, "name": "formats", "schemas": {"s": SCHEMA},
            "sources": {"in": {"file": source, "schema": "s", "key": {"field": "id"}, **more.pop("how", {})}},
            "nodes": {"twice": {"kind": "transform", "inputs": ["in"], "set": {"y": "x * 2"}},
                      "out": {"kind": "persist", "inputs": ["twice"], "to": {"file": target}, "fields": fields or ["id", "y", "note"],
                              **more.pop("out", {})}}, **more}
        path = self.folder / "formats.json"
        path.write_text(json.dumps(file))
        return path

    def text(self, name):
        return (self.folder / name).read_text()

    def test_csv_with_semicolons_and_words_for_null(self):
        (self.folder / "in.csv").write_text('id;x;note\na;1.5;"b;c"\nd;NA;-\n"e";;NA\n')
        topology = self.topology({"path": "in.csv", "delimiter": ";", "null": ["NA", "-"]}, {"path": "out.jsonl"},
                                 how={"format": "csv"}, out={"envelope": "plain"})
        self.anabranch("run", topology, code=EXIT_OK)
        rows = [json.loads(line) for line in self.text("out.jsonl").splitlines()]
        self.assertEqual(rows, [{"id": "a", "y": 3, "note": "b;c"}, {"id": "d", "y": None, "note": None},
                                {"id": "e", "y": None, "note": None}])

    def test_a_dialect_needs_csv_and_a_delimiter_is_one_character(self):
        for source, more, says in (
                ({"path": "in.jsonl", "delimiter": ";"}, {}, '"delimiter" is for CSV'),
                ({"path": "in.csv", "delimiter": "ab"}, {"how": {"format": "csv"}}, "cannot separate cells"),
                ({"path": "in.csv", "delimiter": '"'}, {"how": {"format": "csv"}}, "cannot separate cells"),
                ({"path": "-"}, {"how": {"format": "csv"}}, "standard input")):
            (self.folder / "in.csv").write_text("id,x,note\n")
            run = self.anabranch("check", self.topology(source, {"path": "out.jsonl"}, **more), code=EXIT_FAULTY)
            self.assertIn(says, run.stdout + run.stderr)

    def test_csv_results_are_what_pythons_csv_reads(self):
        letters = random.Random(7)
        notes = ["", "plain", 'a "quote"', "semi;colon", "com,ma", "line\nend", " space ", "é", None]
        notes += ["".join(letters.choice('ab",;\n\r \'') for _ in range(8)) for _ in range(200)]
        (self.folder / "in.jsonl").write_text("".join(
            json.dumps({"id": f"r{i}", "x": i / 4, "note": note}) + "\n" for i, note in enumerate(notes)))
        for delimiter in (",", ";", "\t"):
            for envelope in ("", "plain"):
                topology = self.topology({"path": "in.jsonl"}, {"path": "out.csv", "format": "csv", "delimiter": delimiter},
                                         fields={"label": "id", "y": "y", "note": "note"},
                                         out={"envelope": envelope} if envelope else {})
                self.anabranch("run", topology, code=EXIT_OK)
                with open(self.folder / "out.csv", newline="") as file:
                    rows = list(csv.DictReader(file, delimiter=delimiter))
                self.assertEqual(list(rows[0]), ["label", "y", "note"] if envelope else ["id", "key", "label", "y", "note"])
                self.assertEqual([row["note"] for row in rows], [note or "" for note in notes])
                self.assertEqual([float(row["y"]) for row in rows], [i / 2 for i in range(len(notes))])
                self.anabranch("run", topology, "--fresh", code=EXIT_OK)
                with open(self.folder / "out.csv", newline="") as file:
                    self.assertEqual(len(list(csv.reader(file, delimiter=delimiter))), len(notes) + 1, "one header")
                (self.folder / "out.csv").unlink()
                self.forget()

    def forget(self):
        subprocess.run(["rm", "-rf", self.folder / ".anabranch"], check=True)

    def records(self, first, count):
        return "".join(json.dumps({"id": f"r{i}", "x": i}) + "\n" for i in range(first, first + count)).encode()

    def test_compressed_files_are_read_and_go_on_when_they_grow(self):
        zstd = lambda data: subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout
        for name, pack in (("in.jsonl.gz", gzip.compress), ("in.jsonl.zst", zstd)):
            topology = self.topology({"path": name}, {"path": f"out-{name}.jsonl"})
            (self.folder / name).write_bytes(pack(self.records(0, 20_000)))
            self.anabranch("run", topology, code=EXIT_OK)
            with open(self.folder / name, "ab") as file:
                file.write(pack(self.records(20_000, 5_000)))
            self.anabranch("run", topology, code=EXIT_OK)
            ids = [json.loads(line)["value"]["id"] for line in self.text(f"out-{name}.jsonl").splitlines()]
            self.assertEqual(ids, [f"r{i}" for i in range(25_000)])
            self.forget()
            (self.folder / f"out-{name}.jsonl").unlink()
            whole = (self.folder / name).read_bytes()
            (self.folder / name).write_bytes(whole[:-100])
            run = self.anabranch("run", topology)
            self.assertNotEqual(run.code, 0)
            self.assertIn("damaged or cut short", run.stderr)
            self.forget()
            (self.folder / f"out-{name}.jsonl").unlink(missing_ok=True)
        run = self.anabranch("check", self.topology({"path": "in.jsonl"}, {"path": "out.jsonl.gz"}), code=EXIT_FAULTY)
        self.assertIn("compress it when the run has ended", run.stdout + run.stderr)

    def pipe(self, topology, data):
        return subprocess.run([BIN, "run", str(topology)], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=60 * harness.PATIENCE, cwd=self.folder)

    def test_a_filter_between_two_pipes(self):
        topology = self.topology({"path": "-"}, {"path": "-"}, out={"envelope": "plain"})
        for first in (0, 100):  # a second run is another stream
            done = self.pipe(topology, self.records(first, 100))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual([json.loads(line)["id"] for line in done.stdout.splitlines()],
                             [f"r{i}" for i in range(first, first + 100)])
        self.assertIn(b"at_least_once", done.stderr)
        exactly = self.topology({"path": "-"}, {"path": "out.jsonl"}, delivery="exactly_once")
        self.assertIn("cannot be read again", self.anabranch("check", exactly, code=EXIT_FAULTY).stdout)

    def test_a_slow_pipe_gives_rows_as_they_come_and_a_stop_ends_it(self):
        topology = self.topology({"path": "-"}, {"path": "-"}, out={"envelope": "plain"})
        process = subprocess.Popen([BIN, "run", str(topology)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, cwd=self.folder)
        try:
            for i in range(3):
                process.stdin.write(self.records(i, 1))
                process.stdin.flush()
                self.assertEqual(json.loads(process.stdout.readline())["id"], f"r{i}")
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(10 * harness.PATIENCE), 0)
        finally:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()

    def test_a_stage_that_fails_keeps_what_came_from_standard_input(self):
        topology = self.topology({"path": "-"}, {"path": "out.jsonl"})
        good = topology.read_text()
        bad = json.loads(good)
        bad["nodes"]["twice"].update({"set": {"y": "x % 0"}, "on_error": "stop"})
        bad["schemas"]["s"]["properties"]["x"]["type"] = ["integer", "null"]
        topology.write_text(json.dumps(bad))
        self.assertEqual(self.pipe(topology, self.records(0, 50)).returncode, 1)
        bad["nodes"]["twice"]["set"]["y"] = "x * 2"
        topology.write_text(json.dumps(bad))
        run = subprocess.run([BIN, "restart", str(topology), "--yes"], input=b"", capture_output=True, timeout=60)
        self.assertEqual(run.returncode, 0, run.stderr)
        ids = [json.loads(line)["value"]["id"] for line in self.text("out.jsonl").splitlines()]
        self.assertEqual(ids, [f"r{i}" for i in range(50)])


if __name__ == "__main__":
    harness.main()
