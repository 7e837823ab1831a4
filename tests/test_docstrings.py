"""Examples in docstrings hold; those of the public names, which take much for given, are tried with the library."""

import doctest
from importlib import import_module

import pytest

import iterpref_core
from tests.settings import ROOT

FILES = [path.relative_to(ROOT) for room in ("iterpref_core", "tasks", "flows") for path in (ROOT / room).rglob("*.py")]
MODULES = [
    ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    for path in sorted(FILES)
    if ">>> " in (ROOT / path).read_text()
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_hold(name):
    for examples in doctest.DocTestFinder().find(import_module(name)):
        if examples.name.rpartition(".")[2] not in iterpref_core.__all__:
            assert doctest.DocTestRunner().run(examples).failed == 0, examples.name
