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
"""Keywords and builtins: no programmer renames them."""
_SIMILAR = 0.5
"""The share of common tokens from which on a line counts as rewritten, not as removed and replaced by another one."""


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
    for old, new in _stretches(diff_lines(rejected, chosen).matches, len(a), len(b)):
        hunks.extend(_split(a, b, old, new))
    return tuple(hunks)


def _stretches(
    matches: Iterable[tuple[int, int]],
    count: int,
    others: int,
) -> Iterator[tuple[range, range]]:
    """Yield the stretches before, between and behind matches, as ranges in both sequences.

    >>> list(_stretches([(1, 0)], 3, 2))
    [(range(0, 1), range(0, 0)), (range(2, 3), range(1, 2))]
    """
    i = 0
    j = 0
    for next_i, next_j in [*matches, (count, others)]:
        yield range(i, next_i), range(j, next_j)
        i = next_i + 1
        j = next_j + 1


def _split(a: Sequence[str], b: Sequence[str], old: range, new: range) -> Iterator[Hunk]:
    """Yield the hunks of one stretch: each rewritten line by itself, and the lines between rewritten ones together."""
    i = old.start
    j = new.start
    for next_i, next_j in [*_pair_similar(a, b, old, new), (old.stop, new.stop)]:
        if i < next_i or j < next_j:
            yield Hunk(range(i, next_i), range(j, next_j))
        if next_i < old.stop and next_j < new.stop:
            yield Hunk(range(next_i, next_i + 1), range(next_j, next_j + 1))
        i = next_i + 1
        j = next_j + 1


def _pair_similar(
    a: Sequence[str],
    b: Sequence[str],
    old: range,
    new: range,
) -> list[tuple[int, int]]:
    """Return ascending pairs of lines (old, new) with the greatest total similarity, each pair at least `_SIMILAR`."""
    # best[i, j]: the greatest total for the old lines from i on and the new lines from j on, with its pairs. The table
    # is filled from the end, so that the entries for i + 1 and j + 1 are there: line i is left out, or line j is, or
    # the two are a pair.
    best: dict[tuple[int, int], tuple[float, list[tuple[int, int]]]] = {}
    for i in range(old.stop, old.start - 1, -1):
        for j in range(new.stop, new.start - 1, -1):
            options = [best[key] for key in ((i + 1, j), (i, j + 1)) if key in best]
            if i < old.stop and j < new.stop:
                score = _similarity(a[i], b[j])
                if score >= _SIMILAR:
                    rest_score, rest_pairs = best[i + 1, j + 1]
                    options.append((score + rest_score, [(i, j), *rest_pairs]))
            best[i, j] = max(options, key=lambda option: option[0], default=(0.0, []))
    _, pairs = best[old.start, new.start]
    return pairs


def _similarity(line: str, against: str) -> float:
    """Return the share of tokens in common, 0 to 1: twice the LCS over the sum of the lengths."""
    a = TOKEN.findall(line)
    b = TOKEN.findall(against)
    if not a and not b:
        return 1.0
    return 2 * len(match_lines(a, b)) / (len(a) + len(b))


def apply_hunks(rejected: str, chosen: str, hunks: Collection[Hunk]) -> str:
    r"""Return the failing program with some hunks of the edit applied.

    >>> whole = find_hunks("a = 1\nb = 2\n", "a = 0\nb = 2\nc = 3\n")
    >>> apply_hunks("a = 1\nb = 2\n", "a = 0\nb = 2\nc = 3\n", whole[1:])
    'a = 1\nb = 2\nc = 3\n'
    """
    a = split_lines(rejected)
    b = split_lines(chosen)
    lines: list[str] = []
    place = 0
    for hunk in sorted(hunks, key=lambda hunk: (hunk.old.start, hunk.new.start)):
        lines += a[place : hunk.old.start]
        lines += b[hunk.new.start : hunk.new.stop]
        place = hunk.old.stop
    lines += a[place:]
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
    back: dict[str, str] = {}
    for (new_name, old_name), _ in _rename_votes(split_lines(rejected), split_lines(chosen)).most_common():
        is_new = new_name not in names_before
        is_gone = old_name not in names_after
        if is_new and is_gone and new_name not in back and old_name not in back.values():
            back[new_name] = old_name
    return _NAME.sub(lambda match: back.get(match.group(), match.group()), chosen)


def _rename_votes(a: Sequence[str], b: Sequence[str]) -> Counter[tuple[str, str]]:
    """Count, for each (new name, old name), the places where the one stands for the other in lines that are alike."""
    votes: Counter[tuple[str, str]] = Counter()
    for i, j in _alike_but_for_names(a, b):
        before = TOKEN.findall(a[i])
        after = TOKEN.findall(b[j])
        same = match_lines([_without_names(token) for token in before], [_without_names(token) for token in after])
        votes.update((after[y], before[x]) for x, y in same if before[x] != after[y])
    return votes


def _alike_but_for_names(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int]]:
    """Return the pairs of lines that are equal, or else similar, once all names are taken for the same."""
    plain_a = [_without_names(line) for line in a]
    plain_b = [_without_names(line) for line in b]
    pairs = match_lines(plain_a, plain_b)
    for old, new in list(_stretches(pairs, len(a), len(b))):
        pairs += _pair_similar(plain_a, plain_b, old, new)
    return sorted(pairs)


def _without_names(text: str) -> str:
    """Replace every name that a programmer chose by an underscore."""
    return _NAME.sub(lambda match: match.group() if match.group() in _FIXED else "_", text)
