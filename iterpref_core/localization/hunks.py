"""Diff hunks: the edit from a failing program to a passing one, in the smallest pieces that apply by themselves."""

import builtins
import keyword
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from iterpref_core.localization.token_lcs import TOKEN
from iterpref_core.records import split_lines
from iterpref_core.source_code.line_diff import diff_lines, match_lines

_NAME = re.compile(r"\b[^\W\d]\w*\b")
_FIXED = frozenset(keyword.kwlist) | frozenset(dir(builtins))
"""Names that nobody renames."""
_SIMILAR = 0.5
"""Share of common tokens from which on a line counts as rewritten; else it was removed and another one written."""


@dataclass(frozen=True)
class Hunk:
    """Replace lines `old` of the failing program (from 0; may be empty: an insertion) by lines `new` of the other."""

    old: range
    new: range


def find_hunks(rejected: str, chosen: str) -> tuple[Hunk, ...]:
    r"""The hunks that together turn one program into the other, in order.

    Within a stretch of changed lines, each line is paired with its rewritten form where there is one.

    >>> find_hunks("a = 1\nb = 2\n", "a = 0\nb = 2\nc = 3\n")
    (Hunk(old=range(0, 1), new=range(0, 1)), Hunk(old=range(2, 2), new=range(2, 3)))
    """
    a, b = split_lines(rejected), split_lines(chosen)
    stretches = _stretches(diff_lines(rejected, chosen).matches, len(a), len(b))
    return tuple(hunk for old, new in stretches for hunk in _split(a, b, old, new))


def _stretches(matches: Iterable[tuple[int, int]], count: int, others: int) -> Iterator[tuple[range, range]]:
    """What lies before, between and behind matches, in both sequences."""
    i = j = 0
    for next_i, next_j in [*matches, (count, others)]:
        yield range(i, next_i), range(j, next_j)
        i, j = next_i + 1, next_j + 1


def _split(a: Sequence[str], b: Sequence[str], old: range, new: range) -> Iterator[Hunk]:
    """Hunks of one stretch: rewritten lines by themselves, and what lies between them."""
    i, j = old.start, new.start
    for next_i, next_j in [*_pair_similar(a, b, old, new), (old.stop, new.stop)]:
        if i < next_i or j < next_j:
            yield Hunk(range(i, next_i), range(j, next_j))
        if next_i < old.stop and next_j < new.stop:
            yield Hunk(range(next_i, next_i + 1), range(next_j, next_j + 1))
        i, j = next_i + 1, next_j + 1


def _pair_similar(a: Sequence[str], b: Sequence[str], old: range, new: range) -> list[tuple[int, int]]:
    """Ascending pairs of lines (old, new) with the greatest total similarity, each pair at least `_SIMILAR`."""
    best: dict[tuple[int, int], tuple[float, list[tuple[int, int]]]] = {}
    for i in range(old.stop, old.start - 1, -1):
        for j in range(new.stop, new.start - 1, -1):
            options = [best[key] for key in ((i + 1, j), (i, j + 1)) if key in best]
            if i < old.stop and j < new.stop and (score := _similarity(a[i], b[j])) >= _SIMILAR:
                rest = best[i + 1, j + 1]
                options.append((score + rest[0], [(i, j), *rest[1]]))
            best[i, j] = max(options, key=lambda option: option[0], default=(0.0, []))
    return best[old.start, new.start][1]


def _similarity(line: str, against: str) -> float:
    """Share of tokens in common, 0 to 1 (twice the LCS over the sum of the lengths)."""
    a, b = TOKEN.findall(line), TOKEN.findall(against)
    return 2 * len(match_lines(a, b)) / (len(a) + len(b)) if a or b else 1.0


def apply_hunks(rejected: str, chosen: str, hunks: Collection[Hunk]) -> str:
    r"""The failing program with some of its hunks applied.

    >>> whole = find_hunks("a = 1\nb = 2\n", "a = 0\nb = 2\nc = 3\n")
    >>> apply_hunks("a = 1\nb = 2\n", "a = 0\nb = 2\nc = 3\n", whole[1:])
    'a = 1\nb = 2\nc = 3\n'
    """
    a, b = split_lines(rejected), split_lines(chosen)
    lines, place = [], 0
    for hunk in sorted(hunks, key=lambda hunk: (hunk.old.start, hunk.new.start)):
        lines += a[place : hunk.old.start]
        lines += b[hunk.new.start : hunk.new.stop]
        place = hunk.old.stop
    return "".join(f"{line}\n" for line in lines + a[place:])


def undo_renames(rejected: str, chosen: str) -> str:
    r"""The passing program with its new names replaced by the failing program's, where only the name differs.

    A rename touches many lines that are not wrong, and none of them can be applied without the others. Lines that are
    alike but for their names say what was renamed to what. Only names that one program alone has are considered. The
    caller has to run the result: names are replaced as text.

    >>> undo_renames("def f(x):\n    return x\n", "def f(values):\n    return values + 1\n")
    'def f(x):\n    return x + 1\n'
    """
    old, new = set(_NAME.findall(rejected)), set(_NAME.findall(chosen))
    a, b = split_lines(rejected), split_lines(chosen)
    votes: Counter[tuple[str, str]] = Counter()
    for i, j in _alike_but_for_names(a, b):
        former, present = TOKEN.findall(a[i]), TOKEN.findall(b[j])
        same = match_lines([_without_names(token) for token in former], [_without_names(token) for token in present])
        votes.update((present[y], former[x]) for x, y in same if former[x] != present[y])
    back: dict[str, str] = {}
    for (name, known), _ in votes.most_common():
        if name not in back and known not in back.values() and name not in old and known not in new:
            back[name] = known
    return _NAME.sub(lambda match: back.get(match.group(), match.group()), chosen)


def _alike_but_for_names(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of lines that are equal, or else similar, once all names are taken for the same."""
    plain_a, plain_b = [_without_names(line) for line in a], [_without_names(line) for line in b]
    equal = match_lines(plain_a, plain_b)
    similar = (_pair_similar(plain_a, plain_b, old, new) for old, new in _stretches(equal, len(a), len(b)))
    return sorted([*equal, *(pair for pairs in similar for pair in pairs)])


def _without_names(text: str) -> str:
    return _NAME.sub(lambda match: match.group() if match.group() in _FIXED else "_", text)
