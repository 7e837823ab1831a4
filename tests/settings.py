"""What tests of several stages share; a setting that a test needs otherwise it changes with `model_copy`."""

from pathlib import Path

from iterpref_core.records import BudgetParams, ExecutionParams, load_params

ROOT = Path(__file__).parents[1]
"""Of the repository."""
PARAMS = load_params(ROOT / "params.yaml")
"""Read once: to read the file takes longer than many a test."""
_SECTIONS = {type(section): section for _, section in PARAMS}


training_seed = 0
"""What `--training-seed` says."""


def moved(seed):
    """Return the seed of something that is trained, moved by the option."""
    return seed + training_seed


def section(kind, **values):
    """A section of params.yaml with these values; a knob that a test does not name has the value it has there."""
    return kind.model_validate(_SECTIONS[kind].model_dump() | values)


def changed(record, **values):
    """Return a copy of a record or section with other values."""
    return record.model_copy(update=values)


FREE = section(BudgetParams, calls=None, tokens=None, dollars=None)
"""A budget without caps."""
EXECUTION = section(
    ExecutionParams,
    cpu_s=2,
    wall_s=20,
    memory_mb=256,
    output_kb=64,
    file_mb=1,
    engine="local",
    workers=1,
    allow_unsafe=False,
    environments={},
)
"""For small programs: they take milliseconds, a second worker takes more to start than it saves, and the limit of real
time has room for a busy machine."""
