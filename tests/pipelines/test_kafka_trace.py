"""trace of records, results and dead letters in topics: by position, without a group."""
import json
import time

import harness
from harness import EXIT_OK, EXIT_STAGE, EXIT_USAGE

ROWS, PARTITIONS = 60, 3


class KafkaTrace(harness.KafkaCase):
    began = int(time.time() * 1000)

    def prepare(self, name, config=None):
        self.name = name
        self.broker.make_topics({f"{name}.in": PARTITIONS}, config)
        self.broker.make_topics({f"{name}.out": PARTITIONS, f"{name}.dead": 1})
        self.write("amount * 2")
        self.broker.produce({"topic": f"{name}.in", "key": f"o{n}", "partition": n % PARTITIONS, "timestamp": self.began + n,
                             "headers": [("traceparent", b"00-1-2-01"), ("bytes", b"\x00\xff")],
                             "value": json.dumps({"id": f"o{n}", "amount": n})} for n in range(ROWS))

    def write(self, expression, rule="amount < 50"):
        order = {"type": "object", "required": ["id", "amount"],
                 "properties": {"id": {"type": "string"}, "amount": {"type": "integer"}}}
        self.topology = harness.write_json(self.folder / f"{self.name}.json", {
            "anabranch": 1, "name": self.name, "schemas": {"order": order},
            "connections": {"main": {"kafka": {"bootstrap.servers": self.broker.address}}},
            "sources": {"orders": {"kafka": {"topics": [f"{self.name}.in"]}, "schema": "order"}},
            "nodes": {
                "check": {"kind": "validate", "inputs": ["orders"], "rules": {"small": rule}},
                "score": {"kind": "transform", "inputs": ["check"], "set": {"double": expression}},
                "out": {"kind": "persist", "inputs": ["score"], "to": {"kafka": {"topic": f"{self.name}.out"}},
                        "fields": ["id", "double"]}}})

    def text(self, *args, code=EXIT_OK):
        return self.anabranch("trace", self.topology, *args, code=code)

    def trace(self, *args):
        trace = json.loads(self.text(*args, "--format", "json").stdout)
        return trace, {stage["name"]: stage for stage in trace["stages"]}

    def outside(self):
        """All groups, and the positions of the pipeline's and the replay's."""
        groups = harness.patiently(lambda: self.broker.admin.list_consumer_groups(request_timeout=20).result(20)).valid
        names = sorted(group.group_id for group in groups if not group.group_id.startswith("reader-"))
        stored = {group: [self.broker.stored(group, f"{self.name}.{part}", count)
                          for part, count in (("in", PARTITIONS), ("out", PARTITIONS), ("dead", 1))]
                  for group in (f"anabranch.{self.name}", f"anabranch.{self.name}.replay")}
        ends = [self.watcher.ends(f"{self.name}.{part}", count) for part, count in (("out", PARTITIONS), ("dead", 1))]
        return names, stored, ends

    def test_reads_a_record_by_position_and_leaves_no_trace_of_its_own(self):
        self.prepare("byid")
        before = self.outside()
        trace, stages = self.trace(f"byid.in/1/{4}")
        number = 4 * PARTITIONS + 1
        self.assertEqual((trace["key"], trace["timestamp"]), (f"o{number}", self.began + number))
        self.assertEqual(trace["headers"], [["traceparent", "00-1-2-01"], ["bytes", {"base64": "AP8="}]])
        self.assertEqual(stages["score"]["columns"], {"double": 2 * number})
        row, = stages["out"]["rows"]
        self.assertEqual((row["key"], json.loads(row["value"])), (f"o{number}", {"id": f"o{number}", "double": 2 * number}))
        self.assertEqual(self.trace("orders/1/4/out")[0]["id"], "byid.in/1/4")
        self.assertEqual(before, self.outside())
        self.assertNotIn("anabranch.byid", before[0])
        self.anabranch("run", "--once", self.topology, code=EXIT_OK)
        ran = self.outside()
        self.trace("byid.in/0/19")
        self.assertEqual(ran, self.outside(), "no group is made, no position moves, nothing is written")

    def test_compares_a_result_with_what_its_record_gives_now(self):
        self.prepare("result")
        self.anabranch("run", "--once", self.topology, code=EXIT_OK)
        message = self.broker.read("result.out")[5]
        place = f"result.out/{message.partition()}/{message.offset()}"
        headers = harness.headers_of(message)
        trace, _ = self.trace("--result", place)
        self.assertEqual(trace["id"] + "/out", headers["anabranch.id"].decode())
        self.assertEqual(trace["past"]["topology"], headers["anabranch.topology"].decode())
        self.assertEqual((trace["past"]["same_bytes"], trace["past"]["same_topology"]), (True, True))
        self.assertIn("the record gives the same bytes now", self.text("--result", place).stdout)
        self.write("amount * 3")
        trace, _ = self.trace(headers["anabranch.id"].decode(), "--result", place)
        was = json.loads(message.value())["double"]
        self.assertEqual((trace["past"]["same_bytes"], trace["past"]["same_topology"]), (False, False))
        self.assertEqual(trace["past"]["changed"], [{"field": "double", "then": was, "now": was // 2 * 3}])
        shown = self.text("--result", place).stdout
        self.assertIn(f"  double: was {was}, is {was // 2 * 3}\n", shown)
        self.assertIn(f"this record was scored by {headers['anabranch.topology'].decode()}; this file is {trace['topology']}: ",
                      shown)
        self.write("amount * 2", rule="amount < 0")
        self.assertIn('gives no result in "out" now', self.text("--result", place).stdout)
        self.assertIn("names no result", self.text("--result", "result.out", code=EXIT_USAGE).stderr)
        self.assertIn("among the targets", self.text("--result", "other/0/1", code=EXIT_STAGE).stderr)

    def test_shows_the_rule_that_a_dead_letter_failed(self):
        self.prepare("letter")
        self.anabranch("run", "--once", self.topology, code=EXIT_OK)
        letters = self.broker.read("letter.dead")
        self.assertEqual(len(letters), ROWS - 50)
        headers = dict(letters[0].headers())
        name = "/".join(headers[f"anabranch.error.{part}"].decode() for part in ("topic", "partition", "offset"))
        for args in ([name], [name, "--dead-letter"], ["--result", f"letter.dead/0/{letters[0].offset()}"]):
            with self.subTest(args):
                trace, stages = self.trace(*args)
                self.assertEqual((trace["id"], trace["key"]), (name, letters[0].key().decode()))
                self.assertEqual(trace["copy"], "--dead-letter" in args)
                self.assertEqual([(f["name"], f["verdict"]) for f in stages["check"]["findings"]],
                                 [("schema", "true"), ("small", "false")])
                self.assertEqual([letter["node"] for letter in trace["letters"]], ["check"])
                self.assertEqual(trace["headers"], [["traceparent", "00-1-2-01"], ["bytes", {"base64": "AP8="}]])
        from confluent_kafka import TopicPartition
        partition, offset = int(name.split("/")[1]), int(name.split("/")[2])
        done = self.broker.admin.delete_records([TopicPartition("letter.in", partition, offset + 1)])
        next(iter(done.values())).result(20)
        trace, _ = self.trace(name)
        self.assertTrue(trace["copy"])
        self.assertIn(f"it was deleted; the first record that can be read is letter.in/{partition}/{offset + 1}",
                      self.text(name).stdout)
        gone = self.text(f"letter.in/{partition}/0", code=EXIT_STAGE)
        self.assertIn("it was deleted; the first record", gone.stderr)

    def test_says_why_a_record_is_not_there(self):
        self.prepare("gone")
        self.anabranch("run", "--once", self.topology, code=EXIT_OK)
        self.broker.produce([{"topic": "gone.in", "key": "none", "value": None, "partition": 2}])
        self.assertIn("was not written yet; the last offset is 19", self.text("gone.in/0/20", code=EXIT_STAGE).stderr)
        self.assertIn("has no value (a tombstone)", self.text("gone.in/2/20", code=EXIT_STAGE).stderr)
        self.assertIn("no partition", self.text("gone.in/7/0", code=EXIT_STAGE).stderr)
        # A transaction's end takes an offset of the result topic.
        ends = self.watcher.ends("gone.out", PARTITIONS)
        seen = {(m.partition(), m.offset()) for m in self.broker.read("gone.out")}
        marker = next((p, o) for p in range(PARTITIONS) for o in range(ends[p]) if (p, o) not in seen)
        self.assertIn("marks the end of one", self.text("--result", f"gone.out/{marker[0]}/{marker[1]}", code=EXIT_STAGE).stderr)


if __name__ == "__main__":
    harness.main()
