"""The page of an example: its commands, run by its own script, with the program under test."""
import os
import re
import shutil
import subprocess
import tempfile

import harness


class Walkthrough:
    """For a test case: `example` is a folder of examples/, `promise` a text of its page that a step prints, `step` its number."""

    example = promise = step = None
    seconds = 120

    @property
    def folder(self):
        return harness.ROOT / "examples" / self.example

    def walk(self, folder, **settings):
        return subprocess.run([str(folder / "walkthrough")], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=self.seconds * harness.PATIENCE,
                              env={**os.environ, "ANABRANCH_BIN": harness.BIN, **settings})

    def test_every_command_of_the_page_does_what_the_page_says(self):
        done = self.walk(self.folder)
        self.assertEqual(done.returncode, 0, done.stdout)
        commands = re.findall(r"^```sh\n(.*?)^```$", (self.folder / "README.md").read_text(), re.S | re.M)
        self.assertGreaterEqual(len(commands), 7)
        for command in commands:
            shown = "".join(f"$ {line}\n" for line in command.splitlines())
            self.assertIn(shown, done.stdout, "the page has a command that the script does not run")

    def test_the_script_fails_when_the_page_promises_what_does_not_come(self):
        with tempfile.TemporaryDirectory(prefix="anabranch-") as root:
            example = shutil.copytree(self.folder, harness.pathlib.Path(root) / "examples" / self.example)
            shutil.copy(self.folder.parent / "steps.sh", example.parent)
            page = example / "README.md"
            text = page.read_text()
            self.assertIn(self.promise, text)
            page.write_text(text.replace(self.promise, f"{self.promise} and more"))
            done = self.walk(example)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertIn(f"step {self.step} did not print", done.stdout)
