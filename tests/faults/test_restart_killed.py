"""kill -9 during a restart, at each of its steps and at random times, twice in a row: the next restart completes it."""
import random
import signal
import time

import faults
import restarts
import rigs
from oracle import harness


class KilledAtItsSteps(restarts.RestartCase):
    """All rows are kept results: whatever is killed, nothing above the failed stage is ever called again."""

    ROWS = 60
    SHAPES = {"diamond": "vote", "two_targets": "score", "keep_marks": "last", "filter_branches": "either"}

    def restart(self, folder, name, *armed):
        log = faults.FaultLog(folder / f"{name}.log")
        run = self.anabranch("restart", folder / "topology.json", "--yes", env=faults.armed(*armed, log=log.path))
        return run, log

    def kill_twice(self, rig, failed, point, at, second, expected):
        folder = self.as_saved(failed)
        run, log = self.restart(folder, "first", f"{point}@{at}=kill")
        self.assertEqual(run.code, -signal.SIGKILL, run)
        again, log2 = self.restart(folder, "second", f"{second}@1=kill")
        self.assertIn(again.code, (harness.EXIT_OK, -signal.SIGKILL), again)
        last, log3 = self.restart(folder, "last")
        self.assertEqual(last.code, harness.EXIT_OK, last)
        above = rig.above(self.SHAPES[rig.shape])
        for one in (log, log2, log3):
            self.assertEqual({id: rows for id, rows in one.calls().items() if id in above}, {}, one.path.name)
        self.anabranch("run", folder / "topology.json", code=harness.EXIT_OK)
        self.assert_same(expected, rig.outcome(folder))
        return 1 + (again.code != harness.EXIT_OK)

    def test_killed_at_every_step_and_once_more(self):
        seed, kills = self.seeded(), 0
        made = random.Random(seed)
        for shape, node in self.SHAPES.items():
            rig = rigs.Rig(shape, self.ROWS, seed, batch={"max_rows": 64})
            expected, _, _ = self.clean_run(rig)
            failed = self.saved(self.failed_run(rig, node, 1)[0])
            run, log = self.restart(self.as_saved(failed), "whole")
            self.assertEqual(run.code, harness.EXIT_OK, run)
            passings = {}
            for name, _, _ in log.lines():
                passings[name] = passings.get(name, 0) + 1
            for point, count in passings.items():
                at = made.randint(1, count)
                with self.subTest(shape=shape, point=point, at=at):
                    kills += self.kill_twice(rig, failed, point, at, made.choice(list(passings)), expected)
        print(f"{kills} kills at the steps of restarts: 0 calls above the failed stage, results equal", flush=True)


class KilledAtAnyTime(restarts.RestartCase):
    """Kept results and live input, killed at any time: the results equal those of a run without a fault."""

    ROWS = 600
    SETTINGS = {"batch": {"max_rows": 16}, "epoch": {"max_rows": 64, "commit_ms": 5}}
    ROUNDS = harness.scaled(6)

    def test_killed_twice_at_random_times(self):
        seed, hit = self.seeded(), 0
        made = random.Random(seed)
        for shape, node in (("chain", "score"), ("two_targets", "table"), ("two_sources", "score"), ("keep_marks", "out")):
            rig = rigs.Rig(shape, self.ROWS, seed, **self.SETTINGS)
            expected, _, calls = self.clean_run(rig)
            failed = self.saved(self.failed_run(rig, node, made.randint(1, calls[node] // 2))[0])
            begin = time.monotonic()
            self.anabranch("restart", self.as_saved(failed) / "topology.json", "--yes", code=harness.EXIT_OK)
            longest = time.monotonic() - begin
            for _ in range(self.ROUNDS):
                folder, pauses = self.as_saved(failed), [made.uniform(0.2, 1) * longest for _ in range(2)]
                with self.subTest(shape=shape, pauses=pauses):
                    for pause in pauses:
                        run = self.start("restart", folder / "topology.json", "--yes")
                        time.sleep(pause)
                        hit += run.kill() == -signal.SIGKILL
                    self.anabranch("restart", folder / "topology.json", "--yes", code=harness.EXIT_OK)
                    self.anabranch("run", folder / "topology.json", code=harness.EXIT_OK)
                    self.assert_same(expected, rig.outcome(folder))
        print(f"{hit} kills at random times of restarts: results equal", flush=True)
        self.assertGreaterEqual(hit, self.ROUNDS, "most restarts ended before their kill")


if __name__ == "__main__":
    harness.main()
