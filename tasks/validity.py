"""Stage `validity`."""

from iterpref_core.records import Params, ValidityResult
from iterpref_core.storage.jsonl import write_jsonl

from .paths import PROBLEMS, VALIDITY, has_pairs_alone


def run(params: Params) -> ValidityResult:
    """Measure a sample of the tests that CodeFlow works with."""
    from iterpref_core.problems.validity.validity import measure_validity

    if has_pairs_alone():
        write_jsonl(VALIDITY, [])
        return ValidityResult()
    return measure_validity(
        problems=PROBLEMS,
        params=params.validity,
        execution=params.execution,
        out=VALIDITY,
    )
