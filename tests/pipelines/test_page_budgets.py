#!/usr/bin/env python3
"""How fast the page draws, in a real Chromium, with made-up answers of the size that matters.

Times are the best of some tries: the machine may be busy, and the budget is about the page.
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "ui"))
import harness
from mock_server import wide
from mocked_page import MockedPage


class Budgets(MockedPage):
    def test_a_graph_of_50_stages_is_drawn_within_150_ms(self):
        self.serve(wide(50))

        def once():
            page = self.open(token=False, wait="#app")
            drawn = page.evaluate("whenDrawn('.placed [data-box]', 50)")
            data = page.evaluate("Math.max(...performance.getEntriesByType('resource').filter((e) => /api\\/v1\\/(snapshot|topology)$/.test(e.name))"
                                 ".slice(0, 2).map((e) => e.responseEnd))")
            self.browser.close_pages()
            return drawn - data

        self.best(150, "a graph of 50 stages, after its data", once)

    def test_a_grid_of_200_runs_and_50_stages_is_drawn_within_200_ms(self):
        self.serve(wide(50), runs=200)

        def once():
            page = self.open(token=False)
            page.wait_for_selector("[data-box]")
            page.evaluate("location.hash = '/runs'")
            drawn = page.evaluate("whenDrawn('.cells path', 3)")
            data = page.evaluate("performance.getEntriesByType('resource').find((e) => /runs\\?limit/.test(e.name)).responseEnd")
            self.assertEqual(page.locator(".bar").count(), 200)
            self.browser.close_pages()
            return drawn - data

        self.best(200, "a grid of 200 runs and 50 stages, after its data", once)


if __name__ == "__main__":
    harness.main()
