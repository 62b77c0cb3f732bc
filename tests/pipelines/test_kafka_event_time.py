"""A version that begins at an event time, on two partitions whose records are out of order in time.

Which version a record must have is computed from the time that the broker has of it alone. Whatever is killed around the
switch, both targets say that version, and so does another group that reads everything again.
"""
import datetime
import json
import random
import sqlite3

import harness
import packages

PARTITIONS = 2
RECORDS = harness.scaled(6000)
CUT = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.timezone.utc)
CUT_MS = int(CUT.timestamp() * 1000)
AT = f"event-time:{CUT.isoformat()}"


def record_of(id):
    """The id of a result without the name of its sink."""
    return "/".join(id.split("/")[:3])


class EventTime(harness.KafkaCase):

    def setUp(self):
        super().setUp()
        for version in ("7", "8", "9"):
            self.anabranch("model", "pack", packages.make(self.folder / "registry", version), code=0)

    def write(self, name):
        """A topology with a group, a control log and targets of its own."""
        file = harness.write_json(self.folder / f"{name}.json", {
            "anabranch": 1, "name": name,
            "schemas": {"number": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}},
            "connections": {"main": {"kafka": {"bootstrap.servers": "${KAFKA_BROKERS}"}}},
            "control": {"kafka": {"topic": f"{name}.control"}},
            "models": {"sum": {"registry": "registry", "start": "7"}},
            "sources": {"numbers": {"kafka": {"topics": ["cut.in"], "start": "earliest",
                                              "properties": {"session.timeout.ms": 6000}}, "schema": "number"}},
            "nodes": {"score": {"kind": "infer", "inputs": ["numbers"], "model": "sum", "features": "package",
                                "outputs": {"y": "Y", "ver": "@version"}},
                      "out": {"kind": "persist", "inputs": ["score"], "to": {"kafka": {"topic": f"{name}.out"}},
                              "fields": ["n", "y", "ver"]},
                      "table": {"kind": "persist", "inputs": ["score"], "fields": ["n", "y", "ver"],
                                "to": {"sqlite": {"path": f"{name}.db", "table": "results"}}}},
            "batch": {"max_rows": 64}, "epoch": {"max_rows": 300, "commit_ms": 20}, "delivery": "exactly_once"})
        self.anabranch("topics", file, "--create", code=0)
        return file

    def produce(self, numbers, before, after):
        """Out of order, from `before` to `after` seconds around the cut; partition 1 is ahead of partition 0."""
        times = random.Random(len(numbers))
        records = []
        for n in numbers:
            partition = n % PARTITIONS
            time = CUT_MS + round(1000 * times.uniform(before, after)) + (500 if partition and after > 0 else 0)
            records.append({"topic": "cut.in", "partition": partition, "key": b"k%d" % n, "value": b'{"n":%d}' % n,
                            "timestamp": CUT_MS if n % 500 == 250 and after > 0 else time})
        self.broker.produce(records)

    def model(self, command, file, *args, code=0):
        return json.loads(self.anabranch("model", command, file, *args, "--format", "json", code=code).stdout)

    def expected(self):
        """By id of the input's record: the version that its time asks for."""
        versions, crossings, before = {}, 0, {}
        for message in self.broker.read("cut.in"):
            kind, time = message.timestamp()
            self.assertEqual(kind, 1, "the time of its producer")
            version = "8" if time >= CUT_MS else "7"
            crossings += before.get(message.partition(), version) != version
            before[message.partition()] = version
            versions[f"cut.in/{message.partition()}/{message.offset()}"] = version
        self.assertGreater(crossings, RECORDS // 10, "the versions alternate")
        return versions

    def versions_in(self, name):
        """The same as its two targets say, after each row agrees with itself."""
        topic = {}
        for message in self.broker.read(f"{name}.out"):
            row, headers = json.loads(message.value()), harness.headers_of(message)
            id = record_of(headers["anabranch.id"].decode())
            self.assertNotIn(id, topic)
            self.assertEqual(packages.version_of(row["n"], row["y"]), row["ver"], row)
            self.assertEqual(headers["anabranch.models"].decode(), f"sum@{row['ver']}")
            topic[id] = row["ver"]
        with sqlite3.connect(f"file:{self.folder}/{name}.db?mode=ro", uri=True, timeout=20) as db:
            rows = db.execute("SELECT id, n, y, ver FROM results").fetchall()
        for id, n, y, version in rows:
            self.assertEqual(packages.version_of(n, y), version, id)
        self.assertEqual(len(rows), len(topic))
        self.agree({record_of(row[0]): row[3] for row in rows}, topic)
        return topic

    def agree(self, found, wanted):
        other = [(id, found.get(id), wanted.get(id)) for id in found.keys() | wanted.keys() if found.get(id) != wanted.get(id)]
        self.assertFalse(other[:5], f"{len(other)} records: id, version, version that is wanted")

    def test_every_record_has_the_version_of_its_time_whatever_is_killed_and_in_another_group_too(self):
        self.broker.make_topics({"cut.in": PARTITIONS})
        file = self.write("cut")
        self.produce(range(RECORDS // 3), -90, -1)
        self.anabranch("run", file, "--once", code=0)
        done = self.model("deploy", file, "sum@8", "--at", AT)
        self.assertEqual((done["result"], done["waiting"]), ("active", []))
        self.assertEqual(self.model("deploy", file, "sum@8", "--at", f"event-time:{CUT_MS}")["result"], "already")
        self.produce(range(RECORDS // 3, RECORDS), -60, 60)
        for fault in ("lane.switch@1=kill", "lane.switched@1=kill"):
            killed = self.start("run", file, "--once", env={"ANABRANCH_FAULT": fault})
            self.assertEqual(killed.wait(30), -9, f"{fault}: {killed.stderr[-2000:]}")
        killed = self.start("run", file)
        self.wait_until("some results", 30, lambda: sum(self.watcher.ends("cut.out", PARTITIONS)) > RECORDS // 2, killed)
        killed.kill()
        self.anabranch("run", file, "--once", code=0)
        wanted = self.expected()
        self.assertEqual(len(wanted), RECORDS)
        self.agree(self.versions_in("cut"), wanted)
        self.say_so(file, done["generation"])

        again = self.write("again")
        self.model("deploy", again, "sum@8", "--at", AT)
        self.anabranch("run", again, "--once", code=0)
        self.agree(self.versions_in("again"), wanted)
        share = sum(version == "8" for version in wanted.values()) / RECORDS
        print(f"    {RECORDS} records, {share:.1%} of them by version 8, both groups alike", flush=True)

        self.model("rollback", file, "sum")
        self.produce(range(RECORDS, RECORDS + 50), -5, 5)
        self.anabranch("run", file, "--once", code=0)
        after = self.versions_in("cut")
        self.assertEqual({after[id] for id in after.keys() - wanted.keys()}, {"7"}, "a rollback is for all records")
        self.agree({id: after[id] for id in wanted}, wanted)  # what was scored stays

    def say_so(self, file, generation):
        event = next(each for each in self.model("history", file, "sum") if each["generation"] == generation)
        self.assertEqual((event["rule"], event["from_time"], event["serving"], event["version"]),
                         ("event_time", "2026-03-01T12:00:00Z", "7", "8"))
        self.assertEqual(len(event["from"]), PARTITIONS)
        text = self.anabranch("model", "history", file, code=0).stdout
        sentence = "version 8 scores the records from event time 2026-03-01T12:00:00Z on, version 7 those before"
        self.assertIn(sentence, text)
        self.assertIn(sentence, self.anabranch("status", file, code=0).stdout)
        now = json.loads(self.anabranch("status", file, "--format", "json", code=0).stdout)["models"]["sum"]
        self.assertEqual((now["version"], now["before"], now["from_time"]), ("8", "7", "2026-03-01T12:00:00Z"))


if __name__ == "__main__":
    harness.main()
