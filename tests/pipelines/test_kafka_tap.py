"""tap on a pipeline between two topics, beside kcat on the source."""
import json
import shutil
import signal
import subprocess

import harness
from harness import EXIT_OK
from service import ask_socket

ROWS, PARTITIONS = 200, 3


class KafkaTap(harness.KafkaCase):
    def setUp(self):
        super().setUp()
        self.broker.make_topics({"tap.in": PARTITIONS, "tap.out": PARTITIONS, "tap.dead": 1})
        schema = {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}, "amount": {"type": "number"}}}
        self.topology = harness.write_json(self.folder / "tap.json", {
            "anabranch": 1, "name": "tap", "schemas": {"s": schema},
            "connections": {"main": {"kafka": {"bootstrap.servers": self.broker.address}}},
            "sources": {"in": {"kafka": {"topics": ["tap.in"]}, "schema": "s"}},
            "nodes": {"feat": {"kind": "transform", "inputs": ["in"], "set": {"risk": "amount / 100"}},
                      "out": {"kind": "persist", "inputs": ["feat"], "to": {"kafka": {"topic": "tap.out"}}, "fields": ["id", "risk"]}},
            "dead_letters": {"kafka": {"topic": "tap.dead"}}})

    def ask(self, target):
        return ask_socket(self.folder / ".anabranch" / "tap" / "0" / "control.sock", f"/api/v1/{target}")

    def answers(self, target):
        try:
            return self.ask(target)[0] == 200
        except OSError:
            return False

    def test_shows_records_of_a_topic_with_key_headers_and_position(self):
        run = self.start("run", self.topology)
        self.wait_until("the pipeline answers", 60, lambda: self.answers("snapshot"), run)
        tap = self.start("tap", self.topology, "feat", "--where", "amount >= 100", "--limit", "5", "--format", "kcat")
        saved = self.start("tap", self.topology, "--limit", "10", "--format", "json", "--save", self.folder / "k.tests.json")
        self.wait_until("both taps are open", 30, lambda: self.answers("taps/t1?after=0") and self.answers("taps/t2?after=0"), run)
        self.broker.produce({"topic": "tap.in", "key": f"k{n}", "partition": n % PARTITIONS, "timestamp": 1_700_000_000_000 + n,
                             "headers": [("traceparent", b"00-1-2-01")], "value": json.dumps({"id": f"k{n}", "amount": n})}
                            for n in range(ROWS))
        self.assertEqual((tap.wait(30), saved.wait(30)), (EXIT_OK, EXIT_OK), tap.stderr + saved.stderr)
        rows = [json.loads(line) for line in tap.stdout.splitlines()]
        self.assertEqual(len(rows), 5)
        for row in rows:
            number = row["ts"] - 1_700_000_000_000
            self.assertGreaterEqual(number, 100)
            self.assertEqual((row["key"], row["partition"], row["offset"]), (f"k{number}", number % PARTITIONS, number // PARTITIONS))
            self.assertEqual(row["headers"], ["traceparent", "00-1-2-01"])
            self.assertEqual(json.loads(row["payload"]), {"risk": number / 100})
        self.assertRegex(tap.stderr, r"^5 of [\d,]+ seen, 0 dropped\n$")
        self.assertEqual(self.anabranch("test", self.folder / "k.tests.json").code, EXIT_OK)
        # The names are those of kcat.
        kcat = subprocess.run([shutil.which("kcat"), "-b", self.broker.address, "-C", "-t", "tap.in", "-o", "beginning", "-c", "1", "-J"],
                              capture_output=True, text=True, timeout=60)
        names = set(json.loads(kcat.stdout.splitlines()[0])) - {"broker"}
        self.assertLessEqual(names, set(rows[0]), kcat.stdout)
        run.send(signal.SIGTERM)
        self.assertEqual(run.wait(60), EXIT_OK, run.stderr)


if __name__ == "__main__":
    harness.main()
