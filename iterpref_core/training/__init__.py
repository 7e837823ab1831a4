"""Focal preference training.

`masks` turns character spans into token weights, `objectives` holds the one loss and the table of its variants as
pure functions, `dataset` tokenises pairs once, `reference` scores them under the frozen model once, `trainer` wires
these into TRL's `DPOTrainer`, `train` is the stage.
"""
