"""Screenshots of README and docs, in light and dark; `make pictures` takes them.

`python -m tests.documentation.screenshots` opens report and explorer of the recorded run. Given the folder of a
finished experiment, it starts the interfaces there, and opens Prefect's and MLflow's pages of that experiment, too.
"""

import base64
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from docs.pictures.drawing import FOLDER
from docs.pictures.recorded_pages import SCREENSHOTS, made_from, make_pages
from iterpref_core.storage.jsonl import atomic_writer
from tests.browser import Browser, Page, open_browser

WIDTH = 1200
PATIENCE_S = 240
Clip = tuple[int, int, int, int]


def take_ours(browser: Browser, *, dark: bool) -> Iterator[tuple[str, bytes]]:
    """The beginning of the report, and an attempt in the explorer with what it changed."""
    with tempfile.TemporaryDirectory() as folder:
        for name, html in make_pages().items():
            (Path(folder) / f"{name}.html").write_text(html, encoding="utf-8")
        with browser.tab() as page:
            page.open(Path(folder) / "report.html", WIDTH, dark=dark)
            yield "report", shoot(page, (0, 0, WIDTH, 1010))
        with browser.tab() as page:
            page.open(Path(folder) / "explorer.html", WIDTH, dark=dark)
            page.click("button", "Attempt 1")
            page.wait_for("Attempt 1 by")
            top = page.evaluate("document.querySelector('#problems').getBoundingClientRect().top + scrollY")
            yield "explorer", shoot(page, (0, int(top), WIDTH, 740))


def take_interfaces(browser: Browser, prefect: str, mlflow: str, *, dark: bool) -> Iterator[tuple[str, bytes]]:
    """The experiment's run in Prefect, stage by stage, and the curves of one training in MLflow."""
    newest = {"sort": "START_TIME_DESC", "flows": {"name": {"any_": ["experiment"]}}}
    flow_run = ask(f"{prefect}/api/flow_runs/filter", newest)[0]
    experiment = ask(f"{mlflow}/api/2.0/mlflow/experiments/get-by-name?experiment_name=iterpref")["experiment"]
    trained = {"experiment_ids": [experiment["experiment_id"]], "filter": "attributes.run_name = 'training@target-rpo'"}
    run = ask(f"{mlflow}/api/2.0/mlflow/runs/search", trained)["runs"][0]["info"]  # the newest comes first
    with browser.tab() as page:
        page.visit(f"{prefect}/settings", WIDTH, dark=dark)
        page.evaluate(f"localStorage.setItem('color-scheme', '\"{'dark' if dark else 'light'}\"')")
        page.visit(f"{prefect}/runs/flow-run/{flow_run['id']}", WIDTH, dark=dark)
        page.wait_for("Task runs", "problems")
        page.click_on("document.querySelector('button[title^=Recenter]')")
        time.sleep(3)  # the graph is a canvas that moves there
        yield "prefect", shoot(page, (256, 0, WIDTH - 256, 480))
    with browser.tab() as page:
        page.visit(mlflow, WIDTH, dark=dark)
        page.evaluate(
            "localStorage.setItem('mlflow.assistant.panelOpen_v1', 'false');"
            "localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true');"
            "localStorage.setItem('mlflow.workflowType_v1', '\"machine_learning\"')"
        )
        page.visit("about:blank", WIDTH, dark=dark)
        page.visit(
            f"{mlflow}/#/experiments/{run['experiment_id']}/runs/{run['run_id']}/model-metrics", WIDTH, dark=dark
        )
        page.click_on("document.querySelector('input[placeholder^=\"Search metric charts\"]')")
        page.type("^rewards/(chosen|rejected|margins)$")
        drawn = "document.querySelectorAll('.js-plotly-plot .scatterlayer path.js-line').length"
        page.wait(lambda: page.evaluate(drawn) >= 3, "curves")
        time.sleep(1)  # the end of their movement
        yield "mlflow", shoot(page, (206, 0, WIDTH - 206, 505))


def shoot(page: Page, clip: Clip) -> bytes:
    """A part of a page as PNG: left, top, width and height, in pixels."""
    area = dict(zip(("x", "y", "width", "height"), clip, strict=True)) | {"scale": 1}
    page.evaluate("document.activeElement.blur()")
    taken = page.call("Page.captureScreenshot", format="png", clip=area, captureBeyondViewport=True)["data"]
    return base64.b64decode(taken)


def ask(url: str, body: Any = None) -> Any:
    """The JSON that an address answers a GET with, or the POST of a body."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.loads(response.read())


@contextmanager
def interfaces(workspace: Path) -> Iterator[list[str]]:
    """Addresses of Prefect and MLflow, as `iterpref ui` serves them in a folder."""
    command = [sys.executable, "-m", "flows.cli", "ui"]
    with subprocess.Popen(command, cwd=workspace, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(2)]
            yield [re.findall(r"http://\S+", line)[0] for line in lines]
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=PATIENCE_S)


def take_all(workspace: Path | None) -> None:
    """Write the screenshots, and what they were made from; those that are not taken stay with their record."""
    known = json.loads(SCREENSHOTS.read_bytes()) if SCREENSHOTS.is_file() else {}
    sources = made_from()
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        open_browser(Path(folder) / "profile") as browser,
    ):
        taken = {(name, dark): picture for dark in (False, True) for name, picture in take_ours(browser, dark=dark)}
        if workspace is not None:
            with interfaces(workspace) as addresses:
                for dark in (False, True):
                    taken |= {(name, dark): data for name, data in take_interfaces(browser, *addresses, dark=dark)}
    for (name, dark), picture in taken.items():
        file = f"{name}-{'dark' if dark else 'light'}.png"
        (FOLDER / file).write_bytes(picture)
        known[file] = {"made_from": sources[name], "sha256": sha256(picture).hexdigest()}
    with atomic_writer(SCREENSHOTS) as out:
        out.write(json.dumps(known, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    take_all(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
