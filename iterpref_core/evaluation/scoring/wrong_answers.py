"""Read the answers of an evaluation that did not pass."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from iterpref_core.records import BENCHMARKS, InputError, labeled_text, load_params
from iterpref_core.storage.state_folder import WORK

from ..benchmarks.benchmark import EvaluationSetting, PromptMode
from ..benchmarks.suites import open_benchmark
from ..evaluation.results_file import judged_samples, load_model_results


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
        for sample, found, said in judged_samples(results, name, result):
            if found != "passed" and verdict in (None, found):
                prompt = prompts.get(sample.task_id, "")
                yield WrongAnswer(name, sample.task_id, found, prompt, sample.solution or "", said)


def _prompts(name: str, problems: Path) -> dict[str, str]:
    """Return task → prompt; nothing if the benchmark's data are not here."""
    setting = EvaluationSetting(load_params(), problems, WORK / "evaluation", own_set=True)
    try:
        benchmark = open_benchmark(name if name in BENCHMARKS else "heldout", setting)
        mode = PromptMode(instruct=True)
        return {task_id: labeled_text(benchmark.prompt(task, mode).text) for task_id, task in benchmark.tasks.items()}
    except InputError:
        return {}
