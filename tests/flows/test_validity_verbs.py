"""The verbs judge and review, and the stage's task with a judge; a recording stands for the model."""

import csv
import json
from pathlib import Path

import pytest

from iterpref_core.config import load_params, with_values
from iterpref_core.records import IoTest, Problem
from iterpref_core.storage.jsonl import write_jsonl
from iterpref_core.validity.test_judge import judge_prompt
from tasks.validity import measure_validity
from tests.settings import ROOT

HOSTILE = "<script>document.title = 'owned'</script>"


def answer(score: int) -> str:
    return json.dumps({"reason": ".", "accuracy": 5, "effectiveness": score, "reasonableness": 5})


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Problem]:
    """A folder with problems, params and a recording of a judge that gives problem n the effectiveness n."""
    monkeypatch.chdir(tmp_path)
    problems = [
        Problem(
            task_id=f"codeflow/{number}",
            prompt=f"Add {number}. {HOSTILE}",
            entry_point="f",
            tests=(IoTest(call="f(1)", expected=str(1 + number)),),
            reference=f"def f(x):\n    return x + {number}\n",
            split="codeflow",
        )
        for number in range(1, 5)
    ]
    Path("data").mkdir()
    write_jsonl("data/problems.jsonl", problems)
    recorded = [{"prompt": judge_prompt(p), "answers": [answer(n)]} for n, p in enumerate(problems, 1)]
    Path("recording.jsonl").write_text("".join(json.dumps(line) + "\n" for line in recorded), encoding="utf-8")
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    assert text.count("recording: null") == 1
    Path("params.yaml").write_text(text.replace("recording: null", "recording: recording.jsonl"), encoding="utf-8")
    return problems


JUDGE = ("judge", "--problems", "data/problems.jsonl", "--model", "m", "--backend", "replay")


def test_judge_scores_all_problems_or_a_sample_and_keeps_the_good_ones(iterpref, workspace: list[Problem]) -> None:  # type: ignore[no-untyped-def]
    code, out, err = iterpref(*JUDGE, "--out", "scores.jsonl", "--min-score", "3", "--kept", "kept.jsonl", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert (found["problems"], found["kept"], found["dropped/low_effectiveness"]) == (4, 2, 2)
    assert (found["effectiveness/mean"], found["asked_again"], found["unreadable"]) == (2.5, 0, 0)
    assert len(Path("kept.jsonl").read_text().splitlines()) == 2
    code, out, _ = iterpref(*JUDGE, "--out", "few.jsonl", "--sample", "2", "--seed", "5", "--json")
    assert code == 0
    assert json.loads(out)["problems"] == len(Path("few.jsonl").read_text().splitlines()) == 2


def test_judge_stops_at_the_budget_and_goes_on_when_it_is_raised(iterpref, workspace: list[Problem]) -> None:  # type: ignore[no-untyped-def]
    path = Path("params.yaml")
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("\n  calls: null", "\n  calls: 3"), encoding="utf-8")
    code, _, err = iterpref(*JUDGE, "--out", "scores.jsonl")
    assert code != 0
    assert "budget.calls" in err
    assert not Path("scores.jsonl").exists()
    path.write_text(text.replace("\n  calls: null", "\n  calls: 4"), encoding="utf-8")
    code, _, err = iterpref(*JUDGE, "--out", "scores.jsonl")
    assert code == 0, err
    assert len(Path("scores.jsonl").read_text().splitlines()) == 4


def test_review_goes_out_and_comes_back_and_agrees_with_the_judge(iterpref, workspace: list[Problem]) -> None:  # type: ignore[no-untyped-def]
    code, out, err = iterpref("review", "--problems", "data/problems.jsonl", "--out", "r.csv", "--html", "r.html")
    assert code == 0, err
    assert "r.csv" in out
    page = Path("r.html").read_text(encoding="utf-8")
    assert page.count('<article class="pair">') == 4
    assert HOSTILE not in page
    assert "f(1) == 2" in page
    with Path("r.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        mark = row["task_id"].removeprefix("codeflow/")
        row.update({"accuracy": "5", "effectiveness": mark, "reasonableness": "4"})
    with Path("r.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    assert iterpref(*JUDGE, "--out", "scores.jsonl")[0] == 0
    code, out, err = iterpref("review", "--marks", "r.csv", "--scores", "scores.jsonl", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert (found["marked"], found["compared"]) == (4, 4)
    assert (found["effectiveness/exact"], found["effectiveness/kappa"]) == (1, 1)
    assert (found["accuracy/kappa"], found["reasonableness/exact"], found["reasonableness/near"]) == (None, 0, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["judge", "--problems", "data/problems.jsonl", "--out", "o"], "no judge: give --model"),
        ([*JUDGE[:-1], "fax", "--out", "o"], "available: transformers, vllm, openai, replay"),
        ([*JUDGE, "--out", "o", "--sample", "1", "--kept", "k"], "leave one of the two out"),
        (["review"], "give --problems and --out to export, or --marks"),
        (["review", "--marks", "data/problems.jsonl", "--out", "o"], "give one or the other"),
        (["review", "--marks", "absent.csv"], "absent.csv: no such file"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_mistake_is_one_message_and_exit_code_2(  # type: ignore[no-untyped-def]
    iterpref, workspace: list[Problem], arguments: list[str], message: str
) -> None:
    code, _, err = iterpref(*arguments)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert not Path("o").exists()


def test_a_bad_mark_ends_with_exit_code_2(iterpref, workspace: list[Problem]) -> None:  # type: ignore[no-untyped-def]
    Path("r.csv").write_text("task_id,accuracy,effectiveness,reasonableness\na,5,7,5\n", encoding="utf-8")
    code, _, err = iterpref("review", "--marks", "r.csv")
    assert code == 2
    assert err == ("error: r.csv:2 (a): field 'effectiveness': '7' is no mark; write a whole number from 1 to 5\n")


def test_the_stage_asks_the_judge_that_params_name(workspace: list[Problem]) -> None:
    values = {"validity.judge": "m", "inference.backend": "replay", "inference.recording": "recording.jsonl"}
    metrics = measure_validity(with_values(load_params("params.yaml"), values))
    assert (metrics["judge/asked"], metrics["effectiveness/mean"], metrics["coverage/mean"]) == (4, 2.5, 1.0)
    assert json.loads(Path("metrics/validity.json").read_text()) == metrics
    lines = [json.loads(line) for line in Path("data/validity.jsonl").read_text().splitlines()]
    assert {line["task_id"]: line["judge"]["effectiveness"] for line in lines} == {
        f"codeflow/{number}": number for number in range(1, 5)
    }
