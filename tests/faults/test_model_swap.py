"""Versions of a model deployed on two instances that share four partitions, with kills in every step of the agreement; one
is held meanwhile, and a command is killed.

Every record once in a topic and once in a database; for every offset one version in both, the one that `model history`
names; a version that was refused scores no record. A release kills both instances in every step, and holds one for longer
than its session: ANABRANCH_SCALE=8.
"""
import contextlib
import itertools
import json
import signal
import sqlite3
import sys

import oracle
from oracle import harness

sys.path.insert(0, str(harness.ROOT / "tests" / "pipelines"))
import packages  # noqa: E402

PARTITIONS = 4
RECORDS = harness.scaled(25_000)
STEPS = ("models.prepare_seen", "models.ready_sent", "models.active_seen", "lane.switch", "lane.switched")
NAMES = ("a", "b")
IS_RELEASE = harness.SCALE >= 8
KILLS = list(itertools.product(STEPS, NAMES)) if IS_RELEASE else list(zip(STEPS, itertools.cycle(NAMES)))
STAGES = len(KILLS) + 4  # of the feed: before, with kills, twice with one that is held, after
SESSION = 6  # seconds


class ModelSwap(harness.KafkaCase):

    def setUp(self):
        super().setUp()
        self.registry = self.folder / "registry"
        for version in range(1, STAGES + 2):
            self.pack(str(version))
        self.pack("66", wrong=True)
        self.pack("67", column="unheard_of")
        self.numbers = oracle.Numbered(RECORDS, partitions=PARTITIONS)
        self.file = harness.write_json(self.folder / "swap.json", {
            "anabranch": 1, "name": "swap", "schemas": {"number": oracle.Numbered.SCHEMA},
            "connections": {"main": {"kafka": {"bootstrap.servers": "${KAFKA_BROKERS}"}}},
            "control": {"kafka": {"topic": "swap.control"}},
            "models": {"sum": {"registry": "registry", "start": "1"}},
            "sources": {"numbers": {"kafka": {"topics": ["swap.in"], "properties": {"session.timeout.ms": SESSION * 1000}},
                                    "schema": "number", "key": {"field": "key"}}},
            "nodes": {"score": {"kind": "infer", "inputs": ["numbers"], "model": "sum", "features": "package",
                                "outputs": {"y": "Y", "ver": "@version", "gen": "@generation"}},
                      "out": {"kind": "persist", "inputs": ["score"], "to": {"kafka": {"topic": "swap.out"}},
                              "fields": ["n", "y", "ver", "gen"]},
                      "table": {"kind": "persist", "inputs": ["score"], "fields": ["n", "y", "ver", "gen"],
                                "to": {"sqlite": {"path": "swap.db", "table": "results"}}}},
            "batch": {"max_rows": 64}, "epoch": {"max_rows": 500, "commit_ms": 50}, "delivery": "exactly_once"})
        self.broker.make_topics({"swap.in": PARTITIONS})
        self.anabranch("topics", self.file, "--create", code=0)
        self.members = {}

    def pack(self, version, **how):
        self.anabranch("model", "pack", packages.make(self.registry, version, **how), code=0)

    def join(self, name, **env):
        self.members[name] = self.start("run", self.file, "--instance", name, "--workers", 1, env=env)

    def model(self, command, *args, timeout=60):
        run = self.anabranch("model", command, self.file, *args, "--format", "json", "--instance", "a", timeout=timeout)
        return run.code, json.loads(run.stdout)

    def deploy(self, version):
        """Until it scores: a member that died is in the group until its session ends."""
        for _ in range(3):
            code, answer = self.model("deploy", f"sum@{version}", "--timeout", "20")
            if answer["result"] in ("active", "already"):
                return answer["generation"]
        self.fail(f"version {version}: {code}, {answer}")

    def switched(self, generation):
        history = self.model("history", "sum")[1]
        event = next(each for each in history if each["generation"] == generation)
        return len(event["from"]) == PARTITIONS

    def test_every_offset_has_one_version_whatever_dies_during_an_agreement(self):
        self.reader = oracle.Reader(self.broker, "swap.out", PARTITIONS)
        self.addCleanup(self.reader.close)
        self.feed = oracle.Feed(self.broker, "swap.in", self.numbers, 0, per_second=1500 if IS_RELEASE else 600)
        self.addCleanup(self.feed.close)
        self.stage, self.version = 0, 1
        self.feed_more()
        for name in NAMES:
            self.join(name)
        self.wait_until("first results", 60, lambda: self.reader.count > 0, self.members["a"])
        for number, (step, victim) in enumerate(KILLS):
            self.feed_more()
            self.die_in(step, victim, bad=number in (0, 2))
        self.feed_more()
        self.lose_a_command_while_one_is_held()
        if IS_RELEASE:
            self.feed_more()
            self.hold_one_beyond_its_session()
        code, answer = self.model("rollback", "sum")
        self.assertEqual((code, answer["version"]), (0, str(self.version - 1)), answer)
        self.feed.until(RECORDS)
        self.wait_until("all is sent", 300, lambda: self.feed.sent == RECORDS)
        self.feed.finish()
        self.wait_until("all results", 300, lambda: self.reader.count >= RECORDS)
        for run in self.members.values():
            run.send(15)
        for run in self.members.values():
            self.assertEqual(run.wait(60), harness.EXIT_OK, run.stderr[-2000:])
        self.check(self.broker.read("swap.out"))

    def feed_more(self):
        self.stage += 1
        self.feed.until(RECORDS * self.stage // STAGES)

    def next_version(self):
        self.version += 1
        return self.version

    def await_switch(self, generation, name, what):
        self.wait_until(f"generation {generation} on all partitions after {what}", 60, lambda: self.switched(generation),
                        self.members[name], pause=0.5)

    def die_in(self, step, victim, bad):
        before = self.reader.count
        self.members[victim].send(15)
        self.members[victim].wait(60)
        self.join(victim, ANABRANCH_FAULT=f"{step}@1=kill")
        # It has its partitions again, and nothing to switch.
        self.wait_until("results of both", 60, lambda: self.reader.count > before + 500, self.members[victim])
        if bad:
            for version in ("66", "67"):
                code, answer = self.model("deploy", f"sum@{version}")
                self.assertEqual((code, answer["result"]), (1, "refused"), answer)
        generation = self.deploy(self.next_version())
        self.assertEqual(self.members[victim].wait(30), -9, f"{step} was not passed: {self.members[victim].stderr[-2000:]}")
        self.join(victim)
        self.await_switch(generation, victim, step)

    def lose_a_command_while_one_is_held(self):
        """It holds the agreement up, for less than its session. Another command finishes what was begun."""
        version = self.next_version()
        self.members["b"].send(signal.SIGSTOP)
        command = self.start("model", "deploy", self.file, f"sum@{version}", "--instance", "a")
        self.wait_until("a deployment is open", 20, lambda: self.model("history", "sum")[1][-1]["state"] == "open", command)
        command.kill()
        self.members["b"].go_on()
        generation = self.deploy(version)
        self.await_switch(generation, "b", "a command was killed")
        events = [event for event in self.model("history", "sum")[1] if event["version"] == str(version)]
        self.assertEqual(len(events), 1, events)

    def hold_without_a_lock(self):
        """One that is held in its transaction on the database keeps it from the other."""
        self.members["b"].send(signal.SIGSTOP)
        self.wait_until("it is held", 10, self.members["b"].stopped)
        try:
            with contextlib.closing(sqlite3.connect(self.folder / "swap.db", timeout=1, isolation_level=None)) as db:
                db.execute("BEGIN IMMEDIATE")
            return True
        except sqlite3.OperationalError:
            self.members["b"].go_on()
            return False

    def hold_one_beyond_its_session(self):
        """Its partitions go to the other one, which switches alone; what it had in flight may not be written."""
        self.wait_until("it is held while it writes nothing", 20, self.hold_without_a_lock, pause=0.1)
        generation = self.deploy(self.next_version())
        self.await_switch(generation, "a", "one was held")
        self.members["b"].go_on()
        before = self.reader.count
        self.wait_until("more results", 60, lambda: self.reader.count > before + 500, self.members["a"])
        if not self.members["b"].running():
            print(f"    the one that was held ended with {self.members['b'].code}", flush=True)
            self.join("b")

    def check(self, messages):
        history = {event["generation"]: event for event in self.model("history", "sum")[1] if event["generation"]}
        seen, used, rows = set(), {}, []
        for message in messages:
            row = json.loads(message.value())
            n, headers = row["n"], harness.headers_of(message)
            self.assertNotIn(n, seen)
            seen.add(n)
            rows.append((n, row["y"], row["ver"], row["gen"]))
            topic, partition, offset = headers["anabranch.id"].decode().split("/")[:3]
            self.assertEqual(packages.version_of(n, row["y"]), row["ver"], row)
            self.assertEqual(headers["anabranch.models"].decode(), f"sum@{row['ver']}")
            event = history[row["gen"]]
            self.assertEqual(event["version"], row["ver"])
            place = f"{topic}/{partition}"
            self.assertGreaterEqual(int(offset), event["from"][place], row)
            self.assertLess(int(offset), event["until"].get(place, 1 << 60), row)
            used[row["ver"]] = used.get(row["ver"], 0) + 1
        self.assertEqual(len(seen), RECORDS)
        with sqlite3.connect(f"file:{self.folder}/swap.db?mode=ro", uri=True, timeout=20) as db:
            table = db.execute("SELECT n, y, ver, gen FROM results ORDER BY n").fetchall()
        self.assertEqual(table, sorted(rows))
        self.assertFalse({"66", "67"} & set(used))
        print(f"    {RECORDS} records, {len(history)} generations, records by version: {used}", flush=True)


if __name__ == "__main__":
    harness.main()
