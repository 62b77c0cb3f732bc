"""Instances of one group that have a log of generations each, because the topology has no `control`: their numbers mean
different things, so a partition that moves is not scored by what its number means elsewhere."""
import collections
import json
import signal

import harness
import packages

PARTITIONS = 2


class LogsOfTheirOwn(harness.KafkaCase):

    def setUp(self):
        super().setUp()
        registry, self.name = self.folder / "registry", self._testMethodName[:20].replace("_", "-")
        self.input, self.output = f"{self.name}.in", f"{self.name}.out"
        for version in ("1", "2", "3"):
            self.anabranch("model", "pack", packages.make(registry, version), code=0)
        self.anabranch("model", "pack", packages.make(registry, "66", wrong=True), code=0)
        self.file = harness.write_json(self.folder / "apart.json", {
            "anabranch": 1, "name": self.name,
            "schemas": {"number": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}},
            "connections": {"main": {"kafka": {"bootstrap.servers": "${KAFKA_BROKERS}"}}},
            "models": {"sum": {"registry": "registry", "start": "1"}},
            "sources": {"numbers": {"kafka": {"topics": [self.input], "properties": {"session.timeout.ms": 6000}},
                                    "schema": "number"}},
            "nodes": {"score": {"kind": "infer", "inputs": ["numbers"], "model": "sum", "features": "package",
                                "outputs": {"y": "Y", "ver": "@version"}},
                      "out": {"kind": "persist", "inputs": ["score"], "to": {"kafka": {"topic": self.output}},
                              "fields": ["n", "y", "ver"]}},
            "epoch": {"commit_ms": 50}, "delivery": "exactly_once"})
        self.broker.make_topics({self.input: PARTITIONS})
        self.anabranch("topics", self.file, "--create", code=0)
        self.sent = 0

    def join(self, name):
        return self.start("run", self.file, "--instance", name, "--workers", 1)

    def model(self, name, command, *args):
        run = self.anabranch("model", command, self.file, *args, "--format", "json", "--instance", name)
        return json.loads(run.stdout)

    def send(self, count):
        self.broker.produce({"topic": self.input, "partition": n % PARTITIONS, "key": b"k%d" % n, "value": b'{"n":%d}' % n}
                            for n in range(self.sent, self.sent + count))
        self.sent += count

    def versions(self):
        """How many results of each version; every number once."""
        rows = [json.loads(message.value()) for message in self.broker.read(self.output)]
        self.assertEqual(len({row["n"] for row in rows}), len(rows))
        for row in rows:
            self.assertEqual(packages.version_of(row["n"], row["y"]), row["ver"], row)
        return collections.Counter(row["ver"] for row in rows)

    def scored(self, run):
        self.wait_until(f"{self.sent} results", 60, lambda: sum(self.versions().values()) == self.sent, run, pause=0.3)

    def leave(self, run):
        run.send(signal.SIGTERM)
        self.assertEqual(run.wait(30), harness.EXIT_OK, run.stderr)

    def lengthen(self, name, entries):
        """The log of an instance that is not at work, by deployments that the gates refuse."""
        for _ in range(entries):
            self.assertEqual(self.model(name, "deploy", "sum@66")["result"], "refused")

    def refused(self, run, generation, why):
        self.assertEqual(run.wait(60), harness.EXIT_UNAVAILABLE, run.stderr)
        for part in (f"partition {self.input}/", f"generation {generation}", "/b/models.db", why, '"control"', "--fresh"):
            self.assertIn(part, run.stderr)

    def test_a_partition_that_moves_to_another_log_is_refused(self):
        a = self.join("a")
        self.send(40)
        self.scored(a)
        generation = self.model("a", "deploy", "sum@2")["generation"]
        self.send(40)
        self.scored(a)
        self.assertEqual(self.versions(), {"1": 40, "2": 40})
        self.leave(a)
        # The same number of another version.
        last = self.model("b", "deploy", "sum@1")["generation"]
        self.lengthen("b", generation - last - 2)
        self.assertEqual(self.model("b", "deploy", "sum@3")["generation"], generation)
        self.send(40)
        self.refused(self.join("b"), generation, "version 3")
        self.assertEqual(self.versions(), {"1": 40, "2": 40})
        a = self.join("a")
        self.scored(a)
        newer = self.model("a", "deploy", "sum@1")["generation"]
        self.send(40)
        self.scored(a)
        self.leave(a)
        # A number that b has passed, but not of a generation.
        self.lengthen("b", newer)
        self.send(40)
        self.refused(self.join("b"), newer, "no generation")
        a = self.join("a")
        self.scored(a)
        self.assertEqual(self.versions(), {"1": 120, "2": 80})
        self.leave(a)

    def test_logs_that_mean_the_same_may_share_a_group(self):
        """Both have only what the file starts with."""
        a = self.join("a")
        self.send(40)
        self.scored(a)
        b = self.join("b")
        self.wait_until("both have partitions", 60, lambda: self.watcher.all_hold(f"anabranch.{self.name}", 2), b, pause=0.2)
        self.leave(a)
        self.send(40)
        self.scored(b)
        self.assertEqual(self.versions(), {"1": 80})


if __name__ == "__main__":
    harness.main()
