"""docs/own-model.md, executed as it stands: its commands in their order, its JSON, and what it says they print.

The model is a chat checkpoint whose drafts are wrong, the debugger the mock endpoint.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from iterpref_core.inference.codeflow_prompts import draft_prompt
from iterpref_core.inference.openai.mock_endpoint import Behavior, MockEndpoint, NoAnswerError, serve
from iterpref_core.records import FocalSpans, PreferencePair, Problem, Test, Trajectory
from iterpref_core.storage.jsonl import read_jsonl
from tests.flows.conftest import iterpref
from tests.once import made_once
from tests.pipeline.chat_checkpoint import write_chat_checkpoint
from tests.pipeline.page_walk import blocks, enter_clone, walk
from tests.settings import ROOT

__all__ = ["iterpref"]

Cli = Callable[..., tuple[int, str, str]]

PAGE = ROOT / "docs/own-model.md"
VARIABLES_OF_THE_USER = {"MODEL", "DEBUGGER", "DEBUGGER_URL", "OPENAI_API_KEY"}


def problems() -> list[Problem]:
    return list(read_jsonl(ROOT / "examples/problems.jsonl", Problem))


def right(problem: Problem) -> str:
    return f"```python\n{problem.reference}```"


def wrong(problem: Problem) -> str:
    return right(problem).replace("return ", "return not ")


def mended(prompt: str, seed: int) -> str:
    """What the debugger answers."""
    for problem in problems():
        if problem.prompt in prompt:
            return f"One line was wrong.\n\n{right(problem)}"
    raise NoAnswerError(prompt)


@pytest.fixture
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its drafts are wrong, and of the held-out problems it solves half."""

    def make(path: Path) -> None:
        drafted = [problem for problem in problems() if problem.split is None]
        heldout = [problem for problem in problems() if problem.split == "heldout"]
        known = {problem.prompt: (right if number % 2 else wrong)(problem) for number, problem in enumerate(heldout)}
        write_chat_checkpoint(path, {draft_prompt(p.prompt, "instruct"): wrong(p) for p in drafted} | known)

    return made_once(tmp_path_factory, "own-model", make)


@pytest.fixture
def clone(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the checkout as it is delivered, the present folder, with a user's variables set."""
    enter_clone(tmp_path, monkeypatch)
    with serve(MockEndpoint(mended, Behavior())) as url:
        values = {"MODEL": str(model), "DEBUGGER": "mender", "DEBUGGER_URL": url, "OPENAI_API_KEY": "none"}
        assert values.keys() == VARIABLES_OF_THE_USER
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        yield tmp_path


def test_the_commands_do_what_the_page_says(iterpref: Cli, clone: Path) -> None:
    def do(words: list[str]) -> tuple[int, str, str]:
        assert words[0] == "iterpref"
        return iterpref(*words[1:])

    walk(PAGE, VARIABLES_OF_THE_USER, do, lambda block, _: None)
    card = (clone / "mine/my-model/README.md").read_text(encoding="utf-8")
    assert "# my-model" in card
    assert "3 preference pairs" in card
    assert (clone / "reports/index.html").stat().st_size > 10_000


RECORDS = {"entry_point": Problem, "attempts": Trajectory, "chosen": PreferencePair, "method": FocalSpans}
"""Kinds of records by a field that no other has; spans have a `chosen` too, and come last."""


def test_every_json_of_the_page_is_what_it_says() -> None:
    found = set()
    for line in (line for block in blocks(PAGE, "json") for line in block.lines):
        fields = json.loads(line)
        if "kind" in fields:
            found.add(TypeAdapter[Any](Test).validate_python(fields).kind)
            continue
        record = [kind for field, kind in RECORDS.items() if field in fields][-1]
        assert fields.keys() <= record.model_fields.keys()
        found.add(type(record.model_validate_json(line)).__name__)
    assert found == {"io", "assert", "unittest", "script", *(record.__name__ for record in RECORDS.values())}
