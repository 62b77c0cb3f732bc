"""The commands that an operator uses when a stage stopped: status, restart, dlq. With files, without a broker."""
import json
import os
import pty
import select
import signal
import subprocess
import time

import harness
from harness import BIN, EXIT_FAULTY, EXIT_OK, EXIT_RETRY, EXIT_STAGE, EXIT_USAGE

ROWS, BAD = 1000, 900  # in the last batch: when its stage fails, every record was read
STOP, FIXED = "100 % amount", "amount == 0 ? 0 : 100 % amount"


class Orders(harness.PipelineCase):
    """orders → twice → score (an amount of 0 is more than it can take) → out, beside it twice → side."""

    on_error = {"record": "stop"}

    def setUp(self):
        super().setUp()
        self.topology = self.folder / "topology.json"
        self.write(STOP)
        self.feed(range(ROWS), bad={BAD})

    def write(self, expression, **changes):
        order = {"type": "object", "required": ["id", "amount"],
                 "properties": {"id": {"type": "string"}, "amount": {"type": "integer"}}}
        topology = {
            "anabranch": 1, "name": "orders", "schemas": {"order": order},
            "sources": {"orders": {"file": {"path": "in.jsonl"}, "schema": "order", "key": {"field": "id"}}},
            "nodes": {
                "twice": {"kind": "transform", "inputs": ["orders"], "set": {"double": "amount * 2"}},
                "score": {"kind": "transform", "inputs": ["twice"], "set": {"rest": expression}},
                "out": {"kind": "persist", "inputs": ["score"], "to": {"file": {"path": "out.jsonl"}},
                        "fields": ["double", "rest"]},
                "side": {"kind": "persist", "inputs": ["twice"], "to": {"file": {"path": "side.jsonl"}},
                         "fields": ["double"]}},
            **changes}
        if self.on_error:
            topology["nodes"]["score"]["on_error"] = self.on_error
        harness.write_json(self.topology, topology)
        return topology

    def feed(self, numbers, bad=()):
        with open(self.folder / "in.jsonl", "w") as lines:
            for n in numbers:
                lines.write(json.dumps({"id": f"o{n}", "amount": 0 if n in bad else n + 1}) + "\n")

    def ids(self, name="out.jsonl"):
        return [line.key for line in harness.read_lines(self.folder / name)]

    def status(self):
        return json.loads(self.anabranch("status", self.topology, "--format", "json", code=EXIT_OK).stdout)

    def assert_all_out(self):
        for name in ("out.jsonl", "side.jsonl"):
            self.assertEqual(self.ids(name), [f"o{n}" for n in range(ROWS)], name)

    def has_line(self, line, text):
        self.assertIn(line, text.splitlines())


class Status(Orders):
    def test_before_anything_ran_says_so(self):
        run = self.anabranch("status", self.topology, code=EXIT_OK)
        self.assertIn("nothing was run yet", run.stdout)
        self.assertEqual(self.status()["state"], "stopped")
        self.assertFalse((self.folder / ".anabranch").exists())

    def test_of_a_finished_run_is_done(self):
        self.write(FIXED)
        self.anabranch("run", self.topology, code=EXIT_OK)
        status = self.status()
        self.assertEqual((status["state"], status["failed"]), ("done", None))
        self.assertEqual(status["nodes"]["score"]["rows_out"], ROWS)
        size = os.path.getsize(self.folder / "in.jsonl")
        self.assertEqual(status["sources"], {"orders": {"file:orders/0": size}})

    def test_of_a_killed_run_is_stopped_with_a_note(self):
        self.write(FIXED)
        self.anabranch("run", self.topology, env={"ANABRANCH_FAULT": "target.commit@1=kill"})
        run = self.anabranch("status", self.topology, code=EXIT_OK)
        self.assertIn("without a word", run.stdout)
        self.has_line(f"  anabranch run {self.topology}", run.stdout)
        self.assertEqual(self.status()["state"], "stopped")

    def test_works_while_the_topology_is_being_mended(self):
        self.anabranch("run", self.topology, code=EXIT_STAGE)
        self.write("100 % amuont")
        self.assertEqual(self.status()["failed"]["node"], "score")
        self.assertEqual(self.anabranch("restart", self.topology, "--dry-run").code, EXIT_FAULTY)


class Restart(Orders):
    def test_at_three_in_the_morning(self):
        run = self.anabranch("run", self.topology, code=EXIT_STAGE)
        for text in ('stage "score" stopped', "division by zero", "file:orders/0/", "kept"):
            self.assertIn(text, run.stderr)
        self.has_line(f"  anabranch restart {self.topology}", run.stderr)
        failed = self.status()["failed"]
        self.assertEqual((failed["node"], failed["class"]), ("score", "contract"))
        self.assertIn("division by zero", failed["message"])
        self.assertEqual(failed["records"], ROWS - len(self.ids()))
        self.assertGreater(failed["kept_bytes"], 0)
        self.assertEqual(failed["next"], f"anabranch restart {self.topology}")

        again = self.anabranch("run", self.topology, code=EXIT_STAGE)
        for text in ("score", "division by zero", "anabranch restart"):
            self.assertIn(text, again.stderr)

        self.write(FIXED)
        plan = json.loads(self.anabranch("restart", self.topology, "--dry-run", "--format", "json",
                                         code=EXIT_OK).stdout)
        self.assertEqual((plan["from"], plan["refused"]), ("score", None))
        self.assertEqual(plan["stages_to_run"][:2], ["score", "out"])
        self.assertNotIn("twice", plan["stages_to_run"])
        self.assertEqual(plan["records"], failed["records"])
        self.assertIn("twice", [each["node"] for each in plan["results_reused"]])
        self.assertTrue(any("score" in change for change in plan["changes"]), plan)

        self.anabranch("restart", self.topology, "--plan", plan["token"], code=EXIT_OK)
        self.assert_all_out()
        status = self.status()
        self.assertEqual((status["state"], status["failed"]), ("done", None))
        self.assertEqual(status["nodes"]["twice"]["invocations"], 0, "what was kept is not computed again")
        self.assertEqual(status["nodes"]["score"]["rows_in"], failed["records"])

        before = (self.folder / "out.jsonl").read_bytes()
        noop = self.anabranch("restart", self.topology, "--yes", code=EXIT_OK)
        self.assertIn("nothing failed", noop.stderr)
        self.assertEqual((self.folder / "out.jsonl").read_bytes(), before)

    def test_without_a_terminal_wants_a_yes(self):
        self.anabranch("run", self.topology, code=EXIT_STAGE)
        run = self.anabranch("restart", self.topology, code=EXIT_USAGE)
        self.assertIn("--yes", run.stderr)
        self.assertIn('restart from "score"', run.stderr, "the plan is shown all the same")
        self.assertEqual(self.status()["state"], "failed")

    def answer(self, text):
        """Runs `restart` on its own terminal and types `text`. Returns the exit code and the output."""
        master, slave = pty.openpty()
        process = subprocess.Popen([BIN, "restart", str(self.topology)], stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        said, deadline, asked = b"", time.monotonic() + 30 * harness.PATIENCE, False
        try:
            while time.monotonic() < deadline:
                if select.select([master], [], [], 0.1)[0]:
                    try:
                        said += os.read(master, 4096)
                    except OSError:
                        break
                if not asked and b"[y/N]" in said:
                    asked = True
                    os.write(master, text)
            return process.wait(20), said.decode(errors="replace")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            os.close(master)

    def test_on_a_terminal_asks_and_takes_no_for_an_answer(self):
        self.anabranch("run", self.topology, code=EXIT_STAGE)
        self.write(FIXED)
        code, said = self.answer(b"\n")
        self.assertEqual((code, self.status()["state"]), (EXIT_OK, "failed"), said)
        self.assertIn("nothing was done", said)
        code, said = self.answer(b"y\n")
        self.assertEqual((code, self.status()["state"]), (EXIT_OK, "done"), said)
        self.assert_all_out()

    def test_of_a_plan_that_is_not_the_one_shown_is_refused(self):
        self.anabranch("run", self.topology, code=EXIT_STAGE)
        plan = json.loads(self.anabranch("restart", self.topology, "--dry-run", "--format", "json").stdout)
        self.write(FIXED)
        run = self.anabranch("restart", self.topology, "--plan", plan["token"], code=EXIT_STAGE)
        self.assertIn(plan["token"], run.stderr)
        self.assertEqual(self.status()["state"], "failed")

    def test_that_is_refused_says_why_and_how_to_go_on(self):
        self.anabranch("run", self.topology, code=EXIT_STAGE)
        topology = self.write(FIXED)
        topology["nodes"]["twice"]["set"]["double"] = "amount * 3"
        harness.write_json(self.topology, topology)
        run = self.anabranch("restart", self.topology, "--yes", code=EXIT_STAGE)
        self.assertIn("refused", run.stderr)
        self.assertIn("twice", run.stderr)
        self.anabranch("restart", self.topology, "--yes", "--accept-stale", "twice", code=EXIT_OK)
        self.assert_all_out()

    def test_that_fails_again_waits_for_the_next_one(self):
        self.anabranch("run", self.topology, code=EXIT_STAGE)
        run = self.anabranch("restart", self.topology, "--yes", code=EXIT_STAGE)
        self.has_line(f"  anabranch restart {self.topology}", run.stderr)
        self.write(FIXED)
        self.anabranch("restart", self.topology, "--yes", code=EXIT_OK)
        self.assert_all_out()

    def test_that_is_killed_is_said_again(self):
        self.anabranch("run", self.topology, code=EXIT_STAGE)
        self.write(FIXED)
        self.anabranch("restart", self.topology, "--yes", env={"ANABRANCH_FAULT": "target.commit@1=kill"})
        self.assertEqual(self.status()["state"], "failed")
        self.anabranch("restart", self.topology, "--yes", code=EXIT_OK)
        self.assert_all_out()

    def test_by_a_supervisor_needs_no_words(self):
        self.anabranch("run", self.topology, code=EXIT_STAGE)
        self.anabranch("run", "--restart-failed", self.topology, code=EXIT_STAGE)
        self.write(FIXED)
        self.anabranch("run", "--restart-failed", self.topology, code=EXIT_OK)
        self.assert_all_out()
        self.anabranch("run", "--restart-failed", self.topology, code=EXIT_OK)

    def test_a_process_that_stays_runs_on_when_it_was_restarted(self):
        run = self.start("run", "--on-stop", "stay", self.topology)
        self.wait_until("the stage to stop", 30, lambda: "--on-stop stay" in run.stderr, run)
        self.assertEqual(self.status()["state"], "failed")
        self.write(FIXED)
        self.anabranch("restart", "--once", "--yes", self.topology, code=EXIT_OK)
        self.assertEqual(run.wait(30), EXIT_OK)
        self.assert_all_out()

    def test_a_process_that_stays_ends_with_a_signal(self):
        run = self.start("run", "--on-stop", "stay", self.topology)
        self.wait_until("the stage to stop", 30, lambda: "--on-stop stay" in run.stderr, run)
        run.send(signal.SIGTERM)
        self.assertEqual(run.wait(10), EXIT_STAGE)

    def test_while_it_runs_there_is_nothing_to_restart(self):
        self.write(FIXED)
        run = self.start("run", self.topology, env={"ANABRANCH_FAULT": "target.commit@1=stop"})
        self.wait_until("the process to stop itself", 30, run.stopped, run)
        self.assertEqual(self.status()["state"], "running")
        self.assertEqual(self.anabranch("restart", self.topology, "--yes").code, EXIT_RETRY)
        run.send(signal.SIGCONT)
        self.assertEqual(run.wait(30), EXIT_OK)

    def test_records_can_be_given_up_instead(self):
        self.anabranch("run", self.topology, code=EXIT_STAGE)
        waiting = self.status()["failed"]["records"]
        self.assertEqual(self.anabranch("dlq", "skip", self.topology).code, EXIT_USAGE)
        self.anabranch("dlq", "skip", self.topology, "--yes", code=EXIT_OK)
        self.assertIsNone(self.status()["failed"])
        letters = json.loads(self.anabranch("dlq", "ls", self.topology, "--format", "json").stdout)
        self.assertEqual([(g["node"], g["code"], g["count"]) for g in letters["groups"]],
                         [("score", "given_up", waiting)])
        listed = self.anabranch("dlq", "ls", self.topology, "--records", "--format", "json", code=EXIT_OK).stdout
        shown = json.loads(self.anabranch("dlq", "show", self.topology, json.loads(listed.splitlines()[0])["id"],
                                          "--format", "json", code=EXIT_OK).stdout)
        headers = dict(shown["headers"])
        self.assertEqual(headers["anabranch.error.origin.code"], "contract")
        self.assertIn("division by zero", headers["anabranch.error.origin.message"])
        self.anabranch("run", self.topology, code=EXIT_OK)  # what was not read when the stage failed
        self.assertEqual(self.ids("side.jsonl"), [f"o{n}" for n in range(ROWS)])
        self.write(FIXED)
        self.anabranch("dlq", "replay", self.topology, "--yes", code=EXIT_OK)
        self.assertEqual(sorted(self.ids()), sorted(f"o{n}" for n in range(ROWS)))


class DeadLetters(Orders):
    on_error = None
    bad = {n for n in range(ROWS) if n % 100 == 7}

    def setUp(self):
        super().setUp()
        self.feed(range(ROWS), self.bad)
        self.anabranch("run", self.topology, code=EXIT_OK)

    def letters(self):
        return json.loads(self.anabranch("dlq", "ls", self.topology, "--format", "json", code=EXIT_OK).stdout)

    def first_id(self):
        with open(self.folder / ".anabranch/orders/0/dead_letters.jsonl") as lines:
            headers = json.loads(lines.readline())["headers"]
        return "/".join(headers[f"anabranch.error.{part}"] for part in ("topic", "partition", "offset"))

    def test_are_counted_by_stage_and_code(self):
        letters = self.letters()
        self.assertEqual(letters["letters"], len(self.bad))
        self.assertEqual([(g["node"], g["code"], g["count"]) for g in letters["groups"]],
                         [("score", "expression", len(self.bad))])
        self.assertIn(str(len(self.bad)), self.anabranch("dlq", "ls", self.topology).stdout)

    def test_are_shown_with_their_record_and_the_results_they_had(self):
        shown = json.loads(self.anabranch("dlq", "show", self.topology, self.first_id(), "--format", "json",
                                          code=EXIT_OK).stdout)
        self.assertEqual(json.loads(shown["value"]), {"id": "o7", "amount": 0})
        self.assertEqual((shown["node"], shown["code"], shown["attempts"]), ("score", "expression", "1"))
        self.assertEqual(shown["results"]["twice"], {"double": 0})
        self.assertIn("double = 0", self.anabranch("dlq", "show", self.topology, self.first_id()).stdout)
        self.assertEqual(self.anabranch("dlq", "show", self.topology, "file:orders/0/1").code, EXIT_STAGE)

    def test_are_listed_with_the_ids_that_show_and_replay_take(self):
        lines = self.anabranch("dlq", "ls", self.topology, "--records", code=EXIT_OK).stdout.splitlines()
        self.assertEqual(len(lines), len(self.bad) + 2, "a head, the letters, their number")
        ids = [line.split()[-1] for line in lines[1:-1]]
        self.assertEqual(ids[0], self.first_id())
        for id in ids:
            self.assertIn(id, self.anabranch("dlq", "show", self.topology, id, code=EXIT_OK).stdout)
        listed = [json.loads(line) for line in
                  self.anabranch("dlq", "ls", self.topology, "--records", "--format", "json").stdout.splitlines()]
        self.assertEqual([letter["id"] for letter in listed], ids)
        self.assertEqual({(letter["node"], letter["code"]) for letter in listed}, {("score", "expression")})
        self.assertTrue(all(0 <= letter["age_s"] < 600 for letter in listed), listed[:2])

    def test_an_unknown_id_is_told_what_ids_look_like_and_how_to_list_them(self):
        run = self.anabranch("dlq", "show", self.topology, "x\x1b[31m\nforged", code=EXIT_STAGE)
        self.assertIn(r'the ID "x\x1b[31m\nforged"', run.stderr)
        self.assertIn("TOPIC/PARTITION/OFFSET", run.stderr)
        command = next(line.split() for line in run.stderr.splitlines() if line.startswith("  anabranch "))
        self.assertIn(self.first_id(), self.anabranch(*command[1:], code=EXIT_OK).stdout, "the cure works")

    def test_cannot_move_the_cursor_or_forge_lines_of_a_terminal(self):
        path = self.folder / ".anabranch/orders/0/dead_letters.jsonl"
        letters = path.read_text().splitlines()
        evil = "score\x1b[2J\nforged\u202e"
        for at, name in enumerate(("node", "code", "message", "kind", "class", "attempts", "failed_at", "source")):
            letter = json.loads(letters[at])
            letter["headers"][f"anabranch.error.{name}"] = evil
            letters[at] = json.dumps(letter)
        path.write_text("\n".join(letters) + "\n")
        shown = [self.anabranch("dlq", *args, self.topology) for args in (["ls"], ["ls", "--records"], ["replay", "--dry-run"])]
        listed = self.anabranch("dlq", "ls", self.topology, "--records", "--format", "json").stdout
        for line in listed.splitlines():
            shown.append(self.anabranch("dlq", "show", self.topology, json.loads(line)["id"]))
        for run in shown:
            for text in (run.stdout, run.stderr):
                self.assertNotIn("\x1b", text, run)
                self.assertNotIn("\u202e", text, run)
                self.assertFalse([line for line in text.splitlines() if line.startswith("forged")], run)

    def test_are_replayed_at_their_stage_and_only_once(self):
        self.write(FIXED)
        log = self.folder / "calls"
        run = self.anabranch("dlq", "replay", self.topology, "--dry-run", code=EXIT_OK)
        self.assertIn(f"{len(self.bad)} with the results that travel with them", run.stdout)
        self.assertEqual(self.anabranch("dlq", "replay", self.topology).code, EXIT_USAGE)
        self.anabranch("dlq", "replay", self.topology, "--yes", code=EXIT_OK, env={"ANABRANCH_FAULT_LOG": log})
        called = {line.split()[1] for line in log.read_text().splitlines() if line.startswith("stage.call ")}
        self.assertEqual(called, {"score", "out"})
        self.assertEqual(sorted(self.ids()), sorted(f"o{n}" for n in range(ROWS)))
        self.assertEqual(self.ids("side.jsonl"), [f"o{n}" for n in range(ROWS)])
        self.assertEqual(self.letters()["letters"], 0)
        before = (self.folder / "out.jsonl").read_bytes()
        again = self.anabranch("dlq", "replay", self.topology, "--yes", code=EXIT_OK)
        self.assertIn("nothing to replay", again.stderr)
        self.assertEqual((self.folder / "out.jsonl").read_bytes(), before)

    def test_that_are_not_chosen_wait_on(self):
        self.write(FIXED)
        self.anabranch("dlq", "replay", self.topology, "--code", "timeout", "--yes", code=EXIT_OK)
        self.assertEqual(self.letters()["letters"], len(self.bad))
        self.anabranch("dlq", "replay", self.topology, "--id", self.first_id(), "--yes", code=EXIT_OK)
        self.assertEqual(self.letters()["letters"], len(self.bad) - 1)
        self.assertEqual(self.ids()[-1], "o7")
        self.anabranch("dlq", "replay", self.topology, "--node", "score", "--yes", code=EXIT_OK)
        self.assertEqual(sorted(self.ids()), sorted(f"o{n}" for n in range(ROWS)))

    def test_that_fail_again_are_dead_letters_again(self):
        self.anabranch("dlq", "replay", self.topology, "--yes", code=EXIT_OK)
        self.assertEqual(self.letters()["letters"], len(self.bad))
        shown = json.loads(self.anabranch("dlq", "show", self.topology, self.first_id(), "--format", "json").stdout)
        headers = dict(shown["headers"])
        self.assertEqual(headers["anabranch.error.origin.node"], "score")
        self.assertLess(headers["anabranch.error.origin.failed_at"], headers["anabranch.error.failed_at"])
        self.assertEqual(json.loads(shown["value"]), {"id": "o7", "amount": 0})

    def test_are_computed_from_their_record_when_what_lies_above_was_edited(self):
        topology = self.write(FIXED)
        topology["nodes"]["twice"]["set"]["double"] = "amount * 2 + 1"
        harness.write_json(self.topology, topology)
        run = self.anabranch("dlq", "replay", self.topology, "--dry-run", code=EXIT_OK)
        self.assertIn(f"{len(self.bad)} computed again", run.stdout)
        self.anabranch("dlq", "replay", self.topology, "--yes", code=EXIT_OK)
        lines = harness.read_lines(self.folder / "out.jsonl")
        self.assertEqual([line.fields["double"] for line in lines[-len(self.bad):]], [1] * len(self.bad))
        self.assertEqual(self.ids("side.jsonl"), [f"o{n}" for n in range(ROWS)], "it had them already")

    def test_a_replay_that_is_killed_loses_and_doubles_nothing(self):
        self.write(FIXED)
        for place in ("target.commit@1", "file.write@1", "file.synced@1", "file.ledger@1", "target.commit@2"):
            run = self.anabranch("dlq", "replay", self.topology, "--yes", env={"ANABRANCH_FAULT": f"{place}=kill"})
            self.assertEqual(run.code, -signal.SIGKILL, place)
        self.anabranch("dlq", "replay", self.topology, "--yes", code=EXIT_OK)
        self.assertEqual(sorted(self.ids()), sorted(f"o{n}" for n in range(ROWS)))
        self.assertEqual(self.letters()["letters"], 0)

    def test_a_replay_ends_with_the_stage_whose_call_never_returns(self):
        topology = self.write(FIXED)
        topology["nodes"]["score"]["timeout_ms"] = 50
        harness.write_json(self.topology, topology)
        run = self.anabranch("dlq", "replay", self.topology, "--yes", code=EXIT_STAGE,
                             env={"ANABRANCH_FAULT": "stage.call:score@4=hang"})
        self.assertIn('node "score": a call did not return within its time limit', run.stderr)
        self.assertEqual(self.letters()["letters"], len(self.bad) - 3)
        self.anabranch("dlq", "replay", self.topology, "--yes", code=EXIT_OK)
        self.assertEqual(sorted(self.ids()), sorted(f"o{n}" for n in range(ROWS)))

    def test_of_a_pipeline_that_runs_wait_for_its_files(self):
        self.feed(range(ROWS + 10), self.bad)
        run = self.start("run", self.topology, env={"ANABRANCH_FAULT": "target.commit@1=stop"})
        self.wait_until("the process to stop itself", 30, run.stopped, run)
        replay = self.anabranch("dlq", "replay", self.topology, "--yes", code=EXIT_RETRY)
        self.assertIn(str(run.pid), replay.stderr)
        run.send(signal.SIGCONT)
        self.assertEqual(run.wait(30), EXIT_OK)
        self.assertEqual(self.letters()["letters"], len(self.bad))


if __name__ == "__main__":
    harness.main()
