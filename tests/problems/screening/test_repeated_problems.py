"""Problems of several sets are compared with each other and with benchmarks before anything is computed with them."""

import json

import pytest
from typer.testing import CliRunner

from iterpref_core.cli.app import app
from iterpref_core.records import Problem
from iterpref_core.records.benchmark_table import PUBLISHED
from iterpref_core.storage.jsonl import read_jsonl
from tests.texts import written

PROGRAM = (
    "def total(values):\n    result = 0\n    for value in values:\n        if value > 0:\n            result += value\n"
)
PROGRAM += "    return result\n"
TESTS = [{"kind": "io", "call": "f(1)", "expected": "2"}]
WORDS = "Given a list of whole numbers, return the sum of those that are greater than zero, or zero if there is none. "
WORDS += "The list may be long, so go through it once, and do not sort it; numbers may repeat, and each of them counts."


@pytest.fixture(autouse=True)
def no_configured_benchmark(monkeypatch):
    for data in PUBLISHED.values():
        monkeypatch.delenv(data.variable, raising=False)


def problem(name, prompt, **more):
    return {"task_id": name, "prompt": prompt, "tests": TESTS} | more


def checked(*words):
    done = CliRunner().invoke(app, ["check", *map(str, words), "--json"])
    return done.exit_code, json.loads(done.stdout)


def test_a_problem_that_repeats_one_of_another_file_is_found_by_its_reason(tmp_path):
    renamed = PROGRAM.replace("total", "f").replace("value", "v")
    first = written(tmp_path / "a.jsonl", problem("a", WORDS, license="MIT"), problem("b", "Sum.", reference=PROGRAM))
    second = written(
        tmp_path / "b.jsonl",
        problem("c", WORDS.upper() + "!"),
        problem("d", "Another one.", reference=renamed),
        problem("a", "A third."),
        problem("e", WORDS + " Thanks"),
        problem("f", "Print the digits of n."),
    )
    out = tmp_path / "out.jsonl"
    code, found = checked("--problems", first, second, "--out", out)
    findings = found.pop("findings")
    assert (code, found) == (
        0,
        {
            "problems": 7,
            "contaminated": 0,
            "kept": 4,
            "renamed": 1,
            "repeated/prompt": 1,
            "repeated/program": 1,
            "repeated/near_prompt": 1,
            "license/MIT": 1,
            "license/not stated": 6,
        },
    )
    assert "1 problems repeat an earlier one by prompt, such as c (b.jsonl) = a (a.jsonl)" in findings
    assert [kept.task_id for kept in read_jsonl(out, Problem)] == ["a", "b", "a#2", "f"]


INSTRUCTION = (
    "You are an experienced engineer who writes clean code. Write a function in Python that solves the task below. "
    "Handle empty inputs without an error and use no package outside of the standard library. "
    "Name the function as the task does and return the result instead of printing it. "
)
TASKS = ["Add two numbers.", "Sort a list.", "Reverse a text.", "Count the vowels.", "Find the largest.", "Multiply."]


def test_an_instruction_that_many_statements_share_is_no_task(tmp_path):
    rows = [problem(f"p{number}", INSTRUCTION + task) for number, task in enumerate(TASKS)]
    again = problem("again", INSTRUCTION + TASKS[0].upper())
    _, found = checked("--problems", written(tmp_path / "a.jsonl", *rows, again))
    assert {name: count for name, count in found.items() if name.startswith("repeated/")} == {"repeated/prompt": 1}


def test_a_problem_of_a_benchmark_is_found(tmp_path):
    bench = written(tmp_path / "bench.jsonl", {"task_id": "B/1", "prompt": WORDS, "canonical_solution": PROGRAM})
    problems = written(tmp_path / "a.jsonl", problem("a", WORDS), problem("b", "Print n."))
    code, found = checked("--problems", problems, "--against", bench)
    assert (code, found["contaminated"]) == (1, 1)
    assert found["findings"] == ["1 problems overlap with bench.jsonl, such as a = B/1"]


PAIR = {"task_id": "one", "prompt": "Add.", "chosen": "x = 1\n", "rejected": "x = 2\n", "license": "GPL-3.0-only"}


def test_pairs_are_counted_by_license(tmp_path):
    pairs = written(tmp_path / "pairs.jsonl", PAIR, PAIR | {"task_id": "two", "license": None})
    _, found = checked("--pairs", pairs)
    assert {name: count for name, count in found.items() if name.startswith("license/")} == {
        "license/GPL-3.0-only": 1,
        "license/not stated": 1,
    }


@pytest.mark.parametrize(
    ("words", "places"),
    [
        ("ingest pairs.jsonl --format trl --out pairs.jsonl", "--out and source"),
        ("ingest link.jsonl --format trl --out pairs.jsonl", "--out and source"),
        ("ingest other.jsonl pairs.jsonl --format trl --out pairs.jsonl", "--out and source"),
        ("ingest pairs.jsonl --format trl --out out.jsonl --dropped pairs.jsonl", "--dropped and source"),
        ("ingest pairs.jsonl --format trl --out out.jsonl --spans out.jsonl", "--out and --spans"),
        ("localize --pairs pairs.jsonl --out pairs.jsonl", "--out and --pairs"),
        ("check --pairs pairs.jsonl --out pairs.jsonl", "--out and --pairs"),
        ("check --pairs pairs.jsonl --against other.jsonl --out other.jsonl", "--out and --against"),
        ("check --problems pairs.jsonl other.jsonl --out other.jsonl", "--out and further"),
        ("inject --problems pairs.jsonl --out out.jsonl --spans pairs.jsonl", "--spans and --problems"),
    ],
)
def test_no_verb_writes_over_a_file_that_it_reads(tmp_path, monkeypatch, words, places):
    monkeypatch.chdir(tmp_path)
    for name in ("pairs.jsonl", "other.jsonl"):
        written(tmp_path / name, PAIR)
    (tmp_path / "link.jsonl").symlink_to("pairs.jsonl")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.jsonl")}
    done = CliRunner().invoke(app, words.split())
    assert done.exception is not None
    assert f"{places} are the same path; change one" in str(done.exception)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.jsonl")} == before


def test_a_helper_that_references_share_makes_them_no_one_problem(tmp_path):
    uses = [
        "def f(n):\n    return total(range(n))",
        "def f(n):\n    return [total([d]) for d in n]",
        "print(total([1]))",
    ]
    rows = [
        problem(str(number), f"Task {number}.", reference=f"{PROGRAM}\n\n{use}\n", entry_point="f" * ("def" in use))
        for number, use in enumerate(uses)
    ]
    again = problem("again", "The same script.", reference=f"{PROGRAM}\n\n{uses[2]}\n".replace("result", "r"))
    _, found = checked("--problems", written(tmp_path / "a.jsonl", *rows, again), "--out", tmp_path / "out.jsonl")
    assert (found["kept"], found["repeated/program"]) == (3, 1)
