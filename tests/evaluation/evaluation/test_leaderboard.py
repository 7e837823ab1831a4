"""Leaderboards: one table of results that `evaluate` wrote, compared on the same tasks."""

import csv
import json

import pytest

from iterpref_core.evaluation.scoring.leaderboard import make_leaderboard
from iterpref_core.evaluation.sharing.regression_gate import compare_with_baseline
from iterpref_core.records import InputError
from tests.evaluation.report.conftest import benchmark


@pytest.fixture
def board(tmp_path, monkeypatch):
    """Write results of models, {name: {benchmark: entry}}, and compare them; returns the table and the CSV's rows."""
    monkeypatch.chdir(tmp_path)

    def make(models, *benchmarks, **options):
        for name, entries in models.items():
            (tmp_path / name).mkdir()
            (tmp_path / name / "results.json").write_text(json.dumps({"model": name, "benchmarks": entries}))
        made, _ = make_leaderboard([tmp_path / name for name in models], benchmarks, tmp_path / "board", **options)
        with (tmp_path / "board/leaderboard.csv").open(encoding="utf-8") as file:
            return made, list(csv.DictReader(file))

    return make


def heldout(passed, **fields):
    return {"heldout": benchmark(2, passed, "heldout-1") | fields}


def test_a_table_has_every_model_and_every_k_and_compares_models_with_the_first(board, tmp_path):
    tokens = {"prompt": 9, "completion": 80, "per_answer": 40.0}
    more = {"tokens": tokens, "truncated": 0, "cost_usd": 0.5, "pass_at_2": 0.75, "pass_at_2_ci95": (0.4, 0.9)}
    made, (best, other) = board({"half": heldout(1), "big": heldout(2, **more)})
    assert (best["model"], best["n"], best["pass_at_1"], best["compared"]) == ("big", "2", "1.0", "2")
    assert (best["difference"], best["p_value"], best["answers_cut"], best["cost_usd"]) == ("0.5", "1.0", "0", "0.5")
    assert (other["model"], other["pass_at_1"], other["difference"]) == ("half", "0.5", "")
    assert (best["pass_at_2"], other["pass_at_2"], best["tokens_per_answer"]) == ("0.75", "", "40.0")
    assert (best["pass_at_2_ci95_low"], best["pass_at_2_ci95_high"]) == ("0.4", "0.9")
    table = (tmp_path / "board/leaderboard.md").read_text()
    cells = [[cell.strip() for cell in line.split("|")] for line in table.splitlines() if line[:1] == "|"]
    assert cells[2][1:5] == ["held-out", "big", "2", "100.0"]
    place = cells[0].index("pass@2")
    assert [row[place] for row in cells[2:]] == ["75.0 [40.0, 90.0]", "–"]
    assert "against half" in table
    assert [row["difference"] for row in made.to_json()["standings"]] == [0.5, None]


def test_rounds_are_compared_with_the_first_and_with_the_round_before(board, tmp_path):
    sampling = {"temperature": 1.0, "max_new_tokens": 512, "seed": 7}
    rounds = {"round1": heldout(0), "round2": heldout(2, sampling=sampling), "round3": heldout(1)}
    made, rows = board(rounds, previous=True)
    differences = [(row["model"], row["difference"], row["previous_difference"]) for row in rows]
    assert differences == [("round2", "1.0", "1.0"), ("round3", "0.5", "-0.5"), ("round1", "", "")]
    assert [note.partition(" were")[0] for note in made.notes[:2]] == ["round2 and round1", "round3 and round2"]
    for text in ((tmp_path / "board/leaderboard.md").read_text(), made.text("latex")):
        assert "against round1" in text
        assert "against the one before" in text


def test_what_was_measured_differently_is_named_of_each_seed(board, tmp_path, iterpref):
    """A score at temperature 1.5, with 16 tokens and 0.1 seconds of CPU is not one of greedy decoding."""
    one = heldout(1, sampling={"temperature": 0.0, "max_new_tokens": 512, "seed": 7})
    sampling = {"temperature": 1.5, "max_new_tokens": 16, "seed": 7}
    other = heldout(1, sampling=sampling, limits={"cpu_s": 0.1}, isolation="none", extracted=True)
    made, _ = board({"one": one, "same": one, "other": other})
    note, _ = made.notes
    assert note == (
        "other and one were measured differently on held-out: isolation: none instead of bubblewrap+landlock+seccomp; "
        "limits cpu_s: 0.1 instead of 2; programs: found in answers instead of as given; "
        "sampling max_new_tokens: 16 instead of 512; sampling temperature: 1.5 instead of 0.0"
    )
    code, out, err = iterpref("leaderboard", "one", "other", "--json")
    assert (code, note in json.loads(out)["notes"]) == (0, True), err  # to compare settings is no fault
    of_seeds, _ = make_leaderboard([tmp_path / "one", f"other={tmp_path / 'same'},{tmp_path / 'other'}"], ())
    assert note in of_seeds.notes


def test_samples_of_a_part_of_the_tasks_are_told_in_words(board):
    made, _ = board({"one": heldout(1), "some": heldout(1, partial={"tasks": 30})})
    assert made.notes[0].endswith(": tasks: those of 30 that have samples instead of all")


def test_a_benchmark_that_one_model_lacks_is_named(board, tmp_path):
    made, rows = board({"one": heldout(1), "two": heldout(1), "three": {"validation": benchmark(2, 2, "v-1")}})
    assert [row["benchmark"] for row in rows] == ["heldout", "heldout", "validation"]
    assert made.notes == [
        "no score of three on held-out: it was not measured",
        "no score of one, two on validation split: it was not measured",
        "Differences below about 65.8 points (held-out, 2 tasks) stay undecided.",
    ]
    with pytest.raises(InputError, match="no score of one on MBPP: it was not measured"):
        make_leaderboard([tmp_path / "one"], ["mbpp"], tmp_path / "board")


def test_the_same_problems_are_one_benchmark_by_the_name_of_the_first_model_or_of_the_option(board, tmp_path):
    """`evaluate --problems mine.jsonl` calls them by the file, and the experiment calls them held-out."""
    (found,) = heldout(1).values()
    _, rows = board({"base": {"mine": found}, "sft": heldout(2)})
    assert [(row["benchmark"], row["model"], row["compared"]) for row in rows] == [
        ("mine", "sft", "2"),
        ("mine", "base", ""),
    ]
    both = [tmp_path / "base", tmp_path / "sft"]
    made, _ = make_leaderboard(both, ["heldout"])
    assert [row.benchmark for row in made.rows] == ["heldout"] * 2
    assert list(compare_with_baseline(*both, (), 0.05, margin=0.1).benchmarks) == ["mine"]


def test_a_name_that_a_user_gives_is_shown_as_it_is(board, tmp_path):
    board({"base": heldout(1), "sft": heldout(2), "rpo": heldout(2)})
    made, _ = make_leaderboard([f"dpo={tmp_path / 'base'}", f"sft={tmp_path / 'sft'}", tmp_path / "rpo"], ())
    for form in (made.markdown(), made.text("latex")):
        assert [name in form for name in ("dpo", "sft", "RPO", "DPO", "SFT")] == [True, True, True, False, False]


def test_results_that_cannot_be_compared_are_refused(board, tmp_path):
    with pytest.raises(InputError, match="were measured on different data"):
        board({"one": heldout(1), "two": {"heldout": benchmark(2, 1, "heldout-2")}})
    for other, message in (("one/results.json", "given twice"), ("absent", "absent")):
        with pytest.raises(InputError, match=message):
            make_leaderboard([tmp_path / "one", tmp_path / other], (), tmp_path / "board")
    assert not (tmp_path / "board").exists()
