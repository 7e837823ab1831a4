"""Samples of a file: answers in place of programs, some of the tasks, completions of prose."""

import json
from dataclasses import replace

import pytest

from iterpref_core.evaluation.scoring.existing_samples import score_samples
from iterpref_core.records import InputError
from tests.evaluation.evaluation.scoring import RecordedModel, asked, measuring
from tests.texts import written

RIGHT = {"h/double": "def f(x):\n    return 2 * x\n", "h/square": "def f(x):\n    return x * x\n"}
ANSWERS = {task_id: f"Sure:\n```python\n{program}```\nDone." for task_id, program in RIGHT.items()}


pytestmark = pytest.mark.usefixtures("problems")


def write(folder, solutions, field="solution"):
    return written(folder / "mine.jsonl", *({"task_id": name, field: text} for name, text in solutions.items()))


def scored(path, setting, benchmark="heldout", **options):
    """The score of samples, whose results are written into `out` beside them."""
    return score_samples(path, measuring(setting, benchmark), path.parent / "out", **options).measured[benchmark]


def results(out):
    return json.loads((out / "results.json").read_text())["benchmarks"]


def test_answers_are_said_and_read_where_that_is_asked_for(setting, tmp_path, caplog):
    samples, out = write(tmp_path, ANSWERS), tmp_path / "out"
    assert scored(samples, setting).pass_at_1 == 0
    assert "mine.jsonl: 2 of 2 samples of heldout are answers with a program in a fence" in caplog.text
    caplog.clear()
    assert scored(samples, setting, extract=True).pass_at_1 == 1
    assert results(out)["heldout"]["extracted"]
    assert "in a fence" not in caplog.text
    assert "of no task" not in caplog.text
    written = (out / "samples/heldout.jsonl").read_text().splitlines()
    assert json.loads(written[0]) == {"task_id": "h/double", "solution": RIGHT["h/double"]}


def test_a_program_with_fences_in_a_string_is_no_answer(setting, tmp_path, caplog):
    program = 'def f(x):\n    """Double.\n\n    ```\n    f(1)\n    ```\n    """\n    return 2 * x\n'
    assert scored(write(tmp_path, RIGHT | {"h/double": program}), setting).pass_at_1 == 1
    assert "in a fence" not in caplog.text


def test_some_of_the_tasks_are_scored_where_that_is_asked_for(setting, tmp_path, caplog):
    path = write(tmp_path, {"h/double": RIGHT["h/double"], "other": "pass"})
    with pytest.raises(InputError, match="no sample for 1 of 2 tasks of heldout, such as h/square"):
        scored(path, setting)
    assert not (tmp_path / "out").exists()
    score = scored(path, setting, partial=True)
    assert (score.pass_at_1, score.n) == (1, 1)
    entry = results(tmp_path / "out")["heldout"]
    assert (entry["n"], entry["partial"], entry["ground_truth"]["n"]) == (1, {"tasks": 2}, 1)
    assert "heldout: the score is of 1 tasks of 2 (--partial)" in caplog.text
    assert "mine.jsonl: 1 samples are of no task that is scored, such as other" in caplog.text
    with pytest.raises(InputError, match="no sample for any of 2 tasks of heldout"):
        scored(write(tmp_path, {"other": "pass"}), setting, partial=True)


def test_samples_beyond_a_limit_are_of_tasks_that_are_not_scored_for_that_reason(setting, tmp_path, caplog):
    assert scored(write(tmp_path, RIGHT), replace(setting, limit=1)).n == 1
    assert "1 samples are of no task that is scored, such as h/square; --limit scores the first 1" in caplog.text


@pytest.mark.parametrize(("benchmark", "plus"), [("humaneval", "fail"), ("humaneval+", "pass")])
def test_verdicts_of_evalplus_that_are_others_here_are_counted(
    evalplus_slice, setting, tmp_path, caplog, benchmark, plus
):
    evalplus_slice("humaneval", "HumanEval/2", "HumanEval/23")
    right = {"solution": FUNCTIONS["HumanEval/23"], "task_id": "HumanEval/23"}
    wrong = {"solution": "def truncate_number(number):\n    return 1\n", "task_id": "HumanEval/2"}
    stated = {"base_status": "pass", "plus_status": plus}
    rows = {"HumanEval/2": [wrong | stated], "HumanEval/23": [right | stated, right]}
    path = tmp_path / "eval_results.json"
    path.write_text(json.dumps({"eval": rows}))
    scored(path, setting, benchmark)
    found = "another verdict of 1 of 2 samples, such as HumanEval/2: pass"
    assert f"{benchmark}: the file has {found}" in caplog.text
    assert "in the file, wrong_answer here" in caplog.text


@pytest.mark.parametrize(("completions", "extract"), [(RIGHT, False), (ANSWERS, True)])
def test_a_completion_of_prose_is_not_glued_to_it(setting, tmp_path, completions, *, extract):
    assert scored(write(tmp_path, completions, "completion"), setting, extract=extract).pass_at_1 == 1


def test_a_completion_goes_on_with_a_prompt_of_evalplus_and_a_solution_wins(evalplus_slice, setting, tmp_path):
    evalplus_slice("humaneval", "HumanEval/2")
    row = {"task_id": "HumanEval/2", "completion": "    return number % 1.0\n"}
    wrong = {"solution": "def truncate_number(number):\n    return 1\n"}
    for samples, score in ((row, 1), (row | wrong, 0)):
        path = written(tmp_path / "rows.jsonl", samples)
        assert scored(path, setting, "humaneval").pass_at_1 == score


COMPLETIONS = {
    "HumanEval/2": "\n\n    return number - int(number)\n\n",
    "HumanEval/23": "    return len(string)\n\n\nprint(strlen('abc'))\n",
    "HumanEval/53": "    return x + y\n```\nThis adds the two.\n",
    # Whole functions, of which the third needs what the prompt imports.
    "HumanEval/13": "    def greatest_common_divisor(a, b):\n        import math\n\n        return math.gcd(a, b)\n",
    "HumanEval/34": "Sure:\n```python\ndef unique(l: list):\n    return sorted({*l})\n```\nIt sorts.\n",
    "HumanEval/8": (
        "```python\ndef sum_product(numbers: List[int]) -> Tuple[int, int]:\n    product = 1\n"
        "    for number in numbers:\n        product *= number\n    return sum(numbers), product\n```\n"
    ),
    # Bodies in a fence, and one behind the first token of a text.
    "HumanEval/24": (
        "The body:\n```python\n    for i in reversed(range(n)):\n        if n % i == 0:\n            return i\n```\n"
    ),
    "HumanEval/29": "```python\nreturn [x for x in strings if x.startswith(prefix)]\n```",
    "HumanEval/30": "<s>    return [e for e in l if e > 0]</s>\n",
    "HumanEval/45": "    return a * h / 2<|endoftext|>def other(x):\n    return x\n",
    "HumanEval/41": "    return n ** 2<|fim_pad|>and so on\ndef car_race_collision(n):\n    return 0\n",
}


def test_a_completion_goes_on_with_its_prompt_before_its_program_is_extracted(evalplus_slice, setting, tmp_path):
    evalplus_slice("humaneval", *COMPLETIONS)
    assert scored(write(tmp_path, COMPLETIONS, "completion"), setting, "humaneval", extract=True).pass_at_1 == 1


FUNCTIONS = {
    "HumanEval/2": "def truncate_number(number):\n    return number % 1.0",
    "HumanEval/23": "def strlen(string):\n    return len(string)",
    "HumanEval/53": "def add(x, y):\n    return x + y",
}
BEHIND = ("", "\n\nprint(open('numbers.txt').read())", "\n\nassert 1 == 2, 'an example'")


def test_answers_have_one_score_whether_a_model_gives_them_or_a_file(evalplus_slice, setting, tmp_path):
    """Behind two of three right functions stands an example that would fail."""
    evalplus_slice("humaneval", *FUNCTIONS)
    answers = {}
    for (task_id, program), behind in zip(FUNCTIONS.items(), BEHIND, strict=True):
        answers[task_id] = f"Sure:\n```python\n{program}{behind}\n```\n"
    assert scored(write(tmp_path, answers), setting, "humaneval", extract=True).pass_at_1 == 1

    def answer(request):
        return next(text for name, text in answers.items() if FUNCTIONS[name].split("(")[0] in str(request.prompt))

    result = asked("humaneval", RecordedModel(answer), setting)
    assert result["verdicts"] == results(tmp_path / "out")["humaneval"]["verdicts"]
