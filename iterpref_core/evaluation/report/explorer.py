"""Write `explorer.html`: every attempt at a problem, in one page without requests.

Tasks of the main benchmark are shown where training mended or broke them: the base model's program next to the trained
model's.

The page shows programs that models wrote. They are data; the one script puts them into the page as text. The page's
policy names that script and the style sheet by their hashes, and forbids all others.
"""

import base64
import heapq
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from iterpref_core.models.inference.finish_reasons import count_reasons
from iterpref_core.programs.source_code.line_diff import match_lines, split_lines
from iterpref_core.records import (
    CodeflowParams,
    PreferencePair,
    Problem,
    Span,
    Trajectory,
)
from iterpref_core.storage.dropped import read_dropped
from iterpref_core.storage.jsonl import read_jsonl

from ..evaluation.results_file import judged_samples, load_model_results
from .display_names import benchmark_name, in_words, model_name
from .pair_view import cut_lines, region_of, render_page, shown_prompt, template_text
from .score_rows import main_benchmark
from .summary import ReportFiles
from .summary_record import Summary

R = TypeVar("R", Problem, PreferencePair)
Json = dict[str, Any]

# The largest numbers of characters that are shown, so that one endless answer does not fill the page.
PROGRAM = 6000
PROMPT = 2000
FEEDBACK = 1500

TRAJECTORIES = 500
"""The largest number of trajectories on the page."""
MENDED = 20
"""The largest number of problems on the page for each trained model that it mended, and that it broke."""
TRAJECTORY_BYTES = 2_900_000
ANSWER_BYTES = 500_000
"""The largest size of all trajectories, and of all answers: with style and script the page stays below 4 MB, however
much models wrote."""


def write_explorer(
    files: ReportFiles,
    params: CodeflowParams,
    out: Path,
    summary: Summary,
) -> None:
    """Write the page.

    Args:
        files: the trajectories and pairs to show.
        params: the parameters that name the model of each attempt.
        out: the file of the page.
        summary: the experiment's, to show tasks of its main benchmark that training mended or broke.

    Raises:
        InputError: a file is unusable.
    """
    totals, chosen = choose_trajectories(files)
    entries = _first_bytes(trajectory_entries(files, chosen, params), TRAJECTORY_BYTES)
    benchmark = main_benchmark(summary)
    of_models, answered = mended_entries(summary, files, benchmark)
    answers = _first_bytes(answered, ANSWER_BYTES)
    words = {name: in_words(name) for name in totals} | {"pair": "became a pair"}
    data = {
        "trajectories": entries + answers,
        "totals": totals | of_models,
        "outcomes": words | {name: f"{benchmark_name(benchmark)}, {name}" for name in of_models},
        "sampling": params.source == "sampling",
    }
    script = template_text("explorer.js")
    sheet = template_text("style.css") + template_text("explorer.css")
    render_page(
        out,
        "explorer.html",
        data=embed(data),
        shown=_shown(len(entries), totals.total(), len(answers)),
        has_trajectories=bool(entries or answers),
        style=sheet,
        script=script,
        policy=_policy(script, "\n" + sheet),
    )


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
    return f"{text[:longest]}\n… {len(text) - longest:,} characters more"


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


def choose_trajectories(files: ReportFiles) -> tuple[Counter[str], list[tuple[str, Trajectory]]]:
    """Choose the trajectories to show, by the hashes of their task_ids, so that no person picks them.

    The file is streamed, and only the chosen ones are held: a run of CodeFlow may have gigabytes.

    Returns:
        The number of all trajectories by outcome; and the chosen ones, each after its outcome: `pair`, `replayed`, or
        the reason of stage pairs for a missing pair.
    """
    known = {row.task_id: row.reason for row in read_dropped(files.dropped)}
    for pair in read_jsonl(files.pairs, PreferencePair):
        known[pair.task_id] = "replayed" if pair.rejected is None else "pair"
    totals: Counter[str] = Counter()

    def counted() -> Iterator[tuple[str, Trajectory]]:
        for item in read_jsonl(files.trajectories, Trajectory, unique=True):
            outcome = known.get(item.task_id, "no pair")
            totals[outcome] += 1
            yield outcome, item

    # The smallest hashes are an arbitrary, repeatable choice.
    chosen = heapq.nsmallest(TRAJECTORIES, counted(), key=lambda shown: text_hash(shown[1].task_id))
    return Counter(dict(totals.most_common())), chosen


def trajectory_entries(
    files: ReportFiles, chosen: Sequence[tuple[str, Trajectory]], params: CodeflowParams
) -> Iterator[Json]:
    """Yield the chosen trajectories in the page's form, each with its pair.

    Args:
        files: the problems and pairs.
        chosen: the trajectories, each after its outcome.
        params: the parameters that name the model of each attempt.
    """
    wanted = {trajectory.task_id for _, trajectory in chosen}
    problems = read_chosen(files.problems, Problem, wanted)
    # Localization may have left pairs out.
    pairs = read_chosen(files.pairs, PreferencePair, wanted) | read_chosen(files.focal, PreferencePair, wanted)
    for outcome, trajectory in chosen:
        task_id = trajectory.task_id
        pair = pairs.get(task_id)
        problem = problems.get(task_id) or pair
        entry: Json = {
            "id": task_id,
            "prompt": cut(shown_prompt(problem.prompt), PROMPT) if problem else "",
            "outcome": outcome,
            "attempts": _attempts(trajectory, params),
        }
        if trajectory.missing:
            entry["missing"] = count_reasons(trajectory.missing)
        if pair and pair.rejected is not None:
            entry["pair"] = _pair(pair)
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


def _pair(pair: PreferencePair) -> Json:
    region = region_of(pair)
    return {
        "titles": region.titles,
        "rejected": _lines(pair.rejected or "", region.rejected),
        "chosen": _lines(pair.chosen, region.chosen),
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


def mended_entries(summary: Summary, files: ReportFiles, benchmark: str) -> tuple[Counter[str], list[Json]]:
    """Return the number of a benchmark's tasks by outcome, such as `mended by DPO`, and the shown ones as entries.

    Args:
        summary: the experiment's, which compares each model with the base model.
        files: the results with their samples, and the problems for the prompts.
        benchmark: the benchmark.
    """
    totals: Counter[str] = Counter()
    chosen = []
    for model, others in summary.comparisons.items():
        compared = others.get("base", {}).get(benchmark)
        if compared is None or model == "debugger":
            continue
        for word, tasks in (("mended", compared.tasks_gained), ("broken", compared.tasks_lost)):
            outcome = f"{word} by {model_name(model)}"
            totals[outcome] = len(tasks)
            shown = heapq.nsmallest(MENDED, tasks, key=text_hash)
            chosen += [(outcome, model, task, word == "mended") for task in shown]
    wanted = {task for _, _, task, _ in chosen}
    problems = read_chosen(files.problems, Problem, wanted)
    names = {name for _, model, _, _ in chosen for name in ("base", model)}
    answers = {model: _answers(files.results / model, benchmark, wanted) for model in names}
    entries = []
    for outcome, model, task, mended in chosen:
        old, new = answers["base"][task, not mended], answers[model][task, mended]
        # The second step shows what training changed in the answer.
        before = {"iteration": 0, "label": "Before training", "model": "base"}
        after = {"iteration": 1, "label": "After training", "model": model_name(model)}
        attempts = [
            old | before | {"lines": changed_lines([], old["lines"])},
            new | after | {"lines": changed_lines(old["lines"], new["lines"])},
        ]
        prompt = cut(shown_prompt(problems[task].prompt), PROMPT) if task in problems else ""
        # Several models may have mended one problem.
        entries.append({"id": f"{task}, {outcome}", "prompt": prompt, "outcome": outcome, "attempts": attempts})
    return +totals, entries


def _answers(folder: Path, benchmark: str, wanted: Collection[str]) -> dict[tuple[str, bool], Json]:
    """Return (task_id, passed) → lines, verdict and feedback of the first sample of a wanted task that did, or not."""
    result = load_model_results(folder).measured[benchmark]
    answers: dict[tuple[str, bool], Json] = {}
    for sample, verdict, feedback in judged_samples(folder, benchmark, result):
        key = sample.task_id, verdict == "passed"
        if sample.task_id in wanted and key not in answers:
            lines = split_lines(cut(sample.solution or "", PROGRAM))
            answers[key] = {"lines": lines, "verdict": verdict, "feedback": cut(feedback, FEEDBACK)}
    return answers


def embed(value: Any) -> str:
    r"""Return JSON for a page's <script>: no text ends the element, and all of it is ASCII.

    >>> embed({"code": "</script>\u202e"})
    '{"code":"\\u003c/script>\\u202e"}'
    """
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _first_bytes(entries: Iterable[Json], budget: int) -> list[Json]:
    """Return the first entries that fit into a number of bytes, at least one; no entry is cut."""
    page: list[Json] = []
    for entry in entries:
        budget -= len(embed(entry))
        if page and budget < 0:
            break
        page.append(entry)
    return page


def _shown(count: int, total: int, answers: int) -> str:
    """Return in words what the page shows."""
    shown = f"All {total:,} trajectories"
    if count != total:
        shown = f"{count:,} of {total:,} trajectories, drawn by a hash of their task_id"
    if answers:
        shown += f"; and {answers:,} answers to tasks that training mended or broke"
    return f"{shown}."


def _policy(script: str, sheet: str) -> str:
    """Return a policy that allows this script and this style sheet alone, and no text that becomes elements."""
    hashes = [base64.b64encode(sha256(text.encode()).digest()).decode() for text in (script, sheet)]
    return (
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src data:; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    ).format(*hashes)
