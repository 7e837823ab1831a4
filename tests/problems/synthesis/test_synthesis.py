"""From seed code to problems, with a scripted model and the real engine."""

import json
import re

import pytest

from iterpref_core.execution import Executor, Limits
from iterpref_core.models.inference.answer_store import AnswerStore
from iterpref_core.problems.synthesis.feature_tree import FeatureTree, load_tree
from iterpref_core.problems.synthesis.seed_code import filter_for_others
from iterpref_core.problems.synthesis.synthesis import SEED_CHARS, make_tree, write_problems
from iterpref_core.records import InputError, Problem, RecordError
from iterpref_core.storage.jsonl import read_jsonl
from tests.fake_models import stored

from .conftest import PROGRAM, SOLUTION, TEST, ScriptedModel, write_answer

LIMITS = Limits(cpu_s=2, wall_s=20)
WORDS = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliet"]
WORDS += ["kilo", "lima", "mike"]


@pytest.fixture(scope="module")
def executor():
    with Executor(LIMITS, workers=2) as executor:
        yield executor


def _features(prompt):
    """Two features for each seed, one of them its letter's; evolution adds a finer one."""
    if "Let it grow" in prompt:
        return '{"algorithm": {"letters": {"finer": {}}}, "security": {"escaping": {}, "secrets": {}}}'
    (letter,) = re.findall(r"letter = '(.)'", prompt)
    return json.dumps({"algorithm": {"letters": {letter: {}}, "order": {}}})


def _seeds(folder, letters):
    folder.mkdir()
    for place, letter in enumerate(letters):
        (folder / f"{place}.py").write_text(f"letter = '{letter}'\n")
    return folder


def _tree():
    tree = FeatureTree()
    for category in ("algorithm", "data structures", "security"):
        tree.observe((category, f"feature {number}") for number in range(9))
    return tree


class Author:
    """Writes a problem of its own for every prompt; those in `special` get another answer."""

    def __init__(self, special=None):
        self.special = special or {}
        self.numbers = {}

    def __call__(self, prompt):
        number = self.numbers.setdefault(prompt.partition("\n\nYour last answer")[0], len(self.numbers))
        word = WORDS[number]
        instruction = f"Write `double(x)`: {word} " + " ".join(f"{word}{place}" for place in range(12))
        return self.special.get(number, write_answer(PROGRAM, instruction))


def test_a_tree_is_extracted_evolved_and_saved(tmp_path, params):
    model = ScriptedModel(_features)
    source = _seeds(tmp_path / "seeds", "aab")
    tree, counts = make_tree(source, model, params, None, tmp_path / "tree.json")
    algorithm, security = (tree.categories[name] for name in ("algorithm", "security"))
    letters = algorithm.children["letters"].children
    assert (letters["a"].frequency, letters["finer"].frequency) == (2, 1.5), "the mean of its siblings"
    assert (security.frequency, security.children["escaping"].frequency) == (3, 1.5), "and an equal share"
    assert algorithm.frequency == algorithm.children["order"].frequency == 3, "a seed counts once, growth never"
    assert load_tree(tmp_path / "tree.json") == tree
    assert (tree.seeds, tree.rounds) == (3, 2)
    assert counts == {
        "seeds": 3, "seeds/used": 3, "seeds/dropped/unreadable": 0, "features/extracted": 4, "features/evolved": 4,
        "evolution/asked": 6, "evolution/unreadable": 0, "asked_again": 0,
    }  # fmt: skip
    assert len(model.prompts) == 2 + 2 * 3, "equal prompts are asked once"


def test_seed_code_that_must_stay_here_never_reaches_the_model(tmp_path, params):
    source = tmp_path / "seeds.jsonl"
    programs = ["letter = 'a'\n", "letter = 'b'\nTOKEN = 'hush'\n", "  \n", "letter = 'c'\n" + "x = 1\n" * 9999]
    source.write_text("".join(json.dumps({"content": program, "stars": 1}) + "\n" for program in programs))
    model = ScriptedModel(_features)

    def withhold(program):
        return "secret" if "hush" in program else None

    _, counts = make_tree(source, model, params, withhold, tmp_path / "tree.json")
    assert not any("hush" in prompt for prompt in model.prompts)
    assert {name: counts[name] for name in counts if name.startswith("seeds")} == {
        "seeds": 4, "seeds/used": 2, "seeds/cut": 1, "seeds/dropped/empty": 1, "seeds/dropped/secret": 1,
        "seeds/dropped/unreadable": 0,
    }  # fmt: skip
    cut = next(prompt for prompt in model.prompts if "letter = 'c'" in prompt)
    assert cut.count("x = 1\n") == (SEED_CHARS - len("letter = 'c'\n")) // len("x = 1\n")


def test_only_code_under_an_allowed_license_and_without_secrets_may_leave(tmp_path):
    folder = tmp_path / "seeds"
    folder.mkdir()
    unknown = filter_for_others(folder, None, ("MIT",))
    assert unknown("x = 1\n") == "license"
    assert unknown("# SPDX-License-Identifier: MIT\nx = 1\n") is None
    (folder / "pyproject.toml").write_text('[project]\nlicense = "MIT"\n')
    known = filter_for_others(folder, None, ("MIT",))
    assert known("x = 1\n") is None
    assert known("# SPDX-License-Identifier: GPL-3.0-only\nx = 1\n") == "license"
    assert known("# write to jane.doe@acme.io\n") == "email"
    stated = filter_for_others(tmp_path / "seeds.jsonl", "MIT", ("MIT",))
    assert stated("x = 1\n") is None


def test_seed_code_that_is_none_is_refused(tmp_path, params):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.jsonl").write_text('{"text": "x"}\n')
    (tmp_path / "latin").mkdir()
    (tmp_path / "latin" / "a.py").write_bytes(b"# \xe9\n")
    for name, error, message in [
        ("empty", InputError, "no feature was found in 0 programs"),
        ("absent", InputError, "no such file"),
        ("bad.jsonl", RecordError, r"bad.jsonl:1: field 'code': Field required; such a record is"),
        ("latin", InputError, r"a\.py:1:3: not UTF-8"),
    ]:
        with pytest.raises(error, match=message):
            make_tree(tmp_path / name, ScriptedModel(_features), params, None, tmp_path / "tree.json")


VACUOUS = """import unittest
import solution


class TestNothing(unittest.TestCase):
    def test_it(self):
        self.assertTrue(True)


unittest.main()
"""


def test_problems_are_kept_when_their_solution_passes_and_all_are_accounted_for(tmp_path, params, executor):
    special = {
        1: "I would rather not.",
        2: write_answer(PROGRAM | {"solution": "def double(x):\n    return x + 2\n"}, "wrong one"),
        3: write_answer(PROGRAM | {"solution": "import not_installed_here\n" + SOLUTION}, "needs something"),
        4: write_answer(PROGRAM, "out of range", used=[77]),
        6: Author()("first"),  # what number 0 says
        7: write_answer(PROGRAM | {"solution": "import os\nos._exit(0)\n"}, "one that ends early"),
        8: write_answer(PROGRAM | {"test": TEST.replace("double(3), 6", "double(3), double(3)")}, "lenient one"),
        10: write_answer(PROGRAM | {"test": VACUOUS}, "one that every program passes"),
        11: write_answer(PROGRAM | {"solution": f"KEY = 'AKIAJ2ZJQ5X3TFZ7Q6ZA'\n{SOLUTION}"}, "one with a key"),
        12: write_answer(PROGRAM, " - "),
    }
    model = ScriptedModel(Author(special))
    out = tmp_path / "written.jsonl"
    counts = write_problems(_tree(), model, params, executor, 13, out, tmp_path / "dropped.jsonl")
    problems = list(read_jsonl(out, Problem, unique=True))
    assert [problem.task_id for problem in problems] == [f"written/{number}" for number in (0, 5, 8, 9)]
    assert counts == {
        "problems/asked": 13, "problems/kept": 4, "asked_again": 2,
        "problems/dropped/unreadable": 2, "problems/dropped/demands_nothing": 1, "problems/dropped/secret": 1,
        "problems/dropped/missing_package": 1,
        "problems/dropped/reference_fails": 2, "problems/dropped/repeated": 1, "problems/dropped/no_feature": 1,
        "missing_package/not_installed_here": 1,
    }  # fmt: skip
    dropped = sum(count for name, count in counts.items() if name.startswith("problems/dropped/"))
    assert counts["problems/asked"] == counts["problems/kept"] + dropped
    assert len((tmp_path / "dropped.jsonl").read_text().splitlines()) == dropped


def test_a_killed_run_asks_for_nothing_twice_and_writes_the_same(tmp_path, params, executor):
    source = _seeds(tmp_path / "seeds", "aab")

    def answer(prompt):
        if "Invent a programming problem" not in prompt:
            return _features(prompt)
        # The offered features make the problem, so that it does not depend on when it is asked for.
        return write_answer(PROGRAM, "Write `double`: " + " ".join(re.findall(r"\d\. (.*)", prompt)))

    def run(model, name):
        folder = tmp_path / name
        with AnswerStore(folder / "answers.sqlite", "synthesize") as store:
            backend = stored(model, "scripted", store)
            tree, _ = make_tree(source, backend, params, None, folder / "tree.json")
            write_problems(tree, backend, params, executor, 4, folder / "out.jsonl")
        return (folder / "tree.json").read_bytes() + (folder / "out.jsonl").read_bytes()

    whole = ScriptedModel(answer)
    expected = run(whole, "whole")
    asked = []
    for _ in ("after the seeds", "after a round of evolution", "after the other"):
        model = ScriptedModel(answer, patience=1)
        with pytest.raises(KeyboardInterrupt):
            run(model, "killed")
        assert not (tmp_path / "killed" / "out.jsonl").exists()
        asked += model.prompts
    last = ScriptedModel(answer, patience=1)
    assert run(last, "killed") == expected
    asked += last.prompts
    assert sorted(asked) == sorted(whole.prompts)
