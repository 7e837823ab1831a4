"""Objective names: those of the table of objectives (`iterpref_core.training.objectives`), in its order.

They stand here so that parameters are checked where they are read. A test compares both.
"""

OBJECTIVE_NAMES = (
    "sft",
    "dpo",
    "rpo",
    "target-dpo",
    "target-rpo",
    "sft-rejected",
    "hybrid-dpo",
    "hybrid-rpo",
    "symmetric-dpo",
    "symmetric-rpo",
    "ipo",
    "target-ipo",
    "hinge",
    "target-hinge",
    "cdpo",
    "target-cdpo",
    "robust",
    "target-robust",
    "apo-zero",
    "target-apo-zero",
    "simpo",
    "target-simpo",
    "orpo",
    "target-orpo",
)
