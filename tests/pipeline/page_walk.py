"""Walk through a page of docs/: its commands are executed as they stand there, and must print what it shows.

`iterpref run` runs its stages in this process: Prefect and DVC around them are other tests'.
"""

import os
import re
import shlex
from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from flows.cli import run_experiment
from iterpref_core.screening.benchmark_tasks import VARIABLES
from tasks.orchestration.experiment_run import LAST_RUN, RunCost
from tasks.recording.dvc_graph import load_graph, select_stages
from tests.pipeline.conftest import copy_tree

Do = Callable[[list[str]], tuple[int, str, str]]
"""Executes the words of a command; returns exit code, stdout and stderr."""


class Block(NamedTuple):
    """A fenced block: its language and its lines."""

    language: str
    lines: list[str]


def blocks(page: Path, language: str = "") -> list[Block]:
    """The fenced blocks that name a language, or this one."""
    found = re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [Block(name, text.splitlines()) for name, text in found if language in ("", name)]


def enter_clone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copy the checkout as it is delivered into a folder, and make that the present one."""
    copy_tree(folder, "nano")
    monkeypatch.chdir(folder)
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    finished: set[str] = set()

    def stages_in_this_process(_: object, parameters: Mapping[str, Any]) -> tuple[list[str], float]:
        """The stages that are asked for, in DVC's order, as their processes call them; each once."""
        assert not any(parameters[name] for name in ("objectives", "benchmarks", "seeds", "force"))
        for name in select_stages(load_graph(), parameters["stages"]):
            if name not in finished:
                stage, _, item = name.partition("@")
                getattr(import_module(f"flows.{stage}"), stage)(*filter(None, [item]))
                finished.add(name)
        LAST_RUN.parent.mkdir(parents=True, exist_ok=True)
        LAST_RUN.write_text(RunCost(total_s=1.0, stages=[]).model_dump_json(), encoding="utf-8")
        return ["."], 0.0

    monkeypatch.setattr(run_experiment, "run_in_prefect", stages_in_this_process)
    monkeypatch.setattr(run_experiment, "prepared_workspace", lambda _: nullcontext())


def walk(page: Path, variables: Collection[str], do: Do, edit: Callable[[Block, list[str]], None]) -> None:
    """Execute the commands of a page; what it shows must be among what those right before it printed.

    Args:
        page: its blocks are commands (`sh`), what they print (`text`) and others.
        variables: what a reader exports; the page's values are passed over, since they are a reader's own.
        do: executes a command that is none of the shell's.
        edit: gets every other block, and what the commands before it printed.
    """
    printed: list[str] = []
    for block in blocks(page):
        if block.language == "text":
            shapes = {shape(line) for line in printed}
            missing = [line for line in block.lines if line.strip() not in ("", "…") and shape(line) not in shapes]
            assert not missing, f"the page shows what is not printed: {missing}\n" + "\n".join(printed)
        elif block.language != "sh":
            edit(block, printed)
        else:
            printed = [line for command in block.lines for line in _printed(command, variables, do)]


def _printed(command: str, variables: Collection[str], do: Do) -> list[str]:
    words = shlex.split(os.path.expandvars(command), comments=True)
    if words[0] == "export":
        assert {word.partition("=")[0] for word in words[1:]} <= set(variables)
        return []
    code, out, err = do(words)
    assert code == 0, f"{command}\n{out}\n{err}"
    return [*out.splitlines(), *err.splitlines()]


def shape(line: str) -> str:
    """A line of output without what differs between machines: numbers, blanks, addresses, folders, bars."""
    line = re.sub(r"https?://\S+|[/~][\w./-]+", "#", line)
    return re.sub(r"[-+−<]?\d[\d.,]*(e[-+]?\d+)?", "#", " ".join(line.split()))
