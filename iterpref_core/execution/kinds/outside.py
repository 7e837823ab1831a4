"""Looks at the source of tests, by the supervisor: which may be judged outside, in a process beside the program.

Outside there is what the judge is made for: calls of the solution with plain values, its objects and exceptions. So the
rule lists what a test may use. **Whatever is not listed is judged inside**, in the program's own process: what a test
hands over that is no plain data, classes of the test, numpy, the state of the process (seeds, the current folder,
loggers), identity of objects, threads, coroutines, what evaluates a text of the program's. The test's text alone
decides about this, never a program.
"""

import ast
import builtins
import functools
import importlib
import re
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

from iterpref_core.execution.comparison.expectations import literal
from iterpref_core.execution.kinds.listed import (
    ASSERTS,
    BUILTINS,
    CALLBACKS,
    CHANGES,
    FIXTURES,
    LOCAL,
    MAKERS,
    OUTPUT,
    SPECIAL,
    STATE,
    is_listed,
    is_listed_module,
)
from iterpref_core.execution.kinds.setups import setup_imports
from iterpref_core.programs.source_code.syntax_tree import parse

_UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)


@functools.lru_cache(maxsize=1024)
def parsed(source: str) -> ast.Module:
    """Return the tree of a test's source.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: there is none.
    """
    tree: ast.Module = parse(source.removeprefix("\ufeff"))
    return tree


@functools.lru_cache(maxsize=1024)
def packages_of(source: str, modules: frozenset[str] = frozenset({"solution"})) -> tuple[str, ...]:
    r"""Return the packages that a test cannot do without: it imports them, not in a `try` or an `if`.

    >>> packages_of("import os, numpy.linalg\nfrom solution import f\nif f(1):\n    import pandas")
    ('numpy',)

    Args:
        source: of the test.
        modules: names that the solution and the test's own files are imported by.
    """
    try:
        nodes: list[ast.AST] = [parsed(source)]
    except _UNREADABLE:
        return ()  # it is told when it is compiled
    names: list[str] = []
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.append(str(node.module))
        if not isinstance(node, ast.Try | ast.If):
            nodes += ast.iter_child_nodes(node)
    own = {module.partition(".")[0] for module in modules} | sys.stdlib_module_names
    return tuple(sorted({name.partition(".")[0] for name in names} - own))


@functools.lru_cache(maxsize=1024)
def why_inside(source: str, modules: frozenset[str] = frozenset({"solution"}), setup: str = "") -> str:
    r"""Return why a test has to run in the program's own process; empty if it may be judged outside.

    >>> why_inside("assert f([1, 2]) == 3"), why_inside("import string\nassert f(string.Template('a')) == 1")
    ('', 'string.Template')

    Args:
        source: of the test.
        modules: names that the solution and the test's own files are imported by.
        setup: of the program: what it imports, the test has, too.
    """
    try:
        tree = parsed(source)
    except _UNREADABLE:
        return ""  # it is told when it is compiled
    return next(_Reader(tree, modules, setup).reasons(), "")


def _nodes(tree: ast.AST, *kinds: type[ast.AST]) -> Iterator[Any]:
    return (node for node in ast.walk(tree) if isinstance(node, kinds))


class _Reader:
    """A reader of one test, who looks for what is not listed.

    Args:
        tree: of the test.
        modules: names that the solution and the test's own files are imported by.
        setup: of the program.
    """

    def __init__(self, tree: ast.Module, modules: frozenset[str], setup: str) -> None:
        self._tree = tree
        self._modules = modules
        self._parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        # What names stand for: `numpy` for `np`, `math.gcd` for `gcd`.
        self._libraries: dict[str, str] = {"unittest": "unittest"}
        self._bound = {node.id for node in _nodes(tree, ast.Name) if isinstance(node.ctx, ast.Store)}
        self._bound |= {node.arg for node in _nodes(tree, ast.arg)}
        self._errors = {str(node.name) for node in _nodes(tree, ast.ExceptHandler)}
        definitions = list(_nodes(tree, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        self._classes = {node.name for node in definitions if isinstance(node, ast.ClassDef)}
        # Names of what the test cannot hand over: its functions, classes and iterators.
        self._kept = {node.name for node in definitions}
        self._bound |= self._kept | self._errors
        for node in _nodes(tree, ast.Import, ast.ImportFrom):
            self._import(node)
        for name, module, attribute in setup_imports(setup):
            if name == "*":
                self._import_all(module)
            elif name not in self._bound:
                self._libraries.setdefault(name, f"{module}.{attribute}" if attribute else module)
        self._objects: set[str] = set()
        self._values: set[str] = set()
        self._containers: set[str] = set()
        self._results: set[str] = set()
        names = list(_nodes(tree, ast.Name, ast.Attribute))
        self._loads = Counter(_source(node) for node in names if isinstance(node.ctx, ast.Load))
        self._has_state = any(STATE.match(self._path(node)) for node in names)
        for node in _nodes(tree, ast.Assign):
            self._assign(node)

    def _assign(self, node: ast.Assign) -> None:
        """Note what the names of an assignment stand for."""
        targets = set(map(_source, node.targets))
        if isinstance(node.value, ast.List | ast.Dict | ast.Set):
            self._containers |= targets
        if self._is_object(node.value):
            self._objects |= targets
        elif self._is_kept(node.value):
            self._kept |= targets
        elif self._is_value(node.value):
            self._values |= targets
        elif self._is_result(node.value):
            self._results |= targets

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
        for alias in node.names:
            path = f"{module}.{alias.name}" if module else alias.name
            name = alias.asname or (alias.name if module else alias.name.partition(".")[0])
            if not self._is_own(module or alias.name):
                self._bound.add(name)
                self._libraries[name] = path if module or alias.asname else name
            elif not module:
                self._bound.add(name)

    def _import_all(self, module: str) -> None:
        """Bind the names of a library that a setup imports all of, as far as the test uses them."""
        if module.partition(".")[0] in sys.stdlib_module_names:
            used = {node.id for node in _nodes(self._tree, ast.Name)} - self._bound
            for name in used & vars(importlib.import_module(module)).keys():
                self._libraries.setdefault(name, f"{module}.{name}")

    def _is_own(self, module: str) -> bool:
        """Tell whether a module is the solution, the test's own, or a package that one of them lies in."""
        return any(f"{own}.".startswith(f"{module}.") for own in self._modules)

    def _path(self, node: ast.AST) -> str:
        """Return what an expression names of a library: `numpy.random.rand`; empty if it names nothing of one."""
        if isinstance(node, ast.Name):
            # A test may use a module that only the solution has imported.
            is_modules = self._is_theirs(node) and node.id in sys.stdlib_module_names
            return node.id if is_modules else self._libraries.get(node.id, "")
        if isinstance(node, ast.Attribute):
            of = self._path(node.value)
            return f"{of}.{node.attr}" if of else ""
        return ""

    def _is_theirs(self, node: ast.AST) -> bool:
        """Tell whether an expression is a name of the solution's, or an attribute of its module."""
        match node:
            case ast.Name(id=name):
                return name not in self._bound and name not in self._libraries and not hasattr(builtins, name)
            case ast.Attribute(value=ast.Name(id=name)):
                return name in self._modules
        return False

    def _is_object(self, node: ast.AST) -> bool:
        """Tell whether an expression is an object that the test has made of a class of the solution."""
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name) as called):
                return self._is_theirs(called) and name.lstrip("_")[:1].isupper()
            case ast.BinOp(left=left, right=right):
                return self._is_object(left) or self._is_object(right)
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return any(map(self._is_object, items))
        return _source(node) in self._objects if isinstance(node, ast.Name | ast.Attribute) else False

    def _is_result(self, node: ast.AST) -> bool:
        """Tell whether an expression is what the solution returns, or a name of that."""
        match node:
            case ast.Call(func=called):
                return self._is_theirs(called) or (isinstance(called, ast.Attribute) and self._is_object(called.value))
        return isinstance(node, ast.Name) and node.id in self._results

    def _is_value(self, node: ast.expr) -> bool:
        """Tell whether an expression is a literal, a name of one, or computed by Python."""
        match node:
            case ast.Name(id=name):
                return name in self._values
            case ast.Call(func=ast.Name(id=name)):
                return name in BUILTINS and name not in self._bound
            case ast.BinOp():
                return not self._is_object(node)
        inner = (ast.Constant, ast.Tuple, ast.List, ast.Set, ast.Dict, ast.UnaryOp, ast.unaryop, ast.expr_context)
        return all(isinstance(each, inner) for each in ast.walk(node))

    def _is_kept(self, node: ast.AST) -> bool:
        """Tell whether an expression is a function, an iterator or an object of the test's own, or a library's."""
        match node:
            case ast.Lambda() | ast.GeneratorExp():
                return True
            case ast.Call(func=called):
                return LOCAL.match(self._path(called)) is not None or (
                    isinstance(called, ast.Name) and (called.id in self._classes or called.id in MAKERS)
                )
            case ast.Attribute(attr=name):
                return name in CALLBACKS
        return isinstance(node, ast.Name) and node.id in self._kept

    def _mixes(self, sides: list[ast.expr]) -> bool:
        """Tell whether an object that the test has made meets a plain value, about which it would decide."""
        return any(map(self._is_object, sides)) and any(map(self._is_value, sides))

    def reasons(self) -> Iterator[str]:  # noqa: C901 - one a kind of node
        """Yield what is not listed."""
        for node in ast.walk(self._tree):
            is_of_object = isinstance(node, ast.Attribute) and self._is_object(node.value)
            if (is_of_object or self._is_result(node)) and self._is_changed(node):
                yield "a list of the solution that the test changes"
            match node:
                case ast.AsyncFunctionDef() | ast.AsyncWith() | ast.AsyncFor() | ast.Await():
                    yield "coroutines"
                case ast.Import() | ast.ImportFrom():
                    yield from self._unlisted_import(node)
                case ast.Name() | ast.Attribute():
                    yield from self._unlisted_name(node)
                case ast.Call():
                    yield from self._unlisted_call(node)
                case ast.ClassDef() if not self._runs_tests(node):
                    yield "a class of the test"
                case ast.Compare() | ast.BinOp():
                    yield from self._unlisted_operation(node)
                case ast.With():
                    yield from (_source(item) for item in node.items if not self._is_listed_manager(item.context_expr))
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                yield from (_source(each) for each in node.decorator_list if not self._is_decorator(each))
            if isinstance(node, ast.FunctionDef):
                yield from self._unlisted_fixtures(node)

    def _is_discarded(self, node: ast.Call) -> bool:
        """Tell whether a test uses no result of a call, and expects no error of it."""
        match parent := self._parents.get(node):
            case (
                ast.Compare(comparators=[ast.Constant(value=None)]) | ast.Call(func=ast.Attribute(attr="assertIsNone"))
            ):
                return True
        return isinstance(parent, ast.Expr) and not isinstance(self._parents[parent], ast.With | ast.Try)

    def _is_changeable(self, node: ast.expr, of_object: bool) -> bool:
        """Tell whether an argument is a variable that the program may change, and that the test reads again.

        Of the arguments of methods those are that have got a list: `stack.push(x)` changes no `x`.
        """
        name = _source(node)
        is_variable = isinstance(node, ast.Attribute) or (isinstance(node, ast.Name) and name in self._bound)
        return is_variable and self._loads[name] > 1 and (not of_object or name in self._containers)

    def _unlisted_import(self, node: ast.Import | ast.ImportFrom) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if not self._is_own(a.name) and not is_listed_module(a.name))
        elif not node.level and not self._is_own(node.module or ""):
            yield from (path for a in node.names if not is_listed(path := f"{node.module}.{a.name}"))

    def _unlisted_name(self, node: ast.Name | ast.Attribute) -> Iterator[str]:
        path = self._path(node)
        is_whole = not isinstance(self._parents.get(node), ast.Attribute)
        if path and is_whole and not is_listed(path):
            yield path
        if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            owner = _source(node.value)
            if owner in self._errors or (path and path not in OUTPUT):
                yield f"a change of {owner}"
        name = node.id if isinstance(node, ast.Name) else node.attr
        if name.startswith("__") and name.endswith("__") and name not in SPECIAL:
            yield name
        if isinstance(node, ast.Name):
            known = getattr(builtins, name, None)
            is_error = isinstance(known, type) and issubclass(known, BaseException)
            if known is not None and not is_error and name not in BUILTINS and name not in self._bound:
                yield name
        elif name in ("format", "format_map") and not (isinstance(node.value, ast.Constant) and self._is_called(node)):
            yield "a text that formats"
        elif name.startswith("assert") and name not in ASSERTS and not path and self._is_called(node):
            yield name

    def _is_changed(self, node: ast.AST) -> bool:
        """Tell whether a test changes the items of what an expression names: `rows[0][1] = 5`, `rows.append(5)`."""
        parent = self._parents[node]
        if isinstance(parent, ast.Subscript):
            return not isinstance(parent.ctx, ast.Load) or self._is_changed(parent)
        # `found.sort()` of a result is for its comparison.
        changes = CHANGES - {"sort"} if self._is_result(node) else CHANGES
        return isinstance(parent, ast.Attribute) and parent.attr in changes

    def _is_called(self, node: ast.AST) -> bool:
        parent = self._parents.get(node)
        return isinstance(parent, ast.Call) and parent.func is node

    def _unlisted_call(self, node: ast.Call) -> Iterator[str]:
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if method in ("assertIs", "assertIsNot") and not any(map(_is_single, node.args[:2])):
            yield "identity"
        if method.startswith("assert") and self._mixes(node.args[:2]):
            yield "an object compared with a value"
        path = self._path(node.func)
        if path and not path.startswith("copy.") and any(map(self._is_object, node.args)):
            yield f"an object of the solution for {path}"
        of_object = isinstance(node.func, ast.Attribute) and self._is_object(node.func.value)
        if self._is_theirs(node.func) or of_object:
            given = [*node.args, *(keyword.value for keyword in node.keywords)]
            given += [each for value in given for each in getattr(value, "elts", ())]
            if any(map(self._is_kept, given)):
                yield "a function or an object of the test, handed over"
            if self._is_discarded(node):
                if self._has_state and not of_object and all(isinstance(value, ast.Constant) for value in given):
                    yield "the state of the process"
                if any(self._is_changeable(value, of_object) for value in given):
                    yield "an argument that the program changes"

    def _runs_tests(self, node: ast.ClassDef) -> bool:
        """Tell whether a class has tests, or is one that such classes derive from."""
        bases = {_source(base).rpartition(".")[2] for base in node.bases}
        has_tests = any(isinstance(each, ast.FunctionDef) and each.name.startswith("test") for each in node.body)
        return bases <= {"TestCase", "object", *self._classes} and not node.keywords and (bool(bases) or has_tests)

    def _is_decorator(self, node: ast.expr) -> bool:
        """Tell whether a decorator is the test's own, or listed."""
        called = node.func if isinstance(node, ast.Call) else node
        return bool(self._path(called)) or (isinstance(called, ast.Name) and not self._is_theirs(called))

    def _unlisted_fixtures(self, node: ast.FunctionDef) -> Iterator[str]:
        """Yield fixtures of pytest that are neither the test's own nor listed."""
        if not node.name.startswith("test") and not any("fixture" in _source(each) for each in node.decorator_list):
            return
        constants = (each.value for each in ast.walk(node) if isinstance(each, ast.Constant))
        texts = [value for value in constants if isinstance(value, str)]
        given = set(re.findall(r"\w+", " ".join(texts))) | FIXTURES | self._kept
        yield from (f"fixture {each.arg}" for each in node.args.args if each.arg not in given)

    def _unlisted_operation(self, node: ast.Compare | ast.BinOp) -> Iterator[str]:
        if isinstance(node, ast.BinOp):
            if self._mixes([node.left, node.right]):
                yield "an object that computes with a value"
            return
        sides = [node.left, *node.comparators]
        # `assert Split("ab") == ["a", "b"]`: many a function of MBPP has such a name.
        is_assertion = isinstance(self._parents.get(node), ast.Assert) and isinstance(node.left, ast.Call)
        is_call = is_assertion and is_plain_call(_source(node.left))
        for operator, left, right in zip(node.ops, sides, sides[1:], strict=False):
            if isinstance(operator, ast.Is | ast.IsNot):
                if not (_is_single(left) or _is_single(right)):
                    yield "identity"
            elif not (is_call and isinstance(operator, ast.Eq)) and self._mixes([left, right]):
                yield "an object compared with a value"

    def _is_listed_manager(self, node: ast.expr) -> bool:
        """Tell whether a context manager lets the failure of an assertion pass."""
        called = node.func if isinstance(node, ast.Call) else node
        match called:
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                return name in ASSERTS or name == "subTest"
        return bool(self._path(called)) or (isinstance(called, ast.Name) and called.id == "open")


def _is_single(node: ast.expr) -> bool:
    """Tell whether there is one such object in both processes: None, a truth value, a builtin type."""
    match node:
        case ast.Constant(value=value):
            return value is None or value is ... or isinstance(value, bool)
        case ast.Name(id=name):
            return name == "NotImplemented" or isinstance(getattr(builtins, name, None), type)
        case ast.Call(func=ast.Name(id="type"), args=[ast.Constant()]):
            return True
    return False


def _source(node: ast.AST) -> str:
    """Return an expression as source; empty if it has a number of more digits than Python writes."""
    try:
        return ast.unparse(node)
    except ValueError:
        return ""


@functools.lru_cache(maxsize=4096)
def is_plain_call(source: str) -> bool:
    """Tell whether an expression calls something with literals, and computes nothing with the result.

    >>> [is_plain_call(source) for source in ("f([1, -2])", "Solution().f(2)", "f(2) == 4", "sorted(f(2))")]
    [True, True, False, False]
    """
    try:
        node: ast.expr = parse(source.strip(), "eval").body
    except _UNREADABLE:
        return True  # the program's own process says what is wrong with it
    if not isinstance(node, ast.Call):
        return isinstance(node, ast.Name | ast.Attribute)
    while isinstance(node, ast.Call | ast.Attribute):
        if isinstance(node, ast.Attribute):
            node = node.value
            continue
        try:
            for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
                literal(argument)
        except ValueError:
            return False
        node = node.func
    return isinstance(node, ast.Name)
