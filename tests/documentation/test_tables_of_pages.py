"""Tables of the pages: what can be chosen in the code stands in the documentation."""

from typing import get_args

from iterpref_core.pairs.pairs.filters import DropReason
from iterpref_core.problems.ingestion.presets import PRESETS
from tests.settings import ROOT

HUB = "https://huggingface.co/datasets"


def table_of_sets() -> str:
    """The table of the page of problems, made from the presets."""
    rows = ["| set | `--format` | license | read |", "|---|---|---|---|"]
    for name, preset in PRESETS.items():
        title = f"[{preset.title}]({HUB}/{preset.card})" if preset.card else preset.title
        rows.append(f"| {title} | `{name}` | {preset.license} | {preset.notes} |")
    return "\n".join(rows)


def test_the_page_of_pairs_has_a_row_for_each_filter() -> None:
    page = (ROOT / "docs" / "pairs.md").read_text(encoding="utf-8")
    missing = [reason for reason in get_args(DropReason) if f"| `{reason}`" not in page]
    assert not missing, f"add rows for {missing} to the table of docs/pairs.md"


def test_the_page_of_problems_has_the_table_of_presets() -> None:
    page = (ROOT / "docs" / "problems.md").read_text(encoding="utf-8")
    assert table_of_sets() in page, f"put this table into docs/problems.md:\n{table_of_sets()}"
