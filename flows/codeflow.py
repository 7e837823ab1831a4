"""Stage `codeflow`: draft, execute, refine."""

from flows.runner import run_stage
from iterpref_core.config import load_params
from tasks.codeflow import debug_problems


def codeflow() -> dict[str, float]:
    """Let the debugger repair the drafts."""
    return debug_problems(load_params())


if __name__ == "__main__":
    run_stage(codeflow, "codeflow")
