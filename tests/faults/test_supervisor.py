"""A supervisor restarts a broken pipeline repeatedly: the breaker counts across all rounds, and the pauses grow."""
import json
import signal
import time

from oracle import harness

ROWS, BREAKER, ROUNDS = 190, 19, 30
IMPOSSIBLE = {"impossible": "worst_area < 0"}


class Supervisor(harness.PipelineCase):

    def setUp(self):
        super().setUp()
        self.dir = harness.copy_example("restart", self.folder)
        self.file = self.dir / "topology.json"
        self.topology = harness.load_topology(self.file)
        self.sound = dict(self.topology["nodes"]["check"])
        self.deploy({**self.sound, "rules": IMPOSSIBLE, "dead_letter_max": {"share": 0.02, "rows": 1000}})

    def deploy(self, check):
        self.topology["nodes"]["check"] = check
        harness.write_json(self.file, self.topology)

    def letters(self):
        path = self.dir / "dead_letters.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [int(json.loads(line)["headers"]["anabranch.error.offset"]) for line in lines]

    def supervised(self, *args, code=harness.EXIT_STAGE):
        return self.anabranch("run", self.file, "--restart-failed", "--workers", 1, *args, code=code)

    def assert_every_record_once(self):
        results = [int(line.id.split("/")[-2]) for line in harness.read_lines(self.dir / "predictions.jsonl")]
        offsets = results + self.letters()
        self.assertEqual((len(offsets), len(set(offsets))), (ROWS, ROWS))

    def test_a_broken_deploy_lets_no_more_dead_letters_out_than_its_breaker_over_any_number_of_rounds(self):
        counts = []
        for _ in range(ROUNDS):
            self.supervised("--max-restart-pause", 0)
            counts.append(len(self.letters()))
        print(f"{ROUNDS} rounds, dead letters after each: {sorted(set(counts))}; the breaker allows {BREAKER}", flush=True)
        self.assertLessEqual(counts[-1], BREAKER, counts)
        self.deploy(self.sound)
        self.supervised(code=harness.EXIT_OK)
        self.assert_every_record_once()

    def test_a_restart_with_nothing_changed_warns_and_goes_on_counting(self):
        self.supervised()
        for _ in range(3):
            run = self.anabranch("restart", self.file, "--yes", "--workers", 1, code=harness.EXIT_STAGE)
            self.assertIn("nothing changed in this stage or below it since it failed", run.stderr)
            self.assertLessEqual(len(self.letters()), BREAKER)
        self.deploy(self.sound)
        run = self.anabranch("restart", self.file, "--yes", "--workers", 1, code=harness.EXIT_OK)
        self.assertNotIn("nothing changed", run.stderr)
        self.assert_every_record_once()

    def test_the_pauses_between_restarts_with_nothing_changed_grow_and_end_at_a_signal(self):
        self.supervised()
        said = [[line for line in self.supervised("--max-restart-pause", 2).stderr.splitlines() if "the next one begins" in line]
                for _ in range(4)]
        self.assertEqual([lines and lines[0].split("begins in ")[1] for lines in said], [[], "1 s", "2 s", "2 s"])
        run = self.start("run", self.file, "--restart-failed", "--max-restart-pause", 600)
        self.wait_until("it says that it waits", 10, lambda: "the next one begins in 8 s" in run.stderr, run)
        begun = time.monotonic()
        run.send(signal.SIGTERM)
        self.assertEqual(run.wait(10), harness.EXIT_OK)
        self.assertLess(time.monotonic() - begun, 2 * harness.PATIENCE)


if __name__ == "__main__":
    harness.main()
