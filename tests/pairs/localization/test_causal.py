"""Delta debugging on fixes: what remains is what the tests need."""

import pytest

from iterpref_core.execution import Executor, Limits
from iterpref_core.pairs.localization.causal import find_cause
from iterpref_core.pairs.localization.hunks import apply_hunks, find_hunks, undo_renames
from iterpref_core.records import IoTest, PreferencePair, Problem
from iterpref_core.records.errors import InputError
from iterpref_core.storage.jsonl import write_jsonl
from tests.pairs.localization.localizing import localize
from tests.settings import EXECUTION
from tests.texts import marked

PROBLEM = Problem(
    task_id="t",
    prompt="p",
    entry_point="f",
    tests=(IoTest(call="f([3, 4])", expected="7"), IoTest(call="f([])", expected="0")),
)
REJECTED = "def f(nums):\n    total = 1\n    for n in nums:\n        total += n\n    return total\n"


@pytest.fixture(scope="module")
def executor():
    with Executor(Limits(cpu_s=1, wall_s=10), workers=2) as executor:
        yield executor


def cause(executor, rejected, chosen, budget=64):
    pair = PreferencePair(task_id="t", prompt="p", chosen=chosen, rejected=rejected)
    found = find_cause(pair, PROBLEM, executor, budget)
    return found, marked(rejected, found.region.rejected)


FIXED = REJECTED.replace("total = 1", "total = 0")
DOCUMENTED = FIXED.replace("(nums):\n", '(nums: list[int]):\n    """Sum."""\n')
RENAMED = DOCUMENTED.replace("nums", "values").replace("total", "result").replace(" n ", " v ").replace("+= n", "+= v")
REWRITTEN = FIXED.replace("    total", "    more = 0\n    total", 1).replace("return total", "return int(total)")


@pytest.mark.parametrize("chosen", [FIXED, DOCUMENTED, RENAMED, REWRITTEN])
def test_only_the_line_that_the_tests_need_is_marked(executor, chosen):
    found, lines = cause(executor, REJECTED, chosen)
    assert lines == ["    total = 1"]
    assert not found.exhausted
    assert marked(chosen, found.region.chosen) in (["    total = 0"], ["    result = 0"])


def test_hunks_that_only_work_together_stay_together(executor):
    rejected = "def g(x): return x\ndef f(nums):\n    y = 5\n    return len(nums)\n"
    chosen = "def g(x): return sum(x)\ndef f(nums):\n    y = 6\n    return g(nums)\n"
    assert cause(executor, rejected, chosen)[1] == ["def g(x): return x", "    return len(nums)"]


def test_a_missing_line_is_anchored(executor):
    found, lines = cause(
        executor,
        "def f(nums):\n    x = 3\n    return total\n",
        "def f(nums):\n    x = 4\n    total = sum(nums)\n    return total\n",
    )
    assert lines == []
    assert found.region.anchors == ((23, 39),)


def test_pairs_that_the_tests_do_not_tell_apart_are_named(executor):
    right, wrong = "def f(nums): return sum(nums)\n", "def f(nums): return 0\n"
    assert cause(executor, right, right + "\n# more\n")[0].unusable == "rejected_passes"
    assert cause(executor, wrong, wrong + "\n# more\n")[0].unusable == "chosen_fails"


def test_the_budget_ends_a_search_with_an_edit_that_passes(executor):
    rejected = "".join(f"x{i} = 0\n" for i in range(12)) + "def f(nums): return 0\n"
    chosen = "".join(f"x{i} = 1\n" for i in range(12)) + "def f(nums): return sum(nums)\n"
    found, lines = cause(executor, rejected, chosen, budget=5)
    assert found.exhausted
    assert found.executions == 5
    assert "def f(nums): return 0" in lines[-1]
    whole, lines = cause(executor, rejected, chosen)
    assert lines == ["def f(nums): return 0"]
    assert whole.executions < 20


def test_hunks_turn_one_program_into_the_other():
    rejected, chosen = "a = 1\nb\nc = d(e)\nf\n", "a = 2\nz\nc = d(g)\nnew\nf\nend\n"
    hunks = find_hunks(rejected, chosen)
    assert apply_hunks(rejected, chosen, hunks) == chosen
    assert apply_hunks(rejected, chosen, ()) == rejected
    assert [(list(hunk.old), list(hunk.new)) for hunk in hunks] == [
        ([0], [0]), ([1], [1]), ([2], [2]), ([], [3]), ([], [5])
    ]  # fmt: skip


def test_names_that_both_programs_have_are_left_alone():
    assert (
        undo_renames("def f(a, b):\n    return a\n", "def f(a, b):\n    return b\n") == "def f(a, b):\n    return b\n"
    )


def test_the_stage_runs_visible_tests_alone(tmp_path):
    write_jsonl(
        tmp_path / "problems.jsonl", [PROBLEM.model_copy(update={"hidden_tests": (IoTest(call="f(0)", expected="9"),)})]
    )
    chosen = REJECTED.replace("total = 1", "total = 0").replace("total += n", "total += n  # add")
    pair = PreferencePair(task_id="t", prompt="p", chosen=chosen, rejected=REJECTED)
    programs = tmp_path / "problems.jsonl", EXECUTION
    with pytest.raises(InputError, match=r"problems\.jsonl: the problem of pair 'u'"):
        localize(tmp_path, [pair, pair.model_copy(update={"task_id": "u"})], *programs, method="causal")
    assert not (tmp_path / "focal.jsonl").exists()
    metrics, (spans,) = localize(tmp_path, [pair], *programs, method="causal")
    assert (spans.method, marked(REJECTED, spans.rejected)) == ("causal", ["    total = 1"])
    assert (metrics["executions"], metrics["pairs"]) == (3, 1)
    with pytest.raises(InputError, match="--problems"):
        localize(tmp_path, [pair], method="causal")
