"""Rewritten solutions of HumanEval+ and MBPP+ are found, and no program that somebody else wrote is taken for one."""

import ast
import copy
import json
import os
from collections import Counter
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from iterpref_core.problems.composition.compose import draw_combinations, write_reference
from iterpref_core.problems.screening.benchmark_tasks import BenchmarkTask
from iterpref_core.problems.screening.contamination import FORM, Decontamination
from iterpref_core.programs.source_code.normal_form import solution_forms
from iterpref_core.records import PreferencePair
from iterpref_core.storage.items import read_items


def _function(tree):
    return next(node for node in tree.body[::-1] if isinstance(node, ast.FunctionDef))


def _renamed(tree):
    class Renaming(ast.NodeTransformer):
        def visit_Name(self, node):
            return ast.Name(self.of(node.id), node.ctx)

        def visit_arg(self, node):
            return ast.arg(self.of(node.arg))

        def of(self, name):
            return f"{name}_2" if name in bound else name

    nodes = list(ast.walk(_function(tree)))
    bound = {node.arg for node in nodes if isinstance(node, ast.arg)}
    bound |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    _function(tree).name = "another"
    return Renaming().visit(tree)


def _decorated(tree):
    _function(tree).decorator_list.append(ast.Name("cache"))
    return tree


def _method(tree):
    function = _function(tree)
    function.args.args.insert(0, ast.arg("self"))
    tree.body[tree.body.index(function)] = ast.ClassDef("Solution", [], [], [function], [])
    return tree


def _asynchronous(tree):
    function = _function(tree)
    tree.body[tree.body.index(function)] = ast.AsyncFunctionDef(**dict(ast.iter_fields(function)))
    return tree


def _with_parameter(tree):
    function = _function(tree)
    function.args.args.append(ast.arg("verbose"))
    function.args.defaults.append(ast.Constant(False))
    return tree


def _nested(tree):
    function = _function(tree)
    outer = ast.parse("def outer(*given):\n    return inner(*given)").body[0]
    outer.body.insert(0, function)
    tree.body[tree.body.index(function)] = outer
    return tree


def _with_print(tree):
    body = _function(tree).body
    body.insert(len(body) - 1, ast.parse("print('almost done', 1)").body[0])
    return tree


def _reordered(tree):
    """Swap the first two assignments in a row that do not read each other's names; None if there are none."""
    for node in ast.walk(_function(tree)):
        body = getattr(node, "body", None)
        for place in range(len(body) - 1 if isinstance(body, list) else 0):
            pair = body[place : place + 2]
            nodes = [list(ast.walk(one)) for one in pair]
            names = [{node.id for node in of_one if isinstance(node, ast.Name)} for of_one in nodes]
            calls = any(isinstance(node, ast.Call) for of_one in nodes for node in of_one)
            if all(isinstance(one, ast.Assign) for one in pair) and not calls and not names[0] & names[1]:
                body[place : place + 2] = pair[::-1]
                return tree
    return None


REWRITES = (
    _renamed, _decorated, _method, _asynchronous, _with_parameter, _nested, _with_print, _reordered,
)  # fmt: skip


def _rewritten(code):
    """Yield (name of the change, changed program), the last with all changes, if the program has a function."""
    tree = ast.parse(code)
    if not any(isinstance(node, ast.FunctionDef) for node in tree.body):
        return
    together = copy.deepcopy(tree)
    for change in REWRITES:
        changed = change(copy.deepcopy(tree))
        if changed is not None:
            yield change.__name__, ast.unparse(ast.fix_missing_locations(changed))
        if change not in (_method, _asynchronous, _nested):
            together = change(together) or together
    yield "together", ast.unparse(ast.fix_missing_locations(_nested(together)))


def _programs(variable, *fields):
    """Return the programs of a file, each in these fields, by the name of the task."""
    path = os.environ.get(variable)
    if not path:
        pytest.skip(f"{variable} is not set")
    tasks = [json.loads(item.text) for item in read_items(Path(path))]
    return {str(task["task_id"]).removeprefix("Mbpp/"): "".join(task[field] for field in fields) for task in tasks}


def _forms(code, limit=FORM):
    return {form for form, size in solution_forms(code) if size >= limit}


@pytest.mark.slow
def test_rewritten_solutions_are_found_and_programs_of_others_are_not():
    humaneval = _programs("HUMANEVAL_OVERRIDE_PATH", "prompt", "canonical_solution")
    mbpp_plus = _programs("MBPP_OVERRIDE_PATH", "canonical_solution")
    mbpp = _programs("MBPP_SOURCE_PATH", "code")
    tried, missed = Counter(), Counter()
    for code in (*humaneval.values(), *mbpp_plus.values()):
        wanted = _forms(code)
        for change, changed in _rewritten(code) if wanted else ():
            tried[change] += 1
            missed[change] += not wanted & _forms(changed)
    print(f"change: tried, missed: { {change: (tried[change], missed[change]) for change in tried} }")
    # Statements that differ by their names alone, in another order.
    assert missed.total() <= 4
    assert (tried.total(), min(tried.values())) == (2242, 18)
    # What others wrote: MBPP for HumanEval, and the tasks of MBPP that MBPP+ lacks for MBPP+.
    others = {name: code for name, code in mbpp.items() if name not in mbpp_plus}
    found = {}
    for benchmark, honest in ((humaneval, mbpp), (mbpp_plus, others)):
        known = {form for code in benchmark.values() for form in _forms(code)}
        found |= {name: code for name, code in honest.items() if known & _forms(code)}
    assert (len(mbpp) + len(others), found) == (1570, {})


def _guarded(tree):
    first, *_ = _function(tree).args.args or [ast.arg("x")]
    _function(tree).body.insert(0, ast.parse(f"if {first.arg} is None:\n    return None").body[0])
    return tree


def _with_log(tree):
    _function(tree).body.insert(0, ast.parse("logging.debug('start')").body[0])
    return tree


def _with_result(tree):
    """Give the last value a name before it is returned; None if there is none."""
    body = _function(tree).body
    if not isinstance(body[-1], ast.Return):
        return None
    body[-1:] = [ast.Assign([ast.Name("result_", ast.Store())], body[-1].value), ast.parse("return result_").body[0]]
    return tree


def _overlaps(index, code):
    return bool(index.partner(PreferencePair(task_id="p", prompt="p", chosen=code, rejected="x")))


@pytest.mark.slow
def test_edited_solutions_are_named_and_programs_of_others_are_not():
    mbpp_plus = _programs("MBPP_OVERRIDE_PATH", "canonical_solution")
    mbpp = _programs("MBPP_SOURCE_PATH", "code")
    benchmarks = {"humaneval": _programs("HUMANEVAL_OVERRIDE_PATH", "prompt", "canonical_solution"), "mbpp": mbpp_plus}
    others = {"humaneval": mbpp, "mbpp": {name: code for name, code in mbpp.items() if name not in mbpp_plus}}
    counts = Counter()
    for benchmark, solutions in benchmarks.items():
        index = Decontamination([], Path())
        index.add(benchmark, (BenchmarkTask(name, (), (code,)) for name, code in solutions.items()))
        looks = index.overlaps[benchmark].resembling
        for code in others[benchmark].values():
            counts["honest"] += 1
            counts["honest, overlap"] += _overlaps(index, code)
        counts["honest, named"] += len(looks)
        looks.clear()
        for code in filter(_forms, solutions.values()):
            for change in (_guarded, _with_log, _with_result):
                changed = change(ast.parse(code))
                if changed is not None:
                    counts["edited"] += 1
                    counts["edited, overlap"] += _overlaps(
                        index, ast.unparse(ast.fix_missing_locations(_renamed(changed)))
                    )
        counts["edited, named"] += len(looks)
    print(counts)
    assert counts["honest"] == 1570
    assert counts["honest, named"] <= 4
    assert counts["edited, named"] >= 0.7 * (counts["edited"] - counts["edited, overlap"])


def test_composed_problems_have_a_form_each():
    composed = list(map(write_reference, islice(draw_combinations(Random(1)), 1000)))
    assert len({form for code in composed for form in _forms(code)}) == len(composed) == 1000


SOLUTION = """
def solve(xs):
    total = 0
    count = 1
    for x in xs:
        total += x * x - 1
    return total, count
"""
OTHERS = [
    SOLUTION.replace("- 1", "+ 1"),
    SOLUTION.replace("total, count", "count, total"),
    SOLUTION.replace("total +=", "count +="),
    SOLUTION.replace("in xs", "in sorted(xs)"),
]


@pytest.mark.parametrize("change", range(9))
def test_each_change_of_a_solution_is_no_other_solution(change):
    name, changed = list(_rewritten(SOLUTION))[change]
    assert _forms(changed) & _forms(SOLUTION), name


@pytest.mark.parametrize("other", OTHERS)
def test_another_solution_has_another_form(other):
    assert not _forms(other) & _forms(SOLUTION)
