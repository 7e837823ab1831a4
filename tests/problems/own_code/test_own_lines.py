"""Own code of any layout: whole functions, texts as they stand, and a name for everything that is left out."""

import json
import os
import sys

import pytest

from iterpref_core.problems.own_code.function_prompt import prompt_of
from iterpref_core.problems.own_code.functions import Function, find_functions, read_module, source_files
from iterpref_core.problems.own_code.own_code import ingest_own_code
from iterpref_core.records import InputError, OwnCodeParams, Problem
from iterpref_core.storage.jsonl import read_jsonl
from tests.problems.own_code.test_own_code import EXECUTION
from tests.settings import section
from tests.texts import write_files

PARAMS = section(OwnCodeParams, licenses=("MIT", "ISC"))
FUNCTION = 'def f(n):\n    """Add one.\n\nTo n.\n    """\n    return n + 1\n'
BEFORE = ("", "\x0c\n", "A = 'a\u2028b'\n", "A = 'a\x85b\x1c'  # \x0b\n", "A = 1\r\nB = 2\r", "\ufeffA = 1\n")


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_function_is_whole_whatever_stands_before_it(tmp_path, before, ends):
    path = tmp_path / "m.py"
    path.write_bytes((before + FUNCTION.replace("\n", ends)).encode())
    module = read_module(tmp_path, path)
    assert module is not None
    (function,) = find_functions(module)
    assert isinstance(function, Function)
    assert function.text() == FUNCTION
    assert FUNCTION[: FUNCTION.index("    return")] in prompt_of(function, "m")


def test_all_files_are_read_but_tests_and_what_is_not_the_projects(tmp_path):
    names = ("a.py", "t_test.py", "test_a.py", "setup.py", "build/b.py", "docs/c.txt", ".venv/d.py", "tests/t.py")
    write_files(tmp_path, dict.fromkeys((*names, "p/build/lib/a.py"), ""))
    (tmp_path / ".#a.py").symlink_to("user@host.3021")  # an editor's lock
    assert [str(path.relative_to(tmp_path)) for path in source_files(tmp_path)] == ["a.py", "setup.py", "build/b.py"]


WORDLESS = "def wordless(n):\n    return n\n"
IN_BLOCK = '''
    def slow(n):
        """Add one."""
        return n + 1

    class A:
        def size(self):
            """Give 1."""
'''
TESTS = """
import m, other

def test_f():
    assert m.f(1) == other.f(1) == 2

def test_no():
    assert m.f(1) == 1
"""
TWICE = 'def twice(n):\n    """Add one."""\n    return n\n\nif True:\n    def twice(n):\n        """Add one."""\n'


def test_functions_and_tests_left_out_are_named_and_problems_have_their_files_license(tmp_path, monkeypatch):
    folder = write_files(tmp_path / "p", {
        "pyproject.toml": '[project]\nname = "p"\nlicense = "MIT"\n',
        "m.py": f"{FUNCTION}\n\n{WORDLESS}\n\ntry:\n    import fast\nexcept ImportError:\n{IN_BLOCK}\n\n{TWICE}",
        "other.py": f"# SPDX-License-Identifier: ISC\n{FUNCTION}",
        "tests/test_m.py": TESTS,
    })  # fmt: skip
    out, dropped = tmp_path / "out.jsonl", tmp_path / "dropped.jsonl"
    monkeypatch.chdir(tmp_path)
    python = os.path.relpath(sys.executable, tmp_path)
    ingest_own_code(folder, out, PARAMS, EXECUTION, python=python, license="Apache-2.0", dropped=dropped)
    assert {problem.task_id: problem.license for problem in read_jsonl(out, Problem)} == {
        "p/m.f": "MIT",
        "p/other.f": "ISC",
    }
    rows = [json.loads(line) for line in dropped.read_text().split("\n") if line]
    assert [(row["reason"], row["task_id"]) for row in rows] == [
        ("no_docstring", "m:wordless"),
        ("defined_twice", "m:twice"),
        ("test_fails", "tests/test_m.py::test_no"),
    ]
    assert rows[0]["where"].endswith("m.py:9")


def test_of_a_large_module_the_imports_and_what_is_nearest_are_shown(tmp_path):
    path = tmp_path / "m.py"
    names = [f"compute_the_number_{number}" for number in range(1000)]
    path.write_text("import os\n" + "".join(f'def {name}(n):\n    "Return it."\n    return n\n' for name in names))
    module = read_module(tmp_path, path)
    assert module is not None
    prompt = prompt_of(list(find_functions(module))[500], "m")
    assert 11_900 < len(prompt) <= 12_000
    assert [name in prompt for name in ("import os", names[498], names[502], names[0])] == [True, True, True, False]
    assert prompt.endswith(f'def {names[500]}(n):\n    "Return it."\n```')


SHELF = """
class Shelf:
    class Board:
        def __init__(self, width):
            self.half = width / 2

    def __init__(self, boards):
        'Take boards.'
        self.boards = sorted(boards)

    def top(self):
        'Return the last board.'
        return self.boards[-1]

class Box(Shelf):
    def __init__(self):
        self.lid = None

def fill(shelf):
    'Put a board on it.'
"""


@pytest.mark.parametrize(
    ("asked", "problems", "bodies"),
    [
        ("Shelf.top", {"m.py:Shelf.top"}, ["sorted(boards)"]),
        ("Shelf.top", {"m.py:Shelf.top", "m.py:Shelf.__init__"}, []),
        ("Shelf.__init__", {"m.py:Shelf.__init__"}, []),
        ("fill", {"m.py:fill"}, []),
    ],
)
def test_an_outline_shows_the_body_of_its_own_constructor_alone_unless_that_is_a_problem(
    tmp_path, asked, problems, bodies
):
    (tmp_path / "m.py").write_text(SHELF)
    (function,) = [each for each in find_functions(read_module(tmp_path, tmp_path / "m.py")) if each.qualname == asked]
    prompt = prompt_of(function, "m", problems)
    shown = ["self.half = width / 2", "sorted(boards)", "self.boards[-1]", "self.lid = None"]
    assert [body for body in shown if body in prompt] == bodies
    assert [text in prompt for text in ("Take boards.", "def __init__(self, width):")] == [True, True]


def test_how_to_state_a_license_is_said_and_a_test_that_exits_takes_few_others_along(tmp_path, monkeypatch):
    tests = "import os, m\ndef test_f(): assert m.f(1) == m.g(1) == 2\ndef test_exit(): os._exit(1)"
    folder = write_files(tmp_path / "p", {"m.py": FUNCTION + FUNCTION.replace(" f(", " g("), "test_m.py": tests})
    monkeypatch.setattr("iterpref_core.problems.own_code.survey.TOGETHER", 1)
    out = tmp_path / "out.jsonl"
    with pytest.raises(InputError, match=r"2 license.*m.py:\d+: unknown is not in own_code.licenses; add --license"):
        ingest_own_code(folder, out, PARAMS, EXECUTION)
    ingest_own_code(folder, out, PARAMS, EXECUTION, license="MIT")
    assert [problem.task_id for problem in read_jsonl(out, Problem)] == ["p/m.f", "p/m.g"]


def test_an_outline_leaves_out_what_seems_private_and_the_function_stays(tmp_path):
    lines = ('"""By jane.doe@acme-shop.com."""', "KEY = 'AKIAJ2ZJQ5X3TFZ7Q6ZA'", "SIZE = 3", "class A:\n    KIND = 4")
    (tmp_path / "m.py").write_text("\n".join([*lines, '    OWNER = "jane.doe@acme-shop.com"', FUNCTION]))
    module = read_module(tmp_path, tmp_path / "m.py")
    assert module is not None
    prompt = prompt_of(next(find_functions(module)), "m")
    found = [text in prompt for text in ("jane", "AKIA", "SIZE = 3", "KIND = 4", "def f(n):")]
    assert found == [False, False, True, True, True]
