"""Artifact paths of the stages, relative to the repository's root. dvc.yaml names the same ones."""

from pathlib import Path

from iterpref_core.config import Params, PromptStyle

PARAMS = Path("params.yaml")
LOCK = Path("dvc.lock")

INGESTED = Path("problems")
PROBLEMS = Path("data/problems.jsonl")
VALIDITY = Path("data/validity.jsonl")
TRAJECTORIES = Path("data/trajectories.jsonl")
PAIRS = Path("data/pairs.jsonl")
CONTAMINATION = Path("data/contamination.json")
FOCAL = Path("data/focal.jsonl")
MODELS = Path("models")
STUDENT = MODELS / "student"
DEBUGGER = MODELS / "debugger"
RESULTS = Path("results")
METRICS = Path("metrics")
HEADLINE = Path("metrics.json")
REPORTS = Path("reports")
SUMMARY = REPORTS / "summary.json"

STATE = Path(".iterpref")
"""What runs keep for themselves: nothing in it is an artifact; deleting it loses unfinished work and bought answers."""
WORK = STATE / "work"
"""Journals, checkpoints and caches. They stand outside of DVC's outputs, which DVC deletes before a stage runs."""
ANSWERS = STATE / "answers.sqlite"
"""What models answered, to whichever stage or verb: received, and perhaps paid for, once. `make clean` leaves it."""
BODIES = STATE / "bodies"
JOURNALS = STATE / "journals"


def model_path(name: str) -> Path:
    """The checkpoint that `name` (base, debugger or an objective) stands for."""
    return {"base": STUDENT, "debugger": DEBUGGER}.get(name, MODELS / "trained" / name)


def prompt_style(name: str, params: Params) -> PromptStyle:
    """How the model of this name reads prompts: `model.prompt` is of the student and what is trained from it."""
    return "auto" if name == "debugger" else params.model.prompt


def metrics_path(stage: str) -> Path:
    """Where a stage writes its metrics.

    The report reads the folder of all others' metrics; its own, the headline, stand outside of it.

    >>> str(metrics_path("training@target-rpo"))
    'metrics/training/target-rpo.json'
    """
    if stage == "report":
        return HEADLINE
    return METRICS / (stage.replace("@", "/") + ".json")
