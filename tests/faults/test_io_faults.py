"""Every write, sync and rename of an epoch, of a failure and of a restart fails once: the process ends in a documented
way, and what comes after it finishes with nothing lost or double."""
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import restarts
import rigs
from oracle import harness

DOCUMENTED = (harness.EXIT_OK, harness.EXIT_STAGE, harness.EXIT_UNAVAILABLE, harness.EXIT_RETRY)
KINDS = ("eio", "enospc", "short")


def build_shim():
    """io_faults.c as a library to be loaded before libc."""
    compiler = next((path for name in ("cc", "gcc", "clang") if (path := shutil.which(name))), None)
    assert compiler, "needs a C compiler"
    folder = tempfile.mkdtemp(prefix="anabranch-shim-")
    unittest.addModuleCleanup(shutil.rmtree, folder, ignore_errors=True)
    library = pathlib.Path(folder) / "io_faults.so"
    source = pathlib.Path(__file__).with_name("io_faults.c")
    subprocess.run([compiler, "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", library, source, "-ldl", "-lpthread"],
                   check=True)
    return library


class IoFaults(restarts.RestartCase):

    ROWS = 40
    FAILING = "stage.call:score@2=failing"
    SETTINGS = {"batch": {"max_rows": 16}, "epoch": {"max_rows": 1000, "commit_ms": 1000}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.shim = build_shim()

    def with_shim(self, folder, fault=None, log=None, env=None):
        settings = {"LD_PRELOAD": str(self.shim), "IO_FAULT_UNDER": str(folder), **(env or {})}
        if fault:
            settings["IO_FAULT"] = fault
        if log:
            settings["IO_FAULT_LOG"] = str(log)
        return settings

    def finish(self, file):
        run = self.anabranch("run", file)
        if run.code == harness.EXIT_STAGE:
            self.anabranch("restart", file, "--yes", code=harness.EXIT_OK)
            run = self.anabranch("run", file)
        self.assertEqual(run.code, harness.EXIT_OK, run)

    def fail_each(self, rig, expected, begin, command, env=None):
        """Makes each call of `command` fail in turn. Returns the number of calls, and exit code -> how often it occurred."""
        log = self.folder / f"{command[0]}-{len(env or {})}.calls"
        folder = begin()
        self.anabranch(*command, folder / "topology.json", env=self.with_shim(folder, log=log, env=env))
        calls, codes = log.read_text().splitlines(), {}
        for number, call in enumerate(calls, start=1):
            kinds = KINDS if harness.SCALE > 1 else (KINDS[number % len(KINDS)],)
            for kind in kinds:
                with self.subTest(command=command[0], failing=bool(env), call=call, kind=kind):
                    folder = begin()
                    file = folder / "topology.json"
                    run = self.anabranch(*command, file, env=self.with_shim(folder, f"{number}={kind}", env=env), timeout=30)
                    self.assertIn(run.code, DOCUMENTED, run)
                    codes[run.code] = codes.get(run.code, 0) + 1
                    self.finish(file)
                    self.assert_same(expected, rig.outcome(folder))
        return len(calls), codes

    def test_every_call_may_fail(self):
        seed = self.seeded()
        rig = rigs.Rig("two_targets", self.ROWS, seed, **self.SETTINGS)

        def fresh():
            folder = self.folder / "fresh"  # one place: later runs are the same pipeline's
            shutil.rmtree(folder, ignore_errors=True)
            rig.lay(folder)
            return folder

        expected, _, _ = self.clean_run(rig)
        saved = self.saved(self.failed_run(rig, "score", 2, "--workers", 1)[0])
        phases = {"a run": (fresh, ("run",), None),
                  "a failing stage": (fresh, ("run",), {"ANABRANCH_FAULT": self.FAILING}),
                  "a restart": (lambda: self.as_saved(saved), ("restart", "--yes"), None)}
        for name, (begin, command, env) in phases.items():
            count, codes = self.fail_each(rig, expected, begin, command, env)
            print(f"{name}: {count} calls failed in turn, exit codes {codes}", flush=True)
            self.assertGreater(count, 20)
            self.assertGreater(sum(times for code, times in codes.items() if code != harness.EXIT_OK), 10,
                               "hardly a failed call was noticed")


if __name__ == "__main__":
    harness.main()
