"""Mark the error regions of a file of pairs (stage `localization`), or of one pair at a time."""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from iterpref_core.programs.source_code.line_diff import (
    ErrorRegion,
    Unit,
    count_lines,
    join_spans,
    line_spans,
    line_units,
    locate_error,
    match_ends,
)
from iterpref_core.records import (
    ConfigError,
    InputError,
    LocalizationMethod,
    LocalizationParams,
    LocalizationResult,
    Params,
    PreferencePair,
    Span,
    unknown_name,
)
from iterpref_core.storage.dropped import Dropped, open_dropped
from iterpref_core.storage.jsonl import read_pairs, write_jsonl

TOKEN = re.compile(r"\w+|[^\w\s]")


def split_tokens(text: str) -> list[Unit]:
    r"""Split a program into tokens; each line with text begins with a token for its indentation.

    Tokens are roughly Python's, so the spans suit any model's tokenizer. This is an ablation: the region is smaller
    than whole lines, and shows less of the reason for the failure.

    An indentation of no characters has no span of its own; the token after it is marked instead.

    >>> [token.text for token in split_tokens("if x:\n  y()\n")]
    ['\n', 'if', 'x', ':', '\n  ', 'y', '(', ')']
    """
    tokens = []
    for start, end in line_spans(text):
        line = [Unit(match[0], match.span()) for match in TOKEN.finditer(text, start, end)]
        if line:
            first = line[0].span
            indentation = text[start : first[0]]
            tokens.append(Unit("\n" + indentation, (start, first[0]) if indentation else first))
            tokens += line
    return tokens


# (failing program, passing program) -> the error region.
Localizer = Callable[[str, str], ErrorRegion]

# Decides how far each region is widened.
_WIDENING_SEED = 13

# The methods, by their names.
ON_TEXT: dict[LocalizationMethod, Localizer] = {
    "line_lcs": locate_error,
    "prefix_suffix": partial(locate_error, match=match_ends),
    "token": partial(locate_error, split=split_tokens),
}
# The reasons why a pair is left out, and what each means.
DROPPED = {
    "empty": "the fix only inserts, and localization.empty is drop",
    "equal": "the programs differ in blanks at most",
}


def mark_regions(params: Params, **files: Any) -> LocalizationResult:
    """Write the pairs with their regions (stage `localization`); `files` are as in `localize_pairs`."""
    return localize_pairs(params=params.localization, **files)


def localize_pairs(
    pairs: Path,
    params: LocalizationParams,
    out: Path,
    dropped: Path | None = None,
) -> LocalizationResult:
    """Write every pair with its error region, in order; streaming. A region that a pair brings stays as it is.

    A program alone, without a rejected one, is written as it is.

    If a fix only inserts lines, D- has no text, and `params.empty` decides: `anchor` marks the place of the insertion
    (`ErrorRegion.anchors`), `keep` writes an empty region, so that K- is 0, and `drop` leaves the pair out. A
    pair of equal programs is written by `keep` alone. With `params.widen_lines`, each region includes lines around it
    (`widen_spans`).

    Args:
        pairs: pairs of any origin; only prompt, chosen and rejected are needed.
        params: the method and the policy.
        out: JSONL of pairs to write, whole or not at all.
        dropped: JSONL to write the pairs that are left out to (`storage.dropped`); not written by default.

    Raises:
        RecordError: a line is broken.
    """
    counts: Counter[str] = Counter()
    with open_dropped(dropped) as drops:

        def located() -> Iterator[PreferencePair | Dropped]:
            for number, pair in enumerate(read_pairs(pairs), start=1):
                if pair.rejected is None:
                    counts["replay"] += 1
                    yield pair
                    continue
                counts["given"] += pair.rejected_spans is not None
                marked = _mark(pair, params, counts) if pair.rejected_spans is None else pair
                if isinstance(marked, str):
                    yield Dropped(marked, f"{pairs}:{number}", pair.task_id, DROPPED[marked])
                    continue
                counts["focal_lines"] += count_lines(pair.rejected, marked.rejected_spans or ())
                counts["lines"] += count_lines(pair.rejected, ((0, len(pair.rejected)),))
                yield marked

        written = write_jsonl(out, drops.keep(located()))
    return LocalizationResult(
        pairs=written - counts["replay"],
        replay=counts["replay"] or None,
        given=counts["given"],
        empty=counts["empty"],
        anchored=counts["anchored"],
        dropped={reason: drops.counts[f"dropped/{reason}"] for reason in DROPPED},
        focal_line_share=counts["focal_lines"] / max(counts["lines"], 1),
    )


def _mark(pair: PreferencePair, params: LocalizationParams, counts: Counter[str]) -> PreferencePair | str:
    """Return a pair with its error region; or why it is left out. Count `empty` and `anchored` regions."""
    assert pair.rejected is not None
    region = ON_TEXT[params.method](pair.rejected, pair.chosen)
    rejected = region.rejected
    counts["empty"] += not rejected
    if not rejected and params.empty == "anchor":
        rejected = region.anchors
        counts["anchored"] += bool(rejected)
    if not rejected and params.empty != "keep":
        return "empty" if region.chosen else "equal"
    if params.widen_lines:
        # The widths are drawn here, once for each pair: the region is data, the same in every epoch and for every
        # objective.
        random = Random(f"{_WIDENING_SEED}/{pair.task_id}")
        rejected = widen_spans(pair.rejected, rejected, params.widen_lines, random)
    return pair.model_copy(
        update={"rejected_spans": rejected, "chosen_spans": region.chosen, "localization": params.method}
    )


def widen_spans(
    text: str,
    spans: tuple[Span, ...],
    max_lines: int,
    random: Random,
) -> tuple[Span, ...]:
    r"""Add 1 to `max_lines` lines before each span, and after it: Diff-Augmentation, an ablation of the paper.

    Args:
        text: the failing program.
        spans: its error region.
        max_lines: the largest number of lines to add on one side, at least 1.
        random: draws the numbers of lines.

    Returns:
        Spans of whole lines, by the rules of `line_diff`.

    >>> text = "a = 1\nb = 2\nc = 3\nd = 4\n"
    >>> [text[start:end] for start, end in widen_spans(text, ((12, 17),), 1, Random(0))]
    ['b = 2\nc = 3\nd = 4']
    """
    # Convert characters to line numbers, widen, and convert back.
    units = line_units(text)
    starts = [unit.span[0] for unit in units]
    lines: set[int] = set()
    for start, end in spans:
        first_line = bisect_right(starts, start) - 1
        last_line = bisect_right(starts, max(start, end - 1)) - 1
        before = random.randint(1, max_lines)
        after = random.randint(1, max_lines)
        lines.update(range(max(first_line - before, 0), min(last_line + after + 1, len(units))))
    return join_spans(units, sorted(lines))


def localize(
    rejected: str,
    chosen: str,
    method: LocalizationMethod = "line_lcs",
) -> ErrorRegion:
    r"""Return the error region of a failing program, given the program that passes.

    Args:
        rejected: the failing program.
        chosen: the passing program.
        method: a method that reads the two programs alone.

    Raises:
        ConfigError: the method is unknown.

    >>> rejected = "def f(x):\n    return -x\n"
    >>> region = localize(rejected, "def f(x):\n    return x\n")
    >>> [rejected[start:end] for start, end in region.rejected]
    ['    return -x']
    """
    if method not in ON_TEXT:
        raise ConfigError(f"method: {unknown_name('method', str(method), ON_TEXT)}")
    return ON_TEXT[method](rejected, chosen)


def mark_errors(row: Mapping[str, Any], method: LocalizationMethod = "line_lcs") -> dict[str, list[list[int]]]:
    r"""Return D- and D+ of a row with the columns `rejected` and `chosen`; for `datasets.Dataset.map`.

    If a fix only inserts lines, D- is the line at the insertion, as in the stage `localization`.

    Args:
        row: a pair of texts with their `prompt`, or of messages whose last one is the program; other columns are
            ignored.
        method: a method that reads the two programs alone.

    Returns:
        `rejected_spans` and `chosen_spans`: [start, end) of each region, in characters. Equal programs have no region,
        and a focal objective learns only the chosen one.

    Raises:
        ConfigError: the method is unknown.
        InputError: texts without `prompt`, which TRL splits at their first difference: the regions would not fit.

    >>> mark_errors({"prompt": "", "rejected": "def f(x):\n    return -x\n", "chosen": "def f(x):\n    return x\n"})
    {'rejected_spans': [[10, 23]], 'chosen_spans': [[10, 22]]}
    """
    if isinstance(row["rejected"], str) and "prompt" not in row:
        raise InputError(
            "mark_errors: the row has texts and no column 'prompt'; TRL would split them at their first difference "
            "and mark other tokens; give the column"
        )
    region = localize(
        rejected=_program(row["rejected"]),
        chosen=_program(row["chosen"]),
        method=method,
    )
    rejected = region.rejected or region.anchors
    return {
        "rejected_spans": [list(span) for span in rejected],
        "chosen_spans": [list(span) for span in region.chosen],
    }


def _program(side: Any) -> str:
    """Return the program of one side of a pair: the text, or the content of the last message."""
    if isinstance(side, str):
        return side
    if not isinstance(side[-1], Mapping):
        raise InputError("mark_errors: a row has lists instead of programs; call `map` without batched=True")
    answer: str = side[-1]["content"]
    return answer
