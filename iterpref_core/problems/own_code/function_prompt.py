"""Write the prompt for a function from its signature and docstring, and an outline of its module."""

import ast
import copy

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
    kind = "function"
    alone = ""
    if "." in function.qualname:
        kind = "method"
        alone = " Give the method alone, without its class."
    context = ast.unparse(_Outline(function.node).visit(copy.deepcopy(function.module.tree)))
    known = ""
    if context:
        known = f"What there is in the module:\n\n```python\n{context}\n```\n\n"
    head = function.text(function.node.body[0].end_lineno)
    return (
        f"Write the {kind} `{function.qualname}` of the Python module `{function.module.name}`, so that it does what "
        f"its docstring says.{alone}\n\n{known}```python\n{head}```"
    )
