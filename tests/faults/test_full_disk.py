"""A disk that fills up, under the state, under the targets, under both: the process ends with 0, 1 or 69, says what to
free, and after that goes on with nothing lost or double.

The disks are tmpfs mounts of a few hundred kilobytes in a mount namespace of this test's own.
"""
import json
import os
import pathlib
import random
import shutil
import sqlite3
import subprocess
import sys

import faults
import oracle
from oracle import harness

SIZES = (100, 200, 300, 600, 1200)  # KB
PLACES = ("state", "file", "table", "both")
PHASES = ("run", "failure", "restart")
CELLS = [(size, place, phase) for size in SIZES for place in PLACES for phase in PHASES]
# A release runs all of them (ANABRANCH_SCALE=3); CI runs a part chosen by its seed.
TAKEN = min(len(CELLS), max(4, int(20 * harness.SCALE)))
EXITS = (harness.EXIT_OK, harness.EXIT_STAGE, harness.EXIT_UNAVAILABLE)
ROWS, PADDING = 3000, 400
NEEDS = ("this test mounts small disks (tmpfs): run it as root, or where a user may make namespaces "
         "(`unshare --user --map-root-user --mount true` works)")


def enter_namespace():
    """Runs this test again in a namespace where it may mount. Other processes do not see these mounts."""
    if os.environ.get("ANABRANCH_OWN_MOUNTS") == "1":
        return
    command = ["unshare", "--mount", "--propagation", "private"]
    if os.geteuid() != 0:
        command += ["--user", "--map-root-user"]
    if shutil.which("unshare") is None or subprocess.run([*command, "true"], stderr=subprocess.DEVNULL).returncode != 0:
        sys.exit(NEEDS)
    os.environ["ANABRANCH_OWN_MOUNTS"] = "1"
    os.execvp(command[0], [*command, sys.executable, *sys.argv])


class Disk:
    """A small file system at `folder`."""

    def __init__(self, folder, kilobytes):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", self.folder], text=True,
                              stderr=subprocess.PIPE)
        assert done.returncode == 0, f"{done.stderr}\n{NEEDS}"

    def grow(self, kilobytes=64 << 10):
        """Does what an operator would: frees space and keeps the content."""
        subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", self.folder], check=True)

    def unmount(self):
        subprocess.run(["umount", "--lazy", self.folder], check=False)


class FullDisk(harness.PipelineCase):

    def setUp(self):
        super().setUp()
        self.numbered = oracle.Numbered(ROWS, padding=PADDING)
        self.input = self.numbered.write_file(self.folder / "numbers.jsonl")
        self.codes = {}

    def lay(self, folder):
        """A pipeline of state, file and table, each in a folder that may be a disk of its own."""
        folder.mkdir()
        shutil.copy(self.input, folder / "numbers.jsonl")
        for name in ("file", "table"):
            (folder / name).mkdir(exist_ok=True)
        topology = faults.numbered_topology(
            "numbers", {"file": {"path": "numbers.jsonl"}},
            {"lines": {"file": {"path": "file/out.jsonl"}}, "rows": {"sqlite": {"path": "table/out.db", "table": "results"}}},
            batch={"max_rows": 50}, epoch={"max_rows": 200, "commit_ms": 1000})
        topology["nodes"]["double"]["set"]["wide"] = "rest"
        topology["schemas"]["number"] = {"type": "object", "required": ["n", "key", "rest"],
                                         "properties": {**oracle.Numbered.SCHEMA["properties"], "rest": {"type": "string"}}}
        for node in ("lines", "rows"):
            topology["nodes"][node]["fields"] = [*oracle.Numbered.FIELDS, "wide"]
        return harness.write_json(folder / "topology.json", topology)

    def command(self, verb, folder, *args, env=None):
        run = self.anabranch(verb, folder / "topology.json", "--state-dir", folder / "state" / "s", "--workers", 2, *args,
                             env=env, timeout=40)
        self.assertIn(run.code, EXITS, run)
        if run.code == harness.EXIT_UNAVAILABLE:
            self.assertRegex(run.stderr, r"free", run)
            self.assertRegex(run.stderr, r"bytes", run)
            self.assertIn(str(folder), run.stderr)
            self.assertNotIn("1970", run.stderr)
            self.assertNotIn("nothing had to be kept", run.stderr)
        return run

    def cell(self, size, place, phase):
        folder = self.folder / f"{size}-{place}-{phase}"
        self.lay(folder)
        on = {"state": ("state",), "file": ("file",), "table": ("table",), "both": ("state", "file", "table")}[place]
        (folder / "state").mkdir(exist_ok=True)
        failing = faults.armed("stage.call:double@25=failing")
        if phase == "restart":  # from a failure on disks with room
            disks = [Disk(folder / name, 64 << 10) for name in on]
            self.assertEqual(self.command("run", folder, env=failing).code, harness.EXIT_STAGE)
            for disk in disks:
                used = shutil.disk_usage(disk.folder).used >> 10
                disk.grow(used + size // 4)
            run = self.command("restart", folder, "--yes")
        else:
            disks = [Disk(folder / name, size) for name in on]
            run = self.command("run", folder, env=failing if phase == "failure" else None)
        self.codes[run.code] = self.codes.get(run.code, 0) + 1
        # The disk is still full: a second run reports the same and loses nothing.
        if run.code == harness.EXIT_UNAVAILABLE:
            self.command("run", folder)
        for disk in disks:
            disk.grow()
        self.finish(folder)
        self.judge(folder)
        for disk in disks:
            disk.unmount()
        shutil.rmtree(folder, ignore_errors=True)

    def finish(self, folder):
        """Follows the messages."""
        run = self.command("run", folder)
        if run.code == harness.EXIT_STAGE:
            self.assertEqual(self.command("restart", folder, "--yes").code, harness.EXIT_OK)
            run = self.command("run", folder)
        self.assertEqual(run.code, harness.EXIT_OK, run)

    def judge(self, folder):
        wanted = list(range(ROWS))
        lines = [json.loads(line)["value"]["n"] for line in (folder / "file" / "out.jsonl").read_text().splitlines()]
        self.assertEqual(lines, wanted, "the file: each record once, in order")
        with sqlite3.connect(f"file:{folder}/table/out.db?mode=ro", uri=True) as database:
            self.assertEqual(database.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            rows = [n for n, in database.execute("SELECT n FROM results ORDER BY n")]
        self.assertEqual(rows, wanted, "the table: each record once")

    def test_a_full_disk_says_what_to_free_and_loses_nothing(self):
        cells = random.Random(oracle.seed(self.id())).sample(CELLS, TAKEN)
        for size, place, phase in cells:
            with self.subTest(kilobytes=size, place=place, phase=phase):
                self.cell(size, place, phase)
        print(f"{len(cells)} of {len(CELLS)} full disks, exit codes {self.codes}", flush=True)
        self.assertGreater(self.codes.get(harness.EXIT_UNAVAILABLE, 0), 0, "no disk was full")

    def test_a_disk_that_cannot_be_written_is_told_as_that(self):
        for name in ("state", "file", "table"):
            with self.subTest(disk=name):
                folder = self.folder / f"read-only-{name}"
                self.lay(folder)
                disk = Disk(folder / name, 64)
                subprocess.run(["mount", "-o", "remount,ro", disk.folder], check=True)
                run = self.anabranch("run", folder / "topology.json", "--state-dir", folder / "state" / "s")
                self.assertEqual(run.code, harness.EXIT_UNAVAILABLE, run)
                self.assertRegex(run.stderr, "Read-only file system|must exist and be writable")
                self.assertNotIn("No such file or directory", run.stderr)
                self.assertIn(str(disk.folder), run.stderr)
                disk.unmount()


if __name__ == "__main__":
    enter_namespace()
    harness.main()
