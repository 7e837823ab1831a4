"""Tables of the pages: what can be chosen in the code stands in the documentation."""

import re
import subprocess
from typing import get_args

import pytest

from docs.tables import PROBLEMS, rows_of_sets, with_rows
from iterpref_core.pairs.pairs.filters import DropReason
from tests.settings import ROOT


def test_the_page_of_pairs_has_a_row_for_each_filter() -> None:
    page = (ROOT / "docs" / "pairs.md").read_text(encoding="utf-8")
    missing = [reason for reason in get_args(DropReason) if f"| `{reason}`" not in page]
    assert not missing, f"add rows for {missing} to the table of docs/pairs.md"


def test_the_page_of_problems_has_the_table_of_presets() -> None:
    page = PROBLEMS.read_text(encoding="utf-8")
    lines = page.splitlines()
    missing = [row for row in rows_of_sets() if row not in lines]
    assert missing == [], "run `make graph`"
    assert len(with_rows(page)) == len(page), "a row of no preset: run `make graph`"


@pytest.mark.parametrize("page", [".github/CONTRIBUTING.md", "docs/architecture.md"])
def test_files_and_names_of_the_code_that_a_page_shows_are_there(page: str) -> None:
    """CONTRIBUTING asked for a row of `_OF_A_CHECKOUT`, which was gone."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    code = "".join((ROOT / name).read_text("utf-8") for name in listed.splitlines() if name.endswith(".py"))
    spans = re.findall(r"`([^`\n]+)`", (ROOT / page).read_text("utf-8"))
    files = {span for span in spans if re.fullmatch(r"[\w/]+\.(py|yaml|toml|md)", span)}
    names = {span.rpartition(".")[2] for span in spans if re.fullmatch(r"([\w]+\.)*_*[A-Z_]+[A-Za-z_]*(\.\w+)?", span)}
    assert len(files) > 5
    gone = [path for path in files if f"/{path}\n" not in f"\n{listed}".replace("\n", "\n/")]
    gone += [name for name in names if not re.search(rf"\b{name}\b", code)]
    assert not gone
