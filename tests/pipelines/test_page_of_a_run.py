#!/usr/bin/env python3
"""The page of a real run that reads standard input, in a real Chromium; and the made-up answers of the other tests of the
page are held to what a real run answers."""
import json
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "ui"))
import harness
from browser import PageCase
from lane_time import LaneTime
from live import LiveCase
from mock_server import UI, Mock
from mocked_page import FAILURE
from service import Served
from shapes import differences, shape


class WithPage(LiveCase):
    """Stage gbt calls a model; stage check refuses one record of each stretch."""

    schema = {"type": "object", "required": ["id", "amount"],
              "properties": {"id": {"type": "string"}, "amount": {"type": "number"}, "pan": {"type": "string", "x-sensitive": True}}}
    nodes = {
        "check": {"kind": "validate", "inputs": ["in"], "rules": {"small": "amount < 1000"}},
        "gbt": {"kind": "infer", "inputs": ["check"], "model": "twice", "features": ["amount"], "outputs": {"y": "Y[0]"}},
        "out": {"kind": "persist", "inputs": ["gbt"], "to": {"file": {"path": "out.jsonl"}}, "fields": ["id", "y"]}}

    def setUp(self):
        super().setUp()
        model = harness.ROOT / "tests" / "models" / "odd" / "twice.onnx"
        for path in model.parent.glob("twice*"):
            shutil.copy(path, self.folder)
        self.write_topology(**self.more)

    more = {"dead_letters": {"file": {"path": "dead.jsonl"}}, "models": {"twice": {"path": "twice.onnx", "version": "3"}}}

    def serve(self, first="check"):
        """A run with a page, after an earlier run. `first`: a stage that gets all records."""
        before = self.begin()
        self.feed(before, *self.records(0, 30))
        self.finish(before)
        run = self.begin("--http", "127.0.0.1:0", "--http-assets", UI, "--metrics", "127.0.0.1:0")
        self.served = Served(self, run)
        self.feed(run, *self.records(30, 60))
        self.wait_until("they are through", 20, lambda: self.get("snapshot")["stages"][first]["rows_in"] == 30, run)
        return run

    @staticmethod
    def records(begin, end):
        return [{"id": f"r{n}", "amount": 5000 if n % 30 == 7 else n, "pan": f"secret-{n}"} for n in range(begin, end)]

    def get(self, path):
        code, answer = self.served.json("/api/v1/" + path)
        self.assertEqual(code, 200, answer)
        return answer


class Shapes(WithPage):
    def test_made_up_answers_have_the_shape_of_real_ones(self):
        run = self.serve()
        mock = Mock(runs=3)
        code, tap = self.served.json("/api/v1/taps", method="POST", body={"nodes": ["gbt"], "at": "outputs", "where": "", "limit": 20, "rate": 0, "columns": []})
        self.assertEqual(code, 201, tap)
        self.feed(run, *self.records(60, 90))
        self.wait_until("rows are seen", 20, lambda: self.get(f"taps/{tap['id']}?after=0")["rows"], run)
        letter = self.get("letters")["letters"][0]["id"]
        earlier = self.get("runs")["runs"][-1]["id"]
        series = {"stage": "gbt", "metric": "p50"}
        asked = {"topology": (mock.topology(), "topology"), "snapshot": (mock.snapshot(), "snapshot"), "runs": (mock.runs(), "runs"),
                 "a run": (mock.run("r0001"), f"runs/{earlier}"), "series": (mock.series(series), "series?stage=gbt&metric=p50"),
                 "restart": (mock.restart(), "restart"), "letter groups": (mock.letter_groups(), "letters/groups"),
                 "letters": (mock.list_letters({}), "letters"), "a letter": (mock.letter("payments/0/1000", {}), f"letters/{letter}?reveal=1"),
                 "models": (mock.models(), "models"), "positions": (mock.positions(), "positions"), "audit": (mock.audit(), "audit"),
                 "a tap": (mock.read_tap(0), f"taps/{tap['id']}?after=0"), "pipelines": ({"pipelines": mock.pipelines}, "pipelines")}
        faults = [line for name, (made_up, path) in asked.items() for line in differences(shape(made_up), shape(self.get(path)), name)]
        self.assertEqual(faults, [])

    def test_a_made_up_failure_has_the_shape_of_a_real_one(self):
        self.write_topology(**self.more, nodes={**self.nodes, "check": {**self.nodes["check"], "on_error": {"record": "stop"}}})
        run = self.begin("--http", "127.0.0.1:0", "--on-stop", "stay")
        self.served = Served(self, run)
        self.feed(run, *self.records(0, 30))
        self.wait_until("stage check stopped", 20, lambda: self.get("snapshot")["failure"], run)
        mock = Mock()
        mock.failure = dict(FAILURE)
        for name, made_up in (("snapshot", mock.snapshot()), ("restart", mock.restart())):
            self.assertEqual(differences(shape(made_up), shape(self.get(name)), name), [])

    def test_an_answer_for_50_stages_is_small(self):
        names = [f"stage_of_the_pipeline_{n}" for n in range(48)]
        nodes = {name: {"kind": "transform", "inputs": ["in" if n == 0 else names[n - 1]], "set": {f"x{n}": "amount + 1"}} for n, name in enumerate(names)}
        nodes["out"] = {"kind": "persist", "inputs": [names[-1]], "to": {"file": {"path": "out.jsonl"}}, "fields": ["id", "x47"]}
        self.write_topology(nodes=nodes)
        self.serve("out")
        _, text, _ = self.served.ask("/api/v1/snapshot")
        self.assertEqual(len(json.loads(text)["stages"]), 50)
        print(f"    a snapshot of 50 stages: {len(text) / 1000:.1f} KB", flush=True)
        self.assertLessEqual(len(text), 50 << 10)


class Page(PageCase, WithPage):
    def open(self, place, wait):
        page = self.browser.open(self.page_url, wait="[data-box]")
        page.evaluate(f"location.hash = {place!r}")
        page.wait_for_selector(wait)
        return page

    @property
    def page_url(self):
        return f"http://127.0.0.1:{self.served.port}/#t={self.served.token}"

    def test_every_page_shows_what_the_run_did(self):
        run = self.serve()
        page = self.open("/models", "text=twice")
        self.assertIn("version 3", page.inner_text("section[aria-label='Model of gbt']"))
        page.evaluate("location.hash = '/positions'")
        self.assertIn("file:in", page.wait_for_selector("table:has-text('Partitions of in')").inner_text())
        page.wait_for_selector("table:has-text('Targets') td:has-text('out')")
        page.evaluate("location.hash = '/runs'")
        page.wait_for_selector(".bar >> nth=1")
        self.assertEqual(page.locator(".bar").count(), 2)
        page.locator(".bar").first.click()
        self.assertIn("30", page.wait_for_selector("table:has-text('Quarters of an hour')").inner_text())
        self.assertIn("dead letters", page.wait_for_selector("table:has(caption:text-is('Stages'))").inner_text())
        page.evaluate("location.hash = '/graph/gbt'")
        page.wait_for_selector(".panel .plot canvas")
        page.click("text=Show records")
        page.wait_for_selector("text=waits for more")
        self.feed(run, *self.records(60, 90))
        text = page.wait_for_selector(".record").inner_text()
        self.assertIn("file:in/0/", text)
        self.assertIn("ok", text)
        page.click("text=Close")
        LaneTime(self, lambda: self.served.probe("/metrics")[1]).check(3)

    def test_letters_are_exported_as_they_came(self):
        run = self.serve()
        page = self.open("/letters", "text=Showing 2 of 2 letters")
        with page.expect_download() as download:
            page.click("text=Export all shown as JSONL")
        letters = [json.loads(line) for line in pathlib.Path(download.value.path()).read_text().splitlines()]
        self.assertEqual([json.loads(letter["value"]) for letter in letters], [self.records(0, 60)[n] for n in (7, 37)])
        page.click("text=Try a replay of all letters")
        page.wait_for_selector(".notice:has-text('A replay of all letters sends')")
        self.assertTrue(run.running())
        page.click("a:has-text('file:in/')")
        self.assertIn("***", page.wait_for_selector("[aria-label=Value]").inner_text())
        page.click("text=Show the values")
        page.wait_for_selector("[aria-label=Value]:has-text('secret-7')")

    def test_a_run_that_goes_on_has_its_counts(self):
        """The history has them a minute later."""
        self.serve()
        page = self.open("/runs", ".bar")
        page.locator(".bar").last.click()
        self.assertRegex(page.wait_for_selector("section[aria-label^=Run] p").inner_text(), r"so far, 30 records read")

    def test_pipelines_of_folders_are_listed_and_opened(self):
        whole, second = self.folder, self.folder / "second"
        second.mkdir()
        for path in whole.glob("twice*"):
            shutil.copy(path, second)
        self.folder = second
        self.write_topology(**self.more)
        ended = self.begin()
        self.feed(ended, *self.records(0, 5))
        self.finish(ended)
        self.folder = whole
        self.write_topology(**self.more)
        run = self.serve()
        folders = self.start("ui", whole, "--http", "127.0.0.1:0", "--http-assets", UI)
        served = Served(self, folders)
        page = self.browser.open(f"http://127.0.0.1:{served.port}/#t={served.token}", wait=".chooser li >> nth=1")
        page.click("li:not(:has-text('second')) button")
        page.wait_for_selector("header .state >> text=running")
        page.click("text=All pipelines")
        page.wait_for_selector(".chooser li >> nth=1")
        page.evaluate("new Promise((done) => setTimeout(done, 2500))")
        self.assertEqual(page.locator(".notice").count(), 0)
        run.kill()
        page.wait_for_selector("li:not(:has-text('second')):not(:has-text('running'))")


if __name__ == "__main__":
    harness.main()
