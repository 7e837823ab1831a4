r"""Remove reasoning, the text before a model's answer in tags or channels of its own.

A tag within a program is part of the program: `s.split("</think>")`. Where the prompt has opened the reasoning, the
answer has its end alone.
"""

import re

from .code_runs import read_code
from .python_text import Parser

_NAMES = r"(?:\w{1,12}:|longcat_)?(?:think|thinking|thought|thoughts|reason|reasoning|analysis|scratchpad|reflection)"
_TAG = re.compile(
    rf"""(?P<opening>
      <[ ]?{_NAMES}(?:[ ][^<>\n]{{0,60}})?>
    | <\|{_NAMES}\|>
    | \[THINK\]
    | <\|(?:begin_of_thought|START_THINKING|START_REASONING)\|>
    | ◁think▷
    | <\|channel>thought
    | (?:<\|start\|>assistant)?<\|channel\|>\s*(?:analysis|commentary)\b
    | \Aanalysis(?-i:(?=[A-Z]))
    | <\|inner_prefix\|>
    ) |
      </[ ]?{_NAMES}[ ]?>
    | <\|(?:/|end_of_|end_){_NAMES}\|>
    | \[/THINK\]
    | <\|(?:end_of_thought|END_THINKING|END_REASONING)\|>
    | ◁/think▷
    | <channel\|>
    | <\|end\|><\|begin\|>assistant<\|content\|>
    | <\|inner_suffix\|>
    | <\|channel\|>\s*final\b[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>
    | (?-i:assistantfinal)(?:json)?
    | \[BEGIN[ ]FINAL[ ](?:RESPONSE|ANSWER)\][ \t]*""",
    re.VERBOSE | re.IGNORECASE,
)
"""The tags of DeepSeek-R1, Qwen, QwQ, EXAONE, Magistral, Sky-T1, Command A, Kimi-VL, Seed-OSS, LongCat, Gemma 4,
Apriel, Apertus and Solar, and the channels of gpt-oss, also without their special tokens (`analysisWe need
…assistantfinal`)."""
_THINKING_TURN = re.compile(
    r"\A\s*(?:<\|im_start\|>)?assistant/think\b.*?(?:<\|im_end\|>\s*<\|im_start\|>assistant\b(?!/)|\Z)", re.DOTALL
)
"""HyperCLOVA's turn of reasoning, which ends as any turn does."""
_QUOTES = ("'", '"', "`")


def without_reasoning(answer: str) -> str:
    r"""Return an answer without its reasoning.

    Reasoning begins with a line, and ends with its closing tag, or was opened by the prompt if that is the first tag.
    Reasoning that is never closed is removed whole: the answer was cut before it began.

    >>> without_reasoning("<think>\nPerhaps a loop.\n</think>\nUse `sum`.")
    'Use `sum`.'
    >>> without_reasoning("return s.split('</think>')")
    "return s.split('</think>')"
    """
    answer = _THINKING_TURN.sub("", answer)
    tags = _tags(answer)
    if not tags:
        return answer
    kept = []
    at = 0
    # A closing tag comes first if the prompt opened the reasoning.
    is_open = not tags[0]["opening"]
    for tag in tags:
        if is_open and not tag["opening"]:
            at = tag.end()
            is_open = False
        elif not is_open and tag["opening"] and not answer[at : tag.start()].rpartition("\n")[2].strip():
            kept.append(answer[at : tag.start()])
            is_open = True
    if not is_open:
        kept.append(answer[at:].lstrip("\n"))
    return "".join(kept)


def opened_reasoning(prompt: str) -> str:
    r"""Return the tag of the reasoning that the last of a prompt opens; "" if it opens none.

    >>> opened_reasoning("<|im_start|>assistant\n<think>\n"), opened_reasoning("<think>\n\n</think>\n\n")
    ('<think>', '')
    """
    tags = list(_TAG.finditer(prompt))
    if not tags or prompt[tags[-1].end() :].strip():
        return ""
    return tags[-1]["opening"] or ""


def _tags(text: str) -> list[re.Match[str]]:
    """Return the tags that are neither in a program nor quoted."""
    found = list(_TAG.finditer(text))
    if not found:
        return []
    runs, _ = read_code(text, Parser())
    tags = []
    for tag in found:
        before = text[tag.start() - 1 : tag.start()]
        # "```</think>```python": fences on both sides are not quotes.
        is_quoted = before in _QUOTES and text.startswith(before, tag.end()) and not text.startswith("```", tag.end())
        if not is_quoted and not any(run.start <= tag.start() < run.end for run in runs):
            tags.append(tag)
    return tags
