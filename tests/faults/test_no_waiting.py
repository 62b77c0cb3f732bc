"""Nobody reads the program's output, or a step of its start never ends: it continues, and a signal still ends it."""
import contextlib
import fcntl
import os
import pathlib
import signal
import subprocess
import time

import faults
import oracle
from oracle import harness

ROWS = 2000


class FullPipe:
    """A full pipe without a reader."""

    def __init__(self):
        self.read_end, self.write_end = os.pipe()
        flags = fcntl.fcntl(self.write_end, fcntl.F_GETFL)
        fcntl.fcntl(self.write_end, fcntl.F_SETFL, flags | os.O_NONBLOCK)
        for size in (4096, 1):
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(self.write_end, b"x" * size)
        fcntl.fcntl(self.write_end, fcntl.F_SETFL, flags)

    def close(self):
        os.close(self.read_end)
        os.close(self.write_end)


class NoWaiting(harness.PipelineCase):

    def setUp(self):
        super().setUp()
        numbered = oracle.Numbered(ROWS)
        numbered.write_file(self.folder / "numbers.jsonl")
        self.file = harness.write_json(self.folder / "topology.json", faults.numbered_topology(
            "numbers", {"file": {"path": "numbers.jsonl"}}, {"lines": {"file": {"path": "out.jsonl"}}}))

    def process(self, stderr, *args, env=None):
        process = subprocess.Popen([harness.BIN, "run", self.file, *args], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=stderr, env={**os.environ, **(env or {})})
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def lines(self):
        path = self.folder / "out.jsonl"
        return path.read_text().count("\n") if path.exists() else 0

    def test_standard_error_that_nobody_reads_holds_nothing_up(self):
        pipe = FullPipe()
        self.addCleanup(pipe.close)
        process = self.process(pipe.write_end)
        self.assertEqual(process.wait(20 * harness.PATIENCE), harness.EXIT_OK)
        self.assertEqual(self.lines(), ROWS)

    def test_a_signal_ends_a_run_whose_standard_error_nobody_reads(self):
        pipe = FullPipe()
        self.addCleanup(pipe.close)
        # Stopped in the middle, so that the signal comes while records flow.
        process = self.process(pipe.write_end, env=faults.armed("epoch.committed@1=stop"))
        stat = pathlib.Path(f"/proc/{process.pid}/stat")
        self.wait_until("it works", 10, lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGCONT)
        begun = time.monotonic()
        self.assertEqual(process.wait(20 * harness.PATIENCE), harness.EXIT_OK)
        self.assertLess(time.monotonic() - begun, 10 * harness.PATIENCE)

    def test_a_reader_that_takes_its_time_gets_every_line_of_the_summary(self):
        process = self.process(subprocess.PIPE)
        time.sleep(1)
        text = process.communicate(timeout=20)[1].decode()
        self.assertEqual(process.returncode, harness.EXIT_OK)
        self.assertIn(f"{ROWS} records read, {ROWS} committed", text)
        self.assertTrue(text.endswith("out.jsonl\n"), text)

    def test_a_signal_ends_a_start_in_any_of_its_steps(self):
        for step in (1, 2):
            with self.subTest(step=step):
                run = self.start("run", self.file, "--workers", 2, env=faults.armed(f"start.step@{step}=hang"))
                self.wait_until("it starts", 10, lambda: "running numbers" in run.stderr, run)
                time.sleep(0.2)
                run.send(signal.SIGTERM)
                self.assertEqual(run.wait(15), harness.EXIT_OK)
                self.assertIn("stopped while starting", run.stderr)
        self.anabranch("run", self.file, code=harness.EXIT_OK)
        self.assertEqual(self.lines(), ROWS)


if __name__ == "__main__":
    harness.main()
