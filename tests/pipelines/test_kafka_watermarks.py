"""Event time: what a record's time is, which ones are good, and the watermark that each partition shows."""
import datetime
import json
import re
import urllib.request

import harness
from harness import EXIT_OK

BEGIN = datetime.datetime(2026, 3, 1, 10, 0, 0, tzinfo=datetime.timezone.utc)
SCHEMA = {"type": "object", "required": ["id"],
          "properties": {"id": {"type": "string"}, "at": {"type": "string", "format": "date-time"}}}


def text_of(at):
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def after(seconds):
    return text_of(BEGIN + datetime.timedelta(seconds=seconds))


def shown(seconds):
    """As `status` writes a time on a full second."""
    return (BEGIN + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


class EventTime(harness.KafkaCase):
    def write_topology(self, name, time_rule):
        self.topic = f"{name}.in"
        self.topology = harness.write_json(self.folder / f"{name}.json", {
            "anabranch": 1, "name": name, "schemas": {"payment": SCHEMA},
            "connections": {"main": {"kafka": {"bootstrap.servers": self.broker.address}}},
            "sources": {"payments": {"kafka": {"topics": [self.topic]}, "schema": "payment", "key": {"field": "id"},
                                     "time": time_rule}},
            "nodes": {"out": {"kind": "persist", "inputs": ["payments"], "to": {"file": {"path": "out.jsonl"}},
                              "fields": ["id"]}},
            "dead_letters": {"file": {"path": "dead.jsonl"}}})
        return self.topology

    def send(self, partition, *records, **more):
        self.broker.produce([{"topic": self.topic, "partition": partition, "key": record["id"],
                              "value": json.dumps(record), **more} for record in records])

    def marks(self):
        """What `status` says: by partition, its watermark. Nothing while the run begins."""
        status = self.anabranch("status", self.topology, "--format", "json")
        if status.code != EXIT_OK:
            return {}
        partitions = json.loads(status.stdout)["lag"]["payments"].get("partitions", {})
        return {name: each["watermark"] for name, each in partitions.items() if "watermark" in each}

    def expect_marks(self, run, seconds):
        wanted = {f"{self.topic}/{partition}": shown(at) for partition, at in seconds.items()}
        self.wait_until(f"status shows {wanted}", 60, lambda: self.marks() == wanted, run=run, pause=0.2)

    def letters(self):
        letters = [json.loads(line) for line in (self.folder / "dead.jsonl").read_text().splitlines()]
        return {letter["key"]: letter["headers"]["anabranch.error.code"] for letter in letters}

    def ids(self):
        return sorted(line.fields["id"] for line in harness.read_lines(self.folder / "out.jsonl"))

    def test_each_partition_has_a_watermark_of_its_own_that_never_falls(self):
        self.write_topology("marks", {"field": "at", "lateness": "30s", "max_ahead": "1h"})
        self.broker.make_topics({self.topic: 2})
        far = text_of(datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=2))
        self.send(0, {"id": "a", "at": after(100)}, {"id": "b", "at": after(20)}, {"id": "far", "at": far},
                  {"id": "without"})
        self.send(1, {"id": "c", "at": after(300)})
        # One lane: between two of them the group may still move a partition, which begins anew there.
        run = self.start("run", self.topology, "--workers", "1", "--metrics", "127.0.0.1:0")
        self.expect_marks(run, {0: 70, 1: 270})
        self.assertIn(f"watermark {shown(270)}", self.anabranch("status", self.topology, code=EXIT_OK).stdout)
        self.assertEqual(self.letters(), {"far": "time_ahead", "without": "time"})
        self.send(0, {"id": "d", "at": after(90)}, {"id": "e", "at": after(110)})
        self.expect_marks(run, {0: 80, 1: 270})
        address = re.search(r"http://(127\.0\.0\.1:\d+)/metrics", run.stderr).group(1)
        metrics = self.fetch(f"http://{address}/metrics")
        for partition, at in {0: 80, 1: 270}.items():
            value = re.search(rf'anabranch_source_watermark_seconds\{{[^}}]*partition="{partition}"[^}}]*\}} (\S+)', metrics)
            self.assertEqual(float(value.group(1)), BEGIN.timestamp() + at, metrics)

        run.kill()  # nothing keeps a watermark: the next run begins anew
        run = self.start("run", self.topology, "--workers", "1")
        self.send(1, {"id": "f", "at": after(40)})
        self.expect_marks(run, {1: 10})
        run.send(15)
        self.assertEqual(run.wait(60), EXIT_OK, run.stderr)
        self.assertEqual(self.ids(), ["a", "b", "c", "d", "e", "f"], "late records are read as others are")

    def test_without_a_field_it_is_the_timestamp_of_the_record(self):
        self.write_topology("stamps", {})
        self.broker.make_topics({self.topic: 1})
        self.send(0, {"id": "a"}, timestamp=int(BEGIN.timestamp() * 1000) + 5000)
        run = self.start("run", self.topology, "--workers", "1")
        self.expect_marks(run, {0: 5})
        run.send(15)
        self.assertEqual(run.wait(60), EXIT_OK, run.stderr)

    def test_a_record_that_was_too_far_ahead_passes_in_a_replay_that_allows_it(self):
        self.write_topology("ahead", {"field": "at", "max_ahead": "0s"})
        self.broker.make_topics({self.topic: 1})
        ahead = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
        self.send(0, {"id": "early", "at": text_of(ahead)}, {"id": "past", "at": after(0)})
        self.anabranch("run", self.topology, "--once", code=EXIT_OK)
        self.assertEqual(self.letters(), {"early": "time_ahead"})
        self.write_topology("ahead", {"field": "at", "max_ahead": "2h"})
        self.anabranch("dlq", "replay", self.topology, "--yes", code=EXIT_OK)
        self.assertEqual(self.ids(), ["early", "past"])

    @staticmethod
    def fetch(url):
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.read().decode()


if __name__ == "__main__":
    harness.main()
