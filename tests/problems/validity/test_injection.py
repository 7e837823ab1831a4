"""Bugs in known places: what was changed is what is marked, and only what the tests catch becomes a pair."""

import pytest

from iterpref_core.execution import Executor, Limits
from iterpref_core.problems.validity.injection import inject_bugs
from iterpref_core.records import InputError, IoTest, Problem
from iterpref_core.storage.jsonl import read_pairs, write_jsonl
from tests.texts import marked

ADD = Problem(
    task_id="add",
    prompt="Add one.",
    entry_point="f",
    tests=(IoTest(call="f(1)", expected="2"),),
    reference="def f(x):  # a comment\n    y = x + 1\n    return y\n",
    license="GPL-3.0-only",
)
LOOP = Problem(
    task_id="loop",
    prompt="Sum.",
    entry_point="f",
    tests=(IoTest(call="f([1, 2, 3])", expected="6"), IoTest(call="f([])", expected="0")),
    hidden_tests=(IoTest(call="f([-5])", expected="-5"),),
    reference="def f(xs):\n    total = 0\n    for x in xs:\n        total += x\n    return total\n",
)


@pytest.fixture(scope="module")
def executor():
    with Executor(Limits(cpu_s=2, wall_s=20), workers=2) as engine:
        yield engine


def inject(folder, problems, executor):
    write_jsonl(folder / "problems.jsonl", problems)
    out = folder / "pairs.jsonl"
    counts = inject_bugs(folder / "problems.jsonl", out, executor, 20)
    return counts, list(read_pairs(out))


def test_the_changed_line_is_the_true_region(tmp_path, executor):
    counts, pairs = inject(tmp_path, [ADD], executor)
    assert {(pair.chosen, pair.license) for pair in pairs} == {
        ("def f(x):\n    y = x + 1\n    return y\n", "GPL-3.0-only"),
    }
    found = {(*marked(pair.rejected, pair.rejected_spans), *marked(pair.chosen, pair.chosen_spans)) for pair in pairs}
    assert found == {
        ("    pass", "    y = x + 1"),
        ("    y = x - 1", "    y = x + 1"),
        ("    y = x + 2", "    y = x + 1"),
        ("    return None", "    return y"),
    }
    assert {pair.localization for pair in pairs} == {"injected"}
    assert counts == {"problems": 1, "pairs": 4}


def test_mutants_that_pass_are_counted_and_left_out(tmp_path, executor):
    idle = ADD.model_copy(update={"reference": "def f(x):\n    if x > 100:\n        return 7\n    return x + 1\n"})
    counts, pairs = inject(tmp_path, [idle], executor)
    assert not any("return 8" in pair.rejected or "x > 101" in pair.rejected for pair in pairs)
    # `x >= 100`, `x > 101`, `return 8` and the first `return None`; all else changes f(1).
    assert counts["mutants/equivalent"] == 4


def test_problems_that_are_held_out_are_counted_and_give_no_pair(tmp_path, executor):
    splits = {"add": None, "b": "codeflow", "c": "heldout", "d": "validation"}
    problems = [
        ADD.model_copy(update={"task_id": name, "prompt": f"Add one to {name}.", "split": split})
        for name, split in splits.items()
    ]
    counts, pairs = inject(tmp_path, problems, executor)
    assert {pair.problem_id for pair in pairs} == {"add", "b"}
    assert (counts["problems"], counts["dropped/other_split"]) == (4, 2)
    again = LOOP.model_copy(update={"task_id": "again", "split": "heldout"})
    counts, pairs = inject(tmp_path, [ADD, LOOP, again], executor)
    assert ({pair.problem_id for pair in pairs}, counts["dropped/contaminated"]) == ({"add"}, 1)
    with pytest.raises(
        InputError, match=r"1 dropped/other_split\); give problems .* of the split 'codeflow' or without"
    ):
        inject(tmp_path, problems[2:3], executor)


def test_problems_without_bugs_are_counted_by_reason(tmp_path, executor):
    def other(task_id, reference):
        return ADD.model_copy(update={"task_id": task_id, "reference": reference})

    problems = [
        ADD,
        other("without", None),
        ADD.model_copy(update={"task_id": "untested", "tests": ()}),
        other("old", "print 1"),
        other("wrong", "def f(x): return x"),
        other("whole", "from operator import index as f\nimport functools"),
        LOOP,
    ]
    problems[5] = problems[5].model_copy(update={"tests": (IoTest(call="f(2)", expected="2"),)})
    counts, pairs = inject(tmp_path, problems, executor)
    assert {pair.problem_id for pair in pairs} == {"add", "loop"}
    assert (counts["dropped/no_reference_or_tests"], counts["dropped/reference_fails"]) == (2, 2)
    with pytest.raises(InputError, match=r"no bug that the tests catch .*1 dropped/no_reference_or_tests"):
        inject(tmp_path, [problems[1]], executor)
