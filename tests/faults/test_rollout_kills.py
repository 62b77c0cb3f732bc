"""Rollouts on two instances that share four partitions, with a kill in every step that the instances make by themselves.

Every record once in a topic and once in a database, answered by the version that its key draws in the generation that the
history names for its offset; a rollout ends as if nobody had died; what was counted is never more than what was committed;
what the candidate fails is no dead letter.
"""
import json
import sqlite3
import sys

import oracle
from oracle import harness

sys.path.insert(0, str(harness.ROOT / "tests" / "pipelines"))
import packages  # noqa: E402
import rollout_oracle  # noqa: E402

PARTITIONS = 4
MOST = 200_000  # records: the feed goes on until the last rollout has ended
STEPS = ("models.counts_sent", "models.step_sent", "models.step_seen")
NAMES = ("a", "b")
FIELDS = ["n", "key", "y", "ver", "gen", "arm"]


class RolloutKills(harness.KafkaCase):

    def setUp(self):
        super().setUp()
        self.registry = self.folder / "registry"
        for version in range(1, len(STEPS) + 2):
            self.anabranch("model", "pack", packages.make(self.registry, str(version)), code=0)
        self.anabranch("model", "pack", packages.make(self.registry, "66", fails="n > 100"), code=0)
        self.numbers = oracle.Numbered(MOST, partitions=PARTITIONS)
        self.file = harness.write_json(self.folder / "steps.json", {
            "anabranch": 1, "name": "steps", "schemas": {"number": oracle.Numbered.SCHEMA},
            "connections": {"main": {"kafka": {"bootstrap.servers": "${KAFKA_BROKERS}"}}},
            "control": {"kafka": {"topic": "steps.control"}},
            "models": {"sum": {"registry": "registry", "start": "1", "rollout": {
                "by": "key", "steps": [{"shadow": 1.0, "rows": 200}, {"canary": 0.5, "rows": 200}, "all"],
                "guards": {"errors": 0.1}}}},
            "sources": {"numbers": {"kafka": {"topics": ["steps.in"], "properties": {"session.timeout.ms": 6000}},
                                    "schema": "number", "key": {"field": "key"}}},
            "nodes": {"score": {"kind": "infer", "inputs": ["numbers"], "model": "sum", "features": "package",
                                "outputs": {"y": "Y", "ver": "@version", "gen": "@generation", "arm": "@arm"}},
                      "out": {"kind": "persist", "inputs": ["score"], "to": {"kafka": {"topic": "steps.out"}}, "fields": FIELDS},
                      "table": {"kind": "persist", "inputs": ["score"], "fields": [name for name in FIELDS if name != "key"],
                                "to": {"sqlite": {"path": "steps.db", "table": "results"}}}},
            "dead_letters": {"kafka": {"topic": "steps.dead"}},
            "batch": {"max_rows": 64}, "epoch": {"max_rows": 500, "commit_ms": 50}, "delivery": "exactly_once"})
        self.broker.make_topics({"steps.in": PARTITIONS})
        self.anabranch("topics", self.file, "--create", code=0)
        self.members = {}

    def join(self, name, **env):
        self.members[name] = self.start("run", self.file, "--instance", name, "--workers", 1, env=env)

    def stop(self, name):
        self.members[name].send(15)
        self.assertEqual(self.members[name].wait(60), harness.EXIT_OK, self.members[name].stderr[-2000:])

    def model(self, command, *args):
        run = self.anabranch("model", command, self.file, *args, "--format", "json", "--instance", "a", timeout=90)
        return run.code, json.loads(run.stdout)

    def begin(self, version):
        """A rollout. A member that died is in the group until its session ends."""
        for _ in range(4):
            code, answer = self.model("deploy", f"sum@{version}", "--timeout", "20")
            if answer["result"] in ("active", "already"):
                return
        self.fail(f"version {version}: {code}, {answer}")

    def newest(self):
        return max((event for event in self.model("history", "sum")[1] if event["generation"]), key=lambda event: event["generation"])

    def ends_with(self, version):
        def ended():
            self.rejoin_the_dead()
            newest = self.newest()
            return newest["rule"] == "one" and newest["version"] == version and len(newest["from"]) == PARTITIONS
        self.wait_until(f"version {version} scores all", 90, ended, pause=0.5)

    def rejoin_the_dead(self):
        """Members that a fault point killed, without the fault."""
        dead = [name for name in NAMES if self.members[name].process.poll() is not None]
        for name in dead:
            self.assertEqual(self.members[name].wait(5), -9, self.members[name].stderr[-2000:])
            self.join(name)
        return dead

    def test_a_rollout_ends_the_same_whoever_dies_in_which_step(self):
        reader = oracle.Reader(self.broker, "steps.out", PARTITIONS)
        self.addCleanup(reader.close)
        feed = oracle.Feed(self.broker, "steps.in", self.numbers, 0, per_second=250)
        self.addCleanup(feed.close)
        feed.until(MOST)
        for name in NAMES:
            self.join(name)
        self.wait_until("first results", 60, lambda: reader.count > 0, self.members["a"])
        for number, step in enumerate(STEPS):
            for name in NAMES:
                self.stop(name)
            for name in NAMES:
                self.join(name, ANABRANCH_FAULT=f"{step}@1=kill")
            before = reader.count
            self.wait_until("results of both", 60, lambda: reader.count > before + 300, self.members["a"])
            self.begin(number + 2)
            self.wait_until(f"a kill at {step}", 60, self.rejoin_the_dead, pause=0.2)
            self.ends_with(str(number + 2))
        for name in NAMES:
            self.stop(name)
        for name in NAMES:
            self.join(name)
        self.begin("66")
        self.ends_with(str(len(STEPS) + 1))  # it fails rows: rolled back by itself
        self.assertEqual(self.newest()["action"], "rollback")
        feed.until(feed.sent + 100)
        feed.finish()
        self.wait_until("all results", 120, lambda: reader.count >= feed.sent)
        for name in NAMES:
            self.stop(name)
        records = self.check_log()
        self.check([json.loads(message.value()) for message in self.broker.read("steps.out")], feed.sent, records)
        self.assertEqual(self.broker.read("steps.dead"), [])

    def check_log(self):
        """A topic that is compacted keeps the newest counts of each instance and generation, and every other entry. Returns
        what each generation is."""
        others, records = [], {}
        for message in self.broker.read("steps.control"):
            entry = json.loads(message.value())
            if entry["kind"] == "counts":
                self.assertEqual(message.key().decode(), f"counts/{entry['counted']}/{entry['instance']}")
            else:
                others.append(message.key())
            if entry["kind"] in ("active", "step"):
                records[message.offset() + 1] = entry["generation"]
        self.assertEqual(len(others), len(set(others)))
        return records

    @staticmethod
    def drawn(record, key):
        """The version that a key draws."""
        draws = record["rule"] == "canary" and rollout_oracle.draw(record["salt"], key) < record["share"]
        return record["arms"][1 if draws else 0]["version"]

    def check(self, rows, count, records):
        history = {event["generation"]: event for event in self.model("history", "sum")[1] if event["generation"]}
        self.assertEqual(sorted(row["n"] for row in rows), list(range(count)))
        with sqlite3.connect(f"file:{self.folder}/steps.db?mode=ro", uri=True, timeout=20) as db:
            table = db.execute("SELECT n, \"key\", y, ver, gen, arm FROM results ORDER BY n").fetchall()
        self.assertEqual(table, sorted(tuple(row[name] for name in FIELDS) for row in rows))
        by_generation = {}
        for row in rows:
            self.assertEqual(packages.version_of(row["n"], row["y"]), row["ver"], row)
            event = history[row["gen"]]
            by_generation[row["gen"]] = by_generation.get(row["gen"], 0) + 1
            self.assertEqual((row["arm"], row["ver"]), (self.drawn(records[row["gen"]], row["key"]),) * 2, row)
            if event["rule"] != "canary":
                self.assertEqual(row["ver"], event["serving"] if event["rule"] == "shadow" else event["version"], row)
        counted = {}
        for generation, event in history.items():
            if event["rule"] == "one":
                continue
            nodes = self.model("compare", "sum", "--generation", generation)[1]["nodes"]
            counted[generation] = sum(node["paired"] for node in nodes)
            self.assertLessEqual(counted[generation], by_generation.get(generation, 0), event)
            self.assertGreater(counted[generation], 0, event)
        print(f"    {count} records, {len(history)} generations; rows by generation {by_generation}, counted {counted}", flush=True)


if __name__ == "__main__":
    harness.main()
