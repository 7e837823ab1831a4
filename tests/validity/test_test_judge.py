"""An LLM judges tests: its prompt, its answers read strictly, its scores counted, and the threshold."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from iterpref_core.errors import ConfigError, RecordError
from iterpref_core.inference.backend import Completion, Request, Sampling
from iterpref_core.records import AssertTest, IoTest, Problem, ScriptTest
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl
from iterpref_core.validity.problem_sample import LONGEST, draw_problems, show_tests
from iterpref_core.validity.test_judge import JudgedTests, Scores, judge_file, judge_prompt, judge_tests, parse_scores


def problem(number: int, **fields: object) -> Problem:
    values = {"prompt": f"Task {number}.", "tests": (IoTest(call="f(1)", expected="2"),), "reference": "def f(x): ..."}
    return Problem.model_validate({"task_id": f"p/{number}", "entry_point": "f", **values, **fields})


def answer(accuracy: int, effectiveness: int, reasonableness: int) -> str:
    scores = {"accuracy": accuracy, "effectiveness": effectiveness, "reasonableness": reasonableness}
    return json.dumps({"reason": "Only one case.", **scores})


class Judge:
    """Gives each task, by its number, the answers written for it, one after the other."""

    def __init__(self, answers: dict[int, list[str]]) -> None:
        self.answers = answers
        self.requests: list[Request] = []

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Completion]:
        self.requests += requests
        assert sampling.temperature == 0
        return [Completion(self._answer(request.prompt), 1, 1, truncated=False) for request in requests]

    def _answer(self, prompt: str) -> str:
        return self.answers[int(prompt.partition("Task ")[2].partition(".")[0])].pop(0)


def test_the_judge_reads_the_task_the_reference_and_all_tests_hidden_ones_too() -> None:
    hidden = AssertTest(code="assert f(7) == 8")
    prompt = judge_prompt(problem(3, hidden_tests=(hidden,), reference="def f(x):\n    return {x}\n"))
    for expected in (
        "Task 3.",
        "    return {x}\n```",
        "assert f(1) == 2\nassert f(7) == 8\n```",
        "accuracy",
        '"reason"',
    ):
        assert expected in prompt
    assert "{prompt}" not in prompt


def test_a_problem_without_a_reference_can_be_judged() -> None:
    assert "# none is given" in judge_prompt(problem(1, reference=None))


def test_scripts_are_shown_with_the_name_they_import_and_set_up_comes_first() -> None:
    script = ScriptTest(module="own", files={"t.py": "import own\n"}, run="t.py")
    text = show_tests(problem(1, tests=(script,), setup="import re\n"))
    assert text == "# runs first\nimport re\n# t.py, which imports the solution as own\nimport own"


def test_tests_beyond_what_can_be_read_are_left_out_whole_and_counted() -> None:
    long = AssertTest(code="assert f('" + "x" * (LONGEST // 2) + "')")
    text = show_tests(problem(1, tests=(long, long, long)))
    assert text.endswith("\n# 2 more, not shown")
    assert text.count("assert") == 1


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("Fine tests!", "not valid JSON"),
        ("", "not valid JSON"),
        ('Here: {"reason": "r", "accuracy": 5, "effectiveness": 5, "reasonableness": 5}', "not valid JSON"),
        ('{"reason": "r", "accuracy": 5, "effectiveness": 5}', "'reasonableness' is missing"),
        ('{"accuracy": 5, "effectiveness": 5, "reasonableness": 5}', "'reason' is missing"),
        ('{"reason": "r", "accuracy": 6, "effectiveness": 5, "reasonableness": 5}', "'accuracy'"),
        ('{"reason": "r", "accuracy": 0, "effectiveness": 5, "reasonableness": 5}', "'accuracy'"),
        ('{"reason": "r", "accuracy": "5", "effectiveness": 5, "reasonableness": 5}', "'accuracy'"),
        ('{"reason": "r", "accuracy": 4.5, "effectiveness": 5, "reasonableness": 5}', "'accuracy'"),
        ('{"reason": "r", "accuracy": true, "effectiveness": 5, "reasonableness": 5}', "'accuracy'"),
        ('{"reason": "r", "accuracy": 5, "effectiveness": 5, "reasonableness": 5, "style": 1}', "'style'"),
        ('[{"reason": "r", "accuracy": 5, "effectiveness": 5, "reasonableness": 5}]', "Input should be an object"),
    ],
)
def test_an_answer_in_another_form_is_not_guessed_at(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        parse_scores(text)


@pytest.mark.parametrize("frame", ["{}", "\n {} \n", "```json\n{}\n```", "```\n{}\n```\n"])
def test_an_object_alone_is_read_in_a_fence_too(frame: str) -> None:
    read = parse_scores(frame.replace("{}", answer(5, 2, 4)))
    assert read == Scores(accuracy=5, effectiveness=2, reasonableness=4, reason="Only one case.")


def test_the_judge_is_asked_once_more_and_told_why_and_what_stays_unreadable_is_none() -> None:
    judge, counts = Judge({0: [answer(1, 2, 3)], 1: ["?", answer(4, 4, 4)], 2: ["?", "!"]}), Counter[str]()
    first, second, third = judge_tests(map(problem, range(3)), judge, counts)
    assert first is not None
    assert (first.accuracy, first.effectiveness, first.reasonableness) == (1, 2, 3)
    assert second is not None
    assert third is None
    assert counts == {"asked": 3, "asked_again": 2, "unreadable": 1}
    assert "not valid JSON" in judge.requests[3].prompt


FOUR = {0: [answer(5, 5, 5)], 1: [answer(5, 2, 1)], 2: ["?", "?"], 3: [answer(3, 4, 2)]}


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    path = tmp_path / "problems.jsonl"
    write_jsonl(path, map(problem, range(4)))
    return path


def test_scores_are_written_for_every_problem_and_counted(problems: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores.jsonl"
    metrics = judge_file(problems, Judge({**FOUR, 2: ["?", "?"]}), out)
    records = list(read_jsonl(out, JudgedTests))
    assert [record.task_id for record in records] == ["p/0", "p/1", "p/2", "p/3"]
    assert [record.judge and record.judge.effectiveness for record in records] == [5, 2, None, 4]
    assert (metrics["problems"], metrics["kept"], metrics["unreadable"]) == (4, 4, 1)
    assert metrics["effectiveness/mean"] == pytest.approx(11 / 3)
    assert [metrics[f"accuracy/{score}"] for score in range(1, 6)] == [0, 0, 1, 0, 2]
    assert not [name for name in metrics if name.startswith("dropped/")], "without a threshold nothing is dropped"


def test_a_threshold_drops_for_a_named_reason(problems: Path, tmp_path: Path) -> None:
    judge = Judge({0: [answer(5, 3, 3)], 1: [answer(5, 2, 1)], 2: ["?", "?"], 3: [answer(3, 4, 2)]})
    kept = tmp_path / "kept.jsonl"
    metrics = judge_file(problems, judge, tmp_path / "scores.jsonl", min_score=3, kept=kept)
    assert [item.task_id for item in read_jsonl(kept, Problem)] == ["p/0"]
    dropped = {name: count for name, count in metrics.items() if name.startswith("dropped/")}
    assert dropped == {"dropped/low_effectiveness": 1, "dropped/unreadable": 1, "dropped/low_reasonableness": 1}
    assert metrics["kept"] == 1


def test_nothing_is_kept_from_a_sample(problems: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="leave one of the two out"):
        judge_file(problems, Judge({}), tmp_path / "scores.jsonl", sample=2, kept=tmp_path / "kept.jsonl")


def test_a_broken_line_is_found_before_the_judge_is_asked(problems: Path, tmp_path: Path) -> None:
    problems.write_text(problems.read_text() + "{}\n")
    judge = Judge({})
    with pytest.raises(RecordError, match=r"problems\.jsonl:5"):
        judge_file(problems, judge, tmp_path / "scores.jsonl")
    assert judge.requests == []
    assert not (tmp_path / "scores.jsonl").exists()


def test_a_sample_is_the_same_every_time_and_grows_with_its_size(tmp_path: Path) -> None:
    path = tmp_path / "problems.jsonl"
    write_jsonl(path, (problem(n, split="codeflow" if n % 2 else "heldout") for n in range(40)))
    ten = [item.task_id for item in draw_problems(path, 10, seed=1)]
    assert ten == [item.task_id for item in draw_problems(path, 10, seed=1)]
    assert [item.task_id for item in draw_problems(path, 15, seed=1)][:10] == ten
    assert ten != [item.task_id for item in draw_problems(path, 10, seed=2)]
    assert ten != sorted(ten)
    assert len(draw_problems(path, 100, seed=1, split="codeflow")) == 20
