r"""Reasoning: the text before a model's answer, in tags or channels of its own.

It stands at the beginning of an answer and is removed there alone. The same tag within a program is part of the
program: `s.split("</think>")`. Where the prompt has opened the reasoning, the answer has its end alone.
"""

import re
import textwrap
from collections.abc import Iterator, Sequence

from iterpref_core.programs.answers.bare_code import read_bare_code
from iterpref_core.programs.answers.fenced_blocks import read_blocks
from iterpref_core.programs.answers.python_text import Excerpt, Parser, Rank, rank

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
_BARE_CHANNELS = re.compile(r"\s*analysis(?=\S).*?assistantfinal(?:json)?", re.DOTALL)
_BARE_ANALYSIS = re.compile(r"\s*analysis(?=[A-Z])")
"""The same from a tokenizer that leaves out special tokens; the second one is not closed."""
_FINAL_MARK = re.compile(r"\[BEGIN FINAL (?:RESPONSE|ANSWER)\][ \t]*\n?")
"""Apriel's mark between its reasoning, which its prompt has opened, and the rest."""
_TURN_BEGINS = re.compile(r"(?:\s|<\|(?:im_start|start_header_id|start)\|>(?:assistant)?|<\|end_header_id\|>)*+")
"""Blanks and the beginning of a turn, which may stand before all else."""
_TURN_ENDS = re.compile(
    r"""<\|(?!(?:begin_of|start_of|START_|channel|message|constrain|assistant))[\w ]{1,40}\|>
    | <｜[^｜<>\n]{1,40}｜>
    | </s> | <(?:end_of_turn|start_of_turn|turn\||eos|EOT|file_sep|repo_name|fim_\w{1,20}|end_of_text)>
    | \[EOS\] | \[/?INST\] | \[DONE\] | \[e~\[ | \[END[ ]FINAL[ ](?:RESPONSE|ANSWER)\]""",
    re.VERBOSE | re.IGNORECASE,
)
"""End tokens. All of the form `<|name|>` are, but for those before an answer: behind a program each ends it."""
_NEXT_TURN = re.compile(
    r"\s*(?:\Z|<\|[\w ]{1,40}\|>|<｜[^｜<>\n]{1,40}｜>|<start_of_turn>|<bos>|<s>|</s>|<eos>|\[INST\]|```\s*\Z)",
    re.IGNORECASE,
)
"""Follows an end token that does end a turn: nothing, or the tokens of the next turn."""
_BEFORE_WORD = " \t([{'\"`"
_BEHIND_WORD = re.compile(r"[ \t]+[\w(]|[.,;:?!)'\"`]")
"""The surroundings of a token that a sentence names: `the </s> marks`, `(</s>)`."""
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
    text = _without_opened(text)
    return _without_later(text)


def opened_reasoning(prompt: str) -> str:
    r"""Return the tag of the reasoning that the last of a prompt opens; "" if it opens none.

    >>> opened_reasoning("<|im_start|>assistant\n<think>\n"), opened_reasoning("<think>\n\n</think>\n\n")
    ('<think>', '')
    """
    tags = list(_OPENING.finditer(prompt))
    if not tags or prompt[tags[-1].end() :].strip():
        return ""
    return tags[-1].group()


def until_turn_end(answer: str, entry_point: str | None = None) -> str:
    r"""Return an answer up to its end token: behind it the model has talked to itself, or begun another file.

    A token ends an answer if nothing or another turn follows, or if a program stands before it. A token within a
    sentence, such as `the </s> marks`, ends none.

    >>> until_turn_end("x = 1\n<|im_end|>\n<|im_start|>user\nAnd y?")
    'x = 1\n'
    >>> until_turn_end("A text ends with </s> there.")
    'A text ends with </s> there.'
    """
    marks = list(_marks(answer, _TURN_ENDS, _turn_begin(answer)))
    if not marks:
        return answer
    least = Rank.METHOD if entry_point else Rank.SCRIPT
    # "return x<|fim_pad|>": without the token the line is Python; places in the text stay true.
    program_end = len(answer)
    for excerpt in _excerpts(_blanked(answer, marks)):
        if rank(excerpt.tree, entry_point) >= least:
            program_end = min(program_end, excerpt.end)
    for mark in marks:
        # An excerpt ends behind its line break, which stands in the place of the token.
        if _ends_answer(answer, mark, behind_program=mark.start() >= program_end - 1):
            return answer[: mark.start()]
    return answer


def _ends_answer(answer: str, mark: re.Match[str], *, behind_program: bool) -> bool:
    """Return True if an end token is where the answer ends, and no word of a sentence."""
    line_begin = answer.rfind("\n", 0, mark.start()) + 1
    line = answer[line_begin : mark.start()]
    next_turn = _NEXT_TURN.match(answer, mark.end()) is not None
    if line.strip() and line[-1] in _BEFORE_WORD:
        # "We write the </s>", and "of <s> </s> <|im_end|> the last one": words, unless nothing follows.
        return (next_turn and behind_program) or not answer[mark.end() :].strip()
    if not line.strip() and _BEHIND_WORD.match(answer, mark.end()):
        return False  # "</s> is the last token."
    return next_turn or behind_program


def _blanked(answer: str, marks: Sequence[re.Match[str]]) -> str:
    """Return a text of the same length in which each token is a line that is no Python."""
    kept = []
    at = 0
    for mark in marks:
        kept.append(answer[at : mark.start()])
        kept.append("\n".ljust(mark.end() - mark.start(), "$"))
        at = mark.end()
    return "".join((*kept, answer[at:]))


def _final_channel(text: str) -> str:
    """Return the text of the final channel, if an answer has channels; else all of it."""
    if bare := _BARE_CHANNELS.match(text):
        return text[bare.end() :]
    if _BARE_ANALYSIS.match(text):
        return ""
    if mark := next(_marks(text, _FINAL_MARK), None):
        return text[mark.end() :]
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


def _without_later(text: str) -> str:
    """Return a text without the reasoning that begins a later line of it and is closed: doubts about a program."""
    kept = []
    at = 0
    for opening in list(_marks(text, _OPENING)):
        if opening.start() < at or not (opening.start() == 0 or text[opening.start() - 1] == "\n"):
            continue
        closing = _CLOSING.search(text, opening.end())
        if closing is None:
            break
        kept.append(text[at : opening.start()])
        at = closing.end()
    return "".join((*kept, text[at:]))


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
        position = mark.start() - start
        if any(begin <= position < end for begin, end in programs):
            continue
        before = text[mark.start() - 1 : mark.start()]
        behind = text[mark.end() : mark.end() + 1]
        quoted = before == behind and before in tuple(_QUOTES)
        # "```</think>```python": fences on both sides quote nothing.
        between_fences = text.endswith("```", 0, mark.start()) and text.startswith("```", mark.end())
        if between_fences or not quoted:
            yield mark


def _program_spans(text: str) -> list[tuple[int, int]]:
    """Return where a text is Python: a tag there is in a string or a comment, since it is no Python itself."""
    parser = Parser()
    if parser.tree(textwrap.dedent(text)) is not None:
        return [(0, len(text))]
    return [(excerpt.start, excerpt.end) for excerpt in _excerpts(text, parser)]


def _excerpts(text: str, parser: Parser | None = None) -> list[Excerpt]:
    """Return all Python in a text: blocks, and bare code."""
    parser = parser or Parser()
    blocks = read_blocks(text, parser)
    return [*blocks.python, *read_bare_code(text, blocks.foreign, parser)]


def _shows_code(text: str) -> bool:
    return any(rank(excerpt.tree, None) > Rank.NOTHING for excerpt in _excerpts(text))
