"""Sources of the documentation site, for its builder: pages, reference and configuration.

`python -m docs.website.assemble FOLDER` writes `FOLDER/mkdocs.yml` and `FOLDER/pages`; `make docs` builds the site.
"""

import re
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

import yaml

from docs.website.command_line_page import command_line_page
from docs.website.github_markdown import for_python_markdown
from docs.website.parameters_page import parameters_page
from docs.website.python_pages import python_pages
from docs.website.records_page import records_page

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
_ROW = re.compile(r"(?m)^\| (.+?) \| (.*)\|$")


def navigation(index: str) -> list[dict[str, list[str]]]:
    """The groups of docs/README.md, each with its pages; a page is in the first group that names it.

    Args:
        index: text of docs/README.md.
    """
    groups: dict[str, list[str]] = {"Start here": ["README.md"]}
    seen = {"README.md"}
    for question, answer in _ROW.findall(index):
        if not answer.strip():
            groups[question.strip("*")] = []
        pages = [page for page in re.findall(r"\]\(([\w-]+\.md)\)", answer) if page not in seen]
        groups[list(groups)[-1]] += list(dict.fromkeys(pages))
        seen |= set(pages)
    return [{name: pages} for name, pages in groups.items()]


def repository_address(pyproject: Path) -> str | None:
    """Where the repository is to be seen; None where pyproject.toml does not say it."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    address: str | None = project.get("urls", {}).get("Repository")
    return address


def reference_pages() -> dict[str, str]:
    """Pages made from the code, by their path in the site."""
    pages = {
        "command-line.md": command_line_page(),
        "parameters.md": parameters_page(ROOT / "params.yaml"),
        "records.md": records_page(),
    }
    return pages | {f"python/{name}.md": text for name, text in python_pages(ROOT / "iterpref_core").items()}


def assemble(folder: Path) -> None:
    """Write pages and configuration into a folder, in place of what it has."""
    shutil.rmtree(folder, ignore_errors=True)
    pages = folder / "pages"
    shutil.copytree(DOCS, pages, ignore=shutil.ignore_patterns("website", "*.md", "demo_runs"))
    repository = repository_address(ROOT / "pyproject.toml")
    texts = {page.name: for_python_markdown(page.read_text(encoding="utf-8"), repository) for page in DOCS.glob("*.md")}
    reference = reference_pages()
    for name, text in (texts | reference).items():
        (pages / name).parent.mkdir(exist_ok=True)
        (pages / name).write_text(text, encoding="utf-8")
    python = [name for name in reference if name.startswith("python/")]
    nav: list[Any] = navigation((DOCS / "README.md").read_text(encoding="utf-8"))
    nav += [{"Reference": [*(name for name in reference if name not in python), {"Python": python}]}]
    settings = yaml.safe_load((DOCS / "website/mkdocs.yml").read_text(encoding="utf-8"))
    settings |= {"nav": nav, "docs_dir": "pages"}
    settings["theme"]["custom_dir"] = str(DOCS / "website/theme")
    (folder / "mkdocs.yml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")


if __name__ == "__main__":
    assemble(Path(sys.argv[1]))
