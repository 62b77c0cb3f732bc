"""Shared by the restart tests: a pipeline that stopped in a stage, its restart, and the checks of both."""
import json
import os
import shutil

import faults
import oracle
import rigs
from oracle import harness


class RestartCase(harness.PipelineCase):
    """Works in its own folders under `self.folder`, one per pipeline."""

    # Hundreds of short runs: in memory if possible. A killed process loses no data there, either.
    folder_in = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None

    def setUp(self):
        super().setUp()
        self.made = 0

    def new_folder(self):
        self.made += 1
        return self.folder / f"p{self.made}"

    def saved(self, folder):
        """A folder as it is now, for `as_saved`."""
        copy = self.new_folder()
        shutil.copytree(folder, copy)
        return copy, folder

    @staticmethod
    def as_saved(saved):
        """Restores the folder at its old place, because paths are part of a pipeline's identity."""
        copy, folder = saved
        shutil.rmtree(folder)
        shutil.copytree(copy, folder)
        return folder

    def clean_run(self, rig, *args):
        """The results of a run without a fault, and node -> rows it was called with."""
        folder = self.new_folder()
        file, log = rig.lay(folder), faults.FaultLog(folder / "faults.log")
        self.anabranch("run", file, *args, env=faults.armed(log=log.path), code=harness.EXIT_OK)
        calls = [line for line in log.lines() if line[0] == "stage.call"]
        return rig.outcome(folder), log.calls(), {node: sum(line[1] == node for line in calls) for node in rig.nodes}

    def failed_run(self, rig, node, at, *args):
        """A folder in which a run stopped in the stage `node`, at its call number `at`, and the calls of that run."""
        folder = self.new_folder()
        file, log = rig.lay(folder), faults.FaultLog(folder / "failed.log")
        run = self.anabranch("run", file, *args, env=faults.armed(f"stage.call:{node}@{at}=failing", log=log.path))
        self.assertEqual(run.code, harness.EXIT_STAGE, run)
        self.assertIn(f'"{node}"', run.stderr)
        return folder, log.calls()

    def status(self, file, *args):
        run = self.anabranch("status", file, "--format", "json", *args, code=harness.EXIT_OK)
        return json.loads(run.stdout)

    def assert_same(self, expected, found):
        self.assertIsNone(rigs.difference(expected, found), "not what a run without a fault leaves")

    def seeded(self):
        return oracle.seed(self.id())
