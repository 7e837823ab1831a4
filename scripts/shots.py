"""Take the pictures of docs/pictures from a run of this checkout (`make pictures`).

`make demo` has run here before. The run that the pages show is another one, with the next seed of training.
"""

import subprocess
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser

from tasks.prefect.server import PASSWORD
from tests.browser import PATIENCE_S, open_browser

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs/pictures"
IDLE_S = 10
"""Seconds that a page needs for its curves after its texts are shown."""
_SETTINGS = """
    localStorage.setItem("prefect-password", btoa("PASSWORD"));
    localStorage.setItem("color-scheme", JSON.stringify("COLORS"));
    localStorage.setItem("mlflow.assistant.panelOpen_v1", "false");
    localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
"""
"""A script for each page: what Prefect and MLflow keep of a user's choices."""


class Shot(NamedTuple):
    """A picture of a page, in light and in dark colors.

    Attributes:
        name: of the files.
        address: of the page.
        width: in pixels.
        height: in pixels.
        texts: the page shows all of these once it is ready.
        left: pixels that are cut off at the left, such as a menu's.
        search: typed into the field that has this placeholder: (placeholder, text).
    """

    name: str
    address: str
    width: int
    height: int
    texts: tuple[str, ...]
    left: int = 0
    search: tuple[str, str] | None = None


def take(browser: Browser, shot: Shot, colors: str) -> None:
    """Write a picture in `light` or `dark` colors, in a tab that does not share the choices of other tabs."""
    size = {"width": shot.left + shot.width, "height": shot.height}
    with browser.new_context(viewport=size, color_scheme=colors) as context:
        password = PASSWORD.read_text(encoding="ascii")
        context.add_init_script(_SETTINGS.replace("COLORS", colors).replace("PASSWORD", password))
        page = context.new_page()
        page.set_default_timeout(PATIENCE_S * 1000)
        page.goto(shot.address)
        for text in shot.texts:
            page.wait_for_function("text => document.body.innerText.includes(text)", arg=text)
        if shot.search:
            field, words = shot.search
            page.get_by_placeholder(field).fill(words)
        page.wait_for_timeout(IDLE_S * 1000)
        clip = {"x": shot.left, "y": 0, "width": shot.width, "height": shot.height}
        page.screenshot(path=PICTURES / f"{shot.name}-{colors}.png", clip=clip)


def shots_of_report(folder: Path) -> list[Shot]:
    """Return the shots of the report in a folder, and of its explorer."""
    return [
        Shot("report", (folder / "index.html").as_uri(), 1200, 1010, ("Target-RPO",)),
        Shot("explorer", (folder / "explorer.html").as_uri(), 1200, 740, ("became a pair",)),
    ]


def shots_of_pages(prefect: str, mlflow: str, name: str) -> list[Shot]:
    """Return the shots of Prefect's and MLflow's pages: the run of this name, and its training of Target-RPO."""
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    from tasks.mlflow.server import Server

    settings = {PREFECT_API_URL: f"{prefect}/api", PREFECT_API_AUTH_STRING: PASSWORD.read_text(encoding="ascii")}
    with temporary_settings(settings), get_client(sync_client=True) as client:
        shown = next(run for run in client.read_flow_runs() if run.name == name)
    server = Server(create=False)
    query = "tags.`iterpref.stage` = 'training@target-rpo'"
    (training,) = server.client.search_runs([server.experiment_id], query, max_results=1)
    # `iterpref ui` prints the address of a page, and other pages are behind the same `#`.
    root, _, _ = mlflow.partition("#")
    place = f"{root}#/experiments/{server.experiment_id}/runs/{training.info.run_id}/model-metrics"
    search = ("Search metric charts", "rewards/")
    return [
        Shot("prefect", f"{prefect}/runs/flow-run/{shown.id}", 944, 480, (name, "Task runs"), 260),
        Shot("mlflow", place, 994, 505, ("training@target-rpo",), 206, search),
    ]


def main(values: Sequence[str] = ("training.seed=18",)) -> None:
    """Run the experiment with other values on the pages of `iterpref ui`, and take all pictures."""
    iterpref = [sys.executable, "-m", "iterpref_cli"]
    shots = shots_of_report(ROOT / "reports")
    with subprocess.Popen([*iterpref, "ui"], stdout=subprocess.PIPE, text=True) as pages:
        try:
            assert pages.stdout is not None, "opened with a pipe"
            prefect, mlflow, *_ = (pages.stdout.readline().split()[1] for _ in range(4))
            given = [word for value in values for word in ("--set", value)]
            subprocess.run([*iterpref, "run", *given], check=True)
            name = " ".join(["iterpref run", *(value.rpartition(".")[2] for value in values)])
            shots += shots_of_pages(prefect, mlflow, name)
            with open_browser() as browser:
                for shot, colors in product(shots, ("light", "dark")):
                    take(browser, shot, colors)
        finally:
            pages.terminate()


if __name__ == "__main__":
    main(sys.argv[1:] or ("training.seed=18",))
