"""Stage `validity`."""

from iterpref_core.records import Params, ValidityResult
from tasks.paths import PROBLEMS, VALIDITY


def run(params: Params) -> ValidityResult:
    """Measure a sample of the tests that CodeFlow works with."""
    from iterpref_core.problems.validity.validity import measure_validity

    return measure_validity(
        problems=PROBLEMS,
        params=params.validity,
        execution=params.execution,
        out=VALIDITY,
    )
