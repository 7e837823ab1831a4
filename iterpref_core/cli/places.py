"""Where what is no artifact is kept; deleting it loses unfinished work and bought answers."""

from pathlib import Path

STATE = Path(".iterpref")
WORK = STATE / "work"
"""Checkpoints and caches. They stand outside of DVC's outputs, which DVC deletes before a stage runs."""
ANSWERS = STATE / "answers.sqlite"
"""What models answered, to whichever stage or verb: received, and perhaps paid for, once. `make clean` leaves it."""
