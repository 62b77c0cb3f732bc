"""`anabranch diff --on SOURCE` over a topic: what it finds, and that the broker sees no consumer of it."""
import json
import signal

import harness
from harness import EXIT_OK, EXIT_STAGE, EXIT_UNAVAILABLE

PARTITIONS = 3
RECORDS = 10_000


class KafkaDiff(harness.KafkaCase):
    def topology(self, name, topic):
        item = {"type": "object", "required": ["id", "x"], "properties": {"id": {"type": "integer"}, "x": {"type": "number"}}}
        return harness.write_json(self.folder / f"{name}.json", {
            "anabranch": 1, "name": name, "connections": {"main": {"kafka": {"bootstrap.servers": "${KAFKA_BROKERS}"}}},
            "schemas": {"item": item}, "sources": {"items": {"kafka": {"topics": [topic]}, "schema": "item"}},
            "nodes": {"feat": {"kind": "transform", "inputs": ["items"], "set": {"y": "x * 2", "label": "x < 50 ? 'low' : 'high'"}},
                      "out": {"kind": "persist", "inputs": ["feat"], "to": {"kafka": {"topic": f"{topic}.out"}},
                              "fields": ["id", "y", "label"]}},
            "dead_letters": {"kafka": {"topic": f"{topic}.dead"}}})

    def send(self, topic, first, count):
        """Records with x = id % 100, spread evenly over the partitions."""
        self.broker.produce({"topic": topic, "partition": i % PARTITIONS, "key": f"k{i}",
                             "value": json.dumps({"id": i, "x": i % 100})} for i in range(first, first + count))

    def seen(self, name, topic):
        """What the broker knows of consumers and of what was written."""
        name = f"anabranch.{name}"
        groups = harness.patiently(lambda: self.broker.admin.list_consumer_groups().result(20)).valid
        [group] = [each for each in groups if each.group_id == name]
        members = harness.patiently(lambda: self.broker.admin.describe_consumer_groups([name])[name].result(20)).members
        return {"groups": sorted(each.group_id for each in groups), "state": group.state,
                "members": sorted((member.member_id, str(member.assignment.topic_partitions)) for member in members),
                "committed": self.broker.stored(name, topic, PARTITIONS),
                "ends": [self.watcher.ends(f"{topic}.{end}", 1) for end in ("out", "dead")]}

    def test_ten_thousand_records_of_a_topic_beside_the_running_pipeline(self):
        topic = "diff.items"
        self.broker.make_topics({topic: PARTITIONS, f"{topic}.out": 1, f"{topic}.dead": 1})
        file = self.topology("diff-items", topic)
        self.send(topic, 0, RECORDS)
        run = self.start("run", file, "--workers", "2")
        self.wait_until("both lanes are in the group", 60, lambda: self.watcher.all_hold("anabranch.diff-items", 2), run, pause=0.2)
        committed = lambda: sum(self.watcher.committed("anabranch.diff-items", topic, PARTITIONS)) == RECORDS
        self.wait_until("the pipeline is at the end", 60, committed, run, pause=0.2)
        before = self.seen("diff-items", topic)
        self.assertEqual(len(before["members"]), 2)
        edit = ["--set", "nodes.feat.set.label=x < 49 ? 'low' : 'high'"]
        shown = self.anabranch("diff", file, *edit, "--on", "items", "--format", "json", code=EXIT_STAGE)
        self.assertEqual(self.seen("diff-items", topic), before)
        results = json.loads(shown.stdout)["results"]
        self.assertEqual((results["records"], results["changed"]), (RECORDS, RECORDS // 100))
        [out] = results["targets"]
        self.assertEqual({field["field"]: field["changed"] for field in out["fields"]}, {"id": 0, "y": 0, "label": 100})
        [label] = [field for field in out["fields"] if field["field"] == "label"]
        self.assertEqual(label["flips"], [{"before": '"low"', "after": '"high"', "count": 100}])
        for example in label["examples"]:  # a position in the topic: partition and offset of a record with x = 49
            name, partition, offset = example["record"].split("/")
            self.assertEqual((name, (int(offset) * PARTITIONS + int(partition)) % 100), (topic, 49))
        self.anabranch("diff", file, *edit, "--on", "items", "--max-changed", "1%", code=EXIT_OK)
        self.anabranch("diff", file, *edit, "--on", "items", "--max-changed", "0.0099", code=EXIT_STAGE)
        self.assertEqual(self.seen("diff-items", topic), before)
        run.send(signal.SIGTERM)
        self.assertEqual(run.wait(30), EXIT_OK)

    def test_the_newest_records_of_each_partition_count(self):
        topic = "diff.newest"
        self.broker.make_topics({topic: PARTITIONS, f"{topic}.out": 1, f"{topic}.dead": 1})
        file = self.topology("diff-newest", topic)
        self.send(topic, 0, 300)
        edit = ["--set", "nodes.feat.set.y=id < 240 ? 0.0 : x * 2"]
        groups = lambda: [each.group_id for each in harness.patiently(lambda: self.broker.admin.list_consumer_groups().result(20)).valid]
        before = sorted(groups())
        self.anabranch("diff", file, *edit, "--on", "items", "--last", "60", code=EXIT_OK)
        results = json.loads(self.anabranch("diff", file, *edit, "--on", "items", "--last", "63", "--format", "json",
                                            code=EXIT_STAGE).stdout)["results"]
        self.assertEqual((results["records"], results["changed"]), (63, 3))
        self.assertEqual(sorted(groups()), before, "a pipeline that never ran has no group, and diff makes none")
        self.assertEqual(self.broker.stored("anabranch.diff-newest", topic, PARTITIONS), [-1001] * PARTITIONS)

    def test_a_broker_or_topic_that_is_not_there_is_named(self):
        file = self.topology("diff-nowhere", "diff.nowhere")
        run = self.anabranch("diff", file, file, "--on", "items", code=EXIT_UNAVAILABLE)
        self.assertIn("diff.nowhere", run.stderr)
        down = f"127.0.0.1:{harness.closed_port()}"
        run = self.anabranch("diff", file, file, "--on", "items", env={"KAFKA_BROKERS": down}, code=EXIT_UNAVAILABLE, timeout=40)
        self.assertIn(down, run.stderr)


if __name__ == "__main__":
    harness.main()
