"""Looks at the source of tests, by the supervisor: which may be judged outside, in a process beside the program.

Outside there is what the judge is made for: calls of the solution with plain values, its objects and exceptions, and
the test's own functions and objects. So the rule lists what a test may use. **Whatever is not listed is judged
inside**, in the program's own process: a library's object that is handed over, the state of the process (seeds, the
current folder, loggers), identity of objects, threads, coroutines, what evaluates a text of the program's. The test's
text alone decides about this, never a program.
"""

import ast
import builtins
import functools
import importlib
import re
import sys
from collections.abc import Iterator
from typing import Any

from iterpref_core.execution.comparison.expectations import literal
from iterpref_core.execution.kinds.listed import (
    ASSERTS,
    BUILTINS,
    DECORATORS,
    FIXTURES,
    LOCAL,
    ORDERS,
    OTHER_MODULES,
    OUTPUT,
    SPECIAL,
    STATE,
    is_listed,
    is_listed_module,
    is_special,
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
def imports(source: str, module: str) -> bool:
    """Tell whether a source imports a module, or names it, as `import_module` does."""
    try:
        tree = parsed(source)
    except _UNREADABLE:
        return True
    parent, _, last = module.rpartition(".")
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found = any(alias.name == module for alias in names)
            case ast.ImportFrom(module=source_module, names=names):
                # `from lib.sums import f` and `from lib import sums`, for the module `lib.sums`
                of_parent = (source_module or "") == parent and any(alias.name == last for alias in names)
                found = source_module == module or of_parent
            case ast.Constant(value=value):
                found = value == module
            case _:
                found = False
        if found:
            return True
    return False


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
        self._libraries: dict[str, str] = {"unittest": "unittest"}
        self._bound: set[str] = set()
        self._solutions: set[str] = set()
        self._classes: dict[str, ast.ClassDef] = {}
        self._errors: set[str] = set()
        self._functions: set[str] = set()
        for node in ast.walk(tree):
            self._bind(node)
        for name, module, attribute in setup_imports(setup):
            if name == "*":
                self._bind_all(module)
            elif name not in self._bound:
                self._libraries.setdefault(name, f"{module}.{attribute}" if attribute else module)
        self._callbacks = set(self._find_callbacks())
        self._objects: set[str] = set()
        self._values: set[str] = set()
        self._local: set[str] = set()
        for node in _nodes(tree, ast.Assign):
            names = map(_source, node.targets)
            if self._is_object(node.value):
                self._objects.update(names)
            elif self._is_local(node.value):
                self._local.update(names)
            elif self._is_value(node.value):
                self._values.update(names)

    def _bind(self, node: ast.AST) -> None:  # noqa: C901 - one a kind of node
        match node:
            case ast.Import():
                for alias in node.names:
                    name = alias.asname or alias.name.partition(".")[0]
                    self._bound.add(name)
                    if self._is_own(alias.name):
                        self._solutions.add(name)
                    else:
                        self._libraries[name] = alias.name if alias.asname else name
            case ast.ImportFrom() if not node.level and not self._is_own(node.module or ""):
                for alias in node.names:
                    self._bound.add(alias.asname or alias.name)
                    self._libraries[alias.asname or alias.name] = f"{node.module}.{alias.name}"
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self._bound.add(node.name)
                if isinstance(node, ast.ClassDef):
                    self._classes[node.name] = node
                else:
                    self._functions.add(node.name)
            case ast.Name(ctx=ast.Store()):
                self._bound.add(node.id)
            case ast.arg():
                self._bound.add(node.arg)
            case ast.ExceptHandler(name=str(name)):
                self._bound.add(name)
                self._errors.add(name)

    def _bind_all(self, module: str) -> None:
        """Bind the names of a library that a setup imports all of, as far as the test uses them."""
        if module.partition(".")[0] in sys.stdlib_module_names:
            library = importlib.import_module(module)
            used = {node.id for node in _nodes(self._tree, ast.Name)} - self._bound
            for name in used & vars(library).keys():
                self._libraries.setdefault(name, f"{module}.{name}")

    def _is_own(self, module: str) -> bool:
        """Tell whether a module is the solution, the test's own, or a package that one of them lies in."""
        return any(f"{own}.".startswith(f"{module}.") for own in self._modules)

    def _find_callbacks(self) -> Iterator[ast.AST]:
        """Yield functions that the program may be given: lambdas, functions that are not only called, methods."""
        used = {
            node.id if isinstance(node, ast.Name) else node.attr
            for node in _nodes(self._tree, ast.Name, ast.Attribute)
            if isinstance(node.ctx, ast.Load) and not self._is_called(node)
        }
        for node in _nodes(self._tree, ast.Lambda, ast.FunctionDef):
            owner = self._parents.get(node)
            of_object = isinstance(owner, ast.ClassDef) and not self._runs_tests(owner)
            if isinstance(node, ast.Lambda) or node.name in used or of_object:
                yield node

    def _is_called(self, node: ast.AST) -> bool:
        parent = self._parents.get(node)
        return isinstance(parent, ast.Call) and parent.func is node

    def _runs_tests(self, node: ast.ClassDef) -> bool:
        """Tell whether a class has tests, which a runner runs."""
        if node.name.startswith("Test"):
            return True
        bases = [_source(base).rpartition(".")[2] for base in node.bases]
        own = [self._classes[base] for base in bases if base in self._classes and self._classes[base] is not node]
        # A class without bases may hold tests for others that derive from it.
        has_tests = any(isinstance(each, ast.FunctionDef) and each.name.startswith("test") for each in node.body)
        return "TestCase" in bases or has_tests or any(self._runs_tests(base) for base in own)

    def _path(self, node: ast.AST) -> str:
        """Return what an expression names of a library: `numpy.random.rand`; empty if it names nothing of one."""
        if isinstance(node, ast.Name):
            return self._libraries.get(node.id, "")
        if isinstance(node, ast.Attribute):
            of = self._path(node.value) or self._module_of(node.value)
            return f"{of}.{node.attr}" if of else ""
        return ""

    def _module_of(self, node: ast.expr) -> str:
        """Return the library that a test has by way of the solution: `random.seed`, `solution.os.sep`."""
        match node:
            case ast.Name(id=name) if self._is_theirs(name):
                pass
            case ast.Attribute(value=ast.Name(id=owner), attr=name) if owner in self._solutions:
                pass
            case _:
                return ""
        return name if name in sys.stdlib_module_names else OTHER_MODULES.get(name, "")

    def _is_theirs(self, name: str) -> bool:
        """Tell whether a name is the solution's."""
        return name not in self._bound and name not in self._libraries and not hasattr(builtins, name)

    def _is_object(self, node: ast.AST) -> bool:
        """Tell whether an expression is an object that the test has made of a class of the solution."""
        match node:
            case ast.Call(func=ast.Name(id=name)):
                return self._is_theirs(name) and name.lstrip("_")[:1].isupper()
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr)):
                return name in self._solutions and attr[:1].isupper()
            case ast.BinOp():
                return self._is_object(node.left) or self._is_object(node.right)
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return any(map(self._is_object, items))
            case ast.Name() | ast.Attribute():
                return _source(node) in self._objects
        return False

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

    def _is_local(self, node: ast.expr) -> bool:
        """Tell whether an expression is an object of a library that stays with the test."""
        called = node.func if isinstance(node, ast.Call) else None
        return (called is not None and LOCAL.match(self._path(called)) is not None) or _source(node) in self._local

    def _compares_object(self, sides: list[ast.expr]) -> bool:
        """Tell whether an object that the test has made is compared with a literal."""
        return any(map(self._is_object, sides)) and any(map(self._is_value, sides))

    def reasons(self) -> Iterator[str]:
        """Yield what is not listed."""
        states = []
        for node in ast.walk(self._tree):
            yield from self._unlisted(node)
            if isinstance(node, ast.Attribute | ast.Name) and STATE.match(self._path(node)):
                states.append(_source(node))
            if isinstance(node, ast.Expr) and self._is_for_its_effect(node):
                states.append("")
        if "" in states and any(states):
            yield "the state of the process"

    def _is_for_its_effect(self, node: ast.Expr) -> bool:
        """Tell whether a statement calls the solution, gives it nothing that it could change, and expects no error."""
        call = node.value
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and self._is_theirs(call.func.id)):
            return False
        values = [*call.args, *(keyword.value for keyword in call.keywords)]
        expects = isinstance(self._parents.get(node), ast.With | ast.Try)
        return not expects and all(isinstance(value, ast.Constant) for value in values)

    def _unlisted(self, node: ast.AST) -> Iterator[str]:  # noqa: C901 - one a kind of node
        match node:
            case ast.AsyncFunctionDef() | ast.AsyncWith() | ast.AsyncFor() | ast.Await():
                yield "coroutines"
            case ast.Import():
                yield from (a.name for a in node.names if not self._is_own(a.name) and not is_listed_module(a.name))
            case ast.ImportFrom() if not node.level and not self._is_own(node.module or ""):
                yield from (path for a in node.names if not is_listed(path := f"{node.module}.{a.name}"))
            case ast.Name(ctx=ast.Load()):
                yield from self._unlisted_name(node)
            case ast.Attribute():
                yield from self._unlisted_attribute(node)
            case ast.Call():
                yield from self._unlisted_call(node)
            case ast.ClassDef():
                yield from self._unlisted_class(node)
            case ast.FunctionDef():
                yield from (_source(each) for each in node.decorator_list if not self._is_decorator(each))
                yield from self._unlisted_fixtures(node)
            case ast.Compare():
                yield from self._unlisted_comparison(node)
            case ast.Assert():
                yield from self._lost_assertion(node)

    def _unlisted_name(self, node: ast.Name) -> Iterator[str]:
        name = node.id
        path = self._path(node)
        parent = self._parents.get(node)
        if path:
            is_whole = not isinstance(parent, ast.Attribute)
            if is_whole and not is_listed(path):
                yield path
        elif name in self._bound:
            return
        elif name == "open":
            if not self._is_called(node) or self._is_in_callback(node):
                yield "open, handed over"
        elif isinstance(getattr(builtins, name, None), type) and issubclass(getattr(builtins, name), BaseException):
            if self._is_called(node) and not isinstance(self._parents.get(parent), ast.Raise):  # type: ignore[arg-type]
                yield f"{name}, handed over"
            if name == "AssertionError":
                yield from self._lost_assertion(node)
        elif (hasattr(builtins, name) or is_special(name)) and name not in BUILTINS:
            yield name

    def _unlisted_attribute(self, node: ast.Attribute) -> Iterator[str]:
        name = node.attr
        path = self._path(node)
        if path and not isinstance(self._parents.get(node), ast.Attribute) and not is_listed(path):
            yield path
        if is_special(name) and name not in SPECIAL:
            yield name
        if name in ("format", "format_map") and not (isinstance(node.value, ast.Constant) and self._is_called(node)):
            yield "a text that formats"
        if name.startswith("assert") and name not in ASSERTS and not path and self._is_called(node):
            yield name
        if not isinstance(node.ctx, ast.Load):
            root = _source(node.value)
            if root in self._errors or (path and path not in OUTPUT):
                yield f"a change of {root}"

    def _unlisted_call(self, node: ast.Call) -> Iterator[str]:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in ("getattr", "hasattr"):
            asked = node.args[1] if len(node.args) > 1 else None
            if not isinstance(asked, ast.Constant) or is_special(str(asked.value)):
                yield f"{name} of special names"
        if name == "type" and len(node.args) != 1:
            yield "type, for a new class"
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if method in ("assertIs", "assertIsNot") and not any(map(self._is_single, node.args[:2])):
            yield "identity"
        if method.startswith("assert") and self._compares_object(node.args[:2]):
            yield "an object compared with a value"
        if method.startswith(("assert", "fail")):
            yield from self._lost_assertion(node)
        path = self._path(node.func)
        if path and not path.startswith("copy.") and any(map(self._is_object, node.args)):
            yield f"an object of the solution for {path}"
        if name and self._is_theirs(name) and any(map(self._is_local, node.args)):
            yield "an object of a library, handed over"

    def _unlisted_class(self, node: ast.ClassDef) -> Iterator[str]:
        for base in node.bases:
            name = base.id if isinstance(base, ast.Name) else ""
            known = getattr(builtins, name, None)
            is_error = isinstance(known, type) and issubclass(known, BaseException)
            own = name in self._classes or name == "object" or is_error
            if not own and self._path(base) != "unittest.TestCase":
                yield f"a class of the test that derives from {_source(base)}"
        if node.keywords:
            yield "a metaclass"
        yield from (_source(each) for each in node.decorator_list if not self._is_decorator(each))
        for each in node.body:
            called = each.value.func if isinstance(each, ast.Assign) and isinstance(each.value, ast.Call) else None
            if isinstance(called, ast.Name) and self._is_theirs(called.id) and not self._runs_tests(node):
                yield "a descriptor of the solution's"

    def _is_decorator(self, node: ast.expr) -> bool:
        """Tell whether a decorator is the test's own, or listed."""
        called = node.func if isinstance(node, ast.Call) else node
        if isinstance(called, ast.Attribute) and called.attr in ("setter", "getter", "deleter"):
            return True
        name = called.id if isinstance(called, ast.Name) else ""
        return bool(self._path(called)) or name in DECORATORS or name in self._functions | self._classes.keys()

    def _unlisted_fixtures(self, node: ast.FunctionDef) -> Iterator[str]:
        """Yield fixtures of pytest that are neither the test's own nor listed."""
        if not node.name.startswith("test") and not any("fixture" in _source(each) for each in node.decorator_list):
            return
        constants = (each.value for each in ast.walk(node) if isinstance(each, ast.Constant))
        texts = [value for value in constants if isinstance(value, str)]
        given = set(re.findall(r"\w+", " ".join(texts))) | FIXTURES | self._functions
        yield from (f"fixture {each.arg}" for each in node.args.args if each.arg not in given)

    def _unlisted_comparison(self, node: ast.Compare) -> Iterator[str]:
        sides = [node.left, *node.comparators]
        # `assert Split("ab") == ["a", "b"]`: many a function of MBPP has such a name.
        is_assertion = isinstance(self._parents.get(node), ast.Assert) and isinstance(node.left, ast.Call)
        is_call = is_assertion and is_plain_call(_source(node.left))
        for operator, left, right in zip(node.ops, sides, sides[1:], strict=False):
            if isinstance(operator, ast.Is | ast.IsNot) and not (self._is_single(left) or self._is_single(right)):
                yield "identity"
            is_of_call = is_call and isinstance(operator, ast.Eq)
            if isinstance(operator, ORDERS) and not is_of_call and self._compares_object([left, right]):
                yield "an object compared with a value"

    def _is_single(self, node: ast.expr) -> bool:
        """Tell whether there is one such object in both processes: None, a truth value, a builtin type."""
        match node:
            case ast.Constant(value=value):
                return value is None or value is ... or isinstance(value, bool)
            case ast.Name(id=name):
                return name == "NotImplemented" or isinstance(getattr(builtins, name, None), type)
            case ast.Call(func=ast.Name(id="type"), args=[ast.Constant()]):
                return True
        return False

    def _is_in_callback(self, node: ast.AST) -> bool:
        outer: ast.AST | None = node
        while outer is not None and outer not in self._callbacks:
            outer = self._parents.get(outer)
        return outer is not None

    def _lost_assertion(self, node: ast.AST) -> Iterator[str]:
        """Yield a reason if the program could catch the failure of an assertion."""
        if self._is_in_callback(node):
            yield "an assertion in a function that the program calls"
        outer = self._parents.get(node)
        while outer is not None:
            if isinstance(outer, ast.With) and not all(map(self._is_listed_manager, outer.items)):
                yield "an assertion in a block of the solution's"
            outer = self._parents.get(outer)

    def _is_listed_manager(self, item: ast.withitem) -> bool:
        called = item.context_expr.func if isinstance(item.context_expr, ast.Call) else item.context_expr
        if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == "self":
            return called.attr in ASSERTS or called.attr == "subTest"
        return bool(self._path(called)) or (isinstance(called, ast.Name) and called.id == "open")


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
