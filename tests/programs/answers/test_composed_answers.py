"""Answers composed of heads, fences and tails as they were met, around a program whose `f` adds one."""

from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.programs.answers.extraction import extract_program
from tests.programs.answers.adding import adds_one

PROGRAMS = (
    "def f(x):\n    return x + 1\n",
    "def one():\n    return 1\n\n\ndef f(x):\n    return x + one()\n",
    "import math\n\n\ndef f(x: int) -> int:\n    return math.floor(x) + 1\n",
    "ONE = 1\n\n\ndef f(x):\n    return x + ONE\n",
    'def f(x):\n    """Add one.\n\n    >>> f(1)\n    2\n    """\n    return x + 1\n',
    'def f(x):\n    # between <think> and </s>\n    mark = "<|im_end|>"\n    return x + len(mark) - 9\n',
    "class Adder:\n    def add(self, x):\n        return x + 1\n\n\ndef f(x):\n    return Adder().add(x)\n",
    "from functools import cache\n\n\n@cache\ndef f(x):\n    if x < 0:\n        return -f(-x - 2)\n    return x + 1\n",
)
"""Programs whose `f` adds one."""
DRAFTS = (
    "def f(x):\n    return x - 1\n",
    "def f(x):\n    # double it, which is not what was asked\n    y = x * 2\n    return y\n",
    "def helper(x):\n    return x\n\n\ndef f(x):\n    return helper(x)\n",
)
HEADS = (
    "",
    "Sure! Here’s the solution:\n\n",
    "<think>\n\n</think>\n\n",
    "<think>Use ```python\ndef f(x): return 0\n``` maybe?</think>",
    "Okay, so I need f.\n\nWait, is it x-1? ```def f(x): return x-1``` no.\n</think>\n\n",
    "\ufeff",
    "\u200b",
    "To solve this:\n\n1. **Read** x.\n2. Return `x + 1`.\n\n",
    "Let $f(x) = x + 1$.\n\n",
    "| x | f |\n|---|---|\n| 1 | 2 |\n\n",
    "```\nf(1) -> 2\n```\n\n",
    "```diff\n-    return x - 1\n+    return x + 1\n```\n\n",
    f"First draft:\n```python\n{DRAFTS[0]}```\nThat is wrong.\n\n",
    "assistant\n",
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "Input: 3\nOutput: 4\n\n",
    "<reasoning>\nhm\n</reasoning>\n<answer>\n",
    "from the statement, f adds one.\n\n",
    "class of problem: easy\n\n",
    "The task:\n```python\ndef f(x):\n    raise NotImplementedError\n```\n",
    "```bash\npip install numpy\n```\n",
    "We append the <eos> token to each list, and </s> marks are kept.\n\n",
    "Here are my reasoning steps:\nnone\n[BEGIN FINAL RESPONSE]\n",
)
FENCES = (
    '```python title="solution.py"\n{0}```\n',
    "```{{python}}\n{0}```\n",
    "~~~ {{.python}}\n{0}~~~\n",
    "```python  \n{0}```  \n",
    "``` python\n{0}```\n",
    "```PYTHON\n{0}```\n",
    "```python3.11\n{0}```\n",
    "<answer>\n```python\n{0}```\n</answer>\n",
    "<answer>\n{0}</answer>\n",
    "<solution>\n{0}</solution>\n",
    "<details>\n<summary>Solution</summary>\n\n```python\n{0}```\n\n</details>\n",
    "```python\n{0}\n\n\n```\n",
    "### Response:\n```python\n{0}```\n",
    "**Final code**\n```python\n# solution.py\n{0}```\n",
    "```python\n{0}```<|im_end|>",
    "```python\n{0}```\n<|eot_id|>",
    "```python\n{0}```</s>",
    "```python\n{0}```\n<｜end▁of▁sentence｜>",
    "\\begin{{verbatim}}\n{0}\\end{{verbatim}}\n",
    "````markdown\n```python\n{0}```\n````\n",
    "```python\n#!/usr/bin/env python3\n# -*- coding: utf-8 -*-\n{0}```\n",
    "**Solution:** ```python\n{0}```\n",
    "```python\n{0}```\n```\n",
    "\n[PYTHON]\n{0}[/PYTHON]\n",
    "`````python\n{0}`````\n",
    "Corrected code:```\n{0}```\n",
)
TAILS = (
    "",
    "\nHope this helps! 😊\n",
    "\n**Time complexity:** O(1)\n",
    "\n### Explanation\n\n- adds one\n",
    "\nExample:\n```python\nprint(f(1))  # 2\n```\n",
    "\n```\n2\n```\n",
    "\nOutput:\n\n```text\n>>> f(1)\n2\n```\n",
    "\n>>> f(1)\n2\n",
    '\n```python\nif __name__ == "__main__":\n    print(f(1))\n```\n',
    "\n$\\boxed{f(x)=x+1}$\n",
    "\n---\nLet me know if you have questions.",
    "\n```python\nimport unittest\n\n\nclass TestF(unittest.TestCase):\n    def test(self):\n        pass\n```\n",
    "\n```python\n>>> f(1)\n2\n```\n",
    "\n<|im_end|>\n<|im_start|>user\nNow g.\n<|im_end|>\n<|im_start|>assistant\n```python\ndef f(x): return 7\n```\n",
    "\nf(1) = 2 and f(2) = 3.\n",
    "\n```cpp\nint f(int x) { return x + 1; }\n```\n",
    "\n</answer>\n",
    "\nNote that `def f(x): return x` would be wrong.\n",
    "\n```python\nf = f([])\nprint(f)\n```\n",
    "\n```python\nclass Solution:\n    def f(self, x):\n        return 0\n```\n",
    "\n```python\ndef f(x):\n    pass\n```\n",
    "\n<|file_sep|>other.py\ndef f(x):\n    return x - 1\n",
    "\nA helper alone would be wrong:\n```python\ndef g(x):\n    return x - 1\n```\n",
)
MARGINS = ("", "   ")
"""What stands before each line of a block within a list."""


def with_margin(text, margin):
    """The text as a list has it."""
    return "".join(f"{margin}{line}" if line.strip() else line for line in text.splitlines(True))


@given(
    program=st.sampled_from(PROGRAMS),
    heads=st.lists(st.sampled_from(HEADS[7:12]), max_size=2),
    head=st.sampled_from(HEADS),
    fence=st.sampled_from(FENCES),
    margin=st.sampled_from(MARGINS),
    tails=st.lists(st.sampled_from(TAILS), max_size=3),
    windows=st.booleans(),
)
def test_the_program_is_found_between_any_head_and_tail(program, heads, head, fence, margin, tails, windows):
    shown = fence.format(program)
    if fence.startswith("```python"):
        shown = with_margin(shown, margin)
    answer = head + "".join(heads) + shown + "".join(tails)
    if windows:
        answer = answer.replace("\n", "\r\n")
    assert adds_one(extract_program(answer, "f")), answer


TAGS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|think|>", "<|/think|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
)
PROSE = ("", "\n", " ", "hm\n", "so `x - 1` it is. ", "It ends with `</think>`.\n", "\u200b\n\n")


@given(
    program=st.sampled_from(PROGRAMS),
    draft=st.sampled_from(DRAFTS),
    tags=st.sampled_from(TAGS),
    opened_by_prompt=st.booleans(),
    begin=st.sampled_from(PROSE),
    end=st.sampled_from(("", "\n", " ", "\nNo.", "\nNo.\n")),
    behind=st.sampled_from(("", "\n", "\n\n", "Answer:\n", " Answer: ")),
)
def test_no_draft_of_reasoning_is_the_program_however_its_tags_are_joined_to_fences(
    program, draft, tags, opened_by_prompt, begin, end, behind
):
    opening = "" if opened_by_prompt else tags[0]
    answer = f"{opening}{begin}```python\n{draft}```{end}{tags[1]}{behind}```python\n{program}```\n"
    assert adds_one(extract_program(answer, "f")), answer
    assert extract_program(f"{tags[0]}{begin}```python\n{draft}```{end}", "f") is None
