"""docs/own-model.md, executed as it stands: its commands in their order, its JSON, and what it says they print.

The model is a chat checkpoint whose drafts are wrong, the debugger the mock endpoint. `iterpref run` runs its stages in
this process: Prefect and DVC around them are other tests'.
"""

import json
import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import TypeAdapter

from flows.cli import run_experiment
from iterpref_core.inference.codeflow_prompts import draft_prompt
from iterpref_core.inference.openai.mock_endpoint import Behavior, MockEndpoint, NoAnswerError, serve
from iterpref_core.records import FocalSpans, PreferencePair, Problem, Test, Trajectory
from iterpref_core.screening.benchmark_tasks import VARIABLES
from iterpref_core.storage.jsonl import read_jsonl
from tasks.orchestration.experiment_run import LAST_RUN, RunCost
from tasks.recording.dvc_graph import load_graph
from tests.flows.conftest import iterpref
from tests.once import made_once
from tests.pipeline.chat_checkpoint import write_chat_checkpoint
from tests.pipeline.conftest import copy_tree
from tests.settings import ROOT

__all__ = ["iterpref"]

Cli = Callable[..., tuple[int, str, str]]

PAGE = ROOT / "docs/own-model.md"
VARIABLES_OF_THE_USER = {"MODEL", "DEBUGGER", "DEBUGGER_URL", "OPENAI_API_KEY"}


class Block(NamedTuple):
    """A fenced block: its language and its lines."""

    language: str
    lines: list[str]


def blocks(language: str = "") -> list[Block]:
    found = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [Block(name, text.splitlines()) for name, text in found if language in ("", name)]


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
    copy_tree(tmp_path, "nano")
    monkeypatch.chdir(tmp_path)
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(run_experiment, "run_in_prefect", stages_in_this_process)
    monkeypatch.setattr(run_experiment, "prepared_workspace", lambda _: nullcontext())
    with serve(MockEndpoint(mended, Behavior())) as url:
        values = {"MODEL": str(model), "DEBUGGER": "mender", "DEBUGGER_URL": url, "OPENAI_API_KEY": "none"}
        assert values.keys() == VARIABLES_OF_THE_USER
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        yield tmp_path


def stages_in_this_process(_: object, parameters: Mapping[str, Any]) -> tuple[list[str], float]:
    """All stages of dvc.yaml in DVC's order, as their processes call them."""
    assert not any(parameters[name] for name in ("stages", "objectives", "benchmarks", "seeds", "force"))
    for name in load_graph():
        stage, _, item = name.partition("@")
        getattr(import_module(f"flows.{stage}"), stage)(*filter(None, [item]))
    LAST_RUN.parent.mkdir(parents=True, exist_ok=True)
    LAST_RUN.write_text(RunCost(total_s=1.0, stages=[]).model_dump_json(), encoding="utf-8")
    return ["."], 0.0


def shape(line: str) -> str:
    """A line of output without what differs between machines: numbers, blanks, addresses, folders, bars."""
    line = re.sub(r"https?://\S+|/\S+|~\S+", "#", line)
    return re.sub(r"[-+−]?\d[\d.,]*(e[-+]?\d+)?", "#", " ".join(line.split()))


def test_the_commands_do_what_the_page_says(iterpref: Cli, clone: Path) -> None:
    printed: list[str] = []
    for block in blocks():
        if block.language == "text":
            shapes = {shape(line) for line in printed}
            missing = [line for line in block.lines if line.strip() not in ("", "…") and shape(line) not in shapes]
            assert not missing, f"the page shows what is not printed: {missing}\n" + "\n".join(printed)
        if block.language != "sh":
            continue
        printed = []
        for line in block.lines:
            words = shlex.split(os.path.expandvars(line))
            if words[0] == "export":
                assert {word.partition("=")[0] for word in words[1:]} <= VARIABLES_OF_THE_USER
                continue
            assert words[0] == "iterpref", line
            code, out, err = iterpref(*words[1:])
            assert code == 0, f"{line}\n{out}\n{err}"
            printed += [*out.splitlines(), *err.splitlines()]
    card = (clone / "mine/my-model/README.md").read_text(encoding="utf-8")
    assert "# my-model" in card
    assert "3 preference pairs" in card
    assert (clone / "reports/index.html").stat().st_size > 10_000


RECORDS = {"entry_point": Problem, "attempts": Trajectory, "chosen": PreferencePair, "method": FocalSpans}
"""Kinds of records by a field that no other has; spans have a `chosen` too, and come last."""


def test_every_json_of_the_page_is_what_it_says() -> None:
    found = set()
    for line in (line for block in blocks("json") for line in block.lines):
        fields = json.loads(line)
        if "kind" in fields:
            found.add(TypeAdapter[Any](Test).validate_python(fields).kind)
            continue
        record = [kind for field, kind in RECORDS.items() if field in fields][-1]
        assert fields.keys() <= record.model_fields.keys()
        found.add(type(record.model_validate_json(line)).__name__)
    assert found == {"io", "assert", "unittest", "script", *(record.__name__ for record in RECORDS.values())}
