"""A pipeline at work that a test feeds line by line, and what its control socket says."""
import json
import subprocess

import harness
from service import ask_socket


class LiveCase(harness.PipelineCase):
    """Reads standard input, so that records come when the test says so."""

    schema = {"type": "object", "required": ["id", "amount"],
              "properties": {"id": {"type": "string"}, "amount": {"type": "number"}, "country": {"type": "string"}}}
    nodes = {
        "feat": {"kind": "transform", "inputs": ["in"], "set": {"risk": "amount / 100", "foreign": "country != 'DE'"}},
        "check": {"kind": "validate", "inputs": ["feat"], "rules": {"small": "amount < 1000"}},
        "out": {"kind": "persist", "inputs": ["check"], "to": {"file": {"path": "out.jsonl"}}, "fields": ["id", "risk", "foreign"]}}

    def write_topology(self, **more):
        self.topology = harness.write_json(self.folder / "live.json", {
            "anabranch": 1, "name": "live", "schemas": {"s": self.schema},
            "sources": {"in": {"file": {"path": "-"}, "schema": "s", "key": {"field": "id"}}}, "nodes": self.nodes, **more})
        return self.topology

    @property
    def state(self):
        return self.topology.parent / ".anabranch" / "live" / "0"

    def socket_answers(self):
        try:
            return ask_socket(self.state / "control.sock", "/api/v1/snapshot")[0] == 200
        except OSError:
            return False

    def begin(self, *args, env=None):
        run = self.start("run", self.topology, *args, env=env, stdin=subprocess.PIPE)
        self.addCleanup(self.close, run)
        self.wait_until("the control socket answers", 20, self.socket_answers, run)
        return run

    @staticmethod
    def close(run):
        try:
            run.process.stdin.close()
        except BrokenPipeError:
            pass  # it ended before: the test says so

    def feed(self, run, *records):
        for record in records:
            line = record if isinstance(record, bytes) else json.dumps(record).encode()
            run.process.stdin.write(line + b"\n")
        run.process.stdin.flush()

    def finish(self, run, code=0):
        run.process.stdin.close()
        self.assertEqual(run.wait(30), code, run.stderr)

    def ask(self, target, method="GET", body=None):
        return ask_socket(self.state / "control.sock", target, method, body)

