"""JSON lines of a log have the documented members and nothing of a record, however a run ends."""
import json

import harness
from harness import EXIT_OK, EXIT_STAGE

MARK = "Tell4Nobody"  # part of every value that fails
NUMBER = 31337.25     # likewise
KNOWN = {"ts", "level", "code", "msg", "topology", "node", "source", "topic", "partition", "offset"}

GOOD = '{"id":"a","amount":1,"kind":"a","note":"7"}'
# Each fails in another way, and its message says why.
BAD = [f'{{"id":"{MARK}1","amount":1,"kind":"a"}}', '{"id":"a","amount":31337.25,"kind":"a"}',
       f'{{"id":"a","amount":1,"kind":"{MARK}"}}', f'{{"id":"a","amount":"{MARK}","kind":"a"}}',
       f'{{"id":"a","id":"{MARK}","amount":1,"kind":"a"}}', f'{{"id":{MARK}', f'["{MARK}"]', MARK,
       f'{{"id":"a","amount":1,"kind":"b","note":"{MARK}"}}']


class Logs(harness.PipelineCase):
    def lay(self, good, bad, **check):
        lines = [GOOD] * good + bad
        (self.folder / "in.jsonl").write_text("\n".join(lines) + "\n")
        return harness.write_json(self.folder / "logs.json", {
            "anabranch": 1, "name": "logs",
            "schemas": {"order": {"type": "object", "required": ["id", "amount", "kind"], "properties": {
                "id": {"type": "string", "pattern": "^[a-z]+$"}, "amount": {"type": "number", "maximum": 1000},
                "kind": {"type": "string", "enum": ["a", "b"]}, "note": {"type": "string"}}}},
            "sources": {"orders": {"file": {"path": "in.jsonl"}, "schema": "order", "key": "position"}},
            "nodes": {
                "check": {"kind": "validate", "inputs": ["orders"], "rules": {"no_b": "kind != 'b'"}, **check},
                "shape": {"kind": "transform", "inputs": ["check"], "set": {"twice": "amount * 2"}},
                "out": {"kind": "persist", "inputs": ["shape"], "to": {"file": {"path": "out.jsonl"}},
                        "fields": ["id", "twice"]}},
            "dead_letters": {"file": {"path": "dead.jsonl"}}})

    def lines(self, run):
        lines = [json.loads(line) for line in run.stderr.splitlines()]
        for line in lines:
            self.assertLessEqual(set(line), KNOWN)
            self.assertLessEqual({"ts", "level", "msg", "topology"}, set(line))
            self.assertEqual(line["topology"], "logs")
        self.assertNotIn(MARK, run.stderr)
        self.assertNotIn("31337", run.stderr)
        return lines

    def run_json(self, topology, *args, code=EXIT_OK):
        return self.lines(self.anabranch("run", topology, "--log-format", "json", *args, code=code))

    def test_of_records_that_fail_one_by_one(self):
        lines = self.run_json(self.lay(500, BAD))
        codes = {(line.get("node", line.get("source")), line["code"]) for line in lines if "code" in line}
        self.assertEqual(codes, {("orders", "json"), ("orders", "duplicate_key"), ("check", "schema"), ("check", "rule")})
        dead = self.anabranch("dlq", "ls", self.folder / "logs.json", code=EXIT_OK)
        self.assertIn("9 dead letters", dead.stdout, "the records are where they belong")

    def test_of_a_breaker_that_trips_and_of_the_restart(self):
        topology = self.lay(0, BAD[1:4] * 40)
        lines = self.run_json(topology, code=EXIT_STAGE)
        error, = (line for line in lines if line["level"] == "error")
        self.assertEqual((error["code"], error["node"]), ("breaker", "check"))
        self.assertIn("anabranch restart", error["msg"])
        again = self.run_json(topology, "--restart-failed", code=EXIT_STAGE)
        self.assertIn("restart from", again[0]["msg"])
        status = self.anabranch("status", topology)
        self.assertIn("31337.25", status.stdout + status.stderr, "status still says it")

    def test_of_a_record_that_stops_its_stage(self):
        lines = self.run_json(self.lay(3, BAD[2:3], on_error="stop"), code=EXIT_STAGE)
        error, = (line for line in lines if line["level"] == "error")
        self.assertEqual((error["code"], error["node"]), ("contract", "check"))
        self.assertEqual((error["partition"], error["offset"]), (0, 0), "the first record that waits")

    def test_text_tells_people_which_value_failed(self):
        run = self.anabranch("run", self.lay(500, BAD), code=EXIT_OK)
        self.assertIn("9 records", run.stderr)
        self.assertIn("failed in \"check\"", run.stderr)


if __name__ == "__main__":
    harness.main()
