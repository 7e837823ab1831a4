"""Explorer data: trajectories attempt by attempt, each as a line diff against the one before, as JSON for the page."""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any, TypeVar

from iterpref_core.config import CodeflowParams
from iterpref_core.records import (
    UNDECIDED,
    FocalSpans,
    PairShifts,
    PreferencePair,
    Span,
    Trajectory,
    split_lines,
)
from iterpref_core.report.failing_programs import FEEDBACK, PROGRAM, PROMPT, cut
from iterpref_core.report.pair_view import mark_lines, region_name, sums
from iterpref_core.report.token_colors import ColoredLine, Piece, color_lines, level
from iterpref_core.source_code.line_diff import match_lines
from iterpref_core.storage.jsonl import read_jsonl

T = TypeVar("T")
Json = dict[str, Any]
Edit = int | str
Line = list[Any]

_ESCAPED = re.compile(r"[<\x7f-\U0010ffff]")
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def outcome(trajectory: Trajectory, paired: bool) -> str:
    """What became of a trajectory, one of `labels.OUTCOMES`; `paired`: there is a pair of it."""
    if paired:
        return "pair"
    passing = [attempt for attempt in trajectory.attempts if attempt.verdict == "passed"]
    if not passing:
        return "unsolved"
    if all(attempt.fails_hidden for attempt in passing):
        return "fails_hidden_tests"
    failing = any(attempt.verdict not in UNDECIDED for attempt in trajectory.attempts)
    return "dropped" if failing else "solved_by_draft"


def survey_outcomes(path: Path, paired: Iterable[str]) -> tuple[Counter[str], list[tuple[str, str]]]:
    """Count outcomes, and put all trajectories into the order in which they are shown.

    Kinds of trajectories (outcome, and the last verdict that is no pass) take turns, so that rare ones come early;
    inside a kind those come first whose task_ids have the smallest hashes, so that nobody picks them.

    Args:
        path: `trajectories.jsonl`; only its task_ids are held.
        paired: task_ids of the pairs.

    Returns:
        Outcome → trajectories, and (task_id, outcome) in that order.

    Raises:
        RecordError: a line is broken, or repeats a task_id.
    """
    known, totals = frozenset(paired), Counter[str]()
    kinds: dict[tuple[str, str], list[tuple[bytes, str]]] = {}
    for item in read_jsonl(path, Trajectory, unique=True):
        found = outcome(item, item.task_id in known)
        totals[found] += 1
        failed = next((a.verdict for a in reversed(item.attempts) if a.verdict != "passed"), "")
        kinds.setdefault((found, failed), []).append((_digest(item.task_id), item.task_id))
    drawn = ([(task_id, kind[0]) for _, task_id in sorted(kinds[kind])] for kind in sorted(kinds))
    return totals, list(take_turns(drawn))


def take_turns(groups: Iterable[Sequence[T]]) -> Iterator[T]:
    """The first of each group, then the second of each, and so on.

    >>> list(take_turns(["abc", "d"]))
    ['a', 'd', 'b', 'c']
    """
    rows = zip_longest(*([(item,) for item in group] for group in groups), fillvalue=())
    return chain.from_iterable(chain.from_iterable(rows))


def trajectory_entry(trajectory: Trajectory, found: str, prompt: str, params: CodeflowParams) -> Json:
    """A trajectory as the page reads it.

    Args:
        trajectory: the trajectory.
        found: its outcome.
        prompt: of its problem; may be empty.
        params: say which model wrote which attempt.
    """
    before: list[str] = []
    attempts = []
    for attempt in trajectory.attempts:
        lines = split_lines(cut(attempt.code, PROGRAM))
        drafted = attempt.iteration == 0 or params.source == "sampling"
        shown: Json = {
            "iteration": attempt.iteration,
            "model": params.draft_model if drafted else "debugger",
            "verdict": attempt.verdict,
            "edits": line_edits(before, lines),
        }
        told = {"hidden": attempt.hidden, "feedback": cut(attempt.feedback, FEEDBACK)}
        attempts.append(shown | {name: value for name, value in told.items() if value})
        before = lines
    entry: Json = {"id": trajectory.task_id, "prompt": cut(prompt, PROMPT), "outcome": found, "attempts": attempts}
    return entry | ({"refused": trajectory.refused} if trajectory.refused else {})


def line_edits(before: Sequence[str], after: Sequence[str]) -> list[Edit]:
    """What makes a program's lines of another's: n > 0 keeps n lines, n < 0 leaves n out, a text is a new line.

    >>> line_edits(["a", "b", "c"], ["a", "x", "c"])
    [1, -1, 'x', 1]
    """
    edits: list[Edit] = []
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


def pair_entry(pair: PreferencePair, spans: FocalSpans | None, shifts: PairShifts | None, scale: float) -> Json:
    """A pair as the page reads it: two programs as lines of pieces, with the region, and colors where shifts are given.

    A line is [marked, pieces] or [marked, pieces, change in nats]; a piece is a text, or [text, marked], or
    [text, marked, step of color, before, after, tokens, glyph, first of its token].

    Args:
        pair: the pair.
        spans: its region; None where it has none.
        shifts: what training did to its tokens. Where a program is cut they are left out.
        scale: nats at which the strongest color begins.
    """
    spans = spans or FocalSpans(task_id=pair.task_id, method="", rejected=(), chosen=())
    region = region_name(spans) if spans.method else "nothing: there are no spans of this pair"
    entry: Json = {"region": region}
    colored = shifts is not None and max(len(pair.rejected), len(pair.chosen)) <= PROGRAM
    if shifts is not None and colored:
        entry["sums"] = sums(shifts, spans)
    for side in ("rejected", "chosen"):
        text, marked = cut(getattr(pair, side), PROGRAM), getattr(spans, side)
        if colored:
            lines = color_lines(text, marked, getattr(shifts, side), penalized=side == "rejected")
            entry[side] = [_colored_line(line, scale) for line in lines]
        else:
            entry[side] = _marked(text, marked)
    return entry


def _marked(text: str, spans: Sequence[Span]) -> list[Line]:
    lines = mark_lines(text, spans)
    return [[int(line.marked), [[piece, 1] if inside else piece for piece, inside in line.segments]] for line in lines]


def _colored_line(line: ColoredLine, scale: float) -> Line:
    return [int(line.marked), [_piece(piece, scale) for piece in line.pieces], round(line.change, 2)]


def _piece(piece: Piece, scale: float) -> str | list[Any]:
    token = piece.token
    if token is None:
        return [piece.text, 1] if piece.marked else piece.text
    flags = int(piece.glyph), int(piece.first)
    numbers = round(token.before, 3), round(token.after, 3), token.count
    return [piece.text, int(piece.marked), level(token.change, scale), *numbers, *flags]


def within(entries: Iterable[Json], budget: int) -> Iterator[list[Json]]:
    """Cut entries into pages of at most so many bytes; an entry is never cut."""
    page: list[Json] = []
    room = budget
    for entry in entries:
        size = len(embed(entry).encode())
        if page and size > room:
            yield page
            page, room = [], budget
        page.append(entry)
        room -= size
    if page:
        yield page


def embed(value: Any) -> str:
    r"""JSON that can stand in a page's <script>: nothing in it ends the element, or is invisible in an editor.

    >>> embed({"code": "</script>\u202e"})
    '{"code":"\\u003c/script>\\u202e"}'
    """
    return _ESCAPED.sub(_escape, json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _escape(match: re.Match[str]) -> str:
    found = match[0]
    if found == "<":
        return "\\u003c"
    return json.dumps(found)[1:-1] if unicodedata.category(found) in _UNSEEN else found


def by_digest(task_ids: Iterable[str]) -> list[str]:
    """In the order of their hashes, in which nobody picks them."""
    return sorted(task_ids, key=_digest)


def _digest(task_id: str) -> bytes:
    return sha256(task_id.encode("utf-8", "surrogatepass")).digest()
