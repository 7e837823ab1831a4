"""Debugging against sampling: how many problems a number of calls of a model solves (the paper's tables 5 and 6).

Both are measured on the problems whose draft fails, and start from it: the draft is the first call of both. Debugging
goes on with refinements, sampling with further samples. (A sample drawn in the draft's stead would be a second chance
for sampling alone, because the problems were chosen by that draft.)
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from iterpref_core.errors import InputError
from iterpref_core.records import Attempt, Trajectory
from iterpref_core.statistics.paired_tests import PairedComparison, compare_paired
from iterpref_core.storage.jsonl import atomic_writer, read_jsonl
from iterpref_core.storage.record_index import RecordIndex

COLUMNS = (
    *("calls", "problems", "debugging_solved", "debugging_spent", "sampling_solved", "sampling_spent"),
    *("difference", "ci95_low", "ci95_high", "p_value"),
)
"""Of the CSV; `iterpref_core.report.supplied_results` reads it."""


@dataclass(frozen=True)
class Course:
    """One problem's calls: how many were made, and which of them, from 1, was the first that solved it.

    `ended`: the source itself would make no further call, although the problem is unsolved.
    """

    calls: int
    solved_by: int | None = None
    ended: bool = False

    def knows(self, calls: int) -> bool:
        """Whether the records say what this many calls come to."""
        return self.calls >= calls or self.solved_by is not None or self.ended

    def solved_within(self, calls: int) -> bool:
        """Whether this many calls, at most, solve the problem."""
        return self.solved_by is not None and self.solved_by <= calls

    def spent_of(self, calls: int) -> int:
        """Calls made of at most this many: none follows the one that solves the problem."""
        return min(calls, self.solved_by or self.calls)


@dataclass(frozen=True)
class SourceCounts:
    """What a source comes to with at most a number of calls a problem: problems solved, calls made in all."""

    solved: int
    spent: int


@dataclass(frozen=True)
class Comparison:
    """Both sources with at most `calls` calls a problem; None where some record of a source is shorter than that.

    `paired` is debugging against sampling on the same problems, where both are known.
    """

    calls: int
    debugging: SourceCounts | None
    sampling: SourceCounts | None
    paired: PairedComparison | None


def draft_fails(debugging: Trajectory) -> bool:
    """Whether the first version was judged, and failed."""
    return bool(debugging.attempts) and debugging.attempts[0].verdict not in {"passed", "infra_error"}


def courses(debugging: Trajectory, sampling: Trajectory) -> tuple[Course, Course]:
    """One problem's course by debugging and by sampling, from the draft of the former on."""
    draft, *refinements = debugging.attempts
    ended = debugging.attempts[-1].verdict == "infra_error" or debugging.refused is not None
    others = [attempt for attempt in sampling.attempts if attempt.iteration > 0]
    return _course(draft, refinements, ended=ended), _course(draft, others, ended=sampling.refused is not None)


def solving_share(sampling: Trajectory) -> float:
    """Share of the samples that pass; those that could not be judged do not count."""
    judged = [attempt.verdict == "passed" for attempt in sampling.attempts if attempt.verdict != "infra_error"]
    return sum(judged) / len(judged) if judged else 0.0


def _course(draft: Attempt, others: Sequence[Attempt], *, ended: bool) -> Course:
    attempts = [draft, *others]
    passing = (number for number, attempt in enumerate(attempts, 1) if attempt.verdict == "passed")
    return Course(len(attempts), next(passing, None), ended)


def tally(many: Sequence[Course], calls: int) -> SourceCounts | None:
    """What these problems come to with at most so many calls each; None where a record ends before."""
    if not all(course.knows(calls) for course in many):
        return None
    return SourceCounts(
        sum(course.solved_within(calls) for course in many), sum(course.spent_of(calls) for course in many)
    )


def compare_sources(
    debugging: Path, sampling: Path, hardest: int | None = None, *, resamples: int, seed: int
) -> tuple[int, list[Comparison]]:
    """The number of problems compared, and both sources for every number of calls up to the longest record.

    Args:
        debugging: trajectories of CodeFlow.
        sampling: those of sampling, at least of the problems whose draft fails.
        hardest: only so many of the problems whose draft fails: those that the fewest samples solve (of samples that
            could be judged), and of equals those whose task_id comes first. The paper takes
            5,000 that five debugging iterations did not solve (table 6).
        resamples: bootstrap resamples of the intervals.
        seed: of the resampling.

    Raises:
        InputError: such a problem was not sampled, or there is none.
    """
    drawn = RecordIndex(read_jsonl(sampling, Trajectory, unique=True), Trajectory)
    compared: list[tuple[float, str, Course, Course]] = []
    for trajectory in filter(draft_fails, read_jsonl(debugging, Trajectory, unique=True)):
        sampled = drawn.get(trajectory.task_id)
        if sampled is None:
            raise InputError(
                f"{sampling}: problem {trajectory.task_id!r}, whose draft fails in {debugging}, is not there; "
                "sample every problem that was debugged"
            )
        compared.append((solving_share(sampled), trajectory.task_id, *courses(trajectory, sampled)))
    if not compared:
        raise InputError(f"{debugging}: no draft fails, so there is nothing to compare; give harder problems")
    if hardest is not None:
        compared = sorted(compared, key=lambda one: one[:2])[:hardest]
    by_debugging, by_sampling = [one[2] for one in compared], [one[3] for one in compared]
    longest = max(course.calls for course in by_debugging + by_sampling)
    rows = [_compare(by_debugging, by_sampling, calls, resamples, seed) for calls in range(1, longest + 1)]
    return len(by_debugging), rows


def _compare(
    debugging: Sequence[Course], sampling: Sequence[Course], calls: int, resamples: int, seed: int
) -> Comparison:
    ours, theirs = tally(debugging, calls), tally(sampling, calls)
    if ours is None or theirs is None:
        return Comparison(calls, ours, theirs, None)
    solved = [
        (one.solved_within(calls), other.solved_within(calls)) for one, other in zip(debugging, sampling, strict=True)
    ]
    won, lost = solved.count((True, False)), solved.count((False, True))
    return Comparison(calls, ours, theirs, compare_paired(won, lost, len(solved), resamples, seed))


def write_comparison(problems: int, rows: Sequence[Comparison], out: Path) -> None:
    """A CSV to plot, or for the report: calls a problem, and of each source problems solved and calls made.

    `problems` are those compared. The difference is a share of them, debugging less sampling, with its 95% interval and
    p-value. Cells are empty where a source's records are too short.
    """
    with atomic_writer(out) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            sides = [[side.solved, side.spent] if side else ["", ""] for side in (row.debugging, row.sampling)]
            paired = [row.paired.difference, *row.paired.ci95, row.paired.p_value] if row.paired else [""] * 4
            writer.writerow([row.calls, problems, *sides[0], *sides[1], *paired])
