"""Diff hunks: the edit from a failing program to a passing one, in the smallest pieces that apply by themselves."""

import builtins
import keyword
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from iterpref_core.pairs.localization.token_lcs import TOKEN
from iterpref_core.programs.source_code.line_diff import diff_lines, match_lines, split_lines

_NAME = re.compile(r"\b[^\W\d]\w*\b")
_FIXED = frozenset(keyword.kwlist) | frozenset(dir(builtins))
"""Keywords and builtins: no programmer renames them."""
_SIMILAR = 0.5
"""The share of common tokens from which on a line counts as rewritten, not as removed and replaced by another one."""


_MOST_CELLS = 10_000
"""The largest number of pairs of lines that are compared in a stretch: 100 lines by 100, about half a second."""


@dataclass(frozen=True)
class Hunk:
    """A piece of an edit: lines of the failing program become lines of the passing one.

    Attributes:
        old: line numbers in the failing program, from 0; empty for an insertion.
        new: line numbers in the passing program, from 0; empty for a deletion.
    """

    old: range
    new: range


def find_hunks(rejected: str, chosen: str) -> tuple[Hunk, ...]:
    r"""Return the hunks that together turn one program into the other, in order.

    Within a stretch of changed lines, each line is paired with its rewritten form if there is one.

    >>> find_hunks("a = 1\nb = 2\n", "a = 0\nb = 2\nc = 3\n")
    (Hunk(old=range(0, 1), new=range(0, 1)), Hunk(old=range(2, 2), new=range(2, 3)))
    """
    a = split_lines(rejected)
    b = split_lines(chosen)
    hunks: list[Hunk] = []
    for old, new in _stretches(diff_lines(rejected, chosen).matches, range(len(a)), range(len(b))):
        rewritten = _pair_similar(a, b, old, new)
        hunks += [Hunk(range(i, i + 1), range(j, j + 1)) for i, j in rewritten]
        hunks += [Hunk(*between) for between in _stretches(rewritten, old, new)]
    return tuple(sorted((hunk for hunk in hunks if hunk.old or hunk.new), key=_place))


def _place(hunk: Hunk) -> tuple[int, int]:
    return hunk.old.start, hunk.new.start


def _stretches(matches: Iterable[tuple[int, int]], old: range, new: range) -> Iterator[tuple[range, range]]:
    """Yield the stretches before, between and behind the matches in two ranges.

    >>> list(_stretches([(1, 0)], range(3), range(2)))
    [(range(0, 1), range(0, 0)), (range(2, 3), range(1, 2))]
    """
    i = old.start
    j = new.start
    end = (old.stop, new.stop)
    for next_i, next_j in [*matches, end]:
        yield range(i, next_i), range(j, next_j)
        i = next_i + 1
        j = next_j + 1


def _pair_similar(a: Sequence[str], b: Sequence[str], old: range, new: range) -> list[tuple[int, int]]:
    """Return ascending pairs of lines (old, new): each old line with the most similar new one behind those taken.

    The similarity is at least `_SIMILAR`. A stretch with more than `_MOST_CELLS` possible pairs has none: such a change
    is a rewrite as a whole.
    """
    pairs: list[tuple[int, int]] = []
    if len(old) * len(new) > _MOST_CELLS:
        return pairs
    free = new
    for i in old:
        scores = [_similarity(a[i], b[j]) for j in free]
        best = max(scores, default=0.0)
        if best >= _SIMILAR:
            j = free[scores.index(best)]
            pairs.append((i, j))
            free = range(j + 1, new.stop)
    return pairs


def _similarity(line: str, against: str) -> float:
    """Return the share of tokens in common, 0 to 1: twice the LCS over the sum of the lengths."""
    a = TOKEN.findall(line)
    b = TOKEN.findall(against)
    total = len(a) + len(b)
    if total == 0:
        return 1.0
    return 2 * len(match_lines(a, b)) / total


def apply_hunks(rejected: str, chosen: str, hunks: Collection[Hunk]) -> str:
    r"""Return the failing program with some hunks of the edit applied.

    >>> whole = find_hunks("a = 1\nb = 2\n", "a = 0\nb = 2\nc = 3\n")
    >>> apply_hunks("a = 1\nb = 2\n", "a = 0\nb = 2\nc = 3\n", whole[1:])
    'a = 1\nb = 2\nc = 3\n'
    """
    a = split_lines(rejected)
    b = split_lines(chosen)
    lines: list[str] = []
    position = 0
    for hunk in sorted(hunks, key=_place):
        lines += a[position : hunk.old.start]
        lines += b[hunk.new.start : hunk.new.stop]
        position = hunk.old.stop
    lines += a[position:]
    return "".join(f"{line}\n" for line in lines)


def undo_renames(rejected: str, chosen: str) -> str:
    r"""Return the passing program with its new names replaced by the failing program's, if only the name differs.

    A rename touches many lines that are not wrong, and none of them can be applied without the others. Lines that are
    alike but for their names show which name became which. Only names that one program alone has are considered. The
    caller has to run the result: names are replaced as text.

    >>> undo_renames("def f(x):\n    return x\n", "def f(values):\n    return values + 1\n")
    'def f(x):\n    return x + 1\n'
    """
    names_before = set(_NAME.findall(rejected))
    names_after = set(_NAME.findall(chosen))
    votes = _rename_votes(split_lines(rejected), split_lines(chosen))
    old_names: dict[str, str] = {}
    for (new_name, old_name), _ in votes.most_common():
        if new_name in names_before or old_name in names_after:
            continue
        already_renamed = new_name in old_names or old_name in old_names.values()
        if not already_renamed:
            old_names[new_name] = old_name

    def rename_back(match: re.Match[str]) -> str:
        name = match.group()
        return old_names.get(name, name)

    return _NAME.sub(rename_back, chosen)


def _rename_votes(a: Sequence[str], b: Sequence[str]) -> Counter[tuple[str, str]]:
    """Count, for each (new name, old name), the places where the one stands for the other in lines that are alike."""
    votes: Counter[tuple[str, str]] = Counter()
    # "return x" and "return values" are alike: "return _". Where "x" stands in the one, "values" does in the other,
    # which is one vote for ("values", "x").
    for i, j in match_lines([_without_names(line) for line in a], [_without_names(line) for line in b]):
        for old, new in zip(_NAME.findall(a[i]), _NAME.findall(b[j]), strict=True):
            if old != new:
                votes[new, old] += 1
    return votes


def _without_names(text: str) -> str:
    """Replace every name that a programmer chose by an underscore."""

    def hide(match: re.Match[str]) -> str:
        name = match.group()
        return name if name in _FIXED else "_"

    return _NAME.sub(hide, text)
