"""Focal preference training (arXiv 2503.02783, section 3.3).

Stage `training`; `training.train_objective` is the entry point. `masks` turns character spans into token weights,
`dataset` tokenizes pairs, `pair_table` keeps them on disk, `reference` scores them under the frozen model once,
`trainer` wires these and a row of the table of objectives into TRL's `DPOTrainer`.
"""
