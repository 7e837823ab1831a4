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
from collections.abc import Collection, Sequence

from iterpref_core.programs.source_code.names import bound_names, names_of_module, unbound_names
from iterpref_core.programs.source_code.normal_form import does_nothing
from iterpref_core.programs.source_code.syntax_tree import parse_source
from iterpref_core.records import AssertTest, IoTest, PytestTest, Test, UnittestTest

_DEFINING = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom | ast.Assign
_BINDING = ast.comprehension | ast.Lambda | ast.NamedExpr
"""The expressions that have names of their own."""
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
    imported = [module for module in modules if _import_solution(tree, module)]
    return _tests_of_tree(ast.unparse(tree) + "\n" if imported else code, tree, entry_point)


def _tests_of_tree(code: str, tree: ast.Module, entry_point: str) -> tuple[Test, ...]:
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    if any(ast.unparse(base).rpartition(".")[2] == "TestCase" for node in classes for base in node.bases):
        return (UnittestTest(code=code),)
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    defines_only = all(isinstance(node, _DEFINING) for node in tree.body)
    named = [*functions, *(node.name for node in classes)]
    if any(name.lower().startswith("test") for name in named):
        if _import_solution(tree, "solution"):
            return (PytestTest(code=code),)
        # What the tests read and do not define must be the program's.
        missing = unbound_names(tree) if defines_only else []
        if missing:
            return (PytestTest(code=f"from solution import {', '.join(missing)}\n\n{code}"),)
    # HumanEval-X names the function in the call alone.
    called = entry_point or "".join(re.findall(r"^check\((\w+)\)", code, re.MULTILINE)[:1])
    if "check" in functions and called:
        return _tests_of_check(tree, called)
    if functions and defines_only:
        raise ValueError(
            "the tests define functions that are never called, or that do not use the program; functions for pytest "
            "begin with `test` and import from `solution`, or from the module that --columns module= names, and "
            "`check` needs the column of the function's name, entry_point="
        )
    return (AssertTest(code=code),)


def _import_solution(tree: ast.Module, module: str) -> bool:
    """Let tests import `solution` in place of a module, under the same names; return True if they import the module."""
    imports_it = False
    nodes = list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module == module:
            node.module = "solution"
            imports_it = True
        elif isinstance(node, ast.alias) and node.name == module:
            node.name, node.asname = "solution", node.asname or module
            imports_it = True
    for node in nodes if imports_it else []:
        # `mock.patch("main.f")` names the module in a text.
        if isinstance(node, ast.Call) and node.args and ast.unparse(node.func).rpartition(".")[2] == "patch":
            target = node.args[0]
            if isinstance(target, ast.Constant) and str(target.value).startswith(f"{module}."):
                target.value = f"solution{str(target.value).removeprefix(module)}"
    return imports_it


def _tests_of_check(tree: ast.Module, call: str) -> tuple[AssertTest, ...]:
    """Return the tests of `def check(candidate)`, as HumanEval has it.

    If the function has only assertions, each becomes a test with the called expression instead of the parameter, so
    that feedback names one call, and tests can be chosen and hidden. Anything else, such as a loop, stays whole.

        def check(candidate):                       assert add(1, 2) == 3
            assert candidate(1, 2) == 3      ->
            assert candidate(0, 0) == 0             assert add(0, 0) == 0

    Raises:
        ValueError: `check` has no parameter.
    """
    # A call `check(add)` after the function would test twice. Other calls, such as `random.seed(0)`, stay.
    body = [node for node in tree.body if not does_nothing(node) and not _is_call_of_check(node)]
    check = next(node for node in body if isinstance(node, ast.FunctionDef) and node.name == "check")
    parameters = [each.arg for each in check.args.args]
    if not parameters:
        raise ValueError("a function `check(candidate)` is expected")
    # Docstrings and `pass` test nothing.
    statements = [node for node in check.body if not does_nothing(node)]
    # HumanEval has METADATA next to `check`, unused by assertions; other code there may be their helper.
    beside = [node for node in body if node is not check]
    plain = all(isinstance(node, ast.Assert) for node in statements) and len(parameters) == 1
    plain = plain and all(isinstance(node, ast.Assign) for node in beside)
    inner = [each for node in statements for each in ast.walk(node)]
    names = [node for node in inner if isinstance(node, ast.Name)]
    helpers = {each.id for node in beside for each in ast.walk(node) if isinstance(each, ast.Name)}
    # `all(candidate(f) for f in inputs)` with `f` in the place of `candidate` would call its own loop variable.
    if not plain or any(isinstance(node, _BINDING) for node in inner) or helpers & {name.id for name in names}:
        return (AssertTest(code=f"{ast.unparse(ast.Module(body, []))}\n\ncheck({call})\n"),)
    for name in names:
        if name.id == parameters[0]:
            # A name is written unchanged, so that it may be an expression.
            name.id = call
    return tuple(AssertTest(code=ast.unparse(node)) for node in statements)


def _is_call_of_check(node: ast.stmt) -> bool:
    match node:
        case ast.Expr(ast.Call(ast.Name("check"))):
            return True
    return False


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


def required_names(tests: Sequence[Test], program: str) -> list[str]:
    """Return the names that tests ask of a program: those that the first imports, or else calls, and others it defines.

    Raises:
        ValueError: no test calls a function by name, and the first one is assertions.

    >>> test = AssertTest(code="assert set(similar((3, 4), (5, 4))) == {4}")
    >>> required_names([test], "def similar(a, b): ...")
    ['similar']
    """
    first = tests[0]
    defined = re.findall(r"^(?:def|class)\s+(\w+)", program, re.MULTILINE)
    found = [_names_in(test, defined) for test in tests]
    names = next(filter(None, found), [])
    if not names and isinstance(first, AssertTest):
        raise ValueError(
            f"the test {first.code.strip()!r} calls no function by name; name it with --columns entry_point="
        )
    # `assert decode(encode("a")) == "a"` asks for two functions.
    return list(dict.fromkeys([*names, *(name for each in found for name in each if name in defined)]))


def _names_in(test: Test, defined: Collection[str]) -> list[str]:
    """Return the names that a test asks of a program, which defines some; see `required_names`."""
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
    # Of `assert set(similar((3, 4))) == {4}`, `set` is passed over: Python or the test defines it, not the program.
    known = bound_names(tree)
    asked = [name for name in names if name in defined or name not in known]
    return [*asked[:1], *(name for name in asked if name in defined)]
