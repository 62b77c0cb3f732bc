"""The records of a bad version scored again, beside the pipeline that runs: to a topic, a table and a file, with kills.

Exactly the records of the bad generation, with the ids of before and the values of the good version, which another
pipeline that never had the bad one confirms. What was written before stays as it is, and the pipeline's group too.
"""
import json
import re
import signal
import sqlite3

import harness
import packages

PARTITIONS = 3
PART = harness.scaled(1500)  # records per generation
GROUP = "scoring.mine"


class Rescoring(harness.KafkaCase):

    def setUp(self):
        super().setUp()
        self.registry = self.folder / "registry"
        for version in ("7", "8", "9"):
            self.anabranch("model", "pack", packages.make(self.registry, version), code=0)
        self.prefix = "again" if "once_each" in self.id() else "gone"
        self.topics = {f"{self.prefix}.in": PARTITIONS, f"{self.prefix}.out": PARTITIONS, f"{self.prefix}.dead": 1}
        self.broker.make_topics({**self.topics, f"{self.prefix}.revised": 2})
        self.file = self.topology(self.prefix, self.prefix + GROUP, {
            "out": {"kafka": {"topic": f"{self.prefix}.out"}},
            "table": {"sqlite": {"path": "first.db", "table": "results"}}})

    def topology(self, name, group, targets):
        sinks = {sink: {"kind": "persist", "inputs": ["score"], "fields": ["n", "y", "ver", "gen"], "to": to}
                 for sink, to in targets.items()}
        return harness.write_json(self.folder / f"{name}.json", {
            "anabranch": 1, "name": name,
            "schemas": {"s": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}},
            "connections": {"main": {"kafka": {"bootstrap.servers": "${KAFKA_BROKERS}"}}},
            "models": {"sum": {"registry": "registry", "start": "7"}},
            "sources": {"in": {"kafka": {"topics": [f"{self.prefix}.in"], "group": group}, "schema": "s"}},
            "nodes": {"score": {"kind": "infer", "inputs": ["in"], "model": "sum", "features": "package",
                                "outputs": {"y": "Y", "ver": "@version", "gen": "@generation"}}, **sinks},
            "dead_letters": {"kafka": {"topic": f"{self.prefix}.dead"}}, "delivery": "exactly_once",
            "batch": {"max_rows": 64}, "epoch": {"max_rows": 200, "commit_ms": 20}})

    def table(self, path, table="results", more=""):
        with sqlite3.connect(f"file:{self.folder}/{path}?mode=ro", uri=True, timeout=20) as db:
            return db.execute(f"SELECT id, n, y, ver{more} FROM {table} ORDER BY n, id").fetchall()

    def feed(self, begin, end):
        self.broker.produce({"topic": f"{self.prefix}.in", "partition": n % PARTITIONS, "key": b"%d" % n, "value": b'{"n": %d}' % n}
                            for n in range(begin, end))
        self.wait_until(f"{end} results", 60, lambda: self.written() == end, self.run_, pause=0.1)

    def written(self):
        """Rows of the pipeline's own table; None: it is not made yet."""
        try:
            return len(self.table("first.db"))
        except sqlite3.OperationalError:
            return None

    def model(self, command, *args, code=0):
        return json.loads(self.anabranch("model", command, self.file, *args, "--format", "json", code=code).stdout)

    def rescore(self, node, to, *args, code=0, env=None):
        return self.anabranch("model", "rescore", self.file, "sum", "--generation", self.generation, "--to", f"{node}={json.dumps(to)}",
                              *args, code=code, env=env)

    def swap_and_back(self):
        self.run_ = self.start("run", self.file, "--workers", 1)
        self.wait_until("it runs", 30, lambda: self.written() == 0, self.run_)
        self.feed(0, PART)
        self.generation = self.model("deploy", "sum@8")["generation"]
        self.feed(PART, 2 * PART)
        self.model("rollback", "sum")
        self.feed(2 * PART, 3 * PART)
        self.first = self.table("first.db")
        self.bad = [row for row in self.first if row[3] == "8"]
        self.assertEqual([row[1] for row in self.bad], list(range(PART, 2 * PART)))

    def positions(self):
        return self.broker.stored(self.prefix + GROUP, f"{self.prefix}.in", PARTITIONS)

    def check(self, rows, sink, first):
        """(id, n, y, ver), in the order of n: each record of the bad version once, as the good one scores it."""
        self.assertEqual([row[0] for row in rows], [row[0].rsplit("/", 1)[0] + f"/{sink}" for row in first])
        self.assertEqual([row[1:] for row in rows], self.good)

    def killed(self, point, node, to):
        self.assertEqual(self.rescore(node, to, code=None, env={"ANABRANCH_FAULT": f"{point}=kill"}).code, -signal.SIGKILL)

    def test_the_records_of_a_bad_version_and_no_others_once_each_whatever_is_killed(self):
        self.swap_and_back()
        plain = self.topology(self.prefix + "-plain", self.prefix + "plain", {"table": {"sqlite": {"path": "plain.db", "table": "results"}}})
        self.anabranch("run", "--once", plain, "--workers", 1, code=0)
        self.good = [row[1:] for row in self.table("plain.db") if PART <= row[1] < 2 * PART]
        stored, written = self.positions(), len(self.broker.read(f"{self.prefix}.out"))
        event = next(each for each in self.model("history", "sum") if each["generation"] == self.generation)

        shown = json.loads(self.rescore("out", {"kafka": {"topic": f"{self.prefix}.revised"}}, "--dry-run", "--format", "json").stdout)
        self.assertEqual({each["partition"]: (each["from"], each["until"]) for each in shown["ranges"]},
                         {place: (begin, event["until"][place]) for place, begin in event["from"].items()})
        self.assertEqual(sum(each["until"] - each["from"] for each in shown["ranges"]), PART)
        self.assertEqual((shown["version"], shown["with_version"], shown["records"]), ("8", "7", 0))
        self.assertFalse(list((self.folder / ".anabranch" / self.prefix / "0").glob("rescore*")))

        topic = {"kafka": {"topic": f"{self.prefix}.revised"}}
        for point in ("kafka.produced@3", "kafka.committed@2"):
            self.killed(point, "out", topic)
        self.model("deploy", "sum@9")  # what was begun goes on with the version that it began with
        done = json.loads(self.rescore("out", topic, "--format", "json").stdout)
        self.assertEqual((done["with_version"], done["dead_letters"]), ("7", 0))
        self.assertLess(done["records"], PART)
        messages = self.broker.read(f"{self.prefix}.revised")
        rows = [(harness.headers_of(message), json.loads(message.value())) for message in messages]
        rows.sort(key=lambda row: row[1]["n"])
        self.check([(headers["anabranch.id"].decode(), row["n"], row["y"], row["ver"]) for headers, row in rows], "out", self.bad)
        self.assertEqual({headers["anabranch.revises"] for headers, _ in rows}, {b"%d" % self.generation})
        self.assertEqual({headers["anabranch.models"] for headers, _ in rows}, {b"sum@7"})
        again = json.loads(self.rescore("out", topic, "--format", "json").stdout)
        self.assertEqual((again["records"], len(self.broker.read(f"{self.prefix}.revised"))), (0, PART))
        self.assertEqual(self.model("rollback", "sum")["version"], "7")

        table = {"sqlite": {"path": "revised.db", "table": "revised"}}
        for point in ("sqlite.commit@2", "sqlite.committed@2"):
            self.killed(point, "table", table)
        self.rescore("table", table)
        rows = self.table("revised.db", "revised", ", revises")
        self.check([row[:4] for row in rows], "table", self.bad)
        self.assertEqual({row[4] for row in rows}, {self.generation})

        lines = {"file": {"path": "revised.jsonl"}}
        for point in ("file.write@2", "file.synced@2"):
            self.killed(point, "table", lines)
        self.rescore("table", lines)
        rows = [json.loads(line) for line in (self.folder / "revised.jsonl").read_text().splitlines()]
        rows.sort(key=lambda row: row["value"]["n"])
        self.check([(row["id"], row["value"]["n"], row["value"]["y"], row["value"]["ver"]) for row in rows], "table", self.bad)
        self.assertEqual({row["value"]["revises"] for row in rows}, {self.generation})

        self.assertTrue(self.run_.running())
        self.assertEqual(self.positions(), stored)
        self.assertEqual(self.table("first.db"), self.first)
        self.assertEqual(len(self.broker.read(f"{self.prefix}.out")), written)
        self.feed(3 * PART, 3 * PART + 30)  # the pipeline never stopped

    def test_what_the_topic_no_longer_holds_is_said_with_numbers(self):
        self.swap_and_back()
        from confluent_kafka import TopicPartition
        event = next(each for each in self.model("history", "sum") if each["generation"] == self.generation)
        place = f"{self.prefix}.in/1"
        begin, until = event["from"][place], event["until"][place]
        for future in self.broker.admin.delete_records([TopicPartition(f"{self.prefix}.in", 1, begin + 10)]).values():
            future.result(30)
        target = {"sqlite": {"path": "revised.db", "table": "revised"}}
        refused = self.rescore("table", target, code=1).stderr
        self.assertIn(f"{place} from {begin + 10} to {until}: {until - begin - 10} positions; 10 positions can no longer be read", refused)
        self.assertIn("10 of the positions can no longer be read", refused)
        self.assertFalse((self.folder / "revised.db").exists())
        self.rescore("table", target, "--accept-loss")
        left = [row for row in self.bad if not re.fullmatch(f"{re.escape(place)}/({'|'.join(str(begin + i) for i in range(10))})/table", row[0])]
        self.assertEqual([row[0] for row in self.table("revised.db", "revised")], [row[0] for row in left])
        self.assertEqual(len(left), PART - 10)


if __name__ == "__main__":
    harness.main()
