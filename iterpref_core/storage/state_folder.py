"""Name what stages and verbs share in a checkout.

The files of `.iterpref`, which keeps unfinished work and paid answers, are not artifacts.
"""

from pathlib import Path

PROBLEMS = Path("data/problems.jsonl")
PAIRS = Path("data/pairs.jsonl")
FOCAL = Path("data/focal.jsonl")
"""The pairs, with their error regions marked."""
STATE = Path(".iterpref")
WORK = STATE / "work"
"""Checkpoints and caches. They are outside of DVC's outputs, which DVC deletes before a stage runs."""
ANSWERS = STATE / "answers.sqlite"
"""The models' answers to all stages and verbs: each is received, and paid for, once. `make clean` keeps the file."""
