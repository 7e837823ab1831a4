"""HumanEval's format (Chen et al. 2021): a function's head to complete, and a `check(candidate)` full of assertions."""

import ast

from iterpref_core.records import AssertTest, Problem, Record
from iterpref_core.source_code.syntax_tree import parse_source


class HumanEvalTask(Record):
    """A line of a file in HumanEval's format."""

    task_id: str
    prompt: str
    entry_point: str
    canonical_solution: str
    test: str


def convert_humaneval(task: HumanEvalTask) -> Problem:
    """A task as a problem.

    Raises:
        ValueError: the line cannot be used.
    """
    try:
        tests = split_check(task.test, task.entry_point)
    except SyntaxError as error:
        raise ValueError(f"field 'test': not valid Python ({error.msg})") from None
    except ValueError as error:
        raise ValueError(f"field 'test': {error}") from None
    return Problem(
        task_id=task.task_id,
        prompt=task.prompt,
        entry_point=task.entry_point,
        tests=tests,
        reference=task.prompt + task.canonical_solution,
        source="humaneval",
    )


def split_check(test: str, entry_point: str) -> tuple[AssertTest, ...]:
    r"""The assertions of `check(candidate)`, each as a test of its own about the entry point.

    One by one they say what failed, and what is a comparison with a literal is judged outside of the sandbox. Where
    `check` does more than assert, or leans on other definitions, it stays one test. Assertions of a true constant,
    which HumanEval has as separators, are no tests.

    Raises:
        SyntaxError: the test is no Python.
        ValueError: it defines no `check`, or that asserts nothing.

    >>> split_check("def check(candidate):\n    assert candidate(1) == 2\n    assert True", "f")
    (AssertTest(kind='assert', code='assert f(1) == 2'),)
    """
    tree = parse_source(test)
    checks = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "check"]
    if not checks or len(checks[-1].args.args) != 1:
        raise ValueError("defines no check(candidate)")
    check = checks[-1]
    asserts = [node for node in ast.walk(check) if isinstance(node, ast.Assert) and not _is_separator(node)]
    if not asserts:
        raise ValueError("check(candidate) asserts nothing")
    others = [node for node in tree.body if node is not check and not _says_nothing(node)]
    if others or not all(isinstance(node, ast.Assert) or _says_nothing(node) for node in check.body):
        return (AssertTest(code=f"{test.rstrip()}\n\ncheck({entry_point})"),)
    candidate = check.args.args[0].arg
    return tuple(AssertTest(code=ast.unparse(_Rename(candidate, entry_point).visit(node))) for node in asserts)


class _Rename(ast.NodeTransformer):
    def __init__(self, old: str, new: str) -> None:
        self.old, self.new = old, new

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.copy_location(ast.Name(self.new, node.ctx), node) if node.id == self.old else node


def _is_separator(node: ast.Assert) -> bool:
    return isinstance(node.test, ast.Constant) and bool(node.test.value)


def _says_nothing(node: ast.stmt) -> bool:
    """Metadata, a docstring, `pass`, or an assertion of a true constant."""
    match node:
        case ast.Assign([ast.Name("METADATA")]) | ast.Expr(ast.Constant()) | ast.Pass():
            return True
        case ast.Assert():
            return _is_separator(node)
    return False
