"""A real Chromium for tests of the page, without a sandbox when it runs as root (it cannot have one then)."""
import contextlib
import os
import pathlib
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

# What the page does is watched from its start: violations of its policy, errors, and when something was drawn.
WATCH = """
window.seen = {violations: [], errors: []};
addEventListener('securitypolicyviolation', (e) => seen.violations.push(e.violatedDirective + ' ' + e.blockedURI));
addEventListener('error', (e) => seen.errors.push(e.message));
addEventListener('unhandledrejection', (e) => seen.errors.push(String(e.reason)));
window.whenDrawn = (selector, count) => new Promise((done) => {
  const look = () => document.querySelectorAll(selector).length >= count && (watch.disconnect(), requestAnimationFrame(() => {
    const channel = new MessageChannel();  // after the frame is painted
    channel.port1.onmessage = () => done(performance.now());
    channel.port2.postMessage(0);
  }), true);
  const watch = new MutationObserver(look);
  watch.observe(document, {childList: true, subtree: true});
  look();
});
"""


def find_browser():
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    raise AssertionError("no Chromium is on the PATH; tests/setup/browser installs it")


class Browser:
    """One process with one page at a time."""

    def __init__(self):
        from playwright.sync_api import sync_playwright
        self.folder = tempfile.mkdtemp(prefix="anabranch-browser-")
        self.driver = sync_playwright().start()
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        self.process = self.driver.chromium.launch(executable_path=find_browser(), args=[*options, "--disable-dev-shm-usage"],
                                                   env={**os.environ, "HOME": self.folder})
        self.pages = []

    def open(self, url, scheme="light", size=(1360, 860), wait=None):
        """A page in a context of its own. `wait`: a selector that it must show."""
        context = self.process.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme,
                                           reduced_motion="reduce", timezone_id="UTC", locale="en-GB", accept_downloads=True)
        context.set_default_timeout(15000)
        context.add_init_script(WATCH)
        page = context.new_page()
        page.messages = []
        page.on("console", lambda message: page.messages.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: page.messages.append(f"error: {error}"))
        page.goto(url)
        if wait:
            page.wait_for_selector(wait)
        self.pages.append(page)
        return page

    def close_pages(self):
        for page in self.pages:
            with contextlib.suppress(Exception):
                page.context.close()
        self.pages = []

    def close(self):
        self.close_pages()
        with contextlib.suppress(Exception):
            self.process.close()
        self.driver.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def axe_faults(page):
    """What axe-core finds on the page as it is, as readable lines."""
    import axe_playwright_python
    source = pathlib.Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text()
    page.evaluate(source + "\n;0")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [f"{fault['id']}: {node['target']} {node['failureSummary']}" for fault in found for node in fault["nodes"]]


class PageCase(unittest.TestCase):
    """A test with a browser that its class shares. A violation of the policy or an error of a script fails it."""

    browser = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)

    def tearDown(self):
        super().tearDown()
        try:
            for page in self.browser.pages:
                seen = page.evaluate("window.seen")
                self.assertEqual(seen["violations"], [], "violations of the Content-Security-Policy")
                self.assertEqual(seen["errors"], [], page.messages)
        finally:
            self.browser.close_pages()
