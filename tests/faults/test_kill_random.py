"""kill -9 at random times of a moving Kafka pipeline: every record once, in the order of its key."""
import random
import signal

import faults
import oracle
from oracle import harness

PARTITIONS = 4
RECORDS = harness.scaled(200_000)
KILLS = harness.scaled(50)
FIRST, LAST = 0.12, 0.88  # kills are spread over this part of the records


class RandomKills(harness.KafkaCase):

    def prepare(self, name, records, **more):
        self.random = random.Random(oracle.seed(self.id()))
        self.workers = 2
        self.numbers = oracle.Numbered(records, partitions=PARTITIONS)
        self.source, self.target = f"{name}.in", f"{name}.out"
        self.broker.make_topics({self.source: PARTITIONS, self.target: PARTITIONS, f"{name}.dead": 1})
        topology = faults.numbered_topology(
            name, {"kafka": {"topics": [self.source], "start": "earliest"}}, {"out": {"kafka": {"topic": self.target}}},
            dead_letters={"kafka": {"topic": f"{name}.dead"}}, batch={"max_rows": 64}, **more)
        self.dead = f"{name}.dead"
        self.file = harness.write_json(self.folder / f"{name}.json", topology)
        self.broker.produce(self.numbers.records(self.source, 0, int(records * FIRST)))
        self.reader = oracle.Reader(self.broker, self.target, PARTITIONS)
        self.addCleanup(self.reader.close)
        self.feed = oracle.Feed(self.broker, self.source, self.numbers, int(records * FIRST), per_second=7000)
        self.addCleanup(self.feed.close)

    def kill_once(self, after_results):
        """Starts a run and kills it at a random time or after its first results. Returns the number of its results."""
        before = self.reader.count
        # With fewer lanes than before, the group waits for the sessions of the dead ones, so this is done only sometimes.
        if self.random.random() < 0.08:
            self.workers = self.random.choice((1, 2, 4))
        run = self.start("run", self.file, "--workers", self.workers)
        pause = self.random.uniform(0.03, 1.0)
        if after_results:
            self.wait_until("results of this run", 60, lambda: self.reader.count > before, run, pause=0.002)
            pause = run.seconds + self.random.uniform(0, 0.3)
        self.wait_until("the time of the kill", 30, lambda: run.seconds >= pause, run, pause=0.002)
        run.kill()
        self.assertEqual(run.code, -signal.SIGKILL)
        return self.reader.count - before

    def reach(self, share):
        """Runs undisturbed until that many records are done."""
        run = self.start("run", self.file, "--workers", 2)
        self.wait_until(f"{share:.0%} of the results", 60, lambda: self.reader.count >= share * self.numbers.count, run)
        run.kill()

    def finish(self):
        self.feed.until(self.numbers.count)
        self.feed.finish()
        self.anabranch("run", "--once", self.file, "--workers", self.workers, code=harness.EXIT_OK, timeout=90)
        messages = self.broker.read(self.target)
        difference = self.reader.agrees_with(messages)
        self.assertIsNone(difference, "a reader during the kills and one after them disagree")
        return oracle.judge(self.numbers, oracle.results_of(messages))

    def test_no_kill_at_any_time_loses_doubles_or_reorders_a_record(self):
        self.prepare("kills", RECORDS, epoch={"max_rows": max(1, RECORDS // 400), "commit_ms": 50})
        self.reach(0.10)
        moving = 0
        for kill in range(1, KILLS + 1):
            self.feed.until(int(RECORDS * (FIRST + (LAST - FIRST) * kill / KILLS)))
            moving += self.kill_once(after_results=kill % 2 == 0) > 0
            share = self.reader.count / RECORDS
            self.assertTrue(0.10 <= share <= 0.90, f"kill {kill} met the pipeline at {share:.1%}")
        verdict = self.finish()
        print(f"{KILLS} kills over {RECORDS} records, {moving} of them after a commit of their run: {verdict}", flush=True)
        self.assertTrue(verdict.ok, verdict)
        self.assertGreaterEqual(moving, KILLS // 2, "most kills met a pipeline that had not begun")
        self.assertEqual(self.broker.read(self.dead), [])

    def test_the_same_judge_finds_the_doubles_of_at_least_once(self):
        records = 40_000
        self.prepare("doubles", records, delivery="at_least_once", epoch={"max_rows": records, "commit_ms": 300})
        self.feed.until(int(records * LAST))
        for _ in range(3):
            self.kill_once(after_results=True)
        verdict = self.finish()
        self.assertTrue(verdict.doubled, f"kills left no double behind at_least_once: {verdict}")
        self.assertFalse(verdict.lost or verdict.strange, verdict)


if __name__ == "__main__":
    harness.main()
