"""A pipeline at work whose model has versions and a rollout in its topology, fed by the test; and a page in front of it."""
import json

import packages
from live import LiveCase
from service import Served

READER, OPERATOR = "reader-0123456789abc", "operator-0123456789a"
ROLLOUT = {"segment": "country", "steps": [{"shadow": 1.0, "rows": 20}, {"canary": 0.5, "rows": 20}, "all"],
           "guards": {"errors": 0.5}, "on_pass": "hold"}


class VersionsCase(LiveCase):
    """in → score (sum, version 7) → out. Version 8 answers n + 800,000 in place of n + 700,000."""

    schema = {"type": "object", "required": ["id", "n"],
              "properties": {"id": {"type": "string"}, "n": {"type": "integer"}, "country": {"type": "string"}}}
    nodes = {"score": {"kind": "infer", "inputs": ["in"], "model": "sum", "features": "package", "outputs": {"y": "Y", "ver": "@version"}},
             "out": {"kind": "persist", "inputs": ["score"], "to": {"file": {"path": "out.jsonl"}}, "fields": ["id", "y", "ver"]}}

    def setUp(self):
        super().setUp()
        self.registry = self.folder / "registry"
        self.fed = 0
        for version in ("7", "8"):
            self.pack(version)

    def pack(self, version, **how):
        self.anabranch("model", "pack", packages.make(self.registry, version, **how), code=0)

    def serve(self, *args, rollout=ROLLOUT, **more):
        model = {"registry": "registry", "start": "7", **({"rollout": rollout} if rollout else {})}
        self.write_topology(models={"sum": model}, batch={"max_rows": 8}, epoch={"commit_ms": 20}, **more)
        tokens = self.folder / "tokens"
        tokens.write_text(f"read:rita:{READER}\noperate:otto:{OPERATOR}\n")
        self.run_ = self.begin("--http", "127.0.0.1:0", "--http-tokens", tokens, *args)
        self.served = Served(self, self.run_)
        return self.run_

    def say(self, path, token=OPERATOR, method="GET", body=None, **more):
        code, text, _ = self.served.ask("/api/v1/" + path, method, body, token=token, **more)
        return code, json.loads(text)

    def order(self, action, token=OPERATOR, **body):
        return self.say(f"models/sum/{action}", token, "POST", body)

    def model(self, token=OPERATOR):
        code, answer = self.say("models", token)
        self.assertEqual(code, 200, answer)
        return answer["deployed"][0]

    def ordered(self, action, state="done", **body):
        """Gives an order and waits for its end."""
        code, answer = self.order(action, **{"reason": "ticket 31", **body})
        self.assertEqual(code, 202, answer)
        change = self.wait_until(f"{action} ends", 60, lambda: (lambda c: c["state"] != "running" and c)(self.say("models/sum/change")[1]), self.run_)
        self.assertEqual((change["change"], change["action"], change["state"]), (answer["change"], action, state), change)
        return change

    def feed_rows(self, count):
        rows = range(self.fed, self.fed + count)
        self.feed(self.run_, *({"id": f"r{n}", "n": n, "country": "DE" if n % 4 else "FR"} for n in rows))
        self.fed += count

    def feed_until(self, what, holds, rows=8):
        """Feeds rows until it holds: partitions switch at their next batch, and counts are seen once they are durable."""
        def look():
            self.feed_rows(rows)
            return holds()
        return self.wait_until(what, 60, look, self.run_)

    def feed_to_step(self, step, paired=0):
        """Until the rollout is there, with so many rows that both versions scored."""
        def is_there(rollout):
            return rollout and rollout["step"] == step and rollout["paired"] >= paired
        return self.feed_until(f"step {step}", lambda: is_there(self.model().get("rollout")))

    def lines(self):
        """What is written of the results so far."""
        path = self.folder / "out.jsonl"
        return [json.loads(line)["value"] for line in path.read_text().split("\n")[:-1]] if path.exists() else []
