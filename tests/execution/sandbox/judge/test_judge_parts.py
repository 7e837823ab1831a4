"""The parts of a judge by themselves: values that cross, names of the solution, assertions, the rule."""

import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.execution import Program
from iterpref_core.execution.kinds.setups import setup_functions, setup_imports
from iterpref_core.execution.ruling.routing import steps_of, why_inside
from iterpref_core.execution.sandbox.judge.assertions import Counted
from iterpref_core.execution.sandbox.judge.objects import Originals, StandIns
from iterpref_core.execution.sandbox.judge.solution_module import free_names, meant_as_solutions
from iterpref_core.records import AssertTest, PytestTest

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
PLAIN = st.recursive(
    SCALARS | st.complex_numbers(allow_nan=False),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=8,
)


@given(value=PLAIN)
def test_plain_values_cross_as_they_are(value: object) -> None:
    found = StandIns().read(Originals().text(value))
    assert found == value
    assert type(found) is type(value)


def code_of(source: str) -> types.CodeType:
    return compile(source, "<test>", "exec")


@pytest.mark.parametrize(
    ("source", "meant"),
    [
        ("assert sum([1]) == 1", {"sum"}),
        ("xs = [1]\nassert sum(xs) == 1", {"sum"}),
        ("assert sum(f(1)) == 1", set()),
        ("assert sum(got) == 1", set()),
        ("def check(g): assert g([1]) == 1\ncheck(sum)", {"sum"}),
        ("import math\nassert sum([math.pi]) > 3", {"sum"}),
    ],
)
def test_a_builtin_is_the_solutions_only_where_nothing_else_of_it_is_used(source: str, meant: set[str]) -> None:
    assert meant_as_solutions({"sum"}, code_of(source)) == meant


def test_attributes_and_own_variables_are_no_free_names() -> None:
    assert free_names(code_of("import re\nx = f(1).real\ndef g(y): return h(y) + x\ng(re)")) == {"f", "h"}


def test_the_imports_and_functions_of_a_setup_are_those_of_its_top_level() -> None:
    setup = "from math import gcd as g\nimport os.path\ndef f(x: int) -> int:\n    import re\n    return 1"
    assert setup_imports(setup) == (("g", "math", "gcd"), ("os", "os", ""))
    assert setup_functions(setup) == {"f": "def f(x):\n    import re\n    return 1"}
    assert setup_imports("no python at all") == ()
    assert setup_functions("def stub(x): pass\nclass C:\n    def g(self): return 1") == {}


@pytest.mark.parametrize(
    ("source", "reached", "expected"),
    [
        ("for x in []:\n    assert x", 0, True),
        ("for x in [1, 2]:\n    assert x", 2, True),
        ("def f(x):\n    assert x", 0, False),
        ("try:\n    1 / 0\n    assert False\nexcept ZeroDivisionError:\n    pass", 0, False),
        ("print(1)", 0, False),
    ],
)
def test_assertions_that_are_reached_are_counted(source: str, reached: int, expected: bool) -> None:
    counted = Counted(source, "t.py")
    exec(counted.code, {"__iterpref_reached__": counted.count})
    assert counted.reached == reached
    assert counted.should_be_reached is expected


INSIDE = [
    "import time\nsetattr(time, 'sleep', print)",
    "import time\ntime.sleep = print",
    "import sys\nsys.argv.append('x')",
    "import os\nos.environ['A'] = 'b'",
    "import random\nrandom.seed(1)",
    "from unittest import mock",
    "import pandas",
    "class Mine(Stack): pass",
    "class Mine(dict): pass",
    "import time\ntime.sleep(0)",
    "import logging",
    "from collections import namedtuple",
    "import collections\nassert isinstance(f(), collections.abc.Mapping)",
    "assert f(2, lambda path: open(path)) == 1",
    "import functools\nassert f(2, functools.partial(open)) == 4",
    "import os\nassert f(2, os.environ) == 4",
    "assert eval(f(24)) == 24",
    "import json as j\nassert f(j) == 1",
    "assert f([1]) is g()",
    "assert id(f()) == id(f())",
    "unittest.TestCase().assertIs(f(), g())",
    "assert f().__class__ == 1",
    "assert f()['{0.a}'].format(1) == 1",
    "@f\ndef g(): pass",
    "async def main(): await f()",
    "class A:\n    x = Ten()",
    "def note(x): assert x\nf(note)",
    "f(lambda x: unittest.TestCase().assertEqual(x, 1))",
    "with f() as x:\n    assert x == 1",
    "error = ValueError('x')\nf(error)",
    "try:\n    f()\nexcept E as e:\n    e.code = 3",
    "assert Vector(1, 2) != (1, 2)",
    "v = Vector(1)\nwanted = [1]\nassert v == wanted",
    "import json\nassert json.dumps(Box(1)) == '1'",
    "import random\nset_all(3)\nassert random.random() == 1",
    "import numpy as np\nassert f(np.ma.array([1])) == 1",
    "import numpy as np\nnp.testing.assert_allclose(f(np.arange(3)), [1.0])",
    "class Node:\n    def __init__(self, v): self.v = v\nassert f(Node(1)) == 1",
    "seen = []\nf(seen.append)\nassert seen == [1]",
    "assert f(x for x in [1]) == 1",
    "import io\nout = io.StringIO()\nf(out)",
    "def double(x): return 2 * x\nassert f([double], 1) == 2",
    "v = Vector(1, 2)\nassert v * 2 == v",
    "from unittest import *",
    "x = [3, 1]\nf(x)\nassert x == [1, 3]",
    "x = [3, 1]\nassert f(x) is None\nassert x == [1, 3]",
    "s = Box()\nxs = [1]\ns.fill(xs)\nassert xs == []",
    "s = Box()\ns.items.append(1)\nassert s.size() == 1",
    "s = Box()\ns.rows[0][1] = 1\nassert s.size() == 1",
]
OUTSIDE = [
    "import math, random, string\nassert math.isclose(f(random.randint(0, 9), string.ascii_letters), 1)",
    "assert sorted(f([2, 1]), key=lambda x: -x) == [2, 1]",
    "unittest.TestCase().assertRaises(ValueError, lambda: f(1))",
    "assert f(2) == 4",
    "import sys\nsys.path.append('x')",
    "import sys\nsys.stdout = None",
    "def check(candidate):\n    assert candidate(1) == 2\ncheck(f)",
    "assert f(1) is None and type(f(1)) is int",
    "class T(unittest.TestCase):\n    def test_it(self):\n        with self.assertRaises(ValueError): f(1)",
    "assert Vector(1, 2) + Vector(1, 1) == Vector(2, 3)",
    "v = Vector(1, 2)\nassert v.length() == 2 and v == w",
    "import io, contextlib\nout = io.StringIO()\nwith contextlib.redirect_stdout(out):\n    f()\nassert out.getvalue()",
    "xs = [3, 1]\nassert f(xs) == sorted(xs)",
    "s = Stack()\nfor x in [1, 2]:\n    s.push(x)\n    assert s.top() == x",
    "s = Stack()\ns.__private = 1\nassert '{}'.format(s.size()) == '1'",
]


def why_inside_of(program: Program) -> str:
    return why_inside(program, steps_of(program))


@pytest.mark.parametrize(
    ("source", "inside"), [*((each, True) for each in INSIDE), *((each, False) for each in OUTSIDE)]
)
def test_a_test_is_judged_outside_only_if_all_that_it_uses_is_listed(source: str, inside: bool) -> None:
    assert bool(why_inside_of(Program("", (AssertTest(code=source),)))) is inside


def test_what_a_test_uses_may_come_from_the_setup_or_from_an_earlier_test() -> None:
    test = AssertTest(code="assert f(Template('x')) == 1")
    assert why_inside_of(Program("", (test,), setup="from string import Template")) == "string.Template"
    assert why_inside_of(Program("", (test,), setup="from string import *")) == "string.Template"
    assert not why_inside_of(Program("", (test,)))
    several = (AssertTest(code="import random"), AssertTest(code="random.seed(1)"))
    assert why_inside_of(Program("", several)) == "random.seed"


@pytest.mark.parametrize(
    ("fixture", "inside"), [("monkeypatch", True), ("caplog", True), ("tmp_path", False), ("own", False)]
)
def test_fixtures_of_pytest_are_listed_or_the_tests_own(fixture: str, inside: bool) -> None:
    code = "import pytest\nfrom solution import f\n@pytest.fixture\ndef own(): return 1\n"
    code += f"def test_it({fixture}): assert f(1) == 1"
    assert bool(why_inside_of(Program("", (PytestTest(code=code),)))) is inside
