"""The example of a rollout: the commands of its page, run by its own script, with the program under test."""
import unittest

import harness
import walkthrough


class RolloutExample(walkthrough.Walkthrough, unittest.TestCase):
    example, promise, step = "rollout", "ok: rollout-example (3 nodes", 1
    seconds = 300


if __name__ == "__main__":
    harness.main()
