#!/usr/bin/env python3
"""What the page orders, and what it gives away, with made-up answers: exactly what it showed, and nothing else."""
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "ui"))
import harness
from browser import axe_faults
from mock_server import TOKEN, Refused, stamp
from mocked_page import FAILURE, MockedPage


class Letters(MockedPage):
    def list_of(self, stage):
        page = self.open("/letters")
        page.wait_for_selector("text=Showing 50 of 60 letters")
        if stage:
            self.search(page, stage)
            page.wait_for_selector("text=Showing 20 of 60 letters")
        return page

    def search(self, page, stage, where=""):
        page.fill("text=Stage >> input", stage)
        page.fill("text=Only where >> input", where)
        page.click(".tap >> text=Search")

    def exported(self, page, button):
        with page.expect_download() as download:
            page.click(button)
        return [json.loads(line) for line in pathlib.Path(download.value.path()).read_text().splitlines()]

    def test_letters_are_exported_as_they_came(self):
        self.serve().hidden = True
        page = self.open("/letters")
        page.check("[aria-label='Pick payments/2/1002']")
        [letter] = self.exported(page, "text=Export 1 as JSONL")
        self.assertEqual((letter["id"], json.loads(letter["value"])["card"]), ("payments/2/1002", "c1"))
        self.assertNotIn("masked", letter)

    def test_masked_letters_are_not_exported(self):
        mock = self.serve()
        mock.hidden, mock.role = True, "read"
        page = self.open("/letters")
        page.check("[aria-label='Pick payments/2/1002']")
        page.click("text=Export 1 as JSONL")
        page.wait_for_selector("text=Nothing is exported: 1 letter of 1 would have ***")

    def test_a_masked_letter_says_so(self):
        self.serve().hidden = True
        page = self.open("/letters/payments%2F0%2F1000")
        self.assertIn("***", page.wait_for_selector("[aria-label=Value]").inner_text())
        self.assertIn("Do not produce", page.inner_text(".notice"))
        page.click("text=Show the values")
        page.wait_for_selector(".notice", state="detached")
        self.assertIn("c1", page.inner_text("[aria-label=Value]"))

    def test_a_token_that_may_not_reveal_learns_that(self):
        mock = self.serve()
        mock.hidden, mock.role = True, "read"
        page = self.open("/letters/payments%2F0%2F1000")
        page.click("text=Show the values")
        page.wait_for_selector("text=Do not produce this text again. This token may not see it")

    def orders(self):
        return [body for path, body in self.mock.posted if path == "letters/replay"]

    def test_a_replay_takes_what_was_tried(self):
        self.serve()
        page = self.list_of("gbt")
        page.click("text=Try a replay of all letters of gbt")
        page.wait_for_selector(".notice:has-text('all letters of gbt sends 20 letters')")
        page.fill("text=Stage >> input", "")
        page.click("text=Replay them")
        page.wait_for_selector("text=The replay is done")
        self.assertEqual(self.orders(), [{"node": "gbt", "dry_run": True}, {"node": "gbt", "dry_run": False}])

    def test_another_selection_takes_the_plan_away(self):
        self.serve()
        page = self.list_of("gbt")
        page.click("text=Try a replay of all letters of gbt")
        page.wait_for_selector("text=Replay them")
        self.search(page, "check")
        page.wait_for_selector("text=Replay them", state="detached")

    def test_a_condition_is_no_selection_of_a_replay(self):
        self.serve()
        page = self.list_of("")
        self.search(page, "gbt", "amount > 900")
        page.wait_for_selector("text=Showing 10 of 60 letters")
        self.assertEqual(page.locator("text=Try a replay").count(), 0)
        page.check("[aria-label='Pick all that are shown']")
        page.click("text=Try a replay of the 10 picked letters")
        page.wait_for_selector(".notice:has-text('sends 10 letters')")
        self.assertEqual([len(body["ids"]) for body in self.orders()], [10])

    def test_all_letters_are_named_as_all(self):
        self.serve()
        page = self.list_of("")
        page.click("text=Try a replay of all letters")
        page.wait_for_selector(".notice:has-text('sends 60 letters')")
        self.assertEqual(self.orders(), [{"all": True, "dry_run": True}])

    def test_the_answer_to_an_older_search_is_dropped(self):
        self.serve()
        page = self.list_of("")
        self.mock.before = lambda path, query: time.sleep(1.5 if query.get("node") == "gbt" else 0)
        self.search(page, "gbt")
        self.search(page, "check")
        page.wait_for_selector("text=Showing 20 of 60 letters")
        time.sleep(2)  # the older answer is there now
        self.assertEqual(set(page.locator("section:has(h2:text-is('Letters')) td:nth-child(3)").all_inner_texts()), {"check"})
        self.assertEqual(page.input_value("text=Stage >> input"), "check")

    def test_a_group_that_is_shown_is_what_is_listed(self):
        self.serve()
        page = self.list_of("")
        self.search(page, "", "amount > 900")
        page.wait_for_selector("text=Showing 30 of 60 letters")
        page.click("[aria-label='Show letters of gbt, model']")
        page.wait_for_selector("text=Showing 20 of 60 letters")
        page.evaluate("location.hash = '/audit'")
        page.wait_for_selector("text=accepted")
        page.evaluate("location.hash = '/letters'")
        page.wait_for_selector("text=Showing 20 of 60 letters")


class Taps(MockedPage):
    def slow(self):
        """A pipeline where opening a tap takes a second, and the times at which taps are read."""
        self.serve().flows = True
        self.reads = []

        def before(request, _query):
            if request == "POST taps":
                time.sleep(1)
            elif request.startswith("GET taps/"):
                self.reads.append((time.monotonic(), request))

        self.mock.before = before
        page = self.open("/graph/gbt")
        page.wait_for_selector("text=Show records")
        return page

    def test_a_tap_ends_though_its_panel_was_closed_before_it_was_open(self):
        page = self.slow()
        page.click("text=Show records")
        page.evaluate("location.hash = '/audit'")
        page.wait_for_selector(".panel", state="detached")
        harness.wait_for("the tap is ended", 10, lambda: self.mock.deleted)
        self.assertEqual((self.mock.deleted, self.reads), (["taps/t1"], []))

    def test_of_two_clicks_one_tap_stays(self):
        page = self.slow()
        page.click("text=Show records", click_count=2, delay=20)
        page.wait_for_selector("text=waits for more")
        harness.wait_for("the other is ended", 10, lambda: self.mock.deleted)
        last = time.monotonic()
        harness.wait_for("one is read", 10, lambda: len([at for at, _ in self.reads if at > last + 0.5]) >= 2)
        self.assertEqual(len({request for at, request in self.reads if at > last + 0.5}), 1)
        page.click("text=Stop")
        harness.wait_for("both are ended", 10, lambda: sorted(self.mock.deleted) == ["taps/t1", "taps/t2"])


class Orders(MockedPage):
    def stopped(self, place="/restart"):
        """A pipeline that fails again as soon as it is restarted."""
        self.serve().failure = dict(FAILURE)
        self.mock.answer = lambda path, body: (202, {"accepted": True})
        page = self.open(place)
        page.wait_for_selector(".confirm input")
        return page

    def order(self, page, button):
        page.fill(".confirm input", "payments")
        page.click(f"button:has-text('{button}')")

    def test_a_restart_that_fails_at_once_can_be_ordered_again(self):
        page = self.stopped()
        self.order(page, "Restart from gbt")
        page.wait_for_selector("text=The restart is accepted")
        self.mock.failure["at"] = stamp(1764410500)
        page.wait_for_selector(".confirm input", timeout=5000)
        self.order(page, "Restart from gbt")
        harness.wait_for("two orders", 10, lambda: len(self.mock.posted) == 2)

    def test_a_skip_can_be_ordered_for_the_next_failure(self):
        page = self.stopped("/letters")
        self.order(page, "Skip them")
        page.wait_for_selector("text=The waiting records become dead letters")
        self.mock.failure["at"] = stamp(1764410500)
        page.wait_for_selector(".confirm input", timeout=5000)


class Tokens(MockedPage):
    def test_a_wrong_token_is_said(self):
        self.serve()
        page = self.open("/letters", token=False)
        page.fill(".token input", "nonsense")
        page.click("text=Use it")
        page.wait_for_selector(".token >> text=the token is not known")
        self.assertEqual(page.input_value(".token input"), "")
        page.fill(".token input", TOKEN)
        page.click("text=Use it")
        page.wait_for_selector("text=Showing 50 of 60 letters")
        self.assertEqual(page.locator(".token, .notice").count(), 0)

    def test_the_form_names_both_kinds_of_token(self):
        self.serve()
        page = self.open("/audit", token=False)
        text = page.wait_for_selector(".token").inner_text()
        self.assertIn("#t=", text)
        self.assertIn("--http-tokens", text)

    def test_a_role_that_does_not_suffice_is_said(self):
        mock = self.serve()
        mock.failure, mock.role = dict(FAILURE), "read"
        page = self.open("/restart")
        page.fill(".confirm input", "payments")
        page.click("button:has-text('Restart from gbt')")
        page.wait_for_selector("text=this token may only read")
        self.assertEqual(page.locator(".token").count(), 0)
        page.click("text=Use another token")
        page.wait_for_selector(".token")

    def test_a_request_from_elsewhere_is_said(self):
        mock = self.serve()

        def before(request, _query):
            if request == "GET audit":
                raise Refused(403, "other_origin", "a page of another site asked for this", "")

        mock.before = before
        page = self.open("/audit")
        page.wait_for_selector("text=a page of another site asked for this")
        self.assertEqual(page.locator(".token").count(), 0)


class Pipelines(MockedPage):
    def several(self, count=3):
        self.serve().pipelines = [self.pipeline(i) for i in range(count)]
        return self.open()

    def pipeline(self, i, state="running"):
        return {"id": str(i), "name": f"pipeline {i}", "instance": "0", "dir": f"/srv/{i}", "file": f"/srv/{i}.json", "live": state == "running", "state": state}

    def test_several_are_chosen_from(self):
        page = self.several()
        page.click("text=pipeline 1")
        page.wait_for_selector("[data-box]")
        page.click("text=All pipelines")
        page.wait_for_selector("text=pipeline 2")
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        time.sleep(3)
        self.assertEqual(page.locator(".notice").count(), 0)
        self.assertEqual(axe_faults(page), [])

    def test_the_list_is_kept_up_to_date(self):
        page = self.several(2)
        page.wait_for_selector(".chooser >> text=pipeline 1")
        self.mock.pipelines = [self.pipeline(0), self.pipeline(1, "failed"), self.pipeline(2)]
        page.wait_for_selector("li:has-text('pipeline 1') >> text=failed", timeout=5000)
        page.wait_for_selector("text=pipeline 2")

    def test_an_empty_list_says_why(self):
        page = self.several(0)
        page.wait_for_selector("text=No state folder is in the folders")
        self.mock.pipelines = [self.pipeline(0)]
        page.click("text=pipeline 0", timeout=5000)
        page.wait_for_selector("[data-box]")

    def test_the_only_one_is_opened_and_the_list_can_be_asked_for(self):
        page = self.several(1)
        page.wait_for_selector("[data-box]")
        page.click("text=All pipelines")
        page.wait_for_selector(".chooser >> text=pipeline 0")

    def test_an_answer_of_the_pipeline_before_is_dropped(self):
        page = self.several()
        self.mock.before = lambda path, query: time.sleep(2 if "/0/snapshot" in path else 0)
        page.click("text=pipeline 0")
        page.click("text=All pipelines")
        page.wait_for_selector(".chooser")
        time.sleep(2.5)
        self.assertEqual(page.locator(".tile").count(), 0)
        self.assertEqual(page.inner_text("h1"), "Anabranch")

    def test_a_list_that_was_refused_once_is_asked_for_again(self):
        self.serve().pipelines = [self.pipeline(i) for i in range(3)]
        refusals = [Refused(503, "too_many", "too many requests at once", "ask again")]

        def get(path, query, may_read, usual=self.mock.get):
            if path == "pipelines" and refusals:
                raise refusals.pop()
            return usual(path, query, may_read)

        self.mock.get = get
        page = self.open()
        page.wait_for_selector("text=pipeline 2", timeout=5000)
        page.wait_for_selector(".notice", state="detached")

    def test_a_tap_ends_where_it_was_opened(self):
        page = self.several()
        asked = []
        page.on("request", lambda request: asked.append(request.url) if request.method == "DELETE" else None)
        self.mock.flows = True
        page.click("text=pipeline 1")
        page.wait_for_selector("[data-box]")
        page.evaluate("location.hash = '/graph/gbt'")
        page.click("text=Show records")
        page.wait_for_selector("text=waits for more")
        page.click("text=All pipelines")
        harness.wait_for("the tap is ended", 10, lambda: page.wait_for_timeout(20) or asked)  # which takes events in
        self.assertIn("/pipelines/1/taps/t1", asked[0])

    def test_the_command_of_a_list_that_is_gone_is_that_of_the_list(self):
        page = self.several()
        page.wait_for_selector(".chooser")
        self.mock.dead = True
        page.wait_for_selector("text=The process does not answer")
        self.assertIn("anabranch ui --http 127.0.0.1:", page.inner_text(".notice"))


class Answers(MockedPage):
    def test_a_request_that_is_open_is_not_asked_again(self):
        self.serve()
        asked = []

        def before(request, _query):
            if request == "GET letters/groups":
                asked.append(request)
                time.sleep(12)

        self.mock.before = before
        page = self.open("/letters")
        page.wait_for_selector("text=60 letters by stage and code", timeout=20000)  # it took longer than a look at live numbers may
        self.assertEqual(len(asked), 1)

    def test_an_order_without_an_answer_may_be_carried_out(self):
        self.serve().failure = dict(FAILURE)
        page = self.open("/restart")
        page.fill(".confirm input", "payments")
        page.route("**/restart", lambda route: route.abort())
        page.click("button:has-text('Restart from gbt')")
        page.wait_for_selector("text=The server does not answer. It may be carried out all the same: look at the audit")

    def test_a_command_is_copied_or_says_that_it_is_not(self):
        self.serve().dead = False
        page = self.open(wait="[data-box]")
        page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined, configurable: true})")
        self.mock.dead = True
        page.wait_for_selector("text=The process does not answer")
        page.click(".notice >> text=Copy")
        page.wait_for_selector(".notice >> text=Selected: copy it by key")
        self.assertIn("anabranch run", page.evaluate("getSelection().toString()"))


if __name__ == "__main__":
    harness.main()
