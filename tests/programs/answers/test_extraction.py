"""The program in answers as models give them."""

import ast
import doctest
from importlib import import_module

import pytest

from iterpref_core.programs.answers.extraction import defines, extract_program, lacks_program

PROGRAM = "def f(x):\n    return x + 1\n"
BUG = "def f(x):\n    # subtract one, which is not what was asked\n    y = x - 1\n    return y\n"
FIX = f"```python\n{PROGRAM}```\n"
DRAFT = f"```python\n{BUG}```\n"
STUB = "def f(x):\n    ...  # put your implementation here\n\nassert f(1) == 2\n"
USAGE = "from solution import f\nfor value in (1, 2, 3):\n    print(value, f(value))\n"
TEST_CLASS = (
    "import unittest\nclass TestF(unittest.TestCase):\n    def test_f(self):\n        self.assertEqual(f(1), 2)\n"
)
TEST_FUNCTION = "def test_f():\n    assert f(1) == 2\n"
MAIN = "def main():\n    print(f(3))\nmain()\n"
PASS = "def f(x):\n    pass\n"
RAISES = "def f(x):\n    raise NotImplementedError\n"
DOCSTRING = 'def f(x):\n    """Add one."""\n'
DIFFERENCE = " def f(x):\n-    y = x - 1\n+    return x + 1\n"
OUTPUT = "3\n" * 60


def fenced(text: str, fence: str = "```", tag: str = "python") -> str:
    end = "" if text.endswith("\n") else "\n"
    return f"{fence}{tag}\n{text}{end}{fence}\n"


def indented(text: str, margin: str) -> str:
    return "".join(margin + line if line.strip() else line for line in text.splitlines(keepends=True))


BLOCKS = {
    "prose around a block": f"The bug is the sign.\n\n{FIX}\nNow it adds.",
    "a block in the middle of a line": f"Here: {FIX}",
    "a fence that closes behind the last line": FIX.replace("```\n", "```Done.\n").replace("```Done.\npy", "```py"),
    "a fence that closes in the last line": f"```python\n{PROGRAM.rstrip()}```",
    "a tag in capitals": FIX.replace("python", "Python3"),
    "a tag with a version": FIX.replace("python", "python3.11"),
    "tildes": fenced(PROGRAM, "~~~"),
    "a longer fence": fenced(PROGRAM, "`````"),
    "no tag": fenced(PROGRAM, tag=""),
    "a tag that names no language": fenced(PROGRAM, tag="text"),
    "a tag with attributes": fenced(PROGRAM, tag='python title="add.py"'),
    "a tag in braces": fenced(PROGRAM, tag="{.python .numberLines}"),
    "a file's name for a tag": fenced(PROGRAM, tag="solution.py"),
    "a blank before the tag": fenced(PROGRAM, tag=" python"),
    "carriage returns": fenced(PROGRAM).replace("\n", "\r\n"),
    "a block that is never closed": f"Sure:\n```python\n{PROGRAM}",
    "a block that is never closed, and prose": f"```python\n{PROGRAM}\nThis adds one.\n",
    "a first block that is never closed": f"```python\n{BUG}\nNo. Corrected:\n{FIX}",
    "a repair behind the bug": f"The program was\n{DRAFT}and should be\n{FIX}",
    "a repair behind the bug, both in the middle of a line": f"Not: {DRAFT}But: {FIX}",
    "a repair behind what does not parse": f"```python\ndef f(x)\n    return x\n```\nFixed:\n{FIX}",
    "a repair behind three drafts": DRAFT * 3 + FIX,
    "a usage example behind it": f"{FIX}Use it:\n{fenced(USAGE)}",
    "a usage example in a plain fence": f"{FIX}Use it:\n{fenced('print(f(3))', tag='')}",
    "tests behind it": f"{FIX}{fenced(TEST_CLASS)}",
    "a test function behind it": f"{FIX}{fenced(TEST_FUNCTION)}",
    "a main behind it": f"{FIX}{fenced(MAIN)}",
    "what it prints, which is longer": f"{FIX}It prints:\n{fenced(OUTPUT, tag='')}",
    "a stub behind it": f"{FIX}and test it:\n{fenced(STUB)}",
    "a stub of pass behind it": f"{FIX}{fenced(PASS)}",
    "a stub that raises behind it": f"{FIX}{fenced(RAISES)}",
    "a stub with a docstring before it": f"{fenced(DOCSTRING)}{FIX}",
    "a session behind it": f"{FIX}{fenced('>>> f(1)' + chr(10) + '2', tag='pycon')}",
    "commands before it": f"{fenced('pip install numpy', tag='bash')}Then write:\n{FIX}",
    "commands before it, never closed": f"```bash\npip install numpy\n\n{FIX}",
    "JavaScript behind it": f"{FIX}In JavaScript:\n{fenced('const f = (x) => x + 1;', tag='js')}",
    "Mojo, which reads as Python, behind it": f"{FIX}In Mojo:\n{fenced(BUG, tag='mojo')}",
    "Scala, which reads as Python, behind it": f"{FIX}{fenced('def f(x: Int): Int = x + 1', tag='scala')}",
    "the difference behind it": f"{FIX}{fenced(DIFFERENCE, tag='diff')}",
    "the difference before it": f"{fenced(DIFFERENCE, tag='diff')}{FIX}",
    "blocks within a Markdown block": f"````markdown\n# Answer\n{FIX}````\n",
    "blocks within a Markdown block with the same fence": f"```markdown\n# Answer\n{FIX}```\n",
    "a block within a plain longer one": f"````\n{FIX}````\n",
    "a list item": f"1. Write\n\n{indented(FIX, '   ')}\n2. Done\n",
    "a list item behind four blanks": f"1. Write\n\n{indented(FIX, '    ')}\n2. Done\n",
    "a list item behind a tab": f"1. Write\n\n{indented(FIX, chr(9))}\n2. Done\n",
    "a list item's own line": f"- {indented(FIX, '  ').lstrip()}",
    "a fence in a list item, code without its margin": f"1. Write\n   ```python\n{PROGRAM}   ```\n",
    "a list item, code further in than the fence": f"* Write\n  ```python\n{indented(PROGRAM, '      ')}  ```\n",
    "inline code before it": f"Call it with ```f(3)``` like this.\n\n{FIX}",
    "inline code at the beginning of a line": f"```f(3)``` gives 4.\n\n{FIX}",
    "marks of a traceback before it": f"    y = d['a']\n        ~^^^^^\nKeyError: 'a'\n\n{FIX}",
    "longer marks of a traceback before it": f"    y = f(a)[0]\n        ~~~~^^^\nTypeError: no\n\n{FIX}",
    "an underlined title": f"Answer\n~~~~~~\n{FIX}",
    "the language in a line of its own": fenced(f"python\n{PROGRAM}", tag=""),
    "a blank and the language in a line of its own": fenced(f"\nPython\n{PROGRAM}", tag=""),
    "a block with a fence that closes at the margin": f"1. Write\n   ```python\n{indented(PROGRAM, '   ')}```\n",
    "a fence that closes too far in": f"```python\n{PROGRAM}     ```\nDone.",
    "the prompt quoted before it": f"The task:\n{fenced(DOCSTRING)}My program:\n{FIX}",
    "a file of tests behind it": f"{FIX}{fenced('# test_solution.py' + TEST_FUNCTION)}{fenced(TEST_FUNCTION)}",
    "an empty block before it": f"```\n```\n{FIX}",
    "an end token behind it": f"{FIX.rstrip()}<|im_end|>",
    "another turn behind it": f"{FIX}<|im_end|>\n<|im_start|>user\nNow subtract.\n<|im_start|>assistant\n{DRAFT}",
}  # fmt: skip
"""Answers of which PROGRAM is the program, with and without an entry point."""

ANALYSIS = f"<|channel|>analysis<|message|>{DRAFT}<|end|>"
COMMENTARY = "<|start|>assistant<|channel|>commentary<|message|>x<|end|>"
REASONING = {
    "<think>": f"<think>\n{DRAFT}</think>\n{FIX}",
    "<Think> in capitals": f"<THINK>\n{DRAFT}</THINK>\n{FIX}",
    "<thinking>": f"<thinking>\n{DRAFT}</thinking>\n\n{FIX}",
    "<thought>": f"<thought>\n{DRAFT}</thought>\n{FIX}",
    "<reasoning>": f"<reasoning>\n{DRAFT}</reasoning>\n{FIX}",
    "[THINK]": f"[THINK]\n{DRAFT}[/THINK]\n{FIX}",
    "begin_of_thought": f"<|begin_of_thought|>{DRAFT}<|end_of_thought|><|begin_of_solution|>\n{FIX}<|end_of_solution|>",
    "START_THINKING": f"<|START_THINKING|>{DRAFT}<|END_THINKING|><|START_RESPONSE|>\n{FIX}<|END_RESPONSE|>",
    "Kimi": f"◁think▷{DRAFT}◁/think▷\n{FIX}",
    "Gemma 4": f"<|channel>thought\n{DRAFT}<channel|>{FIX}<turn|>",
    "channels": f"{ANALYSIS}<|start|>assistant<|channel|>final<|message|>{FIX}<|return|>",
    "channels, one of comments": f"{ANALYSIS}{COMMENTARY}<|start|>assistant<|channel|>final<|message|>{FIX}",
    "channels without special tokens": f"analysisWe add. {DRAFT}assistantfinal{FIX}",
    "opened by the prompt": f"first I thought of\n{DRAFT}</think>\n\n{FIX}",
    "opened by the prompt, closed behind a word": f"first I thought of\n{DRAFT}No.</think>{FIX}",
    "opened by the prompt, in one line": f"short</think>{FIX}",
    "a fence of the reasoning is never closed": f"<think>\nPerhaps ```python\n{BUG}\n</think>\n{FIX}",
    "twice": f"<think>a</think>\n<think>{DRAFT}</think>\n{FIX}",
    "with an attribute": f'<think depth="2">{DRAFT}</think>\n{FIX}',
    "in bars": f"<|think|>{DRAFT}<|/think|>\n{FIX}",
    "empty": f"<think>\n\n</think>\n\n{FIX}",
    "a tag within it, quoted": f"<think>It ends with `</think>`.\n{DRAFT}</think>\n{FIX}",
    "a tag within its draft": f"<think>\n```python\ndef f(s):\n    s.split('</think>')\n```\nNo.\n</think>\n{FIX}",
    "behind a word": f"Well.\n<think>\n{DRAFT}</think>\n{FIX}",
    "behind the program": f"{FIX}<think>Is it right? {DRAFT.replace('def f', 'def g')}</think>\nIt is.",
    "behind the turn's beginning": f"<|im_start|>assistant\n<think>\n{DRAFT}</think>\n{FIX}<|im_end|>",
    "bare code behind it": f"<think>\n{DRAFT}</think>\n\n{PROGRAM}",
    "the program behind it in <answer>": f"<think>\n{DRAFT}</think>\n<answer>\n{FIX}</answer>",
}  # fmt: skip

BARE = {
    "prose around it": f"Here it is.\n\n{PROGRAM}\nIt adds one.\n",
    "a word behind it": f"{PROGRAM}\nDone\n",
    "a word with a colon behind it": f"{PROGRAM}\nExample: 3\n",
    "[PYTHON]": f"[PYTHON]\n{PROGRAM}[/PYTHON]\n",
    "[PYTHON], twice": f"[PYTHON]\n{BUG}[/PYTHON]\nCorrected:\n[PYTHON]\n{PROGRAM}[/PYTHON]\n",
    "[PYTHON] in the lines of code": f"[PYTHON]{PROGRAM.rstrip()}[/PYTHON]",
    "<code> in the lines of code": f"<code>{PROGRAM.rstrip()}</code>\nDone.",
    "<answer> in lines of their own": f"<answer>\n{PROGRAM}</answer>\n",
    "a list behind it": f"{PROGRAM}\n- adds\n- returns\n",
    "prose in the next line": f"Sure.\n{PROGRAM}This adds one.",
    "[BEGIN] and [DONE]": f"[BEGIN]\n{PROGRAM}[DONE]\n",
    "an end token": f"{PROGRAM}<|im_end|>",
    "an end token of Llama 2": f"{PROGRAM}</s>",
    "an end token of DeepSeek": f"{PROGRAM}<｜end▁of▁sentence｜>",
    "an end token of Gemma": f"{PROGRAM}<end_of_turn>\n<eos>",
    "a language's name before it": f"python\n{PROGRAM}```",
    "a language's name before it and no fence": f"python\n{PROGRAM}",
    "a fence that nothing opened": f"{PROGRAM}```\nThis code adds one.",
    "a fence that nothing opened, in the last line": f"{PROGRAM.rstrip()}```\nThis code adds one.",
    "three quotation marks for a fence": f"Sure:\n'''python\n{PROGRAM}'''\n",
    "indented, as Markdown has it": f"Here it is:\n\n{indented(PROGRAM, '    ')}\nIt adds one.\n",
    "a bug before it": f"This is wrong:\n\n{BUG}\nThis is right:\n\n{PROGRAM}",
    "a bug and one word before it": f"{BUG}\nCorrected\n\n{PROGRAM}",
    "an example in a block behind it": f"{PROGRAM}\nFor example:\n{fenced('print(f(2))')}",
    "nothing else": PROGRAM,
}  # fmt: skip

ALL = {
    **{f"block: {case}": answer for case, answer in BLOCKS.items()},
    **{f"reasoning: {case}": answer for case, answer in REASONING.items()},
    **{f"bare: {case}": answer for case, answer in BARE.items()},
}


@pytest.mark.parametrize("case", ALL)
def test_the_program_is_found(case: str) -> None:
    assert extract_program(ALL[case], "f") == PROGRAM


@pytest.mark.parametrize("case", ALL)
def test_the_program_is_found_without_an_entry_point(case: str) -> None:
    assert extract_program(ALL[case]) == PROGRAM


WHOLE = {
    "a tag in it": "def f(s):\n    return s.split('</think>')[-1]\n",
    "both tags in it": "def f(s):\n    return s.split('<think>')[-1].split('</think>')[0]\n",
    "a tag in its docstring": 'def f(s):\n    """Find\n    </think>\n    in a text.\n    """\n    return s\n',
    "a tag in a comment": "def f(s):\n    return s  # <think> and </think> stay\n",
    "an end token in it": "def f(s):\n    return s.removesuffix('<|im_end|>')\n",
    "a channel in it": "def f(s):\n    return '<|channel|>final<|message|>' in s\n",
    "fences in its docstring": 'def f(x):\n    """Add.\n\n    ```\n    f(1)\n    ```\n    """\n    return x + 1\n',
    "fences with a tag in its docstring": 'def f(x):\n  """Add.\n\n  ```python\n  f(1)\n  ```\n  """\n  return x + 1\n',
    "fences at the margin of its docstring": 'def f(x):\n    """Add.\n\n```python\nf(1)\n```\n"""\n    return x + 1\n',
    "fences in a string": 'def f(x):\n    return f"""\n```python\n{x}\n```\n"""\n',
    "a main that reads, and tests": f"{PROGRAM}\nif __name__ == '__main__':\n    print(f(2))\nassert f(1) == 2\n",
    "a stub beside it": "class Base:\n    def g(self):\n        ...\n\n\ndef f(x):\n    return x + 1\n",
    "a lambda": "f = lambda x: x + 1\n",
    "an inner function": "def f(x):\n    def g(y):\n        pass\n    return x + 1\n",
    "imports": "import math\nfrom typing import Any\n\n\ndef f(x: Any) -> Any:\n    return math.floor(x) + 1\n",
    "a decorator": "import functools\n\n\n@functools.cache\ndef f(x):\n    return x + 1\n",
    "asynchronous": "async def f(x):\n    return x + 1\n",
    "tabs": "def f(x):\n\treturn x + 1\n",
    "an invalid escape": "def f(x):\n    return '\\d' + x\n",
    "a form feed": "def f(x):\n    return x + 1\n\x0c\n\ndef g(x):\n    return f(x)\n",
}


@pytest.mark.parametrize("case", WHOLE)
def test_a_program_is_never_cut_into(case: str) -> None:
    program = WHOLE[case]
    around = (
        fenced(program),
        f"Sure:\n{fenced(program)}Done.\n",
        f"<think>short</think>\n{fenced(program)}",
        f"thought about it\n</think>\n\n{fenced(program)}",
        f"{DRAFT}No:\n{fenced(program)}",
        program,
    )
    for answer in around:
        assert extract_program(answer, "f") == program


BARE_WHOLE = [case for case in WHOLE if case != "a main that reads, and tests"]


@pytest.mark.parametrize("case", BARE_WHOLE)
def test_a_bare_program_is_never_cut_into(case: str) -> None:
    program = WHOLE[case]
    for answer in (f"Here it is.\n\n{program}\nIt does that.\n", f"<think>hm</think>\n{program}<|im_end|>"):
        assert extract_program(answer, "f") == program


NOTHING = {
    "another language": "```rust\nfn f(x: i32) -> i32 { x + 1 }\n```\n",
    "another language without a tag": "```\nfn f(x: i32) -> i32 { x + 1 }\n```\n",
    "another language that reads as Python": fenced(PROGRAM, tag="mojo"),
    "an explanation": "The function should add one to its argument.",
    "a refusal": "I'm sorry, from what I see I cannot.",
    "nothing": "",
    "blanks": " \n\n",
    "an end token alone": "<|im_end|>",
    "an empty block": "```python\n```\n",
    "reasoning that is never closed": f"<think>\nPerhaps:\n{FIX}or",
    "reasoning of channels that never ends": f"<|channel|>analysis<|message|>Perhaps:\n{FIX}or",
    "reasoning, and nothing behind it": f"{FIX}So that is it.\n</think>\n\n",
    "reasoning, and prose behind it": f"<think>\n{FIX}</think>\nThe function adds one.",
    "a stub": fenced("def f(x):\n    ...\n"),
    "a bare stub": "def f(x):\n    ...\n\nFill it in.\n",
    "commands": fenced("pip install numpy\n", tag="bash"),
    "a list": "1. Sort the list.\n2. Return its sum = 3.",
    "a result": fenced("3\n", tag=""),
    "a word": "Done",
}


@pytest.mark.parametrize("case", NOTHING)
def test_where_no_program_is_none_is_found(case: str) -> None:
    assert extract_program(NOTHING[case], "f") is None
    assert extract_program(NOTHING[case]) is None


CUT = {
    "in a block": ("Here:\n```python\ndef f(x):\n    return x +", "def f(x):\n    return x +"),
    "in a block, behind a helper": (
        "```python\ndef g(x):\n    return x\n\n\ndef f(x):\n    return g(x",
        "def g(x):\n    return x\n\n\ndef f(x):\n    return g(x",
    ),
    "bare": ("def f(x):\n    return x +", "def f(x):\n    return x +"),
    "bare, behind an import": ("import math\n\ndef f(x):\n    return x +", "import math\n\ndef f(x):\n    return x +"),
    "behind reasoning": ("<think>a</think>```python\ndef f(x):\n    if", "def f(x):\n    if"),
    "in a list item": ("1. Write\n   ```python\n   def f(x):\n       return x +", "def f(x):\n    return x +"),
    "in the middle of a text": ("```python\ndef f(x):\n    return 'a", "def f(x):\n    return 'a"),
}


@pytest.mark.parametrize("case", CUT)
def test_a_program_that_is_cut_off_is_as_long_as_it_came(case: str) -> None:
    answer, program = CUT[case]
    assert extract_program(answer, "f") == extract_program(answer) == program


def test_a_block_that_is_no_python_is_taken_before_one_that_uses_it() -> None:
    broken = "def f(x)\n    return x + 1\n"
    assert extract_program(f"{fenced(broken)}{fenced(USAGE)}", "f") == broken


@pytest.mark.parametrize(
    ("answer", "program"),
    [
        ("```python def f(x): return x + 1\n```\n", "def f(x): return x + 1\n"),
        ("```def f(x): return x + 1\n```\n", "def f(x): return x + 1\n"),
        ("```python import math\ndef f(x): return math.e\n```", "import math\ndef f(x): return math.e\n"),
        ("```python def f(x): return x + 1```", "def f(x): return x + 1\n"),
    ],
)  # fmt: skip
def test_a_program_in_an_unusual_form_is_read(answer: str, program: str) -> None:
    assert extract_program(answer, "f") == program


def test_the_last_block_that_defines_the_entry_point_is_taken() -> None:
    other = "def g(x):\n    return x\n"
    answer = FIX + fenced(other)
    assert extract_program(answer, "f") == extract_program(answer, "Adder().f") == PROGRAM
    assert extract_program(answer, "g") == extract_program(answer) == extract_program(answer, "h") == other


def test_a_method_and_a_class_are_entry_points() -> None:
    program = "class Adder:\n    def add(self, x):\n        return x + 1\n"
    answer = fenced(program) + fenced("adder = Adder()\nprint(adder.add(1))\n")
    assert extract_program(answer, "Adder") == extract_program(answer, "Adder.add") == program
    empty = "class Adder:\n    def add(self, x):\n        ...\n"
    assert extract_program(fenced(program) + fenced(empty), "Adder().add") == program
    assert extract_program("class Wrong(ValueError):\n    pass\n", "Wrong") == "class Wrong(ValueError):\n    pass\n"


def test_a_script_is_a_program_where_the_task_has_no_function() -> None:
    script = "n = int(input())\nprint(n + 1)\n"
    assert extract_program(fenced(script) + "For 1 it prints\n" + fenced("2\n", tag="")) == script
    assert extract_program(f"It reads a number.\n\n{script}\nIt prints the next.") == script
    assert extract_program(script) == script


MISSED_BY_EVALPLUS = {
    "a fence that nothing opened, in the last line",
    "three quotation marks for a fence",
    "[PYTHON] in the lines of code",
    "<code> in the lines of code",
    "indented, as Markdown has it",
}
TWO_PROGRAMS = {"[PYTHON], twice", "a bug before it", "a bug and one word before it"}
"""Of several EvalPlus takes the longest."""
EVALPLUS = {
    **{case: answer for case, answer in BARE.items() if case not in MISSED_BY_EVALPLUS | TWO_PROGRAMS},
    "[PYTHON] and a helper": "[PYTHON]\ndef g(x):\n    return 1\n\ndef f(x):\n    return x + g(x)\n[/PYTHON]\n",
    "an import before it": "Sure.\nimport math\n\ndef f(x):\n    return math.floor(x)\n\nIt rounds.\n",
    "a constant before it": "Sure.\n\nONE = 1\n\ndef f(x):\n    return x + ONE\n\nIt adds.\n",
    "a class before it": "Sure.\n\nclass A:\n    y = 1\n\ndef f(x):\n    return x + A.y\n\nIt adds.<|eot_id|>",
}
"""Answers with one program outside of fences."""


@pytest.mark.parametrize("case", EVALPLUS)
def test_bare_code_is_found_as_evalplus_finds_it(case: str) -> None:
    pytest.importorskip("evalplus", reason="package evalplus is not installed")
    from evalplus.sanitize import sanitize

    ours = extract_program(EVALPLUS[case], "f")
    assert ours is not None
    assert ast.dump(ast.parse(ours)) == ast.dump(ast.parse(sanitize(EVALPLUS[case], "f")))


@pytest.mark.parametrize(
    ("code", "lacks"),
    [
        ("", True),
        (" \n", True),
        ("Sorry, from what I see I cannot.", True),
        ("1. Sort the list.\n2. Return its sum = 3.", True),
        ("def solve(nums:\n    return", False),
        ("Here it is:\n    total = 0", False),
        ("from math import sqrt\n(", False),
        ("print(sum(map(int, input().split())))", False),
    ],
)
def test_prose_is_told_from_a_program_that_does_not_parse(code: str, *, lacks: bool) -> None:
    assert lacks_program(code) == lacks


def test_a_program_defines_what_is_asked_for_only_with_a_body() -> None:
    assert defines(PROGRAM, "f")
    assert not defines(PROGRAM, "g")
    assert not defines("def f(x):\n    ...\n", "f")
    assert not defines("def f(x", "f")


@pytest.mark.parametrize("module", ["extraction", "reasoning", "code_runs", "python_text"])
def test_the_examples_in_the_docstrings_are_true(module: str) -> None:
    tested = doctest.testmod(import_module(f"iterpref_core.programs.answers.{module}"))
    assert tested.attempted
    assert not tested.failed


PIECES = (
    *("~", "`", "~~~ ", "~~~\n", "```\nx", "````\n```\n", "```\nx\n~~~\n"),
    *("x = 1\n", "def f(x):\n", "import x\ny z\n", "'", "(\n", "> ", "- ", "</think>", "<think>", "</think>\n```\n"),
)


@pytest.mark.parametrize("piece", PIECES)
def test_no_answer_takes_long(piece: str) -> None:
    """5,000 tildes once took 50 seconds: here the interpreter's own time-out would end the test."""
    for size in (5_000, 1 << 18):
        for beginning in ("```", "<think>"):
            answer = beginning + piece * (size // len(piece))
            program = extract_program(answer, "f")
            assert program is None or len(program) <= len(answer)


@pytest.mark.parametrize("entry_point", ["f", None])
@pytest.mark.parametrize(
    "program",
    [
        "def f(x):\n    y = x + 1\n    z = [n for n in y if < 8]\n    return z\n",
        "def f(x):\n    y = list(v) for v in x]\n    z = sum(y)\n    return z\n",
        "def f(v for c in if v < 0]\n    z = v\n    return z\n",
        "def f(x):\n    y = x + 1\n    return (y]\n",
    ],
)
def test_bare_code_with_a_mistake_is_the_program_as_it_came(program: str, entry_point: str | None) -> None:
    """What can be parsed of it, its first lines or its last ones, is not what the model wrote."""
    assert extract_program(program, entry_point) == program
