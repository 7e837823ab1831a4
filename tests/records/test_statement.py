"""The exact form of a statement: equal for every way to a prompt, different where the statement is."""

import unicodedata
from pathlib import Path

import pytest

from iterpref_core.problems.ingestion.columns import parse_columns
from iterpref_core.problems.ingestion.presets import PRESETS
from iterpref_core.problems.ingestion.problem_rows import Selection, read_problem
from iterpref_core.problems.screening.benchmark_tasks import BenchmarkTask
from iterpref_core.problems.screening.contamination import Decontamination
from iterpref_core.records.prompt_messages import Message
from iterpref_core.records.statement import exact_form, statement_digest

ASKED = 'Écris `n`: add 1, and say "done".'
ASSERTION = "assert f(1) == 2"
IO = {"input": "1\n", "output": "2\n"}
WAYS = {
    "function": ("problems", {"prompt": ASKED, "tests": [ASSERTION]}),
    "another function": ("problems", {"prompt": ASKED, "tests": ["assert g(1) == 2"]}),
    "class": ("problems", {"prompt": ASKED, "tests": ["assert Sum(1) == 2"]}),
    "several names": ("problems", {"prompt": ASKED, "tests": ["from solution import f, g, h\nassert f(1) == g(h)"]}),
    "method": (
        "problems",
        {
            "prompt": ASKED,
            "starter_code": "class Solution:\n    def f(self, n):\n        ",
            "tests": {"fn_name": "f", "inputs": [[1]], "outputs": [2]},
        },
    ),
    "script": ("problems", {"prompt": ASKED, "tests": [IO]}),
    "script with a beginning": ("problems", {"prompt": ASKED, "tests": [IO], "starter_code": "n = int(input())\n"}),
    "messages": (
        "verl",
        {
            "prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": ASKED}],
            "reward_model": {"ground_truth": {"inputs": ["1"], "outputs": ["2"]}},
        },
    ),
    "mbpp": ("mbpp", {"task_id": 601, "text": ASKED, "test_list": [ASSERTION], "code": "def f(n): return n + 1"}),
    "kodcode": (
        "kodcode",
        {
            "question": ASKED,
            "test": "from solution import f\n\ndef test_f():\n    assert f(1) == 2\n",
            "test_info": [{"function_name": "f", "function_declaration": "def f(n):"}],
            "solution": "def f(n): return n + 1",
        },
    ),
    "humaneval": (
        "humaneval",
        {
            "task_id": "HumanEval/1",
            "prompt": ASKED,
            "entry_point": "f",
            "test": "def check(candidate):\n    assert candidate(1) == 2\n",
            "canonical_solution": "def f(n): return n + 1",
        },
    ),
    "another composition": ("problems", {"prompt": unicodedata.normalize("NFD", ASKED), "tests": [ASSERTION]}),
    "invisible characters": ("problems", {"prompt": ASKED.replace(" ", "\u200b\xa0"), "tests": [ASSERTION]}),
    "another layout": ("problems", {"prompt": "ÉCRIS n:  add 1,\nand say **done**", "tests": [ASSERTION]}),
}


def read(way, **selection):
    form, row = WAYS[way]
    preset = PRESETS[form]
    columns = parse_columns(None, preset.parts, preset=preset.columns)
    return read_problem(row, preset, columns, Selection(**selection)).problem


@pytest.mark.parametrize("way", list(WAYS))
def test_a_statement_is_one_whichever_way_it_comes(way):
    assert statement_digest(read(way).prompt) == statement_digest(ASKED)


def test_all_problems_of_a_statement_are_held_out_or_none(monkeypatch):
    share = int(statement_digest(ASKED), 16) / 2**64
    assert {read(way, heldout=share + 1e-9).split for way in WAYS} == {"heldout"}
    assert {read(way, heldout=share - 1e-9).split for way in WAYS} == {None}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Split at ','.", "Split at ';'."),
        ("Print a * b.", "Print a ** b."),
        ("Replace '!' by '?'.", "Replace '?' by '!'."),
        ("Is n > 0?", "Is n < 0?"),
        ("Multiply n by .5", "Multiply n by 5"),
        ("Evaluate !a", "Evaluate a"),
        ("Compute n! modulo p.", "Compute n modulo p."),
        ("Print 10!.", "Print 10."),
        ("Match 'a?'", "Match 'a'"),
        ("Match `a*`", "Match `a`."),
        ("Remove '_x'.", "Remove 'x'."),
        ("Write a Python function `f`.", "Write a Python function `g`."),
        ("Write a Python function `f` that adds.", "Write a Python function `f` that counts."),
        ("Model a stack.\nWrite a Python class `S` which is fast.", "Model a stack."),
    ],
)
def test_statements_that_ask_for_something_else_are_two(one, other):
    assert exact_form(one) != exact_form(other)


def test_a_system_does_not_hide_that_a_prompt_is_a_task_s():
    index = Decontamination([], Path(), drop=True)
    index.add("b", [BenchmarkTask("t", ("Sort the list of n.",), (), composed=True)])
    prompt = (Message(role="system", content="Be brief."), Message(role="user", content="sort the list of `n`"))
    assert index.find("p", prompt, "x = 1")["b"] == {"t": {"prompt"}}
