"""Find the reason to drop a pair that is not worth learning from: the paper's reasons in its order, then ours."""

import re
from collections.abc import Callable, Sequence
from typing import Literal

from iterpref_core.programs.source_code.line_diff import diff_lines, split_lines
from iterpref_core.programs.source_code.lines import lines_in_strings
from iterpref_core.programs.source_code.normal_form import same_form
from iterpref_core.records import PairsParams, PreferencePair

DropReason = Literal["comments_only", "long_error_region", "too_long", "cosmetic"]

# The reasons and their meanings, in the order of the checks.
FILTERS: dict[DropReason, str] = {
    "comments_only": "the error region has only comments",
    "long_error_region": "the error region has more lines than pairs.max_error_lines",
    "too_long": "a program has more tokens than pairs.max_tokens",
    "cosmetic": "the programs differ only in layout, comments, docstrings, annotations or names of their own",
}
# Comments and blank lines, with at least one comment.
ONLY_COMMENTS = re.compile(r"(?:\s*+#[^\n]*+)++\s*")


def drop_reason(
    pair: PreferencePair,
    params: PairsParams,
    count_tokens: Callable[[str], int],
    entry_point: str = "",
    *,
    raised: bool = False,
) -> DropReason | None:
    """Return the first reason to drop a pair, or None to keep it; a program alone can only be too long.

    An empty D- is kept, since localization has a policy for fixes that only insert lines. A cosmetic difference
    (`normal_form`) cannot have made a program fail: its verdict came by chance, or its tests ask for a name.

    Args:
        pair: the pair.
        params: bounds of the filters.
        count_tokens: returns the number of tokens of a program.
        entry_point: name that the tests call, and that no program may change; empty if unknown.
        raised: True if the failing program raised an exception. Then no difference is cosmetic: an annotation
            `List[int]` without its import fails.
    """
    programs = [pair.chosen]
    if pair.rejected is not None:
        programs.append(pair.rejected)
        lines = split_lines(pair.rejected)
        error_lines = diff_lines(pair.rejected, pair.chosen).rejected
        error_text = "\n".join(map(lines.__getitem__, error_lines))
        if ONLY_COMMENTS.fullmatch(error_text) and not _in_text(pair.rejected, error_lines):
            return "comments_only"
        if len(error_lines) > params.max_error_lines:
            return "long_error_region"
    for code in programs:
        # Counting is slow. A token has at least one ASCII character or one byte of another character, and normalization
        # makes up to 33 bytes of one (U+FDFA). A tokenizer may put one more token before a text.
        others = len(code) - len(code.encode("ascii", "ignore"))
        most_tokens = len(code) + 33 * others
        if most_tokens >= params.max_tokens and count_tokens(code) > params.max_tokens:
            return "too_long"
    if pair.rejected is not None and not raised and same_form(pair.rejected, pair.chosen, entry_point):
        return "cosmetic"
    return None


def _in_text(code: str, lines: Sequence[int]) -> bool:
    """Return True if any of the lines, numbered from 0, begins inside a string, where `#` starts no comment."""
    try:
        inside = lines_in_strings(code)
    except SyntaxError:
        return False
    return any(line + 1 in inside for line in lines)
