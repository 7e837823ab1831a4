"""Checks: the values that a test asks for, each with the comparison that the supervisor makes by itself.

A test is read from its source, without being run:

    xs = [3, 1, 2]                 runs in the program's process, before
    assert f(xs) == [1, 2, 3]      the value of f(xs) leaves that process, and is compared with [1, 2, 3]
    assert xs == [3, 1, 2]         the value of xs leaves that process, and is compared with [3, 1, 2]

All but the comparisons is run by Python itself, so that a list that the program has changed is a list that has changed.
The expected values never enter the program's process. Such a test may contain only a closed list of forms: a test with
anything else runs inside, as a whole; see `sandbox.runners`.
"""

import ast
import builtins
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from iterpref_core.execution.reading.assertions import read_method
from iterpref_core.execution.reading.conditions import Condition, ConditionReader
from iterpref_core.execution.reading.literals import is_literal, literal
from iterpref_core.execution.reading.names import BUILTINS, InsideError, Name, Names, Origin, loaded, stored
from iterpref_core.execution.reading.sources import UNREADABLE

_MOST_STATEMENTS = 10_000
"""Statements that are read: functions that call others twice would have no end."""
_OF_RUNNERS = {
    *("load_tests", "setUpModule", "tearDownModule", "setup_module", "teardown_module", "setup_function"),
    *("teardown_function", "pytest_generate_tests", "pytestmark", "__test__"),
}
"""Names that a runner looks for by itself."""
_MAX_SHOWN = 80
"""Length of a literal that is shown in place of its name."""


class Check(NamedTuple):
    """One value that a test asks for.

    Attributes:
        before: statements that run before; may be empty.
        expression: has the value.
        shown: the expression, for people.
        condition: of the value; None for an expression that has to raise.
        builtins: names that mean Python's own functions and types here, whatever the program has under them.
        raises: names of builtin exceptions, one of which the expression has to raise.
    """

    before: str
    expression: str
    shown: str
    condition: Condition | None
    builtins: frozenset[str] = frozenset()
    raises: tuple[str, ...] = ()


class _Statement(NamedTuple):
    """A statement that runs before a check, if one of its names is used, or it has none.

    Attributes:
        text: its source.
        names: that it binds, where it does nothing else.
        releases: it does no more than to end what names have kept alive.
    """

    text: str
    names: frozenset[str] = frozenset()
    releases: bool = False


_NOTHING = Condition(ast.Constant(None), lambda value: value is None, "None", exact=True)
"""Holds of the value None."""


class _Draft(NamedTuple):
    """A check whose statements are not chosen yet."""

    before: tuple[_Statement, ...]
    check: Check


def _check_signature(function: ast.FunctionDef) -> None:
    """See that nothing of a definition is evaluated, such as an annotation or a default value."""
    bare = ", ".join(parameter.arg for parameter in function.args.args)
    returns = function.returns is None or ast.unparse(function.returns) == "None"
    if ast.unparse(function.args) != bare or not returns or function.decorator_list:
        raise InsideError(f"the parameters of {function.name}")


class _WithSources(ast.NodeTransformer):
    """Puts short literals, and functions, in the place of names for them.

    Args:
        bound: the meaning of each name.
    """

    def __init__(self, bound: Mapping[str, Name]) -> None:
        self._bound = bound

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Return the expression to show for a name."""
        found = self._bound.get(node.id)
        if found is None or found.origin not in (Origin.LITERAL, Origin.SOLUTION):
            return node
        return ast.Name(found.source, node.ctx) if 0 < len(found.source) <= _MAX_SHOWN else node


class TestReader:
    """A reader of one test.

    Args:
        names: of the test; `assert` tests share them.
        runner: of the test, `assert`, `unittest`, `pytest` or `script`.
        module: name that the solution is imported by.

    Attributes:
        used: names that the program's process reads.
        why_inside: see `Reading`.
    """

    def __init__(self, names: Names, runner: str, module: str) -> None:
        self.used: set[str] = set()
        self.why_inside = ""
        self._names = names
        self._runner = runner
        self._module = module
        self._statements = 0
        self._pending: list[_Statement] = []
        self._drafts: list[_Draft] = []
        self._functions: dict[str, ast.FunctionDef] = {}
        self._classes: dict[str, ast.ClassDef] = {}
        self._depth = 0
        self._self = ""
        self._has_ended = False
        if runner == "unittest":
            names.bound["unittest"] = Name(Origin.LIBRARY, source="unittest")

    def read(self, tree: ast.Module) -> None:
        """Read a test; see `checks` and `why_inside`."""
        before = dict(self._names.bound)
        try:
            self._block(tree.body)
            self._has_ended = False
            self._run_tests()
            if not any(draft.check.condition or draft.check.raises for draft in self._drafts):
                raise InsideError("no call")
        except (InsideError, *UNREADABLE) as error:
            self.why_inside = str(error) or type(error).__name__
            self.used = loaded(tree)
            self._names.bound = before | dict.fromkeys(stored(tree), Name(Origin.UNKNOWN))

    def checks(self, used: frozenset[str]) -> tuple[Check, ...]:
        """Return the checks of the test; statements that bind nothing but names which nobody uses are left out."""
        drafts = list(self._drafts)
        if drafts and not all(each.releases for each in self._pending):  # what follows the last comparison may raise
            drafts.append(_Draft(tuple(self._pending), Check("", "None", "None", _NOTHING)))
        found = []
        for draft in drafts:
            kept = [each.text for each in draft.before if not each.names or each.names & used]
            if kept or draft.check.condition is not _NOTHING:
                found.append(draft.check._replace(before="\n".join(kept)))
        return tuple(found)

    def _block(self, statements: Iterable[ast.stmt]) -> None:
        for node in statements:
            self._statement(node)

    def _statement(self, node: ast.stmt) -> None:  # noqa: C901, PLR0912 - the closed list, a line each
        self._statements += 1
        if self._statements > _MOST_STATEMENTS:
            raise InsideError("the length")
        if self._has_ended:
            raise InsideError("a statement behind unittest.main")
        match node:
            case ast.Pass() | ast.Expr(value=ast.Constant()):
                return
            case ast.Import() | ast.ImportFrom():
                self._import(node)
            case ast.FunctionDef(decorator_list=[]):
                self._define(node)
            case ast.ClassDef(bases=[base]) if self._names.path(base) == "unittest.TestCase":
                if self._runner == "pytest" or node.name in self._classes:
                    raise InsideError("classes of tests whose order is pytest's")
                self._classes[node.name] = node
            case ast.Assign(targets=[target], value=value):
                self._assign(target, value, node)
            # Python evaluates the annotations of a module, not those in a function.
            case ast.AnnAssign(target=ast.Name() as target, annotation=kind, value=ast.expr() as value) if (
                self._depth or self._names.path(kind) in BUILTINS
            ):
                self._assign(target, value, ast.Assign([target], value, lineno=1))
            case ast.Assert(test=ast.Constant(True)):
                return
            case ast.Assert(test=test):
                self._check(ConditionReader(self._names).read(test))
            case ast.Expr(value=ast.Call() as call):
                self._call(call, node)
            case ast.With(items=[ast.withitem(ast.Call() as context, None)], body=[ast.Expr(body)]):
                self._raises(context, body)
            case ast.If(test=condition, body=body, orelse=[]) if ast.unparse(condition) == "__name__ == '__main__'":
                if self._runner == "script":
                    self._block(body)
            case _:
                raise InsideError(f"the statement {type(node).__name__}")

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            return
        self._check_free(node)
        bound = self._names.bind_import(node, self._module)
        self._pending.append(_Statement(ast.unparse(node), bound))

    def _check_free(self, node: ast.AST) -> None:
        """See that a statement binds no name of a function or class of the test, nor one that a runner looks for."""
        taken = stored(node) & (self._functions.keys() | self._classes.keys() | _OF_RUNNERS)
        if taken:
            raise InsideError(f"the name {min(taken)}")

    def _define(self, node: ast.FunctionDef) -> None:
        """Note a function whose body is read where it is called."""
        if node.name in _OF_RUNNERS or node.name in self._names.bound or self._depth:
            raise InsideError(f"the function {node.name}")
        _check_signature(node)
        self._functions[node.name] = node
        self._names.bound[node.name] = Name(Origin.UNKNOWN)

    def _execute(self, node: ast.stmt, runs: ast.expr) -> None:
        """Have a statement run in the program's process.

        Args:
            node: the statement.
            runs: the expression in it that may decide nothing.
        """
        self._names.check_runs(runs)
        self.used |= loaded(runs)
        self._pending.append(_Statement(ast.unparse(node)))

    def _assign(self, target: ast.expr, value: ast.expr, node: ast.Assign) -> None:
        match target:
            case ast.Name(name) if self._names.is_stated(value):
                # It runs if the name has kept something alive, which ends here: `a = Node(); a = None`.
                if name in self._names.computed:
                    self.used.add(name)
                self._pending.append(_Statement(ast.unparse(node), frozenset({name})))
                makers = frozenset(loaded(value))
                self._names.bound[name] = Name(Origin.LITERAL, literal(value), ast.unparse(value), makers)
            case ast.Name(name):
                self._execute(node, value)
                self._names.bound[name] = Name(self._origin(value), source=ast.unparse(value))
            case ast.Tuple(elts=parts) if all(isinstance(part, ast.Name) for part in parts):
                self._execute(node, value)
                bound = Name(self._origin(value))
                self._names.bound |= {part.id: bound for part in parts}  # type: ignore[attr-defined]
            case _:
                raise InsideError("the target of an assignment")
        self._check_free(target)
        if not self._names.is_stated(value):
            self._names.computed |= stored(target)

    def _origin(self, value: ast.expr) -> Origin:
        """Return where the value of an expression comes from that runs."""
        match value:
            case ast.Name(name) if self._names.of(name).origin is not Origin.LITERAL:
                return self._names.of(name).origin
            case ast.Attribute(value=ast.Call(func=made)) if self._names.is_class(made):
                return Origin.SOLUTION  # `candidate = Solution().f`
            case ast.Call(func=function) if self._names.is_class(function):
                return Origin.OBJECT
            case ast.Call(func=function) if self._names.is_theirs(function):
                # What such a call was told by the test may decide its truth value: `ok = same(f(2), 4)`
                return Origin.RESULT if ConditionReader(self._names).directness(value) else Origin.MADE
        return Origin.MADE

    def _call(self, call: ast.Call, node: ast.stmt) -> None:
        """Read a call that is a statement."""
        match call.func:
            case ast.Attribute(ast.Name(owner), name) if owner == self._self:
                self._assertion(name, call)
                return
            case ast.Name(name) if name in self._functions:
                # `check(f)`: its body is read here, with `candidate` for `f`.
                if call.keywords:
                    raise InsideError(f"the arguments of {name}")
                self._inline(self._functions[name], call.args)
                return
        runs_all = not call.args and {keyword.arg for keyword in call.keywords} <= {"exit", "verbosity"}
        is_main = self._runner == "script" and self._names.path(call.func) == "unittest.main"
        if is_main and runs_all and not self._depth:
            self._has_ended = True  # and the classes run, as without it
            return
        if self._names.is_theirs(call.func):
            self._execute(node, call)
        elif self._changes_a_list(call):
            self.used |= loaded(call)
            self._pending.append(_Statement(ast.unparse(node)))
        else:
            raise InsideError("a call that is no assertion")

    def _changes_a_list(self, call: ast.Call) -> bool:
        """Tell whether a call is of a method of a stated value, or of a result's method that is told nothing."""
        match call:
            case ast.Call(func=ast.Attribute(value=ast.Name(name)), args=args, keywords=[]):
                told_nothing = (Origin.LITERAL, Origin.RESULT) if not args else (Origin.LITERAL,)
                return self._names.of(name).origin in told_nothing and all(map(is_literal, args))
        return False

    def _assertion(self, name: str, call: ast.Call) -> None:
        if name != "assertRaises":
            self._check(read_method(self._names, name, call))
            return
        match call:
            # Python looks the function up, and computes its arguments, before.
            case ast.Call(args=[kinds, ast.Name() as function, *args], keywords=[]) if all(map(is_literal, args)):
                self._pending.append(_Statement(ast.unparse(function)))
                self._raise(kinds, ast.Call(function, args, []))
            case _:
                raise InsideError("the assertion assertRaises")

    def _raises(self, context: ast.Call, body: ast.expr) -> None:
        is_method = self._self and ast.unparse(context.func) == f"{self._self}.assertRaises"
        if not is_method and self._names.path(context.func) != "pytest.raises":
            raise InsideError("the statement With")
        match context:
            case ast.Call(args=[kinds], keywords=[]):
                self._raise(kinds, body)
            case _:
                raise InsideError("an option of raises")

    def _raise(self, kinds: ast.expr, call: ast.expr) -> None:
        """Read a call that has to raise one of Python's own exceptions."""
        nodes = kinds.elts if isinstance(kinds, ast.Tuple) else [kinds]
        names = [self._exception(node) for node in nodes]
        self._names.check_runs(call)
        self.used |= loaded(call)
        asked = frozenset().union(*map(loaded, nodes))
        self._draft(Check("", ast.unparse(call), self._shown(call), None, asked, tuple(names)))

    def _exception(self, node: ast.expr) -> str:
        """Return the name of a builtin exception; of an alias, such as `IOError`, the name of the class."""
        name = self._names.path(node)
        kind = getattr(builtins, name, None)
        if name in self._names.bound or not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise InsideError("an exception that is not Python's")
        return kind.__name__

    def _check(self, condition: Condition) -> None:
        self.used |= loaded(condition.value)
        shown = self._shown(condition.value)
        self._draft(Check("", ast.unparse(condition.value), shown, condition, condition.builtins))

    def _draft(self, check: Check) -> None:
        self._drafts.append(_Draft(tuple(self._pending), check))
        self._pending = []

    def _shown(self, node: ast.expr) -> str:
        """Return an expression for people."""
        if isinstance(node, ast.Name):
            return node.id
        copied = ast.parse(ast.unparse(node), mode="eval").body
        return ast.unparse(_WithSources(self._names.bound).visit(copied))

    def _inline(self, function: ast.FunctionDef, args: Sequence[ast.expr] = (), *, method: bool = False) -> None:
        """Read the body of a function where it is called; its local names are gone afterwards.

        Args:
            function: its definition.
            args: of the call.
            method: the first parameter is the object, which its body may use for assertions alone.
        """
        declared = [parameter.arg for parameter in function.args.args]
        parameters = declared[method:]
        if len(declared) < method or len(args) != len(parameters):
            raise InsideError(f"the parameters of {function.name}")
        # `check(y, x)` of `check(x, y)`: parameters are bound one after the other here.
        if any(loaded(arg) & set(parameters) for arg in args):
            raise InsideError(f"the arguments of {function.name}")
        if self._depth:
            raise InsideError(f"the call of {function.name} by another function")
        self._depth += 1
        before = dict(self._names.bound)
        local = stored(ast.Module(function.body, []))
        self._names.bound |= dict.fromkeys(local, Name(Origin.UNKNOWN))
        if method:
            self._self = declared[0]
            self._names.bound[self._self] = Name(Origin.UNKNOWN)
        for parameter, arg in zip(parameters, args, strict=True):
            target = ast.Name(parameter, ast.Store())
            self._assign(target, arg, ast.Assign([target], arg, lineno=1))
        self._block(function.body)
        after = self._names.bound
        gone = {name: Name(Origin.UNKNOWN) for name, bound in after.items() if before.get(name) is not bound}
        self._names.bound = before | gone
        self._release(local | set(parameters), after)
        self._self = ""
        self._depth -= 1

    def _release(self, local: set[str], bound: Mapping[str, Name]) -> None:
        """End what the local names of a function have kept alive.

        Args:
            local: names of the function.
            bound: their meanings at its end.
        """
        # `stack = None` behind a test that has made one: its `__del__` runs where the function ends, as in Python.
        kept = sorted(name for name in local & self._names.computed if bound[name].origin is not Origin.SOLUTION)
        if kept:
            self._pending.append(_Statement(f"{' = '.join(kept)} = None", releases=True))
        self._names.computed -= local

    def _run_tests(self) -> None:
        """Read the test functions, and the methods of test classes, in the order in which their runner runs them."""
        if self._runner == "pytest":
            tests = [function for name, function in self._functions.items() if name.startswith("test")]
            if not tests:
                raise InsideError("no test function")
            for function in tests:
                self._inline(function)
        if self._runner == "assert":
            return
        if self._runner == "unittest" and not self._classes:
            raise InsideError("no class of tests")
        for _, node in sorted(self._classes.items()):
            methods = [each for each in node.body if not isinstance(each, ast.Pass | ast.Expr)]
            cases = {each.name: each for each in methods if isinstance(each, ast.FunctionDef)}
            # A `setUp`, a helper or a name such as `__x`, which a class changes, is read nowhere.
            is_plain = len(cases) == len(methods) and all(name.startswith("test") for name in cases)
            is_mangled = any(name.startswith("__") for name in loaded(node))
            if not is_plain or is_mangled or node.decorator_list or node.keywords:
                raise InsideError("a class with more than tests")
            for _, case in sorted(cases.items()):
                _check_signature(case)
                self._inline(case, method=True)
