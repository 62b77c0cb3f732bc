"""A stage that kills the process or never returns: it is named, the damage is bounded, and nothing is lost."""
import signal

import faults
from oracle import harness

ROWS = 190
ABOVE = ("check", "shape")  # of the failed stage, "risk"


class CrashingStage(harness.PipelineCase):

    def setUp(self):
        super().setUp()
        self.dir = harness.copy_example("restart", self.folder)
        self.file = self.dir / "topology.json"

    def edit(self, node, **keys):
        topology = harness.load_topology(self.file)
        topology["nodes"][node].update(keys)
        harness.write_json(self.file, topology)

    def run_it(self, *args, fault=None, code=harness.EXIT_OK, log=None):
        env = faults.armed(*([fault] if fault else []), log=log and self.folder / log)
        run = self.anabranch(*args, self.file, "--workers", 1, env=env, code=code)
        return run, faults.FaultLog(self.folder / log).calls() if log else {}

    def assert_each_record_once(self):
        keys = [line.key for line in harness.read_lines(self.dir / "predictions.jsonl")]
        self.assertEqual((len(keys), len(set(keys))), (ROWS, ROWS))
        self.assertEqual(keys, sorted(keys), "the order of the input")

    def test_three_deaths_over_the_same_records_are_a_failed_stage(self):
        for _ in range(3):
            self.run_it("run", fault="stage.call:risk@2=kill", code=-signal.SIGKILL)
        run, calls = self.run_it("run", code=harness.EXIT_STAGE, log="fourth")
        self.assertIn('stage "risk" stopped: the process died 3 times in a row', run.stderr)
        self.assertEqual(calls, {}, "the stage that kills was not entered again")
        self.run_it("restart", "--yes")
        self.assert_each_record_once()

    def test_the_start_after_a_death_names_the_stage_that_was_at_work(self):
        self.run_it("run", fault="stage.call:risk@2=kill", code=-signal.SIGKILL)
        run, _ = self.run_it("run")
        self.assertRegex(run.stderr, r'the process before this one died while stage "risk" worked on the records from file:cases/0/\d+')
        self.assert_each_record_once()

    def test_deaths_over_other_records_each_time_are_no_loop(self):
        for call in (2, 3, 2, 3):
            self.run_it("run", fault=f"stage.call:risk@{call}=kill", code=-signal.SIGKILL)
        self.run_it("run")
        self.assert_each_record_once()

    def test_what_is_always_kept_is_not_computed_again_after_a_death(self):
        self.edit("shape", keep="always")
        _, before = self.run_it("run", fault="stage.call:risk@4=kill", code=-signal.SIGKILL, log="before")
        _, after = self.run_it("run", log="after")
        self.assertGreater(before["shape"], 16, "the death came in the middle")
        self.assertEqual({node: before[node] + after[node] for node in ABOVE}, dict.fromkeys(ABOVE, ROWS))
        self.assert_each_record_once()

    def test_a_call_that_never_returns_ends_as_a_failed_stage(self):
        self.edit("risk", timeout_ms=200)
        run, before = self.run_it("run", fault="stage.call:risk@3=hang", code=harness.EXIT_STAGE, log="before")
        self.assertIn('stage "risk" stopped', run.stderr)
        self.assertLess(run.seconds, 20 * harness.PATIENCE)
        _, after = self.run_it("restart", "--yes", log="after")
        self.assertEqual({node: before[node] + after[node] for node in ABOVE}, dict.fromkeys(ABOVE, ROWS))
        self.assert_each_record_once()


if __name__ == "__main__":
    harness.main()
