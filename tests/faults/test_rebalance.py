"""Three processes in one group, joining and leaving under load: every record once, in the order of its key."""
import random
import signal

import faults
import oracle
from oracle import harness

PARTITIONS = 4
RECORDS = harness.scaled(60_000)
CHANGES = harness.scaled(20)
FIRST, LAST = 0.05, 0.9  # joins and leaves are spread over this part of the records
NAMES = ("a", "b", "c")


class Rebalance(harness.KafkaCase):

    def setUp(self):
        super().setUp()
        self.random = random.Random(oracle.seed(self.id()))
        self.numbers = oracle.Numbered(RECORDS, partitions=PARTITIONS)
        self.broker.make_topics({"group.in": PARTITIONS, "group.out": PARTITIONS, "group.dead": 1})
        source = {"kafka": {"topics": ["group.in"], "start": "earliest", "properties": {"session.timeout.ms": 6000}}}
        topology = faults.numbered_topology("group", source, {"out": {"kafka": {"topic": "group.out"}}},
                                            dead_letters={"kafka": {"topic": "group.dead"}},
                                            batch={"max_rows": 64}, epoch={"max_rows": 500, "commit_ms": 50})
        self.file = harness.write_json(self.folder / "group.json", topology)
        self.members = {}

    def join(self, name):
        self.members[name] = self.start("run", self.file, "--instance", name, "--workers", 1)

    def leave(self, name):
        run = self.members.pop(name)
        if self.random.random() < 0.5:
            run.kill()
            return
        run.send(signal.SIGTERM)
        # Until the process handles signals, a signal simply ends it.
        self.assertIn(run.wait(60), (harness.EXIT_OK, harness.EXIT_RETRY, -signal.SIGTERM), run.stderr[-2000:])

    def nobody_runs(self):
        return not any(run.running() for run in self.members.values())

    def change(self):
        """One process joins or leaves; at least one always stays."""
        for name, run in list(self.members.items()):
            if not run.running():
                self.assertEqual(run.code, harness.EXIT_RETRY, f"instance {name} ended: {run.stderr[-2000:]}")
                del self.members[name]
        away = [name for name in NAMES if name not in self.members]
        if len(self.members) <= 1 or (away and self.random.random() < 0.5):
            self.join(self.random.choice(away))
        else:
            self.leave(self.random.choice(sorted(self.members)))

    def test_joins_and_leaves_lose_double_and_reorder_nothing(self):
        begin = int(RECORDS * FIRST)
        self.broker.produce(self.numbers.records("group.in", 0, begin))
        reader = oracle.Reader(self.broker, "group.out", PARTITIONS)
        self.addCleanup(reader.close)
        feed = oracle.Feed(self.broker, "group.in", self.numbers, begin, per_second=1500)
        self.addCleanup(feed.close)
        self.join("a")
        self.wait_until("first results", 60, lambda: reader.count > 0, self.members["a"])
        moving = 0
        for number in range(1, CHANGES + 1):
            before = reader.count
            goal = int(RECORDS * (FIRST + (LAST - FIRST) * number / CHANGES))
            feed.until(goal)
            self.wait_until("the feed", 60, lambda: feed.sent >= goal)
            if number % 2 == 0:  # every other change waits for the group, the rest come whatever it does
                self.wait_until("results since the last change", 60, lambda: reader.count > before or self.nobody_runs())
            moving += reader.count > before
            self.change()
        for name in list(self.members):
            self.leave(name)
        feed.until(RECORDS)
        feed.finish()
        self.anabranch("run", "--once", self.file, "--instance", "a", code=harness.EXIT_OK, timeout=120)
        messages = self.broker.read("group.out")
        self.assertIsNone(reader.agrees_with(messages), "a reader during the changes and one after them disagree")
        verdict = oracle.judge(self.numbers, oracle.results_of(messages))
        print(f"{CHANGES} joins and leaves over {RECORDS} records, results between {moving} of them: {verdict}", flush=True)
        self.assertTrue(verdict.ok, verdict)
        self.assertGreaterEqual(moving, CHANGES // 2, "the group stood still")
        self.assertEqual(self.broker.read("group.dead"), [])


if __name__ == "__main__":
    harness.main()
