"""Probes and the API of a run with a real broker: ready only while the broker is there, alive all the while."""
import json
import os
import signal
import time

import harness
from harness import EXIT_OK
from service import Served, ask_socket

ROWS, WITHIN = 400, 5  # seconds
SECRET = "secret-c41d9e"
STOP, FIXED = "100 % amount", "amount == 0 ? 0 : 100 % amount"


class KafkaService(harness.KafkaCase):
    def prepare(self, name, on_error=None):
        self.name, self.on_error = name, on_error
        self.broker.make_topics({f"{name}.in": 2, f"{name}.out": 2, f"{name}.dead": 1})
        self.write(STOP)

    def write(self, expression):
        order = {"type": "object", "required": ["id", "amount"],
                 "properties": {"id": {"type": "string"}, "amount": {"type": "integer"}}}
        score = {"kind": "transform", "inputs": ["orders"], "set": {"rest": expression}}
        if self.on_error:
            score["on_error"] = self.on_error
        self.topology = harness.write_json(self.folder / f"{self.name}.json", {
            "anabranch": 1, "name": self.name, "schemas": {"order": order},
            "connections": {"main": {"kafka": {"bootstrap.servers": self.broker.address, "sasl.password": "${PASSWORD}"}}},
            "sources": {"orders": {"kafka": {"topics": [f"{self.name}.in"]}, "schema": "order"}},
            "nodes": {"score": score,
                      "out": {"kind": "persist", "inputs": ["score"], "to": {"kafka": {"topic": f"{self.name}.out"}},
                              "fields": ["rest"]}}})

    def feed(self, numbers, bad=()):
        self.broker.produce({"topic": f"{self.name}.in", "key": f"o{n}",
                             "value": json.dumps({"id": f"o{n}", "amount": 0 if n in bad else n + 1})} for n in numbers)

    def serve(self):
        self.run_ = self.start("run", self.topology, "--on-stop", "stay", "--http", "127.0.0.1:0", "--metrics",
                               "127.0.0.1:0", env={"PASSWORD": SECRET})
        self.served = Served(self, self.run_)

    def probe(self, path):
        code, text, _ = self.served.probe(path)
        return code, json.loads(text)

    def ready(self):
        return self.probe("/readyz")[0] == 200

    def out(self):
        return sorted(message.key() for message in self.broker.read(f"{self.name}.out"))

    def within(self, what, begin, test):
        self.wait_until(what, WITHIN, test, self.run_)
        taken = time.monotonic() - begin
        print(f"    {what} after {taken:.1f} s", flush=True)
        self.assertLess(taken, WITHIN * harness.PATIENCE)

    def test_readiness_follows_the_broker_and_liveness_does_not(self):
        self.prepare("away")
        self.feed(range(ROWS))
        self.serve()
        self.assertEqual(self.probe("/livez")[0], 200)
        self.wait_until("ready", 30, self.ready, self.run_)
        self.assertEqual(self.probe("/startupz")[0], 200)
        self.wait_until("everything came through", 30, lambda: len(self.out()) == ROWS, self.run_)
        status = self.anabranch("status", self.topology, "--format", "json", env={"PASSWORD": SECRET}, code=EXIT_OK).stdout
        lag = json.loads(status)["lag"]["orders"]
        self.assertEqual((lag["records"], lag["seconds"]), (0, 0), status)
        self.assertEqual(set(lag["partitions"]["away.in/0"]), {"committed", "end", "records", "seconds"})
        for _ in range(2):
            killed = time.monotonic()
            os.kill(int((self.broker.folder / "pid").read_text()), signal.SIGKILL)
            self.within("not ready", killed, lambda: not self.ready())
            code, answer = self.probe("/readyz")
            parts = {reason["part"] for reason in answer["reasons"]}
            self.assertTrue(parts & {"source:orders", "target:out"}, answer)
            self.assertTrue(all(self.broker.address in reason["why"] for reason in answer["reasons"]), answer)
            print(f"    readyz {code}: {answer['reasons'][0]['part']}: {answer['reasons'][0]['why']}", flush=True)
            self.assertEqual(self.probe("/livez")[0], 200)
            self.assertEqual(self.probe("/startupz")[0], 200)
            self.broker.restart()
            back = time.monotonic()
            self.within("ready again", back, self.ready)
            self.assertEqual(self.probe("/livez")[0], 200)
        self.feed(range(ROWS, 2 * ROWS))
        self.wait_until("it goes on", 60, lambda: len(self.out()) == 2 * ROWS, self.run_)
        self.assertEqual(self.out(), sorted(f"o{n}".encode() for n in range(2 * ROWS)))
        self.run_.send(signal.SIGTERM)
        self.assertEqual(self.run_.wait(30), EXIT_OK, self.run_)

    def test_a_stopped_stage_is_restarted_through_the_api_with_nothing_lost_or_double(self):
        self.prepare("again", on_error={"record": "stop"})
        self.feed(range(ROWS), bad={ROWS // 2})
        self.serve()
        self.wait_until("the stage stopped", 30, lambda: self.served.json("/api/v1/snapshot")[1]["state"] == "failed", self.run_)
        self.assertEqual(self.probe("/readyz")[1]["reasons"][0]["part"], "stage:score")
        self.write(FIXED)
        token = self.served.json("/api/v1/restart")[1]["plan"]["token"]
        code, text, _ = self.served.ask("/api/v1/restart", "POST", {"token": token, "confirm": "again"})
        self.assertEqual(code, 202, text)
        self.wait_until("ready", 30, self.ready, self.run_)
        self.feed(range(ROWS, ROWS + 50))
        self.wait_until("all are there", 60, lambda: len(self.out()) >= ROWS + 50, self.run_)
        expected = sorted(f"o{n}".encode() for n in range(ROWS + 50))
        ids = self.out()
        print(f"    {len(set(expected) - set(ids))} lost, {len(ids) - len(set(ids))} double", flush=True)
        self.assertEqual(ids, expected)
        self.assertEqual(self.served.json("/api/v1/snapshot")[1]["restarts"], 1)
        self.secrets_are_nowhere()

    def secrets_are_nowhere(self):
        state = self.folder / ".anabranch" / self.name / "0"
        (run, *_) = self.served.json("/api/v1/runs")[1]["runs"]
        routes = self.served.json("/api/v1/openapi.json")[1]["paths"]
        paths = [route.replace("{id}", run["id"]) for route, methods in routes.items() if "get" in methods]
        texts = [self.served.ask(path)[1] for path in paths + ["/", "/metrics", "/readyz", "/api/v1/nothing"]]
        texts += [json.dumps(ask_socket(state / "control.sock", path)) for path in paths]
        texts += [path.read_bytes().decode("latin-1") for path in state.iterdir() if path.is_file()]
        print(f"    secrets in {len(texts)} answers: {sum(text.count(SECRET) for text in texts)}", flush=True)
        self.assertNotIn(SECRET, "".join(texts))
        self.assertNotIn(SECRET, self.run_.stdout + self.run_.stderr)

    def test_dead_letters_are_replayed_through_the_api_beside_the_run(self):
        self.prepare("letters")
        self.feed(range(ROWS), bad=set(range(5)))
        self.serve()
        self.wait_until("all are read", 30, lambda: len(self.out()) == ROWS - 5, self.run_)
        self.wait_until("five letters", 60, lambda: self.served.json("/api/v1/letters/groups")[1]["letters"] == 5, self.run_)
        self.assertEqual(self.served.json("/api/v1/letters")[1]["total"], 5)
        dry = {"node": "score", "dry_run": True}
        self.assertEqual(self.served.json("/api/v1/letters/replay", method="POST", body=dry)[1]["letters"], 5)
        ids = [letter["id"] for letter in self.served.json("/api/v1/letters?limit=2")[1]["letters"]]
        code, answer = self.served.json("/api/v1/letters/replay", method="POST", body={"ids": ids, "dry_run": True})
        self.assertEqual((code, answer["letters"]), (200, 2), answer)
        # They fail again, and wait again: the plan of the run is the old one.
        code, answer = self.served.json("/api/v1/letters/replay", method="POST", body={"node": "score"})
        self.assertIn(code, (200, 202), answer)
        self.wait_until("still five letters", 60, lambda: self.served.json("/api/v1/letters")[1]["total"] == 5, self.run_)
        self.assertEqual(len(self.out()), ROWS - 5)


if __name__ == "__main__":
    harness.main()
