"""Define the paths of the stages' artifacts, relative to the repository's root, as in dvc.yaml."""

import os
from pathlib import Path

from iterpref_core.storage import state_folder

CHECKOUT = Path(__file__).parents[1]
"""The checkout that has this code."""
PARAMS = Path("params.yaml")
GRAPH = Path("dvc.yaml")
LOCK = Path("dvc.lock")

INGESTED = Path("problems")
OWN_PAIRS = Path("pairs")
PROBLEMS = state_folder.PROBLEMS
VALIDITY = Path("data/validity.jsonl")
TRAJECTORIES = Path("data/trajectories.jsonl")
PAIRS = state_folder.PAIRS
CONTAMINATION = Path("data/contamination.json")
DROPPED = Path("data/dropped.jsonl")
FOCAL = state_folder.FOCAL
MODELS = Path("models")
STUDENT = MODELS / "student"
DEBUGGER = MODELS / "debugger"
RESULTS = Path("results")
METRICS = Path("metrics")
HEADLINE = Path("metrics.json")
REPORTS = Path("reports")
SUMMARY = REPORTS / "summary.json"

HOME_VARIABLE = "DVC_ROOT"
"""Names the checkout that a worktree belongs to; DVC uses the same variable under `dvc exp run --temp`."""

STATE = state_folder.STATE
WORK = state_folder.WORK
ANSWERS = state_folder.ANSWERS
TIMES = WORK / "times"
"""A file for each stage, with the seconds of its last run on this machine, which the report adds up."""
WORKTREES = STATE / "worktrees"


def home() -> Path:
    """Return the root of the user's checkout, also for a run that happens in a worktree of it.

    DVC sets the variable for every stage. In a stage of a project around this one it names that other project, so it
    counts only where runs of the named checkout happen: in its worktrees, and in the folders of `dvc exp run --temp`.
    """
    root = Path(os.environ.get(HOME_VARIABLE, "."))
    places = [(root / place).resolve() for place in (WORKTREES, ".dvc/tmp")]
    return root if any(Path.cwd().is_relative_to(place) for place in places) else Path()


def model_path(name: str) -> Path:
    """Return the checkpoint of a model: `base`, `debugger` or an objective."""
    return {"base": STUDENT, "debugger": DEBUGGER}.get(name, MODELS / "trained" / name)
