"""The parts of a judge by themselves: requests, descriptions, values, names, assertions, and who runs beside whom."""

import io
import json
import queue
import re
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.execution import Program
from iterpref_core.execution.codec.marshalling import Decoder, Encoder
from iterpref_core.execution.ruling.routing import shares
from iterpref_core.execution.ruling.setup_imports import setup_imports
from iterpref_core.execution.sandbox.judge.allowed_requests import check_attribute, check_request, may_be_called
from iterpref_core.execution.sandbox.judge.assertions import Assertions
from iterpref_core.execution.sandbox.judge.connection import make_connections
from iterpref_core.execution.sandbox.judge.descriptions import check_facts
from iterpref_core.execution.sandbox.judge.proxies import PROTOCOL, decoys_of
from iterpref_core.execution.sandbox.judge.solution_module import free_names, meant_as_solutions
from iterpref_core.records import AssertTest


class Item:
    rate = 2
    _secret = 1

    def __init__(self) -> None:
        self.price = 3


MINE = {__name__}
SORTS = ["object", "function", "exception", "class", "kind"]
NAMES = st.text(st.characters(categories=("L", "N", "Pc")), min_size=1, max_size=8)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
PLAIN = st.recursive(
    SCALARS | st.complex_numbers(allow_nan=False),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=8,
)


def may_read(target: object, name: str) -> bool:
    try:
        check_attribute(target, name, MINE)
    except AttributeError:
        return False
    return True


@given(sort=st.sampled_from(SORTS), op=NAMES | st.sampled_from(["eval", "member", "import", "__class__"]))
def test_a_request_that_is_not_listed_is_refused(sort: str, op: str) -> None:
    asked = {"call", "getattr", "setattr", "delattr", "op", "dir", "copy", "deepcopy", "signature", "await"}
    if op in asked | {"isinstance", "issubclass", "member"}:
        return
    with pytest.raises(AttributeError):
        check_request(sort, op, "")


@given(name=NAMES)
def test_only_methods_of_the_protocol_are_called_by_their_names(name: str) -> None:
    if f"__{name}__" in PROTOCOL:
        return
    with pytest.raises(AttributeError):
        check_request("object", "op", f"__{name}__")


@pytest.mark.parametrize(
    "target", [Item(), Item, io.StringIO(), queue.Queue(), ValueError(), lambda: 1, re.compile("a"), []]
)
@given(name=NAMES)
def test_no_private_attribute_is_read_of_anything(target: object, name: str) -> None:
    assert not may_read(target, f"_{name}")
    assert not may_read(target, f"__{name}__") or name in ("name", "qualname", "doc", "module", "annotations")


@pytest.mark.parametrize(
    ("target", "names"),
    [
        (Item(), {"price", "rate"}),
        (io.StringIO(), {"write", "getvalue"}),
        (queue.Queue(), {"put", "get"}),
        (types.SimpleNamespace(a=1), {"a"}),
        ([], {"append", "sort"}),
        (AttributeError("x", obj=1), {"args", "name"}),
    ],
)
def test_public_attributes_that_lead_nowhere_are_read(target: object, names: set[str]) -> None:
    assert all(may_read(target, name) for name in names)
    assert not any(
        may_read(target, name) for name in ("obj", "raw", "mutex", "detach", "format", "gi_frame", "tb_frame")
    )


def test_classes_of_libraries_are_not_called_and_no_class_of_the_test_opens_a_file() -> None:
    class Raw(io.FileIO):
        pass

    assert may_be_called(Item, MINE)
    assert not any(may_be_called(kind, MINE) for kind in (Raw, io.StringIO, io.FileIO, types.ModuleType, int))


def test_a_handle_that_was_not_handed_over_is_none() -> None:
    _, judge = make_connections()
    kept = judge._keep(Item())
    for handle in (kept, -1, True, None, "0", 10**9):
        with pytest.raises(LookupError):
            judge.handed(handle)
    assert judge.handed(judge._hand(Item(), "object")) == "object"


@given(value=PLAIN)
def test_plain_values_cross_as_they_are(value: object) -> None:
    program, judge = make_connections()
    text = json.dumps(Encoder(program).tree(value))
    found = Decoder(judge).value(json.loads(text))
    assert found == value
    assert type(found) is type(value)


FACTS = {"name": "P", "qualname": "P", "module": "m", "doc": None}
DESCRIBED = {
    "object": {"bases": [], "methods": [], "coroutine": False, "function": False, "fields": None, "shared": None},
    "exception": {"bases": [["builtins", "ValueError"]], "methods": []},
    "enum": {"enum": "Enum", "mixin": "", "members": [["A", 1]], "attributes": [], "methods": [], "missing": False},
    "namedtuple": {"fields": ["a", "_1"], "defaults": [1], "attributes": ["size"]},
}


@pytest.mark.parametrize("sort", DESCRIBED)
def test_a_description_has_all_facts_of_its_sort_and_no_more(sort: str) -> None:
    facts = FACTS | {"sort": sort} | DESCRIBED[sort]
    check_facts(1, facts)
    for key in facts:
        wrong: list[dict[str, object]] = [{k: v for k, v in facts.items() if k != key}, facts | {key: object()}]
        for each in [*wrong, facts | {"more": 1}]:
            with pytest.raises(TypeError):
                check_facts(1, each)
    for handle in (True, None, "1"):
        with pytest.raises(TypeError):
            check_facts(handle, facts)


@given(name=NAMES)
def test_no_member_or_field_has_a_name_that_means_something_to_python(name: str) -> None:
    for bad in (f"__{name}__", f"_{name}_", f"iterpref_{name}"):
        with pytest.raises(TypeError):
            check_facts(1, FACTS | {"sort": "enum"} | DESCRIBED["enum"] | {"members": [[bad, 1]]})
        with pytest.raises(TypeError):
            check_facts(1, FACTS | {"sort": "namedtuple"} | DESCRIBED["namedtuple"] | {"fields": [bad]})


@given(
    value=st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.lists(st.integers())
    | st.dictionaries(st.text(), st.integers())
    | st.none()
    | st.binary()
    | st.complex_numbers()
    | st.fractions()
    | st.decimals(allow_nan=False)
    | st.dates()
)
def test_no_decoy_equals_the_value(value: object) -> None:
    assert all(decoy != value and type(decoy) is not object for decoy in decoys_of("__eq__", value))


def code_of(source: str) -> types.CodeType:
    return compile(source, "<test>", "exec")


@pytest.mark.parametrize(
    ("sources", "meant"),
    [
        (["assert sum([1]) == 1"], {"sum"}),
        (["xs = [1]\nassert sum(xs) == 1"], {"sum"}),
        (["assert sum(f(1)) == 1"], set()),
        (["assert sum([1]) == 1", "assert sum(f(1)) == 1"], set()),
        (["got = f(1)", "assert sum(got) == 1"], set()),
        (["assert eval('sum(f(1))') == 1"], set()),
        (["def check(g): assert g([1]) == 1\ncheck(sum)"], {"sum"}),
        (["import math\nassert sum([math.pi]) > 3"], {"sum"}),
    ],
)
def test_a_builtin_is_the_solutions_only_where_nothing_else_of_it_is_used(sources: list[str], meant: set[str]) -> None:
    assert meant_as_solutions({"sum"}, [code_of(source) for source in sources]) == meant


def test_attributes_and_own_variables_are_no_free_names() -> None:
    assert free_names(code_of("import re\nx = f(1).real\ndef g(y): return h(y) + x\ng(re)")) == {"f", "h"}


def test_the_imports_of_a_setup_are_those_of_its_top_level() -> None:
    assert setup_imports("from math import gcd as g\nimport os.path\ndef f():\n    import re") == (
        ("g", "math", "gcd"),
        ("os", "os", ""),
    )
    assert setup_imports("no python at all") == ()


@pytest.mark.parametrize(
    ("source", "reached", "expected"),
    [
        ("for x in []:\n    assert x", 0, True),
        ("for x in [1, 2]:\n    assert x", 2, True),
        ("def f(x):\n    assert x", 0, False),
        ("try:\n    1 / 0\n    assert False\nexcept ZeroDivisionError:\n    pass", 0, False),
        ("match 1:\n    case 1:\n        assert True\n    case _:\n        assert 0", 1, False),
        ("print(1)", 0, False),
    ],
)
def test_assertions_that_are_reached_are_counted(source: str, reached: int, expected: bool) -> None:
    assertions = Assertions()
    namespace: dict[str, object] = {}
    assertions.count_in(namespace)
    exec(assertions.compiled(source, "t.py"), namespace)
    assert assertions.reached == reached
    assert assertions.should_be_reached("t.py", whole=False) is expected


@pytest.mark.parametrize(
    ("source", "made"), [("assert 1 == 2", True), ("raise AssertionError", False), ("1 / 0", False)]
)
def test_a_failed_assertion_is_told_from_an_error_that_is_raised(source: str, made: bool) -> None:
    assertions = Assertions()
    namespace: dict[str, object] = {}
    assertions.count_in(namespace)
    with pytest.raises((AssertionError, ZeroDivisionError)) as raised:
        exec(assertions.compiled(source, "t.py"), namespace)
    assert assertions.has_made(raised.value) is made


BESIDE = [
    "import time\nsetattr(time, 'sleep', print)",
    "import time\ntime.sleep = print",
    "import sys\nsys.argv.append('x')",
    "import sys\nsys.argv[0] = 'x'",
    "import os\nos.environ['A'] = 'b'",
    "import random\nrandom.seed(1)",
    "from unittest import mock",
    "import pandas",
    "class Mine(Stack): pass",
]
APART = [
    "assert f(2) == 4",
    "import sys\nsys.path.append('x')",
    "import sys\nsys.stdout = None",
    "import time\ntime.sleep(0)",
    "xs = []\nxs.append(1)\nsetattr(xs, 'a', 1)",
    "class Mine(dict): pass",
]


@pytest.mark.parametrize(("source", "beside"), [*((each, True) for each in BESIDE), *((each, False) for each in APART)])
def test_a_test_that_changes_the_programs_world_runs_beside_it_and_no_other_does(source: str, beside: bool) -> None:
    assert shares(Program("", (AssertTest(code=source),))) is beside
