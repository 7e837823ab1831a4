"""A headless Chromium, the one of this machine, driven by Playwright."""

import re
import shutil
import time
from contextlib import contextmanager

from playwright.sync_api import sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE_S = 60


class Page:
    """A tab. `complaints` are what it wrote to the console, `requests` the addresses it asked for."""

    def __init__(self, tab):
        self.complaints = []
        self.requests = []
        self._tab = tab
        tab.set_default_timeout(PATIENCE_S * 1000)
        tab.on("console", lambda message: self.complaints.append(message.text))
        tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        tab.on("request", lambda request: self.requests.append(request.url))

    def open(self, path, width, *, dark=False):
        """Load a file in a window of this width; `dark`: the user prefers dark colors."""
        self._tab.set_viewport_size({"width": width, "height": 900})
        self._tab.emulate_media(color_scheme="dark" if dark else "light")
        self._tab.goto(path.resolve().as_uri())

    def evaluate(self, script):
        """Return the value of a JavaScript expression."""
        return self._tab.evaluate(script)

    def wait(self, ready, what):
        """Wait until something is so."""
        deadline = time.monotonic() + PATIENCE_S
        while not ready():
            assert time.monotonic() < deadline, f"no {what}; the page shows:\n{self._tab.inner_text('body')[:2000]}"
            self._tab.wait_for_timeout(100)

    def shows(self, *texts):
        """Return True if the page has all these texts, to be seen by scrolling at most."""
        text = self._tab.inner_text("body").replace("\xa0", " ")
        return all(one in text for one in texts)

    def click(self, role, name):
        """Press with the mouse the first element of a role whose accessible name matches a pattern as a whole."""
        self._tab.get_by_role(role, name=re.compile(f"^(?:{name})$")).first.click()


@contextmanager
def open_browser():
    """Start Chromium with an empty profile."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def open_tab(browser):
    """Open a tab that shares no storage with any other, and close it at the end."""
    with browser.new_context() as context:
        yield Page(context.new_page())
