"""Versions of a model that come and go while a stream runs: deploy, refuse, roll back, history, and kills between."""
import json
import shutil
import signal
import subprocess
import time

import harness
from deployments import Deployments


class OnALiveStream(Deployments):

    def test_good_versions_score_bad_ones_never_and_the_history_says_so(self):
        self.pack("31", wrong=True)
        self.pack("32", column="unheard_of")
        self.pack("33", latency_us=1e-6)
        self.write()
        run = self.begin()
        self.feed_numbers(run, 0, 20)
        done = self.model("deploy", "sum@8", "--reason", "ticket 12", "--by", "ann", "--approved-by", "bob")
        self.assertEqual((done["result"], done["instances"], done["waiting"]), ("active", ["0"], []))
        self.feed_numbers(run, 20, 40)
        for bad, word in (("31", "always"), ("32", "contract"), ("33", "latency")):
            refused = self.model("deploy", f"sum@{bad}", code=1)
            self.assertEqual(refused["result"], "refused")
            self.assertTrue(any(reason.startswith(word) for reason in refused["reasons"]), refused)
        self.feed_numbers(run, 40, 60)
        self.assertEqual(self.model("deploy", "sum@8")["result"], "already")
        self.assertEqual(self.model("deploy", "sum@10", code=1)["result"], "failed")  # there is none
        back = self.model("rollback", "sum", "--reason", "alarms")
        self.assertEqual((back["result"], back["version"]), ("active", "7"))
        self.feed_numbers(run, 60, 80)
        status = json.loads(self.anabranch("status", self.topology, "--format", "json", code=0).stdout)
        self.assertEqual(status["models"]["sum"]["version"], "7")
        self.assertEqual(status["models"]["sum"]["generation"], back["generation"])
        self.assertEqual(self.model("rollback", "sum", "--to", "8")["version"], "8")
        self.feed_numbers(run, 80, 100)
        self.finish(run)
        rows = self.check_rows(100)
        self.assertEqual([row[3] for row in rows[::20]], ["7", "8", "8", "7", "8"])
        events = self.model("history", "sum")
        self.assertEqual([(each["action"], each["version"], each["state"]) for each in events],
                         [("start", "7", "replaced"), ("deploy", "8", "replaced"), ("deploy", "31", "abandoned"),
                          ("deploy", "32", "abandoned"), ("deploy", "33", "abandoned"), ("rollback", "7", "replaced"),
                          ("rollback", "8", "serves")])
        deployed = events[1]
        self.assertEqual((deployed["by"], deployed["approved_by"], deployed["reason"]), ("ann", "bob", "ticket 12"))
        self.assertIn("0", deployed["gates"])
        self.assertTrue(events[2]["reasons"])
        self.assertIn("alarms", self.anabranch("model", "history", self.topology, code=0).stdout)

    def test_a_rollback_goes_further_back_and_one_that_was_stopped_goes_on(self):
        self.write()
        run = self.begin()
        self.feed_numbers(run, 0, 4)
        for version in ("8", "9"):
            self.model("deploy", f"sum@{version}")
        self.assertEqual(self.model("rollback", "sum")["version"], "8")
        self.assertEqual(self.model("rollback", "sum")["version"], "7")
        refused = self.model("rollback", "sum", code=1)
        self.assertIn("--to", refused["message"])
        self.model("deploy", "sum@9")
        run.process.send_signal(signal.SIGSTOP)
        command = self.start("model", "rollback", self.topology, "sum", "--format", "json")
        self.wait_until("a rollback is open", 20, lambda: self.model("history", "sum")[-1]["state"] == "open", command)
        command.process.send_signal(signal.SIGINT)
        self.assertEqual(command.wait(20), 75, command.stderr)
        run.process.send_signal(signal.SIGCONT)
        again = self.model("rollback", "sum")
        self.assertEqual((again["result"], again["version"]), ("active", "7"))
        self.feed_numbers(run, 4, 8)
        self.finish(run)
        self.assertEqual([row[3] for row in self.check_rows(8)][4:], ["7"] * 4)

    def test_a_source_that_ended_switches_with_the_others(self):
        (self.folder / "one.jsonl").write_text('{"n": 0}\n{"n": 1}\n')
        self.write()
        value = json.loads(self.topology.read_text())
        value["sources"]["one"] = json.loads(json.dumps(value["sources"]["in"]))
        value["sources"]["one"]["file"]["path"] = "one.jsonl"
        value["nodes"]["score"]["inputs"] = ["in", "one"]
        harness.write_json(self.topology, value)
        run = self.begin()
        self.feed_numbers(run, 2, 6)
        self.assertEqual(self.model("deploy", "sum@8")["waiting"], [])
        self.feed_numbers(run, 6, 8)
        self.finish(run)
        self.assertEqual([row[3] for row in self.rows()], ["7"] * 6 + ["8"] * 2)

    def dies(self, point):
        """It is gone, so it has no say: what it did not refuse scores from its next start on."""
        self.write()
        run = self.begin(env={"ANABRANCH_FAULT": f"{point}@1=kill"})
        self.feed_numbers(run, 0, 8)
        self.assertEqual({row[3] for row in self.rows()}, {"7"})
        self.assertEqual(self.model("deploy", "sum@8")["result"], "active")
        self.assertEqual(run.wait(20), -9)
        for left in self.folder.glob("out.db*"):
            left.unlink()
        again = self.begin("--fresh", "--new-identity")
        self.feed_numbers(again, 0, 8)
        self.finish(again)
        self.assertEqual({row[3] for row in self.rows()}, {"8"})
        self.assertEqual([event["state"] for event in self.model("history", "sum")], ["replaced", "serves"])

    def test_an_instance_dies_before_it_loads_what_is_deployed(self):
        self.dies("models.prepare_seen")

    def test_an_instance_dies_after_it_said_that_it_is_ready(self):
        self.dies("models.ready_sent")

    def test_an_instance_dies_before_it_uses_what_is_active(self):
        self.dies("models.active_seen")

    def test_the_wrong_words_are_usage(self):
        self.write()
        for args in (("deploy", self.topology, "sum"), ("deploy", self.topology, "gbt@7"), ("history", self.topology, "gbt")):
            self.assertEqual(self.anabranch("model", *args, code=2).stdout, "")
        self.assertEqual(self.model("rollback", "sum", code=1)["result"], "failed")  # nothing scored yet
        self.assertEqual(self.model("deploy", "sum@8", "--resume", code=1)["result"], "failed")


class OverRestarts(Deployments):

    def test_a_kill_at_the_switch_leaves_one_version_for_every_record(self):
        self.write("in.jsonl")
        self.append(0, 50)
        self.anabranch("run", self.topology, "--once", code=0)
        count = 50
        for version, point in (("8", "lane.switch"), ("9", "lane.switched"), ("7", "lane.switch")):
            with self.subTest(point=point, version=version):
                self.assertEqual(self.model("deploy", f"sum@{version}")["instances"], [])
                self.append(count, count + 50)
                killed = self.start("run", self.topology, "--once", env={"ANABRANCH_FAULT": f"{point}@1=kill"})
                self.assertEqual(killed.wait(30), -9, killed.stderr)
                self.anabranch("run", self.topology, "--once", code=0)
                rows = self.check_rows(count + 50)
                self.assertEqual({row[3] for row in rows[count:]}, {version})
                self.assertNotIn(version, {row[3] for row in rows[count - 50:count]})
                count += 50

    def test_a_version_begins_at_the_offset_that_is_named(self):
        self.write("in.jsonl")

        def run(begin, end):
            self.append(begin, end)
            self.anabranch("run", self.topology, "--once", code=0)
            return [row[3] for row in self.check_rows(end)]
        run(0, 20)
        partition = "/".join(self.rows()[0][0].split("/")[:2])
        where = f"offsets:{partition}={sum(len(json.dumps({'n': n})) + 1 for n in range(39))}"
        self.assertEqual(self.model("deploy", "sum@8", "--at", where)["result"], "active")
        self.assertEqual(self.model("deploy", "sum@8", "--at", where)["result"], "already")
        self.assertEqual(run(20, 30), ["7"] * 30)
        self.assertEqual(run(30, 60), ["7"] * 39 + ["8"] * 21)
        self.model("deploy", "sum@9", "--at", f"offsets:{partition}=5")  # it is beyond that
        self.assertEqual(run(60, 70)[60:], ["9"] * 10)
        for wrong in ("later", "offsets:", f"offsets:{partition}=x", "offsets:nowhere/0=5", f"offsets:{partition}=5,"):
            refused = self.anabranch("model", "deploy", self.topology, "sum@8", "--at", wrong, code=2)
            self.assertIn("--at", refused.stderr)

    def test_lines_of_a_file_have_the_version_of_the_time_in_their_envelope(self):
        self.write("in.jsonl")
        value = json.loads(self.topology.read_text())
        value["sources"]["in"]["envelope"] = "record"
        harness.write_json(self.topology, value)
        times, wanted = [1000, 3000, None, 1999, 2000, None, 500], ["7", "8", "8", "7", "8", "8", "7"]
        lines = [{"value": {"n": n}} | ({} if time is None else {"timestamp": time}) for n, time in enumerate(times)]
        (self.folder / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        self.assertEqual(self.model("deploy", "sum@8", "--at", "event-time:2000")["result"], "active")
        told = self.anabranch("run", self.topology, "--once", code=0).stderr
        self.assertIn("1 record of a batch has no time; sum@8 scores such records", told)
        self.assertEqual([row[3] for row in self.rows()], wanted)
        status = json.loads(self.anabranch("status", self.topology, "--format", "json", code=0).stdout)
        self.assertEqual(status["nodes"]["score"]["no_time"], 2)
        self.assertIn("score: 2", self.anabranch("status", self.topology, code=0).stdout)
        for wrong in ("tomorrow", "2026-03-01T12:00:00"):
            refused = self.anabranch("model", "deploy", self.topology, "sum@9", "--at", f"event-time:{wrong}", code=2)
            self.assertIn("event-time:2026-01-31T12:00:00Z", refused.stderr)

    def test_a_log_that_was_lost_is_missed_and_another_one_does_not_stand_in_for_it(self):
        def once(*more, code=0):
            return self.anabranch("run", self.topology, "--once", *more, code=code)

        def copy(log, to):
            for part in log.parent.glob(f"{log.name}*"):
                shutil.move(part, to / part.name)
        self.pack("31", wrong=True)
        self.write("in.jsonl")
        self.append(0, 10)
        once()
        number = self.model("deploy", "sum@8")["generation"]
        self.append(10, 20)
        once()
        self.append(20, 30)
        before, log = self.folder / "before", self.state / "models.db"
        before.mkdir()
        copy(log, before)
        begin = time.monotonic()
        lost = once(code=69)
        self.assertLess(time.monotonic() - begin, 20)
        for part in ("partition file:in/0", f"generation {number}", str(log), "bring back", '"control"', "--fresh"):
            self.assertIn(part, lost.stderr)
        self.model("deploy", "sum@31", code=1)
        self.assertEqual(self.model("deploy", "sum@9")["generation"], number, "the same number, of another version")
        mistaken = once(code=69)
        for part in ("partition file:in/0", f"generation {number}", str(log), "version 9"):
            self.assertIn(part, mistaken.stderr)
        self.assertEqual(len(self.rows()), 20)
        for part in before.iterdir():
            shutil.move(part, self.state / part.name)
        once()
        self.assertEqual([row[3] for row in self.check_rows(30)], ["7"] * 10 + ["8"] * 20)
        for lost in (*self.state.glob("models.db*"), *self.folder.glob("out.db*")):
            lost.unlink()
        once("--fresh", "--new-identity")
        self.assertEqual([row[3] for row in self.rows()], ["7"] * 30)

    def test_only_packages_that_the_key_signed_score(self):
        def openssl(*arguments):
            subprocess.run(["openssl", *map(str, arguments)], check=True, cwd=self.folder, capture_output=True, timeout=30)

        def sign(version, key):
            folder = self.registry / f"sum-{version}"
            openssl("pkeyutl", "-sign", "-rawin", "-inkey", f"{key}.key", "-in", folder / "model.json", "-out", folder / "model.sig")
        for key in ("release", "other"):
            openssl("genpkey", "-algorithm", "ed25519", "-out", f"{key}.key")
            openssl("pkey", "-in", f"{key}.key", "-pubout", "-out", f"{key}.pub")
        self.write("in.jsonl")
        value = json.loads(self.topology.read_text())
        value["models"]["sum"]["verify"] = {"key": "release.pub"}
        harness.write_json(self.topology, value)
        self.append(0, 10)
        self.assertIn("model.sig", self.anabranch("check", self.topology, code=78).stdout)
        sign("7", "release")
        self.anabranch("run", self.topology, "--once", code=0)
        for signer in (None, "other"):
            if signer is not None:
                sign("8", signer)
            refused = self.model("deploy", "sum@8", code=1)
            self.assertTrue(refused["reasons"][0].startswith("signature: model.sig"), refused)
        sign("8", "release")
        self.assertEqual(self.model("deploy", "sum@8")["result"], "active")
        self.append(10, 20)
        self.anabranch("run", self.topology, "--once", code=0)
        self.assertEqual([row[3] for row in self.check_rows(20)][9:11], ["7", "8"])
        (self.state / "models" / self.model("history", "sum")[-1]["digest"] / "model.sig").write_bytes(b"x" * 64)
        self.append(20, 30)
        lost = self.anabranch("run", self.topology, "--once", code=78)
        self.assertIn("model.sig", lost.stderr)

    def test_a_package_that_history_names_is_kept_and_one_that_is_lost_is_named(self):
        self.write("in.jsonl")
        self.append(0, 10)
        self.anabranch("run", self.topology, "--once", code=0)
        digest = self.model("deploy", "sum@8")["digest"]
        shutil.rmtree(self.registry / "sum-8")
        self.append(10, 20)
        self.anabranch("run", self.topology, "--once", code=0)  # from the state folder
        self.assertEqual([row[3] for row in self.check_rows(20)][9:11], ["7", "8"])
        shutil.rmtree(self.state / "models" / digest)
        self.append(20, 30)
        lost = self.anabranch("run", self.topology, "--once", code=69)
        self.assertIn(digest, lost.stderr)
        self.assertEqual(len(self.rows()), 20)


if __name__ == "__main__":
    harness.main()
