"""Problems of several sets are compared with each other and with benchmarks before anything is computed with them."""

import json

import pytest
from typer.testing import CliRunner

from iterpref_core.cli.app import app
from iterpref_core.records import Problem
from iterpref_core.storage.dropped import read_dropped
from iterpref_core.storage.jsonl import read_jsonl
from tests.command_line import hide_benchmarks
from tests.texts import read_table, written

PROGRAM = (
    "def total(values):\n    result = 0\n    for value in values:\n        if value > 0:\n            result += value\n"
)
PROGRAM += "    return result\n"
TESTS = [{"kind": "io", "call": "f(1)", "expected": "2"}]
WORDS = "Given a list of whole numbers, return the sum of those that are greater than zero, or zero if there is none. "
WORDS += "The list may be long, so go through it once, and do not sort it; numbers may repeat, and each of them counts."


@pytest.fixture(autouse=True)
def no_configured_benchmark(monkeypatch):
    hide_benchmarks(monkeypatch)


def problem(name, prompt, **more):
    return {"task_id": name, "prompt": prompt, "tests": TESTS} | more


def checked(*words):
    done = CliRunner().invoke(app, ["check", *map(str, words), "--json"])
    return done.exit_code, json.loads(done.stdout)


def test_a_problem_that_repeats_one_of_another_file_is_found(tmp_path):
    first = written(tmp_path / "a.jsonl", problem("a", WORDS, license="MIT"), problem("b", "Sum."))
    second = written(
        tmp_path / "b.jsonl",
        problem("c", WORDS.replace(" ", "\n ")),
        problem("a", "A third."),
        problem("f", "Print the digits of n."),
    )
    out = tmp_path / "out.jsonl"
    code, found = checked("--problems", first, second, "--out", out)
    findings = found.pop("findings")
    assert (code, found) == (
        0,
        {
            "problems": 5,
            "contaminated": 0,
            "kept": 4,
            "renamed": 1,
            "repeated": 1,
            "license/MIT": 1,
            "license/not stated": 4,
        },
    )
    assert f"1 problems repeat the statement of another, such as c ({second}:1) = a ({first}:1)" in findings
    assert [kept.task_id for kept in read_jsonl(out, Problem)] == ["a", "b", "a#2", "f"]


def test_what_is_left_out_is_written_with_its_partner(tmp_path):
    bench = written(tmp_path / "bench.jsonl", {"task_id": "B/1", "prompt": WORDS})
    first = written(tmp_path / "a.jsonl", problem("a", "Print n."), problem("b", WORDS))
    second = written(tmp_path / "b.jsonl", problem("c", "Sum."), problem("d", "print  n."))
    dropped = tmp_path / "dropped.jsonl"
    checked("--problems", first, second, "--against", bench, "--dropped", dropped)
    rows = [(row.reason, row.where, row.task_id, row.partner) for row in read_dropped(dropped)]
    assert rows == [
        ("contaminated", f"{first}:2", "b", f"{bench} B/1"),
        ("repeated", f"{second}:2", "d", f"a ({first}:1)"),
    ]
    pairs = written(tmp_path / "pairs.jsonl", PAIR, PAIR | {"task_id": "two", "prompt": WORDS})
    checked("--pairs", pairs, "--against", bench, "--dropped", dropped, "--out", tmp_path / "out.jsonl")
    (row,) = read_dropped(dropped)
    assert (row.where, row.task_id, row.partner) == (f"{pairs}:2", "two", f"{bench} B/1")


def test_a_pair_without_an_error_region_is_written_with_its_reason(tmp_path):
    added = PAIR | {"task_id": "two", "rejected": "x = 1\n", "chosen": "x = 1\ny = 2\n"}
    pairs = written(tmp_path / "pairs.jsonl", PAIR, added)
    words = ["localize", "--pairs", pairs, "--out", tmp_path / "focal.jsonl", "--set", "localization.empty=drop"]
    CliRunner().invoke(app, [*map(str, words), "--dropped", str(tmp_path / "dropped.jsonl")], catch_exceptions=False)
    (row,) = read_dropped(tmp_path / "dropped.jsonl")
    assert (row.reason, row.where, row.task_id) == ("empty", f"{pairs}:2", "two")


PAIR = {"task_id": "one", "prompt": "Add.", "chosen": "x = 1\n", "rejected": "x = 2\n", "license": "GPL-3.0-only"}


@pytest.mark.parametrize(
    ("words", "places"),
    read_table(r"""
ingest pairs.jsonl --format trl --out pairs.jsonl | --out and source
ingest link.jsonl --format trl --out pairs.jsonl | --out and source
ingest other.jsonl pairs.jsonl --format trl --out pairs.jsonl | --out and source
ingest pairs.jsonl --format trl --out out.jsonl --dropped pairs.jsonl | --dropped and source
ingest pairs.jsonl --format trl --out out.jsonl --spans out.jsonl | --out and --spans
localize --pairs pairs.jsonl --out pairs.jsonl | --out and --pairs
check --pairs pairs.jsonl --out pairs.jsonl | --out and --pairs
check --pairs pairs.jsonl --against other.jsonl --out other.jsonl | --out and --against
check --problems pairs.jsonl other.jsonl --out other.jsonl | --out and further
inject --problems pairs.jsonl --out pairs.jsonl | --out and --problems
"""),
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
