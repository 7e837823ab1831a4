"""Stage `problems`."""

from iterpref_core.records.config import Params
from iterpref_core.records.errors import InputError
from tasks.mlflow.logged import logged
from tasks.paths import INGESTED, PROBLEMS
from tasks.stage_name import StageName


def run(params: Params) -> None:
    """Compose and split the problems.

    Raises:
        InputError: a file of `dvc add` among the user's problems has not been fetched.
    """
    from iterpref_core.problems.problems.problems import build_problems

    with logged(StageName("problems"), params) as metrics:
        _check_fetched()
        metrics.update(build_problems(params.problems, INGESTED, PROBLEMS))


def _check_fetched() -> None:
    """Refuse a clone without the data: the experiment would go on without the user's problems."""
    for path in sorted(INGESTED.glob("*.dvc")):
        if not path.with_suffix("").exists():
            raise InputError(f"{path.with_suffix('')}: is not here; run `dvc pull {path}`, or remove {path.name}")
