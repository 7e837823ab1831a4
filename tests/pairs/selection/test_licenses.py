"""A license goes from the problem to its pairs, and is kept as it is written."""

import pytest

from iterpref_core.execution import Executor, Limits
from iterpref_core.pairs.selection.pair_selection import select_pairs
from iterpref_core.problems.synthesis.injection import inject_bugs
from iterpref_core.records import Attempt, IoTest, Problem, Trajectory
from iterpref_core.records.config import PairsParams
from iterpref_core.records.errors import RecordError
from iterpref_core.storage.jsonl import read_pairs, write_jsonl
from tests.settings import section
from tests.texts import written

ADD = Problem(
    task_id="add",
    prompt="Add 1.",
    entry_point="f",
    tests=(IoTest(call="f(1)", expected="2"),),
    reference="def f(x):\n    return x + 1\n",
    license="GPL-3.0-only",
)
PLAIN = ADD.model_copy(update={"task_id": "plain", "prompt": "Add one.", "license": None})


def attempt(number, code, verdict):
    return Attempt(iteration=number, code=code, verdict=verdict, feedback="", prompt_tokens=1, completion_tokens=1)


def test_selected_pairs_have_the_license_of_their_problem(tmp_path, word_model):
    attempts = (
        attempt(0, "def f(x):\n    return x\n", "wrong_answer"),
        attempt(1, "def f(x):\n    return x + 1\n", "passed"),
    )
    write_jsonl(tmp_path / "problems.jsonl", [ADD, PLAIN])
    trajectories = [Trajectory(task_id=task.task_id, solved=True, attempts=attempts) for task in (ADD, PLAIN)]
    write_jsonl(tmp_path / "trajectories.jsonl", trajectories)
    params = section(PairsParams, benchmarks=())
    out = tmp_path / "pairs.jsonl"
    select_pairs(tmp_path / "trajectories.jsonl", tmp_path / "problems.jsonl", word_model, params, out)
    assert {pair.task_id: pair.license for pair in read_pairs(out)} == {"add": "GPL-3.0-only", "plain": None}
    assert "license" not in out.read_text(encoding="utf-8").split("\n")[1]


def test_injected_pairs_have_the_license_of_their_problem(tmp_path):
    write_jsonl(tmp_path / "problems.jsonl", [ADD])
    out = tmp_path / "pairs.jsonl"
    with Executor(Limits(cpu_s=2, wall_s=20), workers=1) as engine:
        inject_bugs(tmp_path / "problems.jsonl", out, tmp_path / "spans.jsonl", engine, mutations=4, seed=0)
    assert {pair.license for pair in read_pairs(out)} == {"GPL-3.0-only"}


@pytest.mark.parametrize("license", [["MIT"], 3, {"spdx": "MIT"}, True, float("nan")])
def test_a_license_of_others_that_is_no_text_is_refused_and_not_passed_over(tmp_path, license):
    row = {"prompt": "p", "chosen": "x = 1\n", "rejected": "x = 2\n"}
    # Tests of others may be named like this project's word that tests judged a pair.
    source = written(tmp_path / "in.jsonl", row | {"license": None, "tested": "yes"}, row | {"tested": 1})
    assert [(pair.license, pair.tested) for pair in read_pairs(source)] == [(None, None), (None, None)]
    written(source, row | {"license": license})
    with pytest.raises(RecordError, match=r"in.jsonl:1: field 'license': a license is an SPDX expression in a text"):
        list(read_pairs(source))
