"""The message on a CPU that lacks required instructions; qemu-user emulates the CPU."""
import os
import subprocess
import unittest

PROGRAM = os.environ["ANABRANCH_BIN"]
ARCH = os.environ["ANABRANCH_ARCH"]


def version_on(cpu):
    return subprocess.run(["qemu-x86_64", "-cpu", cpu, PROGRAM, "version"], capture_output=True, text=True, timeout=120)


class Cpu(unittest.TestCase):

    def test_a_cpu_without_avx(self):
        run = version_on("qemu64")
        if ARCH == "x86-64":
            self.assertEqual((run.returncode, run.stderr), (0, ""))
            return
        self.assertEqual(ARCH, "x86-64-v3")
        self.assertEqual((run.returncode, run.stdout), (69, ""))
        self.assertEqual(run.stderr, "anabranch: this program was built for x86-64-v3, but the CPU lacks AVX; "
                                     "build it with cmake -DANABRANCH_ARCH=x86-64\n")

    def test_a_cpu_with_everything(self):
        run = version_on("max")
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertIn("anabranch", run.stdout)


if __name__ == "__main__":
    unittest.main()
