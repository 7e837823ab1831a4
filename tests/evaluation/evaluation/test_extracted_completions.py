"""Completions from which programs are extracted: the prompt goes before each, as for EvalPlus's sanitizer."""

import json

from iterpref_core.evaluation.scoring.existing_samples import score_samples
from tests.evaluation.evaluation.recorded_model import RecordedModel, sampler_of
from tests.evaluation.evaluation.scoring import asked, measuring

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
    path = tmp_path / "rows.jsonl"
    rows = [{"task_id": task_id, "completion": text} for task_id, text in COMPLETIONS.items()]
    path.write_text("\n".join(map(json.dumps, rows)))
    scores = score_samples(path, measuring(setting, "humaneval"), tmp_path / "out", extract=True)
    assert scores.measured["humaneval"].pass_at_1 == 1


ANSWERS = {
    "HumanEval/2": "def truncate_number(number):\n    return number % 1.0",
    "HumanEval/23": "def strlen(string):\n    return len(string)",
    "HumanEval/53": "def add(x, y):\n    return x + y",
}
BEHIND = ("", "\n\nprint(open('numbers.txt').read())", "\n\nassert 1 == 2, 'an example'")


def test_answers_have_one_score_whether_a_model_gives_them_or_a_file(evalplus_slice, setting, tmp_path):
    """Behind two of three right functions stands an example that would fail."""
    evalplus_slice("humaneval", *ANSWERS)
    answers = {}
    for (task_id, program), behind in zip(ANSWERS.items(), BEHIND, strict=True):
        answers[task_id] = f"Sure:\n```python\n{program}{behind}\n```\n"
    path = tmp_path / "answers.jsonl"
    path.write_text("\n".join(json.dumps({"task_id": name, "solution": text}) for name, text in answers.items()))
    scores = score_samples(path, measuring(setting, "humaneval"), tmp_path / "out", extract=True)
    assert scores.measured["humaneval"].pass_at_1 == 1

    def answer(request):
        return next(text for name, text in answers.items() if ANSWERS[name].split("(")[0] in str(request.prompt))

    result = asked("humaneval", sampler_of(RecordedModel(answer), tmp_path, instruct=True), setting)
    by_file = json.loads((tmp_path / "out/results.json").read_text())["benchmarks"]["humaneval"]
    assert result["verdicts"] == by_file["verdicts"]
