"""Explorer, `explorer.html`: every attempt of a problem, and two models' answers, in one page that asks for nothing.

The page is made of programs that models wrote. All of it is data; the one script puts it there as text. The policy of
the page names that script and the style sheet by their hashes, and allows nothing else.
"""

import base64
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from iterpref_core.config import CodeflowParams
from iterpref_core.records import FocalSpans, PreferencePair, Problem, Span, Trajectory, split_lines
from iterpref_core.report.answers import FEEDBACK, PROGRAM, PROMPT, Json, compared_answers, cut, take_turns, text_hash
from iterpref_core.report.labels import FOCAL, in_words, model_name
from iterpref_core.report.pair_view import pair_titles, template_text, templates
from iterpref_core.report.program_lines import cut_lines
from iterpref_core.report.stage_outputs import ModelResults
from iterpref_core.report.summary import read_object
from iterpref_core.source_code.line_diff import match_lines
from iterpref_core.storage.jsonl import atomic_writer, check_spans, read_jsonl

TRAJECTORIES = 500
"""Trajectories of the page, at most."""
TRAJECTORY_BYTES, ANSWER_BYTES = 3_400_000, 1_400_000
"""Of the page, at most: with style and script it stays below 5 MB, whatever models have written."""

_ESCAPED = re.compile(r"[<\x7f-\U0010ffff]")
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


@dataclass(frozen=True)
class Explored:
    """Files that an explorer is made of. What is None is not shown.

    Attributes:
        trajectories: `trajectories.jsonl`.
        problems: `problems.jsonl`, for prompts.
        pairs: `pairs.jsonl`.
        spans: `focal.jsonl`.
        dropped: `dropped.json`: task_id → why there is no pair.
        results: folder of `<model>/samples/<benchmark>.jsonl`.
    """

    trajectories: Path | None
    problems: Path | None
    pairs: Path
    spans: Path
    dropped: Path | None
    results: Path


def write_explorer(files: Explored, models: Mapping[str, ModelResults], params: CodeflowParams, out: Path) -> None:
    """Write the page.

    Args:
        files: what it is made of.
        models: what was measured.
        params: say which model wrote which attempt.
        out: the page.

    Raises:
        InputError: a file is unusable.
    """
    totals, outcomes = _choose(files)
    entries = _first_bytes(_entries(files, outcomes, params), TRAJECTORY_BYTES)
    tasks = _first_bytes(compared_answers(models, files.results, files.problems), ANSWER_BYTES)
    names = {model: model_name(model) for model in models} if tasks else {}
    data = {
        "trajectories": entries,
        "totals": totals,
        "outcomes": {name: "became a pair" if name == "pair" else in_words(name) for name in totals},
        "sampling": params.source == "sampling",
        "tasks": tasks,
        "models": names,
        "second": next((model for model in reversed(names) if model in FOCAL), list(names)[-1] if names else ""),
    }
    script, sheet = template_text("explorer.js"), template_text("style.css") + template_text("explorer.css")
    template = templates().get_template("explorer.html")
    html = template.render(
        data=embed(data),
        shown=_shown(len(entries), totals.total()),
        has=data,
        style=sheet,
        script=script,
        policy=_policy(script, "\n" + sheet),
    )
    with atomic_writer(out) as file:
        file.write(html)


def line_edits(before: Sequence[str], after: Sequence[str]) -> list[int | str]:
    """What makes a program's lines of another's: n > 0 keeps n lines, n < 0 leaves n out, a text is a new line.

    >>> line_edits(["a", "b", "c"], ["a", "x", "c"])
    [1, -1, 'x', 1]
    """
    edits: list[int | str] = []
    i = j = 0
    for a, b in [*match_lines(before, after), (len(before), len(after))]:
        if a > i:
            edits.append(i - a)
        edits += after[j:b]
        if a < len(before) and b < len(after):
            if edits and isinstance(edits[-1], int) and edits[-1] > 0:
                edits[-1] += 1
            else:
                edits.append(1)
        i, j = a + 1, b + 1
    return edits


def embed(value: Any) -> str:
    r"""JSON that can stand in a page's <script>: nothing in it ends the element, or is invisible in an editor.

    >>> embed({"code": "</script>\u202e"})
    '{"code":"\\u003c/script>\\u202e"}'
    """
    return _ESCAPED.sub(_escape, json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _choose(files: Explored) -> tuple[Counter[str], dict[str, str]]:
    """Outcome → all trajectories, and task_id → outcome of those that are shown, in the order of the choice.

    An outcome is `pair`, or the reason that stage pairs has for there being none. Kinds of trajectories (outcome, and
    the last verdict that is no pass) take turns, so that rare ones come early; inside a kind those come first whose
    task_ids have the smallest hashes, so that nobody picks them.
    """
    if files.trajectories is None:
        return Counter(), {}
    paired = {pair.task_id: "pair" for pair in read_jsonl(files.pairs, PreferencePair)}
    known: dict[str, str] = (read_object(files.dropped, "pairs") if files.dropped else {}) | paired
    totals = Counter[str]()
    kinds: dict[tuple[str, str], list[str]] = {}
    for item in read_jsonl(files.trajectories, Trajectory, unique=True):
        result = known.get(item.task_id, "no pair")
        totals[result] += 1
        failed = next((a.verdict for a in reversed(item.attempts) if a.verdict != "passed"), "")
        kinds.setdefault((result, failed), []).append(item.task_id)
    drawn = ([(task_id, kind[0]) for task_id in sorted(kinds[kind], key=text_hash)] for kind in sorted(kinds))
    return Counter(dict(totals.most_common())), dict(list(take_turns(drawn))[:TRAJECTORIES])


def _entries(files: Explored, outcomes: Mapping[str, str], params: CodeflowParams) -> Iterator[Json]:
    """The trajectories that are shown as the page reads them, each with its pair."""
    if files.trajectories is None:
        return
    prompts = (
        {p.task_id: p.prompt for p in read_jsonl(files.problems, Problem) if p.task_id in outcomes}
        if files.problems
        else {}
    )
    pairs = {pair.task_id: pair for pair in read_jsonl(files.pairs, PreferencePair) if pair.task_id in outcomes}
    spans = {item.task_id: item for item in read_jsonl(files.spans, FocalSpans) if item.task_id in pairs}
    for item in spans.values():
        check_spans(item, pairs[item.task_id], files.spans)
    shown = {item.task_id: item for item in read_jsonl(files.trajectories, Trajectory) if item.task_id in outcomes}
    for task_id, result in outcomes.items():
        pair = pairs.get(task_id)
        prompt = prompts.get(task_id) or (pair.prompt if pair else "")
        entry: Json = {"id": task_id, "prompt": cut(prompt, PROMPT), "outcome": result}
        entry["attempts"] = _attempts(shown[task_id], params)
        if shown[task_id].refused:
            entry["refused"] = shown[task_id].refused
        if pair:
            entry["pair"] = _pair(pair, spans.get(task_id))
        yield entry


def _attempts(trajectory: Trajectory, params: CodeflowParams) -> list[Json]:
    """Each as line edits of the one before, with its verdict and feedback, and the model that wrote it."""
    before: list[str] = []
    attempts = []
    for attempt in trajectory.attempts:
        lines = split_lines(cut(attempt.code, PROGRAM))
        drafted = attempt.iteration == 0 or params.source == "sampling"
        entry: Json = {
            "iteration": attempt.iteration,
            "model": params.draft_model if drafted else "debugger",
            "verdict": attempt.verdict,
            "edits": line_edits(before, lines),
        }
        texts = {"hidden": attempt.hidden, "feedback": cut(attempt.feedback, FEEDBACK)}
        attempts.append(entry | {name: text for name, text in texts.items() if text})
        before = lines
    return attempts


def _pair(pair: PreferencePair, spans: FocalSpans | None) -> Json:
    """Its programs as lines [marked, pieces]; a piece is a text, or [text, 1] in the region."""
    if spans is None:
        titles = "Rejected y−; there are no spans of this pair", "Chosen y+"
        return {"titles": titles, "rejected": _lines(pair.rejected, ()), "chosen": _lines(pair.chosen, ())}
    rejected, chosen = _lines(pair.rejected, spans.rejected), _lines(pair.chosen, spans.chosen)
    return {"titles": pair_titles(spans, None), "rejected": rejected, "chosen": chosen}


def _lines(program: str, spans: Sequence[Span]) -> list[list[Any]]:
    lines = cut_lines(cut(program, PROGRAM), spans)
    return [[int(line.marked), [[p.text, 1] if p.marked else p.text for p in line.pieces]] for line in lines]


def _first_bytes(entries: Iterable[Json], budget: int) -> list[Json]:
    """The first entries that fit into so many bytes; one at least, and none is cut."""
    page: list[Json] = []
    for entry in entries:
        budget -= len(embed(entry).encode())
        if page and budget < 0:
            break
        page.append(entry)
    return page


def _shown(count: int, total: int) -> str:
    """Which trajectories the page shows, in words."""
    if not total:
        return "There are no trajectories."
    sampled = "sampled so that every outcome and kind of failure appears. So shares are not those of all trajectories."
    return f"All {total:,} trajectories." if count == total else f"{count:,} of {total:,} trajectories, {sampled}"


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if character == "<":
        return "\\u003c"
    return json.dumps(character)[1:-1] if unicodedata.category(character) in _UNSEEN else character


def _policy(script: str, sheet: str) -> str:
    """Nothing but this script and this style sheet, and no text that a script makes elements of."""
    hashes = [base64.b64encode(sha256(text.encode()).digest()).decode() for text in (script, sheet)]
    return (
        f"default-src 'none'; script-src 'sha256-{hashes[0]}'; style-src 'sha256-{hashes[1]}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
