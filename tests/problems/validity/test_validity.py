"""Stage `validity`: what is measured on the sample."""

import pytest

from iterpref_core.problems.validity.mutation_score import ProblemQuality
from iterpref_core.problems.validity.validity import measure_validity
from iterpref_core.records import AssertTest, InputError, IoTest, Problem, with_values
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl
from tests.settings import PARAMS

STEP = "def f(x):\n    if x > 5:\n        return 0\n    return x + 1\n"
WEAK = (IoTest(call="f(1)", expected="2"),)
STRONG = (*WEAK, IoTest(call="f(5)", expected="6"), IoTest(call="f(6)", expected="0"))


def problem(task_id, *tests, reference=STEP, **fields):
    values = {"task_id": task_id, "prompt": "?", "entry_point": "f", "split": "codeflow"}
    return Problem.model_validate({**values, "tests": tests, "reference": reference, **fields})


FIVE = (
    problem("weak", *WEAK),
    problem("strong", *WEAK, hidden_tests=STRONG[1:]),
    problem("fails", *WEAK, reference="def f(x): return 0"),
    problem("none", *WEAK, reference=None),
    problem("inside", *STRONG, hidden_tests=(AssertTest(code="for n in (1, 2):\n    assert f(n) == n + 1"),) * 2),
)


def measure(tmp_path):
    problems, out = tmp_path / "problems.jsonl", tmp_path / "validity.jsonl"
    write_jsonl(problems, [*FIVE, problem("elsewhere", *WEAK, split="heldout")])
    metrics = measure_validity(
        with_values(PARAMS, {"validity.sample": 10}), problems=problems, own_pairs=tmp_path / "none", out=out
    )
    return metrics, {item.task_id: item for item in read_jsonl(out, ProblemQuality)}


def test_coverage_and_mutation_score_of_every_problem_of_the_split_and_their_means(tmp_path):
    metrics, found = measure(tmp_path)
    assert found.keys() == {"weak", "strong", "fails", "none", "inside"}
    assert (found["weak"].coverage, found["weak"].mutation_score) == (4 / 6, 3 / 6)
    assert (found["strong"].coverage, found["strong"].mutation_score) == (1.0, 1.0)
    assert (found["fails"].reference, found["fails"].coverage) == ("wrong_answer", None)
    assert {survivor.line for survivor in found["weak"].survivors} <= {2, 3}
    assert [quality.inside for quality in found.values() if quality.inside] == [2]
    assert (metrics.problems, metrics.inside) == (5, 1)
    assert metrics.references == {"none": 1, "passed": 3, "wrong_answer": 1}
    assert metrics.coverage == pytest.approx((4 / 6 + 2) / 3)
    assert metrics.line_coverage == pytest.approx((3 / 4 + 2) / 3)
    assert metrics.branch_coverage == pytest.approx((1 / 2 + 2) / 3)
    assert (metrics.mutants, metrics.killed, metrics.mutation_score) == (18, 15, 15 / 18)


def test_a_file_without_problems_of_the_split_is_refused(tmp_path):
    path = tmp_path / "problems.jsonl"
    write_jsonl(path, [problem("a", *WEAK, split="heldout")])
    with pytest.raises(InputError, match="no problem of the split 'codeflow'"):
        measure_validity(PARAMS, problems=path, own_pairs=tmp_path / "none", out=tmp_path / "out.jsonl")
