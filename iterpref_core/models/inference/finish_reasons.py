"""Classify how an answer of a model ended, or why it is missing.

| end | the answer |
|---|---|
| `finished` | the model has ended it |
| `cut` | a limit of tokens has ended it |
| `filtered: …` | a filter has ended it |
| `unknown: …` | the server's word for the end is unknown |
| `refused: …` | the server will not answer this prompt: it is too long, or flagged |
| `failed: …` | each attempt at it has failed |
| `withheld: …` | the prompt does not leave this machine |

The first two are answers. With any other end the answer is *missing*: it is counted by its reason, its text is not
used, and the other prompts are asked. A text counts as an answer only if its end is known.
"""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

from iterpref_core.records import EndpointError, UnansweredError

FINISHED = "finished"
CUT = "cut"

_FINISHED = {
    *("stop", "end_turn", "eos", "eos_token", "end_of_text", "stop_sequence", "stop_token", "stop_string"),
    *("complete", "completed", "finished", "tool_calls", "tool_call", "tool_use", "function_call"),
}
_CUT = re.compile(r"(?:max_|model_)?length|(?:max_)?(?:\w+_)?tokens|token_limit|\w*context_(?:window|length)\w*")
_FILTERED = re.compile(
    r"filter|safety|sensitive|guardrail|moderation|flagged|refus|recitation|blocklist|prohibited|spii|malformed_function"
)
_BROKEN_OFF = re.compile(r"error|abort|cancel|timeout|overload|resource")


def end_of(reason: Any) -> str:
    """Return the end for a server's `finish_reason`; an answer without a reason is finished.

    >>> end_of("stop"), end_of("MAX_TOKENS"), end_of("SAFETY"), end_of("other")
    ('finished', 'cut', 'filtered: SAFETY', 'unknown: "other"')
    """
    if reason is None:
        return FINISHED
    word = reason.strip().lower() if isinstance(reason, str) else ""
    if word in _FINISHED:
        return FINISHED
    if _CUT.fullmatch(word):
        return CUT
    if _FILTERED.search(word):
        return f"filtered: {reason}"
    kind = "failed" if _BROKEN_OFF.search(word) else "unknown"
    return f"{kind}: {json.dumps(reason, ensure_ascii=False)[:200]}"


def count_reasons(reasons: Iterable[str]) -> dict[str, int]:
    """Return how often each reason occurs. Reasons that differ only in numbers count as the first of them.

    >>> count_reasons(["refused: 400 5012 tokens", "filtered: safety", "refused: 400 4711 tokens"])
    {'refused: 400 5012 tokens': 2, 'filtered: safety': 1}
    """
    named: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for reason in reasons:
        # "refused: 400 … 5012 tokens" and "… 4711 tokens" are one; a status after the kind is kept.
        shape = re.sub(r"(?<!: )(?<!\d)\d+", "0", reason)
        counts[named.setdefault(shape, reason)] += 1
    return dict(counts)


def describe_missing(reasons: Collection[str], total: int) -> str:
    """Return how many answers are missing, and why.

    >>> describe_missing(["filtered: safety", "filtered: safety", "failed: 500 crashed"], 20)
    '3 of 20 answers are missing (2 filtered: safety; 1 failed: 500 crashed)'
    """
    counted = "; ".join(f"{count:,} {reason}" for reason, count in count_reasons(reasons).items())
    verb = "answer is" if total == 1 else "answers are"
    return f"{len(reasons):,} of {total:,} {verb} missing ({counted})"


def check_answered(reasons: Collection[str], total: int, where: str) -> None:
    """Raise an error if all of several prompts lack an answer.

    Args:
        reasons: why answers are missing.
        total: the number of prompts.
        where: begins the message.

    Raises:
        UnansweredError: none has an answer: something else than the prompts is wrong.
        EndpointError: none has one, since all calls failed: the same command may have better luck.
    """
    if len(reasons) < total or not total:
        return
    said = f"{where}: none of {total:,} prompts was answered: {describe_missing(reasons, total)}"
    if all(reason.startswith("failed") for reason in reasons):
        raise EndpointError(f"{said}; check the server, then run the same command again")
    raise UnansweredError(said)
