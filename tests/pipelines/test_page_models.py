#!/usr/bin/env python3
"""The page's models view with made-up answers, in a real Chromium: a rollout with its figures, and the orders about it."""
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "ui"))
import harness
from browser import axe_faults
from mock_rollout import STEPS, Versions
from mock_server import TOKEN, Refused
from mocked_page import MockedPage

SHOTS = os.environ.get("ANABRANCH_SHOTS")  # where screenshots go, as in test_page.py
CARD = "section[aria-label='Versions of gbt']"


class ModelsCase(MockedPage):
    def models(self, step=2, token=True, **options):
        self.serve().versions = Versions(step)
        page = self.open("/models", token, **options)
        page.wait_for_selector(CARD)
        return page

    @property
    def versions(self):
        return self.mock.versions

    def order(self, page, action, reason="ticket 31"):
        page.click(f"{CARD} button:has-text('{action}…')")
        page.fill("dialog input:not([type=checkbox])", reason)
        page.click(f"dialog button[type=submit]:has-text('{action}')")


class Shows(ModelsCase):
    def test_a_rollout_shows_its_steps_guards_and_figures(self):
        page = self.models()
        text = page.inner_text(CARD)
        for part in ("version 7, generation 5", "Rollout of version 8", "step 2 of 4: 5 % of the keys", "running"):
            self.assertIn(part, text)
        steps = page.locator(".steps li")
        self.assertEqual([each.split(" ", 1)[1] for each in steps.all_inner_texts()], [step["text"] for step in STEPS])
        self.assertEqual(steps.nth(1).get_attribute("aria-current"), "step")
        self.assertEqual(page.locator(".steps [aria-current]").count(), 1)
        guards = page.locator("table:has(caption:text-is('Guards')) tbody tr")
        self.assertEqual(guards.nth(1).locator("td").all_inner_texts()[:5], ["disagrees", "✔ passed", "0.011", "0.05", "0.0004"])
        self.assertEqual(guards.nth(2).locator("td").nth(4).inner_text(), "–", "a threshold has no e-value")

    def test_the_comparison_shows_figures_histograms_segments_and_rows(self):
        page = self.models()
        page.wait_for_selector("h3:has-text('Version 8 against 7 at stage gbt')")
        self.assertEqual(page.locator(".plot:has-text('Answers') canvas").count(), 2)
        page.click(".plot:has-text('Answers: p_gbt') summary")
        bins = page.locator(".plot:has-text('Answers: p_gbt') tbody tr")
        self.assertEqual(bins.count(), 10)
        self.assertEqual([bins.nth(n).locator("td").first.inner_text() for n in (0, 1, 9)], ["< 0.1", "0.1 … 0.2", "≥ 0.9"])
        rows = page.locator("table:has(caption:has-text('Differences by output')) tbody tr")
        self.assertEqual(rows.nth(0).locator("td").all_inner_texts(),
                         ["all rows", "p_gbt", "8,000", "98.9 %", "0.0021 ± 0.0009", "0.004", "0.11", "0.61", "0.992", "0.031", "0.02", "17"])
        self.assertEqual([row.split("\t")[0] for row in rows.all_inner_texts()], ["all rows", "all rows", "DE", "DE", "FR", "FR"])
        worst = page.locator("table:has(caption:text-is('Rows that differ most: p_gbt')) tbody tr")
        self.assertEqual(worst.first.locator("td").all_inner_texts(), ["payments/0/1000", "0.11", "0.72", "0.61"])
        self.assertIn("7: 11 µs / 31 µs; 8: 12 µs / 37 µs", page.inner_text(CARD))

    def test_values_of_rows_are_hidden_where_they_are_sensitive_and_without_a_token(self):
        page = self.models(token=False)
        page.wait_for_selector("code:text-is('payments/0/1000')")
        text = page.inner_text(CARD)
        self.assertNotIn("0.72", text)
        self.assertNotIn("DE", text)
        self.assertIn("98.9 %", text)
        page.wait_for_selector(".token >> text=To see who changed versions")
        self.assertEqual(page.locator(f"{CARD} button:has-text('Promote…')").count(), 0)
        page.fill(".token input", TOKEN)
        page.click("text=Use it")
        page.wait_for_selector("td:text-is('0.72') >> nth=0", timeout=8000)
        self.versions.hidden = True
        page.wait_for_selector("td:text-is('0.72')", state="detached", timeout=8000)
        self.assertEqual(page.locator("tr:has-text('payments/0/1000') td").all_inner_texts()[1:], ["***", "***", "–"])

    def test_the_history_says_who_changed_what_and_why(self):
        page = self.models()
        rows = page.locator("table:has(caption:has-text('History')) tbody tr")
        rows.first.wait_for()
        self.assertEqual([row.split("\t")[0] for row in rows.all_inner_texts()], ["5", "4", "2"])
        for part in ("8", "deploy", "canary 5 %", "ann", "ticket 12", "errors 0.004 of 0.01, e = 31"):
            self.assertIn(part, rows.first.inner_text())

    def test_an_update_changes_text_only(self):
        page = self.models()
        page.wait_for_selector(".plot:has-text('Answers') canvas >> nth=1")
        page.wait_for_selector("text=History, the newest")
        page.focus(f"{CARD} button:has-text('Hold…')")
        found = page.evaluate("""async (card) => {
          (await import('./ui/store.js')).stopLoop();
          let texts = 0; const elements = [];
          const watch = new MutationObserver((list) => list.forEach((m) => m.type === 'childList'
            ? m.target.className.startsWith?.('u-') || elements.push(m.target.nodeName + '.' + m.target.className) : ++texts));
          watch.observe(document.querySelector(card), {subtree: true, childList: true, characterData: true});
          await new Promise((done) => setTimeout(done, 9500));
          watch.disconnect();
          return {texts, elements};
        }""", CARD)
        self.assertEqual(found["elements"], [])
        self.assertGreater(found["texts"], 5)
        self.assertEqual(page.evaluate("document.activeElement.textContent.trim()"), "Hold…")

    def test_a_model_without_a_rollout_has_its_versions(self):
        page = self.models(step=0)
        self.assertEqual(page.locator(".steps").count(), 0)
        disabled = [button.is_disabled() for button in page.locator(f"{CARD} .actions >> nth=0 >> button").all()]
        self.assertEqual(disabled, [False, True, True, False])


class Orders(ModelsCase):
    def test_each_order_says_what_it_does_and_asks_why(self):
        sentences = {"Promote": "it answers 25 % of the keys", "Hold": "no guard moves it", "Roll back": "Version 7 answers every row again at once"}
        for action, sentence in sentences.items():
            with self.subTest(action):
                page = self.models()
                page.click(f"{CARD} button:has-text('{action}…')")
                self.assertIn(sentence, page.wait_for_selector("dialog .effect").inner_text())
                submit = page.locator("dialog button[type=submit]")
                self.assertTrue(submit.is_disabled(), "a reason is needed")
                page.fill("dialog input:not([type=checkbox])", "   ")
                self.assertTrue(submit.is_disabled(), "a reason is needed")
                page.fill("dialog input:not([type=checkbox])", "ticket 31")
                submit.click()
                page.wait_for_selector("dialog[open]", state="detached")
                page.wait_for_selector(f"{CARD} [role=status]:has-text('{action}: done')")
                path = {"Roll back": "rollback"}.get(action, action.lower())
                self.assertEqual(self.mock.posted, [(f"models/gbt/{path}", {"reason": "ticket 31", "generation": 5})])
                self.browser.close_pages()

    def test_a_version_is_deployed_with_its_rollout_or_at_once(self):
        page = self.models(step=0)
        page.click(f"{CARD} button:has-text('Deploy…')")
        self.assertEqual(page.locator("dialog option").all_inner_texts(), ["6", "8", "9"])
        page.select_option("dialog select", "8")
        self.assertIn("its rollout begins", page.inner_text("dialog .effect"))
        page.check("dialog [type=checkbox]")
        self.assertIn("Then it answers every row", page.inner_text("dialog .effect"))
        page.uncheck("dialog [type=checkbox]")
        page.fill("dialog input:not([type=checkbox])", "ticket 31")
        page.click("dialog button[type=submit]")
        page.wait_for_selector(".steps [aria-current]:has-text('shadow 100 %')")
        self.assertEqual(self.mock.posted, [("models/gbt/deploy", {"reason": "ticket 31", "version": "8"})])
        page.wait_for_selector("table:has(caption:has-text('History')) >> text=ticket 31", timeout=8000)

    def test_a_promotion_to_the_end_skips_the_steps_between(self):
        page = self.models()
        page.click(f"{CARD} button:has-text('Promote…')")
        page.check("dialog [type=checkbox]")
        self.assertIn("the rollout ends", page.inner_text("dialog .effect"))
        page.fill("dialog input:not([type=checkbox])", "it is good")
        page.click("dialog button[type=submit]")
        page.wait_for_selector(".steps", state="detached")
        self.assertEqual(self.mock.posted, [("models/gbt/promote", {"reason": "it is good", "generation": 5, "to_end": True})])

    def test_what_was_seen_is_what_is_ordered(self):
        """The rollout goes on by itself while the dialog is open: the order names the generation that the person saw."""
        page = self.models()
        page.click(f"{CARD} button:has-text('Promote…')")
        page.fill("dialog input:not([type=checkbox])", "it is good")
        self.versions.generation, self.versions.step = 6, 3

        def answer(path, body):
            raise Refused(409, "other_generation", "generation 6 scores now, not 5", "look again")

        self.mock.answer = answer
        page.wait_for_selector(".steps [aria-current]:has-text('canary 25 %')")
        page.click("dialog button[type=submit]")
        page.wait_for_selector("dialog .notice >> text=generation 6 scores now, not 5")
        self.assertEqual(self.mock.posted[0][1]["generation"], 5)

    def test_a_change_that_runs_is_shown_and_takes_the_buttons_away(self):
        page = self.models()
        self.versions.change = {"change": 3, "action": "deploy", "state": "running", "lines": ["checks sum-8", "asks the instances"], "reasons": []}
        page.wait_for_selector(f"{CARD} [role=status] >> text=asks the instances")
        self.assertTrue(all(button.is_disabled() for button in page.locator(f"{CARD} button:has-text('…')").all()))
        self.versions.change = {**self.versions.change, "state": "refused", "reasons": ["always: row 3 answers 0.2, not 0.3"]}
        page.wait_for_selector(f"{CARD} [role=status] >> text=always: row 3")
        page.wait_for_selector(f"{CARD} [role=status] .is-bad >> text=Deploy: refused")

    def test_a_viewer_learns_that_a_token_may_not(self):
        page = self.models()
        self.mock.role = "read"
        self.order(page, "Hold")
        page.wait_for_selector("dialog .notice >> text=this token may only read")
        self.assertEqual(self.mock.posted, [])

    def test_escape_closes_the_dialog_and_gives_the_focus_back(self):
        page = self.models()
        page.focus(f"{CARD} button:has-text('Roll back…')")
        page.keyboard.press("Enter")
        page.wait_for_selector("dialog[open]")
        reached = set()
        for _ in range(6):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.closest('dialog') !== null || document.activeElement === document.body"))
        self.assertEqual(reached, {True}, "the focus stays in the dialog")
        page.keyboard.press("Escape")
        page.wait_for_selector("dialog[open]", state="detached")
        self.assertEqual(page.evaluate("document.activeElement.textContent.trim()"), "Roll back…")
        self.assertEqual(self.mock.posted, [])

    def test_what_is_typed_survives_updates(self):
        page = self.models()
        page.click(f"{CARD} button:has-text('Hold…')")
        page.type("dialog input:not([type=checkbox])", "wait for ")
        time.sleep(3.5)  # the models were asked for again
        page.keyboard.type("ann")
        self.assertEqual(page.input_value("dialog input:not([type=checkbox])"), "wait for ann")


class Looks(ModelsCase):
    def test_axe_finds_nothing_in_light_and_dark(self):
        for scheme, step, action in (("light", 2, None), ("dark", 2, "Promote"), ("light", 0, "Deploy")):
            page = self.models(step, scheme=scheme)
            page.wait_for_selector("text=History, the newest")
            if step:
                page.wait_for_selector("text=Rows that differ most: p_gbt")
            self.versions.change = {"change": 3, "action": "deploy", "state": "refused", "lines": ["asks the instances"], "reasons": ["latency: 3 ms"]}
            page.wait_for_selector("text=latency: 3 ms")
            if action:
                page.click(f"{CARD} button:has-text('{action}…')")
                page.wait_for_selector("dialog .effect")
            self.assertEqual(axe_faults(page), [], f"step {step}, {action or 'no'} dialog, {scheme}")

    def test_the_view_can_be_pictured(self):
        for scheme, height in (("light", 1140), ("dark", 760)):
            page = self.models(scheme=scheme, size=(1280, height))
            page.wait_for_selector("text=Rows that differ most: p_gbt")
            if scheme == "dark":
                page.click(f"{CARD} button:has-text('Promote…')")
                page.fill("dialog input:not([type=checkbox])", "ticket 31")
            page.evaluate("new Promise((done) => setTimeout(done, 200))")
            picture = page.screenshot()
            self.assertGreater(len(picture), 10000)
            if SHOTS:
                (pathlib.Path(SHOTS) / f"page-rollout-{scheme}.png").write_bytes(picture)


if __name__ == "__main__":
    harness.main()
