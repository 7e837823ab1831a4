"""Stage `problems`: what the splits promise."""

import pytest

from iterpref_core.evaluation.benchmarks.heldout.suite import Heldout
from iterpref_core.execution import Executor, Limits, reference_outcomes
from iterpref_core.pairs.codeflow.codeflow import selected
from iterpref_core.problems.composition.problem_splits import build_problems, compose_splits
from iterpref_core.records import ConfigError, IoTest, Problem, ProblemsParams, RecordError
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl
from tests.settings import EXECUTION, changed, section
from tests.settings import PARAMS as DEFAULTS

PARAMS = section(
    ProblemsParams,
    seed=1,
    student=30,
    debugger=40,
    codeflow=20,
    validation=10,
    heldout=50,
)


def build(composed, folder, out):
    params = changed(DEFAULTS, problems=composed)
    return build_problems(params, ingested=folder, own_pairs=folder / "none", out=out)


@pytest.fixture(scope="module")
def problems():
    return list(compose_splits(PARAMS))


def test_tests_are_many_distinct_and_include_edge_cases(problems):
    for problem in problems:
        assert (len(problem.tests), len(problem.hidden_tests)) == (6, 6)
        calls = [test.call for test in problem.tests + problem.hidden_tests if isinstance(test, IoTest)]
        assert len(set(calls)) == 12
        empty = {"numbers": "solve([])", "text": "solve('')", "table": "solve({})"}[problem.features[0]]
        assert empty in calls[:6]


def test_every_reference_passes_its_tests_when_it_is_run_in_isolation(problems):
    with Executor(Limits(cpu_s=2, wall_s=20), workers=2) as executor:
        assert {outcome.verdict for _, outcome in reference_outcomes(problems, executor) if outcome} == {"passed"}


def test_the_seed_decides_everything(problems):
    assert list(compose_splits(PARAMS)) == problems
    assert list(compose_splits(changed(PARAMS, seed=2))) != problems


def test_ingested_problems_join_codeflow_or_the_split_that_they_name(tmp_path, problems):
    splits = {"own/1": None, "own/2": "codeflow", "own/3": "heldout", "own/4": "validation"}
    own = [changed(problems[0], task_id=name, split=split) for name, split in splits.items()]
    write_jsonl(tmp_path / "own.jsonl", own)
    out = tmp_path / "out" / "problems.jsonl"
    counts = build(PARAMS, tmp_path, out).problems
    written = list(read_jsonl(out, Problem, unique=True))
    assert {problem.task_id: problem.split for problem in written[-4:]} == splits | {"own/1": "codeflow"}
    found = {name: counts[name] for name in ("ingested", "codeflow", "heldout", "validation")}
    assert found == {"ingested": 4, "codeflow": 22, "heldout": 51, "validation": 11}
    trained_on = {problem.task_id for problem in selected(out)}
    assert trained_on & splits.keys() == {"own/1", "own/2"}
    assert "own/3" in Heldout("heldout", out, EXECUTION).tasks


@pytest.mark.parametrize("split", ["held-out", "student", "test", ""])
def test_an_own_problem_of_a_split_that_it_cannot_have_is_refused(tmp_path, problems, split):
    out = tmp_path / "out.jsonl.out"
    write_jsonl(tmp_path / "own.jsonl", [changed(problems[0], task_id="own/1", split=split)])
    with pytest.raises(
        RecordError, match=rf"own\.jsonl: field 'split' of 'own/1': no split for own problems '{split}'"
    ):
        build(PARAMS, tmp_path, out)
    assert not out.exists()


def test_a_task_id_in_two_files_is_refused_and_nothing_is_written(tmp_path, problems):
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_text(changed(problems[0], task_id="own/1", split=None).to_json() + "\n")
    out = tmp_path / "problems.jsonl.out"
    with pytest.raises(RecordError, match=r"b\.jsonl.*own/1"):
        build(PARAMS, tmp_path, out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "b.jsonl"]


def test_more_problems_than_the_tree_has_are_refused(monkeypatch):
    monkeypatch.setattr("iterpref_core.problems.composition.compose.TWO_STEP_SHARE", 0.0)
    params = changed(PARAMS, debugger=17_000)
    with pytest.raises(ConfigError, match=r"the feature tree gives \d+; lower the sizes"):
        next(compose_splits(params))


NOTHING_COMPOSED = PARAMS.model_copy(
    update=dict.fromkeys(("student", "debugger", "codeflow", "validation", "heldout"), 0)
)


def test_composed_problems_can_be_left_out_altogether(tmp_path, problems):
    own = [changed(problems[0], task_id=f"own/{split}", split=split) for split in (None, "heldout")]
    write_jsonl(tmp_path / "own.jsonl", own)
    counts = build(NOTHING_COMPOSED, tmp_path, tmp_path / "out" / "problems.jsonl").problems
    written = read_jsonl(tmp_path / "out" / "problems.jsonl", Problem)
    assert [(problem.task_id, problem.split) for problem in written] == [
        ("own/None", "codeflow"),
        ("own/heldout", "heldout"),
    ]
    assert (counts["codeflow"], counts["heldout"], counts["student"]) == (1, 1, 0)
