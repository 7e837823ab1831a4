"""Small benchmarks, of EvalPlus's real data where that is at hand and of two problems of our own; shared workers."""

import gzip
import json
import os

import pytest

from iterpref_core.evaluation.benchmarks.benchmark import EvaluationSetting
from iterpref_core.records import IoTest, LiveCodeBenchParams, Problem
from iterpref_core.storage.jsonl import write_jsonl
from tests.command_line import calling
from tests.settings import PARAMS, changed
from tests.shared_workers import shared_workers

__all__ = ["shared_workers"]

VARIABLES = {"humaneval": "HUMANEVAL_OVERRIDE_PATH", "mbpp": "MBPP_OVERRIDE_PATH"}


@pytest.fixture
def execution():
    return changed(PARAMS.execution, workers=1)


@pytest.fixture
def setting(execution, tmp_path):
    window = LiveCodeBenchParams(release="release_v5", since=None, until=None)
    evaluation = changed(PARAMS.evaluation, livecodebench=window)
    params = changed(PARAMS, evaluation=evaluation, execution=execution)
    return EvaluationSetting(params, tmp_path / "problems.jsonl", tmp_path / "cache")


@pytest.fixture
def iterpref(monkeypatch, capsys, tmp_path):
    """Run the command line in this process, in a folder of the test's own; returns (exit code, stdout, stderr)."""
    from iterpref_core.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("iterpref_core.models.inference.pacing._FIRST_S", 0.001)
    return calling(main, monkeypatch, capsys)


@pytest.fixture
def evalplus_slice(tmp_path, monkeypatch):
    """Point EvalPlus at some tasks of its data: full ground truths take minutes of CPU, these take seconds."""

    def make(dataset, *task_ids):
        source = os.environ.get(VARIABLES[dataset])
        if not source:
            pytest.skip(f"set {VARIABLES[dataset]} to run EvalPlus on its real data")
        read = gzip.open if source.endswith(".gz") else open
        with read(source, "rt", encoding="utf-8") as file:
            lines = [line for line in file if json.loads(line)["task_id"] in task_ids]
        assert len(lines) == len(task_ids)
        path = tmp_path / f"{dataset}-slice.jsonl"
        path.write_text("".join(lines))
        monkeypatch.setenv(VARIABLES[dataset], str(path))
        return path

    return make


@pytest.fixture
def problems(tmp_path):
    """Two held-out problems, one of them with a hidden test, and one of another split."""
    kinds = ("h/double", "heldout", "2"), ("h/square", "heldout", "x"), ("v/double", "validation", "2")
    rows = [
        Problem(
            task_id=task_id,
            prompt=f"Write f that will {task_id[2:]} x ({split}).",
            entry_point="f",
            tests=(IoTest(call="f(2)", expected="4"),),
            hidden_tests=(IoTest(call="f(3)", expected="6" if factor == "2" else "9"),),
            reference=f"def f(x):\n    return {factor} * x\n",
            split=split,
        )
        for task_id, split, factor in kinds
    ]
    write_jsonl(path := tmp_path / "problems.jsonl", rows)
    return path
