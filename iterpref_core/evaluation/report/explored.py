"""Gather what the explorer shows, in the page's form: attempts at problems, and held-out answers that training changed.

Held-out problems are shown where training mended or broke them: the base model's program next to the trained model's.
"""

import heapq
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from iterpref_core.evaluation.evaluation.results_file import SAMPLES, load_model_results
from iterpref_core.evaluation.report.labels import MAIN_BENCHMARK, model_name
from iterpref_core.evaluation.report.pair_view import cut_lines, pair_titles
from iterpref_core.evaluation.report.summary import ReportFiles
from iterpref_core.evaluation.report.summary_record import Summary
from iterpref_core.models.inference.ends import count_reasons
from iterpref_core.programs.source_code.line_diff import match_lines, split_lines
from iterpref_core.records import FocalSpans, PreferencePair, Problem, Sample, Span, Trajectory
from iterpref_core.records.config import CodeflowParams
from iterpref_core.records.prompt_messages import labeled_text
from iterpref_core.storage.jsonl import check_spans, read_jsonl
from iterpref_core.storage.left_out import read_left_out

R = TypeVar("R", Problem, PreferencePair, FocalSpans, Trajectory)
Json = dict[str, Any]

# The largest numbers of characters that are shown, so that one endless answer does not fill the page.
PROGRAM = 6000
PROMPT = 2000
FEEDBACK = 1500

TRAJECTORIES = 500
"""The largest number of trajectories on the page."""
MENDED = 20
"""The largest number of problems on the page for each trained model that it mended, and that it broke."""


def text_hash(text: str) -> bytes:
    """Return the hash for drawing tasks, so that no person picks them."""
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def read_chosen(
    path: Path,
    kind: type[R],
    chosen: Collection[str],
) -> dict[str, R]:
    """Return the records of the chosen tasks by task_id; if a task has several, the last one.

    The file is streamed, and only these records are held: a run of CodeFlow may have gigabytes.
    """
    return {record.task_id: record for record in read_jsonl(path, kind) if record.task_id in chosen}


def cut(text: str, longest: int) -> str:
    r"""Return the beginning of a text, with the number of characters that were left out.

    >>> cut("abcdef", 4)
    'abcd\n… 2 characters more'
    """
    if len(text) <= longest:
        return text
    left_out = len(text) - longest
    return f"{text[:longest]}\n… {left_out:,} characters more"


def changed_lines(
    before: Sequence[str],
    after: Sequence[str],
) -> list[tuple[str, str]]:
    """Return the lines of a program and of the one before it: (sign, text), where the sign is `+`, `−` or empty.

    >>> changed_lines(["a", "b", "c"], ["a", "x", "c"])
    [('', 'a'), ('−', 'b'), ('+', 'x'), ('', 'c')]
    """
    lines: list[tuple[str, str]] = []
    i = 0
    j = 0
    end = (len(before), len(after))
    # Lines between two matches were removed from the first program or added in the second.
    for a, b in [*match_lines(before, after), end]:
        lines += [("−", text) for text in before[i:a]]
        lines += [("+", text) for text in after[j:b]]
        if (a, b) != end:
            lines.append(("", after[b]))
        i = a + 1
        j = b + 1
    return lines


def choose_trajectories(files: ReportFiles) -> tuple[Counter[str], dict[str, str]]:
    """Choose the trajectories to show, by the hashes of their task_ids, so that no person picks them.

    An outcome is `pair`, or the reason of stage pairs for a missing pair.

    Returns:
        The number of all trajectories by outcome; and task_id → outcome of the chosen ones.
    """
    known = {row.task_id: row.reason for row in read_left_out(files.dropped)}
    for pair in read_jsonl(files.pairs, PreferencePair):
        known[pair.task_id] = "pair"
    outcomes = {}
    for item in read_jsonl(files.trajectories, Trajectory, unique=True):
        outcomes[item.task_id] = known.get(item.task_id, "no pair")
    totals = Counter(dict(Counter(outcomes.values()).most_common()))
    # The smallest hashes are an arbitrary, repeatable choice.
    chosen = heapq.nsmallest(TRAJECTORIES, outcomes, key=text_hash)
    return totals, {task_id: outcomes[task_id] for task_id in chosen}


def trajectory_entries(
    files: ReportFiles,
    outcomes: Mapping[str, str],
    params: CodeflowParams,
) -> Iterator[Json]:
    """Yield the chosen trajectories in the page's form, each with its pair.

    Args:
        files: the trajectories, problems, pairs and spans.
        outcomes: task_id → outcome.
        params: the parameters that name the model of each attempt.
    """
    problems = read_chosen(files.problems, Problem, outcomes)
    pairs = read_chosen(files.pairs, PreferencePair, outcomes)
    spans = read_chosen(files.spans, FocalSpans, pairs)
    for item in spans.values():
        check_spans(item, pairs[item.task_id], files.spans)
    trajectories = read_chosen(files.trajectories, Trajectory, outcomes)
    for task_id, outcome in outcomes.items():
        pair = pairs.get(task_id)
        trajectory = trajectories[task_id]
        asked = problems.get(task_id) or pair
        entry: Json = {
            "id": task_id,
            "prompt": cut(labeled_text(asked.prompt), PROMPT) if asked else "",
            "outcome": outcome,
            "attempts": _attempts(trajectory, params),
        }
        if trajectory.missing:
            entry["missing"] = count_reasons(trajectory.missing)
        if pair:
            entry["pair"] = _pair(pair, spans.get(task_id))
        yield entry


def _attempts(trajectory: Trajectory, params: CodeflowParams) -> list[Json]:
    """Return each attempt with its changes to the one before, verdict, feedback and the model that wrote it."""
    before: list[str] = []
    attempts = []
    for attempt in trajectory.attempts:
        lines = split_lines(cut(attempt.code, PROGRAM))
        drafted = attempt.iteration == 0 or params.source == "sampling"
        entry: Json = {
            "iteration": attempt.iteration,
            "model": params.draft_model if drafted else "debugger",
            "verdict": attempt.verdict,
            "lines": changed_lines(before, lines),
        }
        if attempt.hidden:
            entry["hidden"] = attempt.hidden
        if attempt.feedback:
            entry["feedback"] = cut(attempt.feedback, FEEDBACK)
        attempts.append(entry)
        before = lines
    return attempts


def _pair(pair: PreferencePair, spans: FocalSpans | None) -> Json:
    return {
        "titles": pair_titles(spans) if spans else ("Rejected y−; this pair has no spans", "Chosen y+"),
        "rejected": _lines(pair.rejected, spans.rejected if spans else ()),
        "chosen": _lines(pair.chosen, spans.chosen if spans else ()),
    }


def _lines(program: str, spans: Sequence[Span]) -> list[list[Any]]:
    """Return a program as lines [marked, pieces]; a piece is a text, or [text, 1] in the region.

    >>> _lines("a = 1", [(4, 5)])
    [[1, ['a = ', ['1', 1]]]]
    """
    lines: list[list[Any]] = []
    for line in cut_lines(cut(program, PROGRAM), spans):
        # Lists and numbers, not names: the page holds thousands of lines as JSON.
        pieces = [[piece.text, 1] if piece.marked else piece.text for piece in line.pieces]
        lines.append([int(line.marked), pieces])
    return lines


def mended_entries(
    summary: Summary,
    files: ReportFiles,
) -> tuple[Counter[str], list[Json]]:
    """Return the number of held-out problems by outcome, such as `mended by DPO`, and the shown ones as entries.

    Args:
        summary: the experiment's, which compares each model with the base model.
        files: the results with their samples, and the problems for the prompts.
    """
    totals: Counter[str] = Counter()
    chosen = []
    for model, others in summary.comparisons.items():
        compared = others.get("base", {}).get(MAIN_BENCHMARK)
        if compared is None or model == "debugger":
            continue
        for word, tasks in (("mended", compared.tasks_gained), ("broken", compared.tasks_lost)):
            outcome = f"{word} by {model_name(model)}"
            totals[outcome] = len(tasks)
            chosen.append((outcome, model, heapq.nsmallest(MENDED, tasks, key=text_hash)))
    wanted: set[str] = set()
    for _, _, shown in chosen:
        wanted.update(shown)
    # Stream the problems once, and keep the prompts of the shown tasks.
    asked = read_chosen(files.problems, Problem, wanted)
    before = _answers(files.results / "base", wanted)
    entries = []
    for outcome, model, shown in chosen:
        after = _answers(files.results / model, shown)
        for task in shown:
            prompt = labeled_text(asked[task].prompt) if task in asked else ""
            old = before[task]
            new = after[task]
            # The second step shows what training changed in the answer.
            changes = changed_lines(old["lines"], new["lines"])
            whole = changed_lines([], old["lines"])
            attempts = [
                {**old, "iteration": 0, "label": "Before training", "model": "base", "lines": whole},
                {**new, "iteration": 1, "label": "After training", "model": model_name(model), "lines": changes},
            ]
            # Several models may have mended one problem.
            name = f"{task}, {outcome}"
            entries.append(
                {
                    "id": name,
                    "prompt": cut(prompt, PROMPT),
                    "outcome": outcome,
                    "attempts": attempts,
                }
            )
    return +totals, entries


def _answers(folder: Path, wanted: Collection[str]) -> dict[str, Json]:
    """Return task_id → lines, verdict and feedback of the first sample of each wanted task."""
    if not wanted:
        return {}
    # Verdicts are in results.json, and programs in the file of samples.
    result = load_model_results(folder).measured[MAIN_BENCHMARK]
    feedback = result.feedback or {}
    answers: dict[str, Json] = {}
    for sample in read_jsonl(folder / SAMPLES / f"{MAIN_BENCHMARK}.jsonl", Sample):
        task = sample.task_id
        if task in wanted and task not in answers:
            lines = split_lines(cut(sample.solution or "", PROGRAM))
            answers[task] = {"lines": lines, "verdict": result.verdicts[task][0]}
            if task in feedback:
                answers[task]["feedback"] = cut(feedback[task][0], FEEDBACK)
    return answers
