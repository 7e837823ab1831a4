"""Tables of the pages: what can be chosen in the code stands in the documentation."""

from typing import get_args

from iterpref_core.ingestion.published.table import format_names
from iterpref_core.pairs.filters import DropReason
from tests.settings import ROOT


def test_the_page_of_pairs_has_a_row_for_each_filter() -> None:
    page = (ROOT / "docs" / "pairs.md").read_text(encoding="utf-8")
    missing = [reason for reason in get_args(DropReason) if f"| `{reason}`" not in page]
    assert not missing, f"add rows for {missing} to the table of docs/pairs.md"


def test_the_page_of_problems_has_a_row_for_each_format() -> None:
    page = (ROOT / "docs" / "problems.md").read_text(encoding="utf-8")
    missing = [name for name in format_names() if f"`--format {name}`" not in page and f"`{name}`" not in page]
    assert not missing, f"add rows for {missing} to the table of docs/problems.md"
