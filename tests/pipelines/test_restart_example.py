"""The example of a failed stage: the commands of its page, run by its own script, with the program under test."""
import os
import re
import shutil
import subprocess
import unittest

import harness

FOLDER = harness.ROOT / "examples" / "restart"


class RestartExample(unittest.TestCase):
    def walk(self, folder, **settings):
        return subprocess.run([str(folder / "walkthrough")], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=120 * harness.PATIENCE,
                              env={**os.environ, "ANABRANCH_BIN": harness.BIN, **settings})

    def test_every_command_of_the_page_does_what_the_page_says(self):
        done = self.walk(FOLDER)
        self.assertEqual(done.returncode, 0, done.stdout)
        commands = re.findall(r"^```sh\n(.*?)^```$", (FOLDER / "README.md").read_text(), re.S | re.M)
        self.assertGreaterEqual(len(commands), 7)
        for command in commands:
            shown = "".join(f"$ {line}\n" for line in command.splitlines())
            self.assertIn(shown, done.stdout, "the page has a command that the script does not run")

    def test_the_script_fails_when_the_page_promises_what_does_not_come(self):
        import tempfile
        with tempfile.TemporaryDirectory(prefix="anabranch-") as root:
            example = shutil.copytree(FOLDER, f"{root}/examples/restart")
            page = harness.pathlib.Path(example) / "README.md"
            page.write_text(page.read_text().replace("ok: restart-example (5 nodes", "ok: restart-example (6 nodes"))
            done = self.walk(page.parent)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertIn("step 2 did not print", done.stdout)


if __name__ == "__main__":
    harness.main()
