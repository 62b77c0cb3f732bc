"""The example of a failed stage: the commands of its page, run by its own script, with the program under test."""
import unittest

import harness
import walkthrough


class RestartExample(walkthrough.Walkthrough, unittest.TestCase):
    example, promise, step = "restart", "ok: restart-example (5 nodes", 2


if __name__ == "__main__":
    harness.main()
