"""Held-out functions of one's own code: how many there are, and which pairs of other functions overlap with them."""

import json

import pytest
from typer.testing import CliRunner

from iterpref_core.cli.app import app
from iterpref_core.pairs.selection.pair_selection import select_pairs
from iterpref_core.problems.own_code import held_out
from iterpref_core.problems.own_code.function_prompt import prompt_of
from iterpref_core.problems.own_code.functions import find_functions, read_module
from iterpref_core.problems.own_code.held_out import hold_out_nearest
from iterpref_core.records import Attempt, InputError, IoTest, Problem, Trajectory, load_params
from iterpref_core.storage.jsonl import write_jsonl
from tests.command_line import hide_benchmarks

HEAD = '"""Prices and {0}, with a docstring of the module that every prompt of the module repeats."""\nimport math\n\n'
BODIES = (
    ("items, tax", "Return the sum of all {0} of the items with tax.", "return sum(items) * (1 + tax)"),
    ("items", "Return the largest {0}.", "return max(items)"),
    ("items", "Return the smallest {0}.", "return min(items)"),
    ("items, limit", "Return the {0} above a limit.", "return [item for item in items if item > limit]"),
    ("items, limit", "Return the {0} below a limit.", "return [item for item in items if item < limit]"),
    ("items", "Return the mean of the {0}, or zero for none.", "return sum(items) / len(items) if items else 0"),
    ("text", "Read the {0} from a text that divides them by commas.", "return [float(x) for x in text.split(',')]"),
    ("items", "Write the {0} as a text that divides them by commas.", "return ','.join(map(str, items))"),
    ("items", "Return the {0} in falling order.", "return sorted(items, reverse=True)"),
    ("items, n", "Return the n-th of the {0}, counted from the end.", "return items[-n]"),
    ("items", "Return how many different {0} there are.", "return len(set(items))"),
    ("items", "Return the {0} rounded up to whole numbers.", "return [math.ceil(item) for item in items]"),
)
NOUNS = ("prices", "weights", "lengths")


def module(noun):
    text = HEAD.format(noun)
    for number, (arguments, says, body) in enumerate(BODIES):
        text += f'def {noun}_{number}({arguments}):\n    """{says.format(noun)}"""\n    {body}\n\n\n'
    return text


def problems_of(folder, name, text):
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(text)
    for function in find_functions(read_module(folder, folder / f"{name}.py")):
        yield Problem(
            task_id=f"shop/shop.{name}.{function.qualname}",
            prompt=prompt_of(function, f"shop.{name}"),
            entry_point=function.qualname,
            tests=(IoTest(call="f()", expected="1"),),
            reference=function.text(),
            source="own_code:shop",
        )


@pytest.fixture
def functions(tmp_path, monkeypatch):
    hide_benchmarks(monkeypatch)
    return [each for noun in NOUNS for each in problems_of(tmp_path / "shop", noun, module(noun))]


def paired(folder, problems, benchmarks=("heldout",)):
    """Return the names of the problems that keep their pair, of those that are not held out."""
    write_jsonl(folder / "problems.jsonl", problems)
    attempts = [(each, Attempt(iteration=1, code=each.reference, verdict="passed")) for each in problems]
    wrong = Attempt(iteration=0, code="def f():\n    return None\n", verdict="wrong_answer")
    rows = (
        Trajectory(task_id=each.task_id, solved=True, attempts=(wrong, right))
        for each, right in attempts
        if each.split is None
    )
    write_jsonl(folder / "trajectories.jsonl", rows)
    params = load_params().pairs.model_copy(update={"benchmarks": benchmarks})
    select_pairs([folder / "trajectories.jsonl"], folder / "problems.jsonl", "none", params, folder / "pairs.jsonl")
    return {pair["task_id"] for pair in map(json.loads, (folder / "pairs.jsonl").read_text().splitlines())}


@pytest.mark.parametrize(("share", "number"), [(0.1, 4), (0.4, 14)])
def test_functions_of_a_module_are_no_copies_of_its_held_out_ones(functions, tmp_path, share, number):
    split = hold_out_nearest(functions, share)
    others = {each.task_id for each in split if each.split is None}
    assert len(others) == 36 - number
    assert paired(tmp_path, split) == others
    heldout, rest = tmp_path / "heldout.jsonl", tmp_path / "rest.jsonl"
    write_jsonl(heldout, (each for each in split if each.split))
    write_jsonl(rest, (each for each in split if not each.split))
    for arguments in (["--problems", rest], ["--pairs", tmp_path / "pairs.jsonl"]):
        found = CliRunner().invoke(app, ["check", *map(str, arguments), "--against", str(heldout), "--json"])
        assert found.exit_code == 0, found.stdout


@pytest.mark.parametrize("number", range(12))
def test_a_copy_of_a_held_out_function_is_found_under_another_name(functions, tmp_path, number):
    held_out = functions[number].model_copy(update={"split": "heldout"})
    copied = module("prices").replace(f"def prices_{number}", "def borrowed")
    renamed = [each for each in problems_of(tmp_path / "other", "copies", copied) if each.entry_point == "borrowed"]
    assert paired(tmp_path, [held_out, *renamed, functions[12]]) == {functions[12].task_id}


MOVED = """def move(text, width):
    width = int(width)
    padding = width - len(text)
    {}
    filled = [letter for letter in fill if letter]
    if not filled or len(filled) > 1:
        raise ValueError(f"{{fill}} is no letter")
    {}
"""
SIDES = (
    ("padding = max(padding, 0)", "return text + padding * filled[0]"),
    ("padding = max(padding, 0)", "return padding * filled[0] + text"),
    ("shown = text.split(' ')", "return {word: len(word) for word in shown if width in word}"),
)


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_equal_and_nearly_equal_solutions_are_on_one_side(functions, share):
    def with_reference(number, text):
        return functions[0].model_copy(update={"prompt": f"{number}", "reference": text})

    references = [MOVED.format(*lines) for lines in SIDES]
    method = 'def transform(self, *parts):\n    """Of {0}."""\n    return {0}(self, parts)'
    methods = [method.format("move"), method.format("move").replace("Of", "For"), method.format("turn")]
    for first, second, other in (references, methods):
        apart = set()
        for number in range(20):
            problems = [with_reference(f"{number}.{place}", text) for place, text in enumerate((first, second, other))]
            split = [each.split for each in hold_out_nearest([*functions, *problems], share)][-3:]
            assert split[0] == split[1]
            apart.add(split[0] == split[2])
        assert apart == {True, False}


def test_a_further_function_moves_at_most_one_other(functions):
    def held_out(problems, share):
        return {each.task_id for each in hold_out_nearest(problems, share) if each.split}

    for share in (0.1, 0.3):
        for number in range(1, 20):
            before, after = (held_out(functions[:end], share) for end in (number, number + 1))
            assert len(after) == round((number + 1) * share)
            assert len((before ^ after) - {functions[number].task_id}) <= 1
    assert [len(held_out(functions, share)) for share in (0, 1)] == [0, 36]


def test_a_prompt_keeps_its_place_when_its_module_gets_another_function(functions, tmp_path):
    grown = problems_of(
        tmp_path / "grown", "prices", module("prices") + 'def more():\n    """Return 1."""\n    return 1\n'
    )
    before = hold_out_nearest(functions[:12], 0.5)
    after = {each.task_id: each.split for each in hold_out_nearest(list(grown), 0.5)}
    assert sum(after[each.task_id] != each.split for each in before) <= 1


def test_an_empty_list_of_benchmarks_screens_nothing_and_a_misspelt_one_is_named_with_the_nearest_one(
    functions, tmp_path
):
    copied = functions[0].model_copy(update={"task_id": "copy", "split": "heldout"})
    assert paired(tmp_path, [copied, functions[0]], benchmarks=()) == {functions[0].task_id}
    with pytest.raises(InputError, match="no benchmark 'humanevall'; did you mean 'humaneval'"):
        paired(tmp_path, functions, benchmarks=("humanevall",))


def test_programs_are_compared_with_the_few_that_may_be_near(monkeypatch):
    calls = []
    is_near = held_out._are_near
    monkeypatch.setattr(held_out, "_are_near", lambda one, other: calls.append(one) or is_near(one, other))
    body = "return x.a{0}(x.b{0}, {0}, x.c{0})[{0}] + x.d{0}(x.e{0}, x.f{0} or {0})"
    programs = [f"def f(x):\n    {body.format(number)}\n" for number in range(100)]
    firsts = held_out.first_relatives(["", *programs, "", programs[7].replace("x", "y")])
    assert firsts == [*range(102), 8]
    assert len(calls) < 1000  # of 5,253 pairs
