"""Files of samples in, files of results out."""

import json
import re

import pytest
import typer

from iterpref_core.cli import evaluation_verbs
from iterpref_core.execution import Limits, execute_samples
from iterpref_core.records import AssertTest, IoTest, Problem, RecordError, Result, Sample
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl
from tests.settings import changed

DOUBLE = Problem(
    task_id="double",
    prompt="def f(x):\n",
    entry_point="f",
    tests=(IoTest(call="f(1)", expected="2"),),
    hidden_tests=(IoTest(call="f(3)", expected="6"),),
    reference="def f(x): return x + x",
    setup="import math",
)
SQUARE = changed(DOUBLE, task_id="square", tests=(IoTest(call="f(3)", expected="9"),))


LIMITS = Limits(cpu_s=1, wall_s=3)


@pytest.fixture
def files(tmp_path):
    problems, samples = tmp_path / "problems.jsonl", tmp_path / "samples.jsonl"
    write_jsonl(problems, [DOUBLE, SQUARE])
    write_jsonl(
        samples,
        [
            Sample(task_id="double", solution="def f(x): return math.prod([2, x])"),
            Sample(task_id="square", solution="def f(x): return x * x"),
            Sample(task_id="double", completion="    return 2"),
        ],
    )
    return problems, samples, tmp_path / "results.jsonl"


def test_results_are_in_order_and_references_that_fail_their_own_tests_are_counted(executor, files, caplog):
    problems, samples, out = files
    assert execute_samples(problems, samples, out, executor, "mark").samples == 3
    results = list(read_jsonl(out, Result))
    assert [(r.task_id, r.sample, r.verdict, r.tests_passed, r.tests_total) for r in results] == [
        ("double", 0, "passed", 2, 2),
        ("square", 0, "wrong_answer", 1, 2),
        ("double", 1, "wrong_answer", 1, 2),
    ]
    assert results[2].feedback == "f(3) returned 2, expected 6"
    assert results[0].isolation == executor.isolation
    (said,) = [record.getMessage() for record in caplog.records if "references" in record.getMessage()]
    assert "references: 1 of 2 fail their own tests, such as square: f(3) returned 6, expected 9" in said


def test_an_unknown_task_is_named_with_its_line(executor, files):
    problems, samples, out = files
    with samples.open("a") as file:
        file.write(Sample(task_id="cube", solution="x = 1").to_json() + "\n")
    with pytest.raises(RecordError, match=r"samples\.jsonl:4: field 'task_id': no problem has the id 'cube'"):
        execute_samples(problems, samples, out, executor, "mark")
    assert not out.exists()


def test_a_broken_line_is_named(executor, files):
    problems, samples, out = files
    samples.write_text('{"task_id": "double"}\n')
    with pytest.raises(RecordError, match=r"samples\.jsonl:1: give 'solution' or 'completion'"):
        execute_samples(problems, samples, out, executor, "mark")


def test_an_expected_value_that_is_no_literal_is_refused(executor, files):
    problems, samples, out = files
    write_jsonl(problems, [changed(DOUBLE, tests=(IoTest(call="f(1)", expected="g(2)"),)), SQUARE])
    with pytest.raises(RecordError, match=r"problem 'double': .*not a Python literal: 'g\(2\)'"):
        execute_samples(problems, samples, out, executor, "mark")


LACKING = AssertTest(code="import no_such_one\nassert f(1) == 2")
LOOP = AssertTest(code="for x in (1, 2):\n    assert f(x) == 2 * x")


def test_execute_prints_what_became_of_the_samples(files, capsys):
    problems, samples, out = files
    lacking = changed(DOUBLE, task_id="lacking", tests=(LACKING,))
    write_jsonl(problems, [changed(DOUBLE, tests=(LOOP,)), lacking])
    write_jsonl(samples, [Sample(task_id=name, solution="def f(x): return 2") for name in ("double", "lacking")])
    evaluation_verbs.execute(problems, samples, out, json_=True)
    assert json.loads(capsys.readouterr().out) == {
        "samples": 2,
        "verdict": {"wrong_answer": 1, "infra_error": 1},
        "inside": 1,
        "infra_error": "lacking: the test needs package no_such_one, which is not installed",
        "out": str(out),
    }
    write_jsonl(samples, [Sample(task_id="lacking", solution="def f(x): return 2")])
    with pytest.raises(typer.Exit) as ended:
        evaluation_verbs.execute(problems, samples, out)
    assert ended.value.exit_code == 1
    assert "verdict infra_error  1\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('"tests": [{"kind": "foo", "code": ""}]', "the kind 'foo' is unknown; kinds of tests: io, assert, unittest"),
        ('"tests": [{"call": "f(1)", "expected": "2"}]', "'kind' is missing; kinds of tests: io, assert, unittest"),
        ('"tests": [{"kind": "assert"}]', 'such a test is {"kind": "assert", "code": "assert f(1) == 2"}'),
        ('"test": "", "canonical_solution": ""', "iterpref ingest FILE --format humaneval --out problems.jsonl"),
        ("", "no problem is in the file"),
    ],
)
def test_a_file_that_has_no_problem_is_answered_with_what_to_write(executor, files, line, said):
    problems, samples, out = files
    problems.write_text(f'{{"task_id": "a", "prompt": "p", {line}}}\n' if line else "")
    with pytest.raises(RecordError, match=re.escape(said)):
        execute_samples(problems, samples, out, executor, "mark")
