#!/usr/bin/env python3
"""A rollout that a person orders on the page of a real run, in a real Chromium; and the made-up answers of
test_page_models.py are held to what the run answers."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "ui"))
import harness
from browser import PageCase, axe_faults
from mock_rollout import Versions
from mock_server import UI
from rollouts_page import OPERATOR, VersionsCase
from shapes import differences, shape

CARD = "section[aria-label='Versions of sum']"


class Page(PageCase, VersionsCase):
    def open_models(self, scheme="light"):
        page = self.browser.open(f"http://127.0.0.1:{self.served.port}/#t={OPERATOR}", scheme=scheme, wait="[data-box]")
        page.evaluate("location.hash = '/models'")
        page.wait_for_selector(CARD)
        return page

    def click_order(self, page, action, reason):
        """Through the dialog. The sentence that it showed."""
        page.click(f"{CARD} button:has-text('{action}…'):not([disabled])")
        sentence = page.wait_for_selector("dialog .effect").inner_text()
        page.fill("dialog input:not([type=checkbox])", reason)
        page.click("dialog button[type=submit]")
        page.wait_for_selector("dialog[open]", state="detached")
        page.wait_for_selector(f"{CARD} [role=status]:has-text('{action}: done')", timeout=60000)
        return sentence

    def feed_until_shown(self, page, selector):
        self.feed_until(selector, lambda: page.wait_for_timeout(100) or page.locator(selector).count())

    def test_a_version_is_rolled_out_and_back_from_the_page(self):
        self.serve("--http-assets", UI)
        self.feed_until("a result", self.lines)
        page = self.open_models()
        self.assertIn("its rollout begins: it also scores 100 % of the rows", self.click_order(page, "Deploy", "ticket 31"))
        page.wait_for_selector(".steps [aria-current]:has-text('shadow 100 %')")
        self.feed_until_shown(page, f"{CARD} h3:has-text('Version 8 against 7 at stage score')")
        self.feed_to_step(1, paired=40)
        row = page.locator("table:has(caption:has-text('Differences by output')) tbody tr").first
        self.feed_until_shown(page, f"{CARD} td:has-text('100000 ±')")
        self.assertEqual(row.locator("td").all_inner_texts()[:2], ["all rows", "y"])
        self.assertEqual(row.locator("td").nth(3).inner_text(), "0 %")
        page.wait_for_selector("table:has(caption:text-is('Guards')) td:text-is('errors')")
        page.wait_for_selector("table:has(caption:has-text('Rows that differ most: y')) code:has-text('file:in/0/')")
        page.wait_for_selector("table:has(caption:has-text('Differences')) td:text-is('FR')")

        self.assertIn("it answers 50 % of the keys", self.click_order(page, "Promote", "the figures are good"))
        page.wait_for_selector(".steps [aria-current]:has-text('canary 50 %')")
        self.feed_until("both answer", lambda: {line["ver"] for line in self.lines()} == {"7", "8"})
        self.assertEqual(axe_faults(page), [])

        self.assertIn("Version 7 answers every row again at once", self.click_order(page, "Roll back", "a customer asked"))
        page.wait_for_selector(".steps", state="detached")
        rows = page.locator("table:has(caption:has-text('History')) tbody tr")
        page.wait_for_selector("table:has(caption:has-text('History')) >> text=a customer asked", timeout=8000)
        self.assertEqual([row.split("\t")[2] for row in rows.all_inner_texts()], ["rollback", "promote", "deploy", "start"])
        self.assertIn("otto", rows.first.inner_text())
        self.assertEqual(self.model()["version"], "7")
        self.finish(self.run_)

    def test_made_up_answers_have_the_shape_of_real_ones(self):
        self.serve()
        self.feed_until("a result", self.lines)
        self.ordered("deploy", version="8")
        self.feed_to_step(1, paired=40)
        self.ordered("promote")
        self.feed_to_step(2, paired=40)
        mock = Versions()
        mock.change = {"change": 1, "action": "deploy", "state": "done", "lines": ["x"], "reasons": []}
        asked = {"deployed": (mock.deployed(), self.model()), "compare": (mock.compare(), self.say("models/sum/compare")[1]),
                 "history": (mock.history(), self.say("models/sum/history")[1])}
        faults = [line for name, (made_up, real) in asked.items() for line in differences(shape(made_up), shape(real), name)]
        self.assertEqual([fault for fault in faults if "classes" not in fault], [])  # of labels, which this model has none of
        self.finish(self.run_)


if __name__ == "__main__":
    harness.main()
