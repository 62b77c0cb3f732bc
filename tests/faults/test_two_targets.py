"""A database and a topic fed by one pipeline, killed on either side of each commit: rows and records match one to one."""
import random
import signal

import faults
import oracle
from oracle import harness

PARTITIONS = 4
RECORDS = harness.scaled(40_000)
KILLS = harness.scaled(40)
# Before and after each durable step of an epoch, in order.
POINTS = ("target.commit", "sqlite.commit", "sqlite.committed", "kafka.begin", "kafka.produced", "kafka.positions_sent",
          "kafka.commit", "kafka.committed", "epoch.committed")


class TwoTargets(harness.KafkaCase):

    def setUp(self):
        super().setUp()
        self.random = random.Random(oracle.seed(self.id()))
        self.numbers = oracle.Numbered(RECORDS, partitions=PARTITIONS)
        self.broker.make_topics({"two.in": PARTITIONS, "two.out": PARTITIONS, "two.dead": 1})
        self.broker.produce(self.numbers.records("two.in"))
        self.file = harness.write_json(self.folder / "two.json", faults.numbered_topology(
            "two", {"kafka": {"topics": ["two.in"], "start": "earliest"}},
            {"out": {"kafka": {"topic": "two.out"}}, "table": {"sqlite": {"path": "two.db", "table": "results"}}},
            dead_letters={"kafka": {"topic": "two.dead"}}, batch={"max_rows": 32}, limits={"memory_bytes": 1 << 20},
            epoch={"max_rows": max(1, RECORDS // 1000), "commit_ms": 20}))
        self.reader = oracle.Reader(self.broker, "two.out", PARTITIONS)
        self.addCleanup(self.reader.close)

    def test_rows_and_records_match_one_to_one(self):
        killed = dict.fromkeys(POINTS, 0)
        for kill in range(KILLS):
            point = POINTS[kill % len(POINTS)]
            run = self.start("run", "--once", self.file, "--workers", 2,
                             env=faults.armed(f"{point}@{self.random.randint(1, 16)}=kill"))
            self.assertEqual(run.wait(60), -signal.SIGKILL, f"kill {kill}: {point} was not reached")
            killed[point] += 1
        self.assertLess(self.reader.count, RECORDS, "the last kills met a pipeline that had nothing to do")
        self.anabranch("run", "--once", self.file, "--workers", 2, code=harness.EXIT_OK, timeout=90)

        messages = self.broker.read("two.out")
        rows = oracle.results_of_table(self.folder / "two.db")
        for name, results in (("records", oracle.results_of(messages)), ("rows", rows)):
            verdict = oracle.judge(self.numbers, results)
            print(f"{KILLS} kills, {name}: {verdict}", flush=True)
            self.assertTrue(verdict.ok, f"{name}: {verdict}")
        self.assertEqual(sorted(rows), sorted(oracle.results_of(messages)))
        self.assertIsNone(self.reader.agrees_with(messages))
        self.assertTrue(all(count >= KILLS // len(POINTS) for count in killed.values()), killed)


if __name__ == "__main__":
    harness.main()
