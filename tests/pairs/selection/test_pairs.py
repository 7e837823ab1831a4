"""Stage `pairs`: which version is rejected, what is dropped, and what is counted."""

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
from iterpref_core.storage.jsonl import read_jsonl, read_pairs, write_jsonl
from iterpref_core.storage.left_out import read_left_out
from tests.settings import changed, section
from tests.texts import written


def trajectory(name, versions):
    attempts = tuple(
        Attempt(iteration=i, code=code, verdict=verdict, feedback="", prompt_tokens=1, completion_tokens=1)
        for i, (code, verdict) in enumerate(versions)
    )
    return Trajectory(task_id=name, solved=versions[-1][1] == "passed", attempts=attempts)


def params(rejected="random"):
    return section(PairsParams, rejected=rejected, max_error_lines=20, max_tokens=30)


TASK = PairedProblem(PreferencePair(task_id="t", prompt="p", chosen="", rejected=""), "", "")
PROBLEM = Problem(task_id="t", prompt="Task", entry_point="", tests=(IoTest(call="x", expected="3"),), license="ISC")
THREE = [
    ("x = 0", "wrong_answer"), ("x = (", "syntax_error"), ("x = 2", "timeout"), ("x = 3", "passed"),
]  # fmt: skip


def select(folder, model, trajectories, settings=None, earlier=(), own=None):
    problems = (changed(PROBLEM, task_id=f"t{i}", prompt=f"Task {i}") for i in range(9))
    write_jsonl(folder / "problems.jsonl", problems)
    write_jsonl(folder / "trajectories.jsonl", trajectories)
    out = folder / "pairs.jsonl"
    inputs = [*earlier, folder / "trajectories.jsonl"], folder / "problems.jsonl", model, settings or params()
    metrics = select_pairs(*inputs, out, dropped=folder / "dropped.jsonl", own=own)
    return metrics, list(read_jsonl(out, PreferencePair))


def test_every_trajectory_becomes_a_pair_or_is_counted_as_dropped(tmp_path, word_model):
    long = "\n".join(f"x = {i}" for i in range(21))
    metrics, pairs = select(
        tmp_path,
        word_model,
        [
            trajectory("t8", THREE),
            trajectory("t1", [("x = 0", "wrong_answer")] * 6),
            trajectory("t2", [("x = 3", "passed")]),
            trajectory("t3", [("# a\nx = 3", "timeout"), ("x = 3", "passed")]),
            trajectory("t4", [(long, "wrong_answer"), ("y = 3", "passed")]),
            trajectory("t5", [("x = 1" + " + 1" * 20, "wrong_answer"), ("x = 3", "passed")]),
            trajectory("t6", [("x = (3)", "timeout"), ("x = 3", "passed")]),
            trajectory("t0", [("x = 0", "wrong_answer"), ("x = 3", "passed")]),
        ],
    )
    dropped = ("unsolved", "solved_by_draft", "comments_only", "long_error_region", "too_long", "cosmetic")
    assert metrics.metrics() == (
        {"pairs": 2, "contaminated": 0}
        | {f"dropped/{reason}": 0 for reason in DROPPED}
        | {f"dropped/{reason}": 1 for reason in dropped}
    )
    rows = list(read_left_out(tmp_path / "dropped.jsonl"))
    lines = [(f"{tmp_path}/trajectories.jsonl:{number}", f"t{number - 1}") for number in range(2, 8)]
    assert [(row.where, row.task_id) for row in rows] == lines
    assert [(row.reason, row.explanation) for row in rows] == [(reason, DROPPED[reason]) for reason in dropped]
    assert [pair.task_id for pair in pairs] == ["t8", "t0"]
    assert pairs[1] == PreferencePair(
        task_id="t0", prompt="Task 0", chosen="x = 3", rejected="x = 0", problem_id="t0", license="ISC"
    )


def test_own_pairs_join_those_of_codeflow_after_the_same_filters_and_counts_name_their_file(tmp_path, word_model):
    own = tmp_path / "pairs"
    own.mkdir()
    pair = {"prompt": "Own", "chosen": "x = 3", "rejected": "y = x - 1", "rejected_spans": [[0, 9]]}
    alone = {"prompt": "Own", "chosen": "x = 4"}
    written(own / "a.jsonl", pair | {"task_id": "t8"}, pair, pair | {"rejected": "x   =  (3)"}, alone)
    written(own / "b.jsonl", pair)
    metrics, pairs = select(tmp_path, word_model, [trajectory("t8", THREE)], own=own)
    assert [item.task_id for item in pairs] == ["t8", "t8#2", "pair-2", "pair-4", "pair-1"]
    assert pairs[1].rejected_spans == ((0, 9),)
    assert metrics.own == {"a": {"pairs": 2, "cosmetic": 1, "replay": 1}, "b": {"pairs": 1}}
    assert (metrics.pairs, metrics.made, metrics.replay, metrics.dropped["cosmetic"]) == (4, 1, 1, 0)
    assert type(metrics).of_metrics(metrics.metrics()) == metrics
    (row,) = read_left_out(tmp_path / "dropped.jsonl")
    assert (row.where, row.reason) == (f"{own}/a.jsonl:3", "cosmetic")
    assert select(tmp_path, word_model, [], own=own)[0].pairs == 3, "without a problem"


SOLVED = [trajectory(f"t{i}", [(f"x = {i}", "passed")]) for i in range(6)]


@pytest.mark.parametrize(("replay", "rows"), [(0, 0), (4, 4), (9, 5), (0.6, 3), (1.0, 5), (1, 1)])
def test_solved_drafts_are_replayed_by_number_or_share_and_screened_as_pairs_are(tmp_path, word_model, replay, rows):
    long = trajectory("t8", [("x = " + "1 + " * 40 + "1", "passed")])
    settings = changed(params(), replay=replay, benchmarks=(str(tmp_path / "bench.jsonl"),))
    written(tmp_path / "bench.jsonl", {"task_id": "MBPP/1", "prompt": "Task 5", "code": "x = 5", "test_list": []})
    metrics, pairs = select(tmp_path, word_model, [SOLVED[0], trajectory("t7", THREE), *SOLVED[1:], long], settings)
    alone = [pair for pair in pairs if pair.rejected is None]
    assert (metrics.pairs, metrics.replay, len(alone)) == (1, rows if replay else None, rows)
    assert [pair.chosen for pair in alone] == [f"x = {pair.task_id[1:]}" for pair in alone]
    dropped = {reason: count for reason, count in metrics.dropped.items() if count}
    screened = {"too_long": 1, "contaminated": 1} if replay else {}
    left = len(SOLVED) + 1 - rows - sum(screened.values())
    assert dropped == screened | ({"solved_by_draft": left} if left else {})
    assert len(list(read_left_out(tmp_path / "dropped.jsonl"))) == sum(dropped.values())
    if 0 < rows < 5:
        more = select(tmp_path, word_model, SOLVED, changed(settings, replay=rows + 1))[1]
        assert {pair.task_id for pair in alone} < {pair.task_id for pair in more}, "each problem has its own lot"


@pytest.mark.parametrize(("replay", "rows"), [(0, []), (1, ["t1"]), (2, ["t1", "t0#2"])])
def test_the_name_of_a_problem_is_its_pairs_also_where_an_earlier_run_solved_it_by_its_draft(
    tmp_path, word_model, replay, rows
):
    """The pair was `t0#2` and counted as a further one, even if no program was named `t0`."""
    solved = [trajectory("t1", [("x = 1", "passed")]), trajectory("t0", [("x = 2", "passed")])]
    written(tmp_path / "earlier.jsonl", *(item.model_dump(mode="json") for item in solved))
    settings = changed(params(), replay=replay)
    metrics, pairs = select(tmp_path, word_model, [trajectory("t0", THREE)], settings, [tmp_path / "earlier.jsonl"])
    assert [pair.task_id for pair in pairs] == ["t0", *rows]
    assert metrics.further_pairs == 0


def test_where_no_program_passes_the_wording_of_the_prompts_is_named(tmp_path, word_model):
    for name, code, says in (("t1", "x = 0", True), ("t1", "I cannot.", True), ("t2", "x = 3", False)):
        with pytest.raises(InputError, match="no problem gave a pair") as refused:
            select(tmp_path, word_model, [trajectory(name, [(code, "passed" if name == "t2" else "wrong_answer")])])
        assert ("codeflow.wording and training.answer" in str(refused.value)) is says


def test_first_last_or_random_failing_version():
    for rejected, code in (("first", "x = 0"), ("last", "x = 2")):
        (pair,) = make_pairs(trajectory("t", THREE), TASK, params(rejected))
        assert (pair.chosen, pair.rejected) == ("x = 3", code)
    drawn = [pair for i in range(300) for pair in make_pairs(trajectory(f"t{i}", THREE), TASK, params())]
    assert len(drawn) == 300
    counts = [sum(pair.rejected == code for pair in drawn) for code, _ in THREE]
    assert counts[3] == 0
    assert min(counts[:3]) > 70


def test_a_pair_that_a_later_step_drops_says_which(tmp_path, word_model):
    prompt = "Return the number of words of a text that begin with a vowel, whatever their case may be."
    problems = [
        changed(PROBLEM, task_id="t0", prompt=prompt),
        changed(PROBLEM, task_id="t1"),
    ]
    problems.append(changed(PROBLEM, task_id="h", prompt=prompt, split="heldout"))
    write_jsonl(tmp_path / "problems.jsonl", problems)
    write_jsonl(tmp_path / "trajectories.jsonl", [trajectory("t0", THREE), trajectory("t1", THREE)])
    inputs = [tmp_path / "trajectories.jsonl"], tmp_path / "problems.jsonl", word_model, params()
    select_pairs(*inputs, tmp_path / "pairs.jsonl", dropped=tmp_path / "dropped.jsonl")
    (row,) = read_left_out(tmp_path / "dropped.jsonl")
    write_jsonl(tmp_path / "trajectories.jsonl", [trajectory("t0", THREE)])
    with pytest.raises(InputError, match=r"contaminated 1\); .*; contaminated pairs overlap with heldout"):
        select_pairs(*inputs, tmp_path / "none.jsonl")
    assert (row.task_id, row.reason, row.partner) == ("t0", "contaminated", "heldout h")


def test_files_of_several_runs_are_joined_and_pairs_name_the_models_that_wrote_them(tmp_path, word_model):
    def by(name, versions, *models):
        made = trajectory(name, versions)
        signed = zip(made.attempts, models, strict=True)
        return made.model_copy(update={"attempts": tuple(changed(each, model=model) for each, model in signed)})

    first = [("x = 0", "wrong_answer"), ("x = 3", "passed")]
    other = [("x = 1", "wrong_answer"), ("x = 3", "passed")]
    write_jsonl(tmp_path / "problems.jsonl", [PROBLEM, changed(PROBLEM, task_id="t#2", prompt="Two")])
    runs = [[by("t", first, "weak", "good")], [by("t", first, "weak", "good")], [by("t", other, "weak", "weak")]]
    files = [tmp_path / f"{number}.jsonl" for number in range(3)]
    for file, rows in zip(files, runs, strict=True):
        write_jsonl(file, rows)
    out, dropped = tmp_path / "pairs.jsonl", tmp_path / "dropped.jsonl"
    metrics = select_pairs(files, tmp_path / "problems.jsonl", word_model, params(), out, dropped=dropped)
    assert [
        (pair.task_id, pair.rejected, pair.chosen_by, pair.rejected_by) for pair in read_jsonl(out, PreferencePair)
    ] == [
        ("t", "x = 0", "good", "weak"),
        ("t#3", "x = 1", "weak", "weak"),
    ]
    assert (metrics.pairs, metrics.further_pairs, metrics.dropped["repeated"]) == (2, 1, 1)
    assert [(row.reason, row.where) for row in read_left_out(dropped)] == [("repeated", f"{files[1]}:1")]


def test_what_fails_the_hidden_tests_may_become_a_pair_unless_that_is_turned_off(tmp_path, word_model):
    def judged(name, *hidden):
        attempts = trajectory(name, [("x = 0", "wrong_answer"), *[("x = 3", "passed")] * len(hidden)]).attempts
        with_hidden = (changed(a, hidden=h) for a, h in zip(attempts[1:], hidden, strict=True))
        return Trajectory(task_id=name, solved=True, attempts=(attempts[0], *with_hidden))

    many = [
        judged("t0", "wrong_answer"),
        judged("t1", "passed"),
        judged("t2", None),
        judged("t3", "infra_error"),
        judged("t4", "timeout", "passed"),
        judged("t5", "timeout", "timeout"),
    ]
    assert len(select(tmp_path, word_model, many)[1]) == 6
    metrics, pairs = select(tmp_path, word_model, many, changed(params(), pass_hidden=True))
    assert [pair.task_id for pair in pairs] == ["t1", "t2", "t3", "t4"]
    assert (metrics.dropped["fails_hidden_tests"], metrics.dropped["unsolved"]) == (2, 0)


def test_trajectories_that_other_tests_judged_are_refused(tmp_path, word_model):
    same = changed(trajectory("t0", THREE), tests=PROBLEM.tests_digest)
    assert len(select(tmp_path, word_model, [same])[1]) == 1
    other = same.model_copy(update={"tests": changed(PROBLEM, tests=()).tests_digest})
    with pytest.raises(InputError, match="trajectory 't0': its problem has other tests now"):
        select(tmp_path, word_model, [other])


def test_unjudged_cut_and_prose_versions_are_never_rejected(tmp_path, word_model):
    unusable = [("x =", "truncated"), ("I cannot.", "syntax_error"), ("x = 0", "infra_error")]
    many = [trajectory(f"t{i}", [version, THREE[-1]]) for i, version in enumerate(unusable)]
    metrics, pairs = select(tmp_path, word_model, [*many, trajectory("t3", [*unusable, *THREE])], params("all"))
    assert [pair.rejected for pair in pairs] == ["x = 0", "x = (", "x = 2"]
    dropped = {name: count for name, count in metrics.dropped.items() if count}
    assert dropped == {"truncated": 1, "no_program": 1, "solved_by_draft": 1}


@pytest.mark.parametrize(
    ("names", "model", "error", "message"),
    [
        (["unknown"], None, InputError, "'unknown': its problem is not in the problems file"),
        (["t0", "t0"], None, RecordError, r"trajectories\.jsonl:2: field 'task_id'"),
        (["t0"], "no-model", ModelError, "no-model"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path, word_model, names, model, error, message):
    tokenizer = tmp_path / model if model else word_model
    versions = [*THREE, ("x = 3" + " + 0" * 20, "passed")]  # long enough to be counted
    with pytest.raises(error, match=message):
        select(tmp_path, tokenizer, [trajectory(name, versions) for name in names])
    assert not (tmp_path / "pairs.jsonl").exists()


@pytest.mark.parametrize("license", [["MIT"], 3, {"spdx": "MIT"}, True, float("nan")])
def test_a_license_of_others_that_is_no_text_is_refused_and_not_passed_over(tmp_path, license):
    row = {"prompt": "p", "chosen": "x = 1\n", "rejected": "x = 2\n"}
    # Tests of others may be named like this project's word that tests judged a pair.
    source = written(tmp_path / "in.jsonl", row | {"license": None, "tested": "yes"}, row | {"tested": 1})
    assert [(pair.license, pair.tested) for pair in read_pairs(source)] == [(None, None), (None, None)]
    written(source, row | {"license": license})
    with pytest.raises(RecordError, match=r"in.jsonl:1: field 'license': a license is an SPDX expression in a text"):
        list(read_pairs(source))
