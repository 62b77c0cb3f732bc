"""Dead letters on a topic: listed, shown and replayed at their stage, beside a pipeline that runs."""
import json
import signal
import time

import harness
import orders
from harness import EXIT_OK
from orders import BAD, FIXED, ROWS


class KafkaDeadLetters(orders.Orders, harness.KafkaCase):
    began = int(time.time() * 1000)  # results bear their record's time, and brokers drop what is old

    def envelope(self, number):
        return {"timestamp": self.began + number, "headers": [("trace", b"\x00\xff"), ("trace", b"again")]}

    def out(self):
        return self.broker.read(f"{self.name}.out")

    def letters(self):
        return json.loads(self.anabranch("dlq", "ls", self.topology, "--format", "json", code=EXIT_OK).stdout)

    def replay(self, *flags, **settings):
        return self.anabranch("dlq", "replay", self.topology, "--yes", *flags, **settings)

    def assert_each_once(self):
        results = self.out()
        ids = [harness.headers_of(message)["anabranch.id"] for message in results]
        self.assertEqual(len(set(ids)), len(ids), "an output came twice")
        self.assertEqual(sorted(message.key() for message in results), sorted(f"o{n}".encode() for n in range(ROWS)))

    def test_those_that_the_topic_let_go_do_not_hold_the_others_up(self):
        from confluent_kafka import TopicPartition
        self.prepare("expired")
        self.anabranch("run", "--once", self.topology, code=EXIT_OK)
        self.replay(code=EXIT_OK)  # they fail again: what waits now lies behind the stored positions
        first = {}
        for letter in self.broker.read("expired.dead"):
            if "anabranch.error.origin.node" not in dict(letter.headers()):
                continue
            first[letter.partition()] = min(letter.offset(), first.get(letter.partition(), letter.offset()))
        for done in self.broker.admin.delete_records([TopicPartition("expired.dead", p, o + 1) for p, o in first.items()]).values():
            done.result(20)
        self.assertEqual(self.letters()["letters"], len(BAD) - len(first))
        self.write(FIXED)
        self.assertIn("passed over", self.replay(code=EXIT_OK).stderr)
        self.assertEqual(self.letters()["letters"], 0)
        self.assertEqual(len(self.out()), ROWS - len(first))

    def test_are_replayed_at_their_stage_and_keep_their_identity(self):
        self.prepare("replay")
        self.anabranch("run", "--once", self.topology, code=EXIT_OK)
        self.assertEqual(len(self.out()), ROWS - len(BAD))
        self.assertEqual([(g["node"], g["code"], g["count"]) for g in self.letters()["groups"]],
                         [("score", "expression", len(BAD))])
        letter = self.broker.read(f"{self.name}.dead")[0]
        headers = {name: value for name, value in letter.headers() if name.startswith("anabranch.error.")}
        record = "/".join(headers[f"anabranch.error.{part}"].decode() for part in ("topic", "partition", "offset"))
        shown = json.loads(self.anabranch("dlq", "show", self.topology, record, "--format", "json").stdout)
        self.assertEqual(shown["key"], letter.key().decode())
        self.assertEqual(shown["results"]["twice"], {"double": 0})

        self.replay(code=EXIT_OK)  # not fixed yet
        self.assertEqual(self.letters()["letters"], len(BAD))
        again = self.broker.read(f"{self.name}.dead")[-1]
        self.assertEqual([h for h in again.headers() if h[0] == "trace"], [("trace", b"\x00\xff"), ("trace", b"again")])
        self.assertEqual([n for n, _ in again.headers()].count("anabranch.error.node"), 1)

        self.write(FIXED)
        log = self.folder / "calls"
        self.replay(code=EXIT_OK, env={"ANABRANCH_FAULT_LOG": log})
        called = {line.split()[1] for line in log.read_text().splitlines() if line.startswith("stage.call ")}
        self.assertEqual(called, {"score", "out"})
        self.assert_each_once()
        replayed = {message.key(): message for message in self.out()}[b"o7"]
        self.assertEqual(replayed.timestamp()[1], self.began + 7)
        self.assertEqual(self.letters()["letters"], 0)
        ends = [self.watcher.ends(f"{self.name}.{part}", count)
                for part, count in (("out", self.partitions), ("dead", self.dead_partitions))]
        self.assertIn("nothing to replay", self.replay(code=EXIT_OK).stderr)
        self.assertEqual(ends, [self.watcher.ends(f"{self.name}.{part}", count)
                                for part, count in (("out", self.partitions), ("dead", self.dead_partitions))])

    def test_without_a_value_are_letters_too(self):
        self.prepare("empty")
        self.broker.produce([{"topic": "empty.in", "key": "nothing", "value": b"", "partition": 0}])
        self.anabranch("run", "--once", self.topology, code=EXIT_OK)
        self.assertEqual(self.letters()["letters"], len(BAD) + 1)
        # One letter whose value was too large for the topic, and one of another program.
        self.broker.produce([{"topic": "empty.dead", "key": "cut", "value": None, "partition": 1, "headers": [
            ("anabranch.error." + name, value) for name, value in
            (("node", "score"), ("topic", "empty.in"), ("partition", "0"), ("offset", "999"), ("value_bytes", "3000000"))]},
            {"topic": "empty.dead", "key": "foreign", "value": None, "partition": 0}])
        self.assertEqual(self.letters()["letters"], len(BAD) + 3)
        run = self.replay("--dry-run", code=EXIT_OK)
        self.assertIn("1 letter cannot be replayed: the record's value is not in its letter", run.stdout)
        self.write(FIXED)
        self.replay(code=EXIT_OK)
        self.assertEqual(sorted((g["node"], g["code"], g["count"]) for g in self.letters()["groups"]),
                         [("?", "not a dead letter of ours", 1), ("orders", "json", 1), ("score", "", 1)])
        foreign = [message.value() for message in self.broker.read("empty.dead") if message.key() == b"foreign"]
        self.assertEqual(foreign, [None, None], "it goes out again as it came")
        self.assert_each_once()

    def test_are_replayed_while_the_pipeline_runs(self):
        self.prepare("live")
        run = self.start("run", self.topology)
        self.wait_until("the good ones", 60, lambda: len(self.out()) == ROWS - len(BAD), run, pause=0.5)
        self.write(FIXED)
        self.replay(code=EXIT_OK)
        self.assert_each_once()
        run.send(signal.SIGTERM)
        self.assertEqual(run.wait(30), EXIT_OK)

    def test_a_replay_that_is_killed_loses_and_doubles_nothing(self):
        self.prepare("killed")
        self.anabranch("run", "--once", self.topology, code=EXIT_OK)
        self.write(FIXED)
        for place in ("kafka.produced@1", "kafka.positions_sent@1", "kafka.commit@1", "kafka.committed@1"):
            run = self.replay("--node", "score", env={"ANABRANCH_FAULT": f"{place}=kill"}, timeout=60)
            self.assertIn(run.code, (-signal.SIGKILL, EXIT_OK), place)
        self.replay(code=EXIT_OK, timeout=60)
        self.assert_each_once()
        self.assertEqual(self.letters()["letters"], 0)


if __name__ == "__main__":
    harness.main()
