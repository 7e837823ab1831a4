"""The table of arguments in docs/training-settings.md, from the lists; `python -m tests.argument_table` writes it."""

from collections.abc import Iterable, Mapping

from iterpref_core.training.training.argument_lists import PASSED
from tests.settings import ROOT

PAGE = "docs/training-settings.md"
_HEAD = "| arguments that are passed on | meaning |\n|---|---|\n"


def argument_table() -> str:
    """The rows of the table: arguments with the same meaning share one."""
    rows = [
        *_rows(PASSED),
    ]
    return _HEAD + "".join(rows)


def _rows(groups: Mapping[str, tuple[str, ...]]) -> Iterable[str]:
    for text, names in groups.items():
        yield f"| {', '.join(f'`{name}`' for name in names)} | {text} |\n"


def with_table(page: str) -> str:
    """The page with the table of today."""
    start = page.index(_HEAD)
    end = page.index("\n\n", start) + 1
    return page[:start] + argument_table() + page[end:]


if __name__ == "__main__":
    path = ROOT / PAGE
    path.write_text(with_table(path.read_text()))
