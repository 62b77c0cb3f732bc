"""The page of a real run on a real broker, in a real Chromium: a stopped stage is restarted there, dead letters are
replayed there, rows are seen, and a process that was killed is named."""
import json
import os
import pathlib
import re
import sys
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "ui"))
import harness
import orders
from browser import PageCase, axe_faults
from orders import BAD, FIXED, ROWS

MORE = 100
SHOTS = os.environ.get("ANABRANCH_SHOTS")


class PageOfARun(PageCase, orders.Orders, harness.KafkaCase):
    partitions, dead_partitions = 2, 1

    def run_with_page(self, *flags):
        """Starts the run; its page is `self.url`, with the token."""
        run = self.start("run", self.topology, "--http", "127.0.0.1:0", *flags)
        self.url = self.address_of(run)
        return run

    def address_of(self, run):
        found = self.wait_until("the address of the page is printed", 30,
                                lambda: re.search(r"page: (http://\S+)", run.stderr + run.stdout), run)
        return found.group(1)

    def status_of(self, path):
        """The code of a probe."""
        try:
            with urllib.request.urlopen(self.url.partition("#")[0] + path, timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def is_in_history(self):
        """Its first run is written some seconds after it began."""
        try:
            with urllib.request.urlopen(self.url.partition("#")[0] + "api/v1/runs", timeout=10) as answer:
                return json.load(answer)["runs"]
        except urllib.error.HTTPError:
            return None

    def go(self, page, place):
        page.evaluate(f"location.hash = {place!r}")

    def results(self):
        return self.broker.read(f"{self.name}.out")

    def assert_each_once(self, count):
        results = self.results()
        ids = [harness.headers_of(message)["anabranch.id"] for message in results]
        self.assertEqual(len(set(ids)), len(ids), "an output came twice")
        self.assertEqual(sorted(message.key() for message in results), sorted(f"o{n}".encode() for n in range(count)))

    def shot(self, page, name):
        if SHOTS:
            page.screenshot(path=str(pathlib.Path(SHOTS) / f"page-{name}.png"))

    def test_a_stopped_stage_is_restarted_with_nothing_lost_and_nothing_twice(self):
        self.on_error = {"record": "stop"}
        self.prepare("stay")
        run = self.run_with_page("--on-stop", "stay")
        page = self.browser.open(self.url, size=(1280, 860), wait="text=Stage score stopped")
        self.assertEqual(self.status_of("readyz"), 503)
        self.assertEqual(self.status_of("livez"), 200)
        self.assertIn("stopped", page.inner_text("#announcer"))
        page.wait_for_selector("[data-box=score] >> text=failed")
        self.write(FIXED)
        page.click("text=See what a restart does")
        self.assertIn("score", page.wait_for_selector(".cause").inner_text())
        page.wait_for_selector("[data-box=score].bold")
        self.assertEqual(axe_faults(page), [])
        self.shot(page, "restart-light")
        page.fill(".confirm input", "stay")
        page.click("button:has-text('Restart from score')")
        page.wait_for_selector("header .state >> text=running", timeout=60000)
        self.feed(range(ROWS, ROWS + MORE))
        self.wait_until("all results are out", 60, lambda: len(self.results()) >= ROWS + MORE, run, pause=0.3)
        self.assert_each_once(ROWS + MORE)
        self.wait_until("the run is ready", 30, lambda: self.status_of("readyz") == 200, run)
        self.go(page, "/audit")
        page.wait_for_selector("td:has-text('restart')")

    def test_a_process_that_was_killed_is_named_with_its_command(self):
        self.prepare("killed")
        run = self.run_with_page()
        page = self.browser.open(self.url, wait="[data-box=score]")
        page.wait_for_selector("dd:has-text('10 rows failed')", timeout=30000)
        self.wait_until("the run is in the history", 30, self.is_in_history, run, pause=0.1)
        run.kill()
        page.wait_for_selector("text=The process does not answer")
        self.assertIn(f"run {self.topology}", page.inner_text(".notice"))
        self.assertIn("out", page.inner_text(".graph"), "what was known last stays")
        page.context.close()
        self.browser.pages.remove(page)
        folders = self.start("ui", self.folder, "--http", "127.0.0.1:0")
        page = self.browser.open(self.address_of(folders), wait="text=No process runs this pipeline")
        self.assertIn(f"anabranch run {self.topology}", page.inner_text(".notice"))
        page.wait_for_selector("[data-box=score]")
        page.click("nav a:has-text('Runs')")
        page.wait_for_selector(".bar")

    def test_rows_are_seen_with_key_position_and_values(self):
        self.prepare("rows")
        run = self.run_with_page()
        page = self.browser.open(self.url, wait="[data-box=score]")
        self.go(page, "/graph/twice")
        page.fill("[placeholder='amount > 900']", "amount > 490")
        page.click("text=Show records")
        page.wait_for_selector("text=waits for more")
        self.feed(range(ROWS, ROWS + MORE))
        page.wait_for_selector(".record")
        text = page.inner_text(".record >> nth=0")
        for part in ("o4", "rows.in/", "double"):
            self.assertIn(part, text)
        self.assertTrue(run.running())

    def test_numbers_are_shown_without_the_token_and_values_are_not(self):
        self.prepare("closed")
        self.run_with_page()
        page = self.browser.open(self.url.partition("#")[0], wait="[data-box=score]")
        self.go(page, "/letters")
        page.wait_for_selector("text=score")
        page.wait_for_selector(".token")
        self.go(page, "/graph/twice")
        page.wait_for_selector(".panel .token")

    def test_letters_are_replayed_with_each_result_once(self):
        self.prepare("letters")
        self.anabranch("run", "--once", self.topology, code=harness.EXIT_OK)
        self.write(FIXED)
        run = self.run_with_page()
        page = self.browser.open(self.url, wait="[data-box=score]")
        self.go(page, "/letters")
        page.wait_for_selector(f"text=Showing {len(BAD)} of {len(BAD)} letters", timeout=30000)
        page.click(f"a:has-text('{self.name}.in/')")
        page.wait_for_selector("text=Results so far")
        self.assertIn("amount", page.inner_text("pre >> nth=0"))
        page.click("text=Back to the list")
        page.check("[aria-label='Pick all that are shown']")
        page.click(f"text=Try a replay of the {len(BAD)} picked letters")
        page.wait_for_selector(f".notice:has-text('{len(BAD)} letters')")
        page.click("text=Replay them")
        page.wait_for_selector("text=There is no dead letter", timeout=60000)
        self.assertTrue(run.running())
        self.assert_each_once(ROWS)


if __name__ == "__main__":
    harness.main()
