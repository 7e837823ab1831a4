"""Debugging against sampling: solved problems per call, from hand-made records."""

import csv
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from iterpref_core.codeflow.source_comparison import SourceCounts, compare_sources, write_comparison
from iterpref_core.errors import InputError
from iterpref_core.records import Attempt, Trajectory, Verdict
from iterpref_core.storage.jsonl import write_jsonl

compare = partial(compare_sources, resamples=200, seed=1)

VERDICTS: dict[str, Verdict] = {"+": "passed", "-": "wrong_answer", "?": "infra_error"}


def write(path: Path, courses: Sequence[str]) -> Path:
    """A problem for each string: + passes, - fails, ? could not be judged."""
    write_jsonl(
        path,
        (
            Trajectory(
                task_id=f"t{number}",
                solved="+" in course,
                attempts=tuple(
                    Attempt(
                        iteration=i, code="", verdict=VERDICTS[c], feedback="", prompt_tokens=1, completion_tokens=1
                    )
                    for i, c in enumerate(course)
                ),
            )
            for number, course in enumerate(courses)
        ),
    )
    return path


def test_solved_problems_by_number_of_calls(tmp_path: Path) -> None:
    debugging = write(tmp_path / "d.jsonl", ["-+", "----", "+", "--+", "?"])
    sampling = write(tmp_path / "s.jsonl", ["-----", "+--+-", "-----", "--+++", "+++++"])
    problems, rows = compare(debugging, sampling)
    assert problems == 3, "t2's draft passes and t4's could not be judged"
    # t0 is solved by call 2 of debugging; t1 by call 4 of sampling (its first sample gives way to the draft); t3 by
    # call 3 of both. t1's debugging ends after 4 calls, unsolved.
    assert [(row.calls, row.debugging, row.sampling) for row in rows] == [
        (1, SourceCounts(0, 3), SourceCounts(0, 3)),
        (2, SourceCounts(1, 6), SourceCounts(0, 6)),
        (3, SourceCounts(2, 8), SourceCounts(1, 9)),
        (4, SourceCounts(2, 9), SourceCounts(2, 11)),
        (5, None, SourceCounts(2, 12)),
    ]
    paired = rows[3].paired
    assert paired is not None
    assert (paired.n, paired.gained, paired.lost, paired.p_value) == (3, 1, 1, 1.0), "t0 is won, t1 lost, t3 the same"
    assert rows[4].paired is None
    write_comparison(problems, rows, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open() as file:
        written = list(csv.DictReader(file))
    counted = {"debugging_solved": "2", "debugging_spent": "8", "sampling_solved": "1", "sampling_spent": "9"}
    assert written[2].items() >= {"calls": "3", "problems": "3", "p_value": "1.0", **counted}.items()
    assert float(written[2]["ci95_low"]) <= float(written[2]["difference"]) <= float(written[2]["ci95_high"])
    assert (written[4]["debugging_solved"], written[4]["difference"]) == ("", "")


def test_the_hardest_problems_are_those_that_the_fewest_samples_solve(tmp_path: Path) -> None:
    debugging = write(tmp_path / "d.jsonl", ["-+", "--", "+", "-+", "--+"])
    sampling = write(tmp_path / "s.jsonl", ["-+++", "--?+", "----", "?---", "--+-"])
    # Of the samples pass 3/4, 1/3, (t2's draft passes), 0/3 and 1/4.
    for hardest, by_debugging, by_sampling in ((1, 1, 0), (2, 1, 1), (3, 1, 2), (4, 2, 3), (99, 2, 3)):
        problems, rows = compare(debugging, sampling, hardest)
        assert problems == min(hardest, 4)
        assert rows[1].debugging is not None
        assert rows[-1].sampling is not None
        assert (rows[1].debugging.solved, rows[-1].sampling.solved) == (by_debugging, by_sampling)


def test_records_that_end_because_all_is_solved_or_nothing_can_follow_are_known(tmp_path: Path) -> None:
    debugging = write(tmp_path / "d.jsonl", ["-+", "-?"])
    sampling = write(tmp_path / "s.jsonl", ["-----", "-?---"])
    _, rows = compare(debugging, sampling)
    assert [row.debugging for row in rows] == [SourceCounts(0, 2), *[SourceCounts(1, 4)] * 4]


def test_a_problem_that_was_not_sampled_and_no_failing_draft_are_refused(tmp_path: Path) -> None:
    debugging, few = write(tmp_path / "d.jsonl", ["+", "-+"]), write(tmp_path / "s.jsonl", ["--"])
    with pytest.raises(InputError, match=r"s\.jsonl: problem 't1', whose draft fails in .*d\.jsonl, is not there"):
        compare(debugging, few)
    with pytest.raises(InputError, match="no draft fails"):
        compare(write(tmp_path / "easy.jsonl", ["+"]), few)
