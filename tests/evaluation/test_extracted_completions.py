"""Completions from which programs are extracted: the prompt goes before each, as for EvalPlus's sanitizer."""

import json
from pathlib import Path

from iterpref_core.benchmarks.benchmark import EvaluationSetting
from iterpref_core.scoring.existing_samples import score_samples
from tests.evaluation.scoring import measuring

from .conftest import EvalPlusSlice

COMPLETIONS = {
    "HumanEval/2": "\n\n    return number - int(number)\n\n",
    "HumanEval/23": "    return len(string)\n\n\nprint(strlen('abc'))\n",
    "HumanEval/53": "    return x + y\n```\nThis adds the two.\n",
}


def test_a_completion_goes_on_with_its_prompt_before_its_program_is_extracted(
    evalplus_slice: EvalPlusSlice, setting: EvaluationSetting, tmp_path: Path
) -> None:
    evalplus_slice("humaneval", *COMPLETIONS)
    path = tmp_path / "rows.jsonl"
    rows = [{"task_id": task_id, "completion": text} for task_id, text in COMPLETIONS.items()]
    path.write_text("\n".join(map(json.dumps, rows)))
    scores = score_samples(path, measuring(setting, "humaneval"), tmp_path / "out", extract=True)
    assert scores["humaneval/pass_at_1"] == 1


def test_a_completion_of_prose_is_read_alone(setting: EvaluationSetting, problems: Path, tmp_path: Path) -> None:
    assert problems.exists()
    right = {"h/double": "def f(x):\n    return 2 * x\n", "h/square": "def f(x):\n    return x * x\n"}
    path = tmp_path / "rows.jsonl"
    rows = [{"task_id": name, "completion": f"Sure:\n```python\n{code}```\n"} for name, code in right.items()]
    path.write_text("\n".join(map(json.dumps, rows)))
    assert score_samples(path, measuring(setting, "heldout"), tmp_path / "out", extract=True)["heldout/pass_at_1"] == 1
