"""Answers of models: what several of them wrote for the same tasks, and how their programs differ."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import chain, combinations, zip_longest
from pathlib import Path
from typing import Any, TypeVar

from iterpref_core.records import Problem, Sample
from iterpref_core.report.labels import BENCHMARKS, MAIN_BENCHMARK, OWN_BENCHMARKS, benchmark_name, in_order
from iterpref_core.report.stage_outputs import Measured, ModelResults
from iterpref_core.source_code.line_diff import diff_lines
from iterpref_core.storage.jsonl import read_jsonl

T = TypeVar("T")
Json = dict[str, Any]

PROGRAM, PROMPT, FEEDBACK = 6000, 2000, 1500
"""Characters that are shown at most, so that one endless answer does not fill the page."""
TASKS = 200
"""Tasks on which models are compared, at most."""


def compared_answers(models: Mapping[str, ModelResults], results: Path, problems: Path | None) -> list[Json]:
    """Tasks that two models or more answered, with the first answer of each.

    Tasks of a benchmark that the same models solve are a kind. Kinds take turns, so that every benchmark and rare
    kinds are there; inside a kind those come first whose task_ids have the smallest hashes. HumanEval and HumanEval+
    judge the same programs: the tasks of the stricter one are shown.

    Args:
        models: what was measured.
        results: folder of `<model>/samples/<benchmark>.jsonl`.
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
    kinds: dict[tuple[int, tuple[bool, ...]], list[tuple[str, str]]] = {}
    for place, benchmark in enumerate(in_order(set(measured), BENCHMARKS)):
        entries = measured[benchmark]
        if len(entries) < 2 or f"{benchmark}+" in measured:
            continue
        for task_id in sorted(set().union(*(entry.verdicts for entry in entries.values())), key=text_hash):
            solved = tuple(entry.verdicts.get(task_id, ("",))[:1] == ("passed",) for entry in entries.values())
            kinds.setdefault((place, solved), []).append((benchmark, task_id))
    chosen = list(take_turns(kinds[kind] for kind in sorted(kinds)))[:TASKS]
    prompts = _read_prompts(problems, {task_id for benchmark, task_id in chosen if benchmark in OWN_BENCHMARKS})
    answers = {}
    for benchmark in dict.fromkeys(benchmark for benchmark, _ in chosen):
        task_ids = [task_id for of, task_id in chosen if of == benchmark]
        for task_id, written in zip(task_ids, _answers(benchmark, task_ids, measured[benchmark], results), strict=True):
            answers[benchmark, task_id] = written
    return [_entry(*key, prompts.get(key[1], ""), answers[key]) for key in chosen]


def take_turns(groups: Iterable[Sequence[T]]) -> Iterator[T]:
    """The first of each group, then the second of each, and so on.

    >>> list(take_turns(["abc", "d"]))
    ['a', 'd', 'b', 'c']
    """
    rows = zip_longest(*([(item,) for item in group] for group in groups), fillvalue=())
    return chain.from_iterable(chain.from_iterable(rows))


def text_hash(text: str) -> bytes:
    """By which tasks are drawn, so that nobody picks them."""
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def cut(text: str, longest: int) -> str:
    r"""The text's beginning, which says how much was left out.

    >>> cut("abcdef", 4)
    'abcd\n… 2 characters more'
    """
    return text if len(text) <= longest else f"{text[:longest]}\n… {len(text) - longest:,} characters more"


def _answers(
    benchmark: str, task_ids: Sequence[str], entries: Mapping[str, Measured], results: Path
) -> Iterator[dict[str, tuple[str | None, str, str]]]:
    """For each task model → (program, verdict, feedback); no program where it is not known which one was judged."""
    programs = {model: _read_programs(results / model, benchmark, task_ids) for model in entries}
    for task_id in task_ids:
        written = {}
        for model, entry in entries.items():
            if verdicts := entry.verdicts.get(task_id, ()):
                samples = programs[model].get(task_id, [])
                program = cut(samples[0], PROGRAM) if len(samples) == len(verdicts) else None
                feedback = "".join((entry.feedback or {}).get(task_id, ())[:1])
                written[model] = (program, verdicts[0], cut(feedback, FEEDBACK))
        yield written


def _entry(benchmark: str, task_id: str, prompt: str, written: Mapping[str, tuple[str | None, str, str]]) -> Json:
    programs = list(dict.fromkeys(program for program, _, _ in written.values() if program is not None))
    numbers = {program: number for number, program in enumerate(programs)}
    differing = {}
    for first, second in combinations(programs, 2):
        diff = diff_lines(first, second)
        differing[f"{numbers[first]} {numbers[second]}"] = [diff.rejected, diff.chosen]
    return {
        "id": task_id if benchmark == MAIN_BENCHMARK else f"{task_id}, {benchmark_name(benchmark)}",
        "prompt": cut(prompt, PROMPT),
        "programs": programs,
        "differing": differing,
        "answers": {
            model: [None if program is None else numbers[program], verdict, feedback]
            for model, (program, verdict, feedback) in written.items()
        },
    }


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
    return {problem.task_id: problem.prompt for problem in read_jsonl(path, Problem) if problem.task_id in task_ids}
