"""Bad records among good ones on a real broker: each has its outcome, and all good ones are delivered."""
import json
import shutil

import bad_records
import harness
from harness import EXIT_OK


class BadInput(harness.KafkaCase):
    broker_properties = ("message.max.bytes=8388608", "replica.fetch.max.bytes=8388608")

    def test_each_bad_record_has_its_outcome(self):
        self.broker.make_topics({"bad.in": 1, "bad.out": 1, "bad.dead": 1})
        shutil.copy(harness.ROOT / "tests" / "models" / "free_width.onnx", self.folder)
        topology = bad_records.topology({"kafka": {"topics": ["bad.in"]}}, {"kafka": {"topic": "bad.out"}},
                                        {"kafka": {"topic": "bad.dead"}}, "record")
        topology["connections"] = {"main": {"kafka": {"bootstrap.servers": "${KAFKA_BROKERS}", "message.max.bytes": 8388608}}}
        file = harness.write_json(self.folder / "topology.json", topology)

        records = [(name, b"k%d" % i, payload) for i, (name, payload) in enumerate(bad_records.mixed())]
        records[4:4] = [("null key", None, bad_records.good(900)), ("tombstone", b"gone", None), ("empty value", b"void", b"")]
        records.append(("good", b"last", bad_records.good(999)))
        outcome = {name: (node, code) for name, (_, node, code) in bad_records.BAD.items()}
        outcome |= {"null key": ("in", "key"), "empty value": ("in", "json")}

        self.broker.produce({"topic": "bad.in", "partition": 0, "key": key, "value": value} for _, key, value in records)
        run = self.anabranch("run", "--once", file, code=EXIT_OK)
        results, dead = self.broker.read("bad.out"), self.broker.read("bad.dead")
        self.assertEqual([(m.key(), json.loads(m.value())["id"]) for m in results],
                         [(key, json.loads(value)["id"]) for name, key, value in records if bad_records.is_scored(name)])
        bad = [(offset, *record) for offset, record in enumerate(records) if record[0] in outcome]
        self.assertEqual(len(dead), len(bad))
        for message, (offset, name, key, value) in zip(dead, bad):
            with self.subTest(name):
                self.assertEqual((message.key(), message.value()), (key, value))
                headers = harness.headers_of(message)
                self.assertEqual(headers["anabranch.error.offset"], str(offset).encode())
                node, code = outcome[name]
                self.assertEqual(headers["anabranch.error.node"].decode(), node)
                if code:
                    self.assertEqual(headers["anabranch.error.code"].decode(), code)
                self.assertTrue(headers["anabranch.error.message"].decode())
        read = len(records) - 1  # all but the tombstone
        self.assertRegex(run.stderr, rf"\b{read} records read, {read} committed")
        self.assertRegex(run.stderr, r"\b1 without a value \(tombstones\) dropped")


if __name__ == "__main__":
    harness.main()
