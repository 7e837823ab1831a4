"""Focal preference training (arXiv 2503.02783, section 3.3).

Stage `training`; `train_objective.train_objective` is the entry point. It uses two packages:

- `training/data/`: pairs become tokens and marks, a table on disk, and batches.
- `training/model/`: the policy, its attention and label head, and the reference.
- the modules of this package: the trainer; a run with its checkpoints; and the files that it writes.
"""
