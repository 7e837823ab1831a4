"""Pictures of README and docs: as the code makes them now, small, in light and dark, and shown."""

import json
import re
import xml.etree.ElementTree as ET
from hashlib import sha256
from pathlib import Path

import pytest

from docs.pictures.drawing import FOLDER, RECORDED, draw_all
from docs.pictures.recorded_pages import SCREENSHOTS, made_from
from docs.pictures.stage_graph import lay_out, stage_names
from iterpref_core.errors import InputError
from tests.settings import ROOT

AGAIN = "`make pictures` makes it anew"
PAGES = (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
PIXELS = re.compile(rb"\x89PNG\r\n\x1a\n....IHDR(.{4})(.{4})", re.DOTALL)


def test_drawings_are_what_the_code_draws_now() -> None:
    drawn = draw_all()
    kept = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.svg")}
    assert set(kept) == set(drawn), AGAIN
    assert [name for name, text in drawn.items() if kept[name] != text] == [], AGAIN
    for text in drawn.values():
        assert ET.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"


def test_screenshots_show_the_pages_that_the_code_makes_now() -> None:
    known, now = json.loads(SCREENSHOTS.read_bytes()), made_from()
    assert {f"{name}-{scheme}.png" for name in now for scheme in ("light", "dark")} == set(known), AGAIN
    stale = [file for file, record in known.items() if record["made_from"] != now[file.rpartition("-")[0]]]
    assert stale == [], f"{AGAIN} (Prefect's and MLflow's with RUN=FOLDER)"
    assert {path.name for path in FOLDER.glob("*.png")} == set(known)
    taken = {file: (FOLDER / file).read_bytes() for file in known}
    assert [file for file, data in taken.items() if sha256(data).hexdigest() != known[file]["sha256"]] == [], AGAIN
    assert [file for file, data in taken.items() if len(data) > 200_000] == []
    assert sum(map(len, taken.values())) < 1_500_000
    for name in now:
        light, dark = (PIXELS.match(taken[f"{name}-{scheme}.png"]) for scheme in ("light", "dark"))
        assert light
        assert dark
        assert light.groups() == dark.groups()


def test_the_report_that_is_shown_has_the_scores_that_the_readme_quotes() -> None:
    runs = [json.loads(path.read_bytes()) for path in (ROOT / "docs/demo_runs").glob("*.json")]
    quoted = max(runs, key=lambda run: str(run["finished"]))["summary"]
    shown = json.loads((RECORDED / "summary.json").read_bytes())
    assert shown["codeflow"]["pass_rate_by_iteration"] == quoted["codeflow"]["pass_rate_by_iteration"]
    for model, found in quoted["models"].items():
        assert shown["models"][model]["heldout"]["pass_at_1"] == found["heldout"]["pass_at_1"], model


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_pages_show_pictures_that_exist_in_both_colors_and_in_words(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    found = re.findall(
        r'<picture>\s*<source media="\(prefers-color-scheme: dark\)" srcset="(\S+)-dark\.(svg|png)">\s*'
        r'<img src="(\S+)-light\.(svg|png)" width="[\d%]+" alt="[^"]{20,}">\s*</picture>',
        text,
    )
    assert len(found) == text.count("<picture>") == text.count("<img")
    for dark, of_dark, light, of_light in found:
        assert (dark, of_dark) == (light, of_light)
        assert (page.parent / f"{light}-light.{of_light}").is_file()


def test_every_picture_is_shown_somewhere() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [path.name for path in FOLDER.iterdir() if path.suffix in {".svg", ".png"} and path.name not in text] == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_an_arrow_that_others_imply_is_left_out(tmp_path: Path) -> None:
    graph = tmp_path / "dvc.yaml"
    graph.write_text(
        "stages:\n"
        "  a: { cmd: '', deps: [], outs: [a] }\n"
        "  b: { matrix: { m: [x, y] }, cmd: '', deps: [a], outs: ['b/${item.m}'] }\n"
        "  c: { foreach: { z: a }, do: { cmd: '', deps: ['${item}', b], outs: ['c/${key}'] } }\n",
        encoding="utf-8",
    )
    assert stage_names(graph) == ["a", "b@x", "b@y", "c@z"]
    laid_out = lay_out(graph)
    assert [(stage.name, stage.members, stage.writes) for stage in laid_out.stages] == [
        ("a", (), "a"), ("b", ("x", "y"), "b/…"), ("c", ("z",), "c/…"),
    ]  # fmt: skip
    assert len(laid_out.arrows) == 2, "a to c follows from a to b and b to c"


def test_a_folder_without_a_finished_experiment_is_no_run_to_record(tmp_path: Path) -> None:
    from docs.pictures.run_record import record_run

    with pytest.raises(InputError, match="no finished experiment"):
        record_run(tmp_path, tmp_path / "run")
    assert list(tmp_path.iterdir()) == []
