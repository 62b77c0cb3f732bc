"""A record that the target topic will never accept costs one record, and the printed remedies work.

A broker that refuses a batch names one error for all of its records: which one is to blame must be found out, and no
innocent record may be lost, doubled or blamed. The topics here have small limits, so that the refusals are cheap.
"""
import contextlib
import json
import sqlite3
import time

import faults
import oracle
from oracle import harness

COUNT, BAD = 100, 57
LIMIT = 20_000                     # max.message.bytes of the topics that are meant
FAR = 2_000_000_000_000          # May 2033; the topics take an hour ahead
HOUR = {"message.timestamp.after.max.ms": "3600000"}
SMALL = {"max.message.bytes": str(LIMIT)}

SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}, "pad": {"type": "string"}}}


def value(n, pad=0):
    return json.dumps({"n": n, "pad": "x" * pad}).encode()


def big_key():
    return {"key": b"k" * (LIMIT + 500)}


def big_value():
    return {"value": value(BAD, LIMIT + 500)}


def big_headers():
    return {"headers": [("traceparent", b"t" * (LIMIT + 500))]}


def far_timestamp():
    return {"timestamp": FAR}


# what: (the bad record, config of the result topic, config of the dead letters' topic)
REFUSALS = {
    "timestamp": (far_timestamp, HOUR, HOUR),
    "key": (big_key, SMALL, SMALL),
    "value": (big_value, SMALL, SMALL),
    "headers": (big_headers, SMALL, SMALL),
}


class RefusedRecords(harness.KafkaCase):
    def setUp(self):
        super().setUp()
        self.topics = {}

    def lay(self, name, out, dead, records, **node):
        """Topics, the records in them, and the topology over them."""
        self.topics = {what: f"{name}.{what}" for what in ("in", "out", "dead")}
        self.broker.make_topics({self.topics["in"]: 1})
        self.broker.make_topics({self.topics["out"]: 1}, config=out)
        self.broker.make_topics({self.topics["dead"]: 1}, config=dead)
        self.broker.produce({"topic": self.topics["in"], "timestamp": int(time.time() * 1000), **r} for r in records)
        return self.write(name, **node)

    def write(self, name, delivery="exactly_once", fields=("n", "pad"), top=(), **node):
        topology = {
            "anabranch": 1, "name": name, "schemas": {"number": SCHEMA},
            "connections": {"main": {"kafka": {"bootstrap.servers": "${KAFKA_BROKERS}"}}},
            "sources": {"numbers": {"kafka": {"topics": [self.topics["in"]]}, "format": "json", "schema": "number"}},
            "nodes": {"out": {"kind": "persist", "inputs": ["numbers"], "to": {"kafka": {"topic": self.topics["out"]}},
                              "fields": list(fields), **node}},
            "dead_letters": {"kafka": {"topic": self.topics["dead"]}}, "delivery": delivery, **dict(top)}
        return harness.write_json(self.folder / f"{name}.json", topology)

    def numbers(self):
        return [json.loads(m.value())["n"] for m in self.broker.read(self.topics["out"])]

    def letters(self):
        return self.broker.read(self.topics["dead"])

    def judge(self, what, record):
        """99 results in order, and one dead letter that names its record."""
        self.assertEqual(self.numbers(), [n for n in range(COUNT) if n != BAD])
        letters = self.letters()
        self.assertEqual(len(letters), 1)
        letter, headers = letters[0], harness.headers_of(letters[0])
        self.assertEqual(headers["anabranch.error.node"], b"out")
        self.assertEqual(headers["anabranch.error.code"], b"refused_by_target")
        self.assertEqual(headers["anabranch.error.offset"], str(BAD).encode())
        self.assertIn(self.topics["out"].encode(), headers["anabranch.error.message"])
        if what == "timestamp":
            self.assertEqual(headers["anabranch.error.timestamp"], str(FAR).encode())
            self.assertLess(letter.timestamp()[1], FAR)
            self.assertEqual(letter.value(), record["value"])
            self.assertEqual(letter.key(), record["key"])
        else:
            self.assertEqual(headers["anabranch.error.value_bytes"], str(len(record["value"])).encode())
            self.assertEqual(letter.value(), b"")
        if what == "key":
            self.assertEqual(headers["anabranch.error.key_bytes"], str(len(record["key"])).encode())
            self.assertEqual(letter.key(), f"{self.topics['in']}/0/{BAD}".encode())
        if what == "headers":
            self.assertEqual(headers["anabranch.error.headers_dropped"], b"1")

    def records(self, bad):
        records = [{"key": f"k{n}".encode(), "value": value(n)} for n in range(COUNT)]
        records[BAD].update(bad)
        return records

    def test_a_record_that_the_topic_refuses_costs_one_record(self):
        for delivery in ("exactly_once", "at_least_once"):
            for what, (bad, out, dead) in REFUSALS.items():
                with self.subTest(refused=what, delivery=delivery):
                    records = self.records(bad())
                    name = f"{what}-{delivery.replace('_', '-')}"
                    file = self.lay(name, out, dead, records, delivery=delivery)
                    run = self.anabranch("run", "--once", file, code=harness.EXIT_OK)
                    self.judge(what, records[BAD])
                    listed = self.anabranch("dlq", "ls", file, code=harness.EXIT_OK)
                    self.assertIn("refused_by_target", listed.stdout)
                    print(f"{name}: {run.seconds:.1f} s", flush=True)


    def test_it_is_judged_again_after_a_kill(self):
        """During the search for the bad record, and after it is found."""
        for delivery, point, at in (("exactly_once", "kafka.judged", 2), ("exactly_once", "lane.refused", 1),
                                    ("at_least_once", "lane.refused", 2)):
            with self.subTest(point=point, at=at, delivery=delivery):
                records = self.records(far_timestamp())
                file = self.lay(f"killed-{delivery[:2]}-{point.replace('.', '-')}", HOUR, HOUR, records, delivery=delivery)
                run = self.anabranch("run", "--once", file, env=faults.armed(f"{point}@{at}=kill"))
                self.assertEqual(run.code, -9, run)
                self.anabranch("run", "--once", file, code=harness.EXIT_OK)
                if delivery == "exactly_once":
                    self.judge("timestamp", records[BAD])
                self.assertEqual(sorted(set(self.numbers())), [n for n in range(COUNT) if n != BAD])
                self.assertEqual(len(self.letters()), 1)

    def test_many_innocents_and_a_topic_that_takes_small_batches_only(self):
        """5,000 records in batches that are too large for the topic; three of them are too large alone."""
        count, bad = 5000, (17, 2500, 4999)
        for delivery in ("exactly_once", "at_least_once"):
            with self.subTest(delivery=delivery):
                records = [{"key": f"k{n}".encode(), "value": value(n, 30_000 if n in bad else 20)} for n in range(count)]
                limit = SMALL
                file = self.lay(f"small-{delivery[:2]}", limit, {}, records, delivery=delivery)
                run = self.anabranch("run", "--once", file, code=harness.EXIT_OK)
                # At least once, an epoch that is written again because of one bad record repeats what had left before.
                # How much that is depends on the machine; each record has a key of its own, so no order is promised.
                once = (lambda found: found) if delivery == "exactly_once" else (lambda found: sorted(set(found)))
                self.assertEqual(once(self.numbers()), [n for n in range(count) if n not in bad])
                letters = [(int(harness.headers_of(m)["anabranch.error.offset"]), m.value()) for m in self.letters()]
                self.assertEqual(once(letters), [(n, records[n]["value"]) for n in bad])
                print(f"5,000 records, three refused, {delivery}: {run.seconds:.1f} s", flush=True)

    def test_a_topic_as_it_comes_is_filled_to_its_limit(self):
        """A topic accepts records of up to 1,048,588 bytes: a value of 1,047,000 bytes passes, one of 1,048,588 becomes a letter."""
        records = [{"key": b"k", "value": value(0, 1_047_000)}, {"key": b"k", "value": value(1, 1_048_588)}]
        file = self.lay("limit", {}, {}, [], delivery="exactly_once")
        self.broker.make_topics({"limit.large": 1}, config={"max.message.bytes": str(4 << 20)})
        self.broker.produce({"topic": "limit.large", **record} for record in records)
        self.topics["in"] = "limit.large"
        file = self.write("limit")
        self.anabranch("run", "--once", file, code=harness.EXIT_OK)
        self.assertEqual(self.numbers(), [0])
        headers = harness.headers_of(self.letters()[0])
        self.assertEqual(headers["anabranch.error.value_bytes"], str(len(records[1]["value"])).encode())
        self.assertEqual(len(headers["anabranch.error.value_xxh3"]), 16)

    def test_two_kinds_of_targets_agree_on_it(self):
        """The database commits first; what Kafka refuses must be known before."""
        records = self.records(far_timestamp())
        file = self.lay("two", HOUR, HOUR, records)
        topology = json.loads(file.read_text())
        topology["nodes"]["table"] = {"kind": "persist", "inputs": ["numbers"], "fields": ["n"],
                                      "to": {"sqlite": {"path": "out.db", "table": "results"}}}
        topology["dead_letters"] = {"file": {"path": "dead.jsonl"}}
        harness.write_json(file, topology)
        self.anabranch("run", "--once", file, code=harness.EXIT_OK)
        self.assertEqual(self.numbers(), [n for n in range(COUNT) if n != BAD])
        with contextlib.closing(sqlite3.connect(self.folder / "out.db")) as database:
            self.assertEqual([n for n, in database.execute("SELECT n FROM results ORDER BY n")], list(range(COUNT)))
        letters = [json.loads(line) for line in (self.folder / "dead.jsonl").read_text().splitlines()]
        self.assertEqual([letter["headers"]["anabranch.error.offset"] for letter in letters], [str(BAD)])

    def test_a_mass_of_them_trips_the_breaker(self):
        records = [{"key": b"k", "value": value(n), "timestamp": FAR} for n in range(1000)]
        file = self.lay("mass", HOUR, HOUR, records, delivery="at_least_once", dead_letter_max={"share": 0.01, "rows": 500})
        run = self.anabranch("run", "--once", file, code=harness.EXIT_STAGE)
        self.assertIn("dead_letter_max", run.stderr)
        self.assertLess(len(self.letters()), 5)
        self.assertEqual(self.numbers(), [])
        print(f"1,000 refused records: stopped after {run.seconds:.1f} s", flush=True)

    def stopped(self, name):
        file = self.lay(name, HOUR, HOUR, self.records(far_timestamp()), on_error="stop")
        run = self.anabranch("run", "--once", file, code=harness.EXIT_STAGE)
        self.assertIn(f"{self.topics['in']}/0/{BAD}", run.stderr)
        self.assertIn("anabranch restart", run.stderr)
        self.assertIn("anabranch dlq skip", run.stderr)
        return file

    def test_the_cure_restart_works_after_the_policy_was_changed(self):
        file = self.stopped("cure-policy")
        self.anabranch("restart", file, "--yes", "--once", code=harness.EXIT_STAGE)  # nothing was fixed
        file = self.write("cure-policy")
        self.anabranch("restart", file, "--yes", "--once", code=harness.EXIT_OK)
        self.judge("timestamp", self.records(far_timestamp())[BAD])

    def test_the_cure_restart_works_after_the_topic_was_changed(self):
        file = self.stopped("cure-topic")
        self.broker.configure(self.topics["out"], {"message.timestamp.after.max.ms": "3153600000000"})
        self.anabranch("restart", file, "--yes", "--once", code=harness.EXIT_OK)
        self.assertEqual(self.numbers(), list(range(COUNT)))
        self.assertEqual(self.letters(), [])

    def test_the_cure_dlq_skip_works(self):
        file = self.stopped("cure-skip")
        before = len(self.numbers())
        self.anabranch("dlq", "skip", file, "--yes", code=harness.EXIT_OK)
        self.anabranch("run", file, "--once", code=harness.EXIT_OK)
        letters = self.letters()
        self.assertEqual(before + len(letters), COUNT, "each record once")
        self.assertEqual(len(self.numbers()), before)
        self.assertEqual({harness.headers_of(m)["anabranch.error.code"] for m in letters}, {b"given_up"})
        self.assertIn(str(FAR).encode(), [harness.headers_of(m).get("anabranch.error.timestamp") for m in letters])

    def test_results_that_wait_for_a_topic_can_be_given_up(self):
        """The topic accepts nothing from this writer, so complete results were kept, which hold no records."""
        records = [{"key": f"k{n}".encode(), "value": value(n)} for n in range(COUNT)]
        file = self.lay("outputs", {}, {}, records)
        run = self.anabranch("run", "--once", file, env=faults.armed("target.commit@1=fail"))
        self.assertEqual(run.code, harness.EXIT_STAGE, run)
        self.anabranch("dlq", "skip", file, "--yes", code=harness.EXIT_OK)
        self.assertEqual(len(self.letters()), COUNT)
        self.assertEqual([m.value() for m in self.letters()], [r["value"] for r in records])
        self.broker.produce([{"topic": self.topics["in"], "key": b"k", "value": value(COUNT)}])
        self.anabranch("run", file, "--once", code=harness.EXIT_OK)
        self.assertEqual(self.numbers(), [COUNT])


if __name__ == "__main__":
    harness.main()
