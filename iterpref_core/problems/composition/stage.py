"""Run stage `problems`: compose and split the problems, and add the user's own."""

from pathlib import Path

from iterpref_core.records import InputError, Params, ProblemsResult
from iterpref_core.storage.own_pairs import has_pairs

from .problem_splits import build_problems


def run(params: Params, *, ingested: Path, own_pairs: Path, out: Path) -> ProblemsResult:
    """Compose and split the problems.

    Args:
        params: all parameters.
        ingested: folder of the user's own problems.
        own_pairs: folder of the user's own pairs.
        out: the JSONL file of `Problem` to write.

    Raises:
        InputError: a file of `dvc add` among the user's problems has not been fetched.
    """
    # In a clone without the data the experiment would go on without the user's problems.
    for path in sorted(ingested.glob("*.dvc")):
        if not path.with_suffix("").exists():
            raise InputError(f"{path.with_suffix('')}: is not here; run `dvc pull {path}`, or remove {path.name}")
    return build_problems(params.problems, ingested, out, may_be_empty=has_pairs(own_pairs))
