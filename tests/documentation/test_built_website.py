"""The built documentation site: strict, of one piece, readable on a phone. Skipped where `make docs` was not run."""

import os
import re
import subprocess
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from docs.website.assemble import all_pages, write_sources
from tasks.orchestration.services import LOOPBACK
from tests.browser import Page
from tests.settings import ROOT

BUILDER = ROOT / ".venv-docs/bin/mkdocs"
pytestmark = pytest.mark.skipif(not BUILDER.is_file(), reason="no .venv-docs: `make docs` installs the site's builder")


def build(folder: Path, pages: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Build a site of these pages into `FOLDER/site`."""
    write_sources(folder / "source", pages)
    command = [str(BUILDER), "build", "--strict", "-f", f"{folder}/source/mkdocs.yml", "-d", f"{folder}/site"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("website")
    done = build(folder, all_pages())
    assert done.returncode == 0, done.stderr
    return folder / "site"


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    """Of a server of the site, on a free port of loopback."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer((LOOPBACK, 0), partial(Handler, directory=str(site))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{LOOPBACK}:{server.server_port}"
        server.shutdown()


GOOD = {
    "README.md": "# Index\n\n| question | page |\n|---|---|\n| a | [a](a.md) |\n",
    "a.md": "# A\n\n## There\n\n[index](README.md), [there](#there)\n",
}


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        ({}, ""),
        ({"README.md": "# Index\n\n| q | p |\n|---|---|\n| a | [a](a.md), [b](b.md) |\n"}, "b.md"),
        ({"a.md": "# A\n\n[index](README.md#absent)\n"}, "does not contain an anchor '#absent'"),
        ({"a.md": "# A\n\n[here](#absent)\n"}, "no such anchor"),
        ({"a.md": "# A\n\n![a picture](absent.svg)\n"}, "absent.svg"),
        ({"b.md": "# B\n"}, 'not included in the "nav"'),
        ({"a.md": "# A\n\n::: iterpref_core.records.Absent\n"}, "iterpref_core.records.Absent could not be found"),
    ],
)
def test_what_is_broken_ends_the_build(tmp_path: Path, broken: dict[str, str], complaint: str) -> None:
    done = build(tmp_path, GOOD | broken)
    assert (done.returncode != 0) == bool(complaint)
    assert complaint in done.stderr


class Loaded(HTMLParser):
    """What a browser loads by itself for a page, links to other pages left out."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.policy = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        self.addresses += [said[name] for name in ("src", "srcset", "poster", "data") if name in said]
        if tag == "link":
            self.addresses.append(said["href"])
        if said.get("http-equiv") == "Content-Security-Policy":
            self.policy = said["content"]


def test_no_page_loads_anything_from_another_machine(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 50
    for page in pages:
        found = Loaded(page.read_text(encoding="utf-8"))
        assert found.addresses
        assert [address for address in found.addresses if re.match(r"\w+:|//", address)] == [], page
        assert found.policy == "default-src 'self' data: blob: 'unsafe-inline'", page
    for sheet in site.rglob("*.css"):
        assert re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//[^)]*", sheet.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("page", ["index.html", "command-line.html", "parameters.html", "python/training.html"])
def test_a_page_fits_its_window_and_asks_its_own_server_alone(
    browser: Page, address: str, page: str, width: int
) -> None:
    browser.visit(f"{address}/{page}", width, dark=width == 390)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    beyond = (
        f"[...document.querySelectorAll('.stacked td')].filter(e => e.getBoundingClientRect().right > {width}).length"
    )
    assert browser.evaluate(beyond) == 0
    assert browser.complaints == []
    assert [request for request in browser.requests if not request.startswith((address, "data:"))] == []


def test_search_finds_a_parameter(browser: Page, address: str) -> None:
    browser.visit(f"{address}/index.html")
    browser.click_on("document.querySelector('[data-md-component=search-query]')")
    browser.type("max_error_line")
    browser.press("s", 83, "s")
    found = "[...document.querySelectorAll('.md-search-result__link')].map(link => link.pathname)"
    browser.wait(lambda: "/parameters.html" in browser.evaluate(found), "parameters.html among what was found")
    assert browser.complaints == []
    assert [request for request in browser.requests if not request.startswith((address, "data:", "blob:"))] == []
