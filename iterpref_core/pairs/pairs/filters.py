"""Pair filters: reasons to drop pairs that are not worth learning from; first the paper's, in its order, then ours."""

from collections.abc import Callable, Sequence
from typing import Literal

from iterpref_core.programs.source_code.line_diff import diff_lines
from iterpref_core.programs.source_code.lines import split_lines
from iterpref_core.programs.source_code.normal_form import same_form
from iterpref_core.records import PreferencePair
from iterpref_core.records.config import PairsParams

DropReason = Literal["comments_only", "long_error_region", "too_long", "cosmetic"]


def drop_reason(
    pair: PreferencePair,
    params: PairsParams,
    count_tokens: Callable[[str], int],
    entry_point: str = "",
) -> DropReason | None:
    """Return the first reason to drop a pair, or None to keep it.

    1. `comments_only`: D- consists of comments. (An empty D- is no reason: localization has a policy for fixes that
       only insert lines.)
    2. `long_error_region`: D- has more than `params.max_error_lines` lines.
    3. `too_long`: the passing or the failing program has more than `params.max_tokens` tokens.
    4. `cosmetic`: the programs differ only in layout, docstrings, annotations, statements without effect or their own
       names (`normal_form`). Such a pair passed and failed by chance, or its tests ask for a name.

    Args:
        pair: the pair.
        params: bounds of the filters.
        count_tokens: returns the number of tokens of a program.
        entry_point: name that the tests call, which is not one of the program's own; empty if unknown.
    """
    error_lines = diff_lines(pair.rejected, pair.chosen).rejected
    if only_comments(pair.rejected, error_lines):
        return "comments_only"
    if len(error_lines) > params.max_error_lines:
        return "long_error_region"
    # No token has less than a character of ASCII, but for one that a tokenizer may put before a text.
    programs = (pair.chosen, pair.rejected)
    long = [code for code in programs if len(code) >= params.max_tokens or not code.isascii()]
    if any(count_tokens(code) > params.max_tokens for code in long):
        return "too_long"
    if same_form(pair.rejected, pair.chosen, entry_point):
        return "cosmetic"
    return None


def only_comments(code: str, lines: Sequence[int]) -> bool:
    r"""Return True if each of these lines of a program is a comment or blank, and at least one is a comment.

    >>> only_comments("x = 1\n# one\n\n", [1, 2]), only_comments("x = 1\n\n", [1])
    (True, False)
    """
    texts = split_lines(code)
    written = [texts[line].lstrip() for line in lines if texts[line].strip()]
    return bool(written) and all(text.startswith("#") for text in written)
