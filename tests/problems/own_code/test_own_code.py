"""One's own code as problems: what is taken, what is left out and why, and what the problems demand."""

import sys
import venv
from collections import Counter
from types import SimpleNamespace

import pytest

from iterpref_core.execution import Outcome, Program, open_executor
from iterpref_core.problems.own_code.own_code import ingest_own_code, sound
from iterpref_core.records import ConfigError, EnvironmentParams, InputError, IoTest, OwnCodeParams, Problem
from iterpref_core.storage.jsonl import read_jsonl
from tests import settings
from tests.engines import StandInEngine
from tests.settings import section
from tests.texts import read_table, write_files

EXECUTION = settings.EXECUTION.model_copy(update={"cpu_s": 5, "wall_s": 60, "memory_mb": 512, "file_mb": 4})
PARAMS = section(OwnCodeParams, licenses=("MIT",))

PRICES = '''
"""Prices."""
import math
from shop.base import Counted

ROUND_TO = 2


def total(prices, tax=0.0):
    """The sum of prices, with tax, rounded.

    >>> total([1, 2], tax=0.5)
    4.5
    """
    return round(math.fsum(prices) * (1 + tax), ROUND_TO)


class Basket(Counted):
    """Things to buy."""

    def __init__(self):
        super().__init__()
        self.prices = []

    def add(self, price):
        """Add a price and return how many there are."""
        super().add(price)
        self.prices.append(price)
        return self.count

    @property
    def value(self):
        """The sum of all prices."""
        return total(self.prices)

    def save(self, path):
        """Write the prices to a file, one a line."""
        path.write_text("\\n".join(map(str, self.prices)))


def digits(number):
    """How many digits a number has."""
    return len(str(number))


def untested(number):
    """Twice a number."""
    return 2 * number


def undocumented(number):
    return number


def broken(number):
    """One more, or so its test thinks."""
    return number


def contact():
    """Whom to ask: jane.doe@acme-shop.com."""
    return "jane"


def connect():
    """The way in."""
    key = "AKIA" "IOSF"
    token = "AKIAJ2ZJQ5X3TFZ7Q6ZA"
    return key, token


def _private():
    """Nobody's business."""


def again(number):
    """Defined twice."""
    return 0


def again(number):
    """Defined twice."""
    return number
'''
BASE = """
class Counted:
    def __init__(self):
        self.count = 0

    def add(self, item):
        self.count += 1
"""
GPL = '''# SPDX-License-Identifier: GPL-3.0-only
def copied(number):
    """As it was."""
    return number
'''
CONFTEST = """
import pytest
from shop.prices import Basket

@pytest.fixture
def basket():
    basket = Basket()
    basket.add(3)
    return basket
"""
TESTS = """
import time

import pytest

from shop import gpl, prices

@pytest.mark.parametrize(("values", "tax", "expected"), [([1, 2], 0.5, 4.5), ([0.111, 0.222], 0, 0.33)])
def test_total(values, tax, expected):
    assert prices.total(values, tax=tax) == expected

def test_add(basket):
    assert basket.add(4) == 2
    assert basket.value == 7

class TestSaving:
    def test_save(self, basket, tmp_path):
        basket.save(tmp_path / "file")
        assert (tmp_path / "file").read_text() == "3"

def test_slow():
    end = time.process_time() + 1.5
    while time.process_time() < end:
        pass
    assert prices.digits(12) == 2

def test_broken():
    assert prices.broken(1) == 2

@pytest.mark.skip
def test_skipped():
    assert prices.untested(1) == 2

def test_others():
    assert gpl.copied(1) == 1
    prices.contact(), prices.connect(), prices.undocumented(1), prices.again(1)

"""


def write_project(folder):
    return write_files(folder, {
        "pyproject.toml": '[project]\nname = "shop"\nlicense = "MIT"\n',
        "shop/__init__.py": "",
        "shop/prices.py": PRICES,
        "shop/base.py": BASE,
        "shop/gpl.py": GPL,
        "tests/conftest.py": CONFTEST,
        "tests/test_prices.py": TESTS,
    })  # fmt: skip


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = write_project(tmp_path_factory.mktemp("own") / "shop-project")
    out = folder.parent / "problems.jsonl"
    counts = ingest_own_code(folder, out, PARAMS, EXECUTION, heldout=0.25)
    problems = {problem.entry_point: problem for problem in read_jsonl(out, Problem)}
    own = EnvironmentParams(python=sys.executable, paths=(str(folder),))
    execution = EXECUTION.model_copy(update={"environments": {"shop-project": own}})
    with open_executor(execution) as executor:
        yield SimpleNamespace(folder=folder, counts=counts, problems=problems, executor=executor)


def attempt(shop, name, code):
    return shop.executor.run_one(Program(code, shop.problems[name].tests))


def test_tested_functions_and_methods_become_problems_and_the_rest_is_counted(shop):
    assert sorted(shop.problems) == ["Basket.add", "Basket.save", "Basket.value", "total"]
    assert {name: number for name, number in shop.counts.items() if isinstance(number, int)} == {
        "functions": 16,
        "problems": 4,
        "heldout": 1,
        "tests": 8,
        "dropped/defined_twice": 2,
        "dropped/email": 1,
        "dropped/license": 1,
        "dropped/no_docstring": 4,
        "dropped/no_test": 3,
        "dropped/secret": 1,
        "dropped/test_fails": 2,
        "dropped/test_slow": 1,
    }
    assert shop.counts["license"] == "MIT"


@pytest.mark.parametrize(
    ("name", "code", "verdict", "feedback"),
    [
        *read_table(r"""
total | def total(prices, tax=0):\n    return round(sum(prices) * (1 + tax), 2) | passed |
total | def total(prices, tax=0): return sum(prices) * (1 + tax) | wrong_answer | test_total[values1
total | def total(prices, tax=0):\nreturn 1 | syntax_error | line 2: return 1
total | def sum_up(prices): return 1 | exception | name 'total' is not defined
total | import nowhere\ndef total(prices): return 1 | exception | No module named 'nowhere'
Basket.add | def add(self, p):\n    Counted.add(self, p)\n    self.prices += [p]\n    return 2 | passed |
Basket.add | class Basket:\n  def add(self, p):\n    super().add(p)\n    self.prices += [p]\n    return 2 | passed |
Basket.value | @property\ndef value(self): return sum(self.prices) | passed |
Basket.save | def save(self, path): pass | wrong_answer | FileNotFoundError
"""),
        ("Basket.add", "def add(self, p):\n    return super().add(p)", "wrong_answer", "test_add: "),
    ],
)
def test_candidates_are_judged_by_the_projects_own_tests(shop, name, code, verdict, feedback):
    outcome = attempt(shop, name, code)
    assert outcome.verdict == verdict, outcome.feedback
    assert feedback in outcome.feedback


@pytest.mark.parametrize(
    "trick",
    [
        "import pytest\npytest.skip(allow_module_level=True)",
        "import pytest\ndef {name}(self, *a, **k): pytest.skip()",
        "import pytest\ndef {name}(self, *a, **k): pytest.exit('done', returncode=0)",
        "import os\ndef {name}(self, *a, **k): os._exit(0)",
        "import unittest\ndef {name}(self, *a, **k): raise unittest.SkipTest",
        "import _pytest.runner\n_pytest.runner.CallInfo.from_call = None\ndef {name}(self, *a, **k): pass",
        "import pytest\npytest.main = lambda *a, **k: 0\ndef {name}(self, *a, **k): pass",
    ],
)
def test_tricks_do_not_pass(shop, trick):
    outcome = attempt(shop, "Basket.save", trick.replace("{name}", "save"))
    assert outcome.verdict not in ("passed", "infra_error"), outcome.feedback


def reference_in(environments, problem):
    with open_executor(EXECUTION.model_copy(update={"environments": environments})) as executor:
        return executor.run_one(Program(problem.reference, problem.tests))


def test_a_project_that_changed_must_be_ingested_again(shop, tmp_path):
    changed = write_files(write_project(tmp_path / "changed"), {"shop/prices.py": PRICES + "\n"})
    own = EnvironmentParams(python=sys.executable, paths=(str(changed),))
    outcome = reference_in({"shop-project": own}, shop.problems["total"])
    assert "shop/prices.py, tests/test_prices.py: changed since they were ingested" in outcome.feedback


def test_an_environment_that_is_not_named_is_a_users_error(shop):
    with pytest.raises(ConfigError, match=r"'shop-project', which execution\.environments in params\.yaml lacks"):
        reference_in({}, shop.problems["total"])


def test_users_mistakes_are_told(shop, tmp_path):
    venv.create(tmp_path / "bare")
    python = str(tmp_path / "bare/bin/python")
    for folder, interpreter, message in (
        (tmp_path / "absent", "", "no such folder"),
        (shop.folder, "/no/python", "is not a working Python interpreter"),
        (shop.folder, python, f"has no pytest, .*{python} -m pip install pytest"),
    ):
        with pytest.raises(InputError, match=message):
            ingest_own_code(folder, tmp_path / "out.jsonl", PARAMS, EXECUTION, python=interpreter)


def test_the_first_choice_of_tests_is_taken_that_the_reference_passes_in_every_run():
    fails_in_run = {"steady": 9, "late": 3, "never": 1, "alone": 1, "behind others": 9, "slow": 2, "few": 9}
    runs = Counter()

    def run(program):
        runs[program.code] += 1
        if runs[program.code] < fails_in_run[program.code]:
            return Outcome("passed", "", 1, 1)
        return Outcome("timeout" if program.code == "slow" else "wrong_answer", "it is noon", 0, 1)

    test = IoTest(call="f()", expected="1")
    problems = {name: Problem(task_id=name, prompt="Do.", tests=(test,), reference=name) for name in fails_in_run}
    choices = [["steady"], ["late", "steady"], ["never"], ["alone", "behind others"], ["slow", "few"]]
    found = sound([[problems[name] for name in each] for each in choices], StandInEngine(run))
    taken, late, never, ordered, short = found
    assert (taken.task_id, ordered.task_id, short.task_id) == ("steady", "behind others", "few")
    assert (late.reason, late.explanation) == ("flaky", "run 3: wrong_answer: it is noon")
    assert (never.reason, never.explanation) == ("reference_fails", "run 1: wrong_answer: it is noon")
    assert runs == {"steady": 3, "late": 3, "never": 1, "alone": 1, "behind others": 3, "slow": 2, "few": 3}
