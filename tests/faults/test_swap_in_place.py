"""A version that is loaded in the place of the one that scores ("swap": "in_place"): no record is lost or scored twice if the
process is killed at any step of the exchange, or if the version cannot be loaded. Memory: test_swap_memory.py.
"""
import json
import sqlite3
import sys

import oracle
from oracle import harness

sys.path.insert(0, str(harness.ROOT / "tests" / "pipelines"))
import packages  # noqa: E402

PARTITIONS = 2
MOST_RECORDS = 100_000  # as many as are sent until all is tried
KILLS = ("models.swap_rested@1", "models.swap_unloaded@1", "models.load:{}@1")


class Killed(harness.KafkaCase):

    def setUp(self):
        super().setUp()
        self.versions = len(KILLS) + 3
        for version in range(1, self.versions + 1):
            self.anabranch("model", "pack", packages.make(self.folder / "registry", str(version)), code=0)
        self.numbers = oracle.Numbered(MOST_RECORDS, partitions=PARTITIONS)
        self.file = harness.write_json(self.folder / "place.json", {
            "anabranch": 1, "name": "place", "schemas": {"number": oracle.Numbered.SCHEMA},
            "connections": {"main": {"kafka": {"bootstrap.servers": "${KAFKA_BROKERS}"}}},
            "models": {"sum": {"registry": "registry", "start": "1", "swap": "in_place"}},
            "sources": {"numbers": {"kafka": {"topics": ["place.in"]}, "schema": "number", "key": {"field": "key"}}},
            "nodes": {"score": {"kind": "infer", "inputs": ["numbers"], "model": "sum", "features": "package",
                                "outputs": {"y": "Y", "ver": "@version", "gen": "@generation"}},
                      "out": {"kind": "persist", "inputs": ["score"], "to": {"kafka": {"topic": "place.out"}},
                              "fields": ["n", "y", "ver", "gen"]},
                      "table": {"kind": "persist", "inputs": ["score"], "fields": ["n", "y", "ver", "gen"],
                                "to": {"sqlite": {"path": "place.db", "table": "results"}}}},
            "batch": {"max_rows": 64}, "epoch": {"max_rows": 500, "commit_ms": 20}, "delivery": "exactly_once"})
        self.broker.make_topics({"place.in": PARTITIONS})
        self.anabranch("topics", self.file, "--create", code=0)

    def run_with(self, fault=None):
        """A run that scores."""
        before = self.reader.count
        self.member = self.start("run", self.file, "--workers", 2, env={"ANABRANCH_FAULT": fault} if fault else {})
        self.wait_until("results", 60, lambda: self.reader.count > before, self.member)

    def stop(self):
        self.member.send(15)
        self.assertEqual(self.member.wait(60), harness.EXIT_OK, self.member.stderr[-2000:])

    def history(self):
        return json.loads(self.anabranch("model", "history", self.file, "sum", "--format", "json", code=0).stdout)

    def scores(self, version):
        last = self.history()[-1]
        return last["version"] == version and len(last["from"]) == PARTITIONS

    def test_no_record_is_lost_whatever_ends_an_exchange(self):
        self.reader = oracle.Reader(self.broker, "place.out", PARTITIONS)
        self.addCleanup(self.reader.close)
        feed = oracle.Feed(self.broker, "place.in", self.numbers, 0, per_second=120)
        self.addCleanup(feed.close)
        feed.until(MOST_RECORDS)
        for version, kill in enumerate(KILLS, 2):
            self.run_with(kill.format(version) + "=kill")
            command = self.start("model", "deploy", self.file, f"sum@{version}", "--timeout", 30)
            self.assertEqual(self.member.wait(60), -9, self.member.stderr[-2000:])
            command.kill()
            self.run_with()
            self.wait_until("the version scores", 60, lambda: self.scores(str(version)), self.member, pause=0.5)
            self.stop()
        self.hold_in_an_exchange(self.versions - 1)
        self.stop()
        self.fail_to_load(self.versions)
        self.records = feed.sent + 100
        feed.until(self.records)
        feed.finish()
        self.wait_until("all results", 120, lambda: self.reader.count >= self.records, self.member)
        self.stop()
        self.check(self.broker.read("place.out"))

    def hold_in_an_exchange(self, version):
        """`status` says what records wait for."""
        self.run_with("models.swap_unloaded@1=stop")
        command = self.start("model", "deploy", self.file, f"sum@{version}", "--timeout", 60)
        self.wait_until("it is held", 60, self.member.stopped)
        status = self.anabranch("status", self.file, code=0).stdout
        self.assertRegex(status, r"  swapping sum in place since \d+ s\n")
        self.member.go_on()
        self.assertEqual(command.wait(90), harness.EXIT_OK, command)
        self.assertTrue(self.scores(str(version)))
        self.assertNotIn("in place since", self.anabranch("status", self.file, code=0).stdout)

    def fail_to_load(self, version):
        """The old one is loaded again and goes on."""
        self.run_with(f"models.load:{version}@1=fail")
        run = self.anabranch("model", "deploy", self.file, f"sum@{version}", "--format", "json", timeout=90)
        answer = json.loads(run.stdout)
        self.assertEqual((run.code, answer["result"]), (1, "refused"), run)
        self.assertIn("instance 0: ", answer["reasons"][0])
        self.wait_until("the old one scores", 60, lambda: self.scores(str(version - 1)), self.member, pause=0.5)
        event = next(each for each in self.history() if each["version"] == str(version))
        self.assertEqual((event["state"], event["from"]), ("abandoned", {}), event)
        self.assertIn(f"version {version - 1} goes on scoring", self.member.stderr)

    def check(self, messages):
        generations = {event["generation"]: event for event in self.history() if event["generation"]}
        rows = [json.loads(message.value()) for message in messages]
        self.assertEqual(sorted(row["n"] for row in rows), list(range(self.records)))
        for message, row in zip(messages, rows):
            topic, partition, offset = harness.headers_of(message)["anabranch.id"].decode().split("/")[:3]
            event = generations[row["gen"]]
            self.assertEqual(packages.version_of(row["n"], row["y"]), row["ver"], row)
            self.assertEqual(event["version"], row["ver"], row)
            self.assertGreaterEqual(int(offset), event["from"][f"{topic}/{partition}"], row)
        with sqlite3.connect(f"file:{self.folder}/place.db?mode=ro", uri=True, timeout=20) as db:
            table = db.execute("SELECT n, y, ver, gen FROM results ORDER BY n").fetchall()
        self.assertEqual(table, sorted((row["n"], row["y"], row["ver"], row["gen"]) for row in rows))
        used = {version: sum(row["ver"] == version for row in rows) for version in sorted({row["ver"] for row in rows})}
        self.assertNotIn(str(self.versions), used)
        print(f"    {self.records} records, {len(KILLS)} kills; records by version: {used}", flush=True)


class KilledInLoad(harness.PipelineCase):

    def run_once(self, fault=None):
        (self.folder / "in.jsonl").write_text('{"n":1}\n')
        with open(self.folder / "in.jsonl", "rb") as records:
            run = self.start("run", self.file, env={"ANABRANCH_FAULT": fault} if fault else {}, stdin=records)
            run.wait(60)
        return run

    def test_a_version_that_kills_the_process_in_its_load_is_given_up_after_three_times(self):
        for version in "12":
            self.anabranch("model", "pack", packages.make(self.folder / "registry", version), code=0)
        self.file = harness.write_json(self.folder / "load.json", {
            "anabranch": 1, "name": "load",
            "schemas": {"number": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}},
            "models": {"sum": {"registry": "registry", "start": "1", "swap": "in_place"}},
            "sources": {"in": {"file": {"path": "-"}, "schema": "number", "key": "position"}},
            "nodes": {"score": {"kind": "infer", "inputs": ["in"], "model": "sum", "features": "package",
                                "outputs": {"y": "Y", "ver": "@version"}},
                      "out": {"kind": "persist", "inputs": ["score"], "to": {"file": {"path": "-"}}, "envelope": "plain",
                              "fields": ["n", "ver"]}},
            "delivery": "at_least_once"})
        self.assertEqual(json.loads(self.run_once().stdout), {"n": 1, "ver": "1"})
        self.anabranch("model", "deploy", self.file, "sum@2", code=0)
        for _ in range(3):
            self.assertEqual(self.run_once("models.load:2@1=kill").code, -9)
        run = self.run_once("models.load:2@1=kill")
        self.assertEqual((run.code, json.loads(run.stdout)), (harness.EXIT_OK, {"n": 1, "ver": "1"}), run)
        self.assertIn("died 3 times in a row while it was loaded", run.stderr)
        history = json.loads(self.anabranch("model", "history", self.file, "sum", "--format", "json", code=0).stdout)
        self.assertEqual([(event["version"], event["state"]) for event in history],
                         [("1", "replaced"), ("2", "abandoned"), ("1", "serves")])


if __name__ == "__main__":
    harness.main()
