"""Focal preference training (arXiv 2503.02783, section 3.3).

Stage `training`; `training.train_objective` is the entry point. `masks` turns character spans into token weights,
`objectives` holds the one loss and the table of its variants as pure functions, `dataset` tokenizes pairs once,
`reference` scores them under the frozen model once, `trainer` wires these into TRL's `DPOTrainer`.
"""
