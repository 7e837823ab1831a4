"""Answers composed at random around a program that is known: reasoning, prose, drafts, fences, usage, end tokens."""

import random
import re
from contextlib import suppress

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
STUBS = ("def f(x):\n    ...\n", "def f(x):\n    pass\n", "def f(x):\n    raise NotImplementedError\n")
USES = (
    "print(f(3))\n",
    "f = f([])\nprint(f)\n",
    "for value in (1, 2):\n    print(f(value))\n",
    "class Solution:\n    def f(self, x):\n        return 0\n",
    "def test_f():\n    assert f(1) == 2\n",
    "result = f(1)\nassert result == 2\n",
)
PROSE = (
    "The function adds one to its argument.",
    "We append the <eos> token to each list, and </s> marks are kept.",
    "There is no <|endoftext|> to handle.",
    "Note: this is linear in time.",
    "1. Read the number.\n2. Return the next one.",
    "Call it with `f(3)`, which gives 4.",
    "Note that `def f(x): return x` would be wrong.",
    "# Approach\n\nWe use addition, as in x + 1 = y.",
    "I'll start from the signature, then fill it in.",
    "import the function and call it.",
)
FOREIGN = (
    ("js", "const f = (x) => x + 1;\n"),
    ("bash", "pip install numpy\n"),
    ("java", "int f(int x) {\n    return x + 1;\n}\n"),
    ("text", "4\n"),
)
_TAG = re.compile("think|channel|final|file_sep", re.IGNORECASE)
NEXT_TURN = "<|im_end|>\n<|im_start|>user\nNow subtract.<|im_end|>\n<|im_start|>assistant\n"


class AnswerGenerator:
    """Answers that a seed decides; `program` is the one that the latest answer holds."""

    def __init__(self, seed):
        self._chance = random.Random(seed)
        self.program = self._chance.choice(PROGRAMS)

    def answer(self):
        """An answer whose program is known."""
        chance = self._chance
        before = "".join(self._before() for _ in range(chance.randrange(3)))
        form = chance.choices(("fenced", "bare"), (4, 1))[0]
        if form == "fenced":
            shown = self._fenced(self.program)
            behind = "".join(self._behind() for _ in range(chance.randrange(3)))
        else:
            shown = f"\n{self.program}\n"
            behind = f"{chance.choice(PROSE[:3])}\n" * chance.randrange(2)
        return self._reasoning() + before + shown + behind + self._end()

    def damaged(self):
        """An answer with lines around the program that are gone, or stand twice: fences do not fit, for example.

        Code that is damaged is another program, reasoning that is never closed leaves none, and another language's code
        ends where its fence does.
        """
        lines = self.answer().splitlines(keepends=True)
        code = {line for text in (self.program, *USES) for line in text.splitlines()}
        foreign = {text.splitlines()[-1] for _, text in FOREIGN}
        for _ in range(self._chance.randrange(1, 4)):
            place = self._chance.randrange(len(lines))
            line = lines[place]
            ends_foreign = lines[place - 1].rstrip() in foreign
            if line.rstrip() not in code and not ends_foreign and not _TAG.search(line):
                lines[place : place + 1] = [line] * self._chance.choice((0, 2))
        return "".join(lines)

    def _reasoning(self):
        chance = self._chance
        thought = f"{chance.choice(PROSE)}\n{self._draft()}\nNo, that is wrong.\n"
        return chance.choice(
            (
                *[""] * 6,
                f"<think>\n{thought}</think>\n",
                f"<thinking>{thought}</thinking>\n\n",
                f"{thought}</think>\n\n",
                f"[THINK]{thought}[/THINK]",
                f"<|channel|>analysis<|message|>{thought}<|end|><|start|>assistant<|channel|>final<|message|>",
                f"analysisneed a function. {thought}assistantfinal",
                f"Here are my reasoning steps:\n{thought}[BEGIN FINAL RESPONSE]\n",
            )
        )

    def _before(self):
        chance = self._chance
        return chance.choice(
            (
                f"{chance.choice(PROSE)}\n\n",
                self._draft(),
                f"First attempt:\n{self._draft()}This fails. ",
                f"The task:\n```python\n{chance.choice(STUBS)}```\n",
                self._foreign(),
            )
        )

    def _behind(self):
        chance = self._chance
        use = chance.choice((*USES, *STUBS))
        return chance.choice(
            (
                f"\n{chance.choice(PROSE)}\n",
                f"\nUsage:\n```python\n{use}```\n",
                f"\nUse it like this:\n\n```\n{use}```\n",
                self._foreign(),
            )
        )

    def _foreign(self):
        language, code = self._chance.choice(FOREIGN)
        return f"\nOr:\n```{language}\n{code}```\n"

    def _draft(self):
        return f"\n```{self._chance.choice(('python', 'py', 'python3'))}\n{self._chance.choice(DRAFTS)}```\n"

    def _fenced(self, code):
        chance = self._chance
        margin = "".join(f"   {line}" if line.strip() else line for line in code.splitlines(keepends=True))
        return chance.choice(
            (
                *[f"\n```python\n{code}```\n"] * 4,
                f"\n```\n{code}```\n",
                f"\n```Python\n{code}```\n",
                f"\n~~~python\n{code}~~~\n",
                f"\n`````python\n{code}`````\n",
                f"\n[PYTHON]\n{code}[/PYTHON]\n",
                f"Final answer: ```python\n{code}```\n",
                f"The answer is ```py\n{code}```\n",
                f"Corrected code:```\n{code}```\n",
                f'\n```python title="f.py"\n{code}```\n',
                f"\n1. Write\n\n   ```python\n{margin}   ```\n",
                f"\n```python\n{code.rstrip()}```\n",
                f"\n<answer>\n```python\n{code}```\n</answer>\n",
            )
        )

    def _end(self):
        chance = self._chance
        other = f"```python\n{chance.choice(DRAFTS)}```\n"
        return chance.choice(
            (
                *[""] * 5,
                "<|im_end|>",
                "</s>",
                "<|eot_id|>",
                "<end_of_turn>\n<eos>",
                f"{NEXT_TURN}{other}",
                f"<|file_sep|>other.py\n{chance.choice(DRAFTS)}",
                f"\n<file_sep>other.py\n{chance.choice(DRAFTS)}",
            )
        )


def adds_one(code):
    """Whether a program's `f` adds one. Only programs of this file are run here."""
    names = {"__name__": "answer"}
    right = False
    with suppress(Exception):
        exec(code or "", names)
        add = names["f"]
        assert callable(add)
        right = [add(number) for number in (1, 5, 0)] == [2, 6, 1]
    return right
