"""Read the answers of an evaluation that did not pass."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from iterpref_core.records import BENCHMARKS, InputError, Sample, labeled_text, load_params
from iterpref_core.storage.jsonl import read_jsonl
from iterpref_core.storage.state_folder import WORK

from ..benchmarks.benchmark import EvaluationSetting, PromptMode
from ..benchmarks.suites import open_benchmark
from ..evaluation.results_file import SAMPLES, load_model_results


class WrongAnswer(NamedTuple):
    """An answer that did not pass.

    Attributes:
        prompt: what was asked, without a model's template; empty if the benchmark's data are not here.
        feedback: of the first test that failed; may be empty.
    """

    benchmark: str
    task_id: str
    verdict: str
    prompt: str
    program: str
    feedback: str


def read_wrong_answers(results: Path, problems: Path, verdict: str | None = None) -> Iterator[WrongAnswer]:
    """Yield the answers of a folder of `iterpref evaluate` that did not pass, benchmark by benchmark.

    Args:
        results: the folder.
        problems: JSONL of problems, for the prompts of one's own.
        verdict: the verdict of the answers; None: any but `passed`.

    Raises:
        InputError: the folder cannot be read.
    """
    for name, result in load_model_results(results).measured.items():
        prompts = _prompts(name, problems)
        samples = read_jsonl(results / SAMPLES / f"{name}.jsonl", Sample)
        for task_id, answers in groupby(samples, key=lambda sample: sample.task_id):
            feedback: Sequence[str | None] = (result.feedback or {}).get(task_id, [])
            for number, (answer, found) in enumerate(zip(answers, result.verdicts.get(task_id, ()), strict=False)):
                if found != "passed" and verdict in (None, found):
                    said = feedback[number] if number < len(feedback) else ""
                    yield WrongAnswer(name, task_id, found, prompts.get(task_id, ""), answer.solution or "", said or "")


def _prompts(name: str, problems: Path) -> dict[str, str]:
    """Return task → prompt; nothing if the benchmark's data are not here."""
    setting = EvaluationSetting(load_params(), problems, WORK / "evaluation", own_set=True)
    try:
        benchmark = open_benchmark(name if name in BENCHMARKS else "heldout", setting)
        mode = PromptMode(instruct=True)
        return {task_id: labeled_text(benchmark.prompt(task, mode).text) for task_id, task in benchmark.tasks.items()}
    except InputError:
        return {}
