"""Stage `pairs`: what becomes of a trajectory, a row each; and what files, own pairs and replay make of them."""

from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from iterpref_core.pairs.selection.pair_selection import DROPPED, PairedProblem, make_pairs, select_pairs
from iterpref_core.records import (
    Attempt,
    InputError,
    IoTest,
    ModelError,
    PairsParams,
    PreferencePair,
    Problem,
    RecordError,
    Trajectory,
)
from iterpref_core.storage.dropped import read_dropped
from iterpref_core.storage.jsonl import read_jsonl, read_pairs, write_jsonl
from tests.settings import changed, section
from tests.texts import read_table, written

PROBLEM = Problem(task_id="t", prompt="Task", entry_point="", tests=(IoTest(call="x", expected="3"),), license="ISC")
LONG = "\n".join(f"y = {i}" for i in range(21))
VERSIONS = {
    "wrong": ("x = 0", "wrong_answer"),
    "broken": ("x = (", "syntax_error"),
    "slow": ("x = 2", "timeout"),
    "passes": ("x = 3", "passed"),
    "fails-hidden": ("x = 3", "passed", "timeout"),
    "unknown-hidden": ("x = 3", "passed", "infra_error"),
    "cut": ("x =", "truncated"),
    "prose": ("I cannot.", "syntax_error"),
    "unjudged": ("x = 0", "infra_error"),
    "commented": ("# a\nx = 3", "timeout"),
    "same": ("x = (3)", "timeout"),
    "raises": ("x = (3)", "exception"),
    "21-lines": (LONG, "wrong_answer"),
    "41-words": ("x = 1" + " + 1" * 20, "wrong_answer"),
}
TABLE = """
wrong passes | - | wrong
passes | - | solved_by_draft
wrong wrong | - | unsolved
missing | - | unanswered
wrong missing passes | - | wrong
commented passes | - | comments_only
21-lines passes | - | long_error_region
41-words passes | - | too_long
same passes | - | cosmetic
raises passes | - | raises
cut passes | - | truncated
prose passes | - | no_program
prose cut passes | - | truncated
unjudged passes | - | solved_by_draft
unjudged cut slow passes | - | slow
wrong fails-hidden | - | wrong
wrong fails-hidden | hidden | fails_hidden_tests
wrong unknown-hidden | hidden | wrong
wrong fails-hidden passes | hidden | wrong
wrong broken slow passes | first | wrong
wrong broken slow passes | last | slow
wrong broken wrong slow passes | all | wrong broken slow
same slow passes | all | slow
same commented passes | all | cosmetic
passes | replay | alone
wrong passes | replay | wrong
41-words passes | replay | too_long
cut passes | replay | truncated
"""
"""The versions of a trajectory | the setting that is not as usual | the rejected versions of its pairs, or why it has
none."""
ROWS = read_table(TABLE)
SETTINGS = {"-": {}, "hidden": {"pass_hidden": True}, "replay": {"replay": "all"}}


def trajectory(name, versions, **more):
    """A trajectory of versions by their names; `missing` is an answer that did not come."""
    there = [VERSIONS[each] for each in versions if each != "missing"]
    attempts = tuple(
        Attempt(iteration=i, code=code, verdict=verdict, hidden=next(iter(hidden), None))
        for i, (code, verdict, *hidden) in enumerate(there)
    )
    missing = ("failed",) if "missing" in versions else None
    return Trajectory(task_id=name, solved=True, attempts=attempts, missing=missing, **more)


@pytest.fixture(scope="module")
def select(tmp_path_factory, word_model):
    """Select pairs of files of trajectories and of own pairs; return the record, the pairs, and what is left out."""
    folder = tmp_path_factory.mktemp("pairs")

    def select(*files, model=word_model, own=None, problems=None, **settings):
        some = problems or [changed(PROBLEM, task_id=f"t{i}", prompt=f"Task {i}") for i in range(len(ROWS))]
        write_jsonl(folder / "problems.jsonl", some)
        paths = [folder / f"{number}.jsonl" for number in range(len(files))]
        for path, rows in zip(paths, files, strict=True):
            write_jsonl(path, rows)
        params = section(PairsParams, **{"rejected": "random", "max_error_lines": 20, "max_tokens": 30} | settings)
        out, dropped = folder / "pairs.jsonl", folder / "dropped.jsonl"
        out.unlink(missing_ok=True)
        try:
            found = select_pairs(paths, folder / "problems.jsonl", model, params, out, dropped=dropped, own=own)
        except Exception:
            assert not out.exists()
            raise
        return found, list(read_jsonl(out, PreferencePair)), list(read_dropped(dropped))

    return select


@pytest.fixture(scope="module")
def world(select):
    """The rows of the table under one setting, selected at once: number of the row → pairs, or what is left out."""

    @cache
    def selected(setting):
        rows = {f"t{i}": row for i, row in enumerate(ROWS) if row[1] == setting}
        many = [trajectory(name, versions.split()) for name, (versions, _, _) in rows.items()]
        found, pairs, dropped = select(many, **SETTINGS.get(setting, {"rejected": setting}))
        reasons = Counter(expected for _, _, expected in rows.values() if expected in DROPPED)
        assert {reason: count for reason, count in found.dropped.items() if count} == reasons
        assert (found.pairs + (found.replay or 0), len(dropped)) == (len(pairs), reasons.total())
        return pairs, dropped

    return selected


@pytest.mark.parametrize(("number", "row"), [*enumerate(ROWS)], ids=[" ".join(row) for row in ROWS])
def test_what_becomes_of_a_trajectory(world, number, row):
    _, setting, expected = row
    pairs, dropped = world(setting)
    name = f"t{number}"
    of_row = [pair for pair in pairs if pair.problem_id == name]
    if expected in DROPPED:
        (one,) = [each for each in dropped if each.task_id == name]
        assert (one.reason, one.explanation, of_row) == (expected, DROPPED[expected], [])
        return
    assert [pair.task_id for pair in of_row] == [name, f"{name}#2", f"{name}#3"][: len(of_row)]
    rejected = [None] if expected == "alone" else [VERSIONS[each][0] for each in expected.split()]
    assert [(pair.chosen, pair.rejected, pair.prompt, pair.license) for pair in of_row] == [
        ("x = 3", each, f"Task {number}", "ISC") for each in rejected
    ]


def test_a_random_version_is_drawn_by_the_problem():
    task = PairedProblem(PreferencePair(task_id="t", prompt="p", chosen="", rejected=""), "", "")
    params = section(PairsParams, rejected="random")
    versions = ["wrong", "broken", "slow", "passes"]
    drawn = Counter(
        pair.rejected for i in range(300) for pair in make_pairs(trajectory(f"t{i}", versions), task, params)
    )
    assert drawn.total() == 300
    assert min(drawn[VERSIONS[each][0]] for each in versions[:3]) > 70


def test_own_pairs_follow_after_the_same_filters_and_counts_name_their_file(select, tmp_path):
    pair = {
        "prompt": "Own",
        "chosen": "x = 3",
        "rejected": "y = x - 1",
        "rejected_spans": [[0, 9]],
        "split": "validation",
    }
    alone = {"prompt": "Own", "chosen": "x = 4"}
    written(tmp_path / "a.jsonl", pair | {"task_id": "t8"}, pair, pair | {"rejected": "x   =  (3)"}, alone)
    written(tmp_path / "b.jsonl", pair)
    found, pairs, (row,) = select([trajectory("t8", ["wrong", "passes"])], own=tmp_path)
    assert [item.task_id for item in pairs] == ["t8", "t8#2", "pair-2", "pair-4", "pair-1"]
    assert (pairs[1].rejected_spans, pairs[1].split, pairs[0].split) == (((0, 9),), "validation", None)
    assert found.own == {"a": {"pairs": 2, "cosmetic": 1, "replay": 1}, "b": {"pairs": 1}}
    assert (found.pairs, found.replay, found.made, found.dropped["cosmetic"]) == (4, 1, 1, 0)
    assert type(found).of_metrics(found.metrics()) == found
    assert (row.where, row.reason) == (f"{tmp_path}/a.jsonl:3", "cosmetic")
    assert select([], own=tmp_path)[0].pairs == 3, "without a problem"


@pytest.mark.parametrize(("replay", "rows"), [(4, 4), (9, 5), ("all", 5), (1, 1)])
def test_solved_drafts_are_replayed_by_number_and_screened_as_pairs_are(select, tmp_path, replay, rows):
    bench = written(tmp_path / "b.jsonl", {"task_id": "MBPP/1", "prompt": "Task 5", "code": "x = 5", "test_list": []})
    settings = {"replay": replay, "benchmarks": (str(bench),)}
    solved = [trajectory(f"t{i}", ["passes"]) for i in range(6)]
    found, pairs, dropped = select([*solved[:1], trajectory("t7", ["wrong", "passes"]), *solved[1:]], **settings)
    alone = {pair.task_id for pair in pairs if pair.rejected is None}
    assert (found.pairs, found.replay, len(alone)) == (1, rows, rows)
    assert Counter(row.reason for row in dropped) == +Counter(contaminated=1, solved_by_draft=5 - rows)
    assert +Counter(found.dropped) == Counter(row.reason for row in dropped)
    if rows < 5:
        more = select(solved, **settings | {"replay": rows + 1})[1]
        assert alone < {pair.task_id for pair in more}, "each problem has its own lot"


@pytest.mark.parametrize(("replay", "rows"), [("none", []), (1, ["t1"]), (2, ["t1", "t0#2"])])
def test_the_name_of_a_problem_is_its_pairs_also_where_an_earlier_run_solved_it_by_its_draft(select, replay, rows):
    """The pair was `t0#2` and counted as a further one, even if no program was named `t0`."""
    earlier = [trajectory("t1", ["passes"]), trajectory("t0", ["passes"])]
    found, pairs, _ = select(earlier, [trajectory("t0", ["wrong", "passes"])], replay=replay)
    assert [pair.task_id for pair in pairs] == ["t0", *rows]
    assert found.further_pairs == 0


def test_files_of_several_runs_are_joined_and_pairs_name_the_models_that_wrote_them(select):
    def by(name, *models):
        made = trajectory("t", [name, "passes"])
        signed = zip(made.attempts, models, strict=True)
        return [changed(made, attempts=tuple(changed(each, model=model) for each, model in signed))]

    runs = by("wrong", "weak", "good"), by("wrong", "weak", "good"), by("slow", "weak", "weak")
    found, pairs, dropped = select(*runs, problems=[PROBLEM, changed(PROBLEM, task_id="t#2", prompt="Two")])
    assert [(pair.task_id, pair.rejected, pair.chosen_by, pair.rejected_by) for pair in pairs] == [
        ("t", "x = 0", "good", "weak"),
        ("t#3", "x = 2", "weak", "weak"),
    ]
    assert (found.pairs, found.further_pairs, found.dropped["repeated"]) == (2, 1, 1)
    assert [(row.reason, row.where[-9:]) for row in dropped] == [("repeated", "1.jsonl:1")]


def test_a_pair_that_overlaps_with_a_benchmark_names_the_task(select):
    prompt = "Return the number of words of a text that begin with a vowel, whatever their case may be."
    held = changed(PROBLEM, task_id="h", prompt=prompt, split="heldout")
    problems = [changed(held, task_id="t0", split=None), changed(PROBLEM, task_id="t1"), held]
    many = [trajectory(name, ["wrong", "passes"]) for name in ("t0", "t1")]
    found, _, (row,) = select(many, problems=problems)
    assert (found.further_pairs, found.contaminated) == (None, 1)
    assert (row.task_id, row.reason, row.partner) == ("t0", "contaminated", "heldout h")
    with pytest.raises(InputError, match=r"contaminated 1\); .*; contaminated pairs overlap with heldout"):
        select(many[:1], problems=problems)


def test_a_trajectory_of_a_problem_that_is_held_out_gives_no_pair_whatever_is_screened(select):
    splits = {"t0": None, "t1": "codeflow", "t2": "heldout", "t3": "validation"}
    problems = [changed(PROBLEM, task_id=name, prompt=name, split=split) for name, split in splits.items()]
    found, pairs, dropped = select([trajectory(name, ["wrong", "passes"]) for name in splits], problems=problems)
    assert ([pair.task_id for pair in pairs], found.dropped["other_split"]) == (["t0", "t1"], 2)
    assert [(row.task_id, row.reason) for row in dropped] == [("t2", "other_split"), ("t3", "other_split")]


OTHER_TESTS = changed(PROBLEM, tests=()).tests_digest


@pytest.mark.parametrize(
    ("versions", "more", "error", "message"),
    [
        (["wrong"], {}, InputError, r"no problem gave a pair \(unsolved 1\).*codeflow\.wording and training\.answer"),
        (["prose"], {}, InputError, r"codeflow\.wording and training\.answer"),
        (["passes"], {}, InputError, r"\(solved_by_draft 1\); see the reasons in docs/pairs\.md$"),
        (["passes"], {"name": "unknown"}, InputError, "'unknown': its problem is not in the problems file"),
        (["passes"], {"tests": OTHER_TESTS}, InputError, "trajectory 't0': its problem has other tests now"),
        (["41-words", "passes"], {"model": Path("/no-model")}, ModelError, "no-model"),
    ],
)
def test_what_gives_no_pair_or_cannot_be_used_is_refused(select, versions, more, error, message):
    model = {name: value for name, value in more.items() if name == "model"}
    tests = {name: value for name, value in more.items() if name == "tests"}
    with pytest.raises(error, match=message):
        select([trajectory(more.get("name", "t0"), versions, **tests)], **model)


def test_the_tests_that_judged_are_known_and_a_name_is_used_once(select):
    same = trajectory("t0", ["wrong", "passes"], tests=changed(PROBLEM, prompt="Task 0").tests_digest)
    assert len(select([same])[1]) == 1
    with pytest.raises(RecordError, match=r"0\.jsonl:2: field 'task_id'"):
        select([same, same])


@pytest.mark.parametrize("license", [["MIT"], 3, {"spdx": "MIT"}, True, float("nan")])
def test_a_license_of_others_that_is_no_text_is_refused_and_not_passed_over(tmp_path, license):
    row = {"prompt": "p", "chosen": "x = 1\n", "rejected": "x = 2\n"}
    # Tests of others may be named like this project's word that tests judged a pair.
    source = written(tmp_path / "in.jsonl", row | {"license": None, "tested": "yes"}, row | {"tested": 1})
    assert [(pair.license, pair.tested) for pair in read_pairs(source)] == [(None, None), (None, None)]
    written(source, row | {"license": license})
    with pytest.raises(RecordError, match=r"in.jsonl:1: field 'license': a license is an SPDX expression in a text"):
        list(read_pairs(source))
