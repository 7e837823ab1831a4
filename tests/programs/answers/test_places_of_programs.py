"""Where a program stands in an answer: a script among snippets, unknown tags, later blocks, end tokens.

A right program adds one (`f`), or it reads a number and prints its double.
"""

import contextlib
import io
from pathlib import Path

import pytest

from iterpref_core.programs.answers.extraction import extract_program
from tests.execution.program_texts import read_cases
from tests.programs.answers.adding import adds_one

MAIN = "def main():\n    n = int(input())\n    print(2 * n)\n\nmain()\n"
GUARDED = (
    "import sys\n\ndef main():\n    print(2 * int(sys.stdin.readline()))\n\nif __name__ == '__main__':\n    main()\n"
)
PLAIN = "n = int(input())\nprint(2 * n)\n"
OPENED = "data = open(0).read().split()\nprint(int(data[0]) * 2)\n"
SOLVED = "def solve(n):\n    return 2 * n\n\nprint(solve(int(input())))\n"
CLASSED = "class Solver:\n    def run(self):\n        print(2 * int(input()))\n\nSolver().run()\n"
SCRIPTS = {"main": MAIN, "guarded": GUARDED, "plain": PLAIN, "open": OPENED, "solve": SOLVED, "class": CLASSED}
SNIPPET = "def twice(n):\n    return n + n\n"
BRUTE = "def brute(n):\n    total = 0\n    for _ in range(n):\n        total += 2\n    return total\n"
ADDS = "def f(x):\n    return x + 1\n"
WRONG = "def f(x):\n    return x - 1\n"


def fence(code, tag="python"):
    return f"```{tag}\n{code}```\n"


def script_cases():
    """A script, asked for by no name, among other blocks, or in a fence whose tag names no language."""
    for name, script in SCRIPTS.items():
        yield f"{name}, snippet before", f"The key is\n{fence(SNIPPET)}The program:\n{fence(script)}"
        yield f"{name}, brute force behind", f"{fence(script)}To check it:\n{fence(BRUTE)}"
        yield f"{name}, both", f"{fence(SNIPPET)}So:\n{fence(script)}Compare with\n{fence(BRUTE)}"
    for word in ("script", "program", "tool_code", "solution_code"):
        yield f"{word}, main", f"{fence(MAIN, word)}It doubles.\n"
        yield f"{word}, plain", fence(PLAIN, word)


def tag_cases():
    """A fence whose tag is a word that names no language."""
    words = "tool_code language-python lang-py Python_3 python_code py_code script program function final response"
    for word in f"{words} source jupyter notebook cython sage implementation submission your_code result main".split():
        yield word, f"Here:\n{fence(ADDS, word)}"


def end_cases():
    """An end token in the last line, or right behind a closing fence, and what follows it."""
    bare = ADDS.rstrip()
    for token in [
        "<end_of_turn>",
        "<eos>",
        "[EOS]",
        "<turn|>",
        "<EOT>",
        "<|im_end|>",
        "</s>",
        "<end_of_text>",
        "<|eot_id|>",
    ]:
        yield f"bare {token}", f"{bare}{token}"
        yield f"bare {token}, then a turn", f"{bare}{token}\nuser\nAnother:\n{fence(WRONG)}"
        yield f"behind a fence {token}", f"{fence(ADDS).rstrip()}{token}\nuser\nAnother:\n{fence(WRONG)}"
    yield "byte order mark in a fence", fence("\ufeff" + ADDS)
    yield "zero width in a line", fence(ADDS.replace("return", "\u200breturn"))
    yield "zero width at the end of a line", fence(ADDS.replace(":\n", ":\u200b\n"))
    yield "zero width in a string", fence('def f(x):\n    return x + len("\u200b")\n')


def written_cases(kind):
    """The answers of the file that hold a function, a script or no program."""
    for name, [(held, answer)] in read_cases(Path(__file__).with_name("places.txt")).items():
        if held == kind:
            yield name, f"{answer}\n"


NAMED = dict([*tag_cases(), *end_cases(), *written_cases("function")])
UNNAMED = dict([*script_cases(), *written_cases("script")])
NONE = dict(written_cases("none"))


def doubles(code, monkeypatch):
    for number in (4, -3):
        printed = io.StringIO()
        text = io.StringIO(f"{number}\n")
        monkeypatch.setattr("sys.stdin", text)
        names = {"__name__": "__main__", "open": lambda place, text=text: text}
        try:
            with contextlib.redirect_stdout(printed):
                exec(code or "", names)
        except Exception:  # noqa: BLE001 - whatever a program of the table raises
            return False
        if printed.getvalue().split() != [str(2 * number)]:
            return False
    return True


@pytest.mark.parametrize("answer", NAMED.values(), ids=NAMED)
def test_the_function_is_found(answer):
    assert adds_one(extract_program(answer, "f"))


@pytest.mark.parametrize("answer", UNNAMED.values(), ids=UNNAMED)
def test_the_script_is_found(answer, monkeypatch):
    assert doubles(extract_program(answer), monkeypatch)


@pytest.mark.parametrize("answer", NONE.values(), ids=NONE)
def test_other_languages_and_values_are_no_program(answer):
    assert extract_program(answer) is None
    assert extract_program(answer, "f") is None


READS = (
    "os.read(0, 99)",
    "io.open(0).read()",
    "sys.__stdin__.read()",
    "sys.stdin.buffer.read()",
    "open('/dev/stdin').read()",
)


@pytest.mark.parametrize("read", READS)
def test_a_script_may_read_its_input_in_any_way(read):
    script = f"import io, os, sys\nprint(2 * int({read}))\n"
    assert extract_program(f"{fence(SNIPPET)}So:\n{fence(script)}Compare with\n{fence(BRUTE)}") == script


MODULE = (
    fence("def encode(text):\n    return text[::-1]\n")
    + "and\n"
    + fence("def decode(text):\n    return encode(text)\n")
)
OF_TESTS = {
    "both functions that the tests call": (MODULE, "", ("encode", "decode"), "decode(encode('ab')) == 'ab'"),
    "a second function beside the entry point": (MODULE, "encode", ("encode", "decode"), "decode('ab') == 'ba'"),
    "two classes": (fence("class A:\n    pass\n") + "and\n" + fence("class B:\n    pass\n"), "", ("A", "B"), "A and B"),
    "the function that the test calls, not the check": (
        f"{fence(ADDS)}Check:\n{fence(BRUTE)}",
        "",
        ("f",),
        "f(3) == 4",
    ),
    "a name of the tests' own library": (fence(ADDS), "", ("math", "f"), "f(3) == 4"),
    "an import from the standard library": (
        fence("from statistics import median\n"),
        "median",
        (),
        "median([1, 2]) == 1.5",
    ),
    "a method, not that of another class": (
        fence("class A:\n    def f(self): return 1\n") + fence("class B:\n    def f(self): return 2\n"),
        "A().f",
        (),
        "A().f() == 1",
    ),
    "a function of a block that a later block mends": (
        fence("def encode(a): return a\n\ndef decode(a): return 1\n") + "Fixed:\n" + fence("def decode(a): return a\n"),
        "encode",
        ("encode", "decode"),
        "decode(encode(2)) == 2",
    ),
    "the last one that defines it": (f"{fence(WRONG)}No:\n{fence(ADDS)}{fence(BRUTE)}", "", ("f",), "f(3) == 4"),
}


@pytest.mark.parametrize(("answer", "entry_point", "read", "right"), OF_TESTS.values(), ids=OF_TESTS)
def test_the_names_that_tests_read_decide_what_belongs_to_the_program(answer, entry_point, read, right):
    names = {}
    exec(extract_program(answer, entry_point, read) or "", names)
    assert eval(right, names)
