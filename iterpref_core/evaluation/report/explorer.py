"""Write `explorer.html`: every attempt at a problem, in one page without requests.

The page shows programs that models wrote. They are data; the one script puts them into the page as text. The page's
policy names that script and the style sheet by their hashes, and forbids all others.
"""

import base64
import heapq
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from iterpref_core.evaluation.report.labels import in_words
from iterpref_core.evaluation.report.pair_view import pair_titles, template_text, templates
from iterpref_core.evaluation.report.program_lines import cut_lines
from iterpref_core.models.inference.ends import count_reasons
from iterpref_core.programs.source_code.line_diff import match_lines, split_lines
from iterpref_core.records import FocalSpans, PreferencePair, Problem, Span, Trajectory
from iterpref_core.records.config import CodeflowParams
from iterpref_core.records.prompt_messages import labeled_text
from iterpref_core.storage.jsonl import atomic_writer, check_spans, read_jsonl
from iterpref_core.storage.left_out import read_left_out

R = TypeVar("R", Problem, PreferencePair, FocalSpans, Trajectory)
Json = dict[str, Any]

# The largest numbers of characters that are shown, so that one endless answer does not fill the page.
PROGRAM = 6000
PROMPT = 2000
FEEDBACK = 1500

TRAJECTORIES = 500
"""The largest number of trajectories on the page."""

TRAJECTORY_BYTES = 2_900_000
HELDOUT_BYTES = 500_000
"""The largest size of all trajectories, and of all held-out problems: with style and script the page stays below 4 MB,
however much models wrote."""


@dataclass(frozen=True)
class Explored:
    """The files of an explorer.

    Attributes:
        trajectories: `trajectories.jsonl`.
        problems: `problems.jsonl`, for the prompts.
        pairs: `pairs.jsonl`.
        spans: `focal.jsonl`.
        dropped: `dropped.jsonl`, the trajectories without a pair and the reasons.
    """

    trajectories: Path
    problems: Path
    pairs: Path
    spans: Path
    dropped: Path


def write_explorer(
    files: Explored,
    params: CodeflowParams,
    out: Path,
    mended: tuple[Counter[str], Iterable[Json]] = (Counter(), ()),
) -> None:
    """Write the page.

    Args:
        files: the trajectories and pairs to show.
        params: the parameters that name the model of each attempt.
        out: the file of the page.
        mended: held-out problems that training mended or broke, of `mended.mended_problems`.

    Raises:
        InputError: a file is unusable.
    """
    totals, outcomes = _choose(files)
    entries = _first_bytes(_entries(files, outcomes, params), TRAJECTORY_BYTES)
    of_models, heldout = mended
    answers = _first_bytes(heldout, HELDOUT_BYTES)
    words = {name: in_words(name) for name in totals} | {"pair": "became a pair"}
    data = {
        "trajectories": entries + answers,
        "totals": totals | of_models,
        "outcomes": words | {name: f"held-out, {name}" for name in of_models},
        "sampling": params.source == "sampling",
    }
    script = template_text("explorer.js")
    sheet = template_text("style.css") + template_text("explorer.css")
    template = templates().get_template("explorer.html")
    html = template.render(
        data=embed(data),
        shown=_shown(len(entries), totals.total(), len(answers)),
        has_trajectories=bool(entries or answers),
        style=sheet,
        script=script,
        policy=_policy(script, "\n" + sheet),
    )
    with atomic_writer(out) as file:
        file.write(html)


def text_hash(text: str) -> bytes:
    """Return the hash for drawing tasks, so that no person picks them."""
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def read_chosen(path: Path, kind: type[R], chosen: Collection[str]) -> dict[str, R]:
    """Return the records of the chosen tasks by task_id; if a task has several, the last one.

    The file is streamed, and only these records are held: a run of CodeFlow may have gigabytes.
    """
    records = {}
    for record in read_jsonl(path, kind):
        if record.task_id in chosen:
            records[record.task_id] = record
    return records


def cut(text: str, longest: int) -> str:
    r"""Return the beginning of a text, with the number of characters that were left out.

    >>> cut("abcdef", 4)
    'abcd\n… 2 characters more'
    """
    if len(text) <= longest:
        return text
    left_out = len(text) - longest
    return f"{text[:longest]}\n… {left_out:,} characters more"


def changed_lines(before: Sequence[str], after: Sequence[str]) -> list[tuple[str, str]]:
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


def embed(value: Any) -> str:
    r"""Return JSON for a page's <script>: no text ends the element, and all of it is ASCII.

    >>> embed({"code": "</script>\u202e"})
    '{"code":"\\u003c/script>\\u202e"}'
    """
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _choose(files: Explored) -> tuple[Counter[str], dict[str, str]]:
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


def _entries(
    files: Explored,
    outcomes: Mapping[str, str],
    params: CodeflowParams,
) -> Iterator[Json]:
    """Yield the chosen trajectories in the page's form, each with its pair."""
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
    shown = cut(program, PROGRAM)
    for line in cut_lines(shown, spans):
        # Lists and numbers, not names: the page holds thousands of lines as JSON.
        pieces = [[piece.text, 1] if piece.marked else piece.text for piece in line.pieces]
        lines.append([int(line.marked), pieces])
    return lines


def _first_bytes(entries: Iterable[Json], budget: int) -> list[Json]:
    """Return the first entries that fit into a number of bytes, at least one; no entry is cut."""
    page: list[Json] = []
    for entry in entries:
        budget -= len(embed(entry).encode())
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
        shown += f"; and {answers:,} answers to held-out problems that training mended or broke"
    return f"{shown}."


def _policy(script: str, sheet: str) -> str:
    """Return a policy that allows this script and this style sheet alone, and no text that becomes elements."""
    return (
        f"default-src 'none'; script-src '{_source_hash(script)}'; style-src '{_source_hash(sheet)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _source_hash(text: str) -> str:
    digest = sha256(text.encode()).digest()
    encoded = base64.b64encode(digest).decode()
    return f"sha256-{encoded}"
