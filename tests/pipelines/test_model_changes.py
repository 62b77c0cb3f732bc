#!/usr/bin/env python3
"""Versions of a model that are changed through the API of a run: who may, what is refused, and what is shown of a rollout."""
import json
import signal
import time

import harness
from rollouts_page import OPERATOR, READER, VersionsCase
from service import Served

ACTIONS = ("deploy", "promote", "hold", "rollback")


class Refuses(VersionsCase):
    def test_a_change_needs_an_operator_and_leaves_a_line_in_the_audit(self):
        self.serve()
        here = (f"127.0.0.{n}" for n in range(2, 100))
        body = {"reason": "ticket 31", "version": "8"}
        for action in ACTIONS:
            for token, wanted in ((False, 401), ("wrong-token-0123456789", 401), (READER, 403)):
                code, answer = self.say(f"models/sum/{action}", token, "POST", body, source=(next(here), 0))
                self.assertEqual(code, wanted, (action, token, answer))
        for path in ("history", "change"):
            self.assertEqual(self.say(f"models/sum/{path}", False)[0], 401)
            self.assertEqual(self.say(f"models/sum/{path}", READER)[0], 200)
        self.assertEqual(self.say("models/sum/deploy", OPERATOR, "POST", body, headers={"Origin": "http://elsewhere.example"})[0], 403)
        self.assertEqual(self.served.ask("/api/v1/models/sum/deploy", "POST", body, token=OPERATOR, headers={"Content-Type": "text/plain"})[0], 415)
        self.assertEqual(self.say("models/sum/change")[1]["state"], "none")
        lines = [json.loads(line) for line in (self.state / "audit.jsonl").read_text().splitlines()]
        self.assertTrue(all(line["who"] in ("rita", "otto") for line in lines), lines)
        self.assertIn(("rita", 403), {(line["who"], line["result"]) for line in lines})
        self.finish(self.run_)

    def test_a_wrong_order_is_refused_with_its_place_and_a_cure(self):
        self.serve()
        wrong = [("deploy", {"version": "8"}, "\"reason\""), ("deploy", {"version": "8", "reason": " \n"}, "\"reason\""),
                 ("deploy", {"version": "8", "reason": "é" * 501}, "501 characters"), ("deploy", {"reason": "x"}, "\"version\""),
                 ("deploy", {"version": 8, "reason": "x"}, "\"version\" must be a text"), ("deploy", {"version": "8" * 201, "reason": "x"}, "\"version\""),
                 ("deploy", {"version": "8", "reason": "x", "now": "yes"}, "\"now\" must be true or false"),
                 ("deploy", {"version": "8", "reason": "x", "to_end": True}, "\"to_end\" is not known"),
                 ("promote", {"reason": ["x"]}, "\"reason\" must be a text"), ("promote", {"reason": "x", "to_end": 1}, "\"to_end\""),
                 ("promote", {"reason": "x", "generation": -1}, "\"generation\""), ("promote", {"reason": "x", "generation": 1 << 40}, "\"generation\""),
                 ("hold", {}, "\"reason\""), ("hold", {"reason": "x", "version": "8"}, "\"version\" is not known"),
                 ("rollback", {"reason": "x", "to": 7}, "\"to\" must be a text"), ("rollback", [], "JSON object"), ("hold", "x", "JSON object")]
        for action, body, part in wrong:
            with self.subTest(action=action, body=str(body)[:60]):
                code, answer = self.say(f"models/sum/{action}", OPERATOR, "POST", body)
                self.assertEqual((code, answer["error"]["code"]), (400, "bad_request"), answer)
                self.assertIn(part, answer["error"]["message"])
                self.assertIn("\"reason\"", answer["error"]["cure"])
        for action in ACTIONS:
            code, answer = self.say(f"models/other/{action}", OPERATOR, "POST", {"reason": "x", **({"version": "8"} if action == "deploy" else {})})
            self.assertEqual((code, answer["error"]["code"]), (404, "not_found"), answer)
            self.assertIn("sum", answer["error"]["cure"])
        self.assertEqual(self.say("models/sum/change")[1]["state"], "none")
        self.assertEqual(len(self.say("models/sum/history")[1]["history"]), 1)
        code, answer = self.say("models/sum/compare")
        self.assertEqual((code, answer["error"]["code"]), (404, "no_comparison"), answer)
        self.finish(self.run_)

    def test_one_change_of_a_model_at_a_time(self):
        self.serve()
        code, answer = self.order("deploy", version="8", reason="ticket 31")
        self.assertEqual((code, answer), (202, {"change": 1}))
        code, answer = self.order("rollback", reason="no")
        self.assertEqual((code, answer["error"]["code"]), (409, "busy"), answer)
        self.assertEqual(self.model()["orders"], {})
        self.wait_until("it ends", 60, lambda: self.say("models/sum/change")[1]["state"] == "done", self.run_)
        self.finish(self.run_)

    def test_a_version_that_fails_its_gates_is_refused_with_the_reasons(self):
        self.pack("31", wrong=True)
        self.serve()
        change = self.ordered("deploy", "refused", version="31")
        self.assertIn("always", change["reasons"][0])
        self.assertIn("no package of version \"77\"", self.ordered("deploy", "failed", version="77")["reasons"][0])
        self.assertNotEqual(self.model(READER)["change"]["reasons"], [])
        self.assertEqual(self.model(False)["change"]["reasons"], [])
        self.assertEqual(self.model()["version"], "7")
        self.finish(self.run_)

    def test_a_promotion_without_a_rollout_is_no_change(self):
        self.serve()
        for action in ("promote", "hold"):
            self.assertTrue(self.ordered(action, "failed")["reasons"])
        self.assertEqual([event["action"] for event in self.say("models/sum/history")[1]["history"]], ["start"])
        self.finish(self.run_)

    def test_a_stop_ends_a_change_that_goes_on(self):
        """The gates take seconds, and the run does not wait for them. Nothing is refused: it can be ordered again."""
        folder = self.registry / "sum-32"
        self.pack("32")
        row = (folder / "tests" / "always.jsonl").read_text().splitlines()[0] + "\n"
        (folder / "tests" / "always.jsonl").write_text(row * 500_000)
        self.anabranch("model", "pack", folder, code=0)
        self.serve()
        self.assertEqual(self.order("deploy", version="32", reason="ticket 31")[0], 202)
        self.wait_until("it is checked", 30, lambda: self.say("models/sum/change")[1]["lines"], self.run_)
        began = time.monotonic()
        self.run_.send(signal.SIGTERM)
        self.assertEqual(self.run_.wait(20), harness.EXIT_OK, self.run_.stderr)
        took = time.monotonic() - began
        print(f"    the run ended {took:.1f} s after it was told to", flush=True)
        self.assertLess(took, 2 * harness.PATIENCE)
        history = json.loads(self.anabranch("model", "history", self.topology, "sum", "--format", "json", code=0).stdout)
        self.assertEqual([event["action"] for event in history], ["start"])


class Rollouts(VersionsCase):
    def test_a_rollout_goes_from_the_shadow_to_all_rows_by_orders(self):
        self.serve()
        self.feed_until("a result", self.lines)
        model = self.model(False)
        self.assertEqual([step["text"] for step in model["steps"]], ["shadow 100 %", "canary 50 %", "all rows"])
        self.assertEqual({each["version"]: each["scored"] for each in model["versions"]}, {"7": True, "8": False})
        self.assertEqual(set(model["orders"]), {"deploy", "deploy_now"})  # no version scored before
        first = model["generation"]

        self.ordered("deploy", version="8")
        self.feed_to_step(1, paired=40)
        rollout = self.model(False)["rollout"]
        self.assertEqual((rollout["step"], rollout["rule"], rollout["serving"], rollout["candidate"]), (1, "shadow", "7", "8"))
        self.assertEqual(rollout["guards"][0]["name"], "errors")
        compared = self.say("models/sum/compare", READER)[1]
        self.assertEqual((compared["serving"], compared["candidate"]), ("7", "8"))
        [node] = compared["nodes"]
        self.assertEqual([segment["value"] for segment in node["segments"]], [None, "DE", "FR"])
        output = node["segments"][0]["outputs"][0]
        self.assertEqual((output["agreement"], output["mean_difference"]), (0, 100_000))
        self.assertTrue(all(float(row["candidate"]) - float(row["serving"]) == 100_000 for row in node["worst"]["y"]), node["worst"])
        unseen = self.say("models/sum/compare", False)[1]["nodes"][0]
        self.assertEqual({row["candidate"] for row in unseen["worst"]["y"]}, {"***"})
        self.assertEqual([segment["value"] for segment in unseen["segments"]], [None, "***", "***"])
        self.assertEqual({line["ver"] for line in self.lines()}, {"7"}, "nobody sees the candidate")

        code, answer = self.order("promote", reason="x", generation=first)
        self.assertEqual((code, answer["error"]["code"]), (409, "other_generation"), answer)
        self.ordered("promote", generation=self.model()["generation"])
        self.feed_until("both answer", lambda: {line["ver"] for line in self.lines()} == {"7", "8"})
        self.feed_to_step(2)
        self.ordered("hold")
        self.wait_until("it is held", 20, lambda: "hold" not in self.model()["orders"], self.run_)
        self.assertEqual(self.model()["rollout"]["state"], "held")
        self.ordered("promote", to_end=True)
        self.wait_until("version 8 answers all", 20, lambda: self.model()["version"] == "8" and "rollout" not in self.model(), self.run_)

        history = self.say("models/sum/history", READER)[1]["history"]
        self.assertEqual([event["action"] for event in history], ["promote", "hold", "promote", "deploy", "start"])
        self.assertEqual({(event["by"], event["reason"]) for event in history[:4]}, {("otto", "ticket 31")})
        self.assertEqual(history[2]["rule"], "canary")
        self.assertEqual(len(self.say("models/sum/history?limit=2")[1]["history"]), 2)
        lines = [json.loads(line) for line in (self.state / "audit.jsonl").read_text().splitlines()]
        self.assertEqual([(line["action"].rsplit("/", 1)[1], line["result"]) for line in lines],
                         [("deploy", 202), ("promote", 409), ("promote", 202), ("hold", 202), ("promote", 202)])
        self.finish(self.run_)
        self.assertEqual(sorted(line["id"] for line in self.lines()), sorted(f"r{n}" for n in range(self.fed)))

    def test_a_rollout_is_rolled_back_at_once_by_an_order(self):
        self.serve()
        self.ordered("deploy", version="8")
        self.feed_to_step(1)
        self.ordered("promote")
        self.feed_until("both answer", lambda: {line["ver"] for line in self.lines()} == {"7", "8"})
        self.ordered("rollback")
        self.wait_until("the rollout is over", 20, lambda: "rollout" not in self.model(), self.run_)
        self.assertEqual(self.model()["version"], "7")
        before = len(self.lines())
        self.feed_until("rows behind it", lambda: len(self.lines()) >= before + 40)
        self.assertEqual({line["ver"] for line in self.lines()[-24:]}, {"7"})
        self.finish(self.run_)

    def test_a_page_over_folders_passes_orders_on(self):
        self.serve()
        process = self.served
        folders = self.start("ui", self.folder, "--http", "127.0.0.1:0", "--http-tokens", self.folder / "tokens")
        self.served = Served(self, folders)
        [pipeline] = self.wait_until("it is found", 20, lambda: self.say("pipelines")[1]["pipelines"], folders)
        place, body = f"pipelines/{pipeline['id']}/models/sum/", {"version": "8", "reason": "ticket 31", "now": True}
        self.assertEqual(self.say(place + "deploy", READER, "POST", body)[0], 403)
        self.assertEqual(self.say(place + "deploy", OPERATOR, "POST", body)[0], 202)
        self.wait_until("it is done", 60, lambda: self.say(place + "change")[1]["state"] == "done", self.run_)
        [event, _] = self.say(place + "history", READER)[1]["history"]
        self.assertEqual((event["by"], event["version"], event["reason"]), ("otto", "8", "ticket 31"))
        self.served = process
        self.finish(self.run_)

    def test_a_sensitive_segment_is_hidden_from_everyone(self):
        self.schema = {**self.schema, "properties": {**self.schema["properties"], "country": {"type": "string", "x-sensitive": True}}}
        self.serve()
        self.ordered("deploy", version="8")
        self.feed_to_step(1, paired=40)
        for path in ("models/sum/compare", "models/sum/compare?reveal=1"):
            code, compared = self.say(path)
            self.assertEqual((code, [segment["value"] for segment in compared["nodes"][0]["segments"]]), (200, [None, "***", "***"]), compared)
        self.finish(self.run_)

    def test_now_goes_without_the_rollout(self):
        self.serve()
        self.ordered("deploy", version="8", now=True)
        self.wait_until("version 8 scores", 20, lambda: self.model()["version"] == "8", self.run_)
        self.assertNotIn("rollout", self.model())
        self.ordered("rollback")
        self.wait_until("version 7 scores", 20, lambda: self.model()["version"] == "7", self.run_)
        self.finish(self.run_)


if __name__ == "__main__":
    harness.main()
