"""Commands in README and docs: verbs, options and stages that exist."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from flows.cli.app import app
from tests.settings import ROOT

PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("[!.]*/README.md")} - {ROOT / "CHANGELOG.md"})
COMMAND = re.compile(
    r"(?m)^\s*(?:[A-Z_]+=\S+ |(?:\S*/bin/\S+|accelerate|cp|curl|docker|dvc|export|git|iterpref|make|mkdir|mlflow|pip"
    r"|prefect|python3?|pytest|rm|sh|srun|tar) )"
)


def commands(text: str, program: str) -> Iterator[list[str]]:
    """The words behind a program's name, in code, up to a comment or another command."""
    for block in re.findall(r"(?s)```.*?```|`[^`]+`", text):
        for line in re.findall(rf"(?m)(?:^|[\s`]){program} ([^\n`#|;&]+)", block.replace("\\\n", " ")):
            yield line.split()


@cache
def command_line() -> Any:
    """The verbs and options as they are."""
    return typer.main.get_command(app)


def problems_of(words: list[str]) -> list[str]:
    """Of words behind `iterpref`: a verb that is not there, or options that it does not have."""
    command = command_line()
    for word in words:
        if not hasattr(command, "commands") or not re.fullmatch(r"[a-z][a-z-]*", word):
            break
        if word not in command.commands:
            return [f"no verb {word}"]
        command = command.commands[word]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    asked = {option for word in words for option in re.findall(r"^\[?(--[a-z][a-z-]*)", word)}
    return [f"{command.name} has no {option}" for option in sorted(asked - known - {"--help"})]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_verbs_and_options_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert [found for words in commands(text, "iterpref") for found in problems_of(words)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_stages_are_there_and_forced_alone(page: Path) -> None:
    """Without `--single-item` DVC runs everything again that a forced stage depends on, trainings included."""
    graph = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    known = set(graph) | {f"{stage}@{item}" for stage in graph for item in graph[stage].get("foreach", ())}
    for words in commands(page.read_text(encoding="utf-8"), "dvc repro"):
        assert {word for word in words if not word.startswith("-")} <= known, words
        assert "--force" not in words or "--single-item" in words, words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_that_no_test_executes_say_what_they_need(page: Path) -> None:
    """README's first block, too: tests run the pipeline of `make demo`, and not that line as it stands."""
    found = re.findall(r"(?ms)^ *(`{3,}|~{3,})([^\n`]*)\n(.*?)^ *\1 *$", page.read_text(encoding="utf-8"))
    blocks = [text for _, language, text in found if language.strip() != "sh" and COMMAND.search(text)]
    unmarked = [text.partition("\n")[0] for text in blocks if not re.match(r" *# needs: \S", text)]
    assert unmarked == [], f"{page.relative_to(ROOT)}: blocks whose first line is not `# needs: …`: {unmarked}"


def test_only_the_walks_have_blocks_called_sh() -> None:
    """Such a block goes on from the one before it, and says nothing of what it needs."""
    walks = {"own-model.md", "tutorial.md"}
    assert {page.name for page in PAGES if "\n```sh\n" in page.read_text(encoding="utf-8")} == walks


def test_the_site_has_every_page() -> None:
    """Else `make docs` ends with an error."""
    named = set(re.findall(r"(?m)^ +- (?:\w+: )?([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8")))
    assert {name for name in named if "/" not in name} == {path.name for path in (ROOT / "docs").glob("*.md")}
