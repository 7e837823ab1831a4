"""Where a program stands in an answer: a script among snippets, unknown tags, later blocks, end tokens.

A right program adds one (`f`), or it reads a number and prints its double.
"""

import contextlib
import io
from collections.abc import Iterator

import pytest

from iterpref_core.programs.answers.extraction import extract_program
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
CHECK = "assert brute(3) == 6\n"
ADDS = "def f(x):\n    return x + 1\n"
WRONG = "def f(x):\n    return x - 1\n"


def fence(code: str, tag: str = "python") -> str:
    return f"```{tag}\n{code}```\n"


def script_cases() -> Iterator[tuple[str, str]]:
    """A script, asked for by no name, among other blocks."""
    for name, script in SCRIPTS.items():
        yield f"{name}, snippet before", f"The key is\n{fence(SNIPPET)}The program:\n{fence(script)}"
        yield f"{name}, brute force behind", f"{fence(script)}To check it:\n{fence(BRUTE)}"
        yield f"{name}, both", f"{fence(SNIPPET)}So:\n{fence(script)}Compare with\n{fence(BRUTE)}"
    yield "complexity behind", f"{fence(PLAIN)}It takes\n{fence('O(1)', '')}time.\n"
    yield (
        "class before",
        fence("class Pair:\n    def __init__(self, a):\n        self.a = a\n") + "Program:\n" + fence(MAIN),
    )
    yield "sample input behind", fence(MAIN) + "Input:\n" + fence("4\n", "") + "Output:\n" + fence("8\n", "")
    yield "C++ behind", fence(MAIN) + "In C++:\n" + fence("int main() { int n; std::cin >> n; }\n", "cpp")
    yield "last of two scripts", f"{fence(PLAIN.replace('2 *', '3 *'))}No, double:\n{fence(MAIN)}"
    yield "checks behind", f"{fence(SOLVED)}Tests:\n{fence(BRUTE + CHECK)}"
    yield "helper in a block before", fence(SNIPPET) + "Then\n" + fence("print(twice(int(input())))\n")
    yield "helper in a block behind", fence("print(twice(int(input())))\n") + "with\n" + fence(SNIPPET)
    yield (
        "main in one block, its call in the next",
        fence(MAIN.removesuffix("\nmain()\n")) + "Run it:\n" + fence("main()\n"),
    )
    yield "an example of use behind", f"{fence(SOLVED)}For example:\n" + fence("print(solve(3))\n")
    yield "an example with a name of the script", fence(PLAIN) + "So\n" + fence("print(2 * n)\n")
    yield "input in one block, output in the next", fence("n = int(input())\n") + "and\n" + fence("print(2 * n)\n")
    yield "definitions alone", f"Either\n{fence(SNIPPET)}or the program\n{fence(PLAIN)}"


def tag_cases() -> Iterator[tuple[str, str]]:
    """A fence whose tag is a word that names no language."""
    words = "tool_code language-python lang-py Python_3 python_code py_code script program function final response"
    for word in f"{words} source jupyter notebook cython sage implementation submission your_code result main".split():
        yield word, f"Here:\n{fence(ADDS, word)}"
    yield "unknown tag behind a python draft of another name", f"{fence(SNIPPET)}So\n{fence(ADDS, 'final')}"
    yield "python tag wins", f"{fence(ADDS)}Wrong would be\n{fence(WRONG, 'bad')}"
    yield "two unknown", f"{fence(WRONG, 'draft')}Then\n{fence(ADDS, 'final')}"
    yield "shell before", fence("pip install numpy\n", "bash") + fence(ADDS, "answer_code")


def script_tag_cases() -> Iterator[tuple[str, str]]:
    for word in ("script", "program", "tool_code", "solution_code"):
        yield f"{word}, main", f"{fence(MAIN, word)}It doubles.\n"
        yield f"{word}, plain", fence(PLAIN, word)


def later_cases() -> Iterator[tuple[str, str]]:
    """A helper, import or constant that follows the function which reads it."""
    reads = "def f(x):\n    return helper(x) + 1\n"
    helper = "def helper(x):\n    return x\n"
    yield "helper behind", f"{fence(reads)}with\n{fence(helper)}"
    yield "constant behind", fence("def f(x):\n    return x + STEP\n") + "where\n" + fence("STEP = 1\n")
    yield "import behind", fence("def f(x):\n    return math.floor(x) + 1\n") + "Add\n" + fence("import math\n")
    two = "def helper(x):\n    return same(x)\n"
    yield "two steps behind", fence(reads) + "with\n" + fence(two) + "and\n" + fence("def same(x):\n    return x\n")
    yield "helper with an example", fence(helper + "print(helper(1))\n") + "and\n" + fence(reads)
    yield (
        "one before, one behind",
        fence("import math\n") + fence("def f(x):\n    return math.floor(helper(x)) + 1\n") + fence(helper),
    )
    error = "class BadError(ValueError):\n    pass\n"
    yield (
        "exception behind",
        fence("def f(x):\n    if x is None:\n        raise BadError\n    return x + 1\n") + "and\n" + fence(error),
    )
    yield (
        "the later of two helpers before",
        fence("def helper(x):\n    return 9\n") + "No:\n" + fence(helper) + fence(reads),
    )
    yield "draft behind is not taken in", fence(ADDS) + "Not\n" + fence("def other(x):\n    return x\n")
    yield (
        "base class behind",
        fence("class Add(Base):\n    pass\n\ndef f(x):\n    return Add().add(x)\n")
        + fence("class Base:\n    def add(self, x):\n        return x + 1\n"),
    )


def end_cases() -> Iterator[tuple[str, str]]:
    """An end token in the last line, or right behind a closing fence, and what follows it."""
    bare = ADDS.rstrip()
    for token in (
        "<end_of_turn>",
        "<eos>",
        "[EOS]",
        "<turn|>",
        "<EOT>",
        "<|im_end|>",
        "</s>",
        "<end_of_text>",
        "<|eot_id|>",
    ):
        yield f"bare {token}", f"{bare}{token}"
        yield f"bare {token}, then a turn", f"{bare}{token}\nuser\nAnother:\n{fence(WRONG)}"
        yield f"behind a fence {token}", f"{fence(ADDS).rstrip()}{token}\nuser\nAnother:\n{fence(WRONG)}"
    yield "EOS as a name", "EOS = 0\n\ndef f(x):\n    table = [x + 1]\n    return table[EOS]\n"
    yield "byte order mark in a fence", fence("\ufeff" + ADDS)
    yield "zero width in a line", fence(ADDS.replace("return", "\u200breturn"))
    yield "zero width at the end of a line", fence(ADDS.replace(":\n", ":\u200b\n"))
    yield "zero width in a string", fence('def f(x):\n    return x + len("\u200b")\n')


def cases(*families: Iterator[tuple[str, str]]) -> dict[str, str]:
    return {name: answer for family in families for name, answer in family}


NAMED = cases(tag_cases(), later_cases(), end_cases())
UNNAMED = cases(script_cases(), script_tag_cases())
NONE = {
    "lua": fence('print("a")\n', "lua"),
    "mojo": fence(ADDS, "mojo"),
    "scala": fence("def f(x: Int): Int = x + 1\n", "scala"),
    "matlab": fence("x = input('')\ndisp(x * 2)\n", "matlab"),
    "output": fence("8\n", "output"),
    "an unknown tag of values": fence("x = 3\n", "values"),
    "diff": fence("+def f(x):\n+    return x + 1\n", "diff"),
    "prose in an unknown tag": fence("Add one to x\n", "idea"),
}


def doubles(code: str | None, monkeypatch) -> bool:
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
    "the last one that defines it": (f"{fence(WRONG)}No:\n{fence(ADDS)}{fence(BRUTE)}", "", ("f",), "f(3) == 4"),
}


@pytest.mark.parametrize(("answer", "entry_point", "read", "right"), OF_TESTS.values(), ids=OF_TESTS)
def test_the_names_that_tests_read_decide_what_belongs_to_the_program(answer, entry_point, read, right):
    names: dict[str, object] = {}
    exec(extract_program(answer, entry_point, read) or "", names)
    assert eval(right, names)
