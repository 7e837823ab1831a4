"""Model answers: what several models wrote for the same tasks, and how their programs differ."""

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

from iterpref_core.report.explorer_data import Json, by_digest, take_turns
from iterpref_core.report.failing_programs import (
    FEEDBACK,
    PROGRAM,
    PROMPT,
    JudgedSample,
    cut,
    find_program,
    read_programs,
    read_prompts,
)
from iterpref_core.report.labels import BENCHMARKS, OWN_BENCHMARKS, in_order
from iterpref_core.report.stage_outputs import Measured, load_results
from iterpref_core.source_code.line_diff import diff_lines

TASKS = 200
"""Tasks that are shown at most."""


def compared_benchmark(results: Path) -> tuple[str | None, dict[str, Measured]]:
    """The first benchmark, in the order of the results table, that two models were measured on; and their results.

    Raises:
        InputError: a file of results is unusable.
    """
    models = load_results(results)
    for name in in_order({name for model in models.values() for name in model.measured}, BENCHMARKS):
        found = {model: result.measured[name] for model, result in models.items() if name in result.measured}
        if len(found) > 1:
            return name, found
    return None, {}


def answer_entries(
    results: Path, problems: Path | None, benchmark: str, measured: Mapping[str, Measured]
) -> list[Json]:
    """The first sample of every model for tasks of a benchmark, with the lines in which each two programs differ.

    Tasks that the same models solve are a kind. Kinds take turns, so that rare ones are there; inside a kind those come
    first whose task_ids have the smallest hashes.

    Args:
        results: folder of `<model>/results.json` and `<model>/samples/<benchmark>.jsonl`.
        problems: JSONL of problems, for the prompts of our own tasks.
        benchmark: the benchmark.
        measured: model → its results on it.

    Raises:
        InputError: a file is unusable.
    """
    kinds: dict[tuple[bool, ...], list[str]] = {}
    for task_id in by_digest(set().union(*(result.verdicts for result in measured.values()))):
        solved = tuple(result.verdicts.get(task_id, ("",))[:1] == ("passed",) for result in measured.values())
        kinds.setdefault(solved, []).append(task_id)
    chosen = list(take_turns(kinds[kind] for kind in sorted(kinds)))[:TASKS]
    prompts = read_prompts(problems, set(chosen)) if problems is not None and benchmark in OWN_BENCHMARKS else {}
    answers: dict[str, Json] = {task_id: {} for task_id in chosen}
    models = load_results(results)
    for model, result in measured.items():
        programs = read_programs(results / model, benchmark, set(chosen))
        for task_id in chosen:
            verdicts = result.verdicts.get(task_id, ())
            if verdicts:
                place = JudgedSample(task_id, 0, benchmark)
                program = find_program(models[model], programs.get(task_id, []), place)
                told = (result.feedback or {}).get(task_id, ("",))[:1]
                answers[task_id][model] = (program, verdicts[0], cut("".join(told), FEEDBACK))
    return [_entry(task_id, prompts.get(task_id, ""), answers[task_id]) for task_id in chosen]


def _entry(task_id: str, prompt: str, answers: Mapping[str, tuple[str | None, str, str]]) -> Json:
    """Each program stands once, however many models wrote it; None: it is not known which one was judged."""
    written = {model: None if code is None else cut(code, PROGRAM) for model, (code, _, _) in answers.items()}
    programs = list(dict.fromkeys(code for code in written.values() if code is not None))
    differing = {}
    for (i, one), (j, other) in combinations(enumerate(programs), 2):
        found = diff_lines(one, other)
        differing[f"{i} {j}"] = [found.rejected, found.chosen]
    return {
        "id": task_id,
        "prompt": cut(prompt, PROMPT),
        "programs": programs,
        "differing": differing,
        "answers": {
            model: [None if code is None else programs.index(code), verdict, feedback]
            for (model, (_, verdict, feedback)), code in zip(answers.items(), written.values(), strict=True)
        },
    }
