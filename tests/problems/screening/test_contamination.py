"""Overlap with benchmarks: found where it was put, and nowhere else."""

import ast
import gzip
import json
import os
from pathlib import Path

import pytest

from iterpref_core.problems.ingestion.presets import mbpp_plus_ids
from iterpref_core.problems.screening.benchmark_tasks import BenchmarkTask, read_benchmark
from iterpref_core.problems.screening.contamination import Decontamination
from iterpref_core.records import InputError, PreferencePair
from iterpref_core.storage.items import read_items

TEN = "one two three four five six seven eight nine ten"
SOLUTION = "def solve(xs):\n    total = 0\n    for x in xs:\n        total += x * x - 1\n    return total\n"


def pair(name, prompt="p", chosen="c"):
    return PreferencePair(task_id=name, prompt=prompt, chosen=chosen, rejected=TEN)


def kinds(item, *tasks):
    index = Decontamination([], Path())
    index.add("b", tasks)
    index.partner(item)
    overlap = index.overlaps["b"]
    return {name: {kind for kind, count in overlap.kinds.items() if count} for name in overlap.overlapping}


def test_a_run_that_many_tasks_share_and_composed_prompts_say_nothing():
    tasks = [BenchmarkTask(f"b/{n}", (f"{n} {TEN}",), ()) for n in range(11)]
    assert kinds(pair("a", TEN), *tasks) == {}
    assert kinds(pair("a", TEN), BenchmarkTask("h", (f"Say {TEN}",), (), composed=True)) == {}
    assert kinds(pair("a", "say, " + TEN), BenchmarkTask("h", (f"Say {TEN}",), (), composed=True)) == {"h": {"prompt"}}


ASKED = '''from typing import List


def {name}(numbers: List[float], threshold: float) -> bool:
    """Check if in given list of numbers, are any two numbers closer to each other than given threshold.
    >>> {name}([1.0, 2.0, 3.0], 0.5)
    False
    """
'''
SHORT = 'def {name}(x: int, y: int):\n    """Add two numbers x and y.\n    >>> {name}(2, 3)\n    5\n    """\n'


@pytest.mark.parametrize("prompt", [ASKED, SHORT])
def test_a_statement_is_found_without_its_signature_and_examples_and_under_another_name(prompt):
    task = BenchmarkTask("b/1", (prompt.format(name="solve"),), ())
    docstring = ast.get_docstring(ast.parse(prompt.format(name="f")).body[-1])
    alone = docstring.split("\n>>>")[0]
    for asked in (prompt.format(name="helper"), docstring, alone, f"{alone}\n\nWrite a Python function `f`."):
        assert kinds(pair("a", asked), task), asked
    assert not kinds(pair("a", alone.replace("two", "three").replace("closer", "further")), task)


def test_an_example_is_found_whole():
    task = BenchmarkTask("b/1", ("Add.\nassert add_up([1, 2], 3) == 6\n",), ())
    assert kinds(pair("a", "Sum these. Test: assert add_up([1, 2], 3) == 6"), task) == {"b/1": {"example"}}
    assert kinds(pair("a", "Sum these. Test: assert add_up([1, 2], 4) == 7"), task) == {}


def test_a_solution_is_found_under_other_names_and_a_trivial_one_is_not_looked_for():
    renamed = SOLUTION.replace("solve", "main").replace("total", "t").replace("xs", "numbers")
    task = BenchmarkTask("b/1", ("Do it",), (SOLUTION,))
    assert kinds(pair("a", chosen="def other(): pass\n" + renamed), task) == {"b/1": {"ast"}}
    assert kinds(pair("a", chosen=renamed.replace("- 1", "+ 1")), task) == {}
    body = BenchmarkTask("b/2", (SOLUTION.split("\n", maxsplit=1)[0] + "\n",), ("\n".join(SOLUTION.split("\n")[1:]),))
    assert kinds(pair("a", chosen=renamed), body) == {"b/2": {"ast"}}
    short = "def f(a, b):\n    return a + b\n"
    assert kinds(pair("a", chosen=short), BenchmarkTask("b/3", ("q",), (short,))) == {}


def test_an_edited_solution_is_named_and_stays():
    edited = (
        SOLUTION.replace("solve", "main").replace("total", "t").replace("xs", "numbers")
        .replace("    t = 0\n", "    if numbers is None:\n        return 0\n    t = 0\n")
    )  # fmt: skip
    index = Decontamination([], Path())
    index.add(
        "b", [BenchmarkTask("b/1", ("Do it",), (SOLUTION,)), BenchmarkTask("b/2", ("q",), ("x = 1\nprint(x)\n",))]
    )
    index.add("h", [BenchmarkTask("h/1", ("Do it",), (SOLUTION,), composed=True)])
    others = [edited.replace("- 1", "+ 1"), edited.replace("t += x", "t = x"), "x = 1\n", "a b"]
    programs = [edited.replace("    for", "    print(t)\n    for"), *others, SOLUTION]
    partners = [index.partner(pair(str(number), chosen=code)) for number, code in enumerate(programs)]
    assert [bool(partner) for partner in partners] == [False] * 5 + [True]
    assert list(index.looks()) == [
        "1 programs have most statements of a solution of b, and stay; read them: 0 = b/1",
    ]


def test_benchmarks_of_every_kind_are_read_and_of_split_problems_the_held_out_ones(tmp_path):
    lines = [
        {"task_id": "HumanEval/0", "prompt": "def f():\n", "canonical_solution": "    pass\n"},
        {"text": "Do it.", "code": "x = 1"},
        {"question_id": "L/1", "question_content": "c"},
        {"task_id": "heldout/0", "prompt": "p", "split": "heldout", "reference": "r", "source": "synthetic"},
        {"task_id": "codeflow/0", "prompt": "p", "split": "codeflow", "reference": "r"},
        # Sets of others: a test split is what must not be trained on, and so is one of an unknown name.
        {"task_id": "test/0", "prompt": [{"role": "user", "content": "Add."}], "split": "test"},
        {"task_id": "hard/0", "prompt": "p", "split": "hard", "canonical_solution": ["x = 1", "x = 2"], "code": None},
        {"task_id": "train/0", "prompt": "p", "split": "train"},
    ]
    path = tmp_path / "benchmark.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    assert list(read_benchmark(path)) == [
        BenchmarkTask("HumanEval/0", ("def f():\n",), ("    pass\n",)),
        BenchmarkTask("benchmark.jsonl.gz:2", ("Do it.",), ("x = 1",)),
        BenchmarkTask("L/1", ("c",), ()),
        BenchmarkTask("heldout/0", ("p",), ("r",), composed=True),
        BenchmarkTask("test/0", ("Add.",), ()),
        BenchmarkTask("hard/0", ("p",), ("x = 1", "x = 2")),
    ]
    assert [task.name for task in read_benchmark(path, only_heldout=True)] == ["heldout/0"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"b\.jsonl:1: not valid JSON"),
        ('{"question": 1}', r"b\.jsonl:1: no text under any"),
        ('{"prompt": {"text": "Add."}, "code": "x = 1"}', r"b\.jsonl:1: field 'prompt': a text or a list of messages"),
        ('{"prompt": "Add.", "canonical_solution": 3}', r"b\.jsonl:1: field 'canonical_solution': a text or a list"),
    ],
)
def test_files_that_are_no_benchmark_are_refused(tmp_path, line, message):
    (tmp_path / "b.jsonl").write_text(line)
    with pytest.raises(InputError, match=message):
        list(read_benchmark(tmp_path / "b.jsonl"))
    with pytest.raises(InputError, match="no such file"):
        Decontamination([str(tmp_path / "absent.jsonl")], tmp_path)


def test_an_absent_benchmark_is_named_and_a_used_one_has_its_hash(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("LIVECODEBENCH_PATH", str(tmp_path / "absent"))
    (tmp_path / "b.jsonl").write_text(json.dumps({"prompt": "Add two numbers"}))
    asked = ["livecodebench", "heldout", str(tmp_path / "b.jsonl")]
    problems = tmp_path / "problems.jsonl"
    problems.write_text('{"prompt": "p", "split": "codeflow"}\n')
    screen = Decontamination(asked, problems, pass_over=True)
    name = asked[-1]
    assert [screen.partner(item) for item in (pair("a", "add two numbers!"), pair("b"))] == [f"{name} b.jsonl:1", ""]
    found = screen.report()
    assert found["absent"]["heldout"] == f"{problems}: no problem of split 'heldout'"
    assert "no such file" in found["absent"]["livecodebench"]
    assert list(found["benchmarks"]) == [name]
    assert "livecodebench (LIVECODEBENCH_PATH=" in caplog.text
    assert found["benchmarks"][name]["examples"] == ["a = b.jsonl:1"]
    assert found["benchmarks"][name]["overlapping"] == ["b.jsonl:1"]
    assert len(found["benchmarks"][name]["sha256"]) == 64


def test_the_overlap_of_mbpp_with_mbpp_plus_is_found():
    source, plus = (os.environ.get(name) for name in ("MBPP_SOURCE_PATH", "MBPP_OVERRIDE_PATH"))
    if not source or not plus:
        pytest.skip("MBPP_SOURCE_PATH or MBPP_OVERRIDE_PATH is not set")
    index = Decontamination([], Path())
    index.add("mbpp", read_benchmark(Path(plus)))
    found, others = set(), set()
    for number, item in enumerate(read_items(Path(source)), 1):
        task = json.loads(item.text)
        prompt = f"{task['text']}\nYour code should pass this test: {task['test_list'][0]}"
        if index.partner(pair(str(number), prompt, task["code"])):
            (found if task["task_id"] in mbpp_plus_ids() else others).add(task["task_id"])
    assert len(found) >= 0.94 * len(mbpp_plus_ids())
    assert len(others) <= 0.1 * 596, "near-duplicates inside MBPP, and no more"
