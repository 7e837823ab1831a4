r"""Turn tests that are written as Python code into tests of this project.

    "assert f(1) == 2"                         assertions
    "def check(candidate): ..."                a function that is called with the program's, as in HumanEval
    "class TestF(unittest.TestCase): ..."      unittest
    "from solution import f\ndef test_f(): ..."   pytest
    "```python\nassert f(1) == 2\n```"         any of these in a fence
    ">>> f(1)\n2"                              a doctest

A test may import the program under another name than `solution`; the part `module` states the name.
"""

import ast
import doctest
import re
import textwrap
from collections.abc import Sequence

from iterpref_core.problems.ingestion.check_function import tests_of_check
from iterpref_core.programs.source_code.names import bound_names, names_of_module, unbound_names
from iterpref_core.programs.source_code.syntax_tree import parse_source
from iterpref_core.records import AssertTest, IoTest, PytestTest, Test, UnittestTest

_DEFINING = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom | ast.Assign
_FENCED = re.compile(r"^[ \t]*```\w*[ \t]*\n(.*?)^[ \t]*```", re.MULTILINE | re.DOTALL)
_PROMPT = re.compile(r"^\s*>>>", re.MULTILINE)


def read_code(code: str, entry_point: str, modules: Sequence[str] = ()) -> tuple[Test, ...]:
    """Return the tests in Python code; a function `check(candidate)` is called if the code does not call it.

    Args:
        code: the code.
        entry_point: the function that `check` is called with; may be empty.
        modules: modules other than `solution` that the tests import for the program.

    Raises:
        ValueError: the code is not Python, or its functions are never called.
    """
    try:
        tree = parse_source(code)
    except SyntaxError as error:
        fenced = _FENCED.findall(code)
        if fenced:
            return read_code("".join(map(textwrap.dedent, fenced)), entry_point, modules)
        if _PROMPT.search(code):
            return _tests_of_doctest(code)
        raise ValueError(f"a test is not valid Python ({error.msg})") from None
    for module in modules:
        code = _import_solution(code, tree, module)
        tree = parse_source(code)
    return _tests_of_tree(code, tree, entry_point)


def _tests_of_tree(code: str, tree: ast.Module, entry_point: str) -> tuple[Test, ...]:
    body = tree.body
    classes = [node for node in body if isinstance(node, ast.ClassDef)]
    if any(ast.unparse(base).rpartition(".")[2] == "TestCase" for node in classes for base in node.bases):
        return (UnittestTest(code=code),)
    functions = [node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    names = [*functions, *(node.name for node in classes)]
    nodes = list(ast.walk(tree))
    imports = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    imports |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    defines_only = all(isinstance(node, _DEFINING) for node in body)
    if any(name.lower().startswith("test") for name in names):
        if "solution" in imports:
            return (PytestTest(code=code),)
        # What the tests read and do not define must be the program's.
        asked = unbound_names(tree) if defines_only else []
        if asked:
            return (PytestTest(code=f"from solution import {', '.join(asked)}\n\n{code}"),)
    # HumanEval-X names the function in the call alone.
    called = entry_point or "".join(re.findall(r"^check\((\w+)\)", code, re.MULTILINE)[:1])
    if "check" in functions and called:
        return tests_of_check(code, called)
    if functions and defines_only:
        raise ValueError(
            "the tests define functions that are never called, or that do not use the program; functions for pytest "
            "begin with `test` and import from `solution`, or from the module that --columns module= names, and "
            "`check` needs the column of the function's name, entry_point="
        )
    return (AssertTest(code=code),)


def _import_solution(code: str, tree: ast.Module, module: str) -> str:
    """Return tests that import a module with `solution` in its place; everything else stays, to the letter.

    `from main import f` becomes `from solution import f`, and `import main` becomes `import solution as main`.
    """
    lines = code.split("\n")
    name = re.escape(module)
    imports_it = False
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == module:
            pattern, replacement = rf"\bfrom\s+{name}(?=\s)", "from solution"
        elif isinstance(node, ast.Import) and any(alias.name == module for alias in node.names):
            pattern, replacement = rf"(?<=[ ,]){name}(?=\s*(?:[,;#]|$))", f"solution as {module}"
            lines[node.lineno - 1] = re.sub(rf"(?<=[ ,]){name}(?=\s+as\b)", "solution", lines[node.lineno - 1])
        else:
            continue
        imports_it = True
        lines[node.lineno - 1] = re.sub(pattern, replacement, lines[node.lineno - 1])
    if not imports_it:
        return code
    # `mock.patch("main.f")` names the module in a text.
    return re.sub(rf"""(\bpatch\(\s*["']){name}\.""", r"\1solution.", "\n".join(lines))


def _tests_of_doctest(text: str) -> tuple[Test, ...]:
    """Return a test for each example of a doctest that shows a value; statements before it run first.

    Raises:
        ValueError: an example shows something else than a Python literal.
    """
    tests: list[Test] = []
    before = ""
    for example in doctest.DocTestParser().get_examples(text):
        source, shown = example.source.strip(), example.want.strip()
        if not shown:
            before += example.source
            continue
        printed = re.fullmatch(r"print\((.*)\)", source, re.DOTALL)
        call, expected = (f"str({printed[1]})", repr(shown)) if printed else (source, shown)
        try:
            ast.literal_eval(expected)
        except (ValueError, SyntaxError):
            raise ValueError(f"a doctest shows {shown!r}, which is not a Python literal") from None
        if before:
            tests.append(AssertTest(code=f"{before}assert {call} == {expected}\n"))
        else:
            tests.append(IoTest(call=call, expected=expected))
    return tuple(tests)


def tested_names(tests: Sequence[Test], program: str) -> list[str]:
    """Return the names that the first test with some asks of a program: those it imports, else the one it calls.

    Raises:
        ValueError: no test calls a function by name, and the first one is assertions.

    >>> test = AssertTest(code="assert set(similar((3, 4), (5, 4))) == {4}")
    >>> tested_names([test], "def similar(a, b): ...")
    ['similar']
    """
    first = tests[0]
    names = next(filter(None, (_names_in(test, program) for test in tests)), [])
    if not names and isinstance(first, AssertTest):
        raise ValueError(
            f"the test {first.code.strip()!r} calls no function by name; name it with --columns entry_point="
        )
    return names


def _names_in(test: Test, program: str) -> list[str]:
    """Return the names that a test asks of a program; see `tested_names`."""
    if not isinstance(test, AssertTest | UnittestTest | PytestTest | IoTest):
        return []
    tree = parse_source(test.call if isinstance(test, IoTest) else test.code)
    imported = names_of_module(tree, "solution")
    if imported:
        return imported
    # A set-up may call something else before; the object of a class is made there.
    parts = [*(node for node in tree.body if isinstance(node, ast.Assert)), *tree.body]
    calls = [node.func for part in parts for node in ast.walk(part) if isinstance(node, ast.Call)]
    names = [called.id for called in calls if isinstance(called, ast.Name)]
    defined = re.findall(r"^(?:def|class)\s+(\w+)", program, re.MULTILINE)
    # Of `assert set(similar((3, 4))) == {4}`, `set` is passed over: Python or the test defines it, not the program.
    given = bound_names(tree)
    return [name for name in names if name in defined or name not in given][:1]
