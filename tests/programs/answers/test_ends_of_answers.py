"""Where an answer ends, which of several definitions counts, and how much of a long answer is read."""

import ast
import time

import pytest

from iterpref_core.programs.answers.extraction import extract_program

PROGRAM = "def f(x):\n    return x + 1\n"
BUG = "def f(x):\n    return x - 1\n"
FIX = f"```python\n{PROGRAM}```\n"
DRAFT = f"```python\n{BUG}```\n"

RIGHT = {
    "an end token is named before the program": f"Sentences lie between <s> and </s> marks.\n{FIX}",
    "an end token is named as the last word": f"There is no text behind <|endoftext|>.\n{FIX}",
    "an end token is named in brackets": f"Each list ends with a token (</s>).\n{FIX}",
    "end tokens are listed": f"The tokens are <s> </s> <|im_start|> <|im_end|> and so on.\n{FIX}",
    "an end token is named behind a draft": f"{DRAFT}This forgets the <|endoftext|>\ntoken. Fixed:\n{FIX}",
    "an end token ends a line before the program": f"Each list ends with </s>\n{FIX}",
    "an end token in the docstring of a draft that shows code": (
        '```python\ndef f(x):\n    """Add.\n\n```python\nprint(f(1))\n```\n<|im_end|>\n"""\n    return x\n```\n'
        f"Fixed:\n{FIX}"
    ),
    "an opening tag of reasoning is named": f"The text begins with <think> here.\n{FIX}",
    "the next file": f"{PROGRAM}<|file_sep|>other.py\n{BUG}",
    "the next file, in StarCoder's first form": f"{PROGRAM}\n<file_sep>other.py\n{BUG}",
    "the next middle, behind the last line of code": f"{PROGRAM.rstrip()}<|fim_pad|>\n{BUG}",
    "the next repository": f"{PROGRAM}<repo_name>a/b\n{BUG}",
    "an end token in the last line of code": f"{PROGRAM.rstrip()}<|endoftext|>def other(x):\n    return x\n",
    "an end token in the last line, and a function of its name": f"{PROGRAM.rstrip()}<|endoftext|>{BUG}",
    "the next middle in a line, in which text follows": f"{PROGRAM.rstrip()}<|fim_pad|>and so on\n{BUG}",
    "an end token behind a comment's word": f"{PROGRAM.rstrip()}  # adds<|endoftext|>import os\n{BUG}",
    "an end token behind a comment's word, and a function": f"{PROGRAM.rstrip()}  # adds<|endoftext|>{BUG}\n{BUG}",
    "the next middle behind a comment's word": f"{PROGRAM.rstrip()}  # adds<|fim_pad|>and so on\n{BUG}",
    "an end token behind a comment of its own": f"{PROGRAM}# Done.</s>\n{BUG}",
    "a first token": f"<s>{PROGRAM}</s>{BUG}",
    "two first tokens and a blank": f"<s><s> {PROGRAM}",
    "a first token before reasoning": f"<｜begin▁of▁sentence｜><think>{BUG}</think>{PROGRAM}",
    "an indented end token": f"{PROGRAM}    <|im_end|>\nimport os\n{BUG}",
    "an example of its name for a lambda": f"{FIX}Use it:\n```python\nf = lambda x: -x\nprint(f(1))\n```\n",
    "a lambda that stands for it": f"{FIX}In a test:\n```python\nf = lambda x: 0\n```\n",
    "a token that nobody knows": f"{PROGRAM}<|new_family_end|>\n{BUG}",
    "a method of its name behind it": f"{FIX}```python\nclass Solution:\n    def f(self, x):\n        return 0\n```",
    "its name for a result behind it": f"{FIX}```python\nf = f([])\nprint(f)\n```",
    "its name for a list behind it": f"{FIX}```python\nf = [1, 2]\nprint(f)\n```",
    "a fence behind words": f"First:\n{DRAFT}This fails. Final answer: {FIX}",
    "a fence without a tag behind a colon": f"First:\n{DRAFT}Final answer:```\n{PROGRAM}```\n",
    "a fence behind Apriel's mark": f"Maybe\n{DRAFT}[BEGIN FINAL RESPONSE]{FIX}[END FINAL RESPONSE]",
    "code behind Apriel's mark": f"Maybe\n{BUG}\n[BEGIN FINAL RESPONSE]{PROGRAM}[END FINAL RESPONSE]",
    "channels without their marks, in small letters": f"analysisneed f. draft:\n{DRAFT}ok.assistantfinal{FIX}",
    "bare code behind a draft": f"{DRAFT}No. This is right:\n\n{PROGRAM}",
    "reasoning behind the program, with a fence behind words": f"{FIX}<think>Is it? {DRAFT}</think>\nIt is.",
    "an opening fence that stands twice": f"~~~python\n~~~python\n{PROGRAM}~~~\n",
    "another language's fence is never closed": f"```java\nint f() {{}}\n\n[PYTHON]\n{PROGRAM}[/PYTHON]\nUse:\n{FIX}",
}


WHOLE = {
    "in a comment behind which the function goes on": "def f(x):\n    y = x\n    # such as a</s>\n    return y + 1\n",
    "behind a blank of a comment": "def f(x):\n    return x + 1\n\n\n# strip the </s>\ndef g(x):\n    return f(x)\n",
    "in a string with a comment's sign": "def f(x):\n    y = '# a</s>'\n    return x + 1\n\n\nz = '# b</s>'\n",
}


@pytest.mark.parametrize("case", WHOLE)
def test_an_end_token_within_a_program_is_part_of_it(case):
    assert extract_program(WHOLE[case], "f") == WHOLE[case]


@pytest.mark.parametrize("case", RIGHT)
def test_the_program_is_found(case):
    found = extract_program(RIGHT[case], "f")
    assert found is not None
    assert ast.unparse(ast.parse(found)) == PROGRAM.rstrip()


LONG = {
    "250 drafts": f"Try:\n{DRAFT}No.\n" * 250,
    "5,000 drafts": f"Try:\n{DRAFT}No.\n" * 5_000,
    "more than 131,072 characters": "Let me think about it again. " * 4_600,
    "a million characters": "Let me think about it again.\n" * 36_000,
    "a thousand lines of Python": "x = 1\nThen:\n" * 1_000,
    "a long line": "x" * 200_000,
}


@pytest.mark.slow
@pytest.mark.parametrize("case", LONG)
@pytest.mark.parametrize("entry_point", ["f", None])
def test_the_last_program_of_a_long_answer_is_found_in_bounded_time(case, entry_point):
    began = time.process_time()
    assert extract_program(f"{LONG[case]}\n{FIX}", entry_point) == PROGRAM
    assert extract_program(f"<think>{LONG[case]}</think>\n{FIX}", entry_point) == PROGRAM
    assert time.process_time() - began < 60, "seconds of CPU; on an idle core the longest takes one"


@pytest.mark.slow
def test_a_thousand_end_tokens_in_comments_are_read_in_bounded_time():
    began = time.process_time()
    assert extract_program("x = 1  # a</s>\n" * 1_000 + FIX, "f") == PROGRAM
    assert time.process_time() - began < 60, "seconds of CPU; on an idle core it takes a few"


def test_a_draft_of_a_long_answer_counts_if_nothing_behind_it_has_the_name():
    prose = "Let me think about it again.\n" * 2_000
    method = "class Solution:\n    def f(self, x):\n        return 0\n"
    assert extract_program(f"{FIX}{prose}", "f") == PROGRAM
    assert extract_program(f"{FIX}{prose}```python\n{method}```\n", "f") == PROGRAM
