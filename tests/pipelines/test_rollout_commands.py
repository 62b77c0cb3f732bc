"""What a person orders about a rollout: deploy, promote, hold, roll back; and what status, history and compare say."""
import json

import harness
import packages
from deployments import Deployments

MANY = 10_000_000  # rows that no test feeds: no step is taken by itself


class RolloutCommands(Deployments):

    def write_rollout(self, source="-", steps=None, **more):
        self.write(source)
        value = json.loads(self.topology.read_text())
        steps = steps or [{"shadow": 1.0, "rows": MANY}, {"canary": 0.5, "rows": MANY}, "all"]
        value["models"]["sum"]["rollout"] = {"steps": steps, "guards": {"errors": 0.01}, "max_rows": MANY, **more}
        harness.write_json(self.topology, value)

    def rollout(self):
        status = json.loads(self.anabranch("status", self.topology, "--format", "json", code=0).stdout)
        return status["models"]["sum"].get("rollout")

    def versions(self, since=0):
        return {row[3] for row in self.rows() if row[1] >= since}

    def test_a_person_takes_a_version_from_step_to_step(self):
        self.write_rollout()
        run = self.begin()
        self.feed_numbers(run, 0, 20)
        self.assertIsNone(self.rollout())
        begun = self.model("deploy", "sum@8", "--by", "ann", "--reason", "ticket 12")
        self.assertEqual((begun["result"], begun["version"], begun["step"], begun["steps"], begun["instances"]),
                         ("active", "8", 1, 3, ["0"]))
        self.feed_numbers(run, 20, 40)
        self.assertEqual(self.versions(), {"7"})
        shown = self.rollout()
        self.assertEqual([shown[key] for key in ("state", "step", "steps", "rule", "share", "serving", "candidate", "generation")],
                         ["running", 1, 3, "shadow", 1, "7", "8", begun["generation"]])
        self.assertEqual([(guard["name"], guard["limit"]) for guard in shown["guards"]], [("errors", 0.01)])
        text = self.anabranch("status", self.topology, code=0).stdout
        self.assertIn("model sum: version 7", text)
        self.assertIn("rollout: step 1 of 3", text)

        again = self.model("deploy", "sum@8")
        self.assertEqual((again["result"], again["generation"]), ("already", begun["generation"]))
        for other in ("sum@9", "sum@7"):
            refused = self.model("deploy", other, code=1)
            self.assertEqual(refused["result"], "refused")
            self.assertIn("promote --to-end", refused["reasons"][0])
            self.assertIn("rollback", refused["reasons"][0])

        held = self.model("hold", "sum", "--reason", "wait for monday")
        self.assertEqual((held["result"], held["generation"]), ("held", begun["generation"]))
        self.assertEqual(self.rollout()["state"], "held")
        self.assertEqual(self.model("hold", "sum")["result"], "already")

        promoted = self.model("promote", "sum", "--approved-by", "bob")
        self.assertEqual((promoted["result"], promoted["step"], promoted["waiting"]), ("active", 2, []))
        self.assertEqual((self.rollout()["state"], self.rollout()["rule"], self.rollout()["share"]), ("running", "canary", 0.5))
        done = self.model("promote", "sum", "--to-end")
        self.assertEqual((done["result"], done["version"], done.get("step"), done["waiting"]), ("active", "8", None, []))
        self.assertIsNone(self.rollout())
        self.feed_numbers(run, 40, 60)
        self.assertEqual(self.versions(since=40), {"8"})
        self.assertIn("no rollout", self.model("promote", "sum", code=1)["message"])

        events = self.model("history", "sum")
        self.assertEqual([(each["action"], each["version"], each["rule"], each.get("step"), each["state"]) for each in events],
                         [("start", "7", "one", None, "replaced"), ("deploy", "8", "shadow", 1, "replaced"),
                          ("hold", "8", "shadow", 1, "held"), ("promote", "8", "canary", 2, "replaced"),
                          ("promote", "8", "one", 3, "serves")])
        self.assertEqual((events[1]["serving"], events[1]["by"], events[1]["reason"]), ("7", "ann", "ticket 12"))
        self.assertEqual(events[3]["approved_by"], "bob")
        self.assertIn("errors", events[3]["guards"])
        text = self.anabranch("model", "history", self.topology, "sum", code=0).stdout
        self.assertIn("step 2: version 8 answers 50 % of the keys, version 7 the others", text)
        back = self.model("rollback", "sum")
        self.assertEqual((back["result"], back["version"]), ("active", "7"))
        self.finish(run)

    def test_a_rollback_ends_a_rollout_at_once(self):
        self.write_rollout()
        run = self.begin()
        self.feed_numbers(run, 0, 8)
        self.model("deploy", "sum@8")
        self.model("promote", "sum")
        back = self.model("rollback", "sum", "--reason", "too many alarms")
        self.assertEqual((back["result"], back["version"], back["instances"], back["waiting"]), ("active", "7", ["0"], []))
        self.assertIsNone(self.rollout())
        self.feed_numbers(run, 8, 16)
        self.assertEqual(self.versions(since=8), {"7"})
        event = self.model("history", "sum")[-1]
        self.assertEqual((event["action"], event["rule"], event["reason"], event["state"]),
                         ("rollback", "one", "too many alarms", "serves"))
        self.assertIn("--to", self.model("rollback", "sum", code=1)["message"])  # nothing scored before 7
        self.assertEqual(self.model("deploy", "sum@9")["step"], 1)  # another one may begin
        self.finish(run)

    def test_now_has_a_version_score_all_records_without_its_rollout(self):
        self.write_rollout()
        run = self.begin()
        self.feed_numbers(run, 0, 8)
        at = ("--at", "offsets:nowhere/0=5")
        refused = self.anabranch("model", "deploy", self.topology, "sum@8", *at, code=2)
        self.assertIn("--now", refused.stderr)
        done = self.model("deploy", "sum@8", "--now")
        self.assertEqual((done["result"], done.get("step")), ("active", None))
        self.feed_numbers(run, 8, 16)
        self.assertEqual(self.versions(since=8), {"8"})
        event = self.model("history", "sum")[-1]
        self.assertEqual((event["action"], event["rule"], event.get("step")), ("deploy", "one", None))
        for command in ("promote", "hold"):
            self.assertIn("no rollout", self.model(command, "sum", code=1)["message"])
        self.finish(run)

    def test_a_rollout_begins_and_goes_on_while_nobody_runs(self):
        def run(begin, end):
            with open(self.folder / "in.jsonl", "a") as out:
                out.writelines(json.dumps({"n": n}) + "\n" for n in range(begin, end))
            self.anabranch("run", self.topology, "--once", code=0)
        self.write_rollout("in.jsonl")
        run(0, 10)
        begun = self.anabranch("model", "deploy", self.topology, "sum@8", code=0)
        self.assertIn("step 1 of 3", begun.stdout)
        self.assertIn("no instance runs", begun.stderr)
        run(10, 20)
        self.assertEqual(self.versions(), {"7"})
        self.assertEqual(self.model("promote", "sum")["step"], 2)
        self.assertEqual(self.model("promote", "sum")["version"], "8")
        run(20, 30)
        self.assertEqual(self.versions(since=20), {"8"})
        # A rollout that the file lost meanwhile can be ended, and not be gone on with.
        self.model("deploy", "sum@9")
        self.write("in.jsonl")
        self.assertIn("--to-end", self.model("promote", "sum", code=1)["message"])
        self.assertEqual(self.model("promote", "sum", "--to-end")["version"], "9")
        run(30, 40)
        self.assertEqual(self.versions(since=30), {"9"})

    def test_two_versions_are_compared_on_the_same_records(self):
        self.write_rollout()
        run = self.begin()
        self.feed_numbers(run, 0, 8)
        none = self.anabranch("model", "compare", self.topology, "sum", code=1)
        self.assertIn("no two versions", none.stderr)
        self.model("deploy", "sum@8")
        self.feed_numbers(run, 8, 48)
        self.wait_until("40 rows are compared", 20, lambda: self.compared()["segments"][0]["rows"] == 40, run)
        self.finish(run)
        total = self.compared()["segments"][0]
        self.assertEqual((total["value"], total["both_ok"], total["both_failed"]), (None, 40, 0))
        output = total["outputs"][0]
        self.assertEqual((output["name"], output["compared"], output["equal"], output["agreement"]), ("y", 40, 0, 0))
        self.assertEqual(output["mean_difference"], packages.STEP)
        text = self.anabranch("model", "compare", self.topology, "sum", code=0).stdout
        self.assertIn("version 7 (serving) and version 8 (candidate)", text)
        self.assertIn("40 scored by both", text)
        wrong = self.anabranch("model", "compare", self.topology, "sum", "--generation", "999", code=1)
        self.assertIn("those that have: ", wrong.stderr)
        self.anabranch("model", "compare", self.topology, "gbt", code=2)

    def compared(self):
        """Of node score; counted nothing yet: no rows."""
        comparison = self.model("compare", "sum")
        nodes = {node["node"]: node for node in comparison["nodes"]}
        return nodes.get("score", {"segments": [{"rows": 0}]})


if __name__ == "__main__":
    harness.main()
