"""Write the prompt for a function from its signature and docstring, and an outline of its module."""

import ast
from collections.abc import Container
from typing import Any

from iterpref_core.programs.source_code.private_data import find_private
from iterpref_core.records import ASKED_FUNCTION, ASKED_METHOD, OUTLINE

from .functions import Definition, Function

MAX_PROMPT_CHARS = 12_000
"""Characters of a prompt: a large module's outline is cut to the parts nearest to the function."""
_IMPORTS = (ast.Import, ast.ImportFrom)


class _Outline(ast.NodeTransformer):
    """A visitor that leaves out one function, the bodies of all others, any of which may be held out, and private data.

    Of a constructor the docstring stays, since it describes the class. A method's own class shows its constructor
    whole, which names the attributes, unless that is a problem itself.

    Args:
        left_out: the function.
        problems: ids of the functions that may be problems.
    """

    def __init__(self, left_out: Function, problems: Container[str]) -> None:
        self._place = (left_out.node.lineno, left_out.node.col_offset)
        owner = left_out.qualname.rpartition(".")[0]
        constructor = f"{owner}.__init__"
        self._whole = constructor if owner and f"{left_out.module.file}:{constructor}" not in problems else None
        self._prefix = ""

    def visit(self, node: ast.AST) -> Any:
        shown = super().visit(node)
        if isinstance(shown, ast.stmt) and find_private(ast.unparse(shown)):
            return ast.copy_location(ast.Expr(ast.Constant(...)), node)
        return shown

    def _shown(self, node: Definition) -> Definition | None:
        if (node.lineno, node.col_offset) == self._place:
            return None
        if f"{self._prefix}{node.name}" != self._whole:
            described = node.name == "__init__" and ast.get_docstring(node) is not None
            node.body = [*(node.body[:1] if described else []), ast.Expr(ast.Constant(...))]
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = _shown  # noqa: N815 - ast's names

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        outside = self._prefix
        self._prefix += f"{node.name}."
        self.generic_visit(node)
        self._prefix = outside
        node.body = node.body or [ast.Expr(ast.Constant(...))]
        return node


def prompt_of(function: Function, module_name: str, problems: Container[str] = ()) -> str:
    """Return the task to write a function that does what its docstring describes.

    Args:
        function: the function.
        module_name: the name by which tests import its module.
        problems: the ids of the project's functions that may become problems.
    """
    is_method = "." in function.qualname
    kind = "method" if is_method else "function"
    asked = ASKED_FUNCTION.format(kind=kind, name=function.qualname, module=module_name)
    if is_method:
        asked += ASKED_METHOD
    head = f"```python\n{function.head}```"
    module = _Outline(function, problems).visit(ast.parse(function.module.source))
    context = ast.unparse(module)
    room = MAX_PROMPT_CHARS - len(f"{asked}\n\n{OUTLINE}{head}")
    if len(context) > room:
        note = "# the nearest parts alone\n"
        module.body = _nearest(module.body, function.node.lineno, room - len(note))
        context = note + ast.unparse(module)
    return f"{asked}\n\n{OUTLINE.format(context) if context else ''}{head}"


def fault_of_prompt(prompt: str, function: Function, *, keep: bool) -> tuple[str, str]:
    """Return the reason why a model may not get a prompt or the function's source, and an explanation, or empty texts.

    With `keep` they may hold keys or e-mail addresses.
    """
    if len(prompt) > MAX_PROMPT_CHARS:
        return "long_prompt", f"the prompt has {len(prompt):,} characters"
    found = None if keep else find_private(f"{prompt}\n{function.text()}")
    return (found.reason, f"it seems to hold {found}") if found else ("", "")


def _nearest(statements: list[ast.stmt], line: int, room: int) -> list[ast.stmt]:
    """Return the imports of a module, and the other statements that are nearest to a line, if they have room."""
    kept = set[ast.stmt]()
    for each in sorted(statements, key=lambda each: (not isinstance(each, _IMPORTS), abs(each.lineno - line))):
        size = len(ast.unparse(each)) + 2  # an empty line comes before a definition
        if size <= room:
            kept.add(each)
            room -= size
    return [each for each in statements if each in kept]
