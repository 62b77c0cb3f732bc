"""A bandit on two instances that share four partitions of records and of rewards. One of them is killed while both work:
every reward counts once, and every record has the version that it drew, whoever scored it.
"""
import collections
import json
import signal
import sys
import threading

from oracle import harness

sys.path.insert(0, str(harness.ROOT / "tests" / "pipelines"))
import test_kafka_bandits as bandits  # noqa: E402

NAMES = ("a", "b")
LANES = 2  # of each instance: one of records, one of rewards


class Instances(bandits.Bandits):  # a KafkaCase

    PARTITIONS = 4

    def join(self, name):
        self.members[name] = self.begin("--instance", name)

    def all_work(self, instances):
        self.wait_until(f"{instances} hold all partitions", 60,
                        lambda: self.watcher.all_hold("anabranch.two", instances * LANES), self.members["b"], pause=0.2)

    def counters(self):
        """Per instance the partitions whose rewards it has counted."""
        found = collections.defaultdict(set)
        for message in self.broker.read("two.control"):
            entry = json.loads(message.value())
            if entry["kind"] == "rewards" and entry["position"] > 0:
                found[entry["instance"]].add(entry["partition"])
        return found

    def test_two_instances_count_each_reward_once_and_draw_the_same(self):
        count = max(3000, harness.scaled(3000))
        both, alone = count // 2, count * 3 // 4
        self.write("two", {}, lambda n: f"k{n % 997}")
        world = bandits.World(self.broker, "two", bandits.RATES, self.PARTITIONS)
        self.addCleanup(world.end)
        self.members = {}
        for name in NAMES:
            self.join(name)
        self.all_work(2)
        feeder = threading.Thread(target=self.feed, args=(0, both, 400))
        feeder.start()
        self.wait_until("rewards counted by each", 60, lambda: len(self.counters()) == 2, self.members["b"], pause=0.2)
        shares = [len(partitions) for partitions in self.counters().values()]
        self.members["a"].kill()
        feeder.join()
        self.all_work(1)
        self.feed(both, alone, 400)
        self.wait_until("one counts the rewards of all", 90, lambda: len(self.counters()["b"]) == self.PARTITIONS,
                        self.members["b"], pause=0.2)
        self.join("a")
        self.all_work(2)
        self.feed(alone, count, 400)
        self.wait_until("all results", 90, lambda: len({row["n"] for row in world.rows}) == count, self.members["b"])
        world.end()
        self.assertIsNone(world.failure)
        self.wait_for_rewards(world.sent, self.members["b"])
        for run in self.members.values():
            run.send(signal.SIGTERM)
        for run in self.members.values():
            self.assertEqual(run.wait(60), harness.EXIT_OK, run.stderr)
        self.check(count, shares)

    def check(self, count, shares):
        rows = self.results()
        self.assertEqual(sorted(row["n"] for row in rows), list(range(count)))
        arms, unmatched, generations = self.counted()
        expected, _, strange, refused = self.earned(rows)
        self.assertEqual((strange, refused), (0, 0))
        self.assertEqual((arms, unmatched), (expected, 0))
        self.check_draws(rows, generations, False)
        self.assertGreater(len({row["gen"] for row in rows}), 1, "it learned nothing")
        print(f"{sum(n for n, _ in arms.values())} rewards counted once by two instances, at first of {shares} partitions; "
              f"{len(generations)} generations", flush=True)


if __name__ == "__main__":
    harness.main()
