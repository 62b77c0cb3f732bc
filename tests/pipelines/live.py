"""A pipeline at work that a test feeds line by line, and what its control socket says."""
import http.client
import json
import socket
import subprocess

import harness


class _Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=10 * harness.PATIENCE)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def ask(path, method, target, body=None):
    """(code, JSON) of one request to the socket at `path`."""
    connection = _Unix(path)
    try:
        connection.request(method, target, None if body is None else json.dumps(body),
                           {"Content-Type": "application/json"} if body is not None else {})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"{}")
    finally:
        connection.close()


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
            return ask(self.state / "control.sock", "GET", "/api/v1/snapshot")[0] == 200
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
        return ask(self.state / "control.sock", method, target, body)

