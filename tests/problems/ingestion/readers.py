"""Readers of rows, as an ingestion opens them: what is taken and left out before a program runs."""

from iterpref_core.execution import Outcome
from iterpref_core.pairs.ingestion.preference_pairs import judge, read_pair
from iterpref_core.problems.ingestion.columns import parse_columns
from iterpref_core.problems.ingestion.intake import read_row
from iterpref_core.problems.ingestion.presets import PRESETS
from iterpref_core.problems.ingestion.problem_rows import read_problem
from iterpref_core.storage.items import read_items
from tests.settings import PARAMS


def repair_reader(named):
    """A reader of repairs whose fixed program passes all tests, and whose buggy one fails."""
    fixed = []

    def run(_):
        def judge(code):
            fixed.append(code)
            return Outcome(
                verdict="passed" if len(fixed) % 2 else "wrong_answer", feedback="", tests_passed=0, tests_total=1
            )

        return judge

    return lambda row: judge(read_pair(row, named, repair=True), row, named, PARAMS.pairs, run)[0]


def read_rows(form, source, columns=None, split=None):
    """The rows of a file as problems or repairs, and the rows that are left out."""
    items = read_items(source, nulls=True)
    preset = PRESETS[form]
    named = parse_columns(columns, preset.parts, preset=preset.columns, split=split)
    if form == "pairs":
        return [read_row(item, named, repair_reader(named)) for item in items]
    return [read_row(item, named, lambda row: read_problem(row, preset, named, wrong=True)) for item in items]
