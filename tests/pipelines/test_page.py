#!/usr/bin/env python3
"""The page alone, in a real Chromium, with made-up answers of the size that matters: memory, updates, accessibility,
keyboard. How fast it draws is in test_page_budgets.py, tests with a real pipeline are in test_kafka_page.py.
"""
import hashlib
import json
import os
import pathlib
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "ui"))
import harness
from browser import axe_faults
from mock_server import TOKEN, UI, stamp, wide
from mocked_page import FAILURE, MockedPage

# Where screenshots go; the docs have those of ANABRANCH_SHOTS=docs/images.
SHOTS = os.environ.get("ANABRANCH_SHOTS")
AN_HOUR = 3600  # updates; a release: ANABRANCH_SCALE=3
MOST_MB_AN_HOUR = 10


class Libraries(unittest.TestCase):
    def test_are_those_of_the_manifest_byte_for_byte(self):
        manifest = json.loads((UI / "vendor" / "manifest.json").read_text())
        named = {"manifest.json"}
        for entry in manifest["files"]:
            data = (UI / "vendor" / entry["file"]).read_bytes()
            self.assertEqual((len(data), hashlib.sha256(data).hexdigest()), (entry["bytes"], entry["sha256"]), entry["file"])
            self.assertTrue((UI / "vendor" / entry["licence_file"]).is_file(), entry["licence_file"])
            named |= {entry["file"], entry["licence_file"]}
        self.assertEqual({path.name for path in (UI / "vendor").iterdir()}, named)

    def test_the_page_has_no_code_from_elsewhere_and_no_inline_code(self):
        for path in UI.glob("*"):
            if path.is_file():
                text = path.read_text()
                self.assertNotRegex(text.replace("http://www.w3.org/2000/svg", ""), r"https?://", path.name)
                self.assertNotRegex(text, r"innerHTML|\beval\(|new Function|\bon[a-z]+=\"", path.name)
                self.assertLessEqual(text.count("\n"), 600, path.name)


class Updates(MockedPage):
    def test_updates_leave_the_memory_as_it_was(self):
        self.serve(wide(50))
        page = self.open()
        page.wait_for_selector("[data-box]")
        page.evaluate("location.hash = '/graph/' + document.querySelector('[data-box]').dataset.box")
        page.wait_for_selector(".panel canvas")
        probe = page.context.new_cdp_session(page)

        def heap():
            for _ in range(3):
                probe.send("HeapProfiler.collectGarbage")
            return probe.send("Runtime.getHeapUsage")["usedSize"]

        self.mock.moves = True
        update = """async (times) => {
          const store = await import('./ui/store.js');
          store.stopLoop();
          for (let i = 0; i < times; ++i) await store.refresh();
        }"""
        page.evaluate(update, 120)
        before, elements = heap(), page.evaluate("document.querySelectorAll('*').length")
        updates = min(AN_HOUR, harness.scaled(1200))
        began = time.monotonic()
        page.evaluate(update, updates)
        growth = (heap() - before) / 1e6
        print(f"    heap: {before / 1e6:.1f} MB, {growth:+.2f} MB after {updates} updates in {time.monotonic() - began:.0f} s", flush=True)
        self.assertLessEqual(growth, MOST_MB_AN_HOUR * updates / AN_HOUR)
        self.assertEqual(page.evaluate("document.querySelectorAll('*').length"), elements)

    def test_an_update_changes_text_and_attributes_only(self):
        self.serve(wide(50))
        page = self.open()
        page.wait_for_selector("[data-box]")
        page.evaluate("location.hash = '/graph/' + document.querySelector('[data-box]').dataset.box")
        page.wait_for_selector(".panel canvas")
        self.mock.moves = True
        found = page.evaluate("""async () => {
          const store = await import('./ui/store.js');
          store.stopLoop();
          await new Promise((done) => setTimeout(done, 300));
          let texts = 0; const elements = [];
          const watch = new MutationObserver((list) => list.forEach((m) => m.type === 'childList'
            ? elements.push(m.target.className + ': ' + [...m.addedNodes, ...m.removedNodes].map((n) => n.nodeName)) : ++texts));
          watch.observe(document.body, {subtree: true, childList: true, characterData: true, attributes: true});
          for (let i = 0; i < 30; ++i) { await store.refresh(); await new Promise(requestAnimationFrame); }
          watch.disconnect();
          return {texts, elements};
        }""")
        self.assertEqual(found["elements"], [])
        self.assertGreater(found["texts"], 30)


class Pages(MockedPage):
    def test_the_graph_shows_state_rates_and_who_is_waited_for(self):
        self.serve().slow = "out"
        page = self.open(wait="[data-box]")
        self.assertIn("72 % of the time", page.inner_text(".verdict"))
        self.assertIn("lanes wait 72 %", page.inner_text("[data-box=out]"))
        self.assertIn("running", page.inner_text("header .state"))
        self.assertIn("infer, busy", page.get_attribute("[data-box=gbt]", "aria-label"))
        self.assertEqual(page.locator(".edge-bad.shown").count(), 2)

    def test_a_panel_shows_configuration_guarantee_and_records(self):
        self.serve()
        page = self.open("/graph/out", wait="[data-box]")
        self.assertIn("exactly once", page.wait_for_selector(".panel").inner_text())
        page.evaluate("location.hash = '/graph/payments'")
        page.wait_for_selector(".panel[aria-label='Stage payments'] .plot canvas")
        self.assertIn("***", page.inner_text(".panel pre"))
        page.click("text=Show records")
        page.wait_for_selector("text=Showing 20 of 12,400 rows seen, 3 dropped")
        self.assertIn("log_amount", page.inner_text(".record >> nth=0"))
        self.assertEqual(self.mock.posted[0], ("taps", {"nodes": ["payments"], "at": "outputs", "where": "", "limit": 20, "rate": 0, "columns": []}))

    def test_values_need_the_token(self):
        self.serve()
        page = self.open("/audit", token=False)
        page.wait_for_selector(".token")
        page.fill(".token input", TOKEN)
        page.click("text=Use it")
        page.wait_for_selector("text=accepted")

    def test_a_token_of_an_earlier_process_is_forgotten(self):
        self.serve()
        page = self.open(wait="[data-box]")
        self.mock.secret = "another"
        page.evaluate("location.hash = '/audit'")
        page.wait_for_selector(".token >> text=the token is not known")
        self.assertEqual(page.locator(".notice").count(), 1)

    def test_beyond_loopback_numbers_need_the_token(self):
        self.serve().closed = True
        page = self.open(token=False)
        page.wait_for_selector(".token")
        self.assertEqual(page.locator(".tile").count(), 0)
        page.fill(".token input", TOKEN)
        page.click("text=Use it")
        page.wait_for_selector("[data-box]")

    def test_a_click_on_a_run_asks_for_that_run_only(self):
        self.serve(runs=40)
        page = self.open("/runs", wait="nav")
        page.wait_for_selector(".bar")
        asked = []
        page.on("request", lambda request: asked.append(request.url) if "/runs" in request.url else None)
        page.locator(".bar").nth(3).click()
        page.wait_for_selector("text=Quarters of an hour")
        self.assertEqual(len(asked), 1, asked)
        self.assertRegex(asked[0], "/runs/r0004$")

    def test_a_stopped_stage_is_shown_with_its_cause_and_restarted(self):
        mock = self.serve()
        page = self.open()
        page.wait_for_selector("[data-box]")
        self.assertEqual(page.inner_text("#announcer"), "")
        mock.failure = dict(FAILURE)
        page.wait_for_selector("text=Stage gbt stopped")
        self.assertIn("the model returned NaN", page.inner_text("#announcer"))
        page.click("text=See what a restart does")
        self.assertIn("Root cause", page.wait_for_selector(".cause").inner_text())
        self.assertIn("bold", page.get_attribute("[data-box=gbt]", "class"))
        button = page.locator("button", has_text="Restart from gbt")
        self.assertTrue(button.is_disabled())
        page.fill(".confirm input", "payment")
        self.assertTrue(button.is_disabled())
        page.fill(".confirm input", "payments")
        button.click()
        page.wait_for_selector("text=nothing to restart")
        self.assertEqual(mock.posted, [("restart", {"token": "plan-1", "confirm": "payments"})])

    def test_letters_are_tried_before_they_are_replayed(self):
        mock = self.serve()
        page = self.open("/letters")
        page.wait_for_selector("text=Showing 50 of 60 letters")
        for name in ("payments/0/1000", "payments/1/1001"):
            page.check(f"[aria-label='Pick {name}']")
        page.click("text=Try a replay of the 2 picked letters")
        page.wait_for_selector("text=1 cannot: the node is no longer there")
        page.click("text=Replay them")
        page.wait_for_selector("text=Showing 50 of 58 letters")
        self.assertEqual([body["dry_run"] for _, body in mock.posted], [True, False])
        page.fill("[placeholder='amount > 900']", "wrong(")
        page.click("text=Search >> nth=-1")
        page.wait_for_selector("text=close the bracket")

    def test_letters_are_exported_as_lines(self):
        self.serve()
        page = self.open("/letters")
        page.check("[aria-label='Pick payments/2/1002']")
        with page.expect_download() as download:
            page.click("text=Export 1 as JSONL")
        lines = pathlib.Path(download.value.path()).read_text().splitlines()
        self.assertEqual([json.loads(line)["id"] for line in lines], ["payments/2/1002"])

    def test_a_process_that_is_gone_is_named_with_its_command(self):
        mock = self.serve()
        page = self.open()
        page.wait_for_selector("[data-box]")
        mock.dead = True
        page.wait_for_selector("text=The process does not answer")
        self.assertIn("anabranch run payments.json --http 127.0.0.1:", page.inner_text(".notice"))
        self.assertIn("does not answer", page.inner_text("#announcer"))
        mock.dead = False
        page.wait_for_selector(".notice", state="detached")

    def test_a_large_graph_starts_with_closed_groups(self):
        self.serve(wide(200))
        page = self.open(wait="[data-box]")
        self.wait(page, "document.querySelectorAll('[data-box]').length === 6")
        page.click("[data-box='group ensemble']")
        self.wait(page, "document.querySelectorAll('[data-box]').length > 20")

    def test_a_closed_group_shows_the_plan_and_the_waiting_of_its_stages(self):
        self.serve(wide(200))
        page = self.open(wait="[data-box]")
        self.mock.slow = next(stage["id"] for stage in self.mock.stages if stage["kind"] == "persist")
        page.wait_for_selector("[data-box='group persist'].culprit >> text=lanes wait 72 %")
        self.mock.failure = {**FAILURE, "stage": next(stage["id"] for stage in self.mock.stages if stage["kind"] == "infer"), "cascade": []}
        self.mock.marks = lambda stage: "reused" if stage["kind"] == "source" else "run" if stage["kind"] == "infer" else "unaffected"
        page.evaluate("location.hash = '/restart'")
        page.wait_for_selector("[data-box='group infer'].bold >> text=runs")
        page.wait_for_selector("[data-box='group source'] >> text=reused")
        self.assertEqual(page.locator("[data-box].faded").count(), 4)
        self.mock.marks = lambda stage: "refused" if stage["id"] == self.mock.failure["stage"] else "unaffected"
        page.evaluate("location.hash = '/audit'")
        page.wait_for_selector("text=accepted")
        page.evaluate("location.hash = '/restart'")
        page.wait_for_selector("[data-box='group infer'].hatched >> text=refused")

    def test_an_address_that_is_no_encoded_text_opens_a_page(self):
        self.serve()
        self.browser.open(self.server.url + "#/letters/50%25-%", wait=".token")
        self.browser.open(self.server.url + "#t=%", wait="[data-box]")

    def test_a_run_that_goes_on_has_the_counts_of_now(self):
        mock = self.serve(runs=3)
        runs = mock.runs

        def first_minute():
            found = runs()
            found["runs"][0].update({"started": stamp(mock.began + 7200 + mock.beat - 90000), "seconds": 0.032, "records": 0, "cells": "." * 8})
            return found

        mock.runs = first_minute
        page = self.open(wait="[data-box]")
        page.evaluate("location.hash = '/runs/r0003'")
        text = page.wait_for_selector("section[aria-label='Run r0003'] p >> nth=0").inner_text()
        self.assertRegex(text, r"1 d 1 h so far, 120,000 records read")
        bars = [round(bar.bounding_box()["height"]) for bar in page.locator(".bar").all()]
        self.assertEqual(bars[-1], max(bars), "it is as high as the longest of the others, and they are no dots beside it")
        self.assertGreater(min(bars), 10)
        self.assertEqual(page.locator("section[aria-label='Run r0003'] td:text-is('ok')").count(), 6)
        self.assertEqual(page.locator("section[aria-label='Run r0003'] td:text-is('dead letters')").count(), 2)

    def test_pages_can_be_pictured(self):
        """Pictures for docs; without ANABRANCH_SHOTS they are only made."""
        places = {"graph": "/", "panel": "/graph/gbt", "runs": "/runs/r0036", "letters": "/letters"}
        self.serve()
        for scheme, names in (("dark", ["graph"]), ("light", list(places))):
            page = self.open(scheme=scheme, wait="[data-box]", size=(1280, 760))
            for name in names:
                page.evaluate(f"location.hash = {places[name]!r}")
                page.wait_for_selector({"graph": "[data-box]", "panel": ".panel canvas", "runs": "text=Quarters", "letters": "text=Showing 50"}[name])
                page.evaluate("new Promise((done) => setTimeout(done, 200))")
                picture = page.screenshot()
                self.assertGreater(len(picture), 10000)
                if SHOTS:
                    (pathlib.Path(SHOTS) / f"page-{name}-{scheme}.png").write_bytes(picture)


# Every place of the page: its address, and what shows that it is there.
PLACES = {"/": "[data-box]", "/graph/gbt": ".panel canvas", "/runs": ".bar", "/runs/r0036": "text=Quarters of an hour", "/restart": "text=nothing to restart",
          "/letters": "text=Showing 50", "/letters/payments%2F0%2F1000": "text=Results so far", "/models": ".plot canvas", "/positions": "text=Commits",
          "/audit": "text=accepted"}


class Accessibility(MockedPage):
    def assert_clean(self, page, what):
        faults = axe_faults(page)
        self.assertEqual(faults, [], f"{what}: " + "\n".join(faults))

    def test_axe_finds_nothing_on_any_page_in_light_and_dark(self):
        self.serve()
        for scheme in ("light", "dark"):
            page = self.open(scheme=scheme)
            for place, sign in PLACES.items():
                with self.subTest(place=place, scheme=scheme):
                    page.evaluate(f"location.hash = {place!r}")
                    page.wait_for_selector(sign)
                    if place == "/graph/gbt":
                        page.click("text=Show records")
                        page.wait_for_selector(".record")
                    self.assert_clean(page, f"{place} {scheme}")
            self.mock.failure = dict(FAILURE)
            for place, sign in {"/": "text=Stage gbt stopped", "/restart": ".cause", "/letters": "text=Records that wait"}.items():
                page.evaluate(f"location.hash = {place!r}")
                page.wait_for_selector(sign)
                self.assert_clean(page, f"{place} {scheme}, failed")
            self.mock.failure = None
        print(f"    axe: 0 violations on {len(PLACES) + 3} pages, in light and dark", flush=True)

    def test_axe_finds_nothing_without_a_token_or_a_process(self):
        self.serve()
        for scheme in ("light", "dark"):
            page = self.open("/audit", token=False, scheme=scheme)
            page.wait_for_selector(".token")
            self.assert_clean(page, "token")
            self.mock.dead = True
            page.wait_for_selector("text=does not answer")
            self.assert_clean(page, "gone")
            self.mock.dead = False

    def test_axe_finds_nothing_in_what_is_not_always_there(self):
        self.serve(wide(200))
        for scheme in ("light", "dark"):
            self.mock.slow = next(stage["id"] for stage in self.mock.stages if stage["kind"] == "persist")
            page = self.open(scheme=scheme)
            page.wait_for_selector("[data-box='group persist'].culprit")
            self.assert_clean(page, f"groups, one of which is waited for, {scheme}")
            page.evaluate("location.hash = '/letters'")
            page.click("text=Try a replay of all letters")
            page.wait_for_selector("text=Replay them")
            self.assert_clean(page, f"the plan of a replay, {scheme}")
            self.mock.hidden, self.mock.role = True, "read"
            page.evaluate("location.hash = '/letters/payments%2F0%2F1000'")
            page.click("text=Show the values")
            page.wait_for_selector("text=This token may not see it")
            self.assert_clean(page, f"a masked letter, {scheme}")
            self.mock.hidden, self.mock.role = False, "operate"
            self.mock.failure = dict(FAILURE)
            self.mock.refused = "the topology's file has errors"
            self.mock.marks = lambda stage: "refused" if stage["kind"] == "infer" else "unaffected"
            page.evaluate("location.hash = '/restart'")
            page.wait_for_selector("text=Refused.")
            page.wait_for_selector("[data-box='group infer'].hatched")
            self.assert_clean(page, f"a refused plan, {scheme}")
            self.mock.failure = self.mock.refused = self.mock.marks = None
        self.mock.pipelines = [{"id": str(i), "name": f"pipeline {i}", "dir": f"/srv/{i}", "live": i == 0, "state": ["running", "failed", "done"][i]} for i in range(3)]
        for scheme in ("light", "dark"):
            page = self.open(scheme=scheme)
            page.wait_for_selector(".chooser li >> nth=2")
            self.assert_clean(page, f"the list of pipelines, {scheme}")

    def test_axe_finds_a_fault_that_was_planted(self):
        self.serve()
        page = self.open()
        page.wait_for_selector("[data-box]")
        page.evaluate("document.querySelector('main').append(document.createElement('button'))")
        self.assertIn("button-name", "".join(axe_faults(page)))

    def test_states_have_a_glyph_and_a_word(self):
        self.serve().failure = dict(FAILURE)
        page = self.open(wait="[data-box]")
        texts = page.locator(".box-state").all_inner_texts()
        for glyph, word in (("✖", "failed"), ("⊘", "skipped"), ("◷", "waiting")):
            self.assertTrue(any(glyph in text and word in text for text in texts), word)

    def test_animations_end_where_the_user_asks_for_it(self):
        self.serve()
        page = self.open(wait="[data-box]")  # the browser asks for reduced motion
        self.assertEqual(page.evaluate("getComputedStyle(document.querySelector('.ring-share')).transitionDuration"), "0s")


class Keyboard(MockedPage):
    def test_everything_can_be_reached_by_keys(self):
        self.serve()
        for place, sign in PLACES.items():
            with self.subTest(place=place):
                page = self.open(place)
                page.wait_for_selector(sign)
                wanted = page.evaluate("""() => { window.mark = 0;
                  for (const e of document.querySelectorAll('a[href], button, input, select, summary, [tabindex="0"]'))
                    if (e.checkVisibility() && !e.disabled && !e.closest('[role=application] ol, .grid-bars')) e.dataset.mark = ++window.mark;
                  document.body.focus(); return window.mark; }""")
                reached = set()
                for _ in range(3 * wanted):
                    page.keyboard.press("Tab")
                    reached.add(page.evaluate("document.activeElement?.dataset?.mark"))
                    if len(reached - {None}) == wanted:
                        break
                missed = page.evaluate("(reached) => [...document.querySelectorAll('[data-mark]')].filter((e) => !reached.includes(e.dataset.mark)).map((e) => e.outerHTML.slice(0, 90))",
                                       list(reached))
                self.assertEqual(missed, [])
                self.browser.close_pages()

    def focus(self, page):
        return page.evaluate("document.activeElement.dataset.box")

    def test_arrows_follow_edges_enter_opens_escape_closes(self):
        self.serve()
        page = self.open(wait="[data-box]")
        page.focus("[data-box=payments]")
        for key, box in (("ArrowRight", "check"), ("ArrowRight", "feat"), ("ArrowRight", "gbt"), ("End", "table"), ("Home", "payments")):
            page.keyboard.press(key)
            self.assertEqual(self.focus(page), box, key)
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        page.wait_for_selector(".panel[aria-label='Stage check']")
        page.keyboard.press("Escape")
        page.wait_for_selector(".panel", state="detached")
        self.wait(page, "document.activeElement.dataset.box === 'check'")

    def test_arrows_reach_every_stage(self):
        for stages in (None, wide(50)):
            with self.subTest(stages=len(stages or ())):
                self.serve(stages)
                page = self.open(wait=".placed [data-box]")
                page.focus("[data-box] >> nth=0")
                reached, ahead = set(), [self.focus(page)]
                while ahead:
                    here = ahead.pop()
                    reached.add(here)
                    for key in ("ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp"):
                        page.focus(f"[data-box={here}]")
                        page.keyboard.press(key)
                        there = self.focus(page)
                        if there not in reached and there not in ahead:
                            ahead.append(there)
                self.assertEqual(reached, set(self.mock.names()))
                self.browser.close_pages()

    def test_a_slash_searches(self):
        self.serve()
        page = self.open(wait="[data-box]")
        page.keyboard.press("/")
        page.keyboard.type("vot")
        self.assertEqual(page.locator(".box.dim").count(), 7)
        page.keyboard.press("Enter")
        self.assertEqual(self.focus(page), "vote")

    def test_arrows_walk_over_runs(self):
        self.serve(runs=12)
        page = self.open("/runs")
        page.wait_for_selector(".bar")
        page.locator(".bar").nth(11).focus()
        for number in range(11, 0, -1):
            page.keyboard.press("ArrowLeft")
            page.wait_for_selector(f"text=r{number:04d}:")
        page.keyboard.press("End")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=Run r0011")


if __name__ == "__main__":
    harness.main()
