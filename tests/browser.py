"""A headless Chromium, driven over its DevTools protocol.

Elements are named as a screen reader names them, by role and accessible name, and pressed with a mouse.
"""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE_S = 60
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
    # As on a desk: pages then show what is used with a mouse, not with a finger.
    "--blink-settings=primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4",
)
# The middle of an element, once it stays where it is for some frames and is what a press there would meet.
_PLACE = """async function () {
  const box = () => this.getBoundingClientRect(), middle = b => [b.x + b.width / 2, b.y + b.height / 2];
  const frame = () => new Promise(requestAnimationFrame);
  if (!this.checkVisibility()) return null;
  this.scrollIntoView({block: "nearest", behavior: "instant"});
  const before = middle(box());
  for (let i = 0; i < 6; i++) await frame();
  const [x, y] = middle(box()), met = document.elementFromPoint(x, y);
  const rests = before[0] === x && before[1] === y;
  return rests && met && (this.contains(met) || met === this.parentElement) ? {x, y} : null;
}"""
COMPLAINTS = {"Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"}


class DevToolsSession:
    """Sends commands and waits for their results, over a connection that all sessions share.

    Args:
        connection: to the browser.
        name: of the tab's session; None for the browser itself.
    """

    def __init__(self, connection: ClientConnection, name: str | None = None) -> None:
        self.connection, self._name, self._number = connection, name, 0

    def call(self, method: str, **params: Any) -> Any:
        """Send a command and return its result; what comes before it is heard."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        self.connection.send(json.dumps(message | ({"sessionId": self._name} if self._name else {})))
        while True:
            answer = self.receive()
            if answer.get("id") == self._number and answer.get("sessionId") == self._name:
                assert "error" not in answer, answer
                return answer["result"]

    def receive(self) -> Any:
        """The next message, whoever's it is."""
        return json.loads(self.connection.recv(timeout=PATIENCE_S))


class Page(DevToolsSession):
    """A tab. `complaints` are what it wrote to the console, `requests` the addresses it asked for.

    Args:
        connection: to the browser.
        session: of the tab.
    """

    def __init__(self, connection: ClientConnection, session: str) -> None:
        super().__init__(connection, session)
        self.complaints: list[Any] = []
        self.requests: list[str] = []
        self._loaded = False
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def open(self, path: Path, width: int, *, dark: bool = False) -> None:
        """Load a file in a window of this width; `dark`: the user prefers dark colors."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self._loaded = False
        self.call("Page.navigate", url=path.resolve().as_uri())
        while not self._loaded:
            self.receive()

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, ready: Callable[[], Any], what: str) -> Any:
        """Wait until something is so, and return it."""
        deadline = time.monotonic() + PATIENCE_S
        while not (found := ready()):
            seen = "" if time.monotonic() < deadline else self.evaluate("document.body.innerText")[:2000]
            assert time.monotonic() < deadline, f"no {what}; the page shows:\n{seen}"
            time.sleep(0.1)
        return found

    def shows(self, *texts: str) -> bool:
        """Whether the page has all these texts, to be seen by scrolling at most."""
        text = self.evaluate("document.body.innerText").replace("\xa0", " ")
        return all(one in text for one in texts)

    def click(self, role: str, name: str) -> None:
        """Press with the mouse the first element of a role whose accessible name matches a pattern as a whole."""
        self.wait(lambda: self._press(lambda: self._named(role, name)), f"{role} {name!r}")

    def _named(self, role: str, name: str) -> Any:
        root = self.call("DOM.getDocument", depth=0)["root"]["backendNodeId"]
        nodes = self.call("Accessibility.queryAXTree", backendNodeId=root, role=role)["nodes"]
        for node in nodes:
            if not node["ignored"] and re.fullmatch(name, node["name"]["value"]):
                return self.call("DOM.resolveNode", backendNodeId=node["backendDOMNodeId"])["object"]
        return {}

    def _press(self, find: Callable[[], Any]) -> bool:
        """Press an element if it is there, rests, and nothing lies over it."""
        try:
            element = find().get("objectId")
            how = {"functionDeclaration": _PLACE, "returnByValue": True, "awaitPromise": True}
            place = self.call("Runtime.callFunctionOn", objectId=element, **how)["result"]["value"] if element else None
        except AssertionError:  # it was there, and is gone
            return False
        if place is None:
            return False
        self.call("Input.dispatchMouseEvent", type="mouseMoved", **place)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)
        return True

    def receive(self) -> Any:
        """The next message; what the tab tells is kept."""
        message = super().receive()
        method = message.get("method")
        if method in COMPLAINTS:
            self.complaints.append(message["params"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(message["params"]["request"]["url"])
        elif method == "Page.loadEventFired":
            self._loaded = True
        return message


class Browser(DevToolsSession):
    """A running Chromium."""

    @contextmanager
    def tab(self) -> Iterator[Page]:
        """A tab that shares no storage with any other, and is closed at the end: a page left open goes on talking."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        try:
            target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
            session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            yield Page(self.connection, session)
        finally:
            self.call("Target.disposeBrowserContext", browserContextId=context)


@contextmanager
def open_browser(profile: Path) -> Iterator[Browser]:
    """Start Chromium with an empty profile."""
    assert CHROMIUM is not None
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            # No pings: a test that waits for something else reads nothing, events of an open page fill the queue, and
            # the answer to a ping waits behind them until the connection is given up.
            address = _address(profile, process)
            with connect(address, max_size=None, proxy=None, ping_interval=None) as connection:
                yield Browser(connection)
        finally:
            process.kill()


def _address(profile: Path, process: "subprocess.Popen[bytes]") -> str:
    """Chromium writes its port and path to a file once it listens."""
    file, deadline = profile / "DevToolsActivePort", time.monotonic() + PATIENCE_S
    while not file.is_file() or len(lines := file.read_text().split()) < 2:
        assert process.poll() is None, "chromium ended"
        assert time.monotonic() < deadline, "chromium does not listen"
        time.sleep(0.02)
    return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
