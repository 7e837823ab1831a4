"""Function prompt: signature and docstring, and what of its module a model needs to know."""

import ast
import copy
from collections.abc import Iterator

from iterpref_core.problems.own_code.functions import Definition, Function, own_text

_ELLIPSIS = ast.Expr(ast.Constant(...))


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _defined(statement: ast.stmt) -> set[str]:
    """Names that a top-level statement defines, at any depth of `if` and `try`."""
    found = {part.id for part in ast.walk(statement) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
    for part in ast.walk(statement):
        if isinstance(part, ast.Import | ast.ImportFrom):
            found.update((alias.asname or alias.name).partition(".")[0] for alias in part.names)
    return found


def _outline(node: Definition) -> Definition:
    """A function without its body, but with the first line of its docstring."""
    outline = copy.copy(node)
    first = (ast.get_docstring(node) or "").partition("\n")[0]
    outline.body = [ast.Expr(ast.Constant(first)), _ELLIPSIS] if first else [_ELLIPSIS]
    return outline


def _class_outline(owner: ast.ClassDef, function: Function, inner: ast.ClassDef | None) -> ast.ClassDef:
    """A class with its constructor and fields, and of other methods the outline."""
    outline = copy.copy(owner)
    outline.body = [] if inner is None else [inner]
    for node in owner.body:
        if isinstance(node, Definition):
            if node is not function.node:
                outline.body.append(node if node.name == "__init__" else _outline(node))
        elif not isinstance(node, ast.ClassDef):
            outline.body.append(node)
    outline.body = outline.body or [_ELLIPSIS]
    return outline


def _context(function: Function) -> Iterator[str]:
    module, used = function.module, _names(function.node)
    for owner in function.classes:
        used |= {owner.name, *(name for base in owner.bases for name in _names(base))}
    for node in module.tree.body:
        if isinstance(node, Definition):
            if node is not function.node and node.name in used:
                yield ast.unparse(_outline(node))
        elif isinstance(node, ast.ClassDef):
            if function.classes and node is function.classes[0]:
                outline = None
                for owner in reversed(function.classes):
                    outline = _class_outline(owner, function, outline)
                assert outline is not None
                yield ast.unparse(outline)
            elif node.name in used:
                shown = _class_outline(node, function, None)
                shown.body = [part for part in shown.body if not isinstance(part, ast.ClassDef)]
                yield ast.unparse(shown)
        elif isinstance(node, ast.Import | ast.ImportFrom) or (
            not isinstance(node, ast.Expr) and _defined(node) & used
        ):
            yield ast.get_source_segment(module.source, node) or ast.unparse(node)


def _head(function: Function) -> str:
    """Signature and docstring as they are written."""
    docstring = function.node.body[0]
    return own_text(function.node, function.module.source, docstring.end_lineno)


def prompt_of(function: Function) -> str:
    """The task: write this function so that it does what its docstring says."""
    kind = "method" if function.classes else "function"
    context = "\n".join(_context(function))
    known = f"What there is in the module:\n\n```python\n{context}\n```\n\n" if context else ""
    alone = " Give the method alone, without its class." if function.classes else ""
    return (
        f"Write the {kind} `{function.qualname}` of the Python module `{function.module.name}`, so that it does what "
        f"its docstring says.{alone}\n\n{known}```python\n{_head(function)}```"
    )
