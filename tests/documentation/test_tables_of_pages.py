"""Tables of the pages: what can be chosen in the code stands in the documentation."""

import re
import subprocess
import sys
from typing import get_args

import pytest

from iterpref_core.pairs.selection.filters import DropReason
from scripts.tables import TABLES
from tests.settings import ROOT


def test_the_page_of_pairs_has_a_line_for_each_filter():
    page = (ROOT / "docs" / "pairs.md").read_text()
    missing = [reason for reason in get_args(DropReason) if f"\n- `{reason}`: " not in page]
    assert not missing, f"add lines for {missing} to the list of docs/pairs.md"


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.page.stem)
def test_a_page_has_the_table_that_is_made_from_the_code(table):
    if table.page.stem == "trl" and sys.version_info[:2] != (3, 11):
        pytest.skip("its numbers of packages are those of the lock's Python")
    assert table.text() == table.page.read_text(), "run `make graph`"


@pytest.mark.parametrize("page", [".github/CONTRIBUTING.md", "docs/architecture.md"])
def test_files_and_names_of_the_code_that_a_page_shows_are_there(page):
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


def test_every_module_that_a_page_names_is_there():
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / ".github").glob("*.md")]
    text = "".join(page.read_text("utf-8") for page in pages)
    named = set(re.findall(r"`((?:iterpref_core|tasks|flows|tests|benchmarks)/[\w/]+\.py)`", text))
    assert len(named) > 15
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
