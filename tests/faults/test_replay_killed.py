"""A replay of many dead letters is stopped and killed: every record is written once, and `dlq` works after each kill."""
import json
import random
import signal

import faults
import oracle
from oracle import harness

LETTERS = harness.scaled(7_500)  # a release: ANABRANCH_SCALE=20
EPOCHS = 300  # that a replay of all of them has at least
KILLS = 20
KAFKA_KILLS = min(KILLS, harness.scaled(8))  # each is followed by the end of a transaction's time
PARTITIONS = 4
SIGNALS = (signal.SIGTERM, signal.SIGKILL)
BROKEN, FIXED = "n * 2 % (n - n)", "n * 2"


class KilledReplays(harness.KafkaCase):
    """Every record fails at first. Then its stage is fixed, and the dead letters are replayed."""

    # A killed process's open transaction blocks the next process until it times out.
    broker_properties = ("transaction.abort.timed.out.transaction.cleanup.interval.ms=200",)
    short = {"transaction.timeout.ms": "1500", "message.timeout.ms": "1000"}

    def fail_all(self, name, source, target, **more):
        self.random = random.Random(oracle.seed(self.id()))
        self.numbers = oracle.Numbered(LETTERS, partitions=PARTITIONS)
        self.value = faults.numbered_topology(
            name, source, {"out": target}, epoch={"max_rows": max(1, LETTERS // EPOCHS), "commit_ms": 20},
            limits={"dead_letters": {"share": 1.0, "rows": 1_000_000}}, **more)
        self.value["nodes"]["above"] = {"kind": "transform", "inputs": ["numbers"], "set": {"more": "n + 1"}}
        self.value["nodes"]["double"]["inputs"] = ["above"]
        if "connections" in self.value:
            self.value["connections"]["main"]["kafka"].update(self.short)
        self.file = self.folder / f"{name}.json"
        self.write(BROKEN)
        self.anabranch("run", "--once", self.file, code=harness.EXIT_STAGE, timeout=120)  # no record got through
        self.assertEqual(self.waiting(), LETTERS)

    def write(self, expression):
        self.value["nodes"]["double"]["set"] = {"twice": expression}
        harness.write_json(self.file, self.value)

    def waiting(self):
        return json.loads(self.dlq("ls", self.file, "--format", "json").stdout)["letters"]

    def dlq(self, *args):
        return self.anabranch("dlq", *args, code=harness.EXIT_OK, timeout=120)

    def interrupt_replays(self, kills, places, last):
        """Each replay holds itself at one of these places of an early epoch: whatever the machine does, the signal
        meets it on its way. `last`: a dead letter that waits until the end."""
        left = self.waiting()
        for kill in range(kills):
            # Behind the first epoch of each of its lanes, and within its part of the letters.
            place = f"{self.random.choice(places)}@{self.random.randint(PARTITIONS + 2, EPOCHS // (kills + 2))}"
            run = self.start("dlq", "replay", self.file, "--yes", env=faults.armed(f"{place}=stop"))
            self.wait_until(f"the replay is at {place}", 120, run.stopped, run)
            run.send(SIGNALS[kill % 2])
            run.go_on()
            run.wait(60)
            self.assertEqual(run.code, 0 if kill % 2 == 0 else -signal.SIGKILL, run)
            before, left = left, self.waiting()
            self.assertLess(left, before, f"kill {kill}: nothing was replayed")
            self.assertGreater(left, 0, "the replay was over before it was killed")
            self.assertIn(last, self.dlq("show", self.file, last).stdout)
        print(f"{kills} kills over {LETTERS} letters, {left} left then", flush=True)

    def finish(self, results):
        self.dlq("replay", self.file, "--yes")
        self.assertEqual(self.waiting(), 0)
        verdict = oracle.judge(self.numbers, results())
        print(f"{LETTERS} letters: {len(verdict.lost)} lost, {len(verdict.doubled)} doubled", flush=True)
        self.assertFalse(verdict.lost or verdict.doubled or verdict.strange, verdict)

    def file_source(self):
        oracle.Numbered(LETTERS, partitions=PARTITIONS).write_file(self.folder / "in.jsonl")
        return {"file": {"path": "in.jsonl"}}

    def last_of_file(self):
        with open(self.folder / "in.jsonl", "rb") as lines:
            data = lines.read()
        return f"file:numbers/0/{data.rindex(b'{')}"

    def test_from_a_file_to_a_file(self):
        self.fail_all("files", self.file_source(), {"file": {"path": "out.jsonl"}})
        self.write(FIXED)
        out = self.folder / "out.jsonl"
        self.interrupt_replays(KILLS, ("target.commit", "file.synced", "file.ledger", "epoch.committed"), self.last_of_file())
        self.finish(lambda: oracle.results_of_file(out))

    def test_from_a_topic_to_a_topic(self):
        self.broker.make_topics({"topics.in": PARTITIONS, "topics.out": PARTITIONS, "topics.dead": 1})
        self.broker.produce(oracle.Numbered(LETTERS, partitions=PARTITIONS).records("topics.in"))
        self.fail_all("topics", {"kafka": {"topics": ["topics.in"], "start": "earliest"}}, {"kafka": {"topic": "topics.out"}})
        self.write(FIXED)
        headers = harness.headers_of(self.broker.read("topics.dead")[-1])
        last = "/".join(headers[f"anabranch.error.{part}"].decode() for part in ("topic", "partition", "offset"))
        self.interrupt_replays(KAFKA_KILLS, ("target.commit", "kafka.positions_sent", "kafka.commit", "kafka.committed",
                                             "epoch.committed"), last)
        self.finish(lambda: oracle.results_of(self.broker.read("topics.out")))

    def test_from_a_file_to_a_topic_between_the_commits_of_both(self):
        self.broker.make_topics({"mixed.out": PARTITIONS})
        self.fail_all("mixed", self.file_source(), {"kafka": {"topic": "mixed.out"}})
        self.write(FIXED)
        last, left = self.last_of_file(), LETTERS
        for place in ("kafka.positions_sent@3", "kafka.committed@1", "file.synced@2", "file.ledger@3"):
            run = self.anabranch("dlq", "replay", self.file, "--yes", timeout=120, env=faults.armed(f"{place}=kill"))
            self.assertEqual(run.code, -signal.SIGKILL, place)
            before, left = left, self.waiting()
            self.assertLessEqual(left, before, place)
            self.assertIn(last, self.dlq("show", self.file, last).stdout)
        self.finish(lambda: oracle.results_of(self.broker.read("mixed.out")))


if __name__ == "__main__":
    harness.main()
