"""The page with made-up answers, in a real Chromium."""
import harness
from browser import PageCase
from mock_server import TOKEN, Mock, Server, stamp

FAILURE = {"stage": "gbt", "class": "model", "explanation": "the model failed", "message": "the model returned NaN", "at": stamp(1764410400), "records": 12,
           "cascade": ["vote", "out", "table"]}


class MockedPage(PageCase):
    def serve(self, *args, **options):
        self.mock = Mock(*args, **options)
        self.mock.beat = 100
        self.server = Server(self.mock)
        self.addCleanup(self.server.close)
        return self.mock

    def open(self, place="/", token=True, **options):
        """The page at a place, e.g. "/runs". The token comes in the address, as `run` prints it."""
        page = self.browser.open(self.server.url + (f"#t={TOKEN}" if token else f"#{place}"), **{"wait": "header", **options})
        if token:
            self.wait(page, "!location.hash.includes('t=')")
            page.evaluate(f"location.hash = {place!r}")
        return page

    def wait(self, page, condition):
        """Waits for an expression to be true. Playwright's own wait evaluates text in the page, which its policy forbids."""
        harness.wait_for(condition, 15, lambda: page.evaluate(condition), pause=0.02)

    def best(self, limit_ms, what, once, tries=20):
        """The best of some tries is within the budget."""
        times = []
        while len(times) < tries and (not times or min(times) > limit_ms):
            times.append(once())
        print(f"    {what}: {min(times):.0f} ms, at most {limit_ms} ms (tries: {', '.join(f'{t:.0f}' for t in times)})", flush=True)
        self.assertLessEqual(min(times), limit_ms, what)
