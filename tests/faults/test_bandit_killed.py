"""A bandit whose instance dies again and again: no reward is lost or doubled, and every record keeps the version it drew."""
import json
import signal
import sys
import threading

from oracle import harness

sys.path.insert(0, str(harness.ROOT / "tests" / "pipelines"))
import test_kafka_bandits as bandits  # noqa: E402


class Killed(bandits.Bandits):  # a KafkaCase

    FAULTS = ("models.lesson_sent@2=kill", "rewards.append@9=kill", "rewards.appended@9=kill", "")

    def test_no_reward_is_lost_or_doubled_and_every_offset_keeps_its_arm(self):
        count = max(3000, harness.scaled(4000))
        self.write("killed", {}, lambda n: f"k{n % 997}")
        world = bandits.World(self.broker, "killed", bandits.RATES)
        self.addCleanup(world.end)
        strangers = [{"id": "nowhere/0/5", "clicked": 1}, {"id": "killed.rewards/0/1", "clicked": 1}]
        bad = [{"id": "nonsense", "clicked": 1}, {"clicked": 0}, {"id": "killed.in/0/1", "clicked": 2}]
        self.broker.produce([{"topic": "killed.rewards", "key": "k", "value": json.dumps(each)} for each in strangers + bad])
        feeder = threading.Thread(target=self.feed, args=(0, count, count / 40))
        feeder.start()
        for fault in self.FAULTS:
            before = len(world.rows)
            run = self.begin(**({"ANABRANCH_FAULT": fault} if fault else {}))
            if fault:
                self.assertEqual(run.wait(60), -signal.SIGKILL, f"{fault}: {run.stderr}")
            else:
                self.wait_until("more results", 60, lambda: len(world.rows) > before + 100, run)
                run.kill()
        run = self.begin()
        feeder.join()
        self.wait_until("all results", 90, lambda: len({row["n"] for row in world.rows}) == count, run)
        world.end()
        self.assertIsNone(world.failure)
        self.wait_for_rewards(world.sent + len(strangers), run)
        run.send(signal.SIGTERM)
        self.assertEqual(run.wait(60), 0, run.stderr)
        rows = self.results()
        self.assertEqual(sorted(row["n"] for row in rows), list(range(count)))
        arms, unmatched, generations = self.counted()
        expected, _, strange, refused = self.earned(rows)
        self.assertEqual((strange, refused), (len(strangers), len(bad)))
        self.assertEqual((arms, unmatched), (expected, strange))
        self.check_draws(rows, generations, False)
        self.assertGreater(len({row["gen"] for row in rows}), 1, "it learned nothing")
        letters = self.broker.read("killed.dead")
        self.assertEqual(len(letters), len(bad))
        print(f"{sum(n for n, _ in arms.values())} rewards counted once through {len(self.FAULTS)} kills, "
              f"{len(generations)} generations")


if __name__ == "__main__":
    harness.main()
