r"""Reasoning: the text before a model's answer, in tags or channels of its own.

It stands at the beginning of an answer and is removed there alone. The same tag within a program is part of the
program: `s.split("</think>")`. Where the prompt has opened the reasoning, the answer has its end alone.
"""

import re
import textwrap
from collections.abc import Iterator

from iterpref_core.answers.bare_code import read_bare_code
from iterpref_core.answers.fenced_blocks import read_blocks
from iterpref_core.answers.python_text import Parser, Rank, rank

_NAMES = r"(?:think|thinking|thought|thoughts|reason|reasoning|analysis|scratchpad|reflection|seed:think|longcat_think)"
_OPENING = re.compile(
    rf"""<[ ]?{_NAMES}(?:[ ][^<>\n]{{0,60}})?>
    | <\|{_NAMES}\|>
    | \[THINK\]
    | <\|(?:begin_of_thought|START_THINKING|START_REASONING)\|>
    | ◁think▷
    | <\|channel>thought""",
    re.VERBOSE | re.IGNORECASE,
)
_CLOSING = re.compile(
    rf"""</[ ]?{_NAMES}[ ]?>
    | <\|(?:/|end_of_|end_){_NAMES}\|>
    | \[/THINK\]
    | <\|(?:end_of_thought|END_THINKING|END_REASONING)\|>
    | ◁/think▷
    | <channel\|>""",
    re.VERBOSE | re.IGNORECASE,
)
"""The tags of DeepSeek-R1, Qwen, QwQ, EXAONE, Magistral, Sky-T1, Command A, Kimi-VL, Seed-OSS, LongCat and Gemma 4."""
_FINAL_CHANNEL = re.compile(r"<\|channel\|>\s*final\b[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>", re.IGNORECASE)
_OTHER_CHANNEL = re.compile(r"(?:<\|start\|>\s*assistant)?\s*<\|channel\|>\s*(?:analysis|commentary)\b", re.IGNORECASE)
"""Channels of gpt-oss (the harmony format)."""
_BARE_CHANNELS = re.compile(r"analysis(?=[A-Z]).*?assistantfinal(?:json)?", re.DOTALL)
"""The same from a tokenizer that leaves out special tokens."""
_TURN_BEGINS = re.compile(r"(?:\s|<\|(?:im_start|start_header_id|start)\|>(?:assistant)?|<\|end_header_id\|>)*+")
"""Blanks and the beginning of a turn, which may stand before all else."""
_TURN_ENDS = re.compile(
    r"""<\|(?:im_end|eot_id|eom_id|end|end_of_text|endoftext|return|eot|end_of_turn|end_of_solution|END_RESPONSE
        |END_OF_TURN_TOKEN|user|observation|im_start|start_header_id)\|>
    | <｜end▁of▁sentence｜>
    | <end_of_turn> | <turn\|> | <start_of_turn>
    | </s> | <eos> | \[EOS\] | \[/?INST\] | \[DONE\] | \[e~\[""",
    re.VERBOSE | re.IGNORECASE,
)
"""End tokens of well-known families."""
_QUOTES = "'\"`"


def without_reasoning(answer: str) -> str:
    r"""Return an answer without the reasoning at its beginning.

    Reasoning that was never closed leaves nothing: the answer was cut before it began.

    >>> without_reasoning("<think>\nPerhaps a loop.\n</think>\nUse `sum`.")
    'Use `sum`.'
    >>> without_reasoning("return s.split('</think>')")
    "return s.split('</think>')"
    """
    text = _final_channel(answer)
    text = _without_opened(text)
    text = _without_unopened(text)
    # Behind the end of reasoning that the prompt has opened, the answer may open some more.
    return _without_opened(text)


def until_turn_end(answer: str) -> str:
    r"""Return an answer up to its end token: behind it the model has talked to itself.

    >>> until_turn_end("x = 1\n<|im_end|>\n<|im_start|>user\nAnd y?")
    'x = 1\n'
    """
    end = next(_marks(answer, _TURN_ENDS, _turn_begin(answer)), None)
    return answer if end is None else answer[: end.start()]


def _final_channel(text: str) -> str:
    """Return the text of the final channel, if an answer has channels; else all of it."""
    if bare := _BARE_CHANNELS.match(text):
        return text[bare.end() :]
    # gpt-oss: "<|channel|>analysis<|message|>Let me see.<|end|><|start|>assistant<|channel|>final<|message|>Use sum."
    begin = _turn_begin(text)
    final = _FINAL_CHANNEL.search(text)
    if _OTHER_CHANNEL.match(text, begin):
        return text[final.end() :] if final else ""
    if final is None or final.start() > begin:
        return text
    return text[final.end() :]


def _without_opened(text: str) -> str:
    """Return a text without the reasoning that it opens, as often as some begins the rest."""
    while opening := _OPENING.match(text, _turn_begin(text)):
        closing = next(_marks(text, _CLOSING, opening.end()), None)
        if closing is None:
            return ""
        text = text[closing.end() :].lstrip("\n")
    return text


def _without_unopened(text: str) -> str:
    """Return a text without the reasoning that its prompt has opened, so that only its end is in the text."""
    closing = next(_marks(text, _CLOSING), None)
    if closing is None:
        return text
    before = text[: closing.start()]
    opening = next(_marks(before, _OPENING), None)
    if opening is not None:
        return text
    rest = text[closing.end() :].lstrip("\n")
    # "```python\n…```\nIt splits at </think>." only names the tag: it follows a blank, and no code follows it.
    only_named = before.endswith(" ") and not _shows_code(rest)
    return text if only_named else rest


def _turn_begin(text: str) -> int:
    match = _TURN_BEGINS.match(text)
    return match.end() if match else 0


def _marks(text: str, pattern: re.Pattern[str], start: int = 0) -> Iterator[re.Match[str]]:
    """Yield the tags from a place on that are neither in a program nor quoted."""
    programs: list[tuple[int, int]] | None = None
    for mark in pattern.finditer(text, start):
        if programs is None:  # found only now: nearly all answers have no tag
            programs = _program_spans(text[start:])
        place = mark.start() - start
        if any(begin <= place < end for begin, end in programs):
            continue
        before = text[mark.start() - 1 : mark.start()]
        behind = text[mark.end() : mark.end() + 1]
        quoted = before == behind and before in tuple(_QUOTES)
        if not quoted:
            yield mark


def _program_spans(text: str) -> list[tuple[int, int]]:
    """Return where a text is Python: a tag there is in a string or a comment, since it is no Python itself."""
    parser = Parser()
    if parser.tree(textwrap.dedent(text)) is not None:
        return [(0, len(text))]
    blocks = read_blocks(text, parser)
    excerpts = [*blocks.python, *read_bare_code(text, blocks.foreign, parser)]
    return [(excerpt.start, excerpt.end) for excerpt in excerpts]


def _shows_code(text: str) -> bool:
    parser = Parser()
    blocks = read_blocks(text, parser)
    excerpts = [*blocks.python, *read_bare_code(text, blocks.foreign, parser)]
    return any(rank(excerpt.tree, None) > Rank.NOTHING for excerpt in excerpts)
