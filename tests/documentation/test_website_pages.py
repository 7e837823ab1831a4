"""The pages of the documentation site, before it is built: its index has all of them, its reference all of the code."""

import ast
import doctest
import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
import yaml
from pydantic import BaseModel

from docs.website import schema_types
from docs.website.assemble import all_pages, navigation
from docs.website.github_markdown import docstring_markdown, for_python_markdown
from docs.website.parameters_page import comments_of
from flows import cli
from iterpref_core.config import Params
from tests.settings import ROOT


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return all_pages()


def sections(page: str, level: int) -> dict[str, str]:
    """What stands below each heading of a level, by its text."""
    found = re.split(rf"(?m)^{'#' * level} (.*)$", page)
    return dict(zip(found[1::2], found[2::2], strict=True))


def test_every_page_is_in_the_index_once(pages: dict[str, str]) -> None:
    groups = navigation(pages["README.md"])
    listed = [page for group in groups for names in group.values() for page in names]
    assert sorted(listed) == sorted(pages)
    assert {path.name for path in ROOT.glob("docs/*.md")} <= set(listed)
    assert all(names for group in groups for names in group.values())


def verbs(command: Any, words: str) -> Iterator[tuple[str, Any]]:
    for name, each in getattr(command, "commands", {}).items():
        yield f"{words} {name}", each
        yield from verbs(each, f"{words} {name}")


def test_the_reference_names_every_verb_and_option(pages: dict[str, str]) -> None:
    found = sections(pages["command-line.md"], 3)
    known = dict(verbs(typer.main.get_command(cli.app), "iterpref"))
    assert set(found) == set(known)
    for words, command in known.items():
        for parameter in command.params:
            assert [name for name in parameter.opts if name not in found[words].lower()] == [], words


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from keys(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def test_the_reference_names_every_parameter_with_value_and_comment(pages: dict[str, str]) -> None:
    page = pages["parameters.md"]
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    values = yaml.safe_load(text)
    for key in keys(Params):
        section, *path = key.split(".")
        value = values[section]
        for name in path:
            value = value[name]
        if isinstance(value, dict) and value:  # an entry each
            assert [name for name in value if f"| `{key}.{name}.learning_rate` |" not in page] == []
        else:
            shown = re.search(rf"(?m)^\| `{re.escape(key)}` \| [^|]+ \| `(.*?)` \|", page)
            assert shown, key
            assert yaml.safe_load(shown[1]) == value, key
    comments = re.findall(r"(?m)^ *[^#\s].*?\s# (.*)$", text)
    assert len(comments) > 100
    lost = [part for comment in comments for part in re.split(r"\s{2,}", comment) if part not in page]
    assert lost == []


def test_the_reference_has_every_record_with_its_fields_and_example(pages: dict[str, str]) -> None:
    found = sections(pages["records.md"], 2)
    classes = [
        node
        for node in ast.parse((ROOT / "iterpref_core/records.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and node.name != "Record"
    ]
    assert set(found) == {node.name for node in classes}
    for node in classes:
        section = found[node.name]
        assert (ast.get_docstring(node) or "!").partition("\n")[0] in section
        named = [each.target.id for each in node.body if isinstance(each, ast.AnnAssign)]  # type: ignore[union-attr]
        assert [name for name in named if name != "example" and f"| `{name}` | " not in section] == []
        assert ("```json" in section) == ("example" in named)


def test_the_reference_has_every_module_of_the_core(pages: dict[str, str]) -> None:
    core = ROOT / "iterpref_core"
    asked = [name for page in pages.values() for name in re.findall(r"(?m)^::: (\S+)$", page)]
    files = [path.relative_to(ROOT).with_suffix("") for path in core.rglob("*.py") if path.stem != "__main__"]
    assert sorted(asked) == sorted(".".join(file.parts).removesuffix(".__init__") for file in files)


def test_comments_of_a_file_are_those_of_its_keys() -> None:
    text = (
        "# of the file\na: # a section  paper: so\n  b: 1 # goes on,\n  # here\n"
        "  # of the next one\n  c: { d: 2 } # in one line\n  e: 3\n"
    )
    expected = {"a": "a section; *paper: so*", "a.b": "goes on, here", "a.c": "of the next one; in one line"}
    assert comments_of(text) == expected


@pytest.mark.parametrize(
    ("github", "python"),
    [
        ("There are:\n- one\n  more\n- two", "There are:\n\n- one\n  more\n- two"),
        ("There are:\n| a |\n|---|\n| 1 |", "There are:\n\n| a |\n|---|\n| 1 |"),
        ("- one\n  - in it", "- one\n    - in it"),
        ("```\na:\n- [b](../c.py)\n```", "```\na:\n- [b](../c.py)\n```"),
        ("````\n```\n- x\n```\ny\n- z\n````\ny\n- z", "````\n```\n- x\n```\ny\n- z\n````\ny\n\n- z"),
        ("[`a/b.py`](../a/b.py), [the table](../a/b.py#L1)", "`a/b.py`, the table (`a/b.py`)"),
        ("[a page](pages.md#there)", "[a page](pages.md#there)"),
    ],
)
def test_markdown_of_github_becomes_markdown_of_python(github: str, python: str) -> None:
    assert for_python_markdown(github, None) == f"{python}\n"


def test_files_outside_docs_are_linked_where_the_repository_has_an_address() -> None:
    found = for_python_markdown("[`a.py`](../a.py), [b](../b/c.md#d)", "https://code.example/x")
    assert found == "[`a.py`](https://code.example/x/blob/HEAD/a.py), [b](https://code.example/x/blob/HEAD/b/c.md#d)\n"


def test_a_doctest_becomes_a_block_of_code() -> None:
    text = "Adds.\n\n>>> add(1)\n[2]\n\nAnd more."
    assert docstring_markdown(text) == "Adds.\n\n```pycon\n>>> add(1)\n[2]\n```\n\nAnd more.\n"


def test_docstring_examples() -> None:
    assert doctest.testmod(schema_types).failed == 0
    assert doctest.testmod(schema_types).attempted > 0
