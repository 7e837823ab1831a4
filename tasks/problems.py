"""Stage `problems`."""

from iterpref_core.records import InputError, Params, ProblemsResult

from .paths import INGESTED, PROBLEMS, has_own_pairs


def run(params: Params) -> ProblemsResult:
    """Compose and split the problems.

    Raises:
        InputError: a file of `dvc add` among the user's problems has not been fetched.
    """
    from iterpref_core.problems.composition.problem_splits import build_problems

    # In a clone without the data the experiment would go on without the user's problems.
    for path in sorted(INGESTED.glob("*.dvc")):
        if not path.with_suffix("").exists():
            raise InputError(f"{path.with_suffix('')}: is not here; run `dvc pull {path}`, or remove {path.name}")
    return build_problems(params.problems, INGESTED, PROBLEMS, may_be_empty=has_own_pairs())
