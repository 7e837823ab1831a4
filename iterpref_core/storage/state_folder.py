"""Name the folder `.iterpref`, which keeps unfinished work and paid answers. Its files are not artifacts."""

from pathlib import Path

STATE = Path(".iterpref")
WORK = STATE / "work"
"""Checkpoints and caches. They are outside of DVC's outputs, which DVC deletes before a stage runs."""
ANSWERS = STATE / "answers.sqlite"
"""The models' answers to all stages and verbs: each is received, and paid for, once. `make clean` keeps the file."""
