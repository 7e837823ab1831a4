"""Human review: the tests of a random sample of problems in a spreadsheet, and the marks read back."""

import csv
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from iterpref_core.errors import InputError, RecordError
from iterpref_core.input_files import read_text
from iterpref_core.records import Problem
from iterpref_core.storage.jsonl import atomic_writer, read_jsonl
from iterpref_core.validity.distributions import of_scores
from iterpref_core.validity.problem_sample import LONGEST, draw_problems, show_tests
from iterpref_core.validity.test_judge import CRITERIA, HIGHEST, LOWEST, JudgedTests


@dataclass(frozen=True)
class Agreement:
    """Two judges' scores, 1 to 5, of the same problems.

    Attributes:
        exact: share of problems with the same score from both.
        near: share with scores at most one apart.
        kappa: Cohen's kappa with quadratic weights (Cohen 1968): 1 is perfect, 0 what chance would give; None where it
            is not defined, because each judge gave the same one score to all.
    """

    exact: float
    near: float
    kappa: float | None


def agreement(ours: Sequence[int], theirs: Sequence[int]) -> Agreement:
    """Compare two judges, problem by problem.

    >>> agreement([5, 4, 3, 1], [5, 4, 4, 1]).exact
    0.75
    """
    from sklearn.exceptions import UndefinedMetricWarning  # takes seconds to import
    from sklearn.metrics import cohen_kappa_score

    assert len(ours) == len(theirs) > 0
    distances = [abs(a - b) for a, b in zip(ours, theirs, strict=True)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        kappa = float(cohen_kappa_score(ours, theirs, labels=[1, 2, 3, 4, 5], weights="quadratic"))
    return Agreement(
        exact=sum(d == 0 for d in distances) / len(distances),
        near=sum(d <= 1 for d in distances) / len(distances),
        kappa=None if kappa != kappa else kappa,  # noqa: PLR0124 - only NaN is not itself
    )


COLUMNS = ("task_id", "prompt", "tests", "reference", *CRITERIA, "note")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet takes for a formula. Such texts get an apostrophe, which marks a text."""


@dataclass(frozen=True)
class Marks:
    """What a human marked: problem → its mark in each criterion; and the problems that have no mark yet."""

    by_task: Mapping[str, Mapping[str, int]]
    unmarked: tuple[str, ...]


def export_review(problems: Path, out: Path, sample: int, seed: int) -> list[Problem]:
    """Write a random sample of problems as CSV with empty columns for marks from 1 to 5 and a note.

    Args:
        problems: JSONL of `Problem`.
        out: the CSV, in UTF-8 with the mark by which spreadsheets know it.
        sample: how many problems.
        seed: decides which.

    Returns:
        The problems, in the order of the rows.

    Raises:
        RecordError: a broken line.
        InputError: there is no problem, or `out` is there: it may hold somebody's marks.
    """
    if out.exists():
        raise InputError(f"{out}: already exists and may hold marks; give another file, or move it away")
    drawn = draw_problems(problems, sample, seed)
    with atomic_writer(out) as file:
        file.write("\ufeff")
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        for problem in drawn:
            texts = (problem.task_id, problem.prompt, show_tests(problem), problem.reference or "")
            rows.writerow([*map(_cell, texts), *("" for _ in CRITERIA), ""])
    return drawn


def _cell(text: str) -> str:
    text = text if len(text) <= LONGEST else text[:LONGEST] + "\n# the rest is not shown"
    return f"'{text}" if text.startswith(_FORMULA) else text


def read_marks(path: Path) -> Marks:
    """Read the marks strictly: each is a whole number from 1 to 5; a row has all of them, or none.

    Commas, semicolons and tabs may part the columns, which may stand in any order: spreadsheets save either way.

    Raises:
        InputError: the file is absent, is not UTF-8, or a column is missing.
        RecordError: a mark is bad or missing, or a row repeats a task_id.
    """
    by_task: dict[str, dict[str, int]] = {}
    unmarked: list[str] = []
    for where, row in _rows(path):
        text = (row["task_id"] or "").strip()
        task_id = text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text
        if not task_id or task_id in by_task or task_id in unmarked:
            problem = f"{task_id!r} stands there twice" if task_id else "is empty"
            raise RecordError(f"{where}: field 'task_id': {problem}; leave the rows as they were exported")
        cells = {name: (row[name] or "").strip() for name in CRITERIA}
        if any(cells.values()):
            by_task[task_id] = {
                name: _mark(cell, f"{where} ({task_id}): field '{name}'") for name, cell in cells.items()
            }
        else:
            unmarked.append(task_id)
    return Marks(by_task, tuple(unmarked))


def _rows(path: Path) -> Iterator[tuple[str, dict[str, str | None]]]:
    """Every row with where it begins: its cells may have line ends of their own."""
    text = read_text(path)
    header = text.partition("\n")[0]
    rows = csv.DictReader(StringIO(text, newline=""), delimiter=max(",;\t", key=header.count), strict=True)
    line = 1
    try:
        missing = [name for name in ("task_id", *CRITERIA) if name not in (rows.fieldnames or ())]
        if missing:
            raise InputError(f"{path}:1: column '{missing[0]}' is missing; keep the first row as it was exported")
        line = rows.line_num + 1
        for row in rows:
            yield f"{path}:{line}", row
            line = rows.line_num + 1
    except csv.Error as error:
        raise RecordError(f"{path}:{line}: not CSV ({error}); save it again from the spreadsheet") from None


def _mark(cell: str, where: str) -> int:
    if cell not in {str(mark) for mark in range(LOWEST, HIGHEST + 1)}:
        wrong = f"{cell!r} is no mark" if cell else "the row has marks, but none here"
        raise RecordError(f"{where}: {wrong}; write a whole number from {LOWEST} to {HIGHEST}")
    return int(cell)


def summarize_marks(marks: Marks, scores: Path | None = None) -> dict[str, float | None]:
    """Distributions of the marks, and their agreement with a judge.

    Args:
        marks: what a human marked.
        scores: JSONL of `JudgedTests`, or of what stage `validity` writes; None to compare with nobody.

    Returns:
        `marked`, `unmarked`, and of each criterion `/mean` and `/1` to `/5`; with scores also `compared` (problems that
        both judged) and of each criterion `/exact`, `/near` (at most one apart) and `/kappa`, None where undefined.

    Raises:
        RecordError: a broken line of the scores.
        InputError: the scores are of other problems.
    """
    found: dict[str, float | None] = {"marked": float(len(marks.by_task)), "unmarked": float(len(marks.unmarked))}
    for name in CRITERIA:
        found |= of_scores(name, [mark[name] for mark in marks.by_task.values()])
    if scores is None:
        return found
    judged = [item for item in read_jsonl(scores, JudgedTests, unique=True) if item.judge is not None]
    both = [item for item in judged if item.task_id in marks.by_task]
    if not both:
        raise InputError(f"{scores}: has scores of no problem that is marked; judge the same problems")
    return found | {"compared": float(len(both))} | _agreements(marks, both)


def _agreements(marks: Marks, judged: Sequence[JudgedTests]) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for name in CRITERIA:
        compared = agreement(
            [marks.by_task[item.task_id][name] for item in judged], [getattr(item.judge, name) for item in judged]
        )
        found |= {f"{name}/exact": compared.exact, f"{name}/near": compared.near, f"{name}/kappa": compared.kappa}
    return found
