"""Orders on a topic, some of which fail in one node: what the tests of dead letters run, by command and on the page."""
import json

import harness

ROWS = 400
BAD = {n for n in range(ROWS) if n % 40 == 7}
STOP, FIXED = "100 % amount", "amount == 0 ? 0 : 100 % amount"


class Orders:
    """Beside a KafkaCase."""

    partitions, dead_partitions = 4, 2
    on_error = None  # of the node that fails

    def prepare(self, name):
        self.name = name
        self.broker.make_topics({f"{name}.in": self.partitions, f"{name}.out": self.partitions,
                                 f"{name}.dead": self.dead_partitions})
        self.write(STOP)
        self.feed(range(ROWS))

    def write(self, expression):
        order = {"type": "object", "required": ["id", "amount"],
                 "properties": {"id": {"type": "string"}, "amount": {"type": "integer"}}}
        score = {"kind": "transform", "inputs": ["twice"], "set": {"rest": expression}}
        if self.on_error:
            score["on_error"] = self.on_error
        self.topology = harness.write_json(self.folder / f"{self.name}.json", {
            "anabranch": 1, "name": self.name, "schemas": {"order": order},
            "connections": {"main": {"kafka": {"bootstrap.servers": self.broker.address}}},
            "sources": {"orders": {"kafka": {"topics": [f"{self.name}.in"]}, "schema": "order"}},
            "nodes": {
                "twice": {"kind": "transform", "inputs": ["orders"], "set": {"double": "amount * 2"}},
                "score": score,
                "out": {"kind": "persist", "inputs": ["score"], "to": {"kafka": {"topic": f"{self.name}.out"}},
                        "fields": ["double", "rest"]}}})

    def feed(self, numbers):
        self.broker.produce({"topic": f"{self.name}.in", "key": f"o{n}", **self.envelope(n),
                             "value": json.dumps({"id": f"o{n}", "amount": 0 if n in BAD else n + 1})} for n in numbers)

    def envelope(self, _number):
        """Timestamp and headers of a record."""
        return {}
