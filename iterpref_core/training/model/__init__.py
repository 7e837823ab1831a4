"""Hold a model for training (`policy`), have it attend and score labels (`label_head`), and score its reference.

`parity` tries that on a probe pair. `training/trainer/` imports this package.
"""
