"""A function of the user's reads any layout: it makes problems of a row, several, or none."""

import json

import pytest
from typer.testing import CliRunner

from iterpref_core.cli.app import app
from iterpref_core.records import InputError, Problem
from iterpref_core.storage.jsonl import read_jsonl
from tests.texts import written

FUNCTIONS = """
from iterpref_core.records import IoTest, Problem

def read(row):
    if row["kind"] == "essay":
        return None
    problems = [
        {"task_id": f"math/{name}", "prompt": name, "reference": code, "tests": [f"assert {call}"]}
        for name, code, call in row["exercises"]
    ]
    if row["kind"] == "record":
        name, code, call = row["exercises"][0]
        test = IoTest(call=call, expected="3")
        return Problem(task_id="own", prompt=name, entry_point="inc", tests=(test,), reference=code)
    return problems if len(problems) > 1 else problems[0]

def words(row):
    return "Add."

number = 7
"""
INC = ["Write inc.", "def inc(x): return x + 1\n", "inc(1) == 2"]
DEC = ["Write dec.", "def dec(x): return x - 1\n", "dec(1) == 0"]


@pytest.fixture
def ingest(tmp_path):
    (tmp_path / "mine.py").write_text(FUNCTIONS)

    def run(function, *rows):
        source, form = written(tmp_path / "in.jsonl", *rows), f"{tmp_path}/{function}"
        words = ["ingest", source, "--format", form, "--out", tmp_path / "out.jsonl", "--json"]
        return CliRunner().invoke(app, list(map(str, words)))

    return run


def test_a_function_makes_one_problem_of_a_row_or_several_or_none(tmp_path, ingest):
    rows = [
        {"kind": "one", "exercises": [INC]},
        {"kind": "essay"},
        {"kind": "two", "exercises": [DEC, INC]},
        {"kind": "record", "exercises": [[*INC[:2], "inc(2)"]]},
        {"kind": "broken"},
    ]
    ran = ingest("mine.py:read", *rows)
    assert ran.exit_code == 0, ran.output
    problems = list(read_jsonl(tmp_path / "out.jsonl", Problem))
    names = ["math/Write inc.", "math/Write dec.", "math/Write inc.#2", "own"]
    assert [(problem.task_id, problem.provenance[0].row) for problem in problems] == list(
        zip(names, [1, 3, 3, 4], strict=True)
    )
    assert [(row["reason"], row["explanation"]) for row in json.loads(ran.stdout)["dropped_rows"]] == [
        ("not_wanted", "the function returns nothing for it"),
        ("bad_record", "nothing is made of it (KeyError: 'exercises')"),
    ]


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("absent.py:read", "absent.py gives no function 'read' (FileNotFoundError"),
        ("broken.py:read", "broken.py gives no function 'read' (NameError: name 'true' is not defined)"),
        ("mine.py:other", "mine.py gives no function 'other' (KeyError: 'other')"),
        ("mine.py:number", "nothing is made of it (TypeError: 'int' object is not callable)"),
        ("mine.py:words", "an object is expected, not str"),
    ],
)
def test_a_function_that_cannot_be_used_is_refused(tmp_path, ingest, function, said):
    (tmp_path / "broken.py").write_text("x = true")
    refusal = ingest(function, {"kind": "essay"}).exception
    assert isinstance(refusal, InputError)
    assert said in str(refusal)
