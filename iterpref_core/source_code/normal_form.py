"""Normal form of a program: without layout, comments, docstrings, annotations, and its own choice of names.

Two programs with the same normal form differ at most in

- layout, comments, redundant parentheses, and what `stripping` takes out;
- names that are the program's own: local variables, parameters, nested functions, what comprehensions and `except`
  bind, and module-level names that nobody asks for from outside. Attributes, keywords of calls and what a class binds
  stay.

A parameter that a caller may pass by keyword is not the program's own. It stays where its function is used from outside
(or is a method of such a class), and where the program itself passes some argument by that keyword. A program that
looks its names up at run time (`locals()`, `eval`, ...) keeps all of them.
"""

import ast
import builtins
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass

from iterpref_core.source_code.scopes import Scope, find_scopes, imported_name, parameters
from iterpref_core.source_code.stripping import Definition, Import, is_idle, strip
from iterpref_core.source_code.syntax_tree import parse_source

_LOOKS_NAMES_UP = frozenset({"dir", "eval", "exec", "globals", "locals", "vars"})
_BUILTINS = frozenset(dir(builtins))
_NO_CONTENT = frozenset({"ctx", "kind", "type_comment", "type_ignores"})
_NAMES = frozenset({"annotation", "arg", "id", "name", "names", "rest", "returns"})
"""Fields that programs of one form may have different: names, and what only annotates."""


@dataclass(frozen=True)
class SolutionForm:
    """The normal form of a function or program, and its size in nodes of the syntax tree.

    `outline`: its kinds of statements, and its constants.
    """

    text: str
    size: int
    outline: str


def parse_program(code: str) -> ast.Module | None:
    """The syntax tree of a program; None where it has none."""
    try:
        return parse_source(code)
    except SyntaxError:
        return None


def may_share_form(code: str, other: str) -> bool:
    r"""Whether two programs agree in all that is neither a name, an import nor idle: a fast look before `same_form`.

    Where it is false, neither their trees nor their normal forms are the same. It ends at the first difference.

    >>> may_share_form("def f(n):\n    return n + 1", "def f(k):\n    return k + 1")
    True
    >>> may_share_form("def f(n):\n    return n + 1", "def f(n):\n    return n - 1")
    False
    """
    waiting: list[tuple[object, object]] = [(parse_program(code), parse_program(other))]
    if None in waiting[0]:
        return False
    while waiting:
        one, two = map(_unannotated, waiting.pop())
        if type(one) is not type(two):
            return False
        if isinstance(one, ast.AST):
            fields = [name for name in one._fields if name not in _NAMES and name not in _NO_CONTENT]
            waiting += ((getattr(one, name, None), getattr(two, name, None)) for name in fields)
        elif isinstance(one, list) and isinstance(two, list):
            active, others = ([item for item in block if not _may_go(item)] for block in (one, two))
            if len(active) != len(others):
                return False
            waiting += zip(active, others, strict=True)
        elif repr(one) != repr(two):
            return False
    return True


def _may_go(item: ast.AST) -> bool:
    return isinstance(item, Import) or is_idle(item)


def _unannotated(value: object) -> object:
    """A statement that assigns, as it is without its annotation."""
    if isinstance(value, ast.AnnAssign) and value.value is not None:
        return ast.Assign(targets=[value.target], value=value.value)
    return value


def same_form(code: str, other: str, entry_point: str = "") -> bool:
    r"""Whether two programs have the same normal form; one that does not parse is like no other.

    Args:
        code: a program.
        other: another one.
        entry_point: the module-level name that is used from outside; where it is empty, all are that do not begin
            with an underscore.

    >>> same_form("def f(n):\n    m = n + 1  # more\n    return m", "def f(n):\n  k = n + 1\n  return k")
    True
    >>> same_form("def f(n):\n    return n + 1", "def f(k):\n    return k + 1")  # f(n=1) was a call of the first
    False
    """
    form = _program_form(code, entry_point)
    return form is not None and form == _program_form(other, entry_point)


def _program_form(code: str, entry_point: str) -> str | None:
    def is_public(name: str) -> bool:
        return name == entry_point if entry_point else not name.startswith("_")

    tree = parse_program(code)
    if tree is None:
        return None
    try:
        return _Writer(strip(tree, keep_risky_annotations=True), is_public).write(tree)
    except RecursionError:
        return None


def solution_forms(code: str, outlines: Container[str] | None = None) -> list[SolutionForm]:
    """What makes a program a solution, whatever its names: each function and method, or the whole where it has none.

    All annotations are left out, and no name stays but builtins, attributes and keywords. A function inside a function
    is a part of it. A program that does not parse has no form.

    Args:
        code: the program.
        outlines: leave out what has another outline; an outline costs a small part of a form.
    """
    tree = parse_program(code)
    if tree is None:
        return []
    parts = [ast.Module(body=[node], type_ignores=[]) for node in _functions(tree.body)] or [tree]
    try:
        outlined = [(part, f"{_outline(part.body)} {_constants(part)}") for part in parts]
        return [_solution_form(part, outline) for part, outline in outlined if outlines is None or outline in outlines]
    except RecursionError:
        return []


def _solution_form(part: ast.Module, outline: str) -> SolutionForm:
    writer = _Writer(strip(part, keep_risky_annotations=False), is_public=None)
    return SolutionForm(writer.write(part), writer.size, outline)


def _outline(body: Sequence[ast.AST]) -> str:
    """The kinds of statements of a block and of the blocks in it: the same for all programs of one form."""
    pieces = []
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom) or is_idle(node):
            continue
        kind = "Assign" if isinstance(node, ast.AnnAssign) else type(node).__name__
        about = next((child for field in ("value", "test", "iter") if (child := getattr(node, field, None))), None)
        blocks = [getattr(node, field, None) for field in ("body", "orelse", "handlers", "finalbody", "cases")]
        inside = "|".join(_outline(block) for block in blocks if isinstance(block, list))
        pieces.append(f"{kind} {type(about).__name__}({inside})")
    return "".join(pieces)


def _constants(tree: ast.AST) -> str:
    """The constants of a program, but for those of idle statements and annotations: the same for all of one form."""
    found, waiting = [], [tree]
    while waiting:
        node = waiting.pop()
        if is_idle(node):
            continue
        if isinstance(node, ast.Constant):
            found.append(repr(node.value))
        for name in node._fields:
            if name not in _NAMES:
                value = getattr(node, name, None)
                values = value if isinstance(value, list) else [value]
                waiting += [item for item in values if isinstance(item, ast.AST)]
    return " ".join(sorted(found))


def _functions(body: Sequence[ast.stmt]) -> Iterator[Definition]:
    for node in body:
        if isinstance(node, Definition):
            yield node
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node.body)


class _Writer(ast.NodeVisitor):
    """Writes nodes of a stripped tree, with the program's own names numbered in the order in which they are met.

    Args:
        tree: the program.
        is_public: whether a module-level name is used from outside. None: no name is, and the tree is a part of a
            program, in whose other parts all names are bound that are not builtins.
    """

    def __init__(self, tree: ast.Module, is_public: Callable[[str], bool] | None) -> None:
        self._is_part = is_public is None
        self._is_public = is_public or (lambda name: False)  # noqa: ARG005 - no name is
        self._scopes = find_scopes(tree)
        self._scope = self._scopes[tree]
        nodes = list(ast.walk(tree))
        self._keywords = {node.arg for node in nodes if isinstance(node, ast.keyword)}
        self._fixed = any(isinstance(node, ast.Name) and node.id in _LOOKS_NAMES_UP for node in nodes)
        self._numbers: dict[tuple[Scope, str], int] = {}
        self._kept: set[tuple[Scope, str]] = set()
        self._out: list[str] = []
        self.size = 0
        self._public_class = False

    def write(self, node: ast.AST) -> str:
        """The form of the tree or of a part of it; `size` is then the number of nodes.

        Raises:
            RecursionError: it is nested too deeply.
        """
        self._numbers, self._out, self.size = {}, [], 0
        self.visit(node)
        return " ".join(self._out)

    def _name(self, name: str) -> str:
        home = self._scope.resolve(name)
        if home is None and self._is_part and name not in _BUILTINS:
            home = self._scope.module
        return name if home is None or self._stays(home, name) else self._number(home, name)

    def _stays(self, home: Scope, name: str) -> bool:
        if self._fixed or home.kind == "class" or name.startswith("__"):
            return True
        return self._is_public(name) if home.kind == "module" else (home, name) in self._kept

    def _number(self, home: Scope, name: str) -> str:
        # No Python name looks like this one, so none is taken for it.
        return f"·{self._numbers.setdefault((home, name), len(self._numbers))}"

    def visit(self, node: ast.AST) -> None:
        """Write a node."""
        self.size += 1
        self._out.append(type(node).__name__)
        super().visit(node)

    def generic_visit(self, node: ast.AST) -> None:
        """Write a node that binds no name."""
        self._fields(node)

    def _fields(self, node: ast.AST, *names: str) -> None:
        """Write the fields of a node, all of them where none is named."""
        self._out.append("(")
        for name in names or node._fields:
            if name not in _NO_CONTENT:
                self._value(getattr(node, name, None))
        self._out.append(")")

    def _value(self, value: object) -> None:
        if isinstance(value, ast.AST):
            self.visit(value)
        elif isinstance(value, list):
            self._out.append("[")
            for item in value:
                self._value(item)
            self._out.append("]")
        else:
            self._out.append(f"{type(value).__name__} {value!r}")  # 1, 1.0 and True are different

    def _within(self, scope: Scope, *values: object) -> None:
        outside, self._scope = self._scope, scope
        for value in values:
            self._value(value)
        self._scope = outside

    def visit_Name(self, node: ast.Name) -> None:
        self._out.append(self._name(node.id))

    def _write_declaration(self, node: ast.Global | ast.Nonlocal) -> None:
        self._out.extend(self._name(name) for name in node.names)

    visit_Global = _write_declaration  # noqa: N815 - the visitor's own names
    visit_Nonlocal = _write_declaration  # noqa: N815

    def visit_alias(self, node: ast.alias) -> None:
        self._out.extend((repr(node.name), self._name(imported_name(node))))

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self._out.append(self._name(node.name) if node.name else "-")
        self._fields(node, "type", "body")

    def _write_match_name(self, node: ast.MatchAs | ast.MatchStar) -> None:
        self._out.append(self._name(node.name) if node.name else "-")
        if isinstance(node, ast.MatchAs):
            self._fields(node, "pattern")

    visit_MatchAs = _write_match_name  # noqa: N815
    visit_MatchStar = _write_match_name  # noqa: N815

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self._out.append(self._name(node.rest) if node.rest else "-")
        self._fields(node, "keys", "patterns")

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        public = self._public_class if self._scope.kind == "class" else self._is_public_here(node.name)
        self._out.append(self._name(node.name))
        self._fields(node, "decorator_list", "bases", "keywords")
        outside, self._public_class = self._public_class, public
        self._within(self._scopes[node], node.body)
        self._public_class = outside

    def _write_def(self, node: Definition) -> None:
        self._out.append(self._name(node.name))
        self._fields(node, "decorator_list", "returns")
        public = self._public_class if self._scope.kind == "class" else self._is_public_here(node.name)
        self._write_function(node, public=public)

    visit_FunctionDef = _write_def  # noqa: N815
    visit_AsyncFunctionDef = _write_def  # noqa: N815

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._write_function(node, public=False)

    def _is_public_here(self, name: str) -> bool:
        return self._scope.kind == "module" and self._is_public(name)

    def _write_function(self, node: Definition | ast.Lambda, *, public: bool) -> None:
        scope, arguments = self._scopes[node], node.args
        for parameter in (*arguments.args, *arguments.kwonlyargs):
            if public or parameter.arg in self._keywords:
                self._kept.add((scope, parameter.arg))
        self._fields(arguments, "defaults", "kw_defaults")
        for parameter in parameters(arguments):
            self._value(parameter.annotation)
        outside, self._scope = self._scope, scope
        for field in ("posonlyargs", "args", "vararg", "kwonlyargs", "kwarg"):
            found = getattr(arguments, field)
            every = found if isinstance(found, list) else [found] if found else []
            self._out.append(f"{field}: " + " ".join(self._name(parameter.arg) for parameter in every))
            self.size += len(every)
        self._value(node.body)
        self._scope = outside

    def _write_comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        first, *others = node.generators
        self._value(first.iter)
        values: list[object] = [first.target, first.ifs, first.is_async]
        for generator in others:
            values += [generator.iter, generator.target, generator.ifs, generator.is_async]
        values += [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        self._within(self._scopes[node], *values)

    visit_ListComp = _write_comprehension  # noqa: N815
    visit_SetComp = _write_comprehension  # noqa: N815
    visit_DictComp = _write_comprehension  # noqa: N815
    visit_GeneratorExp = _write_comprehension  # noqa: N815
