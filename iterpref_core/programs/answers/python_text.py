"""Parse Python texts in answers, find the names that they define, and rank them as the program."""

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from ..source_code.names import bound_by, name_in, unbound_names
from ..source_code.normal_form import does_nothing
from ..source_code.syntax_tree import parse_source

STATEMENT = re.compile(
    r"""(?:async[ \t]+)?def[ \t]+\w+[ \t]*[(\[]
    | class[ \t]+\w+[ \t]*[(:\[]
    | @\w[\w.]*(?:\(.*)?$
    | import[ \t]+\w
    | from[ \t]+[\w.]+[ \t]+import\b
    """,
    re.VERBOSE | re.MULTILINE,
)
"""A line's beginning that is Python and no prose."""

_LEFT_OUT = re.compile(
    r"""^[ \t]*\#[ \t(]*(?:\.{3}(?!\.)|…)
    | ^(?P<margin>[ \t]+)\#.*\b(?:
          as[ ](?:before|above) | unchanged | omitted
        | (?:rest[ ]of[ ]the|remaining|existing|your)[ ](?:code|function|method|class|body|logic|implementation|program)
      )\b.*\n(?:[ \t]*(?:\#.*)?\n)*+(?: (?!(?P=margin)\S) | [ \t]*(?:pass|\.{3}|return(?:[ ](?P<name>\w+))?)[ \t]*$ )
    | [^:\s][ \t]*\n(?:[ \t]*\n)*+[ \t]+\.{3}[ \t]*$
    | ^[ \t]+(?:\w+[ ]=|return\b.*)[ ]\.{3}[ \t]*$
    """,
    re.VERBOSE | re.MULTILINE | re.IGNORECASE,
)
"""A comment that replaces code: only `pass`, or a name, follows it in its block. And `...` after another statement, or
in `x = ...` and `return ...`."""
_LONG_STRING = re.compile(r"(\"{3}|'{3}).*?\1", re.DOTALL)

_MAX_PARSED = 4_000_000
"""Characters that are parsed of one answer. An answer of a hundred blocks needs a twentieth of them."""
MAX_PROGRAM = 50_000
"""Characters of a text beyond which it is not parsed."""


class Parser:
    """A parser that stops when one answer has cost enough."""

    def __init__(self) -> None:
        self._left = _MAX_PARSED

    def affords(self, length: int) -> bool:
        """Return True if a text of this length would still be parsed."""
        return length <= min(self._left, MAX_PROGRAM)

    def parse(self, text: str) -> ast.Module | SyntaxError:
        """Return the syntax tree of a text, or the error of a text that is not Python."""
        if not self.affords(len(text)):
            return SyntaxError("too long")
        # A call costs as much as about 2,000 characters.
        self._left -= len(text) + 2_000
        try:
            return parse_source(text)
        except SyntaxError as error:
            return error

    def tree(self, text: str) -> ast.Module | None:
        """Return the syntax tree of a text, or None if it is not Python or has no statement."""
        parsed = self.parse(text)
        return None if isinstance(parsed, SyntaxError) or not parsed.body else parsed


@dataclass(frozen=True)
class Excerpt:
    """A Python text at [start, end) of an answer.

    `code` is without the margin of a list item, so it may differ from the answer's text. `doubtful`: it is in a
    block whose tag is not Python's.
    """

    start: int
    end: int
    code: str
    tree: ast.Module
    doubtful: bool = False

    @property
    def whole(self) -> bool:
        """False if the text leaves out a part of itself, which mostly an earlier version has: `# same as before`."""
        found = {left["name"] for left in _LEFT_OUT.finditer(_LONG_STRING.sub("", self.code))}
        return not found or found.isdisjoint({"None", None, *unbound_names(self.tree)})


class Rank(IntEnum):
    """A measure of how well a Python text answers a task; the higher, the better."""

    NOTHING = 0
    SCRIPT = 1
    TESTS = 2
    DEFINITION = 3
    ALIAS = 4
    ENTRY_POINT = 5


DEFINING = (
    *(ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
    *(ast.Assign, ast.AnnAssign),
)
"""Statements that only define, the last ones by an assignment."""


def rank(tree: ast.Module, entry_point: str | None) -> Rank:
    """Return how well a Python text answers a task.

    `NOTHING`: it only names or states a thing, such as a printed result, or it is a stub: the function asked for (or
    without an entry point each of its functions) has no body. `TESTS`: its definitions are tests or `main`.
    `ENTRY_POINT`: it defines the name. `ALIAS`: the name is another function's, as in `f = solve`, an example's
    lambda, an import from the standard library, or a method's where a function is asked for; where `Adder.add` is
    asked for, it is a function's or another class's method.
    """
    nodes = _outer_nodes(tree)
    owner, name = ["", "", *re.findall(r"\w+", entry_point or "")][-2:]
    if name and (found := list(_ranks_of_name(tree, nodes, name, owner))):
        return max(found)
    definitions = [node for node in nodes if isinstance(node, _Definition)]
    if not definitions:
        idle = all(is_prose(statement) or _is_idle(statement) for statement in tree.body)
        return Rank.NOTHING if idle else Rank.SCRIPT
    # `def f(x): ...` repeats the task and is not a solution.
    if all(map(_is_stub, definitions)):
        return Rank.NOTHING
    return Rank.TESTS if all(map(_is_test, definitions)) else Rank.DEFINITION


def is_prose(statement: ast.stmt) -> bool:
    """Return True if a statement is words that happen to be Python, such as `Done`, `Note: this` or `O(1)`."""
    if isinstance(statement, ast.AnnAssign):
        return statement.value is None
    if not isinstance(statement, ast.Expr) or isinstance(statement.value, ast.Constant):
        return False
    node = statement.value
    # `O(n) + O(m)` begins with a call of `O`. The text is not looked at: `ast.unparse` fails for a sum of 330 terms.
    while isinstance(node, ast.BinOp):
        node = node.left
    is_order = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "O"
    return _is_idle(statement) or is_order


def reads_input(tree: ast.Module) -> bool:
    """Return True if a text reads its standard input: `input()`, `sys.stdin`, `open(0)`, `os.read(0, n)`."""
    for node in ast.walk(tree):
        match node:
            case (
                ast.Name("input" | "stdin")
                | ast.Attribute(attr="input" | "stdin" | "__stdin__")
                | ast.Call(ast.Name("open") | ast.Attribute(attr="open" | "fdopen" | "read"), [ast.Constant(0), *_])
                | ast.Constant("/dev/stdin")
            ):
                return True
    return False


def acts(tree: ast.Module) -> bool:
    """Return True if a text does more than define, import and assign."""
    return any(not isinstance(statement, DEFINING) for statement in tree.body)


def _is_idle(statement: ast.stmt) -> bool:
    """Return True for a statement without effect: an import, or an expression without a call, such as a result."""
    if not isinstance(statement, ast.Expr):
        return isinstance(statement, ast.Import | ast.ImportFrom)
    calls = (ast.Call, ast.Await, ast.Yield, ast.YieldFrom)
    return not any(isinstance(node, calls) for node in ast.walk(statement))


_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _outer_nodes(tree: ast.Module) -> list[ast.AST]:
    """Return all nodes outside of functions' bodies: a function inside of another is not the one asked for."""
    found: list[ast.AST] = []
    # Walk without entering functions.
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        found.append(node)
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))
    return found


def _ranks_of_name(tree: ast.Module, nodes: Sequence[ast.AST], name: str, owner: str) -> Iterator[Rank]:
    """Yield a rank for each place where a text gives a name a meaning.

    Args:
        tree: the text.
        nodes: its nodes outside of functions.
        name: the entry point's.
        owner: the class whose method is asked for, such as `Adder`; "" for a function or a class.
    """
    class_of = {method: node.name for node in nodes if isinstance(node, ast.ClassDef) for method in node.body}
    for node in nodes:
        if isinstance(node, _Definition) and node.name == name:
            full = Rank.ENTRY_POINT if class_of.get(node, "") == owner else Rank.ALIAS
            yield Rank.NOTHING if _is_stub(node) else full
        elif isinstance(node, ast.ImportFrom) and node.module in sys.stdlib_module_names:
            if name in {alias.asname or alias.name for alias in node.names}:
                yield Rank.ALIAS
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            # A lambda that its own text calls, or that ignores its arguments, is an example.
            is_program = isinstance(node.value, ast.Lambda) and _reads_arguments(node.value) and not acts(tree)
            if name in bound_by(targets):
                yield Rank.ENTRY_POINT if is_program else Rank.ALIAS


def _reads_arguments(function: ast.Lambda) -> bool:
    """Return False for a lambda such as `lambda a, b: 0`."""
    arguments = bound_by(ast.walk(function.args))
    return not arguments or any(name_in(node) in arguments for node in ast.walk(function.body))


def _is_test(definition: _Definition) -> bool:
    return definition.name == "main" or definition.name.lower().startswith("test")


def _is_stub(definition: _Definition) -> bool:
    """Return True if a definition only holds the place of one: `...`, `pass`, or `raise NotImplementedError`.

    The empty function of `functools.singledispatch` is a program: others are registered for it.
    """
    if any("singledispatch" in ast.unparse(decorator) for decorator in definition.decorator_list):
        return False
    if isinstance(definition, ast.ClassDef):
        methods = [node for node in definition.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        return bool(methods) and all(map(_is_stub, methods))
    written = [statement for statement in definition.body if not does_nothing(statement)]
    return all(isinstance(one, ast.Raise) and "NotImplemented" in ast.unparse(one) for one in written)
