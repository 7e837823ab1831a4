"""Pair filters: reasons to drop pairs that are not worth learning from; first the paper's, in its order, then ours."""

import ast
import re
from collections.abc import Callable, Sequence
from typing import Literal

from iterpref_core.programs.source_code.line_diff import diff_lines, split_lines
from iterpref_core.programs.source_code.normal_form import same_form
from iterpref_core.programs.source_code.syntax_tree import shared_tree
from iterpref_core.records import PreferencePair
from iterpref_core.records.config import PairsParams

DropReason = Literal["comments_only", "long_error_region", "too_long", "cosmetic"]

FILTERS: dict[DropReason, str] = {
    "comments_only": "the error region has only comments",
    "long_error_region": "the error region has more lines than pairs.max_error_lines",
    "too_long": "a program has more tokens than pairs.max_tokens",
    "cosmetic": "the programs differ only in layout, comments, docstrings, annotations or names of their own",
}
"""The reasons, in the order in which they are checked, and what each means."""
ONLY_COMMENTS = re.compile(r"(?:\s*+#[^\n]*+)++\s*")
"""Lines of which each is a comment or blank, and at least one is a comment."""


def drop_reason(
    pair: PreferencePair,
    params: PairsParams,
    count_tokens: Callable[[str], int],
    entry_point: str = "",
    *,
    raised: bool = False,
) -> DropReason | None:
    """Return the first reason to drop a pair, or None to keep it.

    1. `comments_only`: D- consists of comments. (An empty D- is no reason: localization has a policy for fixes that
       only insert lines.)
    2. `long_error_region`: D- has more than `params.max_error_lines` lines.
    3. `too_long`: the passing or the failing program has more than `params.max_tokens` tokens.
    4. `cosmetic`: the programs differ only in layout, docstrings, annotations, statements without effect or their own
       names (`normal_form`). Such a pair passed and failed by chance, or its tests ask for a name. A program that
       `raised` is another matter: `List[int]` without an import is only an annotation, and fails.

    Args:
        pair: the pair.
        params: bounds of the filters.
        count_tokens: returns the number of tokens of a program.
        entry_point: name that the tests call, which is not one of the program's own; empty if unknown.
        raised: True if the failing program is known to have raised an exception.
    """
    lines = split_lines(pair.rejected)
    error_lines = diff_lines(pair.rejected, pair.chosen).rejected
    error_text = "\n".join(map(lines.__getitem__, error_lines))
    if ONLY_COMMENTS.fullmatch(error_text) and not _in_text(pair.rejected, error_lines):
        return "comments_only"
    if len(error_lines) > params.max_error_lines:
        return "long_error_region"
    for code in (pair.chosen, pair.rejected):
        # No token has less than a character of ASCII, but for one that a tokenizer may put before a text.
        may_be_long = len(code) >= params.max_tokens or not code.isascii()
        if may_be_long and count_tokens(code) > params.max_tokens:
            return "too_long"
    if not raised and same_form(pair.rejected, pair.chosen, entry_point):
        return "cosmetic"
    return None


def _in_text(code: str, lines: Sequence[int]) -> bool:
    """Return True if one of a program's lines, numbered from 0, begins inside of a text, where `#` is no comment."""
    try:
        nodes = ast.walk(shared_tree(code))
    except SyntaxError:
        return False
    texts = [node for node in nodes if isinstance(node, ast.Constant | ast.JoinedStr)]
    return any(text.lineno <= line < (text.end_lineno or 0) for text in texts for line in lines)
