"""Docstrings that a model writes: what it reads, which texts are refused, and that each answer is paid for once."""

import json
import re
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from iterpref_core.cli.app import app
from iterpref_core.problems.own_code.evidence import Callers, find_tests
from iterpref_core.problems.own_code.functions import find_functions, read_module
from iterpref_core.problems.own_code.giveaways import code_in, expected_value_in
from iterpref_core.records import Problem, Trajectory
from iterpref_core.storage.dropped import read_dropped
from iterpref_core.storage.jsonl import read_jsonl
from tests.command_line import hide_benchmarks
from tests.mock_endpoint import Behavior, MockEndpoint, serve
from tests.texts import read_table, write_files

BODIES = {
    "known": "return [item for item in items if item]",
    "plain": "return sum(items) / len(items)",
    "second": "return max(items) - min(items)",
    "coded": "return sorted(set(items))[::-1]",
    "valued": "return [2 * item for item in items]",
    "vague": "return items[1:]",
    "short": "return items[:1]",
    "silent": "return items[-1:]",
    "untested": "return items",
}
HEADS = {name: f"def {name}(items, /):\n" for name in BODIES}
DOCSTRINGS = {"known": '    """Return what is not empty."""\n'}
SOURCE = "".join(f"{HEADS[name]}{DOCSTRINGS.get(name, '')}    {body}\n\n\n" for name, body in BODIES.items())
CALLER = "from tally.sums import plain\n\n\ndef _report(items):\n    return f'mean: {plain(items)}'\n"
SECRET = "\n\ndef _send(items):\n    return plain(items), 'AKIAJ2ZJQ5X3TFZ7Q6ZA'\n"
GPL = "# SPDX-License-Identifier: GPL-3.0-only\nfrom tally.sums import plain\n\n\ndef _copy(items):\n    plain(items)\n"
EXPECTED = {
    "known": "[3]", "plain": "2", "second": "3", "coded": "[3, 0]", "valued": "[36, 0]",
    "vague": "[0]", "short": "[3]", "silent": "[0]",
}  # fmt: skip
GIVEN = {"plain": "4, 0", "valued": "18, 0"}
TESTS = "from tally import sums\n\n" + "".join(
    f"def test_{name}():\n    assert sums.{name}([{GIVEN.get(name, '3, 0')}]) == {value}\n\n"
    for name, value in EXPECTED.items()
)
DOES = {
    "coded": "Sort as `sorted(set(items))` does, backwards.",
    "valued": "Double each: 18 and 0 give [36, 0].",
    "silent": "",
}
WRITTEN = '''def plain(items, /):
    """Return the plain of the items.

    Args:
        items: numbers

    Returns:
        it

    Special cases:
        - None is special."""
'''
REASONS = {
    "untested": "no_test",
    "count": "no_test",
    "coded": "holds_source",
    "valued": "holds_expected",
    "vague": "description_fails",
    "short": "incomplete",
    "silent": "no_description",
}


def text_for(name):
    """The object that describes a function."""
    arguments = {} if name == "short" else {"items": "numbers"}
    does = DOES.get(name, f"Return the {name} of the items.")
    return {"does": does, "arguments": arguments, "returns": "it", "raises": {}, "special_cases": ["None is special."]}


class Author:
    """Describes functions, and drafts them: `vague` always wrong, `second` wrong at first."""

    def __init__(self):
        self.prompts = Counter()
        self.asked = {}

    def __call__(self, prompt, seed):
        name = re.search(r"function `(\w+)` of the Python module `tally.sums`", prompt)[1]
        is_description = "has no docstring" in prompt
        self.prompts["descriptions" if is_description else name] += 1
        if is_description:
            self.asked[name] = prompt
            return json.dumps(text_for(name))
        is_wrong = name == "vague" or (name == "second" and self.prompts[name] == 1)
        return f"```python\n{HEADS[name]}    {'return 99' if is_wrong else BODIES[name]}\n```"


def run(*words, code=0):
    done = CliRunner().invoke(app, list(map(str, words)))
    assert done.exit_code == code, f"{done.output}{done.exception}"
    return done


@pytest.fixture(scope="module")
def tally(tmp_path_factory):
    """A project that was described after a budget had stopped the command twice, and then debugged."""
    folder = tmp_path_factory.mktemp("tally")
    write_files(folder / "tally-1.0", {
        "pyproject.toml": '[project]\nname = "tally"\nlicense = "MIT"\n',
        "tally/__init__.py": "",
        "tally/sums.py": SOURCE,
        "tally/report.py": SECRET + CALLER + "\n\ndef count(items):\n    return len(items)\n",
        "tally/gpl.py": GPL + "\n\ndef count(items):\n    return len(items)\n",
        "tests/test_sums.py": TESTS,
    })  # fmt: skip
    author = Author()
    with pytest.MonkeyPatch.context() as patch, serve(mock := MockEndpoint(author, Behavior())) as url:
        hide_benchmarks(patch)
        patch.chdir(folder)
        patch.setenv("OPENAI_API_KEY", "none")
        Path("endpoint.yaml").write_text(json.dumps({
            "model": {"debugger": "mock"},
            "inference": {"backend": "openai", "base_url": url, "concurrency": 1},
        }))  # fmt: skip
        ingest = (
            *("ingest", "tally-1.0", "--format", "folder", "--python", sys.executable, "--describe", "--json"),
            *("--out", "p.jsonl", "--dropped", "dropped.jsonl", "--params", "endpoint.yaml"),
        )
        for budget in ("calls=2", "calls=9"):
            stopped = run(*ingest, "--set", f"budget.{budget}", code=1)
            assert "Nothing received is lost" in str(stopped.exception)
            assert not Path("p.jsonl").exists()
        asked = mock.asked.total()
        stated = ["own_code.describe=true" if word == "--describe" else word for word in ingest]
        stated.insert(stated.index("own_code.describe=true"), "--set")
        printed = json.loads(run(*stated).stdout)
        paid = mock.asked.total()
        environment = f"tally-1.0={sys.executable}:{folder / 'tally-1.0'}"
        debug = ("debug", "--problems", "p.jsonl", "--out", "t.jsonl", "--params", "endpoint.yaml")
        run(*debug, "--environment", environment, "--max-iterations", 0, "--set", "codeflow.wording=instruct")
        yield SimpleNamespace(
            folder=folder,
            asked_at_budget=asked,
            printed=printed,
            paid=paid,
            mock=mock,
            author=author,
            problems={each.entry_point: each for each in read_jsonl(Path("p.jsonl"), Problem)},
            dropped=list(read_dropped(Path("dropped.jsonl"))),
            trajectories={each.task_id: each for each in read_jsonl(Path("t.jsonl"), Trajectory)},
        )


@pytest.mark.slow
def test_tested_functions_without_docstring_become_problems_of_both_kinds(tally):
    described_by = {name: problem.described_by for name, problem in tally.problems.items()}
    assert described_by == {"known": None, "plain": "mock", "second": "mock"}
    assert (tally.printed["problems"], tally.printed["described"]) == (3, 2)
    prompt = tally.problems["plain"].prompt
    assert prompt.endswith(f"```python\n{WRITTEN}```")
    assert "len(items)" not in prompt
    assert tally.problems["plain"].reference == f"{HEADS['plain']}    {BODIES['plain']}\n"


@pytest.mark.slow
def test_a_model_reads_source_callers_and_tests_that_it_may_see(tally):
    prompt = tally.author.asked["plain"]
    for shown in (BODIES["plain"], "def _report(items)", "def test_plain()"):
        assert shown in prompt
    for withheld in ("AKIA", "_copy", "def test_second"):
        assert withheld not in prompt


@pytest.mark.slow
def test_each_refused_text_is_written_with_its_reason(tally):
    found = {row.task_id.partition(":")[2]: row for row in tally.dropped}
    assert {name: row.reason for name, row in found.items()} == REASONS
    assert "it holds code of the function: sorted ( set ( items" in found["coded"].explanation
    assert "a test expects: [36, 0]\nDouble each" in found["valued"].explanation
    assert "does not describe items\nReturn the short" in found["short"].explanation
    assert re.match(r"wrong_answer: .*test_vague(?s:.*)Return the vague of the items", found["vague"].explanation)
    assert {
        f"dropped/{reason}": 1 for reason in REASONS.values() if reason != "no_test"
    }.items() <= tally.printed.items()


@pytest.mark.slow
def test_every_answer_is_paid_for_once_also_by_codeflow(tally):
    assert tally.asked_at_budget == 9, "the caps hold over restarts"
    # Seven descriptions, `silent` once more; one draft of `plain`, two of `second`, three of `vague`.
    assert tally.paid == 8 + 1 + 2 + 3
    assert tally.printed["calls"] == tally.paid
    # The draft of `known` alone is new to CodeFlow.
    assert tally.mock.asked.total() == tally.paid + 1
    assert tally.mock.repeated == 0
    verdicts = {name.rpartition(".")[2]: each.attempts[0].verdict for name, each in tally.trajectories.items()}
    assert verdicts == {"known": "passed", "plain": "passed", "second": "wrong_answer"}


def functions_of(tmp_path, source, tests=""):
    """The functions of a module by name, and the tests in another one."""
    write_files(tmp_path, {"m.py": source, "test_m.py": tests})
    module = read_module(tmp_path, tmp_path / "m.py")
    nodes = [f"test_m.py::{name}[1]" for name in re.findall(r"def (test\w*)", tests)]
    return {each.qualname: each for each in find_functions(module)}, find_tests(tmp_path, [*nodes, *nodes])


LONG = """def f(x, low=0):
    if x == "far away":
        raise ValueError("x must not be far away, it is (too) far")
    total = 0
    for each in x:  # add all
        total += each * low + (each - 1) ** 2
    left = not total
    return left or total
"""


@pytest.mark.parametrize(("text", "held"), read_table(r"""
Add up `each * low + (each - 1) ** 2`. | each * low + ( each
It sets total   += each*low + ( each-1 )**2 for each. | total + = each * low
It uses low + (each - 1) ** 2. | low + ( each - 1
Then return left or total. | return left or total
Raise ValueError "x must not be far away, it is (too) far" if x is 'far away'. |
For each in x, the total grows; return the total. |
"""))  # fmt: skip
def test_code_of_the_function_is_found_in_a_text(tmp_path, text, held):
    functions, _ = functions_of(tmp_path, LONG)
    found = code_in(text, functions["f"])
    assert (found != "") == (held != "")
    assert held in found


VALUES = """
import pytest
WORDS = {"first one": "eins zwei"}

class TestF:
    def helper(self): pass

@pytest.mark.parametrize(("x", "wanted"), [(["in"], "outcome"), (7, 1234)])
def test_cases(x, wanted):
    assert f(x) == wanted

def test_calls():
    assert f("given", 77) == [12, 13]
    assert f(None) is True and f("") == "a"
    assert m.f("far away") == -45.5
    assert f(3) == WORDS["first one"]
"""


@pytest.mark.parametrize(("text", "held"), read_table(r"""
It gives 'outcome' | 'outcome'
The outcome of all |
It gives 1234. | 1234
It gives [12,13]. | [12, 13]
It gives -45.5 then | 45.5
Given "given" or 77, it is True; a None gives a. |
It says eins zwei drei | 'eins zwei'
It raises for "far away". |
"""))  # fmt: skip
def test_values_that_tests_expect_are_found_in_a_text(tmp_path, text, held):
    functions, tests = functions_of(tmp_path, LONG, VALUES)
    assert [test.qualname for test in tests] == ["test_cases", "test_calls"], "each once"
    assert expected_value_in(text, functions["f"], tests) == held


def test_callers_are_the_nearest_users_of_a_name(tmp_path):
    own = "class C:\n    def __init__(self): pass\n    def a(self): return 1\n\ndef make(): return C()\n"
    write_files(tmp_path, {"m.py": own, "o.py": "def use(c): return c.a()\nclass D:\n    def _of(self): return C()\n"})
    modules = [read_module(tmp_path, tmp_path / f"{name}.py") for name in ("o", "m")]
    functions = {each.qualname: each for each in find_functions(modules[1])}
    callers = Callers(modules)
    assert [each.qualname for each in callers.of(functions["C.__init__"])] == ["make", "D._of"]
    assert [each.qualname for each in callers.of(functions["C.a"])] == ["use"]
    assert callers.of(functions["make"]) == []
