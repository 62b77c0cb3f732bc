"""Every fault point in the sources, killed with kill -9 at least five times: the pipeline continues as if nothing had happened.

The list of places is read from the sources; one that no kill met fails this test.
"""
import signal

import faults
import oracle
import restarts
import rigs
from oracle import harness

KILLS = harness.scaled(5)  # of each place
# Passed only while a broker has problems: this test makes the calls there fail.
ELSEWHERE = {name: "test_broker_faults.py" for name in ("kafka.abort", "kafka.aborted", "kafka.rebuilt", "kafka.resolved")}
ELSEWHERE |= {name: "test_refused_records.py" for name in ("kafka.judged", "lane.refused")}
# Passed only where a version of a model is deployed.
ELSEWHERE |= {name: "test_model_swap.py" for name in ("models.prepare_seen", "models.ready_sent", "models.active_seen",
                                                      "lane.switch", "lane.switched")}
ELSEWHERE |= {name: "test_swap_in_place.py" for name in ("models.swap_rested", "models.swap_unloaded", "models.load")}
ELSEWHERE |= {name: "test_rollout_kills.py" for name in ("models.counts_sent", "models.step_sent", "models.step_seen")}
# Passed only where the version that a topology file starts with was edited.
ELSEWHERE |= {name: "test_start_edits.py" for name in ("models.edit_seen", "models.edit_prepared", "models.edit_active")}
ELSEWHERE |= {name: "test_bandit_killed.py" for name in ("rewards.append", "rewards.appended", "models.lesson_sent")}
PARTITIONS = 2


def spread(count):
    """The passes, out of about `count`, at which to kill: KILLS in all. The number of passes varies a little."""
    last = max(1, count * 2 // 3)
    return [1 + i * (last - 1) // max(1, KILLS - 1) for i in range(KILLS)]


class KillPoints(harness.KafkaCase, restarts.RestartCase):

    ROWS = 200
    SETTINGS = {"batch": {"max_rows": 16}, "epoch": {"max_rows": 48, "commit_ms": 5}}

    def setUp(self):
        super().setUp()
        self.hits = {}

    def killed(self, *args, point, at, armed=(), log):
        """Runs a command until its kill. False: this run passed the point less often than the counted one."""
        run = self.anabranch(*args, env=faults.armed(*armed, f"{point}@{at}=kill", log=log))
        if run.code != -signal.SIGKILL and at > 1:
            return False
        self.assertEqual(run.code, -signal.SIGKILL, f"{point}@{at}\n{run}")
        self.hits[point] = self.hits.get(point, 0) + 1
        return True

    def finish(self, file, *args):
        """Does what a user would do next, whatever state the kill left, until the run is done."""
        run = self.anabranch("run", file, *args)
        if run.code == harness.EXIT_STAGE:
            self.anabranch("restart", file, "--yes", *args, code=harness.EXIT_OK)
            run = self.anabranch("run", file, *args)
        self.assertEqual(run.code, harness.EXIT_OK, run)

    def passings(self, log):
        counts = {}
        for name, _, _ in log.lines():
            counts[name] = counts.get(name, 0) + 1
        return counts

    def kill_all(self, rig, expected, passings, begin, command, armed=()):
        """Kills KILLS times at each point that has no kills yet. `begin` makes the folder in which `command` runs."""
        for point, count in sorted(passings.items()):
            if point in self.hits or point in ELSEWHERE:
                continue
            for at in spread(count):
                with self.subTest(shape=rig.shape, command=command[0], point=point, at=at):
                    for place in (at, 1):
                        folder = begin()
                        file = folder / "topology.json"
                        if self.killed(*command, file, point=point, at=place, armed=armed, log=folder / "killed.log"):
                            break
                    self.finish(file)
                    self.assert_same(expected, rig.outcome(folder))

    def files_and_tables(self, seed):
        node, failing = "last", ("stage.call:last@5=failing",)
        rig = rigs.Rig("keep_marks", self.ROWS, seed, **self.SETTINGS)

        def fresh():
            folder = self.new_folder()
            rig.lay(folder)
            return folder

        expected, _, _ = self.clean_run(rig)
        log = faults.FaultLog(self.folder / "clean.log")
        self.anabranch("run", fresh() / "topology.json", env=faults.armed(log=log.path), code=harness.EXIT_OK)
        self.kill_all(rig, expected, self.passings(log), fresh, ("run",))

        folder, _ = self.failed_run(rig, node, 5)
        saved = self.saved(folder)
        self.kill_all(rig, expected, self.passings(faults.FaultLog(folder / "failed.log")), fresh, ("run",), failing)

        log = faults.FaultLog(self.folder / "restart.log")
        self.anabranch("restart", folder / "topology.json", "--yes", env=faults.armed(log=log.path), code=harness.EXIT_OK)
        self.kill_all(rig, expected, self.passings(log), lambda: self.as_saved(saved), ("restart", "--yes"))

    def topics(self):
        numbers = oracle.Numbered(20_000, partitions=PARTITIONS)
        self.broker.make_topics({"points.in": PARTITIONS, "points.out": PARTITIONS, "points.dead": 1})
        file = harness.write_json(self.folder / "points.json", faults.numbered_topology(
            "points", {"kafka": {"topics": ["points.in"], "start": "earliest"}}, {"out": {"kafka": {"topic": "points.out"}}},
            dead_letters={"kafka": {"topic": "points.dead"}}, **self.SETTINGS))
        reader = oracle.Reader(self.broker, "points.out", PARTITIONS)
        self.addCleanup(reader.close)
        sent = 0

        def send(more):
            nonlocal sent
            self.broker.produce(numbers.records("points.in", sent, sent + more))
            sent += more

        send(400)
        log = faults.FaultLog(self.folder / "points.log")
        self.anabranch("run", "--once", file, "--workers", 1, env=faults.armed(log=log.path), code=harness.EXIT_OK)
        places = {point: count for point, count in self.passings(log).items() if point not in self.hits}
        self.assertIn("kafka.commit", places)
        for point, count in sorted(places.items()):
            for at in spread(max(1, count // 4)):
                with self.subTest(point=point, at=at):
                    for place in (at, 1):
                        send(400)
                        if self.killed("run", "--once", file, "--workers", 1, point=point, at=place, log=self.folder / "killed.log"):
                            break
        self.finish(file, "--once", "--workers", 1)
        messages = self.broker.read("points.out")
        verdict = oracle.judge(numbers, oracle.results_of(messages), sent)
        print(f"between topics: {verdict}", flush=True)
        self.assertTrue(verdict.ok, verdict)
        self.assertIsNone(reader.agrees_with(messages))

    def test_every_place_survives_its_kills(self):
        self.files_and_tables(self.seeded())
        self.topics()
        print("kills:", ", ".join(f"{point} {count}" for point, count in sorted(self.hits.items())), flush=True)
        places = faults.fault_points()
        few = {point: self.hits.get(point, 0) for point in places
               if self.hits.get(point, 0) < KILLS and point not in ELSEWHERE}
        self.assertEqual(few, {}, f"places of the sources that {KILLS} kills did not meet")
        for point, test in ELSEWHERE.items():
            self.assertIn(point, places, "a place that is no more")
            self.assertTrue((faults.ROOT / "tests" / "faults" / test).exists(), f"{point} is left to {test}")


if __name__ == "__main__":
    harness.main()
