"""Answers of models: programs that failed, a few of each model, and what several models wrote for the same tasks."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain, combinations, zip_longest
from pathlib import Path
from typing import Any, TypeVar

from iterpref_core.records import Problem, Sample
from iterpref_core.report.labels import BENCHMARKS, OWN_BENCHMARKS, benchmark_name, in_order, model_name
from iterpref_core.report.stage_outputs import Measured, ModelResults
from iterpref_core.source_code.line_diff import diff_lines
from iterpref_core.storage.jsonl import read_jsonl

T = TypeVar("T")
Json = dict[str, Any]

NOT_FAILURES = ("passed", "infra_error")
PROGRAM, PROMPT, FEEDBACK = 6000, 2000, 1500
"""Characters that are shown at most, so that one endless answer does not fill the page."""
TASKS = 200
"""Tasks on which models are compared, at most."""


@dataclass(frozen=True)
class FailingProgram:
    """`prompt` is empty where the experiment does not have it, `feedback` where it was not kept."""

    task_id: str
    benchmark: str
    verdict: str
    program: str
    prompt: str
    feedback: str


@dataclass(frozen=True)
class ModelFailures:
    """A model's programs that are shown, of `failed` that there are; `unknown`: its programs were not kept."""

    name: str
    failed: int
    shown: tuple[FailingProgram, ...]
    unknown: bool


def failing_programs(
    models: Mapping[str, ModelResults], results: Path, problems: Path | None, count: int
) -> list[ModelFailures]:
    """Choose failing programs of every model, benchmark by benchmark in turn.

    Of a benchmark those tasks come first whose task_ids have the smallest hashes: nobody picks them, and models that
    fail the same task are shown on it. A task that several benchmarks judge (HumanEval, HumanEval+) is shown once.

    Args:
        models: what was measured.
        results: folder of `<model>/samples/<benchmark>.jsonl`.
        problems: JSONL of problems, for the prompts of our own tasks.
        count: programs of each model, at most.

    Raises:
        InputError: a file is unusable.
    """
    chosen = {name: _choose(model, count) for name, model in models.items()}
    task_ids = {
        task_id for failures in chosen.values() for benchmark, task_id in failures if benchmark in OWN_BENCHMARKS
    }
    prompts = _read_prompts(problems, task_ids)
    return [_failures_of(model, results / name, chosen[name], prompts) for name, model in models.items()]


def compared_answers(
    models: Mapping[str, ModelResults], results: Path, problems: Path | None
) -> tuple[str, list[Json]]:
    """The first benchmark that two models were measured on, and its tasks with every model's first answer.

    Tasks that the same models solve are a kind. Kinds take turns, so that rare ones are there; inside a kind those come
    first whose task_ids have the smallest hashes.

    Args:
        models: what was measured.
        results: folder of `<model>/samples/<benchmark>.jsonl`.
        problems: JSONL of problems, for the prompts of our own tasks.

    Returns:
        The benchmark's name, empty where there is none; and for each task its prompt, each different program once, the
        lines in which each two of them differ, and each model's (program, verdict, feedback).

    Raises:
        InputError: a file is unusable.
    """
    for benchmark in in_order({name for model in models.values() for name in model.measured}, BENCHMARKS):
        measured = {name: model.measured[benchmark] for name, model in models.items() if benchmark in model.measured}
        if len(measured) > 1:
            return benchmark, list(_answers(benchmark, measured, results, problems))
    return "", []


def take_turns(groups: Iterable[Sequence[T]]) -> Iterator[T]:
    """The first of each group, then the second of each, and so on.

    >>> list(take_turns(["abc", "d"]))
    ['a', 'd', 'b', 'c']
    """
    rows = zip_longest(*([(item,) for item in group] for group in groups), fillvalue=())
    return chain.from_iterable(chain.from_iterable(rows))


def by_hash(task_ids: Iterable[str]) -> list[str]:
    """In the order of their hashes, in which nobody picks them."""
    return sorted(task_ids, key=lambda task_id: sha256(task_id.encode("utf-8", "surrogatepass")).digest())


def cut(text: str, longest: int) -> str:
    r"""The text's beginning, which says how much was left out.

    >>> cut("abcdef", 4)
    'abcd\n… 2 characters more'
    """
    return text if len(text) <= longest else f"{text[:longest]}\n… {len(text) - longest:,} characters more"


def _choose(model: ModelResults, count: int) -> list[tuple[str, str]]:
    """(benchmark, task_id) of failures, one benchmark after the other in turn, so that none crowds the others out."""
    by_family: dict[str, dict[str, str]] = {}
    for benchmark, result in model.measured.items():
        for task_id, verdicts in result.verdicts.items():
            if any(verdict not in NOT_FAILURES for verdict in verdicts):
                by_family.setdefault(benchmark.rstrip("+"), {}).setdefault(task_id, benchmark)
    drawn = ([(tasks[task_id], task_id) for task_id in by_hash(tasks)] for tasks in by_family.values())
    return list(take_turns(drawn))[:count]


def _failures_of(
    model: ModelResults, folder: Path, chosen: Sequence[tuple[str, str]], prompts: Mapping[str, str]
) -> ModelFailures:
    verdicts = chain.from_iterable(chain.from_iterable(result.verdicts.values()) for result in model.measured.values())
    failed = sum(verdict not in NOT_FAILURES for verdict in verdicts)
    if not (folder / "samples").is_dir():
        return ModelFailures(model_name(model.model), failed, (), unknown=True)
    task_ids = {task_id for _, task_id in chosen}
    programs = {name: _read_programs(folder, name, task_ids) for name in {name for name, _ in chosen}}
    shown = []
    for benchmark, task_id in chosen:
        result = model.measured[benchmark]
        sample = next(n for n, verdict in enumerate(result.verdicts[task_id]) if verdict not in NOT_FAILURES)
        program = _judged_program(result, task_id, sample, programs[benchmark])
        if program is not None:
            shown.append(
                FailingProgram(
                    task_id=task_id,
                    benchmark=benchmark_name(benchmark),
                    verdict=result.verdicts[task_id][sample],
                    program=program,
                    prompt=cut(prompts.get(task_id, ""), PROMPT),
                    feedback=_feedback(result, task_id, sample),
                )
            )
    return ModelFailures(model_name(model.model), failed, tuple(shown), unknown=False)


def _answers(benchmark: str, measured: Mapping[str, Measured], results: Path, problems: Path | None) -> Iterator[Json]:
    kinds: dict[tuple[bool, ...], list[str]] = {}
    for task_id in by_hash(set().union(*(result.verdicts for result in measured.values()))):
        solved = tuple(result.verdicts.get(task_id, ("",))[:1] == ("passed",) for result in measured.values())
        kinds.setdefault(solved, []).append(task_id)
    chosen = list(take_turns(kinds[kind] for kind in sorted(kinds)))[:TASKS]
    prompts = _read_prompts(problems if benchmark in OWN_BENCHMARKS else None, chosen)
    programs = {model: _read_programs(results / model, benchmark, chosen) for model in measured}
    for task_id in chosen:
        written = {
            model: _judged_program(result, task_id, 0, programs[model])
            for model, result in measured.items()
            if result.verdicts.get(task_id)
        }
        distinct = list(dict.fromkeys(program for program in written.values() if program is not None))
        yield {
            "id": task_id,
            "prompt": cut(prompts.get(task_id, ""), PROMPT),
            "programs": distinct,
            "differing": {
                f"{i} {j}": [diff.rejected, diff.chosen]
                for (i, first), (j, second) in combinations(enumerate(distinct), 2)
                for diff in [diff_lines(first, second)]
            },
            "answers": {
                model: [
                    None if program is None else distinct.index(program),
                    measured[model].verdicts[task_id][0],
                    _feedback(measured[model], task_id, 0),
                ]
                for model, program in written.items()
            },
        }


def _judged_program(result: Measured, task_id: str, sample: int, programs: Mapping[str, Sequence[str]]) -> str | None:
    """The program behind a verdict; None where a task's programs are not as many as its verdicts."""
    written = programs.get(task_id, ())
    return cut(written[sample], PROGRAM) if len(written) == len(result.verdicts[task_id]) else None


def _feedback(result: Measured, task_id: str, sample: int) -> str:
    texts = (result.feedback or {}).get(task_id, ())
    return cut(texts[sample], FEEDBACK) if sample < len(texts) else ""


def _read_programs(folder: Path, benchmark: str, task_ids: Collection[str]) -> dict[str, list[str]]:
    """Task → its programs among a model's samples of a benchmark, in the file's order; none where there is no file."""
    path, wanted = folder / "samples" / f"{benchmark}.jsonl", set(task_ids)
    programs: dict[str, list[str]] = {}
    for sample in read_jsonl(path, Sample) if path.is_file() else ():
        if sample.task_id in wanted:
            text = sample.solution if sample.solution is not None else sample.completion
            programs.setdefault(sample.task_id, []).append(text or "")
    return programs


def _read_prompts(path: Path | None, task_ids: Collection[str]) -> dict[str, str]:
    if path is None or not task_ids:
        return {}
    wanted = set(task_ids)
    return {problem.task_id: problem.prompt for problem in read_jsonl(path, Problem) if problem.task_id in wanted}
