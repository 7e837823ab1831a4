"""What tests demand of a program: coverage of the reference, and mutants told apart."""

import json

import pytest

from iterpref_core.errors import ConfigError
from iterpref_core.execution import Coverage, Executor, Limits, Program
from iterpref_core.records import AssertTest, IoTest, Problem, ScriptTest, UnittestTest
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl
from iterpref_core.validity.mutation_score import PRELOAD, QualityOptions, assess_tests, measure_quality
from tests.engines import outcomes_of

STEP = "def f(x):\n    if x > 5:\n        return 0\n    return x + 1\n"
WEAK = (IoTest(call="f(1)", expected="2"),)
STRONG = (*WEAK, *(IoTest(call=f"f({n})", expected=str(n + 1 if n <= 5 else 0)) for n in (5, 6)))


@pytest.fixture(scope="module", params=["A", "B"])
def executor(request):
    """In the best tier of this machine, and without namespaces."""
    with Executor(Limits(cpu_s=1, wall_s=5), workers=2, preload=PRELOAD, namespaces=request.param == "A") as executor:
        yield executor


def problem(task_id: str, *tests, reference: str | None = STEP, **fields) -> Problem:
    return Problem(task_id=task_id, prompt="?", entry_point="f", tests=tests, reference=reference, **fields)


KINDS = {
    "io": WEAK,
    "assert": (AssertTest(code="two = 2\nassert f(1) == two"),),
    "unittest": (UnittestTest(code="class T(unittest.TestCase):\n    def test(self): self.assertEqual(f(1), 2)"),),
    "script": (ScriptTest(module="own.step", files={"t.py": "from own.step import f\nassert f(1) == 2"}, run="t.py"),),
}


@pytest.mark.parametrize("setup", ["", "import math\nimport re"], ids=["alone", "with setup"])
@pytest.mark.parametrize("kind", KINDS)
def test_coverage_is_the_same_for_all_kinds_of_tests(executor, kind, setup):
    outcome = executor.run_one(Program(STEP, KINDS[kind], setup, measure=True))
    assert (outcome.verdict, outcome.coverage) == ("passed", Coverage(lines=4, missing=(3,), branches=2, taken=1))


def test_coverage_agrees_with_coverage_py_run_by_hand(executor, tmp_path, monkeypatch):
    import coverage

    code = "def f(n):\n    total = 0\n    for i in range(n):\n        total += i if i % 2 else 0\n    else:\n"
    code += "        pass\n    try:\n        return 1 // total\n    except ZeroDivisionError:\n        return None\n"
    tests = tuple(IoTest(call=f"f({n})", expected=str(value)) for n, value in ((0, None), (1, None)))
    path = tmp_path / "solution.py"
    path.write_text(code)
    monkeypatch.chdir(tmp_path)
    oracle = coverage.Coverage(data_file=None, branch=True, config_file=False, include=[str(path)])
    oracle.start()
    namespace: dict[str, object] = {}
    exec(compile(code, str(path), "exec"), namespace)
    for n in (0, 1):
        namespace["f"](n)
    oracle.stop()
    _, lines, _, missing, _ = oracle.analysis2(str(path))
    branches = oracle.branch_stats(str(path)).values()
    outcome = executor.run_one(Program(code, tests, measure=True))
    assert outcome.coverage == Coverage(
        len(lines), tuple(missing), sum(possible for possible, _ in branches), sum(taken for _, taken in branches)
    )


def test_a_program_without_branches_has_taken_them_all():
    coverage = Coverage(lines=2, missing=(), branches=0, taken=0)
    assert (coverage.line_share, coverage.branch_share, coverage.share) == (1.0, 1.0, 1.0)


def test_lines_of_a_failure_do_not_count_the_setup(executor):
    broken = STEP.replace("x + 1", "1 / 0")
    plain, measured = outcomes_of(
        executor, [Program(broken, WEAK, "import math\n", measure=flag) for flag in (False, True)]
    )
    assert measured.feedback == plain.feedback
    assert measured.coverage is None


@pytest.mark.parametrize(
    "hostile",
    [
        "import sys\nsys.settrace(None)\n",
        "import os, shutil\nshutil.rmtree(os.getcwd())\n",
        "import coverage\ncoverage.Coverage.analysis2 = lambda *a: (0, 'x' * 99, 0, [-1], 0)\n",
        "import coverage\ndef no(*a): raise SystemError\ncoverage.Coverage.stop = no\n",
        "import json\njson.dumps = lambda *a, **k: '{}'\n",
    ],
)
def test_who_breaks_the_measurement_gains_nothing(executor, hostile):
    passing, failing = outcomes_of(
        executor,
        [Program(hostile + STEP, WEAK, measure=True), Program(hostile + "def f(x): return 0", WEAK, measure=True)],
    )
    assert passing.verdict in ("passed", "tampered")
    assert failing.verdict in ("wrong_answer", "tampered")


def test_stronger_tests_kill_more_mutants(executor):
    problems = [problem("weak", *WEAK), problem("strong", *STRONG)]
    weak, strong = (found for _, found in measure_quality(problems, executor, QualityOptions()))
    assert (weak.reference, weak.coverage, weak.missing_lines) == ("passed", 4 / 6, (3,))
    assert (weak.mutants, weak.killed, weak.mutation_score) == (9, 5, 5 / 9)
    assert {survivor.line for survivor in weak.survivors} == {2, 3}
    assert (strong.coverage, strong.mutation_score, strong.survivors) == (1.0, 1.0, ())


def test_equivalent_mutants_survive_and_endless_ones_do_not(executor):
    reference = "def f(x):\n    n = 0\n    while n < x:\n        n += 1\n    return abs(n)\n"
    tests = [IoTest(call=f"f({n})", expected=str(n)) for n in (0, 1, 4)]
    ((_, found),) = measure_quality([problem("count", *tests, reference=reference)], executor, QualityOptions())
    assert [survivor.change for survivor in found.survivors] == []
    assert found.killed == found.mutants == 8


FOUR = (
    problem("weak", *WEAK),
    problem("strong", *WEAK, hidden_tests=STRONG[1:]),
    problem("fails", *WEAK, reference="def f(x): return 0"),
    problem("none", *WEAK, reference=None),
)


@pytest.mark.parametrize(
    ("options", "kept", "dropped"),
    [
        (QualityOptions(), ["weak", "strong", "fails", "none"], {}),
        (QualityOptions(min_coverage=0.6), ["weak", "strong"], {"reference_fails": 1, "no_reference": 1}),
        (
            QualityOptions(min_coverage=0.7),
            ["strong"],
            {"low_coverage": 1, "reference_fails": 1, "no_reference": 1},
        ),
        (
            QualityOptions(min_mutation_score=0.9),
            ["strong"],
            {"low_mutation_score": 1, "reference_fails": 1, "no_reference": 1},
        ),
    ],
)
def test_thresholds_drop_problems_for_a_named_reason(executor, tmp_path, options, kept, dropped):
    source, out, scores = tmp_path / "problems.jsonl", tmp_path / "kept.jsonl", tmp_path / "scores.jsonl"
    write_jsonl(source, FOUR)
    metrics = assess_tests(source, executor, options, scores=scores, out=out)
    assert [item.task_id for item in read_jsonl(out, Problem)] == kept
    assert {name: metrics[f"dropped/{name}"] for name in dropped} == dropped
    assert (metrics["problems"], metrics["kept"]) == (4, len(kept))
    assert sum(value for name, value in metrics.items() if name.startswith("dropped/")) == 4 - len(kept)
    lines = [json.loads(line) for line in scores.read_text().splitlines()]
    assert [line["task_id"] for line in lines] == [item.task_id for item in FOUR]


def test_the_same_mutants_are_taken_every_time(executor):
    options = QualityOptions(max_mutants=4, seed=3)
    first, second = (list(measure_quality(FOUR, executor, options)) for _ in range(2))
    assert first == second
    assert first[0][1].mutants == 4


@pytest.mark.parametrize("options", [{"min_coverage": 1.5}, {"min_mutation_score": -0.1}, {"max_mutants": 0}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        QualityOptions(**options)
