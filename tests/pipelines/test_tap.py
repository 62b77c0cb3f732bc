"""tap and top on a pipeline at work, through its control socket."""
import json
import signal

import harness
from harness import EXIT_FAULTY, EXIT_OK, EXIT_UNAVAILABLE, EXIT_USAGE
from live import LiveCase


def record(i, amount=None, country="DE"):
    return {"id": f"r{i}", "amount": i if amount is None else amount, "country": country}


class Tap(LiveCase):
    def setUp(self):
        super().setUp()
        self.write_topology()

    def tap(self, *args):
        """A tap that is open: what comes now, it sees."""
        tap = self.start("tap", self.topology, *args)
        self.opened = getattr(self, "opened", 0) + 1
        name = f"t{self.opened}"
        self.wait_until("the tap is open", 20, lambda: self.ask(f"/api/v1/taps/{name}?after=0")[0] == 200, tap)
        return tap

    def rows(self, tap):
        return [json.loads(line) for line in tap.stdout.splitlines()]

    def test_ends_after_its_limit_and_says_what_it_did_not_show(self):
        run = self.begin()
        tap = self.tap("feat", "--where", "amount >= 5", "--limit", "3", "--format", "json")
        self.feed(run, *(record(i) for i in range(20)))
        self.assertEqual(tap.wait(20), EXIT_OK, tap.stderr)
        rows = self.rows(tap)
        self.assertEqual([row["before"]["amount"] for row in rows], [5, 6, 7])
        self.assertEqual(rows[0]["after"], {"risk": 0.05, "foreign": False})
        self.assertEqual((rows[0]["key"], rows[0]["node"], rows[0]["outcome"]), ("r5", "feat", "ok"))
        self.assertEqual(rows[0]["outcomes"]["out"], "ok")
        self.assertEqual(tap.stderr, "3 of 8 seen, 0 dropped\n")
        self.finish(run)

    def test_shows_what_is_written_for_people_and_in_kcats_envelope(self):
        run = self.begin()
        pretty, kcat = self.tap("--limit", "1"), self.tap("--limit", "1", "--format", "kcat")
        self.feed(run, {"id": "\x1b[31mred", "amount": 50, "country": "FR"})
        self.assertEqual((pretty.wait(20), kcat.wait(20)), (EXIT_OK, EXIT_OK))
        self.assertIn("out  file:in/0/", pretty.stdout)
        self.assertIn("+ risk     0.5\n", pretty.stdout)
        self.assertIn("+ foreign  true\n", pretty.stdout)
        self.assertNotIn("\x1b", pretty.stdout)
        envelope = json.loads(kcat.stdout)
        self.assertEqual((envelope["topic"], envelope["partition"]), ("file:in", 0))
        self.assertEqual(json.loads(envelope["payload"])["risk"], 0.5)
        self.assertEqual(envelope["key"], "\x1b[31mred")
        self.finish(run)

    def test_follows_until_it_is_stopped_or_the_pipeline_ends(self):
        run = self.begin()
        stopped, follows = self.tap("--follow", "--format", "json"), self.tap("--follow", "--format", "json")
        self.feed(run, *(record(i) for i in range(30)))
        for tap in (stopped, follows):
            self.wait_until("30 rows", 20, lambda: len(self.rows(tap)) == 30, tap)
        stopped.send(signal.SIGINT)
        self.assertEqual(stopped.wait(20), EXIT_OK)
        self.assertEqual(stopped.stderr, "30 of 30 seen, 0 dropped\n")
        self.assertEqual(self.ask("/api/v1/taps/t1?after=0")[0], 404)  # it was closed
        self.finish(run)
        self.assertEqual(follows.wait(20), EXIT_OK)
        self.assertIn("the process that ran live has ended", follows.stderr)

    def test_saves_a_case_that_passes(self):
        run = self.begin()
        tap = self.tap("feat", "check", "out", "--limit", "11", "--save", self.folder / "new.tests.json")
        # The last one fails at check: 3 rows of three records, 2 of it at feat only.
        self.feed(run, record(1), b'{"id": "spaced",   "amount": 1.50, "country": "FR"}', record(3), record(4, 2000), record(5))
        self.feed(run, *(record(i) for i in range(6, 9)))
        self.assertEqual(tap.wait(20), EXIT_OK, tap.stderr)
        self.assertIn("anabranch test", tap.stderr)
        case = json.loads((self.folder / "new.tests.json").read_text())
        given = case["tests"][0]["given"]["in"]
        self.assertGreaterEqual(len(given), 3)
        self.assertIn("value", given[0])
        tested = self.anabranch("test", self.folder / "new.tests.json", code=EXIT_OK)
        self.assertIn("ok", tested.stdout)
        # It can fail.
        broken = (self.folder / "new.tests.json").read_text().replace('"risk": 0.01', '"risk": 0.02')
        (self.folder / "broken.tests.json").write_text(broken)
        self.assertIn("expected 0.02", self.anabranch("test", self.folder / "broken.tests.json", code=1).stdout)
        self.assertIn("is there already",
                      self.anabranch("tap", self.topology, "--save", self.folder / "new.tests.json", code=EXIT_USAGE).stderr)
        self.finish(run)

    def test_a_dead_letter_is_expected_by_the_saved_case(self):
        run = self.begin()
        tap = self.tap("feat", "--limit", "2", "--save", self.folder / "dead.tests.json")
        self.feed(run, record(1), record(2, 5000))
        self.assertEqual(tap.wait(20), EXIT_OK, tap.stderr)
        expect = json.loads((self.folder / "dead.tests.json").read_text())["tests"][0]["expect"]
        self.assertEqual(expect["dead_letters"], [{"node": "check", "code": "rule", "row": 1}])
        self.anabranch("test", self.folder / "dead.tests.json", code=EXIT_OK)
        self.finish(run)

    def test_says_what_is_wrong(self):
        nobody = self.anabranch("tap", self.topology, code=EXIT_UNAVAILABLE)
        self.assertIn("no process runs live", nobody.stderr)
        self.assertIn(f"anabranch run {self.topology}", nobody.stderr)
        run = self.begin()
        for args, text in ((["faet"], 'did you mean "feat"'), (["--where", "amonut > 1"], 'did you mean "amount"'),
                           (["--where", "risk + 1"], "not true or false"), (["--columns", "rsk"], 'did you mean "risk"'),
                           (["--save", "x.json"], ".tests.json"), (["--limit", "0"], "limit")):
            self.assertIn(text, self.anabranch("tap", self.topology, *args, code=EXIT_USAGE).stderr, args)
        (self.folder / "broken.json").write_text("{")
        self.assertIn("is no topology", self.anabranch("tap", self.folder / "broken.json", code=EXIT_FAULTY).stderr)
        self.finish(run)

    def test_a_tap_that_nobody_reads_does_not_hold_the_pipeline(self):
        run = self.begin()
        tap = self.tap("--follow", "--format", "json")
        tap.send(signal.SIGSTOP)
        self.wait_until("it is stopped", 10, tap.stopped)
        self.feed(run, *(dict(record(i % 500), id="x" * 2000) for i in range(3000)))
        self.wait_until("all is committed", 30, lambda: self.ask("/api/v1/snapshot")[1]["stages"]["out"]["rows_out"] >= 3000, run)
        tap.go_on()
        self.wait_until("it shows what was in the ring", 20, lambda: tap.stdout.count("\n") > 10, tap)
        tap.send(signal.SIGINT)
        self.assertEqual(tap.wait(20), EXIT_OK)
        self.finish(run)
        dropped = int(tap.stderr.splitlines()[-1].split(" seen, ")[1].split(" ")[0].replace(",", ""))
        self.assertGreater(dropped, 1000)


class Masked(LiveCase):
    schema = {"type": "object", "properties": {"id": {"type": "string"}, "amount": {"type": "number"},
                                               "pan": {"type": "string", "x-sensitive": True}}}
    nodes = {"copy": {"kind": "transform", "inputs": ["in"], "set": {"shown": "upper(pan)", "twice": "amount * 2"}},
             "out": {"kind": "persist", "inputs": ["copy"], "to": {"file": {"path": "out.jsonl"}},
                     "fields": ["id", "pan", "shown", "twice"]}}

    def test_sensitive_values_are_shown_on_demand_only(self):
        self.write_topology()
        run = self.begin()
        saved = self.folder / "masked.tests.json"
        hidden = self.start("tap", self.topology, "--limit", "1", "--format", "json", "--save", saved)
        shown = self.start("tap", self.topology, "--limit", "1", "--format", "json", "--reveal")
        both = lambda: all(self.ask(f"/api/v1/taps/t{i}?after=0")[0] == 200 for i in (1, 2))
        self.wait_until("both are open", 20, both, run)
        self.feed(run, {"id": "a", "amount": 2, "pan": "4111222233334444"})
        self.assertEqual((hidden.wait(20), shown.wait(20)), (EXIT_OK, EXIT_OK))
        self.assertNotIn("4111222233334444", hidden.stdout + saved.read_text())
        self.assertIn("4111222233334444", shown.stdout)
        value = json.loads(saved.read_text())["tests"][0]["expect"]["out"][0]["value"]
        self.assertEqual(value, {"id": "a", "pan": {"$any": True}, "shown": {"$any": True}, "twice": 4})
        self.anabranch("test", saved, code=EXIT_OK)
        oracle = self.anabranch("tap", self.topology, "--where", "pan == '4111222233334444'", code=EXIT_USAGE)
        self.assertIn("x-sensitive", oracle.stderr)
        self.finish(run)


class Top(LiveCase):
    def setUp(self):
        super().setUp()
        self.write_topology()

    def test_shows_the_verdict_and_a_line_per_node(self):
        run = self.begin()
        self.feed(run, *(record(i) for i in range(100)))
        self.wait_until("rows are counted", 20, lambda: self.ask("/api/v1/snapshot")[1]["stages"]["out"]["rows_out"] == 100, run)
        top = self.anabranch("top", self.topology, "--once", code=EXIT_OK).stdout.splitlines()
        self.assertRegex(top[0], r"^live  running  ")
        self.assertTrue(top[1])  # the verdict
        nodes = {line.split()[1]: line.split() for line in top if line and line[0] in "->*!"}
        self.assertEqual(list(nodes), ["in", "feat", "check", "out"])
        self.assertEqual(nodes["feat"][2], "transform")
        self.assertEqual(nodes["out"][4], "100")
        self.assertIn("; lag ", self.anabranch("status", self.topology, code=EXIT_OK).stdout)
        status = json.loads(self.anabranch("status", self.topology, "--format", "json", code=EXIT_OK).stdout)
        self.assertTrue(status["verdict"]["text"])
        lag = status["lag"]["in"]  # of standard input nobody knows the end
        self.assertEqual((lag["records"], lag["partitions"]), (None, {}))
        self.assertIn("seconds", lag)
        self.finish(run)

    def test_prints_a_block_per_interval_until_the_pipeline_ends(self):
        run = self.begin()
        top = self.start("top", self.topology, "--interval", "0.1")
        self.wait_until("three blocks", 20, lambda: top.stdout.count("live  running") >= 3, top)
        self.assertNotIn("\x1b", top.stdout)
        self.finish(run)
        self.assertEqual(top.wait(20), EXIT_OK)
        self.assertIn("no process runs live", top.stderr)
        self.assertIn("no process runs live", self.anabranch("top", self.topology, code=EXIT_UNAVAILABLE).stderr)


if __name__ == "__main__":
    harness.main()
