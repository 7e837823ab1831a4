"""Leaderboards: one table of results that `evaluate` wrote, compared on the same tasks."""

import csv
import json
from pathlib import Path

import pytest

from tests.mock_endpoint import Behavior, MockEndpoint, serve

from .test_served_models import answer, iterpref  # noqa: F401 - a fixture

RIGHT = {"h/double": "def f(x):\n    return 2 * x\n", "h/square": "def f(x):\n    return x * x\n"}
SCORE = ["--benchmark", "heldout", "--problems", "problems.jsonl"]


@pytest.fixture
def evaluated(iterpref, problems):  # noqa: F811
    """Scores the program that doubles, which solves one of two tasks, into a folder."""
    assert problems.exists()

    def evaluate(out, *options, copies=1):
        rows = [{"task_id": task_id, "solution": RIGHT["h/double"]} for task_id in RIGHT]
        Path("doubles.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows * copies))
        code, _, err = iterpref("evaluate", "--samples", "doubles.jsonl", *SCORE, "--out", out, *options)
        assert code == 0, err

    return evaluate


def standings():
    with Path("board/leaderboard.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def words(text):
    return " ".join(text.split())


def test_a_table_has_every_model_and_compares_it_with_the_first(iterpref, evaluated):  # noqa: F811
    evaluated("doubles")
    prices = ["--set", "inference.price_completion=1000000"]
    with serve(MockEndpoint(answer, Behavior())) as url:
        served = ["--backend", "openai", "--base-url", url, *prices]
        assert iterpref("evaluate", "--model", "big-model", *SCORE, "--out", "big", *served)[0] == 0
    code, out, err = iterpref("leaderboard", "doubles", "big/results.json", "--out", "board")
    assert code == 0, err
    best, other = standings()
    assert (best["model"], best["n"], best["pass_at_1"], best["compared"]) == ("big", "2", "1.0", "2")
    assert (best["difference"], best["p_value"], best["answers_cut"]) == ("0.5", "1.0", "0")
    assert float(best["cost_usd"]) == 2 * float(best["tokens_per_answer"]) > 0
    assert (other["model"], other["pass_at_1"], other["difference"]) == ("doubles", "0.5", "")
    assert "| held-out  | big     | 2     | 100.0  |" in Path("board/leaderboard.md").read_text()
    assert "held-out" in out
    assert "against doubles" in words(out)
    _, out, _ = iterpref("leaderboard", "big", "doubles", "--out", "board", "--json")
    assert [row["difference"] for row in json.loads(out)["standings"]] == [None, -0.5]


def test_every_k_that_was_asked_for_is_a_column(iterpref, evaluated):  # noqa: F811
    evaluated("once", "--set", "evaluation.k=[1,2]")
    evaluated("twice", "--set", "evaluation.k=[1,2]", copies=2)
    assert iterpref("leaderboard", "once", "twice", "--out", "board")[0] == 0
    assert [row["pass_at_2"] for row in standings()] == ["", "0.5"]
    table = Path("board/leaderboard.md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.split("|")] for line in table if line.startswith("|")]
    place = cells[0].index("pass@2")
    assert [row[place] for row in cells if row[1] == "held-out"] == ["–", "50.0"]


def test_what_was_measured_differently_is_named(iterpref, evaluated):  # noqa: F811
    """A score at temperature 1.5, with 16 tokens and 0.1 seconds of CPU is not one of greedy decoding."""
    evaluated("one")
    found = json.loads(Path("one/results.json").read_text())
    measured = found["benchmarks"]["heldout"]
    measured["sampling"] = {"temperature": 0.0, "max_new_tokens": 512, "seed": 7}
    Path("one/results.json").write_text(json.dumps(found))
    Path("same").mkdir()
    Path("same/results.json").write_text(json.dumps(found))
    measured["sampling"] |= {"temperature": 1.5, "max_new_tokens": 16}
    measured["limits"]["cpu_s"] = 0.1
    measured["isolation"] = "none"
    Path("other").mkdir()
    Path("other/results.json").write_text(json.dumps(found))
    code, out, _ = iterpref("leaderboard", "one", "same", "other", "--out", "board")
    assert code == 0
    for text in (words(out), Path("board/leaderboard.md").read_text()):
        assert "other and one were measured differently on held-out: limits cpu_s: " in text
        assert "isolation: " in text
        assert "sampling max_new_tokens: 512 -> 16; sampling temperature: 0.0 -> 1.5" in text
        assert "same and one" not in text


def test_a_benchmark_that_one_model_lacks_is_named(iterpref, evaluated):  # noqa: F811
    evaluated("one")
    evaluated("two")
    assert iterpref("evaluate", "--ground-truth", "--benchmark", "validation", *SCORE[2:], "--out", "three")[0] == 0
    code, out, _ = iterpref("leaderboard", "one", "two", "three", "--out", "board")
    assert (code, [row["benchmark"] for row in standings()]) == (0, ["heldout", "heldout", "validation"])
    assert "no score of three on held-out: it was not measured" in words(out)
    assert "no score of one, two on validation split: it was not measured" in words(out)
    code, _, err = iterpref("leaderboard", "one", "--benchmark", "mbpp", "--out", "board")
    assert (code, "no score of one on MBPP: it was not measured" in err) == (2, True)


def test_results_that_cannot_be_compared_are_refused(iterpref, evaluated, problems):  # noqa: F811
    evaluated("one")
    problems.write_text(problems.read_text().replace("Write f that will", "Write an f that will"))
    evaluated("two")
    for places, message in [
        (("one", "two"), "were measured on different data"),
        (("one", "one/results.json"), "one/results.json: given twice"),
        (("one", "absent"), "absent"),
        (("one", "doubles.jsonl"), "doubles.jsonl"),
    ]:
        code, _, err = iterpref("leaderboard", *places, "--out", "board")
        assert (code, message in err) == (2, True), err
    assert not Path("board").exists()
