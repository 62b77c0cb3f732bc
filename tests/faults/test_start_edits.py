"""Instances that share a log, each with a topology file of its own, whose `start` is edited: one deployment per edit, a file
that lags behind undoes nothing, and an instance that is killed during its deployment leaves one that goes on."""
import collections
import json
import signal
import sys

from oracle import harness

sys.path.insert(0, str(harness.ROOT / "tests" / "pipelines"))
import packages  # noqa: E402

PARTITIONS = 2
KILLS = {"models.edit_seen": "nothing", "models.edit_prepared": "open", "models.edit_active": "serves"}


class FilesOfTheirOwn(harness.KafkaCase):

    def setUp(self):
        super().setUp()
        for version in map(str, range(1, 5 + len(KILLS))):
            self.anabranch("model", "pack", packages.make(self.folder / "registry", version), code=0)
        self.broker.make_topics({"edits.in": PARTITIONS})
        self.files = {name: self.folder / f"{name}.json" for name in ("a", "b")}
        self.edit("a", "1")
        self.edit("b", "1")
        self.anabranch("topics", self.files["a"], "--create", code=0)
        self.sent, self.at_work = 0, {}

    def edit(self, name, start):
        harness.write_json(self.files[name], {
            "anabranch": 1, "name": "edits",
            "schemas": {"number": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}},
            "connections": {"main": {"kafka": {"bootstrap.servers": "${KAFKA_BROKERS}"}}},
            "control": {"kafka": {"topic": "edits.control"}},
            "models": {"sum": {"registry": "registry", "start": start}},
            "sources": {"numbers": {"kafka": {"topics": ["edits.in"]}, "schema": "number"}},
            "nodes": {"score": {"kind": "infer", "inputs": ["numbers"], "model": "sum", "features": "package",
                                "outputs": {"y": "Y", "ver": "@version"}},
                      "out": {"kind": "persist", "inputs": ["score"], "to": {"kafka": {"topic": "edits.out"}},
                              "fields": ["n", "y", "ver"]}},
            "epoch": {"commit_ms": 50}, "delivery": "exactly_once"})

    def join(self, *names):
        for name in names:
            self.at_work[name] = self.start("run", self.files[name], "--instance", name, "--workers", 1)
        self.wait_until("all are in the group", 60, lambda: self.watcher.all_hold("anabranch.edits", len(self.at_work)), pause=0.2)

    def leave(self, *names):
        for name in names:
            self.at_work[name].send(signal.SIGTERM)
        for name in names:
            self.assertEqual(self.at_work[name].wait(30), harness.EXIT_OK, self.at_work[name].stderr)
            del self.at_work[name]

    def scored_by(self, version):
        """All of some more records."""
        self.broker.produce({"topic": "edits.in", "partition": n % PARTITIONS, "key": b"k%d" % n, "value": b'{"n":%d}' % n}
                            for n in range(self.sent, self.sent + 20))
        self.sent += 20
        rows = []

        def complete():
            rows[:] = [json.loads(message.value()) for message in self.broker.read("edits.out")]
            return len(rows) == self.sent
        self.wait_until(f"{self.sent} results", 60, complete, pause=0.3)
        for row in rows:
            self.assertEqual(packages.version_of(row["n"], row["y"]), row["ver"], row)
        self.assertEqual(collections.Counter(row["ver"] for row in rows if row["n"] >= self.sent - 20), {version: 20})

    def history(self):
        run = self.anabranch("model", "history", self.files["a"], "--format", "json", "--instance", "a", code=0)
        return [(each["action"], each["version"], each["state"]) for each in json.loads(run.stdout)]

    def test_an_edit_is_one_deployment_and_a_file_that_lags_behind_undoes_nothing(self):
        self.join("a", "b")
        self.scored_by("1")
        self.leave("a", "b")

        self.edit("a", "2")
        self.edit("b", "2")
        self.join("a", "b")
        self.scored_by("2")
        self.assertEqual(self.history(), [("start", "1", "replaced"), ("deploy", "2", "serves")])

        self.leave("a")
        self.edit("a", "3")
        self.join("a")  # b is at work, and answers
        self.scored_by("3")
        self.leave("b")
        self.join("b")
        self.assertIn('"start": "2" was replaced by an edit to "3"', self.at_work["b"].stderr)
        self.scored_by("3")
        count = len(self.history())
        self.assertEqual(self.history()[-1], ("deploy", "3", "serves"))

        self.leave("a")
        self.edit("a", "2")  # a knew 3, so this is the way back
        self.join("a")
        self.scored_by("2")
        self.leave("b")
        self.edit("b", "3")  # b never knew 3
        self.join("b")
        self.assertIn("lags behind", self.at_work["b"].stderr)
        self.scored_by("2")
        self.assertEqual(len(self.history()), count + 1)

        self.at_work["a"].kill()  # the group knows it for a while
        self.edit("a", "4")
        self.at_work["a"] = self.start("run", self.files["a"], "--instance", "a", "--workers", 1)
        self.wait_until("version 4 serves", 20, lambda: self.history()[-1] == ("deploy", "4", "serves"), self.at_work["a"], pause=0.3)
        self.scored_by("4")
        for version, point in enumerate(KILLS, 5):
            with self.subTest(point=point):
                self.die_in(point, str(version))
        self.leave("a", "b")

    def die_in(self, point, version):
        """While it starts, beside one that is at work."""
        self.leave("a")
        self.edit("a", version)
        before = self.history()
        killed = self.start("run", self.files["a"], "--instance", "a", "--workers", 1, env={"ANABRANCH_FAULT": f"{point}@1=kill"})
        self.assertEqual(killed.wait(30), -signal.SIGKILL, killed.stderr)
        more = [] if KILLS[point] == "nothing" else [("deploy", version, KILLS[point])]
        self.assertEqual(self.history()[len(before):], more)
        self.join("a")
        self.scored_by(version)
        self.assertEqual(self.history()[len(before):], [("deploy", version, "serves")])


if __name__ == "__main__":
    harness.main()
