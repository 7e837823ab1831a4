"""Failing programs, a few of each model: task, program, verdict, and feedback where it was kept."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain, zip_longest
from pathlib import Path

from iterpref_core.records import Problem, Sample
from iterpref_core.report.labels import OWN_BENCHMARKS, benchmark_name, model_name
from iterpref_core.report.stage_outputs import ModelResults, load_results
from iterpref_core.storage.jsonl import read_jsonl

NOT_FAILURES = ("passed", "infra_error")
PROGRAM, PROMPT, FEEDBACK = 6000, 2000, 1500
"""Characters that are shown at most, so that one endless answer does not fill the page."""


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
class OfModel:
    """A model's programs that are shown, of `failed` that there are; `unknown`: results name no file of programs."""

    name: str
    failed: int
    shown: tuple[FailingProgram, ...]
    unknown: bool


@dataclass(frozen=True)
class JudgedSample:
    """A task's sample, from 0, of a benchmark."""

    task_id: str
    sample: int
    benchmark: str


def failing_programs(results: Path, problems: Path | None, count: int) -> list[OfModel]:
    """Choose failing programs of every model, benchmark by benchmark in turn.

    Of a benchmark those tasks come first whose task_ids have the smallest hashes: nobody picks them, and models that
    fail the same task are shown on it. A program that several benchmarks judge (HumanEval, HumanEval+) is shown once.

    Args:
        results: folder of `<model>/results.json` and `<model>/samples/<benchmark>.jsonl`.
        problems: JSONL of problems, for the prompts of our own tasks.
        count: programs of each model, at most.

    Raises:
        InputError: a file is unusable.
    """
    models = load_results(results)
    chosen = {name: _choose(model, count) for name, model in models.items()}
    own = {one.task_id for of_model in chosen.values() for one in of_model if one.benchmark in OWN_BENCHMARKS}
    prompts = read_prompts(problems, own) if problems is not None and own else {}
    return [_show(model, results / name, chosen[name], prompts) for name, model in models.items()]


def _show(
    model: ModelResults,
    folder: Path,
    chosen: Sequence[JudgedSample],
    prompts: Mapping[str, str],
) -> OfModel:
    failed = len(set(_failures(model)))
    if not (folder / "samples").is_dir():
        return OfModel(model_name(model.model), failed, (), unknown=True)
    task_ids = {one.task_id for one in chosen}
    programs = {name: read_programs(folder, name, task_ids) for name in {one.benchmark for one in chosen}}
    shown = []
    for one in chosen:
        found = find_program(model, programs[one.benchmark].get(one.task_id, []), one)
        if found is not None:
            result = model.measured[one.benchmark]
            told = (result.feedback or {}).get(one.task_id, ())
            shown.append(
                FailingProgram(
                    task_id=one.task_id,
                    benchmark=benchmark_name(one.benchmark),
                    verdict=result.verdicts[one.task_id][one.sample],
                    program=cut(found, PROGRAM),
                    prompt=cut(prompts.get(one.task_id, ""), PROMPT),
                    feedback=cut(told[one.sample] if one.sample < len(told) else "", FEEDBACK),
                )
            )
    return OfModel(model_name(model.model), failed, tuple(shown), unknown=False)


def _choose(model: ModelResults, count: int) -> list[JudgedSample]:
    """One benchmark after the other in turn, so that none crowds the others out."""
    by_family: dict[str, list[JudgedSample]] = {}
    seen = set()
    for one in _failures(model):
        if (key := (_family(one.benchmark), one.task_id)) not in seen:  # one sample of a task will do
            seen.add(key)
            by_family.setdefault(key[0], []).append(one)
    drawn = (sorted(found, key=lambda one: sha256(one.task_id.encode()).digest()) for found in by_family.values())
    return [one for one in chain.from_iterable(zip_longest(*drawn)) if one is not None][:count]


def _failures(model: ModelResults) -> Iterator[JudgedSample]:
    for benchmark, result in model.measured.items():
        for task_id, verdicts in result.verdicts.items():
            for number, verdict in enumerate(verdicts):
                if verdict not in NOT_FAILURES:
                    yield JudgedSample(task_id, number, benchmark)


def _family(benchmark: str) -> str:
    """Benchmarks that judge the same programs: HumanEval and HumanEval+."""
    return benchmark.rstrip("+")


def find_program(model: ModelResults, programs: Sequence[str], wanted: JudgedSample) -> str | None:
    """The program behind a verdict, from its task's programs; None where these are not those that were judged."""
    judged = model.measured[wanted.benchmark].verdicts[wanted.task_id]
    return programs[wanted.sample] if len(programs) == len(judged) else None


def read_programs(folder: Path, benchmark: str, task_ids: set[str]) -> dict[str, list[str]]:
    """Task → its programs among a model's samples of a benchmark, in the file's order; none where there is no file.

    Raises:
        InputError: the file is unusable.
    """
    path = folder / "samples" / f"{benchmark}.jsonl"
    found: dict[str, list[str]] = {}
    for sample in read_jsonl(path, Sample) if path.is_file() else ():
        if sample.task_id in task_ids:
            text = sample.solution if sample.solution is not None else sample.completion
            found.setdefault(sample.task_id, []).append(text or "")
    return found


def read_prompts(path: Path, task_ids: set[str]) -> dict[str, str]:
    """Task → its prompt in a file of problems.

    Raises:
        InputError: the file is unusable.
    """
    problems: Iterable[Problem] = read_jsonl(path, Problem)
    return {problem.task_id: problem.prompt for problem in problems if problem.task_id in task_ids}


def cut(text: str, longest: int) -> str:
    r"""The text's beginning, which says how much was left out.

    >>> cut("abcdef", 4)
    'abcd\n… 2 characters more'
    """
    return text if len(text) <= longest else f"{text[:longest]}\n… {len(text) - longest:,} characters more"
