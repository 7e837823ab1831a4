"""Semantics-preserving rewrites of a program: what a language model's fix does besides fixing.

Each rewrite changes a syntax tree in place where it finds a place, and says whether it did. None is proved to keep the
meaning in every program (names may be looked up by text): whoever uses them has to run the tests.
"""

import ast
import copy
from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random

Rewrite = Callable[[ast.Module, Random], bool]


def rewrite(code: str, seed: str, count: int) -> str:
    """The program with up to `count` different rewrites applied, comments last.

    The same arguments give the same text. The code is first brought into `ast.unparse`'s form.
    """
    tree, random = ast.parse(code), Random(seed)
    done = 0
    for change in random.sample(REWRITES, len(REWRITES)):
        done += done < count and change(tree, random)
    return comment(ast.unparse(ast.fix_missing_locations(tree)), random)


def comment(code: str, random: Random) -> str:
    """Comments before some statements."""
    lines = code.split("\n")
    starts = sorted({node.lineno for node in ast.walk(ast.parse(code)) if isinstance(node, ast.stmt)}, reverse=True)
    for number in starts:
        if random.random() < 0.25:
            indent = len(lines[number - 1]) - len(lines[number - 1].lstrip())
            lines.insert(number - 1, " " * indent + "# " + random.choice(("fixed", "see the examples", "as specified")))
    return "\n".join(lines) + "\n"


def document(tree: ast.Module, _random: Random) -> bool:
    """A docstring where there is none."""
    for function in _functions(tree):
        if ast.get_docstring(function) is None:
            function.body.insert(0, ast.Expr(ast.Constant("Return what the task asks for.")))
            return True
    return False


def hint(tree: ast.Module, _random: Random) -> bool:
    """Type hints on the parameters."""
    found = False
    for function in _functions(tree):
        for argument in function.args.args:
            found = found or argument.annotation is None
            argument.annotation = argument.annotation or ast.Name("object", ast.Load())
    return found


def rename(tree: ast.Module, random: Random) -> bool:
    """Another name for one parameter or local variable."""
    for function in _functions(tree):
        names = {argument.arg for argument in function.args.args}
        names |= {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        if names and not any(isinstance(node, ast.Global | ast.Nonlocal) for node in ast.walk(function)):
            old = random.choice(sorted(names))
            for node in ast.walk(function):
                if isinstance(node, ast.Name) and node.id == old:
                    node.id = f"new_{old}"
                elif isinstance(node, ast.arg) and node.arg == old:
                    node.arg = f"new_{old}"
            return True
    return False


def reorder(tree: ast.Module, random: Random) -> bool:
    """Two neighboring assignments of constants or names the other way round."""
    places = [
        (block, index)
        for block in _blocks(tree)
        for index in range(len(block) - 1)
        if _independent(block[index], block[index + 1])
    ]
    if not places:
        return False
    block, index = random.choice(places)
    block[index], block[index + 1] = block[index + 1], block[index]
    return True


def comprehend(tree: ast.Module, _random: Random) -> bool:
    """`x = []` and a loop that only appends to it as a comprehension."""
    for block in _blocks(tree):
        for index, (first, loop) in enumerate(pairwise(block)):
            match first, loop:
                case (
                    ast.Assign([ast.Name(name)], ast.List([])),
                    ast.For(
                        target, source, [ast.Expr(ast.Call(ast.Attribute(ast.Name(again), "append"), [value], []))], []
                    ),
                ) if name == again:
                    generator = ast.comprehension(target, source, [], 0)
                    made = ast.Assign([ast.Name(name, ast.Store())], ast.ListComp(value, [generator]))
                    block[index : index + 2] = [made]
                    return True
    return False


def loop(tree: ast.Module, _random: Random) -> bool:
    """`x = [... for ...]` or `return [... for ...]` as a loop."""
    for block in _blocks(tree):
        for index, statement in enumerate(block):
            match statement:
                case ast.Assign([ast.Name(name)], ast.ListComp(value, [generator])):
                    block[index : index + 1] = _as_loop(name, value, generator)
                    return True
                case ast.Return(ast.ListComp(value, [generator])):
                    block[index : index + 1] = [
                        *_as_loop("collected", value, generator),
                        ast.Return(ast.Name("collected", ast.Load())),
                    ]
                    return True
    return False


def name_result(tree: ast.Module, random: Random) -> bool:
    """`return e` as `result = e` and `return result`."""
    places = [
        (block, i) for block in _blocks(tree) for i, s in enumerate(block) if isinstance(s, ast.Return) and s.value
    ]
    if not places:
        return False
    block, index = random.choice(places)
    returned = block[index]
    assert isinstance(returned, ast.Return)
    assert returned.value is not None
    block[index : index + 1] = [
        ast.Assign([ast.Name("answer", ast.Store())], returned.value),
        ast.Return(ast.Name("answer", ast.Load())),
    ]
    return True


def spell_out(tree: ast.Module, random: Random) -> bool:
    """`x += e` as `x = x + e`."""
    places = [
        (block, i)
        for block in _blocks(tree)
        for i, s in enumerate(block)
        if isinstance(s, ast.AugAssign) and isinstance(s.target, ast.Name)
    ]
    if not places:
        return False
    block, index = random.choice(places)
    short = block[index]
    assert isinstance(short, ast.AugAssign)
    read = copy.deepcopy(short.target)
    read.ctx = ast.Load()
    block[index] = ast.Assign([short.target], ast.BinOp(read, short.op, short.value))
    return True


REWRITES: Sequence[Rewrite] = (document, hint, rename, reorder, comprehend, loop, name_result, spell_out)


def _functions(tree: ast.Module) -> list[ast.FunctionDef]:
    return [node for node in tree.body if isinstance(node, ast.FunctionDef)]


def _blocks(tree: ast.Module) -> list[list[ast.stmt]]:
    """The lists of statements inside functions."""
    inside = [node for function in _functions(tree) for node in ast.walk(function)]
    return [
        block for node in inside for name in ("body", "orelse") if isinstance(block := getattr(node, name, None), list)
    ]


def _independent(first: ast.stmt, second: ast.stmt) -> bool:
    match first, second:
        case ast.Assign([ast.Name(a)], ast.Constant() | ast.Name() as x), ast.Assign(
            [ast.Name(b)], ast.Constant() | ast.Name() as y
        ):
            reads = {node.id for node in (x, y) if isinstance(node, ast.Name)}
            return a != b and not {a, b} & reads
    return False


def _as_loop(name: str, value: ast.expr, generator: ast.comprehension) -> list[ast.stmt]:
    append = ast.Attribute(ast.Name(name, ast.Load()), "append", ast.Load())
    body: list[ast.stmt] = [ast.Expr(ast.Call(append, [value], []))]
    for condition in reversed(generator.ifs):
        body = [ast.If(condition, body, [])]
    return [
        ast.Assign([ast.Name(name, ast.Store())], ast.List([], ast.Load())),
        ast.For(generator.target, generator.iter, body, []),
    ]
