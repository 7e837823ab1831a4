"""Sources of the documentation site, for its builder: pages, reference and configuration.

`python -m docs.website.assemble FOLDER` writes `FOLDER/mkdocs.yml` and `FOLDER/pages`; `make docs` builds the site.
"""

import re
import shutil
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import yaml

from docs.website.command_line_page import command_line_page
from docs.website.github_markdown import for_python_markdown
from docs.website.parameters_page import parameters_page
from docs.website.python_pages import python_pages
from docs.website.records_page import records_page

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
INDEX = "README.md"
_ROW = re.compile(r"(?m)^\| (.+?) \| (.*)\|$")
_REFERENCE = """| **Reference, made from the code** | |
| Which verbs and options are there? | [command-line.md](command-line.md) |
| Which parameters are there, and what are they set to? | [parameters.md](parameters.md) |
| What stands in the files between stages? | [records.md](records.md) |
| **Python** | |
"""


def navigation(index: str) -> list[dict[str, list[str]]]:
    """The groups of the index, each with its pages; a page is in the first group that names it.

    Args:
        index: a table of questions and pages, in which a bold row without a page begins a group.
    """
    groups: dict[str, list[str]] = {"Start here": [INDEX]}
    seen = {INDEX}
    for question, answer in _ROW.findall(index):
        if not answer.strip():
            groups[question.strip("*")] = []
        for page in re.findall(r"\]\(([\w/-]+\.md)\)", answer):
            groups[list(groups)[-1]] += [page] * (page not in seen)
            seen.add(page)
    return [{name: pages} for name, pages in groups.items()]


def all_pages() -> dict[str, str]:
    """The pages of docs/ and those made from the code, by their path in the site; the index names them all."""
    repository = _repository(ROOT / "pyproject.toml")
    pages = {page.name: for_python_markdown(page.read_text(encoding="utf-8"), repository) for page in DOCS.glob("*.md")}
    python = {f"python/{name}.md": text for name, text in python_pages(ROOT / "iterpref_core").items()}
    rows = [f"| `{Path(page).stem}` | [{page}]({page}) |\n" for page in python]
    pages[INDEX] = pages[INDEX].rstrip() + "\n" + _REFERENCE + "".join(rows)
    reference = {
        "command-line.md": command_line_page(),
        "parameters.md": parameters_page(ROOT / "params.yaml"),
        "records.md": records_page(),
    }
    return pages | reference | python


def _repository(pyproject: Path) -> str | None:
    """Where the repository is to be seen; None where pyproject.toml does not say it."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    address: str | None = project.get("urls", {}).get("Repository")
    return address


def write_sources(folder: Path, pages: Mapping[str, str]) -> None:
    """Write pages, the pictures of docs/ and the configuration into a folder, in place of what it has.

    Args:
        folder: `mkdocs.yml` and `pages/` are written there.
        pages: Markdown by path, the index among them.
    """
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(
        DOCS,
        folder / "pages",
        ignore=shutil.ignore_patterns("website", "run", "templates", "*.md", "*.json", "*.py", "__pycache__"),
    )
    for name, text in pages.items():
        path = folder / "pages" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    settings = yaml.safe_load((DOCS / "website/mkdocs.yml").read_text(encoding="utf-8"))
    settings |= {"docs_dir": "pages", "nav": navigation(pages[INDEX])}
    settings["theme"]["custom_dir"] = str(DOCS / "website/theme")
    (folder / "mkdocs.yml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")


if __name__ == "__main__":
    write_sources(Path(sys.argv[1]), all_pages())
