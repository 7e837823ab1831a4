"""Answers of several models to the same tasks, with the differences between their programs."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import combinations
from pathlib import Path
from typing import Any, TypeVar

from iterpref_core.evaluation.report.labels import BENCHMARKS, MAIN_BENCHMARK, OWN_BENCHMARKS, benchmark_name, in_order
from iterpref_core.programs.source_code.line_diff import diff_lines
from iterpref_core.records import Problem, Sample
from iterpref_core.records.prompt_messages import labeled_text
from iterpref_core.records.results import Measured, ModelResults
from iterpref_core.storage.jsonl import read_jsonl

T = TypeVar("T")
Json = dict[str, Any]

# The largest numbers of characters that are shown, so that one endless answer does not fill the page.
PROGRAM = 6000
PROMPT = 2000
FEEDBACK = 1500

TASKS = 200
"""The largest number of tasks on which models are compared."""

Written = tuple[str | None, str, str]
"""(program, verdict, feedback) of a model on a task; no program if the samples are not those that were judged."""


def compared_answers(
    models: Mapping[str, ModelResults],
    results: Path,
    problems: Path | None,
) -> list[Json]:
    """Return tasks that two models or more answered, with the first answer of each model.

    Args:
        models: the results by model.
        results: the folder of `<model>/samples/<benchmark>.jsonl`.
        problems: JSONL of problems, for the prompts of our own tasks.

    Returns:
        For each task its name and prompt, each different program once, the lines in which each two of them differ, and
        each model's (program, verdict, feedback).

    Raises:
        InputError: a file is unusable.
    """
    measured: dict[str, dict[str, Measured]] = {}
    for model, result in models.items():
        for benchmark, entry in result.measured.items():
            measured.setdefault(benchmark, {})[model] = entry
    chosen = _choose_tasks(measured)
    own_tasks = {task_id for benchmark, task_id in chosen if benchmark in OWN_BENCHMARKS}
    prompts = read_prompts(problems, own_tasks)
    answers: dict[tuple[str, str], dict[str, Written]] = {}
    for benchmark, entries in measured.items():
        task_ids = [task_id for name, task_id in chosen if name == benchmark]
        for task_id, written in _answers(benchmark, task_ids, entries, results):
            answers[benchmark, task_id] = written
    shown = []
    for benchmark, task_id in chosen:
        prompt = prompts.get(task_id, "")
        written = answers[benchmark, task_id]
        shown.append(_entry(benchmark, task_id, prompt, written))
    return shown


def _choose_tasks(measured: Mapping[str, Mapping[str, Measured]]) -> list[tuple[str, str]]:
    """Choose (benchmark, task_id) to show.

    Tasks of a benchmark that the same models solve are a kind. Kinds take turns, so that every benchmark and rare kinds
    are there. Inside a kind, tasks come in the order of the hashes of their task_ids. HumanEval and HumanEval+ judge
    the same programs: only tasks of the stricter one are shown.
    """
    kinds: dict[tuple[int, tuple[bool, ...]], list[tuple[str, str]]] = {}
    for order, benchmark in enumerate(in_order(set(measured), BENCHMARKS)):
        entries = measured[benchmark]
        if len(entries) < 2 or f"{benchmark}+" in measured:
            continue
        task_ids: set[str] = set()
        for entry in entries.values():
            task_ids.update(entry.verdicts)
        for task_id in sorted(task_ids, key=text_hash):
            # Of three models, (False, True, True) is the kind of tasks that the first one alone fails.
            solved = tuple(_solves(entry, task_id) for entry in entries.values())
            tasks_of_kind = kinds.setdefault((order, solved), [])
            tasks_of_kind.append((benchmark, task_id))
    groups = [kinds[kind] for kind in sorted(kinds)]
    in_turn = list(take_turns(groups))
    return in_turn[:TASKS]


def take_turns(groups: Iterable[Sequence[T]]) -> Iterator[T]:
    """Yield the first item of each group, then the second of each, and so on.

    >>> list(take_turns(["abc", "d"]))
    ['a', 'd', 'b', 'c']
    """
    waiting = [iter(group) for group in groups]
    while waiting:
        still_waiting = []
        for group in waiting:
            for item in group:
                yield item
                still_waiting.append(group)
                break
        waiting = still_waiting


def text_hash(text: str) -> bytes:
    """Return the hash by which tasks are drawn, so that no person picks them."""
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def cut(text: str, longest: int) -> str:
    r"""Return the beginning of a text, with the number of characters that were left out.

    >>> cut("abcdef", 4)
    'abcd\n… 2 characters more'
    """
    if len(text) <= longest:
        return text
    left_out = len(text) - longest
    return f"{text[:longest]}\n… {left_out:,} characters more"


def _answers(
    benchmark: str,
    task_ids: Sequence[str],
    entries: Mapping[str, Measured],
    results: Path,
) -> Iterator[tuple[str, dict[str, Written]]]:
    """Yield each task with the models' answers to it."""
    if not task_ids:
        return
    programs = {model: _read_programs(results / model, benchmark, task_ids) for model in entries}
    for task_id in task_ids:
        written: dict[str, Written] = {}
        for model, entry in entries.items():
            verdicts = entry.verdicts.get(task_id, ())
            if not verdicts:
                continue
            samples = programs[model].get(task_id, [])
            # Other numbers of samples and verdicts: the file is not the one that was judged.
            judged = len(samples) == len(verdicts)
            program = cut(samples[0], PROGRAM) if judged else None
            feedback = _first_feedback(entry, task_id)
            written[model] = (program, verdicts[0], cut(feedback, FEEDBACK))
        yield task_id, written


def _first_feedback(entry: Measured, task_id: str) -> str:
    """Return the feedback on a model's first sample of a task; empty if none was kept."""
    if not entry.feedback:
        return ""
    feedback = entry.feedback.get(task_id, ())
    return feedback[0] if feedback else ""


def _entry(
    benchmark: str,
    task_id: str,
    prompt: str,
    written: Mapping[str, Written],
) -> Json:
    # Models often write the same program: each different one is on the page once, and answers name it by its number.
    numbers: dict[str, int] = {}
    answers = {}
    for model, (program, verdict, feedback) in written.items():
        number = None
        if program is not None:
            number = numbers.setdefault(program, len(numbers))
        answers[model] = [number, verdict, feedback]
    differing = {}
    for first, second in combinations(numbers, 2):
        diff = diff_lines(first, second)
        differing[f"{numbers[first]} {numbers[second]}"] = [diff.rejected, diff.chosen]
    name = task_id
    if benchmark != MAIN_BENCHMARK:
        name = f"{task_id}, {benchmark_name(benchmark)}"
    return {
        "id": name,
        "prompt": cut(prompt, PROMPT),
        "programs": list(numbers),
        "differing": differing,
        "answers": answers,
    }


def _read_programs(
    folder: Path,
    benchmark: str,
    task_ids: Collection[str],
) -> dict[str, list[str]]:
    """Return task_id → the task's programs among a model's samples, in the file's order; empty without a file."""
    path = folder / "samples" / f"{benchmark}.jsonl"
    if not path.is_file():
        return {}
    wanted = set(task_ids)
    programs: dict[str, list[str]] = {}
    for sample in read_jsonl(path, Sample):
        if sample.task_id in wanted:
            text = sample.solution if sample.solution is not None else sample.completion
            programs_of_task = programs.setdefault(sample.task_id, [])
            programs_of_task.append(text or "")
    return programs


def _solves(entry: Measured, task_id: str) -> bool:
    """Return True if a model's first sample of a task passed."""
    verdicts = entry.verdicts.get(task_id, ())
    return bool(verdicts) and verdicts[0] == "passed"


def read_prompts(path: Path | None, task_ids: Collection[str]) -> dict[str, str]:
    """Return task_id → prompt of these problems, from a file of problems; empty without a file."""
    if path is None or not task_ids:
        return {}
    prompts = {}
    for problem in read_jsonl(path, Problem):
        if problem.task_id in task_ids:
            prompts[problem.task_id] = labeled_text(problem.prompt)
    return prompts
