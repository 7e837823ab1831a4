"""Tables of pages that are made from the code; `make graph` writes them."""

import re
import tomllib
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from iterpref_core.problems.ingestion.presets import PRESETS

ROOT = Path(__file__).parents[1]
_HUB = "https://huggingface.co/datasets"


class Table(NamedTuple):
    """A table of a page.

    Attributes:
        page: the page's file.
        head: the lines above the rows.
        rows: returns the other lines.
    """

    page: Path
    head: str
    rows: Callable[[], list[str]]

    def text(self) -> str:
        """Return the text of the page with the present rows in the table."""
        before, head, after = self.page.read_text(encoding="utf-8").partition(self.head)
        _, _, rest = after.partition("\n\n")
        return before + head + "\n".join(self.rows()) + "\n\n" + rest


def rows_of_sets() -> list[str]:
    """Return the list of public sets in docs/problems.md, one line for each preset."""
    rows = []
    for name, preset in PRESETS.items():
        title = f"[{preset.title}]({_HUB}/{preset.card})" if preset.card else preset.title
        words = f" `{preset.hub}`" if preset.hub else ""
        license = f", {preset.license}" if preset.license else ""
        rows.append(f"- `{name}`: {title}{words}{license}: {preset.notes}")
    return rows


def rows_of_extras() -> list[str]:
    """Return the list of extras in docs/trl.md, and how many packages each brings."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lock = (ROOT / "config/environments/requirements.lock").read_text(encoding="utf-8")
    locked = set(re.findall(r"(?m)^([a-z0-9._-]+)==", lock))
    extras: dict[str, list[str]] = project["optional-dependencies"]
    always = [Requirement(line) for line in project["dependencies"]]
    rows = []
    for extra in ("", "execution", "data", "training", "endpoints", "evaluation", "all", "pipeline", "cluster"):
        asked = [Requirement(line) for line in (extras[extra] if extra else project["dependencies"])]
        brought = closure([*always, *asked], extras, locked)
        rows.append(f"- {f'`{extra}`' if extra else 'none'}: {len(brought)}")
    return rows


def closure(asked: Iterable[Requirement], extras: dict[str, list[str]], locked: set[str]) -> set[str]:
    """Return the names of the packages that requirements bring, as the packages that are installed here state it.

    Args:
        asked: the requirements.
        extras: the requirements of each extra of this project.
        locked: names of the packages in the lock. What it lacks are packages of other systems, other accelerators, and
            the packages that evalplus does without; what these need themselves does not count.
    """
    known = locked | {"iterpref"}
    seen: set[tuple[str, str]] = set()
    waiting = [(item, extra) for item in asked for extra in ("", *item.extras)]
    while waiting:
        item, extra = waiting.pop()
        name = canonicalize_name(item.name)
        if (name, extra) in seen or name not in known:
            continue
        seen.add((name, extra))
        if name == "iterpref":
            needed = [Requirement(line) for line in extras.get(extra, ())]
        else:
            needed = [each for each in stated(name) if each.marker is None or each.marker.evaluate({"extra": extra})]
        waiting.extend((each, of) for each in needed for of in ("", *each.extras))
    return {name for name, _ in seen} - {"iterpref"}


def stated(name: str) -> list[Requirement]:
    """Return the requirements that an installed package states; an empty list for a package that is not installed."""
    try:
        return [Requirement(line) for line in requires(name) or ()]
    except PackageNotFoundError:
        return []


TABLES = (
    Table(
        ROOT / "docs/problems.md",
        "The name of the format, the set, its license, and what is read:\n\n",
        rows_of_sets,
    ),
    Table(
        ROOT / "docs/trl.md",
        "The extras, and how many packages each installs:\n\n",
        rows_of_extras,
    ),
)


def main() -> None:
    """Write the tables."""
    for table in TABLES:
        table.page.write_text(table.text(), encoding="utf-8")


if __name__ == "__main__":
    main()
