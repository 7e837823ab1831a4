"""Run stage `validity`: measure a sample of the tests that CodeFlow works with."""

from pathlib import Path

from iterpref_core.records import Params, ValidityResult
from iterpref_core.storage.jsonl import write_jsonl
from iterpref_core.storage.own_pairs import has_pairs_alone

from .validity import measure_validity


def run(params: Params, *, problems: Path, own_pairs: Path, out: Path) -> ValidityResult:
    """Measure a sample of tests.

    Args:
        params: all parameters.
        problems: JSONL of `Problem`.
        own_pairs: folder of the user's own pairs; with some, no problem is needed.
        out: the JSONL file of `ProblemQuality` to write.
    """
    if has_pairs_alone(own_pairs, problems):
        write_jsonl(out, [])
        return ValidityResult()
    return measure_validity(problems, params.validity, params.execution, out)
