"""Write the prompt for a function from its signature and docstring, and an outline of its module."""

import ast
import copy

from iterpref_core.records import ASKED_FUNCTION, ASKED_METHOD, OUTLINE

from .functions import Definition, Function


class _Outline(ast.NodeTransformer):
    """A visitor that leaves out one function, and the bodies of all others except constructors."""

    def __init__(self, left_out: Definition) -> None:
        self._place = (left_out.lineno, left_out.col_offset)

    def _shown(self, node: Definition) -> Definition | None:
        if (node.lineno, node.col_offset) == self._place:
            return None
        if node.name != "__init__":
            node.body = [ast.Expr(ast.Constant(...))]
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = _shown  # noqa: N815 - ast's names

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        self.generic_visit(node)
        node.body = node.body or [ast.Expr(ast.Constant(...))]
        return node


def prompt_of(function: Function) -> str:
    """Return the task to write a function that does what its docstring describes."""
    is_method = "." in function.qualname
    kind = "method" if is_method else "function"
    asked = ASKED_FUNCTION.format(kind=kind, name=function.qualname, module=function.module.name)
    if is_method:
        asked += ASKED_METHOD
    context = ast.unparse(_Outline(function.node).visit(copy.deepcopy(function.module.tree)))
    outline = OUTLINE.format(context) if context else ""
    head = function.text(function.node.body[0].end_lineno)
    return f"{asked}\n\n{outline}```python\n{head}```"
