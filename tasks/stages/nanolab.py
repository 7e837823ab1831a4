"""Stage `nanolab`."""

from tasks.paths import DEBUGGER, PROBLEMS, STUDENT

from .stage import Stage

STAGE = Stage(
    name="nanolab",
    work="iterpref_core.nanolab.embedded_models:build_models",
    params=["nanolab", "execution", "-execution.inside", "inference.backend", "model.debugger", "model.student"],
    reads={"problems": PROBLEMS},
    writes={"student": STUDENT, "debugger": DEBUGGER},
    external=["files.debugger", "files.student", "python", "tokenizers", "torch", "transformers"],
    card=True,
)
