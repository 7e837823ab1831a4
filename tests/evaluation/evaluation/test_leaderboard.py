"""Leaderboards: one table of models, samples and results, compared on the same tasks; a call that fails goes on."""

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.mock_endpoint import Behavior, MockEndpoint, serve

from .test_served_models import Refusing, answer, iterpref  # noqa: F401 - a fixture

RIGHT = {"h/double": "def f(x):\n    return 2 * x\n", "h/square": "def f(x):\n    return x * x\n"}


def one_model_alone():
    """Knows the model `known`; `unknown` is no model of its."""
    return Refusing('"unknown"', "no such model", 404)


@pytest.fixture
def samples(tmp_path, problems):
    """A file with the right program of one of two tasks."""
    assert problems.exists()
    path = tmp_path / "doubles.jsonl"
    rows = [{"task_id": task_id, "solution": RIGHT["h/double"]} for task_id in RIGHT]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def board(*models, out="board", benchmark="heldout"):
    return ["leaderboard", *models, "--benchmark", benchmark, "--problems", "problems.jsonl", "--out", out]


def made(iterpref, *call):  # noqa: F811
    """Make a table, and return what is printed."""
    code, out, err = iterpref(*call)
    assert code == 0, err
    return out


def standings(out="board"):
    with Path(out, "leaderboard.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_table_has_every_model_and_compares_it_with_the_first(iterpref, samples):  # noqa: F811
    with serve(MockEndpoint(answer, Behavior())) as url:
        prices = ["--set", "inference.price_completion=1000000"]
        out = made(iterpref, *board(samples, "big-model"), "--backend", "openai", "--base-url", url, *prices)
    best, other = standings()
    assert (best["model"], best["n"], best["pass_at_1"], best["compared"]) == ("big-model", "2", "1.0", "2")
    assert (best["difference"], best["p_value"]) == ("0.5", "1.0")
    assert float(best["cost_usd"]) == 2 * float(best["tokens_per_answer"]) > 0
    assert (other["model"], other["pass_at_1"], other["difference"]) == ("doubles", "0.5", "")
    assert Path("board/leaderboard.md").read_text() == out.removesuffix("\n")
    assert "| held-out  | big-model | 2     | 100.0  |" in out
    # The results that the table was made of are an entrant, too.
    out = made(iterpref, *board("board/results/big-model", samples, out="again"), "--json")
    assert [row["difference"] for row in json.loads(out)["standings"]] == [None, -0.5]


def test_every_k_that_was_asked_for_is_a_column(iterpref, samples):  # noqa: F811
    rows = [json.loads(line) for line in samples.read_text().splitlines()]
    Path("twice.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows * 2))
    out = made(iterpref, *board(samples, "twice.jsonl"), "--set", "evaluation.k=[1,2]")
    assert [row["pass_at_2"] for row in standings()] == ["", "0.5"]
    cells = [[cell.strip() for cell in line.split("|")] for line in out.splitlines() if line.startswith("|")]
    place = cells[0].index("pass@2")
    assert [row[place] for row in cells if row[1] == "held-out"] == ["–", "50.0"]


def test_a_failing_model_leaves_the_others_in_the_table_and_the_same_call_asks_nothing_twice(
    iterpref,  # noqa: F811
    samples,
):
    mock = one_model_alone()
    with serve(mock) as url:
        call = [*board("known", "unknown", samples), "--backend", "openai", "--base-url", url]
        for _ in range(2):
            code, out, err = iterpref(*call)
            assert (code, "no such model" in err, "Traceback" in err) == (2, True, False)
            assert Path("board/leaderboard.md").read_text() == out.removesuffix("\n")
            assert [row["model"] for row in standings()] == ["known", "doubles"]
    assert len(mock.answered) == 2


def test_without_the_first_model_nothing_is_compared_with_another(iterpref, samples):  # noqa: F811
    with serve(one_model_alone()) as url:
        code, _, _ = iterpref(*board("unknown", samples, "known"), "--backend", "openai", "--base-url", url)
    assert code == 2
    assert {(row["model"], row["difference"]) for row in standings()} == {("known", ""), ("doubles", "")}
    assert "points against unknown" in Path("board/leaderboard.md").read_text()


def test_a_score_of_an_earlier_call_is_not_shown_as_one_of_this_call(iterpref, samples):  # noqa: F811
    made(iterpref, *board(samples))
    samples.write_text(json.dumps({"task_id": "v/double", "solution": RIGHT["h/double"]}))
    made(iterpref, *board(samples), "--benchmark", "validation")
    assert [row["benchmark"] for row in standings()] == ["validation"]
    assert "doubles has no score on held-out: it was not measured." in Path("board/leaderboard.md").read_text()


def test_a_file_of_samples_of_other_tasks_alone_is_a_failure(iterpref, samples):  # noqa: F811
    Path("other.jsonl").write_text(json.dumps({"task_id": "HumanEval/0", "solution": "pass"}))
    code, _, err = iterpref(*board(samples, "other.jsonl"))
    assert (code, "other.jsonl: no sample for any of 2 tasks of heldout" in err) == (2, True)
    assert [row["model"] for row in standings()] == ["doubles"]


def test_results_of_other_data_are_refused(iterpref, samples, problems):  # noqa: F811
    made(iterpref, *board(samples))
    problems.write_text(problems.read_text().replace("Write f that will", "Write an f that will"))
    code, _, err = iterpref(*board("board/results/doubles", samples, out="other"))
    assert (code, "were measured on different data" in err) == (2, True)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("empty", "a folder without a checkpoint"),
        ("doubles.jsonl", "doubles: given twice"),
        ("org/absent", "model 'org/absent': neither a folder here nor a model on the hub"),
    ],
)
def test_a_name_that_stands_for_nothing_is_refused_before_anything_is_measured(
    iterpref,  # noqa: F811
    samples,
    model,
    message,
):
    Path("empty").mkdir()
    code, _, err = iterpref(*board(samples.name, model))
    assert (code, message in err) == (2, True), err
    assert not Path("board").exists()


def test_all_benchmarks_are_those_for_reporting_that_are_here(
    iterpref,  # noqa: F811
    samples,
    monkeypatch,
):
    from iterpref_core.records.benchmark_table import PUBLISHED

    for published in PUBLISHED.values():
        monkeypatch.setenv(published.variable, "absent")
    out = made(iterpref, *board(samples, benchmark="all"))
    assert [row["benchmark"] for row in standings()] == ["heldout"]
    assert "has no score on HumanEval, HumanEval+: " in out
    assert "validation" not in out


@pytest.mark.slow
def test_a_killed_call_is_continued_by_the_same_call(samples, problems, tmp_path):
    row = json.loads(problems.read_text().splitlines()[0])
    rows = [row | {"task_id": f"h/{number}", "prompt": f"Double x ({number})."} for number in range(6)]
    problems.write_text("".join(f"{json.dumps(each)}\n" for each in rows))
    mock = MockEndpoint(answer, Behavior(median_s=0.2, sigma=0))
    with serve(mock) as url:
        call = [sys.executable, "-m", "iterpref_core.cli", *board("one", "two"), "--backend", "openai"]
        call += ["--base-url", url, "--set", "inference.concurrency=1"]
        process = subprocess.Popen(call, cwd=tmp_path)
        while mock.asked.total() < 8:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert [each["model"] for each in standings(str(tmp_path / "board"))] == ["one"]
        before = mock.asked.total()
        subprocess.run(call, cwd=tmp_path, check=True)
    assert mock.asked.total() - before <= 12 - before + 1  # the call in flight when the process was killed
    assert {each["model"] for each in standings(str(tmp_path / "board"))} == {"one", "two"}
