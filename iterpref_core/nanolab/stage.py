"""Run stage `nanolab`: train the embedded models, or record where the given ones are."""

from pathlib import Path

from iterpref_core.records import NanolabResult, Params

from .embedded_models import build_models


def run(params: Params, *, problems: Path, student: Path, debugger: Path) -> NanolabResult:
    """Write the folders of both models.

    Args:
        params: all parameters.
        problems: JSONL of `Problem`.
        student: the student's folder.
        debugger: the debugger's folder.
    """
    return build_models(
        problems=problems,
        model=params.model,
        nanolab=params.nanolab,
        execution=params.execution,
        folders={"student": student, "debugger": debugger},
        backend=params.inference.backend,
    )
