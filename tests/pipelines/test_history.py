"""What a run leaves in its history, and the page over state folders, running or not."""
import http.client
import json
import re
import signal

import harness
from harness import EXIT_OK, EXIT_STAGE, EXIT_USAGE
from live import LiveCase


def get(address, target, method="GET", body=None, token=None, host=None):
    """(code, JSON) of one request over TCP."""
    connection = http.client.HTTPConnection(address, timeout=10 * harness.PATIENCE)
    headers = {"Host": host or address}
    if body is not None:
        headers["Content-Type"] = "application/json"
    if token:
        headers["X-Anabranch-Token"] = token
    try:
        connection.request(method, target, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if answer.headers["Content-Type"].startswith("application/json") else text
    finally:
        connection.close()


class UiCase(LiveCase):
    def serve(self, *args):
        """`ui` on a free port: its address and its token."""
        self.ui = self.start("ui", *args, "--http", "127.0.0.1:0")
        page = self.wait_until("it serves", 20, lambda: re.search(r"page: http://(\S+)/#t=(\w+)", self.ui.stderr), self.ui)
        self.address, self.token = page.groups()

    def api(self, target, **more):
        code, answer = get(self.address, f"/api/v1/{target}", **more)
        self.assertEqual(code, 200, answer)
        return answer

    def pipelines(self):
        return self.api("pipelines")["pipelines"]


class History(UiCase):
    schema = {"type": "object", "properties": {"id": {"type": "string"}, "amount": {"type": "integer"}, "country": {"type": "string"}}}

    def setUp(self):
        super().setUp()
        self.source = self.folder / "in.jsonl"
        self.write(1, 2, 3)
        self.topology = harness.write_json(self.folder / "live.json", {
            "anabranch": 1, "name": "live", "schemas": {"s": self.schema},
            "sources": {"in": {"file": {"path": "in.jsonl"}, "schema": "s", "key": {"field": "id"}}}, "nodes": self.nodes})

    def write(self, *amounts):
        with open(self.source, "a") as lines:
            lines.writelines(json.dumps({"id": f"r{a}", "amount": a}) + "\n" for a in amounts)

    def run_it(self, code=EXIT_OK, *args):
        return self.anabranch("run", self.topology, *args, code=code)

    def edit(self, **feat):
        topology = json.loads(self.topology.read_text())
        topology["nodes"]["feat"].update(feat)
        self.topology.write_text(json.dumps(topology))

    def test_a_run_is_there_with_its_stages(self):
        self.write(5000)
        self.run_it()
        self.serve(self.folder)
        (one,) = self.pipelines()
        self.assertEqual((one["name"], one["live"], one["state"]), ("live", False, "done"))
        runs = self.api(f"pipelines/{one['id']}/runs")
        self.assertEqual(runs["stages"], ["in", "feat", "check", "out"])
        (run,) = runs["runs"]
        self.assertEqual((run["state"], run["cells"], run["records"], run["parent"]), ("done", "oodo", 4, None))
        whole = self.api(f"pipelines/{one['id']}/runs/{run['id']}")
        self.assertEqual(whole["stages"]["check"]["dead_lettered"], 1)
        self.assertEqual(whole["stages"]["out"]["rows_in"], 3)
        snapshot = self.api(f"pipelines/{one['id']}/snapshot")
        self.assertEqual((snapshot["topology"], snapshot["state"], snapshot["ready"]), ("live", "stopped", False))
        self.assertEqual(snapshot["stages"]["check"]["dead_lettered"], 1)
        topology = self.api(f"pipelines/{one['id']}/topology")
        self.assertEqual([stage["id"] for stage in topology["stages"]], ["in", "feat", "check", "out"])
        self.assertEqual(get(self.address, f"/api/v1/pipelines/{one['id']}/runs/none")[0], 404)
        self.assertEqual(get(self.address, "/api/v1/pipelines/17/runs")[0], 404)
        self.assertIn(b"<html", get(self.address, "/")[1])

    def test_a_restart_is_the_child_of_the_run_that_failed(self):
        self.edit(set={"risk": "amount % (amount - 3)", "foreign": "false"}, on_error="stop")
        self.run_it(EXIT_STAGE)
        self.serve(self.folder)
        (one,) = self.pipelines()
        self.assertEqual(one["state"], "failed")
        failed = self.api(f"pipelines/{one['id']}/runs")["runs"][0]
        self.assertEqual((failed["state"], failed["stage"], failed["cells"][1]), ("failed", "feat", "f"))
        # The plan is shown, and the command instead of a button.
        restart = self.api(f"pipelines/{one['id']}/restart")
        self.assertEqual((restart["failed"], restart["can_restart_here"]), (True, False))
        self.assertIn(f"anabranch restart {self.topology}", restart["command"])
        code, refused = get(self.address, f"/api/v1/pipelines/{one['id']}/restart", method="POST", token=self.token,
                            body={"token": restart["plan"]["token"], "confirm": "live"})
        self.assertEqual((code, refused["error"]["code"]), (409, "not_running"))
        self.assertIn("anabranch", refused["error"]["cure"])
        self.edit(set={"risk": "amount", "foreign": "false"})
        self.anabranch("restart", self.topology, "--yes", code=EXIT_OK)
        child = self.api(f"pipelines/{one['id']}/runs")["runs"][0]
        self.assertEqual((child["parent"], child["root"], child["state"]), (failed["id"], failed["id"], "done"))

    def test_a_damaged_history_harms_no_run(self):
        self.run_it()
        history = self.state / "history.db"
        history.write_bytes(b"x" * 5000)
        self.write(7)
        run = self.run_it()
        self.assertEqual(run.stderr.count("the history was damaged"), 1, run.stderr)
        self.assertIn("history.db.damaged", run.stderr)
        self.assertTrue((self.state / "history.db.damaged").exists())
        self.assertEqual(len(harness.read_lines(self.folder / "out.jsonl")), 4)
        self.write(8)
        self.assertNotIn("history", self.run_it().stderr)

    def test_a_history_that_cannot_be_written_harms_no_run(self):
        self.run_it()
        (self.state / "history.db").unlink()
        (self.state / "history.db").mkdir()
        self.write(9)
        run = self.run_it()
        self.assertEqual(run.stderr.count("the history is not written, the run goes on"), 1, run.stderr)
        self.assertEqual(len(harness.read_lines(self.folder / "out.jsonl")), 4)

    def test_says_what_is_wrong(self):
        self.assertIn("is no folder", self.anabranch("ui", self.folder / "gone", code=EXIT_USAGE).stderr)
        self.assertIn("--http-cert", self.anabranch("ui", self.folder, "--http", "0.0.0.0:0", code=EXIT_USAGE).stderr)
        self.serve(self.folder)
        self.assertEqual(self.pipelines(), [])
        self.assertEqual(get(self.address, "/api/v1/pipelines", host="evil.example")[0], 421)
        self.ui.send(signal.SIGTERM)
        self.assertEqual(self.ui.wait(20), EXIT_OK)


class Live(UiCase):
    def test_a_pipeline_at_work_answers_through_the_page_over_folders(self):
        self.write_topology()
        run = self.begin()
        self.serve(self.folder)
        (one,) = self.pipelines()
        self.assertEqual((one["live"], one["state"]), (True, "running"))
        base = f"pipelines/{one['id']}"
        self.feed(run, *({"id": f"r{i}", "amount": i} for i in range(50)))
        self.wait_until("rows are counted", 20, lambda: self.api(f"{base}/snapshot")["stages"]["out"]["rows_out"] == 50, run)
        # Values need the token here too, although the socket behind would give them.
        self.assertIn(get(self.address, f"/api/v1/{base}/taps", method="POST", body={})[0], (401, 403))
        code, tap = get(self.address, f"/api/v1/{base}/taps", method="POST", body={"limit": 1}, token=self.token)
        self.assertEqual(code, 201, tap)
        self.feed(run, {"id": "last", "amount": 5})
        rows = lambda: get(self.address, f"/api/v1/{base}/taps/{tap['id']}?after=0", token=self.token)[1]["rows"]
        self.assertEqual(self.wait_until("the row", 20, rows, run)[0]["key"], "last")
        self.assertEqual(get(self.address, f"/api/v1/{base}/taps/{tap['id']}", method="DELETE", token=self.token)[0], 200)
        states = lambda: [each["state"] for each in self.api(f"{base}/runs")["runs"]]
        self.wait_until("the run is in the history", 20, lambda: states() == ["running"], run)  # written beside the run
        run.kill()
        (one,) = self.pipelines()
        self.assertFalse(one["live"])
        self.assertEqual(get(self.address, f"/api/v1/{base}/taps", method="POST", body={}, token=self.token)[0], 409)
        again = self.begin()
        self.wait_until("both are in the history", 20, lambda: states() == ["running", "failed"], again)
        self.finish(again)

    def test_a_token_for_reading_reveals_nothing(self):
        self.schema = {"type": "object", "properties": {"id": {"type": "string"}, "amount": {"type": "number", "x-sensitive": True}}}
        self.nodes = {"out": {"kind": "persist", "inputs": ["in"], "to": {"file": {"path": "out.jsonl"}}, "fields": ["id", "amount"]}}
        self.write_topology()
        run = self.begin()
        tokens = self.folder / "tokens"
        tokens.write_text("read:ann:aaaaaaaaaaaaaaaaaaaa\noperate:bob:bbbbbbbbbbbbbbbbbbbb\n")
        self.ui = self.start("ui", self.folder, "--http", "127.0.0.1:0", "--http-tokens", tokens)
        self.address = self.wait_until("it serves", 20, lambda: re.search(r"page: http://(\S+)/", self.ui.stderr), self.ui)[1]
        base = f"/api/v1/pipelines/{self.pipelines()[0]['id']}"
        body = {"reveal": True, "limit": 1}
        code, refused = get(self.address, f"{base}/taps", method="POST", body=body, token="a" * 20)
        self.assertEqual(code, 403, refused)
        self.assertEqual(get(self.address, f"{base}/taps", method="POST", body=body, token="b" * 20)[0], 201)
        body = {"token": "x", "confirm": "live"}
        self.assertEqual(get(self.address, f"{base}/restart", method="POST", body=body, token="a" * 20)[0], 403)
        self.finish(run)


if __name__ == "__main__":
    harness.main()
