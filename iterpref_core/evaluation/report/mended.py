"""Show held-out problems that training mended or broke: the base model's program next to the trained model's."""

import heapq
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from iterpref_core.evaluation.evaluation.results_file import SAMPLES, load_model_results
from iterpref_core.evaluation.report.explorer import (
    FEEDBACK,
    PROGRAM,
    PROMPT,
    Json,
    changed_lines,
    cut,
    read_chosen,
    text_hash,
)
from iterpref_core.evaluation.report.labels import MAIN_BENCHMARK, model_name
from iterpref_core.evaluation.report.summary_record import Summary
from iterpref_core.programs.source_code.line_diff import split_lines
from iterpref_core.records import Problem, Sample
from iterpref_core.records.prompt_messages import labeled_text
from iterpref_core.storage.jsonl import read_jsonl

SHOWN = 20
"""The largest number of problems on the page for each trained model that it mended, and that it broke."""


def mended_problems(summary: Summary, results: Path, problems: Path) -> tuple[Counter[str], Iterator[Json]]:
    """Return the number of problems by outcome, such as `mended by DPO`, and the shown ones in the explorer's form.

    Args:
        summary: the experiment's, which compares each model with the base model.
        results: the folder of `<model>/results.json` and `<model>/samples/`.
        problems: `problems.jsonl`, for the prompts.
    """
    totals: Counter[str] = Counter()
    chosen: dict[tuple[str, str], list[str]] = {}
    for model, others in summary.comparisons.items():
        compared = others.get("base", {}).get(MAIN_BENCHMARK)
        if compared is None or model == "debugger":
            continue
        for word, tasks in (("mended", compared.tasks_gained), ("broken", compared.tasks_lost)):
            outcome = f"{word} by {model_name(model)}"
            totals[outcome] = len(tasks)
            chosen[outcome, model] = heapq.nsmallest(SHOWN, tasks, key=text_hash)
    return +totals, _entries(chosen, results, problems)


def _entries(chosen: Mapping[tuple[str, str], list[str]], results: Path, problems: Path) -> Iterator[Json]:
    wanted = {task for tasks in chosen.values() for task in tasks}
    # Stream the problems once, and keep the prompts of the shown tasks.
    asked = read_chosen(problems, Problem, wanted)
    before = _answers(results / "base", wanted)
    for (outcome, model), tasks in chosen.items():
        after = _answers(results / model, tasks)
        for task in tasks:
            prompt = labeled_text(asked[task].prompt) if task in asked else ""
            old, new = before[task], after[task]
            # The second step shows what training changed in the answer.
            changes = changed_lines(old["lines"], new["lines"])
            whole = changed_lines([], old["lines"])
            attempts = [
                {**old, "iteration": 0, "label": "Before training", "model": "base", "lines": whole},
                {**new, "iteration": 1, "label": "After training", "model": model_name(model), "lines": changes},
            ]
            # Several models may have mended one problem.
            yield {"id": f"{task}, {outcome}", "prompt": cut(prompt, PROMPT), "outcome": outcome, "attempts": attempts}


def _answers(folder: Path, wanted: Collection[str]) -> dict[str, Json]:
    """Return task_id → lines, verdict and feedback of the first sample of each wanted task."""
    if not wanted:
        return {}
    # Verdicts are in results.json, and programs in the file of samples.
    result = load_model_results(folder).measured[MAIN_BENCHMARK]
    answers: dict[str, Json] = {}
    for sample in read_jsonl(folder / SAMPLES / f"{MAIN_BENCHMARK}.jsonl", Sample):
        task = sample.task_id
        if task in wanted and task not in answers:
            lines = split_lines(cut(sample.solution or "", PROGRAM))
            answers[task] = {"lines": lines, "verdict": result.verdicts[task][0]}
            if result.feedback and task in result.feedback:
                answers[task]["feedback"] = cut(result.feedback[task][0], FEEDBACK)
    return answers
